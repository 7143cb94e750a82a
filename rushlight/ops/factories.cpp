// Tensors from nothing: empty, zeros, ones, full, arange, linspace, eye, and their _like and new_ forms; fill_ and zero_.
#include <cmath>
#include <cstring>

#include "rushlight/fn/zeros_like.h"
#include "rushlight/kernels/loops.h"
#include "rushlight/ops/kernel.h"

namespace rushlight {
namespace {

using DT = std::optional<DType>;
using LT = std::optional<Layout>;
using DV = std::optional<Device>;
using OB = std::optional<bool>;
using MF = std::optional<MemoryFormat>;

template <class F>
void with_type(DType d, const F& f) {
  switch (d) {
    case DType::UInt8: return f(uint8_t());
    case DType::Int8: return f(int8_t());
    case DType::Int16: return f(int16_t());
    case DType::Int32: return f(int32_t());
    case DType::Int64: return f(int64_t());
    case DType::Float16: return f(Half());
    case DType::Float32: return f(float());
    case DType::Float64: return f(double());
    case DType::Complex64: return f(complex64());
    case DType::Complex128: return f(complex128());
    case DType::Bool: return f(bool());
    default: return f(BFloat16());
  }
}

void fill_all(const Tensor& t, const Scalar& value) {
  if (t.numel() == 0 || t.device().is_meta()) return;
  alignas(16) char item[16] = {};
  with_type(t.dtype(), [&]<class T>(T) {
    T v = value.to<T>();
    std::memcpy(item, &v, sizeof v);
  });
  int64_t size = t.item_size();
  bool zero = true;
  for (int64_t i = 0; i < size; i++) zero &= item[i] == 0;
  LoopPlan plan(t.sizes());
  plan.add(t);
  plan.finish();
  plan.for_each_row(true, [&](char* const* p, const int64_t* strides, int64_t n) {
    if (strides[0] == size && zero) std::memset(p[0], 0, size_t(n * size));
    else convert_row(t.dtype(), p[0], strides[0], t.dtype(), item, 0, n);
  });
}

Tensor make(IntArrayRef size, const DT& dtype, const DV& device, const MF& format = {}) {
  DType d = dtype.value_or(default_dtype());
  if (format && *format != MemoryFormat::Contiguous && *format != MemoryFormat::Preserve)
    return empty_strided_tensor(size, strides_for(size, *format), d, device.value_or(Device()));
  return empty_tensor(size, d, device.value_or(Device()));
}
Tensor make_full(IntArrayRef size, const Scalar& value, const DT& dtype, const DV& device) {
  Tensor t = make(size, dtype, device);
  fill_all(t, value);
  return t;
}
Tensor make_like(const Tensor& self, const DT& dtype, const DV& device, const MF& format) {
  MemoryFormat f = format.value_or(MemoryFormat::Preserve);
  Dims strides = f == MemoryFormat::Preserve ? preserved_strides(self) : strides_for(self.sizes(), f);
  return empty_strided_tensor(self.sizes(), strides, dtype.value_or(self.dtype()), device.value_or(self.device()));
}
Tensor full_like_of(const Tensor& self, const Scalar& value, const DT& dtype, const DV& device, const MF& format) {
  Tensor t = make_like(self, dtype, device, format);
  fill_all(t, value);
  return t;
}

Tensor empty(IntArrayRef size, const DT& dtype, const LT&, const DV& device, const OB&, const MF& format) {
  return make(size, dtype, device, format);
}
Tensor zeros(IntArrayRef size, const DT& dtype, const LT&, const DV& device, const OB&) {
  return make_full(size, 0, dtype, device);
}
Tensor ones(IntArrayRef size, const DT& dtype, const LT&, const DV& device, const OB&) {
  return make_full(size, 1, dtype, device);
}
Tensor full(IntArrayRef size, const Scalar& value, const DT& dtype, const LT&, const DV& device, const OB&) {
  return make_full(size, value, dtype.value_or(value.dtype()), device);
}
Tensor empty_strided(IntArrayRef size, IntArrayRef stride, const DT& dtype, const LT&, const DV& device, const OB&) {
  RL_CHECK(RuntimeError, size.size() == stride.size(), "empty_strided: dimensionality of sizes (", size.size(),
           ") must match dimensionality of strides (", stride.size(), ")");
  return empty_strided_tensor(size, stride, dtype.value_or(default_dtype()), device.value_or(Device()));
}
Tensor scalar_tensor(const Scalar& s, const DT& dtype, const LT&, const DV& device, const OB&) {
  return make_full({}, s, dtype, device);
}

Tensor empty_like_op(const Tensor& self, const DT& dtype, const LT&, const DV& device, const OB&, const MF& format) {
  return make_like(self, dtype, device, format);
}
Tensor zeros_like_op(const Tensor& self, const DT& dtype, const LT&, const DV& device, const OB&, const MF& format) {
  return full_like_of(self, 0, dtype, device, format);
}
Tensor ones_like_op(const Tensor& self, const DT& dtype, const LT&, const DV& device, const OB&, const MF& format) {
  return full_like_of(self, 1, dtype, device, format);
}
Tensor full_like_op(const Tensor& self, const Scalar& value, const DT& dtype, const LT&, const DV& device, const OB&,
                    const MF& format) {
  return full_like_of(self, value, dtype, device, format);
}

Tensor new_empty(const Tensor& self, IntArrayRef size, const DT& dtype, const LT&, const DV& device, const OB&) {
  return make(size, dtype.value_or(self.dtype()), device.value_or(self.device()));
}
Tensor new_zeros(const Tensor& self, IntArrayRef size, const DT& dtype, const LT&, const DV& device, const OB&) {
  return make_full(size, 0, dtype.value_or(self.dtype()), device.value_or(self.device()));
}
Tensor new_ones(const Tensor& self, IntArrayRef size, const DT& dtype, const LT&, const DV& device, const OB&) {
  return make_full(size, 1, dtype.value_or(self.dtype()), device.value_or(self.device()));
}
Tensor new_full(const Tensor& self, IntArrayRef size, const Scalar& value, const DT& dtype, const LT&, const DV& device,
                const OB&) {
  return make_full(size, value, dtype.value_or(self.dtype()), device.value_or(self.device()));
}

// The dtype when none is given: integers stay integers, as torch.arange(3).
DType range_dtype(const DT& dtype, std::initializer_list<Scalar> values) {
  if (dtype) return *dtype;
  for (const Scalar& s : values)
    if (!s.is_integral(true)) return default_dtype();
  return DType::Int64;
}

Tensor arange_step(const Scalar& start, const Scalar& end, const Scalar& step, const DT& dtype, const LT&,
                   const DV& device, const OB&) {
  double a = start.to_double(), b = end.to_double(), by = step.to_double();
  RL_CHECK(RuntimeError, by != 0, "step must be nonzero");
  RL_CHECK(RuntimeError, std::isfinite(a) && std::isfinite(b), "unsupported range: ", a, " -> ", b);
  RL_CHECK(RuntimeError, (by > 0 && b >= a) || (by < 0 && b <= a),
           "upper bound and lower bound inconsistent with step sign");
  DType d = range_dtype(dtype, {start, end, step});
  bool whole = is_integral(d, true) && start.is_integral(true) && end.is_integral(true) && step.is_integral(true);
  whole |= d == DType::Int64;  // for this dtype PyTorch cuts the bounds to whole numbers first
  RL_CHECK(RuntimeError, !whole || step.to_int() != 0, "step must be nonzero");
  int64_t n = whole ? (end.to_int() - start.to_int() + step.to_int() - (by > 0 ? 1 : -1)) / step.to_int()
                    : int64_t(std::ceil((b - a) / by));
  Tensor out = make({n}, d, device);
  if (out.device().is_meta()) return out;
  with_type(d, [&]<class T>(T) {
    T* p = out.data<T>();
    if constexpr (std::is_integral_v<T>) {
      int64_t first = start.to_int(), stride = step.to_int();
      for (int64_t i = 0; i < n; i++) p[i] = T(first + i * stride);
    } else if constexpr (std::is_same_v<T, float> || std::is_same_v<T, Half> || std::is_same_v<T, BFloat16>) {
      // PyTorch's vector loop: every 16 elements start afresh from the accumulated index, in double.
      for (int64_t i = 0; i < n; i++) p[i] = T(float(a + by * double(i)));
    } else if constexpr (std::is_same_v<T, double>) {
      for (int64_t i = 0; i < n; i++) p[i] = a + by * double(i);
    } else {
      for (int64_t i = 0; i < n; i++) p[i] = T(float(a + by * double(i)));
    }
  });
  return out;
}
Tensor arange_start(const Scalar& start, const Scalar& end, const DT& dtype, const LT& layout, const DV& device,
                    const OB& pin) {
  return arange_step(start, end, 1, dtype, layout, device, pin);
}
Tensor arange_end(const Scalar& end, const DT& dtype, const LT& layout, const DV& device, const OB& pin) {
  return arange_step(0, end, 1, dtype, layout, device, pin);
}

Tensor linspace(const Scalar& start, const Scalar& end, int64_t steps, const DT& dtype, const LT&, const DV& device,
                const OB&) {
  RL_CHECK(RuntimeError, steps >= 0, "number of steps must be non-negative");
  DType d = dtype.value_or(default_dtype());
  if (!dtype && (start.is_complex() || end.is_complex())) d = to_complex(d);
  Tensor out = make({steps}, d, device);
  with_type(d, [&]<class T>(T) {
    T* p = out.data<T>();
    if (!p) return;
    using C = std::conditional_t<is_half(dtype_of<T>), float, std::conditional_t<std::is_integral_v<T>, double, T>>;
    C a = C(start.to<T>()), b = C(end.to<T>());
    auto count = [](int64_t n) {
      if constexpr (is_complex(dtype_of<T>)) return C(typename T::value_type(n));
      else return C(n);
    };
    if (steps == 1) return void(p[0] = T(a));
    auto rounded = [](C v) {  // each step of the computation is, in PyTorch's halves
      if constexpr (is_half(dtype_of<T>)) return C(T(v));
      else return v;
    };
    C step = rounded(rounded(b - a) / rounded(count(steps - 1)));
    // From both ends, so that the last element is exact.
    for (int64_t i = 0; i < steps; i++) {
      C v = i < steps / 2 ? a + rounded(step * count(i)) : b - rounded(step * count(steps - 1 - i));
      p[i] = T(v);
    }
  });
  return out;
}
Tensor logspace(const Scalar& start, const Scalar& end, int64_t steps, double base, const DT& dtype, const LT& layout,
                const DV& device, const OB& pin) {
  bool whole = dtype && is_integral(*dtype, true);
  if (whole || (dtype && is_half(*dtype))) {  // the exponents between whole bounds are no whole numbers
    auto bound = [&](const Scalar& v) {
      return whole ? Scalar(v.to_int())
                   : Scalar(*dtype == DType::Float16 ? float(v.to<Half>()) : float(v.to<BFloat16>()));
    };
    Tensor wide = logspace(bound(start), bound(end), steps, base, DType::Float64, layout, device, pin);
    Tensor out = make({steps}, dtype, device);
    if (!out.device().is_meta()) copy_elements(out, wide);
    return out;
  }
  Tensor out = linspace(start, end, steps, dtype, layout, device, pin);
  with_type(out.dtype(), [&]<class T>(T) {
    T* p = out.data<T>();
    for (int64_t i = 0; p && i < steps; i++) {
      if constexpr (is_complex(dtype_of<T>)) p[i] = std::pow(T(typename T::value_type(base)), p[i]);
      else p[i] = T(std::pow(base, double(p[i])));
    }
  });
  return out;
}

Tensor eye_m(int64_t n, int64_t m, const DT& dtype, const LT&, const DV& device, const OB&) {
  RL_CHECK(RuntimeError, n >= 0, "n must be greater or equal to 0, got ", n);
  RL_CHECK(RuntimeError, m >= 0, "m must be greater or equal to 0, got ", m);
  Tensor out = make_full({n, m}, 0, dtype, device);
  if (!out.device().is_meta()) fill_all(alias_tensor(out, IntArrayRef(std::min(n, m)), IntArrayRef(m + 1), 0), 1);
  return out;
}
Tensor eye(int64_t n, const DT& dtype, const LT& layout, const DV& device, const OB& pin) {
  return eye_m(n, n, dtype, layout, device, pin);
}

void fill_scalar(const Tensor& self, const Scalar& value) {
  RL_CHECK(RuntimeError, is_complex(self.dtype()) || !value.is_complex() || value.to<complex128>().imag() == 0,
           "value cannot be converted to type ", self.dtype(), " without overflow");
  fill_all(self, value);
}
Scalar only_item(const Tensor& t) {
  Scalar s;
  with_type(t.dtype(), [&]<class T>(T) { s = Scalar(*t.data<T>()); });
  return s;
}
void fill_tensor(const Tensor& self, const Tensor& value) {
  RL_CHECK(RuntimeError, value.dim() == 0, "fill_ only supports 0-dimension value tensor but got tensor with ",
           value.dim(), " dimensions.");
  fill_all(self, only_item(value));
}
void zero_(const Tensor& self) { fill_all(self, 0); }

Scalar item(const Tensor& self) {
  RL_CHECK(RuntimeError, self.numel() == 1, "a Tensor with ", self.numel(), " elements cannot be converted to Scalar");
  RL_CHECK(RuntimeError, !self.device().is_meta(), "Tensor.item() cannot be called on meta tensors");
  return only_item(self);
}

Tensor sum_all(const Tensor& g) {
  IValue args[] = {IValue::borrow(g), IValue()}, ret;
  call(*OpTable::get().find("sum"), args, &ret);
  return ret.take_tensor();
}
Grads zero_self(const Saved&, const Tensor& g) { return {zeros_like(g)}; }

}  // namespace

OP(empty, {.schema = "empty.memory_format(int[] size, *, ScalarType? dtype=None, Layout? layout=None, Device? "
                     "device=None, bool? pin_memory=None, MemoryFormat? memory_format=None) -> Tensor",
           .doc = "Uninitialised."
                  " >>> torch.empty(2, 3).shape\ntorch.Size([2, 3])",
           .kernel = function<empty>(),
           .forms = kFunction | kOut});
OP(zeros, {.schema = "zeros(int[] size, *, ScalarType? dtype=None, Layout? layout=None, Device? device=None, bool? "
                     "pin_memory=None) -> Tensor",
           .doc = "All 0. >>> torch.zeros(3)\ntensor([0., 0., 0.])",
           .kernel = function<zeros>(),
           .forms = kFunction | kOut});
OP(ones, {.schema = "ones(int[] size, *, ScalarType? dtype=None, Layout? layout=None, Device? device=None, bool? "
                    "pin_memory=None) -> Tensor",
          .doc = "All 1. >>> torch.ones(3)\ntensor([1., 1., 1.])",
          .kernel = function<ones>(),
          .forms = kFunction | kOut});
OP(full, {.schema = "full(int[] size, Scalar fill_value, *, ScalarType? dtype=None, Layout? layout=None, Device? "
                    "device=None, bool? pin_memory=None) -> Tensor",
          .doc = "All fill_value, in its dtype. >>> torch.full((2,), 7)\ntensor([7, 7])",
          .kernel = function<full>(),
          .forms = kFunction | kOut});
OP(empty_strided, {.schema = "empty_strided(int[] size, int[] stride, *, ScalarType? dtype=None, Layout? layout=None, "
                             "Device? device=None, bool? pin_memory=None) -> Tensor",
                   .doc = "Uninitialised, with the given strides."
                          " >>> torch.empty_strided((2, 3), (1, 2)).stride()\n(1, 2)",
                   .kernel = function<empty_strided>(),
                   .forms = kFunction});
OP(scalar_tensor, {.schema = "scalar_tensor(Scalar s, *, ScalarType? dtype=None, Layout? layout=None, Device? "
                             "device=None, bool? pin_memory=None) -> Tensor",
                   .doc = "A 0-d tensor."
                          " >>> torch.scalar_tensor(2)\ntensor(2.)",
                   .kernel = function<scalar_tensor>(),
                   .forms = kFunction});
OP(empty_like, {.schema = "empty_like(Tensor self, *, ScalarType? dtype=None, Layout? layout=None, Device? "
                          "device=None, bool? pin_memory=None, MemoryFormat? memory_format=None) -> Tensor",
                .doc = "Uninitialised, shaped as self."
                       " >>> torch.empty_like(torch.tensor([1, 2])).dtype\ntorch.int64",
                .kernel = function<empty_like_op>(),
                .forms = kFunction,
                .any_device = true});
OP(zeros_like, {.schema = "zeros_like(Tensor self, *, ScalarType? dtype=None, Layout? layout=None, Device? "
                          "device=None, bool? pin_memory=None, MemoryFormat? memory_format=None) -> Tensor",
                .doc = "All 0, shaped as self."
                       " >>> torch.zeros_like(torch.tensor([1, 2]))\ntensor([0, 0])",
                .kernel = function<zeros_like_op>(),
                .forms = kFunction,
                .any_device = true});
OP(ones_like, {.schema = "ones_like(Tensor self, *, ScalarType? dtype=None, Layout? layout=None, Device? device=None, "
                         "bool? pin_memory=None, MemoryFormat? memory_format=None) -> Tensor",
               .doc = "All 1, shaped as self."
                      " >>> torch.ones_like(torch.tensor([1., 2.]))\ntensor([1., 1.])",
               .kernel = function<ones_like_op>(),
               .forms = kFunction,
               .any_device = true});
OP(full_like, {.schema = "full_like(Tensor self, Scalar fill_value, *, ScalarType? dtype=None, Layout? layout=None, "
                         "Device? device=None, bool? pin_memory=None, MemoryFormat? memory_format=None) -> Tensor",
               .doc = "All fill_value, shaped as self."
                      " >>> torch.full_like(torch.tensor([1, 2]), 7)\ntensor([7, 7])",
               .kernel = function<full_like_op>(),
               .forms = kFunction,
               .any_device = true});
OP(new_empty, {.schema = "new_empty(Tensor self, int[] size, *, ScalarType? dtype=None, Layout? layout=None, Device? "
                         "device=None, bool? pin_memory=None) -> Tensor",
               .doc = "Uninitialised, in the dtype of self."
                      " >>> torch.tensor([1, 2]).new_empty(3).dtype\ntorch.int64",
               .kernel = function<new_empty>(),
               .forms = kMethod,
               .any_device = true});
OP(new_zeros, {.schema = "new_zeros(Tensor self, int[] size, *, ScalarType? dtype=None, Layout? layout=None, Device? "
                         "device=None, bool? pin_memory=None) -> Tensor",
               .doc = "All 0, in the dtype of self."
                      " >>> torch.tensor([1, 2]).new_zeros(3)\ntensor([0, 0, 0])",
               .kernel = function<new_zeros>(),
               .forms = kMethod,
               .any_device = true});
OP(new_ones, {.schema = "new_ones(Tensor self, int[] size, *, ScalarType? dtype=None, Layout? layout=None, Device? "
                        "device=None, bool? pin_memory=None) -> Tensor",
              .doc = "All 1, in the dtype of self."
                     " >>> torch.tensor([1, 2]).new_ones(3)\ntensor([1, 1, 1])",
              .kernel = function<new_ones>(),
              .forms = kMethod,
              .any_device = true});
OP(new_full, {.schema = "new_full(Tensor self, int[] size, Scalar fill_value, *, ScalarType? dtype=None, Layout? "
                        "layout=None, Device? device=None, bool? pin_memory=None) -> Tensor",
              .doc = "All fill_value, in the dtype of self."
                     " >>> torch.tensor([1, 2]).new_full((2,), 7)\ntensor([7, 7])",
              .kernel = function<new_full>(),
              .forms = kMethod,
              .any_device = true});
OP(arange, {.schema = "arange(Scalar end, *, ScalarType? dtype=None, Layout? layout=None, Device? device=None, bool? "
                      "pin_memory=None) -> Tensor",
            .doc = "0, 1, ... below end. >>> torch.arange(3)\ntensor([0, 1, 2])",
            .kernel = function<arange_end>(),
            .forms = kFunction | kOut});
OP(arange_start, {.schema = "arange.start(Scalar start, Scalar end, *, ScalarType? dtype=None, Layout? layout=None, "
                            "Device? device=None, bool? pin_memory=None) -> Tensor",
                  .doc = "start, start + 1, ... below end."
                         " >>> torch.arange(1, 4)\ntensor([1, 2, 3])",
                  .kernel = function<arange_start>(),
                  .forms = kFunction});
OP(arange_step, {.schema = "arange.start_step(Scalar start, Scalar end, Scalar step=1, *, ScalarType? dtype=None, "
                           "Layout? layout=None, Device? device=None, bool? pin_memory=None) -> Tensor",
                 .doc = "start, start + step, ... before end."
                        " >>> torch.arange(0, 1, 0.25)\ntensor([0.0000, 0.2500, 0.5000, 0.7500])",
                 .kernel = function<arange_step>(),
                 .forms = kFunction | kOut});
OP(linspace, {.schema = "linspace(Scalar start, Scalar end, int steps, *, ScalarType? dtype=None, Layout? layout=None, "
                        "Device? device=None, bool? pin_memory=None) -> Tensor",
              .doc = "`steps` values from start to end, both included. >>> torch.linspace(0, 1, 3)\ntensor([0.0000, "
                     "0.5000, 1.0000])",
              .kernel = function<linspace>(),
              .forms = kFunction | kOut});
OP(logspace, {.schema = "logspace(Scalar start, Scalar end, int steps, float base=10.0, *, ScalarType? dtype=None, "
                        "Layout? layout=None, Device? device=None, bool? pin_memory=None) -> Tensor",
              .doc = "base to the power of linspace(start, end, steps)."
                     " >>> torch.logspace(0, 2, 3)\ntensor([  1.,  10., 100.])",
              .kernel = function<logspace>(),
              .forms = kFunction | kOut});
OP(eye, {.schema = "eye(int n, *, ScalarType? dtype=None, Layout? layout=None, Device? device=None, bool? "
                   "pin_memory=None) -> Tensor",
         .doc = "1 on the diagonal, 0 elsewhere."
                " >>> torch.eye(2)\ntensor([[1., 0.],\n        [0., 1.]])",
         .kernel = function<eye>(),
         .forms = kFunction | kOut});
OP(eye_m, {.schema = "eye.m(int n, int m, *, ScalarType? dtype=None, Layout? layout=None, Device? device=None, bool? "
                     "pin_memory=None) -> Tensor",
           .doc = "n rows and m columns, 1 on the diagonal, 0 elsewhere."
                  " >>> torch.eye(2, 3)\ntensor([[1., 0., 0.],\n        [0., 1., 0.]])",
           .kernel = function<eye_m>(),
           .forms = kFunction | kOut});
OP(fill_scalar, {.schema = "fill_.Scalar(Tensor(a!) self, Scalar value) -> Tensor(a!)",
                 .doc = "Sets every element."
                        " >>> torch.zeros(2).fill_(3)\ntensor([3., 3.])",
                 .kernel = mutation<fill_scalar>(),
                 .grad = {{}, zero_self}});
OP(fill_tensor, {.schema = "fill_.Tensor(Tensor(a!) self, Tensor value) -> Tensor(a!)",
                 .doc = "Sets every element to a 0-d tensor's value.",
                 .kernel = mutation<fill_tensor>(),
                 .grad = {{}, [](const Saved& s, const Tensor& g) {
                            return Grads{zeros_like(g), s.needs("value") ? sum_all(g) : Tensor()};
                          }}});
OP(zero_, {.schema = "zero_(Tensor(a!) self) -> Tensor(a!)",
           .doc = "Sets every element to 0."
                  " >>> torch.ones(2).zero_()\ntensor([0., 0.])",
           .kernel = mutation<zero_>(),
           .grad = {{}, zero_self}});
OP(item, {.schema = "item(Tensor self) -> Scalar",
          .doc = "The only element, as a number. >>> torch.tensor([2.5]).item()\n2.5",
          .kernel = function<item>(),
          .forms = kMethod,
          .any_device = true});

}  // namespace rushlight

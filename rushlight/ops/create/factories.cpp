// Tensors from nothing: empty, zeros, ones, full, arange, linspace, eye, and their _like and new_ forms; fill, fill_ and zero_.
#include <cmath>
#include <cstring>

#include "rushlight/core/device_interface.h"
#include "rushlight/core/device_memory.h"
#include "rushlight/core/fresh_memory.h"
#include "rushlight/dispatch/device_kernels.h"
#include "rushlight/dispatch/forms.h"
#include "rushlight/fn/clone.h"
#include "rushlight/fn/expand.h"
#include "rushlight/fn/item.h"
#include "rushlight/fn/linspace.h"
#include "rushlight/fn/logspace.h"
#include "rushlight/fn/to.h"
#include "rushlight/fn/zeros_like.h"
#include "rushlight/kernels/dispatch.h"
#include "rushlight/kernels/loops.h"
#include "rushlight/ops/sparse/forms.h"
#include "rushlight/ops/specs.h"

namespace rushlight {
namespace {

template <class F>
void with_type(DType d, const char* op, const F& f) {
  dispatch(AllTypes{}, d, op, [&]<class T>() { f(T()); });
}

constexpr int64_t kFew = 1024;  // a plan of the loop would cost as much as the loop

// Every element becomes the one of t's dtype that stands at `item`.
void fill_with(const Tensor& t, const void* item) {
  if (t.numel() == 0 || t.device().is_meta()) return;
  int64_t size = t.item_size();
  if (t.impl()->flags() & kNotCpu) [[unlikely]] {
    if (is_dense_non_overlapping(t.sizes(), t.strides())) {
      DeviceGuard guard(t.device());
      return fill_bytes(t.device(), t.raw(), item, size_t(size), size_t(t.numel()));
    }
    note_cpu_fallback("fill_", t.device());
    Tensor host = host_span(t);
    fill_with(host, item);
    return send_span(t, host);
  }
  bool zero = true;
  for (int64_t i = 0; i < size; i++) zero &= static_cast<const char*>(item)[i] == 0;
  auto fill_row = [&](char* const* p, const int64_t* strides, int64_t n) {
    if (strides[0] == size && zero) std::memset(p[0], 0, size_t(n * size));
    else convert_row(t.dtype(), p[0], strides[0], t.dtype(), item, 0, n);
  };
  if (char* first = static_cast<char*>(t.raw()); t.impl()->contiguous() && t.numel() < kFew)
    return fill_row(&first, &size, t.numel());
  LoopPlan plan(t.sizes());
  plan.add(t);
  plan.finish();
  plan.for_each_row(true, fill_row);
}
// Throws where the number does not fit the dtype; but a single half becomes infinite, in PyTorch too.
void fill_all(const Tensor& t, const Scalar& value) {
  alignas(16) char item[16] = {};
  Scalar fitting = t.numel() == 1 && !is_integral(t.dtype(), true) ? number_in(value, t.dtype(), true) : value;
  write_number(fitting, t.dtype(), item);
  fill_with(t, item);
}

TensorSpec like_spec(const Tensor& self, const DT& dtype, const LT& layout, const DV& device, const OB& pin,
                     const MF& format) {
  return spec_like(self, dtype, layout, device, pin, format);
}
TensorSpec full_like_spec(const Tensor& self, const Scalar&, const DT& dtype, const LT& layout, const DV& device,
                          const OB& pin, const MF& format) {
  return spec_like(self, dtype, layout, device, pin, format);
}
TensorSpec new_spec(const Tensor& self, IntArrayRef size, const DT& dtype, const LT&, const DV& device, const OB&) {
  return spec_of(size, dtype.value_or(self.dtype()), device.value_or(self.device()));
}
TensorSpec new_full_spec(const Tensor& self, IntArrayRef size, const Scalar&, const DT& dtype, const LT& layout,
                         const DV& device, const OB& pin) {
  return new_spec(self, size, dtype, layout, device, pin);
}

TensorSpec empty_spec(IntArrayRef size, const DT& dtype, const LT&, const DV& device, const OB&, const MF& format) {
  TensorSpec spec = spec_of(size, dtype.value_or(default_dtype()), device);
  if (format && *format != MemoryFormat::Contiguous && *format != MemoryFormat::Preserve)
    spec.strides = strides_for(size, *format);
  return spec;
}
// Those of which there are sparse ones.
TensorSpec any_empty_spec(IntArrayRef size, const DT& dtype, const ALT& layout, const DV& device, const OB& pin,
                          const MF& format) {
  return in_layout(empty_spec(size, dtype, {}, device, pin, format), layout);
}
TensorSpec any_sized_spec(IntArrayRef size, const DT& dtype, const ALT& layout, const DV& device, const OB& pin) {
  return in_layout(sized_spec(size, dtype, {}, device, pin), layout);
}
TensorSpec any_like_spec(const Tensor& self, const DT& dtype, const ALT& layout, const DV& device, const OB& pin,
                         const MF& format) {
  return in_layout(spec_like(self, dtype, {}, device, pin, format), layout);
}
TensorSpec any_new_spec(const Tensor& self, IntArrayRef size, const DT& dtype, const ALT& layout, const DV& device,
                        const OB& pin) {
  return in_layout(new_spec(self, size, dtype, {}, device, pin), layout);
}
TensorSpec full_spec(IntArrayRef size, const Scalar& value, const DT& dtype, const LT&, const DV& device, const OB&) {
  return spec_of(size, dtype.value_or(value.dtype()), device);
}
TensorSpec strided_spec(IntArrayRef size, IntArrayRef stride, const DT& dtype, const LT&, const DV& device, const OB&) {
  RL_CHECK(RuntimeError, size.size() == stride.size(), "empty_strided: dimensionality of sizes (", size.size(),
           ") must match dimensionality of strides (", stride.size(), ")");
  TensorSpec spec = spec_of(size, dtype.value_or(default_dtype()), device);
  spec.strides = Dims(stride);
  return spec;
}
TensorSpec new_strided_spec(const Tensor& self, IntArrayRef size, IntArrayRef stride, const DT& dtype, const LT& layout,
                            const DV& device, const OB& pin) {
  return strided_spec(size, stride, dtype.value_or(self.dtype()), layout, device.value_or(self.device()), pin);
}
// Contiguous once its dimensions are in the order of physical_layout.
TensorSpec permuted_spec(IntArrayRef size, IntArrayRef order, const DT& dtype, const LT& layout, const DV& device,
                         const OB& pin) {
  RL_CHECK(RuntimeError, size.size() == order.size(), "Number of dimensions in size does not match the length of the ",
           "physical_layout; i.e. len(size) = ", size.size(), " is not equal to len(physical_layout) = ", order.size());
  Dims strides(size.size(), -1);
  int64_t step = 1;
  for (size_t i = order.size(); i-- > 0;) {
    int64_t d = order[i];
    RL_CHECK(RuntimeError, d >= 0 && d < int64_t(size.size()), "Dimension out of range (expected to be between 0 and ",
             int64_t(size.size()) - 1, ", but got ", d, " at index ", i,
             " of physical_layout); negative dims are not supported");
    RL_CHECK(RuntimeError, strides[size_t(d)] == -1, "Duplicate dim in physical_layout: ", d);
    strides[size_t(d)] = step;
    step = CheckedInt(step) * std::max<int64_t>(1, size[size_t(d)]);
  }
  return strided_spec(size, strides, dtype, layout, device, pin);
}
TensorSpec scalar_spec(const Scalar&, const DT& dtype, const LT&, const DV& device, const OB&) {
  return spec_of({}, dtype.value_or(default_dtype()), device);
}

// ---- what fills them ----

void leave(const Op&, IValue*, const Tensor* out) {
  if (fill_fresh_memory) [[unlikely]]
    fill_fresh(out[0]);
}
template <int value>
void constant(const Op&, IValue*, const Tensor* out) {
  fill_all(out[0], value);
}
template <int position>  // of the number among the arguments
void argument(const Op&, IValue* args, const Tensor* out) {
  fill_all(out[0], args[position].to_scalar());
}

// The dtype when none is given: integers stay integers, as torch.arange(3).
DType range_dtype(const DT& dtype, std::initializer_list<Scalar> values) {
  if (dtype) return *dtype;
  for (const Scalar& s : values)
    if (!s.is_integral(true)) return default_dtype();
  return DType::Int64;
}

TensorSpec arange_step_spec(const Scalar& start, const Scalar& end, const Scalar& step, const DT& dtype, const LT&,
                            const DV& device, const OB&) {
  double a = start.to_double(), b = end.to_double(), by = step.to_double();
  RL_CHECK(RuntimeError, by > 0 || by < 0, "step must be nonzero");
  RL_CHECK(RuntimeError, std::isfinite(a) && std::isfinite(b), "unsupported range: ", a, " -> ", b);
  RL_CHECK(RuntimeError, (by > 0 && b >= a) || (by < 0 && b <= a),
           "upper bound and lower bound inconsistent with step sign. Hint: no step of ", by, " leads from ", a, " to ",
           b);
  DType d = range_dtype(dtype, {start, end, step});
  RL_CHECK(NotImplementedError, d != DType::Bool && !is_complex(d), "\"arange_cpu\" not implemented for '",
           scalar_type_name(d), "'");
  if (is_integral(d, true)) start.to_int(), step.to_int();  // they have to fit
  RL_CHECK(RuntimeError, d != DType::Int64 || step.to_int() != 0, "step must be nonzero: as an integer ", step,
           " is 0");
  // Counted exactly: the distance has 64 bits and no sign. In int64 the ends are whole numbers before they are counted, but what a step with
  // a fraction gives is counted with it: as a whole number it gave elements beyond the end (PyTorch's issue 80589).
  if ((d == DType::Int64 && by == std::trunc(by)) ||
      (is_integral(d, true) && start.is_integral(true) && end.is_integral(true) && step.is_integral(true))) {
    uint64_t up = uint64_t(end.to_int()) - uint64_t(start.to_int()), stride = uint64_t(step.to_int());
    if (by < 0) up = -up, stride = -stride;
    uint64_t n = up / stride + (up % stride != 0);
    RL_CHECK(RuntimeError, n < uint64_t(1) << 63, "invalid size, possible overflow? arange from ", start, " to ", end,
             " by ", step, " has ", n, " elements");
    return spec_of(int64_t(n), d, device);
  }
  double steps = std::ceil((b - a) / by);
  RL_CHECK(RuntimeError, steps < 0x1p63, "invalid size, possible overflow? arange from ", start, " to ", end, " by ",
           step, " has ", steps, " elements");
  return spec_of(int64_t(steps), d, device);
}
TensorSpec arange_start_spec(const Scalar& start, const Scalar& end, const DT& dtype, const LT& layout,
                             const DV& device, const OB& pin) {
  return arange_step_spec(start, end, 1, dtype, layout, device, pin);
}
TensorSpec arange_end_spec(const Scalar& end, const DT& dtype, const LT& layout, const DV& device, const OB& pin) {
  return arange_step_spec(0, end, 1, dtype, layout, device, pin);
}
void fill_range(const Scalar& start, const Scalar& step, const Tensor& given) {
  fill_in_order(given, [&](const Tensor& out) {
    double a = start.to_double(), by = step.to_double();
    with_type(out.dtype(), "arange_cpu", [&]<class T>(T) {
      T* p = out.data<T>();
      int64_t n = out.numel();
      if constexpr (std::is_integral_v<T>) {
        uint64_t first = uint64_t(start.to_int()), stride = uint64_t(step.to_int());
        for (int64_t i = 0; i < n; i++) p[i] = T(first + uint64_t(i) * stride);
      } else if constexpr (std::is_same_v<T, double>) {
        for (int64_t i = 0; i < n; i++) p[i] = a + by * double(i);
      } else {
        for (int64_t i = 0; i < n; i++) p[i] = T(float(a + by * double(i)));
      }
    });
  });
}
void arange_step(const Op&, IValue* a, const Tensor* out) { fill_range(a[0].to_scalar(), a[2].to_scalar(), out[0]); }
void arange_start(const Op&, IValue* a, const Tensor* out) { fill_range(a[0].to_scalar(), 1, out[0]); }
void arange_end(const Op&, IValue*, const Tensor* out) { fill_range(0, 1, out[0]); }

TensorSpec linspace_spec(const Scalar& start, const Scalar& end, int64_t steps, const DT& dtype, const LT&,
                         const DV& device, const OB&) {
  RL_CHECK(RuntimeError, steps >= 0, "number of steps must be non-negative");
  DType d = dtype.value_or(default_dtype());
  if (start.is_complex() || end.is_complex()) {
    if (!dtype) d = to_complex(d);
    RL_CHECK(RuntimeError, is_complex(d), "torch.linspace(): inferred dtype ", cpp_name_of(to_complex(default_dtype())),
             " can't be safely cast to passed dtype ", d);
  }
  RL_CHECK(NotImplementedError, d != DType::Bool || steps < 2, "\"linspace_cpu\" not implemented for 'Bool'");
  return spec_of(steps, d, device);
}
void fill_linspace(const Scalar& start, const Scalar& end, const Tensor& out) {
  int64_t steps = out.numel();
  with_type(out.dtype(), "linspace_cpu", [&]<class T>(T) {
    T* p = out.data<T>();
    if (!p) return;
    using C = std::conditional_t<is_half(dtype_of<T>), float, std::conditional_t<std::is_integral_v<T>, double, T>>;
    C a = C(start.to<T>()), b = steps > 1 ? C(end.to<T>()) : a;
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
    if constexpr (!is_complex(dtype_of<T>))
      if (!std::isfinite(step) && std::isfinite(a) && std::isfinite(b)) {  // only the distance is beyond the range
        double by = double(b) / double(steps - 1) - double(a) / double(steps - 1);
        for (int64_t i = 0; i < steps; i++)
          p[i] = T(C(i < steps / 2 ? double(a) + by * double(i) : double(b) - by * double(steps - 1 - i)));
        return;
      }
    // From both ends, so that the last element is exact.
    for (int64_t i = 0; i < steps; i++) {
      C v = i < steps / 2 ? a + rounded(step * count(i)) : b - rounded(step * count(steps - 1 - i));
      p[i] = T(v);
    }
    if constexpr (std::is_integral_v<T>)  // more digits than C has
      if (steps) p[steps - 1] = end.to<T>();
  });
}
void linspace_boxed(const Op&, IValue* a, const Tensor* out) {
  fill_in_order(out[0], [&](const Tensor& t) { fill_linspace(a[0].to_scalar(), a[1].to_scalar(), t); });
}

TensorSpec logspace_spec(const Scalar& start, const Scalar& end, int64_t steps, double, const DT& dtype,
                         const LT& layout, const DV& device, const OB& pin) {
  return linspace_spec(start, end, steps, dtype, layout, device, pin);
}
void fill_logspace(const Scalar& start, const Scalar& end, double base, const Tensor& out) {
  bool whole = is_integral(out.dtype(), true);
  if (whole || is_half(out.dtype())) {  // the exponents between whole bounds are no whole numbers
    auto bound = [&](const Scalar& v) {
      if (out.numel() == 1) return v;
      return whole ? Scalar(number_in(v, out.dtype()).to_int())
                   : Scalar(out.dtype() == DType::Float16 ? float(v.to<Half>()) : float(v.to<BFloat16>()));
    };
    Tensor wide = empty_tensor(out.sizes(), DType::Float64);
    fill_logspace(bound(start), bound(end), base, wide);
    return copy_elements(out, wide);
  }
  fill_linspace(start, end, out);
  with_type(out.dtype(), "logspace_cpu", [&]<class T>(T) {
    T* p = out.data<T>();
    for (int64_t i = 0, n = out.numel(); i < n; i++) {
      if constexpr (is_complex(dtype_of<T>)) p[i] = std::pow(T(typename T::value_type(base)), p[i]);
      else p[i] = T(std::pow(base, double(p[i])));
    }
  });
}
void logspace_boxed(const Op&, IValue* a, const Tensor* out) {
  fill_in_order(out[0],
                [&](const Tensor& t) { fill_logspace(a[0].to_scalar(), a[1].to_scalar(), a[3].to_double(), t); });
}

// Bounds in 0-d tensors are read: no gradient flows to them. A bound on the meta device has no value, so neither has the result; its shape
// doesn't depend on it.
Scalar bound(const char* op, const char* name, const Tensor& t) {
  RL_CHECK(RuntimeError, t.dim() == 0, op, " only supports 0-dimensional start and end tensors, but got ", name,
           " with ", t.dim(), " dimension(s).");
  if (!t.device().is_meta()) return item(t);
  return is_complex(t.dtype()) ? Scalar(complex128(0)) : Scalar(0);
}
Scalar bound(const char*, const char*, const Scalar& s) { return s; }
bool is_meta(const Tensor& t) { return t.device().is_meta(); }
bool is_meta(const Scalar&) { return false; }
template <class A, class B>
DV device_between(const A& start, const B& end, const DV& wanted) {
  return is_meta(start) || is_meta(end) ? DV(Device{DeviceType::Meta}) : wanted;
}
template <class A, class B>
Tensor linspace_bounds(const A& start, const B& end, int64_t steps, const DT& dtype, const LT& layout, const DV& device,
                       const OB& pin) {
  return linspace(bound("linspace", "start", start), bound("linspace", "end", end), steps, dtype, layout,
                  device_between(start, end, device), pin);
}
template <class A, class B>
Tensor logspace_bounds(const A& start, const B& end, int64_t steps, double base, const DT& dtype, const LT& layout,
                       const DV& device, const OB& pin) {
  return logspace(bound("logspace", "start", start), bound("logspace", "end", end), steps, base, dtype, layout,
                  device_between(start, end, device), pin);
}

TensorSpec eye_m_spec(int64_t n, int64_t m, const DT& dtype, const LT&, const DV& device, const OB&) {
  RL_CHECK(RuntimeError, n >= 0, "n must be greater or equal to 0, got ", n);
  RL_CHECK(RuntimeError, m >= 0, "m must be greater or equal to 0, got ", m);
  return spec_of({n, m}, dtype.value_or(default_dtype()), device);
}
TensorSpec eye_spec(int64_t n, const DT& dtype, const LT& layout, const DV& device, const OB& pin) {
  return eye_m_spec(n, n, dtype, layout, device, pin);
}
void eye(const Op&, IValue*, const Tensor* out) {
  const Tensor& t = out[0];
  fill_all(t, 0);
  fill_all(alias_tensor(t, std::min(t.size(0), t.size(1)), t.stride(0) + t.stride(1), t.storage_offset()), 1);
}

TensorSpec fill_spec(const Tensor& self, const Scalar& value) {
  number_in(value, self.dtype(), self.numel() == 1);
  return spec_like(self);
}
void fill_scalar(const Tensor& self, const Scalar& value) { fill_all(self, value); }
Tensor fill_of_tensor(const Tensor& self, const Tensor& value) {
  RL_CHECK(RuntimeError, value.dim() == 0, "fill only supports 0-dimension value tensor but got tensor with ",
           value.dim(), " dimensions.");
  return clone(expand(to(value, self.dtype()), self.sizes()), MemoryFormat::Contiguous);
}
Scalar only_item(const Tensor& t) { return read_number(t.dtype(), t.raw()); }
void fill_tensor(const Tensor& self, const Tensor& value) {
  RL_CHECK(RuntimeError, value.dim() == 0, "fill_ only supports 0-dimension value tensor but got tensor with ",
           value.dim(), " dimensions.");
  if (self.device().is_meta() || value.device().is_meta()) return;
  alignas(16) char item[16] = {};  // converted as tensors are, without a check
  convert_row(self.dtype(), item, 0, value.dtype(), host_span(value).raw(), 0, 1);
  fill_with(self, item);
}
void zero_(const Tensor& self) { fill_all(self, 0); }

Scalar item_op(const Tensor& self) {
  RL_CHECK(RuntimeError, self.numel() == 1, "a Tensor with ", self.numel(),
           " elements cannot be converted to Scalar. Hint: reduce it to one element (mean, sum, "
           "an index), or use tolist()");
  RL_CHECK(RuntimeError, !self.device().is_meta(), "Tensor.item() cannot be called on meta tensors");
  return only_item(host_span(self));
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
           .kernel = anywhere(filled<any_empty_spec>(leave)),
           .forms = kFunction | kOut,
           .sparse = sparse_factory});
OP(zeros, {.schema = "zeros(int[] size, *, ScalarType? dtype=None, Layout? layout=None, Device? device=None, bool? "
                     "pin_memory=None) -> Tensor",
           .doc = "All 0. >>> torch.zeros(3)\ntensor([0., 0., 0.])",
           .kernel = anywhere(filled<any_sized_spec>(constant<0>)),
           .forms = kFunction | kOut,
           .aliases = {"_efficientzerotensor"},
           .sparse = sparse_factory});
OP(ones, {.schema = "ones(int[] size, *, ScalarType? dtype=None, Layout? layout=None, Device? device=None, bool? "
                    "pin_memory=None) -> Tensor",
          .doc = "All 1. >>> torch.ones(3)\ntensor([1., 1., 1.])",
          .kernel = anywhere(filled<sized_spec>(constant<1>)),
          .forms = kFunction | kOut});
OP(full, {.schema = "full(int[] size, Scalar fill_value, *, ScalarType? dtype=None, Layout? layout=None, Device? "
                    "device=None, bool? pin_memory=None) -> Tensor",
          .doc = "All fill_value, in its dtype. >>> torch.full((2,), 7)\ntensor([7, 7])",
          .kernel = anywhere(filled<full_spec>(argument<1>)),
          .forms = kFunction | kOut});
OP(empty_strided, {.schema = "empty_strided(int[] size, int[] stride, *, ScalarType? dtype=None, Layout? layout=None, "
                             "Device? device=None, bool? pin_memory=None) -> Tensor",
                   .doc = "Uninitialised, with the given strides."
                          " >>> torch.empty_strided((2, 3), (1, 2)).stride()\n(1, 2)",
                   .kernel = anywhere(filled<strided_spec>(leave)),
                   .forms = kFunction});
OP(empty_permuted, {.schema = "empty_permuted(int[] size, int[] physical_layout, *, ScalarType? dtype=None, Layout? "
                              "layout=None, Device? device=None, bool? pin_memory=None) -> Tensor",
                    .doc = "Uninitialised, dense, the dimensions in memory in the given order."
                           " >>> torch.empty_permuted((2, 3), (1, 0)).stride()\n(1, 2)",
                    .kernel = anywhere(filled<permuted_spec>(leave)),
                    .forms = kFunction});
OP(new_empty_strided, {.schema = "new_empty_strided(Tensor self, int[] size, int[] stride, *, ScalarType? dtype=None, "
                                 "Layout? layout=None, Device? device=None, bool? pin_memory=None) -> Tensor",
                       .doc = "Uninitialised, in the dtype of self, with the given strides."
                              " >>> torch.tensor([1, 2]).new_empty_strided((2,), (2,)).stride()\n(2,)",
                       .kernel = anywhere(filled<new_strided_spec>(leave)),
                       .forms = kMethod,
                       .any_device = true});
OP(scalar_tensor, {.schema = "scalar_tensor(Scalar s, *, ScalarType? dtype=None, Layout? layout=None, Device? "
                             "device=None, bool? pin_memory=None) -> Tensor",
                   .doc = "A 0-d tensor."
                          " >>> torch.scalar_tensor(2)\ntensor(2.)",
                   .kernel = anywhere(filled<scalar_spec>(argument<0>)),
                   .forms = kFunction});
OP(empty_like, {.schema = "empty_like(Tensor self, *, ScalarType? dtype=None, Layout? layout=None, Device? "
                          "device=None, bool? pin_memory=None, MemoryFormat? memory_format=None) -> Tensor",
                .doc = "Uninitialised, shaped as self."
                       " >>> torch.empty_like(torch.tensor([1, 2])).dtype\ntorch.int64",
                .kernel = anywhere(filled<any_like_spec>(leave)),
                .forms = kFunction,
                .any_device = true,
                .sparse = sparse_factory});
OP(zeros_like, {.schema = "zeros_like(Tensor self, *, ScalarType? dtype=None, Layout? layout=None, Device? "
                          "device=None, bool? pin_memory=None, MemoryFormat? memory_format=None) -> Tensor",
                .doc = "All 0, shaped as self."
                       " >>> torch.zeros_like(torch.tensor([1, 2]))\ntensor([0, 0])",
                .kernel = anywhere(filled<any_like_spec>(constant<0>)),
                .forms = kFunction,
                .any_device = true,
                .sparse = sparse_factory});
OP(ones_like, {.schema = "ones_like(Tensor self, *, ScalarType? dtype=None, Layout? layout=None, Device? device=None, "
                         "bool? pin_memory=None, MemoryFormat? memory_format=None) -> Tensor",
               .doc = "All 1, shaped as self."
                      " >>> torch.ones_like(torch.tensor([1., 2.]))\ntensor([1., 1.])",
               .kernel = anywhere(filled<like_spec>(constant<1>)),
               .forms = kFunction,
               .any_device = true,
               .sparse = sparse_values_like});
OP(full_like, {.schema = "full_like(Tensor self, Scalar fill_value, *, ScalarType? dtype=None, Layout? layout=None, "
                         "Device? device=None, bool? pin_memory=None, MemoryFormat? memory_format=None) -> Tensor",
               .doc = "All fill_value, shaped as self."
                      " >>> torch.full_like(torch.tensor([1, 2]), 7)\ntensor([7, 7])",
               .kernel = anywhere(filled<full_like_spec>(argument<1>)),
               .forms = kFunction,
               .any_device = true,
               .sparse = sparse_values_like});
OP(new_empty, {.schema = "new_empty(Tensor self, int[] size, *, ScalarType? dtype=None, Layout? layout=None, Device? "
                         "device=None, bool? pin_memory=None) -> Tensor",
               .doc = "Uninitialised, in the dtype of self."
                      " >>> torch.tensor([1, 2]).new_empty(3).dtype\ntorch.int64",
               .kernel = anywhere(filled<any_new_spec>(leave)),
               .forms = kMethod,
               .any_device = true,
               .sparse = sparse_factory});
OP(new_zeros, {.schema = "new_zeros(Tensor self, int[] size, *, ScalarType? dtype=None, Layout? layout=None, Device? "
                         "device=None, bool? pin_memory=None) -> Tensor",
               .doc = "All 0, in the dtype of self."
                      " >>> torch.tensor([1, 2]).new_zeros(3)\ntensor([0, 0, 0])",
               .kernel = anywhere(filled<any_new_spec>(constant<0>)),
               .forms = kMethod,
               .any_device = true,
               .sparse = sparse_factory});
OP(new_ones, {.schema = "new_ones(Tensor self, int[] size, *, ScalarType? dtype=None, Layout? layout=None, Device? "
                        "device=None, bool? pin_memory=None) -> Tensor",
              .doc = "All 1, in the dtype of self."
                     " >>> torch.tensor([1, 2]).new_ones(3)\ntensor([1, 1, 1])",
              .kernel = anywhere(filled<new_spec>(constant<1>)),
              .forms = kMethod,
              .any_device = true});
OP(new_full, {.schema = "new_full(Tensor self, int[] size, Scalar fill_value, *, ScalarType? dtype=None, Layout? "
                        "layout=None, Device? device=None, bool? pin_memory=None) -> Tensor",
              .doc = "All fill_value, in the dtype of self."
                     " >>> torch.tensor([1, 2]).new_full((2,), 7)\ntensor([7, 7])",
              .kernel = anywhere(filled<new_full_spec>(argument<2>)),
              .forms = kMethod,
              .any_device = true});
OP(arange, {.schema = "arange(Scalar end, *, ScalarType? dtype=None, Layout? layout=None, Device? device=None, bool? "
                      "pin_memory=None) -> Tensor",
            .doc = "0, 1, ... below end. >>> torch.arange(3)\ntensor([0, 1, 2])",
            .kernel = filled<arange_end_spec>(arange_end),
            .forms = kFunction | kOut});
OP(arange_start, {.schema = "arange.start(Scalar start, Scalar end, *, ScalarType? dtype=None, Layout? layout=None, "
                            "Device? device=None, bool? pin_memory=None) -> Tensor",
                  .doc = "start, start + 1, ... below end."
                         " >>> torch.arange(1, 4)\ntensor([1, 2, 3])",
                  .kernel = filled<arange_start_spec>(arange_start),
                  .forms = kFunction});
OP(arange_step, {.schema = "arange.start_step(Scalar start, Scalar end, Scalar step=1, *, ScalarType? dtype=None, "
                           "Layout? layout=None, Device? device=None, bool? pin_memory=None) -> Tensor",
                 .doc = "start, start + step, ... before end."
                        " >>> torch.arange(0, 1, 0.25)\ntensor([0.0000, 0.2500, 0.5000, 0.7500])",
                 .kernel = filled<arange_step_spec>(arange_step),
                 .forms = kFunction | kOut});
OP(linspace, {.schema = "linspace(Scalar start, Scalar end, int steps, *, ScalarType? dtype=None, Layout? layout=None, "
                        "Device? device=None, bool? pin_memory=None) -> Tensor",
              .doc = "`steps` values from start to end, both included. >>> torch.linspace(0, 1, 3)\ntensor([0.0000, "
                     "0.5000, 1.0000])",
              .kernel = filled<linspace_spec>(linspace_boxed),
              .forms = kFunction | kOut});
OP(logspace, {.schema = "logspace(Scalar start, Scalar end, int steps, float base=10.0, *, ScalarType? dtype=None, "
                        "Layout? layout=None, Device? device=None, bool? pin_memory=None) -> Tensor",
              .doc = "base to the power of linspace(start, end, steps)."
                     " >>> torch.logspace(0, 2, 3)\ntensor([  1.,  10., 100.])",
              .kernel = filled<logspace_spec>(logspace_boxed),
              .forms = kFunction | kOut});
OP(linspace_tensor_tensor,
   {.schema =
        "linspace.Tensor_Tensor(Tensor start, Tensor end, int steps, *, ScalarType? dtype=None, Layout? layout=None, "
        "Device? device=None, bool? pin_memory=None) -> Tensor",
    .doc = "linspace between the values of 0-d tensors.",
    .kernel = composite<linspace_bounds<Tensor, Tensor>>(),
    .forms = kFunction | kOut});
OP(linspace_tensor_scalar,
   {.schema =
        "linspace.Tensor_Scalar(Tensor start, Scalar end, int steps, *, ScalarType? dtype=None, Layout? layout=None, "
        "Device? device=None, bool? pin_memory=None) -> Tensor",
    .doc = "linspace between the values of 0-d tensors.",
    .kernel = composite<linspace_bounds<Tensor, Scalar>>(),
    .forms = kFunction | kOut});
OP(linspace_scalar_tensor,
   {.schema =
        "linspace.Scalar_Tensor(Scalar start, Tensor end, int steps, *, ScalarType? dtype=None, Layout? layout=None, "
        "Device? device=None, bool? pin_memory=None) -> Tensor",
    .doc = "linspace between the values of 0-d tensors.",
    .kernel = composite<linspace_bounds<Scalar, Tensor>>(),
    .forms = kFunction | kOut});
OP(logspace_tensor_tensor, {.schema = "logspace.Tensor_Tensor(Tensor start, Tensor end, int steps, float base=10.0, *, "
                                      "ScalarType? dtype=None, Layout? layout=None, "
                                      "Device? device=None, bool? pin_memory=None) -> Tensor",
                            .doc = "logspace between the values of 0-d tensors.",
                            .kernel = composite<logspace_bounds<Tensor, Tensor>>(),
                            .forms = kFunction | kOut});
OP(logspace_tensor_scalar, {.schema = "logspace.Tensor_Scalar(Tensor start, Scalar end, int steps, float base=10.0, *, "
                                      "ScalarType? dtype=None, Layout? layout=None, "
                                      "Device? device=None, bool? pin_memory=None) -> Tensor",
                            .doc = "logspace between the values of 0-d tensors.",
                            .kernel = composite<logspace_bounds<Tensor, Scalar>>(),
                            .forms = kFunction | kOut});
OP(logspace_scalar_tensor, {.schema = "logspace.Scalar_Tensor(Scalar start, Tensor end, int steps, float base=10.0, *, "
                                      "ScalarType? dtype=None, Layout? layout=None, "
                                      "Device? device=None, bool? pin_memory=None) -> Tensor",
                            .doc = "logspace between the values of 0-d tensors.",
                            .kernel = composite<logspace_bounds<Scalar, Tensor>>(),
                            .forms = kFunction | kOut});
OP(eye, {.schema = "eye(int n, *, ScalarType? dtype=None, Layout? layout=None, Device? device=None, bool? "
                   "pin_memory=None) -> Tensor",
         .doc = "1 on the diagonal, 0 elsewhere."
                " >>> torch.eye(2)\ntensor([[1., 0.],\n        [0., 1.]])",
         .kernel = filled<eye_spec>(eye),
         .forms = kFunction | kOut});
OP(eye_m, {.schema = "eye.m(int n, int m, *, ScalarType? dtype=None, Layout? layout=None, Device? device=None, bool? "
                     "pin_memory=None) -> Tensor",
           .doc = "n rows and m columns, 1 on the diagonal, 0 elsewhere."
                  " >>> torch.eye(2, 3)\ntensor([[1., 0., 0.],\n        [0., 1., 0.]])",
           .kernel = filled<eye_m_spec>(eye),
           .forms = kFunction | kOut});
OP(fill, {.schema = "fill.Scalar(Tensor self, Scalar value) -> Tensor",
          .doc = "A tensor like self of one value."
                 " >>> torch.fill(torch.zeros(2), 3)\ntensor([3., 3.])",
          .kernel = anywhere(filled<fill_spec>(argument<1>)),
          .grad = {{}, [](const Saved&, const Tensor& g) { return Grads{zeros_like(g)}; }},
          .forms = kFunction | kOut});
OP(fill_of_tensor, {.schema = "fill.Tensor(Tensor self, Tensor value) -> Tensor",
                    .doc = "A tensor like self of the value of a 0-d tensor.",
                    .kernel = composite<fill_of_tensor>(),
                    .forms = kFunction | kOut,
                    .numbers = Numbers::Fallback});
OP(fill_scalar, {.schema = "fill_.Scalar(Tensor(a!) self, Scalar value) -> Tensor(a!)",
                 .doc = "Sets every element."
                        " >>> torch.zeros(2).fill_(3)\ntensor([3., 3.])",
                 .kernel = anywhere(mutation<fill_scalar>()),
                 .grad = {{}, zero_self},
                 .on_expanded = OnExpanded::Writes});
OP(fill_tensor, {.schema = "fill_.Tensor(Tensor(a!) self, Tensor value) -> Tensor(a!)",
                 .doc = "Sets every element to a 0-d tensor's value.",
                 .kernel = anywhere(mutation<fill_tensor>()),
                 .grad = {{},
                          [](const Saved& s, const Tensor& g) {
                            return Grads{zeros_like(g), s.needs("value") ? sum_all(g) : Tensor()};
                          }},
                 .numbers = Numbers::Fallback,
                 .on_expanded = OnExpanded::Writes});
OP(zero_, {.schema = "zero_(Tensor(a!) self) -> Tensor(a!)",
           .doc = "Sets every element to 0."
                  " >>> torch.ones(2).zero_()\ntensor([0., 0.])",
           .kernel = anywhere(mutation<zero_>()),
           .grad = {{}, zero_self},
           .on_expanded = OnExpanded::Writes,
           .sparse = sparse_zero_});
OP(item, {.schema = "item(Tensor self) -> Scalar",
          .doc = "The only element, as a number. >>> torch.tensor([2.5]).item()\n2.5",
          .kernel = anywhere(function<item_op>()),
          .forms = kMethod | kCppByHand,
          .any_device = true,
          .sparse = sparse_form<sparse_item>});

}  // namespace rushlight

// Largest and smallest elements: amax, amin, aminmax, max, min, argmax, argmin.
#include <limits>

#include "rushlight/dispatch/kernel.h"
#include "rushlight/fn/amax.h"
#include "rushlight/fn/amin.h"
#include "rushlight/fn/eq.h"
#include "rushlight/fn/isnan.h"
#include "rushlight/fn/logical_and.h"
#include "rushlight/fn/logical_or.h"
#include "rushlight/fn/maximum.h"
#include "rushlight/fn/minimum.h"
#include "rushlight/fn/sum.h"
#include "rushlight/fn/to.h"
#include "rushlight/fn/value_selecting_reduction_backward.h"
#include "rushlight/kernels/copying.h"
#include "rushlight/kernels/dispatch.h"
#include "rushlight/kernels/halves.h"
#include "rushlight/kernels/lanes.h"
#include "rushlight/kernels/math.h"
#include "rushlight/ops/operators.h"
#include "rushlight/ops/reduce/dims.h"

namespace rushlight {
namespace {

// What is compared: half types are as floats, bools as bytes.
using Compared = Types<uint8_t, int8_t, int16_t, int32_t, int64_t, float, double>;
DType compared_dtype(const Tensor& t) { return t.dtype() == DType::Bool ? DType::UInt8 : t.dtype(); }

// NaN wins over everything.
template <class Element, bool largest>
struct Extreme {
  using T = Element;
  using Acc = T;
  using Out = T;
  RL_FN Acc identity() const {
    using L = std::numeric_limits<Acc>;
    if constexpr (L::has_infinity) return largest ? -L::infinity() : L::infinity();
    else return largest ? L::lowest() : L::max();
  }
  RL_FN Acc fold(Acc a, T x) const { return largest ? math::maximum(a, x) : math::minimum(a, x); }
  RL_FN Acc merge(Acc a, Acc b) const { return largest ? math::maximum(a, b) : math::minimum(a, b); }
  RL_FN Out finish(Acc a, int64_t) const { return Out(a); }
};

// ---- values only ----

template <bool largest>
TensorSpec extreme_meta(const Tensor& self, IntArrayRef dim, bool keepdim) {
  const char* name = largest ? "amax" : "amin";
  RL_CHECK(NotImplementedError, !is_complex(self.dtype()), '"', name, "\" not implemented for '",
           scalar_type_name(self.dtype()), "'");
  check_not_empty(name, self.sizes(), dim);
  return {.sizes = reduced_sizes(self.sizes(), dim_set(dim, self.dim()), keepdim),
          .dtype = self.dtype(),
          .device = self.device()};
}
template <bool largest>
void extreme_cpu(const Tensor& self, IntArrayRef dim, bool, const Tensor& out) {
  if (through_float(self, out, [&](const Tensor& x, const Tensor& y) { extreme_cpu<largest>(x, dim, false, y); }))
    return;
  DimSet dims = dim_set(dim, self.dim());
  dispatch(Compared{}, compared_dtype(self), largest ? "amax" : "amin",
           [&]<class T>() { reduce(FoldReducer<Extreme<T, largest>>{}, self, dims, out); });
}
template <bool largest>
TensorSpec extreme_all_meta(const Tensor& self) {
  const char* name = largest ? "max" : "min";
  RL_CHECK(RuntimeError, self.numel() > 0, name,
           "(): Expected reduction dim to be specified for input.numel() == 0. Specify the reduction dim with the "
           "'dim' argument.");
  RL_CHECK(NotImplementedError, !is_complex(self.dtype()), '"', name, "\" not implemented for '",
           scalar_type_name(self.dtype()), "'");
  return {.dtype = self.dtype(), .device = self.device()};
}
template <bool largest>
void extreme_all_cpu(const Tensor& self, const Tensor& out) {
  extreme_cpu<largest>(self, IntArrayRef(), false, out);
}

// The gradient goes in equal parts to all elements that hold the extreme value; NaN counts as equal to NaN, as in PyTorch.
Grads share_among(Tensor g, const Tensor& self, Tensor result, DimSet dims, bool keepdim) {
  if (!keepdim) {
    g = restore_dims(g, dims, self.dim());
    result = restore_dims(result, dims, self.dim());
  }
  Tensor mask = to(logical_or(eq(self, result), logical_and(isnan(self), isnan(result))), g.dtype());
  Dims over;
  for (int64_t d = 0; d < self.dim(); d++)
    if (dims >> d & 1) over.push_back(d);
  return {g * mask / (over.empty() ? mask : sum(mask, IntArrayRef(over), true))};
}
Grads extreme_grad(const Saved& s, const Tensor& g) {
  Tensor self = s["self"];
  return share_among(g, self, s["result"], dim_set_of(s.arg("dim"), self.dim()), s.arg("keepdim").to_bool());
}
Grads extreme_all_grad(const Saved& s, const Tensor& g) {
  Tensor self = s["self"];
  return share_among(g, self, s["result"], all_dims(self.dim()), false);
}

std::array<TensorSpec, 2> aminmax_meta(const Tensor& self, const std::optional<int64_t>& dim, bool keepdim) {
  RL_CHECK(RuntimeError, dim || self.numel() > 0,
           "aminmax(): cannot compute aminmax over an empty dimension as the operation has no identity.");
  if (dim && self.dim() > 0)
    RL_CHECK(IndexError, self.size(*dim) != 0, "aminmax(): Expected reduction dim ", wrap_dim(*dim, self.dim()),
             " to have non-zero size.");
  Dims sizes = reduced_sizes(self.sizes(), dim ? one_dim(*dim, self.dim()) : all_dims(self.dim()), keepdim);
  RL_CHECK(NotImplementedError, !is_complex(self.dtype()), "\"aminmax\" not implemented for '",
           scalar_type_name(self.dtype()), "'");
  TensorSpec spec = {.sizes = sizes, .dtype = self.dtype(), .device = self.device()};
  return {spec, spec};
}
void aminmax_cpu(const Tensor& self, const std::optional<int64_t>& dim, bool keepdim, const Tensor& low,
                 const Tensor& high) {
  IntArrayRef dims = dim ? IntArrayRef(*dim) : IntArrayRef();
  extreme_cpu<false>(self, dims, keepdim, low);
  extreme_cpu<true>(self, dims, keepdim, high);
}
Grads aminmax_grad(const Saved& s, const Tensors& g) {
  Tensor self = s["self"], total;
  DimSet dims = dim_set_of(s.arg("dim"), self.dim());
  for (int i = 0; i < 2; i++) {
    if (!g[size_t(i)].defined()) continue;
    Tensor part = share_among(g[size_t(i)], self, s[i == 0 ? "min" : "max"], dims, s.arg("keepdim").to_bool())[0];
    total = total.defined() ? total + part : part;
  }
  return {total};
}

// ---- with positions ----

// Where the value is found first.
RL_FOR_EACH_ISA(
    template <class T>, int64_t, find_first, (const T* x, int64_t n, T wanted),
    {
      int64_t i = 0;
      if (wanted != wanted) {
        while (i < n && x[i] == x[i]) i++;
        return i;
      }
      for (; i + 64 <= n; i += 64) {
        int found = 0;
        for (int64_t j = 0; j < 64; j++) found |= x[i + j] == wanted;
        if (found) break;
      }
      while (i < n && x[i] != wanted) i++;
      return i;
    },
    <T>)

constexpr int64_t kColumns = 128;

RL_FOR_EACH_ISA(
    template <class T RL_COMMA bool largest>, void, best_of_columns,
    (const T* x, int64_t row_stride, int64_t rows, int64_t columns, T* best, int64_t* at),
    {
      for (int64_t j = 0; j < columns; j++) best[j] = x[j];
      for (int64_t j = 0; j < columns; j++) at[j] = 0;
      for (int64_t i = 1; i < rows; i++) {
        const T* p = x + i * row_stride;
        RL_IVDEP
        for (int64_t j = 0; j < columns; j++) {
          T v = p[j];
          bool better = (largest ? v > best[j] : v < best[j]) | ((v != v) & (best[j] == best[j]));
          best[j] = better ? v : best[j];
          at[j] = better ? i : at[j];
        }
      }
    },
    <T RL_COMMA largest>)

// values may be undefined.
template <class T, bool largest>
void extreme_positions(const Tensor& self, int64_t dim, const Tensor& values, const Tensor& indices, bool keepdim) {
  Tensor in = moved_last(self, dim);
  // Results seen with the reduced dimension last and of size 1.
  auto opened = [&](const Tensor& t) {
    if (keepdim || self.dim() == 0) return moved_last(t, dim);
    Dims sizes = t.sizes(), strides = t.strides();
    sizes.push_back(1);
    strides.push_back(1);
    return alias_tensor(t, sizes, strides, t.storage_offset());
  };
  Tensor at = opened(indices), best = values.defined() ? opened(values) : Tensor();
  int64_t n = lane_size(in, in.dim() - 1), stride = lane_stride(in, in.dim() - 1);
  // Contiguous columns next to each other are walked together.
  int64_t column_dim = -1;
  for (int64_t d = 0; d + 1 < in.dim(); d++)
    if (stride != 1 && in.strides()[size_t(d)] == 1 && in.sizes()[size_t(d)] >= 4) column_dim = d;
  if (column_dim >= 0) {
    int64_t columns = in.sizes()[size_t(column_dim)];
    int64_t at_step = at.strides()[size_t(column_dim)],
            best_step = best.defined() ? best.strides()[size_t(column_dim)] : 0;
    Dims outer = in.sizes();
    outer.back() = 1;
    const Tensor& second = best.defined() ? best : at;
    for_each_lane<3>(outer, column_dim, {&in, &at, &second}, lane_grain(n * columns), [&](std::array<char*, 3> p) {
      T value[kColumns];
      int64_t where[kColumns];
      for (int64_t from = 0; from < columns; from += kColumns) {
        int64_t count = std::min(kColumns, columns - from);
        best_of_columns_isa<T, largest>()(reinterpret_cast<T*>(p[0]) + from, stride, n, count, value, where);
        for (int64_t j = 0; j < count; j++) reinterpret_cast<int64_t*>(p[1])[(from + j) * at_step] = where[j];
        if (best.defined())
          for (int64_t j = 0; j < count; j++) reinterpret_cast<T*>(p[2])[(from + j) * best_step] = value[j];
      }
    });
    return;
  }
  FoldReducer<Extreme<T, largest>> fold;
  const Tensor& second = best.defined() ? best : at;
  for_each_lane<3>(in.sizes(), in.dim() - 1, {&in, &at, &second}, lane_grain(n), [&](std::array<char*, 3> p) {
    const T* x = reinterpret_cast<const T*>(p[0]);
    int64_t where = 0;
    T value = x[0];
    if (stride == 1 && n >= 32) {
      value = fold.row(x, 1, n);
      where = find_first_isa<T>()(x, n, value);
    } else {
      for (int64_t i = 1; i < n && value == value; i++) {
        T v = x[i * stride];
        if ((largest ? v > value : v < value) || v != v) value = v, where = i;
      }
    }
    *reinterpret_cast<int64_t*>(p[1]) = where;
    if (best.defined()) *reinterpret_cast<T*>(p[2]) = value;
  });
}

template <bool largest>
std::array<TensorSpec, 2> extreme_dim_meta(const Tensor& self, int64_t dim, bool keepdim) {
  const char* name = largest ? "max" : "min";
  RL_CHECK(NotImplementedError, !is_complex(self.dtype()), '"', name, "\" not implemented for '",
           scalar_type_name(self.dtype()), "'");
  int64_t at = wrap_dim(dim, self.dim());
  RL_CHECK(IndexError, self.dim() == 0 || self.size(at) != 0, name, "(): Expected reduction dim ", at,
           " to have non-zero size.");
  Dims sizes = reduced_sizes(self.sizes(), one_dim(dim, self.dim()), keepdim);
  return {TensorSpec{.sizes = sizes, .dtype = self.dtype(), .device = self.device()},
          TensorSpec{.sizes = sizes, .dtype = DType::Int64, .device = self.device()}};
}
template <bool largest>
void extreme_dim_cpu(const Tensor& self, int64_t dim, bool keepdim, const Tensor& values, const Tensor& indices) {
  if (indices.numel() == 0) return;
  auto in_float = [&](const Tensor& x, const Tensor& y) { extreme_dim_cpu<largest>(x, dim, keepdim, y, indices); };
  if (through_float(self, values, in_float)) return;
  dispatch(Compared{}, compared_dtype(self), largest ? "max" : "min", [&]<class T>() {
    extreme_positions<T, largest>(self, wrap_dim(dim, self.dim()), values, indices, keepdim);
  });
}
Grads extreme_dim_grad(const Saved& s, const Tensors& g) {
  return {value_selecting_reduction_backward(g[0], s.arg("dim").to_int(), s["indices"], s.sizes("self"),
                                             s.arg("keepdim").to_bool())};
}

template <bool largest>
TensorSpec position_meta(const Tensor& self, const std::optional<int64_t>& dim, bool keepdim) {
  const char* name = largest ? "argmax" : "argmin";
  RL_CHECK(NotImplementedError, !is_complex(self.dtype()) && self.dtype() != DType::Bool, '"', name,
           "_cpu\" not implemented for '", scalar_type_name(self.dtype()), "'");
  RL_CHECK(IndexError, dim || self.numel() > 0, name,
           "(): Expected reduction dim to be specified for input.numel() == 0.");
  if (dim && self.dim() > 0)
    RL_CHECK(IndexError, self.size(*dim) != 0, name, "(): Expected reduction dim ", wrap_dim(*dim, self.dim()),
             " to have non-zero size.");
  return {.sizes = reduced_sizes(self.sizes(), dim ? one_dim(*dim, self.dim()) : all_dims(self.dim()), keepdim),
          .dtype = DType::Int64,
          .device = self.device()};
}
template <bool largest>
void position_cpu(const Tensor& self, const std::optional<int64_t>& dim, bool keepdim, const Tensor& out) {
  if (out.numel() == 0) return;
  if (is_half(self.dtype())) return position_cpu<largest>(dense(self, DType::Float32), dim, keepdim, out);
  dispatch(Compared{}, self.dtype(), largest ? "argmax" : "argmin", [&]<class T>() {
    if (dim) return extreme_positions<T, largest>(self, wrap_dim(*dim, self.dim()), Tensor(), out, keepdim);
    Tensor in = dense(self);
    Tensor flat = alias_tensor(in, in.numel(), IntArrayRef(int64_t(1)), in.storage_offset());
    Tensor to = alias_tensor(out, {}, {}, out.storage_offset());
    extreme_positions<T, largest>(flat, 0, Tensor(), to, false);
  });
}

Tensor max_other(const Tensor& self, const Tensor& other) { return maximum(self, other); }
Tensor min_other(const Tensor& self, const Tensor& other) { return minimum(self, other); }

}  // namespace

OP(amax, {.schema = "amax(Tensor self, int[1] dim=[], bool keepdim=False) -> Tensor",
          .doc = "The largest elements over some dimensions; ties share the gradient. >>> torch.amax(torch.tensor([[1, "
                 "4], [3, 2]]), 1)\ntensor([4, 3])",
          .kernel = structured<extreme_meta<true>, extreme_cpu<true>>(),
          .grad = {{"self", "result"}, extreme_grad}});
OP(amin, {.schema = "amin(Tensor self, int[1] dim=[], bool keepdim=False) -> Tensor",
          .doc = "The smallest elements over some dimensions; ties share the gradient. >>> "
                 "torch.amin(torch.tensor([[1, 4], [3, 2]]), 1)\ntensor([1, 2])",
          .kernel = structured<extreme_meta<false>, extreme_cpu<false>>(),
          .grad = {{"self", "result"}, extreme_grad}});
OP(aminmax, {.schema = "aminmax(Tensor self, *, int? dim=None, bool keepdim=False) -> (Tensor min, Tensor max)",
             .doc = "The smallest and the largest elements. >>> torch.aminmax(torch.tensor([1, 3, 2])).max\ntensor(3)",
             .kernel = structured<aminmax_meta, aminmax_cpu>(),
             .grad = {{"self", "min", "max"}, aminmax_grad}});
OP(max, {.schema = "max(Tensor self) -> Tensor",
         .doc = "The largest element. >>> torch.max(torch.tensor([1, 3, 2]))\ntensor(3)",
         .kernel = structured<extreme_all_meta<true>, extreme_all_cpu<true>>(),
         .grad = {{"self", "result"}, extreme_all_grad},
         .node = "MaxBackward1"});
OP(min, {.schema = "min(Tensor self) -> Tensor",
         .doc = "The smallest element. >>> torch.min(torch.tensor([2, 1, 3]))\ntensor(1)",
         .kernel = structured<extreme_all_meta<false>, extreme_all_cpu<false>>(),
         .grad = {{"self", "result"}, extreme_all_grad},
         .node = "MinBackward1"});
// Before the overloads with a dimension: a 0-d integer tensor could pass for one.
OP(max_other, {.schema = "max.other(Tensor self, Tensor other) -> Tensor",
               .doc = "The larger of two elements; torch.maximum. >>> torch.max(torch.tensor([1, 4]), torch.tensor([3, "
                      "2]))\ntensor([3, 4])",
               .kernel = composite<max_other>(),
               .forms = kFunction | kMethod | kOut});
OP(min_other, {.schema = "min.other(Tensor self, Tensor other) -> Tensor",
               .doc = "The smaller of two elements; torch.minimum. >>> torch.min(torch.tensor([1, 4]), "
                      "torch.tensor([3, 2]))\ntensor([1, 2])",
               .kernel = composite<min_other>(),
               .forms = kFunction | kMethod | kOut});
OP(max_dim, {.schema = "max.dim(Tensor self, int dim, bool keepdim=False) -> (Tensor values, Tensor indices)",
             .doc = "The largest elements along a dimension and where each stands first. >>> "
                    "torch.max(torch.tensor([[1, 4], [3, 2]]), 1).indices\ntensor([1, 0])",
             .kernel = structured<extreme_dim_meta<true>, extreme_dim_cpu<true>>(),
             .grad = {{"indices"}, extreme_dim_grad}});
OP(min_dim, {.schema = "min.dim(Tensor self, int dim, bool keepdim=False) -> (Tensor values, Tensor indices)",
             .doc = "The smallest elements along a dimension and where each stands first. >>> "
                    "torch.min(torch.tensor([[1, 4], [3, 2]]), 1).indices\ntensor([0, 1])",
             .kernel = structured<extreme_dim_meta<false>, extreme_dim_cpu<false>>(),
             .grad = {{"indices"}, extreme_dim_grad}});
OP(argmax, {.schema = "argmax(Tensor self, int? dim=None, bool keepdim=False) -> Tensor",
            .doc = "Where the largest element stands first. >>> torch.argmax(torch.tensor([1, 3, 3]))\ntensor(1)",
            .kernel = structured<position_meta<true>, position_cpu<true>>()});
OP(argmin, {.schema = "argmin(Tensor self, int? dim=None, bool keepdim=False) -> Tensor",
            .doc = "Where the smallest element stands first. >>> torch.argmin(torch.tensor([2, 1, 1]))\ntensor(1)",
            .kernel = structured<position_meta<false>, position_cpu<false>>()});

}  // namespace rushlight

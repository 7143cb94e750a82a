// Scans: cumsum, cumprod, cummax, cummin, logcumsumexp; diff.
#include <cmath>

#include "rushlight/dispatch/kernel.h"
#include "rushlight/dispatch/values.h"
#include "rushlight/fn/any.h"
#include "rushlight/fn/cat.h"
#include "rushlight/fn/clone.h"
#include "rushlight/fn/conj.h"
#include "rushlight/fn/cumprod.h"
#include "rushlight/fn/cumsum.h"
#include "rushlight/fn/eq.h"
#include "rushlight/fn/exp.h"
#include "rushlight/fn/flip.h"
#include "rushlight/fn/full_like.h"
#include "rushlight/fn/item.h"
#include "rushlight/fn/log.h"
#include "rushlight/fn/logcumsumexp.h"
#include "rushlight/fn/logical_xor.h"
#include "rushlight/fn/narrow.h"
#include "rushlight/fn/neg.h"
#include "rushlight/fn/ones_like.h"
#include "rushlight/fn/prod.h"
#include "rushlight/fn/scatter_add.h"
#include "rushlight/fn/stack.h"
#include "rushlight/fn/sum.h"
#include "rushlight/fn/to.h"
#include "rushlight/fn/where.h"
#include "rushlight/fn/zeros.h"
#include "rushlight/fn/zeros_like.h"
#include "rushlight/kernels/complex_math.h"
#include "rushlight/kernels/dispatch.h"
#include "rushlight/kernels/isa.h"
#include "rushlight/kernels/lanes.h"
#include "rushlight/kernels/math.h"
#include "rushlight/ops/index/indices.h"
#include "rushlight/ops/operators.h"

namespace rushlight {
namespace {

using OptionalDType = std::optional<DType>;

DType scan_dtype(const Tensor& self, const OptionalDType& dtype) {
  return dtype ? *dtype : is_integral(self.dtype(), true) ? DType::Int64 : self.dtype();
}
TensorSpec scan_meta(const Tensor& self, int64_t dim, const OptionalDType& dtype) {
  wrap_dim(dim, self.dim());
  return {.sizes = self.sizes(), .dtype = scan_dtype(self, dtype), .device = self.device()};
}

// What a running total is kept in: double for float, as in PyTorch.
template <class T>
using Running = std::conditional_t<std::is_floating_point_v<compute_t<T>>, double,
                                   std::conditional_t<std::is_same_v<T, complex64>, complex128, accumulator_t<T>>>;

// A row's running sum, 16 elements at a time: sums over 2, 4, 8 and 16 neighbours, each step a vector addition, then what came before.
RL_FOR_EACH_ISA(
    template <class T>, void, cumsum_row, (T * out, const T* x, int64_t n),
    {
      constexpr int64_t width = 16;
      Running<T> carry = Running<T>(0);
      int64_t i = 0;
      for (; i + width <= n; i += width) {
        T a[2 * width];  // zeros in front stand for what lies before the block
        T b[2 * width];
        for (int64_t j = 0; j < width; j++) a[j] = b[j] = T(0);
        for (int64_t j = 0; j < width; j++) a[width + j] = x[i + j];
        for (int64_t j = width; j < 2 * width; j++) b[j] = a[j] + a[j - 1];
        for (int64_t j = width; j < 2 * width; j++) a[j] = b[j] + b[j - 2];
        for (int64_t j = width; j < 2 * width; j++) b[j] = a[j] + a[j - 4];
        for (int64_t j = width; j < 2 * width; j++) a[j] = b[j] + b[j - 8];
        T before = T(carry);
        for (int64_t j = 0; j < width; j++) out[i + j] = a[width + j] + before;
        carry += Running<T>(a[2 * width - 1]);
      }
      for (; i < n; i++) {
        carry += Running<T>(x[i]);
        out[i] = T(carry);
      }
    },
    <T>)

// Running products of dense rows, four rows at a time: a product waits for the one before it.
template <class T>
void cumprod_rows(T* out, const T* x, int64_t rows, int64_t n) {
  constexpr int64_t together = 4;
  while (rows > 0) {
    int64_t count = rows >= together ? together : 1;
    if (count == together) {
      Running<T> acc[together];
      std::fill_n(acc, together, Running<T>(1));
      for (int64_t i = 0; i < n; i++)
        for (int64_t k = 0; k < together; k++) out[k * n + i] = T(acc[k] *= x[k * n + i]);
    } else {
      Running<T> acc = 1;
      for (int64_t i = 0; i < n; i++) out[i] = T(acc *= x[i]);
    }
    rows -= count;
    x += count * n;
    out += count * n;
  }
}

template <class T, bool product>
void scan(const Tensor& self, int64_t dim, const Tensor& out) {
  using A = Running<T>;
  int64_t n = lane_size(self, dim), from = lane_stride(self, dim), to = lane_stride(out, dim);
  int64_t last = self.dim() - 1;
  if (self.dim() > 1 && dim < last && self.strides().back() == 1 && out.strides().back() == 1 &&
      self.sizes().back() >= 8) {
    constexpr int64_t block = 128;
    int64_t columns = self.sizes().back();
    Dims outer = self.sizes();
    outer[size_t(dim)] = 1;
    for_each_lane<2>(outer, last, {&out, &self}, lane_grain(n * columns), [&](std::array<char*, 2> p) {
      for (int64_t j0 = 0; j0 < columns; j0 += block) {
        A acc[block];
        int64_t count = std::min(block, columns - j0);
        std::fill_n(acc, count, A(product ? 1 : 0));
        for (int64_t i = 0; i < n; i++) {
          const T* x = reinterpret_cast<const T*>(p[1]) + i * from + j0;
          T* o = reinterpret_cast<T*>(p[0]) + i * to + j0;
          for (int64_t j = 0; j < count; j++) {
            if constexpr (product) acc[j] *= A(x[j]);
            else acc[j] += A(x[j]);
            if constexpr (std::is_same_v<T, Half> || std::is_same_v<T, BFloat16>) o[j] = T(float(acc[j]));
            else o[j] = T(acc[j]);
          }
        }
      }
    });
    return;
  }
  if constexpr (product && std::is_floating_point_v<T>)
    if (dim == last && self.is_contiguous() && out.is_contiguous())
      return parallel_for(0, self.numel() / n, lane_grain(n), [&](int64_t begin, int64_t end) {
        cumprod_rows(out.data<T>() + begin * n, self.data<T>() + begin * n, end - begin, n);
      });
  for_each_lane<2>(self.sizes(), dim, {&out, &self}, lane_grain(n), [&](std::array<char*, 2> p) {
    T* o = reinterpret_cast<T*>(p[0]);
    const T* x = reinterpret_cast<const T*>(p[1]);
    if constexpr (!product && (std::is_same_v<T, float> || std::is_same_v<T, double> || std::is_same_v<T, int64_t>)) {
      if (from == 1 && to == 1) return cumsum_row_isa<T>()(o, x, n);
    }
    A acc = A(product ? 1 : 0);
    for (int64_t i = 0; i < n; i++) {
      if constexpr (product) acc *= A(x[i * from]);
      else acc += A(x[i * from]);
      if constexpr (std::is_same_v<T, Half> || std::is_same_v<T, BFloat16>) o[i * to] = T(float(acc));
      else o[i * to] = T(acc);
    }
  });
}
template <bool product>
void scan_cpu(const Tensor& self, int64_t dim, const OptionalDType&, const Tensor& out) {
  if (out.numel() == 0) return;
  Tensor in = self.dtype() == out.dtype() ? self : dense(self, out.dtype());
  dispatch(AllTypes{}, out.dtype(), product ? "cumprod" : "cumsum",
           [&]<class T>() { scan<T, product>(in, wrap_dim(dim, self.dim()), out); });
}

Tensor reversed_cumsum(const Tensor& t, int64_t dim) {
  if (t.numel() <= 1 || t.size(dim) == 1) return t;
  return flip(cumsum(flip(t, IntArrayRef(dim)), dim), IntArrayRef(dim));
}
Grads cumsum_grad(const Saved& s, const Tensor& g) {
  if (g.dim() == 0) return {g};
  return {reversed_cumsum(to(g, s.dtype("self")), s.arg("dim").to_int())};
}
Tensor factor(const Tensor& t) { return is_complex(t.dtype()) ? conj(t) : t; }
// Where no element is zero, d/dx_k = sum_{i >= k} g_i y_i / x_k. Else the products without x_k are formed one by one.
Grads cumprod_grad(const Saved& s, const Tensor& given) {
  Tensor x = s["self"], y = s["result"], g = to(given, x.dtype());
  if (x.dim() == 0 || x.numel() == 0) return {g};
  int64_t dim = wrap_dim(s.arg("dim").to_int(), x.dim()), n = x.size(dim);
  if (n == 1) return {g};
  Tensor yc = factor(y), xc = factor(x);
  if (x.device().is_meta() || (has_values(x) && !item(any(eq(x, 0))).to<bool>()))
    return {reversed_cumsum(yc * g, dim) / xc};
  Tensors parts;
  Tensor one = ones_like(narrow(xc, dim, 0, 1));
  for (int64_t k = 0; k < n; k++) {
    // Products of all elements up to i but k, for i = k, k + 1, ...
    Tensor head = k == 0 ? one : prod(narrow(xc, dim, 0, k), dim, true);
    Tensor products =
        k == n - 1 ? head : cat(Tensors{head, head * cumprod(narrow(xc, dim, k + 1, n - k - 1), dim)}, dim);
    parts.push_back(sum(narrow(g, dim, k, n - k) * products, IntArrayRef(dim)));
  }
  return {stack(parts, dim)};
}

// ---- cummax, cummin ----

std::array<TensorSpec, 2> extreme_scan_meta(const Tensor& self, int64_t dim) {
  wrap_dim(dim, self.dim());
  return {TensorSpec{.sizes = self.sizes(), .dtype = self.dtype(), .device = self.device()},
          TensorSpec{.sizes = self.sizes(), .dtype = DType::Int64, .device = self.device()}};
}
// The last of equal elements counts, and NaN stays once it came: PyTorch's choice.
template <bool largest>
void extreme_scan_cpu(const Tensor& self, int64_t dim, const Tensor& values, const Tensor& indices) {
  if (self.numel() == 0) return;
  dim = wrap_dim(dim, self.dim());
  int64_t n = lane_size(self, dim), from = lane_stride(self, dim), to = lane_stride(values, dim),
          at = lane_stride(indices, dim);
  dispatch(RealTypes{}, self.dtype(), largest ? "cummax" : "cummin", [&]<class T>() {
    using C = compute_t<T>;
    for_each_lane<3>(self.sizes(), dim, {&self, &values, &indices}, lane_grain(n), [&](std::array<char*, 3> p) {
      const T* x = reinterpret_cast<const T*>(p[0]);
      C best = C(x[0]);
      int64_t where = 0;
      for (int64_t i = 0; i < n; i++) {
        C v = C(x[i * from]);
        if (v != v || (best == best && (largest ? v >= best : v <= best))) best = v, where = i;
        reinterpret_cast<T*>(p[1])[i * to] = T(best);
        reinterpret_cast<int64_t*>(p[2])[i * at] = where;
      }
    });
  });
}
Grads extreme_scan_grad(const Saved& s, const Tensors& g) {
  if (s.sizes("self").empty()) return {g[0]};
  return {scatter_add(zeros(s.sizes("self"), g[0].dtype(), std::nullopt, g[0].device()), s.arg("dim").to_int(),
                      s["indices"], g[0])};
}

// ---- logcumsumexp ----

TensorSpec logcumsumexp_meta(const Tensor& self, int64_t dim) {
  wrap_dim(dim, self.dim());
  return {.sizes = self.sizes(), .dtype = self.dtype(), .device = self.device()};
}
template <class C>
C log_add(C a, C b) {
  if constexpr (math::is_complex_type<C>) {
    return math::logaddexp(a, b);
  } else {
    if (a != a || b != b) return a + b;
    C low = std::min(a, b), high = std::max(a, b);
    return low == high && std::isinf(low) ? low : high + std::log1p(std::exp(low - high));
  }
}
void logcumsumexp_cpu(const Tensor& self, int64_t dim, const Tensor& out) {
  if (out.numel() == 0) return;
  dim = wrap_dim(dim, self.dim());
  int64_t n = lane_size(self, dim), from = lane_stride(self, dim), to = lane_stride(out, dim);
  dispatch(FloatAndComplexTypes{}, self.dtype(), "logcumsumexp_out_cpu", [&]<class T>() {
    using C = compute_t<T>;
    for_each_lane<2>(self.sizes(), dim, {&out, &self}, lane_grain(n), [&](std::array<char*, 2> p) {
      const T* x = reinterpret_cast<const T*>(p[1]);
      C acc = C(x[0]);
      if constexpr (math::is_complex_type<C>) acc = log_add(C(-std::numeric_limits<math::real_t<C>>::infinity()), acc);
      reinterpret_cast<T*>(p[0])[0] = T(acc);
      for (int64_t i = 1; i < n; i++) {
        acc = log_add(acc, C(x[i * from]));
        reinterpret_cast<T*>(p[0])[i * to] = T(acc);
      }
    });
  });
}
// Positive and negative gradients apart, so that their logarithms exist. The lowest number stands for log(0): -inf would make NaN in
// the second derivative.
Grads logcumsumexp_grad(const Saved& s, const Tensor& g) {
  Tensor self = s["self"], result = s["result"];
  if (g.dim() == 0 || g.numel() == 0) return {g};
  int64_t dim = s.arg("dim").to_int();
  auto reversed = [&](const Tensor& t) { return flip(logcumsumexp(flip(t, IntArrayRef(dim)), dim), IntArrayRef(dim)); };
  if (is_complex(self.dtype())) return {conj(exp(reversed(log(conj(g)) - result) + self))};
  double lowest = 0;
  dispatch(FloatTypes{}, g.dtype(), "logcumsumexp_backward", [&]<class T>() {
    lowest = std::is_same_v<T, double> ? std::numeric_limits<double>::lowest()
             : std::is_same_v<T, Half> ? -65504.0
                                       : -3.38e38;
  });
  Tensor low = full_like(g, Scalar(lowest));
  Tensor up = where(g > Scalar(0), log(where(g > Scalar(0), g, ones_like(g))), low),
         down = where(g < Scalar(0), log(where(g < Scalar(0), neg(g), ones_like(g))), low);
  return {exp(reversed(up - result) + self) - exp(reversed(down - result) + self)};
}

// ---- diff ----

Tensor diff_op(const Tensor& self, int64_t n, int64_t dim, const Tensor& prepend, const Tensor& append) {
  RL_CHECK(RuntimeError, self.dim() >= 1, "diff expects input to be at least one-dimensional");
  RL_CHECK(RuntimeError, n >= 0, "order must be non-negative but got ", n);
  int64_t at = wrap_dim(dim, self.dim());
  for (const Tensor* t : {&prepend, &append})
    RL_CHECK(RuntimeError, !t->defined() || t->dim() == self.dim(),
             "diff expects prepend or append to be the same dimension as input");
  for (const Tensor* t : {&prepend, &append})
    for (int64_t d = 0; t->defined() && d < self.dim(); d++)
      RL_CHECK(RuntimeError, d == at || t->size(d) == self.size(d),
               "diff expects the shape of tensor to prepend or append to match that of input except along the "
               "differencing dimension; input.size(",
               d, ") = ", self.size(d), ", but got tensor.size(", d, ") = ", t->size(d));
  if (n == 0) return clone(self);
  Tensors parts;
  if (prepend.defined()) parts.push_back(prepend);
  parts.push_back(self);
  if (append.defined()) parts.push_back(append);
  Tensor t = parts.size() == 1 ? self : cat(parts, at);
  n = std::min(n, t.size(at));
  for (int64_t i = 0; i < n; i++) {
    int64_t size = std::max<int64_t>(t.size(at) - 1, 0);
    Tensor high = narrow(t, at, std::min<int64_t>(1, t.size(at)), size), low = narrow(t, at, 0, size);
    t = t.dtype() == DType::Bool ? logical_xor(high, low) : high - low;
  }
  return t;
}

}  // namespace

OP(cumsum, {.schema = "cumsum(Tensor self, int dim, *, ScalarType? dtype=None) -> Tensor",
            .doc = "Running sums along a dimension. >>> torch.cumsum(torch.tensor([1, 2, 3]), 0)\ntensor([1, 3, 6])",
            .kernel = structured<scan_meta, scan_cpu<false>>(),
            .grad = {{}, cumsum_grad},
            .forms = kFunction | kMethod | kInPlace | kOut});
OP(cumprod,
   {.schema = "cumprod(Tensor self, int dim, *, ScalarType? dtype=None) -> Tensor",
    .doc = "Running products along a dimension. >>> torch.cumprod(torch.tensor([1, 2, 3]), 0)\ntensor([1, 2, 6])",
    .kernel = structured<scan_meta, scan_cpu<true>>(),
    .grad = {{"self", "result"}, cumprod_grad},
    .forms = kFunction | kMethod | kInPlace | kOut});
OP(cummax,
   {.schema = "cummax(Tensor self, int dim) -> (Tensor values, Tensor indices)",
    .doc =
        "Running maxima and where they stand. >>> torch.cummax(torch.tensor([1, 3, 2]), 0).values\ntensor([1, 3, 3])",
    .kernel = structured<extreme_scan_meta, extreme_scan_cpu<true>>(),
    .grad = {{"indices"}, extreme_scan_grad}});
OP(cummin,
   {.schema = "cummin(Tensor self, int dim) -> (Tensor values, Tensor indices)",
    .doc =
        "Running minima and where they stand. >>> torch.cummin(torch.tensor([3, 1, 2]), 0).values\ntensor([3, 1, 1])",
    .kernel = structured<extreme_scan_meta, extreme_scan_cpu<false>>(),
    .grad = {{"indices"}, extreme_scan_grad}});
OP(logcumsumexp, {.schema = "logcumsumexp(Tensor self, int dim) -> Tensor",
                  .doc = "Logarithms of running sums of exponentials."
                         " >>> torch.logcumsumexp(torch.zeros(3), 0)\ntensor([0.0000, 0.6931, 1.0986])",
                  .kernel = structured<logcumsumexp_meta, logcumsumexp_cpu>(),
                  .grad = {{"self", "result"}, logcumsumexp_grad}});
OP(diff, {.schema = "diff(Tensor self, int n=1, int dim=-1, Tensor? prepend=None, Tensor? append=None) -> Tensor",
          .doc = "Differences of neighbours, n times over. >>> torch.diff(torch.tensor([1, 4, 9]))\ntensor([3, 5])",
          .kernel = composite<diff_op>(),
          .forms = kFunction | kMethod | kOut});

}  // namespace rushlight

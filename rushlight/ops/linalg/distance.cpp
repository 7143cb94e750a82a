// Distances between the rows of matrices (cdist, pdist), and bilinear.
#include <cmath>

#include "rushlight/dispatch/kernel.h"
#include "rushlight/fn/_cdist_forward.h"
#include "rushlight/fn/abs.h"
#include "rushlight/fn/cat.h"
#include "rushlight/fn/clamp_min.h"
#include "rushlight/fn/expand.h"
#include "rushlight/fn/index_select.h"
#include "rushlight/fn/masked_fill.h"
#include "rushlight/fn/matmul.h"
#include "rushlight/fn/permute.h"
#include "rushlight/fn/pow.h"
#include "rushlight/fn/reshape.h"
#include "rushlight/fn/sign.h"
#include "rushlight/fn/sqrt.h"
#include "rushlight/fn/sum.h"
#include "rushlight/fn/to.h"
#include "rushlight/fn/transpose.h"
#include "rushlight/fn/unsqueeze.h"
#include "rushlight/fn/zeros.h"
#include "rushlight/fn/zeros_like.h"
#include "rushlight/kernels/dispatch.h"
#include "rushlight/kernels/isa.h"
#include "rushlight/kernels/math.h"
#include "rushlight/kernels/parallel.h"
#include "rushlight/ops/index/indices.h"
#include "rushlight/ops/operators.h"

namespace rushlight {
namespace {

// What a norm sums up over the differences d: the running value after one more, two running values as one, and
// the norm.
template <class T>
struct Squares {
  T operator()(T total, T d) const { return total + d * d; }
  static T join(T a, T b) { return a + b; }
  T done(T total) const { return math::sqrt(total); }
};
template <class T>
struct Sizes {
  T operator()(T total, T d) const { return total + math::abs(d); }
  static T join(T a, T b) { return a + b; }
  T done(T total) const { return total; }
};
template <class T>
struct Unequal {
  T operator()(T total, T d) const { return total + (d != T(0) ? T(1) : T(0)); }
  static T join(T a, T b) { return a + b; }
  T done(T total) const { return total; }
};
template <class T>
struct Largest {
  T operator()(T total, T d) const { return math::maximum(math::abs(d), total); }
  static T join(T a, T b) { return math::maximum(a, b); }
  T done(T total) const { return total; }
};
template <class T>
struct Powers {
  T p;
  T operator()(T total, T d) const { return total + math::pow(math::abs(d), p); }
  static T join(T a, T b) { return a + b; }
  T done(T total) const { return math::pow(total, 1 / p); }
};

constexpr int64_t kLanes = 16;

// out[j] over the rows of b, of n columns.
RL_FOR_EACH_ISA(
    template <class T RL_COMMA class Step>, void, from_row,
    (T * out, const T* a, const T* b, int64_t rows, int64_t n, Step step),
    {
      int64_t whole = n / kLanes * kLanes;
      for (int64_t r = 0; r < rows; r++, b += n) {
        T lanes[kLanes];
        for (int64_t j = 0; j < kLanes; j++) lanes[j] = 0;
        for (int64_t i = 0; i < whole; i += kLanes)
          for (int64_t j = 0; j < kLanes; j++) lanes[j] = step(lanes[j], a[i + j] - b[i + j]);
        for (int64_t j = 0; j < n - whole; j++) lanes[j] = step(lanes[j], a[whole + j] - b[whole + j]);
        for (int64_t width = kLanes / 2; width > 0; width /= 2)
          for (int64_t j = 0; j < width; j++) lanes[j] = Step::join(lanes[j], lanes[j + width]);
        out[r] = lanes[0];
      }
      RL_IVDEP
      for (int64_t r = 0; r < rows; r++) out[r] = step.done(out[r]);
    },
    <T RL_COMMA Step>)

template <class T>
void distances_from(T* out, const T* a, const T* b, int64_t rows, int64_t n, double p) {
  if (p == 0) return from_row_isa<T, Unequal<T>>()(out, a, b, rows, n, {});
  if (p == 1) return from_row_isa<T, Sizes<T>>()(out, a, b, rows, n, {});
  if (std::isinf(p)) return from_row_isa<T, Largest<T>>()(out, a, b, rows, n, {});
  if (p == 2) return from_row_isa<T, Squares<T>>()(out, a, b, rows, n, {});
  from_row_isa<T, Powers<T>>()(out, a, b, rows, n, {T(p)});
}

// By products: |a - b|^2 = |a|^2 - 2 ab + |b|^2, much faster and a little less exact.
void by_products(const Tensor& a, const Tensor& b, const Tensor& out) {
  auto squared = [](const Tensor& t) { return sum(t * t, IntArrayRef(int64_t(-1)), true); };
  Tensor squares = squared(a) + transpose(squared(b), -2, -1);
  copy_elements(out, sqrt(clamp_min(squares - 2 * matmul(a, transpose(b, -2, -1)), 0.0)));
}

// (batch, p, m) and (batch, r, m); mode 1: by products always, 2: never.
constexpr int64_t kAlwaysProducts = 1, kNeverProducts = 2;
TensorSpec distances_meta(const Tensor& a, const Tensor& b, double p, int64_t) {
  RL_CHECK(ShapeError, a.dim() == 3 && b.dim() == 3 && a.size(0) == b.size(0) && a.size(2) == b.size(2),
           "_cdist_forward: expected (batch, p, m) and (batch, r, m), got ", a.sizes(), " and ", b.sizes());
  RL_CHECK(DTypeError, a.dtype() == b.dtype(), "_cdist_forward: expected one dtype, got ", a.dtype(), " and ",
           b.dtype());
  RL_CHECK(RuntimeError, p >= 0, "cdist only supports non-negative p values");
  return {.sizes = {a.size(0), a.size(1), b.size(1)}, .dtype = a.dtype(), .device = a.device()};
}
// Whether float32 distances have left the range of their sums of powers: then fill(out) forms them again in double.
template <class F>
void again_if_overflowed(double p, const Tensor& out, const F& fill) {
  if (out.dtype() != DType::Float32 || p == 0 || p == 1 || std::isinf(p)) return;
  bool finite = true;
  for (int64_t i = 0; i < out.numel(); i++) {
    float d = out.data<float>()[i];
    finite &= d - d == 0;
  }
  if (finite) return;
  Tensor wide = empty_tensor(out.sizes(), DType::Float64);
  fill(wide);
  copy_elements(out, wide);
}
void distances_into(const Tensor& a, const Tensor& b, double p, int64_t mode, const Tensor& out) {
  int64_t rows = a.size(1), others = b.size(1), columns = a.size(2);
  if (p == 2 && columns > 0 && (mode == kAlwaysProducts || (mode != kNeverProducts && (rows > 25 || others > 25)))) {
    NoGradGuard no_grad;
    return by_products(a, b, out);
  }
  dispatch(Types<float, double>{}, a.dtype(), "cdist", [&]<class T>() {
    int64_t grain = std::max<int64_t>(1, 8192 / std::max<int64_t>(1, others * columns));
    parallel_for(0, a.size(0) * rows, grain, [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; i++)
        distances_from(out.data<T>() + i * others, a.data<T>() + i * columns, b.data<T>() + i / rows * others * columns,
                       others, columns, p);
    });
  });
}

void distances_cpu(const Tensor& given1, const Tensor& given2, double p, int64_t mode, const Tensor& out) {
  Tensor a = dense(given1), b = dense(given2);
  distances_into(a, b, p, mode, out);
  again_if_overflowed(p, out, [&](const Tensor& wide) {
    distances_into(dense(a, DType::Float64), dense(b, DType::Float64), p, mode, wide);
  });
}

// The gradient for a, of distances d(a, b) and their gradient g. Distances of 0 give none.
Tensor one_side(const Tensor& g, const Tensor& a, const Tensor& b, const Tensor& d, double p) {
  Tensor zero = d == Scalar(0);
  if (p == 2) {
    Tensor share = masked_fill(g / d, zero, Scalar(0));
    return a * sum(share, IntArrayRef(int64_t(-1)), true) - matmul(share, b);
  }
  Tensor apart = unsqueeze(a, 2) - unsqueeze(b, 1), size = abs(apart), share;
  if (p == 1) return sum(unsqueeze(g, 3) * sign(apart), IntArrayRef(2));
  if (std::isinf(p)) {
    share = sign(apart) * to(size == unsqueeze(d, 3), g.dtype());
  } else {
    Tensor part = p < 1 ? masked_fill(pow(size, p - 1), size == Scalar(0), Scalar(0)) : pow(size, p - 1);
    share = sign(apart) * part / pow(unsqueeze(d, 3), p - 1);
  }
  return sum(masked_fill(unsqueeze(g, 3) * share, unsqueeze(zero, 3), Scalar(0)), IntArrayRef(2));
}
Grads distances_grad(const Saved& s, const Tensor& g) {
  Tensor a = s["x1"], b = s["x2"], d = s["result"];
  double p = s.arg("p").to_double();
  if (p == 0) return {zeros_like(a), zeros_like(b)};
  return {s.needs("x1") ? one_side(g, a, b, d, p) : Tensor(),
          s.needs("x2") ? one_side(transpose(g, 1, 2), b, a, transpose(d, 1, 2), p) : Tensor()};
}

Tensor cdist_op(const Tensor& x1, const Tensor& x2, double p, const std::optional<int64_t>& mode) {
  RL_CHECK(RuntimeError, !is_integral(x1.dtype(), true) && !is_complex(x1.dtype()),
           "cdist only supports floating-point dtypes, X1 got: ", scalar_type_name(x1.dtype()));
  RL_CHECK(RuntimeError, !is_integral(x2.dtype(), true) && !is_complex(x2.dtype()),
           "cdist only supports floating-point dtypes, X2 got: ", scalar_type_name(x2.dtype()));
  RL_CHECK(RuntimeError, x1.dtype() == x2.dtype(), "cdist: expected X1 and X2 of the same dtype, got ", x1.dtype(),
           " and ", x2.dtype());
  RL_CHECK(RuntimeError, x1.dim() >= 2, "X1 must have at least two dimensions, got ", x1.dim());
  RL_CHECK(RuntimeError, x2.dim() >= 2, "X2 must have at least two dimensions, got ", x2.dim());
  RL_CHECK(RuntimeError, x1.size(-1) == x2.size(-1),
           "X1 and X2 must have the same number of columns. X1: ", x1.size(-1), " X2: ", x2.size(-1));
  RL_CHECK(RuntimeError, p >= 0, "cdist only supports non-negative p values");
  RL_CHECK(RuntimeError, !mode || (*mode >= 0 && *mode <= 2), "possible modes: 0, 1, 2, but was: ", mode.value_or(0));
  auto batch_of = [](const Tensor& t) { return Dims(IntArrayRef(t.sizes()).slice(0, t.sizes().size() - 2)); };
  Dims batch = broadcast_shapes(batch_of(x1), batch_of(x2)), sizes = batch;
  auto rows_of = [&](const Tensor& t) {
    Dims whole = batch;
    whole.push_back(t.size(-2));
    whole.push_back(t.size(-1));
    return reshape(expand(t, whole), {product(batch), t.size(-2), t.size(-1)});
  };
  sizes.push_back(x1.size(-2));
  sizes.push_back(x2.size(-2));
  return reshape(_cdist_forward(rows_of(x1), rows_of(x2), p, mode.value_or(0)), sizes);
}

// Where the distance of rows i < j stands in the list of them all.
int64_t pair_at(int64_t i, int64_t j, int64_t n) { return i * (2 * n - i - 1) / 2 + j - i - 1; }

TensorSpec pair_distances_meta(const Tensor& self, double p) {
  RL_CHECK(RuntimeError, self.dim() == 2, "pdist only supports 2D tensors, got: ", self.dim(), "D");
  RL_CHECK(RuntimeError, !is_integral(self.dtype(), true), "pdist only supports floating-point dtypes");
  RL_CHECK(RuntimeError, p >= 0, "pdist only supports non-negative p values");
  int64_t n = self.size(0);
  return {.sizes = Dims{n * (n - 1) / 2}, .dtype = self.dtype(), .device = self.device()};
}
void pair_distances_cpu(const Tensor& self, double p, const Tensor& out) {
  Tensor a = dense(self, out.dtype());
  int64_t n = a.size(0), columns = a.size(1);
  dispatch(Types<float, double>{}, a.dtype(), "pdist", [&]<class T>() {
    int64_t grain = std::max<int64_t>(1, 8192 / std::max<int64_t>(1, n * columns));
    parallel_for(0, n, grain, [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end && i + 1 < n; i++)
        distances_from(out.data<T>() + pair_at(i, i + 1, n), a.data<T>() + i * columns, a.data<T>() + (i + 1) * columns,
                       n - i - 1, columns, p);
    });
  });
  again_if_overflowed(p, out, [&](const Tensor& wide) { pair_distances_cpu(a, p, wide); });
}
Grads pair_distances_grad(const Saved& s, const Tensor& g) {
  Tensor a = s["self"], d = s["result"];
  double p = s.arg("p").to_double();
  int64_t n = a.size(0), pairs = d.numel();
  if (p == 0 || pairs == 0) return {zeros_like(a)};
  Tensor place = empty_tensor(Dims{n * n}, DType::Int64);  // behind the pairs stands a 0, for the diagonal
  for (int64_t i = 0; i < n; i++)
    for (int64_t j = 0; j < n; j++)
      place.data<int64_t>()[i * n + j] = i == j ? pairs : pair_at(std::min(i, j), std::max(i, j), n);
  auto matrix = [&](const Tensor& list) {
    Tensor zero = zeros({1}, list.dtype(), std::nullopt, list.device());
    return reshape(index_select(cat({list, zero}), 0, moved_to(place, list.device())), {1, n, n});
  };
  Tensor rows = unsqueeze(a, 0);
  return {reshape(one_side(matrix(g), rows, rows, matrix(d), p), a.sizes())};
}

// out[..., o] = sum over i, j of x1[..., i] weight[o, i, j] x2[..., j]
Tensor bilinear_op(const Tensor& x1, const Tensor& x2, const Tensor& weight, const Tensor& bias) {
  RL_CHECK(RuntimeError, x1.dim() == x2.dim(), "bilinear(): input dimensions do not match: got ", x1.dim(), " and ",
           x2.dim());
  RL_CHECK(RuntimeError, x1.dim() > 0 && weight.dim() == 3,
           "bilinear(): expected inputs of at least 1 dimension and a ", "weight of 3, got ", x1.sizes(), ", ",
           x2.sizes(), " and ", weight.sizes());
  Dims sizes;
  for (int64_t d = 0; d + 1 < x1.dim(); d++) {
    RL_CHECK(RuntimeError, x1.size(d) == x2.size(d), "bilinear(): input batch dimensions do not match at dim ", d,
             ": got ", x1.size(d), " and ", x2.size(d));
    sizes.push_back(x1.size(d));
  }
  RL_CHECK(RuntimeError, x1.dtype() == x2.dtype() && x1.dtype() == weight.dtype(),
           "All tensors must have the same dtype, got input1: ", cpp_name_of(x1.dtype()),
           ", input2: ", cpp_name_of(x2.dtype()), ", weight: ", cpp_name_of(weight.dtype()));
  int64_t out = weight.size(0), m = weight.size(1), n = weight.size(2), rows = product(sizes);
  RL_CHECK(RuntimeError, x1.size(-1) == m, "bilinear(): input1 size does not match weight size: got ", x1.size(-1),
           " but expected ", m);
  RL_CHECK(RuntimeError, x2.size(-1) == n, "bilinear(): input2 size does not match weight size: got ", x2.size(-1),
           " but expected ", n);
  RL_CHECK(RuntimeError, !bias.defined() || (bias.dim() == 1 && bias.size(0) == out),
           "bilinear(): bias size does not match weight size: got ", bias.defined() ? bias.sizes() : Dims(),
           " but expected ", out);
  sizes.push_back(out);
  Tensor left = matmul(reshape(x1, {rows, m}), reshape(permute(weight, {1, 0, 2}), {m, out * n}));
  Tensor both = matmul(reshape(left, {rows, out, n}), reshape(x2, {rows, n, 1}));
  Tensor result = reshape(both, sizes);
  return bias.defined() ? result + bias : result;
}

}  // namespace

OP(_cdist_forward, {.schema = "_cdist_forward(Tensor x1, Tensor x2, float p, int compute_mode) -> Tensor",
                    .doc = "cdist of (batch, rows, columns).",
                    .kernel = structured<distances_meta, distances_cpu>(),
                    .grad = {{"x1", "x2", "result"}, distances_grad},
                    .forms = kFunction,
                    .node = "CdistBackward0"});
OP(cdist, {.schema = "cdist(Tensor x1, Tensor x2, float p=2., int? compute_mode=None) -> Tensor",
           .doc = "The p norm of every row of x1 less every row of x2."
                  " >>> torch.cdist(torch.tensor([[0., 0.]]), torch.tensor([[3., 4.], [1., 0.]]))\ntensor([[5., 1.]])",
           .kernel = composite<cdist_op>(),
           .forms = kFunction,
           .node = "CdistBackward0",
           .autocast = Autocast::Float32});
OP(pdist, {.schema = "pdist(Tensor self, float p=2.) -> Tensor",
           .doc = "The p norm of the difference of every two rows."
                  " >>> torch.pdist(torch.tensor([[0., 0.], [3., 4.]]))\ntensor([5.])",
           .kernel = structured<pair_distances_meta, pair_distances_cpu>(),
           .grad = {{"self", "result"}, pair_distances_grad},
           .forms = kFunction});
OP(bilinear, {.schema = "bilinear(Tensor input1, Tensor input2, Tensor weight, Tensor? bias=None) -> Tensor",
              .doc = "input1 @ weight[o] @ input2, and the bias, for each o."
                     " >>> torch.bilinear(torch.tensor([[1., 2.]]), torch.tensor([[3., 4.]]), torch.eye(2)[None], "
                     "None)\ntensor([[11.]])",
              .kernel = composite<bilinear_op>(),
              .forms = kFunction});

}  // namespace rushlight

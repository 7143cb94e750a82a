// softmax and log_softmax, forward and backward.
#include <limits>

#include "rushlight/dispatch/kernel.h"
#include "rushlight/fn/_log_softmax.h"
#include "rushlight/fn/_log_softmax_backward_data.h"
#include "rushlight/fn/_softmax.h"
#include "rushlight/fn/_softmax_backward_data.h"
#include "rushlight/fn/exp.h"
#include "rushlight/fn/sum.h"
#include "rushlight/fn/to.h"
#include "rushlight/kernels/copying.h"
#include "rushlight/kernels/dispatch.h"
#include "rushlight/kernels/halves.h"
#include "rushlight/kernels/isa.h"
#include "rushlight/kernels/lanes.h"
#include "rushlight/kernels/math.h"
#include "rushlight/kernels/parallel.h"
#include "rushlight/ops/operators.h"

namespace rushlight {
namespace {

// Rows are padded to whole vectors of 16, so that an element's bits don't depend on the row's length.
constexpr int kVector = 16;
constexpr int64_t kColumns = 64;

// f over pairs until one is left; the counts are constants, or each step would be a loop of its own.
template <int lanes, class C, class F>
inline C folded(C* x, const F& f) {
  if constexpr (lanes == 1) {
    return x[0];
  } else {
    for (int j = 0; j < lanes / 2; j++) x[j] = f(x[j], x[j + lanes / 2]);
    return folded<lanes / 2>(x, f);
  }
}

// Reduces x into kVector running values.
template <class C, class F>
inline void reduce_into(C* running, const C* x, int64_t n, C first, const F& f) {
  constexpr int lanes = 4 * kVector;
  C so_far[lanes];
  for (int j = 0; j < lanes; j++) so_far[j] = first;
  int64_t i = 0;
  for (; i + lanes <= n; i += lanes)
    for (int j = 0; j < lanes; j++) so_far[j] = f(x[i + j], so_far[j]);
  for (int64_t j = 0; j < n - i; j++) so_far[j] = f(x[i + j], so_far[j]);
  for (int j = 0; j < 2 * kVector; j++) so_far[j] = f(so_far[j], so_far[j + 2 * kVector]);
  for (int j = 0; j < kVector; j++) running[j] = f(running[j], f(so_far[j], so_far[j + kVector]));
}
// What is left of kVector times kVector running values, together: one row's alone would be scalar work.
template <class C, class F>
inline void fold_each(C* out, const C (&running)[kVector][kVector], int64_t rows, const F& f) {
  C turned[kVector][kVector] = {};
  for (int64_t r = 0; r < rows; r++)
    for (int j = 0; j < kVector; j++) turned[j][r] = running[r][j];
  for (int r = 0; r < kVector; r++) out[r] = turned[0][r];
  for (int j = 1; j < kVector; j++)
    for (int r = 0; r < kVector; r++) out[r] = f(out[r], turned[j][r]);
}

// Rows of n elements, one after the other, kVector at a time, so that their logarithms are taken together. out may be x. Loops run over whole
// rows: the compiler unrolls one of 16 steps before it would vectorise it. lowest: what the largest element is at least; above -inf, it
// makes a row of -inf zeros instead of NaN. kept: what a sum and its logarithm are rounded by, if at all.
RL_FOR_EACH_ISA(
    template <class C>, void, softmax_rows,
    (C * out, const C* x, int64_t n, int64_t rows, C lowest, bool log, C (*kept)(C)),
    {
      constexpr int64_t kPiece = 512;
      auto larger = [](C a, C b) { return math::maximum(a, b); };
      auto plus = [](C a, C b) { return a + b; };
      for (int64_t r0 = 0; r0 < rows; r0 += kVector) {
        int64_t some = rows - r0 < kVector ? rows - r0 : kVector;
        C tops[kVector];
        C totals[kVector];
        C piece[kPiece];
        C running[kVector][kVector];
        for (int64_t r = 0; r < some; r++) {
          for (int j = 0; j < kVector; j++) running[r][j] = lowest;
          reduce_into(running[r], x + (r0 + r) * n, n, lowest, larger);
        }
        fold_each(tops, running, some, larger);
        for (int64_t r = 0; r < some; r++) {
          const C* row = x + (r0 + r) * n;
          C top = tops[r];
          for (int j = 0; j < kVector; j++) running[r][j] = 0;
          for (int64_t i = 0; i < n; i += kPiece) {
            int64_t count = n - i < kPiece ? n - i : kPiece;
            int64_t whole = count / kVector * kVector;
            C* to = log ? piece : out + (r0 + r) * n + i;
            RL_IVDEP
            for (int64_t j = 0; j < whole; j++) to[j] = math::exp(row[i + j] - top);
            if (whole < count) {
              C last[kVector];
              for (int64_t j = 0; j < kVector; j++) last[j] = j < count - whole ? row[i + whole + j] - top : C(0);
              for (int64_t j = 0; j < kVector; j++) last[j] = math::exp(last[j]);
              for (int64_t j = 0; j < count - whole; j++) to[whole + j] = last[j];
            }
            reduce_into(running[r], to, count, C(0), plus);
          }
        }
        fold_each(totals, running, some, plus);
        if (log) {
          if (kept)
            for (int j = 0; j < kVector; j++) totals[j] = kept(totals[j]);
          for (int j = 0; j < kVector; j++) totals[j] = math::log(totals[j]);
          if (kept)
            for (int j = 0; j < kVector; j++) totals[j] = kept(totals[j]);
        } else {
          for (int j = 0; j < kVector; j++) totals[j] = math::select(totals[j] == 0, C(0), C(1) / totals[j]);
        }
        for (int64_t r = 0; r < some; r++) {
          const C* row = x + (r0 + r) * n;
          C* to = out + (r0 + r) * n;
          C top = tops[r];
          C by = totals[r];
          if (log) {
            RL_IVDEP
            for (int64_t i = 0; i < n; i++) to[i] = row[i] - top - by;
          } else {
            RL_IVDEP
            for (int64_t i = 0; i < n; i++) to[i] = to[i] * by;
          }
        }
      }
    },
    <C>)

// kColumns neighbouring lanes of n elements, a stride apart, at once.
RL_FOR_EACH_ISA(
    template <class C>, void, softmax_columns,
    (C * out, int64_t out_step, const C* x, int64_t x_step, int64_t n, int64_t columns, C lowest, bool log),
    {
      C top[kColumns];
      C sums[kColumns];
      for (int64_t j = 0; j < kColumns; j++) top[j] = lowest;
      for (int64_t j = 0; j < kColumns; j++) sums[j] = 0;
      for (int64_t i = 0; i < n; i++)
        for (int64_t j = 0; j < columns; j++) top[j] = math::maximum(x[i * x_step + j], top[j]);
      for (int64_t i = 0; i < n; i++)
        for (int64_t j = 0; j < columns; j++) sums[j] += math::exp(x[i * x_step + j] - top[j]);
      if (log) {
        for (int64_t j = 0; j < columns; j++) sums[j] = math::log(sums[j]);
        for (int64_t i = 0; i < n; i++)
          for (int64_t j = 0; j < columns; j++) out[i * out_step + j] = x[i * x_step + j] - top[j] - sums[j];
        return;
      }
      for (int64_t j = 0; j < columns; j++) sums[j] = math::select(sums[j] == 0, C(0), C(1) / sums[j]);
      for (int64_t i = 0; i < n; i++)
        for (int64_t j = 0; j < columns; j++) out[i * out_step + j] = math::exp(x[i * x_step + j] - top[j]) * sums[j];
    },
    <C>)

RL_FOR_EACH_ISA(
    template <class C RL_COMMA bool log>, void, backward_rows,
    (C * out, const C* g, const C* y, int64_t n, int64_t rows),
    {
      for (int64_t r = 0; r < rows; r++) {
        C sums[kColumns];
        for (int j = 0; j < kColumns; j++) sums[j] = 0;
        int64_t i = 0;
        for (; i + kColumns <= n; i += kColumns)
          for (int j = 0; j < kColumns; j++) sums[j] += log ? g[i + j] : g[i + j] * y[i + j];
        for (int64_t j = 0; j < n - i; j++) sums[j] += log ? g[i + j] : g[i + j] * y[i + j];
        C total = folded<kColumns>(sums, [](C a, C b) { return a + b; });
        if (log) {
          RL_IVDEP
          for (i = 0; i < n; i++) out[i] = g[i] - math::exp(y[i]) * total;
        } else {
          RL_IVDEP
          for (i = 0; i < n; i++) out[i] = (g[i] - total) * y[i];
        }
        out += n;
        g += n;
        y += n;
      }
    },
    <C RL_COMMA log>)

// Lanes as in softmax_columns.
RL_FOR_EACH_ISA(
    template <class C RL_COMMA bool log>, void, backward_columns,
    (C * out, int64_t out_step, const C* g, int64_t g_step, const C* y, int64_t y_step, int64_t n, int64_t columns),
    {
      C sums[kColumns];
      for (int64_t j = 0; j < kColumns; j++) sums[j] = 0;
      for (int64_t i = 0; i < n; i++)
        for (int64_t j = 0; j < columns; j++) {
          C grad = g[i * g_step + j];
          sums[j] += log ? grad : grad * y[i * y_step + j];
        }
      for (int64_t i = 0; i < n; i++) {
        RL_IVDEP
        for (int64_t j = 0; j < columns; j++) {
          C grad = g[i * g_step + j];
          C result = y[i * y_step + j];
          out[i * out_step + j] = log ? grad - math::exp(result) * sums[j] : (grad - sums[j]) * result;
        }
      }
    },
    <C RL_COMMA log>)

// run(parts, columns, N + 1 strides along dim) for at most kColumns neighbouring lanes at a time, out's being the first. False if the tensors
// don't lie so that lanes neighbour each other.
template <class T, size_t N, class F>
bool for_each_columns_of(const Tensor& out, int64_t dim, std::array<const Tensor*, N> in, const F& run) {
  int64_t last = out.dim() - 1;
  if (dim >= last || out.strides().back() != 1 || out.sizes().back() < 8) return false;
  std::array<const Tensor*, N + 1> all = {&out};
  std::array<int64_t, N + 1> step;
  for (size_t k = 0; k < N; k++) all[k + 1] = in[k];
  for (size_t k = 0; k <= N; k++) {
    if (all[k]->strides().back() != 1) return false;
    step[k] = lane_stride(*all[k], dim);
  }
  int64_t n = out.sizes()[size_t(dim)], columns = out.sizes().back();
  Dims outer = out.sizes();
  outer[size_t(dim)] = 1;
  for_each_lane<N + 1>(outer, last, all, lane_grain(n * columns, 16384), [&](std::array<char*, N + 1> p) {
    for (int64_t j = 0; j < columns; j += kColumns) {
      std::array<T*, N + 1> part;
      for (size_t k = 0; k <= N; k++) part[k] = reinterpret_cast<T*>(p[k]) + j;
      run(part, std::min(kColumns, columns - j), step);
    }
  });
  return true;
}

// f(C* out, const C* in..., count) on `count` dense rows; other layouts go through buffers, row by row.
template <class C, size_t N, class F>
void for_each_row_of(const Tensor& out, int64_t dim, std::array<const Tensor*, N> in, const F& f) {
  int64_t n = lane_size(out, dim);
  if (n == 0) return;
  std::array<const Tensor*, N + 1> all;
  all[0] = &out;
  for (size_t k = 0; k < N; k++) all[k + 1] = in[k];
  if (dim + 1 >= out.dim() && std::ranges::all_of(all, [](const Tensor* t) { return t->is_contiguous(); })) {
    parallel_for(0, out.numel() / n, lane_grain(n, 16384), [&](int64_t begin, int64_t end) {
      std::array<C*, N + 1> row;
      for (size_t k = 0; k <= N; k++) row[k] = static_cast<C*>(all[k]->raw()) + begin * n;
      f(row, end - begin);
    });
    return;
  }
  std::array<int64_t, N + 1> step;
  for (size_t k = 0; k <= N; k++) step[k] = lane_stride(*all[k], dim);
  for_each_lane<N + 1>(out.sizes(), dim, all, lane_grain(n, 16384), [&](std::array<char*, N + 1> p) {
    constexpr int64_t kShort = 256;
    C near[N + 1][kShort];
    std::array<std::vector<C>, N + 1> far;
    std::array<C*, N + 1> row;
    for (size_t k = 0; k <= N; k++) {
      if (step[k] == 1) {
        row[k] = reinterpret_cast<C*>(p[k]);
        continue;
      }
      if (n > kShort) far[k].resize(size_t(n));
      row[k] = n > kShort ? far[k].data() : near[k];
      if (k > 0)
        for (int64_t i = 0; i < n; i++) row[k][i] = reinterpret_cast<const C*>(p[k])[i * step[k]];
    }
    f(row, 1);
    if (row[0] != reinterpret_cast<C*>(p[0]))
      for (int64_t i = 0; i < n; i++) reinterpret_cast<C*>(p[0])[i * step[0]] = row[0][i];
  });
}

template <bool log>
TensorSpec softmax_meta(const Tensor& self, int64_t dim, bool half_to_float) {
  RL_CHECK(RuntimeError, !half_to_float, "softmax with half to float conversion is not supported on CPU");
  RL_CHECK(NotImplementedError, is_floating(self.dtype()), '"', log ? "log_softmax" : "softmax",
           "_lastdim_kernel_impl\" not implemented for '", scalar_type_name(self.dtype()), "'");
  wrap_dim(dim, self.dim());
  return {.sizes = self.sizes(), .dtype = self.dtype(), .device = self.device()};
}
template <class T>
float rounded(float x) {
  return float(T(x));
}
// Half types are computed in float, as a whole.
void softmax_into(const Tensor& self, int64_t dim, bool log, bool safe, const Tensor& out,
                  float (*kept)(float) = nullptr) {
  if (out.numel() == 0) return;
  dim = wrap_dim(dim, self.dim());
  // Over the last dimension PyTorch keeps a logarithm's sum in the dtype of the result.
  float (*keep_half)(float) = nullptr;
  if (log && dim + 1 >= self.dim()) keep_half = self.dtype() == DType::Float16 ? rounded<Half> : rounded<BFloat16>;
  auto in_float = [&](const Tensor& x, const Tensor& y) { softmax_into(x, dim, log, safe, y, keep_half); };
  if (through_float(self, out, in_float)) return;
  dispatch(Types<float, double>{}, self.dtype(), "softmax", [&]<class C>() {
    C lowest = safe ? std::numeric_limits<C>::lowest() : -std::numeric_limits<C>::infinity();
    C (*keep)(C) = nullptr;
    if constexpr (std::is_same_v<C, float>) keep = kept;
    int64_t n = lane_size(self, dim);
    auto columns = [&](const std::array<C*, 2>& p, int64_t count, const std::array<int64_t, 2>& step) {
      softmax_columns_isa<C>()(p[0], step[0], p[1], step[1], n, count, lowest, log);
    };
    if (for_each_columns_of<C, 1>(out, dim, {&self}, columns)) return;
    for_each_row_of<C, 1>(out, dim, {&self}, [&](const std::array<C*, 2>& row, int64_t rows) {
      softmax_rows_isa<C>()(row[0], row[1], n, rows, lowest, log, keep);
    });
  });
}

template <bool log>
void softmax_cpu(const Tensor& self, int64_t dim, bool, const Tensor& out) {
  softmax_into(self, dim, log, false, out);
}
TensorSpec safe_softmax_meta(const Tensor& self, int64_t dim, const std::optional<DType>& dtype) {
  TensorSpec spec = softmax_meta<false>(self, dim, false);
  if (dtype) spec.dtype = *dtype;
  return spec;
}
void safe_softmax_cpu(const Tensor& self, int64_t dim, const std::optional<DType>&, const Tensor& out) {
  softmax_into(self.dtype() == out.dtype() ? self : dense(self, out.dtype()), dim, false, true, out);
}

TensorSpec backward_meta(const Tensor& grad, const Tensor& output, int64_t dim, DType input_dtype) {
  wrap_dim(dim, output.dim());
  RL_CHECK(RuntimeError, grad.sizes() == output.sizes(), "softmax_backward: expected grad_output of shape ",
           output.sizes(), ", got ", grad.sizes());
  return {.sizes = output.sizes(), .dtype = input_dtype, .device = output.device()};
}
void backward_into(const Tensor& given, const Tensor& output, int64_t dim, bool log, const Tensor& out) {
  if (out.numel() == 0) return;
  dim = wrap_dim(dim, output.dim());
  DType compute = is_half(output.dtype()) ? DType::Float32 : output.dtype();
  bool fits = given.dtype() == compute && given.dim() > 0 && given.strides().back() == 1;
  Tensor grad = fits ? given : dense(given, compute);
  Tensor result = output.dtype() == compute ? output : dense(output, compute);
  Tensor to = out.dtype() == compute ? out : empty_tensor(out.sizes(), compute);
  int64_t n = lane_size(output, dim);
  dispatch(Types<float, double>{}, compute, "softmax_backward", [&]<class C>() {
    auto of_columns = log ? backward_columns_isa<C, true>() : backward_columns_isa<C, false>();
    auto of_rows = log ? backward_rows_isa<C, true>() : backward_rows_isa<C, false>();
    auto columns = [&](const std::array<C*, 3>& p, int64_t count, const std::array<int64_t, 3>& step) {
      of_columns(p[0], step[0], p[1], step[1], p[2], step[2], n, count);
    };
    if (for_each_columns_of<C, 2>(to, dim, {&grad, &result}, columns)) return;
    for_each_row_of<C, 2>(to, dim, {&grad, &result}, [&](const std::array<C*, 3>& row, int64_t rows) {
      of_rows(row[0], row[1], row[2], n, rows);
    });
  });
  if (!to.is_same(out)) copy_elements(out, to);
}
template <bool log>
void backward_cpu(const Tensor& grad, const Tensor& output, int64_t dim, DType, const Tensor& out) {
  backward_into(grad, output, dim, log, out);
}

Tensor softmax_int(const Tensor& self, int64_t dim, const std::optional<DType>& dtype) {
  return _softmax(dtype && *dtype != self.dtype() ? to(self, *dtype) : self, dim, false);
}
Tensor log_softmax_int(const Tensor& self, int64_t dim, const std::optional<DType>& dtype) {
  return _log_softmax(dtype && *dtype != self.dtype() ? to(self, *dtype) : self, dim, false);
}

Grads softmax_grad(const Saved& s, const Tensor& g) {
  return {_softmax_backward_data(g, s["result"], s.arg("dim").to_int(), s.dtype("self"))};
}
Grads log_softmax_grad(const Saved& s, const Tensor& g) {
  return {_log_softmax_backward_data(g, s["result"], s.arg("dim").to_int(), s.dtype("self"))};
}
Grads softmax_backward_grad(const Saved& s, const Tensor& g) {
  Tensor grad = s["grad_output"], y = s["output"];
  int64_t dim = s.arg("dim").to_int();
  IntArrayRef over(dim);
  return {_softmax_backward_data(g, y, dim, s.dtype("grad_output")),
          grad * g - sum(y * grad, over, true) * g - grad * sum(y * g, over, true)};
}
Grads log_softmax_backward_grad(const Saved& s, const Tensor& g) {
  Tensor grad = s["grad_output"], p = exp(s["output"]);
  int64_t dim = s.arg("dim").to_int();
  IntArrayRef over(dim);
  Tensor weighted = sum(g * p, over, true);
  Tensor total = sum(grad, over, true);
  return {g - weighted, p * total * (-g)};
}

}  // namespace

OP(softmax, {.schema = "softmax.int(Tensor self, int dim, ScalarType? dtype=None) -> Tensor",
             .doc = "exp(self), scaled to sum to 1 along dim. >>> torch.softmax(torch.tensor([0., 0.]), "
                    "0)\ntensor([0.5000, 0.5000])",
             .kernel = composite<softmax_int>(),
             .forms = kFunction | kMethod | kOut,
             .aliases = {"special_softmax"}});
OP(log_softmax, {.schema = "log_softmax.int(Tensor self, int dim, ScalarType? dtype=None) -> Tensor",
                 .doc = "log(softmax(self, dim)), without overflow. >>> torch.log_softmax(torch.tensor([0., 0.]), "
                        "0)\ntensor([-0.6931, -0.6931])",
                 .kernel = composite<log_softmax_int>(),
                 .forms = kFunction | kMethod | kOut,
                 .aliases = {"special_log_softmax"}});
OP(_softmax, {.schema = "_softmax(Tensor self, int dim, bool half_to_float) -> Tensor",
              .doc = "softmax of a floating tensor.",
              .kernel = structured<softmax_meta<false>, softmax_cpu<false>>(),
              .grad = {{"result"}, softmax_grad},
              .forms = kFunction});
OP(_log_softmax, {.schema = "_log_softmax(Tensor self, int dim, bool half_to_float) -> Tensor",
                  .doc = "log_softmax of a floating tensor.",
                  .kernel = structured<softmax_meta<true>, softmax_cpu<true>>(),
                  .grad = {{"result"}, log_softmax_grad},
                  .forms = kFunction});
OP(_safe_softmax, {.schema = "_safe_softmax(Tensor self, int dim, ScalarType? dtype=None) -> Tensor",
                   .doc = "softmax that is 0 where all is -inf, as weights of a query that may attend to nothing.",
                   .kernel = structured<safe_softmax_meta, safe_softmax_cpu>(),
                   .grad = {{"result"}, softmax_grad},
                   .forms = kFunction});
OP(_softmax_backward_data,
   {.schema = "_softmax_backward_data(Tensor grad_output, Tensor output, int dim, ScalarType input_dtype) -> Tensor",
    .doc = "Gradient of softmax from its result.",
    .kernel = structured<backward_meta, backward_cpu<false>>(),
    .grad = {{"grad_output", "output"}, softmax_backward_grad},
    .forms = kFunction});
OP(_log_softmax_backward_data,
   {.schema =
        "_log_softmax_backward_data(Tensor grad_output, Tensor output, int dim, ScalarType input_dtype) -> Tensor",
    .doc = "Gradient of log_softmax from its result.",
    .kernel = structured<backward_meta, backward_cpu<true>>(),
    .grad = {{"grad_output", "output"}, log_softmax_backward_grad},
    .forms = kFunction});

}  // namespace rushlight

// softmax and log_softmax, forward and backward.
#include "rushlight/fn/_log_softmax.h"
#include "rushlight/fn/_log_softmax_backward_data.h"
#include "rushlight/fn/_softmax.h"
#include "rushlight/fn/_softmax_backward_data.h"
#include "rushlight/fn/exp.h"
#include "rushlight/fn/sum.h"
#include "rushlight/fn/to.h"
#include "rushlight/kernels/copying.h"
#include "rushlight/kernels/dispatch.h"
#include "rushlight/kernels/isa.h"
#include "rushlight/kernels/lanes.h"
#include "rushlight/kernels/math.h"
#include "rushlight/ops/kernel.h"
#include "rushlight/ops/operators.h"

namespace rushlight {
namespace {

// Rows are padded to whole vectors of 16, so that an element's bits don't depend on the row's length.
constexpr int64_t kVector = 16;
constexpr int64_t kColumns = 64;

// out[i] = exp(x[i] - shift); n is a multiple of kVector. Whole loops: the compiler unrolls one of 16 steps before it would vectorise it.
RL_FOR_EACH_ISA(
    template <class C>, void, shifted_exp, (C * out, const C* x, int64_t n, C shift),
    {
      RL_IVDEP
      for (int64_t i = 0; i < n; i++) out[i] = math::exp(x[i] - shift);
    },
    <C>)

RL_FOR_EACH_ISA(
    template <class C>, C, largest_of, (const C* x, int64_t n),
    {
      constexpr int64_t lanes = 64;
      C top[lanes];
      for (int64_t j = 0; j < lanes; j++) top[j] = -__builtin_inf();
      int64_t i = 0;
      for (; i + lanes <= n; i += lanes)
        for (int64_t j = 0; j < lanes; j++) top[j] = math::maximum(x[i + j], top[j]);
      for (int64_t j = 0; j < n - i; j++) top[j] = math::maximum(x[i + j], top[j]);
      for (int64_t width = lanes / 2; width > 0; width /= 2)
        for (int64_t j = 0; j < width; j++) top[j] = math::maximum(top[j], top[j + width]);
      return top[0];
    },
    <C>)

RL_FOR_EACH_ISA(
    template <class C>, C, sum_of, (const C* x, int64_t n),
    {
      constexpr int64_t lanes = 64;
      C sums[lanes];
      for (int64_t j = 0; j < lanes; j++) sums[j] = 0;
      int64_t i = 0;
      for (; i + lanes <= n; i += lanes)
        for (int64_t j = 0; j < lanes; j++) sums[j] += x[i + j];
      for (int64_t j = 0; j < n - i; j++) sums[j] += x[i + j];
      for (int64_t width = lanes / 2; width > 0; width /= 2)
        for (int64_t j = 0; j < width; j++) sums[j] += sums[j + width];
      return sums[0];
    },
    <C>)

RL_FOR_EACH_ISA(
    template <class C>, void, scale_row, (C * x, int64_t n, C by),
    {
      for (int64_t i = 0; i < n; i++) x[i] *= by;
    },
    <C>)
RL_FOR_EACH_ISA(
    template <class C>, void, shift_row, (C * out, const C* x, int64_t n, C by, C also),
    {
      RL_IVDEP
      for (int64_t i = 0; i < n; i++) out[i] = x[i] - by - also;
    },
    <C>)

template <class C>
void exp_row(C* out, const C* x, int64_t n, C shift) {
  int64_t whole = n / kVector * kVector;
  shifted_exp_isa<C>()(out, x, whole, shift);
  if (whole == n) return;
  C tail[kVector] = {};
  std::copy(x + whole, x + n, tail);
  shifted_exp_isa<C>()(tail, tail, kVector, shift);
  std::copy(tail, tail + (n - whole), out + whole);
}

// T: what the sum and its logarithm are kept in.
template <class T, class C, bool log>
void softmax_row(C* out, const C* x, int64_t n) {
  C largest = largest_of_isa<C>()(x, n);
  if constexpr (!log) {
    exp_row(out, x, n, largest);
    return scale_row_isa<C>()(out, n, C(1) / sum_of_isa<C>()(out, n));
  }
  // In pieces: the result's own memory may be the input's.
  C piece[512], total = 0;
  for (int64_t i = 0; i < n; i += 512) {
    int64_t count = std::min<int64_t>(512, n - i);
    exp_row(piece, x + i, count, largest);
    total += sum_of_isa<C>()(piece, count);
  }
  shift_row_isa<C>()(out, x, n, largest, C(T(std::log(C(T(total))))));
}

// kColumns neighbouring lanes of n elements, a stride apart, at once.
RL_FOR_EACH_ISA(
    template <class T RL_COMMA bool log>, void, softmax_columns,
    (T * out, int64_t out_step, const T* x, int64_t x_step, int64_t n, int64_t columns),
    {
      using C = compute_t<T>;
      C top[kColumns];
      C sums[kColumns];
      for (int64_t j = 0; j < kColumns; j++) top[j] = -__builtin_inf();
      for (int64_t j = 0; j < kColumns; j++) sums[j] = 0;
      for (int64_t i = 0; i < n; i++)
        for (int64_t j = 0; j < columns; j++) top[j] = math::maximum(C(x[i * x_step + j]), top[j]);
      for (int64_t i = 0; i < n; i++)
        for (int64_t j = 0; j < columns; j++) sums[j] += math::exp(C(x[i * x_step + j]) - top[j]);
      if (log) {
        for (int64_t j = 0; j < columns; j++) sums[j] = math::log(sums[j]);
        for (int64_t i = 0; i < n; i++)
          for (int64_t j = 0; j < columns; j++) out[i * out_step + j] = T(C(x[i * x_step + j]) - top[j] - sums[j]);
        return;
      }
      for (int64_t j = 0; j < columns; j++) sums[j] = C(1) / sums[j];
      for (int64_t i = 0; i < n; i++)
        for (int64_t j = 0; j < columns; j++)
          out[i * out_step + j] = T(math::exp(C(x[i * x_step + j]) - top[j]) * sums[j]);
    },
    <T RL_COMMA log>)

RL_FOR_EACH_ISA(
    template <class C RL_COMMA bool log>, void, backward_row, (C * out, const C* g, const C* y, int64_t n),
    {
      C sums[kVector];
      for (int64_t j = 0; j < kVector; j++) sums[j] = 0;
      int64_t i = 0;
      for (; i + kVector <= n; i += kVector)
        for (int64_t j = 0; j < kVector; j++) sums[j] += log ? g[i + j] : g[i + j] * y[i + j];
      for (int64_t j = 0; j < n - i; j++) sums[j] += log ? g[i + j] : g[i + j] * y[i + j];
      for (int64_t width = kVector / 2; width > 0; width /= 2)
        for (int64_t j = 0; j < width; j++) sums[j] += sums[j + width];
      C total = sums[0];
      if (log) {
        RL_IVDEP
        for (i = 0; i < n; i++) out[i] = g[i] - math::exp(y[i]) * total;
      } else {
        RL_IVDEP
        for (i = 0; i < n; i++) out[i] = (g[i] - total) * y[i];
      }
    },
    <C RL_COMMA log>)

// f(C* out, const C* in...) on dense rows in the compute type; other layouts and half types go through buffers.
template <class T, size_t N, class F>
void for_each_row_of(const Tensor& out, int64_t dim, std::array<const Tensor*, N> in, const F& f) {
  using C = compute_t<T>;
  int64_t n = lane_size(out, dim);
  if (n == 0) return;
  std::array<const Tensor*, N + 1> all;
  all[0] = &out;
  for (size_t k = 0; k < N; k++) all[k + 1] = in[k];
  std::array<int64_t, N + 1> step;
  for (size_t k = 0; k <= N; k++) step[k] = lane_stride(*all[k], dim);
  for_each_lane<N + 1>(out.sizes(), dim, all, lane_grain(n, 16384), [&](std::array<char*, N + 1> p) {
    std::array<std::vector<C>, N + 1> buffer;
    std::array<C*, N + 1> row;
    for (size_t k = 0; k <= N; k++) {
      if (std::is_same_v<T, C> && step[k] == 1) {
        row[k] = reinterpret_cast<C*>(p[k]);
        continue;
      }
      buffer[k].resize(size_t(n));
      row[k] = buffer[k].data();
      if (k > 0)
        for (int64_t i = 0; i < n; i++) row[k][i] = C(reinterpret_cast<const T*>(p[k])[i * step[k]]);
    }
    f(row);
    if (row[0] != reinterpret_cast<C*>(p[0]))
      for (int64_t i = 0; i < n; i++) reinterpret_cast<T*>(p[0])[i * step[0]] = T(row[0][i]);
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
template <bool log>
void softmax_cpu(const Tensor& self, int64_t dim, bool, const Tensor& out) {
  if (out.numel() == 0) return;
  dim = wrap_dim(dim, self.dim());
  dispatch(FloatTypes{}, self.dtype(), "softmax", [&]<class T>() {
    using C = compute_t<T>;
    int64_t last = self.dim() - 1;
    if (dim < last && self.strides().back() == 1 && out.strides().back() == 1 && self.sizes().back() >= 8) {
      int64_t n = self.sizes()[size_t(dim)], columns = self.sizes().back();
      Dims outer = self.sizes();
      outer[size_t(dim)] = 1;
      for_each_lane<2>(outer, last, {&out, &self}, lane_grain(n * columns, 16384), [&](std::array<char*, 2> p) {
        for (int64_t j = 0; j < columns; j += kColumns)
          softmax_columns_isa<T, log>()(reinterpret_cast<T*>(p[0]) + j, lane_stride(out, dim),
                                        reinterpret_cast<const T*>(p[1]) + j, lane_stride(self, dim), n,
                                        std::min(kColumns, columns - j));
      });
      return;
    }
    int64_t n = lane_size(self, dim);
    for_each_row_of<T, 1>(out, dim, {&self}, [&](const std::array<C*, 2>& row) {
      // Over the last dimension PyTorch keeps a logarithm's sum in the dtype of the result.
      if (dim == last) softmax_row<T, C, log>(row[0], row[1], n);
      else softmax_row<C, C, log>(row[0], row[1], n);
    });
  });
}

TensorSpec backward_meta(const Tensor& grad, const Tensor& output, int64_t dim, DType input_dtype) {
  wrap_dim(dim, output.dim());
  RL_CHECK(RuntimeError, grad.sizes() == output.sizes(), "softmax_backward: expected grad_output of shape ",
           output.sizes(), ", got ", grad.sizes());
  return {.sizes = output.sizes(), .dtype = input_dtype, .device = output.device()};
}
template <bool log>
void backward_cpu(const Tensor& given, const Tensor& output, int64_t dim, DType, const Tensor& out) {
  if (out.numel() == 0) return;
  dim = wrap_dim(dim, output.dim());
  Tensor grad = given.dtype() == output.dtype() ? given : dense(given, output.dtype());
  Tensor to = out.dtype() == output.dtype() ? out : empty_tensor(out.sizes(), output.dtype());
  int64_t n = lane_size(output, dim);
  dispatch(FloatTypes{}, output.dtype(), "softmax_backward", [&]<class T>() {
    using C = compute_t<T>;
    for_each_row_of<T, 2>(to, dim, {&grad, &output},
                          [&](const std::array<C*, 3>& row) { backward_row_isa<C, log>()(row[0], row[1], row[2], n); });
  });
  if (!to.is_same(out)) copy_elements(out, to);
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

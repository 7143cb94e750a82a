// batch_norm, and instance_norm in its terms.
#include "rushlight/fn/batch_norm.h"

#include "rushlight/dispatch/expect.h"
#include "rushlight/dispatch/kernel.h"
#include "rushlight/fn/_batch_norm_backward.h"
#include "rushlight/fn/_native_batch_norm.h"
#include "rushlight/fn/clone.h"
#include "rushlight/fn/copy_.h"
#include "rushlight/fn/mean.h"
#include "rushlight/fn/repeat.h"
#include "rushlight/fn/reshape.h"
#include "rushlight/fn/select.h"
#include "rushlight/fn/sum.h"
#include "rushlight/fn/to.h"
#include "rushlight/fn/view.h"
#include "rushlight/kernels/copying.h"
#include "rushlight/kernels/dispatch.h"
#include "rushlight/kernels/isa.h"
#include "rushlight/kernels/parallel.h"
#include "rushlight/ops/nn/layout.h"
#include "rushlight/ops/nn/normalize.h"
#include "rushlight/ops/operators.h"

namespace rushlight {
namespace {

constexpr int64_t kLanes = 16;

// (N, C, ...) as n samples of c channels of `inner` elements.
struct Planes {
  int64_t n, c, inner = 1;
  explicit Planes(const Dims& sizes) : n(sizes[0]), c(sizes[1]) {
    for (size_t d = 2; d < sizes.size(); d++) inner *= sizes[d];
  }
};

// The sum of x, or of (x - shift)^2, over a run, in lanes so that it vectorises.
RL_FOR_EACH_ISA(
    template <class C RL_COMMA bool squares>, C, run_sum, (const C* x, int64_t n, C shift),
    {
      C lanes[kLanes];
      for (int64_t j = 0; j < kLanes; j++) lanes[j] = 0;
      int64_t whole = n / kLanes * kLanes;
      for (int64_t i = 0; i < whole; i += kLanes)
        for (int64_t j = 0; j < kLanes; j++) lanes[j] += squares ? (x[i + j] - shift) * (x[i + j] - shift) : x[i + j];
      for (int64_t j = 0; j < n - whole; j++)
        lanes[j] += squares ? (x[whole + j] - shift) * (x[whole + j] - shift) : x[whole + j];
      for (int64_t width = kLanes / 2; width > 0; width /= 2)
        for (int64_t j = 0; j < width; j++) lanes[j] += lanes[j + width];
      return lanes[0];
    },
    <C RL_COMMA squares>)

RL_FOR_EACH_ISA(
    template <class C>, C, run_dot, (const C* g, const C* x, int64_t n, C mean),
    {
      C lanes[kLanes];
      for (int64_t j = 0; j < kLanes; j++) lanes[j] = 0;
      int64_t whole = n / kLanes * kLanes;
      for (int64_t i = 0; i < whole; i += kLanes)
        for (int64_t j = 0; j < kLanes; j++) lanes[j] += g[i + j] * (x[i + j] - mean);
      for (int64_t j = 0; j < n - whole; j++) lanes[j] += g[whole + j] * (x[whole + j] - mean);
      for (int64_t width = kLanes / 2; width > 0; width /= 2)
        for (int64_t j = 0; j < width; j++) lanes[j] += lanes[j + width];
      return lanes[0];
    },
    <C>)

RL_FOR_EACH_ISA(
    template <class C>, void, run_scale, (C * y, const C* x, int64_t n, C mean, C scale, C shift),
    {
      RL_IVDEP
      for (int64_t i = 0; i < n; i++) y[i] = (x[i] - mean) * scale + shift;
    },
    <C>)

// The same for a row of channels, and the sums of some rows by channel: of x, or of (x - shift)^2.
RL_FOR_EACH_ISA(
    template <class C>, void, row_scale, (C * y, const C* x, int64_t n, const C* mean, const C* scale, const C* shift),
    {
      RL_IVDEP
      for (int64_t i = 0; i < n; i++) y[i] = (x[i] - mean[i]) * scale[i] + shift[i];
    },
    <C>)
RL_FOR_EACH_ISA(
    template <class C>, void, row_sums, (C * sums, const C* x, const C* shift, int64_t rows, int64_t n),
    {
      for (int64_t r = 0; r < rows; r++) {
        const C* row = x + r * n;
        RL_IVDEP
        for (int64_t i = 0; i < n; i++) sums[i] += shift ? (row[i] - shift[i]) * (row[i] - shift[i]) : row[i];
      }
    },
    <C>)
// Rows are summed in the compute type by blocks, blocks in double and in order: the same bits on any number of threads.
template <class C>
std::vector<double> column_sums(const C* x, const C* shift, int64_t rows, int64_t n) {
  constexpr int64_t kRows = 512;
  int64_t blocks = (rows + kRows - 1) / kRows;
  std::vector<C> partial(size_t(blocks * n), C(0));
  parallel_for(0, blocks, std::max<int64_t>(1, 32768 / (kRows * n)), [&](int64_t begin, int64_t end) {
    for (int64_t b = begin; b < end; b++)
      row_sums_isa<C>()(partial.data() + b * n, x + b * kRows * n, shift, std::min(kRows, rows - b * kRows), n);
  });
  std::vector<double> sums(size_t(n), 0.0);
  for (int64_t b = 0; b < blocks; b++)
    for (int64_t i = 0; i < n; i++) sums[size_t(i)] += double(partial[size_t(b * n + i)]);
  return sums;
}

RL_FOR_EACH_ISA(
    template <class C>, void, run_backward,
    (C * dx, const C* g, const C* x, int64_t n, C mean, C g_mean, C slope, C scale),
    {
      RL_IVDEP
      for (int64_t i = 0; i < n; i++) dx[i] = (g[i] - g_mean - (x[i] - mean) * slope) * scale;
    },
    <C>)

DType compute_dtype(DType d) { return d == DType::Float64 ? DType::Float64 : DType::Float32; }

void check_batch_norm(const Tensor& x, std::initializer_list<std::pair<const Tensor*, const char*>> per_channel,
                      const Tensor& running_mean, const Tensor& running_var, bool training) {
  RL_CHECK(RuntimeError, x.dim() >= 2, "batch_norm: expected an input of shape (N, C, ...), got ", x.sizes());
  for (auto [t, name] : per_channel) {
    RL_CHECK(RuntimeError, !t->defined() || t->numel() == x.sizes()[1], name, " should contain ", x.sizes()[1],
             " elements not ", t->defined() ? t->numel() : 0, ". Hint: batch_norm: the input of shape ", x.sizes(),
             " has ", x.sizes()[1], " channels; make the layer with num_features=", x.sizes()[1]);
  }
  RL_CHECK(RuntimeError, training || running_mean.defined(), "running_mean must be defined in evaluation mode");
  RL_CHECK(RuntimeError, training || running_var.defined(), "running_var must be defined in evaluation mode");
  RL_CHECK(RuntimeError, !training || x.numel() > 0 || x.sizes()[0] == 0,
           "Expected more than 1 value per channel when training, got input size ", x.sizes());
  RL_CHECK(NotImplementedError, is_floating(x.dtype()), "\"batch_norm\" not implemented for '",
           scalar_type_name(x.dtype()), "'");
}

// PyTorch leaves the running statistics alone where there is nothing to see.
Tensor norm_of_nothing(const Tensor& x, const Tensor& w, const Tensor& b) {
  Tensor out = clone(x);
  if (w.defined()) out = out * select(w, 0, 0);
  return b.defined() ? out + select(b, 0, 0) : out;
}

// running = (1 - momentum) * running + momentum * seen
template <class C>
void update(const Tensor& running, const C* seen, double momentum, double factor) {
  if (!running.defined()) return;
  Tensor now = dense(running, dtype_of<C>);
  Tensor next = empty_tensor(running.sizes(), dtype_of<C>);
  for (int64_t c = 0; c < next.numel(); c++)
    next.data<C>()[c] = C((1 - momentum) * double(now.data<C>()[c]) + momentum * double(seen[c]) * factor);
  NoGradGuard no_grad;
  copy_(running, next);
}

DType moments_dtype(const Tensor& x, const Tensor& weight, const Tensor& running_mean) {
  return weight.defined() ? weight.dtype() : running_mean.defined() ? running_mean.dtype() : x.dtype();
}

std::array<TensorSpec, 3> batch_norm_meta(const Tensor& x, const Tensor& w, const Tensor& b, const Tensor& running_mean,
                                          const Tensor& running_var, bool training, double, double) {
  check_batch_norm(x, {{&running_mean, "running_mean"}, {&running_var, "running_var"}, {&w, "weight"}, {&b, "bias"}},
                   running_mean, running_var, training);
  TensorSpec out{
      .sizes = x.sizes(), .dtype = x.dtype(), .device = x.device(), .strides = strides_following(x, x.sizes())};
  TensorSpec moment{.sizes = Dims{x.sizes()[1]}, .dtype = compute_dtype(x.dtype()), .device = x.device()};
  return {out, moment, moment};
}
void batch_norm_cpu(const Tensor& x, const Tensor& w, const Tensor& b, const Tensor& running_mean,
                    const Tensor& running_var, bool training, double momentum, double eps, const Tensor& out,
                    const Tensor& mean, const Tensor& invstd) {
  Planes p(x.sizes());
  DType compute = compute_dtype(x.dtype());
  dispatch(Types<float, double>{}, compute, "batch_norm", [&]<class C>() {
    auto computed = [](const Tensor& t) { return t.defined() ? dense(t, dtype_of<C>) : t; };
    // Channels last are columns of a matrix, read where they lie.
    const bool columns =
        !out.is_contiguous() && out.dtype() == compute && x.dtype() == compute && x.strides() == out.strides();
    Tensor in = columns ? x : computed(x), weight = computed(w), bias = computed(b);
    Tensor to = columns || (out.dtype() == compute && out.is_contiguous()) ? out : empty_tensor(out.sizes(), compute);
    const C* xs = in.data<C>();
    const C *ws = weight.defined() ? weight.data<C>() : nullptr, *bs = bias.defined() ? bias.data<C>() : nullptr;
    C *ys = to.data<C>(), *means = mean.data<C>(), *scales = invstd.data<C>();
    int64_t count = p.n * p.inner, step = p.c * p.inner;
    std::vector<C> variances(static_cast<size_t>(p.c));
    if (training) {
      // Runs are summed in the compute type, what they give in double: many runs lose no digits.
      auto finish = [&](int64_t c, double squares) {
        variances[size_t(c)] = C(squares / double(count));
        scales[c] = C(1 / std::sqrt(squares / double(count) + eps));
      };
      if (columns) {
        std::vector<double> sums = column_sums<C>(xs, nullptr, count, p.c);
        for (int64_t c = 0; c < p.c; c++) means[c] = C(sums[size_t(c)] / double(count));
        std::vector<double> squares = column_sums<C>(xs, means, count, p.c);
        for (int64_t c = 0; c < p.c; c++) finish(c, squares[size_t(c)]);
      }
      parallel_for(0, columns ? 0 : p.c, std::max<int64_t>(1, 32768 / std::max<int64_t>(1, count)),
                   [&](int64_t begin, int64_t end) {
                     for (int64_t c = begin; c < end; c++) {
                       double sum = 0, squares = 0;
                       for (int64_t n = 0; n < p.n; n++)
                         sum += double(run_sum_isa<C, false>()(xs + n * step + c * p.inner, p.inner, C(0)));
                       C m = C(sum / double(count));
                       for (int64_t n = 0; n < p.n; n++)
                         squares += double(run_sum_isa<C, true>()(xs + n * step + c * p.inner, p.inner, m));
                       means[c] = m;
                       finish(c, squares);
                     }
                   });
      update<C>(running_mean, means, momentum, 1);
      update<C>(running_var, variances.data(), momentum, double(count) / double(count - 1));
      // The moments count as they are given out: in the dtype of the parameters.
      DType kept = moments_dtype(x, w, running_mean);
      if (is_half(kept)) {
        copy_elements(mean, dense(mean, kept));
        copy_elements(invstd, dense(invstd, kept));
      }
    } else {
      Tensor rm = computed(running_mean), rv = computed(running_var);
      for (int64_t c = 0; c < p.c; c++) {
        means[c] = rm.data<C>()[c];
        scales[c] = C(1 / std::sqrt(double(rv.data<C>()[c]) + eps));
      }
    }
    if (columns) {
      std::vector<C> factors(scales, scales + p.c), shifts(size_t(p.c), C(0));
      for (int64_t c = 0; ws && c < p.c; c++) factors[size_t(c)] *= ws[c];
      if (bs) shifts.assign(bs, bs + p.c);
      return parallel_for(0, count, std::max<int64_t>(1, 32768 / p.c), [&](int64_t begin, int64_t end) {
        for (int64_t i = begin; i < end; i++)
          row_scale_isa<C>()(ys + i * p.c, xs + i * p.c, p.c, means, factors.data(), shifts.data());
      });
    }
    parallel_for(
        0, p.n * p.c, std::max<int64_t>(1, 32768 / std::max<int64_t>(1, p.inner)), [&](int64_t begin, int64_t end) {
          for (int64_t i = begin; i < end; i++) {
            int64_t c = i % p.c;
            C scale = ws ? scales[c] * ws[c] : scales[c];
            run_scale_isa<C>()(ys + i * p.inner, xs + i * p.inner, p.inner, means[c], scale, bs ? bs[c] : C(0));
          }
        });
    if (!to.is_same(out)) copy_elements(out, to);
  });
}

std::array<TensorSpec, 3> backward_meta(const Tensor& grad, const Tensor& x, const Tensor& mean, const Tensor& invstd,
                                        const Tensor& w, bool) {
  const char* op = "_batch_norm_backward";
  RL_CHECK(RuntimeError, x.dim() >= 2, op, ": expected an input of shape (N, C, ...), got ", x.sizes());
  Dims channels{x.sizes()[1]};
  expect_shape(op, "grad_output", grad, x.sizes());
  expect_shape(op, "save_mean", mean, channels);
  expect_shape(op, "save_invstd", invstd, channels);
  if (w.defined()) expect_shape(op, "weight", w, channels);
  TensorSpec dx{
      .sizes = x.sizes(), .dtype = x.dtype(), .device = x.device(), .strides = strides_following(x, x.sizes())};
  TensorSpec dw{.sizes = Dims{x.sizes()[1]}, .dtype = w.defined() ? w.dtype() : x.dtype(), .device = x.device()};
  return {dx, dw, dw};
}
void backward_cpu(const Tensor& grad, const Tensor& x, const Tensor& mean, const Tensor& invstd, const Tensor& w,
                  bool training, const Tensor& dx, const Tensor& dw, const Tensor& db) {
  Planes p(x.sizes());
  dispatch(Types<float, double>{}, compute_dtype(x.dtype()), "batch_norm_backward", [&]<class C>() {
    auto computed = [](const Tensor& t) { return t.defined() ? dense(t, dtype_of<C>) : t; };
    Tensor in = computed(x), g = computed(grad), weight = computed(w), m = computed(mean), s = computed(invstd);
    bool direct = dx.dtype() == dtype_of<C> && dx.is_contiguous();
    Tensor to_x = direct ? dx : empty_tensor(x.sizes(), dtype_of<C>), to_w = empty_tensor(dw.sizes(), dtype_of<C>),
           to_b = empty_tensor(dw.sizes(), dtype_of<C>);
    const C *xs = in.data<C>(), *gs = g.data<C>(), *means = m.data<C>(), *scales = s.data<C>();
    C* px = to_x.data<C>();
    int64_t count = p.n * p.inner, step = p.c * p.inner;
    parallel_for(0, p.c, std::max<int64_t>(1, 32768 / std::max<int64_t>(1, count)), [&](int64_t begin, int64_t end) {
      for (int64_t c = begin; c < end; c++) {
        double sum = 0, dot = 0;
        for (int64_t n = 0; n < p.n; n++) {
          int64_t at = n * step + c * p.inner;
          sum += double(run_sum_isa<C, false>()(gs + at, p.inner, C(0)));
          dot += double(run_dot_isa<C>()(gs + at, xs + at, p.inner, means[c]));
        }
        to_b.data<C>()[c] = C(sum);
        to_w.data<C>()[c] = C(dot * double(scales[c]));
        C scale = weight.defined() ? scales[c] * weight.data<C>()[c] : scales[c];
        C g_mean = training ? C(sum / double(count)) : C(0);
        C slope = training ? C(dot / double(count) * double(scales[c]) * double(scales[c])) : C(0);
        for (int64_t n = 0; n < p.n; n++) {
          int64_t at = n * step + c * p.inner;
          run_backward_isa<C>()(px + at, gs + at, xs + at, p.inner, means[c], g_mean, slope, scale);
        }
      }
    });
    if (!direct) copy_elements(dx, to_x);
    copy_elements(dw, to_w);
    copy_elements(db, to_b);
  });
}

Grads batch_norm_grad(const Saved& s, const Tensor& g) {
  Tensor x = s["input"], w = s["weight"];
  bool training = s.arg("training").to_bool();
  Grads grads{Tensor(), Tensor(), Tensor(), Tensor()};
  grads.push_back(Tensor());
  if (!thread_state.grad_enabled) {
    auto [dx, dw, db] = _batch_norm_backward(g, x, s["save_mean"], s["save_invstd"], w, training);
    grads[0] = dx;
    if (s.needs("weight")) grads[1] = dw;
    if (s.needs("bias")) grads[2] = db;
    return grads;
  }
  Dims over, per_channel(size_t(x.dim()), 1);
  for (int64_t d = 0; d < x.dim(); d++)
    if (d != 1) over.push_back(d);
  per_channel[1] = x.sizes()[1];
  IntArrayRef channels(per_channel[1]);
  Tensor weight = w.defined() ? view(w, per_channel) : w;
  if (training) {
    auto [dx, dw, db] = normalize_grads(x, g, weight, over, over, s.arg("eps").to_double());
    grads[0] = dx;
    if (s.needs("weight")) grads[1] = reshape(dw, channels);
    if (s.needs("bias")) grads[2] = reshape(db, channels);
    return grads;
  }
  Tensor scale = view(s["save_invstd"], per_channel), centred = x - view(s["save_mean"], per_channel);
  grads[0] = g * (weight.defined() ? scale * weight : scale);
  if (s.needs("weight")) grads[1] = sum(g * centred * scale, over);
  if (s.needs("bias")) grads[2] = sum(g, over);
  return grads;
}

Tensor batch_norm_op(const Tensor& x, const Tensor& w, const Tensor& b, const Tensor& running_mean,
                     const Tensor& running_var, bool training, double momentum, double eps, bool) {
  if (x.numel() == 0) return norm_of_nothing(x, w, b);
  return std::get<0>(_native_batch_norm(x, w, b, running_mean, running_var, training, momentum, eps));
}

std::tuple<Tensor, Tensor, Tensor> native_batch_norm_op(const Tensor& x, const Tensor& w, const Tensor& b,
                                                        const Tensor& running_mean, const Tensor& running_var,
                                                        bool training, double momentum, double eps) {
  auto [out, mean, invstd] = _native_batch_norm(x, w, b, running_mean, running_var, training, momentum, eps);
  DType kept = moments_dtype(x, w, running_mean);
  // PyTorch's meta device keeps the moments.
  if (!training && !x.device().is_meta()) mean = invstd = empty_tensor(Dims{0}, kept, x.device());
  return {out, to(mean, kept), to(invstd, kept)};
}

// Each channel of each sample is a channel of a single sample.
Tensor instance_norm_op(const Tensor& x, const Tensor& w, const Tensor& b, const Tensor& running_mean,
                        const Tensor& running_var, bool use_input_stats, double momentum, double eps, bool) {
  RL_CHECK(RuntimeError, use_input_stats || (running_mean.defined() && running_var.defined()),
           "Expected running_mean and running_var to be defined when use_input_stats is false");
  RL_CHECK(RuntimeError, x.dim() >= 2, "instance_norm: expected an input of shape (N, C, ...), got ", x.sizes());
  int64_t n = x.sizes()[0], c = x.sizes()[1];
  Dims folded = x.sizes();
  folded[0] = 1;
  folded[1] = n * c;
  auto repeated = [&](const Tensor& t) { return t.defined() ? repeat(t, IntArrayRef(n)) : t; };
  Tensor rm = repeated(running_mean), rv = repeated(running_var);
  Tensor y = batch_norm(reshape(x, folded), repeated(w), repeated(b), rm, rv, use_input_stats, momentum, eps, true);
  if (use_input_stats) {
    NoGradGuard no_grad;
    int64_t first = 0;
    if (running_mean.defined()) copy_(running_mean, mean(view(rm, Dims{n, c}), IntArrayRef(first)));
    if (running_var.defined()) copy_(running_var, mean(view(rv, Dims{n, c}), IntArrayRef(first)));
  }
  return reshape(y, x.sizes());
}

}  // namespace

OP(native_batch_norm,
   {.schema =
        "native_batch_norm(Tensor input, Tensor? weight, Tensor? bias, Tensor? running_mean, Tensor? running_var, bool "
        "training, float momentum, float eps) -> (Tensor output, Tensor save_mean, Tensor save_invstd)",
    .doc = "batch_norm, and in training the mean and inverse deviation that it used."
           " >>> torch.native_batch_norm(torch.tensor([[1.], [3.]]), None, None, None, None, True, 0.1, "
           "1e-5)[1]\ntensor([2.])",
    .kernel = composite<native_batch_norm_op>(),
    .forms = kFunction | kOut,
    .writes = {"running_mean:training", "running_var:training"}});
OP(_native_batch_norm,
   {.schema = "_native_batch_norm(Tensor input, Tensor? weight, Tensor? bias, Tensor? running_mean, Tensor? "
              "running_var, bool "
              "training, float momentum, float eps) -> (Tensor output, Tensor save_mean, Tensor save_invstd)",
    .doc = "batch_norm, and the mean and inverse deviation that it used; training updates the running statistics.",
    .kernel = structured<batch_norm_meta, batch_norm_cpu>(),
    .grad = {{"input", "weight", "save_mean", "save_invstd"}, batch_norm_grad},
    .forms = kFunction,
    .writes = {"running_mean:training", "running_var:training"}});
OP(_batch_norm_backward, {.schema = "_batch_norm_backward(Tensor grad_output, Tensor input, Tensor save_mean, Tensor "
                                    "save_invstd, Tensor? weight, bool training) -> (Tensor, Tensor, Tensor)",
                          .doc = "Gradients of batch_norm for input, weight and bias.",
                          .kernel = structured<backward_meta, backward_cpu>(),
                          .forms = kFunction});
OP(batch_norm, {.schema = "batch_norm(Tensor input, Tensor? weight, Tensor? bias, Tensor? running_mean, Tensor? "
                          "running_var, bool training, float momentum, float eps, bool cudnn_enabled) -> Tensor",
                .doc = "Normalises each channel by its mean and variance."
                       " >>> torch.nn.functional.batch_norm(torch.tensor([[1., 10.], [3., 30.]]), None, None, "
                       "training=True)\ntensor([[-1.0000, -1.0000],\n        [ 1.0000,  1.0000]])",
                .kernel = composite<batch_norm_op>(),
                .forms = kFunction,
                .writes = {"running_mean:training", "running_var:training"}});
OP(instance_norm,
   {.schema = "instance_norm(Tensor input, Tensor? weight, Tensor? bias, Tensor? running_mean, Tensor? running_var, "
              "bool use_input_stats, float momentum, float eps, bool cudnn_enabled) -> Tensor",
    .doc = "Normalises each channel of each sample."
           " >>> torch.nn.functional.instance_norm(torch.tensor([[[1., 3.], [10., 30.]]]))\ntensor([[[-1.0000,  "
           "1.0000],\n         [-1.0000,  1.0000]]])",
    .kernel = composite<instance_norm_op>(),
    .forms = kFunction,
    .writes = {"running_mean:use_input_stats", "running_var:use_input_stats"}});
}  // namespace rushlight

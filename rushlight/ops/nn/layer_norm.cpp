// layer_norm, and group_norm and rms_norm in its terms.
#include "rushlight/fn/layer_norm.h"

#include "rushlight/dispatch/expect.h"
#include "rushlight/dispatch/kernel.h"
#include "rushlight/fn/_layer_norm_backward.h"
#include "rushlight/fn/_native_layer_norm.h"
#include "rushlight/fn/reshape.h"
#include "rushlight/fn/to.h"
#include "rushlight/fn/view.h"
#include "rushlight/kernels/copying.h"
#include "rushlight/kernels/dispatch.h"
#include "rushlight/kernels/isa.h"
#include "rushlight/kernels/parallel.h"
#include "rushlight/ops/nn/layout.h"
#include "rushlight/ops/nn/normalize.h"

namespace rushlight {
namespace {

constexpr int64_t kLanes = 16;
constexpr int64_t kBlock = 4096;  // a lane that adds up more numbers loses digits: rows of a group may have a million

struct Rows {
  int64_t count = 1, size = 1;
  Rows(const Dims& sizes, size_t normalized) {
    for (size_t d = 0; d < sizes.size(); d++) (d < sizes.size() - normalized ? count : size) *= sizes[d];
  }
};

template <class C>
struct Moments {
  C mean, rstd;
};

// Two passes, the row being in cache for the second: one pass loses digits where the mean is large.
RL_FOR_EACH_ISA(
    template <class C>, void, normalize_row,
    (C * out, const C* x, const C* w, const C* b, int64_t n, C eps, Moments<C>* moments),
    {
      C lanes[kLanes];
      C sum = 0;
      C squares = 0;
      for (int64_t first = 0; first < n; first += kBlock) {
        const C* p = x + first;
        int64_t count = n - first < kBlock ? n - first : kBlock;
        int64_t whole = count / kLanes * kLanes;
        for (int64_t j = 0; j < kLanes; j++) lanes[j] = 0;
        for (int64_t i = 0; i < whole; i += kLanes)
          for (int64_t j = 0; j < kLanes; j++) lanes[j] += p[i + j];
        for (int64_t j = 0; j < count - whole; j++) lanes[j] += p[whole + j];
        for (int64_t width = kLanes / 2; width > 0; width /= 2)
          for (int64_t j = 0; j < width; j++) lanes[j] += lanes[j + width];
        sum += lanes[0];
      }
      C mean = sum / C(n);
      for (int64_t first = 0; first < n; first += kBlock) {
        const C* p = x + first;
        int64_t count = n - first < kBlock ? n - first : kBlock;
        int64_t whole = count / kLanes * kLanes;
        for (int64_t j = 0; j < kLanes; j++) lanes[j] = 0;
        for (int64_t i = 0; i < whole; i += kLanes)
          for (int64_t j = 0; j < kLanes; j++) lanes[j] += (p[i + j] - mean) * (p[i + j] - mean);
        for (int64_t j = 0; j < count - whole; j++) lanes[j] += (p[whole + j] - mean) * (p[whole + j] - mean);
        for (int64_t width = kLanes / 2; width > 0; width /= 2)
          for (int64_t j = 0; j < width; j++) lanes[j] += lanes[j + width];
        squares += lanes[0];
      }
      C rstd = C(1) / __builtin_sqrt(squares / C(n) + eps);
      moments->mean = mean;
      moments->rstd = rstd;
      if (w && b) {
        RL_IVDEP
        for (int64_t i = 0; i < n; i++) out[i] = (x[i] - mean) * rstd * w[i] + b[i];
      } else if (w) {
        RL_IVDEP
        for (int64_t i = 0; i < n; i++) out[i] = (x[i] - mean) * rstd * w[i];
      } else {
        RL_IVDEP
        for (int64_t i = 0; i < n; i++) out[i] = (x[i] - mean) * rstd;
        if (b)
          for (int64_t i = 0; i < n; i++) out[i] += b[i];
      }
    },
    <C>)

RL_FOR_EACH_ISA(
    template <class C>, void, backward_row, (C * dx, const C* g, const C* x, const C* w, int64_t n, C mean, C rstd),
    {
      C sums[kLanes];
      C dots[kLanes];
      C sum = 0;
      C dot = 0;
      for (int64_t first = 0; first < n; first += kBlock) {
        const C* gs = g + first;
        const C* xs = x + first;
        const C* ws = w ? w + first : w;
        int64_t count = n - first < kBlock ? n - first : kBlock;
        int64_t whole = count / kLanes * kLanes;
        for (int64_t j = 0; j < kLanes; j++) sums[j] = dots[j] = 0;
        for (int64_t i = 0; i < whole; i += kLanes) {
          for (int64_t j = 0; j < kLanes; j++) {
            C gw = ws ? gs[i + j] * ws[i + j] : gs[i + j];
            sums[j] += gw;
            dots[j] += gw * (xs[i + j] - mean);
          }
        }
        for (int64_t j = 0; j < count - whole; j++) {
          C gw = ws ? gs[whole + j] * ws[whole + j] : gs[whole + j];
          sums[j] += gw;
          dots[j] += gw * (xs[whole + j] - mean);
        }
        for (int64_t width = kLanes / 2; width > 0; width /= 2) {
          for (int64_t j = 0; j < width; j++) {
            sums[j] += sums[j + width];
            dots[j] += dots[j + width];
          }
        }
        sum += sums[0];
        dot += dots[0];
      }
      C a = sum / C(n);
      C b = dot / C(n) * rstd * rstd;
      RL_IVDEP
      for (int64_t i = 0; i < n; i++) dx[i] = ((w ? g[i] * w[i] : g[i]) - a - (x[i] - mean) * b) * rstd;
    },
    <C>)

// Adds one row to the gradients of weight and bias.
RL_FOR_EACH_ISA(
    template <class C>, void, add_row, (C * dw, C* db, const C* g, const C* x, int64_t n, C mean, C rstd),
    {
      RL_IVDEP
      for (int64_t i = 0; i < n; i++) {
        dw[i] += g[i] * (x[i] - mean) * rstd;
        db[i] += g[i];
      }
    },
    <C>)

void check_layer_norm(const Tensor& x, IntArrayRef shape, const Tensor& w, const Tensor& b) {
  RL_CHECK(RuntimeError, shape.size() >= 1,
           "Expected normalized_shape to be at least 1-dimensional, i.e., containing at least one element, but got "
           "normalized_shape = ",
           shape);
  RL_CHECK(RuntimeError, !w.defined() || IntArrayRef(w.sizes()) == shape,
           "Expected weight to be of same shape as normalized_shape, but got weight of shape ",
           w.defined() ? w.sizes() : Dims{}, " and normalized_shape = ", shape);
  RL_CHECK(RuntimeError, !b.defined() || IntArrayRef(b.sizes()) == shape,
           "Expected bias to be of same shape as normalized_shape, but got bias of shape ",
           b.defined() ? b.sizes() : Dims{}, " and normalized_shape = ", shape);
  bool fits = size_t(x.dim()) >= shape.size();
  for (size_t d = 0; fits && d < shape.size(); d++) fits = x.sizes()[size_t(x.dim()) - shape.size() + d] == shape[d];
  if (!fits) {
    std::string expected = "[*";
    for (int64_t n : shape) expected += str(", ", n);
    RL_CHECK(RuntimeError, false, "Given normalized_shape=", shape, ", expected input with shape ", expected,
             "], but got input of size", x.sizes(),
             ". Hint: make the layer with the input's last sizes as normalized_shape, or bring the features last");
  }
}

DType compute_dtype(DType d) { return d == DType::Float64 ? DType::Float64 : DType::Float32; }

std::array<TensorSpec, 3> layer_norm_meta(const Tensor& x, IntArrayRef shape, const Tensor& w, const Tensor& b,
                                          double) {
  check_layer_norm(x, shape, w, b);
  RL_CHECK(NotImplementedError, is_floating(x.dtype()), "\"LayerNormKernelImpl\" not implemented for '",
           scalar_type_name(x.dtype()), "'");
  TensorSpec out{.sizes = x.sizes(), .dtype = x.dtype(), .device = x.device()}, moments = out;
  moments.dtype = compute_dtype(x.dtype());
  for (size_t d = 0; d < shape.size(); d++) moments.sizes[moments.sizes.size() - 1 - d] = 1;
  return {out, moments, moments};
}

// The tensor in the compute type and dense; its memory itself where it is that already.
template <class C>
Tensor computed(const Tensor& t) {
  return t.defined() ? dense(t, dtype_of<C>) : t;
}
template <class C>
const C* data_or_null(const Tensor& t) {
  return t.defined() ? t.data<C>() : nullptr;
}

void layer_norm_cpu(const Tensor& x, IntArrayRef shape, const Tensor& w, const Tensor& b, double eps, const Tensor& out,
                    const Tensor& mean, const Tensor& rstd) {
  Rows rows(x.sizes(), shape.size());
  if (x.numel() == 0) return;
  dispatch(Types<float, double>{}, compute_dtype(x.dtype()), "layer_norm", [&]<class C>() {
    Tensor in = computed<C>(x), weight = computed<C>(w), bias = computed<C>(b);
    bool direct = out.dtype() == dtype_of<C> && out.is_contiguous();
    Tensor to = direct ? out : empty_tensor(out.sizes(), dtype_of<C>);
    Tensor m = dense(mean), r = dense(rstd);
    C *y = to.data<C>(), *means = m.data<C>(), *rstds = r.data<C>();
    const C *data = in.data<C>(), *ws = data_or_null<C>(weight), *bs = data_or_null<C>(bias);
    int64_t n = rows.size;
    parallel_for(0, rows.count, std::max<int64_t>(1, 16384 / n), [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; i++) {
        Moments<C> found;
        normalize_row_isa<C>()(y + i * n, data + i * n, ws, bs, n, C(eps), &found);
        means[i] = found.mean;
        rstds[i] = found.rstd;
      }
    });
    if (!direct) copy_elements(out, to);
    if (!m.is_same(mean)) copy_elements(mean, m);
    if (!r.is_same(rstd)) copy_elements(rstd, r);
  });
}

std::array<TensorSpec, 3> backward_meta(const Tensor& grad, const Tensor& x, const Tensor& mean, const Tensor& rstd,
                                        const Tensor& w, int64_t dims) {
  const char* op = "_layer_norm_backward";
  RL_CHECK(RuntimeError, dims >= 1 && dims <= x.dim(), op, ": expected dims from 1 to ", x.dim(), ", got ", dims);
  RL_CHECK(NotImplementedError, is_floating(x.dtype()), '"', op, "\" not implemented for '",
           scalar_type_name(x.dtype()), "'");
  TensorSpec dx{.sizes = x.sizes(), .dtype = x.dtype(), .device = x.device()}, dw = dx;
  dw.sizes.clear();
  Dims moments = x.sizes();
  for (size_t d = size_t(x.dim() - dims); d < size_t(x.dim()); d++) {
    dw.sizes.push_back(x.sizes()[d]);
    moments[d] = 1;
  }
  expect_shape(op, "grad_output", grad, x.sizes());
  expect_shape(op, "mean", mean, moments);
  expect_shape(op, "rstd", rstd, moments);
  if (w.defined()) {
    expect_shape(op, "weight", w, dw.sizes);
    dw.dtype = w.dtype();
  }
  return {dx, dw, dw};
}
void backward_cpu(const Tensor& grad, const Tensor& x, const Tensor& mean, const Tensor& rstd, const Tensor& w,
                  int64_t dims, const Tensor& dx, const Tensor& dw, const Tensor& db) {
  Rows rows(x.sizes(), size_t(dims));
  int64_t n = rows.size;
  dispatch(Types<float, double>{}, compute_dtype(x.dtype()), "layer_norm_backward", [&]<class C>() {
    Tensor in = computed<C>(x), g = computed<C>(grad), weight = computed<C>(w), m = computed<C>(mean),
           r = computed<C>(rstd);
    Tensor to_x = empty_tensor(x.sizes(), dtype_of<C>), to_w = empty_tensor(dw.sizes(), dtype_of<C>),
           to_b = empty_tensor(dw.sizes(), dtype_of<C>);
    const C *xs = in.data<C>(), *gs = g.data<C>(), *ws = data_or_null<C>(weight), *means = m.data<C>(),
            *rstds = r.data<C>();
    C *px = to_x.data<C>(), *pw = to_w.data<C>(), *pb = to_b.data<C>();
    if (n > 0) {
      parallel_for(0, rows.count, std::max<int64_t>(1, 16384 / n), [&](int64_t begin, int64_t end) {
        for (int64_t i = begin; i < end; i++)
          backward_row_isa<C>()(px + i * n, gs + i * n, xs + i * n, ws, n, means[i], rstds[i]);
      });
    }
    // Each thread has a range of columns and adds the rows in order: the same bits on any number of threads.
    parallel_for(0, n, std::max<int64_t>(64, 65536 / std::max<int64_t>(1, rows.count)),
                 [&](int64_t begin, int64_t end) {
                   std::fill(pw + begin, pw + end, C(0));
                   std::fill(pb + begin, pb + end, C(0));
                   for (int64_t i = 0; i < rows.count; i++) {
                     add_row_isa<C>()(pw + begin, pb + begin, gs + i * n + begin, xs + i * n + begin, end - begin,
                                      means[i], rstds[i]);
                   }
                 });
    copy_elements(dx, to_x);
    copy_elements(dw, to_w);
    copy_elements(db, to_b);
  });
}

Grads layer_norm_grad(const Saved& s, const Tensor& g) {
  Tensor x = s["input"], w = s["weight"];
  IntArrayRef shape = s.arg("normalized_shape").int_list();
  int64_t dims = int64_t(shape.size());
  if (!thread_state.grad_enabled) {
    auto [dx, dw, db] = _layer_norm_backward(g, x, s["mean"], s["rstd"], w, dims);
    return {dx, s.needs("weight") ? dw : Tensor(), s.needs("bias") ? db : Tensor()};
  }
  Dims over, others;
  for (int64_t d = 0; d < x.dim(); d++) (d < x.dim() - dims ? others : over).push_back(d);
  auto [dx, dw, db] = normalize_grads(x, g, w, over, others, s.arg("eps").to_double());
  return {dx, s.needs("weight") ? reshape(dw, shape) : Tensor(), s.needs("bias") ? reshape(db, shape) : Tensor()};
}

Tensor layer_norm_op(const Tensor& x, IntArrayRef shape, const Tensor& w, const Tensor& b, double eps, bool) {
  return std::get<0>(_native_layer_norm(x, shape, w, b, eps));
}
// The moments have the dtype of the parameters.
std::tuple<Tensor, Tensor, Tensor> native_layer_norm_op(const Tensor& x, IntArrayRef shape, const Tensor& w,
                                                        const Tensor& b, double eps) {
  auto [y, mean, rstd] = _native_layer_norm(x, shape, w, b, eps);
  DType kept = w.defined() ? w.dtype() : b.defined() ? b.dtype() : x.dtype();
  return {y, to(mean, kept), to(rstd, kept)};
}

// Each group of channels of a sample is a row.
Tensor group_norm_op(const Tensor& x, int64_t groups, const Tensor& w, const Tensor& b, double eps, bool) {
  RL_CHECK(RuntimeError, x.dim() >= 2, "Expected at least 2 dimensions for input tensor but received ", x.dim());
  int64_t n = x.sizes()[0], c = x.sizes()[1];
  RL_CHECK(RuntimeError, groups > 0, "Expected num groups to be greater than 0, got ", groups);
  RL_CHECK(RuntimeError, c % groups == 0,
           "Expected number of channels in input to be divisible by num_groups, but got input of shape ", x.sizes(),
           " and num_groups=", groups);
  for (const Tensor* t : {&w, &b}) {
    RL_CHECK(RuntimeError, !t->defined() || (t->dim() == 1 && t->numel() == c), "Expected ",
             t == &w ? "weight" : "bias", " to be a vector of size equal to the number of channels in input, but got ",
             t == &w ? "weight" : "bias", " of shape ", t->defined() ? t->sizes() : Dims{}, " and input of shape ",
             x.sizes());
  }
  Tensor y = is_half(x.dtype()) ? to(x, DType::Float32) : x;
  if (x.numel() > 0) {
    int64_t row = x.numel() / (n * groups);
    y = layer_norm(reshape(y, Dims{n * groups, row}), IntArrayRef(row), Tensor(), Tensor(), eps);
  }
  y = reshape(y, x.sizes());
  Dims per_channel(size_t(x.dim()), 1);
  per_channel[1] = c;
  if (w.defined()) y = y * view(w, per_channel);
  if (b.defined()) y = y + view(b, per_channel);
  return following(x, to(y, x.dtype()));
}

Tensor rms_norm_op(const Tensor& x, IntArrayRef shape, const Tensor& w, std::optional<double> eps) {
  check_layer_norm(x, shape, w, Tensor());
  RL_CHECK(NotImplementedError, is_differentiable(x.dtype()), "\"rms_norm\" not implemented for '",
           scalar_type_name(x.dtype()), "'");
  DType compute = is_complex(x.dtype()) ? x.dtype() : compute_dtype(x.dtype());
  Dims over;
  for (size_t d = 0; d < shape.size(); d++) over.push_back(x.dim() - 1 - int64_t(d));
  double epsilon = eps.value_or(to_real(x.dtype()) == DType::Float64 ? 2.220446049250313e-16 : 1.1920928955078125e-07);
  Tensor wide = x.dtype() == compute ? x : to(x, compute);
  Tensor y = wide * rsqrt(mean(wide * wide, over, true) + epsilon);
  if (w.defined()) y = y * (w.dtype() == compute ? w : to(w, compute));
  return x.dtype() == compute ? y : to(y, x.dtype());
}

}  // namespace

OP(native_layer_norm,
   {.schema = "native_layer_norm(Tensor input, SymInt[] normalized_shape, Tensor? weight, Tensor? "
              "bias, float eps) -> (Tensor output, Tensor mean, Tensor rstd)",
    .doc = "layer_norm, and the mean and inverse deviation of each row."
           " >>> torch.native_layer_norm(torch.tensor([[1., 3.]]), (2,), None, None, 1e-5)[1]\ntensor([[2.]])",
    .kernel = composite<native_layer_norm_op>(),
    .forms = kFunction});
OP(_native_layer_norm, {.schema = "_native_layer_norm(Tensor input, SymInt[] normalized_shape, Tensor? weight, Tensor? "
                                  "bias, float eps) -> (Tensor output, Tensor mean, Tensor rstd)",
                        .doc = "layer_norm, and the mean and inverse deviation of each row.",
                        .kernel = structured<layer_norm_meta, layer_norm_cpu>(),
                        .grad = {{"input", "weight", "mean", "rstd"}, layer_norm_grad},
                        .forms = kFunction});
OP(_layer_norm_backward, {.schema = "_layer_norm_backward(Tensor grad_output, Tensor input, Tensor mean, Tensor rstd, "
                                    "Tensor? weight, int dims) -> (Tensor, Tensor, Tensor)",
                          .doc = "Gradients of layer_norm for input, weight and bias.",
                          .kernel = structured<backward_meta, backward_cpu>(),
                          .forms = kFunction});
OP(layer_norm,
   {.schema = "layer_norm(Tensor input, SymInt[] normalized_shape, Tensor? weight=None, Tensor? bias=None, "
              "float eps=1e-05, bool cudnn_enable=True) -> Tensor",
    .doc = "Normalises over the last dimensions."
           " >>> torch.nn.functional.layer_norm(torch.tensor([[1., 3.]]), (2,))\ntensor([[-1.0000,  1.0000]])",
    .kernel = composite<layer_norm_op>(),
    .forms = kFunction});
OP(group_norm, {.schema = "group_norm(Tensor input, int num_groups, Tensor? weight=None, Tensor? bias=None, float "
                          "eps=1e-05, bool cudnn_enabled=True) -> Tensor",
                .doc = "Normalises groups of channels of each sample."
                       " >>> torch.nn.functional.group_norm(torch.tensor([[1., 3., 10., 30.]]), 2)\ntensor([[-1.0000,  "
                       "1.0000, -1.0000,  1.0000]])",
                .kernel = composite<group_norm_op>(),
                .forms = kFunction,
                .node = "NativeGroupNormBackward0"});
OP(rms_norm,
   {.schema = "rms_norm(Tensor input, SymInt[] normalized_shape, Tensor? weight=None, float? eps=None) -> Tensor",
    .doc = "Divides by the root mean square over the last dimensions."
           " >>> torch.nn.functional.rms_norm(torch.tensor([3., 4.]), (2,))\ntensor([0.8485, 1.1314])",
    .kernel = composite<rms_norm_op>(),
    .forms = kFunction});
}  // namespace rushlight

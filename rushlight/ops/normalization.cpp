// batch_norm, layer_norm, group_norm, instance_norm: normalisation by mean and variance, fused forwards and backwards.
#include <cmath>

#include "rushlight/fn/_norm_rows.h"
#include "rushlight/fn/_norm_rows_backward.h"
#include "rushlight/fn/contiguous.h"
#include "rushlight/fn/mean.h"
#include "rushlight/fn/native_batch_norm.h"
#include "rushlight/fn/repeat.h"
#include "rushlight/fn/reshape.h"
#include "rushlight/fn/rsqrt.h"
#include "rushlight/fn/square.h"
#include "rushlight/fn/sum.h"
#include "rushlight/fn/to.h"
#include "rushlight/fn/view.h"
#include "rushlight/kernels/loops.h"
#include "rushlight/ops/kernel.h"
#include "rushlight/ops/operators.h"

namespace rushlight {
namespace {

template <class F>
void with_float(DType d, const char* op, const F& f) {
  if (d == DType::Float32) return f(float());
  if (d == DType::Float64) return f(double());
  throw NotImplementedError(str("\"", op, "\" not implemented for '", d, "'"));
}

// Sums of a row and of its squares about a pivot, in lanes that the compiler keeps in vector registers.
RL_FOR_EACH_ISA(template <class T>, void, row_sums, (const T* x, int64_t n, T pivot, double* sum, double* squares), {
  constexpr int kLanes = 16;
  T s[kLanes] = {};
  T q[kLanes] = {};
  int64_t i = 0;
  double total = 0;
  double total_squares = 0;
  while (i + kLanes <= n) {
    int64_t stop = std::min<int64_t>(n / kLanes * kLanes, i + 4096);  // short runs: float sums stay exact enough
    for (; i < stop; i += kLanes)
      for (int k = 0; k < kLanes; k++) {
        T d = x[i + k] - pivot;
        s[k] += d;
        q[k] += d * d;
      }
    for (int k = 0; k < kLanes; k++) {
      total += s[k];
      total_squares += q[k];
      s[k] = 0;
      q[k] = 0;
    }
  }
  for (; i < n; i++) {
    T d = x[i] - pivot;
    total += d;
    total_squares += d * d;
  }
  *sum += total;
  *squares += total_squares;
}, <T>)

RL_FOR_EACH_ISA(template <class T>, void, scale_row, (T* o, const T* x, int64_t n, T scale, T shift),
                { RL_IVDEP for (int64_t i = 0; i < n; i++) o[i] = x[i] * scale + shift; }, <T>)

RL_FOR_EACH_ISA(template <class T>, void, dot_row, (const T* g, const T* x, int64_t n, T pivot, double* sum, double* dot), {
  constexpr int kLanes = 16;
  T s[kLanes] = {};
  T q[kLanes] = {};
  int64_t i = 0;
  double total = 0;
  double total_dot = 0;
  while (i + kLanes <= n) {
    int64_t stop = std::min<int64_t>(n / kLanes * kLanes, i + 4096);
    for (; i < stop; i += kLanes)
      for (int k = 0; k < kLanes; k++) {
        s[k] += g[i + k];
        q[k] += g[i + k] * (x[i + k] - pivot);
      }
    for (int k = 0; k < kLanes; k++) {
      total += s[k];
      total_dot += q[k];
      s[k] = 0;
      q[k] = 0;
    }
  }
  for (; i < n; i++) {
    total += g[i];
    total_dot += g[i] * (x[i] - pivot);
  }
  *sum += total;
  *dot += total_dot;
}, <T>)

RL_FOR_EACH_ISA(template <class T>, void, back_row, (T* o, const T* g, const T* x, int64_t n, T scale, T slope, T shift),
                { RL_IVDEP for (int64_t i = 0; i < n; i++) o[i] = g[i] * scale - x[i] * slope + shift; }, <T>)

Tensor dense_or_undefined(const Tensor& t, DType d) { return t.defined() ? contiguous(to(t, d)) : t; }

// ---- batch_norm: statistics over all dimensions but the second ----

struct BatchShape {
  int64_t n, c, s;
};
BatchShape batch_shape(IntArrayRef sizes) {
  int64_t s = 1;
  for (size_t i = 2; i < sizes.size(); i++) s *= sizes[i];
  return {sizes[0], sizes[1], s};
}

std::tuple<Tensor, Tensor, Tensor> batch_norm_forward(const Tensor& input, const Tensor& weight, const Tensor& bias, const Tensor& running_mean, const Tensor& running_var, bool training,
                                                      double momentum, double eps) {
  Tensor x = contiguous(input);
  BatchShape k = batch_shape(x.sizes());
  Tensor out = empty_tensor(x.sizes(), x.dtype());
  Tensor save_mean = empty_tensor(training ? IntArrayRef(k.c) : IntArrayRef(int64_t(0)), x.dtype()), save_scale = empty_tensor(save_mean.sizes(), x.dtype());
  Tensor w = dense_or_undefined(weight, x.dtype()), b = dense_or_undefined(bias, x.dtype());
  with_float(x.dtype(), "batch_norm", [&]<class T>(T) {
    auto value = [](const Tensor& t, int64_t i) { return double(t.data<T>()[i * t.strides()[0]]); };
    int64_t count = k.n * k.s;
    parallel_for(0, k.c, std::max<int64_t>(1, kGrain / std::max<int64_t>(count, 1)), [&](int64_t from, int64_t to) {
      for (int64_t c = from; c < to; c++) {
        double mean, scale;
        if (training) {
          T pivot = count ? x.data<T>()[c * k.s] : T(0);
          double sum = 0, squares = 0;
          for (int64_t i = 0; i < k.n; i++) row_sums_isa<T>()(x.data<T>() + (i * k.c + c) * k.s, k.s, pivot, &sum, &squares);
          double offset = sum / double(count);
          double variance = std::max(0.0, squares / double(count) - offset * offset);
          mean = double(pivot) + offset;
          scale = 1 / std::sqrt(variance + eps);
          save_mean.data<T>()[c] = T(mean);
          save_scale.data<T>()[c] = T(scale);
          if (running_mean.defined()) {
            T& m = running_mean.data<T>()[c * running_mean.strides()[0]];
            m = T(momentum * mean + (1 - momentum) * double(m));
          }
          if (running_var.defined()) {
            T& v = running_var.data<T>()[c * running_var.strides()[0]];
            v = T(momentum * variance * double(count) / double(count - 1) + (1 - momentum) * double(v));
          }
        } else {
          mean = value(running_mean, c);
          scale = 1 / std::sqrt(value(running_var, c) + eps);
        }
        T a = T(w.defined() ? scale * double(w.data<T>()[c]) : scale);
        T shift = T((b.defined() ? double(b.data<T>()[c]) : 0.0) - mean * double(a));
        for (int64_t i = 0; i < k.n; i++) scale_row_isa<T>()(out.data<T>() + (i * k.c + c) * k.s, x.data<T>() + (i * k.c + c) * k.s, k.s, a, shift);
      }
    });
  });
  if (training)
    for (const Tensor* t : {&running_mean, &running_var})
      if (t->defined()) t->impl()->bump_version();
  return {out, save_mean, save_scale};
}

// Along the channels of a tensor of `dims` dimensions.
Tensor along_channels(const Tensor& t, size_t dims) {
  Dims shape(dims, 1);
  shape[1] = t.numel();
  return view(t, shape);
}
Dims all_but_channels(size_t dims) {
  Dims out = {0};
  for (size_t d = 2; d < dims; d++) out.push_back(int64_t(d));
  return out;
}

Grads batch_norm_grad(const Saved& s, const Tensors& grads) {
  const Tensor& g = grads[0];
  Tensor x = s["input"], weight = s["weight"];
  bool training = s.arg("training").to_bool();
  double eps = s.arg("eps").to_double();
  size_t dims = x.sizes().size();
  Dims over = all_but_channels(dims);
  if (thread_state.grad_enabled) {  // to be differentiated again: composed
    Tensor mu = training ? mean(x, over, true) : along_channels(s["running_mean"], dims);
    Tensor centred = x - mu;
    Tensor scale = training ? rsqrt(mean(square(centred), over, true) + eps) : rsqrt(along_channels(s["running_var"], dims) + eps);
    Tensor normal = centred * scale;
    Tensor gw = weight.defined() ? g * along_channels(weight, dims) : g;
    Tensor dx = training ? scale * (gw - mean(gw, over, true) - normal * mean(gw * normal, over, true)) : gw * scale;
    return {dx, weight.defined() ? sum(g * normal, over) : Tensor(), s.needs("bias") ? sum(g, over) : Tensor(), Tensor(), Tensor()};
  }
  Tensor dense_g = contiguous(g), dense_x = contiguous(x);
  BatchShape k = batch_shape(x.sizes());
  Tensor dx = s.needs("input") ? empty_tensor(x.sizes(), x.dtype()) : Tensor();
  Tensor dw = s.needs("weight") ? empty_tensor(k.c, x.dtype()) : Tensor(), db = s.needs("bias") ? empty_tensor(k.c, x.dtype()) : Tensor();
  Tensor save_mean = training ? s["save_mean"] : dense_or_undefined(s["running_mean"], x.dtype());
  Tensor save_scale = training ? s["save_invstd"] : dense_or_undefined(s["running_var"], x.dtype());
  Tensor w = dense_or_undefined(weight, x.dtype());
  with_float(x.dtype(), "batch_norm_backward", [&]<class T>(T) {
    int64_t count = k.n * k.s;
    parallel_for(0, k.c, std::max<int64_t>(1, kGrain / std::max<int64_t>(count, 1)), [&](int64_t from, int64_t to) {
      for (int64_t c = from; c < to; c++) {
        double mu = double(save_mean.data<T>()[c]);
        double scale = training ? double(save_scale.data<T>()[c]) : 1 / std::sqrt(double(save_scale.data<T>()[c]) + eps);
        double sum_g = 0, dot = 0;
        for (int64_t i = 0; i < k.n; i++) {
          int64_t at = (i * k.c + c) * k.s;
          dot_row_isa<T>()(dense_g.data<T>() + at, dense_x.data<T>() + at, k.s, T(mu), &sum_g, &dot);
        }
        if (dw.defined()) dw.data<T>()[c] = T(dot * scale);
        if (db.defined()) db.data<T>()[c] = T(sum_g);
        if (!dx.defined()) continue;
        double a = scale * (w.defined() ? double(w.data<T>()[c]) : 1.0);
        double slope = training ? a * scale * scale * dot / double(count) : 0;
        double shift = training ? -a * sum_g / double(count) + slope * mu : 0;
        for (int64_t i = 0; i < k.n; i++) {
          int64_t at = (i * k.c + c) * k.s;
          back_row_isa<T>()(dx.data<T>() + at, dense_g.data<T>() + at, dense_x.data<T>() + at, k.s, T(a), T(slope), T(shift));
        }
      }
    });
  });
  return {dx, dw, db, Tensor(), Tensor()};
}

Tensor batch_norm(const Tensor& input, const Tensor& weight, const Tensor& bias, const Tensor& running_mean, const Tensor& running_var, bool training, double momentum, double eps, bool) {
  RL_CHECK(RuntimeError, input.dim() >= 2, "batch_norm: expected an input of at least 2 dimensions, got ", input.sizes());
  int64_t channels = input.size(1);
  for (auto [name, t] : {std::pair{"running_mean", &running_mean}, {"running_var", &running_var}, {"weight", &weight}, {"bias", &bias}})
    RL_CHECK(RuntimeError, !t->defined() || t->numel() == channels, name, " should contain ", channels, " elements not ", t->numel());
  RL_CHECK(RuntimeError, training || (running_mean.defined() && running_var.defined()), "Expected running_mean and running_var to be defined when training=False");
  bool half = is_half(input.dtype());
  auto widen = [&](const Tensor& t) { return half && t.defined() ? to(t, DType::Float32) : t; };
  Tensor out = std::get<0>(native_batch_norm(widen(input), widen(weight), widen(bias), widen(running_mean), widen(running_var), training, momentum, eps));
  return half ? to(out, input.dtype()) : out;
}

Tensor instance_norm(const Tensor& input, const Tensor& weight, const Tensor& bias, const Tensor& running_mean, const Tensor& running_var, bool use_input_stats, double momentum, double eps,
                     bool cudnn) {
  RL_CHECK(RuntimeError, use_input_stats || (running_mean.defined() && running_var.defined()), "Expected running_mean and running_var to be defined when use_input_stats is false");
  int64_t n = input.size(0), c = input.size(1);
  auto repeated = [&](const Tensor& t) { return t.defined() ? repeat(t, n) : t; };
  Dims sizes = input.sizes();
  sizes[0] = 1;
  sizes[1] = n * c;
  Tensor rm = repeated(running_mean), rv = repeated(running_var);
  Tensor out = batch_norm(reshape(contiguous(input), sizes), repeated(weight), repeated(bias), rm, rv, use_input_stats, momentum, eps, cudnn);
  if (use_input_stats)
    for (auto [kept, each] : {std::pair{&running_mean, &rm}, {&running_var, &rv}}) {
      if (!kept->defined()) continue;
      static const Op& copy = *OpTable::get().find("copy_");
      NoGradGuard guard;
      IValue args[] = {IValue::borrow(*kept), IValue(mean(view(*each, {n, c}), 0, false)), false}, ret;
      call(copy, args, &ret);
    }
  return reshape(out, input.sizes());
}

// ---- rows: layer_norm and group_norm ----

std::tuple<Tensor, Tensor, Tensor> norm_rows(const Tensor& input, double eps) {
  Tensor x = contiguous(input);
  int64_t rows = x.size(0), n = x.size(1);
  Tensor out = empty_tensor(x.sizes(), x.dtype()), mu = empty_tensor({rows, 1}, x.dtype()), scale = empty_tensor({rows, 1}, x.dtype());
  with_float(x.dtype(), "LayerNormKernelImpl", [&]<class T>(T) {
    parallel_for(0, rows, std::max<int64_t>(1, kGrain / std::max<int64_t>(n, 1)), [&](int64_t from, int64_t to) {
      for (int64_t r = from; r < to; r++) {
        const T* p = x.data<T>() + r * n;
        T pivot = n ? p[0] : T(0);
        double sum = 0, squares = 0;
        row_sums_isa<T>()(p, n, pivot, &sum, &squares);
        double offset = sum / double(n), variance = std::max(0.0, squares / double(n) - offset * offset);
        double m = double(pivot) + offset, a = 1 / std::sqrt(variance + eps);
        mu.data<T>()[r] = T(m);
        scale.data<T>()[r] = T(a);
        scale_row_isa<T>()(out.data<T>() + r * n, p, n, T(a), T(-m * a));
      }
    });
  });
  return {out, mu, scale};
}
Tensor norm_rows_backward(const Tensor& given_g, const Tensor& normal, const Tensor& scale) {
  Tensor g = contiguous(given_g);
  int64_t rows = g.size(0), n = g.size(1);
  Tensor out = empty_tensor(g.sizes(), g.dtype());
  with_float(g.dtype(), "LayerNormBackwardKernelImpl", [&]<class T>(T) {
    parallel_for(0, rows, std::max<int64_t>(1, kGrain / std::max<int64_t>(n, 1)), [&](int64_t from, int64_t to) {
      for (int64_t r = from; r < to; r++) {
        const T *pg = g.data<T>() + r * n, *py = normal.data<T>() + r * n;
        double sum = 0, dot = 0;
        dot_row_isa<T>()(pg, py, n, T(0), &sum, &dot);
        double a = double(scale.data<T>()[r]);
        back_row_isa<T>()(out.data<T>() + r * n, pg, py, n, T(a), T(a * dot / double(n)), T(-a * sum / double(n)));
      }
    });
  });
  return out;
}
Grads norm_rows_grad(const Saved& s, const Tensors& grads) {
  const Tensor& g = grads[0];
  if (!thread_state.grad_enabled) return {_norm_rows_backward(g, s["output"], s["rstd"])};
  Tensor x = s["input"];
  Tensor centred = x - mean(x, -1, true);
  Tensor scale = rsqrt(mean(square(centred), -1, true) + s.arg("eps").to_double());
  Tensor normal = centred * scale;
  return {scale * (g - mean(g, -1, true) - normal * mean(g * normal, -1, true))};
}

Tensor layer_norm(const Tensor& input, IntArrayRef shape, const Tensor& weight, const Tensor& bias, double eps, bool) {
  RL_CHECK(RuntimeError, !shape.empty(), "Expected normalized_shape to be at least 1-dimensional, i.e., containing at least one element, but got normalized_shape = ", shape);
  size_t lead = input.sizes().size() - std::min(shape.size(), input.sizes().size());
  bool fits = shape.size() <= input.sizes().size() && std::equal(shape.begin(), shape.end(), input.sizes().begin() + lead);
  RL_CHECK(RuntimeError, fits, "Given normalized_shape=", shape, ", expected input with shape [*", str(Dims(shape)).substr(1, str(Dims(shape)).size() - 2), "], but got input of size", input.sizes());
  for (auto [name, t] : {std::pair{"weight", &weight}, {"bias", &bias}})
    RL_CHECK(RuntimeError, !t->defined() || t->sizes() == Dims(shape), "Expected ", name, " to be of same shape as normalized_shape, but got ", name, " of shape ", t->sizes(),
             " and normalized_shape = ", shape);
  int64_t n = product(shape), rows = n ? input.numel() / n : 0;
  bool half = is_half(input.dtype());
  Tensor x = half ? to(input, DType::Float32) : input;
  Tensor out = n == 0 ? x * 1.0 : reshape(std::get<0>(_norm_rows(reshape(x, {rows, n}), eps)), input.sizes());
  if (weight.defined()) out = out * weight;
  if (bias.defined()) out = out + bias;
  return half ? to(out, input.dtype()) : out;
}

Tensor group_norm(const Tensor& input, int64_t groups, const Tensor& weight, const Tensor& bias, double eps, bool) {
  RL_CHECK(RuntimeError, input.dim() >= 2, "Expected at least 2 dimensions for input tensor but received ", input.dim());
  int64_t n = input.size(0), c = input.size(1);
  RL_CHECK(RuntimeError, groups > 0, "Expected num groups to be greater than 0, got ", groups);
  RL_CHECK(RuntimeError, c % groups == 0, "Expected number of channels in input to be divisible by num_groups, but got input of shape ", input.sizes(), " and num_groups=", groups);
  for (auto [name, t] : {std::pair{"weight", &weight}, {"bias", &bias}})
    RL_CHECK(RuntimeError, !t->defined() || (t->dim() == 1 && t->numel() == c), "Expected ", name, " to be a vector of size equal to the number of channels in input, but got ", name, " of shape ",
             t->sizes(), " and input of shape ", input.sizes());
  if (input.numel() == 0) return input * 1.0;
  bool half = is_half(input.dtype());
  Tensor x = half ? to(input, DType::Float32) : input;
  Tensor out = reshape(std::get<0>(_norm_rows(reshape(x, {n * groups, -1}), eps)), input.sizes());
  if (weight.defined()) out = out * along_channels(weight, size_t(input.dim()));
  if (bias.defined()) out = out + along_channels(bias, size_t(input.dim()));
  return half ? to(out, input.dtype()) : out;
}

Tensor rms_norm(const Tensor& input, IntArrayRef shape, const Tensor& weight, const std::optional<double>& eps) {
  size_t lead = input.sizes().size() - std::min(shape.size(), input.sizes().size());
  RL_CHECK(RuntimeError, shape.size() <= input.sizes().size() && std::equal(shape.begin(), shape.end(), input.sizes().begin() + lead), "Given normalized_shape=", shape,
           ", expected input with the same last dimensions, but got input of size", input.sizes());
  Dims over;
  for (size_t d = lead; d < input.sizes().size(); d++) over.push_back(int64_t(d));
  double e = eps.value_or(input.dtype() == DType::Float64 ? 2.220446049250313e-16 : 1.1920928955078125e-07);
  bool half = is_half(input.dtype());
  Tensor x = half ? to(input, DType::Float32) : input;
  Tensor out = x * rsqrt(mean(square(x), over, true) + e);
  if (weight.defined()) out = out * weight;
  return half ? to(out, input.dtype()) : out;
}

}  // namespace

OP(native_batch_norm, {.schema = "native_batch_norm(Tensor input, Tensor? weight, Tensor? bias, Tensor? running_mean, Tensor? running_var, bool training, float momentum, float eps) "
                                 "-> (Tensor output, Tensor save_mean, Tensor save_invstd)",
                       .doc = "batch_norm, and the statistics it used.",
                       .kernel = function<batch_norm_forward>(),
                       .grad = {{"input", "weight", "running_mean", "running_var", "save_mean", "save_invstd"}, batch_norm_grad},
                       .forms = kFunction});
OP(batch_norm, {.schema = "batch_norm(Tensor input, Tensor? weight, Tensor? bias, Tensor? running_mean, Tensor? running_var, bool training, float momentum, float eps, bool cudnn_enabled) -> Tensor",
                .doc = "(x - mean) / sqrt(var + eps) * weight + bias, by channel; while training the running statistics follow (Ioffe and Szegedy 2015).",
                .kernel = composite<batch_norm>(),
                .forms = kFunction});
OP(instance_norm, {.schema = "instance_norm(Tensor input, Tensor? weight, Tensor? bias, Tensor? running_mean, Tensor? running_var, bool use_input_stats, float momentum, float eps, bool cudnn_enabled) -> Tensor",
                   .doc = "batch_norm of each sample by itself.",
                   .kernel = composite<instance_norm>(),
                   .forms = kFunction});
OP(norm_rows, {.schema = "_norm_rows(Tensor input, float eps) -> (Tensor output, Tensor mean, Tensor rstd)",
               .doc = "Rows of a matrix, each less its mean and over its deviation.",
               .kernel = function<norm_rows>(),
               .grad = {{"input", "output", "rstd"}, norm_rows_grad},
               .forms = kFunction});
OP(norm_rows_backward, {.schema = "_norm_rows_backward(Tensor grad_output, Tensor output, Tensor rstd) -> Tensor", .doc = "Gradient of _norm_rows.", .kernel = function<norm_rows_backward>(), .forms = kFunction});
OP(layer_norm, {.schema = "layer_norm(Tensor input, int[] normalized_shape, Tensor? weight=None, Tensor? bias=None, float eps=1e-05, bool cudnn_enable=True) -> Tensor",
                .doc = "Normalises over the last dimensions (Ba et al. 2016).",
                .kernel = composite<layer_norm>(),
                .forms = kFunction});
OP(group_norm, {.schema = "group_norm(Tensor input, int num_groups, Tensor? weight=None, Tensor? bias=None, float eps=1e-05, bool cudnn_enabled=True) -> Tensor",
                .doc = "Normalises over groups of channels (Wu and He 2018).",
                .kernel = composite<group_norm>(),
                .forms = kFunction});
OP(rms_norm, {.schema = "rms_norm(Tensor input, int[] normalized_shape, Tensor? weight=None, float? eps=None) -> Tensor",
              .doc = "x over the root of its mean square (Zhang and Sennrich 2019).",
              .kernel = composite<rms_norm>(),
              .forms = kFunction});

}  // namespace rushlight

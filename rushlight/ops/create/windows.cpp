// Window functions: hann_window and its kin. What torch.signal.windows adds is written on these in Python.
#include <cmath>

#include "rushlight/fn/abs.h"
#include "rushlight/fn/arange.h"
#include "rushlight/fn/cos.h"
#include "rushlight/fn/i0.h"
#include "rushlight/fn/ones.h"
#include "rushlight/fn/sqrt.h"
#include "rushlight/fn/square.h"
#include "rushlight/fn/to.h"
#include "rushlight/ops/operators.h"
#include "rushlight/ops/specs.h"

namespace rushlight {
namespace {

struct Options {
  const DT& dtype;
  const LT& layout;
  const DV& device;
  const OB& pin;
};

// f of the positions 0 to 1 of n points, computed in double; a periodic window is one of n + 1 points without its last.
template <class F>
Tensor window(const char* op, int64_t n, bool periodic, const Options& o, const F& f) {
  DType d = o.dtype.value_or(default_dtype());
  RL_CHECK(RuntimeError, is_differentiable(d) && !is_complex(d), op, " expects floating point dtypes, got: ", d);
  RL_CHECK(RuntimeError, o.layout.value_or(Layout::Strided) == Layout::Strided, op,
           " is not implemented for sparse types; use the strided layout");
  RL_CHECK(RuntimeError, n >= 0, op, " requires non-negative window_length, got window_length=", n);
  if (n <= 1) return ones(IntArrayRef(n), d, o.layout, o.device, o.pin);
  Tensor at = arange(n, DType::Float64, o.layout, o.device, o.pin) * Scalar(1.0 / double(periodic ? n : n - 1));
  return to(f(at), d);
}
Tensor cosines(const char* op, int64_t n, bool periodic, double a, double b, double c, const Options& o) {
  return window(op, n, periodic, o, [&](const Tensor& at) {
    Tensor sum = a - cos(at * Scalar(2 * M_PI)) * Scalar(b);
    return c == 0 ? sum : sum + cos(at * Scalar(4 * M_PI)) * Scalar(c);
  });
}
Tensor bartlett(int64_t n, bool periodic, const Options& o) {
  return window("bartlett_window", n, periodic, o,
                [](const Tensor& at) { return 1 - abs(at * Scalar(2) - Scalar(1)); });
}
Tensor kaiser(int64_t n, bool periodic, double beta, const Options& o) {
  return window("kaiser_window", n, periodic, o, [&](const Tensor& at) {
    Tensor inside = sqrt(1 - square(at * Scalar(2) - Scalar(1))) * Scalar(beta);
    return i0(inside) / i0(ones({}, DType::Float64, std::nullopt, o.device) * Scalar(beta));
  });
}

Tensor hann_window_op(int64_t window_length, const DT& dtype, const LT& layout, const DV& device, const OB& pin) {
  return cosines("hann_window", window_length, true, 0.5, 0.5, 0, {dtype, layout, device, pin});
}
Tensor hann_window_periodic_op(int64_t window_length, bool periodic, const DT& dtype, const LT& layout,
                               const DV& device, const OB& pin) {
  return cosines("hann_window", window_length, periodic, 0.5, 0.5, 0, {dtype, layout, device, pin});
}
Tensor hamming_window_op(int64_t window_length, const DT& dtype, const LT& layout, const DV& device, const OB& pin) {
  return cosines("hamming_window", window_length, true, 0.54, 0.46, 0, {dtype, layout, device, pin});
}
Tensor hamming_window_periodic_op(int64_t window_length, bool periodic, const DT& dtype, const LT& layout,
                                  const DV& device, const OB& pin) {
  return cosines("hamming_window", window_length, periodic, 0.54, 0.46, 0, {dtype, layout, device, pin});
}
Tensor hamming_window_periodic_alpha_op(int64_t window_length, bool periodic, double alpha, const DT& dtype,
                                        const LT& layout, const DV& device, const OB& pin) {
  return cosines("hamming_window", window_length, periodic, alpha, 0.46, 0, {dtype, layout, device, pin});
}
Tensor hamming_window_periodic_alpha_beta_op(int64_t window_length, bool periodic, double alpha, double beta,
                                             const DT& dtype, const LT& layout, const DV& device, const OB& pin) {
  return cosines("hamming_window", window_length, periodic, alpha, beta, 0, {dtype, layout, device, pin});
}
Tensor blackman_window_op(int64_t window_length, const DT& dtype, const LT& layout, const DV& device, const OB& pin) {
  return cosines("blackman_window", window_length, true, 0.42, 0.5, 0.08, {dtype, layout, device, pin});
}
Tensor blackman_window_periodic_op(int64_t window_length, bool periodic, const DT& dtype, const LT& layout,
                                   const DV& device, const OB& pin) {
  return cosines("blackman_window", window_length, periodic, 0.42, 0.5, 0.08, {dtype, layout, device, pin});
}
Tensor bartlett_window_op(int64_t window_length, const DT& dtype, const LT& layout, const DV& device, const OB& pin) {
  return bartlett(window_length, true, {dtype, layout, device, pin});
}
Tensor bartlett_window_periodic_op(int64_t window_length, bool periodic, const DT& dtype, const LT& layout,
                                   const DV& device, const OB& pin) {
  return bartlett(window_length, periodic, {dtype, layout, device, pin});
}
Tensor kaiser_window_op(int64_t window_length, const DT& dtype, const LT& layout, const DV& device, const OB& pin) {
  return kaiser(window_length, true, 12, {dtype, layout, device, pin});
}
Tensor kaiser_window_periodic_op(int64_t window_length, bool periodic, const DT& dtype, const LT& layout,
                                 const DV& device, const OB& pin) {
  return kaiser(window_length, periodic, 12, {dtype, layout, device, pin});
}
Tensor kaiser_window_beta_op(int64_t window_length, bool periodic, double beta, const DT& dtype, const LT& layout,
                             const DV& device, const OB& pin) {
  return kaiser(window_length, periodic, beta, {dtype, layout, device, pin});
}

}  // namespace

OP(hann_window, {.schema = "hann_window(int window_length, *, ScalarType? dtype=None, Layout? layout=None, Device? "
                           "device=None, bool? pin_memory=None) -> Tensor",
                 .doc = "Half a cosine added to a half: 0 at the ends. >>> torch.hann_window(4)\ntensor([0.0000, "
                        "0.5000, 1.0000, 0.5000])",
                 .kernel = composite<hann_window_op>(),
                 .forms = kFunction | kOut});
OP(hann_window_periodic, {.schema = "hann_window.periodic(int window_length, bool periodic, *, ScalarType? dtype=None, "
                                    "Layout? layout=None, Device? device=None, bool? pin_memory=None) -> Tensor",
                          .doc = "The window, periodic or symmetric.",
                          .kernel = composite<hann_window_periodic_op>(),
                          .forms = kFunction | kOut});
OP(hamming_window, {.schema = "hamming_window(int window_length, *, ScalarType? dtype=None, Layout? layout=None, "
                              "Device? device=None, bool? pin_memory=None) -> Tensor",
                    .doc = "A cosine added to a number, not quite 0 at the ends. >>> "
                           "torch.hamming_window(4)\ntensor([0.0800, 0.5400, 1.0000, 0.5400])",
                    .kernel = composite<hamming_window_op>(),
                    .forms = kFunction | kOut});
OP(hamming_window_periodic,
   {.schema = "hamming_window.periodic(int window_length, bool periodic, *, ScalarType? dtype=None, Layout? "
              "layout=None, Device? device=None, bool? pin_memory=None) -> Tensor",
    .doc = "The window, periodic or symmetric.",
    .kernel = composite<hamming_window_periodic_op>(),
    .forms = kFunction | kOut});
OP(hamming_window_periodic_alpha,
   {.schema = "hamming_window.periodic_alpha(int window_length, bool periodic, float alpha, *, ScalarType? dtype=None, "
              "Layout? layout=None, Device? device=None, bool? pin_memory=None) -> Tensor",
    .doc = "The window by another number.",
    .kernel = composite<hamming_window_periodic_alpha_op>(),
    .forms = kFunction | kOut});
OP(hamming_window_periodic_alpha_beta,
   {.schema = "hamming_window.periodic_alpha_beta(int window_length, bool periodic, float alpha, float beta, *, "
              "ScalarType? dtype=None, Layout? layout=None, Device? device=None, bool? pin_memory=None) -> Tensor",
    .doc = "The window by another number and another height of the cosine.",
    .kernel = composite<hamming_window_periodic_alpha_beta_op>(),
    .forms = kFunction | kOut});
OP(blackman_window, {.schema = "blackman_window(int window_length, *, ScalarType? dtype=None, Layout? layout=None, "
                               "Device? device=None, bool? pin_memory=None) -> Tensor",
                     .doc = "Two cosines added to a number. >>> torch.blackman_window(4).shape\ntorch.Size([4])",
                     .kernel = composite<blackman_window_op>(),
                     .forms = kFunction | kOut});
OP(blackman_window_periodic,
   {.schema = "blackman_window.periodic(int window_length, bool periodic, *, ScalarType? dtype=None, Layout? "
              "layout=None, Device? device=None, bool? pin_memory=None) -> Tensor",
    .doc = "The window, periodic or symmetric.",
    .kernel = composite<blackman_window_periodic_op>(),
    .forms = kFunction | kOut});
OP(bartlett_window, {.schema = "bartlett_window(int window_length, *, ScalarType? dtype=None, Layout? layout=None, "
                               "Device? device=None, bool? pin_memory=None) -> Tensor",
                     .doc = "A triangle. >>> torch.bartlett_window(4)\ntensor([0.0000, 0.5000, 1.0000, 0.5000])",
                     .kernel = composite<bartlett_window_op>(),
                     .forms = kFunction | kOut});
OP(bartlett_window_periodic,
   {.schema = "bartlett_window.periodic(int window_length, bool periodic, *, ScalarType? dtype=None, Layout? "
              "layout=None, Device? device=None, bool? pin_memory=None) -> Tensor",
    .doc = "The window, periodic or symmetric.",
    .kernel = composite<bartlett_window_periodic_op>(),
    .forms = kFunction | kOut});
OP(kaiser_window, {.schema = "kaiser_window(int window_length, *, ScalarType? dtype=None, Layout? layout=None, Device? "
                             "device=None, bool? pin_memory=None) -> Tensor",
                   .doc = "By the Bessel function i0 over half a circle, beta being 12. >>> "
                          "torch.kaiser_window(4).shape\ntorch.Size([4])",
                   .kernel = composite<kaiser_window_op>(),
                   .forms = kFunction | kOut});
OP(kaiser_window_periodic,
   {.schema = "kaiser_window.periodic(int window_length, bool periodic, *, ScalarType? dtype=None, Layout? "
              "layout=None, Device? device=None, bool? pin_memory=None) -> Tensor",
    .doc = "The window, periodic or symmetric.",
    .kernel = composite<kaiser_window_periodic_op>(),
    .forms = kFunction | kOut});
OP(kaiser_window_beta,
   {.schema = "kaiser_window.beta(int window_length, bool periodic, float beta, *, ScalarType? dtype=None, Layout? "
              "layout=None, Device? device=None, bool? pin_memory=None) -> Tensor",
    .doc = "The window by another beta.",
    .kernel = composite<kaiser_window_beta_op>(),
    .forms = kFunction | kOut});

}  // namespace rushlight

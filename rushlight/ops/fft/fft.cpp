// torch.fft.
#include "rushlight/ops/fft/fft.h"

#include <algorithm>

#include "rushlight/fn/_fft_c2c.h"
#include "rushlight/fn/_fft_c2r.h"
#include "rushlight/fn/_fft_r2c.h"
#include "rushlight/fn/arange.h"
#include "rushlight/fn/cat.h"
#include "rushlight/fn/conj.h"
#include "rushlight/fn/constant_pad_nd.h"
#include "rushlight/fn/narrow.h"
#include "rushlight/fn/roll.h"
#include "rushlight/fn/to.h"
#include "rushlight/ops/specs.h"

namespace rushlight {

FftNorm fft_norm(const std::optional<std::string_view>& norm, bool forward) {
  if (!norm || *norm == "backward") return forward ? FftNorm::None : FftNorm::ByLength;
  if (*norm == "forward") return forward ? FftNorm::ByLength : FftNorm::None;
  RL_CHECK(RuntimeError, *norm == "ortho", "Invalid normalization mode: \"", *norm, "\"");
  return FftNorm::ByRoot;
}

Tensor fft_operand(const Tensor& t, bool complex) {
  DType d = is_integral(t.dtype(), true) ? default_dtype() : t.dtype();
  RL_CHECK(RuntimeError, to_real(d) == DType::Float32 || to_real(d) == DType::Float64, "Unsupported dtype ",
           scalar_type_name(d));
  if (complex && !is_complex(d)) d = d == DType::Float32 ? DType::Complex64 : DType::Complex128;
  return d == t.dtype() ? t : to(t, d);
}

Tensor fft_resized(Tensor t, IntArrayRef dim, IntArrayRef lengths) {
  Dims pad(size_t(2 * t.dim()), 0);
  bool any = false;
  for (size_t i = 0; i < dim.size(); i++) {
    int64_t d = wrap_dim(dim[i], t.dim()), n = t.size(d);
    if (lengths[i] < n) t = narrow(t, d, 0, lengths[i]);
    if (lengths[i] > n) pad[size_t(2 * (t.dim() - 1 - d) + 1)] = lengths[i] - n, any = true;
  }
  return any ? constant_pad_nd(t, pad) : t;
}

namespace {

using Norm = std::optional<std::string_view>;
using Length = std::optional<int64_t>;
using Shape = std::optional<IntArrayRef>;

void check_length(int64_t n) { RL_CHECK(RuntimeError, n >= 1, "Invalid number of data points (", n, ") specified"); }
int64_t checked_dim(const Tensor& t, int64_t dim) {
  RL_CHECK(IndexError, t.dim() > 0, "Dimension specified as ", dim, " but tensor has no dimensions");
  return wrap_dim(dim, t.dim());
}
int64_t number(const Norm& norm, bool forward) { return int64_t(fft_norm(norm, forward)); }
void check_real(const char* op, const Tensor& t) {
  RL_CHECK(RuntimeError, !is_complex(t.dtype()), op, " expects a real input tensor, but got ",
           scalar_type_name(t.dtype()));
}

// ---- one dimension ----

Tensor complex_1d(const Tensor& self, const Length& n, int64_t dim, const Norm& norm, bool forward) {
  Tensor t = fft_operand(self, false);
  int64_t d = checked_dim(t, dim), length = n.value_or(t.size(d));
  check_length(length);
  t = fft_resized(t, d, length);
  int64_t by = number(norm, forward);
  if (is_complex(t.dtype())) return _fft_c2c(t, d, by, forward);
  Tensor result = _fft_r2c(t, d, by, false);
  return forward ? result : conj(result);
}
Tensor real_1d(const char* op, const Tensor& self, const Length& n, int64_t dim, const Norm& norm, bool forward) {
  check_real(op, self);
  Tensor t = fft_operand(self, false);
  int64_t d = checked_dim(t, dim), length = n.value_or(t.size(d));
  check_length(length);
  Tensor result = _fft_r2c(fft_resized(t, d, length), d, number(norm, forward), true);
  return forward ? result : conj(result);
}
Tensor hermitian_1d(const Tensor& self, const Length& n, int64_t dim, const Norm& norm, bool forward) {
  Tensor t = fft_operand(self, true);
  int64_t d = checked_dim(t, dim), length = n.value_or(2 * (t.size(d) - 1));
  check_length(length);
  t = fft_resized(t, d, length / 2 + 1);
  return _fft_c2r(forward ? conj(t) : t, d, number(norm, forward), length);
}
Tensor fft_op(const Tensor& t, const Length& n, int64_t dim, const Norm& norm) {
  return complex_1d(t, n, dim, norm, true);
}
Tensor ifft_op(const Tensor& t, const Length& n, int64_t dim, const Norm& norm) {
  return complex_1d(t, n, dim, norm, false);
}
Tensor rfft_op(const Tensor& t, const Length& n, int64_t dim, const Norm& norm) {
  return real_1d("rfft", t, n, dim, norm, true);
}
Tensor ihfft_op(const Tensor& t, const Length& n, int64_t dim, const Norm& norm) {
  return real_1d("ihfft", t, n, dim, norm, false);
}
Tensor irfft_op(const Tensor& t, const Length& n, int64_t dim, const Norm& norm) {
  return hermitian_1d(t, n, dim, norm, false);
}
Tensor hfft_op(const Tensor& t, const Length& n, int64_t dim, const Norm& norm) {
  return hermitian_1d(t, n, dim, norm, true);
}

// ---- several ----

struct Plan { Dims dim, lengths; };
// Which dimensions, and how long; `hermitian`: of the real result, whose last length is not that of the operand.
Plan plan_of(const Tensor& t, const Shape& s, const Shape& dim, const char* op, bool at_least_one,
             bool hermitian = false) {
  Plan plan;
  if (dim) {
    for (int64_t d : *dim) plan.dim.push_back(checked_dim(t, d));
    for (size_t i = 0; i < plan.dim.size(); i++)
      RL_CHECK(RuntimeError, std::count(plan.dim.begin(), plan.dim.end(), plan.dim[i]) == 1, "FFT dims must be unique");
  }
  if (s) {
    RL_CHECK(RuntimeError, !dim || dim->size() == s->size(),
             "When given, dim and shape arguments must have the same length");
    RL_CHECK(RuntimeError, int64_t(s->size()) <= t.dim(), "Got shape with ", s->size(),
             " values but input tensor only has ", t.dim(), " dimensions.");
    for (size_t i = 0; !dim && i < s->size(); i++) plan.dim.push_back(t.dim() - int64_t(s->size() - i));
  } else if (!dim) {
    for (int64_t d = 0; d < t.dim(); d++) plan.dim.push_back(d);
  }
  RL_CHECK(RuntimeError, !at_least_one || !plan.dim.empty(), op, " must transform at least one axis");
  for (size_t i = 0; i < plan.dim.size(); i++) {
    int64_t n = s ? (*s)[i] : -1, own = t.size(plan.dim[i]);
    bool last = hermitian && i + 1 == plan.dim.size();
    plan.lengths.push_back(n == -1 ? (last ? 2 * (own - 1) : own) : n);
    check_length(plan.lengths.back());
  }
  return plan;
}
Dims all_but_last(const Dims& dims) { return IntArrayRef(dims).slice(0, dims.size() - 1); }

Tensor complex_nd(const Tensor& self, const Shape& s, const Shape& dim, const Norm& norm, bool forward) {
  Tensor t = fft_operand(self, true);
  Plan p = plan_of(t, s, dim, "fftn", false);
  return _fft_c2c(fft_resized(t, p.dim, p.lengths), p.dim, number(norm, forward), forward);
}
Tensor rfftn_op(const Tensor& self, const Shape& s, const Shape& dim, const Norm& norm) {
  RL_CHECK(RuntimeError, !is_complex(self.dtype()), "rfftn expects a real-valued input tensor, but got ",
           scalar_type_name(self.dtype()));
  Tensor t = fft_operand(self, false);
  Plan p = plan_of(t, s, dim, "rfftn", true);
  return _fft_r2c(fft_resized(t, p.dim, p.lengths), p.dim, number(norm, true), true);
}
Tensor hermitian_nd(const char* op, const Tensor& self, const Shape& s, const Shape& dim, const Norm& norm,
                    bool forward) {
  Tensor t = fft_operand(self, true);
  Plan p = plan_of(t, s, dim, op, true, true);
  int64_t last = p.lengths.back(), by = number(norm, forward);
  p.lengths.back() = last / 2 + 1;
  t = fft_resized(t, p.dim, p.lengths);
  if (!forward) return _fft_c2r(t, p.dim, by, last);
  if (p.dim.size() > 1) t = _fft_c2c(t, all_but_last(p.dim), by, true);
  return _fft_c2r(conj(t), IntArrayRef(p.dim.back()), by, last);
}
Tensor irfftn_op(const Tensor& self, const Shape& s, const Shape& dim, const Norm& norm) {
  return hermitian_nd("irfftn", self, s, dim, norm, false);
}
Tensor hfftn_op(const Tensor& self, const Shape& s, const Shape& dim, const Norm& norm) {
  return hermitian_nd("hfftn", self, s, dim, norm, true);
}
Tensor ihfftn_op(const Tensor& self, const Shape& s, const Shape& dim, const Norm& norm) {
  RL_CHECK(RuntimeError, !is_complex(self.dtype()), "ihfftn expects a real-valued input tensor, but got ",
           scalar_type_name(self.dtype()));
  Tensor t = fft_operand(self, false);
  Plan p = plan_of(t, s, dim, "ihfftn", true);
  int64_t by = number(norm, false);
  Tensor result = conj(_fft_r2c(fft_resized(t, p.dim, p.lengths), IntArrayRef(p.dim.back()), by, true));
  return p.dim.size() > 1 ? _fft_c2c(result, all_but_last(p.dim), by, false) : result;
}
Tensor fftn_op(const Tensor& t, const Shape& s, const Shape& dim, const Norm& norm) {
  return complex_nd(t, s, dim, norm, true);
}
Tensor ifftn_op(const Tensor& t, const Shape& s, const Shape& dim, const Norm& norm) {
  return complex_nd(t, s, dim, norm, false);
}
// The same over two dimensions.
template <Tensor (*nd)(const Tensor&, const Shape&, const Shape&, const Norm&)>
Tensor two(const Tensor& t, const Shape& s, IntArrayRef dim, const Norm& norm) {
  return nd(t, s, Shape(dim), norm);
}

// ---- helpers ----

Tensor shifted(const Tensor& self, const Shape& dim, bool back) {
  Dims dims, by;
  if (dim)
    for (int64_t d : *dim) dims.push_back(wrap_dim(d, self.dim()));
  else
    for (int64_t d = 0; d < self.dim(); d++) dims.push_back(d);
  for (int64_t d : dims) {
    int64_t n = self.dim() ? self.size(d) : 1;
    by.push_back(back ? (n + 1) / 2 : n / 2);
  }
  return dims.empty() || self.dim() == 0 ? self : roll(self, by, dims);
}
Tensor fftshift_op(const Tensor& self, const Shape& dim) { return shifted(self, dim, false); }
Tensor ifftshift_op(const Tensor& self, const Shape& dim) { return shifted(self, dim, true); }

DType frequency_dtype(const char* op, const DT& dtype) {
  DType d = dtype.value_or(default_dtype());
  RL_CHECK(RuntimeError, is_differentiable(d), op, " requires a floating point or complex dtype");
  return d;
}
Tensor fftfreq_op(int64_t n, double d, const DT& dtype, const LT&, const DV& device, const OB&) {
  DType type = frequency_dtype("fftfreq", dtype);
  RL_CHECK(RuntimeError, n >= 0, "Trying to create tensor with negative dimension ", n, ": [", n, "]");
  DType computed = is_complex(type) ? to_real(type) : type;
  Tensor positive = arange((n + 1) / 2, computed, std::nullopt, device),
         negative = arange(-(n / 2), 0, computed, std::nullopt, device);
  return to(cat({positive, negative}) * Scalar(1.0 / (double(n) * d)), type);
}
Tensor rfftfreq_op(int64_t n, double d, const DT& dtype, const LT&, const DV& device, const OB&) {
  DType type = frequency_dtype("rfftfreq", dtype);
  RL_CHECK(RuntimeError, n >= 0, "Trying to create tensor with negative dimension ", n / 2 + 1, ": [", n / 2 + 1, "]");
  DType computed = is_complex(type) ? to_real(type) : type;
  return to(arange(n / 2 + 1, computed, std::nullopt, device) * Scalar(1.0 / (double(n) * d)), type);
}

}  // namespace

OP(fft_fft, {.schema = "fft_fft(Tensor self, int? n=None, int dim=-1, str? norm=None) -> Tensor",
             .doc = "The Fourier transform over one dimension, cut or filled up with zeros to n elements. norm: "
                    "\"backward\" (the backward transform is divided by n), \"ortho\", \"forward\". >>> "
                    "torch.fft.fft(torch.tensor([1., 0.]))\ntensor([1.+0.j, 1.+0.j])",
             .kernel = composite<fft_op>(),
             .forms = kFunction | kOut,
             .module = "fft"});
OP(fft_ifft,
   {.schema = "fft_ifft(Tensor self, int? n=None, int dim=-1, str? norm=None) -> Tensor",
    .doc = "The backward Fourier transform. >>> torch.fft.ifft(torch.tensor([2.+0.j, 0.]))\ntensor([1.+0.j, 1.+0.j])",
    .kernel = composite<ifft_op>(),
    .forms = kFunction | kOut,
    .module = "fft"});
OP(fft_rfft, {.schema = "fft_rfft(Tensor self, int? n=None, int dim=-1, str? norm=None) -> Tensor",
              .doc = "The first n / 2 + 1 elements of the transform of real numbers: the others are their conjugates. "
                     ">>> torch.fft.rfft(torch.tensor([1., 0., 0.]))\ntensor([1.+0.j, 1.+0.j])",
              .kernel = composite<rfft_op>(),
              .forms = kFunction | kOut,
              .module = "fft"});
OP(fft_irfft, {.schema = "fft_irfft(Tensor self, int? n=None, int dim=-1, str? norm=None) -> Tensor",
               .doc = "The n real numbers whose rfft is given; n is even unless it is said. >>> "
                      "torch.fft.irfft(torch.tensor([2., 0.]))\ntensor([1., 1.])",
               .kernel = composite<irfft_op>(),
               .forms = kFunction | kOut,
               .module = "fft"});
OP(fft_hfft, {.schema = "fft_hfft(Tensor self, int? n=None, int dim=-1, str? norm=None) -> Tensor",
              .doc = "The real transform of n numbers, of which those given are the first half, the others their "
                     "conjugates. >>> torch.fft.hfft(torch.tensor([1., 0.]))\ntensor([1., 1.])",
              .kernel = composite<hfft_op>(),
              .forms = kFunction | kOut,
              .module = "fft"});
OP(fft_ihfft, {.schema = "fft_ihfft(Tensor self, int? n=None, int dim=-1, str? norm=None) -> Tensor",
               .doc = "The backward transform of real numbers, of which the first half is given out. >>> "
                      "torch.fft.ihfft(torch.tensor([2., 0.])).abs()\ntensor([1., 1.])",
               .kernel = composite<ihfft_op>(),
               .forms = kFunction | kOut,
               .module = "fft"});
OP(fft_fft2,
   {.schema = "fft_fft2(Tensor self, int[1]? s=None, int[1] dim=[-2, -1], str? norm=None) -> Tensor",
    .doc = "The Fourier transform over two dimensions. >>> torch.fft.fft2(torch.ones(2, 2)).shape\ntorch.Size([2, 2])",
    .kernel = composite<two<fftn_op>>(),
    .forms = kFunction | kOut,
    .module = "fft"});
OP(fft_fftn, {.schema = "fft_fftn(Tensor self, int[1]? s=None, int[1]? dim=None, str? norm=None) -> Tensor",
              .doc = "The Fourier transform over all dimensions, or dim, of lengths s. >>> "
                     "torch.fft.fftn(torch.ones(2, 2)).shape\ntorch.Size([2, 2])",
              .kernel = composite<fftn_op>(),
              .forms = kFunction | kOut,
              .module = "fft"});
OP(fft_ifft2, {.schema = "fft_ifft2(Tensor self, int[1]? s=None, int[1] dim=[-2, -1], str? norm=None) -> Tensor",
               .doc = "The backward Fourier transform over two dimensions. >>> torch.fft.ifft2(torch.ones(2, "
                      "2)).shape\ntorch.Size([2, 2])",
               .kernel = composite<two<ifftn_op>>(),
               .forms = kFunction | kOut,
               .module = "fft"});
OP(fft_ifftn, {.schema = "fft_ifftn(Tensor self, int[1]? s=None, int[1]? dim=None, str? norm=None) -> Tensor",
               .doc = "The backward Fourier transform over all dimensions, or dim, of lengths s. >>> "
                      "torch.fft.ifftn(torch.ones(2, 2)).shape\ntorch.Size([2, 2])",
               .kernel = composite<ifftn_op>(),
               .forms = kFunction | kOut,
               .module = "fft"});
OP(fft_rfft2, {.schema = "fft_rfft2(Tensor self, int[1]? s=None, int[1] dim=[-2, -1], str? norm=None) -> Tensor",
               .doc = "rfft over the last of two dimensions, fft over the other. >>> torch.fft.rfft2(torch.ones(2, "
                      "2)).shape\ntorch.Size([2, 2])",
               .kernel = composite<two<rfftn_op>>(),
               .forms = kFunction | kOut,
               .module = "fft"});
OP(fft_rfftn, {.schema = "fft_rfftn(Tensor self, int[1]? s=None, int[1]? dim=None, str? norm=None) -> Tensor",
               .doc = "rfft over the last of dimensions, fft over the others. >>> torch.fft.rfftn(torch.ones(2, "
                      "2)).shape\ntorch.Size([2, 2])",
               .kernel = composite<rfftn_op>(),
               .forms = kFunction | kOut,
               .module = "fft"});
OP(fft_irfft2,
   {.schema = "fft_irfft2(Tensor self, int[1]? s=None, int[1] dim=[-2, -1], str? norm=None) -> Tensor",
    .doc = "The real numbers whose rfft2 is given. >>> torch.fft.irfft2(torch.ones(2, 2)).shape\ntorch.Size([2, 2])",
    .kernel = composite<two<irfftn_op>>(),
    .forms = kFunction | kOut,
    .module = "fft"});
OP(fft_irfftn,
   {.schema = "fft_irfftn(Tensor self, int[1]? s=None, int[1]? dim=None, str? norm=None) -> Tensor",
    .doc = "The real numbers whose rfftn is given. >>> torch.fft.irfftn(torch.ones(2, 2)).shape\ntorch.Size([2, 2])",
    .kernel = composite<irfftn_op>(),
    .forms = kFunction | kOut,
    .module = "fft"});
OP(fft_hfft2, {.schema = "fft_hfft2(Tensor self, int[1]? s=None, int[1] dim=[-2, -1], str? norm=None) -> Tensor",
               .doc = "hfft over the last of two dimensions, fft over the other. >>> torch.fft.hfft2(torch.ones(2, "
                      "2)).shape\ntorch.Size([2, 2])",
               .kernel = composite<two<hfftn_op>>(),
               .forms = kFunction | kOut,
               .module = "fft"});
OP(fft_hfftn, {.schema = "fft_hfftn(Tensor self, int[1]? s=None, int[1]? dim=None, str? norm=None) -> Tensor",
               .doc = "hfft over the last of dimensions, fft over the others. >>> torch.fft.hfftn(torch.ones(2, "
                      "2)).shape\ntorch.Size([2, 2])",
               .kernel = composite<hfftn_op>(),
               .forms = kFunction | kOut,
               .module = "fft"});
OP(fft_ihfft2, {.schema = "fft_ihfft2(Tensor self, int[1]? s=None, int[1] dim=[-2, -1], str? norm=None) -> Tensor",
                .doc = "ihfft over the last of two dimensions, ifft over the other. >>> torch.fft.ihfft2(torch.ones(2, "
                       "2)).shape\ntorch.Size([2, 2])",
                .kernel = composite<two<ihfftn_op>>(),
                .forms = kFunction | kOut,
                .module = "fft"});
OP(fft_ihfftn, {.schema = "fft_ihfftn(Tensor self, int[1]? s=None, int[1]? dim=None, str? norm=None) -> Tensor",
                .doc = "ihfft over the last of dimensions, ifft over the others. >>> torch.fft.ihfftn(torch.ones(2, "
                       "2)).shape\ntorch.Size([2, 2])",
                .kernel = composite<ihfftn_op>(),
                .forms = kFunction | kOut,
                .module = "fft"});
OP(fft_fftshift, {.schema = "fft_fftshift(Tensor self, int[1]? dim=None) -> Tensor",
                  .doc = "Moves the frequency 0 to the middle."
                         " >>> torch.fft.fftshift(torch.tensor([0, 1, -2, -1]))\ntensor([-2, -1,  0,  1])",
                  .kernel = composite<fftshift_op>(),
                  .forms = kFunction,
                  .module = "fft"});
OP(fft_ifftshift,
   {.schema = "fft_ifftshift(Tensor self, int[1]? dim=None) -> Tensor",
    .doc = "Undoes fftshift. >>> torch.fft.ifftshift(torch.tensor([-2, -1, 0, 1]))\ntensor([ 0,  1, -2, -1])",
    .kernel = composite<ifftshift_op>(),
    .forms = kFunction,
    .module = "fft"});
OP(fft_fftfreq, {.schema = "fft_fftfreq(int n, float d=1.0, *, ScalarType? dtype=None, Layout? layout=None, Device? "
                           "device=None, bool? pin_memory=None) -> Tensor",
                 .doc = "The frequencies of the elements of a transform of n samples, d apart."
                        " >>> torch.fft.fftfreq(4)\ntensor([ 0.0000,  0.2500, -0.5000, -0.2500])",
                 .kernel = composite<fftfreq_op>(),
                 .forms = kFunction | kOut,
                 .module = "fft"});
OP(fft_rfftfreq, {.schema = "fft_rfftfreq(int n, float d=1.0, *, ScalarType? dtype=None, Layout? layout=None, Device? "
                            "device=None, bool? pin_memory=None) -> Tensor",
                  .doc = "The frequencies of the elements of rfft."
                         " >>> torch.fft.rfftfreq(4)\ntensor([0.0000, 0.2500, 0.5000])",
                  .kernel = composite<rfftfreq_op>(),
                  .forms = kFunction | kOut,
                  .module = "fft"});

}  // namespace rushlight

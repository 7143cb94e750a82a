// The short-time Fourier transform, and back.
#include "rushlight/fn/stft.h"

#include "rushlight/fn/_fft_c2c.h"
#include "rushlight/fn/_fft_c2r.h"
#include "rushlight/fn/_fft_r2c.h"
#include "rushlight/fn/abs.h"
#include "rushlight/fn/constant_pad_nd.h"
#include "rushlight/fn/expand.h"
#include "rushlight/fn/istft.h"
#include "rushlight/fn/item.h"
#include "rushlight/fn/min.h"
#include "rushlight/fn/narrow.h"
#include "rushlight/fn/ones.h"
#include "rushlight/fn/pad.h"
#include "rushlight/fn/slice.h"
#include "rushlight/fn/square.h"
#include "rushlight/fn/squeeze.h"
#include "rushlight/fn/transpose.h"
#include "rushlight/fn/unfold.h"
#include "rushlight/fn/unfold_backward.h"
#include "rushlight/fn/unsqueeze.h"
#include "rushlight/fn/view_as_real.h"
#include "rushlight/ops/fft/fft.h"

namespace rushlight {
namespace {

using Length = std::optional<int64_t>;
using Flag = std::optional<bool>;

// What both directions take.
struct Frames {
  const char* op;
  int64_t n_fft, hop, win;
  Frames(const char* op, int64_t n_fft, const Length& hop_length, const Length& win_length)
      : op(op), n_fft(n_fft), hop(hop_length.value_or(n_fft / 4)), win(win_length.value_or(n_fft)) {}
  void check_window(const Tensor& window) const {
    RL_CHECK(RuntimeError, win > 0 && win <= n_fft, op, ": expected 0 < win_length <= n_fft, but got win_length=", win,
             " and n_fft=", n_fft);
    if (window.defined())
      RL_CHECK(RuntimeError, window.dim() == 1 && window.size(0) == win, op,
               ": expected a 1D window tensor of size equal to win_length=", win, ", but got window with size ",
               window.sizes());
  }
  // As long as a frame, zeros on both sides.
  Tensor whole(const Tensor& window) const {
    if (win == n_fft) return window;
    int64_t left = (n_fft - win) / 2;
    return constant_pad_nd(window, {left, n_fft - win - left});
  }
};

Tensor transform(const Tensor& self, int64_t n_fft, const Length& hop_length, const Length& win_length,
                 const Tensor& window, bool normalized, const Flag& onesided, const Flag& return_complex,
                 const Flag& align) {
  Frames f("stft", n_fft, hop_length, win_length);
  RL_CHECK(RuntimeError, is_differentiable(self.dtype()),
           "stft: expected a tensor of floating point or complex values, got ", scalar_type_name(self.dtype()));
  RL_CHECK(RuntimeError, self.dim() == 1 || self.dim() == 2, "stft: expected a 1D or 2D tensor, got shape ",
           self.sizes());
  bool is_complex_result = is_complex(self.dtype()) || (window.defined() && is_complex(window.dtype()));
  RL_CHECK(RuntimeError, return_complex || is_complex_result,
           "stft requires the return_complex parameter be given for real inputs, and will further require that "
           "return_complex=True in a future PyTorch release.");
  RL_CHECK(RuntimeError, !onesided.value_or(false) || !is_complex_result,
           "Cannot have onesided output if window or input is complex");
  Tensor x = self.dim() == 1 ? unsqueeze(self, 0) : self;
  RL_CHECK(RuntimeError, n_fft > 0 && n_fft <= x.size(1), "stft: expected 0 < n_fft < ", x.size(1),
           ", but got n_fft=", n_fft);
  RL_CHECK(RuntimeError, f.hop > 0, "stft: expected hop_length > 0, but got hop_length=", f.hop);
  f.check_window(window);
  if (align.value_or(false) && f.win < n_fft) {  // the first window, not the first frame, begins with the signal
    int64_t left = (n_fft - f.win) / 2;
    x = constant_pad_nd(x, {left, n_fft - f.win - left});
  }
  Tensor frames = unfold(x, -1, n_fft, f.hop);
  if (window.defined()) frames = frames * f.whole(window);
  else if (f.win < n_fft) frames = frames * f.whole(ones(f.win, to_real(x.dtype()), std::nullopt, x.device()));
  auto norm = int64_t(normalized ? FftNorm::ByRoot : FftNorm::None);
  const Dims last = {2};
  frames = fft_operand(frames, false);
  Tensor result = is_complex(frames.dtype()) ? _fft_c2c(frames, last, norm, true)
                                             : _fft_r2c(frames, last, norm, onesided.value_or(true));
  result = transpose(result, 1, 2);
  if (self.dim() == 1) result = squeeze(result, 0);
  return return_complex.value_or(true) ? result : view_as_real(result);
}
Tensor stft_old(const Tensor& self, int64_t n_fft, const Length& hop, const Length& win, const Tensor& window,
                bool normalized, const Flag& onesided, const Flag& return_complex, const Flag& align) {
  return transform(self, n_fft, hop, win, window, normalized, onesided, return_complex, align);
}
Tensor stft_center(const Tensor& self, int64_t n_fft, const Length& hop, const Length& win, const Tensor& window,
                   bool center, std::string_view pad_mode, bool normalized, const Flag& onesided,
                   const Flag& return_complex, const Flag& align) {
  RL_CHECK(RuntimeError, !center || !align, "stft align_to_window should only be set when center = false");
  Tensor x = self;
  if (center) {
    RL_CHECK(RuntimeError, self.dim() == 1 || self.dim() == 2, "stft: expected a 1D or 2D tensor, got shape ",
             self.sizes());
    RL_CHECK(RuntimeError, n_fft > 0, "stft: expected n_fft > 0, but got n_fft=", n_fft);
    // Padding by reflection wants channels.
    Tensor channels = self.dim() == 1 ? unsqueeze(unsqueeze(self, 0), 0) : unsqueeze(self, 0);
    channels = pad(channels, {n_fft / 2, n_fft / 2}, pad_mode);
    x = squeeze(channels, 0);
    if (self.dim() == 1) x = squeeze(x, 0);
  }
  return transform(x, n_fft, hop, win, window, normalized, onesided, return_complex, align);
}

Tensor istft_op(const Tensor& self, int64_t n_fft, const Length& hop_length, const Length& win_length,
                const Tensor& window, bool center, bool normalized, const Flag& onesided_given, const Length& length,
                bool return_complex) {
  Frames f("istft", n_fft, hop_length, win_length);
  RL_CHECK(RuntimeError, is_complex(self.dtype()),
           "istft requires a complex-valued input tensor matching the output from stft with return_complex=True.");
  RL_CHECK(RuntimeError, self.dim() == 2 || self.dim() == 3, "istft: expected a tensor with 2 or 3 dimensions, got ",
           self.dim());
  RL_CHECK(RuntimeError, self.numel() > 0, "istft: input tensor cannot be empty.");
  Tensor x = self.dim() == 2 ? unsqueeze(self, 0) : self;
  int64_t n_frames = x.size(2), bins = x.size(1);
  bool onesided = onesided_given.value_or(bins != n_fft);
  if (onesided)
    RL_CHECK(RuntimeError, n_fft / 2 + 1 == bins,
             "istft: expected the frequency dimension (3rd to the last) of the input ",
             "tensor to match n_fft / 2 + 1 when onesided=True, but got ", bins);
  else
    RL_CHECK(RuntimeError, n_fft == bins,
             "istft: expected the frequency dimension (3rd to the last) of the input tensor to "
             "match n_fft when onesided=False, but got ",
             bins);
  RL_CHECK(RuntimeError, f.hop > 0 && f.hop <= f.win,
           "istft: expected 0 < hop_length <= win_length, but got hop_length=", f.hop, " and win_length=", f.win);
  f.check_window(window);
  RL_CHECK(RuntimeError, return_complex || !window.defined() || !is_complex(window.dtype()),
           "Complex windows are incompatible with return_complex=False");
  RL_CHECK(RuntimeError, !return_complex || !onesided, "Cannot have onesided output if window or input is complex");
  Tensor by = f.whole(window.defined() ? window : ones(f.win, to_real(x.dtype()), std::nullopt, x.device()));
  auto norm = int64_t(normalized ? FftNorm::ByRoot : FftNorm::ByLength);
  const Dims last = {2};
  Tensor frames = transpose(x, 1, 2);
  if (return_complex) frames = _fft_c2c(frames, last, norm, false);
  else frames = _fft_c2r(onesided ? frames : narrow(frames, 2, 0, n_fft / 2 + 1), last, norm, n_fft);
  // Frames added where they overlap, over the squares of the windows added likewise.
  int64_t whole = CheckedInt(n_fft) + CheckedInt(f.hop) * (n_frames - 1), start = center ? n_fft / 2 : 0;
  int64_t end = length ? start + *length : center ? whole - n_fft / 2 : whole;
  Tensor y = unfold_backward(frames * by, {x.size(0), whole}, 1, n_fft, f.hop);
  Tensor weight = unfold_backward(expand(square(by), {1, n_frames, n_fft}), {1, whole}, 1, n_fft, f.hop);
  y = slice(y, 1, start, std::min(end, whole));
  weight = slice(weight, 1, start, std::min(end, whole));
  if (!self.device().is_meta() && weight.numel() > 0) {
    double least = item(min(abs(weight))).to_double();
    RL_CHECK(RuntimeError, least > 1e-11, "istft: window overlap add min: ", least,
             ": the windows leave samples that no frame tells; choose a smaller hop_length or another window");
  }
  y = y / weight;
  if (end > whole) y = constant_pad_nd(y, {0, end - whole});
  return self.dim() == 2 ? squeeze(y, 0) : y;
}

}  // namespace

OP(stft_center,
   {.schema =
        "stft.center(Tensor self, int n_fft, int? hop_length=None, int? win_length=None, Tensor? window=None, bool "
        "center=True, str pad_mode=\"reflect\", bool normalized=False, bool? onesided=None, bool? "
        "return_complex=None, bool? align_to_window=None) -> Tensor",
    .doc = "Fourier transforms of overlapping frames of a signal, which is padded so that frames are centred: (..., "
           "time) to "
           "(..., frequency, frame)."
           " >>> torch.stft(torch.ones(16), 8, window=torch.ones(8), return_complex=True).shape\ntorch.Size([5, 9])",
    .kernel = composite<stft_center>()});
OP(stft,
   {.schema = "stft(Tensor self, int n_fft, int? hop_length=None, int? win_length=None, Tensor? window=None, bool "
              "normalized=False, bool? onesided=None, bool? return_complex=None, bool? align_to_window=None) -> Tensor",
    .doc = "Fourier transforms of overlapping frames of a signal, as it is.",
    .kernel = composite<stft_old>()});
OP(istft,
   {.schema =
        "istft(Tensor self, int n_fft, int? hop_length=None, int? win_length=None, Tensor? window=None, bool "
        "center=True, bool normalized=False, bool? onesided=None, int? length=None, bool return_complex=False) -> "
        "Tensor",
    .doc = "The signal whose stft is given, or the nearest one."
           " >>> torch.istft(torch.stft(torch.ones(16), 8, return_complex=True), 8).shape\ntorch.Size([16])",
    .kernel = composite<istft_op>()});

}  // namespace rushlight

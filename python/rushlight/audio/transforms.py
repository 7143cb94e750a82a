"""torchaudio.transforms: modules over `rushlight.audio.functional`."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Sequence

import rushlight as torch
from rushlight import _missing
from rushlight.nn import Module, ModuleList

from . import functional as F
from ._filters import gain as _gain

__all__ = [
    "AddNoise", "AmplitudeToDB", "ComputeDeltas", "Convolve", "Deemphasis", "FFTConvolve", "Fade", "FrequencyMasking", "GriffinLim",
    "InverseMelScale", "InverseSpectrogram", "LFCC", "MFCC", "MelScale", "MelSpectrogram", "MuLawDecoding", "MuLawEncoding", "PitchShift",
    "Preemphasis", "Resample", "SlidingWindowCmn", "SpecAugment", "SpectralCentroid", "Spectrogram", "Speed", "SpeedPerturbation",
    "TimeMasking", "TimeStretch", "Vol",
]  # fmt: skip


class _Framed(Module):
    """What all that cut sound into frames have: n_fft, win_length, hop_length, and the window as a buffer."""

    def __init__(
        self, n_fft: int, win_length: int | None, hop_length: int | None, window_fn: Callable, wkwargs: dict | None
    ):
        super().__init__()
        self.n_fft = n_fft
        self.win_length = n_fft if win_length is None else win_length
        self.hop_length = self.win_length // 2 if hop_length is None else hop_length
        self.register_buffer("window", window_fn(self.win_length, **(wkwargs or {})))


class Spectrogram(_Framed):
    """The spectrogram of a sound, to the power of `power`; complex if that is None. Shape: (..., time) -> (..., n_fft // 2 + 1, frames).

    >>> Spectrogram(n_fft=64)(torch.randn(1, 1000)).shape
    torch.Size([1, 33, 32])
    """

    def __init__(
        self, n_fft: int = 400, win_length: int | None = None, hop_length: int | None = None, pad: int = 0, window_fn: Callable = torch.hann_window,
        power: float | None = 2.0, normalized=False, wkwargs: dict | None = None, center: bool = True, pad_mode: str = "reflect",
        onesided: bool = True, return_complex: bool | None = None,
    ):  # fmt: skip
        super().__init__(n_fft, win_length, hop_length, window_fn, wkwargs)
        self.pad, self.power, self.normalized = pad, power, normalized
        self.center, self.pad_mode, self.onesided = center, pad_mode, onesided

    def forward(self, waveform):
        return F.spectrogram(
            waveform, self.pad, self.window, self.n_fft, self.hop_length, self.win_length, self.power, self.normalized, self.center,
            self.pad_mode, self.onesided,
        )  # fmt: skip


class InverseSpectrogram(_Framed):
    """The sound of a complex spectrogram."""

    def __init__(
        self, n_fft: int = 400, win_length: int | None = None, hop_length: int | None = None, pad: int = 0, window_fn: Callable = torch.hann_window,
        normalized=False, wkwargs: dict | None = None, center: bool = True, pad_mode: str = "reflect", onesided: bool = True,
    ):  # fmt: skip
        super().__init__(n_fft, win_length, hop_length, window_fn, wkwargs)
        self.pad, self.normalized, self.center, self.pad_mode, self.onesided = (
            pad,
            normalized,
            center,
            pad_mode,
            onesided,
        )

    def forward(self, spectrogram, length: int | None = None):
        return F.inverse_spectrogram(
            spectrogram, length, self.pad, self.window, self.n_fft, self.hop_length, self.win_length, self.normalized, self.center,
            self.pad_mode, self.onesided,
        )  # fmt: skip


class GriffinLim(_Framed):
    """Sound whose spectrogram is near a given one."""

    def __init__(
        self, n_fft: int = 400, n_iter: int = 32, win_length: int | None = None, hop_length: int | None = None,
        window_fn: Callable = torch.hann_window, power: float = 2.0, wkwargs: dict | None = None, momentum: float = 0.99,
        length: int | None = None, rand_init: bool = True,
    ):  # fmt: skip
        super().__init__(n_fft, win_length, hop_length, window_fn, wkwargs)
        if not 0 <= momentum < 1:
            raise ValueError(f"GriffinLim: expected a momentum of 0 and below 1, got {momentum}")
        self.n_iter, self.power, self.momentum, self.length, self.rand_init = n_iter, power, momentum, length, rand_init

    def forward(self, specgram):
        return F.griffinlim(
            specgram,
            self.window,
            self.n_fft,
            self.hop_length,
            self.win_length,
            self.power,
            self.n_iter,
            self.momentum,
            self.length,
            self.rand_init,
        )


class AmplitudeToDB(Module):
    """A spectrogram in dB, of a power (`stype` "power") or an amplitude ("magnitude"), no lower than `top_db` below its greatest value."""

    def __init__(self, stype: str = "power", top_db: float | None = None):
        super().__init__()
        if top_db is not None and top_db < 0:
            raise ValueError(f"AmplitudeToDB: expected top_db >= 0, got {top_db}")
        self.stype, self.top_db = stype, top_db
        self.multiplier = 10.0 if stype == "power" else 20.0
        self.amin, self.ref_value = 1e-10, 1.0
        self.db_multiplier = math.log10(max(self.amin, self.ref_value))

    def forward(self, x):
        return F.amplitude_to_DB(x, self.multiplier, self.amin, self.db_multiplier, self.top_db)


class MelScale(Module):
    """Sums the frequencies of a spectrogram into mel bands. Shape: (..., n_stft, time) -> (..., n_mels, time)."""

    def __init__(
        self, n_mels: int = 128, sample_rate: int = 16000, f_min: float = 0.0, f_max: float | None = None, n_stft: int = 201,
        norm: str | None = None, mel_scale: str = "htk",
    ):  # fmt: skip
        super().__init__()
        self.n_mels, self.sample_rate, self.f_min, self.norm, self.mel_scale = (
            n_mels,
            sample_rate,
            f_min,
            norm,
            mel_scale,
        )
        self.f_max = float(sample_rate // 2) if f_max is None else f_max
        if f_min > self.f_max:
            raise ValueError(f"MelScale: expected f_min <= f_max, got {f_min} and {self.f_max}")
        self.register_buffer("fb", F.melscale_fbanks(n_stft, f_min, self.f_max, n_mels, sample_rate, norm, mel_scale))

    def forward(self, specgram):
        return (specgram.transpose(-1, -2) @ self.fb).transpose(-1, -2)


class InverseMelScale(Module):
    """The spectrogram whose mel bands are nearest, by least squares, and not below 0."""

    def __init__(
        self, n_stft: int, n_mels: int = 128, sample_rate: int = 16000, f_min: float = 0.0, f_max: float | None = None,
        norm: str | None = None, mel_scale: str = "htk", driver: str = "gels",
    ):  # fmt: skip
        super().__init__()
        self.n_mels, self.sample_rate, self.f_min, self.driver = n_mels, sample_rate, f_min, driver
        self.f_max = float(sample_rate // 2) if f_max is None else f_max
        if driver not in ("gels", "gelsy", "gelsd", "gelss"):
            raise ValueError(f"InverseMelScale: expected driver gels, gelsy, gelsd or gelss, got {driver!r}")
        self.register_buffer("fb", F.melscale_fbanks(n_stft, f_min, self.f_max, n_mels, sample_rate, norm, mel_scale))

    def forward(self, melspec):
        shape = melspec.shape
        rows = melspec.reshape(-1, *shape[-2:])
        if shape[-2] != self.n_mels:
            raise ValueError(f"InverseMelScale: expected {self.n_mels} mel bands, got {shape[-2]}")
        out = torch.relu(torch.linalg.lstsq(self.fb.transpose(-1, -2)[None], rows, driver=self.driver).solution)
        return out.reshape(shape[:-2] + out.shape[-2:])


class MelSpectrogram(Module):
    """`Spectrogram`, then `MelScale`.

    >>> MelSpectrogram(n_fft=64, n_mels=10)(torch.randn(1, 1000)).shape
    torch.Size([1, 10, 32])
    """

    def __init__(
        self, sample_rate: int = 16000, n_fft: int = 400, win_length: int | None = None, hop_length: int | None = None, f_min: float = 0.0,
        f_max: float | None = None, pad: int = 0, n_mels: int = 128, window_fn: Callable = torch.hann_window, power: float = 2.0,
        normalized=False, wkwargs: dict | None = None, center: bool = True, pad_mode: str = "reflect", onesided: bool | None = None,
        norm: str | None = None, mel_scale: str = "htk",
    ):  # fmt: skip
        super().__init__()
        self.sample_rate, self.n_fft, self.pad, self.power, self.normalized, self.n_mels = (
            sample_rate,
            n_fft,
            pad,
            power,
            normalized,
            n_mels,
        )
        self.f_min, self.f_max = f_min, f_max
        self.spectrogram = Spectrogram(
            n_fft, win_length, hop_length, pad, window_fn, power, normalized, wkwargs, center, pad_mode
        )
        self.win_length, self.hop_length = self.spectrogram.win_length, self.spectrogram.hop_length
        self.mel_scale = MelScale(n_mels, sample_rate, f_min, f_max, n_fft // 2 + 1, norm, mel_scale)

    def forward(self, waveform):
        return self.mel_scale(self.spectrogram(waveform))


class _Cepstrum(Module):
    """Logarithms of bands, through a cosine transform."""

    def __init__(self, count: int, bands: int, dct_type: int, norm: str | None):
        super().__init__()
        if dct_type != 2:
            raise ValueError(f"{type(self).__name__}: expected dct_type 2, got {dct_type}")
        if count > bands:
            raise ValueError(
                f"{type(self).__name__}: {count} coefficients of {bands} bands; there can't be more than bands"
            )
        self.dct_type, self.norm, self.top_db = dct_type, norm, 80.0
        self.amplitude_to_DB = AmplitudeToDB("power", self.top_db)
        self.register_buffer("dct_mat", F.create_dct(count, bands, norm))

    def coefficients(self, bands, natural: bool):
        bands = torch.log(bands + 1e-6) if natural else self.amplitude_to_DB(bands)
        return (bands.transpose(-1, -2) @ self.dct_mat).transpose(-1, -2)


class MFCC(_Cepstrum):
    """The cepstrum of mel bands: their logarithms (in dB, or natural with `log_mels`) through a cosine transform.

    Shape: (..., time) -> (..., n_mfcc, frames).
    """

    def __init__(
        self,
        sample_rate: int = 16000,
        n_mfcc: int = 40,
        dct_type: int = 2,
        norm: str | None = "ortho",
        log_mels: bool = False,
        melkwargs: dict | None = None,
    ):
        mel = MelSpectrogram(sample_rate=sample_rate, **(melkwargs or {}))
        super().__init__(n_mfcc, mel.n_mels, dct_type, norm)
        self.sample_rate, self.n_mfcc, self.log_mels = sample_rate, n_mfcc, log_mels
        self.MelSpectrogram = mel

    def forward(self, waveform):
        return self.coefficients(self.MelSpectrogram(waveform), self.log_mels)


class LFCC(_Cepstrum):
    """The cepstrum of bands at equal distances in Hz. Shape: (..., time) -> (..., n_lfcc, frames)."""

    def __init__(
        self, sample_rate: int = 16000, n_filter: int = 128, f_min: float = 0.0, f_max: float | None = None, n_lfcc: int = 40,
        dct_type: int = 2, norm: str | None = "ortho", log_lf: bool = False, speckwargs: dict | None = None,
    ):  # fmt: skip
        super().__init__(n_lfcc, n_filter, dct_type, norm)
        self.sample_rate, self.n_filter, self.n_lfcc, self.log_lf, self.f_min = (
            sample_rate,
            n_filter,
            n_lfcc,
            log_lf,
            f_min,
        )
        self.f_max = float(sample_rate // 2) if f_max is None else f_max
        self.Spectrogram = Spectrogram(**(speckwargs or {}))
        self.register_buffer(
            "filter_mat", F.linear_fbanks(self.Spectrogram.n_fft // 2 + 1, f_min, self.f_max, n_filter, sample_rate)
        )

    def forward(self, waveform):
        bands = (self.Spectrogram(waveform).transpose(-1, -2) @ self.filter_mat).transpose(-1, -2)
        return self.coefficients(bands, self.log_lf)


class MuLawEncoding(Module):
    """`functional.mu_law_encoding`."""

    def __init__(self, quantization_channels: int = 256):
        super().__init__()
        self.quantization_channels = quantization_channels

    def forward(self, x):
        return F.mu_law_encoding(x, self.quantization_channels)


class MuLawDecoding(Module):
    """`functional.mu_law_decoding`."""

    def __init__(self, quantization_channels: int = 256):
        super().__init__()
        self.quantization_channels = quantization_channels

    def forward(self, x_mu):
        return F.mu_law_decoding(x_mu, self.quantization_channels)


class Resample(Module):
    """`functional.resample` with filters made once, in `dtype` (by default in float64, then float32)."""

    def __init__(
        self, orig_freq: int = 16000, new_freq: int = 16000, resampling_method: str = "sinc_interp_hann", lowpass_filter_width: int = 6,
        rolloff: float = 0.99, beta: float | None = None, *, dtype=None,
    ):  # fmt: skip
        super().__init__()
        self.orig_freq, self.new_freq = orig_freq, new_freq
        self._orig, self._new = F._reduced(orig_freq, new_freq)
        if self._orig != self._new:
            kernel, self.width = F._resampling_kernel(
                self._orig, self._new, lowpass_filter_width, rolloff, resampling_method, beta, dtype
            )
            self.register_buffer("kernel", kernel)

    def forward(self, waveform):
        return (
            waveform
            if self._orig == self._new
            else F._resample_by(waveform, self._orig, self._new, self.kernel, self.width)
        )


class ComputeDeltas(Module):
    """`functional.compute_deltas`."""

    def __init__(self, win_length: int = 5, mode: str = "replicate"):
        super().__init__()
        self.win_length, self.mode = win_length, mode

    def forward(self, specgram):
        return F.compute_deltas(specgram, self.win_length, self.mode)


class TimeStretch(Module):
    """A complex spectrogram faster or slower, with the same pitch."""

    def __init__(self, hop_length: int | None = None, n_freq: int = 201, fixed_rate: float | None = None):
        super().__init__()
        self.fixed_rate = fixed_rate
        self.register_buffer(
            "phase_advance",
            torch.linspace(0, math.pi * (n_freq - 1 if hop_length is None else hop_length), n_freq)[..., None],
        )

    def forward(self, complex_specgrams, overriding_rate: float | None = None):
        if not complex_specgrams.is_complex():
            warnings.warn(
                "TimeStretch: the spectrogram is not complex, so its phases are lost; use Spectrogram(power=None)"
            )
            complex_specgrams = complex_specgrams.to(torch.complex64)
        rate = self.fixed_rate if overriding_rate is None else overriding_rate
        if rate is None:
            raise ValueError("TimeStretch: no rate; give fixed_rate when it is made, or overriding_rate here")
        return F.phase_vocoder(complex_specgrams, rate, self.phase_advance)


class Fade(Module):
    """Louder from nothing over the first `fade_in_len` samples, and to nothing over the last `fade_out_len`.

    Args:
        fade_shape: "linear", "exponential", "logarithmic", "quarter_sine" or "half_sine".
    """

    _SHAPES = {
        "linear": lambda x: x,
        "exponential": lambda x: torch.pow(2, x - 1) * x,
        "logarithmic": lambda x: torch.log10(0.1 + x) + 1,
        "quarter_sine": lambda x: torch.sin(x * math.pi / 2),
        "half_sine": lambda x: torch.sin(x * math.pi - math.pi / 2) / 2 + 0.5,
    }

    def __init__(self, fade_in_len: int = 0, fade_out_len: int = 0, fade_shape: str = "linear"):
        super().__init__()
        if fade_shape not in self._SHAPES:
            raise ValueError(f"Fade: expected fade_shape to be one of {', '.join(self._SHAPES)}, got {fade_shape!r}")
        self.fade_in_len, self.fade_out_len, self.fade_shape = fade_in_len, fade_out_len, fade_shape

    def _ramp(self, length: int):
        return self._SHAPES[self.fade_shape](torch.linspace(0, 1, length)).clamp(0, 1)

    def forward(self, waveform):
        time = waveform.shape[-1]
        rise = torch.cat([self._ramp(self.fade_in_len), torch.ones(time - self.fade_in_len)])
        fall = torch.cat([torch.ones(time - self.fade_out_len), self._ramp(self.fade_out_len).flip(0)])
        return rise * fall * waveform


class Vol(Module):
    """Louder by `gain`: a factor ("amplitude" or "power") or dB ("db"); cut to [-1, 1]."""

    def __init__(self, gain: float, gain_type: str = "amplitude"):
        super().__init__()
        if gain_type not in ("amplitude", "power", "db") or gain_type != "db" and gain < 0:
            raise ValueError(
                f"Vol: expected gain_type amplitude, power or db, and a factor >= 0, got {gain_type!r} and {gain}"
            )
        self.gain, self.gain_type = gain, gain_type

    def forward(self, waveform):
        if self.gain_type == "amplitude":
            waveform = waveform * self.gain
        else:
            waveform = _gain(waveform, self.gain if self.gain_type == "db" else 10 * math.log10(self.gain))
        return waveform.clamp(-1, 1)


class _Masking(Module):
    def __init__(self, mask_param: int, axis_from_end: int, iid_masks: bool, p: float = 1.0):
        super().__init__()
        if not 0.0 <= p <= 1.0:
            raise ValueError(f"{type(self).__name__}: expected p of 0 to 1, got {p}")
        self.mask_param, self.axis_from_end, self.iid_masks, self.p = mask_param, axis_from_end, iid_masks, p

    def forward(self, specgram, mask_value: float = 0.0):
        axis = specgram.dim() - self.axis_from_end
        mask = F.mask_along_axis_iid if self.iid_masks and specgram.dim() > 2 else F.mask_along_axis
        return mask(specgram, self.mask_param, mask_value, axis, self.p)


class FrequencyMasking(_Masking):
    """Fills a random band of up to `freq_mask_param` frequencies; one for each spectrogram of the batch with `iid_masks`."""

    def __init__(self, freq_mask_param: int, iid_masks: bool = False):
        super().__init__(freq_mask_param, 2, iid_masks)


class TimeMasking(_Masking):
    """Fills a random stretch of up to `time_mask_param` frames, and up to the part `p` of all."""

    def __init__(self, time_mask_param: int, iid_masks: bool = False, p: float = 1.0):
        super().__init__(time_mask_param, 1, iid_masks, p)


class SpecAugment(Module):
    """Several masks over time, then several over frequency, filled with 0 or (unless `zero_masking`) the mean."""

    def __init__(
        self, n_time_masks: int, time_mask_param: int, n_freq_masks: int, freq_mask_param: int, iid_masks: bool = True, p: float = 1.0,
        zero_masking: bool = False,
    ):  # fmt: skip
        super().__init__()
        self.n_time_masks, self.n_freq_masks, self.zero_masking = n_time_masks, n_freq_masks, zero_masking
        self.time, self.frequency = (
            _Masking(time_mask_param, 1, iid_masks, p),
            _Masking(freq_mask_param, 2, iid_masks, p),
        )

    def forward(self, specgram):
        value = 0.0 if self.zero_masking else specgram.mean()
        for _ in range(self.n_time_masks):
            specgram = self.time(specgram, value)
        for _ in range(self.n_freq_masks):
            specgram = self.frequency(specgram, value)
        return specgram


class SlidingWindowCmn(Module):
    """`functional.sliding_window_cmn`."""

    def __init__(self, cmn_window: int = 600, min_cmn_window: int = 100, center: bool = False, norm_vars: bool = False):
        super().__init__()
        self.cmn_window, self.min_cmn_window, self.center, self.norm_vars = (
            cmn_window,
            min_cmn_window,
            center,
            norm_vars,
        )

    def forward(self, specgram):
        return F.sliding_window_cmn(specgram, self.cmn_window, self.min_cmn_window, self.center, self.norm_vars)


class SpectralCentroid(_Framed):
    """`functional.spectral_centroid`."""

    def __init__(
        self, sample_rate: int, n_fft: int = 400, win_length: int | None = None, hop_length: int | None = None, pad: int = 0,
        window_fn: Callable = torch.hann_window, wkwargs: dict | None = None,
    ):  # fmt: skip
        super().__init__(n_fft, win_length, hop_length, window_fn, wkwargs)
        self.sample_rate, self.pad = sample_rate, pad

    def forward(self, waveform):
        return F.spectral_centroid(
            waveform, self.sample_rate, self.pad, self.window, self.n_fft, self.hop_length, self.win_length
        )


class PitchShift(_Framed):
    """Sound higher by `n_steps` of an octave's `bins_per_octave`, as long as before."""

    def __init__(
        self, sample_rate: int, n_steps: int, bins_per_octave: int = 12, n_fft: int = 512, win_length: int | None = None,
        hop_length: int | None = None, window_fn: Callable = torch.hann_window, wkwargs: dict | None = None,
    ):  # fmt: skip
        win_length = n_fft if win_length is None else win_length
        super().__init__(n_fft, win_length, win_length // 4 if hop_length is None else hop_length, window_fn, wkwargs)
        self.sample_rate, self.n_steps, self.bins_per_octave = sample_rate, n_steps, bins_per_octave

    def forward(self, waveform):
        return F.pitch_shift(
            waveform,
            self.sample_rate,
            self.n_steps,
            self.bins_per_octave,
            self.n_fft,
            self.win_length,
            self.hop_length,
            self.window,
        )


class Convolve(Module):
    """`functional.convolve`."""

    def __init__(self, mode: str = "full"):
        super().__init__()
        self.mode = mode

    def forward(self, x, y):
        return F.convolve(x, y, self.mode)


class FFTConvolve(Convolve):
    """`functional.fftconvolve`."""

    def forward(self, x, y):
        return F.fftconvolve(x, y, self.mode)


class Speed(Module):
    """Sound `factor` times as fast, pitch and all; returns it and the new lengths."""

    def __init__(self, orig_freq: int, factor: float):
        super().__init__()
        self.orig_freq, self.factor = orig_freq, factor
        self._orig, self._new = F._reduced(int(factor * orig_freq), int(orig_freq))
        self.resampler = Resample(self._orig, self._new)

    def forward(self, waveform, lengths=None):
        out = None if lengths is None else torch.ceil(lengths * self._new / self._orig).to(lengths.dtype)
        return self.resampler(waveform), out


class SpeedPerturbation(Module):
    """`Speed` by one of several factors, drawn anew at each call."""

    def __init__(self, orig_freq: int, factors: Sequence[float]):
        super().__init__()
        self.speeders = ModuleList([Speed(orig_freq, factor) for factor in factors])

    def forward(self, waveform, lengths=None):
        return self.speeders[int(torch.randint(len(self.speeders), ()))](waveform, lengths)


class AddNoise(Module):
    """`functional.add_noise`."""

    def forward(self, waveform, noise, snr, lengths=None):
        return F.add_noise(waveform, noise, snr, lengths)


class Preemphasis(Module):
    """`functional.preemphasis`."""

    def __init__(self, coeff: float = 0.97):
        super().__init__()
        self.coeff = coeff

    def forward(self, waveform):
        return F.preemphasis(waveform, self.coeff)


class Deemphasis(Preemphasis):
    """`functional.deemphasis`."""

    def forward(self, waveform):
        return F.deemphasis(waveform, self.coeff)


__getattr__ = _missing.getattr_of(__name__)

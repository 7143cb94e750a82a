"""torchaudio.functional: spectrograms, mel scales, resampling, augmentations, filters. Sound is (..., time), spectrograms (..., frequency, time)."""

from __future__ import annotations

import math
import warnings

import rushlight as torch
from rushlight import _missing
from rushlight.nn import functional as F

from ._filters import (
    allpass_biquad,
    band_biquad,
    bandpass_biquad,
    bandreject_biquad,
    bass_biquad,
    biquad,
    contrast,
    deemphasis,
    equalizer_biquad,
    filtfilt,
    gain,
    highpass_biquad,
    lfilter,
    lowpass_biquad,
    preemphasis,
    treble_biquad,
)

__all__ = [
    "DB_to_amplitude", "add_noise", "allpass_biquad", "amplitude_to_DB", "band_biquad", "bandpass_biquad", "bandreject_biquad", "bass_biquad",
    "biquad", "compute_deltas", "contrast", "convolve", "create_dct", "deemphasis", "edit_distance", "equalizer_biquad", "fftconvolve",
    "filtfilt", "gain", "griffinlim", "highpass_biquad", "inverse_spectrogram", "lfilter", "linear_fbanks", "lowpass_biquad", "mask_along_axis",
    "mask_along_axis_iid", "melscale_fbanks", "mu_law_decoding", "mu_law_encoding", "phase_vocoder", "pitch_shift", "preemphasis", "resample",
    "sliding_window_cmn", "spectral_centroid", "spectrogram", "speed", "treble_biquad",
]  # fmt: skip


# ---- spectrograms ----


def _normalisation(normalized) -> tuple[bool, bool]:
    """By the frame's length, by the window."""
    if normalized not in (True, False, "frame_length", "window"):
        raise ValueError(f"normalized: expected a bool, 'frame_length' or 'window', got {normalized!r}")
    return normalized == "frame_length", normalized in (True, "window")


def spectrogram(
    waveform, pad: int, window, n_fft: int, hop_length: int, win_length: int, power: float | None, normalized, center: bool = True, pad_mode: str = "reflect",
    onesided: bool = True, return_complex: bool | None = None,
):  # fmt: skip
    """The absolute value of the short-time Fourier transform to the power of `power`; the complex transform itself if that is None.

    Args:
        pad: zeros added at both ends.
        normalized: True or "window": by the root of the window's energy; "frame_length": by that of its length.

    Shape: (..., time) -> (..., n_fft // 2 + 1, frames).
    """
    by_length, by_window = _normalisation(normalized)
    if pad > 0:
        waveform = F.pad(waveform, (pad, pad))
    shape = waveform.shape
    spec = torch.stft(
        waveform.reshape(-1, shape[-1]), n_fft, hop_length, win_length, window, center=center, pad_mode=pad_mode, normalized=by_length,
        onesided=onesided, return_complex=True,
    )  # fmt: skip
    spec = spec.reshape(shape[:-1] + spec.shape[-2:])
    if by_window:
        spec = spec / window.pow(2).sum().sqrt()
    if power is None:
        return spec
    return spec.abs() if power == 1 else spec.abs().pow(power)


def inverse_spectrogram(
    spectrogram, length: int | None, pad: int, window, n_fft: int, hop_length: int, win_length: int, normalized, center: bool = True,
    pad_mode: str = "reflect", onesided: bool = True,
):  # fmt: skip
    """The sound of a complex spectrogram, `length` samples long if that is given."""
    if not spectrogram.is_complex():
        raise ValueError(f"inverse_spectrogram: expected a complex spectrogram, got {spectrogram.dtype}")
    by_length, by_window = _normalisation(normalized)
    if by_window:
        spectrogram = spectrogram * window.pow(2).sum().sqrt()
    shape = spectrogram.shape
    out = torch.istft(
        spectrogram.reshape(-1, *shape[-2:]), n_fft, hop_length, win_length, window, center=center, normalized=by_length, onesided=onesided,
        length=None if length is None else length + 2 * pad, return_complex=False,
    )  # fmt: skip
    if length is not None and pad > 0:
        out = out[:, pad:-pad]
    return out.reshape(shape[:-2] + out.shape[-1:])


def griffinlim(
    specgram,
    window,
    n_fft: int,
    hop_length: int,
    win_length: int,
    power: float,
    n_iter: int,
    momentum: float,
    length: int | None,
    rand_init: bool,
):
    """Sound whose spectrogram is near this one: Griffin and Lim's phases with Perraudin's momentum.

    Shape: (..., n_fft // 2 + 1, frames) -> (..., time).
    """
    if not 0 <= momentum < 1:
        raise ValueError(f"griffinlim: expected a momentum of 0 and below 1, got {momentum}")
    push = momentum / (1 + momentum)
    shape = specgram.shape
    size = specgram.reshape(-1, *shape[-2:]).pow(1 / power)
    complex_dtype = torch.complex128 if size.dtype == torch.float64 else torch.complex64
    phase = torch.rand(size.shape, dtype=complex_dtype) if rand_init else torch.ones(size.shape, dtype=complex_dtype)
    before = torch.zeros((), dtype=complex_dtype)
    for _ in range(n_iter):
        sound = torch.istft(size * phase, n_fft, hop_length, win_length, window, length=length)
        rebuilt = torch.stft(sound, n_fft, hop_length, win_length, window, return_complex=True)
        phase = rebuilt - before * push if momentum else rebuilt
        phase = phase / (phase.abs() + 1e-16)
        before = rebuilt
    sound = torch.istft(size * phase, n_fft, hop_length, win_length, window, length=length)
    return sound.reshape(shape[:-2] + sound.shape[-1:])


def spectral_centroid(waveform, sample_rate: int, pad: int, window, n_fft: int, hop_length: int, win_length: int):
    """The mean frequency of each frame, weighed by its spectrum."""
    spec = spectrogram(waveform, pad, window, n_fft, hop_length, win_length, 1.0, False)
    frequency = torch.linspace(0, sample_rate // 2, 1 + n_fft // 2).reshape(-1, 1)
    return (frequency * spec).sum(-2) / spec.sum(-2)


def amplitude_to_DB(x, multiplier: float, amin: float, db_multiplier: float, top_db: float | None = None):
    """multiplier * (log10(max(x, amin)) - db_multiplier), no lower than the greatest value of a spectrogram less `top_db`.

    What counts as one spectrogram is the last three dimensions.
    """
    db = multiplier * torch.log10(x.clamp(min=amin)) - multiplier * db_multiplier
    if top_db is None:
        return db
    channels = x.shape[-3] if x.dim() > 2 else 1
    packed = db.reshape(-1, channels, *x.shape[-2:])
    return torch.max(packed, packed.amax((-3, -2, -1), keepdim=True) - top_db).reshape(x.shape)


def DB_to_amplitude(x, ref: float, power: float):
    """ref * (10 ** (x / 10)) ** power: undoes `amplitude_to_DB`."""
    return ref * torch.pow(torch.pow(10.0, 0.1 * x), power)


def phase_vocoder(complex_specgrams, rate: float, phase_advance):
    """A spectrogram `rate` times as fast, with the same pitch.

    Args:
        phase_advance: how far each frequency's phase is expected to go from frame to frame, (frequency, 1).
    """
    if rate == 1.0:
        return complex_specgrams
    shape = complex_specgrams.shape
    spec = complex_specgrams.reshape(-1, *shape[-2:])
    steps = torch.arange(
        0, spec.shape[-1], rate, dtype=torch.float64 if spec.dtype == torch.complex128 else torch.float32
    )
    between = steps % 1.0
    first_phase = spec[..., :1].angle()
    spec = F.pad(spec, (0, 2))
    here, there = spec.index_select(-1, steps.long()), spec.index_select(-1, (steps + 1).long())
    phase = there.angle() - here.angle() - phase_advance
    phase = phase - 2 * math.pi * torch.round(phase / (2 * math.pi)) + phase_advance
    phase = torch.cat([first_phase, phase[..., :-1]], -1).cumsum(-1)
    out = torch.polar(between * there.abs() + (1 - between) * here.abs(), phase)
    return out.reshape(shape[:-2] + out.shape[-2:])


# ---- scales ----

_SLANEY_STEP, _SLANEY_KNEE, _SLANEY_LOG = (
    200 / 3,
    1000.0,
    math.log(6.4) / 27,
)  # linear below the knee, logarithmic above


def _hz_to_mel(hz: float, scale: str) -> float:
    if scale == "htk":
        return 2595 * math.log10(1 + hz / 700)
    return (
        hz / _SLANEY_STEP
        if hz < _SLANEY_KNEE
        else _SLANEY_KNEE / _SLANEY_STEP + math.log(hz / _SLANEY_KNEE) / _SLANEY_LOG
    )


def _mel_to_hz(mels, scale: str):
    if scale == "htk":
        return 700 * (10 ** (mels / 2595) - 1)
    knee = _SLANEY_KNEE / _SLANEY_STEP
    return torch.where(mels >= knee, _SLANEY_KNEE * torch.exp(_SLANEY_LOG * (mels - knee)), mels * _SLANEY_STEP)


def _triangles(frequencies, points):
    """(frequencies, filters): filter i rises from point i to i + 1 and falls to i + 2."""
    widths = points[1:] - points[:-1]
    distance = points[None] - frequencies[:, None]
    return torch.minimum(-distance[:, :-2] / widths[:-1], distance[:, 2:] / widths[1:]).clamp(min=0)


def melscale_fbanks(
    n_freqs: int,
    f_min: float,
    f_max: float,
    n_mels: int,
    sample_rate: int,
    norm: str | None = None,
    mel_scale: str = "htk",
):
    """A bank of triangular filters at equal distances on the mel scale, (n_freqs, n_mels).

    Args:
        norm: "slaney": each filter has the same area.
        mel_scale: "htk" or "slaney".
    """
    if norm not in (None, "slaney") or mel_scale not in ("htk", "slaney"):
        raise ValueError(
            f"melscale_fbanks: expected norm None or 'slaney' and mel_scale 'htk' or 'slaney', got {norm!r} and {mel_scale!r}"
        )
    frequencies = torch.linspace(0, sample_rate // 2, n_freqs)
    points = _mel_to_hz(
        torch.linspace(_hz_to_mel(f_min, mel_scale), _hz_to_mel(f_max, mel_scale), n_mels + 2), mel_scale
    )
    bank = _triangles(frequencies, points)
    if norm:
        bank = bank * (2.0 / (points[2:] - points[:-2]))
    if (bank.amax(0) == 0).any():
        warnings.warn(
            f"At least one mel filterbank has all zero values. n_mels ({n_mels}) may be set too high, or n_freqs ({n_freqs}) too low."
        )
    return bank


def linear_fbanks(n_freqs: int, f_min: float, f_max: float, n_filter: int, sample_rate: int):
    """A bank of triangular filters at equal distances in Hz, (n_freqs, n_filter)."""
    return _triangles(torch.linspace(0, sample_rate // 2, n_freqs), torch.linspace(f_min, f_max, n_filter + 2))


def create_dct(n_mfcc: int, n_mels: int, norm: str | None):
    """The discrete cosine transform of type 2 as a matrix (n_mels, n_mfcc); orthonormal if norm is "ortho"."""
    if norm not in (None, "ortho"):
        raise ValueError(f"create_dct: expected norm None or 'ortho', got {norm!r}")
    dct = torch.cos(math.pi / n_mels * (torch.arange(float(n_mels)) + 0.5) * torch.arange(float(n_mfcc))[:, None])
    if norm is None:
        return (dct * 2).t()
    dct[0] *= 1 / math.sqrt(2)
    return (dct * math.sqrt(2 / n_mels)).t()


def mu_law_encoding(x, quantization_channels: int):
    """Sound in [-1, 1] as whole numbers from 0 to quantization_channels - 1, finer where it is quiet.

    >>> mu_law_encoding(torch.tensor([-1.0, 0.0, 1.0]), 256)
    tensor([  0, 128, 255])
    """
    mu = torch.tensor(quantization_channels - 1.0, dtype=x.dtype if x.is_floating_point() else torch.float32)
    compressed = torch.sign(x) * torch.log1p(mu * x.abs()) / torch.log1p(mu)
    return ((compressed + 1) / 2 * mu + 0.5).to(torch.int64)


def mu_law_decoding(x_mu, quantization_channels: int):
    """Undoes `mu_law_encoding`, to its precision."""
    x = x_mu if x_mu.is_floating_point() else x_mu.to(torch.float32)
    mu = torch.tensor(quantization_channels - 1.0, dtype=x.dtype)
    x = x / mu * 2 - 1
    return torch.sign(x) * (torch.exp(x.abs() * torch.log1p(mu)) - 1) / mu


def compute_deltas(specgram, win_length: int = 5, mode: str = "replicate"):
    """The slope over time of each coefficient, by least squares over `win_length` frames."""
    if win_length < 3:
        raise ValueError(f"compute_deltas: expected win_length >= 3, got {win_length}")
    shape, n = specgram.shape, (win_length - 1) // 2
    rows = specgram.reshape(1, -1, shape[-1])
    kernel = torch.arange(-n, n + 1, dtype=specgram.dtype).repeat(rows.shape[1], 1, 1)
    return (
        F.conv1d(F.pad(rows, (n, n), mode=mode), kernel, groups=rows.shape[1]) / (n * (n + 1) * (2 * n + 1) / 3)
    ).reshape(shape)


def sliding_window_cmn(
    specgram, cmn_window: int = 600, min_cmn_window: int = 100, center: bool = False, norm_vars: bool = False
):
    """Takes the mean over a window of frames from each frame, and divides by the deviation if `norm_vars`. Shape: (..., time, frequency)."""
    frames = specgram.shape[-2]
    t = torch.arange(frames)
    if center:
        start = t - cmn_window // 2
        end = start + cmn_window
    else:
        start, end = t - cmn_window, t + 1
    end = torch.where(start < 0, end - start, end)
    start = start.clamp(min=0)
    if not center:
        end = torch.where(end > t, (t + 1).clamp(min=min_cmn_window), end)
    over = (end - frames).clamp(min=0)
    start, end = (start - over).clamp(min=0), end - over
    count = (end - start).to(specgram.dtype)[:, None]

    def windowed(x):
        total = F.pad(x.double().cumsum(-2), (0, 0, 1, 0))
        return (total.index_select(-2, end) - total.index_select(-2, start)).to(x.dtype)

    mean = windowed(specgram) / count
    out = specgram - mean
    if not norm_vars:
        return out
    variance = windowed(specgram * specgram) / count - mean * mean
    return torch.where(count == 1, torch.zeros_like(out), out * variance.pow(-0.5))


# ---- time ----


def _resampling_kernel(orig: int, new: int, width: int, rolloff: float, method: str, beta: float | None, dtype):
    """`new` filters of a windowed sinc, one for each place that a sample may have between those of the original, and how far they reach."""
    if method not in ("sinc_interp_hann", "sinc_interp_kaiser"):
        raise ValueError(
            f"resample: expected resampling_method 'sinc_interp_hann' or 'sinc_interp_kaiser', got {method!r}"
        )
    if width <= 0:
        raise ValueError(f"resample: expected lowpass_filter_width > 0, got {width}")
    cutoff = min(orig, new) * rolloff
    reach = math.ceil(width * orig / cutoff)
    made = dtype or torch.float64
    at = torch.arange(-reach, reach + orig, dtype=made)[None, None] / orig
    t = (torch.arange(0, -new, -1, dtype=made)[:, None, None] / new + at) * cutoff
    t = t.clamp(-width, width)
    if method == "sinc_interp_hann":
        window = torch.cos(t * math.pi / width / 2) ** 2
    else:
        steep = torch.tensor(14.769656459379492 if beta is None else float(beta))
        window = torch.i0(steep * torch.sqrt(1 - (t / width) ** 2)) / torch.i0(steep)
    t = t * math.pi
    kernel = torch.where(t == 0, torch.ones((), dtype=made), torch.sin(t) / t) * window * (cutoff / orig)
    return (kernel if dtype else kernel.to(torch.float32)), reach


def _resample_by(waveform, orig: int, new: int, kernel, reach: int):
    shape = waveform.shape
    rows = F.pad(waveform.reshape(-1, 1, shape[-1]), (reach, reach + orig))
    out = F.conv1d(rows, kernel, stride=orig).transpose(1, 2).reshape(rows.shape[0], -1)
    out = out[..., : math.ceil(new * shape[-1] / orig)]
    return out.reshape(shape[:-1] + out.shape[-1:])


def _reduced(orig_freq, new_freq) -> tuple[int, int]:
    if orig_freq <= 0 or new_freq <= 0 or int(orig_freq) != orig_freq or int(new_freq) != new_freq:
        raise ValueError(f"resample: expected frequencies that are whole and above 0, got {orig_freq} and {new_freq}")
    common = math.gcd(int(orig_freq), int(new_freq))
    return int(orig_freq) // common, int(new_freq) // common


def resample(
    waveform, orig_freq: int, new_freq: int, lowpass_filter_width: int = 6, rolloff: float = 0.99, resampling_method: str = "sinc_interp_hann",
    beta: float | None = None,
):  # fmt: skip
    """The same sound at another rate, by windowed sinc filters.

    Args:
        lowpass_filter_width: zero crossings of the sinc on each side; more is sharper.
        rolloff: where the filter begins to cut, as a part of the lower Nyquist frequency.
        resampling_method: "sinc_interp_hann" or "sinc_interp_kaiser", whose shape is `beta`.

    >>> resample(torch.ones(1, 160), 16000, 8000).shape
    torch.Size([1, 80])
    """
    orig, new = _reduced(orig_freq, new_freq)
    if orig == new:
        return waveform
    kernel, reach = _resampling_kernel(
        orig, new, lowpass_filter_width, rolloff, resampling_method, beta, waveform.dtype
    )
    return _resample_by(waveform, orig, new, kernel, reach)


def speed(waveform, orig_freq: int, factor: float, lengths=None):
    """Sound `factor` times as fast, pitch and all; returns it and the new lengths."""
    orig, new = _reduced(int(factor * orig_freq), int(orig_freq))
    out = None if lengths is None else torch.ceil(lengths * new / orig).to(lengths.dtype)
    return resample(waveform, orig, new), out


def _stretched(waveform, n_steps: int, bins_per_octave: int, n_fft: int, win_length, hop_length, window):
    hop_length = n_fft // 4 if hop_length is None else hop_length
    win_length = n_fft if win_length is None else win_length
    window = torch.hann_window(win_length) if window is None else window
    shape, rate = waveform.shape, 2.0 ** (-n_steps / bins_per_octave)
    spec = torch.stft(waveform.reshape(-1, shape[-1]), n_fft, hop_length, win_length, window, return_complex=True)
    advance = torch.linspace(0, math.pi * hop_length, spec.shape[-2])[..., None]
    out = torch.istft(
        phase_vocoder(spec, rate, advance), n_fft, hop_length, win_length, window, length=int(round(shape[-1] / rate))
    )
    return out.reshape(shape[:-1] + out.shape[-1:]), rate


def _as_long_as(sound, length: int):
    return F.pad(sound, (0, length - sound.shape[-1])) if sound.shape[-1] < length else sound[..., :length]


def pitch_shift(
    waveform,
    sample_rate: int,
    n_steps: int,
    bins_per_octave: int = 12,
    n_fft: int = 512,
    win_length: int | None = None,
    hop_length: int | None = None,
    window=None,
):
    """Sound higher by `n_steps` of an octave's `bins_per_octave`, as long as before."""
    stretched, rate = _stretched(waveform, n_steps, bins_per_octave, n_fft, win_length, hop_length, window)
    return _as_long_as(resample(stretched, int(sample_rate / rate), sample_rate), waveform.shape[-1])


# ---- augmentation ----


def _mask_length(mask_param: int, p: float, length: int) -> int:
    if not 0.0 <= p <= 1.0:
        raise ValueError(f"mask_along_axis: expected p of 0 to 1, got {p}")
    return mask_param if p == 1.0 else min(mask_param, int(length * p))


def mask_along_axis(specgram, mask_param: int, mask_value: float, axis: int, p: float = 1.0):
    """Fills a random stretch of one of the last two dimensions, of up to `mask_param` and up to `p` of all, the same in the whole batch."""
    if axis not in (specgram.dim() - 2, specgram.dim() - 1):
        raise ValueError(f"mask_along_axis: expected axis {specgram.dim() - 2} or {specgram.dim() - 1}, got {axis}")
    size = specgram.shape[axis]
    mask_param = _mask_length(mask_param, p, size)
    if mask_param < 1:
        return specgram
    length = torch.rand(1) * mask_param
    start = (torch.rand(1) * (size - length)).long()
    at = torch.arange(size)
    mask = (at >= start) & (at < start + length.long())
    return specgram.masked_fill(mask if axis == specgram.dim() - 1 else mask[:, None], mask_value)


def mask_along_axis_iid(specgrams, mask_param: int, mask_value: float, axis: int, p: float = 1.0):
    """`mask_along_axis` with a stretch of its own for each spectrogram of the batch."""
    dim = specgrams.dim()
    if dim < 3 or axis not in (dim - 2, dim - 1):
        raise ValueError(
            f"mask_along_axis_iid: expected three dimensions or more and axis {dim - 2} or {dim - 1}, got {dim} and {axis}"
        )
    size = specgrams.shape[axis]
    mask_param = _mask_length(mask_param, p, size)
    if mask_param < 1:
        return specgrams
    length = torch.rand(specgrams.shape[: dim - 2], dtype=specgrams.dtype) * mask_param
    start = (torch.rand(specgrams.shape[: dim - 2], dtype=specgrams.dtype) * (size - length)).long()[..., None, None]
    end = start + length.long()[..., None, None]
    at = torch.arange(size, dtype=specgrams.dtype)
    return specgrams.transpose(axis, -1).masked_fill((at >= start) & (at < end), mask_value).transpose(axis, -1)


def add_noise(waveform, noise, snr, lengths=None):
    """waveform + noise, the noise scaled so that the ratio of energies is `snr` dB, up to `lengths`.

    Shape: (..., time), (..., time), (...) -> (..., time).
    """
    if waveform.shape != noise.shape:
        raise ValueError(
            f"add_noise: expected noise as large as the waveform, got {tuple(noise.shape)} and {tuple(waveform.shape)}"
        )
    counts, noise_counts = waveform, noise
    if lengths is not None:
        mask = torch.arange(waveform.shape[-1]).expand(waveform.shape) < lengths.unsqueeze(-1)
        counts, noise_counts = waveform * mask, noise * mask
    energy, noise_energy = counts.norm(dim=-1) ** 2, noise_counts.norm(dim=-1) ** 2
    now = 10 * (torch.log10(energy) - torch.log10(noise_energy))
    return waveform + 10 ** ((now - snr) / 20.0).unsqueeze(-1) * noise


def _part(full, x_length: int, y_length: int, mode: str):
    if mode == "full":
        return full
    size = x_length if mode == "same" else max(x_length, y_length) - min(x_length, y_length) + 1
    start = (full.shape[-1] - size) // 2
    return full[..., start : start + size]


def _check_convolution(x, y, mode: str) -> None:
    if mode not in ("full", "valid", "same"):
        raise ValueError(f"convolve: expected mode full, valid or same, got {mode!r}")
    if x.dim() != y.dim() or any(a != b and 1 not in (a, b) for a, b in zip(x.shape[:-1], y.shape[:-1])):
        raise ValueError(f"convolve: leading dimensions that don't go together: {tuple(x.shape)} and {tuple(y.shape)}")


def fftconvolve(x, y, mode: str = "full"):
    """The convolution along the last dimension, by Fourier transforms.

    Args:
        mode: "full"; "valid": where they overlap wholly; "same": as long as x, from the middle.
    """
    _check_convolution(x, y, mode)
    n = x.shape[-1] + y.shape[-1] - 1
    full = torch.fft.irfft(torch.fft.rfft(x, n=n) * torch.fft.rfft(y, n=n), n=n)
    return _part(full, x.shape[-1], y.shape[-1], mode)


def convolve(x, y, mode: str = "full"):
    """`fftconvolve`, directly; better where one of the two is short."""
    _check_convolution(x, y, mode)
    lengths = x.shape[-1], y.shape[-1]
    if x.shape[-1] < y.shape[-1]:
        x, y = y, x
    shape = torch.broadcast_shapes(x.shape[:-1], y.shape[:-1])
    rows = x.expand(*shape, x.shape[-1]).reshape(1, -1, x.shape[-1])
    kernels = y.expand(*shape, y.shape[-1]).reshape(-1, 1, y.shape[-1]).flip(-1)
    full = F.conv1d(rows, kernels, groups=rows.shape[1], padding=y.shape[-1] - 1)
    return _part(full.reshape(*shape, -1), *lengths, mode)


def edit_distance(seq1, seq2) -> int:
    """How many insertions, deletions and replacements make one sequence of the other.

    >>> edit_distance("kitten", "sitting")
    3
    """
    row = list(range(len(seq2) + 1))
    for i, a in enumerate(seq1):
        last, row[0] = row[0], i + 1
        for j, b in enumerate(seq2):
            last, row[j + 1] = row[j + 1], min(row[j] + 1, row[j + 1] + 1, last + (a != b))
    return row[-1]


__getattr__ = _missing.getattr_of(__name__)

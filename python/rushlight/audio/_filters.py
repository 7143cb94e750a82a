"""Recursive filters, and the biquads of R. Bristow-Johnson's cookbook for audio equalisers; sound is (..., time)."""

from __future__ import annotations

import math

import rushlight as torch
from rushlight.nn import functional as F

from .. import _data


class _Recursive(torch.autograd.Function):
    """y[n] = x[n] - sum over k > 0 of a[k] y[n - k]; x (rows, time), a (rows, order + 1).

    Its gradient is the same filter run backwards: with d = filter(dy) from the end, dx = d and da[k] = -sum over n of d[n] y[n - k].
    """

    @staticmethod
    def forward(ctx, x, a):
        y = _data.recursive_filter(x.contiguous(), a.contiguous())
        ctx.save_for_backward(y, a)
        return y

    @staticmethod
    def backward(ctx, dy):
        y, a = ctx.saved_tensors
        dx = _Recursive.apply(dy.flip(-1), a).flip(-1)
        if not ctx.needs_input_grad[1]:
            return dx, None
        order, time = a.shape[-1] - 1, y.shape[-1]
        past = F.pad(y, (order, 0)).unfold(-1, time, 1).flip(-2)  # row k: y delayed by k
        da = -(dx.unsqueeze(-2) * past).sum(-1)
        return dx, da * (torch.arange(order + 1) > 0)


def lfilter(waveform, a_coeffs, b_coeffs, clamp: bool = True, batching: bool = True):
    """The filter sum a[k] y[n - k] = sum b[k] x[n - k], along the last dimension; gradients flow to all three.

    Args:
        a_coeffs, b_coeffs: (order + 1), or (filters, order + 1).
        clamp: cuts the result to [-1, 1].
        batching: with several filters each takes one channel of `waveform` (..., filters, time); else all take all, and the result is
            (..., filters, time).

    >>> lfilter(torch.tensor([1.0, 0, 0, 0]), torch.tensor([1.0, -0.5]), torch.tensor([1.0, 0]))
    tensor([1.0000, 0.5000, 0.2500, 0.1250])
    """
    if a_coeffs.shape != b_coeffs.shape or a_coeffs.dim() not in (1, 2):
        raise ValueError(
            f"lfilter: expected a_coeffs and b_coeffs of one shape, (order + 1) or (filters, order + 1), got {tuple(a_coeffs.shape)} and {tuple(b_coeffs.shape)}"
        )
    if a_coeffs.dim() == 2:
        if not batching:
            waveform = torch.stack([waveform] * a_coeffs.shape[0], -2)
        elif waveform.dim() < 2 or waveform.shape[-2] != a_coeffs.shape[0]:
            raise ValueError(
                f"lfilter: {a_coeffs.shape[0]} filters for a waveform {tuple(waveform.shape)}, expected as many channels"
            )
    else:
        a_coeffs, b_coeffs = a_coeffs[None], b_coeffs[None]
    shape, filters, size = waveform.shape, *a_coeffs.shape
    x = waveform.reshape(-1, filters, shape[-1])
    first = a_coeffs[:, :1]
    a, b = a_coeffs / first, b_coeffs / first
    fir = F.conv1d(F.pad(x, (size - 1, 0)), b.flip(-1)[:, None], groups=filters)
    rows = a.expand(x.shape[0], filters, size).reshape(-1, size)
    y = _Recursive.apply(fir.reshape(-1, shape[-1]), rows).reshape(shape)
    return y.clamp(-1, 1) if clamp else y


def filtfilt(waveform, a_coeffs, b_coeffs, clamp: bool = True):
    """The filter forwards and then backwards, so that no frequency is delayed."""
    forward = lfilter(waveform, a_coeffs, b_coeffs, clamp=False)
    return lfilter(forward.flip(-1), a_coeffs, b_coeffs, clamp=clamp).flip(-1)


def biquad(waveform, b0: float, b1: float, b2: float, a0: float, a1: float, a2: float):
    """The second-order filter of these coefficients, cut to [-1, 1]."""

    def row(*values):
        if any(isinstance(v, torch.Tensor) for v in values):
            return torch.stack([torch.as_tensor(v, dtype=waveform.dtype) for v in values])
        return torch.tensor(values, dtype=waveform.dtype)

    return lfilter(waveform, row(a0, a1, a2), row(b0, b1, b2))


def _angle(sample_rate, frequency, Q):
    """cos(w), sin(w), and the cookbook's alpha, of numbers or tensors."""
    w = 2 * math.pi * torch.as_tensor(frequency, dtype=torch.float64) / sample_rate
    return torch.cos(w), torch.sin(w), torch.sin(w) / 2 / Q


def _amplitude(gain):
    return torch.exp(torch.as_tensor(gain, dtype=torch.float64) / 40 * math.log(10))


def lowpass_biquad(waveform, sample_rate: int, cutoff_freq: float, Q: float = 0.707):
    """Lets pass what is below a frequency."""
    c, _, alpha = _angle(sample_rate, cutoff_freq, Q)
    return biquad(waveform, (1 - c) / 2, 1 - c, (1 - c) / 2, 1 + alpha, -2 * c, 1 - alpha)


def highpass_biquad(waveform, sample_rate: int, cutoff_freq: float, Q: float = 0.707):
    """Lets pass what is above a frequency."""
    c, _, alpha = _angle(sample_rate, cutoff_freq, Q)
    return biquad(waveform, (1 + c) / 2, -1 - c, (1 + c) / 2, 1 + alpha, -2 * c, 1 - alpha)


def allpass_biquad(waveform, sample_rate: int, central_freq: float, Q: float = 0.707):
    """Turns phases, and lets all frequencies pass."""
    c, _, alpha = _angle(sample_rate, central_freq, Q)
    return biquad(waveform, 1 - alpha, -2 * c, 1 + alpha, 1 + alpha, -2 * c, 1 - alpha)


def bandpass_biquad(waveform, sample_rate: int, central_freq: float, Q: float = 0.707, const_skirt_gain: bool = False):
    """Lets pass what is near a frequency; with a gain of Q there if `const_skirt_gain`, else of 1."""
    c, s, alpha = _angle(sample_rate, central_freq, Q)
    b = s / 2 if const_skirt_gain else alpha
    return biquad(waveform, b, 0.0, -b, 1 + alpha, -2 * c, 1 - alpha)


def bandreject_biquad(waveform, sample_rate: int, central_freq: float, Q: float = 0.707):
    """Lets pass all but what is near a frequency."""
    c, _, alpha = _angle(sample_rate, central_freq, Q)
    return biquad(waveform, 1.0, -2 * c, 1.0, 1 + alpha, -2 * c, 1 - alpha)


def equalizer_biquad(waveform, sample_rate: int, center_freq: float, gain: float, Q: float = 0.707):
    """Lifts (or lowers) what is near a frequency by `gain` dB."""
    c, _, alpha = _angle(sample_rate, center_freq, Q)
    A = _amplitude(gain)
    return biquad(waveform, 1 + alpha * A, -2 * c, 1 - alpha * A, 1 + alpha / A, -2 * c, 1 - alpha / A)


def band_biquad(waveform, sample_rate: int, central_freq: float, Q: float = 0.707, noise: bool = False):
    """SoX's `band`: a resonance at a frequency; `noise` is for sound without a pitch."""
    c, _, _ = _angle(sample_rate, central_freq, Q)
    a2 = torch.exp(-2 * math.pi * torch.as_tensor(central_freq, dtype=torch.float64) / Q / sample_rate)
    a1 = -4 * a2 / (1 + a2) * c
    b0 = torch.sqrt(1 - a1 * a1 / (4 * a2)) * (1 - a2)
    if noise:
        b0 = torch.sqrt(((1 + a2) * (1 + a2) - a1 * a1) * (1 - a2) / (1 + a2))
    return biquad(waveform, b0, 0.0, 0.0, 1.0, a1, a2)


def _shelf(waveform, sample_rate, gain, frequency, Q, side):
    """The cookbook's shelves: side is 1 for the low one, -1 for the high one."""
    c, _, alpha = _angle(sample_rate, frequency, Q)
    A = _amplitude(gain)
    c, slope = side * c, 2 * torch.sqrt(A) * alpha
    return biquad(
        waveform,
        A * (A + 1 - (A - 1) * c + slope),
        side * 2 * A * (A - 1 - (A + 1) * c),
        A * (A + 1 - (A - 1) * c - slope),
        A + 1 + (A - 1) * c + slope,
        side * -2 * (A - 1 + (A + 1) * c),
        A + 1 + (A - 1) * c - slope,
    )


def bass_biquad(waveform, sample_rate: int, gain: float, central_freq: float = 100, Q: float = 0.707):
    """Lifts (or lowers) what is below a frequency by `gain` dB."""
    return _shelf(waveform, sample_rate, gain, central_freq, Q, 1)


def treble_biquad(waveform, sample_rate: int, gain: float, central_freq: float = 3000, Q: float = 0.707):
    """Lifts (or lowers) what is above a frequency by `gain` dB."""
    return _shelf(waveform, sample_rate, gain, central_freq, Q, -1)


def gain(waveform, gain_db: float = 1.0):
    """Louder by so many dB."""
    return waveform if gain_db == 0 else waveform * 10 ** (gain_db / 20)


def contrast(waveform, enhancement_amount: float = 75.0):
    """SoX's `contrast`: makes sound louder without making its peaks so; 0 to 100."""
    if not 0 <= enhancement_amount <= 100:
        raise ValueError(f"contrast: expected an amount of 0 to 100, got {enhancement_amount}")
    x = waveform * (math.pi / 2)
    return torch.sin(x + enhancement_amount / 750 * torch.sin(4 * x))


def preemphasis(waveform, coeff: float = 0.97):
    """y[n] = x[n] - coeff x[n - 1]."""
    return torch.cat([waveform[..., :1], waveform[..., 1:] - coeff * waveform[..., :-1]], -1)


def deemphasis(waveform, coeff: float = 0.97):
    """Undoes `preemphasis`, cut to [-1, 1]."""
    return lfilter(
        waveform, torch.tensor([1.0, -coeff], dtype=waveform.dtype), torch.tensor([1.0, 0.0], dtype=waveform.dtype)
    )

"""Window functions, symmetric (``sym=True``, for filters) or periodic (for spectra).

All take the number of points ``M`` >= 0 first, and ``sym``, ``dtype`` (floating), ``layout`` (strided), ``device`` and
``requires_grad`` by name.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from math import pi

import rushlight

from ..types import Number

Tensor = rushlight.Tensor

__all__ = [
    "bartlett", "blackman", "cosine", "exponential", "gaussian", "general_cosine", "general_hamming", "hamming", "hann",
    "kaiser", "nuttall",
]  # fmt: skip


def _window(
    name: str, M: int, f: Callable[[Tensor], Tensor], sym: bool, dtype, layout, device, requires_grad
) -> Tensor:
    """f of the points 0 to 1, in double; a periodic window is a symmetric one of a point more without its last."""
    dtype = rushlight.get_default_dtype() if dtype is None else dtype
    if M < 0:
        raise ValueError(f"{name} requires non-negative window length, got M={M}")
    if layout not in (None, rushlight.strided):
        raise ValueError(f"{name} is implemented for strided tensors only, got: {layout}")
    if dtype not in (rushlight.float32, rushlight.float64):
        raise ValueError(f"{name} expects float32 or float64 dtypes, got: {dtype}")
    if M <= 1:
        return rushlight.ones(M, dtype=dtype, device=device, requires_grad=requires_grad)
    with rushlight.no_grad():
        at = rushlight.arange(M, dtype=rushlight.float64, device=device) / (M - 1 if sym else M)
        w = f(at).to(dtype)
    return w.requires_grad_(requires_grad)


def exponential(
    M: int, *, center: float | None = None, tau: float = 1.0, sym: bool = True, dtype=None, layout=None, device=None,
    requires_grad: bool = False,
) -> Tensor:  # fmt: skip
    """``exp(-|n - center| / tau)``; the centre is the middle unless it is said, which only periodic windows allow.

    >>> exponential(3)
    tensor([0.3679, 1.0000, 0.3679])
    """
    if tau <= 0:
        raise ValueError(f"Tau must be positive, got: {tau} instead.")
    if sym and center is not None:
        raise ValueError("Center must be None for symmetric windows")
    steps = M - 1 if sym else M
    middle = steps / 2 if center is None else center
    return _window(
        "exponential",
        M,
        lambda at: (-(at * steps - middle).abs() / tau).exp(),
        sym,
        dtype,
        layout,
        device,
        requires_grad,
    )


def cosine(M: int, *, sym: bool = True, dtype=None, layout=None, device=None, requires_grad: bool = False) -> Tensor:
    """Half a sine wave, taken in the middle of each point.

    >>> cosine(3)
    tensor([0.5000, 1.0000, 0.5000])
    """
    steps = M - 1 if sym else M
    return _window(
        "cosine",
        M,
        lambda at: ((at * steps + 0.5) * (pi / (steps + 1))).sin(),
        sym,
        dtype,
        layout,
        device,
        requires_grad,
    )


def gaussian(
    M: int, *, std: float = 1.0, sym: bool = True, dtype=None, layout=None, device=None, requires_grad: bool = False
) -> Tensor:
    """``exp(-(n - middle)^2 / (2 std^2))``.

    >>> gaussian(3)
    tensor([0.6065, 1.0000, 0.6065])
    """
    if std <= 0:
        raise ValueError(f"Standard deviation must be positive, got: {std} instead.")
    steps = M - 1 if sym else M
    return _window(
        "gaussian",
        M,
        lambda at: (-(((at - 0.5) * steps / std) ** 2) / 2).exp(),
        sym,
        dtype,
        layout,
        device,
        requires_grad,
    )


def kaiser(
    M: int, *, beta: float = 12.0, sym: bool = True, dtype=None, layout=None, device=None, requires_grad: bool = False
) -> Tensor:
    """The Bessel function i0 over half a circle.

    >>> kaiser(3, beta=0.0)
    tensor([1., 1., 1.])
    """
    if beta < 0:
        raise ValueError(f"beta must be non-negative, got: {beta} instead.")

    def f(at: Tensor) -> Tensor:
        top = rushlight.tensor(float(beta), dtype=rushlight.float64, device=device)
        return rushlight.i0(beta * (1 - (2 * at - 1) ** 2).sqrt()) / rushlight.i0(top)

    return _window("kaiser", M, f, sym, dtype, layout, device, requires_grad)


def general_cosine(
    M: int, *, a: Iterable[Number], sym: bool = True, dtype=None, layout=None, device=None, requires_grad: bool = False
) -> Tensor:
    """``a[0] - a[1] cos(x) + a[2] cos(2 x) - ...``, x going once round.

    >>> general_cosine(3, a=[0.5, 0.5])
    tensor([0., 1., 0.])
    """
    if not isinstance(a, Iterable):
        raise TypeError("Coefficients must be a list/tuple")
    if not (a := list(a)):
        raise ValueError("Coefficients cannot be empty")

    def f(at: Tensor) -> Tensor:
        return sum(((-1) ** k * v * (2 * pi * k * at).cos() for k, v in enumerate(a)), start=0 * at)

    return _window("general_cosine", M, f, sym, dtype, layout, device, requires_grad)


def general_hamming(M: int, *, alpha: float = 0.54, **options) -> Tensor:
    """``alpha - (1 - alpha) cos(x)``.

    >>> general_hamming(3, alpha=0.5)
    tensor([0., 1., 0.])
    """
    return general_cosine(M, a=[alpha, 1.0 - alpha], **options)


def hamming(M: int, **options) -> Tensor:
    """general_hamming with alpha = 0.54.

    >>> hamming(3)
    tensor([0.0800, 1.0000, 0.0800])
    """
    return general_hamming(M, **options)


def hann(M: int, **options) -> Tensor:
    """general_hamming with alpha = 0.5: 0 at the ends.

    >>> hann(3)
    tensor([0., 1., 0.])
    """
    return general_hamming(M, alpha=0.5, **options)


def blackman(M: int, **options) -> Tensor:
    """``0.42 - 0.5 cos(x) + 0.08 cos(2 x)``.

    >>> blackman(3).round(decimals=4).abs()
    tensor([0., 1., 0.])
    """
    return general_cosine(M, a=[0.42, 0.5, 0.08], **options)


def nuttall(M: int, **options) -> Tensor:
    """Four terms of a cosine, for small side lobes.

    >>> nuttall(3)
    tensor([3.6280e-04, 1.0000e+00, 3.6280e-04])
    """
    return general_cosine(M, a=[0.3635819, 0.4891775, 0.1365995, 0.0106411], **options)


def bartlett(M: int, *, sym: bool = True, dtype=None, layout=None, device=None, requires_grad: bool = False) -> Tensor:
    """A triangle.

    >>> bartlett(3)
    tensor([0., 1., 0.])
    """
    return _window("bartlett", M, lambda at: 1 - (2 * at - 1).abs(), sym, dtype, layout, device, requires_grad)

"""assert_close and assert_allclose."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence

import rushlight as torch

__all__ = ["assert_allclose", "assert_close"]

# Relative and absolute tolerance by dtype, as PyTorch has them; everything else must be equal.
_TOLERANCES = {
    torch.float16: (1e-3, 1e-5),
    torch.bfloat16: (1.6e-2, 1e-5),
    torch.float32: (1.3e-6, 1e-5),
    torch.float64: (1e-7, 1e-7),
    torch.complex64: (1.3e-6, 1e-5),
    torch.complex128: (1e-7, 1e-7),
}


def assert_close(
    actual,
    expected,
    *,
    allow_subclasses: bool = True,
    rtol: float | None = None,
    atol: float | None = None,
    equal_nan: bool = False,
    check_device: bool = True,
    check_dtype: bool = True,
    check_layout: bool = True,
    check_stride: bool = False,
    msg=None,
) -> None:
    """Raises AssertionError unless the two are close: tensors, numbers, or sequences and mappings of them."""
    if (rtol is None) != (atol is None):
        raise ValueError(
            f"Both 'rtol' and 'atol' must be either specified or unspecified, but got rtol={rtol} and atol={atol}."
        )

    def fail(text: str, where: str):
        text += f"\n\nThe failure occurred for item {where}" if where else ""
        raise AssertionError((msg(text) if callable(msg) else msg) if msg else text)

    def compare(a, b, where: str) -> None:
        if isinstance(a, Mapping) and isinstance(b, Mapping):
            if set(a) != set(b):
                fail(
                    f"The keys of the mappings do not match:\nMissing keys in the actual mapping: {sorted(set(b) - set(a))}",
                    where,
                )
            for key in a:
                compare(a[key], b[key], f"{where}[{key!r}]")
            return
        if isinstance(a, Sequence) and isinstance(b, Sequence) and not isinstance(a, str):
            if len(a) != len(b):
                fail(f"The length of the sequences mismatch: {len(a)} != {len(b)}", where)
            for i, (x, y) in enumerate(zip(a, b, strict=True)):
                compare(x, y, f"{where}[{i}]")
            return
        scalar = not isinstance(a, torch.Tensor) and not isinstance(b, torch.Tensor)
        if a is None and b is None:
            return
        a = a.detach() if isinstance(a, torch.Tensor) else torch.as_tensor(a)
        b = b.detach() if isinstance(b, torch.Tensor) else torch.as_tensor(b)
        kind = "Scalars" if scalar else "Tensor-likes"
        for checked, name, x, y in (
            (True, "shape", a.shape, b.shape),
            (check_device, "device", a.device, b.device),
            (check_dtype and not scalar, "dtype", a.dtype, b.dtype),
            (check_stride, "stride()", a.stride(), b.stride()),
        ):
            if checked and x != y:
                fail(f"The values for attribute '{name}' do not match: {x} != {y}.", where)
        if a.dtype is not b.dtype:
            a, b = (t.to(torch.promote_types(a.dtype, b.dtype)) for t in (a, b))
        relative, absolute = _TOLERANCES.get(a.dtype, (0.0, 0.0)) if rtol is None else (rtol, atol)
        close = torch.isclose(a, b, rtol=relative, atol=absolute, equal_nan=equal_nan)
        if bool(close.all()):
            return
        if not close.dim():
            fail(
                f"{kind} are not {'close' if relative or absolute else 'equal'}!\n\nExpected {b.item()} but got {a.item()}.",
                where,
            )
        wrong = int((~close).sum())
        wide = torch.complex128 if a.dtype.is_complex else torch.float64
        apart = (a.to(wide) - b.to(wide)).abs()
        worst = apart.masked_fill(close, 0)
        index = [int(i) for i in (worst == worst.max()).nonzero()[0]] if bool(worst.isfinite().all()) else None
        text = f"{kind} are not {'close' if relative or absolute else 'equal'}!\n\n"
        text += f"Mismatched elements: {wrong} / {a.numel()} ({100 * wrong / a.numel():.1f}%)"
        if index is not None:
            difference, size = float(worst[tuple(index)]), float(b[tuple(index)].to(wide).abs())
            text += f"\nGreatest absolute difference: {difference} at index {tuple(index)} (up to {absolute} allowed)"
            text += (
                f"\nRelative difference there: {difference / size if size else float('inf')} (up to {relative} allowed)"
            )
        fail(text, where)

    compare(actual, expected, "")


def assert_allclose(
    actual, expected, rtol: float | None = None, atol: float | None = None, equal_nan: bool = True, msg: str = ""
) -> None:
    """The older assert_close: dtypes may differ, and NaNs are equal."""
    warnings.warn(
        "`torch.testing.assert_allclose()` is deprecated since 1.12 and will be removed in a future release. "
        "Please use `torch.testing.assert_close()` instead.",
        FutureWarning,
        stacklevel=2,
    )
    actual, expected = (v if isinstance(v, torch.Tensor) else torch.tensor(v) for v in (actual, expected))
    if rtol is None and atol is None:
        kinds = [_OLD_TOLERANCES.get(v.dtype, (0.0, 0.0)) for v in (actual, expected)]
        rtol, atol = (max(pair) for pair in zip(*kinds, strict=True))
    assert_close(
        actual,
        expected,
        rtol=rtol,
        atol=atol,
        equal_nan=equal_nan,
        check_device=True,
        check_dtype=False,
        msg=msg or None,
    )


_OLD_TOLERANCES = {
    torch.float16: (1e-3, 1e-3),
    torch.float32: (1e-4, 1e-5),
    torch.float64: (1e-5, 1e-8),
}

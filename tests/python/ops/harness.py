"""Operator cases, a line each, compared with PyTorch.

    op("sum", [
        case(f32(3, 4), dim=1),
        case(f32(0, 3), dim=0),                                   # empty
        raises(IndexError, f32(3), dim=2, match="Dimension out of range"),
    ])

Each case checks the value, dtype and shape; the same with every input strided; for floating results the gradient of every
floating input in float64, and the gradient of that (grad=False or grad=1 leave both or the second out); on the meta device
shapes, dtypes and strides, or with meta=False, for results that depend on values, that it raises (None: not looked at). A dotted name
("nn.functional.softmax") is a path below the module; a name that only tensors have is called as a method.
"""

from __future__ import annotations

import importlib
import os
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import rushlight

# "far": on the device that tests/device adds too.
DEVICE = os.environ.get("RUSHLIGHT_TEST_DEVICE")
if DEVICE:
    sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "device"))
    importlib.import_module("far").start()


@dataclass
class Data:
    """A tensor to be: the same numbers for both modules."""

    array: np.ndarray
    dtype: str

    def make(self, module: Any, dtype: str | None = None, strided: bool = False, device: str = "cpu") -> Any:
        if device != "cpu":
            return self.make(module, dtype, strided).to(device)
        array = self.array
        if strided and array.ndim:  # every second element of a larger one, dimensions swapped in memory
            room = np.zeros([2 * n for n in array.T.shape], array.dtype).T
            room[tuple(slice(None, None, 2) for _ in array.shape)] = array
            t = module.tensor(np.ascontiguousarray(room.T)).to(getattr(module, dtype or self.dtype))
            t = t.permute(*reversed(range(array.ndim)))
            return t[tuple(slice(None, None, 2) for _ in array.shape)]
        return module.tensor(array).to(getattr(module, dtype or self.dtype))

    @property
    def floating(self) -> bool:
        return self.dtype.startswith(("float", "bfloat", "complex"))


_made = 0


def _random(shape: tuple[int, ...]) -> np.random.Generator:
    global _made
    _made += 1
    return np.random.default_rng([_made, *shape])


def f32(*shape: int, low: float = -2.0, high: float = 2.0) -> Data:
    return Data(_random(shape).uniform(low, high, shape).astype("float32"), "float32")


def f64(*shape: int, **limits: float) -> Data:
    return Data(f32(*shape, **limits).array.astype("float64"), "float64")


def f16(*shape: int, **limits: float) -> Data:
    return Data(f32(*shape, **limits).array, "float16")


def bf16(*shape: int, **limits: float) -> Data:
    return Data(f32(*shape, **limits).array, "bfloat16")


def c64(*shape: int) -> Data:
    return Data((f32(*shape).array + 1j * f32(*shape).array).astype("complex64"), "complex64")


def i64(*shape: int, low: int = -9, high: int = 9) -> Data:
    return Data(_random(shape).integers(low, high, shape), "int64")


def i32(*shape: int, low: int = -9, high: int = 9) -> Data:
    return Data(i64(*shape, low=low, high=high).array.astype("int32"), "int32")


def u8(*shape: int) -> Data:
    return Data(i64(*shape, low=0, high=200).array.astype("uint8"), "uint8")


def flags(*shape: int) -> Data:
    return Data(i64(*shape, low=0, high=2).array.astype("bool"), "bool")


def full(shape: int | tuple[int, ...], value: float) -> Data:
    return Data(np.full(shape, value, "float32"), "float32")


def inf(*shape: int) -> Data:
    return full(shape, np.inf)


def nan(*shape: int) -> Data:
    return full(shape, np.nan)


def given(values: Any, dtype: str | None = None) -> Data:
    """The numbers themselves."""
    array = np.array(values, dtype="float32" if np.array(values).dtype == "float64" else None)
    return Data(array, dtype or str(array.dtype))


@dataclass
class Case:
    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    grad: int | bool = 2
    strided: bool = True
    tolerance: float | None = None
    meta: bool | None = True
    error: type[Exception] | None = None
    match: str = ""
    line: int = field(default=0)


def case(
    *args: Any,
    grad: int | bool = 2,
    strided: bool = True,
    tolerance: float | None = None,
    meta: bool | None = True,
    **kwargs: Any,
) -> Case:
    return Case(args, kwargs, grad, strided, tolerance, meta, line=sys._getframe(1).f_lineno)


def raises(error: type[Exception], *args: Any, match: str = "", **kwargs: Any) -> Case:
    return Case(args, kwargs, error=error, match=match, line=sys._getframe(1).f_lineno)


def _build(value: Any, module: Any, **options: Any) -> Any:
    if isinstance(value, Data):
        return value.make(module, **options)
    if isinstance(value, (list, tuple)):
        return type(value)(_build(v, module, **options) for v in value)
    if isinstance(value, torch.dtype):
        return getattr(module, str(value).removeprefix("torch."))
    return value


def _call(name: str, module: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    target = module
    for part in name.split("."):
        if not hasattr(target, part):
            return getattr(args[0], name)(*args[1:], **kwargs)
        target = getattr(target, part)
    return target(*args, **kwargs)


def _tensors(value: Any) -> list[Any]:
    if isinstance(value, (list, tuple)):
        return [t for v in value for t in _tensors(v)]
    return [value] if hasattr(value, "dtype") else []


def _to_torch(t: Any) -> torch.Tensor:
    if isinstance(t, torch.Tensor):
        return t.detach()
    t = t.detach()
    if t.dtype == rushlight.bfloat16:
        return torch.tensor(t.float().numpy()).bfloat16()
    return torch.tensor(t.numpy())


def _compare(got: Any, want: Any, tolerance: float | None, what: str) -> None:
    mine, theirs = _tensors(got), _tensors(want)
    assert len(mine) == len(theirs), what
    if not theirs:
        assert got == want, what
    for g, w in zip(mine, theirs, strict=True):
        assert str(g.dtype).split(".")[-1] == str(w.dtype).split(".")[-1], what
        assert tuple(g.shape) == tuple(w.shape), what
        options = {} if tolerance is None else {"rtol": tolerance, "atol": tolerance}
        torch.testing.assert_close(_to_torch(g), w.detach(), equal_nan=True, msg=lambda m: f"{what}: {m}", **options)


def _gradients(name: str, module: Any, c: Case, order: int) -> list[Any]:
    """First gradients of all floating inputs, then those of a weighted sum of them."""
    wide = {"float32": "float64", "complex64": "complex128"}

    def build(value: Any) -> Any:
        if isinstance(value, Data):
            t = value.make(module, dtype=wide.get(value.dtype))
            return t.requires_grad_() if value.floating else t
        if isinstance(value, (list, tuple)):
            return type(value)(build(v) for v in value)
        return _build(value, module)

    args = tuple(build(a) for a in c.args)
    kwargs = {k: build(v) for k, v in c.kwargs.items()}
    inputs = [t for t in _tensors(list(args) + list(kwargs.values())) if t.requires_grad]

    def weighted(tensors: list[Any]) -> Any:
        total = None
        for i, t in enumerate(tensors):
            if t is None or not t.requires_grad:
                continue
            weight = module.linspace(0.5, 1.5 + i, max(t.numel(), 1), dtype=module.float64)[: t.numel()].reshape(
                t.shape
            )
            part = ((module.view_as_real(t.resolve_conj()).sum(-1) if t.is_complex() else t) * weight).sum()
            total = part if total is None else total + part
        return total

    total = weighted(_tensors(_call(name, module, args, kwargs)))
    if total is None or not inputs:
        return []
    first = module.autograd.grad(total, inputs, create_graph=order > 1, allow_unused=True)
    found = list(first)
    if order > 1:
        again = weighted([None if g is None else g * g for g in first])
        if again is not None:
            found += module.autograd.grad(again, inputs, allow_unused=True)
    return found


def _check_meta(name: str, c: Case, run: Any, cpu: Any) -> None:
    """The same without data: shapes, dtypes and strides of the results on the CPU."""
    if c.meta is None or not _tensors(list(c.args) + list(c.kwargs.values())):
        return
    if not c.meta:
        with pytest.raises((NotImplementedError, RuntimeError), match="meta"):
            run(rushlight, device="meta")
        return
    found, known = _tensors(run(rushlight, device="meta")), _tensors(cpu)
    assert len(found) == len(known), f"{name}: meta"
    for f, k in zip(found, known, strict=True):
        assert f.device.type == "meta", f"{name}: a result on {f.device} for arguments on meta"
        strides = [t.stride() if t.numel() else () for t in (f, k)]
        assert (f.shape, f.dtype, strides[0]) == (k.shape, k.dtype, strides[1]), f"{name}: meta"


def _check_device(name: str, run: Any, cpu: Any) -> None:
    """The same on the device that tests/device adds: values of the CPU, to the bit."""
    found, known = _tensors(run(rushlight, device=DEVICE)), _tensors(cpu)
    assert len(found) == len(known), f"{name}: {DEVICE}"
    for f, k in zip(found, known, strict=True):
        assert (f.shape, f.dtype) == (k.shape, k.dtype), f"{name}: {DEVICE}"
        rushlight.testing.assert_close(f.cpu(), k, rtol=0, atol=0, equal_nan=True, msg=f"{name}: {DEVICE}")


def check(name: str, c: Case) -> None:
    if c.error:
        with pytest.raises(c.error, match=c.match or None):
            _call(name, rushlight, _build(c.args, rushlight), {k: _build(v, rushlight) for k, v in c.kwargs.items()})
        return

    def run(module: Any, **options: Any) -> Any:
        return _call(
            name,
            module,
            _build(c.args, module, **options),
            {k: _build(v, module, **options) for k, v in c.kwargs.items()},
        )

    want, got = run(torch), run(rushlight)
    _compare(got, want, c.tolerance, f"{name}: value")
    if DEVICE:
        _check_device(name, run, got)
    _check_meta(name, c, run, got)
    if c.strided:
        _compare(run(rushlight, strided=True), want, c.tolerance, f"{name}: strided")
    if c.grad:
        theirs, mine = _gradients(name, torch, c, int(c.grad)), _gradients(name, rushlight, c, int(c.grad))
        assert len(theirs) == len(mine)
        for w, g in zip(theirs, mine, strict=True):
            if w is None or g is None:  # PyTorch says None or zeros, as it happens
                rest = g if w is None else w
                assert rest is None or float(rest.abs().sum()) == 0, f"{name}: gradient"
            else:
                _compare(g, w, c.tolerance or 1e-6, f"{name}: gradient")


def op(name: str, cases: list[Case]) -> None:
    """Defines the test of an operator in the calling file."""

    @pytest.mark.parametrize("c", [pytest.param(c, id=f"line{c.line}") for c in cases])
    def test(c: Case) -> None:
        check(name, c)

    where = sys._getframe(1).f_globals
    key = "test_" + name.replace(".", "_")
    assert key not in where, f"two lists of cases for {name}"
    where[key] = test

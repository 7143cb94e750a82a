"""Compares gradients with finite differences."""

from __future__ import annotations

import itertools
from typing import Any

import rushlight

from .._C import Tensor

__all__ = ["GradcheckError", "gradcheck", "gradgradcheck"]


class GradcheckError(RuntimeError):
    """A gradient that differs from the finite difference."""


def _tensors(values: Any) -> tuple[Tensor, ...]:
    values = values if isinstance(values, (tuple, list)) else (values,)
    return tuple(v for v in values if isinstance(v, Tensor))


def _differentiable(outputs: Any) -> list[Tensor]:
    return [o for o in _tensors(outputs) if o.requires_grad]


def _parts(t: Tensor) -> list[complex]:
    """The directions in which an element may move."""
    return [1, 1j] if t.is_complex() else [1]


def _numerical(func: Any, inputs: tuple, which: Tensor, eps: float) -> list[Tensor]:
    """Per output the derivatives by ``which``: one row per element and direction, complex where the output is."""
    rows: list[list[Tensor]] = []
    values = which.data  # moved in place, for functions that know the input without being given it
    for place in itertools.product(*map(range, which.shape)):
        before = values[place].clone()
        for part in _parts(which):
            ends = []
            try:
                for sign in (1, -1):
                    values[place] = before + sign * eps * part
                    with rushlight.enable_grad():
                        ends.append([o.detach().clone() for o in _differentiable(func(*inputs))])
            finally:
                values[place] = before
            rows.append([(a - b) / (2 * eps) for a, b in zip(*ends, strict=True)])
    return [rushlight.stack([r[k].reshape(-1) for r in rows]) for k in range(len(rows[0]))] if rows else []


def _analytical(output: Tensor, which: Tensor) -> Tensor:
    """The same table from backward: what the finite differences ought to be."""
    columns = []
    weight = rushlight.zeros(output.shape, dtype=output.dtype, device=output.device)
    for j in range(output.numel()):
        parts = []
        for part in _parts(output):
            weight.zero_()
            weight.view(-1)[j] = part
            (g,) = rushlight.autograd.grad(output, which, weight, retain_graph=True, allow_unused=True)
            g = rushlight.zeros_like(which) if g is None else g
            g = rushlight.view_as_real(g.contiguous()) if g.is_complex() else g
            parts.append(g.reshape(-1).detach().clone())
        # PyTorch's convention: the weight's real part gives the derivative of the output's real part.
        columns.append(rushlight.complex(parts[0], parts[1]) if len(parts) == 2 else parts[0])
    return rushlight.stack(columns, 1)


def gradcheck(
    func: Any,
    inputs: Any,
    *,
    eps: float = 1e-6,
    atol: float = 1e-5,
    rtol: float = 1e-3,
    raise_exception: bool = True,
    nondet_tol: float = 0.0,
    check_undefined_grad: bool = True,
    check_grad_dtypes: bool = False,
    check_batched_grad: bool = False,
    check_batched_forward_grad: bool = False,
    check_forward_ad: bool = False,
    check_backward_ad: bool = True,
    fast_mode: bool = False,
    masked: bool | None = None,
) -> bool:
    """True if the gradients of ``func`` agree with finite differences; inputs should be of double precision.

    Args:
        eps: how far an element is moved.
        atol, rtol: how far the two may differ.
        raise_exception: raise GradcheckError instead of returning False.
    """
    inputs = inputs if isinstance(inputs, tuple) else tuple(inputs) if isinstance(inputs, list) else (inputs,)
    leaves = [t for t in _tensors(inputs) if t.requires_grad]
    if not leaves:
        raise ValueError(
            "gradcheck expects at least one input tensor to require gradient, but none of the them have requires_grad=True."
        )
    try:
        outputs = _differentiable(func(*inputs))
        for n, which in enumerate(leaves):
            for k, numerical in enumerate(_numerical(func, inputs, which, eps)):
                analytical = _analytical(outputs[k], which)
                if not bool(((analytical - numerical).abs() <= atol + rtol * numerical.abs()).all()):
                    raise GradcheckError(
                        f"Jacobian mismatch for output {k} with respect to input {n},\nnumerical:{numerical}\nanalytical:{analytical}\n"
                    )
    except GradcheckError:
        if raise_exception:
            raise
        return False
    return True


def gradgradcheck(
    func: Any,
    inputs: Any,
    grad_outputs: Any = None,
    *,
    eps: float = 1e-6,
    atol: float = 1e-5,
    rtol: float = 1e-3,
    gen_non_contig_grad_outputs: bool = False,
    raise_exception: bool = True,
    nondet_tol: float = 0.0,
    check_undefined_grad: bool = True,
    check_grad_dtypes: bool = False,
    check_batched_grad: bool = False,
    check_fwd_over_rev: bool = False,
    check_rev_over_rev: bool = True,
    fast_mode: bool = False,
    masked: bool = False,
) -> bool:
    """gradcheck of the gradients of ``func``."""
    inputs = inputs if isinstance(inputs, tuple) else tuple(inputs) if isinstance(inputs, list) else (inputs,)
    if grad_outputs is None:
        weights = tuple(rushlight.randn_like(o).requires_grad_() for o in _differentiable(func(*inputs)))
    else:
        weights = _tensors(grad_outputs)
    count = len(inputs)

    def gradients(*args: Any) -> tuple:
        given, grads = args[:count], args[count:]
        leaves = [t for t in given if isinstance(t, Tensor) and t.requires_grad]
        out = rushlight.autograd.grad(
            _differentiable(func(*given)), leaves, grads, create_graph=True, allow_unused=True
        )
        return tuple(g for g in out if g is not None)

    return gradcheck(gradients, inputs + weights, eps=eps, atol=atol, rtol=rtol, raise_exception=raise_exception)

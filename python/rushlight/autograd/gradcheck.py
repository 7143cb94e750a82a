"""Compares gradients with finite differences."""

from __future__ import annotations

import itertools
import warnings
from typing import Any

import rushlight

from .._C import Tensor
from . import forward_ad
from .function import Function

__all__ = ["GradcheckError", "get_analytical_jacobian", "get_numerical_jacobian", "gradcheck", "gradgradcheck"]


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


def _is_sparse(t: Tensor) -> bool:
    return t.layout is not rushlight.strided


def _values_of(t: Tensor) -> Tensor:
    """The elements that may be moved, over the tensor's own memory: of a sparse one those that it has."""
    if t.layout is rushlight.sparse_coo:
        return t.data._values().data
    return t.data.values().data if _is_sparse(t) else t.data


def _numbers_of(gradient: Tensor | None, which: Tensor) -> Tensor:
    """A gradient at the elements of _values_of, in their order."""
    values = _values_of(which)
    if gradient is None:
        return rushlight.zeros_like(values)
    if not _is_sparse(which):
        return gradient.to_dense() if _is_sparse(gradient) else gradient
    dense = gradient.to_dense() if _is_sparse(gradient) else gradient
    if which.layout is rushlight.sparse_coo:
        return dense[tuple(which.data._indices())]
    by_rows = which.layout in (rushlight.sparse_csr, rushlight.sparse_bsr)
    begins, plain = (
        (which.crow_indices(), which.col_indices()) if by_rows else (which.ccol_indices(), which.row_indices())
    )
    if which.layout in (rushlight.sparse_bsr, rushlight.sparse_bsc):
        height, width = values.shape[1:3]
        dense = dense.unflatten(1, (-1, width)).unflatten(0, (-1, height)).transpose(1, 2)  # by blocks
    line = rushlight.arange(len(begins) - 1).repeat_interleave(begins.diff())
    return dense[(line, plain) if by_rows else (plain, line)]


def _numerical(func: Any, inputs: tuple, which: Tensor, eps: float, chosen: Any = _differentiable) -> list[Tensor]:
    """Per output the derivatives by ``which``: one row per element and direction, complex where the output is."""
    rows: list[list[Tensor]] = []
    values = _values_of(which)  # moved in place, for functions that know the input without being given it
    for place in itertools.product(*map(range, values.shape)):
        before = values[place].clone()
        for part in _parts(which):
            ends = []
            try:
                for sign in (1, -1):
                    values[place] = before + sign * eps * part
                    with rushlight.enable_grad():
                        ends.append([o.detach().clone() for o in chosen(func(*inputs))])
            finally:
                values[place] = before
            for high, low in zip(*ends, strict=True):
                for what, a, b in (("shape", high.shape, low.shape), ("dtype", high.dtype, low.dtype)):
                    if a != b:
                        raise AssertionError(
                            f"Expected `func` to return outputs with the same {what} when inputs are perturbed on index "
                            f"{place} by {eps}, but got {a} and {b}"
                        )
            rows.append([(high - low) / (2 * eps) for high, low in zip(*ends, strict=True)])
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
            g = _numbers_of(g, which)
            g = rushlight.view_as_real(g.contiguous()) if g.is_complex() else g
            parts.append(g.reshape(-1).detach().clone())
        # PyTorch's convention: the weight's real part gives the derivative of the output's real part.
        columns.append(rushlight.complex(parts[0], parts[1]) if len(parts) == 2 else parts[0])
    return (
        rushlight.stack(columns, 1)
        if columns
        else weight.new_zeros((_values_of(which).numel() * len(_parts(which)), 0))
    )


def _get_numerical_jacobian(fn: Any, inputs: Any, outputs: Any = None, target: Any = None, eps: float = 1e-3) -> list:
    """For each input that requires a gradient, or is a target, the tables of all outputs by finite differences."""
    given = inputs if isinstance(inputs, tuple) else (inputs,)
    wanted = _tensors(given if target is None else target)
    return [_numerical(fn, given, t, eps, _tensors) for t in wanted if target is not None or t.requires_grad]


def get_numerical_jacobian(
    fn: Any, inputs: Any, target: Any = None, eps: float = 1e-3, grad_out: float = 1.0
) -> tuple[Tensor, ...]:
    """Deprecated. The table of ``fn``'s first output, for each input: ``fn`` gets the inputs as one argument.

    >>> x = torch.tensor([1.0, 2.0], dtype=torch.float64, requires_grad=True)
    >>> get_numerical_jacobian(lambda given: given[0] ** 2, (x,))[0].round(decimals=4)
    tensor([[2., 0.],
            [0., 4.]], dtype=torch.float64)
    """
    _said_once(get_numerical_jacobian, grad_out)
    return tuple(of[0] for of in _get_numerical_jacobian(lambda *given: fn(given), inputs, None, target, eps))


def get_analytical_jacobian(
    inputs: Any, output: Tensor, nondet_tol: float = 0.0, grad_out: float = 1.0
) -> tuple[tuple[Tensor, ...], bool, bool, bool]:
    """Deprecated. The tables of an output from backward, for each input; whether backward gives the same again; whether its sizes and its
    dtypes are the inputs'."""
    _said_once(get_analytical_jacobian, grad_out)
    leaves = [t for t in _tensors(inputs) if t.requires_grad]
    first, again = ([_analytical(output, t) for t in leaves] for _ in range(2))
    given = rushlight.autograd.grad(output, leaves, rushlight.ones_like(output), retain_graph=True, allow_unused=True)
    found = [(g, t) for g, t in zip(given, leaves, strict=True) if g is not None]
    return (
        tuple(first),
        all(bool(((a - b).abs() <= nondet_tol).all()) for a, b in zip(first, again, strict=True)),
        all(g.shape == t.shape for g, t in found),
        all(g.dtype == t.dtype for g, t in found),
    )


def _said_once(function: Any, grad_out: float) -> None:
    warnings.warn(
        f"`{function.__name__}` was part of PyTorch's private API and not meant to be exposed; torch.autograd.gradcheck compares",
        FutureWarning,
        stacklevel=3,
    )
    if grad_out != 1.0:
        raise ValueError("Expected grad_out to be 1.0; multiply the table by another")


def _forward(func: Any, inputs: tuple, which: Tensor) -> list[Tensor]:
    """The same tables from forward mode, a row an element and direction."""
    rows = []
    for j in range(which.numel()):
        for part in _parts(which):
            tangent = rushlight.zeros_like(which, memory_format=rushlight.contiguous_format)
            tangent.view(-1)[j] = part
            with forward_ad.dual_level():
                # All that are differentiated are duals, as a function may want their tangents.
                given = [
                    forward_ad.make_dual(t.detach(), tangent if t is which else rushlight.zeros_like(t))
                    if isinstance(t, Tensor) and t.requires_grad
                    else t.detach()
                    if isinstance(t, Tensor)
                    else t
                    for t in inputs
                ]
                found = []
                for o in _tensors(func(*given)):
                    if not (o.is_floating_point() or o.is_complex()):
                        continue
                    primal, t = forward_ad.unpack_dual(o)
                    found.append((rushlight.zeros_like(primal) if t is None else t).reshape(-1).detach())
            rows.append(found)
    return [rushlight.stack(list(column)) for column in zip(*rows, strict=True)] if rows else []


def _validate(inputs: tuple) -> list[tuple[int, Tensor]]:
    """The inputs that gradients are taken of, with their places."""
    leaves = []
    for i, t in enumerate(inputs):
        if not isinstance(t, Tensor) or not t.requires_grad:
            continue
        if t.dtype not in (rushlight.float64, rushlight.complex128):
            warnings.warn(
                f"Input #{i} requires gradient and is not a double precision floating point or complex. This check will likely fail if "
                "all the inputs are not of double precision floating point or complex. ",
                UserWarning,
                stacklevel=3,
            )
        if not _is_sparse(t) and any(step == 0 and size > 1 for step, size in zip(t.stride(), t.shape, strict=True)):
            raise RuntimeError(
                f"The {i}th input has a dimension with stride 0. gradcheck only supports inputs that are non-overlapping to be able to "
                "compute the numerical gradients correctly. You should call .contiguous on the input before passing it to gradcheck."
            )
        leaves.append((i, t))
    if not leaves:
        raise ValueError(
            "gradcheck expects at least one input tensor to require gradient, but none of the them have requires_grad=True."
        )
    return leaves


def _compare(kind: str, found: Tensor, numerical: Tensor, places: tuple[int, int], atol: float, rtol: float) -> None:
    def close(a: Tensor, b: Tensor) -> bool:
        return bool(((a - b).abs() <= atol + rtol * b.abs()).all())

    if close(found, numerical):
        return
    note = ""
    if numerical.is_complex() and close(found.real, numerical.real):
        note = "While considering the imaginary part of complex outputs only, "
    elif numerical.is_complex():
        note = "While considering the real part of complex outputs only, "
        if not close(found.imag, numerical.imag):
            note = "While considering the imaginary part of complex outputs only, "
    raise GradcheckError(
        f"{note}{'Jacobian computed with forward mode mismatch' if kind == 'forward' else 'Jacobian mismatch'} for output {places[0]} "
        f"with respect to input {places[1]},\nnumerical:{numerical}\n{'forward' if kind == 'forward' else 'analytical'}:{found}\n"
    )


def _check_backward(outputs: list[Tensor], leaves: list[tuple[int, Tensor]], nondet_tol: float) -> None:
    """That backward is linear in the weights, and gives the same each time, in the inputs' layouts."""
    inputs = [t for _, t in leaves]
    zeros = [rushlight.zeros_like(o) for o in outputs]
    for (i, t), g in zip(
        leaves, rushlight.autograd.grad(outputs, inputs, zeros, retain_graph=True, allow_unused=True), strict=True
    ):
        if g is None:
            continue
        if g.layout is not t.layout and not (_is_sparse(t) and not _is_sparse(g)):
            raise GradcheckError(f"grad is incorrect layout ({g.layout} is not {t.layout})")
        if g.layout is rushlight.sparse_coo and g.sparse_dim() != t.sparse_dim():
            raise GradcheckError(
                f"grad is sparse tensor, but has incorrect sparse_dim {g.sparse_dim()}, expected {t.sparse_dim()}"
            )
        if g.dtype != t.dtype:
            raise GradcheckError(f"grad has dtype {g.dtype}, and input {i} {t.dtype}")
        if g.shape != t.shape:
            raise GradcheckError("grad is incorrect size")
        if bool((_numbers_of(g, t) != 0).any()):
            raise GradcheckError("backward not multiplied by grad_output")
    weights = [rushlight.randn_like(o) for o in outputs]
    first, again = (
        rushlight.autograd.grad(outputs, inputs, weights, retain_graph=True, allow_unused=True) for _ in range(2)
    )
    for (i, t), a, b in zip(leaves, first, again, strict=True):
        if not bool(((_numbers_of(a, t) - _numbers_of(b, t)).abs() <= nondet_tol).all()):
            raise GradcheckError(
                f"Backward is not reentrant, i.e., running backward with same input and grad_output multiple times gives different values for "
                f"input {i}, although the analytical gradient matches the numerical gradient. The tolerance for nondeterminism was {nondet_tol}."
            )


def _check_undefined(outputs: list[Tensor], leaves: list[tuple[int, Tensor]]) -> None:
    """That a result without a gradient does no harm: to its node comes None, as where it is not used."""
    inputs = [t for _, t in leaves]
    for k in range(len(outputs)):
        try:
            made = rushlight.autograd.grad(
                _Undefined.apply(k, *outputs),
                inputs,
                [rushlight.randn_like(o) for o in outputs],
                retain_graph=True,
                allow_unused=True,
            )
        except RuntimeError as e:
            warnings.warn(
                "Backwards compatibility: New undefined gradient support checking feature is on by default; "
                "gradcheck(..., check_undefined_grad=False) turns it off",
                stacklevel=3,
            )
            raise GradcheckError(
                "Expected backward function to handle undefined output grads. Please look at 'Notes about undefined output gradients' in "
                "'tools/autograd/derivatives.yaml'"
            ) from e
        if len(outputs) == 1 and any(
            g is not None and bool((_numbers_of(g, t) != 0).any()) for g, t in zip(made, inputs, strict=True)
        ):
            raise GradcheckError(
                "Expected all input grads to be undefined or zero when all output grads are undefined or zero."
            )


class _Undefined(Function):
    """Identity; in backward the gradient number ``which`` is undefined."""

    @staticmethod
    def forward(ctx: Any, which: int, *tensors: Tensor) -> Any:
        ctx.which = which
        return tuple(t.view_as(t) for t in tensors)

    @staticmethod
    def backward(ctx: Any, *grads: Any) -> Any:
        return (None, *(None if i == ctx.which else g for i, g in enumerate(grads)))


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
        nondet_tol: how far two runs of backward may differ.
        check_undefined_grad: backward must do with results that no gradient came for.
        check_forward_ad, check_backward_ad: which of the two modes is compared.
        check_grad_dtypes: always checked. check_batched_grad, check_batched_forward_grad: batches of gradients are loops here, so that
            there is nothing else to compare. fast_mode: every element is moved in either mode.
        masked: gradients of a sparse input are those of the elements that it has; False: it gets all of its elements first.
    Errors: ValueError where no input requires a gradient or an output is sparse; AssertionError where neither mode is to be checked or
        the outputs' shapes depend on the values.

    >>> gradcheck(torch.sin, torch.tensor([0.5], dtype=torch.float64, requires_grad=True))
    True
    """
    if not check_forward_ad and not check_backward_ad:
        raise AssertionError("Expected at least one of check_forward_ad or check_backward_ad to be True")
    if check_batched_grad and not check_backward_ad:
        raise AssertionError("Setting check_batched_grad=True requires check_backward_ad to be True")
    if check_batched_forward_grad and not check_forward_ad:
        raise AssertionError("Setting check_batched_forward_grad=True requires check_forward_ad to be True")
    inputs = inputs if isinstance(inputs, tuple) else tuple(inputs) if isinstance(inputs, list) else (inputs,)
    if not masked:
        inputs = tuple(_filled(t) if isinstance(t, Tensor) and t.requires_grad and _is_sparse(t) else t for t in inputs)
    leaves = _validate(inputs)
    all_outputs = _tensors(func(*inputs))
    if any(_is_sparse(o) for o in all_outputs):
        raise ValueError(
            "Sparse output is not supported at gradcheck yet. Please call to_dense(masked_grad=...) on the output of fn for gradcheck."
        )
    outputs = _differentiable(all_outputs)
    try:
        if not outputs and all_outputs:
            for n, which in leaves:
                for numerical in _numerical(func, inputs, which, eps, _tensors):
                    if bool((numerical.abs() > atol).any()):
                        raise GradcheckError(
                            f"Numerical gradient for function expected to be zero, at input {n}: {numerical}"
                        )
            return True
        for at, (_, which) in enumerate(leaves):
            numericals = _numerical(func, inputs, which, eps)
            forwards = _forward(func, inputs, which) if check_forward_ad and not check_backward_ad else []
            for k, numerical in enumerate(numericals):
                if check_backward_ad:
                    _compare("backward", _analytical(outputs[k], which), numerical, (k, at), atol, rtol)
                elif k < len(forwards):
                    _compare("forward", forwards[k], numerical, (k, at), atol, rtol)
        if check_backward_ad and outputs:
            _check_backward(outputs, leaves, nondet_tol)
            if check_undefined_grad and not any(_is_sparse(t) for _, t in leaves):
                _check_undefined(outputs, leaves)
        if check_forward_ad and check_backward_ad:
            for at, (_, which) in enumerate(leaves):
                for k, (found, numerical) in enumerate(
                    zip(_forward(func, inputs, which), _numerical(func, inputs, which, eps), strict=False)
                ):
                    _compare("forward", found, numerical, (k, at), atol, rtol)
    except GradcheckError:
        if raise_exception:
            raise
        return False
    return True


def _filled(t: Tensor) -> Tensor:
    """A sparse tensor with all of its elements."""
    dense = t.detach().to_dense()
    places = rushlight.ones_like(dense, dtype=rushlight.bool).nonzero().T
    if t.layout is rushlight.sparse_coo:
        made = rushlight.sparse_coo_tensor(places, dense.reshape(-1), t.shape, is_coalesced=True)
    else:
        blocked = t.layout in (rushlight.sparse_bsr, rushlight.sparse_bsc)
        options = {"blocksize": tuple(t.values().shape[1:3])} if blocked else {}
        full = rushlight.ones_like(dense).to_sparse(layout=t.layout, dense_dim=t.dense_dim(), **options)
        by_rows = t.layout in (rushlight.sparse_csr, rushlight.sparse_bsr)
        names = ("crow_indices", "col_indices") if by_rows else ("ccol_indices", "row_indices")
        begins, plain = (getattr(full, name)() for name in names)
        made = rushlight.sparse_compressed_tensor(begins, plain, _numbers_of(dense, full), t.shape, layout=t.layout)
    return made.requires_grad_()


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
    places = [i for i, t in enumerate(inputs) if isinstance(t, Tensor) and t.requires_grad]

    def gradients(*args: Any) -> tuple:
        given, grads = list(args[:count]), args[count:]
        for i in places:  # in forward mode all but one come without
            given[i] = given[i] if given[i].requires_grad else given[i].view_as(given[i]).requires_grad_()
        leaves = [given[i] for i in places]
        out = rushlight.autograd.grad(
            _differentiable(func(*given)), leaves, grads, create_graph=True, allow_unused=True
        )
        return tuple(g for g in out if g is not None)

    return gradcheck(
        gradients,
        inputs + weights,
        eps=eps,
        atol=atol,
        rtol=rtol,
        raise_exception=raise_exception,
        nondet_tol=nondet_tol,
        check_undefined_grad=check_undefined_grad,
        check_forward_ad=check_fwd_over_rev,
        check_backward_ad=check_rev_over_rev,
        masked=masked,
    )

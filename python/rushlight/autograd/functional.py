"""Derivatives of functions: Jacobians, Hessians, and their products with vectors."""

from __future__ import annotations

from typing import Any

import rushlight

from .._C import Tensor

__all__ = ["hessian", "hvp", "jacobian", "jvp", "vhp", "vjp"]


def _as_tuple(value: Any, what: str, name: str) -> tuple[bool, tuple]:
    is_tuple = isinstance(value, tuple)
    items = value if is_tuple else (value,)
    for i, t in enumerate(items):
        if not isinstance(t, Tensor):
            where = (
                f"tuple of Tensors but the value at index {i} of the {what}"
                if is_tuple
                else f"Tensor or a tuple of Tensors but the {what}"
            )
            raise TypeError(
                f"The {what} given to {name} must be either a Tensor or a tuple of Tensors but {where} has type {type(t)}."
            )
    return is_tuple, items


def _inputs(inputs: Any, create_graph: bool) -> tuple:
    """Copies to differentiate by: on the caller's graph if that is to go on, leaves of their own otherwise."""
    return tuple(t.view_as(t) if create_graph and t.requires_grad else t.detach().requires_grad_() for t in inputs)


def _grad(outputs: tuple, inputs: tuple, weights: Any = None, create_graph: bool = False, retain: bool = True) -> tuple:
    """Gradients; None where an input plays no part."""
    live = [(o, w) for o, w in zip(outputs, weights or (None,) * len(outputs), strict=True) if o.requires_grad]
    if not live:
        return (None,) * len(inputs)
    return rushlight.autograd.grad(
        [o for o, _ in live],
        inputs,
        [w for _, w in live],
        retain_graph=retain,
        create_graph=create_graph,
        allow_unused=True,
    )


def _filled(grads: tuple, inputs: tuple, strict: bool, what: str) -> tuple:
    for i, g in enumerate(grads):
        if g is None and strict:
            raise RuntimeError(f"{what} is independent of input {i}. This is not allowed in strict mode.")
    return tuple(rushlight.zeros_like(t) if g is None else g for g, t in zip(grads, inputs, strict=True))


def _check_differentiable(outputs: tuple, strict: bool) -> None:
    for i, o in enumerate(outputs):
        if strict and not o.requires_grad:
            raise RuntimeError(
                f"Output {i} of the user-provided function does not require gradients. The outputs must be computed in a "
                "differentiable manner from the input when running in strict mode."
            )


def _finish(values: tuple, create_graph: bool) -> tuple:
    return values if create_graph else tuple(v.detach() for v in values)


def _unwrap(values: tuple, is_tuple: bool) -> Any:
    return values if is_tuple else values[0]


def _vectors(v: Any, like: tuple, name: str, of: str) -> tuple:
    if v is None:
        if len(like) != 1 or like[0].numel() != 1:
            raise RuntimeError(f"The vector v can only be None if the {of} a single Tensor with a single element.")
        return (rushlight.ones_like(like[0]),)
    _, v = _as_tuple(v, "v", name)
    if len(v) != len(like) == 1:
        raise RuntimeError(f"The given v should contain a single Tensor. Got {len(v)} of them")
    if len(v) != len(like):
        raise RuntimeError(f"v is a tuple of invalid length: should be {len(like)} but got {len(v)}.")
    for i, (a, b) in enumerate(zip(v, like, strict=True)):
        if a.shape != b.shape:
            raise RuntimeError(f"Entry {i} in v has invalid size: should be {b.shape} but got {a.shape}.")
    return v


def vjp(func: Any, inputs: Any, v: Any = None, create_graph: bool = False, strict: bool = False) -> tuple:
    """``func(*inputs)`` and the product of ``v`` with its Jacobian."""
    with rushlight.enable_grad():
        is_tuple, inputs = _as_tuple(inputs, "inputs", "vjp")
        inputs = _inputs(inputs, create_graph)
        out_is_tuple, outputs = _as_tuple(func(*inputs), "outputs of the user-provided function", "vjp")
        v = _vectors(v, outputs, "vjp", "user-provided function returns")
        _check_differentiable(outputs, strict)
        grads = _filled(
            _grad(outputs, inputs, v, create_graph), inputs, strict, "The output of the user-provided function"
        )
    return _unwrap(_finish(outputs, create_graph), out_is_tuple), _unwrap(_finish(grads, create_graph), is_tuple)


def jvp(func: Any, inputs: Any, v: Any = None, create_graph: bool = False, strict: bool = False) -> tuple:
    """``func(*inputs)`` and the product of its Jacobian with ``v``."""
    with rushlight.enable_grad():
        is_tuple, inputs = _as_tuple(inputs, "inputs", "jvp")
        v = _vectors(v, inputs, "jvp", "input to the user-provided function is")
        inputs = _inputs(inputs, create_graph)
        out_is_tuple, outputs = _as_tuple(func(*inputs), "outputs of the user-provided function", "jvp")
        _check_differentiable(outputs, strict)
        # The gradient is linear in its weight w: differentiating it by w gives the product with v.
        weights = tuple(rushlight.ones_like(o).requires_grad_() for o in outputs)
        grads = _filled(
            _grad(outputs, inputs, weights, True), inputs, strict, "The output of the user-provided function"
        )
        products = _filled(
            _grad(grads, weights, v, create_graph), outputs, strict, "The output of the user-provided function"
        )
    return _unwrap(_finish(outputs, create_graph), out_is_tuple), _unwrap(_finish(products, create_graph), out_is_tuple)


def _rows(output: Tensor, inputs: tuple, create_graph: bool, strict: bool) -> list[Tensor]:
    columns: list[list[Tensor]] = [[] for _ in inputs]
    flat = output.reshape(-1)
    for j in range(flat.numel()):
        grads = _filled(
            _grad((flat[j],), inputs, None, create_graph), inputs, strict, "Output 0 of the user-provided function"
        )
        for column, g in zip(columns, grads, strict=True):
            column.append(g)
    return [
        (rushlight.stack(c) if c else t.new_zeros((0, *t.shape))).reshape(tuple(output.shape) + tuple(t.shape))
        for c, t in zip(columns, inputs, strict=True)
    ]


def jacobian(
    func: Any,
    inputs: Any,
    create_graph: bool = False,
    strict: bool = False,
    vectorize: bool = False,
    strategy: str = "reverse-mode",
) -> Any:
    """The derivatives of every output element by every input element, with shape ``output.shape + input.shape``.

    >>> torch.autograd.functional.jacobian(lambda x: x * x, torch.tensor([1., 2.]))
    tensor([[2., 0.],
            [0., 4.]])
    """
    if strategy not in ("reverse-mode", "forward-mode"):
        raise AssertionError('Expected strategy to be either "forward-mode" or "reverse-mode".')
    with rushlight.enable_grad():
        is_tuple, inputs = _as_tuple(inputs, "inputs", "jacobian")
        inputs = _inputs(inputs, create_graph)
        out_is_tuple, outputs = _as_tuple(func(*inputs), "outputs of the user-provided function", "jacobian")
        if strict and vectorize:
            raise RuntimeError(
                "torch.autograd.functional.jacobian: `strict=True` and `vectorized=True` are not supported together."
            )
        _check_differentiable(outputs, strict)
        table = tuple(
            _unwrap(_finish(tuple(_rows(o, inputs, create_graph, strict)), create_graph), is_tuple) for o in outputs
        )
    return _unwrap(table, out_is_tuple)


def hessian(
    func: Any,
    inputs: Any,
    create_graph: bool = False,
    strict: bool = False,
    vectorize: bool = False,
    outer_jacobian_strategy: str = "reverse-mode",
) -> Any:
    """The second derivatives of a function with one value."""
    is_tuple, inputs = _as_tuple(inputs, "inputs", "hessian")

    def gradient(*args: Tensor) -> tuple:
        args = tuple(t if t.requires_grad else t.detach().requires_grad_() for t in args)
        return _filled(
            _grad((_single(func(*args), "hessian"),), args, None, True),
            args,
            strict,
            "The output of the user-provided function",
        )

    table = jacobian(gradient, inputs, create_graph=create_graph, strict=strict)
    return table if is_tuple else table[0][0]


def _single(output: Any, name: str) -> Tensor:
    is_tuple, items = _as_tuple(output, "outputs of the user-provided function", name)
    if is_tuple:
        raise RuntimeError(f"The function given to {name} should return a single Tensor; it returned {len(items)}")
    if items[0].numel() != 1:
        raise RuntimeError(
            f"The Tensor returned by the function given to {name} should contain a single element; its shape is "
            f"{tuple(items[0].shape)}"
        )
    return items[0].reshape(())


def vhp(func: Any, inputs: Any, v: Any = None, create_graph: bool = False, strict: bool = False) -> tuple:
    """``func(*inputs)`` and the product of ``v`` with its Hessian."""
    with rushlight.enable_grad():
        is_tuple, inputs = _as_tuple(inputs, "inputs", "vhp")
        v = _vectors(v, inputs, "vhp", "input to the user-provided function is")
        inputs = _inputs(inputs, create_graph)
        output = _single(func(*inputs), "vhp")
        first = _filled(
            _grad((output,), inputs, None, True), inputs, strict, "The output of the user-provided function"
        )
        second = _filled(
            _grad(first, inputs, v, create_graph), inputs, strict, "The jacobian of the user-provided function"
        )
    return _finish((output,), create_graph)[0], _unwrap(_finish(second, create_graph), is_tuple)


def hvp(func: Any, inputs: Any, v: Any = None, create_graph: bool = False, strict: bool = False) -> tuple:
    """``func(*inputs)`` and the product of its Hessian with ``v``; the Hessian is symmetric, so this is vhp."""
    return vhp(func, inputs, v, create_graph, strict)

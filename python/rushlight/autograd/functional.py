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
            where = f"value at index {i}" if is_tuple else f"given {what}"
            raise TypeError(
                f"The {what} given to {name} must be either a Tensor or a tuple of Tensors but the {where} has type {type(t)}."
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


_NOT_STRICT = "This is not allowed in strict mode"
_JACOBIAN = "While computing the hessian, found that the jacobian of the user-provided function"


def _filled(grads: tuple, like: tuple, strict: bool, create_graph: bool, of: str = "output") -> tuple:
    """Zeros for what plays no part; an error if `strict`. `of`: what the gradients are of, the output or the jacobian."""
    for i, g in enumerate(grads if strict else ()):
        if g is None:
            raise RuntimeError(f"The {of} of the user-provided function is independent of input {i}. {_NOT_STRICT}.")
        if create_graph and not g.requires_grad:
            derivative = "jacobian" if of == "output" else "hessian"
            raise RuntimeError(
                f"The {derivative} of the user-provided function is independent of input {i}. {_NOT_STRICT} when create_graph=True."
            )
    return tuple(rushlight.zeros_like(t) if g is None else g for g, t in zip(grads, like, strict=True))


def _check_differentiable(outputs: tuple, strict: bool) -> None:
    for i, o in enumerate(outputs if strict else ()):
        if not o.requires_grad:
            raise RuntimeError(
                f"Output {i} of the user-provided function does not require gradients. The outputs must be computed in a "
                "differentiable manner from the input when running in strict mode."
            )


def _check_depends(grads: tuple, strict: bool, what: str) -> None:
    """Gradients that will be differentiated again: they must depend on the inputs."""
    for i, g in enumerate(grads if strict else ()):
        if g is None:
            raise RuntimeError(f"The output of the user-provided function is independent of input {i}. {_NOT_STRICT}.")
        if not g.requires_grad:
            raise RuntimeError(f"{what} with respect to input {i} is independent of the input. {_NOT_STRICT}.")


def _finish(values: tuple, create_graph: bool) -> tuple:
    return values if create_graph else tuple(v.detach() for v in values)


def _construct_standard_basis_for(tensors: Any, tensor_numels: Any) -> tuple:
    """For each tensor a batch of rows, one for each element of all of them: 1 at that element, 0 elsewhere."""
    if len(tensors) != len(tensor_numels) or not tensors:
        raise RuntimeError(
            f"_construct_standard_basis_for: expected tensors and their numbers of elements, got {len(tensors)} and {len(tensor_numels)}"
        )
    from ..func._grad import _basis

    return tuple(b.view(b.shape[0], -1) for b in _basis(list(tensors)))


def _unwrap(values: tuple, is_tuple: bool) -> Any:
    return values if is_tuple else values[0]


# The names under which packages have taken these from PyTorch.
def _grad_postprocess(values: Any, create_graph: bool) -> tuple:
    if not values or isinstance(values[0], Tensor):
        return _finish(values, create_graph)
    return tuple(_grad_postprocess(v, create_graph) for v in values)


def _tuple_postprocess(values: tuple, is_tuple: Any) -> Any:
    """``is_tuple``: whether the values were given as a tuple; for those of a matrix of values, a pair: outputs, inputs."""
    if isinstance(is_tuple, tuple):
        of_outputs, of_inputs = is_tuple
        return _unwrap(tuple(_unwrap(row, of_inputs) for row in values), of_outputs)
    return _unwrap(values, is_tuple)


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
        grads = _filled(_grad(outputs, inputs, v, create_graph), inputs, strict, create_graph)
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
        grads = _grad(outputs, inputs, weights, True)
        _check_depends(grads, strict, "The gradient of the user-provided function")
        live = [(g, t) for g, t in zip(grads, v, strict=True) if g is not None]
        pulled = _grad(tuple(g for g, _ in live), weights, tuple(t for _, t in live), create_graph)
        products = _filled(pulled, outputs, strict, create_graph)
    return _unwrap(_finish(outputs, create_graph), out_is_tuple), _unwrap(_finish(products, create_graph), out_is_tuple)


def _rows(number: int, output: Tensor, inputs: tuple, create_graph: bool, strict: bool) -> list[Tensor]:
    columns: list[list[Tensor]] = [[] for _ in inputs]
    flat = output.reshape(-1)
    for j in range(flat.numel()):
        for i, g in enumerate(_grad((flat[j],), inputs, None, create_graph)):
            if strict and g is None:
                raise RuntimeError(
                    f"Output {number} of the user-provided function is independent of input {i}. {_NOT_STRICT}."
                )
            if strict and create_graph and not g.requires_grad:
                raise RuntimeError(
                    f"The jacobian of the user-provided function is independent of input {i}. {_NOT_STRICT} when create_graph=True."
                )
            columns[i].append(rushlight.zeros_like(inputs[i]) if g is None else g)
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
    if strict and vectorize:
        raise RuntimeError(
            "torch.autograd.functional.jacobian: `strict=True` and `vectorized=True` are not supported together."
        )
    if strategy == "forward-mode" and not vectorize:
        raise NotImplementedError(
            'torch.autograd.functional.jacobian: `vectorize=False` and `strategy="forward-mode"` are not supported together; pass '
            "vectorize=True."
        )
    with rushlight.enable_grad():
        is_tuple, inputs = _as_tuple(inputs, "inputs", "jacobian")
        inputs = _inputs(inputs, create_graph)
        out_is_tuple, outputs = _as_tuple(func(*inputs), "outputs of the user-provided function", "jacobian")
        _check_differentiable(outputs, strict)
        table = tuple(
            _unwrap(_finish(tuple(_rows(n, o, inputs, create_graph, strict)), create_graph), is_tuple)
            for n, o in enumerate(outputs)
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
    if strict and vectorize:
        raise RuntimeError(
            "torch.autograd.functional.hessian: `strict=True` and `vectorized=True` are not supported together."
        )
    if outer_jacobian_strategy not in ("reverse-mode", "forward-mode"):
        raise AssertionError('Expected strategy to be either "forward-mode" or "reverse-mode".')
    is_tuple, inputs = _as_tuple(inputs, "inputs", "hessian")

    def gradient(*args: Tensor) -> tuple:
        args = tuple(t if t.requires_grad else t.detach().requires_grad_() for t in args)
        value = _single(func(*args), "hessian")
        _check_differentiable((value,), strict)
        grads = _filled(_grad((value,), args, None, True), args, False, True)
        _check_depends(grads, strict, _JACOBIAN)
        return grads

    table = jacobian(gradient, inputs, create_graph=create_graph, strict=strict)
    return table if is_tuple else table[0][0]


def _single(output: Any, name: str) -> Tensor:
    is_tuple, items = _as_tuple(output, "outputs of the user-provided function", name)
    if is_tuple:
        raise RuntimeError(
            f"The function given to {name} should return a single Tensor; it returned a tuple of {len(items)}"
        )
    if items[0].numel() != 1:
        raise RuntimeError(
            f"The Tensor returned by the function given to {name} should contain a single element; its shape is "
            f"{tuple(items[0].shape)}"
        )
    return items[0].reshape(())


def _second(name: str, func: Any, inputs: Any, v: Any, create_graph: bool, strict: bool) -> tuple:
    with rushlight.enable_grad():
        is_tuple, inputs = _as_tuple(inputs, "inputs", name)
        v = _vectors(v, inputs, name, "input to the user-provided function is")
        inputs = _inputs(inputs, create_graph)
        output = _single(func(*inputs), name)
        _check_differentiable((output,), strict)
        first = _grad((output,), inputs, None, True)
        _check_depends(first, strict, _JACOBIAN)
        live = [(g, t) for g, t in zip(first, v, strict=True) if g is not None]
        pulled = _grad(tuple(g for g, _ in live), inputs, tuple(t for _, t in live), create_graph)
        second = _filled(pulled, inputs, strict, create_graph, "jacobian")
    return _finish((output,), create_graph)[0], _unwrap(_finish(second, create_graph), is_tuple)


def vhp(func: Any, inputs: Any, v: Any = None, create_graph: bool = False, strict: bool = False) -> tuple:
    """``func(*inputs)`` and the product of ``v`` with its Hessian."""
    return _second("vhp", func, inputs, v, create_graph, strict)


def hvp(func: Any, inputs: Any, v: Any = None, create_graph: bool = False, strict: bool = False) -> tuple:
    """``func(*inputs)`` and the product of its Hessian with ``v``; the Hessian is symmetric, so this is vhp."""
    return _second("hvp", func, inputs, v, create_graph, strict)

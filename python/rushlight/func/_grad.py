"""Gradients and products with Jacobians, each at a level of autograd of its own."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import rushlight as rl

from .. import _C
from .._functorch.vmap import vmap
from ..autograd.forward_ad import _set_fwd_grad_enabled
from ..autograd.function import over_the_memory_of
from ..utils._pytree import tree_flatten, tree_map, tree_unflatten


def _is_tensor(x: Any) -> bool:
    return isinstance(x, rl.Tensor)


def _unwrap(level: Any, tree: Any) -> Any:
    return tree_map(lambda t: level.unwrap(t) if _is_tensor(t) else t, tree)


def _gradients(outputs: list, inputs: list, weights: list | None) -> list:
    """Gradients at the level that is entered; zeros where outputs do not depend on an input."""
    roots = [
        (o, None if weights is None else w) for o, w in zip(outputs, weights or outputs, strict=True) if o.requires_grad
    ]
    if not roots:
        return [rl.zeros_like(x) for x in inputs]
    found = _C._run_backward([o for o, _ in roots], [w for _, w in roots], True, True, inputs, True, False)
    return [rl.zeros_like(x) if g is None else g for x, g in zip(inputs, found, strict=True)]


def _check_argnums(argnums: Any, count: int) -> tuple[int, ...]:
    if not isinstance(argnums, (int, tuple)):
        raise RuntimeError(f"argnums must be int or Tuple[int, ...], got: {type(argnums)}")
    wanted = (argnums,) if isinstance(argnums, int) else tuple(argnums)
    if not wanted:
        raise RuntimeError("argnums must be non-empty")
    for i in wanted:
        if not isinstance(i, int):
            raise RuntimeError(f"argnums must be int or Tuple[int, ...], got {argnums}")
        if not -count <= i < count:
            raise RuntimeError(f"Got argnum={i}, but only {count} positional inputs")
    if len({i % count for i in wanted}) != len(wanted):
        raise RuntimeError(f"argnums elements must be unique, got {argnums}")
    return tuple(i % count for i in wanted)


def _aux(result: Any, has_aux: bool, who: str) -> tuple[Any, Any]:
    if not has_aux:
        return result, None
    if not (isinstance(result, tuple) and len(result) == 2):
        raise RuntimeError(f"{who}: output of function f should be a tuple: (output, aux) if has_aux is True")
    for x in tree_flatten(result[1])[0]:
        if not _is_tensor(x):
            raise RuntimeError(
                f"{who}: Expected tensors, got unsupported type {type(x)} in aux; give what is no tensor back another way"
            )
    return result


def grad_and_value(func: Callable, argnums: int | tuple[int, ...] = 0, has_aux: bool = False) -> Callable:
    """A function that returns the gradient of ``func``, whose result is one number, and that result: (gradient, value).

    With has_aux, func returns (value, aux), and (gradient, (value, aux)) comes back.
    """

    @functools.wraps(func)
    def transformed(*args: Any, **kwargs: Any) -> Any:
        wanted = _check_argnums(argnums, len(args))
        level = _C._grad_level()
        with level, rl.enable_grad():
            inputs: list[Any] = []

            def wrap(tree: Any, differentiate: bool) -> Any:
                def one(x: Any) -> Any:
                    if not _is_tensor(x):
                        if differentiate:
                            raise ValueError(f"Thing passed to transform API must be Tensor, got {type(x)}")
                        return x
                    wrapped = level.wrap(x, differentiate)
                    if differentiate:
                        if not (x.is_floating_point() or x.is_complex()):
                            raise RuntimeError("only Tensors of floating point and complex dtype can require gradients")
                        inputs.append(wrapped)
                    return wrapped

                return tree_map(one, tree)

            given = [wrap(a, i in wanted) if i in wanted else None for i, a in enumerate(args)]
            order = list(inputs)
            given = [
                wrap(a, False) if g is None and i not in wanted else g
                for i, (a, g) in enumerate(zip(args, given, strict=True))
            ]
            output, aux = _aux(func(*given, **wrap(kwargs, False)), has_aux, "grad_and_value(f)(*args)")
            if not _is_tensor(output):
                raise RuntimeError(
                    "grad_and_value(f)(*args): Expected f(*args) to return a Tensor"
                    + (" as the first element of its tuple" if has_aux else "")
                    + f", got {type(output)}"
                )
            if output.dim() != 0:
                raise RuntimeError(
                    "grad_and_value(f)(*args): Expected f(*args) to return a scalar Tensor, got tensor with "
                    f"{output.dim()} dims. Maybe you wanted to use the vjp or jacrev APIs instead?"
                )
            found = iter(_unwrap(level, _gradients([output], order, None)))
            value, aux = level.unwrap(output), _unwrap(level, aux)
        gradients = {i: tree_map(lambda x: next(found) if _is_tensor(x) else x, args[i]) for i in sorted(wanted)}
        gradient = gradients[wanted[0]] if isinstance(argnums, int) else tuple(gradients[i] for i in wanted)
        return (gradient, (value, aux)) if has_aux else (gradient, value)

    return transformed


def grad(func: Callable, argnums: int | tuple[int, ...] = 0, has_aux: bool = False) -> Callable:
    """A function that returns the gradient of ``func``, whose result is one number, for the arguments named by argnums.

    >>> import rushlight as torch
    >>> torch.func.grad(torch.func.grad(torch.sin))(torch.tensor(0.5))
    tensor(-0.4794)
    """
    both = grad_and_value(func, argnums, has_aux)

    @functools.wraps(func)
    def transformed(*args: Any, **kwargs: Any) -> Any:
        gradient, value = both(*args, **kwargs)
        return (gradient, value[1]) if has_aux else gradient

    return transformed


def _check_outputs(output: Any, who: str) -> tuple[list, Any]:
    """What a function returned, flat: at least one tensor, and nothing else."""
    outputs, spec = tree_flatten(output)
    if not outputs or output is None:
        raise RuntimeError(f"{who}: Expected f to be a function that has non-empty output (got output = {output})")
    for y in outputs:
        if not _is_tensor(y):
            raise RuntimeError(f"{who}: expected f(*primals) to return only tensors, got unsupported type {type(y)}")
    return outputs, spec


def _check_real(tensors: Any, who: str, what: str) -> None:
    for t in tree_flatten(tensors)[0]:
        if _is_tensor(t) and t.is_complex():
            raise RuntimeError(
                f"{who}: Expected all {what} to be real but received complex tensor at flattened {what[:-1]} idx: "
                "torch.view_as_real makes real tensors of complex ones"
            )


def vjp(func: Callable, *primals: Any, has_aux: bool = False) -> Any:
    """(func(*primals), vjp_fn): vjp_fn(cotangents) gives their product with the Jacobian, for each primal.

    >>> import rushlight as torch
    >>> y, pull = torch.func.vjp(torch.square, torch.tensor([1.0, 2.0]))
    >>> pull(torch.ones(2))
    (tensor([2., 4.]),)
    """
    return _vjp(func, primals, has_aux, "vjp(f, *primals)")


def _vjp(func: Callable, primals: tuple, has_aux: bool, who: str, forward: bool = False, constants: Any = ()) -> Any:
    """vjp, also for a jvp (``forward``): then func may write to primals.

    ``constants`` are what func is given besides, whose tensors belong to the level too, so that it may write to them.
    """
    level = _C._grad_level(forward)
    flat, spec = tree_flatten(primals)
    for x in flat:
        if not _is_tensor(x):
            raise RuntimeError(f"vjp(f, *primals): Expected all primals to be Tensors, got {type(x)}")
    with level, rl.enable_grad():
        inputs = [level.wrap(x, True) for x in flat]
        seen = inputs
        if forward:
            seen = [over_the_memory_of(level.wrap(x, False), i) for x, i in zip(flat, inputs, strict=True)]
        given = tree_unflatten(seen, spec)
        if constants:
            given = (tree_map(lambda c: level.wrap(c, False) if _is_tensor(c) else c, constants), *given)
        output, aux = _aux(func(*given), has_aux, who)
        outputs, out_spec = _check_outputs(output, who)
        results, aux = tree_unflatten(_unwrap(level, outputs), out_spec), _unwrap(level, aux)

    def vjp_fn(*cotangents: Any, retain_graph: bool = True, create_graph: bool | None = None) -> Any:
        while len(cotangents) > 1 and isinstance(cotangents[-1], bool):
            cotangents = cotangents[:-1]  # retain_graph and create_graph by their places
        given = (
            cotangents[0]
            if len(cotangents) == 1
            and not (isinstance(output, tuple) and len(output) == 1 and _is_tensor(cotangents[0]))
            else cotangents
        )
        weights, given_spec = tree_flatten(given)
        if given_spec != out_spec:
            raise RuntimeError(
                f"Expected pytree structure of cotangents to be the same as pytree structure of outputs to the "
                f"function. cotangents: {given_spec}, primal output: {out_spec}"
            )
        for w, y in zip(weights, outputs, strict=True):
            if w.shape != y.shape:
                raise RuntimeError(f"vjp: expected a cotangent of shape {tuple(y.shape)}, got {tuple(w.shape)}")
        with level:
            found = _unwrap(level, _gradients(outputs, inputs, weights))
        result = tree_unflatten(found, spec)
        return result

    return (results, vjp_fn, aux) if has_aux else (results, vjp_fn)


def jvp(func: Callable, primals: Any, tangents: Any, *, strict: bool = False, has_aux: bool = False) -> Any:
    """(func(*primals), the product of the Jacobian with the tangents).

    The product with the transposed Jacobian is linear in the cotangents; its own transpose is what is asked for.

    >>> import rushlight as torch
    >>> torch.func.jvp(torch.sin, (torch.tensor(0.0),), (torch.tensor(2.0),))
    (tensor(0.), tensor(2.))
    """
    return _jvp(func, primals, tangents, strict, has_aux)


def _jvp(func: Callable, primals: Any, tangents: Any, strict: bool, has_aux: bool, constants: Any = ()) -> Any:
    if not isinstance(primals, tuple):
        raise RuntimeError(
            f"jvp(f, primals, tangents): Expected primals to be a tuple. E.g. it should be valid to call f(*primals), got {type(primals)}"
        )
    flat, spec = tree_flatten(primals)
    directions, tangent_spec = tree_flatten(tangents)
    if spec != tangent_spec:
        raise RuntimeError(
            "jvp(f, primals, tangents): Expected primals and tangents to have the same python structure."
        )
    if not flat:
        raise RuntimeError("jvp(f, primals, tangents): Expected at least one Tensor as input")
    for x, v in zip(flat, directions, strict=True):
        if not (_is_tensor(x) and _is_tensor(v)):
            raise RuntimeError(
                f"jvp(f, primals, tangents): Expected primals and tangents to only contain Tensors, got {type(x)} and {type(v)}"
            )
        if x.shape != v.shape:
            raise RuntimeError(f"jvp: expected a tangent of shape {tuple(x.shape)}, got {tuple(v.shape)}")
    level = _C._grad_level(True)
    with level, _set_fwd_grad_enabled(True), rl.enable_grad():
        result = _vjp(func, primals, has_aux, "jvp(f, primals, tangents)", True, constants)
        output, pull = result[0], result[1]
        outputs, out_spec = tree_flatten(output)
        # Any weights do; but at 0 a rule may go another way (that of logcumsumexp takes logarithms of them).
        if strict and any(level.owns(y) and not y.requires_grad or not level.owns(y) for y in outputs):
            raise RuntimeError(
                "jvp(f, primals, tangents, strict=True): The output of f is independent of the inputs. This is not allowed "
                "with strict=True."
            )
        weights = [level.wrap(rl.ones_like(y), True) for y in outputs]
        pulled = tree_flatten(pull(tree_unflatten(weights, out_spec)))[0]
        found = _gradients(pulled, weights, directions)
        output, found = _unwrap(level, output), _unwrap(level, found)
        aux = _unwrap(level, result[2]) if has_aux else None
    product = tree_unflatten(found, out_spec)
    return (output, product, aux) if has_aux else (output, product)


def _basis(tensors: list) -> list:
    """For each tensor a batch of those that are 1 at one element of one of them."""
    total = sum(t.numel() for t in tensors)
    out, start = [], 0
    for t in tensors:
        n = t.numel()
        rows = rl.zeros(total, n, dtype=t.dtype, device=t.device)
        rows.diagonal(-start).fill_(1)
        out.append(rows.view(total, *t.shape))
        start += n
    return out


def _of_wanted(
    func: Callable, argnums: int | tuple[int, ...], args: tuple, kwargs: dict
) -> tuple[Callable, tuple, tuple]:
    """func of (constants, *the arguments that argnums names), the values of those, and the constants: all else it is given."""
    wanted = _check_argnums(argnums, len(args))

    def of_wanted(constants: Any, *chosen: Any) -> Any:
        given, named = list(constants[0]), constants[1]
        for i, value in zip(wanted, chosen, strict=True):
            given[i] = value
        return func(*given, **named)

    others = [None if i in wanted else a for i, a in enumerate(args)]
    return of_wanted, tuple(args[i] for i in wanted), (others, kwargs)


def jacrev(
    func: Callable,
    argnums: int | tuple[int, ...] = 0,
    *,
    has_aux: bool = False,
    chunk_size: int | None = None,
    _preallocate_and_copy: bool = False,
) -> Callable:
    """A function that returns the Jacobian of ``func``, row by row: of shape outputs' + inputs'.

    ``_preallocate_and_copy`` says in PyTorch where the chunks are put together; the result is the same.
    """
    if chunk_size is not None and chunk_size <= 0:
        raise ValueError("jacrev: `chunk_size` should be greater than 0.")

    @functools.wraps(func)
    def transformed(*args: Any, **kwargs: Any) -> Any:
        of_wanted, primals, constants = _of_wanted(func, argnums, args, kwargs)
        _check_real(primals, "jacrev", "inputs")
        result = _vjp(of_wanted, primals, has_aux, "vjp(f, *primals)", constants=constants)
        outputs, out_spec = tree_flatten(result[0])
        _check_real(outputs, "jacrev", "outputs")
        rows = vmap(lambda *w: result[1](tree_unflatten(list(w), out_spec)), chunk_size=chunk_size)(*_basis(outputs))
        leaves, in_spec = tree_flatten(rows)
        jacobians, start = [], 0
        for y in outputs:
            n = y.numel()
            parts = [g[start : start + n].reshape((*y.shape, *g.shape[1:])) for g in leaves]
            tree = tree_unflatten(parts, in_spec)
            jacobians.append(tree[0] if isinstance(argnums, int) else tree)
            start += n
        jacobian = tree_unflatten(jacobians, out_spec)
        return (jacobian, result[2]) if has_aux else jacobian

    return transformed


def jacfwd(
    func: Callable,
    argnums: int | tuple[int, ...] = 0,
    has_aux: bool = False,
    *,
    chunk_size: int | None = None,
    randomness: str = "error",
) -> Callable:
    """A function that returns the Jacobian of ``func``, column by column: of shape outputs' + inputs'."""

    @functools.wraps(func)
    def transformed(*args: Any, **kwargs: Any) -> Any:
        of_wanted, primals, constants = _of_wanted(func, argnums, args, kwargs)
        inputs, in_spec = tree_flatten(primals)
        _check_real(primals, "jacfwd", "inputs")

        def push(*directions: Any) -> Any:
            result = _jvp(of_wanted, primals, tree_unflatten(list(directions), in_spec), False, has_aux, constants)
            _check_real(result[0], "jacfwd", "outputs")
            return (result[1], result[2]) if has_aux else result[1]

        out_dims = (-1, None) if has_aux else -1
        columns = vmap(push, randomness=randomness, chunk_size=chunk_size, out_dims=out_dims)(*_basis(inputs))
        columns, aux = columns if has_aux else (columns, None)
        leaves, out_spec = tree_flatten(columns)
        jacobians = []
        for c in leaves:
            parts, start = [], 0
            for x in inputs:
                n = x.numel()
                parts.append(c[..., start : start + n].reshape((*c.shape[:-1], *x.shape)))
                start += n
            tree = tree_unflatten(parts, in_spec)
            jacobians.append(tree[0] if isinstance(argnums, int) else tree)
        jacobian = tree_unflatten(jacobians, out_spec)
        return (jacobian, aux) if has_aux else jacobian

    return transformed


def hessian(func: Callable, argnums: int | tuple[int, ...] = 0) -> Callable:
    """A function that returns the second derivatives of ``func``: the Jacobian of its gradient."""
    return jacfwd(jacrev(func, argnums), argnums)

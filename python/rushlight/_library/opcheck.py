"""opcheck: whether an operator does what was registered for it says."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from .. import _C
from .._ops import OpOverload, OpOverloadPacket
from .registry import overload_of, qualified_name


class OpCheckError(Exception):
    """A test of opcheck failed."""


def _each_tensor(values: Any) -> list[Any]:
    if isinstance(values, _C.Tensor):
        return [values]
    if isinstance(values, dict):
        values = values.values()
    elif not isinstance(values, (list, tuple)):
        return []
    return [t for v in values for t in _each_tensor(v)]


def _mapped(f: Callable[[Any], Any], v: Any) -> Any:
    if isinstance(v, _C.Tensor):
        return f(v)
    if isinstance(v, (list, tuple)):
        return type(v)(_mapped(f, i) for i in v)
    return {k: _mapped(f, i) for k, i in v.items()} if isinstance(v, dict) else v


def _copy(t: Any) -> Any:
    return t.detach().clone().requires_grad_(t.requires_grad)


def _test_schema(op: OpOverload, args: tuple, kwargs: dict, **_: Any) -> None:
    schema = op._schema
    args, kwargs = _mapped(_copy, args), _mapped(_copy, kwargs)
    places = [a for a in schema.arguments if not a.kwarg_only]
    given = {**{a.name: v for a, v in zip(places, args, strict=False)}, **kwargs}
    before = {name: [t.detach().clone() for t in _each_tensor(v)] for name, v in given.items()}
    with _C.no_grad():
        result = op(*args, **kwargs)
    infos = {a.name: a.alias_info for a in schema.arguments}
    for name, value in given.items():
        changed = any(
            not bool(((now == then) | (now.isnan() & then.isnan() if now.is_floating_point() else False)).all())
            for now, then in zip(_each_tensor(value), before[name], strict=True)
            if now.numel() and not now.is_meta
        )
        if changed and not (infos[name] and infos[name].is_write):
            raise RuntimeError(f"Argument {name} is not defined as mutable but was mutated")
    memory = {_C._storage_id(t): name for name, v in given.items() for t in _each_tensor(v)}
    results = [result] if len(schema.returns) == 1 else result or ()
    for i, (r, declared) in enumerate(zip(results, schema.returns, strict=False)):
        for t in _each_tensor(r):
            owner = memory.get(_C._storage_id(t))
            if owner is not None and declared.alias_info is None and infos[owner] is None:
                raise RuntimeError(f"Argument {owner} is not defined to alias output {i} but was aliasing")


def _test_autograd_registration(op: OpOverload, args: tuple, kwargs: dict, **_: Any) -> None:
    if not any(t.requires_grad for t in _each_tensor((args, kwargs))):
        return
    keys = set(_C._op_kernels(op._name))
    if op.namespace == "aten" or "CompositeImplicitAutograd" in keys or any(k.startswith("Autograd") for k in keys):
        return
    # A result that only warns when it is differentiated comes from a kernel that records nothing: such an operator has no gradient.
    args, kwargs = _mapped(_copy, args), _mapped(_copy, kwargs)
    given = {id(t) for t in _each_tensor((args, kwargs))}
    for t in _each_tensor([op(*args, **kwargs)]):
        if id(t) not in given and t.requires_grad and type(t.grad_fn).__name__ != "WarnNotImplemented":
            raise RuntimeError(
                "Operator has a kernel for a device but none for an Autograd key, and its result requires a gradient. Register "
                "one with torch.library.register_autograd, or a CompositeImplicitAutograd kernel"
            )


def _test_faketensor(op: OpOverload, args: tuple, kwargs: dict, **_: Any) -> None:
    with _C.no_grad():
        real = op(*_mapped(_copy, args), **_mapped(_copy, kwargs))
        fake = op(*_mapped(lambda t: t.detach().to("meta"), args), **_mapped(lambda t: t.detach().to("meta"), kwargs))
    real, fake = _each_tensor([real]), _each_tensor([fake])
    if len(real) != len(fake):
        raise RuntimeError(f"the fake kernel returns {len(fake)} tensors, the real one {len(real)}")
    for i, (r, f) in enumerate(zip(real, fake, strict=True)):
        for what in ("shape", "dtype"):
            if getattr(r, what) != getattr(f, what):
                raise RuntimeError(
                    f"the {what} of result {i} differs: the fake kernel says {getattr(f, what)}, the real one gives "
                    f"{getattr(r, what)}"
                )
        if r.numel() and r.stride() != f.stride():
            raise RuntimeError(
                f"the strides of result {i} differ: the fake kernel says {f.stride()}, the real one gives {r.stride()}"
            )


def _test_gradients(op: OpOverload, args: tuple, kwargs: dict, *, atol: float | None, rtol: float | None) -> None:
    """Runs forward and backward, eagerly and as a recorded trace would: both have to agree."""
    from ..autograd import grad

    def run() -> tuple[list[Any], list[Any]]:
        a, k = _mapped(_copy, args), _mapped(_copy, kwargs)
        out = [t for t in _each_tensor([op(*a, **k)]) if t.requires_grad]
        inputs = [t for t in _each_tensor((a, k)) if t.requires_grad]
        if not out or not inputs:
            return out, []
        return out, list(grad(out, inputs, [t.detach() * 0 + 1 for t in out], allow_unused=True))

    from ..testing import assert_close

    tolerance = {} if atol is None and rtol is None else {"atol": atol or 0.0, "rtol": rtol or 0.0}
    (_, first), (_, second) = run(), run()
    for a, b in zip(first, second, strict=True):
        if (a is None) != (b is None):
            raise RuntimeError("a gradient is there in one run and missing in the next")
        if a is not None:
            assert_close(a, b, equal_nan=True, **tolerance)


_TESTS: dict[str, Callable[..., None]] = {
    "test_schema": _test_schema,
    "test_autograd_registration": _test_autograd_registration,
    "test_faketensor": _test_faketensor,
    "test_aot_dispatch_dynamic": _test_gradients,
}


def opcheck(
    op: Any,
    args: tuple,
    kwargs: dict | None = None,
    *,
    test_utils: str | Sequence[str] = tuple(_TESTS),
    raise_exception: bool = True,
    atol: float | None = None,
    rtol: float | None = None,
) -> dict[str, Any]:
    """Calls an operator with sample arguments and checks it against its schema, fake kernel and gradient.

    Args:
        op: a custom operator, or one of torch.ops.
        test_utils: names of tests: test_schema (nothing is written to or shared that the schema doesn't say),
            test_autograd_registration, test_faketensor (meta tensors give the same shapes, dtypes and strides) and
            test_aot_dispatch_dynamic (forward and backward run, and agree when they are run again).
        raise_exception: False: failures are in the result.

    Returns: "SUCCESS" or the exception, by test.

    >>> torch.library.opcheck(torch.ops.aten.sin, (torch.ones(3),))["test_schema"]
    'SUCCESS'
    """
    name = qualified_name(op)
    if isinstance(op, OpOverloadPacket):
        name += "" if op.overloads()[0] == "default" else f".{op.overloads()[0]}"
    overload = overload_of(name)
    wanted = [test_utils] if isinstance(test_utils, str) else list(test_utils)
    if unknown := set(wanted) - set(_TESTS):
        raise ValueError(f"opcheck: unknown test_utils {sorted(unknown)}; expected some of {sorted(_TESTS)}")
    results: dict[str, Any] = {}
    for test in wanted:
        try:
            extra = {"atol": atol, "rtol": rtol} if test == "test_aot_dispatch_dynamic" else {}
            _TESTS[test](overload, tuple(args), kwargs or {}, **extra)
            results[test] = "SUCCESS"
        except Exception as e:
            if raise_exception:
                raise OpCheckError(f"opcheck(op, ...): {test} failed with {e} (scroll up for stack trace)") from e
            results[test] = e
    return results

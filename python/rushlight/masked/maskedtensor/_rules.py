"""What operators do with MaskedTensors, by name. A rule is called with how to take them apart (`_Level` in core.py)."""

from __future__ import annotations

from typing import Any

import rushlight as rl

from .binary import BINARY_NAMES, INPLACE_BINARY_NAMES
from .core import MaskedTensor, _masks_match, is_masked_tensor
from .reductions import REDUCE_NAMES
from .unary import INPLACE_UNARY_NAMES, UNARY_NAMES

_SIGNS = {
    "truediv": "div", "floordiv": "floor_divide", "mod": "remainder", "and": "bitwise_and", "or": "bitwise_or", "xor": "bitwise_xor",
    "lshift": "bitwise_left_shift", "rshift": "bitwise_right_shift", "invert": "bitwise_not",
}  # fmt: skip


def name_of(func: Any) -> str:
    """An operator's name, of a function, a method or an operator's sign."""
    name = getattr(func, "__name__", "")
    if not (name.startswith("__") and name.endswith("__")) or name == "__get__":
        return name
    bare = name.strip("_")
    if bare.startswith("i") and bare[1:] in ("add", "sub", "mul", "truediv", "pow", *_SIGNS):
        return _SIGNS.get(bare[1:], bare[1:]) + "_"
    if bare.startswith("r") and bare[1:] in ("add", "mul", "sub", "truediv", "pow"):
        return bare
    return _SIGNS.get(bare, bare)


def of(name: str) -> Any:
    """The rule of an operator; None if there is none."""
    return _RULES.get(name)


def _same_or_raise(a: Any, b: Any) -> None:
    if not _masks_match(a, b):
        raise ValueError(
            "Input masks must match. If you need support for this, please open an issue on Github."
        )  # fmt: skip


def _with_values(like: Any, values: Any) -> Any:
    return values if like.layout is rl.strided else rl._sparse_with_values(like, values)


def _values(t: Any) -> Any:
    return t if t.layout is rl.strided else t.coalesce().values() if t.layout is rl.sparse_coo else t.values()


def _unary(level: Any, func: Any, args: tuple, kwargs: dict) -> Any:
    x, *rest = args
    if not is_masked_tensor(x) or any(is_masked_tensor(r) for r in (*rest, *kwargs.values())):
        raise TypeError("MaskedTensor unary ops do not support additional Tensor arguments")
    data = level.data(x)
    return level.make(_with_values(data, func(_values(data), *rest, **kwargs)), x.get_mask())


def _unary_in_place(level: Any, func: Any, args: tuple, kwargs: dict) -> Any:
    return _written(args[0], func, args[1:], kwargs)


def _written(masked: Any, func: Any, rest: Any, kwargs: dict) -> Any:
    """Has an operator in place change a MaskedTensor, not the data that it was made of."""
    data = masked._masked_data.clone()
    func(_values(data), *rest, **kwargs)
    masked._set_data_mask(data, masked.get_mask())
    return masked


def _binary(level: Any, func: Any, args: tuple, kwargs: dict) -> Any:
    a, b, *rest = args
    _same_or_raise(a, b)
    masked = a if is_masked_tensor(a) else b
    mask = masked.get_mask()
    left, right = (level.data(t) if is_masked_tensor(t) else t for t in (a, b))
    if mask.layout is rl.strided:
        made = func(left, right, *rest, **kwargs)
        return level.make(made, mask.expand(made.shape))
    shared = left if masked is a else right
    left, right = (
        t if not isinstance(t, rl.Tensor) else _values(t if t.layout is mask.layout else t.sparse_mask(mask))
        for t in (left, right)
    )
    return level.make(_with_values(shared, func(left, right, *rest, **kwargs)), mask)


def _binary_in_place(level: Any, func: Any, args: tuple, kwargs: dict) -> Any:
    a, b, *rest = args
    _same_or_raise(a, b)
    if not is_masked_tensor(a):
        raise TypeError("MaskedTensor binary ops in place need a MaskedTensor for their first argument")
    other = _values(b._masked_data) if is_masked_tensor(b) else b
    return _written(a, func, (other, *rest), kwargs)


def _reversed(name: str) -> Any:
    def rule(level: Any, func: Any, args: tuple, kwargs: dict) -> Any:
        return _RULES[name](level, lambda a, b: getattr(rl, name)(b, a), args, kwargs)

    return rule


def _power(level: Any, func: Any, args: tuple, kwargs: dict) -> Any:
    masked = [is_masked_tensor(a) for a in args[:2]]
    return (_unary if masked == [True, False] else _binary)(level, func, args, kwargs)


def _each(value: Any, what: Any) -> Any:
    if isinstance(value, (list, tuple)):
        return type(value)(_each(v, what) for v in value)
    return what(value) if is_masked_tensor(value) else value


def _joined(level: Any, data: Any, mask: Any) -> Any:
    if isinstance(data, (list, tuple)):
        return tuple(_joined(level, d, m) for d, m in zip(data, mask, strict=True))
    return level.make(data, mask) if isinstance(data, rl.Tensor) else data


def _both(level: Any, func: Any, args: tuple, kwargs: dict) -> Any:
    """On the data and on the mask alike."""
    data = func(*_each(args, level.data), **kwargs)
    return _joined(level, data, func(*_each(args, MaskedTensor.get_mask), **kwargs))


def _data_alone(level: Any, func: Any, args: tuple, kwargs: dict) -> Any:
    """On the data, whose mask stays."""
    x, *rest = args
    made = func(level.data(x), *rest, **kwargs)
    return level.make(made, x.get_mask().to(made.device))


def _plain(level: Any, func: Any, args: tuple, kwargs: dict) -> Any:
    """What is asked of the data is answered by it."""
    return func(*_each(args, level.data), **kwargs)


def _where(level: Any, func: Any, args: tuple, kwargs: dict) -> Any:
    condition, a, b = [*args, *kwargs.values()] if len(args) < 3 else args
    if not (isinstance(condition, rl.Tensor) and is_masked_tensor(a) and is_masked_tensor(b)):
        raise TypeError("where: expected a plain condition and two MaskedTensors")
    return level.make(
        rl.where(condition, level.data(a), level.data(b)), rl.where(condition, a.get_mask(), b.get_mask())
    )


def _softmax(level: Any, func: Any, args: tuple, kwargs: dict) -> Any:
    x, *rest = args
    data = level.data(x)
    return level.make(func(data.masked_fill(~x.get_mask(), float("-inf")), *rest, **kwargs), x.get_mask())


def _dense(t: Any) -> Any:
    return t if t.layout is rl.strided else t.to_dense()


_PLACES = {
    "norm": ("ord", "dim", "keepdim", "dtype"),
    "prod": ("dim", "keepdim", "dtype"),
    **dict.fromkeys(("var", "std"), ("dim", "unbiased", "keepdim")),
}


def _reduction(name: str) -> Any:
    def rule(level: Any, func: Any, args: tuple, kwargs: dict) -> Any:
        x, *rest = args
        given = dict(zip(_PLACES.get(name, ("dim", "keepdim", "dtype")), rest, strict=False)) | kwargs
        given["ord"] = given.pop("p", given.get("ord", 2.0))
        if name in ("var", "std") and isinstance(given.get("dim"), bool):
            given["unbiased"] = given.pop("dim")
        if name != "norm":
            given.pop("ord")
        if given.get("dim") == []:
            given["dim"] = None
        data, mask = _dense(level.data(x)), _dense(x.get_mask())
        if name == "all":
            made = data.masked_fill(~mask, True)
            made = made.all(**given) if given.get("dim") is not None else made.all()
        else:
            made = getattr(rl.masked, name)(data, mask=mask, **given)
        dim = given.get("dim")
        return level.make(
            made, mask.any() if dim is None and not given.get("keepdim") else mask.any(dim, given.get("keepdim", False))
        )

    return rule


def _to_dense(level: Any, func: Any, args: tuple, kwargs: dict) -> Any:
    return level.make(_dense(level.data(args[0])), _dense(args[0].get_mask()))


def _to_sparse(level: Any, func: Any, args: tuple, kwargs: dict) -> Any:
    mask = args[0].get_mask().to_sparse_coo().coalesce()
    return level.make(level.data(args[0]).sparse_mask(mask), mask)


def _to_sparse_csr(level: Any, func: Any, args: tuple, kwargs: dict) -> Any:
    mask = args[0].get_mask().to_sparse_csr()
    return level.make(level.data(args[0]).sparse_mask(mask), mask)


def _is_contiguous(level: Any, func: Any, args: tuple, kwargs: dict) -> Any:
    if args[0].layout is not rl.strided:
        raise ValueError("MaskedTensors with sparse data do not have is_contiguous")
    return func(args[0]._masked_data, *args[1:], **kwargs)


def _contiguous(level: Any, func: Any, args: tuple, kwargs: dict) -> Any:
    _is_contiguous(level, rl.Tensor.is_contiguous, args[:1], {})
    return _both(level, func, args, kwargs)


def _copy(level: Any, func: Any, args: tuple, kwargs: dict) -> Any:
    into, source = args[:2]
    _same_or_raise(into, source)
    into._set_data_mask(source._masked_data.to(into.dtype, copy=True), source.get_mask())
    return into


_BOTH = (
    "select transpose split t slice slice_backward select_backward index expand view _unsafe_view _reshape_alias reshape cat unsqueeze "
    "squeeze unfold unfold_backward im2col col2im stack narrow flatten permute chunk getitem clone movedim unbind tensor_split"
).split()
_LIKE = "ones_like zeros_like empty_like full_like rand_like randn_like to _to_copy type float double half bfloat16 new_empty_strided".split()
_RULES: dict[str, Any] = {
    **dict.fromkeys(UNARY_NAMES, _unary),
    **dict.fromkeys(INPLACE_UNARY_NAMES, _unary_in_place),
    **dict.fromkeys(BINARY_NAMES, _binary),
    **dict.fromkeys(INPLACE_BINARY_NAMES, _binary_in_place),
    **dict.fromkeys(_BOTH, _both),
    **dict.fromkeys(_LIKE, _data_alone),
    **{name: _reduction(name) for name in REDUCE_NAMES},
    **dict.fromkeys(("softmax", "log_softmax", "_softmax", "_log_softmax"), _softmax),
    **dict.fromkeys(("to_sparse", "to_sparse_coo", "_to_sparse"), _to_sparse),
    **dict.fromkeys(("to_sparse_csr", "_to_sparse_csr"), _to_sparse_csr),
    **dict.fromkeys(("to_dense", "_to_dense"), _to_dense),
    "radd": _binary, "rmul": _binary, "rsub": _reversed("sub"), "rtruediv": _reversed("div"), "rpow": _reversed("pow"),
    "pow": _power,
    "where": _where,
    "is_contiguous": _is_contiguous,
    "contiguous": _contiguous,
}  # fmt: skip
# What is below autograd alone.
BELOW: dict[str, Any] = {
    "detach": _both,
    "copy_": _copy,
    **dict.fromkeys(("item", "_local_scalar_dense", "is_same_size", "_is_any_true", "_indices", "_values"), _plain),
}

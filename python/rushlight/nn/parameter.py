"""Tensors that a Module recognises as its parameters and buffers."""

from __future__ import annotations

from typing import Any

import rushlight
from rushlight import _C, Tensor

__all__ = ["Buffer", "Parameter", "UninitializedBuffer", "UninitializedParameter", "is_lazy"]


class _ParameterMeta(type(Tensor)):  # type: ignore[misc]
    """Lets a tensor subclass that carries ``_is_param`` count as a Parameter."""

    def __instancecheck__(cls, instance: Any) -> bool:
        if type.__instancecheck__(cls, instance):
            return True
        return cls is Parameter and isinstance(instance, Tensor) and getattr(instance, "_is_param", False)


class Parameter(Tensor, metaclass=_ParameterMeta):
    """A tensor that becomes a parameter of the module it is assigned to.

    Args:
        data: the values; shared, not copied.
        requires_grad: whether gradients are computed for it. Default: True.

    >>> import rushlight as torch
    >>> p = torch.nn.Parameter(torch.zeros(2))
    >>> p.requires_grad, p.is_leaf
    (True, True)
    """

    __torch_function__ = _C._disabled_torch_function_impl  # type: ignore[assignment]

    def __new__(cls, data: Tensor | None = None, requires_grad: bool = True) -> Parameter:
        if data is None:
            data = rushlight.empty(0)
        if type(data) is Tensor or type(data) is Parameter:
            return Tensor._make_subclass(cls, data, requires_grad)
        # A custom tensor type keeps its own class and is only marked.
        param: Any = data.detach().requires_grad_(requires_grad)
        if type(param) is not type(data):
            raise RuntimeError(
                f"Creating a Parameter from an instance of type {type(data).__name__} requires that detach() returns an "
                f"instance of the same type, but return type {type(param).__name__} was found instead. To use the type as a "
                f"Parameter, please correct the detach() semantics defined by its __torch_dispatch__() implementation."
            )
        param.__dict__.update(data.__dict__)
        param._is_param = True
        return param

    def __deepcopy__(self, memo: dict) -> Parameter:
        if id(self) in memo:
            return memo[id(self)]
        copied = type(self)(self.data.clone(memory_format=rushlight.preserve_format), self.requires_grad)
        memo[id(self)] = copied
        return copied

    def __repr__(self) -> str:
        return "Parameter containing:\n" + super().__repr__()

    def __reduce_ex__(self, proto: Any) -> tuple:
        return _rebuild_parameter, (self.data, self.requires_grad)


_C._set_parameter_type(Parameter)


def _rebuild_parameter(data: Tensor, requires_grad: bool) -> Parameter:
    return Parameter(data, requires_grad)


class _BufferMeta(type(Tensor)):  # type: ignore[misc]
    def __instancecheck__(cls, instance: Any) -> bool:
        if type.__instancecheck__(cls, instance):
            return True
        return cls is Buffer and isinstance(instance, Tensor) and getattr(instance, "_is_buffer", False)


class Buffer(Tensor, metaclass=_BufferMeta):
    """A tensor that becomes a buffer of the module it is assigned to.

    Args:
        data: the values; shared, not copied.
        persistent: whether the buffer is part of the module's state dict. Default: True.
    """

    def __new__(cls, data: Tensor | None = None, *, persistent: bool = True) -> Tensor:  # type: ignore[misc]
        if data is None:
            data = rushlight.empty(0)
        buffer = data.detach().requires_grad_(data.requires_grad)
        buffer.persistent = persistent
        buffer._is_buffer = True
        return buffer


_CASTS = {"half", "float", "double", "bfloat16", "char", "short", "int", "long", "cuda", "cpu", "to", "type"}


class UninitializedTensorMixin:
    """A tensor whose sizes are not known yet; `materialize` makes it a plain one."""

    cls_to_become: type
    # What can be done without sizes; `data` and the like so that modules can be moved and cast.
    _allowed = _CASTS | {
        "__deepcopy__",
        "__hash__",
        "__reduce_ex__",
        "__repr__",
        "_base",
        "_has_compatible_shallow_copy_type",
        "_version",
        "backward_hooks",
        "copy_",
        "data",
        "detach",
        "device",
        "dtype",
        "get_device",
        "grad",
        "grad_fn",
        "is_complex",
        "is_cuda",
        "is_floating_point",
        "is_leaf",
        "is_meta",
        "is_sparse",
        "layout",
        "requires_grad",
        "requires_grad_",
        "retains_grad",
        "size",
    }

    def materialize(self, shape: Any, device: Any = None, dtype: Any = None) -> None:
        """Gives the tensor memory of this shape, of whatever values, and makes it a plain parameter or buffer."""
        own: Any = self
        own.data = rushlight.empty(shape, device=device or own.data.device, dtype=dtype or own.data.dtype)
        own.__class__ = self.cls_to_become

    @property
    def shape(self) -> Any:
        raise RuntimeError(
            "Can't access the shape of an uninitialized parameter or buffer. "
            "This error usually happens in `load_state_dict` when trying to load "
            "an uninitialized parameter into an initialized one. "
            "Call `forward` to initialize the parameters before accessing their attributes."
        )

    def share_memory_(self) -> Any:
        raise RuntimeError(
            "Can't share memory on an uninitialized parameter or buffer. "
            "Call `forward` to initialize the parameters before calling "
            "`module.share_memory()`."
        )

    def __repr__(self) -> str:
        return f"<{type(self).__name__}>"

    @classmethod
    def _like(cls, own: Any, cast: Any) -> Any:
        return cast

    @classmethod
    def __torch_function__(cls, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        name = getattr(func, "__name__", "")
        if name == "__get__":
            name = getattr(getattr(func, "__self__", None), "__name__", "")
        if name in UninitializedTensorMixin._allowed or name == "__set__":
            with _C.DisableTorchFunctionSubclass():
                result = func(*args, **(kwargs or {}))
            return cls._like(args[0], result) if name in _CASTS else result
        raise ValueError(
            f"Attempted to use an uninitialized parameter in {func}. "
            "This error happens when you are using a `LazyModule` or "
            f"explicitly manipulating `torch.nn.parameter.{cls.__name__}` "
            "objects. When using LazyModules Call `forward` with a dummy batch "
            "to initialize the parameters before calling torch functions"
        )


def is_lazy(param: Any) -> bool:
    """Whether a tensor waits for its sizes."""
    return isinstance(param, UninitializedTensorMixin)


class UninitializedParameter(UninitializedTensorMixin, Parameter):  # type: ignore[misc]
    """A parameter of a lazy module before its first input.

    >>> import rushlight as torch
    >>> p = torch.nn.UninitializedParameter()
    >>> p.materialize((2, 3))
    >>> type(p).__name__, tuple(p.shape)
    ('Parameter', (2, 3))
    """

    cls_to_become = Parameter

    def __new__(cls, requires_grad: bool = True, device: Any = None, dtype: Any = None) -> Any:
        return Tensor._make_subclass(cls, rushlight.empty(0, device=device, dtype=dtype), requires_grad)

    def __deepcopy__(self, memo: dict) -> Any:
        if id(self) not in memo:
            memo[id(self)] = type(self)(self.requires_grad, self.data.device, self.data.dtype)
        return memo[id(self)]

    def __reduce_ex__(self, proto: Any) -> tuple:
        return type(self), (self.requires_grad, self.data.device, self.data.dtype)


class UninitializedBuffer(UninitializedTensorMixin, Tensor):  # type: ignore[misc]
    """A buffer of a lazy module before its first input."""

    cls_to_become = Tensor

    @classmethod
    def _like(cls, own: Any, cast: Any) -> Any:
        """What a cast of `own` gives: a module puts it in the place of the buffer."""
        return cls(cast.requires_grad, cast.device, cast.dtype, getattr(own, "persistent", True))

    def __new__(
        cls, requires_grad: bool = False, device: Any = None, dtype: Any = None, persistent: bool = True
    ) -> Any:
        made = Tensor._make_subclass(cls, rushlight.empty(0, device=device, dtype=dtype), requires_grad)
        made.persistent = persistent
        made._is_buffer = True
        return made

    def __deepcopy__(self, memo: dict) -> Any:
        if id(self) not in memo:
            memo[id(self)] = type(self)(self.requires_grad, self.data.device, self.data.dtype, self.persistent)
        return memo[id(self)]

    def __reduce_ex__(self, proto: Any) -> tuple:
        return type(self), (self.requires_grad, self.data.device, self.data.dtype, self.persistent)

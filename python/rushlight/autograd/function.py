"""Operations whose gradient is written by hand."""

from __future__ import annotations

import functools
from typing import Any

from .. import _C
from .._C import _FunctionContext

__all__ = ["BackwardCFunction", "Function", "FunctionCtx", "InplaceFunction", "NestedIOFunction", "once_differentiable"]


# Inside of a forward-mode level: calls a function of tensors that may have tangents. Set by forward_ad.
call_with_tangents: Any = None
# While a model is traced for ONNX: calls a function that has a `symbolic` as one operator. Set by onnx.
call_exported: Any = None


class FunctionCtx(_FunctionContext):
    """The ``ctx`` of a call: what forward hands to backward. Attributes of one's own may be set on it."""

    def save_for_forward(self, *tensors: Any) -> None:
        self.saved_for_forward = tensors

    def mark_shared_storage(self, *pairs: Any) -> None:
        pass


class BackwardCFunction(FunctionCtx):
    """A ctx as ``grad_fn``."""

    def apply(self, *grads: Any) -> Any:
        return type(self)._backward_function(self, *grads)


class FunctionMeta(type):
    def __init__(cls, name: str, bases: tuple, attributes: dict) -> None:
        super().__init__(name, bases, attributes)
        cls._has_setup_context = (
            getattr(cls, "setup_context", None) is not getattr(Function, "setup_context", None) if bases else False
        )
        cls._backward_cls: Any = type(
            name + "Backward", (BackwardCFunction,), {"_forward_cls": cls, "__module__": cls.__module__}
        )
        cls._backward_cls._backward_function = staticmethod(functools.partial(_call_backward, cls))


def _call_backward(cls: Any, ctx: Any, *grads: Any) -> Any:
    backward, vjp = cls.backward, cls.vjp
    if backward is not Function.backward and vjp is not Function.vjp:
        raise RuntimeError(
            "Implementing both 'backward' and 'vjp' for a custom Function is not allowed. You should only implement one of them."
        )
    return (vjp if vjp is not Function.vjp else backward)(ctx, *grads)


class Function(metaclass=FunctionMeta):
    """An operation with a gradient of one's own: subclass it, and call it with ``apply``.

    >>> class Cube(torch.autograd.Function):
    ...     @staticmethod
    ...     def forward(ctx, x):
    ...         ctx.save_for_backward(x)
    ...         return x ** 3
    ...     @staticmethod
    ...     def backward(ctx, grad):
    ...         x, = ctx.saved_tensors
    ...         return grad * 3 * x ** 2
    >>> x = torch.tensor(2., requires_grad=True)
    >>> Cube.apply(x).backward()
    >>> x.grad
    tensor(12.)
    """

    generate_vmap_rule = False

    @staticmethod
    def vmap(info: Any, in_dims: Any, *args: Any) -> Any:
        """The function of a batch: to be overridden, unless ``generate_vmap_rule`` is set.

        Args:
            info: has ``batch_size`` and ``randomness``.
            in_dims: the batch's dimension in each argument, None where it has none.

        Returns the outputs and the batch's dimension in each of them.
        """
        raise NotImplementedError(
            "To use autograd.Function with vmap, you must either override the vmap staticmethod or set generate_vmap_rule=True."
        )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        import warnings

        warnings.warn(
            f"{type(self)} should not be instantiated. Methods on autograd functions are all static, so you should invoke them on the "
            "class itself. Instantiating an autograd function will raise an error in a future version of PyTorch.",
            DeprecationWarning,
            stacklevel=2,
        )

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        name = type(self).__name__
        raise RuntimeError(
            "Legacy autograd function with non-static forward method is deprecated. Please use new-style autograd function with static "
            f"forward method. Hint: {name}.apply(...) calls it, without making an object; its forward(ctx, ...) is a staticmethod"
        )

    @classmethod
    def apply(cls, *args: Any, **kwargs: Any) -> Any:
        separate = cls._has_setup_context
        # setup_context sees the defaults too.
        if kwargs or (separate and len(args) < getattr(getattr(cls.forward, "__code__", None), "co_argcount", 0)):
            import inspect

            bound = inspect.signature(cls.forward).bind(*(() if separate else (None,)), *args, **kwargs)
            if separate:
                bound.apply_defaults()
            args = bound.args if separate else bound.args[1:]
        if call_with_tangents is not None:
            return call_with_tangents(cls, args)
        if call_exported is not None and hasattr(cls, "symbolic"):
            return call_exported(cls, args)
        return _C._apply_function(cls, *args)

    @staticmethod
    def forward(*args: Any, **kwargs: Any) -> Any:
        """``forward(ctx, *args)``, or ``forward(*args)`` beside a ``setup_context(ctx, inputs, output)``."""
        raise NotImplementedError("You must implement the forward function for custom autograd.Function.")

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple, output: Any) -> Any:
        raise NotImplementedError("setup_context is not implemented.")

    @staticmethod
    def backward(ctx: Any, *grad_outputs: Any) -> Any:
        """Takes one gradient per output of forward, and returns one per argument (None where there is none)."""
        raise NotImplementedError(
            "You must implement either the backward or vjp method for your custom autograd.Function to use it with backward mode AD."
        )

    vjp = backward

    @staticmethod
    def jvp(ctx: Any, *grad_inputs: Any) -> Any:
        raise NotImplementedError(
            "You must implement the jvp function for custom autograd.Function to use it with forward mode AD."
        )


def once_differentiable(fn: Any) -> Any:
    """Marks a backward whose own computation is not to be differentiated: doing so raises an error."""

    @functools.wraps(fn)
    def wrapper(ctx: Any, *args: Any) -> Any:
        with _C.no_grad():
            outputs = fn(ctx, *args)
        if not _C.is_grad_enabled() or not any(map(_wants_gradient, args)):
            return outputs
        given = outputs if isinstance(outputs, tuple) else (outputs,)
        fakes = [o.detach() for o in given if o is not None]
        # With what was given, for each transform's level to see whether it has to know.
        text = "trying to differentiate twice a function that was marked with @once_differentiable"
        results = iter(_DelayedError.apply(text, len(fakes), *fakes, *args))
        out = tuple(None if o is None else next(results) for o in given)
        return out if isinstance(outputs, tuple) else out[0]

    return wrapper


def _wants_gradient(x: Any) -> bool:
    """Whether a tensor requires a gradient, or what it stands for in a transform."""
    while isinstance(x, _C.Tensor):
        if x.requires_grad:
            return True
        found = _C._wrapped(x)
        x = found and found[0]
    return False


class _DelayedError(Function):
    """Identity of the first `count` tensors, whose gradient, and that of the others, is an error, also under transforms."""

    generate_vmap_rule = True

    @staticmethod
    def forward(message: str, count: int, *tensors: Any) -> Any:
        return tuple(t.view_as(t) for t in tensors[:count])

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple, output: Any) -> None:
        ctx.message = inputs[0]

    @staticmethod
    def backward(ctx: Any, *grads: Any) -> Any:
        raise RuntimeError(ctx.message)


class InplaceFunction(Function):
    """A base class of older code: ``forward`` and ``backward`` are static methods, as of any Function."""

    def __init__(self, inplace: bool = False) -> None:
        super().__init__()
        self.inplace = inplace


class NestedIOFunction(Function):
    """Kept for code that names it: nested arguments are for the caller to flatten."""


class _Same(Function):
    @staticmethod
    def forward(x: Any) -> Any:
        return x

    @staticmethod
    def setup_context(ctx: Any, inputs: Any, output: Any) -> None:
        pass

    @staticmethod
    def backward(ctx: Any, grad: Any) -> Any:
        return grad


def over_the_memory_of(alias: Any, leaf: Any) -> Any:
    """``leaf`` as a result of itself: neither leaf nor view, so that a program may write to ``alias``, its memory under no graph."""
    return _C._wire_function(_Same, alias, leaf)

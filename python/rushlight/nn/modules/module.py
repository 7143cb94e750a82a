"""Module, the base class of all neural network modules."""

from __future__ import annotations

import sys
import types
import warnings
from collections import OrderedDict
from collections.abc import Callable, Iterator
from typing import Any

import rushlight
from rushlight import _C, Tensor, __future__

from ..parameter import Buffer, Parameter
from . import _module_hooks
from ._module_hooks import (
    ModuleHooks,
    _global_backward_hooks,
    _global_backward_pre_hooks,
    _global_buffer_registration_hooks,
    _global_forward_hooks,
    _global_forward_pre_hooks,
    _global_module_registration_hooks,
    _global_parameter_registration_hooks,
    _WrappedHook,
    register_module_backward_hook,
    register_module_buffer_registration_hook,
    register_module_forward_hook,
    register_module_forward_pre_hook,
    register_module_full_backward_hook,
    register_module_full_backward_pre_hook,
    register_module_module_registration_hook,
    register_module_parameter_registration_hook,
)
from ._state_dict import _EXTRA_STATE_KEY_SUFFIX, StateDict, _IncompatibleKeys  # noqa: F401  (programs take these from here)

if hasattr(_C, "ModuleBase"):
    from rushlight._C import ModuleBase
else:
    from .._module_base import PyModuleBase as ModuleBase

__all__ = [
    "Module",
    "register_module_backward_hook",
    "register_module_buffer_registration_hook",
    "register_module_forward_hook",
    "register_module_forward_pre_hook",
    "register_module_full_backward_hook",
    "register_module_full_backward_pre_hook",
    "register_module_module_registration_hook",
    "register_module_parameter_registration_hook",
]

_WrappedHook.__module__ = __name__  # where pickles look

_HOOK_DICTS = (
    "_backward_pre_hooks",
    "_backward_hooks",
    "_forward_hooks",
    "_forward_hooks_with_kwargs",
    "_forward_hooks_always_called",
    "_forward_pre_hooks",
    "_forward_pre_hooks_with_kwargs",
    "_state_dict_hooks",
    "_state_dict_pre_hooks",
    "_load_state_dict_pre_hooks",
    "_load_state_dict_post_hooks",
)

ModuleBase._configure(
    Tensor, _global_forward_hooks, _global_forward_pre_hooks, _global_backward_hooks, _global_backward_pre_hooks
)


_CALL_INIT = ". Hint: call super().__init__() first in the __init__ of your class"


def _typename(value: Any) -> str:
    if isinstance(value, Tensor):
        return value.type()
    module = type(value).__module__
    return type(value).__qualname__ if module in ("builtins", None) else f"{module}.{type(value).__qualname__}"


def _addindent(text: str, spaces: int) -> str:
    first, *rest = text.split("\n")
    return "\n".join([first, *(" " * spaces + line if line.strip() else "" for line in rest)])


def _forward_unimplemented(self: Any, *input: Any) -> None:
    """What the module computes; each subclass defines its own."""
    if type(self).__name__ in ("ModuleList", "ModuleDict", "ParameterList", "ParameterDict"):
        hint = "it holds modules and is not called: call its items, or use nn.Sequential"
    else:
        hint = "define def forward(self, ...), spelled so"
    raise NotImplementedError(
        f'Module [{type(self).__name__}] is missing the required "forward" function. Hint: {hint}'
    )


class _CallSignature:
    """What inspect.signature() says of a module: its calls are in C++, where inspect finds nothing."""

    def __get__(self, module: Any, cls: Any = None) -> Any:
        if module is None or type(module).__call__ is not Module.__call__:
            raise AttributeError("__signature__")
        import inspect

        kinds = inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD
        names = zip(("args", "kwargs"), kinds, strict=True)
        return inspect.Signature([inspect.Parameter(name, kind) for name, kind in names])


class Module(ModuleHooks, StateDict, ModuleBase):  # type: ignore[misc, valid-type]
    """Base of all neural network modules.

    A subclass assigns parameters, buffers and other modules as attributes in ``__init__``, after calling
    ``super().__init__()``, and computes in ``forward``.

    >>> import rushlight as torch
    >>> class Scale(torch.nn.Module):
    ...     def __init__(self):
    ...         super().__init__()
    ...         self.weight = torch.nn.Parameter(torch.tensor(2.0))
    ...     def forward(self, x):
    ...         return x * self.weight
    >>> Scale()(torch.tensor(3.0)).item()
    6.0
    """

    dump_patches: bool = False
    training: bool
    call_super_init: bool = False
    _compiled_call_impl: Callable | None = None
    forward: Callable[..., Any] = _forward_unimplemented
    __signature__ = _CallSignature()

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        if not self.call_super_init:
            if kwargs:
                raise TypeError(
                    f"{type(self).__name__}.__init__() got an unexpected keyword argument '{next(iter(kwargs))}'"
                )
            if args:
                raise TypeError(
                    f"{type(self).__name__}.__init__() takes 1 positional argument but {len(args) + 1} were given"
                )
        # Straight into the dictionary: assignment would ask of each value whether it is a member.
        own = self.__dict__
        own["training"] = True
        own["_parameters"] = {}
        own["_buffers"] = {}
        own["_non_persistent_buffers_set"] = set()
        own["_is_full_backward_hook"] = None
        for name in _HOOK_DICTS:
            own[name] = OrderedDict()
        own["_modules"] = {}
        if self.call_super_init:
            super().__init__(*args, **kwargs)

    # ---- members: parameters, buffers, modules -------------------------------------------------------------------

    def _check_name(self, kind: str, name: Any, members: dict) -> None:
        if not isinstance(name, str):
            raise TypeError(f"{kind} name should be a string. Got {_typename(name)}")
        if kind == "module" and hasattr(self, name) and name not in members:
            raise KeyError(f"attribute '{name}' already exists")
        if "." in name:
            raise KeyError(f'{kind} name can\'t contain "."' + (f", got: {name}" if kind == "module" else ""))
        if name == "":
            raise KeyError(f'{kind} name can\'t be empty string ""')
        if hasattr(self, name) and name not in members:
            raise KeyError(f"attribute '{name}' already exists")

    def register_buffer(self, name: str, tensor: Tensor | None, persistent: bool = True) -> None:
        """Adds a tensor that is part of the module but not a parameter, such as a running mean.

        Args:
            name: the attribute by which it is read.
            tensor: the buffer, or None for one that is not there yet and not saved.
            persistent: whether it is part of the state dict. Default: True.
        """
        if "_buffers" not in self.__dict__:
            raise AttributeError("cannot assign buffer before Module.__init__() call" + _CALL_INIT)
        self._check_name("buffer", name, self._buffers)
        if tensor is not None and not isinstance(tensor, Tensor) and not hasattr(tensor, "__torch_function__"):
            raise TypeError(
                f"cannot assign '{_typename(tensor)}' object to buffer '{name}' (torch Tensor or None required)"
            )
        for hook in _global_buffer_registration_hooks.values():
            replaced = hook(self, name, tensor)
            tensor = tensor if replaced is None else replaced
        self._buffers[name] = tensor
        if persistent:
            self._non_persistent_buffers_set.discard(name)
        else:
            self._non_persistent_buffers_set.add(name)

    def register_parameter(self, name: str, param: Parameter | None) -> None:
        """Adds a parameter, or with None the place for one."""
        if "_parameters" not in self.__dict__:
            raise AttributeError("cannot assign parameter before Module.__init__() call" + _CALL_INIT)
        self._check_name("parameter", name, self._parameters)
        if param is not None:
            if not isinstance(param, Parameter):
                raise TypeError(
                    f"cannot assign '{_typename(param)}' object to parameter '{name}' "
                    "(torch.nn.Parameter or None required)"
                )
            if param.grad_fn:
                raise ValueError(
                    f"Cannot assign non-leaf Tensor to parameter '{name}'. Model "
                    f"parameters must be created explicitly. To express '{name}' "
                    "as a function of another Tensor, compute the value in "
                    "the forward() method."
                )
            for hook in _global_parameter_registration_hooks.values():
                replaced = hook(self, name, param)
                param = param if replaced is None else replaced
        self._parameters[name] = param

    def add_module(self, name: str, module: Module | None) -> None:
        """Adds a child module, read as the attribute ``name``."""
        if not isinstance(module, Module) and module is not None:
            if isinstance(module, (list, tuple)):
                hint = ". Hint: unpack the list, Sequential(*layers), or keep it in a ModuleList"
            elif isinstance(module, type) and issubclass(module, Module):
                hint = f". Hint: this is the class itself; make a module of it, {module.__name__}(...)"
            elif callable(module):
                hint = ". Hint: call the function in forward, or wrap it in a class with a forward method"
            else:
                hint = ""
            named = rushlight.typename(module) if isinstance(module, type) else _typename(module)
            raise TypeError(f"{named} is not a Module subclass{hint}")
        self._check_name("module", name, self._modules)
        self._put_module(name, module)

    def register_module(self, name: str, module: Module | None) -> None:
        """Another name of add_module."""
        self.add_module(name, module)

    def _put_module(self, name: str, module: Module | None) -> None:
        for hook in _global_module_registration_hooks.values():
            replaced = hook(self, name, module)
            module = module if replaced is None else replaced
        self._modules[name] = module

    def _set_member(self, name: str, value: Any) -> bool:
        """Assigns a parameter, module or buffer. False if the value belongs with the plain attributes."""
        own = self.__dict__
        params, modules, buffers = own.get("_parameters"), own.get("_modules"), own.get("_buffers")
        if isinstance(value, Parameter):
            if params is None:
                raise AttributeError("cannot assign parameters before Module.__init__() call" + _CALL_INIT)
            self._forget(name, own, buffers, modules)
            self.register_parameter(name, value)
        elif params is not None and name in params:
            if value is not None:
                raise TypeError(
                    f"cannot assign '{_typename(value)}' as parameter '{name}' (torch.nn.Parameter or None expected). "
                    "Hint: wrap it in torch.nn.Parameter, or copy_ the values into the parameter under torch.no_grad()"
                )
            self.register_parameter(name, value)
        elif isinstance(value, Module):
            if modules is None:
                raise AttributeError("cannot assign module before Module.__init__() call" + _CALL_INIT)
            self._forget(name, own, params, buffers)
            self._put_module(name, value)
        elif modules is not None and name in modules:
            if value is not None:
                raise TypeError(
                    f"cannot assign '{_typename(value)}' as child module '{name}' (torch.nn.Module or None expected)"
                )
            self._put_module(name, value)
        elif isinstance(value, Buffer) or (buffers is not None and name in buffers):
            if value is not None and not isinstance(value, Tensor) and not hasattr(value, "__torch_function__"):
                raise TypeError(
                    f"cannot assign '{_typename(value)}' as buffer '{name}' "
                    "(torch.nn.Buffer, torch.Tensor or None expected)"
                )
            if isinstance(value, Buffer):
                persistent = value.persistent
            else:
                persistent = name not in self._non_persistent_buffers_set
            if persistent:  # not named, for subclasses whose register_buffer has no such argument
                self.register_buffer(name, value)
            else:
                self.register_buffer(name, value, persistent=False)
        else:
            return False
        return True

    def _forget(self, name: str, *places: Any) -> None:
        for place in places:
            place.pop(name, None)
        self._non_persistent_buffers_set.discard(name)

    def _get_member(self, target: str, kind: type | None) -> tuple[Module, str, Any]:
        path, _, name = target.rpartition(".")
        module = self.get_submodule(path)
        if not hasattr(module, name):
            raise AttributeError(f"{module._get_name()} has no attribute `{name}`")
        value = getattr(module, name)
        if kind is not None and not isinstance(value, kind):
            raise AttributeError(f"`{name}` is not an nn.{kind.__name__}")
        return module, name, value

    def get_submodule(self, target: str) -> Module:
        """The module at a path such as ``"encoder.layers.3.fc1"``; ``""`` is the module itself."""
        module: Module = self
        for name in target.split(".") if target else ():
            if not hasattr(module, name):
                raise AttributeError(f"{module._get_name()} has no attribute `{name}`")
            module = getattr(module, name)
            if not isinstance(module, Module):
                raise AttributeError(f"`{name}` is not an nn.Module")
        return module

    def set_submodule(self, target: str, module: Module, strict: bool = False) -> None:
        """Replaces the module at a path; with ``strict`` it must be there already."""
        if target == "":
            raise ValueError("Cannot set the submodule without a target name!")
        if not isinstance(module, Module):
            raise ValueError(f"`module` is not an nn.Module, found {type(module)}")
        path, _, name = target.rpartition(".")
        parent = self.get_submodule(path)
        if strict and not hasattr(parent, name):
            raise AttributeError(f"{parent._get_name()} has no attribute `{name}`")
        if hasattr(parent, name) and not isinstance(getattr(parent, name), Module):
            raise AttributeError(f"`{name}` is not an nn.Module")
        setattr(parent, name, module)

    def get_parameter(self, target: str) -> Parameter:
        """The parameter at a path such as ``"encoder.fc1.weight"``."""
        return self._get_member(target, Parameter)[2]

    def get_buffer(self, target: str) -> Tensor:
        """The buffer at a path such as ``"encoder.bn.running_mean"``."""
        module, name, value = self._get_member(target, None)
        if name not in module._buffers:
            raise AttributeError(f"`{name}` is not a buffer")
        return value

    # ---- iteration -----------------------------------------------------------------------------------------------

    def named_modules(
        self, memo: set | None = None, prefix: str = "", remove_duplicate: bool = True
    ) -> Iterator[tuple[str, Module]]:
        """This module and all below it with their paths; a module met twice is given once."""
        memo = set() if memo is None else memo
        if self in memo:
            return
        if remove_duplicate:
            memo.add(self)
        yield prefix, self
        for name, module in self._modules.items():
            if module is not None:
                path = f"{prefix}.{name}" if prefix else name
                yield from module.named_modules(memo, path, remove_duplicate)

    def modules(self, remove_duplicate: bool = True) -> Iterator[Module]:
        """This module and all below it."""
        for _, module in self.named_modules(remove_duplicate=remove_duplicate):
            yield module

    def named_children(self) -> Iterator[tuple[str, Module]]:
        """The modules directly below this one, with their names."""
        seen = set()
        for name, module in self._modules.items():
            if module is not None and module not in seen:
                seen.add(module)
                yield name, module

    def children(self) -> Iterator[Module]:
        """The modules directly below this one."""
        for _, module in self.named_children():
            yield module

    def _named_members(
        self, get_members_fn: Callable, prefix: str = "", recurse: bool = True, remove_duplicate: bool = True
    ) -> Iterator[tuple[str, Any]]:
        seen = {}  # by id; held, so that no other tensor gets the id of one that was made for this walk
        modules = self.named_modules(prefix=prefix, remove_duplicate=remove_duplicate) if recurse else [(prefix, self)]
        for path, module in modules:
            for name, value in get_members_fn(module):
                if value is None or id(value) in seen:
                    continue
                if remove_duplicate:
                    seen[id(value)] = value
                yield (f"{path}.{name}" if path else name), value

    def named_parameters(
        self, prefix: str = "", recurse: bool = True, remove_duplicate: bool = True
    ) -> Iterator[tuple[str, Parameter]]:
        """The parameters of this module and, with ``recurse``, of those below it, with their paths."""
        yield from self._named_members(lambda m: m._parameters.items(), prefix, recurse, remove_duplicate)

    def parameters(self, recurse: bool = True) -> Iterator[Parameter]:
        """The parameters of this module and, with ``recurse``, of those below it."""
        for _, param in self.named_parameters(recurse=recurse):
            yield param

    def named_buffers(
        self, prefix: str = "", recurse: bool = True, remove_duplicate: bool = True
    ) -> Iterator[tuple[str, Tensor]]:
        """The buffers of this module and, with ``recurse``, of those below it, with their paths."""
        yield from self._named_members(lambda m: m._buffers.items(), prefix, recurse, remove_duplicate)

    def buffers(self, recurse: bool = True) -> Iterator[Tensor]:
        """The buffers of this module and, with ``recurse``, of those below it."""
        for _, buf in self.named_buffers(recurse=recurse):
            yield buf

    # ---- conversion ----------------------------------------------------------------------------------------------

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> Module:
        """Replaces the contents of each parameter, its gradient and each buffer; parameters keep their identity."""
        if recurse:
            for module in self.children():
                module._apply(fn)
        for name, param in self._parameters.items():
            if param is None:
                continue
            grad = param.grad
            with rushlight.no_grad():
                new = fn(param)
                new_grad = None if grad is None else fn(grad)
            if __future__.get_swap_module_params_on_conversion() or hasattr(type(new), "__tensor_flatten__"):
                self._swap_in_converted(name, param, new, new_grad)
            elif new.is_meta == param.is_meta and not __future__.get_overwrite_module_params_on_conversion():
                param.data = new
                if grad is not None:
                    # Taken off first: a gradient must match its tensor's dtype at every moment.
                    param.grad = None
                    grad.data = new_grad
                    param.grad = grad
            else:
                self._parameters[name] = param = Parameter(new, param.requires_grad)
                if grad is not None:
                    param.grad = new_grad.requires_grad_(grad.requires_grad)
        for name, buf in self._buffers.items():
            if buf is not None:
                self._buffers[name] = fn(buf)
        return self

    def _swap_in_converted(self, name: str, param: Any, new: Tensor, new_grad: Tensor | None) -> None:
        grad, param.grad = param.grad, None
        try:
            rushlight.utils.swap_tensors(param, Parameter(new.detach(), param.requires_grad))
            if grad is not None:
                new_grad = new_grad.requires_grad_(grad.requires_grad)  # type: ignore[union-attr]
                rushlight.utils.swap_tensors(grad, new_grad)
        except Exception as e:
            param.grad = grad
            raise RuntimeError(f"_apply(): Couldn't swap {self._get_name()}.{name}") from e
        param.grad = grad

    def apply(self, fn: Callable[[Module], None]) -> Module:
        """Calls ``fn`` on every module below, then on this one."""
        for module in self.children():
            module.apply(fn)
        fn(self)
        return self

    def to(self, *args: Any, **kwargs: Any) -> Module:
        """Moves or casts the parameters and buffers: ``to(device)``, ``to(dtype)``, ``to(tensor)`` and so on.

        Only floating-point and complex tensors are cast.
        """
        device, dtype, non_blocking, memory_format = _parse_to(*args, **kwargs)
        if dtype is not None:
            if not (dtype.is_floating_point or dtype.is_complex):
                raise TypeError(
                    f"nn.Module.to only accepts floating point or complex dtypes, but got desired dtype={dtype}"
                )
            if dtype.is_complex:
                warnings.warn(
                    "Complex modules are a new feature under active development whose design may change, "
                    "and some modules might not work as expected when using complex tensors as parameters or buffers. "
                    "Please file an issue at https://github.com/pytorch/pytorch/issues/new?template=bug-report.yml "
                    "if a complex module does not work as expected.",
                    stacklevel=2,
                )

        def convert(t: Tensor) -> Tensor:
            options: dict[str, Any] = {"non_blocking": non_blocking}
            if device is not None:
                options["device"] = device
            if dtype is not None and (t.is_floating_point() or t.is_complex()):
                options["dtype"] = dtype
            if memory_format is not None and t.dim() in (4, 5):
                options["memory_format"] = memory_format
            return t.to(**options)

        return self._apply(convert)

    def to_empty(self, *, device: Any, recurse: bool = True) -> Module:
        """Moves to a device without copying the values."""
        return self._apply(lambda t: rushlight.empty_like(t, device=device), recurse=recurse)

    def cuda(self, device: Any = None) -> Module:
        """Moves to the CUDA device."""
        return self._apply(lambda t: t.cuda(device))

    def cpu(self) -> Module:
        """Moves to main memory."""
        return self._apply(lambda t: t.cpu())

    def type(self, dst_type: Any) -> Module:
        """Casts all parameters and buffers to ``dst_type``."""
        return self._apply(lambda t: t.type(dst_type))

    def float(self) -> Module:
        """Casts floating-point parameters and buffers to float32."""
        return self._cast(rushlight.float32)

    def double(self) -> Module:
        """Casts floating-point parameters and buffers to float64."""
        return self._cast(rushlight.float64)

    def half(self) -> Module:
        """Casts floating-point parameters and buffers to float16."""
        return self._cast(rushlight.float16)

    def bfloat16(self) -> Module:
        """Casts floating-point parameters and buffers to bfloat16."""
        return self._cast(rushlight.bfloat16)

    def _cast(self, dtype: Any) -> Module:
        return self._apply(lambda t: t.to(dtype) if t.is_floating_point() else t)

    def share_memory(self) -> Module:
        """Moves the parameters and buffers to shared memory."""
        return self._apply(lambda t: t.share_memory_())

    # ---- modes and gradients -------------------------------------------------------------------------------------

    def train(self, mode: bool = True) -> Module:
        """Sets training mode, or evaluation mode with False, here and below."""
        if not isinstance(mode, bool):
            raise ValueError("training mode is expected to be boolean")
        self.training = mode
        for module in self.children():
            module.train(mode)
        return self

    def eval(self) -> Module:
        """Sets evaluation mode: the same as ``train(False)``."""
        return self.train(False)

    def requires_grad_(self, requires_grad: bool = True) -> Module:
        """Switches gradients of all parameters on or off."""
        for p in self.parameters():
            p.requires_grad_(requires_grad)
        return self

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Removes the gradients of all parameters, or zeroes them."""
        if getattr(self, "_is_replica", False):
            warnings.warn(
                "Calling .zero_grad() from a module created with nn.DataParallel() has no effect. "
                "The parameters are copied (in a differentiable manner) from the original module. "
                "This means they are not leaf nodes in autograd and so don't accumulate gradients. "
                "If you need gradients in your forward method, consider using autograd.grad instead.",
                stacklevel=2,
            )
        for p in self.parameters():
            if p.grad is None:
                continue
            if set_to_none:
                p.grad = None
            else:
                if p.grad.grad_fn is not None:
                    p.grad.detach_()
                else:
                    p.grad.requires_grad_(False)
                p.grad.zero_()

    # ---- calls -----------------------------------------------------------------------------------------------------

    def _call_impl(self, *args: Any, **kwargs: Any) -> Any:
        if (
            self._forward_hooks
            or self._forward_pre_hooks
            or self._backward_hooks
            or self._backward_pre_hooks
            or _has_any_global_hook()
        ):
            return self._call_with_hooks(args, kwargs)
        return self.forward(*args, **kwargs)

    def compile(self, *args: Any, **kwargs: Any) -> None:
        """From now on, calls of this module run compiled."""
        self._compiled_call_impl = rushlight.compile(self._call_impl, *args, **kwargs)

    # ---- representation and copies ---------------------------------------------------------------------------------

    def _get_name(self) -> str:
        return type(self).__name__

    def extra_repr(self) -> str:
        """Override to show the module's own settings in its repr."""
        return ""

    def __repr__(self) -> str:
        extra = self.extra_repr()
        lines = extra.split("\n") if extra else []
        if len(lines) == 1 and not self._modules:
            return f"{self._get_name()}({lines[0]})"
        for name, module in self._modules.items():  # no comprehension: its frame would count in deep nests
            lines.append(f"({name}): {_addindent(repr(module), 2)}")
        return f"{self._get_name()}(" + ("\n  " + "\n  ".join(lines) + "\n" if lines else "") + ")"

    def __dir__(self) -> list[str]:
        names = [*dir(type(self)), *self.__dict__, *self._parameters, *self._modules, *self._buffers]
        return sorted(name for name in names if not name[0].isdigit())

    def __getstate__(self) -> dict:
        state = self.__dict__.copy()
        state.pop("_compiled_call_impl", None)
        return state

    def __setstate__(self, state: dict) -> None:
        own = self.__dict__
        own.update(state)
        for name in _HOOK_DICTS:  # pickles of older versions lack some
            if name not in own:
                own[name] = OrderedDict()
        own.setdefault("_non_persistent_buffers_set", set())
        own.setdefault("_is_full_backward_hook", None)
        from ._older import complete

        complete(self)


class _GlobalHooks(types.ModuleType):
    """Programs clear the hooks of all modules by assigning here: the dictionaries, which calls look into, keep their identity."""

    def __setattr__(self, name: str, value: Any) -> None:
        hooks = getattr(_module_hooks, name, None) if name.startswith("_global_") else None
        if isinstance(hooks, dict):
            value = dict(value)
            hooks.clear()
            hooks.update(value)
        elif name == "_global_is_full_backward_hook":
            _module_hooks._global_is_full_backward_hook = value
        else:
            super().__setattr__(name, value)

    @property
    def _global_is_full_backward_hook(self) -> bool | None:
        return _module_hooks._global_is_full_backward_hook


sys.modules[__name__].__class__ = _GlobalHooks


def _has_any_global_hook() -> bool:
    return bool(
        _global_forward_hooks or _global_forward_pre_hooks or _global_backward_hooks or _global_backward_pre_hooks
    )


def _parse_to(*args: Any, **kwargs: Any) -> tuple[Any, Any, bool, Any]:
    """(device, dtype, non_blocking, memory_format) of the three forms of ``to``."""
    device, dtype = kwargs.pop("device", None), kwargs.pop("dtype", None)
    memory_format = kwargs.pop("memory_format", None)
    other = kwargs.pop("tensor", kwargs.pop("other", None))
    non_blocking, copy = kwargs.pop("non_blocking", None), kwargs.pop("copy", None)
    if kwargs:
        raise TypeError(f"to() got an unexpected keyword argument '{next(iter(kwargs))}'")
    flags = []
    for i, arg in enumerate(args):
        if isinstance(arg, bool):
            flags.append(arg)
        elif isinstance(arg, Tensor) and i == 0:
            other = arg
        elif isinstance(arg, rushlight.dtype) and dtype is None and not flags:
            dtype = arg
        elif isinstance(arg, (str, int, rushlight.device)) and i == 0:
            device = arg
        elif arg is not None or i > 1:
            raise TypeError(
                f"to() received an invalid combination of arguments - got ({', '.join(map(_typename, args))}), "
                "but expected (device, dtype, non_blocking), (dtype, non_blocking) or (tensor, non_blocking)"
            )
    if len(flags) > 2:
        raise TypeError(f"to() takes at most 2 flags, non_blocking and copy, got {flags}")
    if copy or len(flags) > 1:
        raise RuntimeError(".to() does not accept copy argument")
    if other is not None:
        device, dtype = other.device, other.dtype
    if device is not None:
        device = rushlight.device(device)
    return device, dtype, bool(non_blocking if non_blocking is not None else (flags or [False])[0]), memory_format

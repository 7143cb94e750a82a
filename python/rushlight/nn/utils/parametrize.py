"""Parameters that are functions of other parameters.

A parametrised tensor becomes a property of a class made for the module; what it is computed from lies in
``module.parametrizations.NAME``.
"""

from __future__ import annotations

import copyreg
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from copy import deepcopy
from typing import Any

import rushlight as rl
from rushlight import Tensor
from rushlight._pickling import _keeps_values_elsewhere

from ..modules.container import ModuleDict, ModuleList
from ..modules.module import Module
from ..parameter import Parameter

__all__ = [
    "ParametrizationList",
    "cached",
    "is_parametrized",
    "register_parametrization",
    "remove_parametrizations",
    "transfer_parametrizations_and_params",
    "type_before_parametrizations",
]

_cache_depth = 0
_cache: dict[tuple[int, str], Any] = {}


@contextmanager
def cached() -> Iterator[None]:
    """Inside of the ``with``, each parametrised tensor is computed once, when it is first read."""
    global _cache_depth
    _cache_depth += 1
    try:
        yield
    finally:
        _cache_depth -= 1
        if not _cache_depth:
            _cache.clear()


def _register(module: Module, name: str, value: Any) -> None:
    if isinstance(value, Parameter):
        module.register_parameter(name, value)
    else:
        module.register_buffer(name, value)


def _put(dest: Any, source: Tensor) -> None:
    """Gives `dest`, a parameter or buffer, the memory and sizes of `source`."""
    if dest is source:
        return
    elsewhere = _keeps_values_elsewhere(dest) or _keeps_values_elsewhere(source)
    if (
        elsewhere
        or dest.data_ptr() != source.data_ptr()
        or dest.shape != source.shape
        or dest.stride() != source.stride()
    ):
        dest.data = source.detach()


class ParametrizationList(ModuleList):
    """The functions of one parametrised tensor, and what they start from: ``original``, or ``original0``, ``original1``, ..."""

    original: Tensor
    unsafe: bool

    def __init__(self, modules: Sequence[Module], original: Any, unsafe: bool = False) -> None:
        if len(modules) == 0:
            raise ValueError("ParametrizationList requires one or more modules.")
        super().__init__(modules)
        self.unsafe = unsafe
        shape, dtype = original.shape, original.dtype
        with rl.no_grad():
            new: Any = original
            for module in reversed(list(self)):
                if hasattr(module, "right_inverse"):
                    try:
                        new = module.right_inverse(new)
                    except NotImplementedError:
                        pass
        if not isinstance(new, (Tensor, Sequence)):
            raise ValueError(
                "'right_inverse' must return a Tensor or a Sequence of tensors (list, tuple...). "
                f"Got {type(new).__name__}"
            )
        self.is_tensor = isinstance(new, Tensor)
        self.ntensors = 1 if self.is_tensor else len(new)
        if self.is_tensor:
            self._check_original(original, new)
            with rl.no_grad():
                _put(original, new)
            _register(self, "original", original)
        else:
            for i, part in enumerate(new):
                if not isinstance(part, Tensor):
                    raise ValueError(
                        "'right_inverse' must return a Tensor or a Sequence of tensors "
                        f"(list, tuple...). Got element {i} of the sequence with type {type(part).__name__}."
                    )
                if isinstance(original, Parameter):
                    part = Parameter(part, original.requires_grad)
                part.requires_grad_(original.requires_grad)
                _register(self, f"original{i}", part)
        if self.unsafe:
            return
        value = self()
        if not isinstance(value, Tensor):
            raise ValueError(f"A parametrization must return a tensor. Got {type(value).__name__}.")
        if value.dtype != dtype:
            raise ValueError(
                "Registering a parametrization may not change the dtype of the tensor, unless `unsafe` flag is enabled.\n"
                f"unparametrized dtype: {dtype}\n"
                f"parametrized dtype: {value.dtype}"
            )
        if value.shape != shape:
            raise ValueError(
                "Registering a parametrization may not change the shape of the tensor, unless `unsafe` flag is enabled.\n"
                f"unparametrized shape: {shape}\n"
                f"parametrized shape: {value.shape}"
            )

    @staticmethod
    def _check_original(original: Any, new: Any) -> None:
        if new.dtype != original.dtype:
            raise ValueError(
                "When `right_inverse` outputs one tensor, it may not change the dtype.\n"
                f"original.dtype: {original.dtype}\n"
                f"right_inverse(original).dtype: {new.dtype}"
            )
        if new.device != original.device:
            raise ValueError(
                "When `right_inverse` outputs one tensor, it may not change the device.\n"
                f"original.device: {original.device}\n"
                f"right_inverse(original).device: {new.device}"
            )

    def right_inverse(self, value: Any) -> None:
        """Sets the originals so that the parametrised tensor is `value`: calls the functions' own, last to first."""
        with rl.no_grad():
            for module in reversed(list(self)):
                if not hasattr(module, "right_inverse"):
                    raise RuntimeError(f"parametrization {type(module).__name__} does not implement right_inverse.")
                value = module.right_inverse(value)
            if self.is_tensor:
                if not isinstance(value, Tensor):
                    raise ValueError(f"`right_inverse` should return a tensor. Got {type(value).__name__}")
                if value.dtype != self.original.dtype:
                    raise ValueError(
                        f"The tensor returned by `right_inverse` has dtype {value.dtype} "
                        f"while `original` has dtype {self.original.dtype}"
                    )
                _put(self.original, value)
                return
            if not isinstance(value, Sequence):
                raise ValueError(f"'right_inverse' must return a sequence of tensors. Got {type(value).__name__}.")
            if len(value) != self.ntensors:
                raise ValueError(
                    "'right_inverse' must return a sequence of tensors of length "
                    f"{self.ntensors}. Got a sequence of length {len(value)}."
                )
            for i, part in enumerate(value):
                original = getattr(self, f"original{i}")
                if not isinstance(part, Tensor):
                    raise ValueError(
                        f"`right_inverse` must return a sequence of tensors. Got element {i} of type {type(part).__name__}"
                    )
                if original.dtype != part.dtype:
                    raise ValueError(
                        f"Tensor {i} returned by `right_inverse` has dtype {part.dtype} "
                        f"while `original{i}` has dtype {original.dtype}"
                    )
                _put(original, part)

    def forward(self) -> Tensor:
        functions = list(self)
        if self.is_tensor:
            value = functions[0](self.original)
        else:
            value = functions[0](*(getattr(self, f"original{i}") for i in range(self.ntensors)))
        for function in functions[1:]:
            value = function(value)
        return value


def _make_class(module: Module) -> None:
    """Gives the module a class of its own, where parametrised tensors can be properties."""
    cls = type(module)

    def getstate(self: Any) -> Any:
        raise RuntimeError(
            "Serialization of parametrized modules is only supported through state_dict(). See:\n"
            "https://pytorch.org/tutorials/beginner/saving_loading_models.html"
            "#saving-loading-a-general-checkpoint-for-inference-and-or-resuming-training"
        )

    def deepcopied(self: Any, memo: dict) -> Any:
        if id(self) in memo:
            return memo[id(self)]
        copied = self.__new__(type(self))
        memo[id(self)] = copied
        copied.__dict__ = deepcopy(self.__dict__, memo)
        for name in copyreg._slotnames(type(self)):  # type: ignore[attr-defined]
            if hasattr(self, name):
                setattr(copied, name, deepcopy(getattr(self, name), memo))
        return copied

    members: dict[str, Any] = {"__getstate__": getstate, "__module__": cls.__module__}
    if not hasattr(cls, "__deepcopy__"):
        members["__deepcopy__"] = deepcopied
    module.__class__ = type(f"Parametrized{cls.__name__}", (cls,), members)


def _make_property(module: Module, name: str) -> None:
    assert name not in type(module).__dict__ and name not in module.__dict__

    def get(self: Any) -> Any:
        if not _cache_depth:
            return self.parametrizations[name]()
        if rl.jit.is_tracing():
            raise RuntimeError("Cannot trace a model while caching the parametrizations.")
        key = (id(self), name)
        if key not in _cache:
            _cache[key] = self.parametrizations[name]()
        return _cache[key]

    def put(self: Any, value: Any) -> None:
        self.parametrizations[name].right_inverse(value)

    setattr(type(module), name, property(get, put))


def register_parametrization(
    module: Module, tensor_name: str, parametrization: Module, *, unsafe: bool = False
) -> Module:
    """Makes ``module.tensor_name`` a function of what it is now; further calls put functions on top.

    Args:
        parametrization: a module of one tensor. If it has ``right_inverse``, the parametrised tensor can be assigned to, and
            keeps its value now if that is in its range.
        unsafe: don't check that shape and dtype stay, nor that ``right_inverse`` fits.

    >>> import rushlight as torch
    >>> class Symmetric(torch.nn.Module):
    ...     def forward(self, x):
    ...         return x.triu() + x.triu(1).mT
    >>> layer = torch.nn.utils.parametrize.register_parametrization(torch.nn.Linear(3, 3), "weight", Symmetric())
    >>> bool((layer.weight == layer.weight.mT).all())
    True
    """
    parametrization.train(module.training)
    if is_parametrized(module, tensor_name):
        lists: Any = module.parametrizations
        existing: Any = lists[tensor_name]
        if not unsafe:
            current = getattr(module, tensor_name)
            value = parametrization(current)
            if not isinstance(value, Tensor):
                raise ValueError(f"A parametrization must return a tensor. Got {type(value).__name__}.")
            for what in ("dtype", "shape"):
                if getattr(value, what) != getattr(current, what):
                    raise ValueError(
                        f"Registering a parametrization may not change the {what} of the tensor, unless the `unsafe` flag is "
                        f"enabled.\nmodule.{tensor_name}.{what}: {getattr(current, what)}\n"
                        f"parametrization(module.{tensor_name}).{what}: {getattr(value, what)}"
                    )
            if hasattr(parametrization, "right_inverse"):
                try:
                    back = parametrization.right_inverse(value)
                except NotImplementedError:
                    back = None
                if back is not None:
                    if not isinstance(back, Tensor):
                        raise ValueError(
                            f"parametrization.right_inverse must return a tensor. Got: {type(back).__name__}"
                        )
                    for what in ("dtype", "shape"):
                        if getattr(back, what) != getattr(current, what):
                            raise ValueError(
                                f"The tensor returned by parametrization.right_inverse must have the same {what} as "
                                f"module.{tensor_name}, unless the `unsafe` flag is enabled.\n"
                                f"module.{tensor_name}.{what}: {getattr(current, what)}\n"
                                f"returned {what}: {getattr(back, what)}"
                            )
        existing.append(parametrization)
        existing.unsafe |= unsafe
    elif tensor_name in module._buffers or tensor_name in module._parameters:
        original = getattr(module, tensor_name)
        made = ParametrizationList([parametrization], original, unsafe=unsafe)  # may raise: the module is as it was
        delattr(module, tensor_name)
        if not is_parametrized(module):
            _make_class(module)
            module.parametrizations = ModuleDict()
        _make_property(module, tensor_name)
        module.parametrizations[tensor_name] = made  # type: ignore[index, operator]
    else:
        raise ValueError(
            f"Module '{module}' does not have a parameter, a buffer, or a parametrized element with name '{tensor_name}'"
        )
    return module


def is_parametrized(module: Module, tensor_name: str | None = None) -> bool:
    """Whether the module, or this tensor of it, is parametrised."""
    lists = getattr(module, "parametrizations", None)
    if not isinstance(lists, ModuleDict):
        return False
    return len(lists) > 0 if tensor_name is None else tensor_name in lists


def remove_parametrizations(module: Module, tensor_name: str, leave_parametrized: bool = True) -> Module:
    """Makes a plain parameter or buffer again: of the parametrised value, or of the original one."""
    if not is_parametrized(module, tensor_name):
        raise ValueError(f"Module {module} does not have a parametrization on {tensor_name}")
    lists: Any = module.parametrizations
    held = lists[tensor_name]
    if held.is_tensor:
        original = held.original
        if leave_parametrized:
            with rl.no_grad():
                value = getattr(module, tensor_name)
                if type(original) in (Tensor, Parameter):
                    shared = not _keeps_values_elsewhere(original) and value.data_ptr() == original.data_ptr()
                    _put(original, value.clone() if shared else value)
                else:
                    original.copy_(value)
    elif leave_parametrized:
        value = getattr(module, tensor_name)
        first = held.original0
        original = Parameter(value.detach(), first.requires_grad) if isinstance(first, Parameter) else value
    else:
        raise ValueError(
            "Cannot leave unparametrized (`leave_parametrized=False`) a tensor "
            "that is parametrized in terms of a sequence of tensors."
        )
    delattr(type(module), tensor_name)
    del lists[tensor_name]
    _register(module, tensor_name, original)
    if not is_parametrized(module):
        delattr(module, "parametrizations")
        module.__class__ = type(module).__bases__[0]
    return module


def type_before_parametrizations(module: Module) -> type:
    """The module's class, without the one that parametrisation made."""
    return type(module).__bases__[0] if is_parametrized(module) else type(module)


def transfer_parametrizations_and_params(
    from_module: Module, to_module: Module, tensor_name: str | None = None
) -> Module:
    """Gives `to_module` the parametrisations of the other, or of one of its tensors, with their originals."""
    if not is_parametrized(from_module):
        return to_module
    assert is_parametrized(from_module)
    source: Any = from_module.parametrizations
    names = list(source) if tensor_name is None else [tensor_name]
    assert all(isinstance(name, str) for name in names)
    for name in names:
        if not hasattr(to_module, name):
            setattr(to_module, name, Parameter(getattr(from_module, name).detach().clone()))
        for function in source[name]:
            register_parametrization(to_module, name, function, unsafe=True)
        target: Any = to_module.parametrizations
        if source[name].is_tensor:
            target[name].original = source[name].original
        else:
            for i in range(source[name].ntensors):
                setattr(target[name], f"original{i}", getattr(source[name], f"original{i}"))
    return to_module

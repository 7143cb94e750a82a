"""Saving a module's parameters and buffers to a dictionary by path, and loading them back."""

from __future__ import annotations

import os
import warnings
from collections import OrderedDict, namedtuple
from collections.abc import Callable, Mapping
from typing import Any

import rushlight
from rushlight import __future__

from ...utils.hooks import RemovableHandle
from ..parameter import Parameter, is_lazy
from ._module_hooks import _register, _WrappedHook

_EXTRA_STATE_KEY_SUFFIX = "_extra_state"


class _IncompatibleKeys(namedtuple("IncompatibleKeys", ["missing_keys", "unexpected_keys"])):
    __slots__ = ()

    def __repr__(self) -> str:
        if not self.missing_keys and not self.unexpected_keys:
            return "<All keys matched successfully>"
        return super().__repr__()

    __str__ = __repr__


def _key_hint(missing: list[str], unexpected: list[str]) -> str:
    """What may be done about names that don't match."""
    for ours, theirs, verb in ((missing, unexpected, "take off"), (unexpected, missing, "add")):
        # One side's names are the other's behind a prefix, such as DataParallel's "module.".
        for short in ours[:1]:
            prefixes = {k.removesuffix(short) for k in theirs if k.endswith("." + short)}
            for prefix in prefixes:
                if all(prefix + k in theirs for k in ours):
                    how = f"{{k.removeprefix({prefix!r}): v" if verb == "take off" else f"{{{prefix!r} + k: v"
                    return f"the keys of the state dict differ by the prefix {prefix!r}: load {how} for k, v in state_dict.items()}}"
    return "pass strict=False to load what matches; otherwise the model was built in another way than the one that was saved"


def _load_into(
    module: Any, part: Any, prefix: str, metadata: Any, assign: bool, report: tuple[list[str], list[str], list[str]]
) -> None:
    """Loads a module and those below it; ``report``: the keys that are missing, those not expected, and texts of errors."""
    local_metadata = {} if metadata is None else metadata.get(prefix[:-1], {})
    if assign:
        local_metadata["assign_to_params_buffers"] = assign
    module._load_from_state_dict(part, prefix, local_metadata, True, *report)
    of_children: dict[str, dict] = {name: {} for name in module._modules}
    for key, value in part.items():
        name, dot, _ = key[len(prefix) :].partition(".")
        if dot and name in of_children and key.startswith(prefix):
            of_children[name][key] = value
    for name, child in module._modules.items():
        if child is not None:
            _load_into(child, of_children[name], prefix + name + ".", metadata, assign, report)
    incompatible = _IncompatibleKeys(*report[:2])
    for hook in module._load_state_dict_post_hooks.values():
        if hook(module, incompatible) is not None:
            raise AssertionError(
                "Hooks registered with ``register_load_state_dict_post_hook`` are not "
                "expected to return new values, if incompatible_keys need to be modified, "
                "it should be done inplace."
            )


class StateDict:
    """The part of Module that saves and loads state dicts."""

    __slots__ = ()

    _version = 1
    _parameters: dict
    _buffers: dict
    _modules: dict
    _non_persistent_buffers_set: set
    _state_dict_hooks: OrderedDict
    _state_dict_pre_hooks: OrderedDict
    _load_state_dict_pre_hooks: OrderedDict
    _load_state_dict_post_hooks: OrderedDict

    def get_extra_state(self) -> Any:
        """Override, with set_extra_state, to keep more than tensors in the state dict."""
        raise RuntimeError(
            "Reached a code path in Module.get_extra_state() that should never be called. "
            "Please file an issue at https://github.com/pytorch/pytorch/issues/new?template=bug-report.yml "
            "to report this bug."
        )

    def set_extra_state(self, state: Any) -> None:
        """Receives what get_extra_state returned, on load_state_dict."""
        raise RuntimeError(
            "Reached a code path in Module.set_extra_state() that should never be called. "
            "Please file an issue at https://github.com/pytorch/pytorch/issues/new?template=bug-report.yml "
            "to report this bug."
        )

    def _overrides(self, name: str) -> bool:
        return getattr(type(self), name, None) is not getattr(StateDict, name)

    def register_state_dict_pre_hook(self, hook: Callable) -> RemovableHandle:
        """Calls ``hook(module, prefix, keep_vars)`` before the module's state is saved."""
        return _register(self._state_dict_pre_hooks, hook)

    def register_state_dict_post_hook(self, hook: Callable) -> RemovableHandle:
        """Calls ``hook(module, state_dict, prefix, local_metadata)`` when the module's state has been saved."""
        hook._from_public_api = True  # type: ignore[attr-defined]
        return _register(self._state_dict_hooks, hook)

    def _register_state_dict_hook(self, hook: Callable) -> RemovableHandle:
        if getattr(hook, "_from_public_api", False):
            raise RuntimeError(
                "Cannot register the same function as the state dict post hook that was "
                "previously registered via register_state_dict_post_hook"
            )
        return _register(self._state_dict_hooks, hook)

    def _register_load_state_dict_pre_hook(self, hook: Callable, with_module: bool = False) -> RemovableHandle:
        return _register(self._load_state_dict_pre_hooks, _WrappedHook(hook, self if with_module else None))

    def register_load_state_dict_pre_hook(self, hook: Callable) -> RemovableHandle:
        """Calls ``hook(module, state_dict, prefix, local_metadata, strict, missing_keys, unexpected_keys, errors)``."""
        return self._register_load_state_dict_pre_hook(hook, with_module=True)

    def register_load_state_dict_post_hook(self, hook: Callable) -> RemovableHandle:
        """Calls ``hook(module, incompatible_keys)`` after loading; the hook may change the lists in place."""
        return _register(self._load_state_dict_post_hooks, hook)

    def _save_to_state_dict(self, destination: Any, prefix: str, keep_vars: bool) -> None:
        for name, param in self._parameters.items():
            if param is not None:
                destination[prefix + name] = param if keep_vars else param.detach()
        for name, buf in self._buffers.items():
            if buf is not None and name not in self._non_persistent_buffers_set:
                destination[prefix + name] = buf if keep_vars else buf.detach()
        if self._overrides("get_extra_state"):
            destination[prefix + _EXTRA_STATE_KEY_SUFFIX] = self.get_extra_state()

    def state_dict(self, *args: Any, destination: Any = None, prefix: str = "", keep_vars: bool = False) -> Any:
        """The parameters and persistent buffers of this module and those below it, by path.

        The values share memory with the module. They are detached unless ``keep_vars``.

        >>> import rushlight as torch
        >>> list(torch.nn.Sequential(torch.nn.Linear(1, 2)).state_dict())
        ['0.weight', '0.bias']
        """
        if args:
            warnings.warn(
                "Positional args are being deprecated, use kwargs instead. Refer to "
                "https://pytorch.org/docs/main/generated/torch.nn.Module.html#torch.nn.Module.state_dict"
                " for details.",
                FutureWarning,
                stacklevel=2,
            )
            given = dict(zip(("destination", "prefix", "keep_vars"), args, strict=False))
            destination = given["destination"] if destination is None else destination
            prefix = prefix or given.get("prefix", "")
            keep_vars = keep_vars or given.get("keep_vars", False)
        if destination is None:
            destination = OrderedDict()
            destination._metadata = OrderedDict()
        local_metadata = {"version": self._version}
        if hasattr(destination, "_metadata"):
            destination._metadata[prefix[:-1]] = local_metadata

        for hook in self._state_dict_pre_hooks.values():
            hook(self, prefix, keep_vars)
        self._save_to_state_dict(destination, prefix, keep_vars)
        for name, module in self._modules.items():
            if module is not None:
                module.state_dict(destination=destination, prefix=prefix + name + ".", keep_vars=keep_vars)
        for hook in self._state_dict_hooks.values():
            replaced = hook(self, destination, prefix, local_metadata)
            if replaced is None:
                continue
            if getattr(hook, "_from_public_api", False):
                raise RuntimeError("state_dict post-hook must return None")
            destination = replaced
        return destination

    def _load_from_state_dict(
        self,
        state_dict: Any,
        prefix: str,
        local_metadata: dict,
        strict: bool,
        missing_keys: list[str],
        unexpected_keys: list[str],
        error_msgs: list[str],
    ) -> None:
        """Loads this module's own tensors, not those of the modules below; errors are appended, not raised."""
        for hook in self._load_state_dict_pre_hooks.values():
            hook(state_dict, prefix, local_metadata, strict, missing_keys, unexpected_keys, error_msgs)

        own = {name: p for name, p in self._parameters.items() if p is not None}
        for name, buf in self._buffers.items():
            if buf is not None and name not in self._non_persistent_buffers_set:
                own[name] = buf
        assign = local_metadata.get("assign_to_params_buffers", False)
        for name, current in own.items():
            key = prefix + name
            if key in state_dict:
                error = self._load_tensor(name, key, current, state_dict[key], assign)
                if error:
                    error_msgs.append(error)
            elif strict:
                missing_keys.append(key)

        extra_key = prefix + _EXTRA_STATE_KEY_SUFFIX
        if self._overrides("set_extra_state"):
            if extra_key in state_dict:
                self.set_extra_state(state_dict[extra_key])
            elif strict:
                missing_keys.append(extra_key)
        elif strict and extra_key in state_dict:
            unexpected_keys.append(extra_key)

        if strict:
            for key in state_dict:
                if not key.startswith(prefix) or key == extra_key:
                    continue
                head, dot, _ = key[len(prefix) :].partition(".")
                if head not in (self._modules if dot else own):
                    unexpected_keys.append(key)

    def _load_tensor(self, name: str, key: str, current: Any, new: Any, assign: bool) -> str | None:
        if not isinstance(new, rushlight.Tensor) and not hasattr(type(new), "__torch_function__"):
            return (
                f'While copying the parameter named "{key}", expected torch.Tensor or Tensor-like object '
                f"from checkpoint but received {type(new)}"
            )
        lazy = is_lazy(current)  # has no shape; both may wait for one
        if not lazy and len(current.shape) == 0 and len(new.shape) == 1 and new.shape[0] == 1:
            new = new[0]  # PyTorch before 0.4 had no 0-d tensors
        if not lazy and new.shape != current.shape:
            return (
                f"size mismatch for {key}: copying a param with shape {new.shape} from checkpoint, "
                f"the shape in current model is {current.shape}. Hint: build the model with the sizes of the saved one, or leave "
                f"this key out and pass strict=False"
            )
        if current.is_meta and not new.is_meta and not assign:
            warnings.warn(
                f"for {key}: copying from a non-meta parameter in the checkpoint to a meta "
                "parameter in the current model, which is a no-op. (Did you mean to "
                "pass `assign=True` to assign items in the state dictionary to their "
                "corresponding key in the module instead of copying them in place?)",
                stacklevel=4,
            )
        try:
            with rushlight.no_grad():
                if __future__.get_swap_module_params_on_conversion():
                    return self._swap_in(current, new, assign)
                if not assign:
                    current.copy_(new)
                    return None
                if isinstance(current, Parameter):
                    if isinstance(new, Parameter):
                        new.requires_grad_(current.requires_grad)
                    else:
                        new = Parameter(new, requires_grad=current.requires_grad)
                setattr(self, name, new)
                return None
        except Exception as e:
            return (
                f'While copying the parameter named "{key}", '
                f"whose dimensions in the model are {current.size()} and "
                f"whose dimensions in the checkpoint are {new.size()}, "
                f"an exception occurred : {e.args}."
            )

    @staticmethod
    def _swap_in(current: Any, new: Any, assign: bool) -> None:
        loaded = current.module_load(new, assign=assign)
        if loaded is new or loaded is current:
            loaded = loaded.detach()
        if isinstance(current, Parameter):
            wants = current.requires_grad
            loaded = loaded.requires_grad_(wants) if isinstance(loaded, Parameter) else Parameter(loaded, wants)
        rushlight.utils.swap_tensors(current, loaded)

    def load_state_dict(self, state_dict: Mapping[str, Any], strict: bool = True, assign: bool = False) -> Any:
        """Copies parameters and buffers from ``state_dict`` into this module and those below it.

        Args:
            state_dict: tensors by path, as state_dict() returns them.
            strict: raise if keys are missing or not expected. Default: True.
            assign: take the given tensors themselves instead of copying their values. Default: False.
        Returns: a named tuple of the lists ``missing_keys`` and ``unexpected_keys``.
        """
        if not isinstance(state_dict, Mapping):
            hint = (
                " Hint: pass the model's state_dict()."
                if hasattr(state_dict, "state_dict")
                else (
                    " Hint: load the file first, torch.load(path)."
                    if isinstance(state_dict, (str, os.PathLike))
                    else ""
                )
            )
            raise TypeError(f"Expected state_dict to be dict-like, got {type(state_dict)}.{hint}")
        missing_keys: list[str] = []
        unexpected_keys: list[str] = []
        error_msgs: list[str] = []
        metadata = getattr(state_dict, "_metadata", None)
        state: Any = OrderedDict(state_dict)
        if metadata is not None:
            state._metadata = metadata

        _load_into(self, state, "", metadata, assign, (missing_keys, unexpected_keys, error_msgs))
        if strict:
            for kind, keys in (("Unexpected", unexpected_keys), ("Missing", missing_keys)):
                if keys:
                    names = ", ".join(f'"{k}"' for k in keys)
                    error_msgs.insert(0, f"{kind} key(s) in state_dict: {names}. ")
            if missing_keys or unexpected_keys:
                error_msgs.append("Hint: " + _key_hint(missing_keys, unexpected_keys))
        if error_msgs:
            errors = "\n\t".join(error_msgs)
            raise RuntimeError(f"Error(s) in loading state_dict for {type(self).__name__}:\n\t{errors}")
        return _IncompatibleKeys(missing_keys, unexpected_keys)

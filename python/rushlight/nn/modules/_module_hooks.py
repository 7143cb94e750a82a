"""Hooks around a module's call: registration, for one module and for all, and the call that runs them."""

from __future__ import annotations

import warnings
import weakref
from collections import OrderedDict
from collections.abc import Callable
from typing import Any

import rushlight

from ...utils.hooks import BackwardHook, RemovableHandle

_global_buffer_registration_hooks: OrderedDict[int, Callable] = OrderedDict()
_global_module_registration_hooks: OrderedDict[int, Callable] = OrderedDict()
_global_parameter_registration_hooks: OrderedDict[int, Callable] = OrderedDict()

_global_backward_pre_hooks: OrderedDict[int, Callable] = OrderedDict()
_global_backward_hooks: OrderedDict[int, Callable] = OrderedDict()
_global_forward_pre_hooks: OrderedDict[int, Callable] = OrderedDict()
_global_forward_hooks: OrderedDict[int, Callable] = OrderedDict()
_global_forward_hooks_always_called: OrderedDict[int, bool] = OrderedDict()
_global_forward_hooks_with_kwargs: OrderedDict[int, bool] = OrderedDict()
_global_is_full_backward_hook: bool | None = None


def _register(hooks: OrderedDict, hook: Callable, prepend: bool = False, flags: dict | None = None) -> RemovableHandle:
    """Adds a hook, and its id to each dictionary of `flags` whose value is true."""
    flag_dicts = [d for d, _ in (flags or {}).values()]
    handle = RemovableHandle(hooks, extra_dict=flag_dicts)
    hooks[handle.id] = hook
    for flag_dict, on in (flags or {}).values():
        if on:
            flag_dict[handle.id] = True
    if prepend:
        hooks.move_to_end(handle.id, last=False)
    return handle


def register_module_buffer_registration_hook(hook: Callable) -> RemovableHandle:
    """Calls ``hook(module, name, buffer)`` whenever a buffer is registered; a result replaces the buffer."""
    return _register(_global_buffer_registration_hooks, hook)


def register_module_module_registration_hook(hook: Callable) -> RemovableHandle:
    """Calls ``hook(module, name, submodule)`` whenever a submodule is registered; a result replaces it."""
    return _register(_global_module_registration_hooks, hook)


def register_module_parameter_registration_hook(hook: Callable) -> RemovableHandle:
    """Calls ``hook(module, name, param)`` whenever a parameter is registered; a result replaces it."""
    return _register(_global_parameter_registration_hooks, hook)


def register_module_forward_pre_hook(hook: Callable) -> RemovableHandle:
    """Calls ``hook(module, args)`` before the forward of every module."""
    return _register(_global_forward_pre_hooks, hook)


def register_module_forward_hook(
    hook: Callable, *, with_kwargs: bool = False, always_call: bool = False
) -> RemovableHandle:
    """Calls ``hook(module, args, output)`` after the forward of every module."""
    flags = {
        "with_kwargs": (_global_forward_hooks_with_kwargs, with_kwargs),
        "always_call": (_global_forward_hooks_always_called, always_call),
    }
    return _register(_global_forward_hooks, hook, flags=flags)


def register_module_backward_hook(hook: Callable) -> RemovableHandle:
    """The deprecated form of register_module_full_backward_hook."""
    return _register_global_backward(hook, False)


def register_module_full_backward_pre_hook(hook: Callable) -> RemovableHandle:
    """Calls ``hook(module, grad_output)`` before the gradients of every module are computed."""
    return _register(_global_backward_pre_hooks, hook)


def register_module_full_backward_hook(hook: Callable) -> RemovableHandle:
    """Calls ``hook(module, grad_input, grad_output)`` when the gradients of every module have been computed."""
    return _register_global_backward(hook, True)


def _register_global_backward(hook: Callable, full: bool) -> RemovableHandle:
    global _global_is_full_backward_hook
    if _global_is_full_backward_hook is (not full):
        raise RuntimeError(
            "Cannot use both regular backward hooks and full backward hooks as a "
            "global Module hook. Please use only one of them."
        )
    _global_is_full_backward_hook = full
    return _register(_global_backward_hooks, hook)


class _WrappedHook:
    """A hook that is given its module, which it does not keep alive."""

    def __init__(self, hook: Callable, module: Any = None) -> None:
        self.hook = hook
        self.with_module = module is not None
        if module is not None:
            self.module = weakref.ref(module)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        if not self.with_module:
            return self.hook(*args, **kwargs)
        module = self.module()
        if module is None:
            raise RuntimeError("You are trying to call the hook of a dead Module!")
        return self.hook(module, *args, **kwargs)

    def __getstate__(self) -> dict:
        state = {"hook": self.hook, "with_module": self.with_module}
        if self.with_module:
            state["module"] = self.module()
        return state

    def __setstate__(self, state: dict) -> None:
        self.hook = state["hook"]
        self.with_module = state["with_module"]
        if self.with_module:
            if state["module"] is None:
                raise RuntimeError("You are trying to revive the hook of a dead Module!")
            self.module = weakref.ref(state["module"])


def _first_tensor(value: Any) -> Any:
    while not isinstance(value, rushlight.Tensor):
        if isinstance(value, dict):
            value = next(v for v in value.values() if isinstance(v, rushlight.Tensor))
        else:
            value = value[0]
    return value


def _warn_of_hidden_gradients(args: Any, result: Any) -> None:
    """Warns where a hook on the last operation sees other gradients than those of the module's inputs and outputs."""

    def tensors(value: Any) -> tuple | None:
        value = (value,) if isinstance(value, rushlight.Tensor) else value
        return value if isinstance(value, tuple) and all(isinstance(v, rushlight.Tensor) for v in value) else None

    inputs, outputs = tensors(args), tensors(result)
    nodes = {t.grad_fn for t in outputs or ()} - {None}
    if outputs is None:
        how = "non-full backward hooks on a Module that does not return a single Tensor or a tuple of Tensors"
        lost = "some of the grad_output"
    elif inputs is None:
        how = "non-full backward hooks on a Module that does not take as input a single Tensor or a tuple of Tensors"
        lost = "some of the grad_input"
    elif len(nodes) > 1:
        how, lost = (
            "a non-full backward hook when outputs are generated by different autograd Nodes",
            "some grad_output",
        )
    elif {i.grad_fn for i in inputs} != {node for n in nodes for node, _ in n.next_functions}:
        how, lost = "a non-full backward hook when the forward contains multiple autograd Nodes", "some grad_input"
    else:
        return
    warnings.warn(
        f"Using {how} is deprecated and will be removed in future versions. This hook will be "
        f"missing {lost}. Please use register_full_backward_hook to get the documented behavior.",
        FutureWarning,
        stacklevel=4,
    )


class ModuleHooks:
    """The part of Module that deals with hooks around its call."""

    __slots__ = ()

    _forward_hooks: OrderedDict
    _forward_hooks_with_kwargs: OrderedDict
    _forward_hooks_always_called: OrderedDict
    _forward_pre_hooks: OrderedDict
    _forward_pre_hooks_with_kwargs: OrderedDict
    _backward_hooks: OrderedDict
    _backward_pre_hooks: OrderedDict
    _is_full_backward_hook: bool | None

    def register_forward_pre_hook(
        self, hook: Callable, *, prepend: bool = False, with_kwargs: bool = False
    ) -> RemovableHandle:
        """Calls ``hook(module, args)`` before forward; a result replaces the arguments.

        With ``with_kwargs`` the hook is ``hook(module, args, kwargs)`` and returns None or both.
        """
        flags = {"with_kwargs": (self._forward_pre_hooks_with_kwargs, with_kwargs)}
        return _register(self._forward_pre_hooks, hook, prepend, flags)

    def register_forward_hook(
        self, hook: Callable, *, prepend: bool = False, with_kwargs: bool = False, always_call: bool = False
    ) -> RemovableHandle:
        """Calls ``hook(module, args, output)`` after forward; a result replaces the output.

        With ``with_kwargs`` the hook is ``hook(module, args, kwargs, output)``; with ``always_call`` it is also called
        when forward raises.

        >>> import rushlight as torch
        >>> layer = torch.nn.Linear(2, 3)
        >>> handle = layer.register_forward_hook(lambda module, args, out: out * 0)
        >>> layer(torch.ones(1, 2)).sum().item()
        0.0
        >>> handle.remove()
        """
        flags = {
            "with_kwargs": (self._forward_hooks_with_kwargs, with_kwargs),
            "always_call": (self._forward_hooks_always_called, always_call),
        }
        return _register(self._forward_hooks, hook, prepend, flags)

    def register_full_backward_pre_hook(self, hook: Callable, prepend: bool = False) -> RemovableHandle:
        """Calls ``hook(module, grad_output)`` before the module's gradients are computed; a result replaces it."""
        return _register(self._backward_pre_hooks, hook, prepend)

    def register_full_backward_hook(self, hook: Callable, prepend: bool = False) -> RemovableHandle:
        """Calls ``hook(module, grad_input, grad_output)`` with the gradients; a result replaces grad_input."""
        self._choose_backward_kind(True)
        return _register(self._backward_hooks, hook, prepend)

    def register_backward_hook(self, hook: Callable) -> RemovableHandle:
        """The deprecated form of register_full_backward_hook: sees the last operation's gradients only."""
        self._choose_backward_kind(False)
        return _register(self._backward_hooks, hook)

    def _choose_backward_kind(self, full: bool) -> None:
        if self._is_full_backward_hook is (not full):
            raise RuntimeError(
                "Cannot use both regular backward hooks and full backward hooks on a "
                "single Module. Please use only one of them."
            )
        self._is_full_backward_hook = full

    def _get_backward_hooks(self) -> tuple[list, list]:
        """The full and the non-full hooks, global ones first."""
        kinds: dict[Any, list] = {True: [], False: [], None: []}
        kinds[_global_is_full_backward_hook].extend(_global_backward_hooks.values())
        kinds[self._is_full_backward_hook].extend(self._backward_hooks.values())
        return kinds[True], kinds[False]

    def _get_backward_pre_hooks(self) -> list:
        return [*_global_backward_pre_hooks.values(), *self._backward_pre_hooks.values()]

    def _note_failure(self, error: BaseException) -> None:
        """Notes on an error the path of the module it was raised in, as seen from the outermost module called."""
        if not isinstance(error, Exception):
            return
        module, note = error.__dict__.get("_module_note", (self, None))
        name = next((n for n, m in self.named_modules() if m is module), "")  # type: ignore[attr-defined]
        kind = type(module).__name__
        if note is not None and not name:
            return  # raised in a module that is not below this one
        if note in getattr(error, "__notes__", ()):
            error.__notes__.remove(note)
        note = f"in module {name} ({kind})" if name else f"in module {kind}"
        error._module_note = (module, note)  # type: ignore[attr-defined]
        error.add_note(note)

    def _call_with_hooks(self, args: tuple, kwargs: dict) -> Any:
        called: set[int] = set()
        # What the always_call hooks are shown when forward raised: the inputs and the result as far as they got.
        progress: dict[str, Any] = {"args": args, "kwargs": kwargs, "result": None}
        try:
            return self._run_hooked(progress, called)
        except Exception:
            self._run_always_called(progress, called)
            raise

    def _run_hooked(self, progress: dict, called: set) -> Any:
        args, kwargs = progress["args"], progress["kwargs"]
        pre_hooks = self._get_backward_pre_hooks()
        full_hooks, last_op_hooks = self._get_backward_hooks()
        for hook_id, hook in [*_global_forward_pre_hooks.items(), *self._forward_pre_hooks.items()]:
            if hook_id in self._forward_pre_hooks_with_kwargs:
                changed = hook(self, args, kwargs)
                if changed is not None:
                    if not (isinstance(changed, tuple) and len(changed) == 2):
                        raise RuntimeError(
                            "forward pre-hook must return None or a tuple of (new_args, new_kwargs), "
                            f"but got {changed}."
                        )
                    args, kwargs = changed
            else:
                changed = hook(self, args)
                if changed is not None:
                    args = changed if isinstance(changed, tuple) else (changed,)
            progress["args"], progress["kwargs"] = args, kwargs

        point = BackwardHook(self, full_hooks, pre_hooks) if full_hooks or pre_hooks else None
        if point is not None:
            args = progress["args"] = point.setup_input_hook(args)

        result = progress["result"] = self.forward(*args, **kwargs)  # type: ignore[attr-defined]
        for hook_id, hook in [*_global_forward_hooks.items(), *self._forward_hooks.items()]:
            if hook_id in self._forward_hooks_always_called or hook_id in _global_forward_hooks_always_called:
                called.add(hook_id)
            if hook_id in self._forward_hooks_with_kwargs or hook_id in _global_forward_hooks_with_kwargs:
                changed = hook(self, args, kwargs, result)
            else:
                changed = hook(self, args, result)
            if changed is not None:
                result = progress["result"] = changed

        if point is not None:
            if not isinstance(result, (rushlight.Tensor, tuple)):
                warnings.warn(
                    "For backward hooks to be called, module output should be a Tensor or a tuple of Tensors "
                    f"but received {type(result)}",
                    stacklevel=4,
                )
            result = point.setup_output_hook(result)
        if last_op_hooks:
            grad_fn = _first_tensor(result).grad_fn
            if grad_fn is not None:
                _warn_of_hidden_gradients(args, result)
                for hook in last_op_hooks:
                    grad_fn.register_hook(_WrappedHook(hook, self))
        return result

    def _run_always_called(self, progress: dict, called: set) -> None:
        groups = (
            (_global_forward_hooks, _global_forward_hooks_always_called, _global_forward_hooks_with_kwargs, "global "),
            (self._forward_hooks, self._forward_hooks_always_called, self._forward_hooks_with_kwargs, ""),
        )
        for hooks, always_called, with_kwargs, kind in groups:
            for hook_id, hook in list(hooks.items()):
                if hook_id not in always_called or hook_id in called:
                    continue
                inputs = (progress["args"], progress["kwargs"]) if hook_id in with_kwargs else (progress["args"],)
                try:
                    changed = hook(self, *inputs, progress["result"])
                    if changed is not None:
                        progress["result"] = changed
                except Exception as e:
                    warnings.warn(
                        f"{kind}module forward hook with ``always_call=True`` raised an exception "
                        f"that was silenced as another error was raised in forward: {e}",
                        stacklevel=4,
                    )

"""The three hot methods of Module: call, attribute lookup, attribute assignment.

``rushlight._C.ModuleBase`` is the native class with these semantics; this one serves where the extension was built
without it, and the tests hold the two against each other.
"""

from __future__ import annotations

from typing import Any


class PyModuleBase:
    _global_hooks: tuple[dict, ...] = ()

    @staticmethod
    def _set_global_hooks(*hook_dicts: dict) -> None:
        """Names the hook dictionaries common to all modules; they are filled and emptied, never replaced."""
        PyModuleBase._global_hooks = hook_dicts

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        if self._compiled_call_impl is not None:
            return self._compiled_call_impl(*args, **kwargs)
        if self._forward_hooks or self._forward_pre_hooks or self._backward_hooks or self._backward_pre_hooks:
            return self._call_with_hooks(args, kwargs)
        for hooks in PyModuleBase._global_hooks:
            if hooks:
                return self._call_with_hooks(args, kwargs)
        return self.forward(*args, **kwargs)

    def __getattr__(self, name: str) -> Any:
        attributes = self.__dict__
        for kind in ("_parameters", "_buffers", "_modules"):
            members = attributes.get(kind)
            if members is not None and name in members:
                return members[name]
        raise AttributeError(f"'{type(self).__name__}' object has no attribute '{name}'")

    def __setattr__(self, name: str, value: Any) -> None:
        # _set_member takes parameters, buffers and modules; the rest are plain attributes.
        if not self._set_member(name, value):
            object.__setattr__(self, name, value)

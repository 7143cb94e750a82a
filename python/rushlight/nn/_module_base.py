"""The hot paths of Module: call, attribute lookup, attribute assignment.

``rushlight._C.ModuleBase`` is the native class with these semantics; this one serves where the extension was built
without it, and the tests hold the two against each other.
"""

from __future__ import annotations

from typing import Any


class PyModuleBase:
    _all_module_hooks: tuple[dict, ...] = ()

    @staticmethod
    def _configure(tensor_type: type, *hooks: dict) -> None:
        """The tensor class, and the hook dictionaries common to all modules; they are never replaced."""
        PyModuleBase._all_module_hooks = hooks

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        try:
            if self._compiled_call_impl is not None:
                return self._compiled_call_impl(*args, **kwargs)
            if self._forward_hooks or self._forward_pre_hooks or self._backward_hooks or self._backward_pre_hooks:
                return self._call_with_hooks(args, kwargs)
            for hooks in PyModuleBase._all_module_hooks:
                if hooks:
                    return self._call_with_hooks(args, kwargs)
            return self.forward(*args, **kwargs)
        except BaseException as error:
            self._note_failure(error)
            raise

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

    def __delattr__(self, name: str) -> None:
        for kind in ("_parameters", "_buffers", "_modules"):
            members = self.__dict__.get(kind, {})
            if name in members:
                del members[name]
                self._non_persistent_buffers_set.discard(name)
                return
        object.__delattr__(self, name)

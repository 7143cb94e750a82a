"""ScriptFunction: a compiled function, its schema and the constants of its text."""

from __future__ import annotations

import functools
import pickle
import re
from typing import Any


class Schema(str):
    """The text of a function's schema, and what it says of its name, arguments and results."""

    @property
    def name(self) -> str:
        return self.partition("(")[0].partition(".")[0]

    @functools.cached_property
    def _parsed(self) -> Any:
        from .._ops import parse_schema

        classes: list[str] = []  # whose types are the script's own

        def anything(found: re.Match) -> str:
            classes.append(found[0])
            return "Any"

        parsed = parse_schema(re.sub(r"__torch__[\w.]+", anything, self))
        for part in [*parsed.arguments, *parsed.returns]:
            if part.schema_type == "Any" and classes:
                part.schema_type = classes.pop(0)
        return parsed

    @property
    def arguments(self) -> list[Any]:
        return self._parsed.arguments

    @property
    def returns(self) -> list[Any]:
        return self._parsed.returns


class ScriptFunction:
    """A compiled function. Call it as the Python one."""

    def __init__(self, compiled, original=None) -> None:
        self._c = compiled
        self.__name__ = self.name = compiled.name
        self.__doc__ = getattr(original, "__doc__", None)
        self.__wrapped__ = original

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self._c(*args, **kwargs)

    @property
    def graph(self) -> Any:
        """The function's own graph: who changes it changes the function, until its first call."""
        return self._c.graph

    def graph_for(self, *args: Any, **kwargs: Any) -> Any:
        """The graph that a call with these arguments runs: after all passes."""
        return self._c._optimized_graph

    @property
    def code(self) -> str:
        return self._c.code

    @property
    def code_with_constants(self) -> tuple[str, Any]:
        """The text, and what it calls CONSTANTS."""
        code, constants = self._c._code_parts()
        return code, Constants(constants)

    @property
    def inlined_graph(self) -> Any:
        return self._c.inlined_graph

    @property
    def schema(self) -> str:
        return Schema(self._c.schema)

    @property
    def qualified_name(self) -> str:
        return f"__torch__.{self.name}"

    def __reduce__(self) -> Any:
        raise pickle.PickleError("ScriptFunction cannot be pickled: torch.jit.save writes it")

    def save(self, f, _extra_files: dict[str, Any] | None = None) -> None:
        """Writes an archive of a module whose forward is the function."""
        self._as_module().save(f, _extra_files)

    def save_to_buffer(self, _extra_files: dict[str, Any] | None = None) -> bytes:
        return self._as_module().save_to_buffer(_extra_files)

    def _as_module(self) -> Any:
        from ._modules import RecursiveScriptModule

        return RecursiveScriptModule(self._c._module())


class Constants:
    """The tensors that a text names: ``.c0``, ``.c1``, ..."""

    def __init__(self, constants: list[Any]) -> None:
        self.const_mapping = {f"c{i}": value for i, value in enumerate(constants)}

    def __getattr__(self, name: str) -> Any:
        if name == "const_mapping" or name not in self.const_mapping:
            raise AttributeError(name)
        return self.const_mapping[name]

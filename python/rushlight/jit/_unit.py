"""CompilationUnit: functions from a text of TorchScript."""

from __future__ import annotations

import sys
import textwrap
from typing import Any

from .. import _C
from ._resolver import _resolve
from ._script import ScriptFunction


class CompilationUnit:
    """The functions that a text defines, as attributes. Names in it are also those where the unit is made.

    >>> import rushlight as torch
    >>> unit = torch.jit.CompilationUnit("def twice(x):\n    return x + x")
    >>> unit.twice(torch.ones(2))
    tensor([2., 2.])
    """

    def __init__(self, lang: str | None = None, _frames_up: int = 0) -> None:
        self._functions: dict[str, ScriptFunction] = {}
        if lang is not None:
            self.define(lang, _frames_up=_frames_up + 1)

    def define(self, lang: str, rcb: Any = None, _frames_up: int = 0) -> None:
        """Adds the functions of a text, which see those that are there."""
        frame = sys._getframe(_frames_up + 1)
        names = {**frame.f_globals, **frame.f_locals, **{k: f._c for k, f in self._functions.items()}}
        made = []
        for f in _C._compile_unit(textwrap.dedent(lang), "<string>", 1, names, _resolve):
            self._functions[f.name] = ScriptFunction(f)
            made.append(f)
        for f in made:  # what is wrong with a text is said here
            f.graph  # noqa: B018

    def __getattr__(self, name: str) -> ScriptFunction:
        try:
            return self.__dict__["_functions"][name]
        except KeyError:
            raise AttributeError(f"'CompilationUnit' has no attribute '{name}'") from None

    def find_function(self, name: str) -> ScriptFunction | None:
        return self._functions.get(name)

    def create_function(self, name: str, graph: Any) -> ScriptFunction:
        """Adds a function that runs a copy of a graph."""
        self._functions[name] = ScriptFunction(_C._function_from_graph(name, graph))
        return self._functions[name]

    def get_functions(self) -> list[ScriptFunction]:
        return list(self._functions.values())

    def set_optimized(self, optimized: bool) -> None:
        """Does nothing: graphs are always optimised."""

"""The names of PyTorch's compiler that programs use: there is no compiler here, everything runs as it is (torch.compile)."""

from __future__ import annotations

from typing import Any

from .. import _missing
from .._compile import OptimizedModule
from ..compiler import (
    allow_in_graph,
    assume_constant_result,
    compile,
    disable,
    disallow_in_graph,
    forbid_in_graph,
    is_compiling,
    list_backends,
    register_backend,
    reset,
    set_stance,
    substitute_in_graph,
)
from . import config, eval_frame, exc


def mark_dynamic(t: Any, index: Any, **_: Any) -> None:
    """Nothing is specialised for a size."""


maybe_mark_dynamic = mark_static = mark_dynamic


def mark_static_address(t: Any, guard: bool = True) -> None:
    """Nothing is specialised for an address."""


def graph_break(msg: str = "") -> None:
    """Nothing is in a graph."""


def optimize(*args: Any, **kwargs: Any) -> Any:
    """A decorator: compile(...) of what it is given."""
    return compile(backend="eager")


def reset_code_caches() -> None:
    """Nothing is kept."""


__getattr__ = _missing.getattr_of(__name__)

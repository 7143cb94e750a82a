"""Functions of several signatures, for scripts; apart from the compiler, which programs without scripts never load."""

from __future__ import annotations

from typing import Any

_signatures: dict[str, list[Any]] = {}  # by the qualified name that the implementation has too


def _name_of(fn: Any) -> str:
    return f"{getattr(fn, '__module__', '')}.{getattr(fn, '__qualname__', '')}"


def overload(fn: Any) -> Any:
    """Declares one signature of a function or method whose implementation follows; scripts call the one that takes their arguments."""
    if not fn.__module__.startswith("rushlight"):
        _check_body(fn)
    _signatures.setdefault(_name_of(fn), []).append(fn)
    return fn


def _check_body(fn: Any) -> None:
    """RuntimeError unless a declaration is one: `pass` or `...`, and perhaps a docstring."""
    import ast
    import inspect
    import textwrap

    try:
        tree = ast.parse(textwrap.dedent(inspect.getsource(fn)))
    except (OSError, TypeError, SyntaxError):  # no text to look at
        return
    body = tree.body[0].body if isinstance(tree.body[0], ast.FunctionDef) else []
    for i, s in enumerate(body):
        text = isinstance(s, ast.Expr) and isinstance(s.value, ast.Constant)
        if not (isinstance(s, ast.Pass) or (text and (s.value.value is ... or i == 0))):  # type: ignore[attr-defined]
            raise RuntimeError(
                f"Only `pass` statement or `...` can be the body of overload declaration:\n{ast.unparse(tree)}\n"
                f"the signature of '{fn.__qualname__}' is followed by its implementation, which has no mark"
            )


def overloads_of(fn: Any, kind: str = "function") -> list[Any]:
    """The signatures that a function was declared to have. RuntimeError where it is itself the last of them."""
    declared = _signatures.get(_name_of(fn), ())
    if any(f is fn for f in declared):
        raise RuntimeError(
            f'Implementation for the {kind} "{fn.__qualname__}" is missing. Please make sure a definition is provided and defined after '
            "all overload declarations."
        )
    return list(declared)

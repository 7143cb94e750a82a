"""Has `assert` of values that are traced recorded, by rewriting a function's source before it is traced."""

from __future__ import annotations

import ast
import copy
import inspect
import textwrap
from types import CodeType, FunctionType
from typing import Any

from rushlight.nn import Module

from .._symbolic_trace import Tracer

__all__ = ["AST_Rewriter", "RewritingTracer"]


class AST_Rewriter(ast.NodeTransformer):
    """`assert condition, message` becomes `torch._assert(condition, message)`; types of variables are noted in nodes."""

    def rewrite(self, fn: FunctionType) -> FunctionType:
        """The function, compiled anew over its own globals and closure."""
        tree = self.visit(ast.parse(textwrap.dedent(inspect.getsource(fn))))
        inner = tree.body[0]
        inner.decorator_list = []
        # Within a function whose parameters are what it closes over.
        free = [ast.arg(name) for name in fn.__code__.co_freevars]
        outer = ast.FunctionDef("outer", ast.arguments([], free, None, [], [], None, []), [inner], [])
        module = ast.fix_missing_locations(ast.Module([outer], []))
        made = compile(module, inspect.getsourcefile(fn) or "<rewritten>", "exec")
        code = made
        for name in ("outer", inner.name):
            code = next(c for c in code.co_consts if isinstance(c, CodeType) and c.co_name == name)
        cells = dict(zip(fn.__code__.co_freevars, fn.__closure__ or (), strict=True))
        result = FunctionType(
            code, fn.__globals__, fn.__name__, fn.__defaults__, tuple(cells[n] for n in code.co_freevars)
        )
        result.__kwdefaults__, result.__annotations__ = fn.__kwdefaults__, fn.__annotations__
        return result

    def visit_Assert(self, node: ast.Assert):
        """The call in its place."""
        package = ast.Call(ast.Name("__import__", ast.Load()), [ast.Constant("rushlight")], [])
        function = ast.Attribute(package, "_assert", ast.Load())
        message = node.msg if node.msg is not None else ast.Constant("")
        return ast.copy_location(ast.Expr(ast.Call(function, [node.test, message], [])), node)

    def visit_AnnAssign(self, node: ast.AnnAssign):
        """`x: T = value` gives the value's node its type."""
        if node.value is None:
            return node
        package = ast.Call(ast.Name("__import__", ast.Load()), [ast.Constant("rushlight.fx.annotate")], [])
        for name in ("fx", "annotate", "annotate"):
            package = ast.Attribute(package, name, ast.Load())
        return ast.copy_location(ast.Assign([node.target], ast.Call(package, [node.value, node.annotation], [])), node)


class RewritingTracer(Tracer):
    """A Tracer that records asserts."""

    def trace(self, root, concrete_args: dict[str, Any] | None = None):
        """As Tracer.trace."""
        return super().trace(_rewrite(root), concrete_args)


def _rewrite(fn):
    if not isinstance(fn, Module):
        return AST_Rewriter().rewrite(fn)

    def rewritten(m: Module) -> Module:
        own = not type(m).__module__.startswith(("rushlight.nn", "torch.nn"))
        children = {n: rewritten(c) if c is not None else None for n, c in m._modules.items()}
        if not own and all(c is m._modules[n] for n, c in children.items()):
            return m  # its class is what passes know it by

        class Rewritten(type(m)):
            pass

        made = copy.copy(m)
        made.__class__ = Rewritten
        Rewritten.__name__, Rewritten.__module__ = type(m).__name__, type(m).__module__
        if own and isinstance(type(m).forward, FunctionType):
            Rewritten.forward = AST_Rewriter().rewrite(type(m).forward)
        made.__dict__["_modules"] = children
        return made

    return rewritten(fn)

"""A graph of an exported program as TorchScript, which the script compiler lowers to the one IR."""

from __future__ import annotations

import keyword
import re
from collections.abc import Callable
from typing import Any

from ._schema import LAYOUTS, MEMORY_FORMATS, FormatError, chosen, dtype_of, field

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*\Z")
_PART = re.compile(r"[A-Za-z_][A-Za-z0-9_]*(\.[A-Za-z_][A-Za-z0-9_]*)*\Z")
_BINARY = {
    "add": "+", "sub": "-", "mul": "*", "truediv": "/", "floordiv": "//", "mod": "%", "pow": "**", "eq": "==", "ne": "!=", "lt": "<",
    "le": "<=", "gt": ">", "ge": ">=", "and_": "and", "or_": "or",
}  # fmt: skip
# Checks of sizes that have been made where the program is called, and marks for compilers.
_CHECKS = {
    "_assert_scalar",
    "_assert_tensor_metadata",
    "sym_constrain_range",
    "sym_constrain_range_for_size",
    "_assert_async",
}


class Text:
    """Lines of a function; names of the graph become names of the text."""

    def __init__(self, graph: dict) -> None:
        self.names: dict[str, str] = {}
        self.unknown: list[str] = []
        self.lines: list[str] = []
        self.inputs = [self._input(a) for a in field(graph, "inputs", list)]
        for node in field(graph, "nodes", list):
            self._node(node)
        self.outputs = [self._value(o) for o in field(graph, "outputs", list)]

    def source(self) -> str:
        arguments = ", ".join(f"{name}: {kind}" for name, kind in self.inputs)
        returned = "(" + "".join(f"{o}, " for o in self.outputs) + ")" if self.outputs else "None"
        return "\n    ".join([f"def forward({arguments}):", *self.lines, f"return {returned}"]) + "\n"

    def _name(self, name: Any) -> str:
        if not isinstance(name, str) or not _NAME.match(name) or len(name) > 500:
            raise FormatError(f"a value called {name!r}")
        return self.names.setdefault(
            name, f"v_{name}" if keyword.iskeyword(name) or hasattr(self, name) else f"v_{name}"
        )

    def _known(self, name: Any) -> str:
        if name not in self.names:
            raise FormatError(f"a value called {name!r} that nothing made")
        return self.names[name]

    def _input(self, argument: Any) -> tuple[str, str]:
        kind, value = chosen(argument)
        types = {"as_tensor": "Tensor", "as_sym_int": "int", "as_sym_float": "float", "as_sym_bool": "bool"}
        if kind in types:
            name = value.get("name") or value.get("as_name")
            return self._name(name), types[kind]
        # A constant among the inputs: nobody reads it.
        return self._name(f"unused_{len(self.names)}"), "Optional[Tensor]"

    def _symbol(self, value: dict) -> str:
        kind, inner = chosen(value)
        if kind in ("as_name", "name"):
            return self._known(inner)
        return repr(inner)

    def _value(self, argument: Any) -> str:
        kind, value = chosen(argument)
        simple: dict[str, Callable[[], str]] = {
            "as_none": lambda: "None",
            "as_tensor": lambda: self._known(field(value, "name", str)),
            "as_tensors": lambda: "[" + ", ".join(self._known(field(t, "name", str)) for t in value) + "]",
            "as_optional_tensors": lambda: "[" + ", ".join(self._optional(t) for t in value) + "]",
            "as_int": lambda: repr(int(value)),
            "as_ints": lambda: repr([int(v) for v in value]),
            "as_float": lambda: self._float(value),
            "as_floats": lambda: "[" + ", ".join(map(self._float, value)) + "]",
            "as_bool": lambda: repr(bool(value)),
            "as_bools": lambda: repr([bool(v) for v in value]),
            "as_string": lambda: self._string(value),
            "as_strings": lambda: "[" + ", ".join(map(self._string, value)) + "]",
            "as_sym_int": lambda: self._symbol(value),
            "as_sym_ints": lambda: "[" + ", ".join(map(self._symbol, value)) + "]",
            "as_sym_bool": lambda: self._symbol(value),
            "as_sym_float": lambda: self._symbol(value),
            "as_scalar_type": lambda: str(dtype_of(value)).replace("rushlight.", "torch."),
            "as_memory_format": lambda: repr(MEMORY_FORMATS[value]),
            "as_layout": lambda: repr(LAYOUTS[value]),
            "as_device": lambda: f"torch.device({self._string(self._device(value))})",
            "as_complex": lambda: f"complex({self._float(value['real'])}, {self._float(value['imag'])})",
        }
        if kind not in simple:
            raise FormatError(f"an argument of the kind '{kind}', which is not supported")
        try:
            return simple[kind]()
        except (KeyError, TypeError, ValueError, AttributeError) as e:
            raise FormatError(f"an argument of the kind '{kind}' that is damaged: {e}") from None

    def _optional(self, union: Any) -> str:
        kind, value = chosen(union)
        return "None" if kind == "as_none" else self._known(field(value, "name", str))

    @staticmethod
    def _float(value: Any) -> str:
        number = float(value)  # "Infinity" is text
        return repr(number) if number == number and abs(number) != float("inf") else f'float("{number}")'

    @staticmethod
    def _string(value: Any) -> str:
        if not isinstance(value, str) or not value.isprintable():
            raise FormatError(f"a text {value!r}")
        return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'

    @staticmethod
    def _device(value: Any) -> str:
        kind, index = field(value, "type", str), value.get("index")
        return kind if index is None else f"{kind}:{int(index)}"

    def _results(self, outputs: list) -> tuple[str, list[str]]:
        """What stands left of the call, and lines behind it."""
        left, after = [], []
        for output in outputs:
            kind, value = chosen(output)
            if kind == "as_none":
                left.append(f"_{len(left)}_{len(self.lines)}")
            elif kind == "as_tensor":
                left.append(self._name(field(value, "name", str)))
            elif kind in ("as_sym_int", "as_sym_bool", "as_sym_float"):
                left.append(self._name(value.get("as_name")))
            elif kind == "as_tensors":
                listed = f"list_{len(self.lines)}"
                left.append(listed)
                after += [f"{self._name(field(t, 'name', str))} = {listed}[{i}]" for i, t in enumerate(value)]
            else:
                raise FormatError(f"a result of the kind '{kind}', which is not supported")
        return ", ".join(left), after

    def _node(self, node: Any) -> None:
        target = field(node, "target", str)
        if not _PART.match(target):
            raise FormatError(f"an operator called {target!r}")
        values = [(field(i, "name", str), self._value(i.get("arg")), i.get("kind")) for i in field(node, "inputs", list)] \
            if not self._is_check(target) else []  # fmt: skip
        if self._is_check(target):
            return
        call = self._call(target, values)
        left, after = self._results(field(node, "outputs", list))
        self.lines.append(f"{left} = {call}" if left else call)
        self.lines += after

    @staticmethod
    def _is_check(target: str) -> bool:
        parts = target.split(".")
        return parts[:2] == ["torch", "ops"] and len(parts) > 3 and parts[3] in _CHECKS

    def _call(self, target: str, values: list[tuple[str, str, Any]]) -> str:
        texts = [v for _, v, _ in values]
        module, _, name = target.rpartition(".")
        if module in ("_operator", "operator"):
            if name in _BINARY and len(texts) == 2:
                return f"{texts[0]} {_BINARY[name]} {texts[1]}"
            if name in ("neg", "not_") and len(texts) == 1:
                return f"-{texts[0]}" if name == "neg" else f"not {texts[0]}"
            if name == "getitem" and len(texts) == 2:
                return f"{texts[0]}[{texts[1]}]"
        elif module == "torch" and name in ("sym_max", "sym_min", "sym_float", "sym_int", "sym_not"):
            return f"{name.removeprefix('sym_').replace('not', 'not ')}({', '.join(texts)})"
        elif module == "math" and name in ("ceil", "floor", "trunc"):
            return f"math.{name}({', '.join(texts)})"
        elif target.startswith("torch.ops.") and target.count(".") == 4:
            _, _, namespace, operator, _ = target.split(".")
            if namespace == "aten" and operator in ("sym_size", "sym_numel", "sym_stride", "sym_storage_offset"):
                operator = operator.removeprefix("sym_").replace("numel", "numel")
            given = ", ".join(v if kind != 2 else f"{n}={v}" for n, v, kind in self._named(values))
            return f"ops.{namespace}.{operator}({given})"
        raise FormatError(f"the operator {target}, which is not supported")

    @staticmethod
    def _named(values: list[tuple[str, str, Any]]) -> list[tuple[str, str, Any]]:
        """Files of before 2.4 don't say which arguments were given by name: all are by name then but the first."""
        if all(kind is None for _, _, kind in values):
            return [(n, v, 1 if i == 0 else 2) for i, (n, v, _) in enumerate(values)]
        return values

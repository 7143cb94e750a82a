"""export: a program as a graph of ATen operators, recorded as a trace and checked with other sizes; save writes it as PyTorch does."""

from __future__ import annotations

import inspect
import io
import json
import operator
import os
import re
import warnings
import zipfile
from collections.abc import Callable
from typing import Any

import rushlight as torch

from .. import _C
from ..jit._trace import TracerWarning
from ..nn import Module
from ..utils import _pytree as pytree
from ._dims import Symbol, expression, samples_of, symbols_of
from ._program import ExportedProgram
from ._schema import DTYPES, LAYOUTS, MEMORY_FORMATS

_SCHEMA = {"major": 8, "minor": 20}
_MAX_SIZE = (1 << 63) - 1
# Of numbers; a node of them stands for sizes.
_ARITHMETIC: dict[str, tuple[str, Callable]] = {
    "aten::add": ("add", operator.add), "aten::sub": ("sub", operator.sub), "aten::mul": ("mul", operator.mul),
    "aten::floordiv": ("floordiv", operator.floordiv), "aten::floor_divide": ("floordiv", operator.floordiv),
    "aten::remainder": ("mod", operator.mod), "aten::div": ("truediv", operator.truediv), "aten::neg": ("neg", operator.neg),
}  # fmt: skip
# Of sizes and numbers, to decide what the program does: the answer has to be the same for all sizes.
_DECISIONS: dict[str, Callable] = {
    "aten::eq": operator.eq, "aten::ne": operator.ne, "aten::lt": operator.lt, "aten::le": operator.le, "aten::gt": operator.gt,
    "aten::ge": operator.ge, "aten::__and__": lambda a, b: a and b, "aten::__or__": lambda a, b: a or b, "aten::__not__": operator.not_,
    "aten::__is__": operator.is_, "aten::__isnot__": operator.is_not, "aten::len": len, "aten::Bool": bool, "prim::min": min,
    "prim::max": max, "aten::format": str.format, "aten::is_floating_point": lambda t: t.is_floating_point(),
    "aten::is_complex": lambda t: t.is_complex(), "prim::dtype": lambda t: t.dtype, "prim::device": lambda t: t.device,
    "prim::requires_grad": lambda t: t.requires_grad, "prim::is_nested": lambda t: False,
    "aten::is_grad_enabled": torch.is_grad_enabled,
}  # fmt: skip
_ALIASES = (
    "prim::NumToTensor",
    "aten::Int",
    "aten::IntImplicit",
    "aten::ScalarImplicit",
    "aten::Float",
    "aten::FloatImplicit",
)


def _numbers(table: dict[int, Any]) -> dict[Any, int]:
    return {v: k for k, v in table.items()}


_DTYPES = _numbers(DTYPES)


class _Recorder:
    """A trace's nodes, run again for other sizes, and written as JSON."""

    def __init__(self, graph: Any, names: list[str], where: str) -> None:
        self.graph, self.names, self.where = graph, names, where
        self.taken: dict[int, int] = {}  # by an if's first value: the branch that every run took
        self.tensors: dict[str, Any] = {}  # constants that the trace holds

    # ---- running

    @staticmethod
    def _constant(value: Any) -> Any:
        value = value.toIValue()
        # Numbers that a program wrote stand in traces as tensors.
        if (
            isinstance(value, torch.Tensor)
            and value.dim() == 0
            and value.dtype in (torch.int64, torch.float32, torch.float64, torch.bool)
        ):
            return value.item()
        return value

    def run(self, inputs: list[Any]) -> dict[int, Any]:
        values = {v.unique(): x for v, x in zip(self.graph.inputs(), inputs, strict=True)}
        self._run(self.graph, values)
        return values

    def nodes(self, block: Any = None) -> Any:
        """The nodes that were run, those of the branches that were taken in place of their ifs."""
        for node in (block or self.graph).nodes():
            if node.kind() != "prim::If":
                yield node
                continue
            branch = list(node.blocks())[self.taken[self._key(node)]]
            yield from self.nodes(branch)
            yield node

    def _loop(self, node: Any, values: dict[int, Any]) -> None:
        """Of numbers only: what it gives is known when the program is recorded."""
        body = next(iter(node.blocks()))
        trips, go, *carried = (values[v.unique()] for v in node.inputs())
        if any(isinstance(x, torch.Tensor) for x in carried):
            raise RuntimeError(
                f"{self.where}: {node.kind()} over tensors can't be exported: control flow is no operator"
            )
        first, *inner = (v.unique() for v in body.inputs())
        i = 0
        while go and i < trips:
            values[first] = i
            values.update(zip(inner, carried, strict=True))
            self._run(body, values, repeated=True)
            go, *carried = (values[v.unique()] for v in body.outputs())
            i += 1
        values.update(zip((v.unique() for v in node.outputs()), carried, strict=True))

    @staticmethod
    def _key(node: Any) -> int:
        return (list(node.outputs()) or list(node.inputs()))[0].unique()

    def _run(self, block: Any, values: dict[int, Any], repeated: bool = False) -> None:
        for node in block.nodes():
            if node.kind() == "prim::Loop":
                self._loop(node, values)
                continue
            if node.kind() == "prim::If":
                taken = 0 if values[next(iter(node.inputs())).unique()] else 1
                if not repeated and self.taken.setdefault(self._key(node), taken) != taken:
                    raise RuntimeError(
                        f"{self.where}: the program does something else for these sizes (at {node.sourceRange().strip()})"
                    )
                branch = list(node.blocks())[taken]
                self._run(branch, values, repeated)
                for v, inner in zip(node.outputs(), branch.outputs(), strict=True):
                    values[v.unique()] = values[inner.unique()]
                continue
            given = [values[v.unique()] for v in node.inputs()]
            outputs = list(node.outputs())
            results = self._call(node, given, outputs)
            for v, r in zip(outputs, results, strict=True):
                values[v.unique()] = r

    def _call(self, node: Any, given: list[Any], outputs: list[Any]) -> Any:
        kind = node.kind()
        if kind == "prim::Constant":
            return [self._constant(outputs[0])]
        if kind in ("prim::ListConstruct", "prim::TupleConstruct"):
            return [given]
        if kind in ("prim::ListUnpack", "prim::TupleUnpack"):
            return given[0]
        if kind == "prim::unchecked_cast":
            return given
        if kind == "aten::size" and len(given) == 2:
            return [given[0].size(given[1])]
        if kind == "aten::size":
            return [list(given[0].shape)]
        if kind in ("aten::dim", "aten::numel"):
            return [getattr(given[0], kind[6:])()]
        if kind == "aten::__getitem__" and isinstance(given[0], list):
            return [given[0][given[1]]]
        if kind == "aten::slice" and isinstance(given[0], (list, tuple)):
            return [list(given[0])[given[1] : given[2] : given[3]]]
        if kind in _ALIASES:
            if isinstance(given[0], torch.Tensor):
                raise RuntimeError(
                    f"{self.where}: a size or number depends on the values of a tensor ({kind} at {node.sourceRange().strip()}); only shapes may decide"
                )
            return [given[0]]
        if kind in _ARITHMETIC and all(isinstance(x, (int, float)) for x in given[:2]):
            return [_ARITHMETIC[kind][1](*given[: 1 if kind == "aten::neg" else 2])]
        decide = _DECISIONS.get(kind)
        if decide and not any(
            isinstance(x, torch.Tensor)
            for x in given
            if not kind.startswith("prim::") and "is_" not in kind and kind != "aten::dim"
        ):
            return [decide(*given)]
        if list(node.blocks()) or not kind.startswith("aten::") and node.schema() == "(no schema)":
            raise RuntimeError(f"{self.where}: {kind} can't be exported: control flow and scripts are no operators")
        name, arguments = _schema(node.schema())
        given = [_as_python(a[0], x) for a, x in zip(arguments, given, strict=True)]
        by_name = {a[1]: x for a, x in zip(arguments, given, strict=True) if a[2]}
        positional = [x for a, x in zip(arguments, given, strict=True) if not a[2]]
        namespace, _, rest = name.partition("::")
        short, _, overload = rest.partition(".")
        function = getattr(getattr(getattr(torch.ops, namespace), short), overload or "default")
        result = function(*positional, **by_name)
        return [result] if len(outputs) == 1 else list(result) if len(outputs) else []


_CODES = {
    0: torch.uint8, 1: torch.int8, 2: torch.int16, 3: torch.int32, 4: torch.int64, 5: torch.float16, 6: torch.float32, 7: torch.float64,
    9: torch.complex64, 10: torch.complex128, 11: torch.bool, 15: torch.bfloat16, 23: torch.float8_e5m2, 24: torch.float8_e4m3fn, 27: torch.uint16,
}  # fmt: skip
_FORMATS = {0: torch.contiguous_format, 1: torch.preserve_format, 2: torch.channels_last, 3: torch.channels_last_3d}


def _as_python(kind: str, x: Any) -> Any:
    """Dtypes and the like are numbers in graphs."""
    if isinstance(x, int) and not isinstance(x, bool):
        kind = kind.rstrip("?")
        if kind == "ScalarType":
            return _CODES[x]
        if kind == "Layout":
            return torch.strided
        if kind == "MemoryFormat":
            return _FORMATS[x]
    return x


def _holds_tensors(x: Any) -> bool:
    return isinstance(x, (list, tuple)) and any(isinstance(i, torch.Tensor) for i in x)


def _schema(text: str) -> tuple[str, list[tuple[str, str, bool]]]:
    """Name, and (type, name, by name only) of each argument of a schema."""
    name, _, rest = text.partition("(")
    depth, parts, part = 0, [], ""
    for c in rest:
        if c in "([":
            depth += 1
        if c in ")]":
            if depth == 0:
                break
            depth -= 1
        if c == "," and depth == 0:
            parts.append(part)
            part = ""
        else:
            part += c
    parts.append(part)
    out, only = [], False
    for p in (p.strip() for p in parts):
        if p == "*":
            only = True
        elif p:
            kind, _, rest = p.partition(" ")
            out.append((re.sub(r"\(.*?\)", "", kind), rest.partition("=")[0], only))
    return name, out


class _Writer:
    def __init__(self, recorder: _Recorder, runs: list[dict], samples: list[dict], symbols: list[Symbol]) -> None:
        self.recorder, self.runs, self.samples, self.symbols = recorder, runs, samples, symbols
        self.names: dict[int, Any] = {}  # what stands for a value: a name, a list of those, or a number
        self.taken: set[str] = set(recorder.names)
        self.tensor_values: dict[str, Any] = {}
        self.sym_ints: dict[str, Any] = {}
        self.nodes: list[dict] = []
        for v, name in zip(recorder.graph.inputs(), recorder.names, strict=True):
            self._tensor(v.unique(), name)
        for node in recorder.nodes():
            self._node(node)

    def _fresh(self, wanted: str) -> str:
        wanted = re.sub(r"\W", "_", wanted)
        name, k = wanted, 0
        while name in self.taken:
            k += 1
            name = f"{wanted}_{k}"
        self.taken.add(name)
        return name

    def _size(self, values: list[int], what: str) -> dict:
        if len(set(values)) == 1:
            return {"as_int": values[0]}
        text = expression(values, self.samples, self.symbols)
        if text is None:
            raise RuntimeError(
                f"{self.recorder.where}: {what} depends on the dynamic sizes in a way that could not be told; the sizes were {values} for {self.samples}"
            )
        return {"as_expr": {"expr_str": text, "hint": {"as_int": values[0]}}}

    def _strides(self, seen: list[Any], sizes: list[dict]) -> list[dict]:
        """Of dense tensors: products of the sizes of the dimensions inside of each."""
        first = seen[0]
        out: list[dict] = [{} for _ in sizes]
        factor, texts, inner = 1, [], []
        for d in sorted(range(first.dim()), key=lambda d: (first.stride(d), -d)):
            values = [t.stride(d) for t in seen]
            product = [1] * len(seen)
            for i in inner:
                product = [p * t.shape[i] for p, t in zip(product, seen, strict=True)]
            if len(set(values)) == 1:
                out[d] = {"as_int": values[0]}
            elif values == product:
                parts = ([f"Integer({factor})"] if factor != 1 else []) + texts
                text = parts[0] if len(parts) == 1 else f"Mul({', '.join(parts)})"
                out[d] = {"as_expr": {"expr_str": text, "hint": {"as_int": values[0]}}}
            else:
                out[d] = self._size(values, f"a stride of shape {tuple(first.shape)}")
            inner.append(d)
            if "as_int" in sizes[d]:
                factor *= sizes[d]["as_int"]
            else:
                texts.append(sizes[d]["as_expr"]["expr_str"])
        return out

    def _tensor(self, key: int, name: str, item: int | None = None) -> str:
        seen = [r[key] if item is None else r[key][item] for r in self.runs]
        first = seen[0]
        if first.dtype not in _DTYPES:
            raise RuntimeError(
                f"{self.recorder.where}: '{name}' is of dtype {first.dtype}, which exported programs don't have"
            )
        sizes = [self._size([t.shape[d] for t in seen], f"size {d} of '{name}'") for d in range(first.dim())]
        self.tensor_values[name] = {
            "dtype": _DTYPES[first.dtype],
            "sizes": sizes,
            "requires_grad": bool(isinstance(first, torch.nn.Parameter) and first.requires_grad),
            "device": {"type": "cpu", "index": None},
            "strides": self._strides(seen, sizes),
            "storage_offset": {"as_int": 0},
            "layout": 7,
        }
        if item is None:
            self.names[key] = {"as_tensor": {"name": name}}
        return name

    def _sym(self, key: int, wanted: str) -> str:
        name = self._fresh(wanted)
        values = [r[key] for r in self.runs]
        self.sym_ints[name] = {"as_expr": self._size(values, f"'{name}'")["as_expr"]}
        self.names[key] = {"as_sym_int": {"as_name": name}}
        return name

    def _varies(self, key: int) -> bool:
        return len({r[key] for r in self.runs}) > 1

    # ---- arguments

    def _number(self, x: Any) -> dict:
        if isinstance(x, bool):
            return {"as_bool": x}
        if isinstance(x, int):
            return {"as_int": x}
        if isinstance(x, float):
            return {
                "as_float": x
                if x == x and abs(x) != float("inf")
                else str(x).replace("inf", "Infinity").replace("nan", "NaN")
            }
        if isinstance(x, complex):
            return {"as_complex": {"real": x.real, "imag": x.imag}}
        if isinstance(x, str):
            return {"as_string": x}
        raise RuntimeError(f"{self.recorder.where}: an argument of type {type(x).__name__} can't be exported")

    def _value(self, key: int, kind: str) -> dict:
        kind = kind.removesuffix("?") if not kind.endswith("?]") else kind
        known = self.names.get(key)
        if known is not None:
            return known
        first = self.runs[0][key]
        if (
            not isinstance(first, torch.Tensor)
            and not _holds_tensors(first)
            and any(r[key] != first for r in self.runs)
        ):
            raise RuntimeError(
                f"{self.recorder.where}: a number that depends on dynamic sizes ({first!r} for the example) can't be exported"
            )
        return self._literal(self.runs[0][key], kind)

    def _literal(self, x: Any, kind: str) -> dict:
        if x is None:
            return {"as_none": True}
        if kind == "ScalarType":
            return {"as_scalar_type": _DTYPES[_as_python(kind, x)]}
        if kind == "Layout":
            return {"as_layout": _numbers(LAYOUTS)[int(x)] if isinstance(x, int) else 7}
        if kind == "MemoryFormat":
            return {"as_memory_format": _numbers(MEMORY_FORMATS)[int(x)] if isinstance(x, int) else 3}
        if isinstance(x, torch.device):
            return {"as_device": {"type": x.type, "index": x.index}}
        if isinstance(x, torch.Tensor):
            return {"as_tensor": {"name": self._constant(x)}}
        if isinstance(x, (list, tuple)):
            if kind.startswith("Tensor"):
                return self._tensors(
                    [None if t is None else {"as_tensor": {"name": self._constant(t)}} for t in x], kind
                )
            if all(isinstance(i, bool) for i in x) and x:
                return {"as_bools": list(x)}
            if all(isinstance(i, int) for i in x) and not kind.startswith("float"):
                return {"as_ints": list(x)}
            if all(isinstance(i, str) for i in x):
                return {"as_strings": list(x)}
            return {"as_floats": [float(i) for i in x]}
        if kind == "float":
            return self._number(float(x))
        return self._number(x)

    @staticmethod
    def _tensors(items: list[Any], kind: str) -> dict:
        if None in items or "?" in kind:
            return {"as_optional_tensors": [{"as_none": True} if i is None else i for i in items]}
        return {"as_tensors": [i["as_tensor"] for i in items]}

    def _constant(self, tensor: Any) -> str:
        """A tensor that the program made while it was traced: an input that callers don't see."""
        for name, t in self.recorder.tensors.items():
            if t is tensor:
                return name
        name = self._fresh(f"c_lifted_tensor_{len(self.recorder.tensors)}")
        self.recorder.tensors[name] = tensor
        key = -1 - len(self.recorder.tensors)
        for r in self.runs:
            r[key] = tensor
        return self._tensor(key, name)

    # ---- nodes

    def _add(self, target: str, inputs: list[dict], outputs: list[dict], name: str) -> None:
        self.nodes.append(
            {
                "target": target,
                "inputs": inputs,
                "outputs": outputs,
                "metadata": {},
                "is_hop_single_tensor_return": None,
                "name": name,
            }
        )

    def _node(self, node: Any) -> None:
        kind = node.kind()
        inputs, outputs = [v.unique() for v in node.inputs()], [v.unique() for v in node.outputs()]
        if kind == "prim::Constant":
            return
        if kind == "prim::unchecked_cast":
            if inputs[0] in self.names:
                self.names[outputs[0]] = self.names[inputs[0]]
            return
        if kind == "prim::Loop":
            return
        if kind == "prim::If":
            branch = list(node.blocks())[self.recorder.taken[self.recorder._key(node)]]
            for key, inner in zip(outputs, branch.outputs(), strict=True):
                if inner.unique() in self.names:
                    self.names[key] = self.names[inner.unique()]
            return
        if kind in _DECISIONS and not isinstance(self.runs[0][outputs[0]], torch.Tensor):
            return
        if kind in ("prim::ListConstruct", "prim::TupleConstruct"):
            values = [self._value(k, "") for k in inputs]
            if any("as_sym_int" in v for v in values):
                self.names[outputs[0]] = {"as_sym_ints": [v["as_sym_int"] if "as_sym_int" in v else v for v in values]}
            elif any("as_tensor" in v for v in values):
                self.names[outputs[0]] = self._tensors([None if "as_none" in v else v for v in values], "")
            return
        if (
            kind in ("prim::ListUnpack", "prim::TupleUnpack")
            or kind == "aten::__getitem__"
            and isinstance(self.runs[0][inputs[0]], list)
        ):
            known = self.names.get(inputs[0], {})
            listed = known.get("as_tensors")
            at = range(len(outputs)) if kind != "aten::__getitem__" else [self.runs[0][inputs[1]]]
            sizes = known.get("as_sym_ints")
            for key, i in zip(outputs, at, strict=True):
                if listed:
                    self.names[key] = {"as_tensor": listed[i]}
                elif sizes and "as_name" in sizes[i]:
                    self.names[key] = {"as_sym_int": sizes[i]}
            return
        if not outputs or isinstance(self.runs[0][outputs[0]], (int, float)):
            return self._of_sizes(node, kind, inputs, outputs)
        if kind == "aten::size":
            return self._all_sizes(inputs[0], outputs[0])
        if kind == "aten::slice" and isinstance(self.runs[0][outputs[0]], list):
            if "as_sym_ints" in self.names.get(inputs[0], {}):
                start, end, step = (self.runs[0][k] for k in inputs[1:])
                self.names[outputs[0]] = {"as_sym_ints": self.names[inputs[0]]["as_sym_ints"][start:end:step]}
            return None
        name, arguments = _schema(node.schema())
        namespace, _, rest = name.partition("::")
        short, _, overload = rest.partition(".")
        made = []
        several = self._fresh(short) if len(outputs) > 1 else ""
        for key in outputs:
            if isinstance(self.runs[0][key], (list, tuple)):
                items = [self._tensor(key, self._fresh(f"{short}_{i}"), i) for i in range(len(self.runs[0][key]))]
                self.names[key] = {"as_tensors": [{"name": n} for n in items]}
            else:
                self._tensor(key, self._fresh("getitem" if several else short))
            made.append(self.names[key])
        given = [
            {"name": "self" if n == "self" else n, "arg": self._value(key, k), "kind": 2 if only else 1}
            for key, (k, n, only) in zip(inputs, arguments, strict=True)
        ]
        given = [g for g in given if not (g["kind"] == 2 and "as_none" in g["arg"])]
        first = several or made[0].get("as_tensor", {}).get("name") or self._fresh(f"{short}_list")
        self._add(f"torch.ops.{namespace}.{short}.{overload or 'default'}", given, made, first)
        return None

    def _all_sizes(self, tensor: int, key: int) -> None:
        listed: list[dict] = []
        for d, size in enumerate(self.runs[0][key]):
            if all(r[key][d] == size for r in self.runs):
                listed.append({"as_int": size})
                continue
            item = -(1 << 60) - len(self.sym_ints)  # a key that no value has
            for r in self.runs:
                r[item] = r[key][d]
            name = self._sym(item, "sym_size_int")
            arguments = [
                {"name": "self", "arg": self._value(tensor, "Tensor"), "kind": 1},
                {"name": "dim", "arg": {"as_int": d}, "kind": 1},
            ]
            self._add("torch.ops.aten.sym_size.int", arguments, [{"as_sym_int": {"as_name": name}}], name)
            listed.append({"as_name": name})
        if any("as_name" in i for i in listed):
            self.names[key] = {"as_sym_ints": listed}

    def _of_sizes(self, node: Any, kind: str, inputs: list[int], outputs: list[int]) -> None:
        if not outputs:
            raise RuntimeError(f"{self.recorder.where}: {kind} gives nothing, and can't be exported")
        key = outputs[0]
        if not self._varies(key):
            return  # the number itself stands where it is used
        if kind in _ALIASES:
            self.names[key] = self.names[inputs[0]]
        elif kind == "aten::size":
            name = self._sym(key, "sym_size_int")
            arguments = [
                {"name": "self", "arg": self._value(inputs[0], "Tensor"), "kind": 1},
                {"name": "dim", "arg": {"as_int": self.runs[0][inputs[1]]}, "kind": 1},
            ]
            self._add("torch.ops.aten.sym_size.int", arguments, [{"as_sym_int": {"as_name": name}}], name)
        elif kind == "aten::numel":
            name = self._sym(key, "sym_numel")
            self._add(
                "torch.ops.aten.sym_numel.default",
                [{"name": "self", "arg": self._value(inputs[0], "Tensor"), "kind": 1}],
                [{"as_sym_int": {"as_name": name}}],
                name,
            )
        elif kind in _ARITHMETIC and isinstance(self.runs[0][key], int):
            name = self._sym(key, _ARITHMETIC[kind][0])
            count = 1 if kind == "aten::neg" else 2
            arguments = [
                {"name": n, "arg": self._value(k, "int"), "kind": 1} for n, k in zip("ab", inputs[:count], strict=False)
            ]
            self._add(f"_operator.{_ARITHMETIC[kind][0]}", arguments, [{"as_sym_int": {"as_name": name}}], name)
        else:
            raise RuntimeError(f"{self.recorder.where}: {kind} of dynamic sizes can't be exported")


def _tensor_meta(t: Any) -> dict:
    return {
        "dtype": _DTYPES[t.dtype],
        "sizes": [{"as_int": n} for n in t.shape],
        "requires_grad": bool(t.requires_grad),
        "device": {"type": "cpu", "index": None},
        "strides": [{"as_int": n} for n in t.contiguous().stride()],
        "storage_offset": {"as_int": 0},
        "layout": 7,
    }


def _resized(tensor: Any, path: tuple, symbols: dict[tuple, Symbol], sample: dict[str, int], first: bool) -> Any:
    if first or not isinstance(tensor, torch.Tensor):
        return tensor
    sizes = list(tensor.shape)
    for (where, d), symbol in symbols.items():
        if where == path:
            sizes[d] = sample[symbol.name]
    if sizes == list(tensor.shape):
        return tensor
    return (
        torch.zeros(sizes, dtype=tensor.dtype)
        if not tensor.is_floating_point()
        else torch.rand(sizes, dtype=tensor.dtype)
    )


def export(
    mod: Module,
    args: tuple,
    kwargs: dict[str, Any] | None = None,
    *,
    dynamic_shapes: Any = None,
    strict: bool = False,
    preserve_module_call_signature: Any = (),
    **options: Any,
) -> ExportedProgram:
    """Records what ``mod(*args, **kwargs)`` does as a graph of ATen operators with checks of what it is called with.

    Args:
        mod: a module; what Python decides is as it is for the example.
        args, kwargs: the example: tensors in any structure of tuples, lists and dicts. What is no tensor is constant.
        dynamic_shapes: for each argument, by name or in order, ``{dimension: Dim}`` for the sizes that may vary. Others are the example's.
    Errors: RuntimeError for control flow inside of scripts, for numbers that depend on values, and for sizes that are dynamic but don't
    leave the program as it is. TypeError and ValueError for other arguments.

    >>> import rushlight as torch
    >>> batch = torch.export.Dim("batch", max=64)
    >>> program = torch.export.export(torch.nn.Linear(3, 2), (torch.ones(4, 3),), dynamic_shapes={"input": {0: batch}})
    >>> program.module()(torch.ones(7, 3)).shape
    torch.Size([7, 2])
    """
    if not isinstance(mod, Module):
        raise TypeError(f"export: expected an nn.Module, got {type(mod).__name__}")
    if not isinstance(args, tuple):
        raise TypeError(f"export: expected args to be a tuple of example inputs, got {type(args).__name__}")
    kwargs = dict(kwargs or {})
    where = f"export of {type(mod).__name__}"
    parameters = [p for p in inspect.signature(mod.forward).parameters.values()]
    names = [p.name for p in parameters if p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD)]
    symbols = symbols_of(dynamic_shapes, names, args, kwargs)
    every = list(dict.fromkeys(symbols.values()))

    with_paths, in_spec = pytree.tree_flatten_with_path((args, kwargs))
    paths = [tuple(getattr(k, "key", getattr(k, "idx", None)) for k in path) for path, _ in with_paths]
    leaves = [leaf for _, leaf in with_paths]
    tensors = [i for i, leaf in enumerate(leaves) if isinstance(leaf, torch.Tensor)]
    state = {**dict(mod.named_parameters(remove_duplicate=True)), **dict(mod.named_buffers(remove_duplicate=True))}
    persistent = mod.state_dict()

    taken: set[str] = set()

    def named(text: str) -> str:
        text = re.sub(r"\W", "_", text)
        while text in taken:
            text += "_"
        taken.add(text)
        return text

    state_names = [named(("p_" if isinstance(t, torch.nn.Parameter) else "b_") + n) for n, t in state.items()]
    user_names = [
        named(
            "_".join(
                [
                    names[p[1]] if p[0] == 0 and p[1] < len(names) else f"args_{p[1]}" if p[0] == 0 else str(p[1]),
                    *map(str, p[2:]),
                ]
            )
        )
        for p in paths
    ]
    out_spec: Any = None
    plain: list[Any] = []

    def call(*given: Any) -> tuple:
        nonlocal out_spec, plain
        full = list(leaves)
        for i, t in zip(tensors, given[len(state) :], strict=True):
            full[i] = t
        a, k = pytree.tree_unflatten(full, in_spec)
        flat, out_spec = pytree.tree_flatten(mod(*a, **k))
        plain = [None if isinstance(x, torch.Tensor) else (x,) for x in flat]
        return tuple(x for x in flat if isinstance(x, torch.Tensor))

    inputs = (*state.values(), *(leaves[i].detach() if leaves[i].requires_grad else leaves[i] for i in tensors))
    input_names = (*state_names, *(user_names[i] for i in tensors))

    def recorded(given: tuple) -> tuple[Any, str]:
        graph = _C._trace(call, given, tuple(input_names), None, [], [], "forward").inlined_graph
        for run in ("inline", "optimize"):
            graph._pass(run)
        plain = graph.copy()
        plain._pass("erase_shape_information")
        return graph, plain._text(False)

    samples = samples_of(every)
    kept = [t.detach().clone() for t in state.values()]

    def restore() -> None:
        for t, old in zip(state.values(), kept, strict=True):
            t.data.copy_(old)

    def resized(sample: dict[str, int]) -> list[Any]:
        return [_resized(leaves[i], paths[i], symbols, sample, sample is samples[0]) for i in tensors]

    with warnings.catch_warnings(record=True) as told, torch.no_grad():
        warnings.simplefilter("always")
        graph, text = recorded(inputs)
        restore()
        decided, spec, constant = any(issubclass(w.category, TracerWarning) for w in told), out_spec, plain
        if decided:  # by sizes, which the samples show, or by values
            others = [-t if t.is_floating_point() else t for t in inputs[len(state) :]]
            if recorded((*state.values(), *others))[1] != text:
                raise RuntimeError(
                    f"{where}: what the program does depends on the values of its inputs, which is no graph of operators: {told[0].message}"
                )
            restore()
        for symbol in every:
            for sample in samples[1:]:
                if sample[symbol.name] == symbol.hint:
                    continue
                try:
                    same = recorded((*state.values(), *resized(sample)))[1] == text
                except RuntimeError:
                    break  # told below, with what fails
                if not same:
                    raise RuntimeError(
                        f"{where}: the size {symbol.dim!r} decides what the program does: it is another one for {sample[symbol.name]} than "
                        f"for {symbol.hint}. Leave the dimension out of dynamic_shapes, or compute with sizes that the graph can hold"
                    )
                restore()
                break
        out_spec, plain = spec, constant
        recorder = _Recorder(graph, list(input_names), where)
        runs = []
        for sample in samples:
            restore()
            try:
                runs.append(recorder.run([*state.values(), *resized(sample)]))
            except Exception as e:
                if sample is samples[0]:
                    raise
                sizes = ", ".join(f"{s.dim!r} = {sample[s.name]}" for s in every)
                raise RuntimeError(
                    f"{where}: the sizes that dynamic_shapes lets vary don't: for {sizes} the program that was recorded for "
                    f"{', '.join(str(s.hint) for s in every)} fails: {e}"
                ) from e
        restore()
        writer = _Writer(recorder, runs, samples, every)

    given_outputs = graph.outputs()
    results = [
        writer._value(v.unique(), "Tensor")
        for o in given_outputs
        for v in (o.node().inputs() if o.node().kind() == "prim::TupleConstruct" else [o])
    ]
    tensor_results = iter(results)
    outputs = [next(tensor_results) if p is None else writer._literal(p[0], "") for p in plain]

    specs: list[dict] = []
    for name, (path, t) in zip(state_names, state.items(), strict=True):
        if isinstance(t, torch.nn.Parameter):
            specs.append({"parameter": {"arg": {"name": name}, "parameter_name": path}})
        else:
            specs.append({"buffer": {"arg": {"name": name}, "buffer_name": path, "persistent": path in persistent}})
    for name in recorder.tensors:
        specs.append({"tensor_constant": {"arg": {"name": name}, "tensor_constant_name": name}})
    graph_inputs: list[dict] = [{"as_tensor": {"name": n}} for n in (*state_names, *recorder.tensors)]
    for name, leaf in zip(user_names, leaves, strict=True):
        if isinstance(leaf, torch.Tensor):
            specs.append({"user_input": {"arg": {"as_tensor": {"name": name}}}})
            graph_inputs.append({"as_tensor": {"name": name}})
        else:
            literal = {"as_none": True} if leaf is None else writer._number(leaf)
            specs.append({"constant_input": {"name": name, "value": literal}})
            graph_inputs.append(literal)
    model = {
        "graph_module": {
            "graph": {
                "inputs": graph_inputs, "outputs": outputs, "nodes": writer.nodes, "tensor_values": writer.tensor_values,
                "sym_int_values": writer.sym_ints, "sym_bool_values": {}, "sym_float_values": {}, "custom_obj_values": {},
                "is_single_tensor_return": False,
            },
            "signature": {"input_specs": specs, "output_specs": [{"user_output": {"arg": o}} for o in outputs]},
            "module_call_graph": [{
                "fqn": "",
                "signature": {
                    "inputs": [], "outputs": [], "in_spec": pytree.treespec_dumps(in_spec), "out_spec": pytree.treespec_dumps(out_spec),
                    "forward_arg_names": [*names[: len(args)], *kwargs] if len(names) >= len(args) else None,
                },
            }],
            "metadata": {}, "treespec_namedtuple_fields": {},
        },
        "opset_version": {"aten": 10},
        "range_constraints": {s.name: {"min_val": s.low, "max_val": s.high} for s in every},
        "schema_version": _SCHEMA, "verifiers": ["TRAINING"], "torch_version": torch.__version__, "guards_code": [],
    }  # fmt: skip
    held = {n: t for n, t in state.items() if n in persistent or isinstance(t, torch.nn.Parameter)}
    constants = {**{n: t for n, t in state.items() if n not in held}, **recorder.tensors}
    program = ExportedProgram(model, held, constants, where)
    program.example_inputs = (args, kwargs)
    return program


def save(
    ep: ExportedProgram,
    f: Any,
    *,
    extra_files: dict[str, Any] | None = None,
    opset_version: Any = None,
    pickle_protocol: int = 2,
) -> None:
    """Writes a program as a .pt2 file, to a path or a file object, as PyTorch 2.13 reads it.

    >>> import io, rushlight as torch
    >>> out = io.BytesIO()
    >>> torch.export.save(torch.export.export(torch.nn.Tanh(), (torch.zeros(2),)), out)
    >>> torch.export.load(io.BytesIO(out.getvalue())).module()(torch.zeros(2))
    tensor([0., 0.])
    """
    if not isinstance(ep, ExportedProgram):
        raise TypeError(
            f"The 'ep' parameter must be an instance of 'ExportedProgram', got '{type(ep).__name__}' instead."
        )
    path = isinstance(f, (str, os.PathLike))
    root = os.path.splitext(os.path.basename(os.fspath(f)))[0] if path else "archive"
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_STORED) as z:

        def put(name: str, data: Any) -> None:
            z.writestr(zipfile.ZipInfo(f"{root}/{name}"), data if isinstance(data, bytes) else str(data))

        put("archive_format", "pt2")
        put("archive_version", "0")
        put(".data/version", "6\n")
        put("byteorder", "little")
        for folder, tensors in (("weights", ep.state_dict), ("constants", ep.constants)):
            config, known = {}, {}
            for name, t in tensors.items():
                entry = known.get(id(t))
                if entry is None:
                    entry = known[id(t)] = f"{'weight' if folder == 'weights' else 'tensor'}_{len(known)}"
                    put(f"data/{folder}/{entry}", _bytes(t))
                config[name] = {
                    "path_name": entry,
                    "is_param": isinstance(t, torch.nn.Parameter),
                    "use_pickle": False,
                    "tensor_meta": _tensor_meta(t),
                }
            put(f"data/{folder}/model_{folder}_config.json", json.dumps({"config": config}))
        put("models/model.json", json.dumps(ep._model))
        if ep.example_inputs is not None:
            sample = io.BytesIO()
            torch.save(ep.example_inputs, sample)
            put("data/sample_inputs/model.pt", sample.getvalue())
        for name, text in (extra_files or {}).items():
            put(f"extra/{name}", text if isinstance(text, bytes) else str(text))
    if not path:
        f.write(out.getvalue())
        return
    temporary = f"{os.fspath(f)}.{os.getpid()}.tmp"
    with open(temporary, "wb") as file:
        file.write(out.getvalue())
        file.flush()
        os.fsync(file.fileno())
    os.replace(temporary, f)


def _bytes(t: Any) -> bytes:
    flat = t.detach().contiguous().reshape(-1)
    return flat.view(torch.uint8).numpy().tobytes() if flat.numel() else b""

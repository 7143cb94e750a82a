"""ExportedProgram: a graph with its weights, what calls have to look like, and how it is run."""

from __future__ import annotations

import io
import json
import os
import re
import zipfile
from typing import Any

import rushlight as torch

from .. import _C
from ..nn import Module
from ..utils import _pytree as pytree
from ._schema import FormatError, chosen, dtype_of, field
from ._text import Text

__all__ = ["ExportedProgram", "load"]

_LIMIT = 1 << 28  # of JSON
_SYMBOL = re.compile(r"Symbol\('(\w+)'[^()]*\)|(\w+)")


class _Archive:
    """The entries of a .pt2 file: checked by the reader of all zip files, then read."""

    def __init__(self, f: Any) -> None:
        self.name = os.fspath(f) if isinstance(f, (str, os.PathLike)) else "a file object"
        data = open(f, "rb").read() if isinstance(f, (str, os.PathLike)) else f.read()  # noqa: SIM115
        try:
            _C._check_zip(data, self.name)
            self.zip = zipfile.ZipFile(io.BytesIO(data))
        except zipfile.BadZipFile as e:
            raise RuntimeError(f"export.load '{self.name}': {e}; this is no exported program") from None
        names = self.zip.namelist()
        inside = [n for n in names if n.endswith("models/model.json") or n.endswith("serialized_exported_program.json")]
        if len(inside) != 1:
            raise RuntimeError(
                f"export.load '{self.name}': expected one exported program in the archive, found {len(inside)}"
            )
        self.model = inside[0]
        self.root = self.model.removesuffix("models/model.json").removesuffix("serialized_exported_program.json")

    def read(self, entry: str) -> bytes:
        try:
            return self.zip.read(self.root + entry)
        except KeyError:
            raise RuntimeError(f"export.load '{self.name}': there is no entry '{entry}'") from None

    def json(self, entry: str) -> Any:
        data = self.read(entry)
        if len(data) > _LIMIT:
            raise RuntimeError(
                f"export.load '{self.name}': entry '{entry}' has {len(data)} bytes; the most is {_LIMIT}"
            )
        try:
            return json.loads(data)
        except (ValueError, RecursionError) as e:
            raise RuntimeError(f"export.load '{self.name}': entry '{entry}': {e}") from None

    def tensors(self, folder: str) -> dict[str, Any]:
        """The tensors of data/weights or data/constants, by name."""
        config = field(self.json(f"data/{folder}/model_{folder}_config.json"), "config", dict)
        out, read = {}, {}
        for name, entry in config.items():
            path, meta = field(entry, "path_name", str), entry.get("tensor_meta")
            if path not in read:
                read[path] = self.read(f"data/{folder}/{path}")
            if entry.get("use_pickle"):
                out[name] = torch.load(io.BytesIO(read[path]), weights_only=True)
            elif meta is not None:
                out[name] = _tensor(read[path], meta, name)
        return out


def _tensor(data: bytes, meta: dict, name: str) -> Any:
    sizes, strides = ([int(chosen(s)[1]) for s in field(meta, k, list)] for k in ("sizes", "strides"))
    offset = int(chosen(meta.get("storage_offset") or {"as_int": 0})[1])
    dtype = dtype_of(meta.get("dtype"))
    if not data:
        storage = torch.empty(0, dtype=dtype)
    else:
        storage = torch.frombuffer(bytearray(data), dtype=torch.uint8).view(dtype)
    out = torch.as_strided(storage, sizes, strides, offset) if all(sizes) else torch.empty(sizes, dtype=dtype)
    return torch.nn.Parameter(out) if meta.get("requires_grad") and out.is_floating_point() else out


class ExportedProgram:
    """What ``torch.export.load`` gives: ``module()`` runs it.

    ``state_dict``, ``constants``: tensors by name. ``range_constraints``: the least and the greatest size of each symbol.
    ``code``: the graph as TorchScript.
    """

    def __init__(self, model: dict, state_dict: dict[str, Any], constants: dict[str, Any], name: str) -> None:
        self._model, self._name = model, name
        self.state_dict, self.constants = state_dict, constants
        self.example_inputs: Any = None
        module = field(model, "graph_module", dict)
        self._graph = field(module, "graph", dict)
        signature = field(module, "signature", dict)
        self._inputs = [chosen(s) for s in field(signature, "input_specs", list)]
        self._outputs = [chosen(s) for s in field(signature, "output_specs", list)]
        self.range_constraints = {
            symbol: (r.get("min_val"), r.get("max_val")) for symbol, r in (model.get("range_constraints") or {}).items()
        }
        text = Text(self._graph)
        if len(text.inputs) != len(self._inputs) or len(text.outputs) != len(self._outputs):
            raise FormatError("a signature that does not fit the graph")
        self.code = text.source()
        self._names = [name for name, _ in text.inputs]
        self._in_spec, self._out_spec, self._argument_names = self._specs(module)
        self._forward = torch.jit.CompilationUnit(self.code).forward

    def _specs(self, module: dict) -> tuple[Any, Any, list[str] | None]:
        for entry in module.get("module_call_graph") or []:
            call = entry.get("signature")
            if entry.get("fqn") == "" and call:
                given, made = (pytree.treespec_loads(field(call, k, str)) for k in ("in_spec", "out_spec"))
                return given, made, call.get("forward_arg_names")
        raise FormatError("no signature of the whole program")

    @property
    def graph_signature(self) -> Any:
        return {"input_specs": self._inputs, "output_specs": self._outputs}

    def parameters(self) -> Any:
        return (self.state_dict[s["parameter_name"]] for kind, s in self._inputs if kind == "parameter")

    def buffers(self) -> Any:
        return (t for name, t in self.state_dict.items() if not isinstance(t, torch.nn.Parameter))

    def _given(self) -> list[tuple[str, dict[int, str]]]:
        """The inputs that are no parameters: their names, and their sizes that are symbols, by axis."""
        found = []
        for name, (kind, _) in zip(self._names, self._inputs, strict=True):
            if kind != "user_input":
                continue
            sizes = [chosen(s) for s in (self._graph["tensor_values"].get(name) or {}).get("sizes", [])]
            found.append((name, {i: v["expr_str"] for i, (k, v) in enumerate(sizes) if k == "as_expr"}))
        return found

    def module(self, check_guards: bool = True) -> Module:
        """A module with these weights, which takes what the exported one took."""
        return _Loaded(self, check_guards)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        raise RuntimeError(
            "Unable to call ExportedProgram directly. You should use `exported_program.module()` instead."
        )

    def __str__(self) -> str:
        return f"ExportedProgram:\n{self.code}"

    # ---- calls

    def _bound(self, name: str) -> Any:
        if name in self.state_dict:
            return self.state_dict[name]
        if name in self.constants:
            return self.constants[name]
        raise FormatError(f"the file has no tensor '{name}'")

    def _check(self, name: str, value: Any, symbols: dict[str, int]) -> None:
        wanted = self._graph["tensor_values"].get(name)
        if wanted is None:
            return
        if not isinstance(value, torch.Tensor):
            raise TypeError(f"{self._name}: expected a tensor for '{name}', got {type(value).__name__}")
        sizes = wanted["sizes"]
        if value.dtype != dtype_of(wanted["dtype"]):
            raise RuntimeError(
                f"{self._name}: expected '{name}' of dtype {dtype_of(wanted['dtype'])}, got {value.dtype}"
            )
        if value.dim() != len(sizes):
            raise RuntimeError(
                f"{self._name}: expected '{name}' of {len(sizes)} dimensions, got shape {tuple(value.shape)}"
            )
        for d, (size, actual) in enumerate(zip(sizes, value.shape, strict=True)):
            kind, want = chosen(size)
            if kind == "as_int":
                if want != actual:
                    raise RuntimeError(
                        f"{self._name}: expected '{name}' of size {want} in dimension {d}, got shape {tuple(value.shape)}; the program "
                        "was exported for that size only (see dynamic_shapes of torch.export.export)"
                    )
                continue
            plain = _SYMBOL.fullmatch(want["expr_str"])
            if not plain:
                continue  # an expression of other symbols
            symbol = plain[1] or plain[2]
            if symbols.setdefault(symbol, actual) != actual:
                raise RuntimeError(
                    f"{self._name}: expected '{name}' of size {symbols[symbol]} in dimension {d}, as another input has, got shape "
                    f"{tuple(value.shape)}"
                )
            low, high = self.range_constraints.get(symbol, (None, None))
            if (low is not None and actual < low) or (high is not None and actual > high):
                raise RuntimeError(
                    f"{self._name}: expected '{name}' of a size from {low} to {high} in dimension {d}, got shape {tuple(value.shape)}"
                )

    def _flat(self, args: tuple, kwargs: dict) -> list:
        if self._argument_names:
            count = len(self._in_spec.children_specs[0].children_specs)
            names = self._argument_names[:count]
            positional = list(args)
            for name in names[len(positional) :]:
                if name in kwargs:
                    kwargs = dict(kwargs)
                    positional.append(kwargs.pop(name))
            args = tuple(positional)
        flat, spec = pytree.tree_flatten((args, kwargs))
        if spec != self._in_spec:
            raise ValueError(f"{self._name}: expected arguments of the structure {self._in_spec}, got {spec}")
        return flat

    def _run(self, args: tuple, kwargs: dict, owner: _Loaded) -> Any:
        user = iter(self._flat(args, kwargs))
        symbols: dict[str, int] = {}
        given: list = []
        users: dict[str, Any] = {}
        for kind, spec in self._inputs:
            if kind in ("user_input", "constant_input"):
                value = next(user)
                what, inner = chosen(spec["arg"]) if kind == "user_input" else ("as_none", None)
                if what == "as_tensor":
                    if owner._checks:
                        self._check(inner["name"], value, symbols)
                    users[inner["name"]] = value
                given.append(value if what in ("as_tensor", "as_sym_int", "as_sym_float", "as_sym_bool") else None)
            elif kind in ("parameter", "buffer", "tensor_constant"):
                name = spec["tensor_constant_name" if kind == "tensor_constant" else f"{kind}_name"]
                given.append(owner._tensor(name))
            else:
                raise FormatError(f"an input of the kind '{kind}', which is not supported")
        results = self._forward(*given)
        out = []
        for (kind, spec), value in zip(self._outputs, results or (), strict=True):
            if kind == "user_output":
                out.append(value)
            elif kind == "buffer_mutation":
                owner._tensor(spec["buffer_name"]).copy_(value)
            elif kind == "user_input_mutation":
                users[spec["user_input_name"]].copy_(value)
            else:
                raise FormatError(f"an output of the kind '{kind}', which is not supported")
        return pytree.tree_unflatten(out, self._out_spec)


class _Loaded(Module):
    """What ``ExportedProgram.module()`` gives: parameters and buffers under their names, which forward reads."""

    def __init__(self, program: ExportedProgram, checks: bool) -> None:
        super().__init__()
        self.__dict__["_program"], self.__dict__["_checks"] = program, checks
        for name, tensor in program.state_dict.items():
            *path, last = name.split(".")
            at: Any = self
            for part in path:
                if part not in at._modules:
                    at.add_module(part, Module())
                at = at._modules[part]
            if isinstance(tensor, torch.nn.Parameter):
                at.register_parameter(last, tensor)
            else:
                at.register_buffer(last, tensor)

    def _tensor(self, name: str) -> Any:
        if name not in self._program.state_dict:
            return self._program._bound(name)
        at: Any = self
        for part in name.split("."):
            at = getattr(at, part)
        return at

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        with torch.set_grad_enabled(torch.is_grad_enabled()):
            return self._program._run(args, kwargs, self)


def load(f: Any, *, extra_files: dict[str, Any] | None = None, expected_opset_version: Any = None) -> ExportedProgram:
    """Reads an exported program from a path or file object: a .pt2 file of PyTorch 2.1 to 2.13.

    Raises RuntimeError for a file that is damaged, or that needs what is not supported (control flow, custom objects).
    """
    archive = _Archive(f)
    try:
        if archive.model.endswith("models/model.json"):
            model = archive.json("models/model.json")
            program = ExportedProgram(model, archive.tensors("weights"), archive.tensors("constants"), archive.name)
        else:
            model = archive.json("serialized_exported_program.json")
            state, constants = (
                torch.load(io.BytesIO(archive.read(f"serialized_{what}.json")), weights_only=True)
                for what in ("state_dict", "constants")
            )
            program = ExportedProgram(model, dict(state), dict(constants), archive.name)
    except FormatError as e:
        raise RuntimeError(f"export.load '{archive.name}': {e}") from None
    for name in extra_files or ():
        extra_files[name] = archive.read(f"extra/{name}").decode()  # type: ignore[index]
    return program

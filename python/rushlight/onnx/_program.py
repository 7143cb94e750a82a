"""ONNXProgram: an exported model as a program holds it, and the file it becomes.

The bytes of a ModelProto are taken apart and put together field by field, so that no package is needed: graph is its field 7, and of that
initialisers are field 5, inputs 11, outputs 12; of a tensor sizes are field 1, its type 2, its name 8, its bytes 9.
"""

from __future__ import annotations

import importlib
import os
import warnings
from collections.abc import Callable, Iterator
from typing import Any

import rushlight as rl

from .errors import OnnxExporterWarning

_GRAPH, _INITIALIZER, _INPUT, _OUTPUT, _VALUE_INFO, _NODE = 7, 5, 11, 12, 13, 1
_LARGE = 1536 * 1024 * 1024  # a file of protobuf's has to stay below 2 GiB


def _number(data: Any, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = data[at]
        at += 1
        value |= (byte & 127) << shift
        if byte < 128:
            return value, at
        shift += 7


def _varint(value: int) -> bytes:
    out = bytearray()
    while value > 127:
        out.append(value & 127 | 128)
        value >>= 7
    return bytes([*out, value])


def _fields(data: Any) -> Iterator[tuple[int, Any, Any]]:
    """Number, content (of kind 2 bytes, of others a number) and the whole of each field."""
    view, at = memoryview(data), 0
    while at < len(view):
        start = at
        key, at = _number(view, at)
        kind, content = key & 7, None
        if kind == 0:
            content, at = _number(view, at)
        elif kind == 2:
            size, at = _number(view, at)
            content, at = view[at : at + size], at + size
        else:
            at += 8 if kind == 1 else 4
        yield key >> 3, content, view[start:at]


def _field(number: int, content: Any) -> bytes:
    if isinstance(content, int):
        return _varint(number << 3) + _varint(content)
    data = content.encode() if isinstance(content, str) else content
    return _varint(number << 3 | 2) + _varint(len(data)) + bytes(data)


def _name_of(message: Any, field: int) -> str:
    return next((bytes(c).decode() for n, c, _ in _fields(message) if n == field), "")


def _rewritten(data: bytes, change: Callable[[int, Any, Any], Any], more: Callable[[], bytes] = bytes) -> bytes:
    """The model, each field of its graph as ``change(number, content, whole)`` gives it, with `more` at the graph's end."""
    parts: list[Any] = []
    for number, content, whole in _fields(data):
        if number != _GRAPH:
            parts.append(whole)
            continue
        graph = b"".join([change(*field) for field in _fields(content)]) + more()
        parts += [_varint(_GRAPH << 3 | 2), _varint(len(graph)), graph]
    return b"".join(parts)


def _info_of(tensor: Any) -> bytes:
    """An initialiser as an input: its name, type and sizes."""
    name, kind, shape = b"", 0, b""
    for number, content, _ in _fields(tensor):
        if number == 8:
            name = bytes(content)
        elif number == 2:
            kind = content
        elif number == 1:
            shape += _field(1, _field(1, content))
    return _field(1, name) + _field(2, _field(1, _field(1, kind) + _field(2, shape)))


class ONNXProgram:
    """An exported model.

    Attributes:
        exported_program: the ExportedProgram that it was made of; None where it was made of a module.

    >>> import rushlight as torch
    >>> program = torch.onnx.export(torch.nn.Linear(2, 3), (torch.zeros(4, 2),), dynamo=True)
    >>> program(torch.zeros(4, 2))[0].shape
    torch.Size([4, 3])
    """

    def __init__(self, data: bytes, exported_program: Any = None) -> None:
        self._data = data
        self._module: Any = None
        self.exported_program = exported_program

    def SerializeToString(self) -> bytes:
        """The bytes of the file."""
        return self._data

    @property
    def model_proto(self) -> Any:
        """The model as the package onnx has it, which must be installed."""
        return importlib.import_module("onnx").load_from_string(self._data)

    def operators(self) -> dict[str, int]:
        """How many nodes of each kind the graph has, those of its inner graphs left out."""
        counts: dict[str, int] = {}
        for number, graph, _ in _fields(self._data):
            for kind in [_name_of(n, 4) for k, n, _ in _fields(graph) if k == _NODE] if number == _GRAPH else ():
                counts[kind] = counts.get(kind, 0) + 1
        return counts

    @property
    def model(self) -> Any:
        """The model as the package onnx_ir has it, which must be installed; a new one each time."""
        return importlib.import_module("onnx_ir").serde.deserialize_model(self.model_proto)

    def save(
        self,
        destination: Any,
        *,
        include_initializers: bool = True,
        keep_initializers_as_inputs: bool = False,
        external_data: bool | None = None,
    ) -> None:
        """Writes the model to a path or a file.

        Args:
            include_initializers: False leaves the parameters out.
            keep_initializers_as_inputs: parameters are inputs too, so that who runs the model may give others.
            external_data: parameters are in a file of their own, named as the model and ".data"; so they are where they are too
                many for one file. A path is needed then.

        >>> import os, tempfile, rushlight as torch
        >>> program = torch.onnx.export(torch.nn.Linear(2, 3), (torch.zeros(4, 2),))
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     program.save(os.path.join(folder, "m.onnx"), external_data=True)
        ...     sorted(os.listdir(folder)), torch.onnx.load(os.path.join(folder, "m.onnx"))(torch.zeros(4, 2)).shape
        (['m.onnx', 'm.onnx.data'], torch.Size([4, 3]))
        """
        is_path = isinstance(destination, (str, os.PathLike))
        if external_data and not is_path:
            raise TypeError("ONNXProgram.save: external_data needs a path, for the file beside it")
        data, inputs = self._data, []

        def initialiser(number: int, content: Any, whole: Any) -> Any:
            if number == _INITIALIZER and keep_initializers_as_inputs:
                inputs.append(_field(_INPUT, _info_of(content)))
            return b"" if number == _INITIALIZER and not include_initializers else whole

        if keep_initializers_as_inputs or not include_initializers:
            data = _rewritten(data, initialiser, lambda: b"".join(inputs))
        if is_path and (external_data or (external_data is None and len(data) > _LARGE)):
            data = self._write_beside(data, os.fspath(destination))
        if is_path:
            with open(destination, "wb") as file:
                file.write(data)
        else:
            destination.write(data)

    @staticmethod
    def _write_beside(data: bytes, path: str) -> bytes:
        """Writes the parameters to a file of their own; the model that refers to it."""
        location, at = os.path.basename(path) + ".data", 0
        with open(path + ".data", "wb") as file:

            def outside(number: int, content: Any, whole: Any) -> Any:
                nonlocal at
                fields = list(_fields(content)) if number == _INITIALIZER else []
                raw = next((c for n, c, _ in fields if n == 9), b"")
                if not len(raw):
                    return whole
                at += file.write(b"\0" * (-at % 64))  # readers map it
                entries = {"location": location, "offset": str(at), "length": str(len(raw))}
                at += file.write(raw)
                kept = b"".join([w for n, _, w in fields if n != 9])
                told = b"".join(_field(13, _field(1, k) + _field(2, v)) for k, v in entries.items())
                return _field(_INITIALIZER, kept + told + _field(14, 1))

            return _rewritten(data, outside)

    def optimize(self) -> None:
        """Nothing: constants are folded while a model is exported."""

    def apply_weights(self, state_dict: dict[str, Any]) -> None:
        """Other values for parameters, by name.

        >>> import rushlight as torch
        >>> program = torch.onnx.export(torch.nn.Linear(2, 1), (torch.zeros(1, 2),))
        >>> program.apply_weights({"weight": torch.ones(1, 2), "bias": torch.zeros(1)})
        >>> program(torch.tensor([[1.0, 2.0]]))[0]
        tensor([[3.]])
        """
        found = set()

        def exchanged(number: int, content: Any, whole: Any) -> Any:
            name = _name_of(content, 8) if number == _INITIALIZER else ""
            if name not in state_dict:
                return whole
            found.add(name)
            fields = list(_fields(content))
            sizes, t = [c for n, c, _ in fields if n == 1], state_dict[name]
            if list(t.shape) != sizes:
                raise ValueError(
                    f"ONNXProgram.apply_weights: '{name}': expected a tensor of sizes {sizes}, got {list(t.shape)}"
                )
            old = next(len(c) for n, c, _ in fields if n == 9)
            raw = _bytes_of(t)
            if len(raw) != old:
                raise ValueError(
                    f"ONNXProgram.apply_weights: '{name}': {t.dtype} is not the dtype that the model has for it"
                )
            return _field(_INITIALIZER, b"".join([w for n, _, w in fields if n != 9]) + _field(9, raw))

        self._data = _rewritten(self._data, exchanged)
        for name in state_dict:
            if name not in found:
                warnings.warn(
                    f"Weight '{name}' not found in the model. Skipped applying.", OnnxExporterWarning, stacklevel=2
                )
        self.release()

    def compute_values(self, value_names: Any, args: Any = (), kwargs: Any = None) -> tuple[Any, ...]:
        """What values of the graph are for arguments, by their names."""
        known = set()

        def without_outputs(number: int, content: Any, whole: Any) -> Any:
            if number == _NODE:
                known.update(bytes(c).decode() for n, c, _ in _fields(content) if n == 2)
            elif number in (_INPUT, _INITIALIZER):
                known.add(_name_of(content, 1 if number == _INPUT else 8))
            return b"" if number == _OUTPUT else whole

        data = _rewritten(self._data, without_outputs, lambda: b"".join(_field(_OUTPUT, _field(1, n)) for n in value_names))  # fmt: skip
        for name in value_names:
            if name not in known:
                raise ValueError(f"Value '{name}' not found in the model. Please provide a valid value name.")
        return ONNXProgram(data)(*args, **(kwargs or {}))

    def rename_axes(self, rename_mapping: dict[Any, str]) -> None:
        """Other names for dynamic axes, of inputs, outputs and values."""
        names = {getattr(old, "value", old): new for old, new in rename_mapping.items()}

        def renamed(message: Any, path: tuple[int, ...]) -> bytes:
            # ValueInfo.type.tensor_type.shape.dim.dim_param
            parts: list[Any] = []
            for number, content, whole in _fields(message):
                if path and number == path[0]:
                    whole = _field(number, renamed(content, path[1:]))
                elif not path and number == 2:
                    whole = _field(2, names.get(bytes(content).decode(), content))
                parts.append(whole)
            return b"".join(parts)

        def change(number: int, content: Any, whole: Any) -> Any:
            info = number in (_INPUT, _OUTPUT, _VALUE_INFO)
            return _field(number, renamed(content, (2, 1, 2, 1))) if info else whole

        self._data = _rewritten(self._data, change)

    def initialize_inference_session(self, initializer: Callable[[bytes], Any] | None = None) -> None:
        """Gets ready what __call__ runs: the model as it is read back, or what `initializer` makes of its bytes (a session of onnxruntime)."""
        from ._load import load

        self._module = _Session(initializer(self._data)) if initializer else load(self._data)

    def release(self) -> None:
        """Lets go of what __call__ runs."""
        self._module = None

    def __call__(self, *args: Any, **kwargs: Any) -> tuple[Any, ...]:
        """The outputs for the arguments that the module takes, as the model that was written gives them."""
        if self._module is None:
            self.initialize_inference_session()
        out = self._module(*tensors_in([*args, *kwargs.values()]))
        return out if isinstance(out, tuple) else (out,)

    def __repr__(self) -> str:
        graph = next((c for n, c, _ in _fields(self._data) if n == _GRAPH), b"")
        counts = {"inputs": 0, "outputs": 0, "nodes": 0, "initializers": 0}
        for number, _, _ in _fields(graph):
            kind = {_INPUT: "inputs", _OUTPUT: "outputs", _NODE: "nodes", _INITIALIZER: "initializers"}.get(number)
            if kind:
                counts[kind] += 1
        return f"ONNXProgram({', '.join(f'{k}={v}' for k, v in counts.items())})"


class _Session:
    """A session of onnxruntime, called with tensors."""

    def __init__(self, session: Any) -> None:
        self._session = session

    def __call__(self, *tensors: Any) -> tuple[Any, ...]:
        names = [i.name for i in self._session.get_inputs()]
        given = {n: t.detach().numpy() for n, t in zip(names, tensors, strict=True)}
        return tuple(rl.from_numpy(a) for a in self._session.run(None, given))


def _bytes_of(tensor: Any) -> bytes:
    plain = tensor.detach().contiguous()
    return plain.reshape(-1).view(rl.uint8).numpy().tobytes() if plain.dtype != rl.bool else plain.numpy().tobytes()


def tensors_in(value: Any) -> list[Any]:
    """The tensors of lists, tuples and dicts, in order; None is left out."""
    if isinstance(value, rl.Tensor):
        return [value]
    if isinstance(value, dict):
        value = list(value.values())
    return [t for v in value for t in tensors_in(v)] if isinstance(value, (list, tuple)) else []

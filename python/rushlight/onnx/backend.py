"""The backend interface of the onnx package: ``prepare``, ``run_model``, ``run_node``, ``supports_device``.

Values go in and out as numpy arrays, lists (sequences), None (empty optionals) and dicts (maps); small element types as ml_dtypes has them.

>>> from rushlight.onnx import backend
>>> backend.supports_device("CPU")
True
"""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from typing import Any

import rushlight as rl

from ._load import load

# Element types that numpy hasn't: onnx's number, what holds them here, and ml_dtypes' name.
_SMALL = {
    16: (rl.bfloat16, "bfloat16"),
    17: (rl.float8_e4m3fn, "float8_e4m3fn"),
    18: (rl.float8_e4m3fnuz, "float8_e4m3fnuz"),
    19: (rl.float8_e5m2, "float8_e5m2"),
    20: (rl.float8_e5m2fnuz, "float8_e5m2fnuz"),
    21: (rl.uint8, "uint4"),
    22: (rl.int8, "int4"),
    23: (rl.float8_e4m3fn, "float4_e2m1fn"),
    24: (rl.float8_e8m0fnu, "float8_e8m0fnu"),
    25: (rl.uint8, "uint2"),
    26: (rl.int8, "int2"),
}
_CONVERTED = (21, 22, 23, 25, 26)  # whose bytes here are another type's
_STRING = 8


def _small_dtype(name: str) -> Any:
    return getattr(importlib.import_module("ml_dtypes"), name)


def strings(array: Any) -> tuple[rl.Tensor, list[str]]:
    """An array of strings as the pair that stands for it in a model: places, and the list that they are places in.

    >>> strings([["a", "b"]])
    (tensor([[0, 1]]), ['a', 'b'])
    """
    import numpy

    array = numpy.asarray(array, dtype=object)
    texts = [t.decode() if isinstance(t, bytes) else str(t) for t in array.reshape(-1)]
    return rl.arange(len(texts)).reshape(array.shape), texts


def _given(value: Any, info: Any) -> Any:
    """A value as a model takes it; `info`: onnx's TypeProto."""
    import numpy

    if value is None:
        return None
    if info.HasField("optional_type"):
        return _given(value, info.optional_type.elem_type)
    if info.HasField("sequence_type"):
        return [_given(v, info.sequence_type.elem_type) for v in value]
    if isinstance(value, dict):
        return value
    elem = info.tensor_type.elem_type
    if elem == _STRING:
        return strings(value)
    array = numpy.asarray(value)
    if elem in _SMALL:
        dtype, name = _SMALL[elem]
        if elem in _CONVERTED:
            return rl.from_numpy(array.astype(numpy.float32)).to(dtype)
        array = numpy.ascontiguousarray(array.astype(_small_dtype(name)))
        carrier = numpy.int16 if array.dtype.itemsize == 2 else numpy.uint8
        return rl.from_numpy(array.view(carrier).reshape(array.shape)).view(dtype)
    return rl.from_numpy(numpy.array(array))


def _taken(value: Any, info: Any) -> Any:
    import numpy

    if value is None:
        return None
    if info.HasField("optional_type"):
        return _taken(value, info.optional_type.elem_type)
    if isinstance(value, list):
        return [_taken(v, info.sequence_type.elem_type) for v in value]
    if isinstance(value, dict):
        return value
    if isinstance(value, tuple):
        codes, texts = value
        out = numpy.empty(tuple(codes.shape), dtype=object)
        out.reshape(-1)[:] = [texts[i] for i in codes.reshape(-1).tolist()]
        return out
    elem = info.tensor_type.elem_type
    value = value.detach()
    if elem in _SMALL:
        dtype, name = _SMALL[elem]
        small = _small_dtype(name)
        if elem in _CONVERTED:
            return value.to(rl.float32).numpy().astype(small)
        carrier = rl.int16 if value.element_size() == 2 else rl.uint8
        return value.contiguous().view(carrier).numpy().view(small).reshape(tuple(value.shape))
    return value.contiguous().numpy()


class BackendRep:
    """A model that is ready to run."""

    def __init__(self, model: Any) -> None:
        self.module = load(model).eval()
        initialised = {t.name for t in model.graph.initializer} | {
            t.values.name for t in model.graph.sparse_initializer
        }
        self._inputs = [i for i in model.graph.input if i.name not in initialised]
        self._outputs = list(model.graph.output)

    def run(self, inputs: Any, **kwargs: Any) -> tuple[Any, ...]:
        """The outputs for `inputs`: a list in the order of the graph's inputs, a dict by their names, or the only one."""
        if isinstance(inputs, dict):
            inputs = [inputs.get(i.name) for i in self._inputs]
        elif not isinstance(inputs, (list, tuple)):
            inputs = [inputs]
        with rl.no_grad():
            given = [_given(v, i.type) for v, i in zip(inputs, self._inputs, strict=False)]
            out = self.module(*given)
        several = len(self._outputs) > 1
        return tuple(_taken(v, o.type) for v, o in zip(out if several else [out], self._outputs, strict=True))


def prepare(model: Any, device: str = "CPU", **kwargs: Any) -> BackendRep:
    """A ModelProto as something with ``run(inputs)``. Errors: ValueError for a device other than the CPU, and those of ``load``."""
    if not supports_device(device):
        raise ValueError(f"onnx.backend: the device {device} is not supported; the CPU is")
    return BackendRep(model)


def run_model(model: Any, inputs: Any, device: str = "CPU", **kwargs: Any) -> tuple[Any, ...]:
    """The outputs of a ModelProto for `inputs`."""
    return prepare(model, device).run(inputs)


def run_node(
    node: Any, inputs: Sequence[Any], device: str = "CPU", outputs_info: Any = None, **kwargs: Any
) -> tuple[Any, ...]:
    """The outputs of a single NodeProto for arrays. ``outputs_info``: pairs of dtype and shape, where they aren't those of the first input."""
    import numpy

    helper: Any = importlib.import_module("onnx.helper")

    def info(name: str, dtype: Any, shape: Any) -> Any:
        return helper.make_tensor_value_info(name, helper.np_dtype_to_tensor_dtype(numpy.dtype(dtype)), shape)

    arrays = [numpy.asarray(v) for v in inputs]
    given = [name for name in node.input if name]
    outputs = [name for name in node.output if name]
    if outputs_info is None:
        described = [helper.make_empty_tensor_value_info(name) for name in outputs]
    else:
        described = [info(name, dtype, None) for name, (dtype, _) in zip(outputs, outputs_info, strict=True)]
    graph = helper.make_graph(
        [node], "node", [info(n, a.dtype, a.shape) for n, a in zip(given, arrays, strict=True)], described
    )
    opset = helper.make_opsetid(node.domain, kwargs.get("opset_version", 28 if not node.domain else 1))
    return run_model(helper.make_model(graph, opset_imports=[opset]), arrays, device)


def supports_device(device: str) -> bool:
    """Whether a model can run there: on the CPU."""
    return device.upper().split(":")[0] == "CPU"


def is_compatible(model: Any, device: str = "CPU", **kwargs: Any) -> bool:
    """Whether a model can be prepared."""
    try:
        load(model)
    except (RuntimeError, ValueError, NotImplementedError):
        return False
    return supports_device(device)

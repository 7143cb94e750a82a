"""caffe2.python.onnx.backend: models of ONNX as Caffe2's nets.

>>> import io
>>> import numpy as np
>>> f = io.BytesIO()
>>> torch.onnx.export(torch.nn.Linear(2, 3), (torch.ones(1, 2),), f, opset_version=9, dynamo=False)
>>> rep = prepare(f.getvalue())
>>> [op.type for op in rep.predict_net.op]
['FC']
>>> rep.run(np.ones((4, 2), np.float32))[0].shape
(4, 3)
"""

from __future__ import annotations

import collections
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from rushlight.caffe2.proto import _messages, caffe2_pb2
from rushlight.caffe2.python import core, utils
from rushlight.caffe2.python.onnx import helper
from rushlight.caffe2.python.onnx.workspace import Workspace

OnnxModel, OnnxNode, OnnxTensor = (_messages.classes[f"Onnx{n}Proto"] for n in ("Model", "Node", "Tensor"))

# ---- what a model says

_DTYPES = {
    1: np.float32, 2: np.uint8, 3: np.int8, 4: np.uint16, 5: np.int16, 6: np.int32, 7: np.int64,
    9: np.bool_, 10: np.float16, 11: np.float64,
}  # fmt: skip
# Element types of ONNX, and those of Caffe2's Cast.
_CASTS = {1: 1, 2: 6, 3: 7, 4: 8, 5: 9, 6: 2, 7: 10, 9: 5, 10: 12, 11: 13}


def _ours(cls: Any, thing: Any) -> Any:
    """A message of the onnx package, or bytes, as one of ours."""
    if isinstance(thing, cls):
        return thing
    data = thing if isinstance(thing, (bytes, bytearray)) else thing.SerializeToString()
    return cls.FromString(bytes(data))


def to_array(t: Any) -> np.ndarray:
    """The values of a TensorProto."""
    if t.data_type not in _DTYPES:
        raise RuntimeError(f"the tensor '{t.name}' has the element type {t.data_type}, which Caffe2 has not")
    dtype = np.dtype(_DTYPES[t.data_type])
    dims = tuple(t.dims)
    if any(d < 0 for d in dims):
        raise RuntimeError(f"the tensor '{t.name}' has the dimensions {list(dims)}")
    if t.HasField("raw_data"):
        values = np.frombuffer(t.raw_data, dtype.newbyteorder("<")).astype(dtype)
    elif dtype == np.float32:
        values = np.array(list(t.float_data), dtype)
    elif dtype == np.float64:
        values = np.array(list(t.double_data), dtype)
    elif dtype == np.int64:
        values = np.array(list(t.int64_data), dtype)
    elif dtype == np.float16:
        values = np.array(list(t.int32_data), np.uint16).view(np.float16)
    else:
        values = np.array(list(t.int32_data), dtype)
    if values.size != int(np.prod(dims, dtype=object)):
        raise RuntimeError(f"the tensor '{t.name}' has {values.size} values for the dimensions {list(dims)}")
    return values.reshape(dims)


def _value(a: Any) -> Any:
    kind = a.type
    if not kind:  # written before the field was there
        for name, number in (("f", 1), ("i", 2), ("s", 3), ("t", 4)):
            if a.HasField(name):
                kind = number
        for name, number in (("floats", 6), ("ints", 7), ("strings", 8)):
            if len(getattr(a, name)):
                kind = number
    if kind == 3:
        return a.s.decode()
    if kind == 4:
        return to_array(a.t)
    names = {1: "f", 2: "i", 6: "floats", 7: "ints", 8: "strings"}
    if kind not in names:
        raise RuntimeError(f"the attribute '{a.name}' is of the kind {kind}, which Caffe2 has not")
    v = getattr(a, names[kind])
    return v if kind < 6 else list(v)


class _Node:
    """A node, with what is known of the model where it stands."""

    def __init__(self, node: Any, model: _Model):
        self.type: str = node.op_type
        self.name: str = node.name
        self.inputs: list[str] = list(node.input)
        self.outputs: list[str] = list(node.output)
        self.attrs: dict[str, Any] = {a.name: _value(a) for a in node.attribute}
        self.model = model

    def known(self, k: int) -> np.ndarray:
        """Input k, which has to be an initialiser or constant."""
        v = self.model.constants.get(self.inputs[k])
        if v is None:
            raise RuntimeError(f"the input '{self.inputs[k]}' has to be a constant")
        return v

    def ints(self, attr: str, k: int) -> list[int] | None:
        """Whole numbers that an attribute has, in newer versions a constant input."""
        if attr in self.attrs:
            v = self.attrs.pop(attr)
            return v if isinstance(v, list) else [v]
        if k < len(self.inputs) and self.inputs[k]:
            v = [int(n) for n in self.known(k).ravel()]
            self.inputs[k] = ""
            return v
        return None

    def fresh(self) -> str:
        return self.model.fresh()


def _needed(g: Any) -> list[Any]:
    """The nodes that outputs depend on; one whose result an Identity only renames gives the output itself."""
    outputs = {v.name for v in g.output}
    needed, nodes = set(outputs), []
    for node in reversed(list(g.node)):
        if any(o in needed for o in node.output):
            needed.update(node.input)
            nodes.append(node)
    produced = {o for node in nodes for o in node.output}
    renamed: dict[str, str] = {}
    out = []
    for node in nodes:
        if node.op_type == "Identity" and node.output[0] in outputs:
            was = node.input[0]
            if was in produced and was not in outputs and was not in renamed:
                renamed[was] = node.output[0]
                continue
        out.append(node)
    for k, node in enumerate(out):
        if any(n in renamed for n in (*node.input, *node.output)):
            out[k] = copy = OnnxNode()
            copy.CopyFrom(node)
            copy.input[:] = [renamed.get(n, n) for n in node.input]
            copy.output[:] = [renamed.get(n, n) for n in node.output]
    return out[::-1]


class _Model:
    def __init__(self, taken: set[str], opset: int):
        self.shapes: dict[str, list[int]] = {}
        self.inputs: dict[str, Any] = {}  # and their dtypes
        self.operators: list[Any] = []  # made so far
        self.constants: dict[str, np.ndarray] = {}
        self.taken = taken
        self.opset = opset

    def shape_of(self, name: str) -> list[int]:
        """A blob's sizes: what the model says, or what a run on zeros gives. [] where inputs have no sizes."""
        if name in self.shapes and all(self.shapes[name]):
            return self.shapes[name]
        ws = Workspace()
        for v, value in self.constants.items():
            ws.FeedBlob(v, value)
        for v in self.inputs:
            if v not in self.constants:
                if not all(self.shapes[v]):
                    return []
                ws.FeedBlob(v, np.zeros(self.shapes[v], self.inputs[v]))
        ws.RunOperatorsOnce(self.operators)
        return list(ws.FetchBlob(name).shape)

    def fresh(self) -> str:
        k = len(self.taken)
        while f"OC2_DUMMY_{k}" in self.taken:
            k += 1
        self.taken.add(f"OC2_DUMMY_{k}")
        return f"OC2_DUMMY_{k}"


# ---- nodes as operators

_RENAMED = {
    "GlobalMaxPool": "MaxPool", "GlobalAveragePool": "AveragePool", "Neg": "Negative", "Identity": "Copy", "Equal": "EQ",
    "Less": "LT", "Greater": "GT", "LessOrEqual": "LE", "GreaterOrEqual": "GE", "InstanceNormalization": "InstanceNorm",
    "MatMul": "BatchMatMul", "RandomNormal": "GaussianFill", "RandomUniform": "UniformFill", "Cast": "Cast",
}  # fmt: skip
_PLAIN = {
    "Abs", "Acos", "And", "Asin", "Atan", "Add", "Ceil", "Cos", "Cosh", "Div", "Elu", "Erf", "Exp", "Floor", "LeakyRelu", "Log", "Max",
    "Mean", "Min", "Mul", "Not", "Or", "PRelu", "Reciprocal", "Relu", "Selu", "Shape", "Sigmoid", "Sign", "Sin", "Sinh", "Softplus",
    "Softsign", "Sqrt", "Sub", "Sum", "Tan", "Tanh", "ThresholdedRelu", "Where", "Xor", "Flatten", "HardSigmoid", "Pow", "Mod", "Gather",
}  # fmt: skip
_ATTRS = {"kernel_shape": "kernels", "perm": "axes", "gamma": "scale", "output_padding": "adjs"}
_CONVERTERS: dict[str, Callable[[_Node], list[Any]]] = {}


def _op(kind: str, inputs: Sequence[str], outputs: Sequence[str], **args: Any) -> Any:
    return core.CreateOperator(kind, list(inputs), list(outputs), **args)


def _converter(*names: str) -> Any:
    def register(f: Any) -> Any:
        for name in names:
            _CONVERTERS[name] = f
        return f

    return register


def _plain(n: _Node, kind: str) -> list[Any]:
    args = {_ATTRS.get(k, k): v for k, v in n.attrs.items() if k not in ("consumed_inputs", "auto_pad", "ceil_mode")}
    return [_op(kind, n.inputs, n.outputs, **args)]


def _window(n: _Node) -> None:
    if n.attrs.pop("auto_pad", "NOTSET") not in ("NOTSET", "VALID", ""):
        raise RuntimeError("auto_pad of the kind SAME is not supported; write the pads")
    if n.attrs.pop("ceil_mode", 0):
        raise RuntimeError("ceil_mode is not supported")
    n.attrs.pop("storage_order", None)


@_converter("Conv", "ConvTranspose")
def _conv(n: _Node) -> list[Any]:
    _window(n)
    if "output_shape" in n.attrs:
        raise RuntimeError("output_shape is not supported; write the pads")
    if "kernel_shape" not in n.attrs:
        n.attrs["kernel_shape"] = list(n.known(1).shape[2:])
    return _plain(n, n.type)


@_converter("MaxPool", "AveragePool", "LpPool")
def _pool(n: _Node) -> list[Any]:
    _window(n)
    if len(n.outputs) > 1:
        raise RuntimeError("the second output is not supported")
    return _plain(n, n.type)


@_converter("GlobalMaxPool", "GlobalAveragePool")
def _global_pool(n: _Node) -> list[Any]:
    return [_op(_RENAMED[n.type], n.inputs, n.outputs, global_pooling=1)]


@_converter("BatchNormalization")
def _batch_norm(n: _Node) -> list[Any]:
    return [_op("SpatialBN", n.inputs, n.outputs[:1], epsilon=float(n.attrs.get("epsilon", 1e-5)), is_test=1)]


@_converter("Dropout")
def _dropout(n: _Node) -> list[Any]:
    return [
        _op("Dropout", n.inputs[:1], [*n.outputs, n.fresh()][:2], is_test=1, ratio=float(n.attrs.get("ratio", 0.5)))
    ]


@_converter("Gemm")
def _gemm(n: _Node) -> list[Any]:
    a, b = n.inputs[:2]
    c = n.inputs[2] if len(n.inputs) > 2 else ""
    ops = []
    alpha, beta = float(n.attrs.get("alpha", 1)), float(n.attrs.get("beta", 1))
    if alpha != 1:
        ops.append(_op("Scale", [a], [n.fresh()], scale=alpha))
        a = ops[-1].output[0]
    if c and beta != 1:
        ops.append(_op("Scale", [c], [n.fresh()], scale=beta))
        c = ops[-1].output[0]
    left, right = n.attrs.get("transA", 0), n.attrs.get("transB", 0)
    bias = n.model.constants.get(n.inputs[2]) if c else None
    weight = n.model.constants.get(b)
    if bias is not None and weight is not None and not left and bias.shape == (weight.shape[0 if right else 1],):
        return [*ops, _op("FC" if right else "FCTransposed", [a, b, c], n.outputs)]
    if not c:
        return [*ops, _op("MatMul", [a, b], n.outputs, trans_a=left, trans_b=right)]
    product = n.fresh()
    return [
        *ops,
        _op("MatMul", [a, b], [product], trans_a=left, trans_b=right),
        _op("Add", [product, c], n.outputs),
    ]


@_converter("Pad")
def _pad(n: _Node) -> list[Any]:
    pads = n.attrs.get("paddings") or n.ints("pads", 1)
    value = float(n.attrs.get("value", 0)) if len(n.inputs) < 3 or not n.inputs[2] else float(n.known(2))
    if not pads or len(pads) != 8 or pads[0] or pads[1] or pads[4] or pads[5]:
        raise RuntimeError(f"pads of {pads}: only height and width of four dimensions can be padded")
    mode = n.attrs.get("mode", "constant")
    return [_op("PadImage", n.inputs[:1], n.outputs, mode=mode, value=value, pads=[pads[2], pads[3], pads[6], pads[7]])]


@_converter("Reshape")
def _reshape(n: _Node) -> list[Any]:
    if "shape" not in n.attrs and n.inputs[1] not in n.model.constants:
        return [_op("Reshape", n.inputs, [*n.outputs, n.fresh()])]
    return [_op("Reshape", n.inputs[:1], [*n.outputs, n.fresh()], shape=n.ints("shape", 1))]


@_converter("Concat")
def _concat(n: _Node) -> list[Any]:
    return [_op("Concat", n.inputs, [*n.outputs, n.fresh()], axis=int(n.attrs.get("axis", 1)))]


@_converter("Split")
def _split(n: _Node) -> list[Any]:
    split = n.ints("split", 1)
    args = {"split": split} if split else {}
    return [_op("Split", n.inputs[:1], n.outputs, axis=int(n.attrs.get("axis", 0)), **args)]


@_converter("Slice")
def _slice(n: _Node) -> list[Any]:
    starts, ends = n.ints("starts", 1), n.ints("ends", 2)
    assert starts is not None and ends is not None
    axes, steps = n.ints("axes", 3), n.ints("steps", 4)
    axes = axes if axes is not None else list(range(len(starts)))
    if steps and any(s != 1 for s in steps):
        raise RuntimeError(f"steps of {steps} are not supported")
    ops = []
    x = n.inputs[0]
    for k, (axis, a, b) in enumerate(zip(axes, starts, ends)):
        if axis < 0:
            raise RuntimeError("a negative axis is not supported")
        # -1 is one past the last element.
        from_, to = [0] * axis, [-1] * axis
        from_.append(a - 1 if a < 0 else a)
        to.append(b - 1 if b < 0 else -1 if b >= 2**31 - 1 else b)
        out = n.outputs[0] if k == len(axes) - 1 else n.fresh()
        ops.append(_op("Slice", [x], [out], starts=from_, ends=to))
        x = out
    return ops


@_converter("Squeeze", "Unsqueeze")
def _dims(n: _Node) -> list[Any]:
    dims = n.ints("axes", 1)
    if not dims or any(d < 0 for d in dims):
        raise RuntimeError(f"axes of {dims}: they have to be there, and not negative")
    return [_op("ExpandDims" if n.type == "Unsqueeze" else "Squeeze", n.inputs[:1], n.outputs, dims=dims)]


@_converter("Transpose")
def _transpose(n: _Node) -> list[Any]:
    return _plain(n, "Transpose")


@_converter("Softmax", "LogSoftmax")
def _softmax(n: _Node) -> list[Any]:
    # From version 13 on it is over one axis.
    axis = int(n.attrs.get("axis", 1 if n.model.opset < 13 else -1))
    return [_op(n.type, n.inputs, n.outputs, axis=axis)]


@_converter("Upsample", "Resize")
def _upsample(n: _Node) -> list[Any]:
    scales = n.attrs.get("scales") or [
        float(v) for v in n.known(len(n.inputs) - 1 if n.type == "Upsample" else 2).ravel()
    ]
    mode = n.attrs.get("mode", "nearest")
    if len(scales) != 4 or scales[0] != 1 or scales[1] != 1:
        raise RuntimeError(f"scales of {scales}: only height and width of four dimensions can change")
    kinds = {"nearest": "ResizeNearest", "linear": "UpsampleBilinear", "bilinear": "UpsampleBilinear"}
    return [_op(kinds[mode], n.inputs[:1], n.outputs, height_scale=float(scales[2]), width_scale=float(scales[3]))]


@_converter("Clip")
def _clip(n: _Node) -> list[Any]:
    args = {k: float(n.attrs[k]) for k in ("min", "max") if k in n.attrs}
    for k, name in ((1, "min"), (2, "max")):
        if k < len(n.inputs) and n.inputs[k]:
            args[name] = float(n.known(k))
    return [_op("Clip", n.inputs[:1], n.outputs, **args)]


@_converter("Cast")
def _cast(n: _Node) -> list[Any]:
    to = n.attrs["to"]
    if isinstance(to, str):
        return [_op("Cast", n.inputs, n.outputs, to=to.lower())]
    return [_op("Cast", n.inputs, n.outputs, to=_CASTS[to])]


@_converter("LRN")
def _lrn(n: _Node) -> list[Any]:
    a = n.attrs
    args = {k: float(a.get(k, d)) for k, d in (("alpha", 1e-4), ("beta", 0.75), ("bias", 1.0))}
    return [_op("LRN", n.inputs, n.outputs, size=int(a["size"]), **args)]


@_converter("ReduceSum", "ReduceMean", "ReduceMax", "ReduceMin", "ReduceL1", "ReduceL2")
def _reduce(n: _Node) -> list[Any]:
    axes = n.ints("axes", 1)
    args = {} if axes is None else {"axes": axes}
    return [_op(n.type, n.inputs[:1], n.outputs, keepdims=int(n.attrs.get("keepdims", 1)), **args)]


@_converter("ArgMax", "ArgMin")
def _arg(n: _Node) -> list[Any]:
    return [
        _op(n.type, n.inputs, n.outputs, axis=int(n.attrs.get("axis", 0)), keepdims=int(n.attrs.get("keepdims", 1)))
    ]


@_converter("DepthToSpace")
def _depth_to_space(n: _Node) -> list[Any]:
    # Blocks of channels become rows and columns; sizes that are not known are 0, which copies, or -1.
    b = int(n.attrs["blocksize"])
    shape = n.model.shape_of(n.inputs[0])
    if n.attrs.get("mode", "DCR") != "CRD" or len(shape) != 4 or not all(shape[1:]):
        raise RuntimeError("DepthToSpace wants known sizes and the mode CRD")
    c, h, w = shape[1:]
    x, y = n.fresh(), n.fresh()
    return [
        _op("Reshape", n.inputs, [x, n.fresh()], shape=[-1, c // (b * b), b, b, h, w]),
        _op("Transpose", [x], [y], axes=[0, 1, 4, 2, 5, 3]),
        _op("Reshape", [y], [*n.outputs, n.fresh()], shape=[-1, c // (b * b), h * b, w * b]),
    ]


@_converter("Tile")
def _tile(n: _Node) -> list[Any]:
    return [_op("NumpyTile", n.inputs, n.outputs)]


@_converter("Expand")
def _expand(n: _Node) -> list[Any]:
    return [_op("Expand", n.inputs, n.outputs)]


def _fill(name: str, v: np.ndarray) -> Any:
    kinds = {"f4": "", "f8": "Double", "i4": "Int", "i8": "Int64", "b1": "Bool", "i2": "Int16"}
    key = v.dtype.str[1:]
    if key not in kinds:
        if v.dtype == np.float16:
            return _fill(name, v.astype(np.float32))
        if v.dtype in (np.int8, np.uint16):
            return _fill(name, v.astype(np.int32))
        return core.CreateOperator(
            "GivenTensorByteStringToUInt8Fill",
            [],
            [name],
            arg=[utils.MakeArgument("shape", list(v.shape)), utils.MakeArgument("values", [v.tobytes()])],
        )
    args = [utils.MakeArgument("values", v.ravel().tolist()), utils.MakeArgument("shape", list(v.shape))]
    return core.CreateOperator(f"GivenTensor{kinds[key]}Fill", [], [name], arg=args)


# ---- models as nets


class Caffe2Rep:
    """A prepared model: ``init_net``, ``predict_net``, and a workspace of its own in which it runs."""

    def __init__(self, init_net: Any, predict_net: Any, workspace: Workspace, uninitialized: list[str]):
        self.init_net, self.predict_net, self.workspace = init_net, predict_net, workspace
        self.uninitialized = uninitialized
        self.nets_created = self.ran_init_net = False

    @property
    def _name_scope(self) -> str:
        return ""

    def run(self, inputs: Any, **kwargs: Any) -> Any:
        """Runs the model. Inputs: an array, a list of them in the order of the model's inputs, or a dict by name. Gives a named tuple."""
        if isinstance(inputs, np.ndarray):
            inputs = [inputs]
        if not self.ran_init_net:
            self.workspace.RunNetOnce(self.init_net)
            self.ran_init_net = True
        if not isinstance(inputs, dict) and len(inputs) != len(self.uninitialized):
            raise RuntimeError(
                f"expected {len(self.uninitialized)} values for the inputs {self.uninitialized}, got {len(inputs)}"
            )
        helper._feed(self.workspace, self.uninitialized, inputs)
        if not self.nets_created:
            self.workspace.CreateNet(self.predict_net)
            self.nets_created = True
        self.workspace.RunNet(self.predict_net.name)
        names = list(self.predict_net.external_output)
        values = [self.workspace.FetchBlob(name) for name in names]
        return collections.namedtuple("Outputs", names, rename=True)(*values)  # type: ignore[misc]


class Caffe2Backend:
    """The onnx package's backend interface (the names are its own)."""

    @classmethod
    def is_compatible(cls, model: Any, device: str = "CPU", **kwargs: Any) -> bool:
        try:
            cls.onnx_graph_to_caffe2_net(model, device)
        except RuntimeError:
            return False
        return cls.supports_device(device)

    @classmethod
    def supports_device(cls, device_str: str) -> bool:
        return device_str.partition(":")[0] == "CPU"

    @classmethod
    def onnx_graph_to_caffe2_net(
        cls, model: Any, device: str = "CPU", opset_version: int | None = None
    ) -> tuple[Any, Any]:
        """(init net, predict net) of a ModelProto, or its bytes. RuntimeError names a node that Caffe2 has no operator for."""
        model = _ours(OnnxModel, model)
        if opset_version is None:
            opset_version = max([o.version for o in model.opset_import if o.domain in ("", "ai.onnx")], default=1)
        g = model.graph
        taken = {n for node in g.node for n in (*node.input, *node.output)} | {v.name for v in g.input}
        m = _Model(taken, opset_version)
        m.shapes = {
            v.name: [d.dim_value if d.HasField("dim_value") else 0 for d in v.type.tensor_type.shape.dim]
            for v in (*g.input, *g.value_info, *g.output)
        }
        init, predict = caffe2_pb2.NetDef(), caffe2_pb2.NetDef()
        init.name, predict.name = f"{g.name}_init", f"{g.name}_predict"
        for t in g.initializer:
            m.constants[t.name] = to_array(t)
            init.op.append(_fill(t.name, m.constants[t.name]))
            init.external_output.append(t.name)
        for v in g.input:
            predict.external_input.append(v.name)
        predict.external_input.extend(t.name for t in g.initializer if t.name not in predict.external_input)
        m.inputs = {v.name: _DTYPES.get(v.type.tensor_type.elem_type, np.float32) for v in g.input}
        for node in _needed(g):
            if node.op_type == "Constant":
                values = {a.name: _value(a) for a in node.attribute}
                v = np.asarray(next(iter(values.values())))
                m.constants[node.output[0]] = (
                    v.astype(np.float32) if v.dtype == np.float64 and "value" not in values else v
                )
                init.op.append(_fill(node.output[0], m.constants[node.output[0]]))
                init.external_output.append(node.output[0])
                predict.external_input.append(node.output[0])
                continue
            m.operators.extend(cls._operators(node, m))
        predict.op.extend(m.operators)
        predict.external_output.extend(v.name for v in g.output)
        return init, predict

    @classmethod
    def _operators(cls, node: Any, m: _Model) -> list[Any]:
        where = f"node '{node.name or '-> ' + ', '.join(node.output)}' ({node.op_type}, version {m.opset})"
        try:
            if node.domain not in ("", "ai.onnx"):
                raise RuntimeError(f"the domain {node.domain} is not known")
            n = _Node(node, m)
            if n.type in _CONVERTERS:
                ops = _CONVERTERS[n.type](n)
            elif n.type in _PLAIN or n.type in _RENAMED:
                ops = _plain(n, _RENAMED.get(n.type, n.type))
            else:
                raise RuntimeError("Caffe2 has no operator for it")
        except (RuntimeError, KeyError, ValueError) as e:
            raise RuntimeError(f"{where}: {e}") from None
        for op in ops:
            if len(ops) == 1:
                op.name = node.name
            while len(op.input) and not op.input[-1]:
                del op.input[-1]
        return ops

    @classmethod
    def prepare(cls, model: Any, device: str = "CPU", raw_values_dict: Any = None, **kwargs: Any) -> Caffe2Rep:
        """A model that is ready to run."""
        if not cls.supports_device(device):
            raise RuntimeError(f"the device {device} is not supported, only CPU is")
        model = _ours(OnnxModel, model)
        init, predict = cls.onnx_graph_to_caffe2_net(model, device)
        given = {t.name for t in model.graph.initializer}
        return Caffe2Rep(init, predict, Workspace(), [v.name for v in model.graph.input if v.name not in given])

    @classmethod
    def run_model(cls, model: Any, inputs: Any, device: str = "CPU", **kwargs: Any) -> Any:
        return cls.prepare(model, device, **kwargs).run(inputs)

    @classmethod
    def run_node(
        cls,
        node: Any,
        inputs: Any,
        device: str = "CPU",
        opset_version: int = 9,
        outputs_info: Any = None,
        **kwargs: Any,
    ) -> Any:
        """Runs one node; constant inputs that Caffe2 has as arguments are taken from their values."""
        node = _ours(OnnxNode, node)
        m = _Model({*node.input, *node.output}, opset_version)
        values = dict(inputs) if isinstance(inputs, dict) else dict(zip([n for n in node.input if n], inputs))
        m.constants = {n: np.asarray(v) for n, v in values.items()}
        m.shapes = {n: list(v.shape) for n, v in m.constants.items()}
        ws = Workspace()
        for name, value in m.constants.items():
            ws.FeedBlob(name, value)
        ws.RunOperatorsOnce(cls._operators(node, m))
        names = list(node.output)
        return collections.namedtuple("Outputs", names, rename=True)(*[ws.FetchBlob(n) for n in names])  # type: ignore[misc]


prepare = Caffe2Backend.prepare
run_node = Caffe2Backend.run_node
run_model = Caffe2Backend.run_model
supports_device = Caffe2Backend.supports_device
is_compatible = Caffe2Backend.is_compatible

"""What programs take of caffe2_pybind11_state: workspaces as objects, their blobs, and Python functions as operators.

>>> import numpy as np
>>> from rushlight.caffe2.python import core, workspace
>>> net = core.Net("doubled")
>>> _ = net.Python(lambda inputs, outputs: outputs[0].feed(2 * inputs[0].data))(["x"], ["y"])
>>> _ = workspace.FeedBlob("x", np.array([3.0])), workspace.RunNetOnce(net)
>>> workspace.FetchBlob("y")
array([6.])
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from rushlight import _caffe2
from rushlight.caffe2.proto import caffe2_pb2
from rushlight.caffe2.python import workspace


class Blob:
    """A blob of a workspace."""

    def __init__(self, ws: _caffe2.Workspace, name: str) -> None:
        self._ws, self._name = ws, name

    def feed(self, array: Any, device_option: Any = None) -> bool:
        self._ws.feed(self._name, workspace._value(array))
        return True

    _feed = feed

    def fetch(self) -> Any:
        return workspace._fetched(self._name, self._ws.fetch(self._name))

    def tensor(self) -> TensorCPU:
        return TensorCPU(self.fetch())

    def is_tensor(self) -> bool:
        return isinstance(self.fetch(), np.ndarray)

    def serialize(self, name: str) -> bytes:
        return self._ws.serialize(name)


class _Blobs(Mapping):
    def __init__(self, ws: _caffe2.Workspace) -> None:
        self._ws = ws

    def __getitem__(self, name: str) -> Blob:
        if not self._ws.has(str(name)):
            raise KeyError(str(name))
        return Blob(self._ws, str(name))

    def __contains__(self, name: object) -> bool:
        return self._ws.has(str(name))

    def __iter__(self) -> Iterator[str]:
        return iter(self._ws.names())

    def __len__(self) -> int:
        return len(self._ws.names())


class _Net:
    def __init__(self, ws: _caffe2.Workspace, name: str) -> None:
        self._ws, self._name = ws, name

    def run(self) -> None:
        self._ws.run_net(self._name, 1)


class _HasCurrent(type):
    @property
    def current(cls) -> Workspace:
        """The workspace that `workspace.SwitchWorkspace` chose."""
        return cls(_of=workspace._ws())


class Workspace(metaclass=_HasCurrent):
    """A workspace of its own: ``workspace.C.Workspace()``; its nets, plans and operators run in it. With a parent it sees the parent's blobs.
    ``workspace.C.Workspace.current`` is the one that `workspace.FeedBlob` and its like work on.

    >>> from rushlight.caffe2.python import core, workspace
    >>> ws = workspace.C.Workspace()
    >>> ws.run(core.CreateOperator("ConstantFill", [], ["y"], shape=[2], value=1.5))
    >>> ws.blobs["y"].fetch()
    array([1.5, 1.5], dtype=float32)
    """

    def __init__(self, parent: Any = None, _of: Any = None) -> None:
        if _of is None:
            _of = _caffe2.Workspace(".") if parent is None else _caffe2.Workspace.inside(parent._ws)
        self._ws = _of

    @property
    def blobs(self) -> _Blobs:
        return _Blobs(self._ws)

    @property
    def nets(self) -> dict[str, _Net]:
        return {name: _Net(self._ws, name) for name in self._ws.net_names()}

    def create_blob(self, name: str) -> Blob:
        self._ws.create(str(name))
        return Blob(self._ws, str(name))

    def fetch_blob(self, name: str) -> Any:
        return Blob(self._ws, str(name)).fetch()

    def has_blob(self, name: str) -> bool:
        return self._ws.has(str(name))

    def remove_blob(self, name: str) -> bool:
        return self._ws.remove(str(name))

    def create_net(self, net: Any, overwrite: bool = False) -> _Net:
        message = workspace._message(net, caffe2_pb2.NetDef, "Net")
        self._ws.create_net(message, overwrite)
        return _Net(self._ws, message.name)

    def run(self, thing: Any) -> None:
        """Runs a net, a plan, an operator, or a net made before."""
        if isinstance(thing, _Net):
            thing.run()
            return
        proto = getattr(thing, "Proto", None)
        message = proto() if proto is not None else thing
        if isinstance(message, caffe2_pb2.ExecutionStep):
            message = caffe2_pb2.PlanDef(name=message.name, execution_step=[message])
        if isinstance(message, caffe2_pb2.PlanDef):
            self._ws.run_plan(message)
        elif isinstance(message, caffe2_pb2.OperatorDef):
            self._ws.run_operator_once(message)
        else:
            self._ws.run_net_once(workspace._message(message, caffe2_pb2.NetDef, "Net"))


# ---- Python functions as operators


class TensorCPU:
    """An input or output of a function: ``data`` is its array, ``feed`` replaces it, ``reshape`` gives it another size."""

    def __init__(self, array: Any) -> None:
        self._array = array

    @property
    def data(self) -> Any:
        if self._array is None:
            raise ValueError("the tensor has no size yet: call reshape(), init() or feed() first")
        return self._array

    @property
    def shape(self) -> tuple[int, ...]:
        return () if self._array is None else tuple(self._array.shape)

    _shape = shape

    def fetch(self) -> Any:
        return np.array(self.data, copy=True)

    def feed(self, array: Any, device_option: Any = None) -> None:
        self._array = np.array(array, copy=True)

    def reshape(self, dims: Any) -> None:
        """Another size; what is there stays where it has as many elements."""
        sizes = tuple(int(d) for d in np.atleast_1d(dims)) if not isinstance(dims, tuple) else dims
        old = self._array
        if old is not None and old.size == int(np.prod(sizes)):
            self._array = old.reshape(sizes)
        else:
            self._array = np.zeros(sizes, np.float32 if old is None else old.dtype)

    def init(self, dims: Any, caffe_type: int) -> Any:
        """A size and a number of TensorProto.DataType."""
        from rushlight.caffe2.python import utils

        self._array = np.zeros(tuple(dims), utils.numpy_type(caffe_type))
        return self._array


class _Item:
    """An input that is no tensor of numbers."""

    def __init__(self, value: Any) -> None:
        self._value = value

    def fetch(self) -> Any:
        return self._value


_functions: dict[str, tuple[Any, bool]] = {}
_gradients: dict[str, Any] = {}


def register_python_op(function: Any, pass_workspace: bool = False, name: str = "") -> str:
    """Keeps a function for operators; what their argument ``token`` says."""
    shown = function[0] if isinstance(function, tuple) else function
    token = f"{name or getattr(shown, '__name__', 'function')}:{len(_functions)}"
    _functions[token] = (function, pass_workspace)
    return token


def register_python_gradient_op(token: str, function: Any) -> None:
    """The gradient of a function: called with its inputs, its outputs and their gradients."""
    _gradients[token] = function


def _function_of(op: Any) -> tuple[Any, bool]:
    """The function of an operator of type Python or PythonGradient, and whether it wants the workspace: what the library asks once for each."""
    args = {a.name: a.s for a in op.arg}
    if "pickled_builder" in args:
        raise RuntimeError(
            f"{op.type}: the argument pickled_builder is a pickle of a function, which is not run; register the function in this process"
        )
    token = args.get("token", b"")
    token = token.decode() if isinstance(token, bytes) else token
    function, pass_workspace = _functions.get(token, (None, False))
    if op.type == "PythonGradient":
        function = _gradients.get(token)
    if function is None:
        raise RuntimeError(f"there is no {'gradient' if op.type == 'PythonGradient' else 'Python function'} {token!r} in this process")  # fmt: skip
    if isinstance(function, tuple):
        builder, positional, named = function
        function = builder(*positional, **named)
    return function, pass_workspace


def _run(made: tuple[Any, bool], inputs: list[Any], outputs: list[Any], names: list[str], ws: Any) -> list[Any]:
    """What the library calls for an operator of type Python; None for an output that was not set."""
    function, pass_workspace = made
    fetched = [workspace._fetched(name, value) for name, value in zip(names, inputs, strict=True)]
    given = [TensorCPU(v) if isinstance(v, np.ndarray) else _Item(v) for v in fetched]
    results = [TensorCPU(np.array(v.numpy(), copy=True) if hasattr(v, "numpy") else None) for v in outputs]
    if pass_workspace:
        function(given, results, Workspace(_of=ws))
    else:
        function(given, results)
    return [None if t._array is None else workspace._value(t._array) for t in results]


def _more_threads(inside: int) -> bool:
    """Whether Python has threads besides so many: one of them may come to change what a thread in the library waits for."""
    return sum(not isinstance(t, threading._DummyThread) for t in threading.enumerate()) > inside

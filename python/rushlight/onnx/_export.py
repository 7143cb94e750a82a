"""Writing ONNX models."""

from __future__ import annotations

import contextlib
import importlib
import inspect
import os
import warnings
from collections.abc import Iterator
from typing import Any

import rushlight as rl

from .. import _C
from ..jit import ScriptModule
from . import _symbolic

DEFAULT_OPSET = 18


class OnnxExporterError(RuntimeError):
    """What failed exports raise in PyTorch."""


_exporting = False


def is_in_onnx_export() -> bool:
    """Whether an export is going on in this process."""
    return _exporting


@contextlib.contextmanager
def select_model_mode_for_export(model: Any, mode: Any) -> Iterator[None]:
    """Puts a module into the mode that a TrainingMode asks for, and back."""
    was = getattr(model, "training", None)
    if was is not None and int(mode) != 1:
        model.train(int(mode) == 2)
    try:
        yield
    finally:
        if was is not None:
            model.train(was)


def _axes(spec: Any) -> list[tuple[int, str]]:
    """The dynamic axes of one input: of dynamic_axes a list or a dict; of dynamic_shapes a dict or a tuple with a place for each axis."""
    if spec is None:
        return []
    if isinstance(spec, dict):
        pairs = list(spec.items())
    elif all(isinstance(v, int) for v in spec):
        return [(v, "") for v in spec]
    else:
        pairs = list(enumerate(spec))
    named = []
    for axis, name in pairs:
        if name is None or isinstance(name, int):
            continue
        text = name if isinstance(name, str) else getattr(name, "__name__", "")
        if type(name).__name__ == "_DimHint" or (not isinstance(name, str) and text.startswith("_")):
            text = ""
        if str(getattr(name, "type", "")).endswith("STATIC"):
            continue
        named.append((int(axis), text))
    return named


def _parameters_of(model: Any) -> list[str]:
    function = model.forward if hasattr(model, "forward") else model
    try:
        return [p.name for p in inspect.signature(function).parameters.values() if p.kind in (0, 1)]
    except (TypeError, ValueError):
        return []


def export_bytes(
    model: Any,
    args: Any = (),
    kwargs: dict[str, Any] | None = None,
    *,
    input_names: Any = None,
    output_names: Any = None,
    opset_version: int | None = None,
    dynamic_axes: Any = None,
    dynamic_shapes: Any = None,
    export_params: bool = True,
    keep_initializers_as_inputs: bool = False,
    training: Any = 0,
    do_constant_folding: bool = True,
    custom_opsets: Any = None,
    custom_translation_table: Any = None,
) -> bytes:
    """The bytes of an ONNX file."""
    global _exporting
    args = args if isinstance(args, tuple) else (args,)
    if args and isinstance(args[-1], dict) and kwargs is None and not isinstance(model, ScriptModule):
        args, kwargs = args[:-1], args[-1]  # PyTorch's older way to give keywords
    kwargs = dict(kwargs or {})
    parameters = _parameters_of(model)
    for name in parameters[len(args) :]:  # in the order of the parameters, as far as they are given
        if name not in kwargs:
            break
        args = (*args, kwargs.pop(name))
    names = list(input_names or [])
    axes: list[tuple[str, int, str]] = []
    for name, spec in (dynamic_axes or {}).items():
        axes += [(name, axis, text) for axis, text in _axes(spec)]
    if dynamic_shapes is not None:
        if not names:
            names = [*parameters[: len(args)], *kwargs]
        specs = dynamic_shapes.items() if isinstance(dynamic_shapes, dict) else zip(names, dynamic_shapes, strict=False)
        for name, spec in specs:
            place = parameters.index(name) if name in parameters and parameters.index(name) < len(names) else None
            axes += [(names[place] if place is not None else name, axis, text) for axis, text in _axes(spec)]
    opset = opset_version or DEFAULT_OPSET
    custom = _symbolic.functions(opset)
    custom.update(_symbolic.translations(custom_translation_table or {}, opset))
    calls = _symbolic.FunctionCalls()
    _exporting = True
    try:
        with rl.no_grad(), select_model_mode_for_export(model, training), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            compiled = model
            if not isinstance(model, ScriptModule):
                module = model
                if not isinstance(model, rl.nn.Module):
                    module = _Function(model)
                if kwargs:
                    module = _Bound(module, kwargs)
                with calls.seen():
                    compiled = rl.jit.trace(module, args, check_trace=False, strict=False)
                custom.update(calls.functions)
            return _C._export_model(
                "onnx", compiled._c, "forward", args, opset, names, list(output_names or []), axes,
                export_params, keep_initializers_as_inputs, do_constant_folding, list((custom_opsets or {}).items()), list(custom),
                _symbolic.writer(opset, custom),
            )  # fmt: skip
    finally:
        _exporting = False
        calls.forget()


class _Function(rl.nn.Module):
    def __init__(self, function: Any) -> None:
        super().__init__()
        self._function = function

    def forward(self, *args: Any) -> Any:
        return self._function(*args)


class _Bound(rl.nn.Module):
    """A module with some of its arguments given: constants of the model."""

    def __init__(self, module: Any, kwargs: dict[str, Any]) -> None:
        super().__init__()
        self.module = module
        self._given = kwargs

    def forward(self, *args: Any) -> Any:
        return self.module(*args, **self._given)


class ONNXProgram:
    """An exported model.

    >>> import rushlight as torch
    >>> program = torch.onnx.export(torch.nn.Linear(2, 3), (torch.zeros(4, 2),), dynamo=True)
    >>> program(torch.zeros(4, 2))[0].shape
    torch.Size([4, 3])
    """

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._module: Any = None

    def SerializeToString(self) -> bytes:
        """The bytes of the file."""
        return self._data

    @property
    def model_proto(self) -> Any:
        """The model as the package onnx has it, which must be installed."""
        return importlib.import_module("onnx").load_from_string(self._data)

    def save(self, destination: Any, **_unused: Any) -> None:
        """Writes the model to a path or a file."""
        _write(self._data, destination)

    def optimize(self) -> None:
        """Nothing: constants are folded while a model is exported."""

    def __call__(self, *args: Any, **kwargs: Any) -> tuple[Any, ...]:
        """The outputs for tensors, as the model that was written gives them."""
        if self._module is None:
            from ._load import load

            self._module = load(self._data)
        out = self._module(*args, **kwargs)
        return out if isinstance(out, tuple) else (out,)


def _write(data: bytes, f: Any) -> None:
    if isinstance(f, (str, os.PathLike)):
        with open(f, "wb") as file:
            file.write(data)
    else:
        f.write(data)


def export(
    model: Any,
    args: Any = (),
    f: Any = None,
    *,
    kwargs: dict[str, Any] | None = None,
    verbose: bool | None = None,
    input_names: Any = None,
    output_names: Any = None,
    opset_version: int | None = None,
    dynamo: bool = True,
    external_data: bool = True,
    dynamic_shapes: Any = None,
    custom_translation_table: Any = None,
    report: bool = False,
    optimize: bool = True,
    verify: bool = False,
    profile: bool = False,
    dump_exported_program: bool = False,
    artifacts_dir: Any = ".",
    fallback: bool = False,
    export_params: bool = True,
    keep_initializers_as_inputs: bool = False,
    dynamic_axes: Any = None,
    training: Any = 0,
    operator_export_type: Any = None,
    do_constant_folding: bool = True,
    custom_opsets: Any = None,
    export_modules_as_functions: Any = False,
    autograd_inlining: bool = True,
) -> ONNXProgram | None:
    """Writes a model as an ONNX file. Nothing else need be installed.

    The model is traced with the examples (a ScriptModule's graph is taken as it is); operators that depend on no input are computed while
    it is written.

    Args:
        model: a module, a function or a ScriptModule.
        args: example inputs, a tensor or a tuple; kwargs: others by name. Those that follow the last of ``args`` are inputs too.
        f: a path or a file; None: only the ONNXProgram is made.
        input_names, output_names: in order; what has no name gets its parameter's, or ``output_0``.
        opset_version: 9 to 28. Default: 18.
        dynamic_axes: for a name its axes that may have any size, ``{"x": [0]}`` or ``{"x": {0: "batch"}}``; dynamic_shapes: the same by
            parameter, ``{"x": {0: "batch"}}`` or a tuple in the order of ``args``.
        export_params: False leaves the parameters out; they are inputs then, as keep_initializers_as_inputs makes them.
        training: TrainingMode.EVAL, PRESERVE or TRAINING.
        do_constant_folding: False leaves what depends on parameters alone to the model.
        custom_translation_table: ``{torch.ops.aten.relu.default: function}``: functions over values of the model, whose nodes are those
            of onnxscript's opsets or functions; ``torch.onnx.register_custom_op_symbolic`` needs no package.
        custom_opsets: versions of the domains that symbolic functions write nodes of; 1 where none is told.
        verify: the model that was written must give the module's outputs for the examples.
    Returns: an ONNXProgram, or None for ``dynamo=False``.
    Errors: NotImplementedError naming an operator that ONNX has not, or not in that version; ValueError for an opset that isn't known.

    >>> import io, rushlight as torch
    >>> file = io.BytesIO()
    >>> torch.onnx.export(torch.nn.ReLU(), torch.ones(2), file, input_names=["x"], dynamic_axes={"x": [0]}, dynamo=False)
    >>> torch.onnx.load(file.getvalue())(torch.tensor([-1.0, 2.0, 3.0]))
    tensor([0., 2., 3.])
    """
    if export_modules_as_functions:
        raise NotImplementedError("onnx.export: export_modules_as_functions is not supported")
    data = export_bytes(
        model, args, kwargs, input_names=input_names, output_names=output_names, opset_version=opset_version,
        dynamic_axes=dynamic_axes, dynamic_shapes=dynamic_shapes, export_params=export_params,
        keep_initializers_as_inputs=keep_initializers_as_inputs, training=training or 0, do_constant_folding=do_constant_folding,
        custom_opsets=custom_opsets, custom_translation_table=custom_translation_table,
    )  # fmt: skip
    program = ONNXProgram(data)
    if verify:
        _verify(program, model, args, kwargs, training)
    if f is not None:
        _write(data, f)
    return program if dynamo else None


def _verify(program: ONNXProgram, model: Any, args: Any, kwargs: Any, training: Any) -> None:
    args = args if isinstance(args, tuple) else (args,)
    with rl.no_grad(), select_model_mode_for_export(model, training or 0):
        expected = _tensors(model(*args, **(kwargs or {})))
        given = _tensors([list(args), list((kwargs or {}).values())])
        got = program(*given)
    for i, (a, b) in enumerate(zip(got, expected, strict=True)):
        if not rl.allclose(a, b, rtol=1e-3, atol=1e-4, equal_nan=True):
            raise OnnxExporterError(
                f"onnx.export: output {i} of the model that was written differs by {(a - b).abs().max().item()} from the module's"
            )


def _tensors(value: Any) -> list[Any]:
    if isinstance(value, rl.Tensor):
        return [value]
    if isinstance(value, dict):
        value = list(value.values())
    return [t for v in value for t in _tensors(v)] if isinstance(value, (list, tuple)) else []

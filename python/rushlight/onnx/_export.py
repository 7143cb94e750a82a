"""Writing ONNX models."""

from __future__ import annotations

import contextlib
import datetime
import inspect
import os
import warnings
from collections.abc import Iterator
from typing import Any

import rushlight as rl

from .. import _C
from ..export import ExportedProgram
from ..jit import ScriptModule
from . import _symbolic
from ._program import ONNXProgram, tensors_in
from .errors import OnnxExporterError, UnsupportedOperatorError

DEFAULT_OPSET = 18

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


def _leaves(value: Any, spec: Any, name: str) -> list[tuple[str, Any]]:
    """The tensors in an argument, each as its name in the model and its part of the spec."""
    if isinstance(value, rl.Tensor):
        return [(name, spec)]
    if isinstance(value, dict):
        specs = [spec.get(k) if isinstance(spec, dict) else None for k in value]
        value = list(value.values())
    elif isinstance(value, (list, tuple)):
        specs = list(spec) if isinstance(spec, (list, tuple)) else [None] * len(value)
    else:
        return []
    if len(specs) != len(value):
        raise ValueError(f"onnx.export: dynamic_shapes: '{name}' has {len(value)} values, and {len(specs)} are told")
    return [leaf for i, (v, s) in enumerate(zip(value, specs, strict=True)) for leaf in _leaves(v, s, f"{name}_{i}")]


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
    if isinstance(model, ExportedProgram):
        given = model._given()
        input_names = input_names or [name for name, _ in given]
        if dynamic_axes is None and dynamic_shapes is None:
            dynamic_axes = {name: axes for name, (_, axes) in zip(input_names, given, strict=False)}
        if not args and not kwargs and model.example_inputs:
            args, kwargs = model.example_inputs
        model = model.module()
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
        called = parameters[: len(args)] + [f"input_{i + 1}" for i in range(len(parameters), len(args))]
        if isinstance(dynamic_shapes, dict):
            unknown = [k for k in dynamic_shapes if k not in called and k not in kwargs and k not in names]
            if unknown:
                raise ValueError(
                    f"onnx.export: dynamic_shapes names '{unknown[0]}', and the arguments are {', '.join(called)}"
                )
            specs = [
                dynamic_shapes.get(n, dynamic_shapes.get(names[i] if i < len(names) else None))
                for i, n in enumerate(called)
            ]
        else:
            specs = list(dynamic_shapes)
        leaves = [leaf for v, s, n in zip(args, specs, called, strict=False) for leaf in _leaves(v, s, n)]
        for i, (name, spec) in enumerate(leaves):
            axes += [(names[i] if i < len(names) else name, axis, text) for axis, text in _axes(spec)]
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
                export_params, keep_initializers_as_inputs, do_constant_folding, list({**calls.versions, **(custom_opsets or {})}.items()), list(custom),
                _symbolic.writer(opset, custom),
            )  # fmt: skip
    except NotImplementedError as e:
        raise UnsupportedOperatorError(str(e)) from None
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
    external_data: bool | None = None,
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
        model: a module, a function, a ScriptModule or an ExportedProgram, whose own dynamic sizes are the model's.
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
        external_data: True puts the parameters into a file beside ``f``, named as it is and ".data"; so they are where they don't fit into one.
        report: a file in ``artifacts_dir`` says which operators the model has; verify: the model that was written must give the module's
            outputs for the examples.
        verbose, optimize, profile, dump_exported_program, fallback, operator_export_type, export_modules_as_functions and autograd_inlining
            change nothing.
    Returns: an ONNXProgram, or None for ``dynamo=False``.
    Errors: UnsupportedOperatorError, a NotImplementedError, naming an operator that ONNX has not, or not in that version; ValueError for an opset that isn't known.

    >>> import io, rushlight as torch
    >>> file = io.BytesIO()
    >>> torch.onnx.export(torch.nn.ReLU(), torch.ones(2), file, input_names=["x"], dynamic_axes={"x": [0]}, dynamo=False)
    >>> torch.onnx.load(file.getvalue())(torch.tensor([-1.0, 2.0, 3.0]))
    tensor([0., 2., 3.])
    """
    if dynamic_shapes and not dynamo:
        raise ValueError("onnx.export: dynamic_shapes is for dynamo=True; with dynamo=False it is dynamic_axes")
    data = export_bytes(
        model, args, kwargs, input_names=input_names, output_names=output_names, opset_version=opset_version,
        dynamic_axes=dynamic_axes, dynamic_shapes=dynamic_shapes, export_params=export_params,
        keep_initializers_as_inputs=keep_initializers_as_inputs, training=training or 0, do_constant_folding=do_constant_folding,
        custom_opsets=custom_opsets, custom_translation_table=custom_translation_table,
    )  # fmt: skip
    program = ONNXProgram(data, model if isinstance(model, ExportedProgram) else None)
    if verify:
        _verify(program, model, args, kwargs, training)
    if report:
        _report(program, model, artifacts_dir)
    if f is not None:
        program.save(f, external_data=external_data)
    return program if dynamo else None


def _report(program: ONNXProgram, model: Any, folder: Any) -> None:
    """A file that says what the model consists of."""
    path = os.path.join(folder, f"onnx_export_{datetime.datetime.now():%Y-%m-%d_%H-%M-%S-%f}_success.md")
    with open(path, "w", encoding="utf-8") as file:
        file.write(f"# ONNX export of {type(model).__name__}\n\n{program!r}\n\n| operator | nodes |\n|---|---|\n")
        file.writelines(f"| {kind} | {count} |\n" for kind, count in sorted(program.operators().items()))


def _verify(program: ONNXProgram, model: Any, args: Any, kwargs: Any, training: Any) -> None:
    args = args if isinstance(args, tuple) else (args,)
    with rl.no_grad(), select_model_mode_for_export(model, training or 0):
        expected = tensors_in(model(*args, **(kwargs or {})))
        got = program(*args, **(kwargs or {}))
    for i, (a, b) in enumerate(zip(got, expected, strict=True)):
        if not rl.allclose(a, b, rtol=1e-3, atol=1e-4, equal_nan=True):
            raise OnnxExporterError(
                f"onnx.export: output {i} of the model that was written differs by {(a - b).abs().max().item()} from the module's"
            )

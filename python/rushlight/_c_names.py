"""Names that programs take from torch._C: PyTorch's own module in C++, of which rushlight's `_C` is not a copy.

They are added to `_C` when they are first named (its `__getattr__`).
"""

from __future__ import annotations

import contextlib
import enum
import importlib
import threading
import types
from typing import Any

from . import _C, _executor_settings, _missing


class DispatchKey(enum.Enum):
    """What PyTorch chooses kernels by. Only autocast's keys mean something here."""

    (
        Undefined,
        Dense,
        CPU,
        CUDA,
        Meta,
        XPU,
        MPS,
        PrivateUse1,
        Sparse,
        SparseCPU,
        SparseCUDA,
        SparseCsr,
        Quantized,
        QuantizedCPU,
    ) = range(14)
    (
        BackendSelect,
        Python,
        PythonDispatcher,
        Functionalize,
        ADInplaceOrView,
        Autograd,
        AutogradCPU,
        AutogradCUDA,
        AutogradMeta,
    ) = range(14, 23)
    (
        AutogradPrivateUse1,
        AutogradOther,
        Tracer,
        AutocastCPU,
        AutocastCUDA,
        AutocastXPU,
        AutocastMPS,
        AutocastPrivateUse1,
    ) = range(23, 31)
    CompositeExplicitAutograd, CompositeImplicitAutograd, FuncTorchBatched, FuncTorchVmapMode, PreDispatch = range(
        31, 36
    )


class _DisableTorchDispatch:
    """Until the object is gone, or inside of `with`, calls don't go to the ``__torch_dispatch__`` of classes: tensors are plain ones."""

    def __init__(self) -> None:
        self._before: bool | None = _C._ask_dispatch_classes(False)

    def _end(self) -> None:
        before, self._before = self._before, None
        if before is not None:
            _C._ask_dispatch_classes(before)

    def __enter__(self) -> None:
        pass

    def __exit__(self, *_: object) -> None:
        self._end()

    __del__ = _end


class _DisableFuncTorch(contextlib.nullcontext):
    """A context in which the levels of func.vmap and func.grad would stand still; what runs in it here has none."""


class DispatchKeySet:
    """A set of them."""

    def __init__(self, *keys: Any) -> None:
        self._keys: frozenset = frozenset().union(*(k._keys if isinstance(k, DispatchKeySet) else {k} for k in keys))

    def __or__(self, other: DispatchKeySet) -> DispatchKeySet:
        return DispatchKeySet(self, other)

    def __and__(self, other: DispatchKeySet) -> DispatchKeySet:
        return DispatchKeySet(*(self._keys & other._keys))

    def __sub__(self, other: DispatchKeySet) -> DispatchKeySet:
        return DispatchKeySet(*(self._keys - other._keys))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, DispatchKeySet) and self._keys == other._keys

    def __hash__(self) -> int:
        return hash(self._keys)

    def add(self, key: DispatchKey) -> DispatchKeySet:
        return DispatchKeySet(self, key)

    def remove(self, key: DispatchKey) -> DispatchKeySet:
        return DispatchKeySet(*(self._keys - {key}))

    def has(self, key: DispatchKey) -> bool:
        return key in self._keys


_after_autograd_keyset = DispatchKeySet()


class _Excluded(threading.local):
    keys = DispatchKeySet()


_excluded = _Excluded()


@contextlib.contextmanager
def _ExcludeDispatchKeyGuard(keys: DispatchKeySet) -> Any:  # noqa: N802
    """A context without those keys: without autocast, if its key for the CPU is among them. Transforms run all the same."""
    before, _excluded.keys = _excluded.keys, _excluded.keys | keys
    try:
        with contextlib.ExitStack() as scopes:
            if keys.has(DispatchKey.AutocastCPU):
                from .amp import autocast

                scopes.enter_context(autocast("cpu", enabled=False))
            yield
    finally:
        _excluded.keys = before


def _dispatch_tls_local_exclude_set() -> DispatchKeySet:
    """The keys that guards of this thread leave out."""
    return _excluded.keys


def _log_api_usage_once(name: str) -> None:
    """Nothing is logged."""


class _TracingState:
    """What programs ask of a trace that is being recorded. The scopes that they enter are kept here; graphs have none."""

    def __init__(self) -> None:
        self._scopes: list[str] = []

    def push_scope(self, name: str) -> None:
        self._scopes.append(name)

    def pop_scope(self) -> None:
        self._scopes.pop()

    def current_scope(self) -> str:
        return "/".join(self._scopes)


_tracing_state: _TracingState | None = None


def _get_tracing_state() -> Any:
    """The state of torch.jit.trace while it records, else None."""
    global _tracing_state
    from .jit import is_tracing

    if not is_tracing():
        _tracing_state = None
    elif _tracing_state is None:
        _tracing_state = _TracingState()
    return _tracing_state


def _get_cudnn_enabled() -> bool:
    from .backends import cudnn

    return cudnn.enabled


def _get_accelerator() -> Any:
    """The machine's accelerator, else the CPU."""
    return _C._accelerator() or _C.device("cpu")


def _get_default_device() -> str:
    return str(_C.get_default_device())


def _is_alias_of(a: Any, b: Any) -> bool:
    return a.untyped_storage()._cdata == b.untyped_storage()._cdata


def _get_deterministic_fill_uninitialized_memory() -> bool:
    from . import _settings

    return _settings._fill


def _set_deterministic_fill_uninitialized_memory(on: bool) -> None:
    from . import _settings

    _settings.fill_fresh_memory(on)


def _storage_address(tensor: Any) -> int:
    """What tells storages apart."""
    return tensor.untyped_storage()._cdata


def _no(*_: Any, **__: Any) -> bool:
    """False."""
    return False


def _nothing(*_: Any, **__: Any) -> None:
    """Settings of PyTorch's compilers: there is nothing to set."""


_jit_set_nvfuser_enabled = _jit_set_nvfuser_guard_mode = _jit_set_fusion_strategy = _nothing
_set_math_sdp_allow_fp16_bf16_reduction = _nothing
_has_cuda = _has_xpu = _has_mps = _has_mkldnn = _has_mtia = False
_TensorMeta = type(_C.Tensor)
TensorBase = _TensorBase = _C.Tensor


def _is_torch_function_mode_enabled() -> bool:
    return bool(_C._overrides_state()[1])


def _len_torch_function_stack() -> int:
    return len(_C._torch_function_stack())


def _len_torch_dispatch_stack() -> int:
    return len(_C._torch_dispatch_stack())


class _TorchFunctionState(enum.Enum):
    """Who may override a function: subclasses and modes, modes alone, nobody."""

    ENABLED, SUBCLASSES_DISABLED, ALL_DISABLED = range(3)


def _get_torch_function_state() -> _TorchFunctionState:
    subclasses_off, modes_on = _C._overrides_state()
    if not subclasses_off:
        return _TorchFunctionState.ENABLED
    # Modes are off as well where there are none.
    off = _C._torch_function_stack() and not modes_on
    return _TorchFunctionState.ALL_DISABLED if off else _TorchFunctionState.SUBCLASSES_DISABLED


def _set_torch_function_state(state: _TorchFunctionState) -> None:
    _C._overrides_state(state is not _TorchFunctionState.ENABLED, state is not _TorchFunctionState.ALL_DISABLED)


def _get_cpu_capability() -> str:
    """ "AVX512", "AVX2" or "DEFAULT"."""
    from .backends.cpu import get_cpu_capability

    return get_cpu_capability()


class _WeakTensorRef:
    """A reference to a tensor that doesn't keep it alive."""

    def __init__(self, tensor: Any) -> None:
        import weakref

        self._ref = weakref.ref(tensor)

    def expired(self) -> bool:
        return self._ref() is None


def _autograd() -> types.ModuleType:
    """The names of torch._C._autograd."""
    from .autograd import graph

    module = types.ModuleType("rushlight._C._autograd")
    module.SavedTensor = _C._SavedTensor  # type: ignore[attr-defined]
    module.Node = _C._Node  # type: ignore[attr-defined]
    module._saved_tensors_hooks_is_enabled = graph._hooks_are_enabled  # type: ignore[attr-defined]
    module._push_saved_tensors_default_hooks = _C._push_saved_hooks  # type: ignore[attr-defined]
    module._pop_saved_tensors_default_hooks = _C._pop_saved_hooks  # type: ignore[attr-defined]
    return module


def _is_fwd_grad_enabled() -> bool:
    """Whether tensors carry tangents."""
    from .autograd import forward_ad

    return forward_ad._is_fwd_grad_enabled()


def _set_fwd_grad_enabled(mode: bool) -> None:
    """Has tensors carry tangents from here on, or not."""
    from .autograd import forward_ad

    forward_ad._set_fwd_grad_enabled(mode)


_tells_of_vmap_loops = False


def _debug_only_are_vmap_fallback_warnings_enabled() -> bool:
    """What was asked for last; nothing warns of loops here."""
    return _tells_of_vmap_loops


def _debug_only_display_vmap_fallback_warnings(enabled: bool) -> None:
    """Remembered, for those who ask."""
    global _tells_of_vmap_loops
    _tells_of_vmap_loops = enabled


def parse_schema(schema: str) -> Any:
    """A schema's text, taken apart."""
    from ._ops import parse_schema as parsed

    return parsed(schema)


def _dispatch_has_kernel_for_dispatch_key(name: str, key: Any) -> bool:
    """Whether an operator has a kernel of its own for a key."""
    return str(key).removeprefix("DispatchKey.") in _C._op_kernels(name)


def _undefined_grad() -> Any:
    """The identity, to whose inputs no gradient comes."""
    return _without_gradients().apply


def _delayed_error(message: str, count: int) -> Any:
    """The identity of `count` tensors, whose gradient is an error."""
    from .autograd.function import _DelayedError

    def applied(*tensors: Any) -> Any:
        made = _DelayedError.apply(message, len(tensors), *tensors)
        return made if count > 1 else made[0]

    return applied


def node_function(name: str) -> Any:
    """An attribute of torch._C._functions: what programs put into graphs by hand."""
    if name == "AccumulateGrad":
        leaf = _C._functions["zeros"](()).requires_grad_()
        return type(leaf.view_as(leaf).grad_fn.next_functions[0][0])
    if name not in ("UndefinedGrad", "DelayedError"):
        raise AttributeError(f"torch._C._functions has no attribute '{name}'")
    return _undefined_grad if name == "UndefinedGrad" else _delayed_error


def _without_gradients() -> Any:
    from .autograd import Function

    class UndefinedGrad(Function):
        @staticmethod
        def forward(ctx: Any, *tensors: Any) -> Any:
            made = tuple(t.view_as(t) for t in tensors)
            return made if len(made) > 1 else made[0]

        @staticmethod
        def backward(ctx: Any, *gradients: Any) -> Any:
            return None if len(gradients) == 1 else (None,) * len(gradients)

    return UndefinedGrad


def _variable_functions() -> types.SimpleNamespace:
    return types.SimpleNamespace(**_C._functions)


def _parse_to(*args: Any, **kwargs: Any) -> tuple:
    """The device, dtype, non_blocking and memory format of a call of .to()."""
    from .nn.modules.module import _parse_to as parse

    return parse(*args, **kwargs)


ExcludeDispatchKeyGuard = _ExcludeDispatchKeyGuard


class AggregationType(enum.Enum):
    """What a logger keeps of the values of a counter."""

    SUM, AVG = range(2)


SUM, AVG = AggregationType.SUM, AggregationType.AVG


class NoopLogger:
    """A logger that keeps nothing."""

    def add_stat_value(self, name: str, value: int) -> None:
        """Adds a value to a counter."""

    def get_counter_val(self, name: str) -> int:
        """The counter's sum, or mean: 0 where nothing came."""
        return 0

    def set_aggregation_type(self, name: str, type: AggregationType) -> None:
        """Says which of them."""


class LockingLogger(NoopLogger):
    """A logger that several threads may use at once.

    >>> logger = LockingLogger()
    >>> logger.set_aggregation_type("calls", AVG)
    >>> for value in (2, 4):
    ...     logger.add_stat_value("calls", value)
    >>> logger.get_counter_val("calls")
    3
    """

    def __init__(self) -> None:
        import threading

        self._lock = threading.Lock()
        self._values: dict[str, list[int]] = {}
        self._kinds: dict[str, AggregationType] = {}

    def add_stat_value(self, name: str, value: int) -> None:
        with self._lock:
            self._values.setdefault(name, []).append(value)

    def get_counter_val(self, name: str) -> int:
        with self._lock:
            values = self._values.get(name, [])
            mean = self._kinds.get(name) is AVG and values
            return sum(values) // len(values) if mean else sum(values)

    def set_aggregation_type(self, name: str, type: AggregationType) -> None:
        with self._lock:
            self._kinds[name] = type


class InferredType:
    """A type that was found, or the text of why none was."""

    def __init__(self, found: Any) -> None:
        self._found = found

    def success(self) -> bool:
        return not isinstance(self._found, str)

    def type(self) -> Any:
        if not self.success():
            raise RuntimeError(
                f"Tried to get the type from an InferredType but the type is null. Reason: {self._found}"
            )
        return self._found

    def reason(self) -> str:
        return self._found if isinstance(self._found, str) else ""


def import_ir_module(
    cu: Any, filename: Any, map_location: Any = None, extra_files: Any = None, restore_shapes: bool = False
) -> Any:
    """torch.jit.load of a file; `cu`, which keeps the code in PyTorch, is not needed."""
    from .jit import load

    return load(filename, map_location, extra_files)


def import_ir_module_from_buffer(
    cu: Any, buffer: bytes, map_location: Any = None, extra_files: Any = None, restore_shapes: bool = False
) -> Any:
    """torch.jit.load of what a file holds."""
    import io

    return import_ir_module(cu, io.BytesIO(buffer), map_location, extra_files)


JITException = RuntimeError  # torch.jit.Error too


def parse_ir(text: str, parse_tensor_constants: bool = False) -> Any:
    """A graph from its text."""
    from .jit import _graph  # noqa: F401  # the methods of graphs that stand there

    return _C._parse_ir(text)


def _create_function_from_graph(name: str, graph: Any) -> Any:
    """A function that runs a copy of the graph."""
    from .jit import ScriptFunction

    return ScriptFunction(_C._function_from_graph(name, graph))


def _jit_interpret_graph(graph: Any, inputs: tuple) -> Any:
    """What a graph gives for these inputs."""
    return _create_function_from_graph("forward", graph)(*inputs)


def _infer_size(a: Any, b: Any) -> Any:
    """The shape that two shapes are broadcast to."""
    from .functional import broadcast_shapes

    return broadcast_shapes(a, b)


def _jit_assert_is_instance(obj: Any, wanted: Any) -> None:
    """Raises RuntimeError unless a script could be given obj where that type is wanted."""
    text = str(wanted)
    known = text == getattr(getattr(obj, "_c", obj), "_class_name", None) or text.startswith("__torch__.")
    if not known and not _C._has_type(obj, text):
        raise RuntimeError(f"expected a value of type {text}, got {obj!r}")


def _jit_clear_class_registry() -> None:
    """Classes compiled from now on may have the names of those before."""
    from .jit import _recursive, _resolver

    _resolver._used.clear()
    _recursive.concrete_type_store.type_store.clear()


def _freeze_module(
    module: Any,
    preservedAttrs: Any = (),
    freezeInterfaces: bool = True,
    preserveParameters: bool = False,  # noqa: N803
) -> Any:
    """What torch.jit.freeze does, of a script object, in any mode."""
    from .jit._freeze import _preserved

    methods, kept = _preserved(module, preservedAttrs)
    training = "training" in module._kinds() and module._get("training")
    return _C._freeze(module, methods, kept, False, bool(preserveParameters or training))


def _jit_to_backend(name: str, module: Any, method_compile_spec: dict[str, Any]) -> Any:
    """A module whose methods, those that ``method_compile_spec`` names, a backend of C++ runs: ``torch::jit::backend`` registers it.

    name: what it is registered as. module: a scripted module. method_compile_spec: what the backend is told of each method.
    Raises RuntimeError for a backend that nobody registered, and for methods that the module has not.
    """
    from .jit import RecursiveScriptModule, ScriptModule

    if not isinstance(module, ScriptModule):
        raise RuntimeError(
            f"_jit_to_backend: Object {module} is not a ScriptModule; give what torch.jit.script(module) returns"
        )
    return RecursiveScriptModule(_C._to_backend(name, module._c, method_compile_spec))


def _await() -> type:
    from .jit import _Await

    return _Await


def _of(module: str, name: str) -> Any:
    return lambda: getattr(importlib.import_module(module, _C.__package__), name)


def _unit() -> type:
    from .jit import CompilationUnit

    return CompilationUnit


has_mkldnn = has_lapack = True  # a build without them raises where one is needed
has_openmp = has_cuda = has_mps = has_xpu = False


def of(name: str) -> Any:
    """`_C.__getattr__`."""
    if name.startswith("__"):
        raise AttributeError(name)
    if name in _MADE:
        value: Any = _MADE[name]()
    elif name in ("_functorch", "_distributed_rpc", "_profiler"):
        value = importlib.import_module(f"{_C.__name__}.{name}")
    elif (setting := _executor_settings.of(name)) is not None:
        value = setting
    elif name in _OF_C:
        value = globals()[name]
    elif name.endswith("Type") and hasattr(
        types_of_scripts := importlib.import_module(".jit._types", _C.__package__), name
    ):
        value = getattr(types_of_scripts, name)
    elif name == "_new_symbolic_shape_symbol":
        value = importlib.import_module(".jit._types", _C.__package__).new_symbol
    elif name == "_propagate_shapes":
        value = importlib.import_module(".jit._propagation", _C.__package__)._propagate_shapes
    elif name == "_jit_erase_non_input_shape_information":
        value = importlib.import_module(".jit._propagation", _C.__package__).erase_non_input_shape_information
    elif name.startswith("_jit_pass_"):
        from .jit._graph import run_pass

        value = run_pass(name.removeprefix("_jit_pass_"))
    else:
        raise _missing.missing_name(_C, name)
    setattr(_C, name, value)
    return value


_MADE = {"_VariableFunctions": _variable_functions, "_autograd": _autograd, "CompilationUnit": _unit, "_Await": _await,
         "ScriptList": _of(".jit._containers", "ScriptList"), "ScriptDict": _of(".jit._containers", "ScriptDict"),
         "ScriptMethod": _of(".jit._modules", "ScriptMethod"),
         "PyTorchFileReader": _of("._file_reader", "PyTorchFileReader"),
         "PyTorchFileWriter": _of("._file_reader", "PyTorchFileWriter")}  # fmt: skip
_OF_C = {
    name
    for name in globals()
    if name
    not in (
        "Any",
        "contextlib",
        "enum",
        "importlib",
        "types",
        "annotations",
        "of",
        "_C",
        "_missing",
        "_executor_settings",
    )
}

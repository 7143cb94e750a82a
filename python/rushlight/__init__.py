# ruff: noqa: F401  (this module is the list of what it shows)
"""rushlight: a small, fast deep-learning framework that speaks PyTorch's API.

import rushlight as torch
"""

from __future__ import annotations

import builtins as _builtins
import importlib as _importlib
import math as _math
import sys as _sys
from importlib.util import find_spec as _find_spec

from . import _C
from ._C import (
    Generator,
    InternalError,
    OutOfMemoryError,
    Size,
    Tensor,
    UntypedStorage,
    as_tensor,
    can_cast,
    channels_last,
    channels_last_3d,
    contiguous_format,
    default_generator,
    device,
    dtype,
    enable_grad,
    from_dlpack,
    from_numpy,
    frombuffer,
    get_default_device,
    get_default_dtype,
    get_num_threads,
    inference_mode,
    is_anomaly_check_nan_enabled,
    is_anomaly_enabled,
    is_grad_enabled,
    is_inference_mode_enabled,
    layout,
    memory_format,
    no_grad,
    preserve_format,
    promote_types,
    set_default_device,
    set_grad_enabled,
    set_num_threads,
    tensor,
    to_dlpack,
)
from .version import __version__

globals().update(_C._functions)  # one function for each operator that has one


class _Functions(dict):
    """torch._C._functions: the operators by name; attributes are functions of autograd's."""

    def __getattr__(self, name: str):
        if name.startswith("__"):
            raise AttributeError(name)
        return _importlib.import_module("rushlight._c_names").node_function(name)


_C._functions = _Functions(_C._functions)
del _Functions
globals().pop("_foreach_add_", None)  # _foreach.py's takes lists too
globals().update(_C._layouts)
globals().update(_C._dtypes)  # after the operators: torch.int and torch.float are dtypes

e, inf, nan, pi = _math.e, _math.inf, _math.nan, _math.pi
newaxis = None
has_lapack = has_openmp = True
has_mkl = has_spectral = False
legacy_contiguous_format = contiguous_format

for _type in (Tensor, Size, dtype, device, layout, memory_format, UntypedStorage):
    _type.__module__ = "rushlight"  # where pickles look
del _type

from . import _tensor  # noqa: E402  the methods of Tensor that are written in Python
from ._dtype_info import finfo, iinfo  # noqa: E402
from ._functional import *  # noqa: E402, F403
from ._legacy import *  # noqa: E402, F403
from ._qscheme import *  # noqa: E402, F403
from ._tensor_str import set_printoptions  # noqa: E402
from .random import get_rng_state, initial_seed, manual_seed, seed, set_rng_state  # noqa: E402
from .storage import _LEGACY as _storages  # noqa: E402
from .storage import TypedStorage  # noqa: E402

StorageBase = UntypedStorage
globals().update(_storages, Storage=_storages["FloatStorage"])  # FloatStorage, ...

# Names that live in modules which most programs do not need.
_LAZY_NAMES = {
    "Future": "futures",
    **dict.fromkeys(("save", "load"), "serialization"),
    **dict.fromkeys(
        (
            "autocast", "clear_autocast_cache", "get_autocast_cpu_dtype", "get_autocast_dtype", "is_autocast_cache_enabled",
            "is_autocast_cpu_enabled", "is_autocast_enabled", "set_autocast_cache_enabled", "set_autocast_dtype",
            "set_autocast_enabled",
        ),
        "amp.autocast_mode",
    ),
    "vmap": "func",
    **dict.fromkeys(("lu", "svd_lowrank", "pca_lowrank"), "_factorizations"),
    "summary": "_comforts.summary",
    "draw": "_comforts.drawing",
    "progress": "_comforts.progress",
    "check_finite": "_comforts.finite",
    **dict.fromkeys(("ops", "Tag"), "_ops"),
    **dict.fromkeys(("Stream", "Event", "get_device_module", "_register_device_module"), "_devices"),
    "UnsupportedError": "_missing",
    "GradScaler": "amp",
    **dict.fromkeys(("_amp_foreach_non_finite_check_and_unscale_", "_amp_update_scale_"), "amp.grad_scaler"),
    **dict.fromkeys(("ScriptFunction", "ScriptModule"), "jit"),
    "_assert_async": "_settings",
    **dict.fromkeys(
        ("_check_index", "_check_not_implemented", "_check_tensor_all", "_check_type", "_check_value"), "_checks"
    ),
    "from_file": "storage",
    **dict.fromkeys(
        (
            "AnyType", "AwaitType", "BoolType", "ComplexType", "DeviceObjType", "DictType", "FloatType", "FutureType", "IntType",
            "ListType", "NoneType", "NumberType", "OptionalType", "PyObjectType", "RRefType", "StreamObjType", "StringType",
            "SymBoolType", "SymIntType", "TensorType", "TupleType", "Type", "UnionType",
        ),
        "jit._types",
    ),
    **dict.fromkeys(
        (
            "autocast_decrement_nesting", "autocast_increment_nesting", "ccol_indices_copy", "col_indices_copy",
            "crow_indices_copy", "cudnn_is_acceptable", "detach_", "fork", "get_autocast_gpu_dtype", "get_autocast_ipu_dtype",
            "get_autocast_xla_dtype", "hsmm", "hspmm", "indices_copy", "is_autocast_ipu_enabled", "is_autocast_xla_enabled",
            "is_distributed", "is_vulkan_available", "lobpcg", "native_dropout", "native_norm", "row_indices_copy", "saddmm",
            "set_anomaly_enabled", "set_autocast_cpu_dtype", "set_autocast_cpu_enabled", "set_autocast_gpu_dtype",
            "set_autocast_ipu_dtype", "set_autocast_ipu_enabled", "set_autocast_xla_dtype", "set_autocast_xla_enabled", "smm",
            "sspaddmm", "values_copy", "wait", "batch_norm_backward_elemt", "batch_norm_backward_reduce", "batch_norm_elemt",
            "batch_norm_gather_stats", "batch_norm_gather_stats_with_counts", "batch_norm_stats", "cudnn_affine_grid_generator",
            "cudnn_batch_norm", "cudnn_convolution", "cudnn_convolution_add_relu", "cudnn_convolution_relu",
            "cudnn_convolution_transpose", "cudnn_grid_sampler", "miopen_batch_norm", "miopen_convolution",
            "miopen_convolution_add_relu", "miopen_convolution_relu", "miopen_convolution_transpose", "miopen_ctc_loss",
            "miopen_depthwise_convolution", "miopen_rnn", "mkldnn_adaptive_avg_pool2d", "mkldnn_convolution", "mkldnn_max_pool2d",
            "mkldnn_max_pool3d", "AcceleratorError", "FatalError", "batch_norm_update_stats", "init_num_threads", "slice_inverse",
            "mkldnn_linear_backward_weights", "resize_as_sparse_", "sym_constrain_range", "sym_constrain_range_for_size", "sym_fresh_size",
            "_int_mm",
        ),
        "_rare",
    ),
    **dict.fromkeys(("DispatchKey", "DispatchKeySet"), "_c_names"),
    **dict.fromkeys(("cond", "while_loop"), "_higher_order_ops"),
    **dict.fromkeys(("Block", "ClassType", "Graph", "Node", "Value"), "_C"),
    **dict.fromkeys(
        (
            "AVG", "AggregationType", "ExcludeDispatchKeyGuard", "InferredType", "JITException", "LockingLogger", "NoopLogger", "SUM",
            "import_ir_module", "import_ir_module_from_buffer", "parse_ir",
        ),
        "_c_names",
    ),
    **dict.fromkeys(
        (
            "choose_qparams_optimized", "empty_quantized", "fbgemm_linear_fp16_weight", "fbgemm_linear_fp16_weight_fp32_activation",
            "fbgemm_linear_int8_weight", "fbgemm_linear_int8_weight_fp32_activation", "fbgemm_linear_quantize_weight",
            "fbgemm_pack_gemm_matrix_fp16", "fbgemm_pack_quantized_matrix", "fused_moving_avg_obs_fake_quant", "quantized_batch_norm",
            "quantized_max_pool1d", "quantized_max_pool2d", "quantized_max_pool3d",
        ),
        "_rare_quantized",
    ),
    "thread_safe_generator": "random",
    "FileCheck": "testing",
    **dict.fromkeys(("PyTorchFileReader", "PyTorchFileWriter"), "_file_reader"),
    **dict.fromkeys(("Argument", "FunctionSchema", "parse_schema"), "_ops"),
    **dict.fromkeys(("BenchmarkConfig", "BenchmarkExecutionStats", "ThroughputBenchmark"), "utils.throughput_benchmark"),
    **dict.fromkeys(("DisableTorchFunction", "DisableTorchFunctionSubclass", "ScriptObject"), "_C"),
    "CompilationUnit": "jit",
    **dict.fromkeys(("_disable_dynamo", "compile"), "_compile"),
    **dict.fromkeys(
        (
            "SymBool", "SymFloat", "SymInt", "sym_float", "sym_int", "sym_ite", "sym_max", "sym_min", "sym_not", "sym_sqrt", "sym_sum",
        ),
        "_symbolic",
    ),
    **dict.fromkeys(
        (
            "are_deterministic_algorithms_enabled", "compiled_with_cxx11_abi", "get_deterministic_debug_mode",
            "get_float32_matmul_precision", "get_num_interop_threads", "is_deterministic_algorithms_warn_only_enabled",
            "is_warn_always_enabled", "set_deterministic_debug_mode", "set_float32_matmul_precision", "set_flush_denormal",
            "set_num_interop_threads", "set_warn_always", "use_deterministic_algorithms",
        ),
        "_settings",
    ),
}  # fmt: skip


def __getattr__(name: str):
    """Modules of the package are imported when they are first named: torch.nn, torch.optim, ..."""
    if name == "torch":  # PyTorch's module imports itself, and programs have come to say torch.torch
        return _sys.modules["rushlight"]
    if name in _LAZY_NAMES:
        value = getattr(_importlib.import_module(f"rushlight.{_LAZY_NAMES[name]}"), name)
        globals()[name] = value
        return value
    if name.startswith("_foreach_"):
        foreach = _importlib.import_module("rushlight._foreach").named(name)
        if foreach is not None:
            globals()[name] = foreach
            return foreach
    if (not name.startswith("__") or name in ("__config__", "__future__")) and _find_spec(
        f"rushlight.{name}"
    ) is not None:
        return _importlib.import_module(f"rushlight.{name}")
    if name == _C._get_privateuse1_backend_name():
        module = _importlib.import_module("rushlight._devices").module_of(name)
        if module is not None:
            return module
    if name == "__all__":  # for `from torch import *`: no modules, as in PyTorch
        mine = {n for n, value in globals().items() if not n.startswith("_") and not isinstance(value, type(_sys))}
        return sorted({*mine, *(n for n in _LAZY_NAMES if not n.startswith("_"))})
    if name.startswith("__"):
        raise AttributeError(f"module 'rushlight' has no attribute '{name}'")
    missing = _importlib.import_module("rushlight._missing")
    raise missing.missing_name(_sys.modules["rushlight"], name)


class _Last:
    """The last finder of modules: brings in those that find torchvision and its like (_helpers.py), when such a name was not found."""

    def find_spec(self, name, path=None, target=None):
        if name.startswith("torch"):
            _importlib.import_module("rushlight._helpers").install()  # which stands behind this one, and is asked next

    def find_distributions(self, context):
        self.find_spec(context.name or "")
        return ()


_sys.meta_path.append(_Last())


def _of_c(name: str):
    """`_C.__getattr__`: names of PyTorch's own C++ module that programs use."""
    return _importlib.import_module("rushlight._c_names").of(name)


_C.__getattr__ = _of_c
_C.__path__ = [f"{__spec__.submodule_search_locations[0]}/_c_modules"]  # torch._C._functorch
_C._nn.__getattr__ = _of_c


def as_torch(version: str | None = None, *, children: _builtins.bool = True) -> None:
    """`import torch`, and any module of it, gives rushlight from here on.

    Args:
        version: the version of PyTorch that `torch.__version__` and `importlib.metadata.version("torch")` claim. Default: what the
            environment's RUSHLIGHT_AS_TORCH says, else 2.13.0.
        children: the Python programs that this process starts, workers too, do the same: sets RUSHLIGHT_AS_TORCH and PYTHONPATH.

    Raises RuntimeError if PyTorch itself has been imported already.
    """
    from . import _alias

    _alias.install(version or _alias.asked_for())
    _sys.modules["torch"] = _sys.modules["rushlight"]
    claimed = _alias.installed().version
    _claim_version(claimed)
    if children:
        _alias.export(claimed)


def _claim_version(claimed: str) -> None:
    from .torch_version import TorchVersion
    from .version import __version__ as own

    globals()["__name__"] = "torch"  # programs ask, and build names of modules with it
    globals()["__version__"] = TorchVersion(claimed if "+" in claimed else f"{claimed}+rushlight{own}")
    _importlib.import_module("rushlight._alias").claim_loaded()


def __dir__():
    from pkgutil import iter_modules

    return sorted(
        {
            *globals(),
            *_LAZY_NAMES,
            # The C++ library lies beside the modules and has their suffix.
            *(m.name for m in iter_modules(__spec__.submodule_search_locations) if not m.name.startswith(("_", "lib"))),
        }
    )


def set_default_dtype(d) -> None:
    """What new floating-point tensors are made of: float32 unless this says otherwise."""
    _C._set_default_dtype(d)


def set_default_tensor_type(t) -> None:
    """Makes the dtype of that type (torch.DoubleTensor, or its name) the default of new tensors."""
    from . import _settings

    _settings.warn_once(
        "torch.set_default_tensor_type() is deprecated as of PyTorch 2.1, please use torch.set_default_dtype() and "
        "torch.set_default_device() as alternatives."
    )
    if isinstance(t, type) and not hasattr(t, "dtype"):
        raise TypeError(
            f"type {t.__module__.replace('rushlight', 'torch')}.{t.__name__} not available. Torch not compiled with CUDA enabled."
        )
    _C._set_default_dtype(t.dtype if hasattr(t, "dtype") else globals()[t.removeprefix("torch.")].dtype)


def _check(cond, message=None, *, _error=RuntimeError) -> None:
    """Raises RuntimeError, with the text that ``message()`` gives, unless ``cond`` is true."""
    if not isinstance(cond, _builtins.bool):
        raise TypeError(f"cond must be a bool, but got {type(cond)}")
    if not cond:
        raise _error("Expected cond to be True, but got False" if message is None else str(message()))


def _assert(condition: _builtins.bool, message: _builtins.str) -> None:
    """Raises AssertionError with the message unless the condition is true; a traced one is recorded."""
    assert condition, message


def is_tensor(obj) -> _builtins.bool:
    """Whether obj is a Tensor."""
    return isinstance(obj, Tensor)


def is_storage(obj) -> _builtins.bool:
    """Whether obj is a TypedStorage or an UntypedStorage."""
    return isinstance(obj, (TypedStorage, UntypedStorage))


def is_floating_point(input) -> _builtins.bool:
    """Whether the tensor's dtype is a real floating point one."""
    return input.is_floating_point()


def is_complex(input) -> _builtins.bool:
    """Whether the tensor's dtype is a complex one."""
    return input.is_complex()


def numel(input) -> _builtins.int:
    """The number of the tensor's elements."""
    return input.numel()


def typename(obj) -> str:
    """`obj.type()` of a tensor, the qualified name of a class or function, or of the type of anything else."""
    if isinstance(obj, Tensor):
        return obj.type()
    named = obj if hasattr(obj, "__qualname__") else type(obj)
    module = getattr(named, "__module__", None)
    return named.__qualname__ if module in ("builtins", None) else f"{module}.{named.__qualname__}"


def is_signed(input) -> _builtins.bool:
    """Whether the tensor's dtype has negative values."""
    return input.is_signed()


def is_conj(input) -> _builtins.bool:
    """Whether the elements are yet to be conjugated; always False, as conj() does so at once."""
    return input.is_conj()


def is_neg(input) -> _builtins.bool:
    """Whether the elements are yet to be negated; always False, as they are negated at once."""
    return input.is_neg()


def is_inference(input) -> _builtins.bool:
    """Whether the tensor was made in inference mode."""
    return input.is_inference()


def get_device(input) -> _builtins.int:
    """The index of the tensor's device; -1 on the CPU."""
    return input.get_device()


_assert = _C._overridable(_assert)
is_floating_point = _C._overridable(is_floating_point)
is_complex = _C._overridable(is_complex)
numel = _C._overridable(numel)


def feature_level(name: str) -> str:
    """How settled an operator is: "stable", "beta" or "prototype"."""
    return _C._feature_level(name)


def asarray(obj, *, dtype=None, device=None, copy=None, requires_grad=False) -> Tensor:
    """A tensor of an object's values: shares its memory where it can unless `copy` says otherwise."""
    if copy and (type(obj).__name__ == "PyCapsule" or isinstance(obj, (bytes, bytearray, memoryview, UntypedStorage))):
        made = asarray(obj, dtype=dtype, device=device).clone()
    elif copy:
        made = (
            obj.detach().to(dtype=dtype, device=device, copy=True)
            if isinstance(obj, Tensor)
            else tensor(obj, dtype=dtype, device=device)
        )
    elif isinstance(obj, Tensor):
        made = obj.to(dtype=dtype, device=device)
    elif isinstance(obj, UntypedStorage):
        dtype = dtype or get_default_dtype()
        made = Tensor._rebuild(obj, dtype, 0, (obj.nbytes() // dtype.itemsize,), (1,)).to(device=device)
    elif type(obj).__name__ == "PyCapsule" or hasattr(obj, "__dlpack__") and not hasattr(obj, "__array_interface__"):
        made = from_dlpack(obj).to(dtype=dtype, device=device)
    elif isinstance(obj, (bytes, bytearray, memoryview)):
        made = frombuffer(obj, dtype=dtype or get_default_dtype())
    else:
        made = as_tensor(obj, dtype=dtype, device=device)
    if copy is False:
        if isinstance(obj, (_builtins.int, _builtins.float, _builtins.complex, list, tuple)):
            raise ValueError("can't alias arbitrary sequence into a tensor.")
        held = obj if isinstance(obj, Tensor) else as_tensor(obj) if hasattr(obj, "__array_interface__") else made
        if held.dtype != made.dtype or held.device != made.device:
            raise ValueError(
                f"can't alias tensor with dtype '{_C._scalar_types[held.dtype]}' on {held.device} into dtype "
                f"'{_C._scalar_types[made.dtype]}' on {made.device}. Hint: leave copy= out, then it is copied where it must be"
            )
    return made.requires_grad_() if requires_grad and not made.requires_grad else made

# mypy: disable-error-code="overload-overlap, overload-cannot-match, misc, no-redef"
"""rushlight: a small, fast deep-learning framework that speaks PyTorch's API."""

from builtins import bool as _bool
from builtins import float as _float
from builtins import int as _int
from collections.abc import Sequence
from typing import Any, overload

from ._C import DeviceLike, DType, Number, _device, _dtype, _layout, _memory_format
from ._C import Generator as Generator
from ._C import InternalError as InternalError
from ._C import Size as Size
from ._C import Tensor as Tensor
from ._C import UntypedStorage as UntypedStorage
from ._C import device as device
from ._C import dtype as dtype
from ._C import layout as layout
from ._C import memory_format as memory_format
from ._comforts.drawing import draw as draw
from ._comforts.finite import check_finite as check_finite
from ._comforts.progress import progress as progress
from ._comforts.summary import summary as summary
from ._dtype_info import finfo as finfo
from ._dtype_info import iinfo as iinfo
from ._legacy import *
from ._tensor_str import set_printoptions as set_printoptions
from .random import fork_rng as fork_rng
from .random import get_rng_state as get_rng_state
from .random import initial_seed as initial_seed
from .random import manual_seed as manual_seed
from .random import seed as seed
from .random import set_rng_state as set_rng_state
from .storage import TypedStorage as TypedStorage

__version__: str
#: dtypes
strided: layout
sparse_coo: layout
sparse_csr: layout
sparse_csc: layout
sparse_bsr: layout
sparse_bsc: layout
jagged: layout
contiguous_format: memory_format
preserve_format: memory_format
channels_last: memory_format
channels_last_3d: memory_format
default_generator: Generator
e: _float
inf: _float
nan: _float
pi: _float
newaxis: None

def tensor(
    data: Any,
    *,
    dtype: DType | None = ...,
    device: DeviceLike | None = ...,
    requires_grad: _bool = ...,
    pin_memory: _bool = ...,
) -> Tensor: ...
def as_tensor(data: Any, dtype: DType | None = ..., device: DeviceLike | None = ...) -> Tensor: ...
def from_numpy(ndarray: Any) -> Tensor: ...
def frombuffer(
    buffer: Any, *, dtype: DType, count: _int = ..., offset: _int = ..., requires_grad: _bool = ...
) -> Tensor: ...
def from_dlpack(ext_tensor: Any) -> Tensor: ...
def to_dlpack(tensor: Tensor) -> Any: ...
def promote_types(type1: dtype, type2: dtype) -> dtype: ...
def can_cast(from_: dtype, to: dtype) -> _bool: ...
def get_default_dtype() -> dtype: ...
def set_default_dtype(d: dtype) -> None: ...
def get_num_threads() -> _int: ...
def set_num_threads(n: _int) -> None: ...
def is_grad_enabled() -> _bool: ...
def is_inference_mode_enabled() -> _bool: ...
def is_tensor(obj: Any) -> _bool: ...
def is_storage(obj: Any) -> _bool: ...
def is_floating_point(input: Tensor) -> _bool: ...
def is_complex(input: Tensor) -> _bool: ...
def is_nonzero(input: Tensor) -> _bool: ...
def numel(input: Tensor) -> _int: ...
def typename(obj: Any) -> str: ...
def feature_level(name: str) -> str: ...
def use_deterministic_algorithms(mode: _bool, *, warn_only: _bool = ...) -> None: ...

#: functions

# Modules that are imported when they are first named, and what other topics add.
def __getattr__(name: str) -> Any: ...

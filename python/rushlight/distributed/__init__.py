"""Programs on several machines or processes: not there. `is_available()` says so, and what programs name without it can be imported.

Calls that need a process group raise UnsupportedError; what is asked before that is answered as in a single process.
"""

from __future__ import annotations

import enum
import importlib
import sys
from typing import Any

from .. import _missing
from . import _parts

__all__ = [
    "Backend", "GroupMember", "ProcessGroup", "ReduceOp", "Store", "Work", "destroy_process_group", "get_backend", "get_rank",
    "get_world_size", "group", "init_process_group", "is_available", "is_gloo_available", "is_initialized", "is_mpi_available",
    "is_nccl_available", "is_torchelastic_launched", "is_ucc_available", "is_xccl_available",
]  # fmt: skip


def is_available() -> bool:
    """False: this build has no backend."""
    return False


def is_initialized() -> bool:
    """Whether there is a process group: never."""
    return False


def is_nccl_available() -> bool:
    """False: this build has no backend."""
    return False


is_gloo_available = is_mpi_available = is_ucc_available = is_xccl_available = is_nccl_available


def is_torchelastic_launched() -> bool:
    """Whether a launcher of PyTorch's started this process."""
    import os

    return "TORCHELASTIC_RUN_ID" in os.environ


class DistError(RuntimeError):
    """What processes raise who work together; programs catch it and its kin."""


class DistBackendError(DistError):
    """An error of the backend."""


class DistNetworkError(DistError):
    """An error of the network."""


class DistStoreError(DistError):
    """An error of the store."""


class QueueEmptyError(DistStoreError):
    """A queue of the store has nothing."""


class DebugLevel(enum.Enum):
    """How much TORCH_DISTRIBUTED_DEBUG asks for."""

    OFF, INFO, DETAIL = range(3)


_debug_level = DebugLevel.OFF


def get_debug_level() -> DebugLevel:
    """What set_debug_level was given; OFF before."""
    return _debug_level


def set_debug_level(level: DebugLevel) -> None:
    """Remembered, for those who ask."""
    global _debug_level
    _debug_level = level


def set_debug_level_from_env() -> None:
    """As TORCH_DISTRIBUTED_DEBUG says."""
    import os

    name = os.environ.get("TORCH_DISTRIBUTED_DEBUG", "OFF").upper()
    if name not in DebugLevel.__members__:
        raise RuntimeError(f"The value of TORCH_DISTRIBUTED_DEBUG must be one of OFF, INFO or DETAIL, got {name}")
    set_debug_level(DebugLevel[name])


def is_backend_available(backend: str) -> bool:
    """False: this build has no backend."""
    return False


def get_pg_count() -> int:
    """0: there is no process group."""
    return 0


def get_node_local_rank(fallback_rank: int | None = None) -> int:
    """LOCAL_RANK, which a launcher sets; `fallback_rank` without one. RuntimeError if neither is there."""
    import os

    if "LOCAL_RANK" in os.environ:
        return int(os.environ["LOCAL_RANK"])
    if fallback_rank is None:
        raise RuntimeError(
            "LOCAL_RANK is not in the environment. Consider passing fallback_rank to allow `get_node_local_rank` to work, "
            "assuming you are not running in a multi-device context and want the code to run locally instead."
        )
    return int(fallback_rank)


def get_default_backend_for_device(device: Any) -> str:
    """The backend that PyTorch takes for a device."""
    kind = str(device).partition(":")[0]
    if kind not in Backend.default_device_backend_map:
        raise ValueError(f"Default backend not registered for device : {device}")
    return Backend.default_device_backend_map[kind]


class ReduceOp(enum.Enum):
    """What reductions over processes compute; programs name them as defaults."""

    SUM, AVG, PRODUCT, MIN, MAX, BAND, BOR, BXOR, PREMUL_SUM = range(9)


ReduceOp.RedOpType = ReduceOp  # type: ignore[attr-defined]


class Backend(str):
    """The name of a backend, in small letters."""

    UNDEFINED, GLOO, NCCL, MPI, UCC, XCCL, FAKE = "undefined", "gloo", "nccl", "mpi", "ucc", "xccl", "fake"
    default_device_backend_map = {"cpu": "gloo", "cuda": "nccl"}

    def __new__(cls, name: str) -> Backend:
        if not isinstance(name, str):
            raise ValueError("Backend constructor parameter must be string-ish")
        return super().__new__(cls, name.lower())


def _no_group(*_: Any, **__: Any) -> Any:
    """Raises UnsupportedError."""
    raise _missing.unsupported(
        "torch.distributed process groups", "run one process: torch.distributed.is_available() is False here"
    )


class ProcessGroup:
    """The type of a group of processes, for annotations: there is none to make."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        _no_group()


class Store:
    """The type of what processes find each other by, for annotations: there is none to make."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        _no_group()


class Work:
    """The type of an operation under way, for annotations: there is none to make."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        _no_group()


class group:  # noqa: N801
    """The group of all processes: none."""

    WORLD = None


class GroupMember:
    """The group of all processes: none."""

    WORLD = None
    NON_GROUP_MEMBER = -100


def _not_initialized(*_: Any, **__: Any) -> Any:
    """Raises ValueError, as PyTorch does where init_process_group() was not called."""
    raise ValueError("Default process group has not been initialized, please make sure to call init_process_group.")


for _name in (
    "get_rank", "get_world_size", "get_backend", "get_process_group_ranks", "destroy_process_group", "barrier", "all_reduce",
    "all_gather", "all_gather_object", "all_gather_into_tensor", "broadcast", "broadcast_object_list", "reduce", "gather",
    "gather_object", "scatter", "reduce_scatter", "reduce_scatter_tensor", "all_to_all", "all_to_all_single", "send", "recv", "isend",
    "irecv", "monitored_barrier", "get_global_rank", "get_group_rank", "batch_isend_irecv", "scatter_object_list",
    "send_object_list", "recv_object_list", "all_gather_coalesced", "all_gather_single", "all_reduce_coalesced",
    "reduce_scatter_single", "new_subgroups", "new_subgroups_by_enumeration", "split_group", "shrink_group", "get_backend_config",
    "breakpoint",
):  # fmt: skip
    globals()[_name] = _not_initialized


class P2POp:
    """The type of one of several transfers, for annotations: there is none to make."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        _no_group()


init_process_group = new_group = PrefixStore = TCPStore = FileStore = HashStore = _no_group


def __getattr__(name: str) -> Any:
    if name.startswith("__"):
        raise AttributeError(name)
    if name == "distributed_c10d" or name in _parts.NAMES:
        return importlib.import_module(f"{__name__}.{name}")
    if name in ("DeviceMesh", "init_device_mesh"):
        return getattr(importlib.import_module(f"{__name__}.device_mesh"), name)
    raise _missing.missing_name(sys.modules[__name__], name)

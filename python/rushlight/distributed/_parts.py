"""The modules below torch.distributed: programs import them, and ask whether something is of their classes. Nothing in them runs.

They are made when they are imported. Names in them are classes, or functions if they start small, that raise UnsupportedError when called.
"""

from __future__ import annotations

import datetime
import importlib.abc
import importlib.machinery
import sys
import types
from typing import Any

from .. import _missing

_PACKAGE = "rushlight.distributed"
_PARTS = {
    "_composable": "fsdp fully_shard replicate",
    "_functional_collectives": "",
    "_shard": "sharded_tensor checkpoint",
    "_tensor": "api device_mesh experimental ops placement_types",
    "_tools": "",
    "algorithms": "_checkpoint ddp_comm_hooks join model_averaging",
    "algorithms._checkpoint": "checkpoint_wrapper",
    "algorithms.ddp_comm_hooks": "default_hooks powerSGD_hook post_localSGD_hook",
    "algorithms.model_averaging": "averagers",
    "autograd": "",
    "c10d_logger": "",
    "checkpoint": "_consolidate_hf_safetensors default_planner filesystem format_utils hf_storage metadata optimizer planner state_dict "
    "state_dict_loader state_dict_saver stateful storage",
    "constants": "",
    "device_mesh": "",
    "elastic": "multiprocessing agent rendezvous utils",
    "elastic.multiprocessing": "api errors",
    "elastic.agent": "server",
    "fsdp": "_common_utils _fully_shard _runtime_utils _traversal_utils api fully_sharded_data_parallel sharded_grad_scaler wrap",
    "launch": "",
    "launcher": "api",
    "nn": "api functional jit",
    "optim": "",
    "pipelining": "schedules stage",
    "remote_device": "",
    "rendezvous": "",
    "rpc": "api backend_registry internal options",
    "run": "",
    "tensor": "_api _utils device_mesh experimental parallel placement_types",
    "tensor.experimental": "_attention",
    "tensor.parallel": "style",
    "utils": "",
}
NAMES = {f"{part}.{name}" for part, names in _PARTS.items() for name in names.split()} | set(_PARTS)
_DECORATORS = {"_require_initialized", "record", "_exception_logger", "_time_logger"}  # give the function back as it is
_VALUES = {"constants.default_pg_timeout": datetime.timedelta(minutes=30)}


def _no(name: str) -> _missing.UnsupportedError:
    return _missing.unsupported(name, "run one process: torch.distributed.is_available() is False here")


class _Kind(type):
    """Of classes whose constants can be named: ShardingStrategy.FULL_SHARD."""

    def __getattr__(cls, name: str) -> Any:
        if name.isupper():
            return f"{cls.__name__}.{name}"
        raise AttributeError(f"type object '{cls.__name__}' has no attribute '{name}'")


def _made(module: str, name: str) -> Any:
    whole = f"torch{module.removeprefix('rushlight')}.{name}"
    if name.lstrip("_")[:1].isupper():

        def __init__(self, *args: Any, **kwargs: Any) -> None:
            raise _no(whole)

        return _Kind(
            name,
            (),
            {"__module__": module, "__init__": __init__, "__doc__": f"{name}: making one raises UnsupportedError."},
        )

    def function(*args: Any, **kwargs: Any) -> Any:
        if name == "is_available":
            return False
        if name in _DECORATORS and len(args) == 1 and callable(args[0]):
            return args[0]
        raise _no(whole)

    function.__module__, function.__name__, function.__qualname__ = module, name, name
    function.__doc__ = "False." if name == "is_available" else "Raises UnsupportedError."
    return function


class _Part(types.ModuleType):
    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        below = f"{self.__name__}.{name}"
        inside = below.removeprefix(f"{_PACKAGE}.")
        value = importlib.import_module(below) if inside in NAMES else _VALUES.get(inside) or _made(self.__name__, name)
        setattr(self, name, value)
        return value


class _Finder(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    def find_spec(self, name: str, path: Any = None, target: Any = None) -> Any:
        if name.startswith(f"{_PACKAGE}.") and name.removeprefix(f"{_PACKAGE}.") in NAMES:
            return importlib.machinery.ModuleSpec(name, self, is_package=True)
        return None

    def create_module(self, spec: Any) -> types.ModuleType:
        return _Part(
            spec.name,
            "Part of torch.distributed, which is not there: names can be imported, calls raise UnsupportedError.",
        )

    def exec_module(self, module: types.ModuleType) -> None:
        pass


sys.meta_path.append(_Finder())

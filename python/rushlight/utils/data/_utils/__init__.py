"""Where PyTorch keeps the parts of DataLoader; programs import some of them from here."""

from ...._utils import ExceptionWrapper
from . import collate, worker

MP_STATUS_CHECK_INTERVAL = 5.0  # seconds that a dropped loader waits for its workers before it ends them
python_exit_status = False
IS_WINDOWS = False
HAS_NUMPY = True

__all__ = ["ExceptionWrapper", "MP_STATUS_CHECK_INTERVAL", "collate", "fetch", "pin_memory", "worker"]


def __getattr__(name: str):
    if name in ("fetch", "pin_memory"):
        import importlib

        return importlib.import_module(f"{__name__}.{name}")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")

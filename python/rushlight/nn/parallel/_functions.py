"""What moves tensors between devices: importable, and on the CPU, which is one device, an error that says so."""

from . import _on_devices

__all__ = ["Broadcast", "Gather", "ReduceAddCoalesced", "Scatter"]


def _class(name: str) -> type:
    return type(name, (), {"apply": staticmethod(_on_devices(name)), "__doc__": "`apply` raises UnsupportedError: the CPU is one device."})  # fmt: skip


Broadcast, Gather, ReduceAddCoalesced, Scatter = map(_class, __all__)


def _get_stream(device: object) -> None:
    """None: copies need no stream here."""

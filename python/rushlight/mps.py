"""MPS as programs ask for it: there is no such device, and the questions say so."""

from ._no_device import functions

globals().update(functions("mps"))
del functions


def current_allocated_memory() -> int:
    """The bytes in use: none."""
    return 0


def driver_allocated_memory() -> int:
    """The bytes taken from the system: none."""
    return 0

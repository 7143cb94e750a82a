"""The random generator that operators use when they are given none."""

from __future__ import annotations

import contextlib

from . import _C
from ._C import Generator, Tensor, default_generator


def manual_seed(seed) -> Generator:
    """Seeds the default generator: the same seed gives the numbers PyTorch gives on the CPU. Those of devices are seeded too."""
    accelerator = _C._accelerator()
    for i in range(_C._device_count(accelerator) if accelerator is not None else 0):
        _C._default_generator(_C.device(accelerator.type, i)).manual_seed(int(seed))
    return default_generator.manual_seed(int(seed))


def seed() -> int:
    """Seeds the default generator from the system's entropy; returns the seed."""
    return default_generator.seed()


def initial_seed() -> int:
    """The seed that the default generator was last seeded with."""
    return default_generator.initial_seed()


def get_rng_state() -> Tensor:
    """The state of the default generator, a uint8 tensor."""
    return default_generator.get_state()


def set_rng_state(new_state: Tensor) -> None:
    """Puts the default generator into a state that get_rng_state gave."""
    default_generator.set_state(new_state)


@contextlib.contextmanager
def fork_rng(devices=None, enabled: bool = True, **_):
    """Puts the generator back as it was at the end of the block."""
    state = get_rng_state()
    try:
        yield
    finally:
        if enabled:
            set_rng_state(state)


def thread_safe_generator() -> Generator | None:
    """The generator of a data loader's worker that is a thread; None elsewhere, which stands for the default one.

    >>> thread_safe_generator() is None
    True
    """
    from .utils.data import get_worker_info

    info = get_worker_info()
    if info is None or getattr(info, "worker_method", "process") != "thread":
        return None
    return getattr(getattr(info, "rng", None), "torch_generator", None)

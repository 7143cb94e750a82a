"""What a dataset can ask about its worker, and the random numbers of workers."""

from __future__ import annotations

import random
import sys
import threading
from dataclasses import dataclass
from typing import Any

import rushlight as rl

__all__ = ["WorkerInfo", "get_worker_info"]


@dataclass(frozen=True, slots=True)
class _RNG:
    """The generators of a worker thread: those of the process belong to all threads at once."""

    random_generator: random.Random
    torch_generator: Any
    numpy_generator: Any = None


@dataclass(frozen=True, slots=True)
class WorkerInfo:
    """What get_worker_info() returns in a worker.

    Attributes:
        id, num_workers: which worker this is, of how many.
        seed: what its generators were seeded with: one number a pass, plus ``id``.
        dataset: the worker's copy of the dataset (in a thread: the dataset itself).
        rng: in a thread, generators of its own (``random_generator``, ``torch_generator``, ``numpy_generator``); else None.
        worker_method: ``"multiprocessing"`` or ``"thread"``.
    """

    id: int
    num_workers: int
    seed: int
    dataset: Any
    rng: _RNG | None = None
    worker_method: str | None = "multiprocessing"


_worker_info: WorkerInfo | None = None  # of a process; a thread's stands in _threads
_threads = threading.local()


def get_worker_info() -> WorkerInfo | None:
    """In a worker of a DataLoader what it is (WorkerInfo), elsewhere None.

    A dataset asks for it to take its share of the work:

    >>> import rushlight as torch
    >>> class Numbers(torch.utils.data.IterableDataset):
    ...     def __iter__(self):
    ...         worker = torch.utils.data.get_worker_info()
    ...         first, step = (0, 1) if worker is None else (worker.id, worker.num_workers)
    ...         return iter(range(first, 6, step))
    >>> [int(x) for x in torch.utils.data.DataLoader(Numbers(), num_workers=2)]
    [0, 1, 2, 3, 4, 5]
    """
    return getattr(_threads, "info", _worker_info)


def set_worker_info(info: WorkerInfo | None) -> None:
    global _worker_info
    if info is None or info.worker_method == "multiprocessing":
        _worker_info = info
    else:
        _threads.info = info


def _generate_state(base_seed: int, worker_id: int, numpy_random: Any = None) -> tuple[int, ...]:
    """What numpy's global generator is seeded with in a worker: numpy's own mixing of the two numbers, in 32-bit words."""
    if numpy_random is None:
        from numpy import random as numpy_random
    words = [worker_id, base_seed & 0xFFFFFFFF, base_seed >> 32, 0]
    return tuple(int(w) for w in numpy_random.SeedSequence(words).generate_state(4))


class _SeedsNumpy:
    """Seeds numpy's generator at its first import, for workers that start without it."""

    def __init__(self, base_seed: int, worker_id: int) -> None:
        self.seeds = base_seed, worker_id

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> Any:
        if name != "numpy.random":
            return None
        import importlib.util

        sys.meta_path.remove(self)  # type: ignore[arg-type]
        spec = importlib.util.find_spec(name)
        if spec is not None and spec.loader is not None:
            load = spec.loader.exec_module

            def load_and_seed(module: Any) -> None:
                load(module)
                module.seed(list(_generate_state(*self.seeds, module)))

            spec.loader.exec_module = load_and_seed  # type: ignore[method-assign]
        return spec


def seed_all(base_seed: int, worker_id: int) -> None:
    """Seeds the generators of this process as PyTorch does in its worker `worker_id`."""
    random.seed(base_seed + worker_id)
    rl.manual_seed(base_seed + worker_id)
    numpy = sys.modules.get("numpy")
    if numpy is not None:
        numpy.random.seed(list(_generate_state(base_seed, worker_id)))
    else:
        sys.meta_path[:] = [f for f in sys.meta_path if type(f) is not _SeedsNumpy]
        sys.meta_path.insert(0, _SeedsNumpy(base_seed, worker_id))  # type: ignore[arg-type]


def generators_of(base_seed: int, worker_id: int) -> _RNG:
    """The generators of a thread, with the seeds of a process."""
    generator = rl.Generator()
    generator.manual_seed(base_seed + worker_id)
    numpy = sys.modules.get("numpy")
    own = None if numpy is None else numpy.random.default_rng(list(_generate_state(base_seed, worker_id)))
    return _RNG(random.Random(base_seed + worker_id), generator, own)


def random_state(rng: _RNG | None = None) -> tuple:
    """The state of this process's generators, or of a thread's."""
    numpy = sys.modules.get("numpy")
    if rng is not None:
        own = None if rng.numpy_generator is None else rng.numpy_generator.bit_generator.state
        return rng.random_generator.getstate(), bytes(rng.torch_generator.get_state().untyped_storage()._bytes()), own
    return (
        random.getstate(),
        rl.get_rng_state().untyped_storage()._bytes(),
        None if numpy is None else _numpy_state(numpy),
    )


def _numpy_state(numpy: Any) -> tuple:
    kind, keys, *rest = numpy.random.get_state()
    return kind, keys.tobytes(), *rest


def set_random_state(state: tuple, rng: _RNG | None = None) -> None:
    python, torch, numpy_state = state
    tensor = rl.frombuffer(bytearray(torch), dtype=rl.uint8)
    if rng is not None:
        rng.random_generator.setstate(python)
        rng.torch_generator.set_state(tensor)
        if numpy_state is not None and rng.numpy_generator is not None:
            rng.numpy_generator.bit_generator.state = numpy_state
        return
    random.setstate(python)
    rl.set_rng_state(tensor)
    if numpy_state is not None:
        import numpy

        kind, keys, *rest = numpy_state
        numpy.random.set_state((kind, numpy.frombuffer(keys, dtype=numpy.uint32), *rest))

"""cuDNN's switches: kept so that programs can set them; no CUDA device is used, so they change nothing."""

import contextlib

enabled = True
benchmark = False
benchmark_limit = 10
deterministic = False
allow_tf32 = True


def is_available() -> bool:
    """Whether cuDNN is used."""
    return False


def version() -> None:
    """cuDNN's version: None."""
    return None


def is_acceptable(tensor) -> bool:
    """Whether cuDNN would take the tensor."""
    return False


@contextlib.contextmanager
def flags(
    enabled=False, benchmark=False, benchmark_limit=10, deterministic=False, allow_tf32=True, fp32_precision="none"
):
    """A context with other switches."""
    names = ("enabled", "benchmark", "benchmark_limit", "deterministic", "allow_tf32")
    before = {name: globals()[name] for name in names}
    given = (enabled, benchmark, benchmark_limit, deterministic, allow_tf32)
    globals().update(zip(names, given, strict=True))
    try:
        yield
    finally:
        globals().update(before)

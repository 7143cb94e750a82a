"""oneDNN, which convolutions run on."""

import contextlib

enabled = True
deterministic = False
allow_tf32 = True


def is_available() -> bool:
    """Whether oneDNN is used."""
    return True


@contextlib.contextmanager
def flags(enabled: bool = False, deterministic: bool = False, allow_tf32: bool = True, fp32_precision: str = "none"):
    """A context with other switches; they change nothing."""
    before = {name: globals()[name] for name in ("enabled", "deterministic", "allow_tf32")}
    globals().update(enabled=enabled, deterministic=deterministic, allow_tf32=allow_tf32)
    try:
        yield
    finally:
        globals().update(before)

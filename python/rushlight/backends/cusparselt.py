"""NVIDIA's library for sparse products: not here."""


def version() -> int | None:
    """None: there is no such library."""
    return None


def is_available() -> bool:
    """False."""
    return False

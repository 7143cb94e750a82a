"""Whether attention may use one fused operator in inference: a switch that programs set; the kernel is the same either way."""

_enabled = True


def get_fastpath_enabled() -> bool:
    """What set_fastpath_enabled set."""
    return _enabled


def set_fastpath_enabled(value: bool) -> None:
    """Remembers the switch."""
    global _enabled
    _enabled = value

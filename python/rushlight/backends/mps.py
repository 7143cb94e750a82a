"""Apple's GPUs: there is none."""


def is_available() -> bool:
    """Whether there is such a device."""
    return False


def is_built() -> bool:
    """Whether this build can use one."""
    return False


def is_macos_or_newer(major: int, minor: int) -> bool:
    """Whether the system is macOS of at least that version."""
    import platform

    if platform.system() != "Darwin":
        return False
    version = [int(n) for n in platform.mac_ver()[0].split(".")[:2]]
    return tuple(version) >= (major, minor)


def is_macos13_or_newer(minor: int = 0) -> bool:
    """Whether the system is macOS 13 or newer."""
    return is_macos_or_newer(13, minor)

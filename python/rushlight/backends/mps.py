"""Whether this library can be used."""


def is_available() -> bool:
    return False

"""The order of products in einsum: from left to right, without the package opt_einsum."""

enabled = False
strategy = None


def is_available() -> bool:
    """Whether the package is used."""
    return False


def get_opt_einsum() -> None:
    """The package: None."""
    return None

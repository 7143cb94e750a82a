"""The named tuples that operators with several results return: torch.return_types.max and its kin."""

from . import _C


def __getattr__(name: str):
    # A type is made with its operator's first call; preparing the operator makes it too.
    if name not in _C._return_types and name in vars(_C._ops):
        _ = vars(_C._ops)[name]._schemas
    try:
        return _C._return_types[name]
    except KeyError:
        raise AttributeError(f"module 'rushlight.return_types' has no attribute '{name}'") from None

"""Special functions."""

from . import _C
from ._namespaces import functions_of

globals().update(functions_of(_C._special, "special_"))

"""Linear algebra."""

from . import _C
from ._namespaces import functions_of

globals().update(functions_of(_C._linalg, "linalg_"))

"""Linear algebra."""

from . import _C
from ._namespaces import functions_of as _functions_of

globals().update(_functions_of(_C._linalg, "linalg_"))

LinAlgError = _C._LinAlgError

"""Linear algebra."""

from . import _C
from ._missing import getattr_of as _getattr_of
from ._namespaces import functions_of as _functions_of

globals().update(_functions_of(_C._linalg, "linalg_"))

LinAlgError = _C._LinAlgError

__getattr__ = _getattr_of(__name__)

"""How operators are written in opset 7: for the exporters that libraries have of their own."""

from ._opset_functions import getattr_of

__getattr__ = getattr_of(__name__)

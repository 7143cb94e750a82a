"""How operators would be exported in opset 17: libraries import the module for exporters of their own."""

from .. import _missing

__getattr__ = _missing.getattr_of(__name__)

"""Passes over graphs."""

from ... import _missing

__getattr__ = _missing.getattr_of(__name__)

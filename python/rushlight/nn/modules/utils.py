"""The place where third-party code looks for these helpers."""

from .._tuples import _ntuple, _pair, _quadruple, _reverse_repeat_tuple, _single, _triple

__all__ = ["_ntuple", "_pair", "_quadruple", "_reverse_repeat_tuple", "_single", "_triple"]

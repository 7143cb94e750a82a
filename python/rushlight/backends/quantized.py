"""The engine whose arithmetic quantised layers follow; every one of them runs on every machine.

It counts when weights are packed: where a layer is quantised, or its file is loaded.

>>> torch.backends.quantized.supported_engines
['qnnpack', 'none', 'onednn', 'x86', 'fbgemm']
"""

from __future__ import annotations

import sys
import types

from .. import _C

_NUMBERS = {"none": 0, "fbgemm": 1, "qnnpack": 2, "onednn": 3, "x86": 4}


class _Module(types.ModuleType):
    supported_engines = ["qnnpack", "none", "onednn", "x86", "fbgemm"]

    @property
    def engine(self) -> str:
        number = _C._quantized_engine()
        return next(name for name, n in _NUMBERS.items() if n == number)

    @engine.setter
    def engine(self, name: str) -> None:
        if name not in _NUMBERS:
            raise RuntimeError(f"{name!r} is not a quantized engine; expected one of {list(_NUMBERS)}")
        _C._set_quantized_engine(_NUMBERS[name])


sys.modules[__name__].__class__ = _Module

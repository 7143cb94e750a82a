"""Learning-rate schedules: each changes the ``lr`` of an optimizer's groups when its ``step`` is called."""

from ..._missing import getattr_of as _getattr_of
from ._base import EPOCH_DEPRECATION_WARNING, LRScheduler, _LRScheduler, _per_group
from ._composite import ChainedScheduler, SequentialLR
from ._cycles import CyclicLR, OneCycleLR
from ._factors import (
    ConstantLR,
    CosineAnnealingLR,
    CosineAnnealingWarmRestarts,
    ExponentialLR,
    LambdaLR,
    LinearLR,
    MultiplicativeLR,
    MultiStepLR,
    PolynomialLR,
    StepLR,
)
from ._plateau import ReduceLROnPlateau

__all__ = [
    "ChainedScheduler",
    "ConstantLR",
    "CosineAnnealingLR",
    "CosineAnnealingWarmRestarts",
    "CyclicLR",
    "ExponentialLR",
    "LRScheduler",
    "LambdaLR",
    "LinearLR",
    "MultiStepLR",
    "MultiplicativeLR",
    "OneCycleLR",
    "PolynomialLR",
    "ReduceLROnPlateau",
    "SequentialLR",
    "StepLR",
]

for _name in (*__all__, "_LRScheduler"):
    globals()[_name].__module__ = __name__  # where pickles look

__getattr__ = _getattr_of(__name__)

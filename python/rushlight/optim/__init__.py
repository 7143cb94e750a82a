"""Optimizers and learning-rate schedules."""

from . import lr_scheduler
from ._others import Adadelta, Adagrad, Adamax, NAdam, RAdam, RMSprop
from .adam import Adam, AdamW
from .optimizer import Optimizer
from .sgd import SGD

__all__ = [
    "SGD",
    "Adadelta",
    "Adagrad",
    "Adam",
    "AdamW",
    "Adamax",
    "NAdam",
    "Optimizer",
    "RAdam",
    "RMSprop",
    "lr_scheduler",
]

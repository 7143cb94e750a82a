"""Timing of statements: a Timer measures, a Compare shows measurements side by side."""

from ._compare import Compare
from ._timer import Language, Measurement, TaskSpec, Timer, timer

__all__ = ["Compare", "Language", "Measurement", "TaskSpec", "Timer", "timer"]

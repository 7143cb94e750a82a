"""What programs ask about PyTorch's compiler: nothing is being compiled."""

from __future__ import annotations

from typing import Any


def active_fake_mode() -> None:
    """The FakeTensorMode at work: none."""
    return None


def detect_fake_mode(inputs: Any = None) -> None:
    """The FakeTensorMode of the inputs: none."""
    return None


class TracingContext:
    """What a compilation keeps: there is none."""

    @staticmethod
    def try_get() -> None:
        return None

"""TorchVersion: a version's text that compares as versions do, with text, tuples and lists of numbers too."""

from __future__ import annotations

import re
from typing import Any

from . import version

__all__ = ["TorchVersion"]

_FORM = re.compile(r"v?(\d+(?:\.\d+)*)(?:[-_.]?(a|alpha|b|beta|c|rc|pre|preview)[-_.]?(\d*))?(?:[-_.]?post(\d*))?"
                   r"(?:[-_.]?dev(\d*))?(?:\+(.+))?", re.IGNORECASE)  # fmt: skip


def _key(value: Any) -> tuple | None:
    """What orders versions as PEP 440 has them; None for what is no version."""
    if isinstance(value, (tuple, list)):
        value = ".".join(map(str, value))
    match = _FORM.fullmatch(str(value).strip())
    if match is None:
        return None
    numbers, phase, phase_number, post, dev, local = match.groups()
    release = [int(n) for n in numbers.split(".")]
    while release and release[-1] == 0:
        release.pop()
    if phase is not None:
        before = ({"a": 0, "b": 1}.get(phase[0].lower(), 2), int(phase_number or 0))
    else:  # a development version without a phase comes before all phases
        before = (-1, 0) if dev is not None and post is None else (9, 0)
    pieces = [] if local is None else [(1, int(p), "") if p.isdigit() else (0, 0, p) for p in local.split(".")]
    return (
        release,
        before,
        -1 if post is None else int(post or 0),
        float("inf") if dev is None else int(dev or 0),
        pieces,
    )


class TorchVersion(str):
    """A version as text.

    >>> TorchVersion("2.13.0+rushlight") >= (2, 9), TorchVersion("2.13.0") > "2.2"
    (True, True)
    """

    def _pair(self, other: Any) -> tuple[Any, Any]:
        mine, theirs = _key(self), _key(other)
        return (str(self), str(other)) if mine is None or theirs is None else (mine, theirs)

    def __eq__(self, other: Any) -> bool:
        if not isinstance(other, (str, tuple, list)) and not hasattr(other, "release"):
            return NotImplemented
        mine, theirs = self._pair(other)
        return mine == theirs

    def __lt__(self, other: Any) -> bool:
        if not isinstance(other, (str, tuple, list)) and not hasattr(other, "release"):
            return NotImplemented
        mine, theirs = self._pair(other)
        return mine < theirs

    def __le__(self, other: Any) -> bool:
        return self < other or self == other

    def __gt__(self, other: Any) -> bool:
        return not self <= other

    def __ge__(self, other: Any) -> bool:
        return not self < other

    __hash__ = str.__hash__


__version__ = TorchVersion(version.torch_version)

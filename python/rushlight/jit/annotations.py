"""Types for the annotations of scripted functions."""

from __future__ import annotations

from typing import Any, Dict, List, Optional, Tuple, Union  # noqa: F401, UP035  (programs take them from here)

from .. import _missing


class _BroadcastingList:
    """BroadcastingList2[int]: a list of that length, or one number for all of its places."""

    def __getitem__(self, types: Any) -> Any:
        return list[types]


BroadcastingList1 = BroadcastingList2 = BroadcastingList3 = _BroadcastingList()

__getattr__ = _missing.getattr_of(__name__)

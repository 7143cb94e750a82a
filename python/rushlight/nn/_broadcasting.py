"""Annotations of what is a list to a script, although one number may be given for all its items."""

from __future__ import annotations

from typing import Any


class _BroadcastingList:
    def __getitem__(self, item: Any) -> Any:
        return Any


BroadcastingList1 = _BroadcastingList()
BroadcastingList2 = _BroadcastingList()
BroadcastingList3 = _BroadcastingList()

"""Forward-mode derivatives, by differentiating twice backwards; see autograd.functional.jvp."""

from __future__ import annotations

__all__: list[str] = []

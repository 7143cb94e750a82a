"""torch._awaits: the type of what torch.jit._awaitable gives."""

from .jit._script import _Await

__all__ = ["Await"]

Await = _Await

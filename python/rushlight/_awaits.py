"""torch._awaits: the type of what torch.jit._awaitable gives."""

from .jit._async import _Await

__all__ = ["Await"]

Await = _Await

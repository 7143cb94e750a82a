"""What `import functorch` gives, which PyTorch installs beside itself: torch.func under its first name, and modules as functions."""

from __future__ import annotations

from typing import Any

__version__ = "2.13.0"
_OF_FUNC = "functional_call grad grad_and_value hessian jacfwd jacrev jvp linearize stack_module_state vjp vmap".split()
_OF_MODULES = "FunctionalModule FunctionalModuleWithBuffers combine_state_for_ensemble make_functional make_functional_with_buffers".split()
__all__ = [*_OF_FUNC, *_OF_MODULES]


def __getattr__(name: str) -> Any:
    if name in _OF_FUNC:
        from .. import func

        return getattr(func, name)
    if name in _OF_MODULES:
        from . import _stateless

        return getattr(_stateless, name)
    import sys

    from .._missing import missing_name

    raise AttributeError(name) if name.startswith("__") else missing_name(sys.modules[__name__], name)

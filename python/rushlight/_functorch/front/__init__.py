"""What `import functorch` gives, which PyTorch installs beside itself: torch.func under its first name, and modules as functions."""

from __future__ import annotations

import functools
import warnings  # imports below are absolute: this module is seen under another package's name
from typing import Any

__version__ = "2.13.0"
_OF_FUNC = "functional_call functionalize grad grad_and_value hessian jacfwd jacrev jvp linearize stack_module_state vjp vmap".split()
_OF_MODULES = "FunctionalModule FunctionalModuleWithBuffers combine_state_for_ensemble make_functional make_functional_with_buffers".split()
__all__ = [*_OF_FUNC, *_OF_MODULES]


@functools.cache
def _with_warning(name: str) -> Any:
    from rushlight import func

    function = getattr(func, name)

    @functools.wraps(function)
    def old(*args: Any, **kwargs: Any) -> Any:
        warnings.warn(
            "We've integrated functorch into PyTorch. As the final step of the integration, "
            f"`functorch.{name}` is deprecated as of PyTorch 2.0 and will be deleted in a future version of PyTorch >= 2.3. "
            f"Please use `torch.{'vmap' if name == 'vmap' else f'func.{name}'}` instead; see the PyTorch 2.0 release notes and/or the `torch.func` migration guide "
            "for more details https://pytorch.org/docs/main/func.migrating.html",
            FutureWarning,
            stacklevel=2,
        )
        return function(*args, **kwargs)

    return old


def __getattr__(name: str) -> Any:
    if name in _OF_FUNC:
        return _with_warning(name)
    if name == "make_fx":
        from rushlight.fx.experimental.proxy_tensor import make_fx

        return make_fx
    if name in _OF_MODULES:
        from rushlight._functorch import _stateless

        return getattr(_stateless, name)
    import sys

    from rushlight._missing import missing_name

    raise AttributeError(name) if name.startswith("__") else missing_name(sys.modules[__name__], name)

"""Images: transforms, models, datasets, operators on boxes and regions. The names are torchvision's, and so are the results.

>>> import rushlight as torch
>>> from rushlight.vision import ops
>>> ops.box_iou(torch.tensor([[0.0, 0, 2, 2]]), torch.tensor([[1.0, 0, 3, 2]]))
tensor([[0.3333]])
"""

from __future__ import annotations

import importlib as _importlib
import sys as _sys
from importlib.util import find_spec as _find_spec

from .. import _missing

__version__ = "0.28.0+rushlight"  # the torchvision whose API this is
_backend = "PIL"


def __getattr__(name: str):
    if not name.startswith("_") and _find_spec(f"{__name__}.{name}") is not None:
        return _importlib.import_module(f"{__name__}.{name}")
    raise _missing.missing_name(_sys.modules[__name__], name)


def __dir__():
    from pkgutil import iter_modules

    return sorted({*globals(), *(m.name for m in iter_modules(__path__) if not m.name.startswith("_"))})


def set_image_backend(backend: str) -> None:
    """How datasets read images: "PIL" or "accimage", which both give PIL's images here."""
    global _backend
    if backend not in ("PIL", "accimage"):
        raise ValueError(f"Invalid backend '{backend}'. Options are 'PIL' and 'accimage'")
    _backend = backend


def get_image_backend() -> str:
    """What set_image_backend() said; "PIL" if nothing."""
    return _backend


def disable_beta_transforms_warning() -> None:
    """Does nothing: there is no such warning."""

"""The old names of what torch.amp has for CUDA."""

from ...amp._old_names import old_names

globals().update(old_names(__name__, "cuda"))
del old_names

from . import autocast_mode, common, grad_scaler  # noqa: E402
from .common import amp_definitely_not_available  # noqa: E402

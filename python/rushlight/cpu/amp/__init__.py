"""The old names of what torch.amp has for the CPU."""

from ...amp._old_names import old_names

globals().update(old_names(__name__, "cpu"))
del old_names

from . import autocast_mode, grad_scaler  # noqa: E402

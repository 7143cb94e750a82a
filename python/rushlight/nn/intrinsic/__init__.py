"""The older name of torch.ao.nn.intrinsic."""

from ...ao.nn.intrinsic import *  # noqa: F403
from ...ao.nn.intrinsic import __getattr__, qat, quantized  # noqa: F401

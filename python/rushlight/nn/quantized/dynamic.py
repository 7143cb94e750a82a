"""The older name of torch.ao.nn.quantized.dynamic."""

from ...ao.nn.quantized.dynamic import *  # noqa: F403
from ...ao.nn.quantized.dynamic import __getattr__  # noqa: F401

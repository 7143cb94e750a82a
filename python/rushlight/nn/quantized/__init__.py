"""The older name of torch.ao.nn.quantized."""

from ...ao.nn.quantized import *  # noqa: F403
from ...ao.nn.quantized import __getattr__, dynamic  # noqa: F401

"""The older name of torch.ao.nn.qat."""

from ..ao.nn.qat import *  # noqa: F403
from ..ao.nn.qat import __getattr__  # noqa: F401

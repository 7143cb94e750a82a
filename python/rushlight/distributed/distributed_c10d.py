"""Where PyTorch defines the names of torch.distributed; programs import them from here too."""

from . import *  # noqa: F403
from . import __getattr__, _not_initialized  # noqa: F401

_get_default_group = _get_global_rank = _not_initialized
_pg_map: dict = {}

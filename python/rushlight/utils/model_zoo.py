"""The older name of torch.hub's checkpoints."""

from ..hub import load_state_dict_from_url as load_url

__all__ = ["load_url"]


def __getattr__(name: str):
    from .. import hub

    return getattr(hub, name)

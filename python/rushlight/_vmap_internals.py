"""Where vmap was before torch.func."""

from ._functorch.vmap import vmap

_vmap = vmap

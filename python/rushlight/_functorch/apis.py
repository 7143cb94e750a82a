"""torch.func's transforms, under the name of the module that PyTorch has them in."""

from ..func import grad, grad_and_value, vmap  # noqa: F401

"""torch.func's transforms, under the name of the module that PyTorch has them in."""

from ..func import grad, grad_and_value, hessian, jacfwd, jacrev, jvp, linearize, vjp  # noqa: F401

"""Transforms of functions: gradients, products with Jacobians, batches; they nest in each other."""

from ._batch import vmap
from ._grad import grad, grad_and_value, hessian, jacfwd, jacrev, jvp, vjp
from ._modules import functional_call, stack_module_state

__all__ = [
    "functional_call",
    "grad",
    "grad_and_value",
    "hessian",
    "jacfwd",
    "jacrev",
    "jvp",
    "stack_module_state",
    "vjp",
    "vmap",
]

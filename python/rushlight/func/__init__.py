"""Transforms of functions: gradients, products with Jacobians, batches; they nest in each other."""

from .._functorch.vmap import vmap
from ._functionalize import functionalize
from ._grad import grad, grad_and_value, hessian, jacfwd, jacrev, jvp, vjp
from ._modules import functional_call, stack_module_state
from ._more import debug_unwrap, linearize, rearrange, replace_all_batch_norm_modules_

__all__ = [
    "debug_unwrap",
    "functional_call",
    "functionalize",
    "grad",
    "grad_and_value",
    "hessian",
    "jacfwd",
    "jacrev",
    "jvp",
    "linearize",
    "rearrange",
    "replace_all_batch_norm_modules_",
    "stack_module_state",
    "vjp",
    "vmap",
]

"""torch.func's transforms, under the name of the module that PyTorch has them in."""

from typing import Any

from ..func import grad, grad_and_value, hessian, jacfwd, jacrev, jvp, linearize, vjp  # noqa: F401
from ..func._grad import _check_argnums


def _slice_argnums(args: tuple, argnums: int | tuple[int, ...], as_tuple: bool = True) -> Any:
    """The arguments that `argnums` names. RuntimeError if it names none, one twice, or one that isn't there.

    >>> _slice_argnums((1, 2, 3), (0, -1))
    (1, 3)
    """
    places = _check_argnums(argnums, len(args))
    if isinstance(argnums, int) and not as_tuple:
        return args[places[0]]
    return tuple(args[i] for i in places)

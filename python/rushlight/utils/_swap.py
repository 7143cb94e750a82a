"""torch.utils.swap_tensors."""

from __future__ import annotations

import copyreg
import weakref
from typing import Any

from rushlight import _C, Tensor


def _poison(_: Any) -> None:
    raise RuntimeError(
        "Trying to execute AccumulateGrad node that was poisoned by swap_tensors: the tensor was exchanged for another between "
        "forward and backward (module.to() with set_swap_module_params_on_conversion(True)). Convert the module before forward, "
        "or after backward."
    )


def swap_tensors(t1: Tensor, t2: Tensor) -> None:
    """Two tensors change places: whoever holds one holds the other from then on, its class, values, gradient and attributes.

    Raises RuntimeError where that would break something: weak references to one of them, views of it or graphs that saved it, or
    classes whose ``__slots__`` differ.

    >>> import rushlight as torch
    >>> a, b = torch.zeros(1), torch.ones(2)
    >>> torch.utils.swap_tensors(a, b)
    >>> a
    tensor([1., 1.])
    """
    for name, t in (("t1", t1), ("t2", t2)):
        if not isinstance(t, Tensor):
            raise TypeError(f"swap_tensors: expected {name} to be a Tensor, got {type(t).__name__}")
        if weakref.getweakrefs(t):
            raise RuntimeError(f"Cannot swap {name} because it has weakref associated with it")
    slots = [set(copyreg._slotnames(type(t))) for t in (t1, t2)]  # type: ignore[attr-defined]
    if slots[0] != slots[1]:
        raise RuntimeError(
            f"Cannot swap t1 and t2 if they have different slots: {sorted(slots[0])} and {sorted(slots[1])}"
        )
    for name, t in (("t1", t1), ("t2", t2)):
        if t._use_count() > 1:
            raise RuntimeError(
                f"Expected use_count of {name} to be 1 but got {t._use_count()}: make sure you are not holding references to "
                "the tensor in other places, as views of it or graphs that saved it."
            )
        if _C._graph_leads_to(t):
            _C._gradient_edge(t)[0].register_prehook(_poison)
    held = [{name: getattr(t, name) for name in slots[0] if hasattr(t, name)} for t in (t1, t2)]
    classes, states = (type(t1), type(t2)), (t1.__dict__, t2.__dict__)
    Tensor._swap_tensors(t1, t2)
    for t, other in ((t1, 1), (t2, 0)):
        t.__class__ = classes[other]
        t.__dict__ = states[other]
        for name in slots[0]:
            if name in held[other]:
                setattr(t, name, held[other][name])
            elif hasattr(t, name):
                delattr(t, name)
        Tensor._class_changed(t)


__all__ = ["swap_tensors"]

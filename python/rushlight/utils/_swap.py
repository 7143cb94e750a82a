"""torch.utils.swap_tensors."""

from __future__ import annotations

import copyreg
import weakref

from rushlight import Tensor


def swap_tensors(t1: Tensor, t2: Tensor) -> None:
    """Two tensors change places: whoever holds one holds the other from then on, its class, values, gradient and attributes.

    Raises RuntimeError where that would break something: weak references to one of them, or classes whose ``__slots__`` differ.

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

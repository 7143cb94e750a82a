"""freeze and what may be done to a module that no longer changes."""

from __future__ import annotations

from typing import Any

from .. import _C
from ._script import RecursiveScriptModule, ScriptModule


def freeze(mod: Any, preserved_attrs: list[str] | None = None, optimize_numerics: bool = True) -> RecursiveScriptModule:
    """A module with only ``forward``, in which what ``mod`` holds is constant: shorter, faster, and no longer to be trained.

    Args:
        mod: a scripted or traced module in eval mode.
        preserved_attrs: attributes ("scale", "conv.weight") that stay, and methods besides forward.
        optimize_numerics: batch_norm after a convolution becomes part of its weights, which changes results by rounding.
    Errors: RuntimeError for a module that is not compiled, or is being trained.

    >>> import rushlight as torch
    >>> frozen = torch.jit.freeze(torch.jit.script(torch.nn.Linear(2, 1).eval()))
    >>> len(list(frozen.parameters())), frozen(torch.ones(3, 2)).shape
    (0, torch.Size([3, 1]))
    """
    if not isinstance(mod, ScriptModule):
        raise RuntimeError(
            "Freezing expects a ScriptModule as input. Please use torch.jit.script or torch.jit.trace to script your 'nn.Module'."
        )
    if mod.training:
        raise RuntimeError(
            "Freezing is currently only implemented for modules in eval mode. Please call .eval() on your module before freezing."
        )
    methods, attributes = _preserved(mod._c, preserved_attrs or [])
    for name in attributes:
        value = mod
        for part in name.split("."):
            if not hasattr(value, part):
                raise AttributeError(f"freeze: the module has no attribute or method '{name}'")
            value = getattr(value, part)
    return _wrapped(_C._freeze(mod._c, methods, attributes, bool(optimize_numerics)))


def _preserved(compiled: Any, names: Any) -> tuple[list[str], list[str]]:
    """The methods, forward among them, and the attributes that names ("scale", "conv.weight", "head.scaled") are of."""
    methods = ["forward"] if "forward" in compiled._methods() else []
    attributes = []
    for name in names:
        owner, _, last = name.rpartition(".")
        at = compiled
        for part in owner.split(".") if owner else ():
            at = at._get(part) if at is not None and at._kinds().get(part) == "module" else None
        (methods if at is not None and last in at._methods() else attributes).append(name)
    return methods, attributes


def _wrapped(compiled: Any) -> RecursiveScriptModule:
    frozen = RecursiveScriptModule(compiled)
    if "training" in frozen.__dict__:
        frozen.__dict__["training"] = False
    return frozen


def run_frozen_optimizations(
    mod: RecursiveScriptModule, optimize_numerics: bool = True, preserved_methods: list[str] | None = None
) -> None:
    """What freeze does unless ``optimize_numerics=False`` told it not to: folds into weights what stands beside them.

    >>> import rushlight as torch
    >>> net = torch.nn.Sequential(torch.nn.Conv2d(1, 1, 1), torch.nn.BatchNorm2d(1)).eval()
    >>> frozen = torch.jit.freeze(torch.jit.script(net), optimize_numerics=False)
    >>> torch.jit.run_frozen_optimizations(frozen)
    >>> "batch_norm" in str(frozen.graph)
    False
    """
    if not isinstance(mod, ScriptModule):
        raise RuntimeError("run_frozen_optimizations: expected a frozen ScriptModule")
    for name in ["forward", *(preserved_methods or ())] if optimize_numerics else ():
        if name in mod._c._methods():
            mod._c._method(name).graph._pass("optimize_frozen_graph")


def optimize_for_inference(mod: Any, other_methods: list[str] | None = None) -> RecursiveScriptModule:
    """Freezes a compiled module, in eval mode, if it is not yet frozen; ``other_methods`` stay beside forward.

    >>> import rushlight as torch
    >>> torch.jit.optimize_for_inference(torch.jit.script(torch.nn.Dropout())).training
    False
    """
    if not isinstance(mod, ScriptModule):
        raise RuntimeError(
            "optimize_for_inference expects a ScriptModule as input. Please use torch.jit.script or torch.jit.trace to script your 'nn.Module'."
        )
    if "training" in mod._kinds:
        mod = freeze(mod.eval(), preserved_attrs=other_methods)
    return mod

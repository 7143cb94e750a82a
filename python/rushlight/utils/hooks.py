"""Handles for registered hooks, and the autograd points where a module's backward hooks fire."""

from __future__ import annotations

import warnings
import weakref
from collections import OrderedDict
from typing import Any

import rushlight

__all__ = ["BackwardHook", "RemovableHandle", "unserializable_hook"]


class RemovableHandle:
    """Removes a hook from the dictionary it was registered in, and its flags from ``extra_dict``."""

    id: int
    next_id: int = 0

    def __init__(self, hooks_dict: Any, *, extra_dict: Any = None) -> None:
        self.hooks_dict_ref = weakref.ref(hooks_dict)
        self.id = RemovableHandle.next_id
        RemovableHandle.next_id += 1
        extra = [] if extra_dict is None else extra_dict if isinstance(extra_dict, list) else [extra_dict]
        self.extra_dict_ref = tuple(weakref.ref(d) for d in extra)

    def remove(self) -> None:
        for ref in (self.hooks_dict_ref, *self.extra_dict_ref):
            hooks = ref()
            if hooks is not None:
                hooks.pop(self.id, None)

    def __getstate__(self) -> tuple:
        return self.hooks_dict_ref(), self.id, tuple(ref() for ref in self.extra_dict_ref)

    def __setstate__(self, state: tuple) -> None:
        # A fresh dictionary dies at once, which leaves the handle pointing at nothing.
        self.hooks_dict_ref = weakref.ref(OrderedDict() if state[0] is None else state[0])
        self.id = state[1]
        RemovableHandle.next_id = max(RemovableHandle.next_id, self.id + 1)
        self.extra_dict_ref = tuple(weakref.ref(d) for d in state[2] or ()) if len(state) > 2 else ()

    def __enter__(self) -> RemovableHandle:
        return self

    def __exit__(self, *exc: Any) -> None:
        self.remove()


def unserializable_hook(f: Any) -> Any:
    """Marks a hook that is dropped without a warning when its tensor is saved."""
    f.__torch_unserializable__ = True
    return f


def _point_function() -> Any:
    """The autograd function is made on first use: most programs register no backward hook."""
    global _BackwardHookFunction
    if _BackwardHookFunction is None:

        class BackwardHookFunction(rushlight.autograd.Function):
            """Identity whose backward passes the gradients through ``on_grads``."""

            @staticmethod
            def forward(ctx: Any, on_grads: Any, *tensors: Any) -> Any:
                ctx.on_grads = on_grads
                passed = tuple(t.view_as(t) for t in tensors)
                ctx.mark_non_differentiable(*[p for p, t in zip(passed, tensors, strict=True) if not t.requires_grad])
                return passed

            @staticmethod
            def backward(ctx: Any, *grads: Any) -> Any:
                return (None, *ctx.on_grads(grads))

        _BackwardHookFunction = BackwardHookFunction
    return _BackwardHookFunction


_BackwardHookFunction: Any = None


class BackwardHook:
    """One call of a module that has backward hooks.

    Wraps the module's inputs and outputs in identity nodes. The node at the outputs sees grad_output first and keeps
    it; the node at the inputs sees grad_input last and calls the user's hooks with both. Non-tensors appear as None.
    """

    def __init__(self, module: Any, user_hooks: list, user_pre_hooks: list) -> None:
        self.module = module
        self.user_hooks = user_hooks
        self.user_pre_hooks = user_pre_hooks
        self.grad_outputs: tuple | None = None
        self.n_inputs = -1
        self.n_outputs = -1
        self.input_tensors_index: list | None = None
        self.output_tensors_index: list | None = None

    def _wrap(self, args: tuple, on_grads: Any) -> tuple:
        index = [i for i, a in enumerate(args) if isinstance(a, rushlight.Tensor)]
        tensors = [args[i] for i in index]
        if not (any(t.requires_grad for t in tensors) and rushlight.is_grad_enabled()):
            return args, None
        wrapped = list(args)
        for i, t in zip(index, _point_function().apply(on_grads, *tensors), strict=True):
            wrapped[i] = t
        return (tuple(wrapped) if type(args) is tuple else type(args)(*wrapped)), index

    @staticmethod
    def _spread(index: list, values: Any, size: int) -> tuple:
        full = [None] * size
        for i, value in zip(index, values, strict=True):
            full[i] = value
        return tuple(full)

    def setup_input_hook(self, args: tuple) -> tuple:
        self.n_inputs = len(args)
        args, self.input_tensors_index = self._wrap(args, self._on_grad_inputs)
        return args

    def setup_output_hook(self, result: Any) -> Any:
        outputs = result if isinstance(result, tuple) else (result,)
        self.n_outputs = len(outputs)
        outputs, self.output_tensors_index = self._wrap(outputs, self._on_grad_outputs)
        return outputs if isinstance(result, tuple) else outputs[0]

    def _on_grad_inputs(self, grads: tuple) -> tuple:
        if self.grad_outputs is None:  # the gradient came by a way round the module's output: double backward
            return grads
        index = self.input_tensors_index or []
        grad_inputs = self._spread(index, grads, self.n_inputs)
        for hook in self.user_hooks:
            changed = hook(self.module, grad_inputs, self.grad_outputs)
            if changed is None:
                continue
            if isinstance(changed, rushlight.Tensor):
                changed = (changed,)
            if len(changed) != len(grad_inputs):
                raise RuntimeError(
                    "Backward hook returned an invalid number of grad_input, "
                    f"got {len(changed)}, but expected {len(grad_inputs)}"
                )
            grad_inputs = changed
        self.grad_outputs = None
        return tuple(grad_inputs[i] for i in index)

    def _on_grad_outputs(self, grads: tuple) -> tuple:
        index = self.output_tensors_index or []
        grad_outputs = self._spread(index, grads, self.n_outputs)
        for pre_hook in self.user_pre_hooks:
            changed = pre_hook(self.module, grad_outputs)
            if changed is None:
                continue
            if isinstance(changed, rushlight.Tensor):
                changed = (changed,)
            if len(changed) != len(grad_outputs):
                raise RuntimeError(
                    "Backward pre hook returned an invalid number of grad_output, "
                    f"got {len(changed)}, but expected {len(grad_outputs)}"
                )
            grad_outputs = changed
        self.grad_outputs = grad_outputs
        if self.input_tensors_index is None:
            self._fire_without_inputs(grad_outputs)
        return tuple(grad_outputs[i] for i in index)

    def _fire_without_inputs(self, grad_outputs: tuple) -> None:
        if self.user_hooks:
            warnings.warn(
                "Full backward hook is firing when gradients are computed with respect to module outputs since no "
                "inputs require gradients. See https://docs.pytorch.org/docs/main/generated/torch.nn.Module.html"
                "#torch.nn.Module.register_full_backward_hook for more details.",
                stacklevel=5,
            )
        for hook in self.user_hooks:
            changed = hook(self.module, (None,) * self.n_inputs, grad_outputs)
            if changed is not None and not (isinstance(changed, tuple) and all(c is None for c in changed)):
                raise RuntimeError(
                    "Backward hook for Modules where no input requires "
                    "gradient should always return None or None for all gradients."
                )
        self.grad_outputs = None

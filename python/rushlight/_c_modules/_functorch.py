"""torch._C._functorch: what programs ask of the tensors that vmap and grad hand to functions."""

from __future__ import annotations

from rushlight._functorch.vmap import _add_batch_dim, _remove_batch_dim, _running  # noqa: F401

from rushlight import _C, Tensor


def is_batchedtensor(tensor: Tensor) -> bool:
    """Whether it stands for one example of a batch that vmap runs."""
    found = _C._wrapped(tensor)
    return found is not None and found[1]


def is_gradtrackingtensor(tensor: Tensor) -> bool:
    """Whether it is what grad, vjp or jvp differentiate by, or was computed from that."""
    found = _C._wrapped(tensor)
    return found is not None and not found[1]


def is_legacy_batchedtensor(tensor: Tensor) -> bool:
    return False


is_functionaltensor = is_legacy_batchedtensor


def is_functorch_wrapped_tensor(tensor: Tensor) -> bool:
    return _C._wrapped(tensor) is not None


def get_unwrapped(tensor: Tensor) -> Tensor:
    """What the innermost transform's tensor wraps."""
    found = _C._wrapped(tensor)
    if found is None:
        raise RuntimeError("No wrappers present!")
    return found[0].movedim(0, tensor._batch_dim) if hasattr(tensor, "_batch_dim") else found[0]


def maybe_get_bdim(tensor: Tensor) -> int:
    """Which dimension of `get_unwrapped` is the batch; -1 if there is none."""
    return getattr(tensor, "_batch_dim", 0) if is_batchedtensor(tensor) else -1


def dlevel(tensor: Tensor) -> int:
    """Which of the transforms around, 1 the outermost, differentiates by it; 0 if none does, -1 if that one has ended."""
    return max(_C._wrapper_level(tensor), -1) if is_gradtrackingtensor(tensor) else 0


def maybe_get_level(tensor: Tensor) -> int:
    """The number of the vmap whose tensor it is; -1 if it is none's."""
    return next((number for number, level in list(_running.items()) if level.owns(tensor)), -1)


def maybe_current_level() -> int | None:
    return max(_running, default=None)


_fallback = True


def _is_vmap_fallback_enabled() -> bool:
    """Whether vmap runs operators without a rule for batches example by example."""
    return _fallback


def _set_vmap_fallback_enabled(enabled: bool) -> None:
    """Remembered, for those who ask: such operators run example by example all the same."""
    global _fallback
    _fallback = enabled

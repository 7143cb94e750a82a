"""How tensors travel between processes: the file descriptor of their memory, and how they view it."""

from __future__ import annotations

from multiprocessing import reduction
from multiprocessing.reduction import ForkingPickler
from typing import Any

import rushlight

from ..storage import TypedStorage

__all__ = ["init_reductions", "reduce_storage", "reduce_tensor"]


def reduce_storage(storage: Any) -> tuple:
    """Moves it to shared memory, and says how the other process maps that."""
    if storage.device.type == "meta":
        return type(storage), (storage.nbytes(), "meta")
    if storage.nbytes() == 0:
        return rushlight.UntypedStorage, (0,)
    storage.share_memory_()
    return _rebuild_storage, (reduction.DupFd(storage._shared_descriptor()), storage.nbytes())


def _rebuild_storage(descriptor: Any, nbytes: int) -> Any:
    return rushlight.UntypedStorage._from_descriptor(descriptor.detach(), nbytes)


def reduce_typed_storage(storage: TypedStorage) -> tuple:
    return _rebuild_typed_storage, (storage.untyped(), storage.dtype)


def _rebuild_typed_storage(storage: Any, dtype: Any) -> TypedStorage:
    return TypedStorage(wrap_storage=storage, dtype=dtype)


def reduce_tensor(tensor: Any) -> tuple:
    """Its class, its memory and its view of it."""
    if tensor.requires_grad and not tensor.is_leaf:
        raise RuntimeError(
            "Cowardly refusing to serialize non-leaf tensor which requires_grad, since autograd does not support "
            "crossing process boundaries.  If you just want to transfer the data, call detach() on the tensor before "
            "serializing (e.g., putting it on the queue)."
        )
    reduced = tensor.detach() if tensor.requires_grad else tensor
    if tensor.device.type not in ("cpu", "meta"):
        raise RuntimeError(
            f"torch.multiprocessing: expected a tensor on the CPU, got one on {tensor.device}; send tensor.cpu()"
        )
    view = reduced.untyped_storage(), tensor.dtype, tensor.storage_offset(), tuple(tensor.size()), tensor.stride()
    return _rebuild_tensor, (type(tensor), view, tensor.requires_grad, dict(getattr(tensor, "__dict__", {})))


def _rebuild_tensor(cls: type, view: tuple, requires_grad: bool, attributes: dict) -> Any:
    tensor = rushlight.Tensor._rebuild(*view)
    if cls is rushlight.nn.Parameter:
        tensor = rushlight.nn.Parameter(tensor, requires_grad=requires_grad)
    else:
        if cls is not rushlight.Tensor:
            tensor = tensor.as_subclass(cls)
        tensor.requires_grad_(requires_grad)
    if attributes:
        tensor.__dict__.update(attributes)
    return tensor


def init_reductions() -> None:
    """Tells Python's pickler of arguments, queues and pipes."""
    ForkingPickler.register(rushlight.UntypedStorage, reduce_storage)
    ForkingPickler.register(TypedStorage, reduce_typed_storage)
    for cls in (rushlight.Tensor, rushlight.nn.Parameter):
        ForkingPickler.register(cls, reduce_tensor)

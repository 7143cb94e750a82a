"""Values taken from PyTorch to rushlight and back, bit for bit."""

import functools
import types

import torch

import rushlight as rl

# numpy lacks these, so they travel as integers of their width.
AS_INTEGER = {torch.bfloat16: torch.int16, torch.complex32: torch.int32}
# What a sparse tensor consists of, by its layout.
PARTS = {
    torch.sparse_coo: ("_indices", "_values"),
    torch.sparse_csr: ("crow_indices", "col_indices", "values"),
}
BACK = {rl.bfloat16: (rl.int16, torch.bfloat16), rl.complex32: (rl.int32, torch.complex32)}


def resolve(path):
    """The object at a dotted path below rushlight; None if there is none."""
    try:
        return functools.reduce(getattr, path.split("."), rl)
    except AttributeError:
        return None


def counterpart(function, name):
    """What op_db calls, on rushlight: a function of PyTorch's by its name, a lambda with `torch` meaning rushlight."""
    if isinstance(function, types.FunctionType) and function.__module__.startswith("torch.testing"):
        around = {
            **function.__globals__,
            "torch": rl,
            "wrapper_set_seed": lambda f, *args, **kwargs: f(*args, **kwargs),
        }
        code, defaults, closure = function.__code__, function.__defaults__, function.__closure__
        new = types.FunctionType(code, around, function.__name__, defaults, closure)
        new.__kwdefaults__ = function.__kwdefaults__
        return new
    if isinstance(function, functools.partial):
        return functools.partial(counterpart(function.func, name), *function.args, **function.keywords)
    if getattr(function, "__objclass__", None) is torch._C.TensorBase:  # double, whose function's name is a dtype's
        name = f"Tensor.{name}"
    found = resolve(name)
    assert found is not None, f"rushlight lacks {name}"
    return found


def sparse_maker(module, layout):
    return getattr(module, f"{str(layout).removeprefix('torch.')}_tensor")


def to_rushlight(value, storages=None):
    """A fresh counterpart of a value or a nest of them; a tensor keeps strides and requires_grad.

    With a dict for `storages` (filled by address), what shares memory in PyTorch does so in rushlight.
    """
    if isinstance(value, torch.Tensor) and value.layout in PARTS:
        parts = [to_rushlight(getattr(value.detach(), name)()) for name in PARTS[value.layout]]
        return sparse_maker(rl, value.layout)(*parts, tuple(value.shape)).requires_grad_(value.requires_grad)
    if isinstance(value, torch.Tensor):
        dense = value.detach().resolve_conj().resolve_neg()
        address = (dense.untyped_storage().data_ptr(), dense.dtype)
        new = storages.get(address) if storages else None
        if new is None:
            storage = dense.new_empty(0).set_(dense.untyped_storage()).clone()
            through = AS_INTEGER.get(value.dtype)
            new = rl.from_numpy((storage.view(through) if through else storage).numpy())
            if through:
                new = new.view(to_rushlight(value.dtype))
            if storages is not None and address[0]:
                storages[address] = new
        new = new.as_strided(dense.shape, dense.stride(), dense.storage_offset())
        return new.requires_grad_() if value.requires_grad else new
    if isinstance(value, (torch.dtype, torch.memory_format, torch.layout)):
        return getattr(rl, str(value).removeprefix("torch."))
    if isinstance(value, torch.device):
        return rl.device(str(value))
    if isinstance(value, torch.Size):
        return rl.Size(value)
    if isinstance(value, torch.Generator):
        return rl.Generator().manual_seed(value.initial_seed())
    if isinstance(value, slice):
        return slice(*map(to_rushlight, (value.start, value.stop, value.step)))
    if isinstance(value, (list, tuple)):
        return type(value)(to_rushlight(item, storages) for item in value)
    if isinstance(value, dict):
        return {key: to_rushlight(item, storages) for key, item in value.items()}
    return value


def to_torch(value):
    """The way back, for results."""
    if isinstance(value, rl.Tensor):
        if value.layout in (rl.sparse_coo, rl.sparse_csr):
            layout = getattr(torch, str(value.layout).removeprefix("torch."))
            parts = [to_torch(getattr(value.detach(), name)()) for name in PARTS[layout]]
            return sparse_maker(torch, layout)(*parts, tuple(value.shape))
        dense = value.detach().resolve_conj().resolve_neg()
        through, dtype = BACK.get(value.dtype, (None, None))
        if through:
            return torch.from_numpy(dense.contiguous().view(through).numpy()).view(dtype)
        return torch.from_numpy(dense.numpy())
    if isinstance(value, (list, tuple)):
        return [to_torch(item) for item in value]
    if isinstance(value, dict):
        return {key: to_torch(item) for key, item in value.items()}
    return value


def tensors(value, kind):
    """The tensors in a nest, in order."""
    if isinstance(value, kind):
        return [value]
    if isinstance(value, dict):
        value = list(value.values())
    return [t for item in value for t in tensors(item, kind)] if isinstance(value, (list, tuple)) else []

"""Parameters, buffers and submodules by their dotted names: read, exchanged, deleted."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import rushlight as rl

_MISSING: Any = object()  # what stood where nothing did


def _owner_of(module: rl.nn.Module, name: str) -> dict | None:
    return next((d for d in (module._parameters, module._buffers) if name in d), None)


def exchange(module: rl.nn.Module, name: str, value: Any) -> Any:
    """Puts a tensor, None or nothing (_MISSING) under a module's name, and gives back what stood there."""
    if value is not _MISSING and value is not None and not isinstance(value, rl.Tensor):
        raise TypeError(f"{value} is not an instance of torch.Tensor")
    owner = _owner_of(module, name)
    if owner is not None:
        was = owner[name]
        if value is _MISSING:
            del owner[name]
        else:
            owner[name] = value
        return was
    was = getattr(module, name, _MISSING)
    if was is not _MISSING and was is not None and not isinstance(was, rl.Tensor):
        raise TypeError(f"attribute `{name}`: {was} is not an instance of torch.Tensor")
    if value is not _MISSING:
        setattr(module, name, value)
    elif was is not _MISSING:
        delattr(module, name)
    return was


def swap_tensor(module: rl.nn.Module, name: str, tensor: Any, allow_missing: bool = False) -> Any:
    """Puts the tensor in the place of that name, which may be a plain attribute, and gives what was there."""
    if "." in name:
        raise KeyError('tensor name can\'t contain "."')
    if name == "":
        raise KeyError('tensor name can\'t be empty string ""')
    if _owner_of(module, name) is None:
        was = getattr(module, name, _MISSING)
        if was is _MISSING and not allow_missing:
            raise AttributeError(f"{module._get_name()} has no attribute `{name}`")
        if was is None:
            raise TypeError(f"attribute `{name}`: {was} is not an instance of torch.Tensor")
    return exchange(module, name, tensor)


def set_tensor(module: rl.nn.Module, name: str, tensor: rl.Tensor) -> None:
    """Puts the tensor in the place of that name."""
    swap_tensor(module, name, tensor, allow_missing=True)


def swap_submodule(module: rl.nn.Module, name: str, submodule: rl.nn.Module) -> rl.nn.Module:
    """Puts the module in the place of that name, and gives the one that was there."""
    if not isinstance(submodule, rl.nn.Module):
        raise TypeError(f"{submodule} is not an instance of torch.nn.Module")
    if "." in name:
        raise KeyError('submodule name can\'t contain "."')
    if name not in module._modules:
        raise AttributeError(f"{module._get_name()} has no attribute `{name}`")
    was = module._modules[name]
    module._modules[name] = submodule
    return was


class NamedMemberAccessor:
    """A module's tensors and submodules by their whole names.

    >>> import rushlight as torch
    >>> named = NamedMemberAccessor(torch.nn.Sequential(torch.nn.Linear(2, 3)))
    >>> named.get_tensor("0.weight").shape
    torch.Size([3, 2])
    """

    def __init__(self, module: rl.nn.Module):
        self.module = module

    def get_submodule(self, name: str) -> rl.nn.Module:
        module = self.module
        for part in name.split(".") if name else ():
            found = getattr(module, part, None)
            if found is None:
                raise AttributeError(f"{module._get_name()} has no attribute `{part}`")
            if not isinstance(found, rl.nn.Module):
                raise TypeError(f"submodule `{name}`: {found} is not an instance of torch.nn.Module")
            module = found
        return module

    def _place(self, name: str) -> tuple[rl.nn.Module, str]:
        prefix, _, last = name.rpartition(".")
        return self.get_submodule(prefix), last

    def swap_submodule(self, path: str, value: rl.nn.Module) -> rl.nn.Module:
        return swap_submodule(*self._place(path), value)

    def get_tensor(self, name: str) -> rl.Tensor:
        module, last = self._place(name)
        found = getattr(module, last, _MISSING)
        if found is _MISSING:
            raise AttributeError(f"{module._get_name()} has no attribute `{last}`")
        if not isinstance(found, rl.Tensor) and found is not None:
            raise TypeError(f"{found} is not an instance of torch.Tensor")
        return found

    def set_tensor(self, name: str, value: rl.Tensor) -> None:
        set_tensor(*self._place(name), value)

    def del_tensor(self, name: str) -> None:
        swap_tensor(*self._place(name), _MISSING)

    def swap_tensor(self, name: str, value: Any, allow_missing: bool = False) -> Any:
        return swap_tensor(*self._place(name), value, allow_missing)

    def get_tensors(self, names: Iterable[str]) -> list[rl.Tensor]:
        return [self.get_tensor(name) for name in names]

    def set_tensors(self, names: Iterable[str], values: Iterable[rl.Tensor]) -> None:
        for name, value in zip(names, values, strict=True):
            self.set_tensor(name, value)

    def set_tensors_dict(self, named_tensors: dict[str, rl.Tensor]) -> None:
        for name, value in named_tensors.items():
            self.set_tensor(name, value)

    def del_tensors(self, names: Iterable[str]) -> None:
        for name in names:
            self.del_tensor(name)

    def swap_tensors(self, names: Iterable[str], values: Iterable[Any], allow_missing: bool = False) -> list[Any]:
        return [self.swap_tensor(n, v, allow_missing) for n, v in zip(names, values, strict=True)]

    def swap_tensors_dict(
        self, named_tensors: dict[str, Any], allow_missing: bool = False
    ) -> tuple[dict[str, Any], list[str]]:
        """(what was there, the names where nothing was). Where one can't be exchanged, those before it are put back."""
        was: dict[str, Any] = {}
        missing = []
        try:
            for name, value in named_tensors.items():
                was[name] = self.swap_tensor(name, value, allow_missing=True)
                if was[name] is _MISSING:
                    missing.append(name)
            if missing and not allow_missing:
                raise RuntimeError(f"Missing key(s): {', '.join(map(repr, missing))}.")
        except Exception:
            for name, value in was.items():
                self.swap_tensor(name, value, allow_missing=True)
            raise
        return was, missing

    def check_keys(self, keys: Iterable[str]) -> tuple[list[str], list[str]]:
        """(the module's names that are not among the keys, the keys that the module lacks)."""
        given, own = set(keys), {name for name, _ in self.named_tensors(remove_duplicate=False)}
        return sorted(own - given), sorted(given - own)

    def named_parameters(self, remove_duplicate: bool = True) -> Iterator[tuple[str, rl.Tensor]]:
        yield from self.module.named_parameters(remove_duplicate=remove_duplicate)

    def named_buffers(self, remove_duplicate: bool = True) -> Iterator[tuple[str, rl.Tensor]]:
        yield from self.module.named_buffers(remove_duplicate=remove_duplicate)

    def named_tensors(self, remove_duplicate: bool = True) -> Iterator[tuple[str, rl.Tensor]]:
        yield from self.named_parameters(remove_duplicate)
        yield from self.named_buffers(remove_duplicate)

    def named_modules(self, remove_duplicate: bool = True) -> Iterator[tuple[str, rl.nn.Module]]:
        yield from self.module.named_modules(remove_duplicate=remove_duplicate)

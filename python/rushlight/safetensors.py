"""safetensors files, without the package of that name.

>>> import rushlight as torch, tempfile, os
>>> path = os.path.join(tempfile.mkdtemp(), "m.safetensors")
>>> torch.safetensors.save_file({"x": torch.arange(3)}, path, metadata={"format": "pt"})
>>> torch.safetensors.load_file(path)
{'x': tensor([0, 1, 2])}
"""

from __future__ import annotations

import os
from typing import Any

import rushlight

from . import _C

__all__ = ["load", "load_file", "load_model", "safe_open", "save", "save_file", "save_model"]


def save(tensors: dict[str, Any], metadata: dict[str, str] | None = None) -> bytes:
    """The file's bytes. Errors: ValueError for tensors that share memory, or a dtype that the format lacks."""
    return _C._safetensors_save(_checked(tensors), metadata or {}, None)


def save_file(tensors: dict[str, Any], filename: Any, metadata: dict[str, str] | None = None) -> None:
    """Writes a file, as a whole or not at all. Errors as ``save``, OSError naming the path."""
    _C._safetensors_save(_checked(tensors), metadata or {}, os.fspath(filename))


def _checked(tensors: dict[str, Any]) -> dict[str, Any]:
    if not isinstance(tensors, dict):
        raise ValueError(f"Expected a dict of [str, torch.Tensor] but received {type(tensors)}")
    owners: dict[int, str] = {}
    for name, t in tensors.items():
        if not isinstance(t, rushlight.Tensor):
            raise ValueError(f"Key `{name}` is invalid, expected torch.Tensor but received {type(t)}")
        if t.is_meta or t.numel() == 0:
            continue
        first = owners.setdefault(t.untyped_storage()._cdata, name)
        if first != name:
            raise RuntimeError(
                f"tensors {first!r} and {name!r} share memory, which a safetensors file can't say; save a clone() of one, or leave "
                "one out (save_model does)"
            )
    return {name: t.detach() for name, t in tensors.items()}


def load(data: bytes) -> dict[str, Any]:
    """The tensors of a file's bytes. Errors: RuntimeError for a damaged file."""
    return _C._safetensors_load(data, False, None)[0]


def load_file(filename: Any, device: Any = "cpu") -> dict[str, Any]:
    """The tensors of a file. Errors: FileNotFoundError, RuntimeError for a damaged file."""
    open(filename, "rb").close()
    found = _C._safetensors_load(os.fspath(filename), False, None)[0]
    device = rushlight.device(device)
    return found if device.type == "cpu" else {name: t.to(device) for name, t in found.items()}


def save_model(
    model: Any, filename: Any, metadata: dict[str, str] | None = None, force_contiguous: bool = True
) -> None:
    """Writes a module's state dict; of tensors that are one under several names the first name in order is kept."""
    kept, seen = {}, {}
    about = dict(metadata or {})
    for name, t in sorted(model.state_dict().items()):
        key = (t.untyped_storage()._cdata, t.storage_offset(), tuple(t.shape), t.stride())
        if key in seen and t.numel():
            about[name] = seen[key]
        else:
            seen[key] = name
            kept[name] = t
    save_file(kept, filename, about)


def load_model(model: Any, filename: Any, strict: bool = True, device: Any = "cpu") -> tuple[list[str], list[str]]:
    """Loads what ``save_model`` wrote; the lists of missing and unexpected names."""
    found = load_file(filename, device)
    own = model.state_dict(keep_vars=True)
    shared: dict[Any, list[str]] = {}
    for name, t in own.items():
        shared.setdefault((t.untyped_storage()._cdata, t.storage_offset(), tuple(t.shape)), []).append(name)
    missing, unexpected = model.load_state_dict(found, strict=False)
    others = {n for names in shared.values() if any(n in found for n in names) for n in names}
    missing = [n for n in missing if n not in others]
    if strict and (missing or unexpected):
        raise RuntimeError(
            f"Error(s) in loading state_dict for {type(model).__name__}:"
            + (f"\n    Missing key(s) in state_dict: {missing}" if missing else "")
            + (f"\n    Unexpected key(s) in state_dict: {unexpected}" if unexpected else "")
        )
    return missing, unexpected


class safe_open:
    """A file whose tensors are read when they are asked for.

    >>> with safe_open(path, framework="pt") as f:  # doctest: +SKIP
    ...     f.keys(), f.get_tensor("x")
    """

    def __init__(self, filename: Any, framework: str = "pt", device: Any = "cpu") -> None:
        if framework not in ("pt", "torch", "pytorch"):
            raise ValueError(f"safe_open: framework {framework!r} is not supported; use 'pt'")
        open(filename, "rb").close()
        self._path, self._device = os.fspath(filename), rushlight.device(device)
        self._entries = _C._safetensors_entries(self._path)

    def __enter__(self) -> safe_open:
        return self

    def __exit__(self, *exception: Any) -> None:
        pass

    def keys(self) -> list[str]:
        """The names of the tensors."""
        return sorted(self._entries)

    def offset_keys(self) -> list[str]:
        """The names of the tensors, as they lie in the file."""
        return list(self._entries)

    def metadata(self) -> dict[str, str] | None:
        """The strings that were saved beside the tensors, or None."""
        return _C._safetensors_load(self._path, True, ())[1] or None

    def get_tensor(self, name: str) -> Any:
        """One tensor. Errors: KeyError."""
        if name not in self._entries:
            raise KeyError(f"File does not contain tensor {name}")
        return _C._safetensors_load(self._path, False, (name,))[0][name].to(self._device)

    def get_slice(self, name: str) -> _Slice:
        """A tensor of which only a part will be asked for, by indexing."""
        if name not in self._entries:
            raise KeyError(f"File does not contain tensor {name}")
        return _Slice(self, name)


class _Slice:
    def __init__(self, file: safe_open, name: str) -> None:
        self._file, self._name = file, name

    def get_shape(self) -> list[int]:
        return list(self._file._entries[self._name][1])

    def get_dtype(self) -> str:
        return self._file._entries[self._name][0]

    def __getitem__(self, index: Any) -> Any:
        mapped = _C._safetensors_load(self._file._path, True, (self._name,))[0][self._name]
        return mapped[index].clone().to(self._file._device)

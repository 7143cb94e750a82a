"""Files and databases: csv tables, numpy's files, the files of MNIST and CIFAR, folders of pictures.

Readers run in C++ (`rushlight/data`), take paths or bytes, and answer damage with one error that names the file and the place in it.
"""

from __future__ import annotations

import importlib

_PLACES = {
    **dict.fromkeys(("read_csv", "Table"), "_tables"),
    **dict.fromkeys(
        ("load_npy", "load_npz", "read_cifar", "read_idx", "save_npy", "save_npz", "scan_folder"), "_arrays"
    ),
}
__all__ = sorted(_PLACES)


def __getattr__(name: str):
    if name not in _PLACES:
        raise AttributeError(f"module 'rushlight.data' has no attribute '{name}'")
    value = getattr(importlib.import_module(f"rushlight.data.{_PLACES[name]}"), name)
    globals()[name] = value
    return value


def __dir__():
    return __all__

"""Files and databases: csv tables, numpy's files, the files of MNIST and CIFAR, folders of pictures, LMDB and LevelDB.

Readers run in C++ (`rushlight/data`), take paths or bytes, and answer damage with one error that names the file and the place in it.
"""

from __future__ import annotations

import importlib

_PLACES = {
    name: module
    for module, names in {
        "_tables": "read_csv Table",
        "_arrays": "load_npy load_npz read_cifar read_idx save_npy save_npz scan_folder",
        "_databases": "Database DatabaseDataset decode_record encode_datum encode_tensors make_db meanings open_db",
        "_show": "Shown contact_sheet show",
    }.items()
    for name in names.split()
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

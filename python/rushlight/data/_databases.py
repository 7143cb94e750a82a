"""LMDB and LevelDB: opened, read and written; records of pictures and tensors in them."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from typing import Any

from .. import _data
from ..utils.data import Dataset

_KEYS, _VALUES, _ITEMS = 0, 1, 2


class Batch:
    """Writes that happen together or not at all, when the `with` block of `Database.write` ends; none if it raises."""

    def __init__(self, db: Database):
        self._db, self._changes = db, _data._Batch()

    def put(self, key, value) -> None:
        """Writes a value (bytes, or str as UTF-8) under a key."""
        self._changes.put(key, value)

    def delete(self, key) -> None:
        """Removes the key, if it is there."""
        self._changes.delete(key)

    def get(self, key, default=None):
        """The value that the batch would leave under the key."""
        found = self._changes.find(key)
        if found is None:
            return self._db.get(key, default)
        return default if found[0] is None else found[0]

    __setitem__ = put
    __delitem__ = delete

    def __len__(self) -> int:
        return len(self._changes)


class _Writing:
    def __init__(self, db: Database, sync: bool):
        self.db, self.sync = db, sync

    def __enter__(self) -> Batch:
        self.batch = Batch(self.db)
        return self.batch

    def __exit__(self, kind, value, trace) -> None:
        if kind is None:
            self.db._write(self.batch._changes, self.sync)


class Cursor:
    """A place in the order of keys, over the database as it was when the cursor was made.

    `first`, `last`, `next`, `prev` and `seek(key)` (to the first entry whose key is not below) move it and say whether it is on an entry;
    `key` and `value` are that entry's.
    """

    def __init__(self, walk):
        self._walk = walk
        self.first, self.last, self.next, self.prev, self.seek = walk.first, walk.last, walk.next, walk.prev, walk.seek

    key = property(lambda self: self._walk.key(), doc="The entry's key. IndexError where there is none.")
    value = property(lambda self: self._walk.value(), doc="The entry's value. IndexError where there is none.")

    def __bool__(self) -> bool:
        return self._walk.valid()


class Database(_data._Database):
    """A mapping from bytes to bytes in LMDB or LevelDB; made by `open_db`. Keys may be str, which stand for their UTF-8.

    May be used from several threads, and pickled: the copy opens the database again, to read. A forked child of a process that has an LMDB open may go on
    using it; a LevelDB can be open in one process only, and says so.
    """

    def __init__(self, path: str, kind: str, write: bool, create: bool, name: str, verify: bool):
        folder = not path.endswith((".mdb", ".lmdb"))
        super().__init__(path, kind, write, create, folder, name, verify)
        self.path, self._name = path, name

    def _each(self, what: int, start, stop, prefix, reverse: bool) -> Iterator:
        if prefix is not None:
            if start is not None or stop is not None:
                raise ValueError("a prefix stands in the place of start and stop")
            start = prefix.encode() if isinstance(prefix, str) else bytes(prefix)
            head = start.rstrip(b"\xff")  # what follows all keys that begin so
            stop = head[:-1] + bytes([head[-1] + 1]) if head else None
        walk = self._walk()
        if reverse:
            # From the last below stop down to start.
            if stop is None:
                walk.last()
            elif walk.seek(stop):
                walk.prev()
            else:
                walk.last()
            stop = start
        elif start is not None:
            walk.seek(start)
        return walk.entries(what, reverse, stop)

    def keys(self, start=None, stop=None, prefix=None, reverse: bool = False) -> Iterator[bytes]:
        """The keys in order: those from `start` on and below `stop`, or those that begin with `prefix`; backwards if `reverse`."""
        return self._each(_KEYS, start, stop, prefix, reverse)

    def values(self, start=None, stop=None, prefix=None, reverse: bool = False) -> Iterator[bytes]:
        """The values, as `keys`."""
        return self._each(_VALUES, start, stop, prefix, reverse)

    def items(self, start=None, stop=None, prefix=None, reverse: bool = False) -> Iterator[tuple[bytes, bytes]]:
        """Pairs of key and value, as `keys`."""
        return self._each(_ITEMS, start, stop, prefix, reverse)

    __iter__ = keys

    def cursor(self) -> Cursor:
        """A cursor on the first entry."""
        return Cursor(self._walk())

    def write(self, sync: bool = True) -> _Writing:
        """A transaction: `with db.write() as batch: batch.put(key, value)`. On the disk when the block ends, if `sync`."""
        return _Writing(self, sync)

    def put(self, key, value) -> None:
        """Writes one entry; for many, `write` is faster by far."""
        with self.write() as batch:
            batch.put(key, value)

    def delete(self, key) -> None:
        """Removes an entry, if it is there."""
        with self.write() as batch:
            batch.delete(key)

    __setitem__ = put
    __delitem__ = delete

    def __enter__(self) -> Database:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __reduce__(self):
        return open_db, (self.path, "r", self.kind, self._name)

    def __repr__(self) -> str:
        return f"Database({self.path!r})"


def open_db(path, mode: str = "r", kind: str | None = None, name: str = "", verify: bool = False) -> Database:
    """Opens an LMDB or LevelDB.

    Args:
        mode: "r" to read, "w" to read and write what is there, "a" to make it where nothing is.
        kind: "lmdb" or "leveldb"; by default what lies there, and LMDB for a new one. A new LMDB whose path ends with ".mdb" or ".lmdb" is a file, else
            a folder with data.mdb in it.
        name: of a database inside of an LMDB that has several.
        verify: compares the checksum of each block of a LevelDB that is read, which costs half of the speed. LMDB has no checksums; it looks at
            every page for what would lead the library astray, else at the first 65536 (values of more than 2 KB lie outside of them).

    Raises OSError where nothing can be opened, RuntimeError for a damaged or half-written database, NotImplementedError if the library is missing.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder, open_db(folder + "/db", "a") as db:
    ...     with db.write() as batch:
    ...         batch.put("b", b"2")
    ...         batch.put("a", b"1")
    ...     list(db.items())
    [(b'a', b'1'), (b'b', b'2')]
    """
    if mode not in ("r", "w", "a"):
        raise ValueError(f"open_db: expected mode r, w or a, got {mode!r}")
    path = os.fspath(path)
    return Database(path, kind or "", mode != "r", mode == "a", name, verify)


# ---- records ----


def encode_datum(image, label: int | None = None) -> bytes:
    """Caffe's `Datum` around a picture: a uint8 or float32 tensor (C, H, W), or the bytes of a PNG or JPEG file, which stay as they are."""
    if isinstance(image, (bytes, bytearray, memoryview)):
        info = _data.image_info(image)
        return _data.encode_datum(bytes(image), label, (info["channels"], info["height"], info["width"]))
    return _data.encode_datum(image, label)


def encode_tensors(tensors) -> bytes:
    """Caffe2's `TensorProtos` of tensors: a sequence, or a mapping whose names are kept."""
    if isinstance(tensors, Mapping):
        return _data.encode_tensors(list(tensors.values()), list(tensors))
    return _data.encode_tensors(list(tensors))


def decode_record(record: bytes, where: str = "decode_record") -> Any:
    """What `encode_datum` and `encode_tensors` wrote, or Caffe and Caffe2 did.

    Returns (picture, label) for a Datum, label None where it has none; a dict of tensors for TensorProtos whose tensors have names, else their tuple.

    >>> decode_record(encode_datum(torch.ones(1, 1, 2, dtype=torch.uint8), 7))
    (tensor([[[1, 1]]], dtype=torch.uint8), 7)
    """
    kind, tensors, names, label = _data.decode_record(record, where)
    if kind == "datum":
        return tensors[0], label
    return dict(zip(names, tensors)) if names and all(names) and len({*names}) == len(names) else tuple(tensors)


class DatabaseDataset(Dataset):
    """The entries of a database as a map-style data set, in the order of their keys.

    Args:
        path: an LMDB or LevelDB; it is opened at first use, in each worker for itself. (LevelDB allows one process, so no workers.)
        decode: makes a sample of a value. Default: `decode_record`.
        transform: applied to each sample.
    """

    def __init__(self, path, decode=None, transform=None):
        self.path, self.decode, self.transform = os.fspath(path), decode, transform
        self._db: Database | None = None
        self._keys: list[bytes] | None = None

    def _database(self) -> Database:
        if self._db is None:
            self._db = open_db(self.path)
        return self._db

    @property
    def keys(self) -> list[bytes]:
        """The keys, read once."""
        if self._keys is None:
            self._keys = list(self._database().keys())
        return self._keys

    def __len__(self) -> int:
        return len(self._database()) if self._keys is None else len(self._keys)

    def __getitem__(self, index: int):
        return self._sample(self.keys[index], self._database()[self.keys[index]])

    def __getitems__(self, indices: list[int]) -> list:
        keys = [self.keys[i] for i in indices]
        return [self._sample(k, v) for k, v in zip(keys, self._database().get_many(keys))]

    def _sample(self, key: bytes, value: bytes):
        sample = self.decode(value) if self.decode else decode_record(value, f"'{self.path}', key {key!r}")
        return self.transform(sample) if self.transform else sample

    def __getstate__(self):
        return {**self.__dict__, "_db": None}


_COMMIT = 1000  # entries, or
_COMMIT_BYTES = 64 << 20


def make_db(
    source, path, kind: str = "lmdb", *, types=None, label: str = "label", limit: int = -1, skip_errors: bool = False
) -> dict:
    """Makes a database of records from a folder of pictures by class, or from a csv file.

    A folder's pictures become Caffe `Datum`s around the files' own bytes, with the class's number as label; "%08d_class/name" is the key, so that the
    order is that of the folder. A csv file's rows become Caffe2 `TensorProtos`, a tensor for each column (text columns as categories), "%08d" is the
    key. What the labels mean stands in labels.json beside the database's own files (`meanings` reads it).

    Args:
        kind: "lmdb" or "leveldb".
        types: of a csv file's columns, as `read_csv` takes them.
        limit: entries at the most.
        skip_errors: leaves out pictures and rows that are damaged, and counts them.

    Returns counts: entries, errors, classes. Raises RuntimeError that names the file (and line) of what is damaged, FileExistsError if something is at `path`.
    """
    import json

    source, path = os.fspath(source), os.fspath(path)
    if os.path.exists(path):
        raise FileExistsError(f"make_db: '{path}' is there already")
    counts = {"entries": 0, "errors": 0, "classes": 0}
    if os.path.isdir(source):
        meta, entries = _folder_entries(source, counts, skip_errors)
    else:
        meta, entries = _table_entries(source, types, counts, skip_errors)
    with open_db(path, "a", kind) as db:
        batch, waiting = Batch(db), 0
        for key, value in entries:
            if counts["entries"] == limit:
                break
            batch.put(key, value)
            counts["entries"] += 1
            waiting += len(value)
            if len(batch) >= _COMMIT or waiting >= _COMMIT_BYTES:
                db._write(batch._changes, False)
                batch, waiting = Batch(db), 0
        db._write(batch._changes, True)
    with open(_meaning_file(path), "w") as file:
        json.dump(meta, file, indent=1)
    return counts


def _meaning_file(path: str) -> str:
    """Where the classes of a database stand: beside its own files, which take no notice of it."""
    return os.path.join(path, "labels.json") if os.path.isdir(path) else path + ".json"


def meanings(path) -> dict:
    """What `make_db` wrote beside a database: {"classes": [...]} or {"categories": {column: [...]}}; empty for other databases."""
    import json

    file = _meaning_file(os.fspath(path))
    if not os.path.exists(file):
        return {}
    with open(file) as opened:
        return json.load(opened)


def _folder_entries(source: str, counts: dict, skip_errors: bool):
    from ._arrays import scan_folder

    classes, files = scan_folder(source)
    if not files:
        raise RuntimeError(f"make_db: folder '{source}' has no pictures in folders of classes")
    counts["classes"] = len(classes)

    def entries():
        for i, (file, label) in enumerate(files):
            with open(file, "rb") as opened:
                data = opened.read()
            try:
                _data.read_image(file)  # all of it: a damaged one would be found in training
            except RuntimeError:
                if not skip_errors:
                    raise
                counts["errors"] += 1
                continue
            yield f"{i:08d}_{classes[label]}/{os.path.basename(file)}", encode_datum(data, label)

    return {"classes": classes}, entries()


def _table_entries(source: str, types, counts: dict, skip_errors: bool):
    from ._tables import read_csv

    table = read_csv(source, types, skip_errors=skip_errors)
    texts = [name for name, v in table.items() if isinstance(v, list)]
    if texts:
        named = dict(types) if isinstance(types, Mapping) else {}
        table = read_csv(source, {**named, **dict.fromkeys(texts, "category")}, skip_errors=skip_errors)
    counts["errors"] = table.errors
    counts["classes"] = sum(len(c) for c in table.categories.values())

    def entries():
        columns = dict(table)
        for i in range(table.rows):
            yield f"{i:08d}", encode_tensors({name: values[i] for name, values in columns.items()})

    return {"categories": table.categories}, entries()

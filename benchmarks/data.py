"""Files and databases against the plain packages, in turns in one process: ratios of CPU time, the best of several.

    PYTHONPATH=FOLDER ./dev python benchmarks/data.py [csv|lmdb|leveldb|png ...]

FOLDER has pandas, lmdb and plyvel (`pip install --no-deps --target FOLDER ...`); what is missing is left out.
"""

from __future__ import annotations

import random
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

import rushlight as torch
from rushlight.data import open_db, read_csv

ROWS, ENTRIES, VALUE = 1_000_000, 20_000, 3_000


def cpu_time(f: Callable) -> float:
    start = time.process_time()
    f()
    return time.process_time() - start


def compare(name: str, ours: Callable, theirs: Callable, times: int = 9) -> None:
    """Both in turns, so that what else the machine does slows both."""
    pairs = [(cpu_time(ours), cpu_time(theirs)) for _ in range(times)]
    mine, other = min(a for a, _ in pairs), min(b for _, b in pairs)
    print(f"{name:32} {mine * 1e3:8.1f} ms, theirs {other * 1e3:8.1f} ms: {other / mine:.2f} times as fast", flush=True)


def csv(folder: Path) -> None:
    import pandas

    rng, names = np.random.default_rng(0), ["cat", "dog", "bird", "fish", "cow"]
    numbers, whole, kinds = rng.normal(size=(ROWS, 4)), rng.integers(0, 100_000, (ROWS, 2)), rng.integers(0, 5, ROWS)
    file = folder / "table.csv"
    with open(file, "w") as out:
        out.write("a,b,c,d,e,f,label\n")
        for (a, b, c, d), (e, f), k in zip(numbers.tolist(), whole.tolist(), kinds.tolist()):
            out.write(f"{a:.6f},{b:.6f},{c!r},{d:.3f},{e},{f},{names[k]}\n")
    torch.set_num_threads(1)

    def ours():
        table = read_csv(file, {"label": "category"})
        return table.tensor(*"abcdef"), table["label"]

    def theirs():
        table = pandas.read_csv(file, dtype={"label": "category"})
        codes = table["label"].cat.codes.to_numpy("int64", copy=True)
        return torch.from_numpy(table[list("abcdef")].to_numpy("float32", copy=True)), torch.from_numpy(codes)

    for mine, other in zip(ours(), theirs()):
        assert torch.allclose(mine, other)
    compare("csv, 10^6 rows into tensors", ours, theirs, 3)


def fill(path: Path, kind: str) -> list[bytes]:
    rng = np.random.default_rng(0)
    with open_db(path, "a", kind) as db:
        for first in range(0, ENTRIES, 1000):
            with db.write(sync=False) as batch:
                for i in range(first, first + 1000):
                    batch.put(f"{i:08d}", rng.bytes(VALUE))
    keys = [f"{i:08d}".encode() for i in range(ENTRIES)]
    random.Random(0).shuffle(keys)
    return keys


def database(folder: Path, kind: str, scan: Callable, get: Callable) -> None:
    keys = fill(folder / kind, kind)
    with open_db(folder / kind) as db:
        compare(f"{kind}, all in order", lambda: sum(len(v) for _, v in db.items()), scan)
        compare(f"{kind}, all by key, shuffled", lambda: [db[k] for k in keys] and None, lambda: get(keys))


def lmdb(folder: Path) -> None:
    import lmdb as plain

    fill(folder / "other", "lmdb")
    with plain.open(str(folder / "other"), readonly=True) as env, env.begin() as txn:
        database(
            folder,
            "lmdb",
            lambda: sum(len(v) for _, v in txn.cursor()),
            lambda keys: [txn.get(k) for k in keys] and None,
        )


def leveldb(folder: Path) -> None:
    import plyvel

    fill(folder / "other", "leveldb")
    db = plyvel.DB(str(folder / "other"))
    database(folder, "leveldb", lambda: sum(len(v) for _, v in db), lambda keys: [db.get(k) for k in keys] and None)
    db.close()


def png(folder: Path) -> None:
    import io

    from PIL import Image
    from rushlight.vision.io import decode_image

    pixels = np.random.default_rng(0).integers(0, 255, (16, 16, 3), dtype=np.uint8)
    image = Image.fromarray(pixels).resize((64, 64), Image.Resampling.BICUBIC)
    for kind in ("PNG", "JPEG"):
        file = io.BytesIO()
        image.save(file, kind)
        data = file.getvalue()

        def ours(d=data):
            return [decode_image(d) for _ in range(500)]

        def theirs(d=data):
            return [
                torch.from_numpy(np.array(Image.open(io.BytesIO(d)))).permute(2, 0, 1).contiguous() for _ in range(500)
            ]

        compare(f"{kind}, 64 x 64, 500 of them", ours, theirs)


if __name__ == "__main__":
    for name in sys.argv[1:] or ["csv", "lmdb", "leveldb", "png"]:
        try:
            with tempfile.TemporaryDirectory() as temporary:
                {"csv": csv, "lmdb": lmdb, "leveldb": leveldb, "png": png}[name](Path(temporary))
        except ImportError as error:
            print(f"{name}: {error}")

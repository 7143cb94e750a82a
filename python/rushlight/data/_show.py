"""What is in a file, folder or database: `rushlight data show PATH`."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Any

import rushlight

from .. import _data
from ._arrays import PICTURES, load_npy, load_npz, read_cifar, read_idx, scan_folder
from ._databases import decode_record, meanings, open_db
from ._tables import read_csv

_SOUNDS = (".aif", ".aiff", ".au", ".flac", ".oga", ".ogg", ".opus", ".wav")
_TABLES = {".csv": ",", ".tsv": "\t"}


class Shown:
    """`lines` say what is there; `pictures` gives its first pictures, uint8 (C, H, W)."""

    def __init__(self, kind: str, lines: list[str], pictures: Iterable = ()):
        self.kind, self.lines, self.pictures = kind, lines, pictures


def _sizes(count: Counter, what: str) -> str:
    most = ", ".join(f"{shape} x{n}" if n > 1 else shape for shape, n in count.most_common(5))
    return f"{what}: {most}{', ...' if len(count) > 5 else ''}"


def _labels(count: Counter, names: list[str] | None = None) -> str:
    shown = (
        f"{names[k] if names and isinstance(k, int) and 0 <= k < len(names) else k}: {n}"
        for k, n in sorted(count.items(), key=str)[:20]
    )
    return f"labels: {', '.join(shown)}{', ...' if len(count) > 20 else ''}"


def _tensor(t) -> str:
    return f"{str(t.dtype).rsplit('.', 1)[-1]} {tuple(t.shape)}"


def _as_picture(t) -> Any:
    """A tensor as a picture, where it looks like one: (H, W), (C, H, W) or (H, W, C)."""
    if t.dim() == 3 and t.shape[2] in (1, 3, 4) and t.shape[0] not in (1, 3, 4):
        t = t.permute(2, 0, 1)
    if t.dim() == 2:
        t = t[None]
    if t.dim() != 3 or t.shape[0] > 4 or 0 in t.shape or t.is_complex():
        return None
    if t.dtype == rushlight.uint8:
        return t
    t = t.double()
    low, high = t.min(), t.max()
    return ((t - low) / (high - low if high > low else 1) * 255).to(rushlight.uint8)


def _pictures_of(t) -> Iterator:
    """A tensor's pictures: each of its first dimension, where those look like pictures."""
    if t.dim() >= 3 and not (t.dim() == 3 and (t.shape[0] in (1, 3, 4) or t.shape[2] in (1, 3, 4))):
        yield from (p for p in map(_as_picture, t) if p is not None)
    elif t.dim() in (2, 3) and (picture := _as_picture(t)) is not None:
        yield picture


def _image(path: str) -> Shown:
    i = _data.image_info(path)
    turned = f", EXIF orientation {i['orientation']}" if i["orientation"] != 1 else ""
    return Shown(f"{i['kind']} picture", [f"{i['width']} x {i['height']} pixels, {i['channels']} channels of {i['bits']} bits{turned}"],
                 (p for p in [_data.read_image(path)]))  # fmt: skip


def _sound(path: str) -> Shown:
    rate, frames, channels, bits, encoding, kind = _data.audio_info(path)
    depth = f" of {bits} bits" if bits else ""
    return Shown(
        f"{kind} sound",
        [f"{frames} frames at {rate} Hz ({frames / rate:.2f} s), {channels} channels, {encoding}{depth}"],
    )


def _table(path: str, delimiter: str) -> Shown:
    table = read_csv(path, delimiter=delimiter, skip_errors=True)
    lines = [
        f"{table.rows} rows, {len(table)} columns" + (f", {table.errors} bad rows left out:" if table.errors else "")
    ]
    lines += [f"  {text}" for text in table.error_texts[:5]]
    for name, values in table.items():
        if isinstance(values, list):
            distinct = Counter(values)
            examples = ", ".join(repr(v) for v, _ in distinct.most_common(5))
            lines.append(f"  {name}: text, {len(distinct)} different: {examples}{', ...' if len(distinct) > 5 else ''}")
        else:
            numbers = values.double()
            known = numbers[~numbers.isnan()]
            span = f", {known.min().item():g} to {known.max().item():g}" if known.numel() else ""
            missing = f", {values.numel() - known.numel()} missing" if known.numel() < values.numel() else ""
            lines.append(f"  {name}: {str(values.dtype).rsplit('.', 1)[-1]}{span}{missing}")
    return Shown("csv table", lines)


def _database(path: str) -> Shown:
    db = open_db(path)
    shapes: Counter = Counter()
    labels: Counter = Counter()
    kinds: Counter = Counter()
    errors: list[str] = []
    count, size = 0, 0
    for key, value in db.items():
        count, size = count + 1, size + len(value)
        try:
            record = decode_record(value, f"key {key!r}")
        except RuntimeError as error:
            kinds["bytes"] += 1
            errors.append(str(error))
            continue
        if isinstance(record, tuple) and len(record) == 2 and (record[1] is None or isinstance(record[1], int)):
            kinds["Datum"] += 1
            shapes[_tensor(record[0])] += 1
            if record[1] is not None:
                labels[record[1]] += 1
        else:
            kinds["TensorProtos"] += 1
            tensors = record.items() if isinstance(record, dict) else enumerate(record)
            shapes["; ".join(f"{name}: {_tensor(t)}" for name, t in tensors)] += 1
    lines = [f"{count} entries, {size} bytes of values", _sizes(kinds, "records")]
    if shapes:
        lines.append(_sizes(shapes, "shapes"))
    meaning = meanings(path)
    if labels:
        lines.append(_labels(labels, meaning.get("classes")))
    if meaning.get("categories"):
        lines += [f"  {name}: {', '.join(texts[:20])}" for name, texts in meaning["categories"].items()]
    if errors and kinds["bytes"] < count:
        lines.append(f"{kinds['bytes']} are no records; the first: {errors[0]}")

    def pictures():
        for value in open_db(path).values() if db.kind == "lmdb" else db.values():
            try:
                record = decode_record(value)
            except RuntimeError:
                continue
            tensors = (
                record.values() if isinstance(record, dict) else [t for t in record if isinstance(t, rushlight.Tensor)]
            )
            yield from (p for t in tensors if t.dim() in (2, 3) and (p := _as_picture(t)) is not None)

    return Shown("LMDB" if db.kind == "lmdb" else "LevelDB", lines, pictures())


def _cifar(path: str) -> Shown:
    errors = []
    for classes in (10, 100):
        try:
            images, labels, coarse = read_cifar(path, classes)
            lines = [f"{len(images)} pictures {_tensor(images)}", _labels(Counter(labels.tolist()))]
            if coarse is not None:
                lines.append("coarse " + _labels(Counter(coarse.tolist())))
            return Shown(f"CIFAR-{classes} batch", lines, iter(images))
        except RuntimeError as error:
            errors.append(error)
    raise errors[0]


def _folder(path: str) -> Shown:
    classes, files = scan_folder(path)
    if files:
        sizes: Counter = Counter()
        kinds: Counter = Counter()
        bad = []
        for file, _ in files:
            try:
                i = _data.image_info(file)
                kinds[i["kind"]] += 1
                sizes[f"{i['channels']} x {i['height']} x {i['width']}"] += 1
            except RuntimeError as error:
                bad.append(str(error))
        lines = [f"{len(files)} pictures in {len(classes)} classes", _sizes(kinds, "kinds"), _sizes(sizes, "shapes"),
                 _labels(Counter(c for _, c in files), classes)]  # fmt: skip
        if bad:
            lines.append(f"{len(bad)} damaged; the first: {bad[0]}")

        def pictures():
            for file, _ in files:
                try:
                    yield _data.read_image(file)
                except RuntimeError:
                    continue

        return Shown("folder of pictures by class", lines, pictures())
    kinds = Counter()
    lines, first = [], None
    for name in sorted(os.listdir(path)):
        file = os.path.join(path, name)
        if os.path.isdir(file):
            kinds["folder"] += 1
            continue
        try:
            shown = show(file)
        except (RuntimeError, OSError) as error:
            kinds["of no known kind"] += 1
            if len(lines) < 50 and name.lower().endswith((*PICTURES, *_SOUNDS, *_TABLES)):
                lines.append(f"  {error}")
            continue
        kinds[shown.kind] += 1
        first = first or shown
        if len(lines) < 50:
            lines.append(f"  {name}: {shown.kind}, {shown.lines[0]}")
    return Shown("folder", [_sizes(kinds, "files") if kinds else "empty", *lines], first.pictures if first else ())


def show(path) -> Shown:
    """What is at a path: a picture, sound, csv table, numpy's file, IDX, a batch of CIFAR, a database, or a folder of these.

    Raises OSError where nothing is, RuntimeError for damage, and for a file of no known kind.
    """
    path = os.fspath(path)
    if _data.db_kind(path):
        return _database(path)
    if os.path.isdir(path):
        return _folder(path)
    with open(path, "rb") as file:
        head = file.read(16)
    ending = os.path.splitext(path)[1].lower()
    if ending in _TABLES:
        return _table(path, _TABLES[ending])
    if ending in PICTURES or head[:4] in (b"\x89PNG",) or head[:3] == b"\xff\xd8\xff":
        return _image(path)
    if ending in _SOUNDS or head[:4] in (b"RIFF", b"fLaC", b"OggS"):
        return _sound(path)
    if head[:6] == b"\x93NUMPY":
        t = load_npy(path, mmap=True)
        return Shown("numpy array", [_tensor(t)], _pictures_of(t))
    if ending == ".npz":
        all_ = load_npz(path, mmap=True)
        return Shown("numpy archive", [f"{len(all_)} arrays", *(f"  {n}: {_tensor(t)}" for n, t in all_.items())],
                     (p for t in all_.values() for p in _pictures_of(t)))  # fmt: skip
    if head[:2] == b"\0\0" or (head[:2] == b"\x1f\x8b" and "ubyte" in os.path.basename(path)):
        t = read_idx(path)
        lines = [_tensor(t)] + ([_labels(Counter(t.tolist()))] if t.dim() == 1 else [])
        return Shown("IDX (MNIST)", lines, _pictures_of(t))
    size = os.path.getsize(path)
    if ending == ".bin" and size and (size % 3073 == 0 or size % 3074 == 0) or head[:1] == b"\x80":
        return _cifar(path)
    raise RuntimeError(
        f"data show '{path}': a file of no known kind; pictures, sound, csv, npy, npz, IDX, CIFAR, LMDB and LevelDB are"
    )


def contact_sheet(pictures: Iterable, count: int = 64, cell: int = 64, across: int = 8):
    """The first pictures side by side, each fitted into a square of `cell` pixels: uint8 (3, H, W); None if there is none."""
    cells = []
    for picture in islice(pictures, count):
        if picture.dtype != rushlight.uint8:
            picture = (picture.to(rushlight.int32) // 256).to(rushlight.uint8)
        channels, height, width = picture.shape
        picture = picture[:1].expand(3, -1, -1) if channels < 3 else picture[:3]
        scale = cell / max(height, width)
        h, w = max(1, round(height * scale)), max(1, round(width * scale))
        rows = ((rushlight.arange(h) + 0.5) * (height / h)).long().clamp(max=height - 1)
        columns = ((rushlight.arange(w) + 0.5) * (width / w)).long().clamp(max=width - 1)
        square = rushlight.zeros(3, cell, cell, dtype=rushlight.uint8)
        top, left = (cell - h) // 2, (cell - w) // 2
        square[:, top : top + h, left : left + w] = picture.index_select(1, rows).index_select(2, columns)
        cells.append(square)
    if not cells:
        return None
    across = min(across, len(cells))
    down = -(-len(cells) // across)
    sheet = rushlight.full((3, down * (cell + 2) + 2, across * (cell + 2) + 2), 40, dtype=rushlight.uint8)
    for i, square in enumerate(cells):
        y, x = 2 + i // across * (cell + 2), 2 + i % across * (cell + 2)
        sheet[:, y : y + cell, x : x + cell] = square
    return sheet

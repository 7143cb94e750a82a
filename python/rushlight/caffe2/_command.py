"""The commands make_mnist_db, make_cifar_db, make_image_db and convert_db: Caffe2's tools of these names, with their flags."""

from __future__ import annotations

import argparse
import os
import random
import sys
from collections.abc import Iterator
from typing import Any

from rushlight import _caffe2
from rushlight.caffe2.proto import caffe2_pb2

_COMMIT = 1000  # entries


def main(argv: list[str]) -> int:
    """Runs a command; errors of files are one line, and the status 1."""
    name = argv[0]
    parser = argparse.ArgumentParser(prog=f"rushlight {name}")
    kinds = {
        "choices": ["leveldb", "lmdb", "minidb"],
        "default": "leveldb",
        "help": "kind of database (default: leveldb)",
    }
    if name == "make_mnist_db":
        parser.add_argument("--image_file", required=True, help="train-images-idx3-ubyte or its like, .gz too")
        parser.add_argument("--label_file", required=True)
        parser.add_argument("--output_file", required=True, help="the database")
        parser.add_argument("--db", **kinds)
        parser.add_argument("--data_limit", type=int, default=-1, help="entries at the most")
        parser.add_argument("--channel_first", action="store_true", help="pictures are 1 x 28 x 28, not 28 x 28 x 1")
        run = _mnist
    elif name == "make_cifar_db":
        parser.add_argument("--input_folder", required=True, help="with data_batch_1.bin and so on")
        parser.add_argument("--output_train_db_name", required=True)
        parser.add_argument("--output_test_db_name", required=True)
        parser.add_argument("--db", **kinds)
        parser.add_argument("--is_cifar100", action="store_true", help="train.bin and test.bin, whose labels are two")
        run = _cifar
    elif name == "make_image_db":
        parser.add_argument("--input_folder", default="", help="where the files of the list lie")
        parser.add_argument("--list_file", required=True, help="a file and its label a line")
        parser.add_argument("--output_db_name", required=True)
        parser.add_argument("--db", **kinds)
        parser.add_argument("--shuffle", action="store_true")
        parser.add_argument("--raw", action="store_true", help="decoded pixels, not the files' bytes")
        parser.add_argument("--gray", action="store_true", help="with --raw: one channel")
        run = _images
    else:
        parser.add_argument("--input_db", required=True)
        parser.add_argument("--input_db_type", required=True, choices=kinds["choices"])
        parser.add_argument("--output_db", required=True)
        parser.add_argument("--output_db_type", required=True, choices=kinds["choices"])
        parser.add_argument("--batch_size", type=int, default=_COMMIT, help="entries a transaction")
        run = _convert
    try:
        run(parser.parse_args(argv[1:]))
    except (RuntimeError, OSError) as error:
        print(f"rushlight {name}: {error}", file=sys.stderr)
        return 1
    return 0


def _write(kind: str, path: str, entries: Iterator[tuple[bytes, bytes]], each: int = _COMMIT) -> None:
    if os.path.exists(path):
        raise FileExistsError(f"'{path}' is there already")
    db = _caffe2.create_db(kind, path)
    count = 0
    for key, value in entries:
        db.put(key, value)
        count += 1
        if count % each == 0:
            db.commit()
    db.commit()
    print(f"{path}: {count} entries")


def _record(picture: Any, *labels: int) -> bytes:
    """A TensorProtos of a picture (an array of uint8, or a file's bytes) and its labels."""
    out = caffe2_pb2.TensorProtos()
    first = out.protos.add()
    if isinstance(picture, bytes):
        first.data_type = caffe2_pb2.TensorProto.STRING
        first.string_data.append(picture)
    else:
        first.data_type = caffe2_pb2.TensorProto.BYTE
        first.dims.extend(picture.shape)
        first.byte_data = picture.tobytes()
    for label in labels:
        p = out.protos.add()
        p.data_type = caffe2_pb2.TensorProto.INT32
        p.int32_data.append(int(label))
    return out.SerializeToString()


def _mnist(a: argparse.Namespace) -> None:
    from rushlight.data import read_idx

    images, labels = read_idx(a.image_file).numpy(), read_idx(a.label_file).numpy()
    if images.ndim != 3 or labels.ndim != 1 or len(images) != len(labels):
        raise RuntimeError(
            f"pictures of the shape {images.shape} and labels of the shape {labels.shape} don't belong together"
        )
    n = len(images) if a.data_limit < 0 else min(a.data_limit, len(images))
    images = images[:, None] if a.channel_first else images[..., None]
    _write(a.db, a.output_file, ((b"%08d" % k, _record(images[k], labels[k])) for k in range(n)))


def _cifar(a: argparse.Namespace) -> None:
    from rushlight.data import read_cifar

    train = ["train.bin"] if a.is_cifar100 else [f"data_batch_{k}.bin" for k in range(1, 6)]
    test = ["test.bin"] if a.is_cifar100 else ["test_batch.bin"]

    def entries(files: list[str]) -> Iterator[tuple[bytes, bytes]]:
        at = 0
        for file in files:
            images, labels, coarse = read_cifar(os.path.join(a.input_folder, file), 100 if a.is_cifar100 else 10)
            for k in range(len(labels)):
                both = [coarse[k], labels[k]] if a.is_cifar100 else [labels[k]]
                yield b"%05d" % at, _record(images[k].numpy(), *both)
                at += 1

    _write(a.db, a.output_train_db_name, entries(train))
    _write(a.db, a.output_test_db_name, entries(test))


def _images(a: argparse.Namespace) -> None:
    from rushlight.vision.io import ImageReadMode, read_image

    listed = []
    with open(a.list_file) as f:
        for number, line in enumerate(f, 1):
            name, _, label = line.strip().rpartition(" ")
            if not line.strip():
                continue
            if not name or not label.lstrip("-").isdigit():
                raise RuntimeError(
                    f"'{a.list_file}', line {number}: expected a file and a number, got {line.strip()!r}"
                )
            listed.append((name.strip(), int(label)))
    if a.shuffle:
        random.shuffle(listed)

    def entries() -> Iterator[tuple[bytes, bytes]]:
        for k, (name, label) in enumerate(listed):
            path = os.path.join(a.input_folder, name)
            if a.raw:
                t = read_image(path, ImageReadMode.GRAY if a.gray else ImageReadMode.RGB)
                picture: Any = t.flip([0]).permute(1, 2, 0).contiguous().numpy()  # blue first, as ImageInput has it
            else:
                with open(path, "rb") as file:
                    picture = file.read()
            yield f"{k:08d}_{name}".encode(), _record(picture, label)

    _write(a.db, a.output_db_name, entries())


def _convert(a: argparse.Namespace) -> None:
    def entries() -> Iterator[tuple[bytes, bytes]]:
        cursor = _caffe2.open_db(a.input_db_type, a.input_db)
        while cursor.valid():
            yield cursor.key(), cursor.value()
            cursor.next()

    if a.batch_size < 1:
        raise RuntimeError(f"batch_size should be above 0, got {a.batch_size}")
    _write(a.output_db_type, a.output_db, entries(), a.batch_size)

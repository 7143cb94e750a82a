"""`rushlight data show` and `make-db`, as commands."""

import gzip
import os
import pickle
import struct
import subprocess
import sys

import numpy as np
import pytest
from conftest import BUILD
from PIL import Image

from rushlight import _data

PIXELS = np.random.default_rng(0).integers(0, 255, (6, 5, 3), dtype=np.uint8)
needs_png = pytest.mark.skipif(not _data.has_library("png"), reason="built without libpng")


def command(*arguments, folder, status=0) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "rushlight", *map(str, arguments)], cwd=folder, capture_output=True, text=True,
        env={**os.environ, "PYTHONPATH": str(BUILD / "python")},
    )  # fmt: skip
    assert done.returncode == status, done.stderr
    return done.stdout + done.stderr


@pytest.fixture
def pictures(tmp_path):
    for name in ("cat/a.png", "cat/b.png", "dog/c.png"):
        (tmp_path / "pictures" / name).parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(PIXELS).save(tmp_path / "pictures" / name)
    return tmp_path / "pictures"


@needs_png
def test_folder_of_classes_and_its_contact_sheet(pictures, tmp_path):
    (pictures / "dog" / "bad.png").write_bytes(b"\x89PNG\r\n")
    text = command("data", "show", pictures, folder=tmp_path)
    assert "folder of pictures by class" in text and "4 pictures in 2 classes" in text and "cat: 2, dog: 2" in text
    assert "3 x 6 x 5 x3" in text and "1 damaged; the first: image_info" in text
    sheet = np.array(Image.open(tmp_path / "contact-sheet.png"))
    assert sheet.shape == (68, 200, 3)
    assert {tuple(p) for p in PIXELS.reshape(-1, 3)} <= {tuple(p) for p in sheet.reshape(-1, 3)}


@needs_png
@pytest.mark.parametrize("kind", ["lmdb", "leveldb"])
def test_make_db_then_show(kind, pictures, tmp_path):
    if not _data.has_library(kind):
        pytest.skip(f"no {kind} here")
    assert "3 entries, 2 classes, 0 left out" in command("make-db", pictures, "db", "--kind", kind, folder=tmp_path)
    text = command("data", "show", "db", "--sheet", "x.png", folder=tmp_path)
    assert "3 entries" in text and "Datum x3" in text and "uint8 (3, 6, 5) x3" in text and "cat: 2, dog: 1" in text
    assert (tmp_path / "x.png").exists() and not (tmp_path / "contact-sheet.png").exists()


def test_files_of_each_kind(tmp_path):
    (tmp_path / "t.csv").write_text("a,b\n1,x\n2,y\noops,y,z\n")
    np.save(tmp_path / "a.npy", np.zeros((4, 8, 8)))
    np.savez(tmp_path / "a.npz", one=np.zeros(3), two=np.ones((2, 2)))
    idx = bytes([0, 0, 8, 3]) + struct.pack(">III", 2, 4, 4) + bytes(range(32))
    (tmp_path / "t10k-images-idx3-ubyte.gz").write_bytes(gzip.compress(idx))
    (tmp_path / "data_batch_1").write_bytes(
        pickle.dumps({b"data": np.zeros((2, 3072), np.uint8), b"labels": [3, 4]}, 2)
    )
    (tmp_path / "picture.ppm").write_bytes(b"P6 2 1 255\n" + bytes(6))

    def shown(name):
        return command("data", "show", name, "--sheet", "", folder=tmp_path)

    assert "2 rows, 2 columns, 1 bad rows left out" in shown("t.csv") and "line 4: more than 2 fields" in shown("t.csv")
    assert "numpy array\n  float64 (4, 8, 8)" in shown("a.npy")
    assert "one: float64 (3,)" in shown("a.npz")
    assert "IDX (MNIST)\n  uint8 (2, 4, 4)" in shown("t10k-images-idx3-ubyte.gz")
    assert "CIFAR-10 batch\n  2 pictures" in shown("data_batch_1") and "labels: 3: 1, 4: 1" in shown("data_batch_1")
    assert "PPM picture\n  2 x 1 pixels, 3 channels of 8 bits" in shown("picture.ppm")
    assert "picture.ppm: PPM picture" in shown(".")


def test_errors_are_one_line(tmp_path):
    (tmp_path / "bad.png").write_bytes(b"nothing")
    assert "rushlight: image_info 'bad.png': no PNG" in command("data", "show", "bad.png", folder=tmp_path, status=1)
    assert "No such file" in command("data", "show", "nowhere", folder=tmp_path, status=1)
    (tmp_path / "x.xyz").write_bytes(b"?")
    assert "no known kind" in command("data", "show", "x.xyz", folder=tmp_path, status=1)

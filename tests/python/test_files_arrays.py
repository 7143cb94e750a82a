"""numpy's files, IDX, CIFAR, folders of pictures, mapped tensors: right values, and an error that says where for damage."""

import gzip
import os
import pickle
import signal
import struct
import subprocess
import sys

import numpy as np
import pytest
from conftest import BUILD

import rushlight as torch
from rushlight.data import load_npy, load_npz, read_cifar, read_idx, save_npy, save_npz, scan_folder

RNG = np.random.default_rng(0)


# ---- numpy ----

ARRAYS = [
    np.arange(12, dtype="<f4").reshape(3, 4),
    np.arange(12, dtype=">f4").reshape(3, 4),
    np.asfortranarray(np.arange(24, dtype="<i8").reshape(2, 3, 4)),
    np.array(3.5),
    np.zeros((0, 5), dtype=np.uint8),
    np.array([True, False]),
    np.arange(3, dtype=">c16") * (1 + 2j),
    np.arange(4, dtype=">u2"),
    np.arange(3, dtype=np.float16),
]


@pytest.mark.parametrize("mmap", [False, True])
@pytest.mark.parametrize("array", ARRAYS, ids=lambda a: f"{a.dtype.str}{a.shape}")
def test_npy_of_numpy(array, mmap, tmp_path):
    np.save(tmp_path / "a.npy", array)
    t = load_npy(tmp_path / "a.npy", mmap)
    assert t.numpy().dtype == array.dtype.newbyteorder("=")
    assert np.array_equal(t.numpy(), array)


def test_mapped_npy_is_private_and_keeps_the_file(tmp_path):
    np.save(tmp_path / "a.npy", np.zeros(1000))
    t = load_npy(tmp_path / "a.npy", mmap=True)
    t += 1
    assert t.sum() == 1000 and np.load(tmp_path / "a.npy").sum() == 0


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_npz_of_numpy(save, tmp_path):
    save(tmp_path / "a.npz", x=np.arange(1000.0), **{"y/z": np.ones((2, 2), dtype=np.int32)})
    t = load_npz(tmp_path / "a.npz")
    assert t.keys() == {"x", "y/z"}
    assert t["x"].tolist() == list(range(1000)) and t["y/z"].dtype == torch.int32


def test_numpy_reads_what_is_written(tmp_path):
    tensors = {"a": torch.arange(6).reshape(2, 3).t(), "b": torch.tensor(2.5), "c": torch.zeros(3, dtype=torch.bool)}
    save_npz(tmp_path / "a.npz", tensors)
    with np.load(tmp_path / "a.npz") as read:
        assert {k: read[k].tolist() for k in read} == {k: v.tolist() for k, v in tensors.items()}
    save_npy(tmp_path / "a.npy", torch.randn(3, 2, requires_grad=True))
    assert np.load(tmp_path / "a.npy").shape == (3, 2)
    with pytest.raises(TypeError, match="numpy has no dtype bfloat16"):
        save_npy(tmp_path / "b.npy", torch.zeros(2, dtype=torch.bfloat16))
    assert not (tmp_path / "b.npy").exists()


def npy(header: str, data: bytes = b"") -> bytes:
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header.encode() + data


@pytest.mark.parametrize(
    "data, says",
    [
        (b"hello", "doesn't begin with"),
        (npy("{'descr': '<f4', 'fortran_order': False, 'shape': (3,)}", bytes(11)), "takes 12 bytes, but 11 follow"),
        (npy("{'descr': '|O', 'fortran_order': False, 'shape': (3,)}"), "pickles, which are never run"),
        (npy("{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': (3,)}"), "array of structures"),
        (npy("{'descr': '<U3', 'fortran_order': False, 'shape': (3,)}"), "numpy's type <U3"),
        (npy("{'descr': '<f4', 'shape': (3,)}"), "an entry is missing"),
        (npy("{'descr': '<f4', 'fortran_order': False, 'shape': (999999999999,9999999999999)}"), "no array has"),
        (npy("{'descr': '<f4', 'fortran_order': False, 'shape': (-3,)}"), "expected a size"),
        (npy("{'descr': '<f4")[:-1], "the file ends at byte"),
        (b"\x93NUMPY\x09\x00" + bytes(10), "version 9"),
    ],
)
def test_damaged_npy(data, says, tmp_path):
    (tmp_path / "a.npy").write_bytes(data)
    with pytest.raises(RuntimeError, match=f"load_npy '{tmp_path}/a.npy': .*{says}"):
        load_npy(tmp_path / "a.npy")


# ---- IDX ----


def idx(array) -> bytes:
    codes = {"u1": 8, "i1": 9, "i2": 11, "i4": 12, "f4": 13, "f8": 14}
    head = bytes([0, 0, codes[array.dtype.str[1:]], array.ndim]) + struct.pack(f">{array.ndim}I", *array.shape)
    return head + array.astype(array.dtype.newbyteorder(">")).tobytes()


@pytest.mark.parametrize("dtype", ["u1", "i1", "i2", "i4", "f4", "f8"])
@pytest.mark.parametrize("packed", [False, True])
def test_idx(dtype, packed, tmp_path):
    array = RNG.integers(0, 100, (5, 4, 3)).astype(dtype)
    data = gzip.compress(idx(array)) if packed else idx(array)
    (tmp_path / "x").write_bytes(data)
    t = read_idx(tmp_path / "x")
    assert t.numpy().dtype == array.dtype and np.array_equal(t.numpy(), array)


IDX = idx(np.arange(60, dtype=np.uint8).reshape(3, 20))
PACKED = gzip.compress(IDX, mtime=0)


@pytest.mark.parametrize(
    "data, says",
    [
        (b"", "no IDX file"),
        (b"\0\0\x07\1", "the type at byte 2 is 7"),
        (b"\0\0\x08\x09" + bytes(36), "9 dimensions"),
        (IDX[:10], "inside of its header"),
        (IDX[:-1], "take 60 bytes, but 59 follow"),
        (b"\0\0\x0e\x04" + b"\xff" * 16, "no file has"),
        (PACKED[:-20], "cut short"),
        (PACKED[:11] + b"\xff\xff\xff" + PACKED[14:], "damaged gzip data at byte"),
        (gzip.compress(b"\0\0\x08\x02" + b"\0\xff\xff\xff" * 2, mtime=0), "can't hold"),
    ],
)
def test_damaged_idx(data, says, tmp_path):
    (tmp_path / "x").write_bytes(data)
    with pytest.raises(RuntimeError, match=f"read_idx '{tmp_path}/x': .*{says}"):
        read_idx(tmp_path / "x")


# ---- CIFAR ----

IMAGES = RNG.integers(0, 255, (7, 3072), dtype=np.uint8)
LABELS = [0, 9, 3, 4, 1, 2, 8]


def check_cifar(data, classes=10, coarse=None):
    images, labels, more = read_cifar(data, classes)
    assert np.array_equal(images.numpy().reshape(7, 3072), IMAGES) and images.shape == (7, 3, 32, 32)
    assert labels.tolist() == LABELS
    assert (more if more is None else more.tolist()) == coarse


def test_binary_cifar():
    check_cifar(b"".join(bytes([label]) + row.tobytes() for label, row in zip(LABELS, IMAGES)))
    hundred = b"".join(bytes([i, label]) + row.tobytes() for i, (label, row) in enumerate(zip(LABELS, IMAGES)))
    check_cifar(hundred, 100, list(range(7)))


@pytest.mark.parametrize("protocol", range(1, 6))  # 0 was never used for it
@pytest.mark.parametrize("keys", [str, str.encode])
def test_python_cifar(protocol, keys):
    batch = {keys("data"): IMAGES, keys("labels"): LABELS, keys("filenames"): ["a.png"] * 7, keys("batch_label"): b"x"}
    check_cifar(pickle.dumps(batch, protocol))
    fine = {keys("data"): IMAGES, keys("fine_labels"): LABELS, keys("coarse_labels"): LABELS}
    check_cifar(pickle.dumps(fine, protocol), 100, LABELS)


def test_cifar_names():
    data = pickle.dumps({b"label_names": [b"cat", "dog"]}, 2)
    assert torch._data.cifar_names(data, "label_names") == ["cat", "dog"]


@pytest.mark.parametrize(
    "data, says",
    [
        (bytes(3072), "3072 bytes are neither a pickle nor records of 3073"),
        (bytes([10]) + bytes(3072), "record 0 has label 10, expected 0 to 9"),
        (pickle.dumps({"data": IMAGES, "labels": LABELS[1:]}, 2), "6 labels 'labels' for 7 pictures"),
        (pickle.dumps({"data": IMAGES, "labels": [10] * 7}, 2), "label 10"),
        (pickle.dumps({"data": IMAGES[:, 1:], "labels": LABELS}, 2), "expected uint8"),
        (pickle.dumps({"labels": LABELS}, 2), "no entry 'data'"),
        (pickle.dumps([IMAGES], 2), "no dictionary"),
    ],
)
def test_damaged_cifar(data, says, tmp_path):
    (tmp_path / "x").write_bytes(data)
    with pytest.raises(RuntimeError, match=f"read_cifar '{tmp_path}/x': .*{says}"):
        read_cifar(tmp_path / "x")


def test_a_pickle_of_cifar_is_never_run(tmp_path):
    class Evil:
        def __reduce__(self):
            return (open, (str(tmp_path / "made"), "w"))

    with pytest.raises(RuntimeError, match="expected a numpy array"):
        read_cifar(pickle.dumps({"data": Evil(), "labels": []}, 2))
    assert not (tmp_path / "made").exists()


# ---- folders ----


def test_folder_of_classes(tmp_path):
    for name in [
        "cat/b.png",
        "cat/a.JPG",
        "cat/notes.txt",
        "dog/x/1.png",
        "dog/x-y/2.png",
        "dog/z.png",
        "empty/readme.md",
    ]:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    (tmp_path / "top.png").touch()
    classes, files = scan_folder(tmp_path)
    assert classes == ["cat", "dog", "empty"]
    # Folders in the order of their whole paths, as torchvision sorts what os.walk gives: "dog/x-y" is before "dog/x/...", after "dog/x".
    assert [(f.removeprefix(f"{tmp_path}/"), c) for f, c in files] == [
        ("cat/a.JPG", 0), ("cat/b.png", 0), ("dog/z.png", 1), ("dog/x/1.png", 1), ("dog/x-y/2.png", 1),
    ]  # fmt: skip


def test_folder_that_contains_itself(tmp_path):
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "loop").symlink_to(tmp_path / "a")
    with pytest.raises(OSError, match="contains itself, through a link"):
        scan_folder(tmp_path)
    with pytest.raises(OSError, match="No such file"):
        scan_folder(tmp_path / "nowhere")


# ---- mapped tensors ----


def test_from_file(tmp_path):
    file = tmp_path / "x.bin"
    np.arange(10, dtype=np.float32).tofile(file)
    t = torch.from_file(str(file), size=10)
    t += 1
    assert t.tolist() == list(range(1, 11)) and np.fromfile(file, dtype=np.float32)[0] == 0
    shared = torch.from_file(str(file), shared=True, size=20, dtype=torch.float32)
    shared[:] = 3
    assert np.fromfile(file, dtype=np.float32).tolist() == [3.0] * 20
    made = torch.from_file(str(tmp_path / "new"), shared=True, size=4, dtype=torch.int64)
    made.copy_(torch.arange(4))
    assert np.fromfile(tmp_path / "new", dtype=np.int64).tolist() == [0, 1, 2, 3]
    with pytest.raises(RuntimeError, match="has 80 bytes|80"):
        torch.from_file(str(file), shared=False, size=1000)


CUT = """
import os, sys
sys.path.insert(0, sys.argv[1])
import rushlight as torch
path = sys.argv[2]
t = torch.from_file(path, size=1 << 20) if sys.argv[3] == "from_file" else torch.load(path, mmap=True, weights_only=True)
os.truncate(path, 4096)
print(float(t.sum()))
"""


@pytest.mark.parametrize("how", ["from_file", "load"])
def test_a_mapped_file_that_is_cut_is_named_when_it_ends_the_process(how, tmp_path):
    path = tmp_path / "mapped.bin"
    if how == "load":
        torch.save(torch.zeros(1 << 20), path)
    else:
        np.zeros(1 << 20, np.float32).tofile(path)
    done = subprocess.run([sys.executable, "-c", CUT, BUILD / "python", path, how], capture_output=True, text=True)
    assert done.returncode == -signal.SIGBUS, done
    assert f"the file '{path}' is mapped, and was cut while it was in use: byte " in done.stderr
    assert done.stderr.count("rushlight:") == 1, "several threads meet it"


def test_a_small_file_that_is_cut_while_it_is_in_use_harms_nobody(tmp_path):
    torch.save(torch.ones(5000), tmp_path / "small.pt")
    t = torch.load(tmp_path / "small.pt", mmap=True)
    os.truncate(tmp_path / "small.pt", 0)
    assert t.sum() == 5000

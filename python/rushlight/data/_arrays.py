"""Files of arrays: numpy's, MNIST's, CIFAR's, plain numbers, and folders of pictures by class."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from .. import _data

PICTURES = (".bmp", ".jpeg", ".jpg", ".pbm", ".pgm", ".png", ".ppm")


def load_npy(input, mmap: bool = False):
    """The tensor in a .npy file (`numpy.save`).

    Args:
        input: a path, or the file's bytes.
        mmap: the tensor lies over the mapped file, of which only what is used is read; what is written to it stays in memory. Numbers in the
            other byte order are copied.

    Raises RuntimeError for a damaged file, and for arrays of objects, structures and texts.
    """
    return _data.load_npy(input, mmap)


def load_npz(input, mmap: bool = False) -> dict:
    """The tensors in a .npz file (`numpy.savez`, `numpy.savez_compressed`) by name; arguments as of `load_npy`."""
    return _data.load_npz(input, mmap)


def save_npy(path, tensor) -> None:
    """Writes a tensor as `numpy.save` does. TypeError for a dtype that numpy lacks (bfloat16)."""
    _data.save_npy(path, tensor.detach())


def save_npz(path, tensors: Mapping) -> None:
    """Writes tensors by name as `numpy.savez` does."""
    _data.save_npz(path, {name: t.detach() for name, t in tensors.items()})


def read_idx(input):
    """The tensor in an IDX file, as MNIST and FashionMNIST have them, plain or gzip.

    >>> read_idx(bytes([0, 0, 8, 1, 0, 0, 0, 2, 7, 9]))
    tensor([7, 9], dtype=torch.uint8)
    """
    return _data.read_idx(input)


def read_cifar(input, classes: int = 10) -> tuple:
    """A file of CIFAR-10 or CIFAR-100, of the binary or the Python version (a pickle, which is parsed and never run).

    Returns pictures, uint8 (N, 3, 32, 32); labels, int64 (N), the fine ones of CIFAR-100; and its coarse labels, else None.
    """
    return _data.read_cifar(input, classes)


def scan_folder(root, endings: Sequence[str] = PICTURES) -> tuple[list[str], list[tuple[str, int]]]:
    """The folders in a folder, which are the classes, and (path, class) of each file in them, in the order of torchvision's ImageFolder.

    Args:
        endings: of the names of files that count, in small letters; capitals match too.
    """
    return _data.scan_folder(root, [e.lower() for e in endings])

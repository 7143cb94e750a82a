"""CIFAR-10 and CIFAR-100, in the files of the Python version or the binary one. Nothing of the pickles is executed."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import numpy as np

import rushlight as torch
from rushlight import data

from ..transforms.functional import to_pil_image
from .vision import VisionDataset, missing_files

__all__ = ["CIFAR10", "CIFAR100"]


class CIFAR10(VisionDataset):
    """Small photographs of ten classes: ``data`` is an array ``(N, 32, 32, 3)``, ``targets`` a list; items are a PIL image and a number.

    Args:
        root: the folder that has cifar-10-batches-py, or cifar-10-batches-bin.
    """

    base_folder = "cifar-10-batches-py"
    binary_folder = "cifar-10-batches-bin"
    source = "https://www.cs.toronto.edu/~kriz/cifar-10-python.tar.gz"
    _train, _test, _count, _meta, _key = (
        [f"data_batch_{i}" for i in range(1, 6)],
        ["test_batch"],
        10,
        "batches.meta",
        "label_names",
    )

    def __init__(
        self,
        root: Any,
        train: bool = True,
        transform: Callable | None = None,
        target_transform: Callable | None = None,
        download: bool = False,
    ):
        super().__init__(root, transform=transform, target_transform=target_transform)
        self.train = train
        names = self._train if train else self._test
        folder = os.path.join(self.root, self.base_folder)
        paths = [os.path.join(folder, n) for n in names]
        binary = [os.path.join(self.root, self.binary_folder, f"{n}.bin") for n in names]
        if all(map(os.path.exists, binary)) and not all(map(os.path.exists, paths)):
            folder, paths = os.path.join(self.root, self.binary_folder), binary
        missing_files(self, paths, download, self.source)
        parts = [data.read_cifar(p, self._count) for p in paths]
        self.data: np.ndarray = torch.cat([p[0] for p in parts]).permute(0, 2, 3, 1).contiguous().numpy()
        self.targets: list[int] = torch.cat([p[1] for p in parts]).tolist()
        self._names(folder)

    def _names(self, folder: str) -> None:
        meta = os.path.join(folder, self._meta)
        if os.path.exists(meta):
            from rushlight import _data

            self.classes = list(_data.cifar_names(meta, self._key))
        else:
            self.classes = [str(i) for i in range(self._count)]
            text = os.path.join(folder, "batches.meta.txt")
            if os.path.exists(text):
                with open(text) as file:
                    self.classes = [line.strip() for line in file if line.strip()]
        self.class_to_idx = {name: i for i, name in enumerate(self.classes)}

    def __getitem__(self, index: int) -> tuple[Any, Any]:
        return self._transformed(to_pil_image(self.data[index]), self.targets[index])

    def __len__(self) -> int:
        return len(self.data)

    def extra_repr(self) -> str:
        return f"Split: {'Train' if self.train is True else 'Test'}"


class CIFAR100(CIFAR10):
    """Small photographs of a hundred classes."""

    base_folder = "cifar-100-python"
    binary_folder = "cifar-100-binary"
    source = "https://www.cs.toronto.edu/~kriz/cifar-100-python.tar.gz"
    _train, _test, _count, _meta, _key = ["train"], ["test"], 100, "meta", "fine_label_names"

"""MNIST and its kin: IDX files, plain or gzip, in ROOT/NAME/raw."""

from __future__ import annotations

import os
import string
from collections.abc import Callable
from typing import Any

from rushlight import data

from ..transforms.functional import to_pil_image
from .vision import VisionDataset, missing_files

__all__ = ["EMNIST", "KMNIST", "MNIST", "FashionMNIST"]


class MNIST(VisionDataset):
    """Handwritten digits: ``data`` is ``(N, 28, 28)`` of bytes, ``targets`` ``(N,)``; items are a PIL image and a number.

    Args:
        root: the folder that has MNIST/raw/train-images-idx3-ubyte and so on, with .gz or without.
        train: the 60,000 images for training, or the 10,000 others.
        download: an error that says where to put the files, unless they are there.
    """

    classes = [
        "0 - zero",
        "1 - one",
        "2 - two",
        "3 - three",
        "4 - four",
        "5 - five",
        "6 - six",
        "7 - seven",
        "8 - eight",
        "9 - nine",
    ]
    source = "https://ossci-datasets.s3.amazonaws.com/mnist/"

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
        paths = [self._path(kind) for kind in ("images-idx3", "labels-idx1")]
        missing_files(self, paths, download, self.source)
        self.data, self.targets = (data.read_idx(p) for p in paths)
        self.targets = self.targets.long()
        if self.data.ndim != 3 or self.targets.ndim != 1 or len(self.data) != len(self.targets):
            raise RuntimeError(
                f"{paths[0]}: {len(self.data)} images of shape {tuple(self.data.shape[1:])}, but {paths[1]} has labels of shape {tuple(self.targets.shape)}"
            )

    def _prefix(self) -> str:
        return "train" if self.train else "t10k"

    def _path(self, kind: str) -> str:
        plain = os.path.join(self.raw_folder, f"{self._prefix()}-{kind}-ubyte")
        return plain if os.path.exists(plain) or not os.path.exists(plain + ".gz") else plain + ".gz"

    @property
    def raw_folder(self) -> str:
        return os.path.join(self.root, type(self).__name__, "raw")

    @property
    def processed_folder(self) -> str:
        return os.path.join(self.root, type(self).__name__, "processed")

    @property
    def class_to_idx(self) -> dict[str, int]:
        return {name: i for i, name in enumerate(self.classes)}

    # Names of earlier versions.
    train_data = test_data = property(lambda self: self.data)
    train_labels = test_labels = property(lambda self: self.targets)

    def __getitem__(self, index: int) -> tuple[Any, Any]:
        return self._transformed(to_pil_image(self.data[index]), int(self.targets[index]))

    def __len__(self) -> int:
        return len(self.data)

    def extra_repr(self) -> str:
        return f"Split: {'Train' if self.train is True else 'Test'}"


class FashionMNIST(MNIST):
    """Pictures of clothes, in MNIST's format."""

    classes = ["T-shirt/top", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot"]
    source = "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/"


class KMNIST(MNIST):
    """Japanese characters, in MNIST's format."""

    classes = ["o", "ki", "su", "tsu", "na", "ha", "ma", "ya", "re", "wo"]
    source = "http://codh.rois.ac.jp/kmnist/dataset/kmnist/"


_DIGITS, _LETTERS = set(string.digits), set(string.ascii_letters)
_MERGED = set("cijklmopsuvwxyz")  # small letters that look like the large ones


class EMNIST(MNIST):
    """Letters and digits; ``split`` is byclass, bymerge, balanced, letters, digits or mnist."""

    splits = ("byclass", "bymerge", "balanced", "letters", "digits", "mnist")
    classes_split_dict = {
        "byclass": sorted(_DIGITS | _LETTERS),
        "bymerge": sorted((_DIGITS | _LETTERS) - _MERGED),
        "balanced": sorted((_DIGITS | _LETTERS) - _MERGED),
        "letters": ["N/A", *string.ascii_lowercase],
        "digits": sorted(_DIGITS),
        "mnist": sorted(_DIGITS),
    }
    source = "https://biometrics.nist.gov/cs_links/EMNIST/gzip.zip"

    def __init__(self, root: Any, split: str, **kwargs: Any):
        if split not in self.splits:
            raise ValueError(f"Unknown value '{split}' for argument split. Valid values are {self.splits}.")
        self.split = split
        super().__init__(root, **kwargs)
        self.classes = self.classes_split_dict[split]

    def _prefix(self) -> str:
        return f"emnist-{self.split}-{'train' if self.train else 'test'}"

"""Data sets whose archives are unpacked in a folder."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from typing import Any
from xml.etree import ElementTree

import numpy as np

import rushlight as torch

from ..transforms.functional import to_pil_image
from .folder import ImageFolder, default_loader, find_classes, make_dataset, pil_loader
from .vision import VisionDataset, missing_files

__all__ = [
    "STL10",
    "SVHN",
    "Caltech101",
    "Caltech256",
    "CocoCaptions",
    "CocoDetection",
    "EuroSAT",
    "Food101",
    "ImageNet",
    "VOCDetection",
    "VOCSegmentation",
]


def _one_of(value: Any, name: str, allowed: tuple) -> Any:
    if value not in allowed:
        raise ValueError(
            f"Unknown value '{value}' for argument {name}. Valid values are {{{', '.join(map(repr, allowed))}}}."
        )
    return value


class _Labelled(VisionDataset):
    """Pictures in one array, [N, C, H, W], and a label for each."""

    data: np.ndarray
    labels: np.ndarray
    split: str

    def __getitem__(self, index: int) -> tuple[Any, Any]:
        return self._transformed(to_pil_image(np.transpose(self.data[index], (1, 2, 0))), int(self.labels[index]))

    def __len__(self) -> int:
        return len(self.data)

    def extra_repr(self) -> str:
        return f"Split: {self.split}"


class SVHN(_Labelled):
    """House numbers, from ROOT/train_32x32.mat and so on; needs scipy. ``split``: train, test or extra."""

    source = "http://ufldl.stanford.edu/housenumbers/"

    def __init__(
        self,
        root: Any,
        split: str = "train",
        transform: Callable | None = None,
        target_transform: Callable | None = None,
        download: bool = False,
    ):
        super().__init__(root, transform=transform, target_transform=target_transform)
        self.split = _one_of(split, "split", ("train", "test", "extra"))
        path = os.path.join(self.root, f"{split}_32x32.mat")
        missing_files(self, [path], download, self.source)
        import scipy.io

        loaded = scipy.io.loadmat(path)
        self.labels = loaded["y"].astype(np.int64).squeeze()
        np.place(self.labels, self.labels == 10, 0)  # zeros are class 10 in the file
        self.data = np.transpose(loaded["X"], (3, 2, 0, 1))


class STL10(_Labelled):
    """Photographs of 96 x 96, from ROOT/stl10_binary. ``split``: train, test, unlabeled, train+unlabeled; ``folds``: 0 to 9."""

    base_folder = "stl10_binary"
    source = "http://ai.stanford.edu/~acoates/stl10/stl10_binary.tar.gz"

    def __init__(
        self, root: Any, split: str = "train", folds: int | None = None, transform: Callable | None = None,
        target_transform: Callable | None = None, download: bool = False,
    ):  # fmt: skip
        super().__init__(root, transform=transform, target_transform=target_transform)
        self.split = _one_of(split, "split", ("train", "train+unlabeled", "unlabeled", "test"))
        if folds is not None:
            _one_of(folds, "folds", tuple(range(10)))
        self.folds = folds
        folder = os.path.join(self.root, self.base_folder)
        parts = split.split("+")
        missing_files(self, [os.path.join(folder, f"{p}_X.bin") for p in parts], download, self.source)
        images, labels = [], []
        for part in parts:
            images.append(
                np.fromfile(os.path.join(folder, f"{part}_X.bin"), dtype=np.uint8)
                .reshape(-1, 3, 96, 96)
                .transpose(0, 1, 3, 2)
            )
            marks = os.path.join(folder, f"{part}_y.bin")
            labels.append(
                np.fromfile(marks, dtype=np.uint8).astype(np.int64) - 1
                if os.path.exists(marks)
                else np.full(len(images[-1]), -1)
            )
        self.data, self.labels = np.concatenate(images), np.concatenate(labels)
        names = os.path.join(folder, "class_names.txt")
        self.classes = open(names).read().splitlines() if os.path.isfile(names) else [str(i) for i in range(10)]
        if folds is not None:
            with open(os.path.join(folder, "fold_indices.txt")) as file:
                chosen = np.fromstring(file.read().splitlines()[folds], dtype=np.int64, sep=" ")
            self.data, self.labels = self.data[chosen], self.labels[chosen]


class _VOC(VisionDataset):
    _splits, _targets, _ending = "Main", "Annotations", ".xml"
    source = "http://host.robots.ox.ac.uk/pascal/VOC/"

    def __init__(
        self, root: Any, year: str = "2012", image_set: str = "train", download: bool = False, transform: Callable | None = None,
        target_transform: Callable | None = None, transforms: Callable | None = None,
    ):  # fmt: skip
        super().__init__(root, transforms, transform, target_transform)
        self.year = _one_of(year, "year", tuple(str(y) for y in range(2007, 2013)))
        self.image_set = _one_of(
            image_set, "image_set", ("train", "trainval", "val", *(("test",) if year == "2007" else ()))
        )
        inner = (
            os.path.join("TrainVal", "VOCdevkit", "VOC2011")
            if year == "2011"
            else os.path.join("VOCdevkit", f"VOC{year}")
        )
        folder = os.path.join(self.root, inner)
        names = os.path.join(folder, "ImageSets", self._splits, f"{image_set}.txt")
        missing_files(self, [names], download, self.source)
        with open(names) as file:
            self._names = [line.strip() for line in file if line.strip()]
        self.images = [os.path.join(folder, "JPEGImages", f"{n}.jpg") for n in self._names]
        self.targets = [os.path.join(folder, self._targets, n + self._ending) for n in self._names]

    def __len__(self) -> int:
        return len(self.images)


class VOCSegmentation(_VOC):
    """Pascal VOC, from ROOT/VOCdevkit: an image, and an image of each pixel's class."""

    _splits, _targets, _ending = "Segmentation", "SegmentationClass", ".png"

    @property
    def masks(self) -> list[str]:
        return self.targets

    def __getitem__(self, index: int) -> tuple[Any, Any]:
        from PIL import Image

        return self._transformed(pil_loader(self.images[index]), Image.open(self.targets[index]))


class VOCDetection(_VOC):
    """Pascal VOC, from ROOT/VOCdevkit: an image, and its annotation as a dict."""

    @property
    def annotations(self) -> list[str]:
        return self.targets

    def __getitem__(self, index: int) -> tuple[Any, Any]:
        node = ElementTree.parse(self.targets[index]).getroot()
        return self._transformed(pil_loader(self.images[index]), self.parse_voc_xml(node))

    @staticmethod
    def parse_voc_xml(node: Any) -> dict[str, Any]:
        children = list(node)
        if not children:
            return {node.tag: node.text.strip() if node.text else {}}
        inside: dict[str, list] = {}
        for child in children:
            for name, value in VOCDetection.parse_voc_xml(child).items():
                inside.setdefault(name, []).append(value)
        if node.tag == "annotation":
            inside["object"] = [inside.get("object", [])]
        return {node.tag: {name: values[0] if len(values) == 1 else values for name, values in inside.items()}}


class CocoDetection(VisionDataset):
    """COCO's format: images in ``root``, and a list of annotations from ``annFile`` for each."""

    def __init__(
        self, root: Any, annFile: str, transform: Callable | None = None, target_transform: Callable | None = None,
        transforms: Callable | None = None,
    ):  # fmt: skip
        super().__init__(root, transforms, transform, target_transform)
        with open(annFile) as file:
            try:
                described = json.load(file)
            except ValueError as error:
                raise RuntimeError(f"{annFile}: no JSON: {error}") from None
        if not isinstance(described, dict) or "images" not in described:
            raise RuntimeError(f"{annFile}: expected COCO's format, a dict with images and annotations")
        self._images = {i["id"]: i for i in described["images"]}
        self._annotations: dict[int, list] = {}
        for a in described.get("annotations", []):
            self._annotations.setdefault(a["image_id"], []).append(a)
        self.categories = described.get("categories", [])
        self.ids = sorted(self._images)

    def _load_image(self, id: int) -> Any:
        return pil_loader(os.path.join(self.root, self._images[id]["file_name"]))

    def _load_target(self, id: int) -> list[Any]:
        return self._annotations.get(id, [])

    def __getitem__(self, index: int) -> tuple[Any, Any]:
        if not isinstance(index, int):
            raise ValueError(f"Index must be of type integer, got {type(index)} instead.")
        id = self.ids[index]
        return self._transformed(self._load_image(id), self._load_target(id))

    def __len__(self) -> int:
        return len(self.ids)


class CocoCaptions(CocoDetection):
    """COCO's format: an image, and what people said it shows."""

    def _load_target(self, id: int) -> list[str]:
        return [a["caption"] for a in super()._load_target(id)]


class _Folders(VisionDataset):
    """Classes in folders below ``_inside``."""

    _inside: tuple[str, ...] = ()
    source = ""

    def __init__(self, root: Any, transform: Callable | None, target_transform: Callable | None, download: bool):
        super().__init__(root, transform=transform, target_transform=target_transform)
        self._folder = os.path.join(self.root, *self._inside)
        missing_files(self, [self._folder], download, self.source)
        self.categories = [c for c in find_classes(self._folder)[0] if c != "BACKGROUND_Google"]
        numbers = {name: i for i, name in enumerate(self.categories)}
        self._samples = make_dataset(self._folder, numbers, (".jpg", ".jpeg", ".png"))

    def __getitem__(self, index: int) -> tuple[Any, Any]:
        path, label = self._samples[index]
        return self._transformed(pil_loader(path), label)

    def __len__(self) -> int:
        return len(self._samples)


class Caltech101(_Folders):
    """Photographs of 101 categories, from ROOT/caltech101/101_ObjectCategories."""

    _inside = ("caltech101", "101_ObjectCategories")
    source = "https://data.caltech.edu/records/mzrjq-6wc02"

    def __init__(
        self,
        root: Any,
        target_type: Any = "category",
        transform: Callable | None = None,
        target_transform: Callable | None = None,
        download: bool = False,
    ):
        _one_of(target_type, "target_type", ("category",))
        super().__init__(root, transform, target_transform, download)


class Caltech256(_Folders):
    """Photographs of 257 categories, from ROOT/caltech256/256_ObjectCategories."""

    _inside = ("caltech256", "256_ObjectCategories")
    source = "https://data.caltech.edu/records/nyy15-4j048"

    def __init__(
        self,
        root: Any,
        transform: Callable | None = None,
        target_transform: Callable | None = None,
        download: bool = False,
    ):
        super().__init__(root, transform, target_transform, download)


class EuroSAT(ImageFolder):
    """Pictures of the ground from space, from ROOT/eurosat/2750."""

    source = "https://huggingface.co/datasets/torchgeo/eurosat"

    def __init__(
        self, root: Any, transform: Callable | None = None, target_transform: Callable | None = None, download: bool = False,
        loader: Callable = default_loader,
    ):  # fmt: skip
        folder = os.path.join(os.path.expanduser(root), "eurosat", "2750")
        missing_files(self, [folder], download, self.source)
        super().__init__(folder, transform, target_transform, loader)


class Food101(VisionDataset):
    """Dishes, from ROOT/food-101. ``split``: train or test."""

    source = "http://data.vision.ee.ethz.ch/cvl/food-101.tar.gz"

    def __init__(
        self, root: Any, split: str = "train", transform: Callable | None = None, target_transform: Callable | None = None,
        download: bool = False, loader: Callable = default_loader,
    ):  # fmt: skip
        super().__init__(root, transform=transform, target_transform=target_transform)
        self._split, self.loader = _one_of(split, "split", ("train", "test")), loader
        folder = os.path.join(self.root, "food-101")
        listing = os.path.join(folder, "meta", f"{split}.json")
        missing_files(self, [listing], download, self.source)
        with open(listing) as file:
            listed = json.load(file)
        self.classes = sorted(listed)
        self.class_to_idx = {name: i for i, name in enumerate(self.classes)}
        self._samples = [
            (os.path.join(folder, "images", *f"{path}.jpg".split("/")), self.class_to_idx[name])
            for name, paths in listed.items()
            for path in paths
        ]

    def __getitem__(self, index: int) -> tuple[Any, Any]:
        path, label = self._samples[index]
        return self._transformed(self.loader(path), label)

    def __len__(self) -> int:
        return len(self._samples)


class ImageNet(ImageFolder):
    """ImageNet 2012, unpacked: ROOT/train and ROOT/val with a folder for each class, and perhaps ROOT/meta.bin. ``split``: train or val."""

    source = "https://image-net.org/challenges/LSVRC/2012/"

    def __init__(self, root: Any, split: str = "train", **kwargs: Any):
        self.split = _one_of(split, "split", ("train", "val"))
        folder = os.path.join(os.path.expanduser(root), split)
        missing_files(self, [folder], False, self.source)
        super().__init__(folder, **kwargs)
        self.wnids, self.wnid_to_idx = self.classes, self.class_to_idx
        meta = os.path.join(os.path.expanduser(root), "meta.bin")
        if os.path.exists(meta):
            names, self.val_wnids = torch.load(meta, weights_only=True)
            self.classes = [names[w] for w in self.wnids]
            self.class_to_idx = {name: i for i, all_names in enumerate(self.classes) for name in all_names}

    def extra_repr(self) -> str:
        return f"Split: {self.split}"

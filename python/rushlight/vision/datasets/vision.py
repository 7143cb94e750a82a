"""The base of all data sets."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

from rushlight import UnsupportedError
from rushlight.utils.data import Dataset

__all__ = ["StandardTransform", "VisionDataset", "missing_files"]


class StandardTransform:
    """``transform`` of the image and ``target_transform`` of the target."""

    def __init__(self, transform: Callable | None = None, target_transform: Callable | None = None):
        self.transform, self.target_transform = transform, target_transform

    def __call__(self, input: Any, target: Any) -> tuple[Any, Any]:
        if self.transform is not None:
            input = self.transform(input)
        if self.target_transform is not None:
            target = self.target_transform(target)
        return input, target

    def __repr__(self) -> str:
        body = [type(self).__name__]
        for head, transform in (("Transform: ", self.transform), ("Target transform: ", self.target_transform)):
            if transform is not None:
                lines = repr(transform).splitlines()
                body += [f"{head}{lines[0]}", *(" " * len(head) + line for line in lines[1:])]
        return "\n".join(body)


class VisionDataset(Dataset):
    """A folder, and what is done to images and targets: ``transforms`` to both, or ``transform`` and ``target_transform``."""

    def __init__(
        self,
        root: Any = None,
        transforms: Callable | None = None,
        transform: Callable | None = None,
        target_transform: Callable | None = None,
    ):
        self.root = os.path.expanduser(root) if isinstance(root, (str, bytes)) else root
        if transforms is not None and (transform is not None or target_transform is not None):
            raise ValueError("Only transforms or transform/target_transform can be passed as argument")
        self.transform, self.target_transform = transform, target_transform
        if transform is not None or target_transform is not None:
            transforms = StandardTransform(transform, target_transform)
        self.transforms = transforms

    def _transformed(self, image: Any, target: Any) -> tuple[Any, Any]:
        return self.transforms(image, target) if self.transforms is not None else (image, target)

    def __getitem__(self, index: int) -> Any:
        raise NotImplementedError(f"{type(self).__name__} has no __getitem__()")

    def __len__(self) -> int:
        raise NotImplementedError(f"{type(self).__name__} has no __len__()")

    def extra_repr(self) -> str:
        return ""

    def __repr__(self) -> str:
        body = [f"Number of datapoints: {len(self)}"]
        if self.root is not None:
            body.append(f"Root location: {self.root}")
        body += self.extra_repr().splitlines()
        if self.transforms is not None:
            body.append(repr(self.transforms))
        return "\n".join([f"Dataset {type(self).__name__}", *("    " + line for line in body)])


def missing_files(dataset: Any, paths: list[str], download: bool, source: str) -> None:
    """Raises what says which files are missing and where to put them, unless all are there."""
    missing = [p for p in paths if not os.path.exists(p)]
    if not missing:
        return
    name = type(dataset).__name__
    if download:
        raise UnsupportedError(
            f"{name}: download=True needs a network, which rushlight doesn't use; get {source}, and put it where this is found: {', '.join(missing)}"
        )
    raise RuntimeError(f"Dataset not found. {name} needs {', '.join(missing)} (from {source})")

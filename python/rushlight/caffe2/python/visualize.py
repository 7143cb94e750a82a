"""caffe2.python.visualize: pictures and histograms of blobs, by matplotlib."""

from __future__ import annotations

import numpy as np


def ChannelFirst(arr):
    """(..., channels) as (channels, ...)."""
    axes = list(range(arr.ndim))
    axes.insert(-3 if arr.ndim > 3 else 0, axes.pop()) if arr.ndim >= 3 else None
    return arr.transpose(axes) if arr.ndim >= 3 else arr


def ChannelLast(arr):
    return np.moveaxis(arr, -3, -1)


class PatchVisualizer:
    """Several pictures side by side in one."""

    def __init__(self, gap=1):
        self.gap = gap

    def ShowSingle(self, patch, cmap=None):
        return self.ShowMultiple(patch[np.newaxis], 1, cmap)

    def ShowMultiple(self, patches, ncols=None, cmap=None, bg_func=np.mean):
        import matplotlib.pyplot as plt

        image = self.get_patch_shape(patches, ncols, bg_func)
        plt.imshow(image, cmap=cmap or ("gray" if image.ndim == 2 else None))
        plt.axis("off")
        return image

    ShowImages = ShowMultiple

    def get_patch_shape(self, patches, ncols=None, bg_func=np.mean):
        n, h, w = patches.shape[:3]
        ncols = ncols or int(np.ceil(np.sqrt(n)))
        nrows = -(-n // ncols)
        image = np.full(
            (nrows * (h + self.gap) - self.gap, ncols * (w + self.gap) - self.gap, *patches.shape[3:]),
            bg_func(patches),
            dtype=patches.dtype,
        )
        for k, patch in enumerate(patches):
            y, x = k // ncols * (h + self.gap), k % ncols * (w + self.gap)
            image[y : y + h, x : x + w] = patch
        return image


class NHWC:
    @staticmethod
    def ShowSingle(patch, *args, **kwargs):
        return PatchVisualizer().ShowSingle(patch, *args, **kwargs)

    @staticmethod
    def ShowMultiple(patches, *args, **kwargs):
        return PatchVisualizer().ShowMultiple(patches, *args, **kwargs)

    ShowImages = ShowMultiple


class NCHW:
    @staticmethod
    def ShowSingle(patch, *args, **kwargs):
        return NHWC.ShowSingle(np.moveaxis(patch, 0, -1).squeeze(), *args, **kwargs)

    @staticmethod
    def ShowMultiple(patches, *args, **kwargs):
        patches = np.moveaxis(patches, 1, -1)
        return NHWC.ShowMultiple(patches[..., 0] if patches.shape[-1] == 1 else patches, *args, **kwargs)

    ShowImages = ShowMultiple


def ShowSingle(patch, *args, **kwargs):
    return PatchVisualizer().ShowSingle(patch, *args, **kwargs)


def ShowMultiple(patches, *args, **kwargs):
    return PatchVisualizer().ShowMultiple(patches, *args, **kwargs)

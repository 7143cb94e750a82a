"""What all R-CNN models do: transform, backbone, proposals, heads."""

from __future__ import annotations

from rushlight import Tensor, nn

from . import _utils as det_utils

__all__ = ["GeneralizedRCNN"]


class GeneralizedRCNN(nn.Module):
    """A detector of two stages.

    Called with a list of images ``(C, H, W)`` of any sizes, in training also a list of targets: dicts of ``boxes (K, 4)``, ``labels (K,)``
    (int64) and what its heads ask for. Gives a dict of losses in training, else a dict of boxes, labels and scores for each image.
    """

    def __init__(self, backbone: nn.Module, rpn: nn.Module, roi_heads: nn.Module, transform: nn.Module):
        super().__init__()
        self.transform, self.backbone, self.rpn, self.roi_heads = transform, backbone, rpn, roi_heads

    def forward(self, images: list[Tensor], targets: list[dict[str, Tensor]] | None = None):
        batch, targets, features, sizes = det_utils.features_of(self, images, targets)
        proposals, losses = self.rpn(batch, features, targets)
        found, head_losses = self.roi_heads(features, proposals, batch.image_sizes, targets)
        found = self.transform.postprocess(found, batch.image_sizes, sizes)
        return {**head_losses, **losses} if self.training else found

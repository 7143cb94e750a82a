"""Keypoint R-CNN (He et al., 2017): Faster R-CNN that finds places of a body."""

from __future__ import annotations

from typing import Any

from rushlight import Tensor, nn
from rushlight.nn import functional as F

from ...ops import MultiScaleRoIAlign
from .._registry import define, weights_getattr
from .faster_rcnn import FasterRCNN, on_resnet50, trained

__all__ = ["KeypointRCNN"]
__getattr__ = weights_getattr(__name__)


class KeypointRCNNHeads(nn.Sequential):
    """Convolutions over a box's features."""

    def __init__(self, in_channels: int, layers: Any):
        blocks: list[nn.Module] = []
        for n in layers:
            blocks += [nn.Conv2d(in_channels, n, 3, padding=1), nn.ReLU(inplace=True)]
            in_channels = n
        super().__init__(*blocks)
        for m in self.children():
            if isinstance(m, nn.Conv2d):
                nn.init.kaiming_normal_(m.weight, mode="fan_out", nonlinearity="relu")
                nn.init.constant_(m.bias, 0)


class KeypointRCNNPredictor(nn.Module):
    """A map of logits for each keypoint, of four times the features' resolution."""

    def __init__(self, in_channels: int, num_keypoints: int):
        super().__init__()
        self.kps_score_lowres = nn.ConvTranspose2d(in_channels, num_keypoints, 4, stride=2, padding=1)
        nn.init.kaiming_normal_(self.kps_score_lowres.weight, mode="fan_out", nonlinearity="relu")
        nn.init.constant_(self.kps_score_lowres.bias, 0)
        self.up_scale, self.out_channels = 2, num_keypoints

    def forward(self, x: Tensor) -> Tensor:
        x = self.kps_score_lowres(x)
        return F.interpolate(
            x, scale_factor=float(self.up_scale), mode="bilinear", align_corners=False, recompute_scale_factor=False
        )


class KeypointRCNN(FasterRCNN):
    """:class:`FasterRCNN` whose results have ``keypoints (K, num_keypoints, 3)`` and ``keypoints_scores``, and whose targets have
    ``keypoints``, each (x, y, visibility).

    Args:
        keypoint_roi_pool, keypoint_head, keypoint_predictor: as of :class:`RoIHeads`. others: as of :class:`FasterRCNN`.
    """

    def __init__(
        self, backbone: Any, num_classes: int | None = None, min_size: Any = None, *args: Any, keypoint_roi_pool: Any = None,
        keypoint_head: Any = None, keypoint_predictor: Any = None, num_keypoints: int | None = None, **kwargs: Any,
    ):  # fmt: skip
        if num_keypoints is not None and keypoint_predictor is not None:
            raise ValueError("num_keypoints should be None when keypoint_predictor is specified")
        super().__init__(backbone, num_classes, min_size or (640, 672, 704, 736, 768, 800), *args, **kwargs)
        self.roi_heads.keypoint_roi_pool = keypoint_roi_pool or MultiScaleRoIAlign(["0", "1", "2", "3"], 14, 2)
        self.roi_heads.keypoint_head = keypoint_head or KeypointRCNNHeads(backbone.out_channels, (512,) * 8)
        self.roi_heads.keypoint_predictor = keypoint_predictor or KeypointRCNNPredictor(512, num_keypoints or 17)


keypointrcnn_resnet50_fpn = define(
    "keypointrcnn_resnet50_fpn",
    on_resnet50(KeypointRCNN, 2),
    "Keypoint R-CNN on a ResNet-50 with a feature pyramid.",
    adjust=trained,
)
__all__.append("keypointrcnn_resnet50_fpn")

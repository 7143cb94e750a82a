"""Mask R-CNN (He et al., 2017): Faster R-CNN that draws each thing's outline."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from rushlight import Tensor, nn

from ...ops import Conv2dNormActivation, MultiScaleRoIAlign
from .._layers import init_weights, kaiming
from .._registry import define, weights_getattr
from .faster_rcnn import FasterRCNN, backbone, on_resnet50, trained, v2_parts

__all__ = ["MaskRCNN"]
__getattr__ = weights_getattr(__name__)


def _init(module: nn.Module) -> None:
    for name, p in module.named_parameters():
        if "weight" in name:
            nn.init.kaiming_normal_(p, mode="fan_out", nonlinearity="relu")


class MaskRCNNHeads(nn.Sequential):
    """Convolutions over a box's features."""

    _version = 2

    def __init__(
        self, in_channels: int, layers: Any, dilation: int, norm_layer: Callable[..., nn.Module] | None = None
    ):
        blocks = []
        for n in layers:
            blocks.append(
                Conv2dNormActivation(in_channels, n, 3, 1, dilation, norm_layer=norm_layer, dilation=dilation)
            )
            in_channels = n
        super().__init__(*blocks)
        init_weights(self, kaiming)

    def _load_from_state_dict(self, state_dict: dict, prefix: str, local_metadata: dict, *args: Any) -> None:
        if (local_metadata.get("version") or 1) < 2:
            for i in range(len(self)):
                for kind in ("weight", "bias"):
                    if (old := f"{prefix}mask_fcn{i + 1}.{kind}") in state_dict:
                        state_dict[f"{prefix}{i}.0.{kind}"] = state_dict.pop(old)
        super()._load_from_state_dict(state_dict, prefix, local_metadata, *args)


class MaskRCNNPredictor(nn.Sequential):
    """Twice the resolution, then a mask of logits for each class."""

    def __init__(self, in_channels: int, dim_reduced: int, num_classes: int):
        super().__init__()
        self.conv5_mask = nn.ConvTranspose2d(in_channels, dim_reduced, 2, 2, 0)
        self.relu = nn.ReLU(inplace=True)
        self.mask_fcn_logits = nn.Conv2d(dim_reduced, num_classes, 1, 1, 0)
        _init(self)

    def forward(self, x: Tensor) -> Tensor:
        return self.mask_fcn_logits(self.relu(self.conv5_mask(x)))


class MaskRCNN(FasterRCNN):
    """:class:`FasterRCNN` whose results have ``masks (K, 1, H, W)``, and whose targets have ``masks (K, H, W)``, uint8.

    Args:
        mask_roi_pool, mask_head, mask_predictor: as of :class:`RoIHeads`. others: as of :class:`FasterRCNN`.
    """

    def __init__(
        self, backbone: Any, num_classes: int | None = None, *args: Any, mask_roi_pool: Any = None, mask_head: Any = None,
        mask_predictor: Any = None, **kwargs: Any,
    ):  # fmt: skip
        if num_classes is not None and mask_predictor is not None:
            raise ValueError("num_classes should be None when mask_predictor is specified")
        super().__init__(backbone, num_classes, *args, **kwargs)
        self.roi_heads.mask_roi_pool = mask_roi_pool or MultiScaleRoIAlign(["0", "1", "2", "3"], 14, 2)
        self.roi_heads.mask_head = mask_head or MaskRCNNHeads(backbone.out_channels, (256,) * 4, 1)
        self.roi_heads.mask_predictor = mask_predictor or MaskRCNNPredictor(256, 256, num_classes or 0)


def _resnet50_v2(num_classes: int | None = None, **kwargs: Any) -> MaskRCNN:
    body, parts = v2_parts(*backbone("resnet50", kwargs, 5, 3, nn.BatchNorm2d))
    head = MaskRCNNHeads(body.out_channels, [256] * 4, 1, norm_layer=nn.BatchNorm2d)
    return MaskRCNN(body, num_classes=num_classes or 91, **{**parts, "mask_head": head, **kwargs})


for _name, _make in (("maskrcnn_resnet50_fpn", on_resnet50(MaskRCNN)), ("maskrcnn_resnet50_fpn_v2", _resnet50_v2)):
    globals()[_name] = define(_name, _make, "Mask R-CNN on a ResNet-50 with a feature pyramid.", adjust=trained)
    __all__.append(_name)

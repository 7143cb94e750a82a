"""Faster R-CNN (Ren et al., 2015).

>>> model = fasterrcnn_resnet50_fpn(weights_backbone=None, num_classes=3, min_size=64, max_size=96).eval()
>>> sorted(model([torch.rand(3, 50, 70)])[0])
['boxes', 'labels', 'scores']
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from rushlight import Tensor, nn

from ...ops import Conv2dNormActivation, FrozenBatchNorm2d, MultiScaleRoIAlign
from .._layers import init_weights, kaiming
from .._registry import define, get_model_builder, weights_getattr, weights_of
from . import _utils as det_utils
from .anchor_utils import AnchorGenerator
from .backbone_utils import mobilenet_pyramid, resnet_pyramid
from .generalized_rcnn import GeneralizedRCNN
from .roi_heads import RoIHeads
from .rpn import RegionProposalNetwork, RPNHead
from .transform import GeneralizedRCNNTransform

__all__ = ["FasterRCNN"]
__getattr__ = weights_getattr(__name__)

IMAGENET_MEAN, IMAGENET_STD = [0.485, 0.456, 0.406], [0.229, 0.224, 0.225]


class TwoMLPHead(nn.Module):
    """Two linear layers over a box's features."""

    def __init__(self, in_channels: int, representation_size: int):
        super().__init__()
        self.fc6 = nn.Linear(in_channels, representation_size)
        self.fc7 = nn.Linear(representation_size, representation_size)

    def forward(self, x: Tensor) -> Tensor:
        return self.fc7(self.fc6(x.flatten(1)).relu()).relu()


class FastRCNNConvFCHead(nn.Sequential):
    """Convolutions of 3 by 3, then linear layers."""

    def __init__(
        self,
        input_size: tuple[int, int, int],
        conv_layers: list[int],
        fc_layers: list[int],
        norm_layer: Callable[..., nn.Module] | None = None,
    ):
        channels, height, width = input_size
        blocks: list[nn.Module] = []
        for n in conv_layers:
            blocks.append(Conv2dNormActivation(channels, n, norm_layer=norm_layer))
            channels = n
        blocks.append(nn.Flatten())
        channels *= height * width
        for n in fc_layers:
            blocks += [nn.Linear(channels, n), nn.ReLU(inplace=True)]
            channels = n
        super().__init__(*blocks)
        init_weights(self, kaiming)


class FastRCNNPredictor(nn.Module):
    """Class logits ``(N, num_classes)`` and box offsets ``(N, 4 * num_classes)`` of vectors; class 0 is the background."""

    def __init__(self, in_channels: int, num_classes: int):
        super().__init__()
        self.cls_score = nn.Linear(in_channels, num_classes)
        self.bbox_pred = nn.Linear(in_channels, num_classes * 4)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        if x.dim() == 4 and tuple(x.shape[2:]) != (1, 1):
            raise ValueError(
                f"x has the wrong shape, expecting the last two dimensions to be [1,1] instead of {list(x.shape[2:])}"
            )
        x = x.flatten(1)
        return self.cls_score(x), self.bbox_pred(x)


def default_anchors() -> AnchorGenerator:
    return AnchorGenerator(((32,), (64,), (128,), (256,), (512,)), ((0.5, 1.0, 2.0),) * 5)


class FasterRCNN(GeneralizedRCNN):
    """A proposal network and a classifier of its proposals on one backbone.

    Args:
        backbone: gives a map or a dict of maps; its ``out_channels`` says how many channels they have.
        num_classes: with the background; None where `box_predictor` is given.
        others: as of :class:`GeneralizedRCNNTransform` (min_size ... image_std), :class:`RegionProposalNetwork` (rpn_...) and :class:`RoIHeads`
        (box_..., bbox_reg_weights).
    """

    def __init__(
        self, backbone: nn.Module, num_classes: int | None = None, min_size: Any = 800, max_size: int = 1333, image_mean: Any = None,
        image_std: Any = None, rpn_anchor_generator: Any = None, rpn_head: Any = None, rpn_pre_nms_top_n_train: int = 2000,
        rpn_pre_nms_top_n_test: int = 1000, rpn_post_nms_top_n_train: int = 2000, rpn_post_nms_top_n_test: int = 1000,
        rpn_nms_thresh: float = 0.7, rpn_fg_iou_thresh: float = 0.7, rpn_bg_iou_thresh: float = 0.3, rpn_batch_size_per_image: int = 256,
        rpn_positive_fraction: float = 0.5, rpn_score_thresh: float = 0.0, box_roi_pool: Any = None, box_head: Any = None,
        box_predictor: Any = None, box_score_thresh: float = 0.05, box_nms_thresh: float = 0.5, box_detections_per_img: int = 100,
        box_fg_iou_thresh: float = 0.5, box_bg_iou_thresh: float = 0.5, box_batch_size_per_image: int = 512,
        box_positive_fraction: float = 0.25, bbox_reg_weights: Any = None, **kwargs: Any,
    ):  # fmt: skip
        if not hasattr(backbone, "out_channels"):
            raise ValueError(
                "backbone should contain an attribute out_channels specifying the number of output channels (assumed to be the same for all the levels)"
            )
        if (num_classes is None) == (box_predictor is None):
            raise ValueError("num_classes should be None when box_predictor is specified, and not None when it isn't")
        channels = backbone.out_channels
        anchors = rpn_anchor_generator or default_anchors()
        rpn = RegionProposalNetwork(
            anchors, rpn_head or RPNHead(channels, anchors.num_anchors_per_location()[0]), rpn_fg_iou_thresh, rpn_bg_iou_thresh,
            rpn_batch_size_per_image, rpn_positive_fraction, {"training": rpn_pre_nms_top_n_train, "testing": rpn_pre_nms_top_n_test},
            {"training": rpn_post_nms_top_n_train, "testing": rpn_post_nms_top_n_test}, rpn_nms_thresh, score_thresh=rpn_score_thresh,
        )  # fmt: skip
        pool = box_roi_pool or MultiScaleRoIAlign(["0", "1", "2", "3"], 7, 2)
        heads = RoIHeads(
            pool, box_head or TwoMLPHead(channels * pool.output_size[0] ** 2, 1024), box_predictor or FastRCNNPredictor(1024, num_classes or 0),
            box_fg_iou_thresh, box_bg_iou_thresh, box_batch_size_per_image, box_positive_fraction, bbox_reg_weights, box_score_thresh,
            box_nms_thresh, box_detections_per_img,
        )  # fmt: skip
        transform = GeneralizedRCNNTransform(
            min_size, max_size, image_mean or IMAGENET_MEAN, image_std or IMAGENET_STD, **kwargs
        )
        super().__init__(backbone, rpn, heads, transform)


def trained(weights: Any, kwargs: dict) -> None:
    """Arguments that a checkpoint of the whole model brings along."""
    kwargs["weights_backbone"] = None
    kwargs["_whole"] = True
    classes = 2 if "KeypointRCNN" in type(weights).__name__ else 91
    if kwargs.get("num_classes") not in (None, classes):
        raise ValueError(
            f"The parameter 'num_classes' expected value {classes} but got {kwargs['num_classes']} instead."
        )
    kwargs["num_classes"] = classes


def backbone(name: str, given: dict, most: int, usual: int, norm: Any = None) -> tuple[Any, int]:
    """The classifier that `weights_backbone` asks for, and how many of its stages are trained: all, where nothing was trained before."""
    weights = given.pop("weights_backbone", "IMAGENET1K_V1")
    weights = None if weights is None else weights_of(name).verify(weights)
    whole = given.pop("_whole", False)
    count = given.pop("trainable_backbone_layers", None)
    if weights is None and not whole:
        count = most
    count = usual if count is None else count
    if not 0 <= count <= most:
        raise ValueError(f"Trainable backbone layers should be in the range [0,{most}], got {count}")
    if norm is None:
        norm = FrozenBatchNorm2d if weights is not None or whole else nn.BatchNorm2d
    return get_model_builder(name)(weights=weights, norm_layer=norm), count


def on_resnet50(cls: Any, classes: int = 91, pyramid: Callable = resnet_pyramid) -> Callable[..., Any]:
    """Makes a detector on a ResNet-50; checkpoints of whole ones were trained with another eps of the frozen normalisations."""

    def make(num_classes: int | None = None, **kwargs: Any) -> Any:
        whole = kwargs.get("_whole", False)
        net, count = backbone("resnet50", kwargs, 5, 3)
        model = cls(pyramid(net, count), num_classes=classes if num_classes is None else num_classes, **kwargs)
        if whole:
            det_utils.overwrite_eps(model, 0.0)
        return model

    make.__module__ = cls.__module__
    return make


def v2_parts(net: Any, count: int) -> tuple[nn.Module, dict[str, Any]]:
    """The backbone, proposal head and box head of the models of Li et al. (2021), normalised throughout."""
    body = resnet_pyramid(net, count, norm_layer=nn.BatchNorm2d)
    anchors = default_anchors()
    return body, {
        "rpn_anchor_generator": anchors,
        "rpn_head": RPNHead(body.out_channels, anchors.num_anchors_per_location()[0], conv_depth=2),
        "box_head": FastRCNNConvFCHead((body.out_channels, 7, 7), [256] * 4, [1024], norm_layer=nn.BatchNorm2d),
    }


def _resnet50_v2(num_classes: int | None = None, **kwargs: Any) -> FasterRCNN:
    body, parts = v2_parts(*backbone("resnet50", kwargs, 5, 3, nn.BatchNorm2d))
    return FasterRCNN(body, num_classes=num_classes or 91, **{**parts, **kwargs})


def _mobilenet(fixed: dict):
    def make(num_classes: int | None = None, **kwargs: Any) -> FasterRCNN:
        net, count = backbone("mobilenet_v3_large", kwargs, 6, 3)
        anchors = AnchorGenerator(((32, 64, 128, 256, 512),) * 3, ((0.5, 1.0, 2.0),) * 3)
        options = {**fixed, "rpn_score_thresh": 0.05, **kwargs}
        return FasterRCNN(
            mobilenet_pyramid(net, True, count), num_classes or 91, rpn_anchor_generator=anchors, **options
        )

    return make


_SMALL = {"min_size": 320, "max_size": 640, "rpn_pre_nms_top_n_test": 150, "rpn_post_nms_top_n_test": 150}
for _name, _make, _doc in (
    ("fasterrcnn_resnet50_fpn", on_resnet50(FasterRCNN), "Faster R-CNN on a ResNet-50 with a feature pyramid."),
    (
        "fasterrcnn_resnet50_fpn_v2",
        _resnet50_v2,
        "Faster R-CNN of Li et al. (2021) on a ResNet-50 with a feature pyramid.",
    ),
    ("fasterrcnn_mobilenet_v3_large_fpn", _mobilenet({}), "Faster R-CNN on a MobileNet V3 with a feature pyramid."),
    ("fasterrcnn_mobilenet_v3_large_320_fpn", _mobilenet(_SMALL), "Faster R-CNN on a MobileNet V3, for small images."),
):
    globals()[_name] = define(_name, _make, _doc, adjust=trained)
    __all__.append(_name)

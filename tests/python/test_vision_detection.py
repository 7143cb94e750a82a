"""Models that find things: what they give and learn, names and counts of weights, and the mistakes that users make."""

import pytest
from rushlight.vision.models import detection, get_model
from rushlight.vision.models.detection import _utils as det
from rushlight.vision.models.detection.anchor_utils import AnchorGenerator
from rushlight.vision.models.detection.image_list import ImageList
from rushlight.vision.models.detection.roi_heads import keypoints_to_heatmap, paste_masks_in_image
from rushlight.vision.models.detection.rpn import RPNHead
from rushlight.vision.ops import MultiScaleRoIAlign, box_iou

import rushlight as torch
from rushlight import nn


def backbone():
    net = nn.Sequential(
        nn.Conv2d(3, 16, 3, 2, 1), nn.ReLU(), nn.Conv2d(16, 32, 3, 2, 1), nn.ReLU(), nn.Conv2d(32, 32, 3, 2, 1), nn.ReLU()
    )  # fmt: skip
    net.out_channels = 32
    return net


def scene(i):
    """A grey image with a bright square (class 1) and a dark one (class 2), and what a model shall find in it."""
    g = torch.Generator().manual_seed(i)
    x, y = (
        (torch.randint(0, 24, (2,), generator=g) + torch.tensor([0, 36])).tolist(),
        torch.randint(0, 36, (2,), generator=g).tolist(),
    )
    image, masks, boxes = torch.full((3, 64, 80), 0.5), torch.zeros(2, 64, 80, dtype=torch.uint8), []
    for k, (left, top) in enumerate(zip(x, y)):
        image[:, top : top + 20, left : left + 20] = 1.0 - k
        masks[k, top : top + 20, left : left + 20] = 1
        boxes.append([left, top, left + 20, top + 20])
    return image, {"boxes": torch.tensor(boxes).float(), "labels": torch.tensor([1, 2]), "masks": masks}


def small(cls=detection.FasterRCNN, **kwargs):
    parts = {
        "rpn_anchor_generator": AnchorGenerator(((16, 24),), ((1.0,),)),
        "box_roi_pool": MultiScaleRoIAlign(["0"], 5, 2),
    }
    if cls is detection.MaskRCNN:
        parts["mask_roi_pool"] = MultiScaleRoIAlign(["0"], 7, 2)
    return cls(
        backbone(),
        num_classes=3,
        min_size=64,
        max_size=80,
        image_mean=[0.5] * 3,
        image_std=[0.5] * 3,
        **parts,
        **kwargs,
    )


def test_learns_to_find_squares_and_their_outlines():
    torch.manual_seed(0)
    model = small(detection.MaskRCNN)
    optimizer = torch.optim.Adam(model.parameters(), 2e-3)
    first = None
    for step in range(80):
        batch = [scene(10 * step + k) for k in range(2)]
        losses = model([i for i, _ in batch], [t for _, t in batch])
        assert set(losses) == {"loss_classifier", "loss_box_reg", "loss_mask", "loss_objectness", "loss_rpn_box_reg"}
        loss = sum(losses.values())
        first = first or loss.item()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert loss.item() < 0.4 * first
    model.eval()
    boxes, masks = [], []
    for number in range(9990, 10000):
        image, target = scene(number)
        with torch.no_grad():
            found = model([image])[0]
        for box, label, mask in zip(target["boxes"], target["labels"], target["masks"]):
            mine = torch.where(found["labels"] == label)[0]
            best = mine[found["scores"][mine].argmax()]
            boxes.append(box_iou(found["boxes"][best][None], box[None]).item())
            drawn = found["masks"][best, 0] > 0.5
            assert drawn.shape == mask.shape
            masks.append(float((drawn & (mask > 0)).sum() / (drawn | (mask > 0)).sum()))
    # Most are found; which are not depends on how a processor rounds.
    for overlaps in (boxes, masks):
        assert sum(o > 0.4 for o in overlaps) >= 0.6 * len(overlaps), overlaps


# Counts that torchvision publishes with its checkpoints.
@pytest.mark.parametrize(
    "name, count",
    [
        ("fasterrcnn_resnet50_fpn", 41755286),
        ("fasterrcnn_resnet50_fpn_v2", 43712278),
        ("fasterrcnn_mobilenet_v3_large_fpn", 19386354),
        ("maskrcnn_resnet50_fpn", 44401393),
        ("maskrcnn_resnet50_fpn_v2", 46359409),
        ("keypointrcnn_resnet50_fpn", 59137258),
        ("retinanet_resnet50_fpn", 34014999),
        ("retinanet_resnet50_fpn_v2", 38198935),
        ("fcos_resnet50_fpn", 32269600),
    ],
)
def test_parameters_are_torchvisions(name, count):
    with torch.device("meta"):
        model = get_model(name, weights=None, weights_backbone=None)
    # They are of models whose backbones were trained before: their normalisations are frozen.
    body = [] if name.endswith("_v2") else [m for m in model.backbone.body.modules() if isinstance(m, nn.BatchNorm2d)]
    frozen = sum(p.numel() for m in body for p in m.parameters())
    assert sum(p.numel() for p in model.parameters()) - frozen == count


def test_frozen_stages_follow_the_backbones_weights():
    model = detection.fasterrcnn_resnet50_fpn(weights=None, weights_backbone=None, trainable_backbone_layers=1)
    assert all(p.requires_grad for p in model.parameters())  # nothing was trained before: nothing is kept
    body = detection.backbone_utils.resnet_fpn_backbone(backbone_name="resnet18", weights=None, trainable_layers=2).body
    assert {n.split(".")[0] for n, p in body.named_parameters() if p.requires_grad} == {"layer3", "layer4"}


def test_checkpoints_of_the_first_form_load():
    head = RPNHead(8, 3)
    old = {k.replace("conv.0.0", "conv"): v for k, v in head.state_dict().items()}
    RPNHead(8, 3).load_state_dict(old)


@pytest.mark.parametrize("make", [detection.RetinaNet, detection.FCOS])
def test_one_stage(make):
    torch.manual_seed(0)
    anchors = AnchorGenerator(((16,),), ((1.0,),))
    model = make(backbone(), num_classes=3, min_size=64, max_size=80, anchor_generator=anchors)
    image, target = scene(0)
    losses = model([image, image], [target, {"boxes": torch.zeros(0, 4), "labels": torch.zeros(0, dtype=torch.int64)}])
    sum(losses.values()).backward()
    assert all(torch.isfinite(p.grad).all() for p in model.head.parameters())
    assert set(model.eval()([image])[0]) == {"boxes", "scores", "labels"}


def test_images_without_things():
    model = small()
    image, target = scene(0)
    empty = {"boxes": torch.zeros(0, 4), "labels": torch.zeros(0, dtype=torch.int64)}
    losses = model([image, image], [target, empty])
    assert all(torch.isfinite(v) for v in losses.values())
    found = small(box_score_thresh=1.0).eval()([image])[0]
    assert [tuple(found[k].shape) for k in ("boxes", "labels", "scores")] == [(0, 4), (0,), (0,)]


def test_boxes_as_offsets_and_back():
    torch.manual_seed(0)
    corner = torch.rand(50, 2) * 50
    boxes = torch.cat([corner, corner + 1 + torch.rand(50, 2) * 40], dim=1)
    others = boxes[torch.randperm(50)]
    coder = det.BoxCoder((10.0, 10.0, 5.0, 5.0))
    assert torch.allclose(coder.decode(torch.cat(coder.encode([boxes], [others])), [others])[:, 0], boxes, atol=1e-3)


def test_matching():
    quality = torch.tensor([[0.9, 0.5, 0.1, 0.35], [0.2, 0.1, 0.2, 0.3]])
    assert det.Matcher(0.7, 0.3)(quality).tolist() == [0, -2, -1, -2]
    assert det.Matcher(0.7, 0.3, allow_low_quality_matches=True)(quality).tolist() == [0, -2, -1, 0]
    with pytest.raises(ValueError, match="No ground-truth boxes"):
        det.Matcher(0.7, 0.3)(torch.zeros(0, 4))


def test_samples_are_balanced():
    labels = torch.cat([torch.ones(100), torch.zeros(100), -torch.ones(50)])
    positive, negative = det.BalancedPositiveNegativeSampler(64, 0.25)([labels, labels[90:]])
    assert [int(m.sum()) for m in positive] == [16, 10]
    assert [int(m.sum()) for m in negative] == [48, 54]
    assert not (positive[0].bool() & (labels != 1)).any()


def test_anchors_stand_on_each_place():
    anchors = AnchorGenerator(((8, 16),), ((0.5, 1.0, 2.0),))
    out = anchors(ImageList(torch.zeros(2, 3, 32, 48), [(32, 48), (30, 40)]), [torch.zeros(2, 4, 4, 6)])
    assert len(out) == 2 and out[0].shape == (4 * 6 * 6, 4)
    assert torch.equal(
        out[0].view(4, 6, 6, 4)[2, 3] - out[0].view(4, 6, 6, 4)[0, 0], torch.tensor([24.0, 16, 24, 16]).expand(6, 4)
    )
    with pytest.raises(ValueError, match="number of feature maps"):
        anchors(ImageList(torch.zeros(1, 3, 8, 8), [(8, 8)]), [torch.zeros(1, 1, 2, 2)] * 2)


def test_masks_are_pasted_where_their_boxes_are():
    mask = paste_masks_in_image(torch.ones(1, 1, 7, 7), torch.tensor([[4.0, 2, 11, 9]]), (12, 16))
    assert mask.shape == (1, 1, 12, 16)
    assert mask[0, 0, 3:9, 5:11].min() > 0.9 and mask[0, 0, :, 13:].max() == 0
    outside = paste_masks_in_image(torch.ones(1, 1, 7, 7), torch.tensor([[-5.0, -5, 3, 3]]), (12, 16))
    assert outside[0, 0, 0, 0] > 0.9 and outside[0, 0, 6, 6] == 0


def test_keypoints_outside_of_their_box_dont_count():
    place, valid = keypoints_to_heatmap(
        torch.tensor([[[5.0, 5, 1], [10, 10, 1], [11, 5, 1], [5, 5, 0]]]), torch.tensor([[0.0, 0, 10, 10]]), 10
    )
    assert place.tolist() == [[55, 99, 0, 0]] and valid.tolist() == [[1, 1, 0, 0]]


def test_mistakes():
    model, (image, target) = small(), scene(0)
    with pytest.raises(AssertionError, match="targets should not be none"):
        model([image])
    with pytest.raises(AssertionError, match=r"shape \[N, 4\]"):
        model([image], [{**target, "boxes": target["boxes"][0]}])
    with pytest.raises(AssertionError, match="positive height and width"):
        model([image], [{**target, "boxes": torch.tensor([[5.0, 5, 5, 9], [1, 1, 4, 4]])}])
    with pytest.raises(TypeError, match="int64"):
        model([image], [{**target, "labels": target["labels"].float()}])
    with pytest.raises(TypeError, match="floating type"):
        model.eval()([(image * 255).to(torch.uint8)])
    with pytest.raises(ValueError, match="3d tensors"):
        model([image[None]])
    with pytest.raises(ValueError, match="out_channels"):
        detection.FasterRCNN(nn.Identity(), 2)
    with pytest.raises(ValueError, match="num_classes"):
        detection.FasterRCNN(backbone())
    with pytest.raises(ValueError, match="between 0 and 5"):
        detection.backbone_utils.resnet_fpn_backbone(backbone_name="resnet18", weights=None, trainable_layers=9)

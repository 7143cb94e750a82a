"""Transforms, against PIL, against slow code of our own, and against numbers of torchvision 0.28."""

import random

import numpy as np
import pytest
from rushlight.vision.transforms import functional as F
from rushlight.vision.transforms import v2
from rushlight.vision.transforms.v2 import functional as F2

import rushlight as torch
from rushlight.vision import transforms as v1
from rushlight.vision import tv_tensors as tv

Image = pytest.importorskip("PIL.Image")


def picture(height=37, width=50):
    y, x = np.mgrid[0:height, 0:width]
    waves = [(np.sin(x / 7 + i) + np.cos(y / 5 - i)) * 60 + 127 for i in range(3)]
    return np.stack(waves, -1).clip(0, 255).astype(np.uint8)


IMAGE = torch.from_numpy(picture().transpose(2, 0, 1).copy())
PIL = Image.fromarray(picture())


def values(image):
    return (
        np.asarray(image).transpose(2, 0, 1).astype(int)
        if not isinstance(image, torch.Tensor)
        else image.numpy().astype(int)
    )


@pytest.mark.parametrize(("mode", "within"), [("BILINEAR", 1), ("BICUBIC", 2)])
@pytest.mark.parametrize("size", [20, (30, 21), (70, 90)])
def test_bytes_are_resized_as_pil_does(mode, within, size):
    mode = v1.InterpolationMode[mode]
    ours, pils = F2.resize(IMAGE, size, mode), F2.resize(PIL, size, mode)
    assert np.abs(values(ours) - values(pils)).max() <= within
    assert np.abs(values(F.resize(IMAGE, size, mode)) - values(pils)).max() <= within


@pytest.mark.parametrize(
    ("name", "args", "within"),
    [
        ("hflip", (), 0), ("vflip", (), 0), ("crop", (3, 4, 20, 30), 0), ("crop", (-5, -3, 30, 60), 0), ("center_crop", (20,), 0),
        ("center_crop", ((60, 40),), 0), ("pad", ([1, 2, 3, 4], 7), 0), ("pad", (3, 0, "reflect"), 0), ("pad", (3, 0, "symmetric"), 0),
        ("pad", (3, 0, "edge"), 0), ("invert", (), 0), ("posterize", (3,), 0), ("solarize", (100,), 0), ("equalize", (), 0),
        ("autocontrast", (), 1), ("adjust_brightness", (0.7,), 1), ("adjust_contrast", (1.5,), 2), ("adjust_saturation", (0.4,), 2),
        ("adjust_sharpness", (0.3,), 1), ("adjust_gamma", (2.2,), 1), ("rgb_to_grayscale", (3,), 1),
    ],
)  # fmt: skip
def test_tensors_and_pil_images_agree(name, args, within):
    f = getattr(F, name)
    assert np.abs(values(f(IMAGE, *args)) - values(f(PIL, *args))).max() <= within
    floats = f(IMAGE.float() / 255, *(a / 255 if name == "solarize" else a for a in args))
    if name not in ("pad", "posterize", "equalize"):
        assert np.abs(floats.mul(255).numpy() - values(f(IMAGE, *args))).max() <= 2


@pytest.mark.parametrize("angle", [90, 180, 270])
def test_right_angles_move_pixels_exactly(angle):
    square = IMAGE[:, :, :37]
    want = torch.rot90(square, angle // 90, (1, 2))
    assert torch.equal(F.rotate(square, angle), want)
    assert torch.equal(F.rotate(square, angle, expand=True), want)
    assert torch.equal(F.affine(square, -angle, [0, 0], 1.0, [0.0, 0.0]), want)


def test_perspective_of_the_corners_themselves_changes_nothing():
    corners = [[0, 0], [49, 0], [49, 36], [0, 36]]
    assert torch.equal(F.perspective(IMAGE, corners, corners), IMAGE)
    moved = [[x + 5, y] for x, y in corners]
    assert torch.equal(F.perspective(IMAGE, corners, moved, v1.InterpolationMode.NEAREST)[:, :, 5:], IMAGE[:, :, :-5])


def test_blur_and_noise():
    dot = torch.zeros(1, 9, 9)
    dot[0, 4, 4] = 1
    blurred = F.gaussian_blur(dot, [5, 3], [1.5, 0.7])
    assert blurred.sum().item() == pytest.approx(1)
    k = np.exp(-0.5 * (np.arange(-2, 3) / 1.5) ** 2)
    np.testing.assert_allclose((blurred[0, 4, 2:7] / blurred[0, 4].sum()).numpy(), k / k.sum(), rtol=1e-5)
    torch.manual_seed(0)
    assert F2.gaussian_noise(torch.full((1, 100, 100), 0.5), sigma=0.1).std().item() == pytest.approx(0.1, abs=0.01)


def test_conversions():
    assert torch.equal(F.pil_to_tensor(PIL), IMAGE)
    assert torch.equal(F.to_tensor(PIL), IMAGE.float() / 255)
    assert torch.equal(F.to_tensor(picture()), IMAGE.float() / 255)
    assert np.array_equal(np.asarray(F.to_pil_image(IMAGE)), picture())
    assert np.array_equal(np.asarray(F.to_pil_image(IMAGE.float() / 255)), picture())
    assert F.convert_image_dtype(torch.tensor([0, 255], dtype=torch.uint8), torch.int16).tolist() == [0, 32640]
    assert F.convert_image_dtype(torch.tensor([0.0, 1.0]), torch.uint8).tolist() == [0, 255]
    with pytest.raises(RuntimeError, match="cannot be performed safely"):
        F.convert_image_dtype(torch.tensor([1.0]), torch.int64)
    for mode in ("1", "L", "LA", "RGBA", "I;16", "F"):
        assert F.to_tensor(Image.new(mode, (3, 2))).shape[1:] == (2, 3)


# What torchvision 0.28 draws with seed 0.
def test_a_seed_gives_what_it_gives_torchvision():
    torch.manual_seed(0)
    random.seed(0)
    seen = [
        v1.RandomCrop.get_params(IMAGE, (20, 30)),
        v1.RandomResizedCrop.get_params(IMAGE, (0.08, 1.0), (0.75, 4 / 3)),
        round(v1.RandomRotation.get_params([-30, 30]), 4),
        [round(v, 4) for v in v1.ColorJitter.get_params((0.5, 1.5), (0.5, 1.5), (0.5, 1.5), (-0.1, 0.1))[1:]],
        v1.RandomPerspective.get_params(50, 37, 0.5),
        v1.RandomErasing.get_params(IMAGE, (0.02, 0.33), (0.3, 3.3), [0])[:4],
    ]
    assert seen == SEEN


SEEN = [
    (8, 3, 20, 30),
    (11, 9, 19, 16),
    -0.5944,
    [0.8489, 0.9017, 0.5223, -0.0662],
    ([[0, 0], [49, 0], [49, 36], [0, 36]], [[10, 6], [42, 8], [49, 30], [12, 36]]),
    (9, 33, 25, 10),
]


def test_policies_take_bytes_and_pil_images():
    for policy in (
        v1.AutoAugment(),
        v1.RandAugment(),
        v1.TrivialAugmentWide(),
        v1.AugMix(),
        v2.AutoAugment(),
        v2.RandAugment(),
        v2.AugMix(),
    ):
        for seed in range(5):
            torch.manual_seed(seed)
            a = policy(IMAGE)
            torch.manual_seed(seed)
            b = policy(PIL)
            assert a.shape == IMAGE.shape and a.dtype == torch.uint8
            assert b.size == PIL.size
            assert np.abs(values(a) - values(b)).mean() < 12  # resampled in other ways


def test_samples_keep_together():
    boxes = tv.BoundingBoxes([[5, 6, 20, 30], [0, 0, 10, 10]], format="XYXY", canvas_size=(37, 50))
    points = tv.KeyPoints([[5, 6]], canvas_size=(37, 50))
    mask = tv.Mask(torch.zeros(2, 37, 50, dtype=torch.uint8))
    mask[0, 6:30, 5:20] = 1
    sample = {
        "image": tv.Image(IMAGE),
        "boxes": boxes,
        "mask": mask,
        "points": points,
        "label": torch.tensor([3, 4]),
        "name": "x",
    }
    out = v2.RandomHorizontalFlip(p=1)(sample)
    assert out["boxes"].tolist() == [[30, 6, 45, 30], [40, 0, 50, 10]]
    assert out["points"].tolist() == [[44, 6]]
    assert torch.equal(out["label"], sample["label"]) and out["name"] == "x"
    assert out["mask"][0, 6:30, 30:45].all() and out["mask"].sum() == mask.sum()
    out = v2.Resize((74, 100))(sample)
    assert out["boxes"].canvas_size == (74, 100)
    assert out["boxes"].tolist() == [[10, 12, 40, 60], [0, 0, 20, 20]]
    out = v2.Compose([v2.CenterCrop((20, 20)), v2.SanitizeBoundingBoxes(labels_getter="label")])(sample)
    assert out["boxes"].tolist() == [[0, 0, 5, 20]] and out["label"].tolist() == [3] and len(out["mask"]) == 1
    turned = F2.rotate(boxes, 90, expand=True)
    assert turned.canvas_size == (50, 37) and turned.tolist() == [[6, 30, 30, 45], [0, 40, 10, 50]]


def test_only_the_first_plain_tensor_is_an_image():
    image, other = v2.RandomHorizontalFlip(p=1)(IMAGE, IMAGE)
    assert torch.equal(image, IMAGE.flip(-1)) and torch.equal(other, IMAGE)
    pil, plain = v2.RandomHorizontalFlip(p=1)(PIL, IMAGE)
    assert torch.equal(plain, IMAGE)


def test_meanings_go_with_copies_but_not_with_results():
    boxes = tv.BoundingBoxes([[1.0, 2, 3, 4]], format="XYWH", canvas_size=(10, 10))
    assert type(boxes.clone()) is type(boxes.to(torch.float64)) is tv.BoundingBoxes
    assert boxes.clone().canvas_size == (10, 10)
    assert type(boxes + 1) is torch.Tensor
    with tv.set_return_type("TVTensor"):
        assert type(boxes + 1) is tv.BoundingBoxes
    assert type(boxes * 2) is torch.Tensor
    assert tv.wrap(boxes + 1, like=boxes).format == tv.BoundingBoxFormat.XYWH


def test_mixup_and_cutmix():
    images, labels = torch.stack([torch.zeros(3, 8, 8), torch.ones(3, 8, 8)]), torch.tensor([0, 2])
    torch.manual_seed(0)
    mixed, shares = v2.MixUp(num_classes=3)(images, labels)
    assert shares.sum(1).tolist() == pytest.approx([1, 1])
    assert mixed[0, 0, 0, 0].item() == pytest.approx(shares[0, 2].item())
    cut, shares = v2.CutMix(num_classes=3)(images, labels)
    assert cut[0].mean().item() == pytest.approx(shares[0, 2].item())


@pytest.mark.parametrize(
    ("call", "kind", "text"),
    [
        (lambda: F.resize(IMAGE, 0), ValueError, "size > 0"),
        (lambda: F.resize("x", 3), TypeError, "PIL Image or Tensor"),
        (lambda: F.resize(IMAGE, 3, max_size=2), ValueError, "max_size"),
        (lambda: v1.RandomCrop(100)(IMAGE), ValueError, "larger than input"),
        (lambda: F.normalize(IMAGE, [0.5], [0.5]), TypeError, "float tensor"),
        (lambda: F.normalize(IMAGE.float(), [0.5], [0.0]), ValueError, "division by zero"),
        (
            lambda: F.normalize(IMAGE[:1].float(), [0.5] * 3, [0.5] * 3),
            RuntimeError,
            "each of 1 channels, or one for all, got 3 and 3",
        ),
        (lambda: F.pad(IMAGE, [1, 2, 3]), ValueError, "1, 2, or 4"),
        (lambda: F.pad(IMAGE, 60, 0, "reflect"), RuntimeError, "smaller than the image"),
        (lambda: F.adjust_hue(IMAGE, 0.7), ValueError, "hue_factor"),
        (lambda: F.adjust_brightness(IMAGE[:2], 0.7), TypeError, "channel"),
        (lambda: F.gaussian_blur(IMAGE, 4), ValueError, "odd"),
        (lambda: F.rotate(IMAGE, 10, fill=[1, 2]), ValueError, "broadcast"),
        (lambda: F.affine(IMAGE, 0, [0, 0], 0.0, [0.0]), ValueError, "positive"),
        (lambda: F.to_pil_image(torch.zeros(5, 2, 2)), ValueError, "4 channels"),
        (lambda: v2.Compose([]), ValueError, "at least one"),
        (lambda: tv.BoundingBoxes(torch.zeros(1, 2, 4), format="XYXY", canvas_size=(1, 1)), ValueError, "1D or 2D"),
        (lambda: v2.MixUp()(torch.zeros(2, 3, 4, 4), torch.tensor([0, 1])), ValueError, "num_classes"),
    ],
)
def test_what_does_not_fit_is_told(call, kind, text):
    with pytest.raises(kind, match=text):
        call()

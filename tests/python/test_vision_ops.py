"""torchvision's compiled operators and what rushlight.vision.ops makes of them, against slow code of our own."""

import math
import subprocess
import sys

import numpy as np
import pytest

import rushlight as torch
from rushlight.vision import ops


def boxes(n, seed=0):
    b = np.random.default_rng(seed).random((n, 4)) * 40
    b[:, 2:] += b[:, :2]
    return torch.tensor(b)


def bilinear(plane, y, x):
    h, w = plane.shape
    if not (-1 <= y <= h and -1 <= x <= w):
        return 0.0
    y, x = min(max(y, 0.0), h - 1.0), min(max(x, 0.0), w - 1.0)
    y0, x0 = int(y), int(x)
    y1, x1 = min(y0 + 1, h - 1), min(x0 + 1, w - 1)
    fy, fx = y - y0, x - x0
    return (plane[y0, x0] * (1 - fx) + plane[y0, x1] * fx) * (1 - fy) + (
        plane[y1, x0] * (1 - fx) + plane[y1, x1] * fx
    ) * fy


def slow_roi_align(x, rois, size, scale, ratio, aligned):
    out = np.zeros((len(rois), x.shape[1], size, size))
    for n, c, i, j in np.ndindex(out.shape):
        image, *box = rois[n]
        x1, y1, x2, y2 = (v * scale - (0.5 if aligned else 0) for v in box)
        w, h = (x2 - x1, y2 - y1) if aligned else (max(x2 - x1, 1), max(y2 - y1, 1))
        ny, nx = (ratio or math.ceil(h / size)), (ratio or math.ceil(w / size))
        out[n, c, i, j] = sum(
            bilinear(x[image, c], y1 + (i + (a + 0.5) / ny) * h / size, x1 + (j + (b + 0.5) / nx) * w / size)
            for a in range(ny)
            for b in range(nx)
        ) / (ny * nx)
    return out


@pytest.mark.parametrize("aligned", [False, True])
@pytest.mark.parametrize("ratio", [0, 2])
def test_roi_align_is_the_mean_of_its_samples(aligned, ratio):
    torch.manual_seed(0)
    x = torch.randn(2, 3, 8, 9, dtype=torch.float64)
    rois = [[0, -3.0, 1.0, 9.0, 14.5], [1, 4.2, 3.3, 20.0, 11.0], [0, 2.0, 2.0, 2.1, 2.1], [1, 50.0, 50.0, 60.0, 60.0]]
    got = ops.roi_align(x, torch.tensor(rois, dtype=torch.float64), 3, 0.5, ratio, aligned)
    np.testing.assert_allclose(
        got.numpy(), slow_roi_align(x.numpy(), rois, 3, 0.5, ratio, aligned), rtol=1e-10, atol=1e-12
    )


def test_roi_pool_takes_the_largest_of_each_bin():
    x = torch.arange(36.0).view(1, 1, 6, 6)
    assert ops.roi_pool(x, torch.tensor([[0.0, 0, 0, 3, 3]]), 2).tolist() == [[[[7, 9], [19, 21]]]]
    assert ops.roi_pool(x, torch.tensor([[0.0, 20, 20, 30, 30]]), 2).tolist() == [[[[0, 0], [0, 0]]]]  # outside


def test_position_sensitive_operators_read_channels_of_their_own():
    x = torch.arange(4.0).view(1, 4, 1, 1).expand(1, 4, 8, 8).contiguous()
    box = [torch.tensor([[1.0, 1, 7, 7]])]
    assert ops.ps_roi_align(x, box, 2, sampling_ratio=2).flatten().tolist() == [0, 1, 2, 3]
    assert ops.ps_roi_pool(x, box, 2).flatten().tolist() == [0, 1, 2, 3]
    with pytest.raises(RuntimeError, match="multiple of pooling height"):
        ops.ps_roi_pool(x, box, 3)


@pytest.mark.parametrize("name", ["roi_align", "roi_pool", "ps_roi_align", "ps_roi_pool"])
def test_gradients_of_region_operators(name):
    torch.manual_seed(0)
    f = getattr(ops, name)
    x = torch.randn(2, 4, 7, 6, dtype=torch.float64, requires_grad=True)
    rois = torch.tensor([[0, 0.7, 0.8, 5.1, 4.9], [1, 1.2, 0.3, 3.3, 5.2]], dtype=torch.float64)
    assert torch.autograd.gradcheck(lambda t: f(t, rois, 2, 1.0), (x,))
    g = torch.autograd.grad(f(x, rois, 2, 1.0).pow(2).sum(), x, create_graph=True)[0]
    with pytest.raises(RuntimeError, match=f"double backwards on {name} not supported"):
        g.sum().backward()


def test_deform_conv2d_without_offsets_is_conv2d_and_moves_with_them():
    torch.manual_seed(0)
    conv = torch.nn.functional.conv2d
    x, w, b = torch.randn(2, 4, 7, 8), torch.randn(6, 2, 3, 3), torch.randn(6)
    still = torch.zeros(2, 2 * 2 * 9, 4, 4)
    want = conv(x, w, b, stride=2, padding=1, groups=2)
    torch.testing.assert_close(ops.deform_conv2d(x, still, w, b, stride=2, padding=1), want, rtol=1e-4, atol=1e-5)
    half = torch.full((2, 2 * 9, 4, 4), 0.5)
    halved = ops.deform_conv2d(x, still, w, stride=2, padding=1, mask=half)
    torch.testing.assert_close(halved * 2 + b.view(1, -1, 1, 1), want, rtol=1e-4, atol=1e-5)
    down = torch.zeros(2, 2 * 9, 5, 6)
    down[:, 0::2] = 1.0  # every tap a row lower
    lower = torch.cat([x[:, :, 1:], torch.zeros(2, 4, 1, 8)], 2)
    got = ops.deform_conv2d(x, down, w, b)
    torch.testing.assert_close(got, conv(lower, w, b, groups=2), rtol=1e-4, atol=1e-5)


def test_gradients_of_deform_conv2d():
    torch.manual_seed(0)
    t = dict(dtype=torch.float64, requires_grad=True)
    x, w, b = torch.randn(1, 4, 4, 5, **t), torch.randn(2, 2, 2, 2, **t), torch.randn(2, **t)
    offset, mask = torch.randn(1, 16, 3, 4, **t), torch.rand(1, 8, 3, 4, **t)
    assert torch.autograd.gradcheck(lambda *a: ops.deform_conv2d(*a[:4], mask=a[4]), (x, offset, w, b, mask))


def test_nms_keeps_the_best_of_what_overlaps():
    b, scores = boxes(80), torch.tensor(np.random.default_rng(1).random(80))
    iou, kept = ops.box_iou(b, b), []
    for i in scores.argsort(descending=True).tolist():
        if all(iou[i, j] <= 0.4 for j in kept):
            kept.append(i)
    assert ops.nms(b, scores, 0.4).tolist() == kept
    groups = torch.arange(80) % 3
    mine = [torch.where(groups == g)[0] for g in range(3)]
    each = torch.cat([m[ops.nms(b[m], scores[m], 0.4)] for m in mine])
    assert ops.batched_nms(b, scores, groups, 0.4).tolist() == each[scores[each].argsort(descending=True)].tolist()


def test_operators_of_torchvision_in_scripts_and_on_meta():
    @torch.jit.script
    def best(b: torch.Tensor, s: torch.Tensor) -> torch.Tensor:
        return torch.ops.torchvision.nms(b, s, 0.5)

    assert best(torch.tensor([[0.0, 0, 2, 2], [0, 0, 2, 1.9]]), torch.tensor([0.1, 0.2])).tolist() == [1]
    x = torch.empty(1, 4, 8, 8, device="meta")
    assert ops.roi_align(x, torch.empty(3, 5, device="meta"), 2).shape == (3, 4, 2, 2)
    conv = ops.deform_conv2d(x, torch.empty(1, 18, 6, 6, device="meta"), torch.empty(5, 4, 3, 3, device="meta"))
    assert conv.shape == (1, 5, 6, 6)


def test_operators_come_when_they_are_asked_for():
    code = (
        "import rushlight as torch; there = lambda: 'librushlight_vision' in open('/proc/self/maps').read();"
        "before = there(); torch.ops.torchvision.roi_pool; print(before, there())"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout == "False True\n"


X, R = torch.rand(1, 1, 4, 4), torch.rand(1, 5)


@pytest.mark.parametrize(
    ("call", "kind", "text"),
    [
        (lambda: ops.nms(torch.rand(3, 5), torch.rand(3), 0.5), RuntimeError, "4 elements"),
        (lambda: ops.nms(torch.rand(3, 4), torch.rand(2), 0.5), RuntimeError, "same number of elements"),
        (lambda: ops.roi_align(X, torch.tensor([[1.0, 0, 0, 1, 1]]), 2), IndexError, "input has 1 images"),
        (lambda: ops.roi_align(X, torch.tensor([[-1.0, 0, 0, 1, 1]]), 2), IndexError, "is -1"),
        (lambda: ops.roi_align(X, torch.tensor([[math.nan, 0, 0, 1, 1]]), 2), IndexError, "rois"),
        (lambda: ops.roi_pool(X[0], R, 2), RuntimeError, r"\[N, C, H, W\]"),
        (lambda: ops.roi_pool(X, R, 0), RuntimeError, "pooled size"),
        (lambda: ops.roi_pool(X, torch.rand(2, 4), 2), ValueError, "Tensor"),
        (lambda: ops.deform_conv2d(X, torch.rand(1, 18, 3, 3), torch.rand(1, 1, 3, 3)), RuntimeError, "output dims"),
        (lambda: ops.deform_conv2d(X, torch.rand(1, 9, 2, 2), torch.rand(1, 1, 3, 3)), RuntimeError, "multiple of 2"),
        (lambda: ops.box_convert(torch.rand(1, 4), "xyxy", "xywhr"), ValueError, "Unsupported"),
    ],
)
def test_what_does_not_fit_is_told(call, kind, text):
    with pytest.raises(kind, match=text):
        call()


def test_boxes_that_are_no_numbers_or_huge():
    x = torch.ones(1, 4, 5, 5)
    for roi in ([0, math.nan, 0, 3, 3], [0, -1e30, -1e30, 1e30, 1e30], [0, math.inf, 0, math.inf, 2], [0, 3, 3, 1, 1]):
        for f in (ops.roi_align, ops.roi_pool, ops.ps_roi_pool, ops.ps_roi_align):
            assert f(x, torch.tensor([roi], dtype=torch.float32), 2).shape[-2:] == (2, 2)


def test_overlaps_and_their_losses():
    a = torch.tensor([[0.0, 0, 2, 2]], dtype=torch.float64, requires_grad=True)
    b = torch.tensor([[1.0, 1, 3, 3]], dtype=torch.float64)
    values = {"box_iou": 1 / 7, "generalized_box_iou": 1 / 7 - 2 / 9, "distance_box_iou": 1 / 7 - 1 / 9}
    values["complete_box_iou"] = values["distance_box_iou"]  # squares have the same proportions
    for name, value in values.items():
        assert getattr(ops, name)(a, b).item() == pytest.approx(value)
        if name != "box_iou":
            loss = getattr(ops, name + "_loss")
            assert loss(a, b, "sum").item() == pytest.approx(1 - value, abs=1e-6)
            assert torch.autograd.gradcheck(lambda t, f=loss: f(t, b), (a,))
    p = 1 / (1 + math.exp(-0.5))
    focal = ops.sigmoid_focal_loss(torch.tensor([0.5], dtype=torch.float64), torch.ones(1, dtype=torch.float64))
    assert focal.item() == pytest.approx(0.25 * (1 - p) ** 2 * -math.log(p))


def test_formats_of_boxes_go_both_ways():
    b = boxes(10)
    for fmt in ("xywh", "cxcywh"):
        torch.testing.assert_close(ops.box_convert(ops.box_convert(b, "xyxy", fmt), fmt, "xyxy"), b)
    turned = torch.cat([b, torch.linspace(-80, 80, 10, dtype=torch.float64)[:, None]], 1)
    for fmt in ("xywhr", "xyxyxyxy"):
        torch.testing.assert_close(ops.box_convert(ops.box_convert(turned, "cxcywhr", fmt), fmt, "cxcywhr"), turned)


def test_layers_that_models_are_made_of():
    torch.manual_seed(0)
    x = torch.randn(2, 8, 6, 6)
    assert list(ops.Conv2dNormActivation(8, 4, 3, stride=2).state_dict())[:2] == ["0.weight", "1.weight"]
    torch.testing.assert_close(ops.FrozenBatchNorm2d(8)(x), torch.nn.BatchNorm2d(8).eval()(x))
    dropped = ops.stochastic_depth(torch.ones(1000, 3), 0.25, "row")
    assert len(set(dropped.flatten().tolist())) == 2
    assert dropped.mean().item() == pytest.approx(1, abs=0.1)
    holes = ops.drop_block2d(torch.ones(4, 4, 20, 20), 0.3, 3)
    assert 0.5 < (holes > 0).float().mean().item() < 0.85
    assert holes.mean().item() == pytest.approx(1, abs=1e-3)
    with pytest.raises(ValueError, match="odd"):
        ops.drop_block2d(x, 0.3, 4)


def test_a_pyramid_reads_the_level_that_fits():
    pool = ops.MultiScaleRoIAlign(["a", "b"], 1, 1, canonical_scale=16, canonical_level=2)
    maps = {"a": torch.zeros(1, 1, 16, 16), "b": torch.ones(1, 1, 8, 8), "c": torch.full((1, 1, 4, 4), 9.0)}
    assert pool(maps, [torch.tensor([[0.0, 0, 6, 6], [0, 0, 60, 60]])], [(64, 64)]).flatten().tolist() == [0, 1]
    net = ops.FeaturePyramidNetwork([3, 5], 4, ops.feature_pyramid_network.LastLevelMaxPool())
    out = net({"x": torch.randn(1, 3, 8, 8), "y": torch.randn(1, 5, 4, 4)})
    assert {k: tuple(v.shape) for k, v in out.items()} == {"x": (1, 4, 8, 8), "y": (1, 4, 4, 4), "pool": (1, 4, 2, 2)}


FUNCTIONS = "nms batched_nms box_iou box_convert clip_boxes_to_image complete_box_iou masks_to_boxes roi_align ps_roi_pool deform_conv2d drop_block2d"


@pytest.mark.parametrize("name", FUNCTIONS.split())
def test_functions_are_scripted(name):
    assert torch.jit.script(getattr(ops, name)).graph is not None


def test_layers_are_scripted():
    boxes_of = [torch.tensor([[0.0, 0, 6, 6], [2, 2, 30, 30]])]
    x = torch.rand(1, 4, 16, 16)
    for layer in (ops.RoIAlign(2, 0.5, 2), ops.PSRoIPool(2, 0.5)):
        torch.testing.assert_close(torch.jit.script(layer)(x, boxes_of), layer(x, boxes_of))
    maps = {"a": x, "b": torch.rand(1, 6, 8, 8)}
    net = ops.FeaturePyramidNetwork([4, 6], 5, ops.feature_pyramid_network.LastLevelMaxPool())
    for name, value in torch.jit.script(net)(maps).items():
        torch.testing.assert_close(value, net(maps)[name])
    pool = ops.MultiScaleRoIAlign(["a", "pool"], 3, 2)
    torch.testing.assert_close(
        torch.jit.script(pool)(net(maps), boxes_of, [(32, 32)]), pool(net(maps), boxes_of, [(32, 32)])
    )


HUGE = 2**62 + 1


@pytest.mark.parametrize(
    "call",
    [
        lambda o: o.roi_align(torch.ones(2, 4, 6, 6), torch.zeros(3, 5), 1.0, 2, 2, HUGE, True),
        lambda o: o.roi_align(torch.ones(2, 4, 6, 6), torch.zeros(3, 5), 1.0, HUGE, 2, -1, True),
        lambda o: o.ps_roi_align(torch.ones(2, 4, 6, 6), torch.zeros(3, 5), 1.0, 64, 2**61, -1),
        lambda o: o.ps_roi_pool(torch.ones(2, 4, 6, 6), torch.zeros(3, 5), 1.0, HUGE, HUGE),
        lambda o: o.nms(torch.ones(5, 4), torch.ones(5, device="meta"), 0.5),
        lambda o: o.roi_align(torch.ones(2, 4, 0, 6), torch.zeros(3, 5), 1.0, 2, 2, -1, True),
        lambda o: o.ps_roi_pool(torch.ones(2, 4, 6, 0), torch.zeros(3, 5), 1.0, 2, 2),
        lambda o: o._ps_roi_align_backward(
            torch.ones(3, 1, 2, 2),
            torch.zeros(3, 5),
            torch.zeros(3, 1, 2, 2, dtype=torch.int32),
            1.0,
            2,
            2,
            -1,
            2,
            4,
            0,
            6,
        ),
        lambda o: deformed(o, stride=HUGE),
        lambda o: deformed(o, pad=HUGE),
        lambda o: deformed(o, dilation=HUGE),
        lambda o: deformed(o, groups=HUGE),
        lambda o: deformed(o, device="meta"),
    ],
)
def test_numbers_and_devices_that_do_not_fit(call):
    with pytest.raises(RuntimeError, match="at most|device|to be on|with pixels"):
        call(torch.ops.torchvision)


def deformed(ops, stride=1, pad=0, dilation=1, groups=1, device="cpu"):
    tensors = [torch.ones(s) for s in ((1, 2, 5, 5), (3, 2, 2, 2))]
    offset = torch.ones(1, 8, 4, 4, device=device)
    mask, bias = torch.ones(1, 4, 4, 4), torch.ones(3)
    return ops.deform_conv2d(*tensors, offset, mask, bias, stride, 1, pad, 0, dilation, 1, groups, 1, True)


@pytest.mark.parametrize("name", ["_C.so", "_C_stable.so"])
def test_torchvisions_own_binary_stands_for_these_operators(name, tmp_path):
    """It is linked against PyTorch's libraries; both names that torchvision has had for it give ours."""
    file = tmp_path / "torchvision" / name
    file.parent.mkdir()
    file.write_bytes(b"\x7fELF...libtorch_cpu.so...")
    torch.ops.load_library(str(file))
    assert torch.ops.torchvision._cuda_version() == -1
    file.write_bytes(b"\x7fELF, but nothing of PyTorch's")
    with pytest.raises(OSError, match="Could not load this library"):
        torch.ops.load_library(str(file))

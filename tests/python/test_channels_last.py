"""Pictures whose channels come last stay so through layers, and what is computed of them is the same."""

import pytest
import torch

import rushlight as rl


def layers(fw):
    nn, f = fw.nn, fw.nn.functional
    fw.manual_seed(0)
    return {
        "convolution": nn.Conv2d(4, 8, 3, padding=1),
        "convolution by groups": nn.Conv2d(4, 8, 3, stride=2, groups=2, bias=False),
        "1x1 convolution": nn.Conv2d(4, 6, 1),
        "transposed convolution": nn.ConvTranspose2d(4, 6, 2, stride=2),
        "max pool": lambda x: f.max_pool2d(x, 2),
        "max pool, indices": lambda x: f.max_pool2d(x, 3, stride=2, return_indices=True)[1].float(),
        "average pool": lambda x: f.avg_pool2d(x, 2),
        "adaptive average": lambda x: f.adaptive_avg_pool2d(x, 3),
        "adaptive maximum": lambda x: f.adaptive_max_pool2d(x, 3),
        "batch norm": nn.BatchNorm2d(4),
        "batch norm without weight": nn.BatchNorm2d(4, affine=False),
        "batch norm, evaluation": nn.BatchNorm2d(4).eval(),
        "group norm": nn.GroupNorm(2, 4),
        "zeros around": lambda x: f.pad(x, (1, 2, 0, 1)),
        "reflected": lambda x: f.pad(x, (1, 1, 1, 1), mode="reflect"),
        "replicated": lambda x: f.pad(x, (1, 1, 1, 1), mode="replicate"),
        "pixel unshuffle": lambda x: f.pixel_unshuffle(x, 2),
        "channel shuffle": lambda x: f.channel_shuffle(x, 2),
        "unpool": lambda x: f.max_unpool2d(*f.max_pool2d(x, 2, return_indices=True), 2),
        "around": lambda x: f.pad(x, (1, 1, 1, 1), mode="circular"),
        "nearest": lambda x: f.interpolate(x, scale_factor=2),
        "bilinear": lambda x: f.interpolate(x, scale_factor=2, mode="bilinear"),
        "silu": f.silu,
    }


def picture(fw, kind):
    """24x24: smaller ones are multiplied as matrices, larger ones by oneDNN."""
    fw.manual_seed(1)
    x = fw.randn(3, 4, 26, 26).contiguous(memory_format=fw.channels_last)
    return x[:, :, 1:-1, 1:-1] if kind == "a piece" else x[:, :, :24, :24].contiguous(memory_format=fw.channels_last)


@pytest.mark.parametrize("kind", ["whole", "a piece"])
@pytest.mark.parametrize("name", layers(rl))
def test_layers_keep_channels_last(name, kind):
    found = []
    for fw in (rl, torch):
        x = picture(fw, kind).requires_grad_()
        y = layers(fw)[name](x)
        if y.requires_grad:
            fw.manual_seed(2)
            y.backward(fw.randn(y.shape).contiguous(memory_format=fw.channels_last))
        found.append((y.detach(), x.grad))
    (mine, my_grad), (theirs, their_grad) = found
    assert mine.stride() == theirs.stride()
    torch.testing.assert_close(torch.tensor(mine.numpy()), theirs, rtol=1e-4, atol=1e-5)
    if their_grad is not None:
        torch.testing.assert_close(torch.tensor(my_grad.numpy()), their_grad, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("dtype", ["float64", "bfloat16"])
@pytest.mark.parametrize("name", ["convolution", "max pool", "average pool", "batch norm", "batch norm, evaluation"])
def test_other_dtypes_keep_channels_last(name, dtype):
    found = []
    for fw in (rl, torch):
        layer = layers(fw)[name]
        layer = layer.to(getattr(fw, dtype)) if isinstance(layer, fw.nn.Module) else layer
        y = layer(picture(fw, "whole").to(getattr(fw, dtype)))
        found.append((y.stride(), y.detach().double()))
    assert found[0][0] == found[1][0]
    bound = 0.05 if dtype == "bfloat16" else 1e-9
    torch.testing.assert_close(torch.tensor(found[0][1].numpy()), found[1][1], rtol=bound, atol=bound)


def test_a_weight_with_channels_last_makes_such_results():
    for fw in (rl, torch):
        layer = fw.nn.Conv2d(4, 8, 3).to(memory_format=fw.channels_last)
        assert layer(fw.randn(2, 4, 24, 24)).is_contiguous(memory_format=fw.channels_last)


def test_a_network_trains_alike_in_both_formats():
    losses = []
    for format in (rl.contiguous_format, rl.channels_last):
        rl.manual_seed(0)
        net = rl.nn.Sequential(
            rl.nn.Conv2d(3, 8, 3, padding=1), rl.nn.BatchNorm2d(8), rl.nn.ReLU(), rl.nn.MaxPool2d(2),
            rl.nn.Conv2d(8, 8, 3), rl.nn.BatchNorm2d(8), rl.nn.ReLU(), rl.nn.AdaptiveAvgPool2d(1), rl.nn.Flatten(),
            rl.nn.Linear(8, 3),
        ).to(memory_format=format)  # fmt: skip
        x, target = rl.randn(6, 3, 32, 32).contiguous(memory_format=format), rl.tensor([0, 1, 2, 0, 1, 2])
        optimizer = rl.optim.SGD(net.parameters(), lr=0.1)
        for _ in range(5):
            optimizer.zero_grad()
            loss = rl.nn.functional.cross_entropy(net(x), target)
            loss.backward()
            optimizer.step()
        losses.append(loss.item())
    assert losses[0] == pytest.approx(losses[1], rel=1e-3)


def test_a_volume_without_a_batch_is_no_batch_of_pictures():
    for fw in (rl, torch):
        x = fw.randn(4, 6, 8, 8).contiguous(memory_format=fw.channels_last)
        assert fw.nn.functional.adaptive_max_pool3d(x, 3).is_contiguous()
        assert fw.nn.functional.avg_pool3d(x, 2).is_contiguous()


def test_volumes_keep_channels_last():
    for fw in (rl, torch):
        x = fw.randn(2, 4, 6, 8, 8).contiguous(memory_format=fw.channels_last_3d)
        for layer in (fw.nn.BatchNorm3d(4), fw.nn.MaxPool3d(2), fw.nn.Conv3d(4, 5, 3)):
            assert layer(x).is_contiguous(memory_format=fw.channels_last_3d)

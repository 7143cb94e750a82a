"""The Python of nn's modules is what scripts compile, so that modules of the same shape that users write compile too."""

import io

import pytest
import rushlight.nn.functional as F
import torch as reference

import rushlight as torch
from rushlight import nn

images = (2, 4, 8, 8)
CASES = [
    (lambda: nn.Conv1d(4, 2, 3), (2, 4, 8)),
    (lambda: nn.Conv2d(4, 2, 3, stride=2, padding=1, groups=2), images),
    (lambda: nn.Conv2d(4, 2, (3, 1), padding="same", bias=False), images),
    (lambda: nn.Conv2d(4, 2, 3, padding=1, padding_mode="reflect"), images),
    (lambda: nn.Conv3d(4, 2, 3, padding=1), (2, 4, 4, 4, 4)),
    (lambda: nn.MaxPool1d(2), (2, 4, 8)),
    (lambda: nn.MaxPool2d(3, stride=2, padding=1), images),
    (lambda: nn.MaxPool2d((2, 1)), images),
    (lambda: nn.MaxPool2d(2, return_indices=True), images),
    (lambda: nn.MaxPool3d(2), (2, 4, 4, 4, 4)),
    (lambda: nn.AvgPool2d(2), images),
    (lambda: nn.BatchNorm1d(4), (2, 4)),
    (lambda: nn.BatchNorm2d(4), images),
    (lambda: nn.BatchNorm2d(4, momentum=None), images),
    (lambda: nn.BatchNorm2d(4, affine=False, track_running_stats=False), images),
    (lambda: nn.LayerNorm(8), images),
    (lambda: nn.GroupNorm(2, 4), images),
    (lambda: nn.Linear(8, 3), images),
    (lambda: nn.ReLU(), images),
    (lambda: nn.GELU(), images),
    (lambda: nn.Flatten(), images),
    (lambda: nn.Softmax(1), images),
]


def tensors(result):
    return list(result) if isinstance(result, tuple) else [result]


@pytest.mark.parametrize(("make", "shape"), CASES)
@pytest.mark.parametrize("training", [False, True])
def test_modules_compile_from_their_python(make, shape, training):
    torch.manual_seed(0)
    module = make().train(training)
    other = make().train(training)
    other.load_state_dict(module.state_dict())
    scripted, x = torch.jit.script(other), torch.randn(shape)
    for got, wanted in zip(tensors(scripted(x)), tensors(module(x)), strict=True):
        assert torch.equal(got, wanted)
    for name, buffer in module.named_buffers():
        assert torch.equal(dict(scripted.named_buffers())[name], buffer)
    buffer = io.BytesIO()
    scripted.save(buffer)
    buffer.seek(0)
    theirs = reference.jit.load(buffer)(reference.from_numpy(x.numpy()))
    for got, wanted in zip(tensors(theirs), tensors(module(x)), strict=True):
        assert reference.allclose(got, reference.from_numpy(wanted.detach().numpy()), atol=1e-5)


class Pooled(nn.Module):
    mode: str

    def __init__(self, mode):
        super().__init__()
        self.mode = mode

    def forward(self, x: torch.Tensor, size: int | None = None):
        if size is None:
            size = 2
        if self.mode == "indices":
            return F.max_pool2d(x, size, return_indices=True)
        y = F.max_pool2d(x, size)
        if not isinstance(y, torch.Tensor):
            raise TypeError(f"expected a tensor, got {size}")
        return y, y


@pytest.mark.parametrize("mode", ["indices", "plain"])
def test_a_module_of_the_same_shape(mode):
    module, x = Pooled(mode), torch.randn(images)
    scripted = torch.jit.script(module)
    for size in (None, 4):
        for got, wanted in zip(scripted(x, size), module(x, size), strict=True):
            assert torch.equal(got, wanted)


def test_an_error_of_a_module_is_the_one_python_raises():
    with pytest.raises(RuntimeError, match=r"expected 2D or 3D input \(got 4D input\)"):
        torch.jit.script(nn.BatchNorm1d(4))(torch.zeros(images))

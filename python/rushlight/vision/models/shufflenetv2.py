"""ShuffleNet V2."""

from __future__ import annotations

import rushlight as torch
from rushlight import Tensor, nn

from ._registry import define, weights_getattr

__all__ = ["ShuffleNetV2"]
__getattr__ = weights_getattr(__name__)


def channel_shuffle(x: Tensor, groups: int) -> Tensor:
    """Channels of the groups by turns."""
    n, channels, height, width = x.size()
    return (
        x.view(n, groups, channels // groups, height, width)
        .transpose(1, 2)
        .contiguous()
        .view(n, channels, height, width)
    )


def _conv(i: int, o: int, relu: bool = True, kernel: int = 1, stride: int = 1, groups: int = 1) -> list[nn.Module]:
    made: list[nn.Module] = [nn.Conv2d(i, o, kernel, stride, kernel // 2, groups=groups, bias=False), nn.BatchNorm2d(o)]
    return [*made, nn.ReLU(inplace=True)] if relu else made


class InvertedResidual(nn.Module):
    """Half of the channels go through, or with a stride both halves are computed; then channels are shuffled."""

    def __init__(self, inp: int, oup: int, stride: int):
        super().__init__()
        if not 1 <= stride <= 3:
            raise ValueError("illegal stride value")
        half = oup // 2
        if stride == 1 and inp != half << 1:
            raise ValueError(
                f"Invalid combination of stride {stride}, inp {inp} and oup {oup} values. If stride == 1 then inp should be equal to oup // 2 << 1."
            )
        self.stride = stride
        self.branch1 = nn.Sequential(
            *([] if stride == 1 else _conv(inp, inp, False, 3, stride, inp) + _conv(inp, half))
        )
        self.branch2 = nn.Sequential(
            *_conv(half if stride == 1 else inp, half), *_conv(half, half, False, 3, stride, half), *_conv(half, half)
        )

    def forward(self, x: Tensor) -> Tensor:
        if self.stride == 1:
            kept, x = x.chunk(2, dim=1)
        else:
            kept = self.branch1(x)
        return channel_shuffle(torch.cat((kept, self.branch2(x)), dim=1), 2)


class ShuffleNetV2(nn.Module):
    """Three stages; ``stages_out_channels`` are those of the first convolution, the stages, and the last convolution."""

    def __init__(
        self,
        stages_repeats: list[int],
        stages_out_channels: list[int],
        num_classes: int = 1000,
        inverted_residual=InvertedResidual,
    ):
        super().__init__()
        if len(stages_repeats) != 3:
            raise ValueError("expected stages_repeats as list of 3 positive ints")
        if len(stages_out_channels) != 5:
            raise ValueError("expected stages_out_channels as list of 5 positive ints")
        self._stage_out_channels = stages_out_channels
        channels = stages_out_channels[0]
        self.conv1 = nn.Sequential(*_conv(3, channels, True, 3, 2))
        self.maxpool = nn.MaxPool2d(3, 2, 1)
        for i, (repeats, out) in enumerate(zip(stages_repeats, stages_out_channels[1:]), 2):
            blocks = [inverted_residual(channels, out, 2)] + [
                inverted_residual(out, out, 1) for _ in range(repeats - 1)
            ]
            setattr(self, f"stage{i}", nn.Sequential(*blocks))
            channels = out
        self.conv5 = nn.Sequential(*_conv(channels, stages_out_channels[-1]))
        self.fc = nn.Linear(stages_out_channels[-1], num_classes)

    def forward(self, x: Tensor) -> Tensor:
        x = self.stage4(self.stage3(self.stage2(self.maxpool(self.conv1(x)))))
        return self.fc(self.conv5(x).mean([2, 3]))


def _make(channels: list[int]):
    def make(**kwargs) -> ShuffleNetV2:
        return ShuffleNetV2([4, 8, 4], channels, **kwargs)

    return make


for _name, _channels in {
    "shufflenet_v2_x0_5": [24, 48, 96, 192, 1024],
    "shufflenet_v2_x1_0": [24, 116, 232, 464, 1024],
    "shufflenet_v2_x1_5": [24, 176, 352, 704, 1024],
    "shufflenet_v2_x2_0": [24, 244, 488, 976, 2048],
}.items():
    globals()[_name] = define(_name, _make(_channels), f"The {_name} model.")
    __all__.append(_name)

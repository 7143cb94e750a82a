"""MNASNet."""

from __future__ import annotations

from rushlight import Tensor, nn

from ._registry import define, weights_getattr

__all__ = ["MNASNet"]
__getattr__ = weights_getattr(__name__)
_MOMENTUM = 1 - 0.9997


def _conv(i: int, o: int, kernel: int = 1, stride: int = 1, groups: int = 1, relu: bool = True) -> list[nn.Module]:
    made: list[nn.Module] = [
        nn.Conv2d(i, o, kernel, stride, kernel // 2, groups=groups, bias=False),
        nn.BatchNorm2d(o, momentum=_MOMENTUM),
    ]
    return [*made, nn.ReLU(inplace=True)] if relu else made


class _InvertedResidual(nn.Module):
    def __init__(self, i: int, o: int, kernel: int, stride: int, expansion: int):
        super().__init__()
        wide = i * expansion
        self.apply_residual = i == o and stride == 1
        self.layers = nn.Sequential(
            *_conv(i, wide), *_conv(wide, wide, kernel, stride, wide), *_conv(wide, o, relu=False)
        )

    def forward(self, x: Tensor) -> Tensor:
        return self.layers(x) + x if self.apply_residual else self.layers(x)


def _round(v: float) -> int:
    """The multiple of 8 next to it that is no more than a tenth below it."""
    made = max(8, int(v + 4) // 8 * 8)
    return made if made >= 0.9 * v else made + 8


class MNASNet(nn.Module):
    """The network that a search found; ``alpha`` times its channels."""

    _version = 2

    def __init__(self, alpha: float, num_classes: int = 1000, dropout: float = 0.2):
        super().__init__()
        if alpha <= 0.0:
            raise ValueError(f"alpha should be greater than 0.0 instead of {alpha}")
        self.alpha, self.num_classes = alpha, num_classes
        d = [_round(c * alpha) for c in (32, 16, 24, 40, 80, 96, 192, 320)]
        layers = [*_conv(3, d[0], 3, 2), *_conv(d[0], d[0], 3, 1, d[0]), *_conv(d[0], d[1], relu=False)]
        # kernel, stride, expansion, blocks
        for j, (k, s, e, n) in enumerate(
            ((3, 2, 3, 3), (5, 2, 3, 3), (5, 2, 6, 3), (3, 1, 6, 2), (5, 2, 6, 4), (3, 1, 6, 1)), 1
        ):
            blocks = [_InvertedResidual(d[j], d[j + 1], k, s, e)]
            blocks += [_InvertedResidual(d[j + 1], d[j + 1], k, 1, e) for _ in range(n - 1)]
            layers.append(nn.Sequential(*blocks))
        self.layers = nn.Sequential(*layers, *_conv(d[7], 1280))
        self.classifier = nn.Sequential(nn.Dropout(p=dropout, inplace=True), nn.Linear(1280, num_classes))
        for m in self.modules():
            if isinstance(m, nn.Conv2d):
                nn.init.kaiming_normal_(m.weight, mode="fan_out", nonlinearity="relu")
            elif isinstance(m, nn.Linear):
                nn.init.kaiming_uniform_(m.weight, mode="fan_out", nonlinearity="sigmoid")
                nn.init.zeros_(m.bias)

    def forward(self, x: Tensor) -> Tensor:
        return self.classifier(self.layers(x).mean([2, 3]))


def _make(alpha: float):
    def make(**kwargs) -> MNASNet:
        return MNASNet(alpha, **kwargs)

    return make


for _alpha in (0.5, 0.75, 1.0, 1.3):
    _name = f"mnasnet{str(_alpha).replace('.', '_')}"
    globals()[_name] = define(_name, _make(_alpha), f"MNASNet with {_alpha} times the channels.")
    __all__.append(_name)

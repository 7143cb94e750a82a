"""Feature pyramids: maps of several sizes, each told what the coarser ones see."""

from __future__ import annotations

from collections.abc import Callable

from rushlight import Tensor, nn
from rushlight.nn import functional as F

from .misc import Conv2dNormActivation

__all__ = ["ExtraFPNBlock", "FeaturePyramidNetwork", "LastLevelMaxPool", "LastLevelP6P7"]


class ExtraFPNBlock(nn.Module):
    """Base of what adds levels: takes the pyramid's results, its inputs and the names, and gives results and names."""

    def forward(self, results: list[Tensor], x: list[Tensor], names: list[str]) -> tuple[list[Tensor], list[str]]:
        raise NotImplementedError(f"{type(self).__name__} has no forward()")


class FeaturePyramidNetwork(nn.Module):
    """Takes a dict of maps, the finest first, and gives one of the same names, all of ``out_channels``.

    >>> import rushlight as torch
    >>> maps = {"fine": torch.ones(1, 4, 8, 8), "coarse": torch.ones(1, 6, 4, 4)}
    >>> [tuple(m.shape) for m in FeaturePyramidNetwork([4, 6], 5)(maps).values()]
    [(1, 5, 8, 8), (1, 5, 4, 4)]
    """

    _version = 2

    def __init__(
        self,
        in_channels_list: list[int],
        out_channels: int,
        extra_blocks: ExtraFPNBlock | None = None,
        norm_layer: Callable[..., nn.Module] | None = None,
    ):
        super().__init__()
        if 0 in in_channels_list:
            raise ValueError("in_channels=0 is currently not supported")
        self.inner_blocks, self.layer_blocks = nn.ModuleList(), nn.ModuleList()
        for channels in in_channels_list:
            for blocks, made_of, kernel in ((self.inner_blocks, channels, 1), (self.layer_blocks, out_channels, 3)):
                blocks.append(
                    Conv2dNormActivation(
                        made_of, out_channels, kernel, padding=kernel // 2, norm_layer=norm_layer, activation_layer=None
                    )
                )
        for m in self.modules():
            if isinstance(m, nn.Conv2d):
                nn.init.kaiming_uniform_(m.weight, a=1)
                if m.bias is not None:
                    nn.init.constant_(m.bias, 0)
        if extra_blocks is not None and not isinstance(extra_blocks, ExtraFPNBlock):
            raise TypeError(f"extra_blocks should be of type ExtraFPNBlock not {type(extra_blocks)}")
        self.extra_blocks = extra_blocks

    def _load_from_state_dict(self, state_dict, prefix, local_metadata, *args):
        if (local_metadata.get("version") or 1) < 2:  # each block was the convolution alone
            for blocks in ("inner_blocks", "layer_blocks"):
                for i in range(len(self.inner_blocks)):
                    for kind in ("weight", "bias"):
                        old = f"{prefix}{blocks}.{i}.{kind}"
                        if old in state_dict:
                            state_dict[f"{prefix}{blocks}.{i}.0.{kind}"] = state_dict.pop(old)
        super()._load_from_state_dict(state_dict, prefix, local_metadata, *args)

    def forward(self, x: dict[str, Tensor]) -> dict[str, Tensor]:
        names, maps = list(x.keys()), list(x.values())
        inner: list[Tensor] = []
        for i, block in enumerate(self.inner_blocks):
            inner.append(block(maps[i]))
        for i in range(len(inner) - 2, -1, -1):  # from the coarsest on
            inner[i] = inner[i] + F.interpolate(inner[i + 1], size=inner[i].shape[-2:], mode="nearest")
        results: list[Tensor] = []
        for i, block in enumerate(self.layer_blocks):
            results.append(block(inner[i]))
        if self.extra_blocks is not None:
            results, names = self.extra_blocks(results, maps, names)
        out: dict[str, Tensor] = {}
        for i in range(len(names)):
            out[names[i]] = results[i]
        return out


class LastLevelMaxPool(ExtraFPNBlock):
    """A level more: every second pixel of the last."""

    def forward(self, x: list[Tensor], y: list[Tensor], names: list[str]) -> tuple[list[Tensor], list[str]]:
        return x + [F.max_pool2d(x[-1], 1, 2, 0)], names + ["pool"]  # noqa: RUF005  as scripts take it


class LastLevelP6P7(ExtraFPNBlock):
    """Two levels more, by convolutions: RetinaNet's P6 and P7."""

    def __init__(self, in_channels: int, out_channels: int):
        super().__init__()
        self.p6 = nn.Conv2d(in_channels, out_channels, 3, 2, 1)
        self.p7 = nn.Conv2d(out_channels, out_channels, 3, 2, 1)
        for m in (self.p6, self.p7):
            nn.init.kaiming_uniform_(m.weight, a=1)
            nn.init.constant_(m.bias, 0)
        self.use_P5 = in_channels == out_channels

    def forward(self, p: list[Tensor], c: list[Tensor], names: list[str]) -> tuple[list[Tensor], list[str]]:
        p6 = self.p6(p[-1] if self.use_P5 else c[-1])
        return p + [p6, self.p7(F.relu(p6))], names + ["p6", "p7"]  # noqa: RUF005

"""Swin Transformer, versions 1 and 2: attention in windows, which every second layer shifts."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from typing import Any

import rushlight as torch
from rushlight import Tensor, nn
from rushlight.nn import functional as F

from ..ops.misc import MLP, Permute
from ..ops.stochastic_depth import StochasticDepth
from ._layers import init_weights, truncated
from ._registry import define, weights_getattr

__all__ = ["SwinTransformer"]
__getattr__ = weights_getattr(__name__)


class PatchMerging(nn.Module):
    """Squares of four pixels become one of twice the channels: ``(..., H, W, C) -> (..., H / 2, W / 2, 2 C)``."""

    _norm_first = True

    def __init__(self, dim: int, norm_layer: Callable[..., nn.Module] = nn.LayerNorm):
        super().__init__()
        self.dim = dim
        self.reduction = nn.Linear(4 * dim, 2 * dim, bias=False)
        self.norm = norm_layer((4 if self._norm_first else 2) * dim)

    def forward(self, x: Tensor) -> Tensor:
        height, width = x.shape[-3], x.shape[-2]
        x = F.pad(x, (0, 0, 0, width % 2, 0, height % 2))
        x = torch.cat([x[..., i::2, j::2, :] for j in (0, 1) for i in (0, 1)], -1)
        return self.reduction(self.norm(x)) if self._norm_first else self.norm(self.reduction(x))


class PatchMergingV2(PatchMerging):
    """The norm comes last."""

    _norm_first = False


class ShiftedWindowAttention(nn.Module):
    """Attention among the pixels of each window, with a bias for each distance."""

    def __init__(
        self,
        dim: int,
        window_size: list[int],
        shift_size: list[int],
        num_heads: int,
        qkv_bias: bool = True,
        proj_bias: bool = True,
        attention_dropout: float = 0.0,
        dropout: float = 0.0,
    ):
        super().__init__()
        if len(window_size) != 2 or len(shift_size) != 2:
            raise ValueError("window_size and shift_size must be of length 2")
        self.window_size, self.shift_size, self.num_heads = window_size, shift_size, num_heads
        self.attention_dropout, self.dropout = attention_dropout, dropout
        self.qkv = nn.Linear(dim, dim * 3, bias=qkv_bias)
        self.proj = nn.Linear(dim, dim, bias=proj_bias)
        self._define_bias()
        y, x = (v.flatten() for v in torch.meshgrid(*(torch.arange(w) for w in window_size), indexing="ij"))
        rows, columns = (v[:, None] - v[None, :] + w - 1 for v, w in zip((y, x), window_size))
        self.register_buffer("relative_position_index", (rows * (2 * window_size[1] - 1) + columns).flatten())

    def _define_bias(self) -> None:
        h, w = self.window_size
        self.relative_position_bias_table = nn.Parameter(torch.zeros((2 * h - 1) * (2 * w - 1), self.num_heads))
        nn.init.trunc_normal_(self.relative_position_bias_table, std=0.02)

    def get_relative_position_bias(self) -> Tensor:
        n = self.window_size[0] * self.window_size[1]
        bias = self.relative_position_bias_table[self.relative_position_index].view(n, n, -1)
        return bias.permute(2, 0, 1).contiguous().unsqueeze(0)

    def _scores(self, q: Tensor, k: Tensor) -> Tensor:
        return (q * q.shape[-1] ** -0.5).matmul(k.transpose(-2, -1))

    def _projections(self, x: Tensor) -> Tensor:
        return self.qkv(x)

    def forward(self, x: Tensor) -> Tensor:
        n, height, width, channels = x.shape
        win_h, win_w = self.window_size
        x = F.pad(x, (0, 0, 0, -width % win_w, 0, -height % win_h))
        padded_h, padded_w = x.shape[1], x.shape[2]
        # Where one window holds all, it isn't shifted.
        shift = [0 if w >= p else s for s, w, p in zip(self.shift_size, self.window_size, (padded_h, padded_w))]
        if sum(shift) > 0:
            x = torch.roll(x, shifts=(-shift[0], -shift[1]), dims=(1, 2))
        down, across = padded_h // win_h, padded_w // win_w
        windows, area = down * across, win_h * win_w
        x = (
            x.view(n, down, win_h, across, win_w, channels)
            .permute(0, 1, 3, 2, 4, 5)
            .reshape(n * windows, area, channels)
        )
        qkv = self._projections(x).reshape(n * windows, area, 3, self.num_heads, -1).permute(2, 0, 3, 1, 4)
        scores = self._scores(qkv[0], qkv[1]) + self.get_relative_position_bias()
        if sum(shift) > 0:
            # Pixels that came around the edge are no neighbours of those that were there.
            region = x.new_zeros((padded_h, padded_w))
            part = 0
            for rows in (slice(0, -win_h), slice(-win_h, -shift[0]), slice(-shift[0], None)):
                for columns in (slice(0, -win_w), slice(-win_w, -shift[1]), slice(-shift[1], None)):
                    region[rows, columns] = part
                    part += 1
            region = region.view(down, win_h, across, win_w).permute(0, 2, 1, 3).reshape(windows, area)
            apart = region.unsqueeze(1) - region.unsqueeze(2)
            mask = apart.masked_fill(apart != 0, -100.0).masked_fill(apart == 0, 0.0)
            scores = scores.view(n, windows, self.num_heads, area, area) + mask.unsqueeze(1).unsqueeze(0)
            scores = scores.view(-1, self.num_heads, area, area)
        weights = F.dropout(F.softmax(scores, dim=-1), p=self.attention_dropout, training=self.training)
        x = weights.matmul(qkv[2]).transpose(1, 2).reshape(n * windows, area, channels)
        x = F.dropout(self.proj(x), p=self.dropout, training=self.training)
        x = (
            x.view(n, down, across, win_h, win_w, channels)
            .permute(0, 1, 3, 2, 4, 5)
            .reshape(n, padded_h, padded_w, channels)
        )
        if sum(shift) > 0:
            x = torch.roll(x, shifts=(shift[0], shift[1]), dims=(1, 2))
        return x[:, :height, :width, :].contiguous()


class ShiftedWindowAttentionV2(ShiftedWindowAttention):
    """Scores are cosines, and a small network says the bias of each distance."""

    def __init__(self, dim: int, window_size: list[int], shift_size: list[int], num_heads: int, **kwargs: Any):
        super().__init__(dim, window_size, shift_size, num_heads, **kwargs)
        self.logit_scale = nn.Parameter(torch.log(10 * torch.ones((num_heads, 1, 1))))
        self.cpb_mlp = nn.Sequential(
            nn.Linear(2, 512, bias=True), nn.ReLU(inplace=True), nn.Linear(512, num_heads, bias=False)
        )
        if self.qkv.bias is not None:
            length = self.qkv.bias.numel() // 3
            self.qkv.bias[length : 2 * length].data.zero_()

    def _define_bias(self) -> None:
        steps = [torch.arange(-(w - 1), w, dtype=torch.float32) for w in self.window_size]
        table = torch.stack(torch.meshgrid(*steps, indexing="ij")).permute(1, 2, 0).contiguous().unsqueeze(0)
        for i, w in enumerate(self.window_size):
            table[..., i] /= w - 1
        table *= 8  # -8 to 8, on a scale that grows with the logarithm
        table = torch.sign(table) * torch.log2(torch.abs(table) + 1.0) / 3.0
        self.register_buffer("relative_coords_table", table)

    def get_relative_position_bias(self) -> Tensor:
        n = self.window_size[0] * self.window_size[1]
        table = self.cpb_mlp(self.relative_coords_table).view(-1, self.num_heads)
        bias = table[self.relative_position_index].view(n, n, -1).permute(2, 0, 1).contiguous().unsqueeze(0)
        return 16 * torch.sigmoid(bias)

    def _projections(self, x: Tensor) -> Tensor:
        bias = self.qkv.bias
        if bias is not None:  # keys have none
            bias = bias.clone()
            length = bias.numel() // 3
            bias[length : 2 * length].zero_()
        return F.linear(x, self.qkv.weight, bias)

    def _scores(self, q: Tensor, k: Tensor) -> Tensor:
        cosines = F.normalize(q, dim=-1) @ F.normalize(k, dim=-1).transpose(-2, -1)
        return cosines * torch.clamp(self.logit_scale, max=math.log(100.0)).exp()


class SwinTransformerBlock(nn.Module):
    """Attention and linear layers, each beside a shortcut."""

    _attention: Callable[..., nn.Module] = ShiftedWindowAttention
    _norm_first = True

    def __init__(
        self,
        dim: int,
        num_heads: int,
        window_size: list[int],
        shift_size: list[int],
        mlp_ratio: float = 4.0,
        dropout: float = 0.0,
        attention_dropout: float = 0.0,
        stochastic_depth_prob: float = 0.0,
        norm_layer: Callable[..., nn.Module] = nn.LayerNorm,
        attn_layer: Callable[..., nn.Module] | None = None,
    ):
        super().__init__()
        self.norm1 = norm_layer(dim)
        self.attn = (attn_layer or type(self)._attention)(
            dim, window_size, shift_size, num_heads, attention_dropout=attention_dropout, dropout=dropout
        )
        self.stochastic_depth = StochasticDepth(stochastic_depth_prob, "row")
        self.norm2 = norm_layer(dim)
        self.mlp = MLP(dim, [int(dim * mlp_ratio), dim], activation_layer=nn.GELU, inplace=None, dropout=dropout)
        for m in self.mlp.modules():
            if isinstance(m, nn.Linear):
                nn.init.xavier_uniform_(m.weight)
                nn.init.normal_(m.bias, std=1e-6)

    def forward(self, x: Tensor) -> Tensor:
        if self._norm_first:
            x = x + self.stochastic_depth(self.attn(self.norm1(x)))
            return x + self.stochastic_depth(self.mlp(self.norm2(x)))
        x = x + self.stochastic_depth(self.norm1(self.attn(x)))
        return x + self.stochastic_depth(self.norm2(self.mlp(x)))


class SwinTransformerBlockV2(SwinTransformerBlock):
    """Norms come behind what they belong to."""

    _attention = ShiftedWindowAttentionV2
    _norm_first = False


class SwinTransformer(nn.Module):
    """Stages of blocks with :class:`PatchMerging` between them.

    Args:
        patch_size, window_size: two numbers each. embed_dim: channels of the first stage; depths, num_heads: by stage.
    """

    def __init__(
        self,
        patch_size: list[int],
        embed_dim: int,
        depths: list[int],
        num_heads: list[int],
        window_size: list[int],
        mlp_ratio: float = 4.0,
        dropout: float = 0.0,
        attention_dropout: float = 0.0,
        stochastic_depth_prob: float = 0.1,
        num_classes: int = 1000,
        norm_layer: Callable[..., nn.Module] | None = None,
        block: Callable[..., nn.Module] | None = None,
        downsample_layer: Callable[..., nn.Module] = PatchMerging,
    ):
        super().__init__()
        block, norm_layer = block or SwinTransformerBlock, norm_layer or partial(nn.LayerNorm, eps=1e-5)
        self.num_classes = num_classes
        layers: list[nn.Module] = [
            nn.Sequential(
                nn.Conv2d(3, embed_dim, tuple(patch_size), tuple(patch_size)),
                Permute([0, 2, 3, 1]),
                norm_layer(embed_dim),
            )
        ]
        total, i = sum(depths), 0
        for stage, (depth, heads) in enumerate(zip(depths, num_heads)):
            dim, blocks = embed_dim * 2**stage, []
            for j in range(depth):
                blocks.append(
                    block(
                        dim, heads, window_size=window_size, shift_size=[0 if j % 2 == 0 else w // 2 for w in window_size],
                        mlp_ratio=mlp_ratio, dropout=dropout, attention_dropout=attention_dropout,
                        stochastic_depth_prob=stochastic_depth_prob * float(i) / (total - 1), norm_layer=norm_layer,
                    )
                )  # fmt: skip
                i += 1
            layers.append(nn.Sequential(*blocks))
            if stage < len(depths) - 1:
                layers.append(downsample_layer(dim, norm_layer))
        self.features = nn.Sequential(*layers)
        last = embed_dim * 2 ** (len(depths) - 1)
        self.norm = norm_layer(last)
        self.permute = Permute([0, 3, 1, 2])
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.flatten = nn.Flatten(1)
        self.head = nn.Linear(last, num_classes)
        init_weights(self, None, truncated(0.02))

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.flatten(self.avgpool(self.permute(self.norm(self.features(x))))))


def _make(width: int, depth: int, heads: int, window: int, drop: float, v2: bool):
    def make(**kwargs) -> SwinTransformer:
        usual: dict[str, Any] = {"stochastic_depth_prob": drop, "window_size": [window, window]}
        if v2:
            usual.update(block=SwinTransformerBlockV2, downsample_layer=PatchMergingV2)
        return SwinTransformer([4, 4], width, [2, 2, depth, 2], [heads * 2**i for i in range(4)], **{**usual, **kwargs})

    return make


for _name, _row in {
    "swin_t": (96, 6, 3, 7, 0.2, False), "swin_s": (96, 18, 3, 7, 0.3, False), "swin_b": (128, 18, 4, 7, 0.5, False),
    "swin_v2_t": (96, 6, 3, 8, 0.2, True), "swin_v2_s": (96, 18, 3, 8, 0.3, True), "swin_v2_b": (128, 18, 4, 8, 0.5, True),
}.items():  # fmt: skip
    globals()[_name] = define(_name, _make(*_row), f"The {_name} model.")
    __all__.append(_name)

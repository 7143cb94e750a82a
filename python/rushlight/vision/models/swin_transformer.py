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


def _quarters(x: Tensor) -> Tensor:
    height, width = x.shape[-3], x.shape[-2]
    x = F.pad(x, (0, 0, 0, width % 2, 0, height % 2))
    return torch.cat([x[..., 0::2, 0::2, :], x[..., 1::2, 0::2, :], x[..., 0::2, 1::2, :], x[..., 1::2, 1::2, :]], -1)


def shifted_window_attention(
    input: Tensor,
    qkv_weight: Tensor,
    proj_weight: Tensor,
    relative_position_bias: Tensor,
    window_size: list[int],
    num_heads: int,
    shift_size: list[int],
    attention_dropout: float = 0.0,
    dropout: float = 0.0,
    qkv_bias: Tensor | None = None,
    proj_bias: Tensor | None = None,
    logit_scale: Tensor | None = None,
    training: bool = True,
) -> Tensor:
    """Attention among the pixels of each window of ``(N, H, W, C)``; with ``logit_scale`` of cosines (version 2)."""
    n, height, width, channels = input.shape
    win_h, win_w = window_size[0], window_size[1]
    x = F.pad(input, (0, 0, 0, (win_w - width % win_w) % win_w, 0, (win_h - height % win_h) % win_h))
    padded_h, padded_w = x.shape[1], x.shape[2]
    # Where one window holds all, it isn't shifted.
    shift_h = 0 if win_h >= padded_h else shift_size[0]
    shift_w = 0 if win_w >= padded_w else shift_size[1]
    if shift_h + shift_w > 0:
        x = torch.roll(x, shifts=(-shift_h, -shift_w), dims=(1, 2))
    down, across = padded_h // win_h, padded_w // win_w
    windows, area = down * across, win_h * win_w
    x = x.view(n, down, win_h, across, win_w, channels).permute(0, 1, 3, 2, 4, 5).reshape(n * windows, area, channels)
    if logit_scale is not None and qkv_bias is not None:  # keys have no bias
        qkv_bias = qkv_bias.clone()
        length = qkv_bias.numel() // 3
        qkv_bias[length : 2 * length].zero_()
    qkv = (
        F.linear(x, qkv_weight, qkv_bias)
        .reshape(n * windows, area, 3, num_heads, channels // num_heads)
        .permute(2, 0, 3, 1, 4)
    )
    q, k, v = qkv[0], qkv[1], qkv[2]
    if logit_scale is not None:
        scores = F.normalize(q, dim=-1) @ F.normalize(k, dim=-1).transpose(-2, -1)
        scores = scores * torch.clamp(logit_scale, max=math.log(100.0)).exp()
    else:
        scores = (q * (channels // num_heads) ** -0.5).matmul(k.transpose(-2, -1))
    scores = scores + relative_position_bias
    if shift_h + shift_w > 0:
        # Pixels that came around the edge are no neighbours of those that were there.
        y, z = torch.arange(padded_h, device=x.device), torch.arange(padded_w, device=x.device)
        rows = (y >= padded_h - win_h).to(x.dtype) + (y >= padded_h - shift_h).to(x.dtype)
        columns = (z >= padded_w - win_w).to(x.dtype) + (z >= padded_w - shift_w).to(x.dtype)
        region = (
            (rows.unsqueeze(1) * 3 + columns)
            .view(down, win_h, across, win_w)
            .permute(0, 2, 1, 3)
            .reshape(windows, area)
        )
        apart = region.unsqueeze(1) - region.unsqueeze(2)
        mask = apart.masked_fill(apart != 0, -100.0).masked_fill(apart == 0, 0.0)
        scores = scores.view(n, windows, num_heads, area, area) + mask.unsqueeze(1).unsqueeze(0)
        scores = scores.view(-1, num_heads, area, area)
    weights = F.dropout(F.softmax(scores, dim=-1), p=attention_dropout, training=training)
    x = weights.matmul(v).transpose(1, 2).reshape(n * windows, area, channels)
    x = F.dropout(F.linear(x, proj_weight, proj_bias), p=dropout, training=training)
    x = (
        x.view(n, down, across, win_h, win_w, channels)
        .permute(0, 1, 3, 2, 4, 5)
        .reshape(n, padded_h, padded_w, channels)
    )
    if shift_h + shift_w > 0:
        x = torch.roll(x, shifts=(shift_h, shift_w), dims=(1, 2))
    return x[:, :height, :width, :].contiguous()


# Sizes decide what these do: symbolic tracing takes them as they are.
torch.fx.wrap("_quarters")
torch.fx.wrap("shifted_window_attention")


class PatchMerging(nn.Module):
    """Squares of four pixels become one of twice the channels: ``(..., H, W, C) -> (..., H / 2, W / 2, 2 C)``."""

    _norm_first = True

    def __init__(self, dim: int, norm_layer: Callable[..., nn.Module] = nn.LayerNorm):
        super().__init__()
        self.dim, self.norm_first = dim, self._norm_first
        self.reduction = nn.Linear(4 * dim, 2 * dim, bias=False)
        self.norm = norm_layer((4 if self._norm_first else 2) * dim)

    def forward(self, x: Tensor) -> Tensor:
        x = _quarters(x)
        if self.norm_first:
            return self.reduction(self.norm(x))
        return self.norm(self.reduction(x))


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

    def forward(self, x: Tensor) -> Tensor:
        return shifted_window_attention(
            x, self.qkv.weight, self.proj.weight, self.get_relative_position_bias(), self.window_size, self.num_heads, self.shift_size,
            self.attention_dropout, self.dropout, self.qkv.bias, self.proj.bias, None, self.training,
        )  # fmt: skip


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

    def forward(self, x: Tensor) -> Tensor:
        return shifted_window_attention(
            x, self.qkv.weight, self.proj.weight, self.get_relative_position_bias(), self.window_size, self.num_heads, self.shift_size,
            self.attention_dropout, self.dropout, self.qkv.bias, self.proj.bias, self.logit_scale, self.training,
        )  # fmt: skip


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
        self.norm_first = self._norm_first
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
        if self.norm_first:
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

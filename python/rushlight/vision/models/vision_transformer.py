"""Vision Transformer."""

from __future__ import annotations

import math
from collections import OrderedDict
from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import rushlight as torch
from rushlight import Tensor, nn

from ..ops.misc import MLP, Conv2dNormActivation
from ._registry import define, weights_getattr

__all__ = ["VisionTransformer", "interpolate_embeddings"]
__getattr__ = weights_getattr(__name__)

_NORM = partial(nn.LayerNorm, eps=1e-6)


class ConvStemConfig(NamedTuple):
    """A convolution in front of the transformer, in place of cutting patches."""

    out_channels: int
    kernel_size: int
    stride: int
    norm_layer: Callable[..., nn.Module] = nn.BatchNorm2d
    activation_layer: Callable[..., nn.Module] = nn.ReLU


def _check_size(height: int, width: int, size: int) -> None:
    if height != size:
        raise AssertionError(f"Wrong image height! Expected {size} but got {height}!")
    if width != size:
        raise AssertionError(f"Wrong image width! Expected {size} but got {width}!")


def _check_sequence(input: Tensor) -> None:
    if input.dim() != 3:
        raise AssertionError(f"Expected (batch_size, seq_length, hidden_dim) got {input.shape}")


torch.fx.wrap("_check_size")  # symbolic tracing takes them as they are
torch.fx.wrap("_check_sequence")


class MLPBlock(MLP):
    """The two linear layers of a block."""

    _version = 2

    def __init__(self, in_dim: int, mlp_dim: int, dropout: float):
        super().__init__(in_dim, [mlp_dim, in_dim], activation_layer=nn.GELU, inplace=None, dropout=dropout)
        for m in self.modules():
            if isinstance(m, nn.Linear):
                nn.init.xavier_uniform_(m.weight)
                nn.init.normal_(m.bias, std=1e-6)

    def _load_from_state_dict(self, state_dict, prefix, local_metadata, *args):
        if (local_metadata.get("version") or 1) < 2:
            for old, new in (("linear_1", "0"), ("linear_2", "3")):
                for kind in ("weight", "bias"):
                    if f"{prefix}{old}.{kind}" in state_dict:
                        state_dict[f"{prefix}{new}.{kind}"] = state_dict.pop(f"{prefix}{old}.{kind}")
        super()._load_from_state_dict(state_dict, prefix, local_metadata, *args)


class EncoderBlock(nn.Module):
    """Attention and linear layers, each behind a norm and beside a shortcut."""

    def __init__(
        self,
        num_heads: int,
        hidden_dim: int,
        mlp_dim: int,
        dropout: float,
        attention_dropout: float,
        norm_layer: Callable[..., nn.Module] = _NORM,
    ):
        super().__init__()
        self.num_heads = num_heads
        self.ln_1 = norm_layer(hidden_dim)
        self.self_attention = nn.MultiheadAttention(hidden_dim, num_heads, dropout=attention_dropout, batch_first=True)
        self.dropout = nn.Dropout(dropout)
        self.ln_2 = norm_layer(hidden_dim)
        self.mlp = MLPBlock(hidden_dim, mlp_dim, dropout)

    def forward(self, input: Tensor) -> Tensor:
        _check_sequence(input)
        x = self.ln_1(input)
        x, _ = self.self_attention(x, x, x, need_weights=False)
        x = self.dropout(x) + input
        return x + self.mlp(self.ln_2(x))


class Encoder(nn.Module):
    """Positions, blocks, and a norm."""

    def __init__(
        self,
        seq_length: int,
        num_layers: int,
        num_heads: int,
        hidden_dim: int,
        mlp_dim: int,
        dropout: float,
        attention_dropout: float,
        norm_layer: Callable[..., nn.Module] = _NORM,
    ):
        super().__init__()
        self.pos_embedding = nn.Parameter(torch.empty(1, seq_length, hidden_dim).normal_(std=0.02))
        self.dropout = nn.Dropout(dropout)
        self.layers = nn.Sequential(
            OrderedDict(
                (
                    f"encoder_layer_{i}",
                    EncoderBlock(num_heads, hidden_dim, mlp_dim, dropout, attention_dropout, norm_layer),
                )
                for i in range(num_layers)
            )
        )
        self.ln = norm_layer(hidden_dim)

    def forward(self, input: Tensor) -> Tensor:
        return self.ln(self.layers(self.dropout(input + self.pos_embedding)))


class VisionTransformer(nn.Module):
    """Cuts images into patches, which a transformer sees as a sequence behind a token for the class."""

    def __init__(
        self,
        image_size: int,
        patch_size: int,
        num_layers: int,
        num_heads: int,
        hidden_dim: int,
        mlp_dim: int,
        dropout: float = 0.0,
        attention_dropout: float = 0.0,
        num_classes: int = 1000,
        representation_size: int | None = None,
        norm_layer: Callable[..., nn.Module] = _NORM,
        conv_stem_configs: list[ConvStemConfig] | None = None,
    ):
        super().__init__()
        torch._check(image_size % patch_size == 0, lambda: "Input shape indivisible by patch size!")
        self.image_size, self.patch_size, self.hidden_dim, self.mlp_dim = image_size, patch_size, hidden_dim, mlp_dim
        self.attention_dropout, self.dropout, self.num_classes = attention_dropout, dropout, num_classes
        self.representation_size, self.norm_layer = representation_size, norm_layer
        if conv_stem_configs is not None:
            stem, channels = nn.Sequential(), 3
            for i, cnf in enumerate(conv_stem_configs):
                stem.add_module(f"conv_bn_relu_{i}", Conv2dNormActivation(
                    channels, cnf.out_channels, cnf.kernel_size, cnf.stride, norm_layer=cnf.norm_layer,
                    activation_layer=cnf.activation_layer))  # fmt: skip
                channels = cnf.out_channels
            stem.add_module("conv_last", nn.Conv2d(channels, hidden_dim, 1))
            self.conv_proj: nn.Module = stem
        else:
            self.conv_proj = nn.Conv2d(3, hidden_dim, patch_size, patch_size)
        self.class_token = nn.Parameter(torch.zeros(1, 1, hidden_dim))
        self.seq_length = (image_size // patch_size) ** 2 + 1
        self.encoder = Encoder(
            self.seq_length, num_layers, num_heads, hidden_dim, mlp_dim, dropout, attention_dropout, norm_layer
        )
        heads: OrderedDict[str, nn.Module] = OrderedDict()
        if representation_size is None:
            heads["head"] = nn.Linear(hidden_dim, num_classes)
        else:
            heads["pre_logits"] = nn.Linear(hidden_dim, representation_size)
            heads["act"] = nn.Tanh()
            heads["head"] = nn.Linear(representation_size, num_classes)
        self.heads = nn.Sequential(heads)
        self._reset(conv_stem_configs is not None)

    def _reset(self, has_stem: bool) -> None:
        conv = self.conv_proj.conv_last if has_stem else self.conv_proj
        if has_stem:
            nn.init.normal_(conv.weight, mean=0.0, std=math.sqrt(2.0 / conv.out_channels))
        else:
            fan_in = conv.in_channels * conv.kernel_size[0] * conv.kernel_size[1]
            nn.init.trunc_normal_(conv.weight, std=math.sqrt(1 / fan_in))
        nn.init.zeros_(conv.bias)
        if hasattr(self.heads, "pre_logits"):
            nn.init.trunc_normal_(self.heads.pre_logits.weight, std=math.sqrt(1 / self.heads.pre_logits.in_features))
            nn.init.zeros_(self.heads.pre_logits.bias)
        nn.init.zeros_(self.heads.head.weight)
        nn.init.zeros_(self.heads.head.bias)

    def _process_input(self, x: Tensor) -> Tensor:
        h, w = x.shape[2], x.shape[3]
        _check_size(h, w, self.image_size)
        x = self.conv_proj(x)
        return x.reshape(x.shape[0], self.hidden_dim, -1).permute(0, 2, 1)

    def forward(self, x: Tensor) -> Tensor:
        x = self._process_input(x)
        x = torch.cat([self.class_token.expand(x.shape[0], -1, -1), x], dim=1)
        return self.heads(self.encoder(x)[:, 0])


def interpolate_embeddings(
    image_size: int,
    patch_size: int,
    model_state: OrderedDict[str, Tensor],
    interpolation_mode: str = "bicubic",
    reset_heads: bool = False,
) -> OrderedDict[str, Tensor]:
    """A checkpoint's positions for images of another size; with ``reset_heads`` without the last layer."""
    positions = model_state["encoder.pos_embedding"]
    n, length, dim = positions.shape
    if n != 1:
        raise ValueError(f"Unexpected position embedding shape: {tuple(positions.shape)}")
    side = image_size // patch_size
    if side**2 + 1 == length:
        return model_state
    old = int(math.sqrt(length - 1))
    if old * old != length - 1:
        raise ValueError(
            f"seq_length is not a perfect square! Instead got seq_length * seq_length = {old * old} and seq_length = {length - 1}"
        )
    grid = positions[:, 1:].permute(0, 2, 1).reshape(1, dim, old, old)
    grid = nn.functional.interpolate(grid, size=side, mode=interpolation_mode, align_corners=True)
    model_state["encoder.pos_embedding"] = torch.cat(
        [positions[:, :1], grid.reshape(1, dim, -1).permute(0, 2, 1)], dim=1
    )
    if not reset_heads:
        return model_state
    return OrderedDict((k, v) for k, v in model_state.items() if not k.startswith("heads"))


def _make(*row: int):
    def make(image_size: int = 224, **kwargs) -> VisionTransformer:
        return VisionTransformer(image_size, *row, **kwargs)

    return make


def _trained(weights: Any, kwargs: dict) -> None:
    if "E2E" in weights.name and "image_size" not in kwargs:
        kwargs["image_size"] = weights.transforms().crop_size[0]


# patch, layers, heads, width, width inside
for _name, _row in {
    "vit_b_16": (16, 12, 12, 768, 3072), "vit_b_32": (32, 12, 12, 768, 3072), "vit_l_16": (16, 24, 16, 1024, 4096),
    "vit_l_32": (32, 24, 16, 1024, 4096), "vit_h_14": (14, 32, 16, 1280, 5120),
}.items():  # fmt: skip
    globals()[_name] = define(_name, _make(*_row), f"The {_name} model.", adjust=_trained)
    __all__.append(_name)

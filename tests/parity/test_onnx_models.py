"""Whole models out as ONNX, and onnxruntime's outputs for two sizes of the batch (and of what else is dynamic)."""

import io

import numpy as np
import pytest

import rushlight as torch
from rushlight import nn
from rushlight.nn import functional as F
from rushlight.vision import models, ops

onnx = pytest.importorskip("onnx")
onnxruntime = pytest.importorskip("onnxruntime")
onnxruntime.set_default_logger_severity(4)

VISION = ["resnet18", "resnet50", "vgg11_bn", "mobilenet_v2", "mobilenet_v3_small", "squeezenet1_1", "densenet121", "shufflenet_v2_x1_0", "efficientnet_b0",
          "convnext_tiny", "regnet_y_400mf", "mnasnet1_0", "resnext50_32x4d", "googlenet", "inception_v3", "vit_b_16", "swin_t", "swin_v2_t", "alexnet", "wide_resnet50_2"]  # fmt: skip
SIZES = {"alexnet": 224, "vit_b_16": 224, "inception_v3": 128}


class Bert(nn.Module):
    def __init__(self):
        super().__init__()
        self.tokens, self.places = nn.Embedding(50, 32), nn.Embedding(64, 32)
        layer = nn.TransformerEncoderLayer(32, 4, 64, activation="gelu", batch_first=True)
        self.encoder = nn.TransformerEncoder(layer, 2, enable_nested_tensor=False)
        self.pool = nn.Linear(32, 32)

    def forward(self, tokens, mask):
        x = self.tokens(tokens) + self.places(torch.arange(tokens.size(1)))
        x = self.encoder(x, src_key_padding_mask=mask == 0)
        return x, torch.tanh(self.pool(x[:, 0]))


class GptBlock(nn.Module):
    def __init__(self, width, heads):
        super().__init__()
        self.heads = heads
        self.qkv, self.out = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.norm1, self.norm2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.mlp = nn.Sequential(nn.Linear(width, 4 * width), nn.GELU("tanh"), nn.Linear(4 * width, width))
        self.register_buffer("mask", torch.tril(torch.ones(64, 64)).bool())

    def forward(self, x):
        batch, steps, width = x.shape
        parts = self.qkv(self.norm1(x)).split(width, 2)
        q, k, v = (t.view(batch, steps, self.heads, width // self.heads).transpose(1, 2) for t in parts)
        weights = (q @ k.transpose(-2, -1)) / (width // self.heads) ** 0.5
        weights = weights.masked_fill(~self.mask[:steps, :steps], float("-inf")).softmax(-1)
        x = x + self.out((weights @ v).transpose(1, 2).contiguous().view(batch, steps, width))
        return x + self.mlp(self.norm2(x))


class Gpt2(nn.Module):
    def __init__(self):
        super().__init__()
        self.tokens = nn.Embedding(50, 32)
        self.places = nn.Parameter(torch.randn(1, 64, 32))
        self.blocks = nn.Sequential(GptBlock(32, 4), GptBlock(32, 4))
        self.norm, self.head = nn.LayerNorm(32), nn.Linear(32, 50, bias=False)

    def forward(self, tokens):
        return self.head(self.norm(self.blocks(self.tokens(tokens) + self.places[:, : tokens.size(1)])))


class LlamaBlock(nn.Module):
    """Grouped heads, turned positions, RMS norms and a gated product."""

    def __init__(self):
        super().__init__()
        self.q, self.kv, self.gate, self.norm = nn.Linear(32, 32), nn.Linear(32, 32), nn.Linear(32, 64), nn.RMSNorm(32)

    def forward(self, x):
        batch, steps, width = x.shape
        y = self.norm(x)
        q = self.q(y).view(batch, steps, 4, 8).transpose(1, 2)
        k, v = self.kv(y).view(batch, steps, 2, 2, 8).unbind(2)
        k, v = (t.transpose(1, 2).repeat_interleave(2, 1) for t in (k, v))
        angle = torch.arange(steps)[:, None] * torch.exp(-torch.arange(4) / 4.0)
        cos, sin = angle.cos(), angle.sin()

        def turned(t):
            a, b = t[..., :4], t[..., 4:]
            return torch.cat([a * cos - b * sin, a * sin + b * cos], -1)

        y = F.scaled_dot_product_attention(turned(q), turned(k), v, is_causal=True)
        a, b = self.gate(x + y.transpose(1, 2).reshape(batch, steps, width)).chunk(2, -1)
        return F.silu(a) * b


class Tagger(nn.Module):
    def __init__(self):
        super().__init__()
        self.embed, self.lstm = nn.Embedding(30, 8), nn.LSTM(8, 16, 2, bidirectional=True, batch_first=True)
        self.out = nn.Linear(32, 3)

    def forward(self, tokens):
        y, (h, _) = self.lstm(self.embed(tokens))
        return self.out(y.mean(1)), h


class Unet(nn.Module):
    def __init__(self):
        super().__init__()
        self.down, self.mid = nn.Conv2d(3, 8, 3, padding=1), nn.Conv2d(8, 16, 3, padding=1)
        self.up, self.out = nn.ConvTranspose2d(16, 8, 2, 2), nn.Conv2d(16, 1, 1)

    def forward(self, x):
        a = F.relu(self.down(x))
        b = self.up(F.relu(self.mid(F.max_pool2d(a, 2))))
        b = F.interpolate(b, size=a.shape[-2:], mode="bilinear", align_corners=False)
        return torch.sigmoid(self.out(torch.cat([a, b], 1)))


class Detector(nn.Module):
    def __init__(self):
        super().__init__()
        self.head = nn.Conv2d(3, 5, 3, 2, 1)

    def forward(self, x):
        y = self.head(x).flatten(2).permute(0, 2, 1)[0]
        boxes, scores = torch.cat([y[:, :2], y[:, :2] + y[:, 2:4].exp()], 1), y[:, 4].sigmoid()
        kept = ops.nms(boxes, scores, 0.5)[:10]
        return boxes[kept], scores[kept]


class Greedy(nn.Module):
    """A decoder that runs until it has said 0, or ten words."""

    def __init__(self):
        super().__init__()
        self.embed, self.cell, self.out = nn.Embedding(12, 8), nn.GRUCell(8, 8), nn.Linear(8, 12)

    def forward(self, h):
        word = torch.ones(h.size(0), dtype=torch.int64)
        n = 0
        while bool((word != 0).any()) and n < 10:
            h = self.cell(self.embed(word), h)
            word = self.out(h).argmax(1)
            n += 1
        return h, word


class Cells(nn.Module):
    def __init__(self):
        super().__init__()
        self.gru, self.lstm, self.rnn = nn.GRUCell(4, 3), nn.LSTMCell(3, 5), nn.RNNCell(5, 2, nonlinearity="relu")

    def forward(self, x):
        h, c = self.lstm(self.gru(x))
        return self.rnn(h), c


def tokens(*shape):
    return torch.randint(0, 30, shape)


OWN = {
    "bert": lambda: (Bert(), {0: "n", 1: "t"}, (tokens(2, 7), torch.ones(2, 7, dtype=torch.int64)), (tokens(3, 9), torch.ones(3, 9, dtype=torch.int64))),
    "gpt2": lambda: (Gpt2(), {0: "n", 1: "t"}, (tokens(2, 9),), (tokens(1, 20),)),
    "llama": lambda: (LlamaBlock(), {0: "n", 1: "t"}, (torch.randn(2, 6, 32),), (torch.randn(3, 11, 32),)),
    "lstm": lambda: (Tagger(), {0: "n"}, (tokens(2, 5),), (tokens(4, 5),)),
    "unet": lambda: (Unet(), {0: "n", 2: "h", 3: "w"}, (torch.randn(2, 3, 16, 16),), (torch.randn(1, 3, 24, 32),)),
    "detector": lambda: (Detector(), {2: "h", 3: "w"}, (torch.randn(1, 3, 32, 32),), (torch.randn(1, 3, 48, 40),)),
    "greedy": lambda: (torch.jit.script(Greedy()), {0: "n"}, (torch.randn(2, 8),), (torch.randn(5, 8),)),
    "cells": lambda: (Cells(), {0: "n"}, (torch.randn(2, 4),), (torch.randn(5, 4),)),
    "tcn": lambda: (nn.Sequential(nn.Conv1d(4, 8, 3, dilation=2), nn.BatchNorm1d(8), nn.PReLU(), nn.Conv1d(8, 2, 1), nn.LogSoftmax(1)), {0: "n", 2: "t"}, (torch.randn(2, 4, 20),), (torch.randn(3, 4, 31),)),
    "mlp": lambda: (nn.Sequential(nn.Linear(6, 16), nn.LayerNorm(16), nn.SiLU(), nn.Linear(16, 4), nn.Softplus()), {0: "n"}, (torch.randn(2, 6),), (torch.randn(7, 6),)),
}  # fmt: skip


def check(model, axes, *examples, opset):
    if isinstance(model, nn.Module):
        model.eval()
    names = [f"x{i}" for i in range(len(examples[0]))]
    file = io.BytesIO()
    torch.onnx.export(model, examples[0], file, input_names=names, opset_version=opset, dynamic_axes=dict.fromkeys(names, axes), dynamo=False)  # fmt: skip
    onnx.checker.check_model(onnx.load_from_string(file.getvalue()), full_check=True)
    session = onnxruntime.InferenceSession(file.getvalue(), providers=["CPUExecutionProvider"])
    wanted = {i.name for i in session.get_inputs()}
    for given in examples:
        with torch.no_grad():
            expected = model(*given)
        expected = expected if isinstance(expected, tuple) else (expected,)
        fed = {n: t.numpy() for n, t in zip(names, given, strict=True) if n in wanted}
        for got, want in zip(session.run(None, fed), expected, strict=True):
            scale = max(1.0, float(want.abs().max())) if want.numel() and want.is_floating_point() else 1.0
            np.testing.assert_allclose(got, want.numpy(), rtol=1e-5, atol=1e-5 * scale)


@pytest.mark.parametrize("opset", [11, 13, pytest.param(17, marks=pytest.mark.full), 18, 26])
@pytest.mark.parametrize("name", OWN)
def test_models_of_all_kinds(name, opset):
    torch.manual_seed(0)
    model, axes, *examples = OWN[name]()
    check(model, axes, *examples, opset=opset)


@pytest.mark.parametrize("opset", [13, 17, 26])
@pytest.mark.parametrize("name", [n if n == "resnet18" else pytest.param(n, marks=pytest.mark.full) for n in VISION])
def test_models_of_vision(name, opset):
    torch.manual_seed(0)
    kwargs = {"init_weights": False} if name in ("googlenet", "inception_v3") else {}
    size = SIZES.get(name, 64)
    x = torch.randn(2, 3, size, size)
    check(getattr(models, name)(weights=None, **kwargs), {0: "n"}, (x,), (torch.randn(1, 3, size, size),), opset=opset)

"""Every layer of nn compiles from its Python, gives what it gives there, and is saved so that PyTorch runs it."""

import io

import pytest
import torch as reference

import rushlight as torch
from rushlight import nn

LAYERS = {}  # name: what makes the layer, and its arguments


def layer(text, *shapes, name=None):
    """A layer by its call. Arguments: a shape of normal numbers, a tensor, or a tuple of tensors."""
    LAYERS[name or text] = (lambda: eval("nn." + text, {"nn": nn, "torch": torch}), shapes)


def integers(n, *shape):
    return torch.arange(torch.empty(shape).numel()).reshape(shape) % n


def between(*shape):
    n = torch.empty(shape).numel()
    return ((torch.arange(n) + 0.5) / n).reshape(shape)


x2, x3, x4, x5 = (2, 4), (2, 4, 8), (2, 4, 8, 8), (2, 4, 4, 4, 4)
for kind in (
    "CELU ELU GELU Hardshrink Hardsigmoid Hardswish Hardtanh LeakyReLU LogSigmoid Mish PReLU RReLU ReLU ReLU6 SELU SiLU Sigmoid "
    "Softplus Softshrink Softsign Tanh Tanhshrink Identity Dropout AlphaDropout FeatureAlphaDropout"
).split():
    layer(kind + "()", x3)
for text in ("Threshold(0.1, 2.0)", "GLU(1)", "Softmax(1)", "LogSoftmax(1)", "Softmin(1)", "Linear(8, 3)", "LayerNorm(8)", "GroupNorm(2, 4)", "RMSNorm(8)",
             "SyncBatchNorm(4)", "Sequential(nn.Linear(8, 4), nn.ReLU())"):  # fmt: skip
    layer(text, x3)
for d, shape in ((1, x3), (2, x4), (3, x5)):
    for text in ("AvgPool{}d(2)", "MaxPool{}d(2)", "MaxPool{}d(2, return_indices=True)", "LPPool{}d(2, 2)", "AdaptiveAvgPool{}d(2)",
                 "AdaptiveMaxPool{}d(2)", "AdaptiveMaxPool{}d(2, return_indices=True)", "Conv{}d(4, 2, 3)", "ConvTranspose{}d(4, 2, 3, stride=2)",
                 "BatchNorm{}d(4)", "InstanceNorm{}d(4)", "InstanceNorm{}d(4, affine=True, track_running_stats=True)", "ConstantPad{}d(1, 2.0)",
                 "ReflectionPad{}d(1)", "ReplicationPad{}d(1)", "ZeroPad{}d(1)", "CircularPad{}d(1)", "Dropout{}d()"):  # fmt: skip
        layer(text.format(d), shape)
for text in ("Softmax2d()", "Conv2d(4, 2, 3, padding=1, padding_mode='circular')", "AdaptiveAvgPool2d((None, 3))", "LocalResponseNorm(2)",
             "CrossMapLRN2d(2)", "PixelShuffle(2)", "PixelUnshuffle(2)", "ChannelShuffle(2)", "Unfold(2)", "Flatten()", "Unflatten(1, (2, 2))",
             "Upsample(scale_factor=2)", "Upsample(size=(4, 4), mode='bilinear', align_corners=False)", "Upsample(scale_factor=1.5, mode='bicubic')",
             "Upsample(size=3, mode='area')", "Upsample(scale_factor=2, mode='nearest-exact')",
             "UpsamplingNearest2d(scale_factor=2)", "UpsamplingBilinear2d(scale_factor=2)"):  # fmt: skip
    layer(text, x4)
layer("Upsample(scale_factor=2, mode='linear')", x3)
layer("Upsample(scale_factor=2, mode='trilinear')", x5)
layer("Fold((4, 4), 2)", (2, 16, 9))
layer("MaxUnpool1d(2)", (2, 4, 4), integers(2, 2, 4, 4) + 2 * torch.arange(4))
layer("MaxUnpool2d(2)", (1, 1, 2, 2), torch.tensor([[[[0, 2], [8, 11]]]]))
layer("MaxUnpool3d(2)", (1, 1, 1, 1, 2), torch.tensor([[[[[0, 2]]]]]))
layer("FractionalMaxPool2d(2, output_size=3, _random_samples=torch.full((2, 4, 2), 0.3))", x4)
layer("FractionalMaxPool2d(2, output_ratio=0.5, return_indices=True, _random_samples=torch.full((2, 4, 2), 0.6))", x4)
layer("FractionalMaxPool3d(2, output_size=2, _random_samples=torch.full((2, 4, 3), 0.3))", x5)
for kind in ("LSTM", "GRU", "RNN"):
    layer(f"{kind}(4, 3, num_layers=2)", (5, 2, 4))
    layer(f"{kind}(4, 3, bidirectional=True, batch_first=True)", (2, 5, 4))
    layer(f"{kind}(4, 3)", (5, 4), name=f"{kind}, unbatched")
    layer(f"{kind}Cell(4, 3)", x2)
    layer(f"{kind}Cell(4, 3)", (4,), name=f"{kind}Cell, unbatched")
layer("LSTM(4, 3)", (5, 2, 4), (torch.zeros(1, 2, 3), torch.ones(1, 2, 3)), name="LSTM with a state")
layer("GRU(4, 3)", (5, 2, 4), (1, 2, 3), name="GRU with a state")
layer("LSTMCell(4, 3)", x2, (torch.zeros(2, 3), torch.ones(2, 3)), name="LSTMCell with a state")
layer("LSTM(4, 3, proj_size=2)", (5, 2, 4))
layer("RNN(4, 3, nonlinearity='relu')", (5, 2, 4))
sequence = (3, 2, 8)
layer("MultiheadAttention(8, 2)", sequence, sequence, sequence)
layer("MultiheadAttention(8, 2, batch_first=True, bias=False)", sequence, sequence, sequence)
layer("MultiheadAttention(8, 2, kdim=4, vdim=6, add_bias_kv=True, add_zero_attn=True)", sequence, (5, 2, 4), (5, 2, 6))
layer("TransformerEncoderLayer(8, 2, 16)", sequence)
layer("TransformerEncoderLayer(8, 2, 16, activation='gelu', norm_first=True, batch_first=True)", sequence)
layer("TransformerDecoderLayer(8, 2, 16)", sequence, sequence)
layer("TransformerEncoder(nn.TransformerEncoderLayer(8, 2, 16, batch_first=True), 2)", sequence)
layer("TransformerDecoder(nn.TransformerDecoderLayer(8, 2, 16), 2, nn.LayerNorm(8))", sequence, sequence)
layer("Transformer(8, 2, 1, 1, 16)", sequence, sequence)
layer("Bilinear(4, 4, 3)", x2, x2)
layer("Embedding(10, 3)", integers(10, 2, 4))
layer("Embedding(10, 3, padding_idx=-1)", integers(10, 2, 4))
layer("EmbeddingBag(10, 3)", integers(10, 2, 4))
layer("EmbeddingBag(10, 3, mode='sum')", integers(10, 5), torch.tensor([0, 2]))
layer("CosineSimilarity()", x2, x2)
layer("PairwiseDistance()", x2, x2)
for kind in ("L1Loss", "MSELoss", "SmoothL1Loss", "HuberLoss"):
    layer(kind + "()", x2, x2)
    layer(kind + "(reduction='sum')", x2, x2)
layer("SmoothL1Loss(beta=0.0)", x2, x2)
layer("BCELoss()", between(2, 4), between(2, 4))
layer("BCEWithLogitsLoss()", x2, between(2, 4))
layer("KLDivLoss(reduction='batchmean')", x2, between(2, 4))
layer("PoissonNLLLoss()", x2, between(2, 4))
layer("GaussianNLLLoss(full=True)", x2, x2, between(2, 4))
layer("CrossEntropyLoss(label_smoothing=0.1)", (3, 4), integers(4, 3))
layer("NLLLoss()", (3, 4), integers(4, 3))
layer("NLLLoss2d()", (3, 4, 2, 2), integers(4, 3, 2, 2))
layer("MultiMarginLoss()", (3, 4), integers(4, 3))
layer("MultiLabelMarginLoss()", (3, 4), integers(4, 3, 4))
layer("MultiLabelSoftMarginLoss()", (3, 4), between(3, 4))
layer("SoftMarginLoss()", (3, 4), (3, 4))
layer("HingeEmbeddingLoss()", (3, 4), (3, 4))
layer("CosineEmbeddingLoss()", (3, 4), (3, 4), torch.ones(3))
layer("MarginRankingLoss()", (3,), (3,), torch.ones(3))
layer("TripletMarginLoss(swap=True)", (3, 4), (3, 4), (3, 4))
layer("TripletMarginWithDistanceLoss()", (3, 4), (3, 4), (3, 4))
layer("CTCLoss()", (6, 2, 5), integers(4, 2, 3) + 1, torch.tensor([6, 6]), torch.tensor([3, 2]))


def flat(v):
    if isinstance(v, (torch.Tensor, reference.Tensor)):
        return [v]
    return [] if v is None else [t for part in v for t in flat(part)]


def theirs(v):
    return tuple(map(theirs, v)) if isinstance(v, tuple) else reference.from_numpy(v.detach().numpy().copy())


def same(a, b):
    return len(a) == len(b) and all(
        torch.equal(torch.nan_to_num(x.double(), 7.0), torch.nan_to_num(y.double(), 7.0))
        for x, y in zip(a, b, strict=True)
    )


@pytest.mark.parametrize("name", LAYERS)
def test_a_layer(name):
    make, shapes = LAYERS[name]
    torch.manual_seed(0)
    args = tuple(torch.randn(s) if isinstance(s, tuple) and (not s or isinstance(s[0], int)) else s for s in shapes)
    module = make()
    scripted = torch.jit.script(module)
    for mode in (True, False):
        module.train(mode)
        scripted.train(mode)
        state = {key: value.clone() for key, value in module.state_dict().items()}
        torch.manual_seed(1)
        wanted = flat(module(*args))
        module.load_state_dict(state)  # the running statistics are those of both
        torch.manual_seed(1)
        assert same(flat(scripted(*args)), wanted)
    file = io.BytesIO()
    scripted.save(file)
    file.seek(0)
    got = flat(reference.jit.load(file)(*map(theirs, args)))
    for mine, their in zip(wanted, got, strict=True):
        assert reference.allclose(their, reference.from_numpy(mine.detach().numpy()), atol=1e-5, equal_nan=True)


def test_every_layer_is_tried():
    bases = {
        "Module",
        "ModuleList",
        "ModuleDict",
        "ParameterList",
        "ParameterDict",
        "Container",
        "RNNBase",
        "RNNCellBase",
        "AdaptiveLogSoftmaxWithLoss",  # its result is a named tuple of its own
        "LinearCrossEntropyLoss",
    }
    tried = {text.split("(")[0] for text in LAYERS} | bases
    layers = {
        name for name in dir(nn) if isinstance(getattr(nn, name), type) and issubclass(getattr(nn, name), nn.Module)
    }
    assert not {name for name in layers - tried if not name.startswith(("Lazy", "_"))}

"""Each module against PyTorch's: repr, state dict, first values for a seed, forward, gradients."""

import copy
import pickle
import warnings

import pytest
import torch
from nn_support import assert_bit_equal, assert_same, from_torch, needs

import rushlight as rl

warnings.filterwarnings("ignore")


def f(*shape):
    return ("float", shape)


def ints(high, *shape):
    return ("int", high, shape)


def probs(*shape):
    return ("prob", shape)


def signs(*shape):
    return ("sign", shape)


# name, constructor arguments, inputs
CASES = [
    ("Identity", {}, [f(2, 3)]),
    ("Linear", dict(in_features=5, out_features=3), [f(4, 5)]),
    ("Linear", dict(in_features=5, out_features=3, bias=False), [f(2, 4, 5)]),
    ("Bilinear", dict(in1_features=3, in2_features=4, out_features=2), [f(5, 3), f(5, 4)]),
    ("Conv1d", dict(in_channels=4, out_channels=6, kernel_size=3, stride=2, padding=1, groups=2), [f(2, 4, 9)]),
    ("Conv2d", dict(in_channels=3, out_channels=4, kernel_size=3), [f(2, 3, 7, 6)]),
    (
        "Conv2d",
        dict(in_channels=3, out_channels=4, kernel_size=(3, 2), stride=2, padding=(1, 0), dilation=2, bias=False),
        [f(2, 3, 9, 8)],
    ),
    ("Conv2d", dict(in_channels=3, out_channels=4, kernel_size=3, padding="same"), [f(2, 3, 7, 6)]),
    ("Conv2d", dict(in_channels=3, out_channels=4, kernel_size=3, padding=1, padding_mode="reflect"), [f(2, 3, 7, 6)]),
    ("Conv3d", dict(in_channels=2, out_channels=3, kernel_size=2), [f(1, 2, 4, 5, 4)]),
    ("ConvTranspose1d", dict(in_channels=4, out_channels=2, kernel_size=3, stride=2), [f(2, 4, 5)]),
    (
        "ConvTranspose2d",
        dict(in_channels=4, out_channels=2, kernel_size=3, stride=2, padding=1, output_padding=1),
        [f(2, 4, 5, 4)],
    ),
    ("ConvTranspose3d", dict(in_channels=2, out_channels=2, kernel_size=2), [f(1, 2, 3, 3, 3)]),
    ("MaxPool1d", dict(kernel_size=2), [f(2, 3, 8)]),
    ("MaxPool2d", dict(kernel_size=3, stride=2, padding=1, ceil_mode=True), [f(2, 3, 8, 7)]),
    ("MaxPool2d", dict(kernel_size=2, return_indices=True), [f(2, 3, 8, 6)]),
    ("MaxPool3d", dict(kernel_size=2), [f(1, 2, 4, 4, 4)]),
    ("AvgPool1d", dict(kernel_size=3, stride=2, padding=1), [f(2, 3, 8)]),
    ("AvgPool2d", dict(kernel_size=2, count_include_pad=False, padding=1), [f(2, 3, 8, 6)]),
    ("AvgPool3d", dict(kernel_size=2), [f(1, 2, 4, 4, 4)]),
    ("AdaptiveAvgPool1d", dict(output_size=3), [f(2, 3, 8)]),
    ("AdaptiveAvgPool2d", dict(output_size=(3, None)), [f(2, 3, 8, 6)]),
    ("AdaptiveAvgPool2d", dict(output_size=1), [f(2, 3, 8, 6)]),
    ("AdaptiveAvgPool3d", dict(output_size=2), [f(1, 2, 4, 5, 4)]),
    ("AdaptiveMaxPool1d", dict(output_size=3), [f(2, 3, 8)]),
    ("AdaptiveMaxPool2d", dict(output_size=(3, 2), return_indices=True), [f(2, 3, 8, 6)]),
    ("AdaptiveMaxPool3d", dict(output_size=2), [f(1, 2, 4, 5, 4)]),
    ("LPPool1d", dict(norm_type=2, kernel_size=3), [probs(2, 3, 8)]),
    ("LPPool2d", dict(norm_type=2, kernel_size=2), [probs(2, 3, 8, 6)]),
    ("BatchNorm1d", dict(num_features=4), [f(5, 4)]),
    ("BatchNorm1d", dict(num_features=4, affine=False, momentum=None), [f(5, 4, 3)]),
    ("BatchNorm2d", dict(num_features=4), [f(3, 4, 5, 6)]),
    ("BatchNorm2d", dict(num_features=4, track_running_stats=False, eps=1e-3), [f(3, 4, 5, 6)]),
    ("BatchNorm3d", dict(num_features=2), [f(3, 2, 3, 2, 2)]),
    ("InstanceNorm1d", dict(num_features=4), [f(3, 4, 5)]),
    ("InstanceNorm2d", dict(num_features=4, affine=True, track_running_stats=True), [f(3, 4, 5, 6)]),
    ("InstanceNorm3d", dict(num_features=2), [f(3, 2, 3, 2, 2)]),
    ("LayerNorm", dict(normalized_shape=6), [f(3, 4, 6)]),
    ("LayerNorm", dict(normalized_shape=(4, 6), elementwise_affine=False), [f(3, 4, 6)]),
    ("LayerNorm", dict(normalized_shape=[4, 6], bias=False), [f(3, 4, 6)]),
    ("GroupNorm", dict(num_groups=2, num_channels=4), [f(3, 4, 5)]),
    ("RMSNorm", dict(normalized_shape=6), [f(3, 4, 6)]),
    ("LocalResponseNorm", dict(size=3), [f(3, 4, 5, 5)]),
    ("Embedding", dict(num_embeddings=7, embedding_dim=3), [ints(7, 2, 5)]),
    (
        "Embedding",
        dict(num_embeddings=7, embedding_dim=3, padding_idx=-1, max_norm=1.0, scale_grad_by_freq=True),
        [ints(7, 2, 5)],
    ),
    ("EmbeddingBag", dict(num_embeddings=7, embedding_dim=3), [ints(7, 2, 5)]),
    ("EmbeddingBag", dict(num_embeddings=7, embedding_dim=3, mode="sum"), [ints(7, 2, 5)]),
    ("EmbeddingBag", dict(num_embeddings=7, embedding_dim=3, mode="max"), [ints(7, 2, 5)]),
    ("Flatten", {}, [f(2, 3, 4)]),
    ("Unflatten", dict(dim=1, unflattened_size=(2, 3)), [f(2, 6, 4)]),
    ("PixelShuffle", dict(upscale_factor=2), [f(1, 8, 2, 3)]),
    ("PixelUnshuffle", dict(downscale_factor=2), [f(1, 2, 4, 6)]),
    ("ChannelShuffle", dict(groups=2), [f(1, 4, 2, 3)]),
    ("Upsample", dict(scale_factor=2), [f(1, 2, 3, 4)]),
    ("Upsample", dict(size=(5, 7), mode="bilinear"), [f(1, 2, 3, 4)]),
    ("Upsample", dict(scale_factor=2, mode="linear", align_corners=True), [f(1, 2, 3)]),
    ("Upsample", dict(scale_factor=(2, 1.5), mode="bicubic"), [f(1, 2, 4, 4)]),
    ("UpsamplingNearest2d", dict(scale_factor=2), [f(1, 2, 3, 4)]),
    ("UpsamplingBilinear2d", dict(size=6), [f(1, 2, 3, 4)]),
    ("ConstantPad1d", dict(padding=2, value=3.5), [f(2, 3, 4)]),
    ("ConstantPad2d", dict(padding=(1, 0, 2, 1), value=3.5), [f(2, 3, 4, 4)]),
    ("ZeroPad2d", dict(padding=1), [f(2, 3, 4, 4)]),
    ("ReflectionPad1d", dict(padding=(1, 2)), [f(2, 3, 4)]),
    ("ReflectionPad2d", dict(padding=1), [f(2, 3, 4, 4)]),
    ("ReplicationPad2d", dict(padding=1), [f(2, 3, 4, 4)]),
    ("CircularPad2d", dict(padding=(1, 1, 2, 0)), [f(2, 3, 4, 4)]),
    ("CosineSimilarity", {}, [f(3, 4), f(3, 4)]),
    ("PairwiseDistance", {}, [f(3, 4), f(3, 4)]),
    ("Fold", dict(output_size=(4, 5), kernel_size=2), [f(1, 12, 12)]),
    ("Unfold", dict(kernel_size=2, stride=2), [f(1, 3, 4, 6)]),
    *(
        (name, {}, [f(3, 4)])
        for name in (
            "ReLU",
            "ReLU6",
            "Sigmoid",
            "Tanh",
            "Hardtanh",
            "SiLU",
            "Mish",
            "Hardswish",
            "Hardsigmoid",
            "ELU",
            "CELU",
            "SELU",
            "GLU",
            "GELU",
            "Hardshrink",
            "Softshrink",
            "LeakyReLU",
            "LogSigmoid",
            "Softplus",
            "PReLU",
            "Softsign",
            "Tanhshrink",
        )
    ),
    ("ReLU", dict(inplace=True), [f(3, 4)]),
    ("GELU", dict(approximate="tanh"), [f(3, 4)]),
    ("PReLU", dict(num_parameters=4), [f(3, 4)]),
    ("Threshold", dict(threshold=0.1, value=20.0), [f(3, 4)]),
    ("RReLU", {}, [f(3, 4)]),
    ("Softmax", dict(dim=1), [f(3, 4)]),
    ("Softmin", dict(dim=0), [f(3, 4)]),
    ("LogSoftmax", dict(dim=-1), [f(3, 4)]),
    ("Softmax2d", {}, [f(2, 3, 4, 4)]),
    ("Dropout", dict(p=0.3), [f(4, 5)]),
    ("Dropout1d", {}, [f(4, 5, 3)]),
    ("Dropout2d", {}, [f(4, 5, 3, 3)]),
    ("Dropout3d", {}, [f(4, 5, 3, 3, 2)]),
    ("AlphaDropout", {}, [f(4, 5)]),
    ("FeatureAlphaDropout", {}, [f(4, 5, 3)]),
    ("L1Loss", {}, [f(3, 4), f(3, 4)]),
    ("L1Loss", dict(reduction="none"), [f(3, 4), f(3, 4)]),
    ("MSELoss", dict(reduction="sum"), [f(3, 4), f(3, 4)]),
    ("CrossEntropyLoss", {}, [f(5, 4), ints(4, 5)]),
    ("CrossEntropyLoss", dict(label_smoothing=0.1, ignore_index=2), [f(5, 4), ints(4, 5)]),
    ("CrossEntropyLoss", dict(reduction="none"), [f(5, 4, 3), ints(4, 5, 3)]),
    ("CrossEntropyLoss", {}, [f(5, 4), probs(5, 4)]),
    ("NLLLoss", {}, [f(5, 4), ints(4, 5)]),
    ("PoissonNLLLoss", {}, [f(5, 4), probs(5, 4)]),
    ("GaussianNLLLoss", dict(full=True), [f(5, 4), f(5, 4), probs(5, 4)]),
    ("KLDivLoss", dict(reduction="batchmean"), [f(5, 4), probs(5, 4)]),
    ("BCELoss", {}, [probs(5, 4), probs(5, 4)]),
    ("BCEWithLogitsLoss", {}, [f(5, 4), probs(5, 4)]),
    ("HingeEmbeddingLoss", {}, [f(5), signs(5)]),
    ("MultiLabelMarginLoss", {}, [f(2, 4), ints(4, 2, 4)]),
    ("SmoothL1Loss", dict(beta=0.5), [f(5, 4), f(5, 4)]),
    ("HuberLoss", dict(delta=0.5), [f(5, 4), f(5, 4)]),
    ("SoftMarginLoss", {}, [f(5), signs(5)]),
    ("MultiLabelSoftMarginLoss", {}, [f(5, 4), probs(5, 4)]),
    ("CosineEmbeddingLoss", {}, [f(5, 4), f(5, 4), signs(5)]),
    ("MarginRankingLoss", {}, [f(5), f(5), signs(5)]),
    ("MultiMarginLoss", {}, [f(5, 4), ints(4, 5)]),
    ("TripletMarginLoss", {}, [f(5, 4), f(5, 4), f(5, 4)]),
    ("TripletMarginWithDistanceLoss", {}, [f(5, 4), f(5, 4), f(5, 4)]),
    ("MultiheadAttention", dict(embed_dim=8, num_heads=2, bias=True, add_bias_kv=True), [f(4, 3, 8)] * 3),
    (
        "MultiheadAttention",
        dict(embed_dim=8, num_heads=2, kdim=6, vdim=5, batch_first=True),
        [f(3, 4, 8), f(3, 5, 6), f(3, 5, 5)],
    ),
    ("TransformerEncoderLayer", dict(d_model=8, nhead=2, dim_feedforward=16, dropout=0.0), [f(4, 3, 8)]),
    (
        "TransformerEncoderLayer",
        dict(d_model=8, nhead=2, dim_feedforward=16, dropout=0.0, norm_first=True, activation="gelu", batch_first=True),
        [f(4, 3, 8)],
    ),
    ("TransformerDecoderLayer", dict(d_model=8, nhead=2, dim_feedforward=16, dropout=0.0), [f(4, 3, 8), f(5, 3, 8)]),
    (
        "Transformer",
        dict(d_model=8, nhead=2, num_encoder_layers=2, num_decoder_layers=1, dim_feedforward=16, dropout=0.0),
        [f(5, 3, 8), f(4, 3, 8)],
    ),
    ("RNN", dict(input_size=4, hidden_size=3, num_layers=2, bidirectional=True), [f(5, 2, 4)]),
    ("RNN", dict(input_size=4, hidden_size=3, nonlinearity="relu", bias=False), [f(5, 4)]),
    ("LSTM", dict(input_size=4, hidden_size=3, num_layers=2, batch_first=True), [f(2, 5, 4)]),
    ("LSTM", dict(input_size=4, hidden_size=3, proj_size=2, bidirectional=True), [f(5, 2, 4)]),
    ("GRU", dict(input_size=4, hidden_size=3, num_layers=2, bidirectional=True), [f(5, 2, 4)]),
    ("RNNCell", dict(input_size=4, hidden_size=3), [f(2, 4)]),
    ("LSTMCell", dict(input_size=4, hidden_size=3), [f(2, 4)]),
    ("GRUCell", dict(input_size=4, hidden_size=3), [f(2, 4), f(2, 3)]),
]


def ident(case):
    name, kwargs, inputs = case
    return name + "".join(f"-{k}={v}" for k, v in kwargs.items()).replace(" ", "") + f"-{len(inputs)}"


# Modules whose operators are not all there yet: their cases run as soon as they are.
NEEDS = {
    "AdaptiveMaxPool1d": "adaptive_max_pool1d",
    "AdaptiveMaxPool2d": "adaptive_max_pool2d",
    "AdaptiveMaxPool3d": "adaptive_max_pool3d",
    "Bilinear": "bilinear",
    "Conv1d": "conv1d",
    "Conv2d": "conv2d",
    "Conv3d": "conv3d",
    "ConvTranspose1d": "conv_transpose1d",
    "ConvTranspose2d": "conv_transpose2d",
    "ConvTranspose3d": "conv_transpose3d",
    "Embedding": "embedding_renorm_",
    "EmbeddingBag": "embedding_bag",
    "Fold": "col2im",
    "MultiLabelMarginLoss": "multilabel_margin_loss",
    "MultiMarginLoss": "multi_margin_loss",
    "RReLU": "rrelu_with_noise",
    "Unfold": "im2col",
}
RUN = [pytest.param(c, id=ident(c), marks=needs(NEEDS[c[0]]) if c[0] in NEEDS else ()) for c in CASES]


def make_inputs(specs):
    torch.manual_seed(1)
    made = []
    for kind, *rest in specs:
        if kind == "int":
            made.append(torch.randint(0, rest[0], rest[1]))
        elif kind == "prob":
            made.append(torch.rand(rest[0]))
        elif kind == "sign":
            made.append(torch.randint(0, 2, rest[0]).float() * 2 - 1)
        else:
            made.append(torch.randn(rest[0]))
    return made


def both(name, kwargs):
    torch.manual_seed(0)
    theirs = getattr(torch.nn, name)(**kwargs)
    rl.manual_seed(0)
    return getattr(rl.nn, name)(**kwargs), theirs


def outputs_of(result):
    if isinstance(result, (tuple, list)):
        return [t for r in result for t in outputs_of(r)]
    return [] if result is None else [result]


@pytest.mark.parametrize("case", CASES, ids=ident)
def test_construction(case):
    ours, theirs = both(*case[:2])
    assert repr(ours) == repr(theirs)
    assert list(ours.state_dict()) == list(theirs.state_dict())
    for (key, a), b in zip(ours.state_dict().items(), theirs.state_dict().values(), strict=True):
        assert_bit_equal(a, b, key)
    assert [n for n, _ in ours.named_parameters()] == [n for n, _ in theirs.named_parameters()]


@pytest.mark.parametrize("case", RUN)
def test_forward_and_gradients(case):
    name, kwargs, specs = case
    ours, theirs = both(name, kwargs)
    for round in range(2):  # twice: running statistics have moved
        plain = make_inputs(specs)
        takes_grad = [spec[0] == "float" or spec[0] == "prob" for spec in specs]
        inputs = [t.clone().requires_grad_() if g else t for t, g in zip(plain, takes_grad, strict=True)]
        mine = from_torch(inputs)
        if kwargs.get("inplace"):
            inputs, mine = [t * 1 for t in inputs], [t * 1 for t in mine]
        torch.manual_seed(2)
        expected = outputs_of(theirs(*inputs))
        rl.manual_seed(2)
        got = outputs_of(ours(*mine))
        assert_same(got, expected, 1e-5, 1e-5, f"round {round}")
        floats = [i for i, t in enumerate(expected) if t.requires_grad]
        if not floats:
            continue
        sum((expected[i] * (i + 1)).sum() for i in floats).backward()
        sum((got[i] * (i + 1)).sum() for i in floats).backward()
        for a, b in zip(ours.parameters(), theirs.parameters(), strict=True):
            assert_same(a.grad, b.grad, 1e-4, 1e-4, "parameter gradient")
        for a, b in zip(mine, inputs, strict=True):
            if b.requires_grad and b.is_leaf:
                assert_same(a.grad, b.grad, 1e-4, 1e-4, "input gradient")
    for (key, a), b in zip(ours.named_buffers(), theirs.buffers(), strict=True):
        assert_same(a, b, 1e-5, 1e-5, key)


@pytest.mark.parametrize("case", RUN)
def test_evaluation_mode(case):
    name, kwargs, specs = case
    ours, theirs = both(name, kwargs)
    inputs = make_inputs(specs)
    mine = from_torch(inputs)
    with torch.no_grad(), rl.no_grad():
        assert_same(outputs_of(ours.eval()(*mine)), outputs_of(theirs.eval()(*inputs)), 1e-5, 1e-5)


@pytest.mark.parametrize("name", ["Linear", "BatchNorm2d", "Sequential"])
def test_copies_are_independent(name):
    if name == "Sequential":
        module = rl.nn.Sequential(rl.nn.Linear(2, 3), rl.nn.ReLU())
    else:
        module = both(*next(c[:2] for c in CASES if c[0] == name))[0]
    for clone in (copy.deepcopy(module), pickle.loads(pickle.dumps(module))):
        assert repr(clone) == repr(module)
        for a, b in zip(module.parameters(), clone.parameters(), strict=True):
            assert a is not b and type(b) is rl.nn.Parameter
            assert (a == b).all()
            with rl.no_grad():
                b.add_(1)
            assert not (a == b).any()


def test_recurrent_modules_tell_the_names_of_their_weights():
    modules = [fw.nn.GRU(2, 3, 2, bidirectional=True) for fw in (rl, torch)]
    names, wanted = (m._flat_weights_names for m in modules)
    assert names == wanted and set(names) == set(modules[0]._parameters)

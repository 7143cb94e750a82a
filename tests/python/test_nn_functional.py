"""nn.init, nn.utils and the parts of nn.functional that no module reaches, against PyTorch's."""

import itertools
import warnings

import pytest
import torch
from nn_support import assert_bit_equal, assert_same, from_torch, message, needs

import rushlight as rl

INITS = [
    ("uniform_", (3, 4), {"a": -2.0, "b": 5.0}),
    ("normal_", (3, 40), {"mean": 1.0, "std": 2.0}),
    ("normal_", (3,), {}),
    ("constant_", (3, 4), {"val": 0.25}),
    ("ones_", (3, 4), {}),
    ("zeros_", (3, 4), {}),
    ("eye_", (3, 5), {}),
    ("dirac_", (4, 2, 3, 3), {}),
    ("dirac_", (4, 2, 3), {"groups": 2}),
    ("xavier_uniform_", (3, 4, 2), {"gain": 2.0}),
    ("xavier_normal_", (30, 4), {}),
    ("kaiming_uniform_", (3, 4), {"a": 0.5}),
    ("kaiming_uniform_", (3, 4, 3, 3), {"mode": "fan_out", "nonlinearity": "relu"}),
    ("kaiming_normal_", (30, 4), {"nonlinearity": "relu"}),
    ("sparse_", (10, 3), {"sparsity": 0.3}),
    ("trunc_normal_", (50, 7), {"std": 0.5, "a": -1.0, "b": 1.0}),
    ("trunc_normal_", (50, 7), {"a": 1.5, "b": 2.0}),
]


@pytest.mark.parametrize(("name", "shape", "kwargs"), INITS, ids=str)
def test_init_draws_pytorchs_numbers(name, shape, kwargs):
    results = []
    for fw in (rl, torch):
        fw.manual_seed(3)
        t = fw.empty(shape, requires_grad=True)
        out = getattr(fw.nn.init, name)(t, **kwargs)
        assert out is t and t.requires_grad
        results.append(t)
    assert_bit_equal(*results)


@pytest.mark.skipif(not hasattr(rl.linalg, "qr"), reason="no record yet of linalg_qr")
def test_orthogonal_init():
    results = []
    for fw in (rl, torch):
        fw.manual_seed(3)
        results.append(fw.nn.init.orthogonal_(fw.empty(4, 6)))
    assert_same(*results, 1e-5)


@pytest.mark.parametrize(
    "call",
    [
        lambda fw: fw.nn.init.xavier_uniform_(fw.empty(3)),
        lambda fw: fw.nn.init.kaiming_uniform_(fw.empty(3, 3), mode="fan"),
        lambda fw: fw.nn.init.calculate_gain("gelu"),
        lambda fw: fw.nn.init.calculate_gain("leaky_relu", "x"),
        lambda fw: fw.nn.init.eye_(fw.empty(3)),
        lambda fw: fw.nn.init.dirac_(fw.empty(3)),
        lambda fw: fw.nn.init.orthogonal_(fw.empty(3)),
        lambda fw: fw.nn.functional.dropout(fw.zeros(1), p=2.0),
        lambda fw: fw.nn.functional.mse_loss(fw.zeros(1), fw.zeros(1), reduction="all"),
        lambda fw: fw.nn.functional.binary_cross_entropy(fw.zeros(2), fw.zeros(3)),
        lambda fw: fw.nn.functional.binary_cross_entropy_with_logits(fw.zeros(2), fw.zeros(3)),
        lambda fw: fw.nn.functional.interpolate(fw.zeros(1, 1, 4)),
        lambda fw: fw.nn.functional.interpolate(fw.zeros(1, 1, 4), size=3, scale_factor=2),
        lambda fw: fw.nn.functional.interpolate(fw.zeros(1, 1, 4), size=(3, 4)),
        lambda fw: fw.nn.functional.interpolate(fw.zeros(1, 1, 4), size=3, mode="bilinear"),
        lambda fw: fw.nn.functional.interpolate(fw.zeros(1, 1, 4), size=3, align_corners=True),
        lambda fw: fw.nn.functional.embedding(fw.tensor([0]), fw.zeros(2, 3), padding_idx=2),
        lambda fw: fw.nn.functional.triplet_margin_loss(fw.zeros(1), fw.zeros(1), fw.zeros(1), margin=0),
        lambda fw: fw.nn.utils.clip_grad_norm_(with_grad(fw, [float("nan")]), 1.0, error_if_nonfinite=True),
    ],
)
def test_errors_read_as_pytorchs(call):
    assert message(call, rl) == message(call, torch)


def with_grad(fw, values):
    p = fw.nn.Parameter(fw.zeros(len(values)))
    p.grad = fw.tensor(values)
    return [p]


def test_gains():
    for name in ("linear", "sigmoid", "tanh", "relu", "selu", "conv2d"):
        assert rl.nn.init.calculate_gain(name) == torch.nn.init.calculate_gain(name)
    assert rl.nn.init.calculate_gain("leaky_relu", 0.2) == torch.nn.init.calculate_gain("leaky_relu", 0.2)


@pytest.mark.parametrize("norm_type", [2.0, 1.0, float("inf")])
def test_clipping_gradients(norm_type):
    grads, norms = [], []
    for fw in (rl, torch):
        params = with_grad(fw, [3.0, -4.0]) + with_grad(fw, [12.0]) + [fw.nn.Parameter(fw.zeros(1))]
        norms.append(fw.nn.utils.clip_grad_norm_(params, 2.0, norm_type))
        fw.nn.utils.clip_grad_value_(params, 1.0)
        grads.append([p.grad for p in params])
    assert_same(norms[0], norms[1], 1e-6)
    assert_same(grads[0], grads[1], 1e-6)


def test_parameters_as_a_vector():
    m = rl.nn.Linear(2, 3)
    vector = rl.nn.utils.parameters_to_vector(m.parameters())
    assert vector.shape == (9,)
    rl.nn.utils.vector_to_parameters(rl.arange(9.0), m.parameters())
    assert m.weight.tolist() == [[0.0, 1.0], [2.0, 3.0], [4.0, 5.0]] and m.bias.tolist() == [6.0, 7.0, 8.0]


def test_padded_and_packed_sequences():
    results = []
    for fw in (rl, torch):
        rnn = fw.nn.utils.rnn
        seqs = [fw.arange(n).float().reshape(n, 1) for n in (2, 4, 3)]
        padded = rnn.pad_sequence(seqs, batch_first=True, padding_value=-1.0)
        packed = rnn.pack_padded_sequence(padded, [2, 4, 3], batch_first=True, enforce_sorted=False)
        back, lengths = rnn.pad_packed_sequence(packed, padding_value=-1.0, total_length=5)
        results.append(
            [padded, packed.data, packed.batch_sizes, packed.sorted_indices, packed.unsorted_indices, back, lengths]
            + list(rnn.unpack_sequence(rnn.pack_sequence(seqs, enforce_sorted=False)))
            + [rnn.pad_sequence(seqs, padding_side="left")]
        )
    assert_bit_equal(*results)


@pytest.mark.parametrize("kind", ["RNN", "LSTM", "GRU"])
def test_recurrent_networks_over_packed_sequences(kind):
    results = []
    for fw in (rl, torch):
        torch.manual_seed(1)
        x = torch.randn(4, 3, 2)
        x = x if fw is torch else from_torch(x)
        fw.manual_seed(0)
        net = getattr(fw.nn, kind)(2, 3, num_layers=2, bidirectional=True)
        packed = fw.nn.utils.rnn.pack_padded_sequence(x, [2, 4, 3], enforce_sorted=False)
        out, state = net(packed)
        padded, lengths = fw.nn.utils.rnn.pad_packed_sequence(out)
        results.append([padded, lengths, *(state if isinstance(state, tuple) else [state])])
    assert_same(*results, 1e-5)


CALLS = [
    lambda fw, F, x: F.normalize(x, dim=0),
    lambda fw, F, x: F.gumbel_softmax(x, hard=True),
    lambda fw, F, x: F.gumbel_softmax(x, tau=0.5),
    lambda fw, F, x: F.pad(x, (1, 2)),
    lambda fw, F, x: F.pad(x, (1, 2, 0, 1), value=3.0),
    lambda fw, F, x: F.one_hot(fw.tensor([0, 2, 1]), 4),
    lambda fw, F, x: F.softmax(x, 0, dtype=fw.float64),
    lambda fw, F, x: F.scaled_dot_product_attention(x[None], x[None], x[None], is_causal=True),
    lambda fw, F, x: F.mse_loss(x, x * 2, weight=x.abs()),
    lambda fw, F, x: F.l1_loss(x, x * 2, reduction="sum", weight=x.abs()),
    lambda fw, F, x: F.huber_loss(x, x * 2, weight=x.abs()),
    lambda fw, F, x: F.mse_loss(x, x[:1]),
    lambda fw, F, x: F.cross_entropy(x, fw.tensor([0, 1, 3]), size_average=False),
    lambda fw, F, x: F.cross_entropy(x, fw.tensor([0, 1, 3]), weight=fw.arange(4.0)),
    lambda fw, F, x: F.nll_loss(F.log_softmax(x, 1), fw.tensor([0, 1, -100])),
    lambda fw, F, x: F.interpolate(x[None, None], scale_factor=1.5, mode="bilinear", recompute_scale_factor=True),
    lambda fw, F, x: F.interpolate(x[None, None], size=(2, 2), mode="area"),
    pytest.param(
        lambda fw, F, x: F.grid_sample(x[None, None], fw.zeros(1, 2, 2, 2), align_corners=False),
        marks=needs("grid_sampler"),
    ),
    pytest.param(
        lambda fw, F, x: F.affine_grid(fw.eye(2, 3)[None], [1, 1, 2, 2], align_corners=False),
        marks=needs("affine_grid_generator"),
    ),
    pytest.param(
        lambda fw, F, x: F.max_unpool1d(*F.max_pool1d(x[None], 2, return_indices=True), 2), marks=needs("max_unpool2d")
    ),
    pytest.param(
        lambda fw, F, x: F.max_unpool2d(*F.max_pool2d(x[None], 2, return_indices=True), 2, output_size=(3, 4)),
        marks=needs("max_unpool2d"),
    ),
    lambda fw, F, x: F.softmax(x),
    pytest.param(lambda fw, F, x: F.conv1d(x[None], fw.ones(2, 3, 3), padding="same"), marks=needs("conv1d")),
    lambda fw, F, x: F.glu(x, 1),
    lambda fw, F, x: F.relu(x.clone(), inplace=True),
]


@pytest.mark.parametrize("call", CALLS)
def test_functions(call):
    results = []
    for fw in (rl, torch):
        torch.manual_seed(2)
        x = torch.randn(3, 4)
        x = x if fw is torch else from_torch(x)
        fw.manual_seed(0)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            results.append(call(fw, fw.nn.functional, x))
    assert_same(*results, 1e-5, 1e-6)


def test_every_public_name_is_there():
    assert not {n for n in dir(torch.nn) if n[0].isupper() and not hasattr(rl.nn, n)}
    for name in torch.nn.init.__all__:
        assert hasattr(rl.nn.init, name)


RESAMPLED = [(399, 437), (403, 377), (354, 314), (138, 151), (12, 12), (20, 40), (7, 3), (1, 5)]


@pytest.mark.parametrize("dtype", ["float32", "float64", "uint8"])
@pytest.mark.parametrize(
    "mode", ["nearest", "nearest-exact", "bilinear", "bicubic", "bilinear smooth", "bicubic smooth"]
)
def test_interpolate_to_many_sizes_and_by_many_factors(mode, dtype):
    name, _, smooth = mode.partition(" ")
    corners = [None] if "nearest" in mode else [True, False]
    for (n, out), align, channels in itertools.product(RESAMPLED, corners, [1, 4]):
        x = (torch.rand(1, channels, 3, n, generator=torch.Generator().manual_seed(n)) * 256).to(getattr(torch, dtype))
        ways = [{"size": (5, out)}, {"scale_factor": 1.1}, {"scale_factor": (2.05, out / n)}, {"scale_factor": 1.0}]
        for how in ways:
            options = how | {"mode": name, "align_corners": align, "antialias": bool(smooth)}
            expected = torch.nn.functional.interpolate(x, **options)
            found = rl.nn.functional.interpolate(from_torch(x), **options)
            tolerance = {"float32": 0.02, "float64": 1e-8, "uint8": 0}[dtype]
            assert found.shape == expected.shape, (n, channels, options)
            assert torch.from_numpy(found.numpy()).sub(expected).abs().max() <= tolerance, (n, channels, options)


@pytest.mark.parametrize("mode", ["reflect", "replicate"])
@pytest.mark.parametrize("shape", [(3, 0, 10), (0, 3, 10), (2, 0), (0, 4), (0, 0, 4)])
def test_padding_of_nothing(mode, shape):
    def padded(fw):
        return tuple(fw.nn.functional.pad(fw.ones(shape), (2, 1), mode=mode).shape)

    try:
        expected = padded(torch)
    except RuntimeError:
        with pytest.raises(RuntimeError, match="Expected 2D or 3D .* other non-zero dimensions"):
            padded(rl)
    else:
        assert padded(rl) == expected


@pytest.mark.parametrize("mode", ["constant", "reflect", "replicate", "circular"])
def test_padding_by_nothing_is_a_copy(mode):
    x = rl.ones(1, 1, 2, 2)
    rl.nn.functional.pad(x, (0, 0, 0, 0), mode=mode).fill_(5)
    assert x.eq(1).all()


def test_cosine_similarity_computes_in_the_common_dtype():
    pairs = [(fw.tensor([[1, 2]], dtype=fw.int8), fw.tensor([[1.0, 3.0]])) for fw in (rl, torch)]
    ours, theirs = rl.nn.functional.cosine_similarity(*pairs[0]), torch.nn.functional.cosine_similarity(*pairs[1])
    assert ours.item() == pytest.approx(theirs.item(), rel=1e-6)
    with pytest.raises(RuntimeError, match="expected common dtype to be floating point, yet common dtype is Long"):
        rl.nn.functional.cosine_similarity(rl.tensor([[1, 2]]), rl.tensor([[1, 2]]))


def test_adaptive_pooling_of_no_channels_without_a_batch():
    for t in (rl, torch):
        assert t.nn.functional.adaptive_avg_pool3d(t.ones(0, 4, 4, 4), 2).shape == (0, 2, 2, 2)
        with pytest.raises(RuntimeError, match="non-zero size"):
            t.nn.functional.adaptive_avg_pool3d(t.ones(2, 0, 4, 4, 4), 2)


@pytest.mark.parametrize("dtype", [rl.float32, rl.float64])
def test_small_linear_layers_compute_each_row_as_if_it_were_alone(dtype):
    rl.manual_seed(0)
    for columns in (3, 8, 16, 17):
        weight, bias = rl.randn(columns, 12, dtype=dtype), rl.randn(columns, dtype=dtype)
        x = rl.randn(19, 12, dtype=dtype)
        whole = (x.double()[:, None] * weight.double()).sum(-1) + bias.double()
        for rows in range(2, 20):
            y = rl.nn.functional.linear(x[:rows], weight, bias)
            rl.testing.assert_close(y, whole[:rows].to(dtype), rtol=1e-5, atol=1e-5)
            assert rl.equal(y[:2], rl.nn.functional.linear(x[:2], weight, bias))


@pytest.mark.parametrize("dtype", ["bfloat16", "float16", "float32", "int32"])
def test_a_threshold_is_not_rounded_to_half_types(dtype):
    """0.1 is 0.10009765625 in bfloat16, which is above 0.1."""
    given = [0.1, 0.2, 0.05, 2.0]
    here = rl.nn.functional.threshold(rl.tensor(given, dtype=getattr(rl, dtype)), 0.1, 20)
    there = torch.nn.functional.threshold(torch.tensor(given, dtype=getattr(torch, dtype)), 0.1, 20)
    assert here.tolist() == there.tolist()

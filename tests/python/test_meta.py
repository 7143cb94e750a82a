"""Shapes before data: what operators say on the meta device, and which cannot say anything there."""

import pytest
import torch

import rushlight

BOTH = pytest.mark.parametrize("T", [rushlight, torch], ids=["rushlight", "torch"])


def described(t):
    return tuple(t.shape), str(t.dtype).rpartition(".")[2], str(t.device), t.stride()


FACTORIES = {
    "empty": lambda T: T.empty(2, 3, device="meta"),
    "channels_last": lambda T: T.empty(1, 2, 3, 4, device="meta", memory_format=T.channels_last),
    "full": lambda T: T.full((2,), 7, device="meta"),
    "arange": lambda T: T.arange(1, 10, 4, device="meta"),
    "arange_float": lambda T: T.arange(0, 1, 0.25, device="meta"),
    "linspace": lambda T: T.linspace(0, 1, 5, device="meta"),
    "linspace_of_tensors": lambda T: T.linspace(T.empty((), device="meta"), T.ones(()), 5, device="meta"),
    "logspace": lambda T: T.logspace(0, 1, 5, dtype=T.int32, device="meta"),
    "eye": lambda T: T.eye(2, 3, device="meta"),
    "tril_indices": lambda T: T.tril_indices(4, 3, -1, device="meta"),
    "triu_indices": lambda T: T.triu_indices(4, 3, 1, device="meta"),
    "randn": lambda T: T.randn(2, 2, device="meta"),
    "randint": lambda T: T.randint(3, (2,), device="meta"),
    "randperm": lambda T: T.randperm(5, device="meta"),
    "normal": lambda T: T.normal(T.zeros(3, 1, device="meta"), T.ones(2, device="meta")),
    "zeros_like": lambda T: T.zeros_like(T.ones(2, 3).t(), device="meta"),
    "rand_like": lambda T: T.rand_like(T.ones(2, 3, dtype=T.float64), device="meta"),
    "new_ones": lambda T: T.empty(1, dtype=T.int8, device="meta").new_ones(3),
    "repeat_interleave": lambda T: T.repeat_interleave(T.empty(2, 3, device="meta"), 2, dim=1),
    "one_hot": lambda T: T.nn.functional.one_hot(T.empty(2, dtype=T.int64, device="meta"), 5),
    "index_by_cpu": lambda T: T.empty(4, 3, device="meta")[:, T.tensor([0, 1])],
    "index_by_meta": lambda T: T.empty(4, 3, device="meta")[T.empty(2, 2, dtype=T.int64, device="meta")],
    "index_by_cpu_mask": lambda T: T.empty(3, 2, device="meta")[T.tensor([True, False, True])],
    "rrelu": lambda T: T.rrelu(T.empty(3, device="meta"), training=True),
}


@pytest.mark.parametrize("name", FACTORIES)
def test_describes_what_would_be_made(name):
    assert described(FACTORIES[name](rushlight)) == described(FACTORIES[name](torch))


def test_draws_nothing():
    rushlight.manual_seed(3)
    want = rushlight.rand(3)
    rushlight.manual_seed(3)
    for make in FACTORIES.values():
        make(rushlight)
    rushlight.empty(3, device="meta").normal_()
    assert rushlight.equal(rushlight.rand(3), want)


MODELS = {
    "conv": (lambda T: T.nn.Sequential(T.nn.Conv2d(3, 4, 3, bias=False), T.nn.BatchNorm2d(4), T.nn.MaxPool2d(2)), (2, 3, 8, 8)),
    "pool": (lambda T: T.nn.Sequential(T.nn.ConvTranspose2d(3, 2, 2), T.nn.AvgPool2d(2), T.nn.AdaptiveAvgPool2d(2)), (2, 3, 8, 8)),
    "linear": (lambda T: T.nn.Sequential(T.nn.Linear(4, 3), T.nn.LayerNorm(3), T.nn.GELU(), T.nn.Dropout(0.5)), (5, 4)),
    "upsample": (lambda T: T.nn.Sequential(T.nn.Conv2d(3, 2, 1), T.nn.Upsample(scale_factor=2, mode="bilinear")), (1, 3, 4, 4)),
    "lstm": (lambda T: T.nn.LSTM(4, 3, num_layers=2, bidirectional=True), (6, 2, 4)),
    "gru": (lambda T: T.nn.GRU(4, 3), (6, 2, 4)),
    "encoder": (lambda T: T.nn.TransformerEncoderLayer(4, 2, 8, batch_first=True), (2, 5, 4)),
    "pad": (lambda T: T.nn.Sequential(T.nn.ReflectionPad2d(1), T.nn.Conv2d(3, 2, 3, padding_mode="circular", padding=1)), (1, 3, 5, 5)),
}  # fmt: skip


@pytest.mark.parametrize("name", MODELS)
def test_a_model_without_data_has_the_shapes_of_one_with(name):
    make, shape = MODELS[name]

    def shapes(device):
        model = make(rushlight).to(device)
        out = model(rushlight.ones(*shape, device=device))
        out = out[0] if isinstance(out, tuple) else out
        out.sum().backward()
        return tuple(out.shape), out.stride(), [tuple(p.grad.shape) for p in model.parameters()], str(out.device)

    cpu, meta = shapes("cpu"), shapes("meta")
    assert cpu[:3] == meta[:3] and meta[3] == "meta"


BY_VALUE = {
    "nonzero": lambda t: t.nonzero(),
    "masked_select": lambda t: rushlight.masked_select(t, t > 0),
    "index_by_mask": lambda t: t[t > 0],
    "unique": lambda t: rushlight.unique(t),
    "unique_dim": lambda t: rushlight.unique(t, dim=0),
    "unique_consecutive": lambda t: rushlight.unique_consecutive(t),
    "bincount": lambda t: rushlight.bincount(t.flatten().long()),
    "item": lambda t: t.sum().item(),
    "one_hot": lambda t: rushlight.nn.functional.one_hot(t.long()),
    "repeat_interleave": lambda t: rushlight.repeat_interleave(t.flatten().long()),
    "equal": lambda t: rushlight.equal(t, t),
    "tensor_split": lambda t: rushlight.tensor_split(t, t[0].long()),
}


@pytest.mark.parametrize("name", BY_VALUE)
def test_what_depends_on_values_says_so(name):
    with pytest.raises((NotImplementedError, RuntimeError), match="meta"):
        BY_VALUE[name](rushlight.empty(2, 3, device="meta"))


def test_wrong_shapes_are_refused_without_data():
    x = rushlight.empty(3, 4, device="meta")
    with pytest.raises(RuntimeError, match="shape mismatch"):
        x[rushlight.tensor([0, 1])] = rushlight.empty(3, 4, device="meta")
    with pytest.raises(IndexError, match="too many indices"):
        x.index_put_((rushlight.tensor([0]),) * 3, rushlight.tensor(1.0))
    with pytest.raises(RuntimeError, match="indices should be either on cpu or on the same device"):
        rushlight.ones(3)[rushlight.empty(2, dtype=rushlight.int64, device="meta")]
    with pytest.raises(RuntimeError, match="channels"):
        rushlight.nn.functional.conv2d(
            rushlight.empty(1, 3, 8, 8, device="meta"), rushlight.empty(4, 2, 3, 3, device="meta")
        )


@BOTH
def test_adaptive_pooling_of_nothing(T):
    pool = T.nn.functional.adaptive_avg_pool2d
    with pytest.raises(RuntimeError, match="non-zero size"):
        pool(T.zeros(1, 3, 0, 0), 3)
    with pytest.raises(RuntimeError, match="non-zero size"):
        T.nn.functional.adaptive_avg_pool3d(T.zeros(1, 0, 2, 2, 2), 3)
    assert pool(T.zeros(1, 0, 2, 2), 3).shape == (1, 0, 3, 3)
    assert pool(T.zeros(1, 3, 0, 0), 1).isnan().all()


@BOTH
def test_bounds_of_a_range_in_tensors(T):
    assert T.linspace(T.tensor(1), T.tensor(3.0), 3).tolist() == [1, 2, 3]
    assert T.logspace(0, T.tensor(2), 3, dtype=T.int64).tolist() == [1, 10, 100]
    with pytest.raises(RuntimeError, match="0-dimensional"):
        T.linspace(T.ones(2), 1, 3)


@BOTH
@pytest.mark.parametrize("mode", ["nearest", "nearest-exact", "bilinear", "bicubic"])
def test_interpolation_takes_no_memory_for_what_has_none(T, mode):
    x = T.empty(2 * 10**8, 3, 2 * 10**8, 4, device="meta", requires_grad=True)
    y = T.nn.functional.interpolate(x, size=(4 * 10**8, 2), mode=mode)
    assert described(y)[:3] == ((2 * 10**8, 3, 4 * 10**8, 2), "float32", "meta")
    small = T.empty(2, 3, 4, 5, device="meta", requires_grad=True)
    y = T.nn.functional.interpolate(small.to(memory_format=T.channels_last), scale_factor=1.5, mode=mode)
    assert y.is_contiguous(memory_format=T.channels_last)
    y.sum().backward()
    assert small.grad.shape == small.shape and small.grad.device.type == "meta"

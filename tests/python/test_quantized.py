"""Quantised tensors, layers and models against PyTorch's, and files of them both ways."""

import io

import numpy as np
import pytest
import torch as pt

import rushlight as rl

ENGINES = ["fbgemm", "qnnpack", "x86", "onednn"]


@pytest.fixture(autouse=True)
def _engine():
    yield
    rl.backends.quantized.engine = "x86"
    pt.backends.quantized.engine = "x86"


def use(engine):
    rl.backends.quantized.engine = pt.backends.quantized.engine = engine


# Without VNNI oneDNN's products of bytes are added in 16 bits, in PyTorch: sums that don't fit are cut off. Ours are exact everywhere.
def exact_in_pytorch(engine):
    return engine != "onednn" or pt.cpu._is_vnni_supported()


def both(values):
    return rl.from_numpy(values.copy()), pt.from_numpy(values.copy())


def floats(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


def same(ours, theirs, quanta=0.0):
    assert ours.dtype == getattr(rl, str(theirs.dtype)[6:])
    assert tuple(ours.shape) == tuple(theirs.shape)
    if theirs.is_quantized:
        assert (
            ours.q_scale() == pytest.approx(theirs.q_scale(), rel=1e-6) and ours.q_zero_point() == theirs.q_zero_point()
        )
        difference = ours.int_repr().numpy().astype(int) - theirs.int_repr().numpy().astype(int)
        assert abs(difference).max(initial=0) <= (1 if quanta else 0), difference
        assert (difference != 0).mean() <= quanta
    else:
        np.testing.assert_allclose(ours.detach().numpy(), theirs.detach().numpy(), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("dtype", ["qint8", "quint8", "qint32"])
def test_a_tensor_is_quantised_and_back_as_pytorch_does_it(dtype):
    far = [] if dtype == "qint32" else [1e9, -1e9]
    ours, theirs = both(np.concatenate([floats(50) * 20, np.array([0, 0.5, 1.5, -2.5, *far], np.float32)]))
    q, p = (t.quantize_per_tensor(x, 0.25, 3, getattr(t, dtype)) for t, x in ((rl, ours), (pt, theirs)))
    same(q, p)
    same(q.dequantize(), p.dequantize())
    assert q.is_quantized and q.qscheme() is rl.per_tensor_affine
    assert repr(q) == repr(p)


def test_channels_have_their_own_scales():
    ours, theirs = both(floats(3, 4, 2))
    scales, zeros = [0.1, 0.2, 0.05, 1.0], [0, 3, -2, 1]
    q, p = (
        t.quantize_per_channel(x, t.tensor(scales), t.tensor(zeros), 1, t.qint8) for t, x in ((rl, ours), (pt, theirs))
    )
    np.testing.assert_array_equal(q.int_repr().numpy(), p.int_repr().numpy())
    same(q.dequantize(), p.dequantize())
    assert q.q_per_channel_axis() == 1 and q.q_per_channel_scales().tolist() == p.q_per_channel_scales().tolist()
    assert q.qscheme() is rl.per_channel_affine


def test_views_and_copies_stay_quantised():
    ours, theirs = both(floats(4, 6))
    q, p = (t.quantize_per_tensor(x, 0.1, 10, t.quint8) for t, x in ((rl, ours), (pt, theirs)))
    for f in (
        lambda x: x.t(), lambda x: x[1:3, ::2], lambda x: x.view(3, 8), lambda x: x.t().contiguous(), lambda x: x.clone(),
        lambda x: x.reshape(-1), lambda x: x.flip(0), lambda x: x.permute(1, 0), lambda x: x.unsqueeze(0), lambda x: x.detach(),
    ):  # fmt: skip
        same(f(q), f(p))
    q[0] = 1.0
    p[0] = 1.0
    same(q, p)


@pytest.mark.parametrize("name", ["relu", "sigmoid", "tanh", "clamp", "max", "mean", "leaky_relu", "hardsigmoid"])
def test_functions_of_quantised_tensors(name):
    arguments = {"clamp": (-0.5, 0.5), "leaky_relu": (0.1,)}.get(name, ())
    ours, theirs = both(floats(2, 3, 4))
    q, p = (t.quantize_per_tensor(x, 0.05, 100, t.quint8) for t, x in ((rl, ours), (pt, theirs)))
    where = {"leaky_relu": "nn.functional", "hardsigmoid": "nn.functional"}.get(name)
    f, g = (rl.nn.functional, pt.nn.functional) if where else (rl, pt)
    same(getattr(f, name)(q, *arguments), getattr(g, name)(p, *arguments), quanta=0.05)


def test_a_function_that_takes_none_says_what_to_do():
    q = rl.quantize_per_tensor(rl.ones(3), 0.1, 0, rl.qint8)
    with pytest.raises(NotImplementedError, match=r"aten::erfinv.*dequantize"):
        q.erfinv()
    with pytest.raises(RuntimeError, match="scale above 0"):
        rl.quantize_per_tensor(rl.ones(3), 0.0, 0, rl.qint8)
    with pytest.raises(RuntimeError, match="zero point within"):
        rl.quantize_per_tensor(rl.ones(3), 0.1, 300, rl.quint8)
    with pytest.raises(RuntimeError, match="Float Tensor"):
        rl.quantize_per_tensor(rl.ones(3, dtype=rl.float64), 0.1, 0, rl.quint8)


def test_fake_quantisation_and_its_gradient():
    ours, theirs = both(floats(3, 5) * 3)
    ours.requires_grad_(), theirs.requires_grad_()
    y, z = (t.fake_quantize_per_tensor_affine(x, 0.1, 3, -10, 20) for t, x in ((rl, ours), (pt, theirs)))
    same(y, z)
    y.pow(2).sum().backward()
    z.pow(2).sum().backward()
    same(ours.grad, theirs.grad)
    y, z = (
        t.fake_quantize_per_channel_affine(x.detach(), t.tensor([0.1, 0.2, 0.3]), t.zeros(3, dtype=t.int32), 0, -10, 20)
        for t, x in ((rl, ours), (pt, theirs))
    )
    same(y, z)


# PyTorch 2.13 itself crashes where a linear layer of onednn follows one of x86; the model below has one of each.
@pytest.mark.parametrize("engine", ENGINES[:3])
@pytest.mark.parametrize("relu", [False, True])
def test_linear_layers_as_each_engine_computes_them(engine, relu):
    use(engine)
    weights, biases, x = both(floats(7, 40, seed=1)), both(floats(7, seed=2)), both(floats(5, 40, seed=3))
    out = []
    for t, w, b, v in zip((rl, pt), weights, biases, x, strict=True):
        packed = t.ops.quantized.linear_prepack(t.quantize_per_tensor(w, 0.02, 0, t.qint8), b)
        q = t.quantize_per_tensor(v, 0.04, 60, t.quint8)
        run = t.ops.quantized.linear_relu if relu else t.ops.quantized.linear
        out.append(
            (
                run(q, packed, 0.1, 20),
                t.ops.quantized.linear_dynamic(v, packed, True),
                t.ops.quantized.linear_unpack(packed),
            )
        )
    same(out[0][0], out[1][0], quanta=0.05)
    same(out[0][1], out[1][1])
    same(out[0][2][0], out[1][2][0])


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("dims", [1, 2, 3])
def test_convolutions_as_each_engine_computes_them(engine, dims):
    use(engine)
    if engine == "qnnpack" and dims == 3:
        pytest.skip("PyTorch's qnnpack has no weights of one scale for each channel in three dimensions")
    weights, biases = both(floats(4, 3, *[3] * dims, seed=1)), both(floats(4, seed=2))
    x = both(floats(2, 6, *[7] * dims, seed=3))
    out = []
    for t, w, b, v in zip((rl, pt), weights, biases, x, strict=True):
        scales, zeros = t.tensor([0.02, 0.03, 0.01, 0.05]), t.zeros(4, dtype=t.int64)
        prepack = getattr(t.ops.quantized, f"conv{dims}d_prepack")
        packed = prepack(t.quantize_per_channel(w, scales, zeros, 0, t.qint8), b, [2] * dims, [1] * dims, [1] * dims, 2)
        q = t.quantize_per_tensor(v, 0.04, 60, t.quint8)
        out.append(getattr(t.ops.quantized, f"conv{dims}d")(q, packed, 0.1, 20))
    same(*out, quanta=0.05)


def test_many_inputs_are_summed_exactly():
    """More than float32 could count: sums of 3000 products of the largest integers."""
    w = rl._make_per_tensor_quantized_tensor(rl.full((2, 3000), 127, dtype=rl.int8), 1.0, 0)
    x = rl._make_per_tensor_quantized_tensor(rl.full((1, 3000), 255, dtype=rl.uint8), 1.0, 0)
    x2 = rl._make_per_tensor_quantized_tensor(
        rl.cat([rl.full((1, 2999), 255, dtype=rl.uint8), rl.full((1, 1), 254, dtype=rl.uint8)], 1), 1.0, 0
    )
    packed = rl.ops.quantized.linear_prepack(w, None)
    y, z = (rl.ops.quantized.linear(v, packed, 127.0, 0) for v in (x, x2))
    assert y.int_repr().tolist() == [[255, 255]]  # cut off
    f = rl.ops.quantized.linear_with_input_q_dq_qweight_dq_output_fp32
    numbers = rl.full((1, 3000), 255.0)
    assert f(numbers, 1.0, 0, packed).tolist() == [[float(np.float32(127 * 255 * 3000))] * 2]
    assert z.shape == (1, 2)


@pytest.mark.parametrize(
    "name,arguments", [("add", (0.1, 7)), ("mul", (0.1, 7)), ("add_relu", (0.1, 7)), ("mul_relu", (0.2, 3))]
)
def test_arithmetic_with_a_scale_of_its_own(name, arguments):
    x, y = both(floats(4, 5)), both(floats(4, 5, seed=1))
    out = [
        getattr(t.ops.quantized, name)(
            t.quantize_per_tensor(a, 0.05, 90, t.quint8), t.quantize_per_tensor(b, 0.04, 80, t.quint8), *arguments
        )
        for t, a, b in zip((rl, pt), x, y, strict=True)
    ]
    same(*out, quanta=0.06)


def static_model(t):
    """A model of every kind of part, calibrated and converted by the package `t`."""
    nn, q = t.nn, t.ao.quantization

    class Model(nn.Module):
        def __init__(self):
            super().__init__()
            self.quant, self.dequant = q.QuantStub(), q.DeQuantStub()
            self.c1, self.b1, self.r1 = nn.Conv2d(3, 8, 3, padding=1), nn.BatchNorm2d(8), nn.ReLU()
            self.c2, self.r2 = nn.Conv2d(8, 8, 3, stride=2, groups=2), nn.ReLU()
            self.pool, self.fc = nn.AdaptiveAvgPool2d(2), nn.Linear(32, 5)
            self.hs, self.ff = nn.Hardswish(), t.ao.nn.quantized.FloatFunctional()

        def forward(self, x):
            x = self.r1(self.b1(self.c1(self.quant(x))))
            y = self.hs(self.r2(self.c2(x)))
            y = self.ff.add(y, y)
            return self.dequant(self.fc(t.flatten(self.pool(y), 1)))

    t.manual_seed(0)
    model = Model().eval()
    model.qconfig = q.get_default_qconfig(t.backends.quantized.engine)
    model = q.fuse_modules(model, [["c1", "b1", "r1"], ["c2", "r2"]])
    prepared = q.prepare(model)
    for seed in range(2):
        prepared(t.from_numpy(floats(4, 3, 16, 16, seed=seed)))
    return q.convert(prepared)


@pytest.mark.parametrize("engine", ENGINES)
def test_a_model_is_quantised_after_training_as_by_pytorch(engine):
    use(engine)
    ours, theirs = static_model(rl), static_model(pt)
    x = floats(4, 3, 16, 16, seed=5)
    y, z = ours(rl.from_numpy(x)), theirs(pt.from_numpy(x))
    step = theirs.fc.scale
    assert ours.fc.scale == pytest.approx(step, rel=1e-4)
    if exact_in_pytorch(engine):
        assert np.abs(y.numpy() - z.detach().numpy()).max() <= 2.01 * step
    assert set(ours.state_dict()) == set(theirs.state_dict())


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("how", ["script", "trace"])
def test_scripts_of_quantised_models_are_read(engine, how, tmp_path):
    use(engine)
    theirs = static_model(pt)
    x = floats(4, 3, 16, 16, seed=5)
    module = pt.jit.script(theirs) if how == "script" else pt.jit.trace(theirs, pt.from_numpy(x))
    module.save(tmp_path / "m.pt")
    ours = rl.jit.load(tmp_path / "m.pt")
    y, z = ours(rl.from_numpy(x)).numpy(), theirs(pt.from_numpy(x)).detach().numpy()
    if exact_in_pytorch(engine):
        assert np.abs(y - z).max() <= 2.01 * theirs.fc.scale
    ours.save(tmp_path / "again.pt")  # and PyTorch reads what is written of it
    back = pt.jit.load(tmp_path / "again.pt")(pt.from_numpy(x)).detach().numpy()
    np.testing.assert_allclose(back, z, atol=1e-5)


def recurrent_model(t, dtype):
    nn = t.nn

    class Model(nn.Module):
        def __init__(self):
            super().__init__()
            self.lstm = nn.LSTM(6, 5, 2, bidirectional=True)
            self.gru, self.fc = nn.GRU(10, 4), nn.Linear(4, 3)

        def forward(self, x):
            y, _ = self.lstm(x)
            z, _ = self.gru(y)
            return self.fc(z)

    t.manual_seed(0)
    return t.ao.quantization.quantize_dynamic(Model().eval(), {nn.LSTM, nn.GRU, nn.Linear}, dtype=getattr(t, dtype))


@pytest.mark.parametrize("engine,dtype", [*((e, "qint8") for e in ENGINES), ("fbgemm", "float16")])
def test_recurrent_layers_with_packed_weights(engine, dtype, tmp_path):
    use(engine)
    x = floats(7, 2, 6)
    ours, theirs = recurrent_model(rl, dtype), recurrent_model(pt, dtype)
    z = theirs(pt.from_numpy(x)).detach().numpy()
    np.testing.assert_allclose(ours(rl.from_numpy(x)).numpy(), z, atol=1e-5)
    pt.jit.script(theirs).save(tmp_path / "m.pt")
    np.testing.assert_allclose(rl.jit.load(tmp_path / "m.pt")(rl.from_numpy(x)).numpy(), z, atol=1e-5)


@pytest.mark.parametrize("weights_only", [True, False])
def test_state_dicts_of_quantised_models_both_ways(weights_only, tmp_path):
    ours, theirs = static_model(rl), static_model(pt)
    pt.save(theirs.state_dict(), tmp_path / "theirs.pt")
    state = rl.load(tmp_path / "theirs.pt", weights_only=weights_only)
    ours.load_state_dict(state)
    x = floats(4, 3, 16, 16, seed=5)
    np.testing.assert_allclose(
        ours(rl.from_numpy(x)).numpy(), theirs(pt.from_numpy(x)).detach().numpy(), atol=2.01 * theirs.fc.scale
    )
    rl.save(ours.state_dict(), tmp_path / "ours.pt")
    back = pt.load(tmp_path / "ours.pt", weights_only=weights_only)
    assert back["c1.weight"].qscheme() is pt.per_channel_affine
    assert pt.equal(back["c1.weight"].int_repr(), theirs.state_dict()["c1.weight"].int_repr())
    assert back["fc._packed_params._packed_params"][0].dtype is pt.qint8


def test_training_that_is_aware_of_quantisation():
    out = []
    for t in (rl, pt):
        t.manual_seed(0)
        nn, q = t.nn, t.ao.quantization
        model = nn.Sequential(q.QuantStub(), nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 2), q.DeQuantStub()).train()
        model.qconfig = q.get_default_qat_qconfig("fbgemm")
        model = q.prepare_qat(model)
        optimizer = t.optim.SGD(model.parameters(), 0.1)
        for seed in range(3):
            optimizer.zero_grad()
            loss = model(t.from_numpy(floats(6, 4, seed=seed))).pow(2).mean()
            loss.backward()
            optimizer.step()
            out.append(loss.item())
        out.append(q.convert(model.eval())(t.from_numpy(floats(6, 4))).sum().item())
    np.testing.assert_allclose(out[:4], out[4:], rtol=2e-3, atol=0.02)


def test_copies_of_quantised_modules_and_tensors():
    import copy

    model = recurrent_model(rl, "qint8")
    x = rl.from_numpy(floats(7, 2, 6))
    assert rl.equal(copy.deepcopy(model)(x), model(x))
    q = rl.quantize_per_channel(rl.ones(2, 2), rl.ones(2), rl.zeros(2, dtype=rl.int64), 0, rl.qint8)
    again = copy.deepcopy(q)
    assert again.qscheme() is rl.per_channel_affine and rl.equal(again.dequantize(), q.dequantize())


def damaged(change):
    """A script of a dynamic linear layer whose packed state was changed."""
    layer = pt.jit.script(pt.ao.quantization.quantize_dynamic(pt.nn.Sequential(pt.nn.Linear(3, 2)).eval()))
    data = io.BytesIO()
    pt.jit.save(layer, data)
    import zipfile

    out = io.BytesIO()
    with zipfile.ZipFile(data) as old, zipfile.ZipFile(out, "w") as new:
        for name in old.namelist():
            body = old.read(name)
            new.writestr(name, change(body) if name.endswith("/data.pkl") else body)
    return io.BytesIO(out.getvalue())


@pytest.mark.parametrize(
    "old,new",
    [
        (b"per_tensor_affine", b"per_tensor_affinf"),
        (b"QInt8Storage", b"QUInt4x2Storage"),
        (b"QInt8Storage", b"QInt32Storage"),
        (b"LinearPackedParamsBase", b"Conv2dPackedParamsBase"),
        (b"LinearPackedParamsBase", b"NothingPackedParamBase"),
        (b"\x86", b"\x85"),
    ],
)
def test_damage_to_packed_weights_is_one_error(old, new):
    with pytest.raises((RuntimeError, rl.serialization.pickle.UnpicklingError)):
        rl.jit.load(damaged(lambda body: body.replace(old, new)))

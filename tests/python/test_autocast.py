"""torch.autocast on the CPU: dtypes and values as PyTorch's, operator by operator."""

import pytest
import rushlight.nn.functional as F
import torch

import rushlight as rl

CASES = {
    # lower precision
    "matmul": lambda t, x: x @ x,
    "mm": lambda t, x: t.mm(x, x),
    "bmm": lambda t, x: t.bmm(x[None], x[None]),
    "addmm": lambda t, x: t.addmm(x, x, x),
    "baddbmm": lambda t, x: t.baddbmm(x[None], x[None], x[None]),
    "addbmm": lambda t, x: t.addbmm(x, x[None], x[None]),
    "linear": lambda t, x: t.nn.functional.linear(x, x, x[0]),
    "conv1d": lambda t, x: t.nn.functional.conv1d(x[None], x[:, :, None][:2]),
    "conv2d": lambda t, x: t.nn.functional.conv2d(x[None, None], x[None, None, :2, :2]),
    "conv_transpose1d": lambda t, x: t.nn.functional.conv_transpose1d(x[None], x[:, :, None]),
    "prelu": lambda t, x: t.nn.functional.prelu(x, x[0, :1]),
    "attention": lambda t, x: t.nn.functional.scaled_dot_product_attention(x[None, None], x[None, None], x[None, None]),
    # float32
    "mse_loss": lambda t, x: t.nn.functional.mse_loss(x.bfloat16(), x.bfloat16() + 1),
    "l1_loss": lambda t, x: t.nn.functional.l1_loss(x.bfloat16(), x.bfloat16() + 1),
    "cross_entropy": lambda t, x: t.nn.functional.cross_entropy(x.bfloat16(), t.arange(4)),
    "nll_loss": lambda t, x: t.nn.functional.nll_loss(x.bfloat16(), t.arange(4)),
    "huber_loss": lambda t, x: t.nn.functional.huber_loss(x.bfloat16(), x.bfloat16() + 1),
    "smooth_l1_loss": lambda t, x: t.nn.functional.smooth_l1_loss(x.bfloat16(), x.bfloat16() + 1),
    "kl_div": lambda t, x: t.nn.functional.kl_div(x.bfloat16(), x.bfloat16().exp(), reduction="sum"),
    "bce": lambda t, x: t.nn.functional.binary_cross_entropy_with_logits(x.bfloat16(), (x > 0).bfloat16()),
    "prod": lambda t, x: x.bfloat16().prod(),
    "trace": lambda t, x: x.bfloat16().trace(),
    "cdist": lambda t, x: t.cdist(x.bfloat16(), x.bfloat16() + 1),
    "quantile": lambda t, x: t.quantile(x.bfloat16(), 0.5),
    "reflection_pad1d": lambda t, x: t.nn.functional.pad(x.bfloat16()[None], (1, 1), mode="reflect"),
    "avg_pool3d": lambda t, x: t.nn.functional.avg_pool3d(x.bfloat16()[None, None, None], (1, 2, 2)),
    "soft_margin_loss": lambda t, x: t.nn.functional.soft_margin_loss(x.bfloat16(), x.bfloat16().sign()),
    # the widest
    "cat": lambda t, x: t.cat([x, x.bfloat16()]),
    "stack": lambda t, x: t.stack([x.bfloat16(), x]),
    "cat of bfloat16": lambda t, x: t.cat([x.bfloat16(), x.bfloat16()]),
    "index_copy": lambda t, x: t.index_copy(x, 0, t.tensor([0]), x[:1].bfloat16()),
    # all others
    "add": lambda t, x: x + x.bfloat16(),
    "relu": lambda t, x: t.nn.functional.relu(x),
    "softmax": lambda t, x: x.softmax(0),
    "sum": lambda t, x: x.bfloat16().sum(),
    "layer_norm": lambda t, x: t.nn.functional.layer_norm(x, (4,)),
    "float64": lambda t, x: x.double() @ x.double(),
    "integers": lambda t, x: x.long() @ x.long(),
    "in place": lambda t, x: x.clone().addmm_(x, x),
}


@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
@pytest.mark.parametrize("name", CASES)
@pytest.mark.filterwarnings("ignore")
def test_operators(name, dtype):
    data = [[0.5, -1.25, 2.0, 0.75], [1.5, 0.25, -0.5, 1.0], [0.125, 2.5, 1.0, -1.0], [1.0, 0.5, 0.25, 2.0]]

    def run(t):
        with t.autocast("cpu", dtype=getattr(t, dtype)):
            y = CASES[name](t, t.tensor(data))
        return str(y.dtype).rpartition(".")[2], y

    try:
        expected = run(torch)
    except Exception:
        pytest.skip("PyTorch raises")
    found = run(rl)
    assert found[0] == expected[0]
    # Sums of products may be rounded once more or less.
    tolerance = {"bfloat16": 1e-2, "float16": 2e-3}.get(found[0], 1e-5)
    torch.testing.assert_close(
        torch.tensor(found[1].double().tolist()),
        expected[1].double().to(torch.get_default_dtype()),
        rtol=tolerance,
        atol=tolerance,
    )


def test_regions_nest_and_decorate():
    x = rl.ones(2, 2)
    with rl.autocast("cpu"):
        assert rl.is_autocast_enabled("cpu") and rl.is_autocast_cpu_enabled()
        with rl.autocast("cpu", enabled=False):
            assert (x @ x).dtype is rl.float32 and not rl.is_autocast_enabled("cpu")
        with rl.amp.autocast("cpu", dtype=rl.float16):
            assert (x @ x).dtype is rl.float16 and rl.get_autocast_dtype("cpu") is rl.float16
        assert (x @ x).dtype is rl.bfloat16
    assert (x @ x).dtype is rl.float32 and not rl.is_autocast_enabled("cpu")

    @rl.autocast("cpu")
    def f(x):
        return x @ x

    assert f(x).dtype is rl.bfloat16
    with pytest.raises(ValueError), rl.autocast("cpu"):
        raise ValueError
    assert not rl.is_autocast_enabled("cpu")
    with pytest.warns(UserWarning, match="not supported"), rl.autocast("cpu", dtype=rl.float32):
        assert (x @ x).dtype is rl.float32
    with pytest.raises(RuntimeError, match="unsupported autocast device_type"):
        rl.autocast("meta")


def test_weights_are_cast_once_and_written_weights_anew():
    w = rl.ones(2, 2, requires_grad=True)
    x = rl.ones(2, 2)
    casts = []
    with rl.profiler.profile() as p, rl.autocast("cpu"):
        for _ in range(3):
            y = F.linear(x, w)
    casts = [e for e in p.events() if "to" in e.name and "aten::to" in e.name]
    y.float().sum().backward()
    assert w.grad.dtype is rl.float32 and w.grad.tolist() == [[2, 2], [2, 2]]
    assert len(casts) <= 4  # the weight's, and three of x
    with rl.autocast("cpu"):
        before = F.linear(x, w).sum().item()
        with rl.no_grad():
            w.mul_(2)
        assert F.linear(x, w).sum().item() == 2 * before


def test_training_step_in_a_region():
    losses = {}
    for t in (torch, rl):
        t.manual_seed(0)
        model = t.nn.Sequential(t.nn.Linear(4, 8), t.nn.ReLU(), t.nn.Linear(8, 2))
        optimizer = t.optim.SGD(model.parameters(), lr=0.1)
        x, y = t.randn(16, 4), t.arange(16) % 2
        losses[t] = []
        for _ in range(5):
            optimizer.zero_grad()
            with t.autocast("cpu"):
                loss = t.nn.functional.cross_entropy(model(x), y)
            loss.backward()
            optimizer.step()
            losses[t].append(loss.item())
            assert loss.dtype is t.float32
    assert losses[rl] == pytest.approx(losses[torch], rel=2e-2)


def test_custom_functions():
    class Scale(rl.autograd.Function):
        @staticmethod
        @rl.amp.custom_fwd(device_type="cpu", cast_inputs=rl.float32)
        def forward(ctx, x):
            assert not rl.is_autocast_enabled("cpu") and x.dtype is rl.float32
            return x * 2

        @staticmethod
        @rl.amp.custom_bwd(device_type="cpu")
        def backward(ctx, g):
            assert not rl.is_autocast_enabled("cpu")
            return g * 2

    x = rl.ones(2, dtype=rl.bfloat16, requires_grad=True)
    with rl.autocast("cpu"):
        y = Scale.apply(x)
    y.sum().backward()
    assert y.dtype is rl.float32 and x.grad.tolist() == [2, 2]


def test_scaler():
    for t in (torch, rl):
        p = t.nn.Parameter(t.ones(2))
        optimizer = t.optim.SGD([p], lr=1.0)
        scaler = t.amp.GradScaler("cpu", init_scale=8.0, growth_interval=2)
        scales = []
        for factor in (1.0, 1.0, float("inf"), 1.0):
            optimizer.zero_grad()
            scaler.scale((p * factor).sum()).backward()
            scaler.step(optimizer)
            scaler.update()
            scales.append(scaler.get_scale())
        assert scales == [8, 16, 8, 8] and p.tolist() == [-2, -2]
        assert scaler.state_dict()["scale"] == 8


def test_old_names():
    x = rl.ones(2, 2)
    with pytest.warns(FutureWarning, match="deprecated"):
        region = rl.cpu.amp.autocast(dtype=rl.float16)
    with region:
        assert (x @ x).dtype is rl.float16


def test_a_scaler_begins_the_state_of_an_optimizer_when_it_is_asked_for():
    for t in (torch, rl):
        states = t.amp.GradScaler("cpu")._per_optimizer_states
        assert states["new"]["found_inf_per_device"] == {} and states["new"]["stage"].name == "READY"

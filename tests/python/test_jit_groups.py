"""Groups of nodes that run as one: networks of convolutions, and pointwise nodes. Results are those of the nodes one by one."""

import threading

import pytest

import rushlight as torch
from rushlight import Tensor, nn
from rushlight.nn import functional as F


class Block(nn.Module):
    """Two branches that meet in a sum, one of them a convolution or the input itself."""

    def __init__(self, before, after, stride):
        super().__init__()
        self.first = nn.Conv2d(before, after, 3, stride, 1, bias=False)
        self.norm = nn.BatchNorm2d(after)
        self.second = nn.Conv2d(after, after, 3, padding=1)
        self.side = nn.Conv2d(before, after, 1, stride) if stride > 1 or before != after else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        out = F.relu(self.norm(self.first(x)), inplace=True)
        out = self.second(out)
        out += self.side(x)
        return F.relu(out, inplace=True)


class Squeeze(nn.Module):
    def __init__(self, channels):
        super().__init__()
        self.pool, self.down, self.up = nn.AdaptiveAvgPool2d(1), nn.Conv2d(channels, 4, 1), nn.Conv2d(4, channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        scale = torch.sigmoid(self.up(F.silu(self.down(self.pool(x)))))
        return x * scale


class Two(nn.Module):
    """What is in the middle is a result too, and the input comes in again at the end."""

    def __init__(self):
        super().__init__()
        self.a, self.b = nn.Conv2d(3, 3, 3, padding=1), nn.Conv2d(3, 3, 3, padding=1)

    def forward(self, x: Tensor):
        middle = self.a(x)
        return middle, self.b(F.gelu(middle)) + x, x


NETS = {
    "residual": (lambda: nn.Sequential(nn.Conv2d(3, 16, 7, 2, 3), nn.ReLU(), nn.MaxPool2d(3, 2, 1), Block(16, 16, 1), Block(16, 24, 2)), (2, 3, 32, 40)),
    "squeeze": (lambda: nn.Sequential(nn.Conv2d(3, 16, 3), Squeeze(16), nn.Conv2d(16, 8, 1)), (2, 3, 9, 9)),
    "mobile": (lambda: nn.Sequential(nn.Conv2d(3, 16, 3, 2), nn.Hardswish(), nn.Conv2d(16, 16, 5, padding=2, groups=16), nn.ReLU6(), nn.Conv2d(16, 6, 1), nn.Hardsigmoid()), (1, 3, 17, 19)),
    "pools": (lambda: nn.Sequential(nn.Conv2d(2, 8, 3), nn.LeakyReLU(0.1), nn.MaxPool2d(3, 2, ceil_mode=True), nn.Conv2d(8, 8, 3), nn.AvgPool2d(2, 2, 1), nn.ELU(), nn.AvgPool2d(2, 1, 1, count_include_pad=False)), (1, 2, 20, 22)),
    "dilated": (lambda: nn.Sequential(nn.Conv2d(2, 4, 3, dilation=2, groups=2), nn.Tanh(), nn.MaxPool2d(2, dilation=2), nn.Hardtanh(-0.1, 0.2)), (3, 2, 14, 14)),
    "lines": (lambda: nn.Sequential(nn.Conv1d(2, 5, 3), nn.BatchNorm1d(5), nn.SiLU(), nn.MaxPool1d(2), nn.Conv1d(5, 3, 2)), (2, 2, 21)),
    "volumes": (lambda: nn.Sequential(nn.Conv3d(2, 5, 3), nn.BatchNorm3d(5), nn.Sigmoid(), nn.AvgPool3d(2), nn.Conv3d(5, 3, 1)), (1, 2, 7, 8, 9)),
    "two": (Two, (1, 3, 8, 8)),
}  # fmt: skip


def net(name):
    make, shape = NETS[name]
    torch.manual_seed(1)
    module = make().eval()
    for part in module.modules():
        if hasattr(part, "running_var"):
            part.running_mean.uniform_(-1, 1)
            part.running_var.uniform_(0.5, 2)
    return module, torch.randn(*shape)


@pytest.mark.parametrize("traced", [True, False])
@pytest.mark.parametrize("name", NETS)
def test_a_frozen_network_gives_the_same(name, traced):
    module, x = net(name)
    with torch.no_grad():
        compiled = torch.jit.optimize_for_inference(torch.jit.trace(module, x) if traced else torch.jit.script(module))
        kept = x.clone()
        larger = torch.randn(3, *x.shape[1:-1], x.shape[-1] + 8)
        for given in (x, larger, x, x.transpose(-1, -2).contiguous().transpose(-1, -2)):
            torch.testing.assert_close(compiled(given), module(given), rtol=1e-4, atol=1e-5)
        assert torch.equal(x, kept)


class Waiting(nn.Module):
    """What is between two convolutions can't be in a group, and all that follows needs it."""

    def __init__(self):
        super().__init__()
        self.a, self.b, self.c = (nn.Conv2d(4, 4, 3, padding=1) for _ in range(3))

    def forward(self, x: Tensor) -> Tensor:
        y = torch.relu(self.a(x)).to(x.dtype).cumsum(1)
        y = torch.relu(self.c(torch.relu(self.b(y)).flip(1)))
        return y


def test_what_waits_for_one_group_is_another():
    module = Waiting().eval()
    compiled = torch.jit.freeze(torch.jit.script(module))
    x = torch.randn(1, 4, 6, 7)
    with torch.no_grad():
        for _ in range(2):
            torch.testing.assert_close(compiled(x), module(x), rtol=1e-4, atol=1e-5)


def test_a_gradient_and_other_dtypes_go_the_long_way():
    module, x = net("residual")
    compiled = torch.jit.freeze(torch.jit.trace(module, x))
    grads = []
    for m in (module, compiled):
        given = x.clone().requires_grad_()
        m(given).sum().backward()
        grads.append(given.grad)
    torch.testing.assert_close(*grads, rtol=1e-3, atol=1e-4)
    with torch.no_grad():
        with pytest.raises(RuntimeError):
            compiled(x.double())
        with pytest.raises(RuntimeError):
            compiled(x[:, :2])
        assert compiled(x[:0]).shape[0] == 0
        with torch.profiler.profile() as seen:
            compiled(x)
    assert any(e.key == "aten::conv2d" for e in seen.key_averages())


@pytest.mark.parametrize("compiler", ["trace", "script"])
@pytest.mark.parametrize("name", NETS)
def test_weights_of_an_unfrozen_module_are_read_by_each_call(name, compiler):
    module, x = net(name)
    compiled = torch.jit.trace(module, x) if compiler == "trace" else torch.jit.script(module)
    with torch.no_grad():
        for _ in range(4):  # the first runs the nodes, the second makes the network
            for given in (x, x[:1]):
                torch.testing.assert_close(compiled(given), module(given), rtol=1e-3, atol=1e-4)
            for parameter in module.parameters():
                parameter.data.mul_(1.1)  # which no version counter tells
            for buffer in module.buffers():
                buffer.data.add_(0.5 if buffer.is_floating_point() else 0)
    y = compiled(x)
    torch.testing.assert_close(y, module(x), rtol=1e-3, atol=1e-4)
    loss = sum(part.sum() for part in (y if isinstance(y, tuple) else [y]))
    loss.backward()
    assert all(p.grad is not None for p in module.parameters())


class Norms(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv, self.norm = nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4)
        self.again, self.drop = nn.Conv2d(4, 4, 3), nn.Dropout(0.5)

    def forward(self, x: Tensor) -> Tensor:
        return self.drop(self.again(torch.relu(self.norm(self.conv(x)))))


def test_a_scripted_module_goes_back_to_training():
    module, x = Norms(), torch.randn(2, 3, 8, 8)
    scripted = torch.jit.script(module)
    for part, training in (
        (scripted, True),
        (scripted, False),
        (scripted.drop, True),
        (scripted, False),
        (scripted.norm, True),
    ):
        part.train(training)
        plain = {True: module.train, False: module.eval}[training] if part is scripted else None
        if plain:
            plain()
        else:
            getattr(module, "drop" if part is scripted.drop else "norm").train()
        for _ in range(3):
            counted = int(module.norm.num_batches_tracked)
            torch.manual_seed(3)
            got = scripted(x)
            assert int(module.norm.num_batches_tracked) == counted + module.norm.training  # the buffers are shared
            torch.manual_seed(3)
            torch.testing.assert_close(got, module(x))


def test_shapes_that_no_layer_takes_are_named():
    module, x = Norms().eval(), torch.randn(2, 3, 8, 8)
    scripted = torch.jit.script(module)
    with torch.no_grad():
        for _ in range(3):
            scripted(x)
        for wrong, said in (
            (torch.randn(3, 8, 8), "expected 4D input"),
            (torch.randn(2, 5, 8, 8), "channels"),
            (torch.randn(2, 3, 2, 8), "[Kk]ernel"),
        ):
            with pytest.raises((ValueError, RuntimeError), match=said):
                module(wrong)
            with pytest.raises(RuntimeError, match=said):
                scripted(wrong)


class Mixed(nn.Module):
    """What stands in place in the graph is added in the dtype of what it is added to."""

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv1d(2, 2, 1)

    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        out = self.conv(x)
        before = out.sum()
        out += y
        return torch.relu_(out) + before


def test_sums_in_place_keep_their_dtype():
    module = Mixed().half().eval()
    scripted = torch.jit.script(module)
    x, y = torch.randn(1, 2, 4).half(), torch.randn(1, 2, 4)
    with torch.no_grad():
        for _ in range(3):
            assert scripted(x, y).dtype == torch.float16
            assert torch.equal(scripted(x, y), module(x, y))
        for part in (module.float(), scripted):
            part.float()
        for _ in range(3):
            torch.testing.assert_close(scripted(x.float(), y), module(x.float(), y))
            with pytest.raises(RuntimeError):
                scripted(x[:, :, :1].float(), y)


def test_threads_run_one_network_at_once():
    module, x = net("residual")
    compiled = torch.jit.freeze(torch.jit.script(module))
    wrong = []

    def work(size):
        with torch.no_grad():
            given = torch.randn(1, 3, size, size)
            wanted = module(given)
            for _ in range(20):
                if not torch.allclose(compiled(given), wanted, rtol=1e-3, atol=1e-4):
                    wrong.append(size)

    threads = [threading.Thread(target=work, args=(24 + 8 * (i % 3),)) for i in range(6)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert not wrong


class Perceptron(nn.Module):
    """A residual around two linear layers, as transformers have them."""

    def __init__(self, bias=True):
        super().__init__()
        self.up, self.down = nn.Linear(160, 320, bias), nn.Linear(320, 160, bias)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.down(F.gelu(self.up(x)))


@pytest.mark.parametrize("bias", [True, False])
def test_linear_layers_of_known_weights_are_packed(bias):
    torch.manual_seed(0)
    model = Perceptron(bias).eval()
    frozen = torch.jit.freeze(torch.jit.script(model))
    shapes = [(64, 160), (2, 40, 160), (2, 1, 3, 30, 160), (160,), (3, 160), (0, 160)]
    with torch.no_grad():
        for shape in [*shapes, *shapes]:
            x = torch.randn(shape)
            torch.testing.assert_close(frozen(x), model(x), rtol=1e-5, atol=1e-5)
        turned = torch.randn(160, 64).t()
        torch.testing.assert_close(frozen(turned), model(turned), rtol=1e-5, atol=1e-5)
        doubled = torch.jit.freeze(torch.jit.script(Perceptron(bias).double().eval()))
        assert doubled(torch.randn(64, 160, dtype=torch.float64)).dtype == torch.float64
    x = torch.randn(64, 160, requires_grad=True)
    y = x.detach().requires_grad_()
    frozen(x).sum().backward(), model(y).sum().backward()
    torch.testing.assert_close(x.grad, y.grad)
    for wrong, what in ((torch.randn(64, 161), "161 features"), (torch.randn(64, 160).long(), "dtype|Long|int64")):
        with pytest.raises(RuntimeError, match=what):
            frozen(wrong)


def chain(x: Tensor, y: Tensor):
    a = x * 2 + y
    b = torch.tanh(a) * torch.sigmoid(y - 1.5)
    return torch.relu(b), a.sqrt() + b.clamp(-0.5, 0.5)


@pytest.mark.parametrize("n", [1, 15, 1000, 5000, 200_000])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.float16, torch.int64])
def test_pointwise_nodes_in_one_loop_have_their_own_bits(n, dtype):
    x, y = (torch.randn(n) * 4).to(dtype), (torch.randn(n) * 4).to(dtype)
    compiled = torch.jit.script(chain)
    for made, wanted in zip(compiled(x, y), chain(x, y), strict=True):
        assert made.dtype == wanted.dtype and torch.equal(made.nan_to_num(7), wanted.nan_to_num(7))


def long_chain(x: Tensor, y: Tensor):
    a = x
    for _ in range(4):
        a = torch.tanh(a * 0.5 + y) * y - x
        a = torch.sigmoid(a) + a * 0.25 - y * 2
    return a


def test_a_long_chain_is_several_loops():
    x, y = torch.randn(100), torch.randn(100)
    compiled = torch.jit.trace(long_chain, (x, y))
    assert (
        sum(
            n.kind() in ("aten::mul", "aten::add", "aten::sub", "aten::tanh", "aten::sigmoid")
            for n in compiled.graph.nodes()
        )
        > 32
    )
    for given in ((x, y), (torch.randn(7, 3), torch.randn(7, 3)), (torch.randn(4), torch.randn(2, 4))):
        assert torch.equal(compiled(*given), long_chain(*given))


def test_pointwise_nodes_of_unlike_tensors():
    compiled = torch.jit.script(chain)
    for x, y in (
        (torch.randn(3, 4), torch.randn(4)),
        (torch.randn(3, 4), torch.randn(3, 4).double()),
        (torch.randn(3, 4), torch.randn(4, 3).t()),
        (torch.randn(3, 0), torch.randn(3, 0)),
        (torch.tensor(2.0), torch.randn(3)),
    ):
        for made, wanted in zip(compiled(x, y), chain(x, y), strict=True):
            assert made.dtype == wanted.dtype and torch.equal(made.nan_to_num(7), wanted.nan_to_num(7))
    x = torch.randn(5, requires_grad=True)
    compiled(x, x)[0].sum().backward()
    first = x.grad.clone()
    x.grad = None
    chain(x, x)[0].sum().backward()
    torch.testing.assert_close(x.grad, first)


def test_numbers_in_loops():
    def loop(n: int, by: float):
        total, square, odd = 0, 1.5, False
        for i in range(n):
            if i % 3 == 1 or i // 4 != 2:
                total += i * 2 - 1
            square = square * by - float(i)
            odd = not odd
        while total > 50:
            total -= 7
        return total, square, odd

    assert torch.jit.script(loop)(40, 1.01) == loop(40, 1.01)

    def swap(n: int):
        a, b, c = 1, 2, 3
        for _ in range(n):
            a, b, c = b, c, a
        return a, b, c

    assert torch.jit.script(swap)(4) == swap(4)

    def too_large(n: int):
        total = 1
        for _ in range(n):
            total = total * 10
        return total

    assert torch.jit.script(too_large)(18) == 10**18
    with pytest.raises(RuntimeError, match="OverflowError"):
        torch.jit.script(too_large)(19)

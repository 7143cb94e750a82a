"""Frozen modules: their state is constant, and results stay."""

import io

import pytest
import torch as reference

import rushlight as torch
from rushlight import Tensor, nn


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(2, 3, 3, bias=False)
        self.norm = nn.BatchNorm2d(3)
        self.drop = nn.Dropout()
        self.scale = 2.0
        self.head = nn.Linear(3, 2)
        self.register_buffer("calls", torch.zeros(1))

    def forward(self, x: Tensor) -> Tensor:
        if self.scale > 1:
            x = x * self.scale
        return self.head(self.drop(self.norm(self.conv(x)).relu()).mean((2, 3)))

    @torch.jit.export
    def doubled(self, x: Tensor) -> Tensor:
        return x * self.scale

    @torch.jit.export
    def count(self, x: Tensor) -> Tensor:
        self.calls = self.calls + 1
        return x * self.calls


def net():
    torch.manual_seed(0)
    module = Net()
    with torch.no_grad():
        module.norm.running_mean.uniform_(-1, 1)
        module.norm.running_var.uniform_(0.5, 2)
        module.norm.weight.uniform_(0.5, 2)
        module.norm.bias.uniform_(-1, 1)
    return module.eval()


@pytest.mark.parametrize("optimize", [True, False])
@pytest.mark.parametrize("traced", [True, False])
def test_a_frozen_module_gives_the_same(optimize, traced):
    module, x = net(), torch.randn(2, 2, 5, 5)
    compiled = torch.jit.trace(module, x) if traced else torch.jit.script(module)
    frozen = torch.jit.freeze(compiled, optimize_numerics=optimize)
    torch.testing.assert_close(frozen(x), module(x), rtol=1e-4, atol=1e-5)
    text = str(frozen.graph)
    assert "GetAttr" not in text and "CallMethod" not in text
    assert ("aten::batch_norm" in text) is not optimize and ("aten::dropout" in text) is not optimize
    assert not list(frozen.parameters()) and not frozen.training
    assert not hasattr(frozen, "conv") and not hasattr(frozen, "doubled")
    out = io.BytesIO()
    torch.jit.save(frozen, out)
    for load, given in ((torch.jit.load, x), (reference.jit.load, reference.tensor(x.numpy()))):
        out.seek(0)
        got = load(out)(given)
        torch.testing.assert_close(torch.tensor(got.detach().numpy()), module(x).detach(), rtol=1e-4, atol=1e-5)


def test_what_is_preserved_or_assigned_stays():
    x = torch.ones(1)
    frozen = torch.jit.freeze(torch.jit.script(net()), preserved_attrs=["doubled", "count", "scale"])
    assert frozen.doubled(x).item() == 2 and frozen.scale == 2
    frozen.scale = 5.0
    assert frozen.doubled(x).item() == 5
    assert [frozen.count(x).item() for _ in range(2)] == [1, 2]
    with pytest.raises(AttributeError, match="nothing"):
        torch.jit.freeze(torch.jit.script(net()), preserved_attrs=["nothing"])


def test_state_that_is_written_to_stays():
    class Sums(nn.Module):
        def __init__(self):
            super().__init__()
            self.register_buffer("total", torch.zeros(2))

        def forward(self, x: Tensor) -> Tensor:
            self.total.add_(x)
            return self.total * 1

    frozen = torch.jit.freeze(torch.jit.script(Sums().eval()))
    assert [frozen(torch.ones(2)).tolist() for _ in range(2)] == [[1, 1], [2, 2]]


def test_what_freeze_refuses():
    with pytest.raises(RuntimeError, match="expects a ScriptModule"):
        torch.jit.freeze(net())
    with pytest.raises(RuntimeError, match="eval mode"):
        torch.jit.freeze(torch.jit.script(net().train()))


def test_optimize_for_inference():
    module, x = net(), torch.randn(1, 2, 4, 4)
    fast = torch.jit.optimize_for_inference(torch.jit.script(module))
    torch.testing.assert_close(fast(x), module(x), rtol=1e-4, atol=1e-5)
    assert torch.jit.optimize_for_inference(fast) is fast
    torch.jit.run_frozen_optimizations(fast)
    with pytest.raises(RuntimeError, match="expects a ScriptModule"):
        torch.jit.optimize_for_inference(module)


class Products(torch.nn.Module):
    """Products with known matrices: two dimensions and three, with a row added to each side, with something else added, and none."""

    def __init__(self):
        super().__init__()
        self.w, self.b = torch.nn.Parameter(torch.randn(40, 30)), torch.nn.Parameter(torch.randn(30))
        self.v, self.c = torch.nn.Parameter(torch.randn(64, 40)), torch.nn.Parameter(torch.randn(64))

    def forward(self, x: torch.Tensor):
        y = x @ self.w
        flat = x.reshape(-1, 40)
        return (
            y + self.b, self.b + torch.matmul(x, self.w), y + y.mean(), torch.matmul(x[0, 0], self.w) + self.b,
            torch.addmm(self.c, flat, self.v.t()), torch.addmm(self.c, flat, self.v.t(), alpha=2), torch.mm(flat, self.v.t()) + self.c[:1],
        )  # fmt: skip


def test_products_with_what_is_known_become_linear_layers():
    torch.manual_seed(0)
    module = Products().eval()
    frozen = torch.jit.freeze(torch.jit.script(module))
    text = str(frozen.graph)
    assert text.count("aten::linear") >= 4 and "aten::matmul" not in text and text.count("aten::addmm") == 1
    with torch.no_grad():
        for x in (torch.randn(2, 3, 40), torch.randn(1, 1, 40)):
            for got, wanted in zip(frozen(x), module(x), strict=True):
                torch.testing.assert_close(got, wanted, rtol=1e-4, atol=1e-4)
    unfolded = torch.jit.freeze(torch.jit.script(module), optimize_numerics=False)
    assert "aten::linear" not in str(unfolded.graph)


def test_gelu_written_out_is_gelu():
    def first(x):
        return 0.5 * x * (1 + torch.erf(x / 1.4142135623730951))

    def second(x):
        return x * (torch.erf(x * 0.7071067811865476) + 1.0) * 0.5

    def third(x):
        return x * ((torch.erf(x / 1.4142135623730951) + 1.0) * 0.5)

    def other(x):
        return x * (torch.erf(x / 1.5) + 1.0) * 0.5

    def shared(x):
        e = torch.erf(x / 1.4142135623730951)
        return x * (e + 1.0) * 0.5 + e

    class M(torch.nn.Module):
        def __init__(self, f):
            super().__init__()
            self.f = f

        def forward(self, x):
            return self.f(x)

    x = torch.linspace(-5, 5, 101)
    for f, folded in ((first, True), (second, True), (third, True), (other, False), (shared, False)):
        frozen = torch.jit.freeze(torch.jit.trace(M(f).eval(), x))
        assert ("aten::gelu" in str(frozen.graph)) == folded, f.__name__
        torch.testing.assert_close(frozen(x), f(x), rtol=1e-5, atol=1e-6)


def test_a_large_matrix_of_a_product_is_packed_from_where_it_lies():
    class M(torch.nn.Module):
        def __init__(self, *sizes):
            super().__init__()
            self.w = nn.Parameter(torch.randn(*sizes))
            self.b = nn.Parameter(torch.randn(sizes[1]))

        def forward(self, x):
            return torch.matmul(x, self.w) + self.b

    torch.manual_seed(0)
    for (rows, columns), copied in (((16, 24), False), ((192, 256), False), ((64, 32), True)):
        m = M(rows, columns).eval()
        x = torch.randn(40, rows)
        frozen = torch.jit.freeze(torch.jit.trace(m, x))
        linear = frozen.graph.findNode("aten::linear")
        assert (linear is None) == (rows == 16)  # a small product stays one
        if linear is not None:
            weight = list(linear.inputs())[1].toIValue()
            assert weight.shape == (columns, rows)
            assert weight.is_contiguous() == copied and (weight.data_ptr() != m.w.data_ptr()) == copied
        for n in (40, 1, 0):
            torch.testing.assert_close(frozen(x[:n]), m(x[:n]), rtol=1e-4, atol=1e-4)


class Part(nn.Module):
    def __init__(self):
        super().__init__()
        self.a, self.b = 1, torch.ones(2)

    def forward(self, x: Tensor) -> Tensor:
        return x * self.a + self.b

    @torch.jit.export
    def raised(self, x: Tensor) -> Tensor:
        return x + self.b


class Whole(nn.Module):
    def __init__(self):
        super().__init__()
        self.one, self.two = Part(), Part()

    def forward(self, x: Tensor) -> Tensor:
        return self.one(x) + self.two(x)


def test_modules_inside_keep_what_is_asked_for_and_nothing_else():
    x, scripted = torch.ones(2), torch.jit.script(Whole().eval())
    frozen = torch.jit.freeze(scripted, preserved_attrs=["one.a", "two.raised"])
    assert frozen._c.hasattr("one") and frozen._c.one.hasattr("a") and not frozen._c.one.hasattr("b")
    assert frozen.two._c._methods() == ["raised"] and not frozen._c.two.hasattr("a")
    assert frozen(x).tolist() == [4, 4] and frozen.two.raised(x).tolist() == [2, 2]
    frozen.one.a = 5
    assert frozen(x).tolist() == [8, 8] and scripted(x).tolist() == [4, 4]
    out = io.BytesIO()
    torch.jit.save(frozen, out)
    for load, one in ((torch.jit.load, x), (reference.jit.load, reference.ones(2))):
        out.seek(0)
        again = load(out)
        assert again(one).tolist() == [8, 8] and again.two.raised(one).tolist() == [2, 2]


def test_lists_tuples_and_dicts_become_constants_unless_they_are_written_to():
    class Tables(nn.Module):
        def __init__(self):
            super().__init__()
            self.sizes, self.pair, self.named = [1, 2], (torch.ones(1), "a"), {"k": torch.ones(2)}
            self.seen = [0]
            self.first = torch.zeros(3)
            self.same = [self.first]

        def forward(self, x: Tensor):
            self.seen[0] += 1
            self.same[0][0] += 1
            return x + self.sizes[1], self.pair[0] + self.named["k"], self.seen[0], self.first.sum(), self.named

    scripted = torch.jit.script(Tables().eval())
    frozen = torch.jit.freeze(scripted)
    kinds = frozen._c._kinds()
    assert not {"sizes", "pair", "named"} & set(kinds) and {"seen", "first", "same"} <= set(kinds)
    x = torch.ones(1)
    one = [frozen(x) for _ in range(2)]
    assert [o[2] for o in one] == [1, 2] and one[1][3].item() - one[0][3].item() == 1
    assert one[0][0].tolist() == [3] and one[0][1].tolist() == [2, 2]
    one[0][4]["k"] = x  # of this call alone
    assert frozen(x)[4]["k"].tolist() == [1, 1]


def test_what_writes_to_one_attribute_leaves_the_others_constant():
    class Counts(nn.Module):
        def __init__(self):
            super().__init__()
            self.n, self.w = torch.zeros(1), torch.full((1,), 2.0)

        def forward(self, x: Tensor) -> Tensor:
            self.n[0] += 1
            x.add_(0)
            return x * self.w + self.n

    frozen = torch.jit.freeze(torch.jit.script(Counts().eval()))
    assert set(frozen._c._kinds()) == {"n"} and [frozen(torch.ones(1)).item() for _ in range(2)] == [3, 4]


def test_a_module_that_returns_itself_or_exchanges_its_parts_is_not_frozen():
    class Itself(nn.Module):
        def forward(self, x: Tensor):
            return self

    with pytest.raises(RuntimeError, match="attempted to freeze a module that return itself"):
        torch.jit.freeze(torch.jit.script(Itself().eval()))

    with pytest.raises(RuntimeError, match="Freezing does not support SetAttr on an interface type: 'used'"):
        torch.jit.freeze(torch.jit.script(Exchanged().eval()))
    scripted = torch.jit.script(Used().eval())
    frozen = torch.jit.freeze(scripted)  # what nothing assigns is known
    assert "CallMethod" not in str(frozen.graph) and frozen(torch.ones(1)).item() == scripted(torch.ones(1)).item()


@torch.jit.interface
class Maps(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        pass


class Doubles(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x * 2


class Used(nn.Module):
    used: Maps

    def __init__(self):
        super().__init__()
        self.used, self.other, self.n = Doubles(), Doubles(), 0

    def forward(self, x: Tensor) -> Tensor:
        return self.used.forward(x)


class Exchanged(Used):
    def forward(self, x: Tensor) -> Tensor:
        self.n += 1
        if self.n > 1:
            self.used = self.other
        return self.used.forward(x)


def test_a_module_that_is_trained_is_frozen_but_for_its_parameters():
    frozen = torch._C._freeze_module(torch.jit.script(Net().train())._c)
    assert frozen.hasattr("conv") and frozen.conv.hasattr("weight") and not frozen.hasattr("scale")
    assert frozen.drop.hasattr("training") and not frozen.conv.hasattr("training")
    kept = torch._C._freeze_module(torch.jit.script(net())._c, preserveParameters=True)
    assert kept.head.hasattr("weight") and not kept.hasattr("drop")


@pytest.mark.parametrize("conv", [nn.Conv1d, nn.Conv2d, nn.Conv3d])
@pytest.mark.parametrize("bias", [True, False])
def test_numbers_beside_a_convolution_become_part_of_it(conv, bias):
    dims = int(conv.__name__[4])

    class Beside(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv, self.c = conv(2, 3, 2, bias=bias), torch.rand(1, 3, *[1] * dims) + 0.5
            self.whole, self.double = torch.tensor([2]), torch.tensor(0.5, dtype=torch.float64)

        def forward(self, x: Tensor) -> Tensor:
            y = (self.conv(x) + self.c - 0.25) * self.c / 2.0 + self.whole - self.double
            return 3.0 * y

    torch.manual_seed(1)
    module, x = Beside().eval(), torch.rand(2, 2, *[4] * dims)
    graph = torch.jit.freeze(torch.jit.script(module)).graph
    assert [n.kind() for n in graph.nodes() if n.kind() != "prim::Constant"] == [f"aten::conv{dims}d"]
    torch.testing.assert_close(torch.jit.freeze(torch.jit.script(module))(x), module(x).detach())


def test_what_makes_a_convolutions_result_larger_stays():
    class Larger(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv, self.wide, self.exact = nn.Conv2d(1, 1, 1), torch.ones(4, 4), torch.ones(1, dtype=torch.float64)

        def forward(self, x: Tensor):
            y = self.conv(x)
            return self.conv(x) + self.wide, self.conv(x) * self.exact, y + 1, y

    module, x = Larger().eval(), torch.ones(1, 1, 1, 1)
    frozen = torch.jit.freeze(torch.jit.script(module))
    for got, wanted in zip(frozen(x), module(x), strict=True):
        assert got.dtype == wanted.dtype
        torch.testing.assert_close(got, wanted.detach())


def test_a_script_may_name_the_operators_of_torch_c_and_objects_are_saved():
    class Linear(nn.Module):
        def forward(self, x: Tensor, w: Tensor) -> Tensor:
            return torch._C._nn.linear(x, w)

    scripted, out = torch.jit.script(Linear()), io.BytesIO()
    assert scripted(torch.ones(1, 2), torch.ones(3, 2)).tolist() == [[2, 2, 2]]
    scripted._c.save(out)
    out.seek(0)
    assert torch.jit.load(out)(torch.ones(1, 2), torch.ones(1, 2)).item() == 2

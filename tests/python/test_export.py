"""Programs that are exported here: run here and in PyTorch, with sizes that vary and checks of what they are called with."""

import io

import pytest
import torch as reference
from rushlight.export import Dim
from rushlight.utils import _pytree as pytree

import rushlight as torch
from rushlight import nn


class Everything(nn.Module):
    """Sizes as numbers, lists of tensors, constants of its own, results in containers."""

    def __init__(self):
        super().__init__()
        self.linear = nn.Linear(3, 4)
        self.register_buffer("kept", torch.ones(4))
        self.register_buffer("passing", torch.full((4,), 2.0), persistent=False)
        self.plain = torch.tensor([1.0, 2, 3, 4])

    def forward(self, x, y=None):
        n = x.shape[0]
        z = self.linear(x).relu() + self.kept * self.passing + self.plain
        a, b = torch.split(z, 2, 1)
        return {
            "z": z, "cat": torch.cat([x, x]), "reshaped": z.reshape(n * 2, -1), "zeros": torch.zeros(n, 2), "halves": (a, b), "indexed": z[1:, [0, 1]],
            "flat": z.view(-1) + n, "double": z.to(torch.float64), "wide": x[:, None].expand(n, 2, 3), "most": z.argmax(1), "max": z.max(1)[0],
        }  # fmt: skip


def images():
    return nn.Sequential(nn.Conv2d(3, 4, 3, 2), nn.BatchNorm2d(4), nn.ReLU(), nn.MaxPool2d(2)).eval()


CASES = {
    "everything": (Everything, [(5, 3), (9, 3)], {"x": {0: Dim("batch", max=64)}}),
    "images": (images, [(2, 3, 20, 24), (3, 3, 33, 17)], ({0: Dim("n"), 2: Dim("h", min=10), 3: Dim.AUTO},)),
    "transformer": (lambda: nn.TransformerEncoderLayer(8, 2, 16, batch_first=True).eval(), [(2, 5, 8), (3, 7, 8)], ({0: Dim("n"), 1: Dim("t")},)),
    "lstm": (lambda: nn.LSTM(3, 4, batch_first=True), [(2, 5, 3), (4, 5, 3)], ({0: Dim("n")},)),
    "static": (lambda: nn.Sequential(nn.Flatten(), nn.Linear(6, 2), nn.Dropout()).eval(), [(2, 2, 3)], None),
}  # fmt: skip


def there(t):
    return reference.from_numpy(t.detach().numpy()) if isinstance(t, torch.Tensor) else t


@pytest.mark.parametrize("name", CASES)
def test_a_program_runs_here_and_in_pytorch(name, tmp_path):
    make, shapes, dynamic = CASES[name]
    torch.manual_seed(0)
    module = make()
    program = torch.export.export(module, (torch.randn(*shapes[0]),), dynamic_shapes=dynamic)
    path = tmp_path / "program.pt2"
    torch.export.save(program, path)
    again, other = torch.export.load(path), reference.export.load(path)
    for shape in shapes:
        x = torch.randn(*shape)
        wanted = pytree.tree_leaves(module(x))
        for run in (program, again):
            torch.testing.assert_close(pytree.tree_leaves(run.module()(x)), wanted)
        got = reference.utils._pytree.tree_leaves(other.module()(there(x)))
        assert len(got) == len(wanted)
        for g, w in zip(got, wanted, strict=True):
            reference.testing.assert_close(g, there(w), rtol=1e-4, atol=1e-5)
    assert set(other.state_dict) == set(module.state_dict())
    assert [str(r) for r in other.range_constraints] == list(program.range_constraints)


def test_calls_are_checked():
    batch = Dim("batch", min=2, max=64)
    program = torch.export.export(
        nn.Bilinear(3, 4, 2),
        (torch.ones(5, 3), torch.ones(5, 4)),
        dynamic_shapes={"input1": {0: batch}, "input2": {0: batch}},
    )
    run = program.module()
    assert run(torch.ones(64, 3), torch.ones(64, 4)).shape == (64, 2)
    for x, y, text in (
        (torch.ones(65, 3), torch.ones(65, 4), "from 2 to 64"),
        (torch.ones(5, 3), torch.ones(6, 4), "as another input has"),
        (torch.ones(5, 2), torch.ones(5, 4), "of size 3"),
        (torch.ones(5, 3).double(), torch.ones(5, 4), "dtype"),
    ):
        with pytest.raises(RuntimeError, match=text):
            run(x, y)


class ByValue(nn.Module):
    def forward(self, x):
        return x + 1 if x.sum() > 0 else x - 1


class BySize(nn.Module):
    def forward(self, x):
        return x + 1 if x.shape[0] > 4 else x - 1


class Sizes(nn.Module):
    def forward(self, x):
        return x.new_zeros(x.shape[1:]) + x.reshape(x.shape).sum() * x.size(1), torch.ones(x.shape[0] // 2, x.numel())


def test_lists_of_sizes():
    x = torch.ones(4, 3)
    program = torch.export.export(Sizes(), (x,), dynamic_shapes=({0: Dim("n", min=2), 1: Dim("m")},))
    out = io.BytesIO()
    torch.export.save(program, out)
    other = reference.export.load(io.BytesIO(out.getvalue())).module()
    for shape in ((4, 3), (7, 5)):
        x = torch.randn(*shape)
        for made, theirs, wanted in zip(program.module()(x), other(there(x)), Sizes()(x), strict=True):
            torch.testing.assert_close(made, wanted)
            reference.testing.assert_close(theirs, there(wanted))


def test_what_is_no_graph_of_operators_is_refused():
    x = torch.ones(4, 3)
    with pytest.raises(RuntimeError, match="depends on the values"):
        torch.export.export(ByValue(), (x,))
    with pytest.raises(RuntimeError, match="decides what the program does"):
        torch.export.export(BySize(), (x,), dynamic_shapes=({0: Dim("n")},))
    assert torch.export.export(BySize(), (x,)).module()(x).sum() == 0
    with pytest.raises(RuntimeError, match="lets vary don't"):
        torch.export.export(nn.Linear(3, 2), (x,), dynamic_shapes=({1: Dim("c")},))


def test_arguments_are_checked():
    x, module = torch.ones(4, 3), nn.Linear(3, 2)
    for raises, match, args in (
        (TypeError, "nn.Module", (torch.tanh, (x,))),
        (TypeError, "tuple", (module, [x])),
    ):
        with pytest.raises(raises, match=match):
            torch.export.export(*args)
    for dynamic, match in (
        ({"nothing": {0: Dim("n")}}, "no argument"),
        (({2: Dim("n")},), "dimension 2"),
        (({0: Dim("n", max=3)},), "doesn't allow"),
        (({0: 5},), "says 5"),
        (({0: Dim("n")}, None), "2 items"),
    ):
        with pytest.raises(ValueError, match=match):
            torch.export.export(module, (x,), dynamic_shapes=dynamic)
    with pytest.raises(TypeError, match="expected a Dim"):
        torch.export.export(module, (x,), dynamic_shapes=({0: "n"},))
    with pytest.raises(ValueError, match="min < max"):
        Dim("n", min=3, max=2)
    with pytest.raises(TypeError, match="ExportedProgram"):
        torch.export.save(module, io.BytesIO())


def test_keywords_constants_and_the_short_name():
    class Scaled(nn.Module):
        def forward(self, x, *, scale=None, flag=True):
            return x * scale if flag else x

    x = torch.ones(2)
    program = torch.export(Scaled(), (x,), {"scale": torch.tensor(3.0), "flag": True})
    assert program.module()(x, scale=torch.tensor(4.0), flag=True).tolist() == [4, 4]
    assert not list(program.parameters()) and "aten.mul" in program.code
    extra = {"note": ""}
    out = io.BytesIO()
    torch.export.save(program, out, extra_files={"note": "hello"})
    torch.export.load(io.BytesIO(out.getvalue()), extra_files=extra)
    assert extra == {"note": "hello"}


def test_the_module_is_as_it_was():
    module = nn.BatchNorm1d(3)  # in training: a run changes it
    before = {k: v.clone() for k, v in module.state_dict().items()}
    torch.export.export(module, (torch.randn(4, 3),), dynamic_shapes=({0: Dim("n", min=2)},))
    assert all(torch.equal(v, before[k]) for k, v in module.state_dict().items())

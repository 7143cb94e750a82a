"""Passes that tools call by PyTorch's names, and traces that record functions for writes in place."""

import warnings

import pytest

import rushlight as torch


def kinds(graph):
    return [node.kind() for node in graph.nodes()]


def test_force_outplace_records_functions():
    def f(x):
        y = x.clone()
        y.add_(2).mul_(3)
        y[0].zero_()
        return y

    def writes_apart(x):
        y = x.clone().add_(2)
        z = torch.empty(x.shape).fill_(7)
        w = torch.zeros(x.size())
        w.copy_(x)
        return y.mul_(3), z, w, torch.empty(2).zero_()

    x = torch.arange(6.0).reshape(2, 3)
    traced = torch.jit.trace(writes_apart, x, _force_outplace=True)
    assert not [k for k in kinds(traced.graph) if k.endswith("_")]
    for wanted, got in zip(writes_apart(x + 1), traced(x + 1), strict=True):
        assert torch.equal(wanted, got)
    assert {"aten::add_", "aten::fill_", "aten::copy_"} <= set(kinds(torch.jit.trace(writes_apart, x).graph))
    with pytest.warns(torch.jit.TracerWarning, match="live references to the data region being modified"):
        torch.jit.trace(f, x, _force_outplace=True, check_trace=False)


def test_force_outplace_keeps_the_dtype():
    def f(x, y):
        return x.clone().add_(y)

    x, y = torch.ones(2), torch.ones(2, dtype=torch.float64)
    traced = torch.jit.trace(f, (x, y), _force_outplace=True)
    assert traced(x, y).dtype == torch.float32 and "aten::add_" not in kinds(traced.graph)


def test_force_outplace_of_modules():
    class Net(torch.nn.Module):
        def forward(self, x):
            return torch.relu_(x * 2)

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        traced = torch.jit.trace(Net(), torch.ones(2), _force_outplace=True)
        graph, _ = torch.jit._get_trace_graph(Net(), (torch.ones(2),), _force_outplace=True)
    assert kinds(traced.graph)[-1] == kinds(graph)[-1] == "aten::relu"


def test_lists_are_written_down_with_what_is_put_into_them():
    @torch.jit.script
    def f(n: int):
        a = [n, 2]
        a.append(3)
        a.insert(-10, 4)
        a[1] = 5
        b = [n]
        b[n] = 6  # which item is not known
        return a, b

    torch._C._jit_pass_remove_mutation(f.graph)
    assert "append" not in str(f.graph) and "insert" not in str(f.graph) and str(f.graph).count("_set_item") == 1
    assert f(0) == ([4, 5, 2, 3], [6])


def test_lists_that_others_have_stay():
    @torch.jit.script
    def f():
        a = [1]
        b = [a, a]
        a.append(2)
        return b

    torch._C._jit_pass_remove_mutation(f.graph)
    assert "append" in str(f.graph) and f() == [[1, 2], [1, 2]]


def test_a_branch_makes_what_is_written_to():
    @torch.jit.script
    def fresh(x, up: bool):
        y = x + 5 if up else x + 2
        y.add_(4)
        return y

    @torch.jit.script
    def maybe_given(x, up: bool):
        y = x if up else x + 2
        y.add_(4)
        return y

    for f, left in ((fresh, False), (maybe_given, True)):
        torch._C._jit_pass_remove_mutation(f.graph)
        assert ("aten::add_" in str(f.graph)) is left
        x = torch.zeros(2)
        assert f(x, False).tolist() == [6.0, 6.0] and f(x, True).tolist() == ([4.0, 4.0] if left else [9.0, 9.0])


def test_writes_with_functions_of_other_names():
    @torch.jit.script
    def f(x):
        return torch.empty_like(x).zero_() + torch.ones(2).fill_(3), torch.empty(3, dtype=torch.float64).normal_(
            1.0, 2.0
        )

    torch._C._jit_pass_remove_mutation(f.graph)
    assert not [w for w in ("zero_", "fill_", "normal_") if f"aten::{w}(" in str(f.graph)]
    torch.manual_seed(1)
    wanted = torch.empty(3, dtype=torch.float64).normal_(1.0, 2.0)
    torch.manual_seed(1)
    three, drawn = f(torch.ones(2))
    assert three.tolist() == [3.0, 3.0] and torch.equal(drawn, wanted) and drawn.dtype == torch.float64


def test_activations_write_in_place_and_back():
    @torch.jit.script
    def f(x):
        return torch.relu(x + 1), torch.sigmoid(x + 1), torch.relu(x[0])

    torch._C._jit_pass_functional_to_inplace_activation(f.graph)
    assert kinds(f.graph).count("aten::relu_") == 1 and "aten::sigmoid" in kinds(f.graph)
    torch._C._jit_pass_inplace_to_functional_activation(f.graph)
    assert kinds(f.graph).count("aten::relu") == 2
    assert f(torch.tensor([-3.0]))[0].tolist() == [0.0]


def returned(f):
    return next(f.graph.outputs()).toIValue()


def test_lengths_that_were_asked_for_are_known():
    @torch.jit.script
    def f(x: list[int], y: list[int]):
        if len(x) != 4 or len(y) != 5:
            raise Exception("")
        return len(x) + len(y)

    @torch.jit.script
    def one_of_them(x: list[int], y: list[int]):
        assert len(x) == 4 or len(y) == 5
        return len(x) + len(y)

    @torch.jit.script
    def grows(x: list[int]):
        assert len(x) == 4
        x.append(3)
        return len(x)

    for function in (f, one_of_them, grows):
        torch._C._jit_pass_peephole_list_idioms(function.graph, refine_list_len=True)
        torch._C._jit_pass_constant_propagation(function.graph)
    assert returned(f) == 9 and returned(one_of_them) is None and returned(grows) is None
    assert one_of_them([1], [1] * 5) == 6 and grows([0] * 4) == 5


def test_integers_that_were_compared_are_known():
    @torch.jit.script
    def f(x: int, y: int):
        if x == 4 and y == 5:
            pass
        else:
            raise Exception("other")
        return x * y

    @torch.jit.script
    def same(x: int):
        y = 1
        if x == 1:
            return y
        else:
            return x

    for function in (f, same):
        torch._C._jit_pass_refine_integer_values(function.graph)
        torch._C._jit_pass_constant_propagation(function.graph)
        torch._C._jit_pass_dce(function.graph)
    assert returned(f) == 20 and kinds(same.graph) == []
    assert f(4, 5) == 20 and same(1) == 1 and same(7) == 7


def test_exported_methods_of_state_dicts_are_called():
    class Child(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.fc = torch.nn.Linear(1, 1)
            self.saved: bool = False

        def forward(self, x):
            return self.fc(x)

        @torch.jit.export
        def _save_to_state_dict(self, destination: dict[str, torch.Tensor], prefix: str, keep_vars: bool):
            self.saved = True

    class Parent(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.child = Child()

        def forward(self, x):
            return self.child(x)

    scripted = torch.jit.script(Parent())
    assert list(scripted.state_dict()) == ["child.fc.weight", "child.fc.bias"] and scripted.child.saved

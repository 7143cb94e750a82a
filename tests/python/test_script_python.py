"""What scripts take over from Python: modules and functions that stay Python's, attributes, calls of autograd, identity."""

import pickle
import warnings

import pytest
from rushlight._functional import tensordot

import rushlight as torch
from rushlight import Tensor, nn


class Halved(nn.Module):
    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.full((3,), 0.5))
        self.calls = 0

    def forward(self, x):
        self.calls += 1  # what no script could do
        return x * self.weight


halved = Halved()


def test_a_module_that_nothing_holds_for_the_script_is_called_as_python_calls_it():
    @torch.jit.script
    def f(x):
        return halved(x) + 1

    before = halved.calls
    out = f(torch.ones(3))
    assert halved.calls == before + 1 and out.tolist() == [1.5] * 3
    out.sum().backward()
    assert halved.weight.grad.tolist() == [1.0] * 3


def test_a_submodule_whose_forward_is_ignored_is_called():
    class Inner(nn.Module):
        @torch.jit.ignore
        def forward(self, x):
            return x + len(str(type(self)))

    class Outer(nn.Module):
        def __init__(self):
            super().__init__()
            self.inner = Inner()

        def forward(self, x):
            return self.inner(x * 2)

    got = torch.jit.script(Outer())(torch.zeros(2))
    assert (got > 0).all()


@torch.jit.ignore
def longest(x: Tensor, *others) -> Tensor:
    return max((x, *others), key=len)


def test_an_ignored_function_takes_any_number_of_arguments():
    @torch.jit.script
    def f(x, y, z):
        return longest(x), longest(x, y), longest(x, y, z)

    given = [torch.ones(n) for n in (1, 2, 3)]
    assert [len(t) for t in f(*given)] == [1, 2, 3]


def test_a_device_is_an_attribute(tmp_path):
    class M(nn.Module):
        def __init__(self):
            super().__init__()
            self.where = torch.device("cpu")

        def forward(self, x):
            return x.to(self.where)

    m = torch.jit.script(M())
    m.save(tmp_path / "m.pt")
    loaded = torch.jit.load(tmp_path / "m.pt")
    assert loaded.where == m.where == torch.device("cpu") and loaded(torch.ones(1)).tolist() == [1.0]


def test_backward_by_torch_autograd_in_scripts_and_archives(tmp_path):
    @torch.jit.script
    def of_one(x):
        torch.autograd.backward(torch.relu(x).sum())

    @torch.jit.script
    def of_several(x):
        grads: list[Tensor | None] = [torch.full((2,), 3.0), None]
        torch.autograd.backward((x * x, x.sum()), grads)

    @torch.jit.script
    def grad(x):
        return torch.autograd.grad([(x * x).sum()], [x])[0]

    for f, wanted in ((of_one, [1.0, 1.0]), (of_several, [7.0, 13.0])):
        f.save(tmp_path / "f.pt")
        for run in (f, torch.jit.load(tmp_path / "f.pt")):
            x = torch.tensor([1.0, 2.0], requires_grad=True)
            run(x)
            assert x.grad.tolist() == wanted
    grad.save(tmp_path / "f.pt")
    assert torch.jit.load(tmp_path / "f.pt")(torch.tensor([1.0, 2.0], requires_grad=True)).tolist() == [2.0, 4.0]


def test_einsum_of_operands_and_their_labels():
    @torch.jit.script
    def product(x, y):
        return torch.einsum(x, [0, 1], y, [1, 27], [27, 0])

    @torch.jit.script
    def without_result(x, y):
        return torch.einsum(x, [0, 1], y, [1, 2])

    x, y = torch.randn(2, 3), torch.randn(3, 4)
    assert torch.allclose(product(x, y), (x @ y).t()) and torch.allclose(without_result(x, y), x @ y)
    assert "aten::einsum" in str(product.graph)
    with pytest.raises(RuntimeError, match="numbers from 0 to 51"):
        torch.jit.CompilationUnit("def f(x, n: int):\n    return torch.einsum(x, [n], x, [n])")


def test_tensordot_takes_its_dimensions_as_a_tensor():
    @torch.jit.script
    def f(a, b, dims):
        return tensordot(a, b, dims=dims)

    a, b = torch.arange(60.0).reshape(3, 4, 5), torch.arange(24.0).reshape(4, 3, 2)
    dims = torch.tensor([[1, 0], [0, 1]])
    assert torch.equal(f(a, b, dims), torch.tensordot(a, b, dims=dims))
    assert torch.equal(f(a, a.permute(1, 2, 0), torch.tensor([2])), torch.tensordot(a, a.permute(1, 2, 0), 2))


def test_id_tells_objects_apart():
    @torch.jit.script
    class Thing:
        def __init__(self, x: int):
            self.x = x

    @torch.jit.script
    def f():
        a, b = Thing(1), Thing(1)
        same = a
        return id(a) == id(same), id(a) == id(b), id(a) == id(None)

    assert f() == (True, False, False)
    with pytest.raises(RuntimeError, match="Expected a value"):
        torch.jit.CompilationUnit("def f():\n    return id(2)")


def test_a_compiled_function_is_not_pickled():
    with pytest.raises(pickle.PickleError, match="ScriptFunction cannot be pickled"):
        pickle.dumps(torch.jit.script(longest_of_two))


def longest_of_two(x: Tensor, y: Tensor):
    return x if len(x) > len(y) else y


def test_setstate_needs_getstate():
    class M(nn.Module):
        def forward(self, x):
            return x

        @torch.jit.export
        def __setstate__(self, state: bool):
            self.training = state

    with pytest.raises(RuntimeError, match="no __getstate__"):
        torch.jit.script(M())


def test_overloads_need_an_implementation():
    @torch.jit._overload
    def twice(x: int) -> int: ...

    def f():
        return twice(0)

    with pytest.raises(RuntimeError, match='Implementation for the function ".*twice" is missing'):
        torch.jit.script(f)


def test_types_of_tensors_are_tensors_and_a_warning_says_so():
    def f(x: torch.LongTensor) -> torch.LongTensor:
        return x + 1

    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        got = torch.jit.script(f)(torch.ones(1))
    assert got.dtype == torch.float32 and "dtype constraints are not enforced" in str(told[0].message)


def test_code_says_self_and_indexes_names_without_brackets():
    class M(nn.Module):
        def forward(self, x: list[Tensor]):
            return x[1] + x[0]

    m = torch.jit.script(M())
    assert (
        m.code.startswith("def forward(self,\n    x: List[Tensor]) -> Tensor:\n") and "torch.add(x[1], x[0])" in m.code
    )
    assert repr(m._c).startswith("ScriptObject <__torch__.")


def test_break_stands_in_a_loop_of_its_own_function():
    for body in ("    break", "    for i in range(3):\n        def g():\n            continue"):
        with pytest.raises(RuntimeError, match="SyntaxError: '(break|continue)' outside of a loop"):
            torch.jit.CompilationUnit(f"def f(a):\n{body}")


def test_what_has_no_length_is_not_iterated_over():
    @torch.jit.script
    def f(x):
        n = 0
        for _ in x:
            n += 1
        return n

    assert f(torch.ones(3)) == 3
    with pytest.raises(RuntimeError, match="of a 0-d tensor"):
        f(torch.tensor(1))


def test_a_broadcasting_list_may_be_optional():
    cu = torch.jit.CompilationUnit("""
def f(x: Optional[BroadcastingList2[float]]) -> int:
    return 0 if x is None else len(x)
def g(x: Tuple[float, float]):
    return f(x), f(1.5), f(None)
""")
    assert cu.g((2.0, 3.0)) == (2, 2, 0)

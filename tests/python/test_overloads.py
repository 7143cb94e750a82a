"""One binding of arguments and one order of overloads: a call means the same in Python and in a script, or is wrong in both."""

import importlib.util
import sys

import pytest

import rushlight as rl

RIGHT = [
    "torch.add(x, 2)",
    "torch.add(x, other=x, alpha=3)",
    "torch.sub(input=x, other=1.5)",
    "torch.sum(x)",
    "torch.sum(x, 1)",
    "torch.sum(x, dim=[0, 1], keepdim=True)",
    "torch.sum(x, axis=1)",
    "x.max(1)[0]",
    "torch.max(x, x.neg())",
    "x.view(3, 2)",
    "x.view([3, 2])",
    "x.reshape(shape=[3, 2])",
    "x.permute(1, 0)",
    "x.expand(2, 2, 3)",
    "torch.full((2,), 3)",
    "torch.zeros(2, 3)",
    "torch.cat((x, x), 1)",
    "torch.clamp(x, 0, 1)",
    "torch.clamp(x, max=x.mean())",
    "torch.where(x > 0, x, 0.0)",
    "torch.pow(2, x)",
    "torch.pow(x, 2)",
    "torch.meshgrid(x[0], x[1], indexing='ij')[1]",
    "torch.nn.functional.interpolate(x[None], 5)",
    "torch.nn.functional.interpolate(x[None], scale_factor=2.0)",
    "torch.nn.functional.gaussian_nll_loss(x, x, 2.0)",
]  # fmt: skip
WRONG = [
    ("torch.add(x)", "other"),
    ("torch.relu(x, x)", "1 positional|at most 1"),
    ("torch.relu(x, y=1)", "y"),
    ("torch.relu(x, input=x)", "input"),
    ("torch.cumsum(x, 1, dim=1)", "dim"),
    ("torch.cumsum(x, 'a')", "dim"),
    ("x.view(2, 'a')", "int|str"),
    ("torch.softmax()", "self|input"),
]  # fmt: skip


@pytest.fixture(scope="module")
def functions(tmp_path_factory):
    path = tmp_path_factory.mktemp("overloads") / "overload_cases.py"
    lines = ["import rushlight as torch"]
    for i, body in enumerate([*RIGHT, *(w for w, _ in WRONG)]):
        lines += [f"def f{i}(x):", f"    return {body}"]
    path.write_text("\n".join(lines) + "\n")
    spec = importlib.util.spec_from_file_location("overload_cases", path)
    module = sys.modules["overload_cases"] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return vars(module)


@pytest.mark.parametrize("i", range(len(RIGHT)), ids=RIGHT)
def test_a_call_means_the_same(i, functions):
    x = rl.arange(6.0).reshape(2, 3) - 2
    f = functions[f"f{i}"]
    mine, script = f(x), rl.jit.script(f)(x)
    assert mine.dtype == script.dtype
    assert rl.equal(mine, script)


@pytest.mark.parametrize("i", range(len(WRONG)), ids=[w for w, _ in WRONG])
def test_a_wrong_call_is_wrong_in_both(i, functions):
    x = rl.arange(6.0).reshape(2, 3)
    f = functions[f"f{len(RIGHT) + i}"]
    with pytest.raises(TypeError, match=WRONG[i][1]):
        f(x)
    with pytest.raises(RuntimeError, match=WRONG[i][1]):
        rl.jit.script(f)


def test_keywords_of_a_scripts_own_functions_are_its_own():
    def own(x: rl.Tensor, dim: int) -> rl.Tensor:
        return x.sum(dim)

    def caller(x):
        return own(x, axis=1)

    with pytest.raises(RuntimeError, match="axis"):
        rl.jit.script(caller)

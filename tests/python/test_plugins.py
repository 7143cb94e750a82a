"""Shared libraries of operators, written in C++: tests/plugins, built with the tests."""

import subprocess
import sys
from pathlib import Path

import pytest
from conftest import BUILD

import rushlight as torch
from rushlight import Tensor

PLUGINS = Path(BUILD) / "tests" / "plugins"
pytestmark = pytest.mark.skipif(not PLUGINS.exists(), reason="built without tests")


@pytest.fixture(scope="module", autouse=True)
def plug():
    torch.ops.load_library(PLUGINS / "operators.so")
    return torch.ops.plug


def test_loaded_libraries_are_listed_and_load_once():
    path = str(PLUGINS / "operators.so")
    assert path in torch.ops.loaded_libraries
    torch.ops.load_library(path)


def test_a_kernel_with_its_gradient(plug):
    x = torch.tensor([1.0, 2.0], requires_grad=True)
    assert str(plug.scale.default._schema) == "plug::scale(Tensor x, float by=2.) -> Tensor"
    y = plug.scale(x, 3.0)
    assert y.tolist() == [3, 6] and y.requires_grad
    (g,) = torch.autograd.grad(y.sum(), x, create_graph=True)
    assert g.tolist() == [3, 3]
    assert plug.scale(x).tolist() == [2, 4]
    assert plug.scale(torch.empty(2, 3, device="meta")).shape == (2, 3)
    (g,) = torch.autograd.grad((plug.scale(x, 3.0) ** 2).sum(), x, create_graph=True)
    assert g.tolist() == [18, 36]
    assert torch.autograd.grad(g.sum(), x)[0].tolist() == [18, 18]


def test_composites_and_inferred_schemas(plug):
    x = torch.tensor([2.0, 3.0], requires_grad=True)
    plug.cube(x).sum().backward()
    assert x.grad.tolist() == [12, 27]
    assert str(plug.ends.default._schema) == "plug::ends(Tensor _0) -> (Tensor, Tensor)"
    assert [t.item() for t in plug.ends(x)] == [2, 3]


def test_writes_through_pointers_are_counted(plug):
    x = torch.zeros(2)
    assert plug.fill_(x, 4) is None
    assert x.tolist() == [4, 4] and x._version == 1


def test_every_type_of_argument(plug):
    x = torch.ones(2)
    got = plug.describe(x, 3, 0.5, True, "text", [1, 2], [0.5], [x, x, x], None, None, 2, torch.float64, "cpu")
    assert got == "2 3 0.5 1 text 2 1 3 0 -1 2 Double cpu"
    assert (
        plug.describe(x, 3, 0.5, True, "", [], [], [], x, 7, 2.5, torch.int64, "meta")
        == "2 3 0.5 1  0 0 0 1 7 2.5 Long meta"
    )


def test_boxed_kernels(plug):
    assert plug.boxed(torch.ones(1)).item() == 2
    with pytest.raises(
        RuntimeError, match="plug::boxed_wrong: the boxed kernel left 2 values on the stack, expected 1"
    ):
        plug.boxed_wrong(torch.ones(1))


def test_overloads_and_fragments(plug):
    assert plug.overloaded([1, 2, 3]) == 3 and plug.overloaded("a") == "a!"
    assert sorted(plug.overloaded.overloads()) == ["ints", "text"]
    assert [t.item() for t in plug.counted([torch.ones(1), torch.zeros(1)], torch.ones(1))] == [2, 1]
    assert [t.item() for t in plug.counted([torch.ones(1)])] == [1]


def test_errors_of_kernels(plug):
    with pytest.raises(RuntimeError, match="fails: expected 1 dimension, got 2"):
        plug.fails(torch.ones(1, 1))
    with pytest.raises(RuntimeError, match="a plain exception"):
        plug.fails(torch.ones(1))
    with pytest.raises(NotImplementedError, match="plug::fails: attempted to run this operator with Meta tensors"):
        plug.fails(torch.ones(1, device="meta"))
    with pytest.raises(RuntimeError, match="plug::scale.*Expected a value of type 'float' for argument 'by'"):
        plug.scale(torch.ones(1), "x")


class Scripted(torch.nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        a, b = torch.ops.plug.ends(torch.ops.plug.scale(x, 3.0))
        return a + torch.ops.plug.overloaded([1, 2]) * b


def test_scripts_traces_and_archives(plug, tmp_path):
    x = torch.tensor([1.0, 2.0], requires_grad=True)
    for f in (torch.jit.script(Scripted()), torch.jit.trace(Scripted(), x.detach())):
        assert "plug::scale" in str(f.graph)
        path = tmp_path / "model.pt"
        torch.jit.save(f, path)
        loaded = torch.jit.load(path)
        y = loaded(x)
        assert y.item() == 15
        assert torch.autograd.grad(y, x)[0].tolist() == [3, 6]
    program = "import sys, rushlight as torch; torch.ops.load_library(sys.argv[2]); print(torch.jit.load(sys.argv[1])(torch.ones(2)).item())"
    assert run_program(program, path, PLUGINS / "operators.so") == "9.0\n"
    program = "import sys, rushlight as torch\ntry: torch.jit.load(sys.argv[1])\nexcept RuntimeError as e: print(e)"
    said = run_program(program, path)
    assert "Unknown builtin ops: plug::ends, plug::scale" in said and "torch.ops.load_library" in said


def run_program(text, *args):
    done = subprocess.run([sys.executable, "-c", text, *map(str, args)], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_profiler_shows_them(plug):
    from rushlight.profiler import profile

    with profile() as p:
        plug.scale(torch.ones(2))
    assert "plug::scale" in [e.name for e in p.events()]


@pytest.mark.parametrize(
    "number, text",
    [
        (1, "with the same name and overload name multiple times"),
        (2, "The number of arguments is different. 1 vs 2"),
        (3, "Type mismatch in return 1: Tensor vs int"),
        (4, "schema: expected"),
        (5, "Only a single TORCH_LIBRARY can be used to register the namespace plug"),
        (6, "with the same name and overload name multiple times"),
        (7, "no such hardware"),
    ],
)
def test_libraries_that_can_not_be_registered_leave_nothing(plug, number, text):
    before = torch._C._op_names()
    path = PLUGINS / f"broken_{number}.so"
    for _ in range(2):
        with pytest.raises(RuntimeError, match=text) as e:
            torch.ops.load_library(path)
        assert str(path) in str(e.value)
    assert torch._C._op_names() == before
    assert str(path) not in torch.ops.loaded_libraries
    assert plug.scale(torch.ones(1)).item() == 2
    assert torch.add(torch.ones(1), 1).item() == 2


def test_files_that_are_no_libraries(tmp_path):
    for content in (None, b"", b"no library", (PLUGINS / "operators.so").read_bytes()[:5000]):
        path = tmp_path / "bad.so"
        if content is not None:
            path.write_bytes(content)
        with pytest.raises(OSError, match="Could not load this library"):
            torch.ops.load_library(path)


# A process of its own: what is unloaded there is gone.
UNLOAD = """
import _ctypes, sys, threading, time
import rushlight as torch
torch.ops.load_library(sys.argv[1])
handle = _ctypes.dlopen(sys.argv[1], 2)
f, slow = torch.ops.plug.cube, torch.ops.plug.slow
graph = torch.jit.trace(lambda x: torch.ops.plug.cube(x), torch.ones(1))
results = []
t = threading.Thread(target=lambda: results.append(slow(torch.ones(1_000_000))[0].item()))
t.start(); time.sleep(0.05)
_ctypes.dlclose(handle); _ctypes.dlclose(handle)
t.join(); print(results)
for call in (f, graph):
    try: call(torch.ones(1))
    except RuntimeError as e: print("taken away" in str(e))
print(hasattr(torch.ops.plug, "nothing"), "plug::cube" in torch._C._op_names())
torch.ops.load_library(sys.argv[1])
print(torch.ops.plug.cube(torch.ones(1)).item(), f(torch.ones(1)).item())
"""


def test_a_library_unloaded_while_it_is_in_use():
    out = run_program(UNLOAD, PLUGINS / "operators.so").split("\n")
    assert out == ["[2.0]", "True", "True", "False False", "1.0 1.0", ""]


KEPT = """
import _ctypes, sys
import rushlight as torch
torch.ops.load_library(sys.argv[1])
handle = _ctypes.dlopen(sys.argv[1], 2)
x = torch.ones(2, requires_grad=True)
y = torch.ops.plug.scale(x, 5.0).sum()
_ctypes.dlclose(handle); _ctypes.dlclose(handle)
y.backward()
print(x.grad.tolist())
"""


def test_a_library_stays_while_a_graph_needs_its_gradients():
    assert run_program(KEPT, PLUGINS / "operators.so") == "[5.0, 5.0]\n"

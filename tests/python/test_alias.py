"""python -m rushlight: `import torch` is rushlight."""

import os
import subprocess
import sys

from rushlight.torch_version import TorchVersion

PROGRAM = """
import sys, torch, importlib.metadata
import torch.nn as nn
import torch.nn.functional as F
from torch.utils import data
import torch.utils.data as again
from torch import Tensor
assert torch.__version__ >= (2, 0) and torch.__version__ < "99"
assert torch.__name__ == "torch" and torch.__spec__.name == "rushlight" and nn is sys.modules["rushlight.nn"] and nn.__name__ == "torch.nn"
assert data is again and torch.nn is nn and isinstance(torch.ones(2), Tensor)
assert tuple(map(int, torch.__version__.split("+")[0].split("."))) >= (2, 0)
assert importlib.metadata.version("torch") == torch.version.torch_version
try:
    import torch.no_such_module
except ModuleNotFoundError as error:
    assert "torch.no_such_module" in str(error)
else:
    raise AssertionError("imported")
print("ran", *sys.argv[1:], __name__)
"""


def run(*args, **kwargs):
    return subprocess.run([sys.executable, "-m", "rushlight", *args], capture_output=True, text=True, **kwargs)


def test_script(tmp_path):
    script = tmp_path / "program.py"
    script.write_text(PROGRAM)
    done = run(str(script), "a", "--b")
    assert done.stdout == "ran a --b __main__\n", done.stderr


def test_code_and_mistakes():
    assert run("-c", "import torch; print(torch.add(torch.ones(1), 1).item())").stdout == "2.0\n"
    assert run("-", input="import torch; print(torch.ones(1).item())").stdout == "1.0\n"
    assert run("no_such_file.py").returncode == 2
    assert "SCRIPT" in run().stdout


CHILDREN = """
import importlib.metadata, multiprocessing, subprocess, sys
import torch

CHILD = "import importlib.metadata as m; print(m.version('torch')); import torch; print(torch.__spec__.name, torch.__version__)"


def work(queue):
    import torch.nn
    queue.put((torch.__spec__.name, str(torch.__version__)))


if __name__ == "__main__":
    child = subprocess.run([sys.executable, "-c", CHILD], capture_output=True, text=True)
    print(*child.stdout.split(), child.stderr)
    for method in ("spawn", "fork", "forkserver"):
        context = multiprocessing.get_context(method)
        queue = context.Queue()
        process = context.Process(target=work, args=(queue,))
        process.start()
        print(method, *queue.get(timeout=60))
        process.join()
"""


def test_programs_and_workers_that_a_program_starts(tmp_path):
    (tmp_path / "program.py").write_text(CHILDREN)
    named = "rushlight 2.4.1+rushlight"
    environment = {**os.environ, "RUSHLIGHT_AS_TORCH": "2.4.1"}
    for done in (
        run("program.py", cwd=tmp_path, env=environment),
        run("-m", "program", cwd=tmp_path, env=environment),
    ):
        lines = done.stdout.splitlines()
        assert lines[0].startswith(f"2.4.1 {named}"), done.stderr
        assert [line.split()[0] for line in lines[1:]] == ["spawn", "fork", "forkserver"], done.stderr
        assert all(named in line for line in lines[1:])


def test_the_environment_alone(tmp_path):
    exports = run("--env").stdout
    (tmp_path / "sitecustomize.py").write_text("print('customized')")
    code = "import torch; print(torch.__spec__.name)"
    command = f'{exports}\nexport PYTHONPATH="$PYTHONPATH:{tmp_path}"\n{sys.executable} -c "{code}"'
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True)
    assert done.stdout == "customized\nrushlight\n", done.stderr
    off = f'{exports}\nexport RUSHLIGHT_AS_TORCH=0\n{sys.executable} -c "import sys; print(len(sys.meta_path))"'
    plain = subprocess.run(
        [sys.executable, "-c", "import sys; print(len(sys.meta_path))"], capture_output=True, text=True
    )
    assert subprocess.run(["bash", "-c", off], capture_output=True, text=True).stdout == plain.stdout


def test_as_torch_inside_a_program():
    program = """
import rushlight
rushlight.as_torch("1.13.1", children=False)
rushlight.as_torch(children=False)
import torch, torch.nn.functional as F, importlib.metadata, importlib.util, os
assert torch is rushlight and F is rushlight.nn.functional
assert importlib.metadata.version("torch") == "1.13.1" and torch.__version__ == "1.13.1+rushlight0.1.0", torch.__version__
assert importlib.util.find_spec("torch.nn") and importlib.util.find_spec("torch.nothing") is None
assert "RUSHLIGHT_AS_TORCH" not in os.environ
print("ran")
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.stdout == "ran\n", done.stderr
    late = "import torch, rushlight\ntry: rushlight.as_torch()\nexcept RuntimeError as e: print(e)"
    done = subprocess.run([sys.executable, "-c", late], capture_output=True, text=True)
    if "No module named 'torch'" not in done.stderr:
        assert "imported already" in done.stdout and "before the first" in done.stdout, done.stderr


def test_main_is_the_program(tmp_path):
    """Pickle and worker processes look for a program's classes in __main__."""
    program = tmp_path / "program.py"
    program.write_text(
        "import pickle, sys\nclass C: pass\nimport __main__\nassert __main__.C is C\npickle.loads(pickle.dumps(C()))\n"
        "assert __file__ == sys.argv[0] and __spec__ is None if '__spec__' in globals() else True\nsys.exit(3)"
    )
    assert run(str(program)).returncode == 3
    package = tmp_path / "package"
    package.mkdir()
    (package / "__main__.py").write_text("import torch; print(1, torch.__spec__.name)")
    assert run(str(package)).stdout == "1 rushlight\n"


def test_versions_compare():
    V = TorchVersion
    assert V("2.13.0+rushlight0.1.0") >= (2, 13) and V("2.13.0+x") > "2.13.0" and V("2.13.0") == "2.13" == V("2.13.0")
    assert V("2.13.0a0") < "2.13.0" and V("2.13.0.dev2026") < V("2.13.0a0") and V("2.13.0rc1") > "2.13.0b2"
    assert V("2.13.0.post1") > "2.13.0" and V("2.9.1") < "2.13" and V("2.9") != "2.10" and not V("1.0") > [1, 0]
    assert hash(V("1.0")) == hash("1.0") and V("2.13.0").split(".") == ["2", "13", "0"]
    assert V("strange") > "astrange"


def test_a_module_of_a_function_s_name_does_not_hide_the_function():
    done = run(
        "-c",
        "import torch\n"
        "import torch.autograd.gradcheck\n"
        "from torch.autograd.gradcheck import GradcheckError\n"
        "x = torch.ones(2, dtype=torch.double, requires_grad=True)\n"
        "print(torch.autograd.gradcheck(torch.sin, (x,)), issubclass(GradcheckError, RuntimeError), type(torch.autograd).__name__)\n"
        "torch.autograd.extra = 1\n",
    )
    assert done.stdout == "True True module\n", done.stderr


NAMES = """
import copy, inspect, io, pickle, sys, typing
import torch
import torch.nn as nn

x = nn.Parameter(torch.ones(2, 2))
for value, module in (
    (x.detach(), "torch"), (torch.float32, "torch"), (x.shape, "torch"), (x.device, "torch"), (x, "torch.nn.parameter"),
    (nn.Linear(2, 2), "torch.nn.modules.linear"), (torch.optim.SGD([x], 0.1), "torch.optim.sgd"),
    (torch.distributions.Normal(0.0, 1.0), "torch.distributions.normal"),
    (torch.utils.data.TensorDataset(x), "torch.utils.data.dataset"),
):
    assert type(value).__module__ == module and sys.modules[module], (type(value), module)
    assert type(pickle.loads(pickle.dumps(value))) is type(value)
for module in (torch, nn, torch.jit, torch.optim, nn.functional):
    assert module.__name__.startswith("torch") and sys.modules[module.__name__] is module

class Net(nn.Sequential):
    pass

net = Net(nn.Linear(2, 2), nn.ReLU())
kept = io.BytesIO()
torch.save(net, kept)
assert b"rushlight" not in kept.getvalue()
kept.seek(0)
assert torch.equal(torch.load(kept, weights_only=False)[0].weight, net[0].weight)
kept = io.BytesIO()
torch.jit.save(torch.jit.script(net), kept)
assert b"torch/nn/modules/linear" in kept.getvalue()
kept.seek(0)
assert torch.equal(torch.jit.load(kept)(x), net(x))
assert "class Linear" in inspect.getsource(nn.Linear) and typing.get_type_hints(nn.Linear)["in_features"] is int

class Leaves(torch.fx.Tracer):
    def is_leaf_module(self, m, name):
        return m.__module__.startswith("torch.nn")

assert [n.op for n in Leaves().trace(nn.Sequential(net)).nodes] == ["placeholder", "call_module", "call_module", "output"]

@torch.jit.script
def f(x):
    return torch.nn.functional.relu(torch.linalg.norm(x) - torch.special.expit(x)).sum()
assert torch.equal(f(x), torch.nn.functional.relu(torch.linalg.norm(x) - torch.special.expit(x)).sum())
print("ran")
"""


def test_classes_and_modules_have_the_names_of_torch(tmp_path):
    program = tmp_path / "names.py"
    program.write_text(NAMES)
    done = run(str(program))
    assert done.stdout == "ran\n", done.stderr

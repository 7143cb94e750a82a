"""python -m rushlight: `import torch` is rushlight."""

import subprocess
import sys

PROGRAM = """
import sys, torch, importlib.metadata
import torch.nn as nn
import torch.nn.functional as F
from torch.utils import data
import torch.utils.data as again
from torch import Tensor
assert torch.__name__ == "rushlight" and nn is sys.modules["rushlight.nn"] and nn.__name__ == "rushlight.nn"
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

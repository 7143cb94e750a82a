"""The type stubs that the build makes from the records: mypy takes them and uses them."""

import os
import subprocess
import sys

import pytest
from conftest import BUILD

pytest.importorskip("mypy")

GOOD = """
import rushlight as torch
import rushlight.nn as nn
import rushlight.nn.functional as F

class Net(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(nn.Conv2d(1, 2, 3), nn.ReLU(), nn.Flatten(), nn.Linear(8, 3))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return F.log_softmax(self.layers(x), 1)

x = torch.zeros(2, 3, dtype=torch.float32, requires_grad=True)
y = x.view(3, 2).sum(dim=0) + 1
z: torch.Tensor = torch.add(x, 2.0, alpha=3)
n: int = x.size(0)
x.add_(1).mul_(y)
w = x[0, :, None].to(torch.int64).tolist()
torch.where(x > 0, 1.0, x)
torch.exp(x, out=z)
g = torch.Generator().manual_seed(3)
"""
BAD = [
    "torch.zeros('a')",
    "torch.tanh()",
    "torch.ones(2).view('a')",
    "n: int = torch.ones(2)",
    "torch.ones(2).size(0).foo",
    "torch.tanh(3)",
]


def mypy(*arguments):
    environment = {**os.environ, "MYPYPATH": str(BUILD / "python")}
    command = [
        sys.executable,
        "-m",
        "mypy",
        "--config-file=",
        f"--cache-dir={BUILD / '.mypy_cache'}",
        "--no-error-summary",
        *arguments,
    ]
    return subprocess.run(command, capture_output=True, text=True, env=environment)


def test_stubs_and_program(tmp_path):
    program = tmp_path / "good.py"
    program.write_text(GOOD)
    package = BUILD / "python" / "rushlight"
    done = mypy(str(package / "_C.pyi"), str(package / "__init__.pyi"), str(program))
    assert done.returncode == 0, done.stdout


def test_mistakes_are_found(tmp_path):
    program = tmp_path / "bad.py"
    program.write_text("import rushlight as torch\n" + "\n".join(BAD) + "\n")
    done = mypy(str(program))
    found = {int(line.split(":")[1]) for line in done.stdout.splitlines() if "bad.py:" in line and " error: " in line}
    assert found == set(range(2, len(BAD) + 2)), done.stdout

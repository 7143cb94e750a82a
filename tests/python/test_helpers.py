"""Where torchvision isn't installed its name means rushlight.vision; where it is, that one."""

import os
import subprocess
import sys

import pytest
from conftest import BUILD

PROGRAM = """
import importlib.metadata, sys
import torchvision
from torchvision import transforms as T, models
import torchvision.transforms.functional as F
from torchvision.models.resnet import BasicBlock
from torchvision.ops import nms
import rushlight.vision
assert torchvision is rushlight.vision and F is rushlight.vision.transforms.functional and models is rushlight.vision.models
assert BasicBlock is rushlight.vision.models.resnet.BasicBlock
assert importlib.metadata.version("torchvision").startswith("0.28")
try:
    import torchvision.no_such_module
except ModuleNotFoundError as error:
    assert "no_such_module" in str(error)
else:
    raise AssertionError("imported")
print("ran", torchvision.__name__)
"""


@pytest.fixture
def alone(tmp_path):
    """An environment in which torchvision isn't installed: this one's packages but for it, and PyTorch."""
    import site

    folder = tmp_path / "packages"
    folder.mkdir()
    for place in site.getsitepackages():
        for name in os.listdir(place):
            if not name.lower().startswith(("torch", "torchvision", "functorch", "__pycache__")) and not name.endswith(
                ".pth"
            ):
                if not (folder / name).exists():
                    (folder / name).symlink_to(os.path.join(place, name))
    path = os.pathsep.join([str(BUILD / "python"), str(folder)])
    return {
        **{k: v for k, v in os.environ.items() if not k.startswith("RUSHLIGHT_AS")},
        "PYTHONPATH": path,
        "PYTHONNOUSERSITE": "1",
    }


def run(program, environment, *flags):
    # -S: the environment's own packages are not on the path.
    done = subprocess.run(
        [sys.executable, "-S", *flags, "-c", program], capture_output=True, text=True, env=environment
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_torchvision_is_the_helper(alone):
    assert run("import rushlight as torch\n" + PROGRAM, alone) == "ran rushlight.vision\n"
    assert run("import torch\n" + PROGRAM, alone, "-m", "rushlight") == "ran rushlight.vision\n"
    assert run(PROGRAM, alone, "-m", "rushlight") == "ran rushlight.vision\n"  # before torch


def test_children_have_it_too(alone):
    child = "import torchvision; print(torchvision.__name__)"
    program = f"import subprocess, sys; import torch; print(subprocess.run([sys.executable, '-c', {child!r}], capture_output=True, text=True))"
    assert "rushlight.vision" in run(program, alone, "-m", "rushlight")


def test_an_installed_one_wins(alone, tmp_path):
    package = tmp_path / "mine" / "torchvision"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text("mine = True\n")
    (package / "ops.py").write_text("mine = True\n")
    alone["PYTHONPATH"] = os.pathsep.join([str(tmp_path / "mine"), alone["PYTHONPATH"]])
    program = "import torchvision.ops; print(torchvision.mine, torchvision.ops.mine)"
    assert run("import rushlight\n" + program, alone) == "True True\n"
    assert run("import torch\n" + program, alone, "-m", "rushlight") == "True True\n"


def test_beside_pytorch_the_name_stays_free():
    program = (
        "import torch, rushlight, importlib.util, sys\n"
        "found = importlib.util.find_spec('torchvision')\n"
        "print(found is None or 'rushlight' not in str(found.origin or found.submodule_search_locations))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.stdout == "True\n", done.stderr


def test_importing_rushlight_leaves_them_alone():
    program = "import sys, rushlight; print('rushlight._helpers' in sys.modules, 'rushlight.vision' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.stdout == "False False\n", done.stderr

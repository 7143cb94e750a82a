"""Packages that torch.package wrote, read."""

import io
import sys
import zipfile

import pytest
import torch as pt
from torch.package import PackageExporter

import rushlight as rl

NET = """
import torch
import torch.nn as nn
from .parts import act
from netpackage import parts

class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.f = nn.Linear(3, 2)
    def forward(self, x):
        return act(self.f(x)) + parts.ONE
"""


@pytest.fixture
def package(tmp_path, monkeypatch):
    """A package with a model of a class of its own, and what that model gives for ones."""
    folder = tmp_path / "source" / "netpackage"
    folder.mkdir(parents=True)
    (folder / "__init__.py").write_text("")
    (folder / "parts.py").write_text("import torch\nONE = 1\ndef act(x):\n    return torch.relu(x)\n")
    (folder / "net.py").write_text(NET)
    monkeypatch.syspath_prepend(str(tmp_path / "source"))
    import netpackage.net

    model = netpackage.net.Net()
    with PackageExporter(str(tmp_path / "p.pt")) as out:
        out.intern("netpackage.**")
        out.extern("torch.**")
        out.save_pickle("model", "model.pkl", model)
        out.save_text("model", "notes.txt", "hello")
    for name in [n for n in sys.modules if n.startswith("netpackage")]:
        del sys.modules[name]
    return tmp_path / "p.pt", model(pt.ones(1, 3)).tolist()


def test_a_model_comes_with_its_code(package):
    path, expected = package
    importer = rl.package.PackageImporter(path)
    model = importer.load_pickle("model", "model.pkl")
    assert isinstance(model, rl.nn.Module)
    assert model(rl.ones(1, 3)).tolist()[0] == pytest.approx(expected[0], rel=1e-5)
    assert importer.load_text("model", "notes.txt") == "hello"
    assert importer.import_module("netpackage.parts").ONE == 1
    assert "netpackage" not in sys.modules
    with pytest.raises(ModuleNotFoundError, match="netpackage.nothing"):
        importer.import_module("netpackage.nothing")
    with pytest.raises(FileNotFoundError, match=r"model/other\.txt"):
        importer.load_text("model", "other.txt")


def test_what_is_no_package_says_so(package, tmp_path):
    with pytest.raises(RuntimeError):
        rl.package.PackageImporter(io.BytesIO(b"PK\3\4 no zip"))
    with zipfile.ZipFile(tmp_path / "x.zip", "w") as z:
        z.writestr("a/b", "c")
    with pytest.raises(RuntimeError, match="no package"):
        rl.package.PackageImporter(tmp_path / "x.zip")
    with pytest.raises(ImportError, match="disallowed"):
        rl.package.PackageImporter(package[0], module_allowed=lambda name: False)

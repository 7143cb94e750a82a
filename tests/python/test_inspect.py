"""What `rushlight inspect` says of files, `convert`, archives for the lite interpreter, and exported programs."""

import io
import json
import subprocess
import sys
import zipfile

import numpy as np
import pytest
import torch as pt
from rushlight._inspect import convert, inspect, main

import rushlight as rl


class Net(rl.nn.Module):
    def __init__(self):
        super().__init__()
        self.fc = rl.nn.Linear(3, 2)

    def forward(self, x, n: int):
        out = []
        for i in range(n):
            if i > 1:
                x = x + i
            else:
                x = x * 2
            while bool(x.sum() < 3):
                x = x + 1
            out.append(self.fc(x))
        pair = (out[0], len(out))
        first, count = pair
        return first, count, {"k": out[-1]}, None if n > 2 else n, f"{n} of {count}"


def test_a_checkpoint_is_described(tmp_path):
    rl.save({"model": {"w": rl.zeros(2, 3)}, "steps": [rl.ones(4, dtype=rl.int64)]}, tmp_path / "c.pt")
    report = inspect(tmp_path / "c.pt")
    assert report["kind"] == "checkpoint (torch.save)"
    assert report["tensors"] == [
        {"name": "model.w", "dtype": "float32", "shape": [2, 3], "bytes": 24},
        {"name": "steps.0", "dtype": "int64", "shape": [4], "bytes": 32},
    ]
    assert report["facts"]["version"] == 3


@pytest.mark.parametrize("kind", ["legacy", "safetensors"])
def test_other_formats_are_described(kind, tmp_path):
    if kind == "legacy":
        pt.save({"w": pt.zeros(2, 3)}, tmp_path / "f", _use_new_zipfile_serialization=False)
    else:
        rl.safetensors.save_file({"w": rl.zeros(2, 3)}, str(tmp_path / "f"), {"made": "here"})
    report = inspect(tmp_path / "f")
    assert [(t["name"], t["shape"]) for t in report["tensors"]] == [("w", [2, 3])]
    assert kind in report["kind"] or "before 1.6" in report["kind"]


def test_an_archive_is_described_without_running_it(tmp_path, capsys):
    rl.jit.script(Net()).save(tmp_path / "m.pt")
    report = inspect(tmp_path / "m.pt", code=True)
    operators = {o["name"]: o for o in report["operators"]}
    assert operators["aten::linear"]["known"] and operators["aten::add"]["calls"] >= 1
    assert "class Net(Module)" in report["code"]["code/__torch__/test_inspect.py"]
    assert {t["name"] for t in report["tensors"]} == {"fc.weight", "fc.bias"}
    assert main(["inspect", str(tmp_path / "m.pt"), "--code", "--graph"]) == 0
    text = capsys.readouterr().out
    assert "TorchScript archive" in text and "fc.weight" in text and "graph(" in text and "class Net" in text
    assert main(["inspect", str(tmp_path / "m.pt"), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["kind"] == "TorchScript archive"


def rewritten(path, change):
    """The bytes of an archive whose entries went through change(name, body)."""
    out = io.BytesIO()
    with zipfile.ZipFile(path) as old, zipfile.ZipFile(out, "w") as new:
        for name in old.namelist():
            new.writestr(name, change(name, old.read(name)))
    return out.getvalue()


def test_operators_that_are_missing_are_named_all_at_once(tmp_path):
    rl.jit.script(Net()).save(tmp_path / "m.pt")
    changed = rewritten(
        tmp_path / "m.pt",
        lambda name, body: body.replace(b"torch.sum(", b"torch.summ(").replace(b"torch.linear(", b"ops.mine.linear("),
    )
    (tmp_path / "x.pt").write_bytes(changed)
    with pytest.raises(RuntimeError, match=r"Unknown builtin ops: aten::summ, mine::linear"):
        rl.jit.load(tmp_path / "x.pt")
    unknown = [o["name"] for o in inspect(tmp_path / "x.pt")["operators"] if not o["known"]]
    assert unknown == ["aten::summ", "mine::linear"]


@pytest.mark.parametrize("cut", [0, 1, 30, 200, -30, -1])
def test_damaged_files_are_one_error(cut, tmp_path, capsys):
    rl.jit.script(Net()).save(tmp_path / "m.pt")
    body = (tmp_path / "m.pt").read_bytes()
    (tmp_path / "cut.pt").write_bytes(body[:cut])
    assert main(["inspect", str(tmp_path / "cut.pt")]) == 1
    assert "rushlight inspect:" in capsys.readouterr().err
    assert main(["inspect", str(tmp_path / "nothing.pt")]) == 1


def test_the_command(tmp_path):
    rl.save({"w": rl.zeros(2)}, tmp_path / "c.pt")
    run = subprocess.run(
        [sys.executable, "-m", "rushlight", "inspect", str(tmp_path / "c.pt")],
        capture_output=True,
        text=True,
        check=True,
    )
    assert "checkpoint (torch.save)" in run.stdout and "float32" in run.stdout


def test_conversions(tmp_path):
    rl.save({"w": rl.ones(2, 3)}, tmp_path / "c.pt")
    convert(str(tmp_path / "c.pt"), str(tmp_path / "c.safetensors"))
    convert(str(tmp_path / "c.safetensors"), str(tmp_path / "again.pth"))
    assert rl.equal(rl.load(tmp_path / "again.pth")["w"], rl.ones(2, 3))
    rl.jit.script(Net()).save(tmp_path / "m.pt")
    convert(str(tmp_path / "m.pt"), str(tmp_path / "m.ptl"))
    assert "bytecode" in inspect(tmp_path / "m.ptl")["kind"]
    with pytest.raises(ValueError, match="can't be written as .png"):
        convert(str(tmp_path / "c.pt"), str(tmp_path / "c.png"))


# ---- the lite interpreter


def test_bytecode_runs_in_pytorchs_lite_interpreter():
    from torch.jit.mobile import _load_for_lite_interpreter

    ours = rl.jit.script(Net())
    data = ours._save_to_buffer_for_lite_interpreter()
    x = np.random.default_rng(0).normal(size=(4, 3)).astype(np.float32)
    theirs = _load_for_lite_interpreter(io.BytesIO(data))
    here = rl.jit.mobile._load_for_lite_interpreter(io.BytesIO(data))
    for n in (1, 2, 4):
        a, b, c = theirs(pt.from_numpy(x), n), ours(rl.from_numpy(x), n), here(rl.from_numpy(x), n)
        np.testing.assert_allclose(a[0].detach().numpy(), b[0].detach().numpy(), rtol=1e-5, atol=1e-6)
        np.testing.assert_allclose(a[2]["k"].detach().numpy(), b[2]["k"].detach().numpy(), rtol=1e-5, atol=1e-6)
        assert (a[1], a[3], a[4]) == (b[1], b[3], b[4]) == (c[1], c[3], c[4])


# ---- exported programs


class Small(pt.nn.Module):
    def __init__(self):
        super().__init__()
        self.c, self.f = pt.nn.Conv2d(2, 3, 3), pt.nn.Linear(48, 5)
        self.bn = pt.nn.BatchNorm2d(3)
        self.register_buffer("seen", pt.zeros(1))

    def forward(self, x, pair, scale: float = 2.0):
        y = self.bn(pt.relu(self.c(x))).flatten(1)
        self.seen.add_(1)
        a, b = pair
        parts = pt.chunk(self.f(y), 2, dim=1)
        return {"y": parts[0] * scale + a, "n": (parts[1].sum(), b.view(x.shape[0], -1).max(1)[0])}


def exported(tmp_path, dynamic=None):
    pt.manual_seed(0)
    model = Small().eval()
    args = (pt.randn(4, 2, 6, 6), (pt.randn(4, 1), pt.randn(4, 6)))
    shapes = None
    if dynamic:
        batch = pt.export.Dim("batch", min=2, max=9)
        shapes = {"x": {0: batch}, "pair": ({0: batch}, {0: batch})}
    program = pt.export.export(model, args, dynamic_shapes=shapes, strict=False)
    pt.export.save(program, tmp_path / "m.pt2")
    return model, args


def to_rl(tree):
    return rl.utils._pytree.tree_map(lambda t: rl.from_numpy(t.detach().numpy()), tree)


def test_a_program_that_pytorch_exported_runs(tmp_path):
    model, args = exported(tmp_path)
    program = rl.export.load(tmp_path / "m.pt2")
    module = program.module()
    for _ in range(2):
        ours, theirs = module(*to_rl(args)), model(*args)
    np.testing.assert_allclose(ours["y"].detach().numpy(), theirs["y"].detach().numpy(), rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(ours["n"][1].detach().numpy(), theirs["n"][1].detach().numpy(), rtol=1e-4)
    assert module.seen.item() == model.seen.item()
    ours["y"].sum().backward()
    assert module.f.weight.grad.abs().sum() > 0
    with pytest.raises(RuntimeError, match="of size 4 in dimension 0"):
        module(*to_rl((args[0][:2], args[1])))
    with pytest.raises(RuntimeError, match="dtype torch.float32"):
        module(rl.from_numpy(args[0].double().numpy()), to_rl(args[1]))
    with pytest.raises(ValueError, match="structure"):
        module(to_rl(args[0]))
    assert inspect(tmp_path / "m.pt2")["kind"] == "exported program (torch.export)"


def test_dynamic_sizes_are_checked(tmp_path):
    model, (x, (a, b)) = exported(tmp_path, dynamic=True)
    module = rl.export.load(tmp_path / "m.pt2").module()
    three = (x[:3], (a[:3], b[:3]))
    np.testing.assert_allclose(
        module(*to_rl(three))["y"].detach().numpy(), model(*three)["y"].detach().numpy(), rtol=1e-4, atol=1e-5
    )
    with pytest.raises(RuntimeError, match="from 2 to 9"):
        module(*to_rl((x.repeat(3, 1, 1, 1), (a.repeat(3, 1), b.repeat(3, 1)))))
    with pytest.raises(RuntimeError, match="as another input has"):
        module(*to_rl((x, (a[:3], b))))


@pytest.mark.parametrize(
    "old,new",
    [
        (b'"torch.ops.aten.relu.default"', b'"torch.ops.aten.relu(x);import os"'),
        (b'"torch.ops.aten.relu.default"', b'"os.system"'),
        (b'"as_tensor": {"name": "x"}', b'"as_tensor": {"name": "x y"}'),
        (b'"nodes": [', b'"nodes": {}, "more": ['),
        (b'"as_int": 48', b'"as_int": 480000000000'),
        (b"{", b"["),
        (b'"dtype": 7', b'"dtype": 99'),
    ],
)
def test_damage_to_a_program_is_one_error(old, new, tmp_path):
    exported(tmp_path)
    data = rewritten(tmp_path / "m.pt2", lambda name, body: body.replace(old, new) if name.endswith(".json") else body)
    with pytest.raises((RuntimeError, ValueError)):
        rl.export.load(io.BytesIO(data))


def test_an_onnx_model_is_described(tmp_path, capsys):
    path = tmp_path / "m.onnx"
    model = rl.nn.Sequential(rl.nn.Linear(3, 2), rl.nn.ReLU())
    rl.onnx.register_custom_op_symbolic("aten::relu", lambda g, x: g.op("mine::Relu", x), 9)
    try:
        rl.onnx.export(model, rl.zeros(4, 3), path, input_names=["x"], dynamic_axes={"x": {0: "n"}}, dynamo=False)
    finally:
        rl.onnx.unregister_custom_op_symbolic("aten::relu", 9)
    report = inspect(path)
    assert report["kind"] == "ONNX model"
    assert report["facts"] == {"ir_version": "8", "opset": "18", "opset of mine": "1", "producer": "rushlight "}
    assert report["inputs"] == [{"name": "x", "type": "float[n, 3]"}]
    assert [(t["name"], t["dtype"], t["shape"], t["bytes"]) for t in report["tensors"]] == [
        ("0.weight", "float", [2, 3], 24),
        ("0.bias", "float", [2], 8),
    ]
    known = {o["name"]: o["known"] for o in report["operators"]}
    assert known["Gemm"] and known["mine::Relu"] is False
    assert main(["inspect", str(path)]) == 0
    out = capsys.readouterr().out
    assert "mine::Relu  1  not in this build" in out and "float[n, 3]" in out
    path.write_bytes(path.read_bytes()[:-9])
    with pytest.raises(RuntimeError, match="inspect"):
        inspect(path)
    (tmp_path / "text.onnx").write_text("no model")
    with pytest.raises(RuntimeError, match="inspect"):
        inspect(tmp_path / "text.onnx")


def test_an_onnx_model_becomes_an_archive(tmp_path):
    model = rl.nn.Sequential(rl.nn.Conv2d(3, 4, 3), rl.nn.ReLU(), rl.nn.Flatten(), rl.nn.Linear(36, 2))
    x = rl.randn(2, 3, 5, 5)
    rl.onnx.export(model, x, tmp_path / "m.onnx", dynamo=False)
    convert(str(tmp_path / "m.onnx"), str(tmp_path / "m.pt"))
    again = pt.jit.load(str(tmp_path / "m.pt"))
    np.testing.assert_allclose(
        again(pt.from_numpy(x.numpy())).detach().numpy(), model(x).detach().numpy(), rtol=1e-5, atol=1e-6
    )

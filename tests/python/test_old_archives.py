"""Archives of PyTorch 1.0 to 1.12: model.json, and operators that mean what they meant when the file was written."""

import io
import json
import pickle
import zipfile

import pytest

import rushlight as torch


def archive(files):
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as z:
        for name, content in files.items():
            z.writestr("m/" + name, content)
    out.seek(0)
    return out


def tensor(numbers, key, dims=None, kind="FLOAT", grad=False):
    dims = [len(numbers)] if dims is None else dims
    strides = [1] if len(dims) == 1 else [dims[1], 1]
    return {"dims": [str(d) for d in dims], "strides": [str(s) for s in strides], "offset": "0", "requiresGrad": grad,
            "dataType": kind, "data": {"key": key}, "device": "cpu"}  # fmt: skip


def bytes_of(numbers):
    return torch.tensor(numbers).numpy().tobytes()


CODE = """op_version_set = 0
def forward(self,
    x: Tensor) -> Tensor:
  y = torch.mul(x, getattr(self.inner, "0").weight)
  if bool(torch.gt(torch.sum(y), 100.)):
    y = torch.neg(y)
  return torch.add(torch.add(y, self.inner.offset), CONSTANTS.c1, alpha=1)
def twice(self,
    x: Tensor) -> Tensor:
  return torch.mul(x, 2)
"""


def old(**changes):
    leaf = {
        "name": "0",
        "optimize": True,
        "parameters": [{"name": "weight", "tensorId": "0", "isBuffer": False}],
    }
    inner = {
        "name": "inner",
        "parameters": [{"name": "offset", "tensorId": "1", "isBuffer": True}],
        "submodules": [leaf],
    }
    model = {
        "protoVersion": "1",
        "producerName": "pytorch",
        "mainModule": {"name": "m", "torchscriptArena": {"key": "code/m.py"}, "submodules": [inner]},
        "tensors": [tensor([2.0, 3.0], "tensors/0", grad=True), tensor([10.0, 10.0], "tensors/1")],
    }
    files = {
        "version": "1\n",
        "model.json": json.dumps(model),
        "code/m.py": CODE,
        "tensors/0": bytes_of([2.0, 3.0]),
        "tensors/1": bytes_of([10.0, 10.0]),
    }
    return archive({name: content for name, content in {**files, **changes}.items() if content is not None})


def test_model_json():
    module = torch.jit.load(old())
    assert module(torch.ones(2)).tolist() == [22, 23] and module.twice(torch.ones(1)).item() == 2
    assert [(n, p.requires_grad) for n, p in module.named_parameters()] == [("inner.0.weight", True)]
    assert [n for n, _ in module.named_buffers()] == ["inner.offset"]
    module(torch.ones(2)).sum().backward()
    assert getattr(module.inner, "0").weight.grad.tolist() == [1, 1]
    out = io.BytesIO()
    module.save(out)
    out.seek(0)
    assert torch.jit.load(out)(torch.ones(2)).tolist() == [22, 23]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"tensors/1": None}, "no entry 'tensors/1'"),
        ({"tensors/1": b"123"}, "outside of its storage"),
        ({"model.json": "{"}, "damaged"),
        ({"model.json": '{"tensors": [{"dataType": "ODD"}]}'}, "unknown type ODD"),
        ({"model.json": '{"mainModule": {"parameters": [{"name": "w", "tensorId": "7"}]}}'}, "no tensor 7"),
        ({"model.json": '{"mainModule": {"attributes": [{"name": "w", "type": "int", "id": "7"}]}}'}, "no value 7"),
        ({"model.json": '{"mainModule": ' + '{"submodules": [' * 300 + "]}" * 300 + "}"}, "100 deep"),
    ],
)
def test_damaged_model_json(changes, message):
    with pytest.raises((RuntimeError, pickle.UnpicklingError), match=message):
        torch.jit.load(old(**changes))


def with_version(body, version, debug=None, arguments="x: Tensor,\n    y: Tensor"):
    code = f"class M(Module):\n  __parameters__ = []\n  def forward(self: __torch__.M,\n    {arguments}) -> Tensor:\n    {body}\n"
    out = io.BytesIO()
    module = torch.jit.script(torch.nn.Identity())
    module.save(out)
    files = {"version": f"{version}\n", "code/__torch__.py": code}
    with zipfile.ZipFile(out) as z:
        files["data.pkl"] = b"\x80\x02c__torch__\nM\nq\x00)\x81}b."
        files["constants.pkl"] = z.read("archive/constants.pkl")
    if debug is not None:
        files["code/__torch__.py.debug_pkl"] = debug
    return torch.jit.load(archive(files))


def test_integer_division_of_versions():
    x, y = torch.tensor([-7, 7]), torch.tensor([2, 2])
    assert with_version("return torch.div(x, y)", 3)(x, y).tolist() == [-3, 3]
    assert with_version("return torch.div(x, y)", 4)(x, y).tolist() == [-3.5, 3.5]
    assert with_version("return torch.div(x, 2)", 3)(x, y).tolist() == [-3, 3]
    assert with_version("return torch.div(x, 2.)", 3)(x, y).tolist() == [-3.5, 3.5]
    assert with_version("return torch.div(x, y)", 3)(x.float(), y).tolist() == [-3.5, 3.5]
    assert with_version("return torch.div_(x, y)", 3)(x.clone(), y).tolist() == [-3, 3]


def test_floor_divide_of_before_1_13():
    x, y = torch.tensor([-7, 7]), torch.tensor([2, 2])
    old_debug, new_debug = b"\x80\x02(t.", b"\x80\x02X\x18\x00\x00\x00FORMAT_WITH_STRING_TABLEq\x00."
    assert with_version("return torch.floor_divide(x, y)", 3)(x, y).tolist() == [-4, 3]
    assert with_version("return torch.floor_divide(x, y)", 3, new_debug)(x, y).tolist() == [-4, 3]
    module = with_version("return torch.floor_divide(x, torch.neg(torch.neg(y)))", 3, old_debug)
    assert module(x, y).tolist() == [-3, 3]
    out = io.BytesIO()
    module.save(out)  # what is written says it in today's words
    out.seek(0)
    assert torch.jit.load(out)(x, y).tolist() == [-3, 3]


def test_full_of_before_version_5():
    x = torch.ones(2)
    assert with_version("return torch.full([2], 3)", 4)(x, x).dtype == torch.float32
    assert with_version("return torch.full([2], 3)", 5)(x, x).dtype == torch.int64
    assert with_version("return torch.full([2], 3, dtype=3)", 4)(x, x).dtype == torch.int32


def test_interpolation_of_old_versions():
    x = torch.arange(4.0).reshape(1, 1, 2, 2)
    interpolate = torch.nn.functional.interpolate
    body = 'return torch.__interpolate(x, None, 1.7, "bilinear", False)'
    wanted = interpolate(x, scale_factor=1.7, mode="bilinear", align_corners=False, recompute_scale_factor=True)
    assert torch.equal(with_version(body, 1)(x, x), wanted)
    body = 'return torch.__interpolate(x, [3, 5], None, "nearest", None)'
    assert torch.equal(with_version(body, 1)(x, x), interpolate(x, size=(3, 5)))
    body = "return torch.upsample_nearest2d(x, [4, 4], 2., 2.)"
    assert torch.equal(with_version(body, 3)(x, x), interpolate(x, scale_factor=2))
    body = "return torch.upsample_bilinear2d(x, [4, 5], False)"
    assert torch.equal(with_version(body, 3)(x, x), interpolate(x, size=(4, 5), mode="bilinear"))
    body = "return torch.upsample_bilinear2d(x, [3, 3], False, 1.7, 1.7)"
    assert torch.equal(with_version(body, 3)(x, x), interpolate(x, scale_factor=1.7, mode="bilinear"))

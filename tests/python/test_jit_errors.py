"""What is no TorchScript, and damaged and hostile archives: an error with its place, in bounded time and memory."""

import importlib.util
import io
import zipfile

import pytest

import rushlight as torch
from rushlight import nn

OUTSIDE = {
    "lambda": ("return (lambda y: y)(x)", "lambda functions are not supported"),
    "try": ("try:\n        return x\n    except ValueError:\n        return -x", "'try' is not supported"),
    "global": ("global z\n    return x", "'global' is not supported"),
    "yield": ("yield x", "'yield' is not supported"),
    "import": ("import os\n    return x", "'import' is not supported"),
    "with": (
        "with open(x) as g:\n        return x",
        "cannot be used in TorchScript|With item expression|undefined value",
    ),
    "nested class": ("class A:\n        pass\n    return x", "this statement is not supported"),
    "del and use": ("del x\n    return x", "no value"),
    "print to file": ("print(x, file=sys.stderr)\n    return x", "print doesn't accept any keyword arguments"),
    "walrus": ("return (n := 3)", "assignment expressions are not supported"),
    "set": ("return {1, 2}", "sets are not supported"),
    "unknown name": ("return undefined_thing(x)", "undefined value undefined_thing"),
    "large integer": ("return 99999999999999999999999", "does not fit in 64 bits"),
    "format": ("return f'{x:{x}}'", "fields in the format specification"),
    "long sum": ("return " + "+".join(["x"] * 1200), "more than 1000 levels"),
}


def function_of(tmp_path, text, head="def f(x):"):
    path = tmp_path / "outside.py"
    path.write_text(f"import sys\n\n\n{head}\n    {text}\n")
    spec = importlib.util.spec_from_file_location("outside", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.f


@pytest.mark.parametrize("what", OUTSIDE)
def test_text_outside_of_the_subset(tmp_path, what):
    text, message = OUTSIDE[what]
    with pytest.raises(RuntimeError, match=message) as error:
        torch.jit.script(function_of(tmp_path, text))
    assert "<--- HERE" in str(error.value)
    assert 'outside.py", line' in str(error.value)


@pytest.mark.parametrize(
    ("head", "message"),
    [
        ("def f(*x):", "variable number"),
        ("def f(x, **k):", "variable number of arguments"),
        ("async def f(x):", "'async' is not supported"),
    ],
)
def test_signatures_outside_of_the_subset(tmp_path, head, message):
    with pytest.raises(RuntimeError, match=message) as error:
        torch.jit.script(function_of(tmp_path, "return x", head))
    assert "<--- HERE" in str(error.value)


class Small(nn.Module):
    def __init__(self):
        super().__init__()
        self.inner = nn.Linear(1, 1)

    def forward(self, x):
        return self.inner(x) * 2


def archive() -> bytes:
    buffer = io.BytesIO()
    torch.jit.script(Small()).save(buffer)
    return buffer.getvalue()


def use(data: bytes) -> None:
    """Loads and runs; any error but RuntimeError and its like is a fault."""
    try:
        torch.jit.load(io.BytesIO(data))(torch.ones(1))
    except (RuntimeError, ValueError, TypeError, IndexError, AttributeError, KeyError, OSError):
        pass
    except Exception as error:
        assert type(error).__name__ == "UnpicklingError", error


def test_every_byte_flipped():
    whole = archive()
    for i in range(len(whole)):
        damaged = bytearray(whole)
        damaged[i] ^= 0xFF if i % 2 else 1 << i % 8
        use(bytes(damaged))


def test_cut_anywhere():
    whole = archive()
    for size in range(0, len(whole), 7):
        with pytest.raises(RuntimeError):
            torch.jit.load(io.BytesIO(whole[:size]))


def changed(change) -> bytes:
    """The archive with its code, whose checksums are right, changed."""
    out = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(archive())) as old, zipfile.ZipFile(out, "w", zipfile.ZIP_STORED) as new:
        for name in old.namelist():
            data = old.read(name)
            new.writestr(name, change(name, data))
    return out.getvalue()


def with_body(body: str, more: str = "") -> bytes:
    def change(name, data):
        if not (name.endswith(".py") and "test_jit_errors" in name):
            return data
        head = data.decode().split("  def forward")[0]
        return f"{head}  def forward(self, x: Tensor) -> Tensor:\n{body}{more}".encode()

    return changed(change)


def test_damage_under_a_right_checksum():
    for entry in ("data.pkl", ".py"):
        size = len(next(d for n, d in entries() if n.endswith(entry)))
        for i in range(size):

            def flip(name, data, at=i, end=entry):
                if not name.endswith(end) or at >= len(data):
                    return data
                return data[:at] + bytes([data[at] ^ 4]) + data[at + 1 :]

            use(changed(flip))


def entries():
    with zipfile.ZipFile(io.BytesIO(archive())) as z:
        return [(n, z.read(n)) for n in z.namelist()]


doubling = "".join(
    f"  def f{i}(self, x: Tensor) -> Tensor:\n    return torch.add(self.f{i - 1}(x), self.f{i - 1}(x))\n"
    for i in range(1, 30)
)
HOSTILE = {
    "a number for a tensor": "    return torch.relu(unchecked_cast(Tensor, 5))\n",
    "nothing for a tensor": "    return torch.relu(unchecked_cast(Tensor, None))\n",
    "a string for an object": "    return torch.relu(unchecked_cast(__torch__.no.Such, x))\n",
    "a constant that is not there": "    return torch.add(x, CONSTANTS.c99999999999999999999)\n",
    "a number beyond all": "    return torch.mul(x, 1e99999)\n",
    "deep brackets": "    return " + "(" * 100_000 + "x" + ")" * 100_000 + "\n",
    "a long sum": "    return " + "+".join(["x"] * 100_000) + "\n",
    "many attributes": "    return x" + ".a" * 100_000 + "\n",
    "branches in branches": "".join(f"{'  ' * (i + 2)}if True:\n" for i in range(2000)) + "  " * 2003 + "return x\n",
    "branches that exit": "    b = torch.gt(torch.sum(x), 0)\n"
    + "    if bool(b):\n      if bool(b):\n        return x\n" * 300
    + "    return x\n",
    "elif": "    if bool(x):\n      y = x\n"
    + "    elif bool(x):\n      y = x\n" * 50_000
    + "    else:\n      y = x\n    return y\n",
    "a tuple of another size": "    a, b = unchecked_cast(Tuple[Tensor, Tensor], (x,))\n    return b\n",
}


@pytest.mark.parametrize("what", HOSTILE)
def test_hostile_code(what):
    use(with_body(HOSTILE[what]))


def test_methods_that_double():
    data = with_body("    return self.f29(x)\n", "  def f0(self, x: Tensor) -> Tensor:\n    return x\n" + doubling)
    assert "prim::CallMethod" in str(torch.jit.load(io.BytesIO(data)).inlined_graph)  # not all of them


def test_errors_in_an_archive_name_its_file():
    with pytest.raises(RuntimeError, match=r"code/__torch__/test_jit_errors.*.py\", line \d+"):
        torch.jit.load(io.BytesIO(with_body("    return torch.no_such_operator(x)\n")))(torch.ones(1))


def scaled(a: int, b: float = 2.0) -> float:
    return a * b


class Scales(torch.nn.Module):
    def forward(self, x: torch.Tensor, k: int):
        return x * k


@pytest.mark.parametrize(
    ("args", "kwargs", "message"),
    [
        (("s",), {}, "value of type 'int' for argument 'a' but instead found type 'str'"),
        ((None,), {}, "instead found type 'NoneType'"),
        ((1.5,), {}, "instead found type 'float'"),
        ((), {}, "missing value for argument 'a'"),
        ((1, 2, 3), {}, "at most 2 argument"),
        ((1,), {"c": 2}, "unexpected keyword argument 'c'"),
        ((1,), {"a": 2}, "argument 'a' both by position and by name"),
    ],
)
def test_wrong_arguments_raise_what_pytorch_raises(args, kwargs, message):
    with pytest.raises(RuntimeError, match=message):
        torch.jit.script(scaled)(*args, **kwargs)


def test_numbers_for_numbers_only():
    assert torch.jit.script(scaled)(True) == 2.0
    with pytest.raises(RuntimeError, match="value of type 'Tensor' for argument 'x' but instead found type 'int'"):
        torch.jit.script(Scales())(1, 2)


def test_a_module_without_source_is_refused():
    names = {"torch": torch}
    exec("class M(torch.nn.Module):\n    def forward(self, x):\n        return x\n", names)
    with pytest.raises(OSError, match="Can't get source"):
        torch.jit.script(names["M"]())

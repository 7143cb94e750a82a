"""The script language: functions of script/expressions.txt and of the files of script/ give in a script what they give in Python.

A line of expressions.txt is `arguments | expression | values; values`. After `! ` it is refused while compiling, and after `~ ` the
result is PyTorch's where that is not Python's (a list for a torch.Size, and its like).
"""

import contextlib
import copy
import importlib.util
import io
import math
import sys
from pathlib import Path

import pytest
import torch as reference

import rushlight

FOLDER = Path(__file__).parent / "script"
TOPICS = ["names", "loops", "containers", "types", "tensors", "errors", "programs"]
HEAD = "import math\nfrom typing import *\nimport torch\nCASES = []\nMARKS = []\n"


def expressions() -> str:
    out = HEAD
    lines = [
        line for line in (FOLDER / "expressions.txt").read_text().splitlines() if line and not line.startswith("#")
    ]
    for n, line in enumerate(lines):
        mark = line[0] if line[:2] in ("! ", "~ ") else ""
        arguments, rest = line[2 if mark else 0 :].split(" | ", 1)
        text, values = rest.rsplit(" | ", 1)
        calls = "".join(f"({v.strip()}{',' if v.strip() else ''}), " for v in values.split(";"))
        out += f"\ndef e{n}({arguments}):\n    return {text}\nCASES.append((e{n}, [{calls}]))\nMARKS.append({mark!r})\n"
    return out


def load(folder, name, text, ours):
    if ours:
        text = text.replace("import torch\n", "import rushlight as torch\n").replace(
            "from torch import", "from rushlight import"
        )
    path = folder / f"script_{name}_{'ours' if ours else 'theirs'}.py"
    path.write_text(text)
    spec = importlib.util.spec_from_file_location(path.stem, path)
    module = importlib.util.module_from_spec(spec)
    sys.modules[path.stem] = module
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def modules(tmp_path_factory):
    folder = tmp_path_factory.mktemp("script")
    return {
        (name, ours): load(folder, name, text, ours)
        for name, text in (
            ("expressions", expressions()),
            *((n, "".join((FOLDER / f"{part}.py").read_text() for part in ("head", n))) for n in TOPICS),
            ("classes", (FOLDER / "classes.py").read_text()),
        )
        for ours in (True, False)
    }


def is_tensor(v):
    return isinstance(v, (reference.Tensor, rushlight.Tensor))


def plain(v):
    if is_tensor(v):
        return ("tensor", str(v.dtype).split(".")[-1], list(v.shape), plain(v.detach().tolist()))
    if isinstance(v, (reference.dtype, rushlight.dtype)):
        return str(v).split(".")[-1]
    if isinstance(v, float):
        return "nan" if math.isnan(v) else float(f"{v:.12g}")
    if isinstance(v, dict):
        return [(plain(a), plain(b)) for a, b in v.items()]
    if isinstance(v, (list, tuple)):
        return type(v)(map(plain, v)) if type(v) in (list, tuple) else tuple(map(plain, v))
    return v


def fresh(args):
    return tuple(
        a.detach().clone().requires_grad_(a.requires_grad)
        if is_tensor(a)
        else a
        if hasattr(a, "_fields")
        else [x.clone() for x in a]
        if isinstance(a, list) and a and is_tensor(a[0])
        else copy.deepcopy(a)
        for a in args
    )


def result(function, args):
    """What a call gives, or the class of its error."""
    with contextlib.redirect_stdout(io.StringIO()):
        try:
            return plain(function(*fresh(args)))
        except Exception as error:
            assert str(error) or isinstance(error, AssertionError), "an error without a message"
            return Exception


def differences(module, theirs, marks):
    out = []
    for i, (function, calls) in enumerate(module.CASES):
        mark = marks(function.__name__, i)
        name = function.__name__
        try:
            scripted = rushlight.jit.script(function)
        except RuntimeError as error:
            if mark != "!":
                out.append(f"{name}: {str(error).strip()[:300]}")
            continue
        if mark == "!":
            out.append(f"{name} compiles")
            continue
        for k, args in enumerate(calls or [()]):
            if mark == "~":
                f, c = theirs.CASES[i]
                wanted = result(reference.jit.script(f), (c or [()])[k])
            else:
                wanted = result(function, args)
            got = result(scripted, args)
            if got != wanted:
                out.append(f"{name}{args}: {got}, not {wanted}")
    return out


def test_expressions(modules):
    module = modules["expressions", True]
    assert not differences(module, modules["expressions", False], lambda _, i: module.MARKS[i])


@pytest.mark.parametrize("name", [*TOPICS, "classes"])
def test_programs(modules, name):
    module = modules[name, True]
    marks = {**dict.fromkeys(module.REFUSED, "!"), **dict.fromkeys(module.AS_PYTORCH, "~")}
    assert not differences(module, modules[name, False], lambda name, _: marks.get(name, ""))


# Integers of Python's grow; a script says that its own can't.
OVERFLOWS = [("a + b", 2**62, 2**62), ("a - b", -(2**63), 1), ("a * b", 2**40, 2**40), ("a << b", 1, 70), ("a // b", -(2**63), -1), ("-a", -(2**63), 0),
             ("abs(a)", -(2**63), 0), ("int(a * 1e300)", 1, 0), ("math.floor(a * 1e300)", 1, 0), ("sum([a, b])", 2**62, 2**62), ("int('9223372036854775807') + a", 1, 0),
             ("math.factorial(a)", 21, 0), ("int(str(a) + '0')", 2**62, 0)]  # fmt: skip


@pytest.mark.parametrize(("text", "a", "b"), OVERFLOWS)
def test_integers_that_do_not_fit_are_errors(tmp_path, text, a, b):
    text = f"import math\nimport torch\n\ndef f(a: int, b: int):\n    return {text}\n"
    f = rushlight.jit.script(load(tmp_path, "overflow", text, True).f)
    with pytest.raises(RuntimeError, match="does not fit in 64 bits"):
        f(a, b)
    assert isinstance(f(0, 1), int)

"""Facts on operators stand in their records: no list elsewhere names some of them."""

import json
import os
import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
RECORDS = Path(os.environ.get("RUSHLIGHT_BUILD", ROOT / "build")) / "generated" / "records.json"

# What these lists say is of Python's language or modules, which have names of their own for what operators do.
OF_PYTHON = {
    "python/rushlight/utils/flop_counter.py": "operators whose sizes PyTorch's table of formulas goes by",
    "python/rushlight/func/_functionalize.py": "views that undo themselves, of those whose inverses it knows",
    "python/rushlight/export/_text.py": "functions of the module operator",
    "python/rushlight/onnx/_opset_functions.py": "nodes of ONNX by the names that symbolic_opset9 gives their functions",
    "python/rushlight/fx/_codegen.py": "how operators of Python are written",
    "python/rushlight/masked/__init__.py": "its own reductions, each with what a hidden element counts as",
    "python/rushlight/masked/maskedtensor/_rules.py": "which of its rules PyTorch's MaskedTensor has for an operator; signs of Python",
    "python/rushlight/masked/maskedtensor/reductions.py": "the reductions of MaskedTensors, a public list of PyTorch's",
    "python/rushlight/nn/init.py": "calculate_gain's names of nonlinearities",
    "python/src/py_number.cpp": "Python's comparisons",
    "rushlight/graph/executor/compiler.cpp": "operators of Python on numbers",
    "rushlight/graph/passes/groups.cpp": "what oneDNN has a function for",
    "rushlight/onnx/export.cpp": "comparisons of numbers that the examples decide",
    "rushlight/quantized/builtins.cpp": "what has a kernel for quantised tensors, as a library registers them",
    "rushlight/script/builtins.cpp": "the modules math and builtins",
    "rushlight/script/expressions.cpp": "operators of Python",
    "rushlight/script/operator_calls.cpp": "operators of Python",
    "rushlight/script/upgraders.cpp": "operators that meant something else in older versions",
}


@pytest.mark.skipif(not RECORDS.exists(), reason="needs the build folder")
def test_no_list_outside_of_the_records_names_operators():
    records = json.loads(RECORDS.read_text())
    names = {re.split(r"[.(]", s)[0] for r in records for s in r["schemas"]} | {
        a for r in records for a in r["aliases"]
    }
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "rushlight", "python", "tools"],
        cwd=ROOT, capture_output=True, text=True, check=True,
    )  # fmt: skip
    found = {}
    for name in listed.stdout.splitlines():
        if not name.endswith((".cpp", ".h", ".py")) or name.startswith("rushlight/ops/") or not (ROOT / name).is_file():
            continue
        text = re.sub(r"__all__ \+?= \[[^\]]*\]", "", (ROOT / name).read_text())  # what a module of Python shows
        for m in re.finditer(r"[{(\[]((?:[^{}()\[\];]|\{[^{}]*\})*)[})\]]", text):
            texts = re.findall(r'"(?:aten::)?(\w+)"', m[1])
            operators = [t for t in texts if t in names]
            if len(operators) >= 5 and 2 * len(operators) >= len(texts):
                found[name] = operators
    assert set(found) <= set(OF_PYTHON), {n: found[n] for n in set(found) - set(OF_PYTHON)}
    assert set(OF_PYTHON) <= set(found), f"these list none any more: {set(OF_PYTHON) - set(found)}"


def test_no_call_depends_on_an_operators_name():
    """Where one behaves in its own way, a field of its record says so."""
    asks = re.compile(r'\bname\(\) [!=]= "')
    places = [ROOT / "rushlight" / folder for folder in ("core", "kernels", "dispatch", "autograd", "transforms")]
    assert [] == [
        f"{path.relative_to(ROOT)}: {line.strip()}"
        for place in places
        for path in sorted(place.rglob("*"))
        if path.suffix in (".cpp", ".h")
        for line in path.read_text().splitlines()
        if asks.search(line)
    ]

"""Every operator in all its forms with random valid and invalid arguments: no crash, no hang, no exception but ours.

Each finding comes with the options of build/tests/operator_fuzz that repeat it; see tests/fuzz/operator_fuzz.cpp.
"""

import subprocess

import pytest
from conftest import BUILD, ROOT

# Operator: what is not mended yet. Whoever mends one takes its line away.
KNOWN: dict[str, str] = {}


def findings(first, cases, workers):
    program = BUILD / "tests" / "operator_fuzz"
    if not program.exists():
        pytest.skip("build/tests/operator_fuzz is not built")
    options = ["--first", str(first), "--cases", str(cases), "--workers", str(workers)]
    done = subprocess.run([program, ROOT / "tests/fuzz/calls.txt", *options], capture_output=True, text=True)
    assert done.returncode in (0, 1), done.stdout + done.stderr
    *found, summary = done.stdout.splitlines()
    assert "calls of" in summary, done.stdout
    shown, known = [], False
    for line in found:
        if not line.startswith(" "):
            known = line.split(":")[0] in KNOWN
        if not known:
            shown.append(line)
    return "\n".join(shown)


def test_random_calls():
    assert findings(0, 100, 1) == ""


@pytest.mark.full
@pytest.mark.parametrize("part", range(20))
def test_many_random_calls(part):
    assert findings(100 + 1000 * part, 1000, 1) == ""

"""The example programs: PyTorch takes them as they stand, and the same seed gives the same losses under `python -m rushlight`."""

import os
import re
import subprocess
import sys

import pytest
from conftest import ROOT

pytest.importorskip("torch")
pytest.importorskip("sklearn")

PROGRAMS = sorted((ROOT / "examples" / "programs").glob("*.py"))


def test_there_are_ten():
    assert len(PROGRAMS) == 10
    listed = (ROOT / "examples" / "README.md").read_text()
    assert all(f"`{program.name}`" in listed for program in PROGRAMS)


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda p: p.stem)
def test_losses_follow_pytorchs(program):
    def start(*interpreter):
        return subprocess.Popen(
            [sys.executable, "-W", "ignore", *interpreter, program, "--steps", "20"],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, "OMP_NUM_THREADS": "1"},
        )

    both = start("-m", "rushlight"), start()
    (ours, our_errors), (theirs, their_errors) = (p.communicate(timeout=300) for p in both)
    assert both[1].returncode == 0, their_errors
    assert both[0].returncode == 0, our_errors
    steps = re.compile(r"^step (\d+) loss (\S+)(?: generator (\S+))?", re.MULTILINE)
    expected = [tuple(float(n) for n in row if n) for row in steps.findall(theirs)]
    assert [row[0] for row in expected] == list(range(1, 21))
    found = [tuple(float(n) for n in row if n) for row in steps.findall(ours)]
    assert found == [pytest.approx(row, rel=1e-4) for row in expected]
    assert len({row[1] for row in expected}) == 20  # it learns
    # What comes after the steps (a score, something drawn or said) is there as well.
    assert len(ours.splitlines()) == len(theirs.splitlines()) > 20

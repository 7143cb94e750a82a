"""Programs written for PyTorch print the same under `python -m rushlight`: the numbers, for the same seed, to the digits they show."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

PROGRAMS = sorted((Path(__file__).parent / "programs").glob("*.py"))


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda p: p.stem)
def test_prints_what_it_prints_under_pytorch(program):
    def start(*interpreter):
        command = [sys.executable, "-W", "ignore", *interpreter, program]
        return subprocess.Popen(
            command,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, "OMP_NUM_THREADS": "1"},
        )

    both = start("-m", "rushlight"), start()
    (ours, our_errors), (theirs, their_errors) = (p.communicate(timeout=240) for p in both)
    assert both[1].returncode == 0, their_errors
    assert both[0].returncode == 0, our_errors
    number = re.compile(r"-?\d+\.\d*(?:e[-+]?\d+)?")  # the last digits are another summation order's on another machine
    assert number.sub("#", ours) == number.sub("#", theirs)
    assert [*map(float, number.findall(ours))] == pytest.approx(
        [*map(float, number.findall(theirs))], rel=2e-3, abs=2e-3
    )

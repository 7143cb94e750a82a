"""Packages from PyPI run on rushlight, unmodified: forward, backward, and what they are for.

Those that are installed are tried; RUSHLIGHT_TEST_PACKAGES names a folder with more, made by `pip install --no-deps --target`.
Each program in packages/ says in its first line what it needs. docs/compatibility.md lists what has run.
"""

import os
import subprocess
import sys
from importlib.machinery import PathFinder
from pathlib import Path

import pytest

PROGRAMS = sorted((Path(__file__).parent / "packages").glob("*.py"))
FOLDER = os.environ.get("RUSHLIGHT_TEST_PACKAGES")


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda p: p.stem)
def test_package_runs(program, tmp_path):
    needed = program.read_text().splitlines()[0].removeprefix("# needs: ").split()
    paths = [*sys.path, *filter(None, [FOLDER])]
    missing = [name for name in needed if PathFinder.find_spec(name, paths) is None]
    if missing:
        pytest.skip(f"not installed: {', '.join(missing)}")
    paths = os.pathsep.join(filter(None, [os.environ.get("PYTHONPATH"), FOLDER]))
    environment = {**os.environ, "PYTHONPATH": paths, "OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1"}
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-m", "rushlight", program],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env=environment,
    )
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-4000:]
    assert done.stdout.splitlines()[-1] == "ran"

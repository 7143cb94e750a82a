"""Tests run against the package in the build tree: build/python, or $RUSHLIGHT_BUILD/python."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
BUILD = Path(os.environ.get("RUSHLIGHT_BUILD", ROOT / "build")).resolve()

sys.path.insert(0, str(BUILD / "python"))
# Programs that tests start import the same package.
os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, [str(BUILD / "python"), os.environ.get("PYTHONPATH")]))


def run(*command, **options):
    """What a program prints; fails with all it printed if it fails."""
    done = subprocess.run(command, capture_output=True, text=True, **options)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def pytest_configure(config):
    config.addinivalue_line(
        "markers", "full: takes long; runs with `./dev test full`, or where RUSHLIGHT_TEST_FULL is set"
    )


def pytest_runtest_setup(item):
    if item.get_closest_marker("full") and not os.environ.get("RUSHLIGHT_TEST_FULL"):
        pytest.skip("takes long: ./dev test full")

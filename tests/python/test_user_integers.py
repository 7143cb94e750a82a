"""No integer that a user passes to an operator crashes it or makes it run for ever; see user_integers.py."""

import os
import subprocess
import sys
import time
from pathlib import Path

import user_integers

import rushlight

PATIENCE = 20  # seconds without an answer


def describe(number):
    for i, (_, schema, _, shape, values) in enumerate(user_integers.calls()):
        if i == number:
            return f"{schema.qualified} {shape} {values}"
    return "?"


def run(tmp_path, first):
    """Starts the calls from `first` on: the next one to make, and what is wrong with the one before it, if anything."""
    results = tmp_path / f"results{first}"
    root = str(Path(rushlight.__file__).parents[1])
    worker = subprocess.Popen(
        [sys.executable, user_integers.__file__, "rushlight", results, str(first)],
        env={**os.environ, "PYTHONPATH": root, "OMP_NUM_THREADS": "1"},
    )
    size, since = -1, time.monotonic()
    while worker.poll() is None and time.monotonic() - since < PATIENCE:
        time.sleep(0.1)
        now = results.stat().st_size if results.exists() else -1
        if now != size:
            size, since = now, time.monotonic()
    hangs = worker.poll() is None
    worker.kill()
    if worker.wait() == 0:
        return None, None
    number = int(results.read_text(errors="replace").rsplit("\n", 1)[-1].split("\t")[0])
    return number + 1, f"{'runs for ever' if hangs else f'signal {-worker.returncode}'}: {describe(number)}"


def test_integers_from_the_edges_of_64_bits(tmp_path):
    found, first = [], 0
    while first is not None and len(found) < 5:
        first, wrong = run(tmp_path, first)
        found += [wrong] if wrong else []
    assert not found

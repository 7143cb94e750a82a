"""A device that a library adds, with memory that the CPU cannot touch (tests/device). Each program runs in a process of its own."""

import ast
import os
import signal
import subprocess
import sys

import pytest
from conftest import BUILD, ROOT, run

PROGRAMS = ROOT / "tests" / "device" / "programs.py"
FAULTS = "a_cpu_kernel_on_its_memory_faults"
NAMES = [
    f.name
    for f in ast.parse(PROGRAMS.read_text()).body
    if isinstance(f, ast.FunctionDef) and not f.args.args and f.name != FAULTS
]
PAIR = ["objects_are_copied_and_saved", "a_file_of_a_device_that_is_not_loaded"]

needs_device = pytest.mark.skipif(not (BUILD / "tests" / "far_device.so").exists(), reason="built with the C++ tests")


@needs_device
@pytest.mark.parametrize("name", [n for n in NAMES if n not in PAIR])
def test_far_device(name):
    if name.startswith("digits"):
        pytest.importorskip("sklearn")
    run(sys.executable, PROGRAMS, name)


@needs_device
def test_files_of_the_device(tmp_path):
    for name in PAIR:
        run(sys.executable, PROGRAMS, name, env={**os.environ, "FAR_FILES": str(tmp_path)})


@needs_device
def test_a_cpu_kernel_on_the_memory_of_the_device_would_fault():
    done = subprocess.run([sys.executable, PROGRAMS, FAULTS], capture_output=True, text=True)
    assert done.stdout == "started\n" and done.returncode == -signal.SIGSEGV


@needs_device
def test_the_fall_back_can_be_off_from_the_start():
    code = "import far; far.start(False); import rushlight as torch; torch.rand(2, device='far')"
    environment = {
        **os.environ,
        "RUSHLIGHT_CPU_FALLBACK": "0",
        "PYTHONPATH": f"{PROGRAMS.parent}:{os.environ['PYTHONPATH']}",
    }
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment)
    assert done.returncode == 1 and "NotImplementedError: rand: there is no kernel for device far:0" in done.stderr


@needs_device
@pytest.mark.full
def test_all_operators_give_the_values_of_the_cpu():
    environment = {**os.environ, "RUSHLIGHT_TEST_DEVICE": "far"}
    command = [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", ROOT / "tests" / "python" / "ops"]
    done = subprocess.run(command, capture_output=True, text=True, env=environment)
    assert done.returncode == 0, done.stdout[-4000:]

import subprocess
import sys

SCRIPT = """
import sys
before = set(sys.modules)
import rushlight
print(*sorted(set(sys.modules) - before))
"""


def test_import_loads_few_modules():
    """Start-up time is the sum of them: typing alone brings enum and re, a seventh of the whole."""
    loaded = set(
        subprocess.run([sys.executable, "-c", SCRIPT], capture_output=True, text=True, check=True).stdout.split()
    )
    heavy = {"typing", "re", "enum", "inspect", "dataclasses", "ctypes", "subprocess", "logging", "pickle", "numpy"}
    assert "rushlight._C" in loaded and not loaded & heavy

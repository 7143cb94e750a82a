"""Compares what a library exports of the C interfaces with the list that is checked in, so that nothing is taken away unseen.

    tools/abi_check.py build/python/rushlight/librushlight.so [--update]

The list (tests/abi/symbols.txt) only ever grows: a name that is missing from the library is an error; one that is missing from the list is
added by --update, together with a new RL_ABI_VERSION where it is one of rushlight/c_api.h.
"""

import subprocess
import sys
from pathlib import Path

LIST = Path(__file__).resolve().parents[1] / "tests" / "abi" / "symbols.txt"
PREFIXES = ("rl_", "aoti_torch_", "torch_")


def exported(library: str) -> set[str]:
    """The functions of C interfaces that the library defines."""
    lines = subprocess.run(["nm", "-D", "--defined-only", library], capture_output=True, text=True, check=True).stdout
    names = (line.split() for line in lines.splitlines())
    return {n[2] for n in names if n[1] == "T" and n[2].startswith(PREFIXES)}


def main(library: str, *options: str) -> int:
    have, listed = exported(library), set(LIST.read_text().split()) if LIST.exists() else set()
    gone, fresh = sorted(listed - have), sorted(have - listed)
    for name in gone:
        print(f"{name}: in {LIST.name}, and no longer exported; a plug-in that calls it would not load")
    if "--update" in options and not gone:
        LIST.write_text("\n".join(sorted(have)) + "\n")
        return 0
    for name in fresh:
        print(f"{name}: exported, and not in {LIST.name}; add it with --update")
    return 1 if gone or fresh else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))

"""python -m rushlight SCRIPT ARGS...: runs an unmodified PyTorch program on rushlight.

-m MODULE, -c CODE and - (standard input) work as for python itself.
"""

from __future__ import annotations

import os
import runpy
import sys

from . import _alias


def main(argv: list[str]) -> int:
    if not argv or argv[0] in ("-h", "--help"):
        print(__doc__)
        return 0 if argv else 2
    _alias.install()
    if argv[0] in ("-m", "-c") and len(argv) < 2:
        print(f"python -m rushlight: argument expected for the {argv[0]} option", file=sys.stderr)
        return 2
    if argv[0] == "-m":
        sys.argv = argv[1:]
        sys.path.insert(0, os.getcwd())
        runpy.run_module(argv[1], run_name="__main__", alter_sys=True)
    elif argv[0] in ("-c", "-"):
        code = argv[1] if argv[0] == "-c" else sys.stdin.read()
        sys.argv = [argv[0], *argv[2 if argv[0] == "-c" else 1 :]]
        sys.path.insert(0, "")
        exec(compile(code, "<string>", "exec"), {"__name__": "__main__"})
    else:
        if not os.path.exists(argv[0]):
            print(f"python -m rushlight: can't open file '{argv[0]}': no such file", file=sys.stderr)
            return 2
        sys.argv = argv
        sys.path[0] = os.path.dirname(os.path.abspath(argv[0]))
        runpy.run_path(argv[0], run_name="__main__")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

"""Python runs this file at its start where PYTHONPATH names this folder: so child programs find rushlight as torch too."""

import os
import sys
from importlib.machinery import PathFinder
from importlib.util import module_from_spec, spec_from_file_location

_here = os.path.dirname(os.path.abspath(__file__))


def _run(spec):
    module = module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


if os.environ.get("RUSHLIGHT_AS_TORCH", "") not in ("", "0"):
    _alias = _run(spec_from_file_location("rushlight._alias", os.path.join(os.path.dirname(_here), "_alias.py")))
    _alias.install(_alias.asked_for())

# This file hides another of its name, which the environment may have: that one runs as well.
_other = PathFinder.find_spec("sitecustomize", [p for p in sys.path if os.path.abspath(p) != _here])
if _other is not None and _other.loader is not None:
    _run(_other)

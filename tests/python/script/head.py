# ruff: noqa
# fmt: off
"""What each file of the language has at its top; see test_script_language.py."""
import math
from typing import Any, Dict, Final, List, NamedTuple, Optional, Tuple, Union

import torch
from torch import Tensor

CASES = []
# What no script may be, and what gives PyTorch's result, which is not Python's: a list for a torch.Size, an infinity for an error of math.
REFUSED, AS_PYTORCH = [], []


def case(*calls):
    def add(f):
        CASES.append((f, calls))
        return f

    return add

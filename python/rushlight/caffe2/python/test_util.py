"""caffe2.python.test_util: what Caffe2's own tests are made of."""

from __future__ import annotations

import unittest
from typing import Any

import numpy as np

from rushlight.caffe2.python import core, workspace


def rand_array(*dims: int) -> Any:
    """Numbers from -0.5 to 0.5."""
    return np.array(np.random.rand(*dims) - 0.5).astype(np.float32)


def randBlob(name: str, type: Any, *dims: int, **kwargs: float) -> None:
    """Feeds a blob of numbers from `offset` on, times `multiplier`."""
    values = np.random.rand(*dims) * kwargs.get("multiplier", 1.0) + kwargs.get("offset", 0.0)
    workspace.FeedBlob(name, values.astype(type))


def randBlobFloat32(name: str, *dims: int, **kwargs: float) -> None:
    randBlob(name, np.float32, *dims, **kwargs)


def randBlobsFloat32(names: Any, *dims: int, **kwargs: float) -> None:
    for name in names:
        randBlobFloat32(name, *dims, **kwargs)


def numOps(net: core.Net) -> int:
    return len(net.Proto().op)


def str_compare(a: Any, b: Any, encoding: str = "utf8") -> bool:
    a, b = (x.decode(encoding) if isinstance(x, bytes) else x for x in (a, b))
    return a == b


class TestCase(unittest.TestCase):
    """A test that begins with an empty workspace."""

    @classmethod
    def setUpClass(cls) -> None:
        workspace.GlobalInit(["caffe2", "--caffe2_log_level=0"])

    def setUp(self) -> None:
        self.ws = workspace.C.Workspace()
        workspace.ResetWorkspace()

    def tearDown(self) -> None:
        workspace.ResetWorkspace()

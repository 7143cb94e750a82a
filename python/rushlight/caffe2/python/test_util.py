"""caffe2.python.test_util: what Caffe2's own tests are made of."""

from __future__ import annotations

import os
import pathlib
import shutil
import tempfile
import unittest
from collections.abc import Callable
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


def get_default_test_flags() -> list[str]:
    """What GlobalInit is given."""
    return [
        "caffe2",
        "--caffe2_log_level=0",
        "--caffe2_cpu_allocator_do_zero_fill=0",
        "--caffe2_cpu_allocator_do_junk_fill=1",
    ]


def caffe2_flaky(test_method: Callable[..., Any]) -> Callable[..., Any]:
    """Marks a test that runs only where CAFFE2_RUN_FLAKY_TESTS is 1; then the others don't."""
    test_method.__caffe2_flaky__ = True  # type: ignore[attr-defined]
    return test_method


def is_flaky_test_mode() -> bool:
    return os.getenv("CAFFE2_RUN_FLAKY_TESTS", "0") == "1"


class TestCase(unittest.TestCase):
    """A test that begins with an empty workspace."""

    @classmethod
    def setUpClass(cls) -> None:
        workspace.GlobalInit(get_default_test_flags())
        core.SetEnginePref({}, {})

    def setUp(self) -> None:
        flaky = getattr(getattr(self, self._testMethodName), "__caffe2_flaky__", False)
        if flaky != is_flaky_test_mode():
            raise unittest.SkipTest("flaky tests run in a mode of their own: CAFFE2_RUN_FLAKY_TESTS")
        self.ws = workspace.C.Workspace()
        workspace.ResetWorkspace()

    def tearDown(self) -> None:
        workspace.ResetWorkspace()

    def make_tempdir(self) -> pathlib.Path:
        """A folder that ends with the test."""
        folder = pathlib.Path(tempfile.mkdtemp(prefix="caffe2_test."))
        self.addCleanup(shutil.rmtree, folder, ignore_errors=True)
        return folder

"""caffe2.python.onnx.workspace: a workspace as an object."""

from __future__ import annotations

import uuid
from typing import Any

from rushlight.caffe2.python import workspace


class Workspace:
    """What caffe2.python.workspace offers, in a workspace of its own.

    >>> import numpy as np
    >>> ws = Workspace()
    >>> ws.FeedBlob("its own", np.zeros(2, dtype=np.float32)), workspace.HasBlob("its own")
    (True, False)
    """

    def __init__(self) -> None:
        self.workspace_id = str(uuid.uuid4())
        with workspace.WorkspaceGuard(self.workspace_id):
            pass

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        f = getattr(workspace, name)
        if not callable(f):
            with workspace.WorkspaceGuard(self.workspace_id):
                return f

        def run(*args: Any, **kwargs: Any) -> Any:
            with workspace.WorkspaceGuard(self.workspace_id):
                return f(*args, **kwargs)

        return run

    def __del__(self) -> None:
        workspace._forget(self.workspace_id)

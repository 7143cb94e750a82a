"""caffe2.python.dyndep: libraries of operators."""

from __future__ import annotations

_imported: list = []


def InitOpsLibrary(name, trigger_lazy=True):
    """Caffe2's own libraries of operators are built in; others were compiled for Caffe2, and can't be loaded here."""
    import os

    if name.startswith("@/"):
        return
    if not os.path.exists(name):
        print(f"Ignoring {name} as it is not a valid file.")
        return
    raise RuntimeError(
        f"InitOpsLibrary: {name} was compiled for Caffe2; write the operator anew, as rushlight/caffe2/README.md says"
    )


def GetImportedOpsLibraries():
    return _imported

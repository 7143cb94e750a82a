"""Caffe2's nets and its Python API: ``from rushlight.caffe2.python import core, workspace``.

Nets and files of the time before Caffe2 was merged into PyTorch run here, on rushlight's graph and operators; ``python -m rushlight``
shows all of it as ``caffe2``. Read docs/caffe2.md first.
"""

from rushlight.caffe2._bridge import from_module, to_module

__all__ = ["from_module", "to_module"]

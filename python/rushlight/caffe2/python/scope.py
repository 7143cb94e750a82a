"""caffe2.python.scope: names and devices of what a block makes."""

from __future__ import annotations

import contextlib
import threading

from rushlight.caffe2.proto import caffe2_pb2

_NAMESCOPE_SEPARATOR = "/"
_local = threading.local()


def CurrentNameScope():
    return getattr(_local, "name", "")


def CurrentDeviceScope():
    return getattr(_local, "device", None)


@contextlib.contextmanager
def NameScope(prefix, reset=False):
    """Names of the block begin with `prefix/`; scopes nest."""
    assert isinstance(prefix, str) or prefix is None, "NameScope takes in a string as its argument."
    before = CurrentNameScope()
    prefix = prefix + _NAMESCOPE_SEPARATOR if prefix else ""
    _local.name = prefix if reset else before + prefix
    try:
        yield
    finally:
        _local.name = before


@contextlib.contextmanager
def DeviceScope(scope, node_name=None):
    """Operators of the block have this device option, or are on this node; the node and extra_info of the block around it go on."""
    new = caffe2_pb2.DeviceOption()
    if scope:
        assert isinstance(scope, caffe2_pb2.DeviceOption), (
            "DeviceScope takes in a caffe2_pb2.DeviceOption as its argument."
        )
        new.CopyFrom(scope)
    else:
        assert node_name, "At least one argument should be non-null in DeviceScope"
    if node_name:
        new.node_name = node_name
    before = CurrentDeviceScope()
    if before is not None:
        if before.HasField("node_name") and not new.HasField("node_name"):
            new.node_name = before.node_name
        new.extra_info.extend(before.extra_info)
    new.extra_info[:] = sorted(new.extra_info)
    _local.device = new
    try:
        yield
    finally:
        _local.device = before


@contextlib.contextmanager
def EmptyNameScope():
    before = CurrentNameScope()
    _local.name = ""
    try:
        yield
    finally:
        _local.name = before


@contextlib.contextmanager
def EmptyDeviceScope():
    before = CurrentDeviceScope()
    _local.device = None
    try:
        yield
    finally:
        _local.device = before

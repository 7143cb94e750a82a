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
    """Operators of the block have this device option."""
    new = caffe2_pb2.DeviceOption()
    if scope is not None:
        assert isinstance(scope, caffe2_pb2.DeviceOption), (
            "DeviceScope takes in a caffe2_pb2.DeviceOption as its argument."
        )
        new.CopyFrom(scope)
    if node_name:
        new.node_name = node_name
    before = CurrentDeviceScope()
    if before is not None and not new.node_name and before.HasField("node_name"):
        new.node_name = before.node_name
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

"""What is known of a parameter."""

from __future__ import annotations

import math

from rushlight.caffe2.python._references import BlobReference


class ParameterTags:
    BIAS = "BIAS"
    WEIGHT = "WEIGHT"
    COMPUTED_PARAM = "COMPUTED_PARAM"


class ParameterInfo:
    """A parameter's blob, shape, gradient, copies of other precision (by DataType), and the optimizer that is its own."""

    def __init__(self, param_id, param, key=None, shape=None, length=None, grad=None, blob_copy=None):
        assert isinstance(param, BlobReference), f"a parameter is a BlobReference, got {type(param).__name__}"
        self.param_id, self.key = param_id, key
        self.name, self.blob = str(param), param
        self.shape, self.size = shape, None if shape is None else math.prod(shape)
        self.length = max(1, length or 1)
        self.grad, self.blob_copy = grad, blob_copy
        self._optimizer = None
        self.initializer, self.tags = None, frozenset()

    @property
    def parameter(self):
        return self.blob

    @property
    def optimizer(self):
        return self._optimizer

    @optimizer.setter
    def optimizer(self, value):
        assert self._optimizer is None, "optimizer has already been set"
        self._optimizer = value

    def __str__(self):
        return self.name

"""How parameters are made."""

from __future__ import annotations

from rushlight.caffe2.proto import caffe2_pb2
from rushlight.caffe2.python._references import BlobReference, ScopedBlobReference
from rushlight.caffe2.python.modeling.parameter_info import ParameterInfo

_FLOAT, _FLOAT16 = caffe2_pb2.TensorProto.FLOAT, caffe2_pb2.TensorProto.FLOAT16


class Initializer:
    """Fills a parameter by an operator of `param_init_net`."""

    def __init__(self, operator_name=None, **kwargs):
        self.operator_name = operator_name
        self.operator_kwargs = kwargs

    def update(self, operator_name, kwargs):
        """Says the operator, where the constructor did not."""
        if self.operator_name is not None:
            raise Exception("Operator name overwrites are not allowed")
        self.operator_name, self.operator_kwargs = operator_name, kwargs

    def _fill(self, name, init_net, shape):
        return getattr(init_net, self.operator_name)([], name, shape=shape, **self.operator_kwargs)

    def create_param(self, param_name, init_net, shape):
        return ParameterInfo(None, self._fill(param_name, init_net, shape), shape=shape)


class ExternalInitializer:
    """For a parameter that is in the workspace already."""

    def create_param(self, param_name, init_net, shape):
        if isinstance(param_name, BlobReference):
            param = BlobReference(str(param_name), init_net)
        elif isinstance(param_name, str):
            param = ScopedBlobReference(param_name, init_net)
        else:
            raise TypeError("Unsupported type for param_name")
        return ParameterInfo(None, param, shape=shape)


class PseudoFP16Initializer(Initializer):
    """The parameter has half precision; a copy in single precision is what optimizers step (arXiv:1710.03740)."""

    def create_param(self, param_name, init_net, shape):
        single = self._fill(param_name + "_fp32", init_net, shape)
        return ParameterInfo(None, init_net.FloatToHalf(single, param_name), shape=shape, blob_copy={_FLOAT: single})


class ReversePseudoFP16Initializer(Initializer):
    """The parameter has single precision, and there is a copy in half precision."""

    def create_param(self, param_name, init_net, shape):
        single = self._fill(param_name, init_net, shape)
        half = init_net.FloatToHalf(single, param_name + "_fp16")
        return ParameterInfo(None, single, shape=shape, blob_copy={_FLOAT16: half})


def update_initializer(initializer_class, operator_name_and_kwargs, default_operator_name_and_kwargs):
    """The initialiser that the arguments of a brew helper mean: an object, or one of a class (plain where none is given), with the operator that is given, or the default."""
    operator, kwargs = operator_name_and_kwargs or default_operator_name_and_kwargs
    if initializer_class is None:
        return initializer_of(operator_name_and_kwargs, operator, kwargs)
    return initializer_class(operator, **kwargs) if callable(initializer_class) else initializer_class


def initializer_of(value, operator, kwargs):
    """An Initializer of an operator's name and arguments, given as ("XavierFill", {}) or as an object."""
    if value is not None and hasattr(value, "create_param"):
        return value
    if value is not None:
        operator, kwargs = value[0], value[1] if len(value) > 1 else {}
    return Initializer(operator, **kwargs)

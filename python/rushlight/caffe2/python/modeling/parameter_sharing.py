"""Parameters of one scope that are another's."""

from rushlight.caffe2.python.model_helper import ParameterSharing

__all__ = ["ParameterSharing"]

"""What is known of parameters."""

from rushlight.caffe2.python.model_helper import ParameterInfo, ParameterTags

__all__ = ["ParameterInfo", "ParameterTags"]

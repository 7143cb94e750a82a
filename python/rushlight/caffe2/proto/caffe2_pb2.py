"""caffe2/proto/caffe2.proto: NetDef, OperatorDef, TensorProto and the rest, whose classes are made from the library's table of messages."""

from rushlight.caffe2.proto._messages import classes, enums

DeviceTypeProto = enums["DeviceTypeProto"]
# Numbers of devices, under the names of their enumeration and the shorter ones of Caffe2's programs.
globals().update(DeviceTypeProto.items())
CPU, CUDA, MKLDNN, OPENGL, OPENCL, IDEEP, HIP = DeviceTypeProto.values()[:7]
COMPILE_TIME_MAX_DEVICE_TYPES = DeviceTypeProto.Value("PROTO_COMPILE_TIME_MAX_DEVICE_TYPES")
globals().update({name: cls for name, cls in classes.items() if "." not in name})

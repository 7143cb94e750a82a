"""caffe2.python.cnn: the model class of Caffe2's first programs, with layers as methods."""

from __future__ import annotations

from rushlight.caffe2.python import brew, core
from rushlight.caffe2.python.model_helper import ModelHelper


class CNNModelHelper(ModelHelper):
    """``model.Conv(x, "y", dim_in, dim_out, kernel)``: layers of brew under the operators' names."""

    def __init__(
        self,
        order="NCHW",
        name=None,
        use_cudnn=True,
        cudnn_exhaustive_search=False,
        ws_nbytes_limit=None,
        init_params=True,
        skip_sparse_optim=False,
        param_model=None,
    ):
        super().__init__(
            name=name or "CNN", init_params=init_params, skip_sparse_optim=skip_sparse_optim, param_model=param_model,
            arg_scope={"order": order, "use_cudnn": use_cudnn, "cudnn_exhaustive_search": cudnn_exhaustive_search},
        )  # fmt: skip
        self.order, self.use_cudnn = order, use_cudnn

    def Conv(self, *args, **kwargs):
        return brew.conv(self, *args, **kwargs)

    def ConvNd(self, *args, **kwargs):
        return brew.conv_nd(self, *args, **kwargs)

    def ConvTranspose(self, *args, **kwargs):
        return brew.conv_transpose(self, *args, **kwargs)

    def GroupConv(self, *args, **kwargs):
        return brew.group_conv(self, *args, **kwargs)

    def FC(self, *args, **kwargs):
        return brew.fc(self, *args, **kwargs)

    PackedFC = FC

    def LRN(self, *args, **kwargs):
        return brew.lrn(self, *args, **kwargs)

    def Dropout(self, *args, **kwargs):
        return brew.dropout(self, *args, **kwargs)

    def MaxPool(self, *args, **kwargs):
        return brew.max_pool(self, *args, **kwargs)

    def AveragePool(self, *args, **kwargs):
        return brew.average_pool(self, *args, **kwargs)

    def Concat(self, *args, **kwargs):
        return brew.concat(self, *args, **kwargs)

    DepthConcat = Concat

    def PRelu(self, *args, **kwargs):
        return brew.prelu(self, *args, **kwargs)

    def Relu(self, *args, **kwargs):
        return brew.relu(self, *args, **kwargs)

    def Softmax(self, *args, **kwargs):
        return brew.softmax(self, *args, **kwargs)

    def SpatialBN(self, *args, **kwargs):
        return brew.spatial_bn(self, *args, **kwargs)

    def InstanceNorm(self, *args, **kwargs):
        return brew.instance_norm(self, *args, **kwargs)

    def Transpose(self, *args, **kwargs):
        return brew.transpose(self, *args, **kwargs)

    def Sum(self, *args, **kwargs):
        return brew.sum(self, *args, **kwargs)

    def Iter(self, *args, **kwargs):
        return brew.iter(self, *args, **kwargs)

    def Accuracy(self, *args, **kwargs):
        return brew.accuracy(self, *args, **kwargs)

    def AddWeightDecay(self, weight_decay):
        return brew.add_weight_decay(self, weight_decay)

    @property
    def XavierInit(self):
        return ("XavierFill", {})

    def ConstantInit(self, value):
        return ("ConstantFill", {"value": value})

    @property
    def MSRAInit(self):
        return ("MSRAFill", {})

    @property
    def ZeroInit(self):
        return ("ConstantFill", {})

    @property
    def CPU(self):
        return core.DeviceOption(core.caffe2_pb2.CPU)

    @property
    def GPU(self, gpu_id=0):
        return core.DeviceOption(core.caffe2_pb2.CUDA, gpu_id)

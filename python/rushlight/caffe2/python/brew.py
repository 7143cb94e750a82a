"""caffe2.python.brew: layers as functions of a model, which make operators and parameters."""

from __future__ import annotations

import contextlib
import copy
import threading

from rushlight.caffe2.python import control_ops_util
from rushlight.caffe2.python.modeling.initializers import initializer_of, update_initializer
from rushlight.caffe2.python.modeling.parameter_info import ParameterTags

_local = threading.local()


def _scopes():
    if not hasattr(_local, "scopes"):
        _local.scopes = [{}]
    return _local.scopes


@contextlib.contextmanager
def arg_scope(single_helper_or_list, **kwargs):
    """Default arguments of helpers inside of the block."""
    helpers = single_helper_or_list if isinstance(single_helper_or_list, (list, tuple)) else [single_helper_or_list]
    assert all(callable(f) for f in helpers), "arg_scope is only callable with a helper function or a list of them."
    new = copy.deepcopy(get_current_scope())
    for f in helpers:
        new.setdefault(f.__name__, {}).update(kwargs)
    _scopes().append(new)
    try:
        yield
    finally:
        _scopes().pop()


def get_current_scope():
    return _scopes()[-1]


class HelperWrapper:
    """Helpers as attributes: what the module itself offers, and what programs register."""

    _registry: dict = {}

    @classmethod
    def register(cls, helper):
        cls._registry[helper.__name__] = helper


def Register(helper):
    if has_helper(helper):
        raise AttributeError(f"Helper {helper.__name__} already exists. Please change your helper name.")
    HelperWrapper.register(helper)
    globals()[helper.__name__] = _scoped(helper)


def has_helper(helper_or_helper_name):
    name = helper_or_helper_name
    return (name if isinstance(name, str) else name.__name__) in _HELPERS


_HELPERS: dict = {}


def _scoped(function):
    """The helper with the defaults of arg_scope and of the model."""
    import functools

    @functools.wraps(function)
    def call(model, *args, **kwargs):
        merged = dict(get_current_scope().get(function.__name__, {}))
        for name in ("order", "use_cudnn", "cudnn_exhaustive_search"):
            if name in getattr(model, "arg_scope", {}) and function.__name__ in _WITH_MODEL_SCOPE:
                merged.setdefault(name, model.arg_scope[name])
        merged.update(kwargs)
        return function(model, *args, **merged)

    _HELPERS[function.__name__] = call
    return call


_WITH_MODEL_SCOPE = {
    "conv", "conv_nd", "group_conv", "conv_transpose", "max_pool", "average_pool", "max_pool_with_index", "relu", "prelu", "softmax", "lrn",
    "dropout", "spatial_bn", "concat", "depth_concat", "fc", "packed_fc", "transpose", "sum",
}  # fmt: skip


def _fc_or_packed_fc(
    model,
    op_call,
    blob_in,
    blob_out,
    dim_in,
    dim_out,
    weight_init,
    bias_init,
    WeightInitializer,
    BiasInitializer,
    enable_tensor_core=False,
    **kwargs,
):
    weight = model.create_param(
        param_name=str(blob_out) + "_w", shape=[dim_out, dim_in], tags=ParameterTags.WEIGHT,
        initializer=update_initializer(WeightInitializer, weight_init, ("XavierFill", {})),
    )  # fmt: skip
    frozen = [ParameterTags.COMPUTED_PARAM] if "freeze_bias" in kwargs else []
    bias = model.create_param(
        param_name=str(blob_out) + "_b", shape=[dim_out], tags=[ParameterTags.BIAS, *frozen],
        initializer=update_initializer(BiasInitializer, bias_init, ("ConstantFill", {})),
    )  # fmt: skip
    return op_call([blob_in, weight, bias], blob_out, **kwargs)


@_scoped
def fc(
    model,
    blob_in,
    blob_out,
    dim_in,
    dim_out,
    weight_init=None,
    bias_init=None,
    WeightInitializer=None,
    BiasInitializer=None,
    **kwargs,
):
    """y = x w' + b."""
    return _fc_or_packed_fc(
        model,
        model.net.FC,
        blob_in,
        blob_out,
        dim_in,
        dim_out,
        weight_init,
        bias_init,
        WeightInitializer,
        BiasInitializer,
        **kwargs,
    )


packed_fc = fc


def _conv(
    model,
    op,
    transposed,
    is_nd,
    blob_in,
    blob_out,
    dim_in,
    dim_out,
    kernel,
    weight_init,
    bias_init,
    group,
    no_bias,
    order,
    WeightInitializer,
    BiasInitializer,
    kwargs,
):
    kernels = kernel if isinstance(kernel, (list, tuple)) else [kernel] * (1 if is_nd else 2)
    n_in, n_out = (dim_out // group, dim_in) if transposed else (dim_in // group, dim_out)
    shape = [n_out, n_in, *kernels] if order == "NCHW" else [n_out, *kernels, n_in]
    weight = model.create_param(
        param_name=str(blob_out) + "_w", shape=shape, tags=ParameterTags.WEIGHT,
        initializer=update_initializer(WeightInitializer, weight_init, ("XavierFill", {})),
    )  # fmt: skip
    inputs = [blob_in, weight]
    if not no_bias:
        inputs.append(
            model.create_param(
                param_name=str(blob_out) + "_b",
                shape=[dim_out],
                tags=ParameterTags.BIAS,
                initializer=update_initializer(BiasInitializer, bias_init, ("ConstantFill", {})),
            )  # fmt: skip
        )
    window = {}
    if is_nd:
        window["kernels"] = list(kernels)
    elif isinstance(kernel, (list, tuple)) and kernel[0] != kernel[1]:
        window["kernel_h"], window["kernel_w"] = kernel
    else:
        window["kernel"] = kernels[0]
    if group != 1:
        kwargs["group"] = group
    exhaustive = kwargs.pop("cudnn_exhaustive_search", False)
    if kwargs.pop("use_cudnn", False):  # said in nets as Caffe2's are; what runs is the same
        kwargs.update(engine="CUDNN", exhaustive_search=exhaustive)
    return getattr(model.net, op)(inputs, blob_out, **window, order=order, **kwargs)


@_scoped
def conv(
    model,
    blob_in,
    blob_out,
    dim_in,
    dim_out,
    kernel,
    weight_init=None,
    bias_init=None,
    WeightInitializer=None,
    BiasInitializer=None,
    group=1,
    no_bias=False,
    order="NCHW",
    **kwargs,
):
    """A convolution of pictures."""
    return _conv(
        model,
        "Conv",
        False,
        False,
        blob_in,
        blob_out,
        dim_in,
        dim_out,
        kernel,
        weight_init,
        bias_init,
        group,
        no_bias,
        order,
        WeightInitializer,
        BiasInitializer,
        kwargs,
    )


@_scoped
def conv_nd(
    model,
    blob_in,
    blob_out,
    dim_in,
    dim_out,
    kernel,
    weight_init=None,
    bias_init=None,
    WeightInitializer=None,
    BiasInitializer=None,
    group=1,
    order="NCHW",
    **kwargs,
):
    """A convolution over as many dimensions as the kernel has."""
    no_bias = kwargs.pop("no_bias", False)
    return _conv(
        model,
        "Conv",
        False,
        True,
        blob_in,
        blob_out,
        dim_in,
        dim_out,
        kernel,
        weight_init,
        bias_init,
        group,
        no_bias,
        order,
        WeightInitializer,
        BiasInitializer,
        kwargs,
    )


@_scoped
def group_conv(model, blob_in, blob_out, dim_in, dim_out, kernel, weight_init=None, bias_init=None, group=1, **kwargs):
    return conv(
        model,
        blob_in,
        blob_out,
        dim_in,
        dim_out,
        kernel,
        weight_init=weight_init,
        bias_init=bias_init,
        group=group,
        **kwargs,
    )


@_scoped
def conv_transpose(
    model, blob_in, blob_out, dim_in, dim_out, kernel, weight_init=None, bias_init=None, order="NCHW", **kwargs
):
    return _conv(
        model,
        "ConvTranspose",
        True,
        False,
        blob_in,
        blob_out,
        dim_in,
        dim_out,
        kernel,
        weight_init,
        bias_init,
        1,
        False,
        order,
        None,
        None,
        kwargs,
    )


def _plain(op, name, with_scope=True):
    def helper(model, blob_in, blob_out=None, **kwargs):
        if name != "sum" and kwargs.pop("use_cudnn", False):
            kwargs["engine"] = "CUDNN"
        return getattr(model.net, op)(blob_in, blob_out, **kwargs)

    helper.__name__ = name
    helper.__doc__ = f"The operator {op}."
    globals()[name] = _scoped(helper)


for _name, _op in {
    "max_pool": "MaxPool", "average_pool": "AveragePool", "max_pool_with_index": "MaxPoolWithIndex", "relu": "Relu", "tanh": "Tanh",
    "sum": "Sum", "transpose": "Transpose", "accuracy": "Accuracy", "video_input": "VideoInput", "image_input": "ImageInput",
    "add_weight_decay_": "WeightedSum", "softmax": "Softmax", "elementwise_linear_": "ElementwiseLinear", "concat_": "Concat",
    "sigmoid": "Sigmoid", "average_loss": "AveragedLoss", "arg_max": "ArgMax", "arg_min": "ArgMin", "scatter_assign": "ScatterAssign", "reduce_sum": "ReduceSum", "sub": "Sub", "mat_mul": "MatMul",
    "fused_8bit_rowwise_quantized_to_float": "Fused8BitRowwiseQuantizedToFloat",
}.items():  # fmt: skip
    if not _name.endswith("_"):
        _plain(_op, _name)


@_scoped
def batch_mat_mul(model, blob_in, blob_out, enable_tensor_core=False, **kwargs):
    """The operator BatchMatMul."""
    if enable_tensor_core:
        kwargs["engine"] = "TENSORCORE"
    return model.net.BatchMatMul(blob_in, blob_out, **kwargs)


@_scoped
def moments_with_running_stats(
    model, blob_in, blob_out, dim_in, RunningMeanInitializer=None, RunningVarianceInitializer=None, order="NCHW", **kwargs
):  # fmt: skip
    """Mean and variance of each channel; running estimates are made as computed parameters."""
    for suffix, given, value in (("_rm", RunningMeanInitializer, 0.0), ("_riv", RunningVarianceInitializer, 1.0)):
        initializer = update_initializer(given, None, ("ConstantFill", {"value": value}))
        model.create_param(f"{blob_out}{suffix}", [dim_in], initializer, ParameterTags.COMPUTED_PARAM)
    axes = [0, 2, 3] if order == "NCHW" else [0, 1, 2]
    return model.net.Moments(
        [blob_in], [f"{blob_out}_sm", f"{blob_out}_sv"], axes=axes, order=order, keepdims=False, **kwargs
    )


@_scoped
def dropout(model, blob_in, blob_out, use_cudnn=False, **kwargs):
    """Zeroes a share `ratio`; is_test has to be said."""
    kwargs.pop("order", None), kwargs.pop("cudnn_exhaustive_search", None)
    assert "is_test" in kwargs, "Argument 'is_test' is required"
    return model.net.Dropout(blob_in, [blob_out, "_" + str(blob_out) + "_mask"], **kwargs)[0]


@_scoped
def lrn(model, blob_in, blob_out, order="NCHW", use_cudnn=False, **kwargs):
    kwargs.pop("cudnn_exhaustive_search", None)
    return model.net.LRN(blob_in, [blob_out, "_" + str(blob_out) + "_scale"], order=order, **kwargs)[0]


@_scoped
def concat(model, blobs_in, blob_out, **kwargs):
    """Joins blobs along the channels, or `axis`."""
    kwargs.pop("use_cudnn", None), kwargs.pop("cudnn_exhaustive_search", None)
    return model.net.Concat(blobs_in, [blob_out, "_" + str(blob_out) + "_concat_dims"], **kwargs)[0]


@_scoped
def depth_concat(model, blobs_in, blob_out, **kwargs):
    return concat(model, blobs_in, blob_out, **kwargs)


@_scoped
def prelu(model, blob_in, blob_out, num_channels=1, slope_init=None, **kwargs):
    for unused in ("use_cudnn", "cudnn_exhaustive_search"):
        kwargs.pop(unused, None)
    slope = model.create_param(
        param_name=str(blob_out) + "_slope",
        shape=[num_channels],
        initializer=initializer_of(slope_init, "ConstantFill", {"value": 0.25}),
    )
    return model.net.PRelu([blob_in, slope], [blob_out], **kwargs)


@_scoped
def spatial_bn(
    model,
    blob_in,
    blob_out,
    dim_in,
    init_scale=1.0,
    init_bias=0.0,
    ScaleInitializer=None,
    BiasInitializer=None,
    RunningMeanInitializer=None,
    RunningVarianceInitializer=None,
    order="NCHW",
    **kwargs,
):
    """Batch normalisation, with running estimates as computed parameters."""
    for unused in ("use_cudnn", "cudnn_exhaustive_search"):
        kwargs.pop(unused, None)
    blob_out = blob_out or model.net.NextName()

    def param(suffix, value, given, tags):
        return model.create_param(
            param_name=str(blob_out) + suffix, shape=[dim_in], tags=tags,
            initializer=update_initializer(given, None, ("ConstantFill", {"value": float(value)})),
        )  # fmt: skip

    scale = param("_s", init_scale, ScaleInitializer, ParameterTags.WEIGHT)
    bias = param("_b", init_bias, BiasInitializer, ParameterTags.BIAS)
    mean = param("_rm", 0.0, RunningMeanInitializer, ParameterTags.COMPUTED_PARAM)
    var = param("_riv", 1.0, RunningVarianceInitializer, ParameterTags.COMPUTED_PARAM)
    inputs = [blob_in, scale, bias, mean, var]
    if kwargs.get("is_test"):
        return model.net.SpatialBN(inputs, [blob_out], order=order, **kwargs)
    outputs = [blob_out, mean, var, str(blob_out) + "_sm", str(blob_out) + "_siv"]
    kwargs.setdefault("is_test", 0)
    return model.net.SpatialBN(inputs, outputs, order=order, **kwargs)[0]


def _scale_and_bias(model, blob_out, dim_in, scale_initializer, scale, bias_initializer, bias):
    """The two parameters of a normalisation, an element for each channel: constants where no initialiser is given."""

    def param(suffix, initializer, value, tag):
        initializer = update_initializer(initializer, None, ("ConstantFill", {"value": float(value)}))
        return model.create_param(str(blob_out) + suffix, [dim_in], initializer, tag)

    return (
        param("_s", scale_initializer, scale, ParameterTags.WEIGHT),
        param("_b", bias_initializer, bias, ParameterTags.BIAS),
    )


@_scoped
def spatial_gn(
    model,
    blob_in,
    blob_out,
    dim_in,
    init_scale=1.0,
    init_bias=0.0,
    ScaleInitializer=None,
    BiasInitializer=None,
    order="NCHW",
    **kwargs,
):
    """Group normalisation."""
    scale, bias = _scale_and_bias(model, blob_out, dim_in, ScaleInitializer, init_scale, BiasInitializer, init_bias)
    out = [blob_out, str(blob_out) + "_mean", str(blob_out) + "_std"]
    return model.net.GroupNorm([blob_in, scale, bias], out, order=order, **kwargs)[0]


@_scoped
def instance_norm(
    model,
    blob_in,
    blob_out,
    dim_in,
    init_scale=1.0,
    init_bias=0.0,
    ScaleInitializer=None,
    BiasInitializer=None,
    order="NCHW",
    **kwargs,
):
    scale, bias = _scale_and_bias(model, blob_out, dim_in, ScaleInitializer, init_scale, BiasInitializer, init_bias)
    outputs = [blob_out] if kwargs.get("is_test") else [blob_out, str(blob_out) + "_sm", str(blob_out) + "_siv"]
    result = model.net.InstanceNorm([blob_in, scale, bias], outputs, order=order, **kwargs)
    return result[0] if isinstance(result, tuple) else result


@_scoped
def layer_norm(model, blob_in, blob_out, dim_in, axis=1, epsilon=1e-4, initial_scale=1.0, initial_bias=0.0):
    """Layer normalisation with a scale and a bias for each element."""
    dims = dim_in if isinstance(dim_in, (list, tuple)) else [dim_in]
    scale = model.create_param(
        f"{blob_out}_scale",
        list(dims),
        initializer_of(None, "ConstantFill", {"value": float(initial_scale)}),
        ParameterTags.WEIGHT,
    )
    bias = model.create_param(
        f"{blob_out}_bias",
        list(dims),
        initializer_of(None, "ConstantFill", {"value": float(initial_bias)}),
        ParameterTags.BIAS,
    )
    normalized, mean, std = model.net.LayerNorm(
        [blob_in, scale, bias],
        [blob_out, f"{blob_out}_mean", f"{blob_out}_std"],
        axis=axis,
        epsilon=epsilon,
        elementwise_affine=1,
    )
    return normalized, mean, std


@_scoped
def elementwise_linear(model, blob_in, blob_out, dim, weight_init=None, bias_init=None, **kwargs):
    w = model.create_param(
        str(blob_out) + "_w", [dim], initializer_of(weight_init, "ConstantFill", {"value": 1.0}), ParameterTags.WEIGHT
    )
    b = model.create_param(
        str(blob_out) + "_b", [dim], initializer_of(bias_init, "ConstantFill", {"value": 0.0}), ParameterTags.BIAS
    )
    return model.net.ElementwiseLinear([blob_in, w, b], blob_out, **kwargs)


@_scoped
def iter(model, blob_out, **kwargs):
    """An iteration counter."""
    from rushlight.caffe2.proto import caffe2_pb2
    from rushlight.caffe2.python import core

    if "device_option" in kwargs:
        del kwargs["device_option"]
    model.param_init_net.ConstantFill(
        [],
        blob_out,
        shape=[1],
        value=0,
        dtype=core.DataType.INT64,
        device_option=core.DeviceOption(caffe2_pb2.CPU, 0),
        **kwargs,
    )
    return model.net.Iter(blob_out, blob_out, **kwargs)


@_scoped
def add_weight_decay(model, weight_decay):
    """Adds weight decay to the gradients of the weights."""
    if weight_decay <= 0.0:
        return
    wd = model.param_init_net.ConstantFill([], "wd", shape=[1], value=weight_decay)
    one = model.param_init_net.ConstantFill([], "ONE", shape=[1], value=1.0)
    for param in model.weights:
        grad = model.param_to_grad[param]
        model.net.WeightedSum([grad, one, param, wd], grad)


@_scoped
def db_input(model, blobs_out, batch_size, db, db_type):
    dbreader = model.param_init_net.CreateDB([], "dbreader_" + db, db=db, db_type=db_type)
    return model.net.TensorProtosDBInput(dbreader, blobs_out, batch_size=batch_size)


@_scoped
def cond(model, cond_blob, external_blobs, then_model, else_model=None):
    """The net of one of two models, by a bool; `external_blobs` of the model's are what they write to."""
    control_ops_util.add_if_op(model.net, cond_blob, external_blobs, then_model.net, else_model and else_model.net)


@_scoped
def loop(model, cond_blob, external_blobs, loop_model, cond_model=None):
    """The net of a model while a bool holds, which the net of cond_model computes before each round."""
    control_ops_util.add_while_op(model.net, cond_blob, external_blobs, loop_model.net, cond_model and cond_model.net)

"""caffe2.python.optimizer: what all optimizers share, and how a model gets one."""

from __future__ import annotations

import copy
from collections import defaultdict, namedtuple

import numpy as np

from rushlight.caffe2.proto import caffe2_pb2
from rushlight.caffe2.python import core, scope, utils, workspace
from rushlight.caffe2.python.modeling.parameter_info import ParameterInfo

AuxOptimizerParams = namedtuple("AuxOptimizerParams", ["local", "shared"])

_LEARNING_RATE_INJECTION = "lr_injection"
_optimizer_instance_count: defaultdict = defaultdict(int)


def reset_optimizer_instance_count():
    """Names of blobs count an optimizer's instances; they begin anew."""
    _optimizer_instance_count.clear()


def _device():
    return scope.CurrentDeviceScope() or core.DeviceOption(caffe2_pb2.CPU)


def _constant(init_net, name, value):
    """A number of the current device, made once: ONE_0_0 is of device 0 of type 0."""
    device = _device()
    name = f"{name}_{device.device_type}_{device.device_id}{device.node_name}"
    if init_net.BlobIsDefined(name):
        return init_net.GetBlobRef(name)
    return init_net.ConstantFill([], name, shape=[1], value=float(value))


class Optimizer:
    """Base of the optimizers: ``optimizer(net, param_init_net, param, grad)`` adds the operators of one parameter.

    A parameter is a blob with its gradient, or a ParameterInfo that knows it. Subclasses have `_run`.
    """

    def __init__(self):
        name = type(self).__name__
        self._aux_params = AuxOptimizerParams(local=[], shared=[])
        self._instance_num = _optimizer_instance_count[name]
        _optimizer_instance_count[name] += 1
        self._lr_multiplier = self._local_lr_multiplier = None

    def __call__(self, net, param_init_net, param, grad=None):
        if grad is None:
            assert isinstance(param, ParameterInfo), (
                f"Expected parameter to be of type ParameterInfo, got {param}: give its gradient too"
            )
            assert param.grad is not None, f"the parameter {param} has no gradient"
        else:
            param = ParameterInfo(None, core.BlobReference(param) if isinstance(param, str) else param, grad=grad)
        self._run(net, param_init_net, param)

    def _run(self, net, param_init_net, param_info):
        raise NotImplementedError("Not Implemented")

    @property
    def attributes(self):
        """What the constructor was given and what came of it, without the instance's number."""
        return {k: copy.deepcopy(v) for k, v in self.__dict__.items() if k != "_instance_num"}

    def get_cpu_blob_name(self, base_str, node_name=""):
        return f"{type(self).__name__}_{self._instance_num}_{base_str}{node_name}_cpu"

    def get_gpu_blob_name(self, base_str, gpu_id, node_name):
        return f"{type(self).__name__}_{self._instance_num}_{base_str}{node_name}_gpu{gpu_id}"

    def make_unique_blob_name(self, base_str):
        """A name that no other instance has, nor this one on another device."""
        device = _device()
        if device.device_type != caffe2_pb2.CPU:
            return self.get_gpu_blob_name(base_str, device.device_id, device.node_name)
        return self.get_cpu_blob_name(base_str, device.node_name)

    def build_lr(
        self, net, param_init_net, base_learning_rate, learning_rate_blob=None, policy="fixed", iter_val=0, **kwargs
    ):
        """Blobs of the rate, by a policy of the operator LearningRate, and of the iteration. Steps are added, so rates are negative."""
        name = learning_rate_blob or self.make_unique_blob_name("lr")
        iteration = utils.BuildUniqueMutexIter(param_init_net, net, iter_val=iter_val)
        if net.BlobIsDefined(name):
            lr = net.GetBlobRef(name)
        else:
            lr = net.LearningRate([iteration], name, base_lr=-float(base_learning_rate), policy=policy, **kwargs)
        if self._lr_multiplier is not None:
            here = net.CopyFromCPUInput(self._lr_multiplier, self.make_unique_blob_name("lr_multiplier"))
            lr = net.Mul([lr, here], self.make_unique_blob_name("scaled_lr"), broadcast=1)
        if self._local_lr_multiplier is not None:
            lr = net.Mul([lr, self._local_lr_multiplier], self.make_unique_blob_name("local_scaled_lr"), broadcast=1)
        return lr, iteration

    def add_lr_multiplier(self, lr_multiplier):
        """A blob that all rates made from now on are times."""
        self._lr_multiplier = lr_multiplier

    def _apply_lars(self, net, param_init_net, info, lars):
        """Rates of a layer by the norms of weights and gradient (arXiv:1708.03888); not for sparse gradients."""
        self._local_lr_multiplier = None
        if lars is None or isinstance(info.grad, core.GradientSlice):
            return
        assert lars >= 0, f"Lars offset must be nonnegative, got {lars}"
        limits = self.create_lars_inputs(param_init_net, 0.0, 1.0, np.finfo(np.float32).max)
        self._local_lr_multiplier = net.Lars(
            [info.blob, info.grad, *limits], self.make_unique_blob_name(f"{info.blob}_lars"), offset=lars, lr_min=0.0
        )

    def create_lars_inputs(self, param_init_net, weight_decay, trust, lr_max):
        values = {"weight_decay": weight_decay, "trust": trust, "lr_max": lr_max}
        return tuple(param_init_net.ConstantFill([], n, shape=[1], value=float(v)) for n, v in values.items())

    @staticmethod
    def dedup(net, sparse_dedup_aggregator, grad):
        """Rows of a sparse gradient that come several times as one: their "sum" or "mean"; as they are where no aggregator is given."""
        assert isinstance(grad, core.GradientSlice), f"Dedup only works for sparse gradient, got {grad}"
        if not sparse_dedup_aggregator:
            return grad
        return net.DeduplicateGradientSlices(grad, aggregator=sparse_dedup_aggregator)

    def get_auxiliary_parameters(self):
        """Blobs of the optimizer's state: `local` ones belong to a parameter each, `shared` ones to all."""
        return self._aux_params

    def scale_learning_rate(self, scale):
        """Multiplies the base rate."""
        raise NotImplementedError("Optimizer Need to Implement `scale_learning_rate` method.")


def get_param_device(param_name, grad, param_to_device=None, default_device=None):
    """The device of a parameter, or else of its gradient, by what `param_to_device` knows."""
    known = param_to_device or {}
    parts = [grad.values, grad.indices] if isinstance(grad, core.GradientSlice) else [grad]
    for name in map(str, [param_name, *parts]):
        if name in known:
            return known[name]
    assert default_device is not None, f"Cannot infer device for {param_name}: no op creates it"
    return default_device


def get_lr_injection():
    """The number that all rates are times, where the optimizer was built with allow_lr_injection=True."""
    return workspace.FetchBlob(_LEARNING_RATE_INJECTION)


def set_lr_injection(lr_injection_value):
    workspace.FeedBlob(_LEARNING_RATE_INJECTION, np.array([float(lr_injection_value)], np.float32))


def _calc_norm_ratio(model, params, name_scope, param_to_device, max_gradient_norm):
    """A blob: how much shorter gradients have to be for their common norm to be at most max_gradient_norm; 1 where it is."""
    with core.NameScope(name_scope):
        squares = []
        for i, info in enumerate(params):
            values = info.grad.values if isinstance(info.grad, core.GradientSlice) else info.grad
            with core.DeviceScope(get_param_device(info.name, info.grad, param_to_device, caffe2_pb2.DeviceOption())):
                square = model.net.SumSqrElements(values, f"grad_{i}_squared_sum")
                squares.append(model.net.EnsureCPUOutput(square))
        with core.DeviceScope(core.DeviceOption(caffe2_pb2.CPU)):
            norm = model.net.Pow(model.net.Sum(squares, "grad_squared_full_sum"), "global_norm", exponent=0.5)
            top = model.param_init_net.ConstantFill([], "clip_norm", shape=[], value=float(max_gradient_norm))
            return model.net.Div([top, model.net.Max([norm, top], "max_norm")], "norm_ratio")


def _get_param_to_device(model):
    """Devices of blobs, by the operators that make them: a parameter is where it is initialised, on the CPU where that names none."""
    return core.InferBlobDevices(model.net) | core.InferBlobDevices(model.param_init_net)


def build(model, optimizer, weights_only=False, use_param_info_optim=True, max_gradient_norm=None, allow_lr_injection=False):  # fmt: skip
    """Adds the optimizer's operators for all parameters of a model; those that have an optimizer of their own get its.

    Args:
        weights_only: biases get none.
        use_param_info_optim: parameters' own optimizers count.
        max_gradient_norm: rates are smaller where the norm of all gradients is larger.
        allow_lr_injection: all rates are times a number that set_lr_injection feeds.
    """
    model.Validate()
    devices = _get_param_to_device(model)
    params = [i for i in model.GetOptimizationParamInfo() if not weights_only or i.blob in model.weights]
    multiplier = None
    if max_gradient_norm is not None:
        multiplier = _calc_norm_ratio(model, params, "norm_clipped_grad_update", devices, max_gradient_norm)
    if allow_lr_injection:
        injected = core.BlobReference(_LEARNING_RATE_INJECTION)
        if not model.net.BlobIsDefined(injected):
            injected = model.param_init_net.ConstantFill([], _LEARNING_RATE_INJECTION, shape=[1], value=1.0)
        if multiplier is None:
            multiplier = injected
        else:
            multiplier = model.net.Mul([multiplier, injected], "lr_multiplier", broadcast=1)
    optimizer.add_lr_multiplier(multiplier)
    for info in params:
        own = info.optimizer if use_param_info_optim else None
        with core.DeviceScope(get_param_device(info.name, info.grad, devices, caffe2_pb2.DeviceOption())):
            (own or optimizer)(model.net, model.param_init_net, info)
    return optimizer

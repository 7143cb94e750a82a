"""caffe2.python.optimizer: operators that step parameters, added to a model whose gradients are there."""

from __future__ import annotations

from collections import namedtuple

from rushlight.caffe2.python import core, utils

ParamGrad = namedtuple("ParamGrad", ["param", "grad"])
AuxOptimizerParams = namedtuple("AuxOptimizerParams", ["local", "shared"])

_optimizer_instance_count: dict = {}
FP16_ENGINES = ["SIMD_Q_FP16", "SIMD_Q_STOC_FP16", "SIMD_Q_STOC_MKL_FP16"]


def reset_optimizer_instance_count():
    _optimizer_instance_count.clear()


def _constant(init_net, name, value):
    return init_net.ConstantFill([], name, shape=[1], value=float(value))


class Optimizer:
    """Base of the optimisers: ``optimizer(net, param_init_net, ParamGrad(param, grad))`` adds the operators of one parameter."""

    def __init__(self):
        self._aux_params = AuxOptimizerParams(local=[], shared=[])
        count = _optimizer_instance_count.get(type(self).__name__, 0)
        self._instance_num = count
        _optimizer_instance_count[type(self).__name__] = count + 1
        self._lr_multiplier = None

    def __call__(self, net, param_init_net, param, grad=None):
        if grad is not None:
            param = ParamGrad(param, grad)
        elif isinstance(param, str):
            raise AssertionError("a parameter without gradient")
        self._run(net, param_init_net, param)

    def _run(self, net, param_init_net, param_info):
        raise NotImplementedError

    def make_unique_blob_name(self, base_str):
        return f"{type(self).__name__}_{self._instance_num}_{base_str}"

    def build_lr(
        self, net, param_init_net, base_learning_rate, learning_rate_blob=None, policy="fixed", iter_val=0, **kwargs
    ):
        if learning_rate_blob is None:
            learning_rate_blob = self.make_unique_blob_name("lr_cpu")
        iteration = utils.BuildUniqueMutexIter(param_init_net, net, iter_val=iter_val)
        if not net.BlobIsDefined(learning_rate_blob):
            # Steps are added, so rates are negative.
            lr = net.LearningRate(
                [iteration], learning_rate_blob, base_lr=-float(base_learning_rate), policy=policy, **kwargs
            )
        else:
            lr = net.GetBlobRef(learning_rate_blob)
        return lr, iteration

    def add_lr_multiplier(self, lr_multiplier):
        self._lr_multiplier = lr_multiplier

    def get_auxiliary_parameters(self):
        return self._aux_params

    def scale_learning_rate(self, *args, **kwargs):
        raise NotImplementedError("Optimizer Need to Implement `scale_learning_rate` method.")

    @staticmethod
    def dedup(net, sparse_dedup_aggregator, grad):
        """Rows of a sparse gradient that come several times are joined, where an aggregator is asked for."""
        if not isinstance(grad, core.GradientSlice) or not sparse_dedup_aggregator:
            return grad
        net.DeduplicateGradientSlices(grad, aggregator=sparse_dedup_aggregator) if hasattr(
            net, "DeduplicateGradientSlices"
        ) else None
        return grad


class SgdOptimizer(Optimizer):
    def __init__(
        self,
        base_learning_rate=0.01,
        policy="fixed",
        momentum=0.0,
        nesterov=True,
        sparse_dedup_aggregator=None,
        lars=None,
        **kwargs,
    ):
        super().__init__()
        self.base_learning_rate, self.policy, self.momentum, self.nesterov = (
            base_learning_rate,
            policy,
            momentum,
            nesterov,
        )
        self.sparse_dedup_aggregator, self.lars, self.init_kwargs = sparse_dedup_aggregator, lars, kwargs

    def _run(self, net, param_init_net, param_info):
        param, grad = param_info
        if self.base_learning_rate == 0:
            return
        assert self.base_learning_rate > 0, f"Expect positive base learning rate, got {self.base_learning_rate}"
        # MomentumSGDUpdate subtracts its step, WeightedSum adds it.
        sign = -1 if self.momentum else 1
        lr, _ = self.build_lr(
            net,
            param_init_net,
            base_learning_rate=self.base_learning_rate * sign,
            policy=self.policy,
            **self.init_kwargs,
        )
        if self.momentum:
            momentum_data = param_init_net.ConstantFill(param, str(param) + "_momentum", value=0.0)
            self._aux_params.local.append(momentum_data)
        if isinstance(grad, core.GradientSlice):
            if self.momentum:
                values = grad.values
                net.SparseMomentumSGDUpdate(
                    [values, momentum_data, lr, param, grad.indices],
                    [values, momentum_data, param],
                    momentum=self.momentum,
                    nesterov=int(self.nesterov),
                )
            else:
                one = self._one(param_init_net)
                net.ScatterWeightedSum([param, one, grad.indices, grad.values, lr], param)
        elif self.momentum:
            net.MomentumSGDUpdate(
                [grad, momentum_data, lr, param],
                [grad, momentum_data, param],
                momentum=self.momentum,
                nesterov=int(self.nesterov),
            )
        else:
            net.WeightedSum([param, self._one(param_init_net), grad, lr], param)

    def _one(self, init_net):
        name = "ONE"
        if init_net.BlobIsDefined(name):
            return init_net.GetBlobRef(name)
        one = _constant(init_net, name, 1.0)
        self._aux_params.shared.append(one)
        return one

    def scale_learning_rate(self, scale):
        self.base_learning_rate *= scale


class _Stateful(Optimizer):
    """Optimisers whose operators are (param, states..., grad, lr, ...) -> (param, states...)."""

    operator = sparse_operator = ""
    states: tuple = ()
    initial = 0.0

    def __init__(self, alpha=0.01, policy="fixed", **kwargs):
        super().__init__()
        self.alpha, self.policy, self.kwargs = alpha, policy, kwargs

    def arguments(self):
        return {}

    def more_inputs(self, iteration):
        return []

    def _run(self, net, param_init_net, param_info):
        param, grad = param_info
        if self.alpha <= 0:
            return
        lr, iteration = self.build_lr(
            net, param_init_net, base_learning_rate=self.alpha, policy=self.policy, **self.kwargs
        )
        states = [param_init_net.ConstantFill([param], str(param) + "_" + s, value=self.initial) for s in self.states]
        self._aux_params.local.extend(states)
        if isinstance(grad, core.GradientSlice):
            getattr(net, self.sparse_operator)(
                [param, *states, grad.indices, grad.values, lr, *self.more_inputs(iteration)],
                [param, *states],
                **self.arguments(),
            )
        else:
            getattr(net, self.operator)(
                [param, *states, grad, lr, *self.more_inputs(iteration)], [param, *states], **self.arguments()
            )

    def scale_learning_rate(self, scale):
        self.alpha *= scale


class AdagradOptimizer(_Stateful):
    operator, sparse_operator, states = "Adagrad", "SparseAdagrad", ("squared_sum",)

    def __init__(
        self,
        alpha=0.01,
        epsilon=1e-4,
        decay=1,
        policy="fixed",
        sparse_dedup_aggregator=None,
        rowWise=False,
        engine="",
        lars=None,
        output_effective_lr=False,
        output_effective_lr_and_update=False,
        weight_decay=0.0,
        **kwargs,
    ):
        super().__init__(alpha, policy, **kwargs)
        self.epsilon, self.decay, self.rowWise, self.engine = epsilon, decay, rowWise, engine

    def arguments(self):
        return {"epsilon": float(self.epsilon), "decay": float(self.decay), "engine": self.engine}

    def _run(self, net, param_init_net, param_info):
        param, grad = param_info
        if not self.rowWise:
            return super()._run(net, param_init_net, param_info)
        lr, _ = self.build_lr(net, param_init_net, base_learning_rate=self.alpha, policy=self.policy, **self.kwargs)
        shape = param_init_net.Shape(param, str(param) + "_shape")
        rows = param_init_net.Slice([shape], str(param) + "_numrows", starts=[0], ends=[1])
        state = param_init_net.ConstantFill(rows, str(param) + "_avg_squared_sum", input_as_shape=1, value=0.0)
        self._aux_params.local.append(state)
        assert isinstance(grad, core.GradientSlice), (
            "If SparseAdagrad with rowWise=True, gradient must be a gradientslice."
        )
        net.RowWiseSparseAdagrad(
            [param, state, grad.indices, grad.values, lr], [param, state], epsilon=self.epsilon, engine=self.engine
        )


class AdadeltaOptimizer(_Stateful):
    operator, sparse_operator, states = "Adadelta", "SparseAdadelta", ("squared_moment", "squared_moment_delta")

    def __init__(
        self, alpha=0.01, epsilon=1e-4, decay=0.95, policy="fixed", sparse_dedup_aggregator=None, engine="", **kwargs
    ):
        super().__init__(alpha, policy, **kwargs)
        self.epsilon, self.decay, self.engine = epsilon, decay, engine

    def arguments(self):
        return {"epsilon": float(self.epsilon), "decay": float(self.decay), "engine": self.engine}


class AdamOptimizer(_Stateful):
    operator, sparse_operator, states = "Adam", "SparseAdam", ("first_moment", "second_moment")

    def __init__(
        self,
        alpha=0.001,
        beta1=0.9,
        beta2=0.999,
        epsilon=1e-8,
        policy="fixed",
        use_lr_adaption=False,
        lr_alpha=0.01,
        normalized_lr_adaption=True,
        sparse_dedup_aggregator=None,
        rowWise=False,
        engine="",
        **kwargs,
    ):
        super().__init__(alpha, policy, **kwargs)
        self.beta1, self.beta2, self.epsilon = beta1, beta2, epsilon
        if rowWise:
            self.sparse_operator = "RowWiseSparseAdam"

    def arguments(self):
        return {"beta1": float(self.beta1), "beta2": float(self.beta2), "epsilon": float(self.epsilon)}

    def more_inputs(self, iteration):
        return [iteration]


class RmsPropOptimizer(Optimizer):
    def __init__(self, alpha=0.01, decay=0.9, momentum=0.0, epsilon=1e-5, policy="fixed", engine="", **kwargs):
        super().__init__()
        self.alpha, self.decay, self.momentum, self.epsilon, self.policy, self.engine, self.kwargs = (
            alpha,
            decay,
            momentum,
            epsilon,
            policy,
            engine,
            kwargs,
        )

    def _run(self, net, param_init_net, param_info):
        param, grad = param_info
        assert not isinstance(grad, core.GradientSlice), "RmsProp has no sparse form"
        lr, _ = self.build_lr(net, param_init_net, base_learning_rate=self.alpha, policy=self.policy, **self.kwargs)
        ms = param_init_net.ConstantFill([param], str(param) + "_mean_squares", value=0.0)
        mom = param_init_net.ConstantFill([param], str(param) + "_momentum", value=0.0)
        self._aux_params.local.extend([ms, mom])
        step = str(param) + "_step"
        net.RmsProp(
            [grad, ms, mom, lr],
            [step, ms, mom],
            decay=self.decay,
            momentum=self.momentum,
            epsilon=self.epsilon,
            engine=self.engine,
        )
        net.Add([param, step], param)

    def scale_learning_rate(self, scale):
        self.alpha *= scale


class FtrlOptimizer(Optimizer):
    def __init__(self, alpha=0.01, beta=1e-4, lambda1=0, lambda2=0, sparse_dedup_aggregator=None, engine=""):
        super().__init__()
        self.alpha, self.beta, self.lambda1, self.lambda2, self.engine = alpha, beta, lambda1, lambda2, engine

    def _run(self, net, param_init_net, param_info):
        param, grad = param_info
        if self.alpha <= 0:
            return
        nz = param_init_net.ConstantFill([param], str(param) + "_ftrl_nz", extra_shape=[2], value=0.0)
        self._aux_params.local.append(nz)
        kwargs = {
            "engine": self.engine,
            "alpha": float(self.alpha),
            "beta": float(self.beta),
            "lambda1": float(self.lambda1),
            "lambda2": float(self.lambda2),
        }
        if isinstance(grad, core.GradientSlice):
            net.SparseFtrl([param, nz, grad.indices, grad.values], [param, nz], **kwargs)
        else:
            net.Ftrl([param, nz, grad], [param, nz], **kwargs)

    def scale_learning_rate(self, scale):
        self.alpha *= scale


class WeightDecayBuilder(Optimizer):
    def __init__(self, weight_decay):
        super().__init__()
        self.weight_decay = weight_decay

    def _run(self, net, param_init_net, param_info):
        param, grad = param_info
        assert not isinstance(grad, core.GradientSlice), "Weight decay does not yet support sparse gradients"
        name = "weight_decay_ONE"
        one = (
            param_init_net.GetBlobRef(name)
            if param_init_net.BlobIsDefined(name)
            else _constant(param_init_net, name, 1.0)
        )
        wd_name = "weight_decay_wd"
        wd = (
            param_init_net.GetBlobRef(wd_name)
            if param_init_net.BlobIsDefined(wd_name)
            else _constant(param_init_net, wd_name, self.weight_decay)
        )
        net.WeightedSum([grad, one, param, wd], grad)


def _calc_norm_ratio(model, params, name_scope, param_to_device, max_gradient_norm):
    norms = []
    for k, (_, grad) in enumerate(params):
        values = grad.values if isinstance(grad, core.GradientSlice) else grad
        norms.append(model.net.SumSqrElements([values], f"grad_norm_squared_{k}"))
    total = model.net.Sum(norms, "grad_norm_squared_all") if len(norms) > 1 else norms[0]
    norm = model.net.Pow([total], "global_gradient_norm", exponent=0.5)
    top = model.param_init_net.ConstantFill([], "norm_clipping_threshold", shape=[], value=float(max_gradient_norm))
    most = model.net.Max([norm, top], "max_norm")
    return model.net.Div([top, most], "norm_ratio")


def _build(
    model, optimizer, weights_only=False, use_param_info_optim=True, max_gradient_norm=None, allow_lr_injection=False
):
    params = model.GetOptimizationParamInfo(model.weights if weights_only else None)
    params = [ParamGrad(p, g) for p, g in params if g is not None]
    if max_gradient_norm is not None:
        ratio = _calc_norm_ratio(model, params, "norm_clipped_grad_update", {}, max_gradient_norm)
        for _, grad in params:
            values = grad.values if isinstance(grad, core.GradientSlice) else grad
            model.net.Mul([values, ratio], [values], broadcast=1)
    for param in params:
        # Caffe2 says the parameter's device, which is the default one.
        with core.DeviceScope(core.caffe2_pb2.DeviceOption()):
            optimizer(model.net, model.param_init_net, param)
    return optimizer


def add_weight_decay(model, weight_decay):
    """Adds a decay to the gradients of all weights."""
    _build(model, WeightDecayBuilder(weight_decay), weights_only=True)


def build_sgd(model, base_learning_rate, max_gradient_norm=None, allow_lr_injection=False, **kwargs):
    return _build(model, SgdOptimizer(base_learning_rate, **kwargs), max_gradient_norm=max_gradient_norm)


def build_multi_precision_sgd(model, base_learning_rate, max_gradient_norm=None, allow_lr_injection=False, **kwargs):
    return build_sgd(model, base_learning_rate, max_gradient_norm, allow_lr_injection, **kwargs)


def build_ftrl(model, engine="SIMD", **kwargs):
    return _build(model, FtrlOptimizer(engine=engine, **kwargs))


def build_adagrad(
    model, base_learning_rate, parameters=None, max_gradient_norm=None, allow_lr_injection=False, **kwargs
):
    return _build(model, AdagradOptimizer(alpha=base_learning_rate, **kwargs), max_gradient_norm=max_gradient_norm)


def build_adadelta(
    model, base_learning_rate, parameters=None, max_gradient_norm=None, allow_lr_injection=False, **kwargs
):
    return _build(model, AdadeltaOptimizer(alpha=base_learning_rate, **kwargs), max_gradient_norm=max_gradient_norm)


def build_adam(model, base_learning_rate, max_gradient_norm=None, allow_lr_injection=False, **kwargs):
    return _build(model, AdamOptimizer(alpha=base_learning_rate, **kwargs), max_gradient_norm=max_gradient_norm)


def build_rms_prop(model, base_learning_rate, max_gradient_norm=None, allow_lr_injection=False, **kwargs):
    return _build(model, RmsPropOptimizer(alpha=base_learning_rate, **kwargs), max_gradient_norm=max_gradient_norm)


def get_param_device(param_name, grad, param_to_device=None, default_device=None):
    return default_device


def get_lr_injection():
    return 1.0


def set_lr_injection(lr_injection_value):
    raise NotImplementedError("learning rates are not injected: build the optimiser with the rate")

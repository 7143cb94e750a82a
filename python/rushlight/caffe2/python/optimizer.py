"""caffe2.python.optimizer: operators that step parameters, added to a model whose gradients are there.

>>> from rushlight.caffe2.python import brew, model_helper, optimizer
>>> model = model_helper.ModelHelper(name="line")
>>> y = brew.fc(model, "x", "y", dim_in=3, dim_out=1)
>>> loss = model.net.AveragedLoss(y, "loss")
>>> _ = model.AddGradientOperators([loss])
>>> _ = optimizer.build_adam(model, base_learning_rate=0.01, policy="step", stepsize=100, gamma=0.9)
>>> [op.type for op in model.net.Proto().op if op.type in ("LearningRate", "Adam")]
['LearningRate', 'Adam', 'Adam']
"""

from __future__ import annotations

from rushlight.caffe2.python import core, utils
from rushlight.caffe2.python._optimizer import (  # noqa: F401 (the module's names)
    AuxOptimizerParams,
    Optimizer,
    _calc_norm_ratio,
    _constant,
    _get_param_to_device,
    _optimizer_instance_count,
    build,
    get_lr_injection,
    get_param_device,
    reset_optimizer_instance_count,
    set_lr_injection,
)

_build = build
FP16_ENGINES = ["SIMD_Q_FP16", "SIMD_Q_STOC_FP16", "SIMD_Q_STOC_MKL_FP16"]


class SgdOptimizer(Optimizer):
    """param += lr * grad, or with a momentum, Nesterov's unless nesterov=False. `lars`: see Optimizer._apply_lars."""

    def __init__(
        self, base_learning_rate=0.01, policy="fixed", momentum=0.0, nesterov=True, sparse_dedup_aggregator=None, lars=None, **kwargs
    ):  # fmt: skip
        super().__init__()
        self.base_learning_rate, self.policy, self.momentum = base_learning_rate, policy, momentum
        self.nesterov, self.sparse_dedup_aggregator, self.lars = nesterov, sparse_dedup_aggregator, lars
        self.init_kwargs = kwargs

    def _rate(self, net, param_init_net, sign):
        rate = self.base_learning_rate
        assert rate > 0, f"Expect positive base learning rate, got {rate}"
        return self.build_lr(net, param_init_net, rate * sign, policy=self.policy, **self.init_kwargs)[0]

    def _momentum(self, param_init_net, like, name):
        state = param_init_net.ConstantFill(like, name, value=0.0)
        self._aux_params.local.append(state)
        return state

    def _run(self, net, param_init_net, param_info):
        param, grad = param_info.blob, param_info.grad
        if self.base_learning_rate == 0:
            return
        self._apply_lars(net, param_init_net, param_info, self.lars)
        # MomentumSGDUpdate subtracts its step, WeightedSum adds it.
        lr = self._rate(net, param_init_net, -1 if self.momentum else 1)
        one = _constant(param_init_net, "ONE", 1.0)
        self._aux_params.shared.append(one)
        sparse = isinstance(grad, core.GradientSlice)
        if sparse:
            grad = self.dedup(net, self.sparse_dedup_aggregator, grad)
        values, indices = (grad.values, [grad.indices]) if sparse else (grad, [])
        if self.momentum > 0:
            momentum = self._momentum(param_init_net, param, f"{param}_momentum")
            step = net.SparseMomentumSGDUpdate if sparse else net.MomentumSGDUpdate
            step(
                [values, momentum, lr, param, *indices],
                [values, momentum, param],
                momentum=self.momentum,
                nesterov=int(self.nesterov),
            )
        elif sparse:
            net.ScatterWeightedSum([param, one, *indices, values, lr], param)
        else:
            net.WeightedSum([param, one, values, lr], param)

    def scale_learning_rate(self, scale):
        self.base_learning_rate *= scale


def _dense(optimizer, info):
    assert not isinstance(info.grad, core.GradientSlice), f"{optimizer} does not support sparse gradients"
    return info.blob, info.grad


class MultiPrecisionSgdOptimizer(SgdOptimizer):
    """SGD of parameters in half precision by their copies in single precision (PseudoFP16Initializer); others are stepped as they are."""

    def __init__(self, base_learning_rate=0.1, momentum=0.0, **kwargs):
        super().__init__(base_learning_rate, momentum=momentum, **kwargs)

    def _run(self, net, param_init_net, param_info):
        single = (param_info.blob_copy or {}).get(core.DataType.FLOAT)
        if single is None:
            return super()._run(net, param_init_net, param_info)
        param, grad = _dense("MultiPrecisionSgd", param_info)
        if self.base_learning_rate == 0:
            return
        lr = self._rate(net, param_init_net, -1)
        momentum = self._momentum(param_init_net, single, f"{param}_momentum")
        grad = net.HalfToFloat(grad, f"{grad}_fp32")
        net.MomentumSGDUpdate(
            [grad, momentum, lr, single],
            [grad, momentum, single],
            momentum=self.momentum,
            nesterov=int(self.nesterov),
        )
        net.FloatToHalf(single, param)


class FP16SgdOptimizer(SgdOptimizer):
    """SGD with weight decay whose state has half precision where the parameter has a copy of it."""

    def __init__(self, base_learning_rate=0.1, momentum=0.0, weight_decay=0.0001, **kwargs):
        super().__init__(base_learning_rate, momentum=momentum, **kwargs)
        self.weight_decay = weight_decay

    def _run(self, net, param_init_net, param_info, fp32_update=False):
        param, grad = _dense("FP16Sgd", param_info)
        if self.base_learning_rate == 0:
            return
        copies = param_info.blob_copy or {}
        half = bool(copies) and not fp32_update and "spatbn" not in str(param)
        single = copies.get(core.DataType.FLOAT, param) if half else param
        if half:
            param = copies.get(core.DataType.FLOAT16, param)
        lr = self._rate(net, param_init_net, -1)
        momentum = param_init_net.ConstantFill(single, f"{param}_momentum_fp32", value=0.0)
        if half:
            momentum = param_init_net.FloatToHalf(momentum, f"{param}_momentum")
        self._aux_params.local.append(momentum)
        step = net.FP16MomentumSGDUpdate if half else net.FP32MomentumSGDUpdate
        step(
            [grad, momentum, lr, param], [grad, momentum, param], momentum=self.momentum, nesterov=int(self.nesterov),
            weight_decay=float(self.weight_decay),
        )  # fmt: skip


class WeightDecayBuilder(Optimizer):
    """Adds weight_decay * param to the gradient."""

    def __init__(self, weight_decay):
        super().__init__()
        self.weight_decay = weight_decay

    def _run(self, net, param_init_net, param_info):
        param, grad = param_info.blob, param_info.grad
        if isinstance(grad, core.GradientSlice):
            raise ValueError("Weight decay does not yet support sparse gradients")
        one, decay = _constant(param_init_net, "ONE", 1.0), _constant(param_init_net, "wd", self.weight_decay)
        net.WeightedSum([grad, one, param, decay], grad)


class _Stateful(Optimizer):
    """Optimizers whose operators are (param, states..., grad, lr, ...) -> (param, states...).

    Args:
        alpha: the base rate; 0 or less: no steps.
        policy, kwargs: the rate's, as the operator LearningRate takes them.
    """

    operator = sparse_operator = ""
    states: tuple = ()
    lars = sparse_dedup_aggregator = None

    def __init__(self, alpha, policy, **kwargs):
        super().__init__()
        self.alpha, self.policy, self.init_kwargs = alpha, policy, kwargs

    def arguments(self, sparse):
        """Of the operator."""
        return {}

    def more_inputs(self, iteration):
        return []

    def make_states(self, param_init_net, param, sparse):
        return [param_init_net.ConstantFill([param], f"{param}_{s}", value=0.0) for s in self.states]

    def more_outputs(self, param, sparse):
        return []

    def _run(self, net, param_init_net, param_info):
        param, grad = param_info.blob, param_info.grad
        if self.alpha <= 0:
            return
        sparse = isinstance(grad, core.GradientSlice)
        self._apply_lars(net, param_init_net, param_info, self.lars)
        lr, iteration = self.build_lr(net, param_init_net, self.alpha, policy=self.policy, **self.init_kwargs)
        states = self.make_states(param_init_net, param, sparse)
        self._aux_params.local.extend(states)
        more = self.more_inputs(iteration)
        self._aux_params.shared.extend(more)
        grads = [grad]
        if sparse:
            grad = self.dedup(net, self.sparse_dedup_aggregator, grad)
            grads = [grad.indices, grad.values]
        step = getattr(net, self.sparse_operator if sparse else self.operator)
        outputs = [param, *states, *self.more_outputs(param, sparse)]
        step([param, *states, *grads, lr, *more], outputs, **self.arguments(sparse))
        self._after(net, lr, grads[-1], outputs)

    def _after(self, net, lr, grad, outputs):
        pass

    def scale_learning_rate(self, scale):
        self.alpha *= scale


def _refuse(optimizer, **options):
    """Options whose operators Caffe2 had in builds of its own only."""
    for name, value in options.items():
        if value:
            raise NotImplementedError(
                f"{optimizer}: {name} needs an operator that Caffe2's public builds and rushlight don't have; leave it out"
            )


def _rows(param_init_net, param):
    """A blob with the number of a parameter's rows."""
    shape = param_init_net.Shape(param, f"{param}_shape")
    return param_init_net.Slice([shape], f"{shape}_numrows", starts=[0], ends=[1])


def _effective(self, param):
    """The names of what Adagrad and Wngrad tell of their steps."""
    if self.output_effective_lr_and_update:
        return [f"{param}_effective_lr", f"{param}_update"]
    return [f"{param}_effective_lr"] if self.output_effective_lr else []


class AdagradOptimizer(_Stateful):
    """Steps that shrink with the sum of the squares of all gradients; `rowWise`: with their mean in each row, of sparse gradients.

    Args:
        weight_decay: for parameters of two dimensions or more.
        counter_halflife: with rowWise, rows that are seen often decay less.
        output_effective_lr, output_effective_lr_and_update: blobs `<param>_effective_lr`, `<param>_update` say what was done.
    """

    operator, sparse_operator, states = "Adagrad", "SparseAdagrad", ("squared_sum",)

    def __init__(
        self, alpha=0.01, epsilon=1e-4, decay=1, weight_decay=0.0, policy="fixed", sparse_dedup_aggregator=None, rowWise=False, engine="", lars=None,
        output_effective_lr=False, output_effective_lr_and_update=False, pruning_options=None, swa_options=None, ema_options=None, weight_scale=None,
        counter_halflife=-1, **kwargs,
    ):  # fmt: skip
        super().__init__(alpha, policy, **kwargs)
        _refuse("Adagrad", pruning_options=pruning_options, swa_options=swa_options, ema_options=ema_options)
        assert lars is None or weight_decay == 0, "weight decay is not implemented for LARS yet"
        self.epsilon, self.decay, self.weight_decay, self.engine = epsilon, decay, float(weight_decay), engine
        self.sparse_dedup_aggregator, self.rowWise, self.lars = sparse_dedup_aggregator, rowWise, lars
        self.output_effective_lr = output_effective_lr
        self.output_effective_lr_and_update = output_effective_lr_and_update
        self.weight_scale, self.counter_halflife = weight_scale, counter_halflife
        if rowWise:
            self.sparse_operator = "RowWiseSparseAdagrad"

    def _run(self, net, param_init_net, param_info):
        sparse = isinstance(param_info.grad, core.GradientSlice)
        assert sparse or not self.rowWise, (
            "If SparseAdagrad with rowWise=True, gradient must be a gradientslice: rowWise is not for dense ones"
        )
        assert not sparse or self.decay == 1, "Decay is not implemented for SparseAdagrad and must be set to 1"
        self._decays = self.weight_decay > 0 and (param_info.shape is None or len(param_info.shape) > 1)
        self._counted = self.counter_halflife > 0 and self.rowWise
        super()._run(net, param_init_net, param_info)

    def make_states(self, param_init_net, param, sparse):
        if not self.rowWise:
            return super().make_states(param_init_net, param, sparse)
        rows = _rows(param_init_net, param)
        name = f"{param}_avg_squared_sum"
        states = [param_init_net.ConstantFill(rows, name, input_as_shape=1, value=0.0)]
        if self._counted:
            kinds = {"update_counter": core.DataType.DOUBLE, "prev_update_iter": core.DataType.INT64}
            self._counters = [
                param_init_net.ConstantFill(rows, f"{param}_{n}", input_as_shape=1, value=0, dtype=kind)
                for n, kind in kinds.items()
            ]
            self._aux_params.local.extend(self._counters)
        return states

    def more_inputs(self, iteration):
        self._iteration = iteration
        return [self._counters[0]] if self._counted else []

    def more_outputs(self, param, sparse):
        return [] if sparse else _effective(self, param)

    def arguments(self, sparse):
        args = {"epsilon": float(self.epsilon), "engine": self.engine}
        if not sparse:
            args["decay"] = float(self.decay)
        if self._decays:
            args["weight_decay"] = self.weight_decay
            if self._counted:
                args["counter_halflife"] = self.counter_halflife
        return args

    def _after(self, net, lr, grad, outputs):
        if self._counted:
            counter, seen = self._counters
            indices = net.Proto().op[-1].input[2]
            net.RowWiseCounter(
                [seen, counter, core.BlobReference(indices), self._iteration],
                [seen, counter],
                counter_halflife=self.counter_halflife,
            )
        scale = self.weight_scale
        for blob in outputs[: 1 + bool(scale and scale.to_aux)] if scale else ():
            net.WeightScale(
                [blob, self._iteration], [blob], stepsize=scale.stepsize, upper_bound_iter=scale.upper_bound_iter, scale=float(scale.scale)
            )  # fmt: skip


class WngradOptimizer(_Stateful):
    """A rate that falls as gradients come (arXiv:1803.02865); moment_init is where the number that it is divided by begins."""

    operator, sparse_operator = "Wngrad", "SparseWngrad"

    def __init__(
        self, alpha=1.0, epsilon=1e-9, policy="fixed", sparse_dedup_aggregator=None, engine="", moment_init=100.0, lars=None,
        output_effective_lr=False, output_effective_lr_and_update=False, **kwargs,
    ):  # fmt: skip
        super().__init__(alpha, policy, **kwargs)
        self.epsilon, self.engine, self.moment_init = epsilon, engine, moment_init
        self.sparse_dedup_aggregator, self.lars = sparse_dedup_aggregator, lars
        self.output_effective_lr = output_effective_lr
        self.output_effective_lr_and_update = output_effective_lr_and_update

    def make_states(self, param_init_net, param, sparse):
        return [param_init_net.ConstantFill([], f"{param}_moment", shape=[1], value=float(self.moment_init))]

    def more_outputs(self, param, sparse):
        return [] if sparse else _effective(self, param)

    def arguments(self, sparse):
        return {"epsilon": float(self.epsilon), "engine": self.engine}


class StormOptimizer(Optimizer):
    """A mean of gradients that corrects itself, at a rate that falls with the cube root of their squares (arXiv:1905.10018).

    Args:
        lr, momentum, beta: k, c and w of the paper.
        grad_sq_init: where the sum of squares begins.
    """

    def __init__(
        self, lr=0.1, momentum=10.0, beta=0.1, grad_sq_init=0.01, policy="fixed", sparse_dedup_aggregator=None, lars=None, **kwargs
    ):  # fmt: skip
        super().__init__()
        self.lr, self.momentum, self.beta, self.grad_sq_init = lr, momentum, beta, grad_sq_init
        self.policy, self.sparse_dedup_aggregator, self.lars = policy, sparse_dedup_aggregator, lars
        self.init_kwargs = kwargs

    def _run(self, net, param_init_net, param_info):
        param, grad = param_info.blob, param_info.grad
        if self.lr <= 0:
            return
        self._apply_lars(net, param_init_net, param_info, self.lars)
        lr, _ = self.build_lr(net, param_init_net, self.lr, policy=self.policy, **self.init_kwargs)
        moment = param_init_net.ConstantFill(param, f"{param}_moment", value=0.0)
        squares = param_init_net.ConstantFill([], f"{param}_grad_sq_sum", shape=[1], value=float(self.grad_sq_init))
        states = [param, moment, squares]
        self._aux_params.local.extend(states[1:])
        args = {"momentum": float(self.momentum), "beta": float(self.beta)}
        if isinstance(grad, core.GradientSlice):
            grad = self.dedup(net, self.sparse_dedup_aggregator, grad)
            net.SparseStorm([*states, grad.values, grad.indices, lr], states, **args)
        else:
            net.Storm([*states, grad, lr], states, **args)

    def scale_learning_rate(self, scale):
        self.lr *= scale


class AdadeltaOptimizer(_Stateful):
    """Steps of the size of earlier ones (arXiv:1212.5701)."""

    operator, sparse_operator, states = "Adadelta", "SparseAdadelta", ("squared_moment", "squared_moment_delta")

    def __init__(
        self, alpha=0.01, epsilon=1e-4, decay=0.95, policy="fixed", sparse_dedup_aggregator=None, engine="", **kwargs
    ):
        super().__init__(alpha, policy, **kwargs)
        self.epsilon, self.decay, self.engine = epsilon, decay, engine
        self.sparse_dedup_aggregator = sparse_dedup_aggregator

    def arguments(self, sparse):
        return {"epsilon": float(self.epsilon), "decay": float(self.decay), "engine": self.engine}


class _Ftrl(Optimizer):
    def __init__(self, alpha=0.01, beta=1e-4, lambda1=0, lambda2=0, sparse_dedup_aggregator=None, engine=""):
        super().__init__()
        self.alpha, self.beta, self.lambda1, self.lambda2 = alpha, beta, lambda1, lambda2
        self.sparse_dedup_aggregator, self.engine = sparse_dedup_aggregator, engine

    def _run(self, net, param_init_net, param_info):
        param, grad = param_info.blob, param_info.grad
        if self.alpha <= 0:
            return
        sparse = isinstance(grad, core.GradientSlice)
        grads, operator = [grad], self.operator
        if sparse:
            assert operator == "Ftrl", f"{type(self).__name__} does not support sparse gradients"
            grad = self.dedup(net, self.sparse_dedup_aggregator, grad)
            grads, operator = [grad.indices, grad.values], "SparseFtrl"
        state = param_init_net.ConstantFill([param], f"{param}_{self.state}", extra_shape=[2], value=0.0)
        self._aux_params.local.append(state)
        args = {k: float(getattr(self, k)) for k in ("alpha", "beta", "lambda1", "lambda2")}
        getattr(net, operator)([param, state, *grads], [param, state], engine=self.engine, **args)

    def scale_learning_rate(self, scale):
        self.alpha *= scale


class FtrlOptimizer(_Ftrl):
    """Follow the regularised leader (McMahan et al., Ad Click Prediction, KDD 2013): lambda1 and lambda2 weigh the norms."""

    operator, state = "Ftrl", "ftrl_nz"


class GFtrlOptimizer(_Ftrl):
    """The same with a group lasso: rows as wholes become 0."""

    operator, state = "GFtrl", "gftrl_nz"


class AdamOptimizer(_Stateful):
    """Adam (arXiv:1412.6980); rowWise: one second moment for each row, of sparse gradients.

    Args:
        use_lr_adaption, lr_alpha, normalized_lr_adaption: the rate itself is stepped (arXiv:1703.04782).
        enableRAdam: sparse gradients are stepped by RAdam (arXiv:1908.03265).
        use_smart_decay: rows that were not seen are stepped for all that they missed.
    """

    operator, sparse_operator, states = "Adam", "SparseAdam", ("first_moment", "second_moment")

    def __init__(
        self, alpha=0.001, beta1=0.9, beta2=0.999, epsilon=1e-8, policy="fixed", use_lr_adaption=False, lr_alpha=0.01, normalized_lr_adaption=True,
        sparse_dedup_aggregator=None, rowWise=False, engine="", enableRAdam=False, use_smart_decay=False, **kwargs,
    ):  # fmt: skip
        super().__init__(alpha, policy, **kwargs)
        self.beta1, self.beta2, self.epsilon, self.engine = beta1, beta2, epsilon, engine
        self.use_lr_adaption, self.lr_alpha = use_lr_adaption, lr_alpha
        self.normalized_lr_adaption = normalized_lr_adaption
        self.sparse_dedup_aggregator, self.rowWise, self.use_smart_decay = sparse_dedup_aggregator, rowWise, use_smart_decay  # fmt: skip
        self.enableRAdam = enableRAdam
        if enableRAdam and rowWise:
            raise NotImplementedError("RowWiseSparseAdam is not supported by RAdam: set rowWise to False")
        if use_smart_decay and (rowWise or use_lr_adaption):
            other = "rowWise" if rowWise else "lr_adaption"
            raise NotImplementedError(f"Smart decay is not implemented with {other}. Set one of the two to False.")
        if rowWise or use_smart_decay:
            self.sparse_operator = "RowWiseSparseAdam" if rowWise else "SmartDecaySparseAdam"

    def _run(self, net, param_init_net, param_info):
        assert not self.rowWise or isinstance(param_info.grad, core.GradientSlice), (
            "If SparseAdam with rowWise=True, gradient must be a gradientslice: rowWise is not for dense ones"
        )
        super()._run(net, param_init_net, param_info)

    def make_states(self, param_init_net, param, sparse):
        if not self.rowWise and not self.use_smart_decay:
            return super().make_states(param_init_net, param, sparse)
        rows = _rows(param_init_net, param)
        fill = param_init_net.ConstantFill
        states = [fill([param], f"{param}_first_moment", value=0.0)]
        if self.rowWise:
            return [*states, fill(rows, f"{param}_avg_second_moment", input_as_shape=1, value=0.0)]
        states.append(fill([param], f"{param}_second_moment", value=0.0))
        seen = fill(rows, f"{param}_last_seen", input_as_shape=1, value=0, dtype=core.DataType.INT64)
        if sparse:
            return [*states, seen]
        self._aux_params.local.append(seen)  # made as Caffe2 makes it; dense steps miss nothing
        return states

    def more_inputs(self, iteration):
        return [iteration]

    def more_outputs(self, param, sparse):
        return [f"{param}_effective_grad"] if self.use_lr_adaption else []

    def arguments(self, sparse):
        args = {"beta1": float(self.beta1), "beta2": float(self.beta2), "epsilon": float(self.epsilon)}
        return {**args, "enableRAdam": self.enableRAdam} if self.sparse_operator == "SparseAdam" and sparse else args

    def _after(self, net, lr, grad, outputs):
        if self.use_lr_adaption:
            net.LearningRateAdaption(
                [lr, grad, outputs[-1]], [lr], lr_alpha=self.lr_alpha, normalized_lr_adaption=self.normalized_lr_adaption
            )  # fmt: skip


class DecayAdagradOptimizer(_Stateful):
    """Adagrad with a momentum and weight decay; sparse gradients are stepped by SparseAdagrad."""

    operator, sparse_operator = "DecayAdagrad", "SparseAdagrad"

    def __init__(
        self, alpha=0.01, beta1=0.0, beta2=0.999, epsilon=0.1, weight_decay=0.0, ema_options=None, bias_correction_first=True, policy="fixed",
        engine="", **kwargs,
    ):  # fmt: skip
        super().__init__(alpha, policy, **kwargs)
        _refuse("DecayAdagrad", ema_options=ema_options)
        self.beta1, self.beta2, self.epsilon, self.weight_decay = beta1, beta2, epsilon, weight_decay
        self.bias_correction_first, self.engine = bias_correction_first, engine

    def make_states(self, param_init_net, param, sparse):
        self._sparse = sparse
        names = ("squared_sum",) if sparse else ("first_mo1ment", "second_moment")
        return [param_init_net.ConstantFill([param], f"{param}_{n}", value=0.0) for n in names]

    def more_inputs(self, iteration):
        return [] if self._sparse else [iteration]

    def arguments(self, sparse):
        if sparse:
            return {"epsilon": float(self.epsilon)}
        return {
            "beta1": float(self.beta1), "beta2": float(self.beta2), "epsilon": float(self.epsilon), "weight_decay": float(self.weight_decay),
            "bias_correction_first": self.bias_correction_first,
        }  # fmt: skip


class YellowFinOptimizer(Optimizer):
    """Momentum SGD that finds its rate and momentum (arXiv:1706.03471), for each parameter apart; alpha and mu are where they begin."""

    def __init__(
        self, alpha=0.1, mu=0.0, beta=0.999, curv_win_width=20, zero_debias=True, epsilon=1e-6, policy="fixed", sparse_dedup_aggregator=None,
        **kwargs,
    ):  # fmt: skip
        super().__init__()
        self.alpha, self.mu, self.beta, self.curv_win_width = alpha, mu, beta, curv_win_width
        self.zero_debias, self.epsilon = zero_debias, epsilon

    def _run(self, net, param_init_net, param_info):
        param, grad = _dense("YellowFin", param_info)
        assert self.alpha > 0, f"Expect a positive learning rate, got {self.alpha}"

        def state(name, size=None, value=0.0):
            like = {} if size is None else {"shape": [size]}
            return param_init_net.ConstantFill([] if like else [param], f"{param}_{name}", value=float(value), **like)

        states = [
            state("moment"), state("lr_avg", 1, self.alpha), state("mu_avg", 1, self.mu), state("curv_win", self.curv_win_width), state("g_avg"),
            state("g2_avg"), state("scalars_memory", 5),
        ]  # fmt: skip
        iteration = utils.BuildUniqueMutexIter(param_init_net, net, iter_val=0)
        self._aux_params.shared.append(iteration)
        self._aux_params.local.extend(states)
        net.YellowFin(
            [param, *states, grad, iteration], [param, *states], beta=float(self.beta), epsilon=float(self.epsilon),
            curv_win_width=self.curv_win_width, zero_debias=self.zero_debias,
        )  # fmt: skip

    def scale_learning_rate(self, scale):
        self.alpha *= scale


class RmsPropOptimizer(Optimizer):
    """Steps divided by the root of a running mean of squares."""

    def __init__(self, alpha=0.01, decay=0.9, momentum=0.0, epsilon=1e-5, policy="fixed", engine="", **kwargs):
        super().__init__()
        self.alpha, self.decay, self.momentum, self.epsilon = alpha, decay, momentum, epsilon
        self.policy, self.engine, self.init_kwargs = policy, engine, kwargs

    def _run(self, net, param_init_net, param_info):
        param, grad = _dense("RmsPropOptimizer", param_info)
        assert self.alpha > 0, f"Expect a positive learning rate, got {self.alpha}"
        one = _constant(param_init_net, "ONE", 1.0)
        lr, _ = self.build_lr(net, param_init_net, -self.alpha, policy=self.policy, **self.init_kwargs)
        step, squares, momentum = (
            param_init_net.ConstantFill([param], f"{param}_{n}", value=0.0)
            for n in ("grad_o", "mean_squares", "momentum")
        )
        self._aux_params.local.extend([squares, momentum])
        net.RmsProp(
            [grad, squares, momentum, one], [step, squares, momentum], decay=float(self.decay), momentum=float(self.momentum),
            epsilon=float(self.epsilon), engine=self.engine,
        )  # fmt: skip
        net.MomentumSGDUpdate([step, momentum, lr, param], [step, momentum, param])

    def scale_learning_rate(self, scale):
        self.alpha *= scale


def add_weight_decay(model, weight_decay):
    """Adds a decay to the gradients of all weights."""
    build(model, WeightDecayBuilder(weight_decay), weights_only=True, use_param_info_optim=False)


def _builder(name, make, rate="alpha"):
    """build_<name>(model, base_learning_rate, max_gradient_norm=None, allow_lr_injection=False, **options of the optimizer)."""

    def build_one(model, base_learning_rate, max_gradient_norm=None, allow_lr_injection=False, **kwargs):
        kwargs.pop("parameters", None)  # Caffe2's takes it, and all parameters
        kwargs[rate] = base_learning_rate
        optimizer = make(**kwargs)
        return build(model, optimizer, max_gradient_norm=max_gradient_norm, allow_lr_injection=allow_lr_injection)

    build_one.__name__ = build_one.__qualname__ = f"build_{name}"
    build_one.__doc__ = f"{make.__name__} for all parameters of a model; see `build` for what is common to all."
    return build_one


build_sgd = _builder("sgd", SgdOptimizer, "base_learning_rate")
build_multi_precision_sgd = _builder("multi_precision_sgd", MultiPrecisionSgdOptimizer, "base_learning_rate")
build_fp16_sgd = _builder("fp16_sgd", FP16SgdOptimizer, "base_learning_rate")
build_adagrad = _builder("adagrad", AdagradOptimizer)
build_wngrad = _builder("wngrad", WngradOptimizer)
build_storm = _builder("storm", StormOptimizer, "lr")
build_adadelta = _builder("adadelta", AdadeltaOptimizer)
build_adam = _builder("adam", AdamOptimizer)
build_decay_adagrad = _builder("decay_adagrad", DecayAdagradOptimizer)
build_rms_prop = _builder("rms_prop", RmsPropOptimizer)


def build_ftrl(model, engine="SIMD", **kwargs):
    return build(model, FtrlOptimizer(engine=engine, **kwargs))


def build_gftrl(model, engine="", **kwargs):
    return build(model, GFtrlOptimizer(engine=engine, **kwargs))


def build_yellowfin(model, base_learning_rate=0.1, **kwargs):
    return build(model, YellowFinOptimizer(alpha=base_learning_rate, **kwargs))

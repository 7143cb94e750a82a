"""Optimizers of Caffe2. What is recorded are parameters after six steps, as Caffe2 (torch 1.10.2) left them."""

import numpy as np
import pytest
from rushlight.caffe2.proto import caffe2_pb2
from rushlight.caffe2.python import brew, core, model_helper, optimizer, workspace
from rushlight.caffe2.python.modeling.initializers import Initializer, PseudoFP16Initializer
from rushlight.caffe2.python.modeling.parameter_sharing import ParameterSharing
from rushlight.caffe2.python.optimizer_context import UseOptimizer


class Halved:
    """What weight_scale is given."""

    stepsize, upper_bound_iter, scale, to_aux = 2, 100, 0.5, True


def built(name, rate=0.1, **kwargs):
    return lambda model: getattr(optimizer, f"build_{name}")(model, rate, **kwargs)


def ftrl(name):
    build = getattr(optimizer, f"build_{name}")
    return lambda model: build(model, engine="", alpha=1.0, beta=0.1, lambda1=0.001, lambda2=0.01)


def decayed(model):
    optimizer.add_weight_decay(model, 0.1)
    return optimizer.build_sgd(model, 0.1)


BUILDS = {
    "sgd": built("sgd"),
    "sgd_momentum": built("sgd", momentum=0.9),
    "sgd_plain": built("sgd", momentum=0.9, nesterov=False),
    "sgd_lars": built("sgd", lars=0.5),
    "sgd_clip": built("sgd", max_gradient_norm=0.5),
    "sgd_inject": built("sgd", allow_lr_injection=True, max_gradient_norm=0.5),
    "sgd_step": built("sgd", policy="step", stepsize=2, gamma=0.5),
    "multi": built("multi_precision_sgd", momentum=0.9),
    "adagrad": built("adagrad"),
    "adagrad_decay": built("adagrad", weight_decay=0.1, decay=0.9),
    "adagrad_lars": built("adagrad", lars=0.5),
    "adagrad_tells": built("adagrad", output_effective_lr_and_update=True),
    "adagrad_scale": built("adagrad", weight_scale=Halved),
    "adagrad_rows": built("adagrad", rowWise=True),
    "adagrad_counts": built("adagrad", rowWise=True, weight_decay=0.1, counter_halflife=5),
    "wngrad": built("wngrad", 1.0, moment_init=10.0),
    "storm": built("storm"),
    "adadelta": built("adadelta", 1.0),
    "adam": built("adam"),
    "adam_rows": built("adam", rowWise=True),
    "adam_adapts": built("adam", use_lr_adaption=True, lr_alpha=0.5),
    "adam_smart": built("adam", use_smart_decay=True, beta1=0.0),
    "radam": built("adam", enableRAdam=True),
    "decay_adagrad": built("decay_adagrad", beta1=0.9, weight_decay=0.1),
    "yellowfin": built("yellowfin"),
    "rms_prop": built("rms_prop", momentum=0.5),
    "ftrl": ftrl("ftrl"),
    "gftrl": ftrl("gftrl"),
    "weight_decay": decayed,
    "sum": built("sgd", sparse_dedup_aggregator="sum"),
    "mean": built("adagrad", sparse_dedup_aggregator="mean"),
}
# Sums of a parameter's elements times 1, 2, 3, ...: of y_b and y_w, and of the rows.
DENSE = {
    "sgd": [0.5425, -3.4907],
    "sgd_momentum": [0.2322, -5.735],
    "sgd_plain": [0.1805, -5.5217],
    "sgd_lars": [0.5418, -3.4779],
    "sgd_clip": [0.5606, -3.3824],
    "sgd_inject": [0.5606, -3.3824],
    "sgd_step": [0.6503, -2.9015],
    "multi": [0.2322, -5.735],
    "adagrad": [0.379, -3.7153],
    "adagrad_decay": [0.3464, -3.2063],
    "adagrad_lars": [0.3769, -3.6762],
    "adagrad_tells": [0.379, -3.7153],
    "adagrad_scale": [0.335, -3.38],
    "wngrad": [0.5426, -3.4832],
    "storm": [0.5038, -2.7535],
    "adadelta": [0.3878, -3.8218],
    "adam": [0.166, -4.2035],
    "adam_adapts": [0.1804, -4.5447],
    "adam_smart": [0.4866, -4.1215],
    "decay_adagrad": [0.2675, -3.9185],
    "yellowfin": [0.4938, -3.5306],
    "rms_prop": [0.5536, -5.0002],
    "ftrl": [0.6646, -4.3111],
    "gftrl": [0.6641, -4.329],
    "weight_decay": [0.5419, -3.336],
}
SPARSE = {
    "sgd": [6.1369],
    "sgd_momentum": [11.4687],
    "adagrad": [9.09],
    "adagrad_rows": [9.5739],
    "adagrad_counts": [9.9518],
    "wngrad": [6.1323],
    "storm": [6.0667],
    "adadelta": [8.5892],
    "adam": [12.4131],
    "adam_rows": [12.9189],
    "radam": [5.9659],
    "adam_smart": [10.7837],
    "adam_adapts": [12.4131],
    "ftrl": [10.3179],
    "decay_adagrad": [8.4144],
    "sum": [6.1369],
    "mean": [9.486],
}


def filled(shape, k):
    return (np.sin(np.arange(np.prod(shape), dtype="d") * 0.7 + k) * 0.6).reshape(shape).astype("f")


def model_of(sparse):
    workspace.ResetWorkspace()
    optimizer.reset_optimizer_instance_count()
    model = model_helper.ModelHelper(name="m")
    if sparse:
        model.create_param("w", [4, 3], Initializer("ConstantFill"))
        y = model.net.Gather(["w", "ids"], "y")
        workspace.FeedBlob("ids", np.array([2, 0, 2], np.int64)), workspace.FeedBlob("t", filled((3, 3), 5))
    else:
        y = brew.fc(model, "x", "y", dim_in=3, dim_out=2)
        workspace.FeedBlob("x", filled((4, 3), 1)), workspace.FeedBlob("t", filled((4, 2), 5))
    model.AddGradientOperators([model.net.AveragedLoss(model.net.SquaredL2Distance([y, "t"], "d"), "loss")])
    return model


def made(model):
    workspace.RunNetOnce(model.param_init_net)
    for k, p in enumerate(sorted(map(str, model.params))):
        workspace.FeedBlob(p, filled(workspace.FetchBlob(p).shape, k))
    workspace.CreateNet(model.net)


def weighed(name):
    value = workspace.FetchBlob(name)
    return float((value.ravel() * (1 + np.arange(value.size))).sum())


@pytest.mark.parametrize(("sparse", "name"), [(False, n) for n in DENSE] + [(True, n) for n in SPARSE])
def test_six_steps_leave_what_caffe2_left(sparse, name):
    model = model_of(sparse)
    optimizer_of = BUILDS[name](model)
    made(model)
    workspace.RunNet(model.net.Name(), 6)
    got = [weighed(p) for p in sorted(map(str, model.params))]
    assert got == pytest.approx((SPARSE if sparse else DENSE)[name], abs=2e-4)
    states = optimizer_of.get_auxiliary_parameters()
    assert all(workspace.HasBlob(b) for b in (*states.local, *states.shared))


def test_yellowfin_finds_a_rate_and_a_momentum():
    workspace.ResetWorkspace()
    names = ["p", "m", "lr", "mu", "win", "g", "g2", "s"]
    sizes = [6, 6, 1, 1, 3, 6, 6, 5]
    for name, size in zip(names, sizes):
        workspace.FeedBlob(name, np.zeros(size, "f"))
    workspace.FeedBlob("p", filled(6, 1)), workspace.FeedBlob("lr", np.array([0.1], "f"))
    for it in range(1, 7):
        workspace.FeedBlob("grad", filled(6, it * 1.3)), workspace.FeedBlob("it", np.array([it], np.int64))
        step = core.CreateOperator(
            "YellowFin", [*names, "grad", "it"], names, beta=0.9, curv_win_width=3, nesterov=it % 2
        )
        workspace.RunOperatorOnce(step)
    recorded = [0.42164, 0.48906, 0.32647, 0.01033, -0.31066, -0.48555]
    np.testing.assert_allclose(workspace.FetchBlob("p"), recorded, atol=2e-5)
    np.testing.assert_allclose(workspace.FetchBlob("lr"), [0.20195], atol=2e-5)
    np.testing.assert_allclose(workspace.FetchBlob("mu"), [0.07185], atol=2e-5)
    workspace.FeedBlob("win", np.zeros(4, "f"))
    with pytest.raises(RuntimeError, match="CURV_WIN has 4 elements, curv_win_width is 3"):
        workspace.RunOperatorOnce(step)
    workspace.FeedBlob("win", np.zeros(3, "f")), workspace.FeedBlob("it", np.array([0], np.int64))
    with pytest.raises(RuntimeError, match="ITER should be above 0"):
        workspace.RunOperatorOnce(step)


def test_steps_in_half_precision_add_up():
    for build, steps in ((optimizer.build_multi_precision_sgd, "FloatToHalf"), (optimizer.build_fp16_sgd, "FP16MomentumSGDUpdate")):  # fmt: skip
        workspace.ResetWorkspace()
        model = model_helper.ModelHelper(name="half")
        w = model.create_param("w", [3], PseudoFP16Initializer("ConstantFill", value=1.0))
        single = model.net.HalfToFloat(w, "single")
        model.AddGradientOperators([model.net.SumElements(model.net.Sqr(single, "sqr"), "loss")])
        build(model, 0.125, momentum=0.5, nesterov=False)
        assert steps in [op.type for op in model.net.Proto().op]
        workspace.RunNetOnce(model.param_init_net)
        workspace.CreateNet(model.net)
        workspace.RunNet(model.net, 2)
        value = workspace.FetchBlob("w")
        assert value.dtype == np.float16 and np.all(value < 0.6)


def test_rates_can_be_injected():
    model = model_of(False)
    optimizer.build_sgd(model, 0.1, allow_lr_injection=True)
    made(model)
    before = workspace.FetchBlob("y_w")
    optimizer.set_lr_injection(0)
    workspace.RunNet(model.net)
    assert np.array_equal(workspace.FetchBlob("y_w"), before) and optimizer.get_lr_injection() == 0
    optimizer.set_lr_injection(1)
    workspace.RunNet(model.net)
    assert not np.array_equal(workspace.FetchBlob("y_w"), before)


def test_parameters_can_have_optimizers_of_their_own():
    workspace.ResetWorkspace()
    model = model_helper.ModelHelper(name="m")
    with UseOptimizer({"WEIGHT": optimizer.AdagradOptimizer(0.1), "DEFAULT": optimizer.SgdOptimizer(0.2)}):
        y = brew.fc(model, "x", "y", dim_in=3, dim_out=2)
    z = brew.fc(model, y, "z", dim_in=2, dim_out=1)
    model.AddGradientOperators([model.net.AveragedLoss(z, "loss")])
    optimizer.build_adam(model, 0.01)
    steps = {op.output[0]: op.type for op in model.net.Proto().op if op.type in ("Adam", "Adagrad", "WeightedSum")}
    assert steps == {"y_w": "Adagrad", "y_b": "WeightedSum", "z_w": "Adam", "z_b": "Adam"}
    assert model.get_param_info("y_w").optimizer.alpha == 0.1 and model.get_param_info("z_w").optimizer is None


def test_parameters_are_shared_between_scopes():
    model = model_helper.ModelHelper(name="m")

    def layer(scope):
        with core.NameScope(scope):
            return brew.fc(model, "x", "y", dim_in=3, dim_out=2)

    with ParameterSharing({"b/part": "b", "b": "a"}):
        for scope in ("a", "b", "b/part", "c"):
            layer(scope)
    assert [str(p) for p in model.params] == ["a/y_w", "a/y_b", "c/y_w", "c/y_b"]
    with pytest.raises(AssertionError, match="Illegal override"), ParameterSharing({"a": "a/b"}):
        pass


def test_a_model_is_one_net_and_two_again():
    model = model_of(False)
    whole = model.GetCompleteNet()
    other = model_helper.ModelHelper(name="other")
    other.ConstructInitTrainNetfromNet(whole)
    assert list(other.net.Proto().op) == list(model.net.Proto().op)
    assert [op.type for op in other.param_init_net.Proto().op] == ["XavierFill", "ConstantFill"]
    assert set(other.net.Proto().external_input) == set(model.net.Proto().external_input)


def test_a_parameter_is_stepped_where_it_is_initialised():
    gpu = core.DeviceOption(caffe2_pb2.CUDA, 1)
    model = model_helper.ModelHelper(name="two_devices")
    brew.fc(model, "x", "a", dim_in=2, dim_out=2)  # no device: the CPU
    with core.DeviceScope(gpu):
        brew.fc(model, "a", "b", dim_in=2, dim_out=1)
        loss = model.net.AveragedLoss("b", "loss")
        model.AddGradientOperators([loss])
    given = [op for op in model.net.Proto().op if "a_w_grad" in op.output]
    assert given and not given[0].device_option.device_type  # as its forward operator
    with core.DeviceScope(gpu):  # a gradient that is elsewhere does not take its parameter along
        moved = model.net.CopyCPUToGPU("a_w_grad", "a_w_grad_there")
    model.param_to_grad["a_w"] = moved
    assert optimizer._get_param_to_device(model)["a_w"].device_type == caffe2_pb2.CPU
    optimizer.build_sgd(model, base_learning_rate=0.1)
    device = {op.output[0]: op.device_option for op in model.net.Proto().op if op.type == "WeightedSum"}
    assert device["a_w"].device_type == device["a_b"].device_type == caffe2_pb2.CPU
    assert all((device[b].device_type, device[b].device_id) == (caffe2_pb2.CUDA, 1) for b in ("b_w", "b_b"))


def test_mistakes_of_optimizers_are_told():
    model = model_of(False)
    with pytest.raises(AssertionError, match="Expect positive base learning rate, got -1"):
        optimizer.build_sgd(model, -1)
    with pytest.raises(AssertionError, match="must be a gradientslice"):
        optimizer.build_adagrad(model, 0.1, rowWise=True)
    with pytest.raises(NotImplementedError, match="swa_options needs an operator"):
        optimizer.build_adagrad(model, 0.1, swa_options={"swa_avg_start_it": 1})
    with pytest.raises(RuntimeError, match="AddGradientOperators first"):
        optimizer.build_sgd(model_helper.ModelHelper(name="none"), 0.1)
    with pytest.raises(AssertionError, match="ParameterInfo"):
        optimizer.SgdOptimizer()(model.net, model.param_init_net, core.BlobReference("y_w"))
    model.params.append(model.params[0])
    with pytest.raises(AssertionError, match="Duplicate params"):
        optimizer.build_sgd(model, 0.1)
    sparse = model_of(True)
    for build in (optimizer.build_yellowfin, optimizer.build_rms_prop, optimizer.build_fp16_sgd):
        with pytest.raises(AssertionError, match="does not support sparse gradients"):
            build(sparse, 0.1)

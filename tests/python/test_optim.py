"""Optimizers and schedules against PyTorch's: trajectories, state dicts in both directions, reprs, errors."""

import copy
import pickle
import re
import warnings

import pytest
import torch
from nn_support import assert_bit_equal, assert_same, from_torch, message, to_torch

import rushlight as rl

OPTIMIZERS = [
    ("SGD", {}),
    ("SGD", {"lr": 0.1, "momentum": 0.9}),
    ("SGD", {"lr": 0.1, "momentum": 0.9, "dampening": 0.3, "weight_decay": 0.01}),
    ("SGD", {"lr": 0.1, "momentum": 0.9, "nesterov": True, "maximize": True}),
    ("Adam", {}),
    ("Adam", {"lr": 0.01, "betas": (0.8, 0.99), "weight_decay": 0.1, "amsgrad": True}),
    ("Adam", {"lr": 0.01, "maximize": True, "eps": 1e-4}),
    ("AdamW", {"lr": 0.01}),
    ("AdamW", {"lr": 0.01, "amsgrad": True, "weight_decay": 0.1}),
    ("RMSprop", {}),
    ("RMSprop", {"momentum": 0.9, "centered": True, "weight_decay": 0.1}),
    ("Adagrad", {"lr_decay": 0.1, "initial_accumulator_value": 0.5}),
    ("Adadelta", {"weight_decay": 0.1}),
    ("Adamax", {}),
    ("NAdam", {"weight_decay": 0.01, "decoupled_weight_decay": True}),
    ("RAdam", {"weight_decay": 0.01}),
    ("ASGD", {"weight_decay": 0.1}),
    ("ASGD", {"lr": 0.1, "t0": 3, "lambd": 0.01, "maximize": True}),
    ("Rprop", {}),
    ("Rprop", {"etas": (0.3, 1.4), "step_sizes": (1e-3, 0.02), "maximize": True}),
    ("Adafactor", {}),
    ("Adafactor", {"weight_decay": 0.1, "eps": (1e-5, 1e-2), "d": 1.5, "maximize": True}),
]


def start_values():
    torch.manual_seed(0)
    return [torch.randn(3, 4), torch.randn(5), torch.randn(())]


def gradients(step):
    torch.manual_seed(100 + step)
    return [torch.randn(3, 4), torch.randn(5), torch.randn(())]


class Run:
    """A few parameters under one optimizer of one framework."""

    def __init__(self, framework, name, kwargs):
        self.framework = framework
        values = start_values() if framework is torch else from_torch(start_values())
        self.params = [framework.nn.Parameter(v) for v in values]
        self.optimizer = getattr(framework.optim, name)(self.params, **kwargs)

    def step(self, number, skip=()):
        grads = gradients(number) if self.framework is torch else from_torch(gradients(number))
        for i, (p, g) in enumerate(zip(self.params, grads, strict=True)):
            p.grad = None if i in skip else g
        self.optimizer.step()


@pytest.mark.parametrize(("name", "kwargs"), OPTIMIZERS, ids=str)
def test_trajectory_and_state(name, kwargs):
    ours, theirs = Run(rl, name, kwargs), Run(torch, name, kwargs)
    for number in range(12):
        skip = (1,) if number in (0, 5) else ()  # a parameter without gradient, once before it has state
        ours.step(number, skip)
        theirs.step(number, skip)
        for i, (a, b) in enumerate(zip(ours.params, theirs.params, strict=True)):
            assert_same(a, b, 1e-5, 1e-6, f"parameter {i} after step {number}")
    mine, reference = ours.optimizer.state_dict(), theirs.optimizer.state_dict()
    assert list(mine) == list(reference)
    assert list(mine["state"]) == list(reference["state"])
    for key, state in reference["state"].items():
        assert list(mine["state"][key]) == list(state)
        for entry, value in state.items():
            assert_same(mine["state"][key][entry], value, 1e-5, 1e-6, f"state {key} {entry}")
    assert mine["param_groups"] == reference["param_groups"]
    assert [list(g) for g in mine["param_groups"]] == [list(g) for g in reference["param_groups"]]
    assert repr(ours.optimizer) == repr(theirs.optimizer)


@pytest.mark.parametrize(("name", "kwargs"), OPTIMIZERS, ids=str)
def test_state_dicts_interchange(name, kwargs):
    ours, theirs = Run(rl, name, kwargs), Run(torch, name, kwargs)
    for number in range(3):
        theirs.step(number)
    ours.optimizer.load_state_dict(from_torch(theirs.optimizer.state_dict()))
    with rl.no_grad():
        for a, b in zip(ours.params, theirs.params, strict=True):
            a.copy_(from_torch(b.detach()))
    for number in range(3, 6):
        ours.step(number)
        theirs.step(number)
    for a, b in zip(ours.params, theirs.params, strict=True):
        assert_same(a, b, 1e-5, 1e-6)
    back = to_torch(ours.optimizer.state_dict())
    theirs.optimizer.load_state_dict(back)
    theirs.step(6)


@pytest.mark.parametrize(("name", "kwargs"), OPTIMIZERS, ids=str)
@pytest.mark.parametrize("copier", [copy.deepcopy, lambda x: pickle.loads(pickle.dumps(x))], ids=["deepcopy", "pickle"])
def test_resumed_training_is_bit_equal(name, kwargs, copier):
    whole, broken = Run(rl, name, kwargs), Run(rl, name, kwargs)
    for number in range(3):
        whole.step(number)
        broken.step(number)
    values, state = copier([p.detach() for p in broken.params]), copier(broken.optimizer.state_dict())
    resumed = Run(rl, name, kwargs)
    with rl.no_grad():
        for p, v in zip(resumed.params, values, strict=True):
            p.copy_(v)
    resumed.optimizer.load_state_dict(state)
    for number in range(3, 6):
        whole.step(number)
        resumed.step(number)
    for a, b in zip(resumed.params, whole.params, strict=True):
        assert_bit_equal(a, to_torch(b))


def test_state_changed_by_hand_is_seen():
    run = Run(rl, "Adam", {"lr": 0.1})
    run.step(0)
    run.optimizer.state[run.params[0]]["exp_avg"] = rl.zeros(3, 4)
    run.step(1)
    assert float(run.optimizer.state[run.params[0]]["exp_avg"].abs().sum()) > 0
    run.optimizer.state.clear()
    run.step(2)
    assert run.optimizer.state[run.params[0]]["step"].item() == 1
    run.optimizer.param_groups[0]["params"].pop()
    before = run.params[2].detach().clone()
    run.step(3)
    assert (run.params[2] == before).all()


def test_groups_defaults_and_names():
    frameworks = []
    for fw in (rl, torch):
        a, b = fw.nn.Parameter(fw.zeros(2)), fw.nn.Parameter(fw.zeros(2))
        opt = fw.optim.SGD([{"params": [a], "lr": 0.5}, {"params": b}], lr=0.1, momentum=0.9)
        opt.add_param_group({"params": [fw.nn.Parameter(fw.zeros(1))], "weight_decay": 0.1})
        named = fw.optim.AdamW([("weight", fw.nn.Parameter(fw.zeros(2)))])
        frameworks.append((repr(opt), opt.state_dict(), named.state_dict()))
    assert frameworks[0] == frameworks[1]


def test_closure_and_zero_grad():
    w = rl.nn.Parameter(rl.tensor([1.0]))
    opt = rl.optim.SGD([w], lr=0.1)

    def closure():
        opt.zero_grad()
        loss = (w * w).sum()
        loss.backward()
        return loss

    assert opt.step(closure).item() == 1.0
    assert abs(w.item() - 0.8) < 1e-6
    grad = w.grad
    opt.zero_grad(set_to_none=False)
    assert w.grad is grad and grad.item() == 0
    opt.zero_grad()
    assert w.grad is None


def test_step_hooks():
    w = rl.nn.Parameter(rl.tensor([1.0]))
    opt = rl.optim.SGD([w], lr=0.1)
    seen = []
    handles = [
        opt.register_step_pre_hook(lambda o, args, kwargs: seen.append("pre")),
        opt.register_step_post_hook(lambda o, args, kwargs: seen.append("post")),
    ]
    opt.step()
    for h in handles:
        h.remove()
    opt.step()
    assert seen == ["pre", "post"]


@pytest.mark.parametrize(
    "make",
    [
        lambda fw, p: fw.optim.SGD([], lr=0.1),
        lambda fw, p: fw.optim.SGD([p], lr=-1.0),
        lambda fw, p: fw.optim.SGD([p], momentum=-1.0),
        lambda fw, p: fw.optim.SGD([p], nesterov=True),
        lambda fw, p: fw.optim.Adam([p], betas=(1.0, 0.9)),
        lambda fw, p: fw.optim.Adam([p], eps=-1.0),
        lambda fw, p: fw.optim.RMSprop([p], alpha=-1.0),
        lambda fw, p: fw.optim.Adadelta([p], rho=2.0),
        lambda fw, p: fw.optim.NAdam([p], momentum_decay=-1.0),
        lambda fw, p: fw.optim.SGD([p * 2]),
        lambda fw, p: fw.optim.SGD([{"params": {p}}]),
        lambda fw, p: fw.optim.SGD([{"params": [p]}, {"params": [p]}]),
        lambda fw, p: fw.optim.SGD([1.0]),
        lambda fw, p: fw.optim.SGD([p]).load_state_dict({"state": {}, "param_groups": []}),
        lambda fw, p: fw.optim.SGD([p]).load_state_dict({"state": {}, "param_groups": [{"params": []}]}),
        lambda fw, p: fw.optim.lr_scheduler.StepLR(3, 1),
        lambda fw, p: fw.optim.lr_scheduler.OneCycleLR(fw.optim.SGD([p]), 0.1),
    ],
)
def test_errors_read_as_pytorchs(make):
    ours, theirs = rl.nn.Parameter(rl.ones(2)), torch.nn.Parameter(torch.ones(2))
    assert message(make, rl, ours) == message(make, torch, theirs)


SCHEDULES = [
    ("StepLR", {"step_size": 3, "gamma": 0.5}),
    ("MultiStepLR", {"milestones": [2, 5, 5], "gamma": 0.5}),
    ("ExponentialLR", {"gamma": 0.9}),
    ("CosineAnnealingLR", {"T_max": 6, "eta_min": 0.01}),
    ("LinearLR", {"start_factor": 0.3, "total_iters": 4}),
    ("ConstantLR", {"factor": 0.3, "total_iters": 4}),
    ("PolynomialLR", {"total_iters": 6, "power": 2.0}),
    ("LambdaLR", {"lr_lambda": lambda e: 0.9**e}),
    ("MultiplicativeLR", {"lr_lambda": lambda e: 0.9}),
    ("OneCycleLR", {"max_lr": 0.3, "total_steps": 20}),
    (
        "OneCycleLR",
        {"max_lr": 0.3, "epochs": 4, "steps_per_epoch": 5, "three_phase": True, "anneal_strategy": "linear"},
    ),
    ("CosineAnnealingWarmRestarts", {"T_0": 3, "T_mult": 2, "eta_min": 0.01}),
    ("CyclicLR", {"base_lr": 0.01, "max_lr": 0.2, "step_size_up": 3, "mode": "triangular2"}),
    (
        "CyclicLR",
        {"base_lr": 0.01, "max_lr": 0.2, "step_size_up": 3, "step_size_down": 5, "mode": "exp_range", "gamma": 0.9},
    ),
]


def schedule_values(fw, name, kwargs, optimizer="SGD"):
    opt = getattr(fw.optim, optimizer)([fw.nn.Parameter(fw.ones(1))], lr=0.1)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        if name == "SGD momentum":
            opt.param_groups[0]["momentum"] = 0.9
        scheduler = getattr(fw.optim.lr_scheduler, name)(opt, **kwargs)
        seen = [copy.deepcopy(opt.param_groups[0]["lr"])]
        for _ in range(16):
            opt.step()
            scheduler.step()
            group = opt.param_groups[0]
            seen.append((scheduler.get_last_lr(), group.get("momentum"), group.get("betas")))
    return seen, scheduler


@pytest.mark.parametrize("optimizer", ["SGD", "Adam"])
@pytest.mark.parametrize(("name", "kwargs"), SCHEDULES, ids=lambda value: re.sub(" at 0x[0-9a-f]+", "", str(value)))
def test_schedule_values(name, kwargs, optimizer):
    ours, mine = schedule_values(rl, name, kwargs, optimizer)
    theirs, reference = schedule_values(torch, name, kwargs, optimizer)
    assert ours == theirs
    keys = set(reference.state_dict()) - {"_scale_fn_ref"}
    assert set(mine.state_dict()) == keys
    assert {k: v for k, v in mine.state_dict().items() if k != "milestones"} == {
        k: v for k, v in reference.state_dict().items() if k in keys and k != "milestones"
    }


def test_plateau_sequential_and_chained():
    def values(fw):
        seen = []
        opt = fw.optim.SGD([fw.nn.Parameter(fw.ones(1))], lr=0.1)
        plateau = fw.optim.lr_scheduler.ReduceLROnPlateau(opt, patience=1, cooldown=1, factor=0.5)
        for metric in [1.0, 0.9, 0.9, 0.9, 0.9, 0.9, 0.9, 0.2, 0.2, 0.2, 0.2]:
            plateau.step(metric)
            seen.append(plateau.get_last_lr())
        seen.append(plateau.state_dict())
        opt = fw.optim.SGD([fw.nn.Parameter(fw.ones(1))], lr=0.1)
        s = fw.optim.lr_scheduler
        sequence = s.SequentialLR(opt, [s.ConstantLR(opt, 0.1, 2), s.ExponentialLR(opt, 0.9)], milestones=[3])
        for _ in range(8):
            opt.step()
            sequence.step()
            seen.append(sequence.get_last_lr())
        opt = fw.optim.SGD([fw.nn.Parameter(fw.ones(1))], lr=0.1)
        chain = s.ChainedScheduler([s.ConstantLR(opt, 0.1, 4), s.ExponentialLR(opt, 0.9)])
        for _ in range(8):
            opt.step()
            chain.step()
            seen.append(chain.get_last_lr())
        return seen, {k: v for k, v in chain.state_dict().items() if k != "_schedulers"}

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert values(rl) == values(torch)


def test_schedule_before_the_first_step_warns():
    opt = rl.optim.SGD([rl.nn.Parameter(rl.ones(1))], lr=0.1)
    scheduler = rl.optim.lr_scheduler.StepLR(opt, 1)
    with pytest.warns(UserWarning, match="before `optimizer.step"):
        scheduler.step()


def test_schedule_state_dict_round_trip():
    def make():
        opt = rl.optim.SGD([rl.nn.Parameter(rl.ones(1))], lr=0.1)
        return opt, rl.optim.lr_scheduler.StepLR(opt, 2, 0.5)

    opt, scheduler = make()
    for _ in range(3):
        opt.step()
        scheduler.step()
    opt2, resumed = make()
    opt2.load_state_dict(opt.state_dict())
    resumed.load_state_dict(scheduler.state_dict())
    for o, s in ((opt, scheduler), (opt2, resumed)):
        o.step()
        s.step()
    assert resumed.get_last_lr() == scheduler.get_last_lr()

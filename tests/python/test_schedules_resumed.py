"""Schedules that stop and go on, by state dict or by last_epoch, against a run without a break."""

import copy

import pytest
import torch

import rushlight as rl

STEPS = 30
PLACES = (0, 2, 3, 5, 9, 13, 17, 25)


def schedules(framework):
    s = framework.optim.lr_scheduler
    return {
        "lambda": lambda o, **k: s.LambdaLR(o, lambda e: 0.95**e, **k),
        "multiplicative": lambda o, **k: s.MultiplicativeLR(o, lambda e: 0.9 + 0.001 * e, **k),
        "step": lambda o, **k: s.StepLR(o, 4, 0.5, **k),
        "multistep": lambda o, **k: s.MultiStepLR(o, [3, 7, 7, 20], 0.5, **k),
        "constant": lambda o, **k: s.ConstantLR(o, 0.3, 7, **k),
        "linear": lambda o, **k: s.LinearLR(o, 0.2, 0.9, 7, **k),
        "exponential": lambda o, **k: s.ExponentialLR(o, 0.9, **k),
        "polynomial": lambda o, **k: s.PolynomialLR(o, 20, 2.0, **k),
        "cosine": lambda o, **k: s.CosineAnnealingLR(o, 7, 0.01, **k),
        "restarts": lambda o, **k: s.CosineAnnealingWarmRestarts(o, 3, 2, 0.01, **k),
        "even restarts": lambda o, **k: s.CosineAnnealingWarmRestarts(o, 5, 1, 0.01, **k),
        "cyclic": lambda o, **k: s.CyclicLR(o, 0.01, 0.5, 4, 6, mode="triangular2", **k),
        "one cycle": lambda o, **k: s.OneCycleLR(o, 0.5, total_steps=40, three_phase=True, **k),
        "chained": lambda o: s.ChainedScheduler([s.ConstantLR(o, 0.1, 4), s.ExponentialLR(o, 0.9)]),
        "sequence": lambda o, **k: s.SequentialLR(o, [s.ConstantLR(o, 0.1, 20), s.ExponentialLR(o, 0.9)], [3], **k),
        "three": lambda o, **k: s.SequentialLR(
            o, [s.LinearLR(o, 0.1, 1.0, 5), s.CosineAnnealingLR(o, 8), s.StepLR(o, 3, 0.5)], [5, 13], **k
        ),
        "sequence of restarts": lambda o, **k: s.SequentialLR(
            o,
            [s.CosineAnnealingWarmRestarts(o, 3, 2), s.MultiplicativeLR(o, lambda e: 0.9), s.PolynomialLR(o, 9)],
            [8, 12],
            **k,
        ),
        "nested": lambda o, **k: s.SequentialLR(
            o, [s.SequentialLR(o, [s.ConstantLR(o, 0.1, 4), s.ExponentialLR(o, 0.9)], [4]), s.StepLR(o, 3)], [10], **k
        ),
        "sequence of chained": lambda o, **k: s.SequentialLR(
            o,
            [s.ChainedScheduler([s.ConstantLR(o, 0.1, 4), s.ExponentialLR(o, 0.9)]), s.StepLR(o, 3)],
            [10],
            **k,
        ),
    }


NAMES = list(schedules(rl))


def optimizer_of(framework, as_tensor):
    def rate(value):
        return framework.tensor(value) if as_tensor else value

    groups = [{"params": [framework.nn.Parameter(framework.zeros(1))], "lr": rate(lr)} for lr in (1.0, 0.5)]
    return framework.optim.SGD(groups, lr=0.1, momentum=0.9)


def rates(optimizer, schedule):
    assert [float(g["lr"]) for g in optimizer.param_groups] == [float(lr) for lr in schedule.get_last_lr()]
    return [float(g["lr"]) for g in optimizer.param_groups] + [g["momentum"] for g in optimizer.param_groups]


def run(framework, name, as_tensor=False, stop=None, resume=None):
    optimizer = optimizer_of(framework, as_tensor)
    schedule = schedules(framework)[name](optimizer)
    found = [rates(optimizer, schedule)]
    for i in range(STEPS):
        optimizer.step()
        schedule.step()
        if i == stop:
            optimizer, schedule = resume(name, as_tensor, optimizer, schedule)
        found.append(rates(optimizer, schedule))
    return found


def by_state_dict(name, as_tensor, optimizer, schedule):
    saved = copy.deepcopy((optimizer.state_dict(), schedule.state_dict()))
    optimizer = optimizer_of(rl, as_tensor)
    schedule = schedules(rl)[name](optimizer)
    schedule.load_state_dict(saved[1])
    optimizer.load_state_dict(saved[0])
    return optimizer, schedule


def by_last_epoch(name, as_tensor, optimizer, schedule):
    saved = copy.deepcopy(optimizer.state_dict())
    # A schedule's constructor makes a step; SequentialLR goes to the epoch that it is given.
    epoch = schedule.last_epoch if isinstance(schedule, rl.optim.lr_scheduler.SequentialLR) else schedule.last_epoch - 1
    optimizer = optimizer_of(rl, as_tensor)
    optimizer.load_state_dict(saved)
    return optimizer, schedules(rl)[name](optimizer, last_epoch=epoch)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("as_tensor", [False, True])
@pytest.mark.parametrize("name", NAMES)
def test_resumed_schedules(name, as_tensor):
    whole = run(rl, name, as_tensor)
    for ours, theirs in zip(whole, run(torch, name, as_tensor), strict=True):
        assert ours == pytest.approx(theirs, rel=1e-5, abs=1e-7)
    for resume in (by_state_dict, by_last_epoch):
        if resume is by_last_epoch and name == "chained":
            continue  # takes no last_epoch
        for stop in PLACES:
            if resume is by_last_epoch and name in ("step", "multistep") and stop in (2, 3):
                continue  # as in PyTorch: the constructor's step multiplies once more
            resumed = run(rl, name, as_tensor, stop, resume)
            for i, (ours, expected) in enumerate(zip(resumed, whole, strict=True)):
                assert ours == pytest.approx(expected, rel=1e-5, abs=1e-7), (resume, stop, i)


def test_sequential_goes_to_last_epoch_without_a_loaded_rate():
    s = rl.optim.lr_scheduler

    def make(optimizer, epoch):
        inner = [s.ConstantLR(optimizer, 0.1, total_iters=20), s.ExponentialLR(optimizer, 0.9)]
        return s.SequentialLR(optimizer, inner, milestones=[3], last_epoch=epoch)

    for epoch, expected in enumerate([0.1, 0.1, 0.1, 1, 0.9, 0.81, 0.729]):
        group = {"params": [rl.nn.Parameter(rl.zeros(1))], "initial_lr": 1.0}
        optimizer = rl.optim.SGD([group], lr=1.0)
        schedule = make(optimizer, epoch)
        assert optimizer.param_groups[0]["lr"] == pytest.approx(expected)
        assert schedule.last_epoch == epoch


def test_loaded_schedules_share_nothing():
    for name in NAMES:
        optimizer, other = optimizer_of(rl, True), optimizer_of(rl, True)
        saved = schedules(rl)[name](optimizer).state_dict()
        schedule = schedules(rl)[name](other)
        schedule.load_state_dict(saved)
        parts = zip(
            [schedule, *getattr(schedule, "_schedulers", [])], [saved, *saved.get("_schedulers", [])], strict=True
        )
        for part, given in parts:
            for key, value in part.__dict__.items():
                if isinstance(value, (list, dict)) and key != "_schedulers":
                    assert value is not given[key], (name, key)
                    assert not isinstance(value, list) or not any(
                        isinstance(a, rl.Tensor) and a is b for a, b in zip(value, given[key], strict=True)
                    )

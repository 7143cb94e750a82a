"""Muon, LBFGS, averaged models, swapped parameters: against PyTorch's."""

import copy

import pytest
import torch
from nn_support import assert_same, from_torch, to_torch

import rushlight as rl


def model_of(framework):
    torch.manual_seed(3)
    made = torch.nn.Sequential(torch.nn.Linear(4, 6), torch.nn.BatchNorm1d(6), torch.nn.Tanh(), torch.nn.Linear(6, 2))
    if framework is torch:
        return made
    nn = rl.nn
    ours = nn.Sequential(nn.Linear(4, 6), nn.BatchNorm1d(6), nn.Tanh(), nn.Linear(6, 2))
    ours.load_state_dict(from_torch(made.state_dict()))
    return ours


def data(framework, number=0):
    torch.manual_seed(50 + number)
    x = torch.randn(16, 4)
    return x if framework is torch else from_torch(x)


@pytest.mark.parametrize(
    "kwargs",
    [
        {},
        {"lr": 0.01, "nesterov": False, "weight_decay": 0.0},
        {"adjust_lr_fn": "match_rms_adamw", "momentum": 0.5, "ns_steps": 3},
    ],
    ids=str,
)
@pytest.mark.parametrize("shape", [(6, 4), (3, 8)])
def test_muon(kwargs, shape):
    seen = []
    for framework in (rl, torch):
        torch.manual_seed(1)
        value = torch.randn(shape)
        p = framework.nn.Parameter(value if framework is torch else from_torch(value))
        optimizer = framework.optim.Muon([p], **kwargs)
        for _ in range(4):
            g = torch.randn(shape)
            p.grad = g if framework is torch else from_torch(g)
            optimizer.step()
        seen.append((p.detach(), optimizer))
    (ours, mine), (theirs, reference) = seen
    assert_same(ours, theirs, 1e-3, 1e-4)  # the iteration runs in bfloat16
    state, expected = mine.state_dict(), reference.state_dict()
    assert_same(state["state"][0]["momentum_buffer"], expected["state"][0]["momentum_buffer"], 1e-5, 1e-6)
    assert state["param_groups"] == expected["param_groups"]
    assert repr(mine) == repr(reference)


def test_muon_makes_steps_orthogonal():
    p = rl.nn.Parameter(rl.zeros(8, 8))
    optimizer = rl.optim.Muon([p], lr=1.0, weight_decay=0, momentum=0, nesterov=False)
    p.grad = from_torch(torch.randn(8, 8, generator=torch.Generator().manual_seed(0)))
    optimizer.step()
    values = torch.linalg.svdvals(to_torch(p.detach()))
    assert values.min() > 0.5 and values.max() < 1.3


def test_a_failed_step_changes_nothing():
    for name in ("Muon", "Adafactor"):
        a, b = rl.nn.Parameter(rl.ones(3, 3)), rl.nn.Parameter(rl.ones(3, 3))
        optimizer = getattr(rl.optim, name)([a, b])
        for p in (a, b):
            p.grad = rl.ones(3, 3)
        optimizer.step()
        held, state = a.detach().clone(), copy.deepcopy(optimizer.state_dict()["state"])
        key = "momentum_buffer" if name == "Muon" else "row_var"
        optimizer.state[b][key] = rl.ones(2, 2)
        with pytest.raises(RuntimeError, match="parameter 1.*shape \\[2, 2\\]"):
            optimizer.step()
        assert (a == held).all()
        for entry, value in state[0].items():
            assert (optimizer.state[a][entry] == value).all()


@pytest.mark.parametrize("search", [None, "strong_wolfe"])
@pytest.mark.parametrize("kwargs", [{}, {"max_iter": 4, "history_size": 2}, {"lr": 0.3, "max_eval": 3}], ids=str)
def test_lbfgs(search, kwargs):
    seen = []
    for framework in (rl, torch):
        model = model_of(framework).eval().double()
        x = data(framework).double()
        optimizer = framework.optim.LBFGS(model.parameters(), line_search_fn=search, **kwargs)

        def closure(model=model, x=x, optimizer=optimizer):
            optimizer.zero_grad()
            loss = ((model(x) - x[:, :2].sin()) ** 2).mean()
            loss.backward()
            return loss

        losses = [optimizer.step(closure).item() for _ in range(3)]
        seen.append((losses, optimizer, list(model.parameters())))
    (ours, mine, params), (theirs, reference, expected) = seen
    assert ours == pytest.approx(theirs, rel=1e-6)
    state, reference_state = mine.state_dict()["state"][0], reference.state_dict()["state"][0]
    assert set(state) == set(reference_state)
    assert state["n_iter"] == reference_state["n_iter"] and state["func_evals"] == reference_state["func_evals"]
    for a, b in zip(params, expected, strict=True):
        assert_same(a, b, 1e-5, 1e-6)
    resumed = rl.optim.LBFGS(params, line_search_fn=search, **kwargs)
    resumed.load_state_dict(mine.state_dict())
    assert resumed.state_dict()["state"][0]["n_iter"] == state["n_iter"]


def test_lbfgs_finds_the_minimum_of_complex_numbers():
    target = rl.tensor([1 + 2j, -3j])
    w = rl.nn.Parameter(rl.zeros(2, dtype=rl.complex64))
    optimizer = rl.optim.LBFGS([w])

    def closure():
        optimizer.zero_grad()
        loss = (w - target).abs().pow(2).sum()
        loss.backward()
        return loss

    optimizer.step(closure)
    assert (w - target).abs().max() < 1e-4


MISTAKES = [
    lambda fw, p, m: fw.optim.Muon([p]),
    lambda fw, p, m: fw.optim.Muon([m], lr=-1),
    lambda fw, p, m: fw.optim.Muon([m], lr=fw.ones(2)),
    lambda fw, p, m: fw.optim.Muon([m], momentum=-1),
    lambda fw, p, m: fw.optim.Muon([m], adjust_lr_fn="none"),
    lambda fw, p, m: stepped(fw.optim.Muon([m], ns_steps=100)),
    lambda fw, p, m: stepped(fw.optim.Muon([m], ns_coefficients=(1.0, 2.0))),
    lambda fw, p, m: fw.optim.Adafactor([p], beta2_decay=1),
    lambda fw, p, m: fw.optim.Adafactor([p], eps=(-1, 1e-3)),
    lambda fw, p, m: fw.optim.Adafactor([p], d=0.5),
    lambda fw, p, m: stepped(fw.optim.Adafactor([fw.nn.Parameter(fw.ones(2, 2, dtype=fw.complex64))])),
    lambda fw, p, m: stepped(fw.optim.Muon([fw.nn.Parameter(fw.ones(2, 2, dtype=fw.complex64))])),
    lambda fw, p, m: fw.optim.LBFGS([{"params": [p]}, {"params": [m]}]),
    lambda fw, p, m: fw.optim.LBFGS([p], lr=-1),
    lambda fw, p, m: fw.optim.Rprop([p], etas=(1, 2)),
    lambda fw, p, m: fw.optim.ASGD([p], weight_decay=-1),
    lambda fw, p, m: fw.optim.swa_utils.get_ema_avg_fn(2),
    lambda fw, p, m: fw.optim.swa_utils.AveragedModel(fw.nn.Linear(1, 1), avg_fn=abs, multi_avg_fn=abs),
    lambda fw, p, m: fw.optim.swa_utils.SWALR(fw.optim.SGD([p]), 0.1, anneal_strategy="none"),
    lambda fw, p, m: fw.optim.swa_utils.SWALR(fw.optim.SGD([p]), 0.1, anneal_epochs=-1),
    lambda fw, p, m: fw.optim.swa_utils.SWALR(fw.optim.SGD([p]), [0.1, 0.2]),
]


def stepped(optimizer):
    for group in optimizer.param_groups:
        for p in group["params"]:
            p.grad = p.detach().clone()
    optimizer.step()


@pytest.mark.parametrize("mistake", MISTAKES, ids=range(len(MISTAKES)))
def test_mistakes(mistake):
    raised = []
    for fw in (rl, torch):
        p, m = fw.nn.Parameter(fw.ones(3)), fw.nn.Parameter(fw.ones(3, 3))
        with pytest.raises((ValueError, RuntimeError, AssertionError)) as e:
            mistake(fw, p, m)
        raised.append((e.type.__mro__, str(e.value)))
    assert raised[1][0][0].__name__ in [c.__name__ for c in raised[0][0]]
    assert raised[0][1] == raised[1][1]


AVERAGES = {
    "plain": lambda fw: {},
    "buffers": lambda fw: {"use_buffers": True},
    "ema": lambda fw: {"multi_avg_fn": fw.optim.swa_utils.get_ema_multi_avg_fn(0.8), "use_buffers": True},
    "ema one by one": lambda fw: {"avg_fn": fw.optim.swa_utils.get_ema_avg_fn(0.8)},
    "swa one by one": lambda fw: {"avg_fn": fw.optim.swa_utils.get_swa_avg_fn()},
    "swa lists": lambda fw: {"multi_avg_fn": fw.optim.swa_utils.get_swa_multi_avg_fn()},
}


@pytest.mark.parametrize("kind", AVERAGES)
def test_averaged_model(kind):
    seen = []
    for framework in (rl, torch):
        model = model_of(framework)
        average = framework.optim.swa_utils.AveragedModel(model, **AVERAGES[kind](framework))
        optimizer = framework.optim.SGD(model.parameters(), lr=0.1)
        scheduler = framework.optim.swa_utils.SWALR(optimizer, swa_lr=0.01, anneal_epochs=3, anneal_strategy="linear")
        rates = []
        for number in range(5):
            optimizer.zero_grad()
            model(data(framework, number)).pow(2).mean().backward()
            optimizer.step()
            average.update_parameters(model)
            scheduler.step()
            rates += scheduler.get_last_lr()
        before = average.state_dict()
        before = {k: v.clone() for k, v in before.items()}
        framework.optim.swa_utils.update_bn([data(framework, n) for n in (7, 8)], average)
        seen.append((rates, before, average.state_dict(), average.training))
    ours, theirs = seen
    assert ours[0] == pytest.approx(theirs[0], rel=1e-12)
    for mine, reference in zip(ours[1:3], theirs[1:3], strict=True):
        assert list(mine) == list(reference)
        for key, value in reference.items():
            assert_same(mine[key], value, 1e-4, 1e-5, key)
    assert ours[3] == theirs[3]


def test_swapped_parameters_come_back_after_an_error():
    w, other = rl.nn.Parameter(rl.ones(2)), rl.nn.Parameter(rl.ones(2))
    optimizer = rl.optim.SGD([w], lr=1.0, momentum=0.9)
    other.grad = rl.ones(2)
    with (
        pytest.raises(KeyError),
        rl.optim.swap_in_optimizer_params_and_state(optimizer, {"w": other}, optimizer.state_dict()),
    ):
        optimizer.step()
        raise KeyError
    assert optimizer.param_groups[0]["params"][0] is w and not optimizer.state
    assert w.tolist() == [1, 1] and other.tolist() == [0, 0]


def test_schedules_and_optimizers_lie_where_pickles_look():
    for name in rl.optim.lr_scheduler.__all__:
        assert getattr(rl.optim.lr_scheduler, name).__module__ == "rushlight.optim.lr_scheduler"
    for name in rl.optim.__all__:
        ours, theirs = getattr(rl.optim, name), getattr(torch.optim, name)
        if isinstance(ours, type):
            assert ours.__module__.replace("rushlight", "torch") == theirs.__module__


def test_settings_that_an_old_checkpoint_lacks():
    p = rl.nn.Parameter(rl.ones(2))
    optimizer = rl.optim.Adagrad([p], eps=1.0)
    state = optimizer.state_dict()
    del state["param_groups"][0]["eps"]  # PyTorch before 1.3
    optimizer.load_state_dict(state)
    assert optimizer.param_groups[0]["eps"] == 1e-10

"""differentiable=True: gradients flow through a step, to the parameter, its gradient and the optimizer's state; as PyTorch's do."""

import pytest
import torch

import rushlight as rl

CASES = [
    ("SGD", {"lr": 0.9}, ()),
    ("SGD", {"lr": 0.9, "momentum": 0.5, "weight_decay": 0.1}, ("momentum_buffer",)),
    ("Adam", {"lr": 0.9, "amsgrad": True}, ("exp_avg", "exp_avg_sq", "max_exp_avg_sq")),
    ("AdamW", {"lr": 0.9, "weight_decay": 0.1}, ("exp_avg", "exp_avg_sq")),
    ("RMSprop", {"lr": 0.9, "momentum": 0.2, "centered": True}, ("square_avg", "momentum_buffer", "grad_avg")),
    ("Adadelta", {"lr": 0.9}, ("square_avg", "acc_delta")),
    ("Adagrad", {"lr": 0.9}, ("sum",)),
    ("Adamax", {"lr": 0.9}, ("exp_avg", "exp_inf")),
    ("ASGD", {"lr": 0.9}, ("ax",)),
    ("Rprop", {"lr": 0.9}, ("prev", "step_size")),
    ("NAdam", {"lr": 0.9}, ("exp_avg", "exp_avg_sq")),
    ("RAdam", {"lr": 0.9}, ("exp_avg", "exp_avg_sq")),
]


def gradients(T, name, options, names):
    leaves = {"param": [0.3, -1.2, 2.0], "grad": [0.5, -0.4, 0.1]}
    leaves |= {n: [1.7 - i / 2, 1.4 - i / 2, 1.5 - i / 2] for i, n in enumerate(names)}
    leaves = {n: T.tensor(v, dtype=T.float64, requires_grad=True) for n, v in leaves.items()}
    p = leaves["param"].clone()
    p.grad = leaves["grad"]
    optimizer = getattr(T.optim, name)([p], differentiable=True, **options)
    state = optimizer.state[p]
    state.update({n: leaves[n].clone() for n in names})
    state["step"] = T.tensor(10.0)
    if name == "NAdam":
        leaves["mu_product"] = T.tensor(0.8, dtype=T.float64, requires_grad=True)
        state["mu_product"] = leaves["mu_product"].clone()
    if name == "ASGD":
        state.update(eta=T.tensor(0.9), mu=T.tensor(1.0))
    optimizer.step()
    results = [p, *(state[n] for n in names)]
    weights = [T.arange(1.0, 4.0, dtype=T.float64) * (i + 1) for i in range(len(results))]
    live = [(r, w) for r, w in zip(results, weights, strict=True) if r.requires_grad]
    got = T.autograd.grad([r for r, _ in live], list(leaves.values()), [w for _, w in live], allow_unused=True)
    return {n: None if g is None else g.tolist() for n, g in zip(leaves, got, strict=True)}


@pytest.mark.parametrize(("name", "options", "names"), CASES)
def test_gradients_flow_through_a_step(name, options, names):
    ours, theirs = gradients(rl, name, options, names), gradients(torch, name, options, names)
    for n, g in theirs.items():  # to what PyTorch has, which counts steps in float32
        assert ours[n] == (g if g is None else pytest.approx(g, rel=1e-5, abs=1e-9)) or (g is None and not any(ours[n]))

"""A small network trains as it does on PyTorch: the same weights after some steps from the same seed."""

import pytest
import torch as reference

import rushlight as torch


def train(module, optimizer, steps=5):
    module.manual_seed(0)
    nn = module.nn
    net = nn.Sequential(nn.Linear(8, 16), nn.ReLU(), nn.Linear(16, 4))
    opt = getattr(module.optim, optimizer)(net.parameters(), lr=0.05)
    x, y = module.randn(16, 8), module.randint(0, 4, (16,))
    for _ in range(steps):
        opt.zero_grad()
        loss = nn.functional.cross_entropy(net(x), y)
        loss.backward()
        opt.step()
    return [p.tolist() for p in net.parameters()] + [loss.item()]


@pytest.mark.parametrize("optimizer", ["SGD", "Adam", "AdamW"])
def test_same_weights(optimizer):
    for ours, theirs in zip(train(torch, optimizer), train(reference, optimizer), strict=True):
        reference.testing.assert_close(reference.tensor(ours), reference.tensor(theirs), rtol=1e-4, atol=1e-5)

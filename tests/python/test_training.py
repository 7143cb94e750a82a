"""Whole trainings in rushlight and in PyTorch from one seed: the same curve, and the same model at the end."""

import pytest
import torch
from nn_support import assert_same, from_torch, needs

import rushlight as rl


def images(fw, n=64):
    torch.manual_seed(11)
    x, y = torch.randn(n, 1, 8, 8), torch.randint(0, 4, (n,))
    x += y.view(-1, 1, 1, 1)  # something to learn
    return (x, y) if fw is torch else from_torch((x, y))


def convolutional(fw):
    nn = fw.nn
    return nn.Sequential(
        nn.Conv2d(1, 4, 3, padding=1, bias=False),
        nn.BatchNorm2d(4),
        nn.ReLU(inplace=True),
        nn.MaxPool2d(2),
        nn.Dropout(0.25),
        nn.Flatten(),
        nn.Linear(64, 16),
        nn.GELU(),
        nn.Linear(16, 4),
    )


def perceptron(fw):
    nn = fw.nn

    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.hidden = nn.Linear(64, 32)
            self.norm = nn.LayerNorm(32)
            self.out = nn.Linear(32, 4)

        def forward(self, x):
            return self.out(fw.tanh(self.norm(self.hidden(x.flatten(1)))))

    return Net()


def train(fw, make, optimizer, kwargs, epochs=3):
    fw.manual_seed(0)
    net = make(fw)
    data = fw.utils.data.TensorDataset(*images(fw))
    fw.manual_seed(1)  # making the data drew from PyTorch's generator only
    loader = fw.utils.data.DataLoader(data, batch_size=16, shuffle=True)
    opt = getattr(fw.optim, optimizer)(net.parameters(), **kwargs)
    schedule = fw.optim.lr_scheduler.CosineAnnealingLR(opt, T_max=epochs)
    losses = []
    for _ in range(epochs):
        for x, y in loader:
            opt.zero_grad()
            loss = fw.nn.functional.cross_entropy(net(x), y)
            loss.backward()
            fw.nn.utils.clip_grad_norm_(net.parameters(), 1.0)
            opt.step()
            losses.append(loss.item())
        schedule.step()
    return net, losses


@pytest.mark.parametrize(
    ("optimizer", "kwargs"),
    [
        ("SGD", {"lr": 0.1, "momentum": 0.9}),
        ("Adam", {"lr": 0.01}),
        ("AdamW", {"lr": 0.01}),
        ("RMSprop", {"lr": 0.001}),
    ],
)
@pytest.mark.parametrize("make", [pytest.param(convolutional, marks=needs("conv2d")), perceptron])
def test_same_curve_from_the_same_seed(make, optimizer, kwargs):
    ours, mine = train(rl, make, optimizer, kwargs)
    theirs, reference = train(torch, make, optimizer, kwargs)
    assert mine == pytest.approx(reference, rel=2e-3, abs=1e-4)
    assert mine[-1] < mine[0]
    for (name, a), b in zip(ours.state_dict().items(), theirs.state_dict().values(), strict=True):
        assert_same(a, b, 1e-2, 2e-3, name)

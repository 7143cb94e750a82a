# needs: sbi nflows zuko deepxde skopt brevitas dependencies torchani
import os

os.environ["DDE_BACKEND"] = "pytorch"
import brevitas.nn as qnn
import deepxde as dde
import torch
import torchani
from brevitas.quant import Int8WeightPerTensorFloat
from sbi.inference import NPE
from sbi.utils import BoxUniform
from torchani.arch import simple_ani

torch.manual_seed(0)
prior = BoxUniform(low=-2 * torch.ones(2), high=2 * torch.ones(2))
parameters = prior.sample((300,))
method = NPE(prior=prior)
method.append_simulations(parameters, parameters + 0.1 * torch.randn(300, 2))
posterior = method.build_posterior(method.train(max_num_epochs=3))
assert posterior.sample((50,), x=torch.tensor([0.5, -0.5]), show_progress_bars=False).shape == (50, 2)

equation = dde.data.PDE(
    dde.geometry.Interval(-1, 1),
    lambda x, y: -dde.grad.hessian(y, x) - torch.pi**2 * torch.sin(torch.pi * x),
    dde.icbc.DirichletBC(dde.geometry.Interval(-1, 1), lambda x: 0, lambda _, on_boundary: on_boundary),
    16,
    2,
    num_test=50,
)
model = dde.Model(equation, dde.nn.FNN([1, 20, 20, 1], "tanh", "Glorot uniform"))
model.compile("adam", lr=1e-3)
history, _ = model.train(iterations=200, display_every=100)
assert sum(history.loss_train[-1]) < sum(history.loss_train[0]) / 4

layers = torch.nn.Sequential(
    qnn.QuantConv2d(1, 4, 3, weight_quant=Int8WeightPerTensorFloat, bias=True),
    qnn.QuantReLU(bit_width=4),
    torch.nn.Flatten(),
    qnn.QuantLinear(4 * 36, 10, bias=True, weight_bit_width=4),
)
torch.nn.functional.cross_entropy(layers(torch.randn(16, 1, 8, 8)), torch.randint(0, 10, (16,))).backward()
assert all(p.grad is not None for p in layers.parameters())

potential = simple_ani(symbols=("H", "C", "N", "O"), lot="wb97x-631gd")
place = torch.randn(1, 5, 3, requires_grad=True)
energy = potential((torch.tensor([[6, 1, 1, 1, 1]]), place)).energies
assert torch.autograd.grad(energy.sum(), place)[0].abs().sum() > 0 and torchani.__version__
print("ran")

# needs: pytorch_optimizer torch_ema prodigyopt entmax torchcde torchdiffeq torchsde
import torch
import torchcde
from entmax import SparsemaxLoss, entmax15, entmax_bisect, sparsemax
from prodigyopt import Prodigy
from pytorch_optimizer import optimizer as optimizers
from torch_ema import ExponentialMovingAverage

ran = 0
for name, kind in optimizers.OPTIMIZERS.items():
    model = torch.nn.Sequential(torch.nn.Linear(4, 4), torch.nn.ReLU(), torch.nn.Linear(4, 1))
    try:
        optimizer = kind(model.parameters())
        for _ in range(2):
            optimizer.zero_grad()
            model(torch.randn(3, 4)).pow(2).mean().backward()
            optimizer.step()
        ran += 1
    except Exception as error:  # it wants more than parameters and gradients
        assert not isinstance(error, NotImplementedError) and "rushlight" not in str(error), (name, error)
assert ran >= 90, ran

model = torch.nn.Linear(2, 2)
average = ExponentialMovingAverage(model.parameters(), 0.9)
optimizer = Prodigy(model.parameters())
model(torch.randn(3, 2)).sum().backward()
optimizer.step()
average.update()
with average.average_parameters():
    assert model.weight.isfinite().all()

scores = torch.randn(3, 5, requires_grad=True)
for chosen in (sparsemax(scores, -1), entmax15(scores, -1), entmax_bisect(scores, alpha=1.3)):
    torch.testing.assert_close(chosen.sum(-1), torch.ones(3))
SparsemaxLoss()(scores, torch.tensor([0, 1, 2])).backward()


class Field(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.linear = torch.nn.Linear(4, 8)

    def forward(self, t, z):
        return self.linear(z).view(3, 4, 2)


path = torchcde.CubicSpline(torchcde.hermite_cubic_coefficients_with_backward_differences(torch.randn(3, 10, 2)))
end = torchcde.cdeint(X=path, z0=torch.randn(3, 4), func=Field(), t=path.interval, adjoint=True)
end.sum().backward()
assert end.shape == (3, 2, 4)
print("ran")

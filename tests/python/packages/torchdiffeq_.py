# needs: torchdiffeq scipy
import torch
from torchdiffeq import odeint, odeint_adjoint


class Decay(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.rate = torch.nn.Parameter(torch.tensor(1.0))

    def forward(self, t, y):
        return -self.rate * y


start, times = torch.ones(3, requires_grad=True), torch.linspace(0, 1, 5)
for method in (
    "dopri5",
    "dopri8",
    "bosh3",
    "fehlberg2",
    "adaptive_heun",
    "rk4",
    "midpoint",
    "explicit_adams",
    "implicit_adams",
):
    end = odeint(Decay(), start, times, method=method)[-1]
    assert torch.allclose(end, torch.full_like(end, 2.718281828**-1), atol=1e-2), method
    end.sum().backward()
decay = Decay()
odeint_adjoint(decay, start, times)[-1].sum().backward()
assert abs(decay.rate.grad + 3 * 2.718281828**-1) < 1e-3
print("ran")

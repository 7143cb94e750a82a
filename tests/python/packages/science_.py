# needs: torchsde trampoline boltons torchcrf
import torch
import torchsde
from torchcrf import CRF

torch.manual_seed(0)


class Noisy(torch.nn.Module):
    noise_type, sde_type = "diagonal", "ito"

    def __init__(self):
        super().__init__()
        self.drift, self.spread = torch.nn.Linear(2, 2), torch.nn.Linear(2, 2)

    def f(self, t, y):
        return self.drift(y)

    def g(self, t, y):
        return self.spread(y).sigmoid()


for solve in (torchsde.sdeint, torchsde.sdeint_adjoint):
    noisy = Noisy()
    path = solve(noisy, torch.ones(3, 2), torch.linspace(0, 1, 5), dt=0.1)
    path.sum().backward()
    assert path.shape == (5, 3, 2) and noisy.drift.weight.grad.isfinite().all()
tagger = CRF(4, batch_first=True)
scores = torch.randn(2, 5, 4, requires_grad=True)
(-tagger(scores, torch.randint(0, 4, (2, 5)))).backward()
assert len(tagger.decode(scores)[0]) == 5 and scores.grad is not None
print("ran")

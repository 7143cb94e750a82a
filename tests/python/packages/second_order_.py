# needs: backpack einops unfoldNd higher laplace curvlinops einconv torchmetrics lightning_utilities
import higher
import torch
from backpack import backpack, extend
from backpack.extensions import KFAC, BatchGrad, DiagGGNExact, DiagHessian, Variance
from laplace import Laplace
from torch import nn

torch.manual_seed(0)
x, y = torch.randn(30, 4), torch.randint(0, 3, (30,))
model = extend(nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 3)))
loss = extend(nn.CrossEntropyLoss())(model(x), y)
with backpack(BatchGrad(), Variance(), DiagGGNExact(), KFAC(), DiagHessian()):
    loss.backward()
for p in model.parameters():
    torch.testing.assert_close(p.grad_batch.sum(0), p.grad)
    torch.testing.assert_close(p.diag_ggn_exact, p.diag_h)  # of one ReLU they are equal
    assert p.kfac and p.variance.shape == p.shape

inner = nn.Linear(4, 1)
target = torch.randn(30, 1)
with higher.innerloop_ctx(inner, torch.optim.SGD(inner.parameters(), 0.1), copy_initial_weights=False) as (net, steps):
    for _ in range(3):
        steps.step((net(x) - target).pow(2).mean())
    (net(x) - target).pow(2).mean().backward()
assert inner.weight.grad.abs().sum() > 0

rows = torch.utils.data.DataLoader(torch.utils.data.TensorDataset(x, y), 10)
plain = nn.Sequential(nn.Linear(4, 8), nn.Tanh(), nn.Linear(8, 3))
posterior = Laplace(plain, "classification", subset_of_weights="last_layer", hessian_structure="full")
posterior.fit(rows)
posterior.optimize_prior_precision(method="marglik")
torch.testing.assert_close(posterior(x[:3]).sum(-1), torch.ones(3))
assert posterior.log_marginal_likelihood().isfinite()
print("ran")

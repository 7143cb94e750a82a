# needs: botorch gpytorch linear_operator pyro multipledispatch threadpoolctl jaxtyping
import torch
from botorch.acquisition import LogExpectedImprovement, UpperConfidenceBound, qExpectedImprovement
from botorch.fit import fit_gpytorch_mll
from botorch.models import SingleTaskGP
from botorch.optim import optimize_acqf
from gpytorch.mlls import ExactMarginalLogLikelihood

torch.manual_seed(0)
x = torch.rand(10, 2, dtype=torch.float64)
y = -((x - 0.5) ** 2).sum(-1, keepdim=True)
model = SingleTaskGP(x, y)
fit_gpytorch_mll(ExactMarginalLogLikelihood(model.likelihood, model))
bounds = torch.stack([torch.zeros(2), torch.ones(2)]).double()
for acquisition, q in (
    (UpperConfidenceBound(model, beta=0.1), 1),
    (LogExpectedImprovement(model, best_f=y.max()), 1),
    (qExpectedImprovement(model, best_f=y.max()), 2),
):
    best, _ = optimize_acqf(acquisition, bounds=bounds, q=q, num_restarts=2, raw_samples=16)
    assert best.shape == (q, 2) and (best >= 0).all() and (best <= 1).all()
print("ran")

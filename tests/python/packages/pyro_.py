# needs: pyro pyroapi opt_einsum tqdm
import pyro
import pyro.distributions as dist
import torch
from pyro.infer import MCMC, NUTS, SVI, Trace_ELBO
from pyro.infer.autoguide import AutoNormal

pyro.set_rng_seed(0)
data = torch.randn(20) + 3


def model(data):
    mean = pyro.sample("mean", dist.Normal(0.0, 10.0))
    scale = pyro.sample("scale", dist.HalfNormal(1.0))
    with pyro.plate("data", 20):
        return pyro.sample("seen", dist.Normal(mean, scale), obs=data)


guide = AutoNormal(model)
svi = SVI(model, guide, pyro.optim.Adam({"lr": 0.1}), Trace_ELBO())
losses = [svi.step(data) for _ in range(100)]
assert losses[-1] < losses[0] and abs(guide.median()["mean"] - data.mean()) < 0.6
chain = MCMC(NUTS(model), num_samples=10, warmup_steps=10, disable_progbar=True)
chain.run(data)
assert abs(chain.get_samples()["mean"].mean() - data.mean()) < 1
print("ran")

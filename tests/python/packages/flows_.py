# needs: nflows normflows
import nflows.flows
import normflows
import torch

flow = nflows.flows.MaskedAutoregressiveFlow(3, 8, 2, 1)
flow.log_prob(torch.randn(4, 3)).sum().backward()
assert flow.sample(2).shape == (2, 3)
net = normflows.nets.MLP([1, 8, 2])
model = normflows.NormalizingFlow(
    normflows.distributions.base.DiagGaussian(2), [normflows.flows.AffineCouplingBlock(net)]
)
model.forward_kld(torch.randn(4, 2)).backward()
print("ran")

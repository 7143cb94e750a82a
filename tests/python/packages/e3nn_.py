# needs: e3nn opt_einsum_fx opt_einsum scipy sympy
import torch
from e3nn import o3

torch.manual_seed(0)
rotation = o3.rand_matrix()
linear, kinds = o3.Linear("2x0e+1x1o", "3x0e+1x1o"), o3.Irreps("2x0e+1x1o")
x = kinds.randn(4, -1)
turned = linear(x @ kinds.D_from_matrix(rotation).T)
assert torch.allclose(turned, linear(x) @ o3.Irreps("3x0e+1x1o").D_from_matrix(rotation).T, atol=1e-4)
turned.sum().backward()
print("ran")

# needs: geoopt scipy
import geoopt
import torch

torch.manual_seed(0)
ball, target = geoopt.PoincareBall(), torch.tensor([0.5, 0.3])
point = geoopt.ManifoldParameter(ball.random(3, 2), manifold=ball)
optimizer = geoopt.optim.RiemannianAdam([point], lr=0.05)
first = ball.dist(point, ball.expmap0(target)).sum().item()
for _ in range(40):
    optimizer.zero_grad()
    loss = ball.dist(point, ball.expmap0(target)).sum()
    loss.backward()
    optimizer.step()
assert loss < 0.5 * first and (point.norm(dim=-1) < 1).all()
for manifold, shape in (
    (geoopt.Sphere(), (4,)),
    (geoopt.Stiefel(), (5, 3)),
    (geoopt.SymmetricPositiveDefinite(), (3, 3)),
):
    x = manifold.random(*shape, dtype=torch.float64)
    v = manifold.proju(x, torch.randn_like(x) * 0.1)
    y = manifold.expmap(x, v) if hasattr(manifold, "expmap") else manifold.retr(x, v)
    assert manifold.check_point_on_manifold(y, atol=1e-4, rtol=1e-4), manifold
weight = geoopt.ManifoldParameter(torch.randn(5, 3), manifold=geoopt.Stiefel())
with torch.no_grad():
    weight.proj_()
optimizer = geoopt.optim.RiemannianSGD([weight], lr=0.1, momentum=0.9)
for _ in range(5):
    optimizer.zero_grad()
    (weight**2).sum(0).pow(2).sum().backward()
    optimizer.step()
assert torch.allclose(weight.T @ weight, torch.eye(3), atol=1e-4)
print("ran")

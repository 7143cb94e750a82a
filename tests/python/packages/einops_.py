# needs: einops
import torch
from einops import einsum, pack, rearrange, reduce, repeat, unpack
from einops.layers.torch import EinMix, Rearrange, Reduce

x = torch.randn(2, 3, 4, 5, requires_grad=True)
assert rearrange(x, "b c h w -> b (h w) c").shape == (2, 20, 3)
assert torch.equal(reduce(x, "b c h w -> b c", "mean"), x.mean((2, 3)))
assert repeat(x, "b c h w -> b c (h 2) w").shape == (2, 3, 8, 5)
assert torch.allclose(einsum(x, x, "b c h w, b c h v -> b w v"), torch.einsum("bchw,bchv->bwv", x, x), atol=1e-5)
model = torch.nn.Sequential(
    EinMix("b c h w -> b h w d", weight_shape="c d", bias_shape="d", c=3, d=7),
    Reduce("b h w d -> b h d", "max"),
    Rearrange("b h d -> b (h d)"),
    torch.nn.Linear(28, 4),
)
model(x).sum().backward()
assert x.grad.abs().sum() > 0
packed, shapes = pack([x, x[:, 0]], "b * w")
assert [p.shape for p in unpack(packed, shapes, "b * w")] == [(2, 3, 4, 5), (2, 4, 5)]
print("ran")

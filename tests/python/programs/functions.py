"""Custom functions, gradcheck, second derivatives, fitting a polynomial by hand."""

import math

import torch

torch.manual_seed(0)


class LegendrePolynomial3(torch.autograd.Function):
    @staticmethod
    def forward(ctx, input):
        ctx.save_for_backward(input)
        return 0.5 * (5 * input**3 - 3 * input)

    @staticmethod
    def backward(ctx, grad_output):
        (input,) = ctx.saved_tensors
        return grad_output * 1.5 * (5 * input**2 - 1)


dtype = torch.float
device = torch.device("cpu")
x = torch.linspace(-math.pi, math.pi, 2000, device=device, dtype=dtype)
y = torch.sin(x)
a = torch.full((), 0.0, device=device, dtype=dtype, requires_grad=True)
b = torch.full((), -1.0, device=device, dtype=dtype, requires_grad=True)
c = torch.full((), 0.0, device=device, dtype=dtype, requires_grad=True)
d = torch.full((), 0.3, device=device, dtype=dtype, requires_grad=True)
for t in range(500):
    P3 = LegendrePolynomial3.apply
    y_pred = a + b * P3(c + d * x)
    loss = (y_pred - y).pow(2).sum()
    if t % 100 == 99:
        print(t, round(loss.item(), 2))
    loss.backward()
    with torch.no_grad():
        for w in (a, b, c, d):
            w -= 5e-6 * w.grad
            w.grad = None
print(f"Result: y = {a.item():.4f} + {b.item():.4f} * P3({c.item():.4f} + {d.item():.4f} x)")
p = torch.tensor([1, 2, 3])
xx = x.unsqueeze(-1).pow(p)
model = torch.nn.Sequential(torch.nn.Linear(3, 1), torch.nn.Flatten(0, 1))
print(model)
loss_fn = torch.nn.MSELoss(reduction="sum")
opt = torch.optim.RMSprop(model.parameters(), lr=1e-3)
for _ in range(200):
    y_pred = model(xx)
    loss = loss_fn(y_pred, y)
    opt.zero_grad()
    loss.backward()
    opt.step()
print(round(loss.item(), 1))
linear_layer = model[0]
print(linear_layer.weight[:, 0].item().__round__(3))


class Exp(torch.autograd.Function):
    @staticmethod
    def forward(i):
        return i.exp()

    @staticmethod
    def setup_context(ctx, inputs, output):
        ctx.save_for_backward(output)
        ctx.mark_non_differentiable()

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx, g):
        (r,) = ctx.saved_tensors
        return g * r


z = torch.randn(3, dtype=torch.double, requires_grad=True)
print(
    torch.autograd.gradcheck(Exp.apply, (z,)),
    torch.autograd.gradcheck(LegendrePolynomial3.apply, (z,)),
    torch.autograd.gradgradcheck(LegendrePolynomial3.apply, (z,)),
)
print(
    torch.autograd.functional.jacobian(lambda v: v**2, torch.tensor([1.0, 2.0])),
    torch.autograd.functional.hessian(lambda v: (v**3).sum(), torch.tensor([1.0, 2.0])),
)
(g,) = torch.autograd.grad((z**3).sum(), z, create_graph=True)
print(torch.autograd.grad(g.sum(), z))
print(z.grad)

"""What is timed: plain PyTorch code, which takes the module under test as `torch`.

A case returns the function to time, whose result, if it is a tensor, is compared by its sum. Shapes are named for where
they come from.
"""

from collections.abc import Callable
from typing import Any

CASES: dict[str, Callable[[Any], Callable[[], Any]]] = {}


def case(name: str):
    def add(make):
        CASES[name] = make
        return make

    return add


def randn(torch, *shape):
    torch.manual_seed(0)
    return torch.randn(*shape)


# ---- overhead: four elements, so the framework is the cost


@case("overhead/add")
def _(torch):
    a, b = randn(torch, 4), randn(torch, 4)
    return lambda: torch.add(a, b)


@case("overhead/view")
def _(torch):
    a = randn(torch, 4, 4)
    return lambda: a.view(16)


@case("overhead/linear")
def _(torch):
    x, layer = randn(torch, 8, 8), torch.nn.Linear(8, 8)
    return lambda: layer(x)


def mlp(torch):
    torch.manual_seed(0)
    nn = torch.nn
    return nn.Sequential(nn.Linear(8, 16), nn.ReLU(), nn.Linear(16, 4))


def training_step(torch, model, optimizer, x, y):
    loss_of = torch.nn.CrossEntropyLoss()

    def step():
        optimizer.zero_grad()
        loss = loss_of(model(x), y)
        loss.backward()
        optimizer.step()
        return loss

    return step


@case("overhead/sgd_step")
def _(torch):
    model = mlp(torch)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
    return training_step(torch, model, optimizer, randn(torch, 4, 8), torch.arange(4))


@case("overhead/adam_40_tensors")
def _(torch):
    parameters = [torch.nn.Parameter(torch.ones(10)) for _ in range(40)]
    for p in parameters:
        p.grad = torch.ones(10)
    return torch.optim.Adam(parameters).step


# ---- kernels: the machine is the cost

MATRICES = {"square_256": (256, 256, 256), "square_1024": (1024, 1024, 1024), "gpt2_ffn": (512, 768, 3072)}

for _name, (_m, _k, _n) in MATRICES.items():

    @case(f"kernel/matmul_{_name}")
    def _(torch, m=_m, k=_k, n=_n):
        a, b = randn(torch, m, k), randn(torch, k, n)
        return lambda: a @ b


# batch, channels in and out, size of the image, of the kernel
IMAGES = {"digits": (64, 1, 32, 8, 3), "resnet18_layer2": (8, 128, 128, 28, 3)}

for _name, _shape in IMAGES.items():

    @case(f"kernel/conv2d_{_name}")
    def _(torch, shape=_shape):
        n, c_in, c_out, size, k = shape
        x, w = randn(torch, n, c_in, size, size), randn(torch, c_out, c_in, k, k)
        return lambda: torch.nn.functional.conv2d(x, w, padding=k // 2)


for _name in ("exp", "tanh", "sigmoid"):

    @case(f"kernel/{_name}_1m")
    def _(torch, name=_name):
        x = randn(torch, 1 << 20)
        return lambda: getattr(torch, name)(x)


@case("kernel/add_4m")
def _(torch):
    a, b = randn(torch, 1 << 22), randn(torch, 1 << 22)
    return lambda: a + b


@case("kernel/sum_rows_1024x1024")
def _(torch):
    a = randn(torch, 1024, 1024)
    return lambda: a.sum(1)


@case("kernel/softmax_1024x1024")
def _(torch):
    a = randn(torch, 1024, 1024)
    return lambda: torch.softmax(a, -1)


# ---- models


@case("model/digits_training_step")
def _(torch):
    nn = torch.nn
    torch.manual_seed(0)
    model = nn.Sequential(
        nn.Conv2d(1, 16, 3, padding=1), nn.ReLU(), nn.Conv2d(16, 32, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
        nn.Flatten(), nn.Linear(512, 64), nn.ReLU(), nn.Linear(64, 10),
    )  # fmt: skip
    optimizer = torch.optim.Adam(model.parameters())
    return training_step(torch, model, optimizer, randn(torch, 64, 1, 8, 8), torch.arange(64) % 10)

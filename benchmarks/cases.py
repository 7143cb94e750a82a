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


@case("kernel/backward_of_1000_rows_of_64")
def _(torch):
    x = randn(torch, 1000, 64).requires_grad_()

    def run():
        x.grad = None
        torch.stack([row.sum() for row in x.unbind()]).sum().backward()
        return x.grad

    return run


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


# ---- graphs: what is compiled, without gradients


def without_gradients(torch, call):
    def run():
        with torch.no_grad():
            return call()

    return run


@case("graph/script_scalar_loop_100")
def _(torch):
    def loop(n: int) -> int:
        total = 0
        for i in range(n):
            if i % 3 == 0:
                total += i * 2
        return total

    compiled = torch.jit.script(loop)
    return lambda: compiled(100)


def resnet18(torch):
    """He et al. 2015, as torchvision has it; weights are random."""
    nn = torch.nn

    class Block(nn.Module):
        def __init__(self, before, after, stride):
            super().__init__()
            self.conv1 = nn.Conv2d(before, after, 3, stride, 1, bias=False)
            self.bn1 = nn.BatchNorm2d(after)
            self.relu = nn.ReLU(inplace=True)
            self.conv2 = nn.Conv2d(after, after, 3, 1, 1, bias=False)
            self.bn2 = nn.BatchNorm2d(after)
            self.downsample = None
            if stride != 1:
                self.downsample = nn.Sequential(nn.Conv2d(before, after, 1, stride, bias=False), nn.BatchNorm2d(after))

        def forward(self, x):
            out = self.relu(self.bn1(self.conv1(x)))
            out = self.bn2(self.conv2(out))
            out += x if self.downsample is None else self.downsample(x)
            return self.relu(out)

    torch.manual_seed(0)
    layers = [nn.Conv2d(3, 64, 7, 2, 3, bias=False), nn.BatchNorm2d(64), nn.ReLU(inplace=True), nn.MaxPool2d(3, 2, 1)]
    for before, after, stride in ((64, 64, 1), (64, 128, 2), (128, 256, 2), (256, 512, 2)):
        layers += [Block(before, after, stride), Block(after, after, 1)]
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(512, 1000)).eval()


def small_cnn(torch):
    nn = torch.nn
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(1, 8, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(8, 16, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
        nn.Flatten(), nn.Linear(64, 10),
    ).eval()  # fmt: skip


def mlp_20(torch, width=64):
    torch.manual_seed(0)
    layers = []
    for _ in range(20):
        layers += [torch.nn.Linear(width, width), torch.nn.ReLU()]
    return torch.nn.Sequential(*layers).eval()


# model and its input
COMPILED = {
    "resnet18": (resnet18, (1, 3, 224, 224)),
    "small_cnn": (small_cnn, (1, 1, 8, 8)),
    "mlp_20": (mlp_20, (1, 64)),
}

for _name, _model in COMPILED.items():

    @case(f"graph/{_name}_scripted")
    def _(torch, model=_model):
        make, shape = model
        x, compiled = randn(torch, *shape), torch.jit.script(make(torch))
        return without_gradients(torch, lambda: compiled(x))

    @case(f"graph/{_name}_optimized")
    def _(torch, model=_model):
        make, shape = model
        x = randn(torch, *shape)
        compiled = torch.jit.optimize_for_inference(torch.jit.trace(make(torch), x))
        return without_gradients(torch, lambda: compiled(x))


@case("graph/pointwise_chain_100k")
def _(torch):
    def chain(x, y):
        a = x * 2 + y
        return torch.tanh(a) * torch.sigmoid(y - 1.5) + a

    x, y = randn(torch, 100_000), randn(torch, 100_000)
    compiled = torch.jit.trace(chain, (x, y))
    return without_gradients(torch, lambda: compiled(x, y))

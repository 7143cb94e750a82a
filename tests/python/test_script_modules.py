"""What names of a running program stand for in a script: containers, attributes, closures, objects that are no TorchScript."""

import io
from typing import Final

import numpy as np
import pytest
import torch as reference

import rushlight as torch
from rushlight import nn


class Containers(nn.Module):
    def __init__(self):
        super().__init__()
        self.parameter_list = nn.ParameterList([nn.Parameter(torch.ones(2)), nn.Parameter(torch.ones(2) * 2)])
        self.parameter_dict = nn.ParameterDict({"w": nn.Parameter(torch.ones(2))})
        self.named = nn.ModuleDict({"a": nn.Linear(2, 2), "bc": nn.ReLU()})
        self.layers = nn.ModuleList([nn.Linear(2, 2), nn.Linear(2, 2)])
        self.empty = nn.ModuleList()
        self.activation = nn.functional.relu
        self.table = {"k": 3}
        self.names = ["a", "b"]

    def forward(self, x):
        n = 0
        for p in self.parameter_list:
            x = x + p
        for name, layer in self.named.items():
            x = layer(x)
            n += len(name)
        for name in self.named:
            n += 10 * len(name)
        x = self.named["a"](x) + self.parameter_dict["w"]
        for i, layer in enumerate(self.layers):
            x = layer(x) * (i + 1)
        for layer in self.layers[1:]:
            x = layer(x)
        for layer in reversed(self.layers):
            x = layer(x)
        for layer, p in zip(self.layers, self.parameter_list):  # noqa: B905
            x = layer(x) + p
        for layer in self.empty:
            x = layer(x) * 1000
        if "bc" in self.named and "d" not in self.named:
            n += 1000
        return self.activation(x), n, len(self.layers), len(self.parameter_list), self.table["k"], self.names


def test_containers_and_attributes():
    module, x = Containers(), torch.ones(1, 2)
    (mine, *rest), (wanted, *others) = torch.jit.script(module)(x), module(x)
    assert torch.equal(mine, wanted) and rest == others


class GoesThroughALayer(nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(2, 2)

    def forward(self, x):
        for _ in self.layer:
            x = x + 1
        return x


def test_a_loop_over_a_module_that_is_no_container_is_an_error():
    with pytest.raises(RuntimeError, match="not iterable"):
        torch.jit.script(GoesThroughALayer())


def adds_with_numpy(x):
    return np.add(x, x)


multiply = np.multiply


def multiplies_with_numpy(x):
    return multiply(x, x)


@pytest.mark.parametrize(("function", "name"), [(adds_with_numpy, "numpy.add"), (multiplies_with_numpy, "multiply")])
def test_functions_of_other_libraries_are_not_taken_for_operators(function, name):
    with pytest.raises(
        RuntimeError, match=f"Python object '{name}' of type 'numpy.ufunc' cannot be used in TorchScript"
    ) as error:
        torch.jit.script(function)
    assert "<--- HERE" in str(error.value)


def test_closures_are_apart():
    def adder(k: int):
        def add(a: int):
            return a + k

        return add

    assert (torch.jit.script(adder(3))(1), torch.jit.script(adder(5))(1)) == (4, 6)


def raises_without_gradients(x, n: int):
    with torch.no_grad():
        if n > 0:
            raise RuntimeError("stop")
    return x


def leaves_a_loop_without_gradients(x, n: int):
    y = x
    for i in range(n):
        with torch.no_grad():
            if i == 2:
                break
            y = x * i
    return y, x * 2


def test_gradients_are_on_again_after_a_context():
    with pytest.raises(RuntimeError, match="stop"):
        torch.jit.script(raises_without_gradients)(torch.ones(2), 1)
    assert torch.is_grad_enabled()
    y, z = torch.jit.script(leaves_a_loop_without_gradients)(torch.ones(2, requires_grad=True), 5)
    assert not y.requires_grad and z.requires_grad


def appends(values: list[int]):
    n = 0
    for v in values:
        n += v
        if len(values) < 6:
            values.append(v)
        if v > 100:
            break
    return n, values


def late(n: int):
    k = 1

    def plus(a: int):
        return a + k

    first = plus(n)
    if n > 0:
        k = 1000
    return first, plus(n), 2**53 + 1 == 2**53


@pytest.mark.parametrize(("function", "argument"), [(appends, [1, 2]), (late, 1), (late, 0)])
def test_as_python(function, argument):
    copy = list(argument) if isinstance(argument, list) else argument
    assert torch.jit.script(function)(argument) == function(copy)


class Mixed(nn.Module):
    def forward(self, x, d: dict[str, int], s: str):
        with torch.no_grad():
            y = x[[0, 1], [1, 2]] + sum(d.values())
        words = {w: len(w) for w in s.split(",") if w not in ("", "no")}
        total = 0
        for i, (name, n) in enumerate(zip(list(d), sorted(d.values()))):  # noqa: B905
            total += i * n + len(name.upper().strip("A")) + max(n, 2) // 2
        return y, words, total, f"{total} {s[1:]} {s[::-1]}", [k for k in d if k.startswith("a")]


def test_pytorch_runs_what_a_script_saves():
    scripted, x, d, s = torch.jit.script(Mixed()), torch.arange(6.0).reshape(2, 3), {"ab": 5, "b": 3}, "one,no,three,"
    wanted = Mixed()(x, d, s)
    file = io.BytesIO()
    scripted.save(file)
    for load, given in ((torch.jit.load, x), (reference.jit.load, reference.arange(6.0).reshape(2, 3))):
        file.seek(0)
        y, *rest = load(file)(given, d, s)
        assert y.tolist() == wanted[0].tolist() and rest == list(wanted[1:])


class Attributes(nn.Module):
    """Texts, tuples and what may be None are attributes of a script, as numbers are: methods may put others in their places."""

    last: torch.Tensor | None
    fixed: Final[int]

    def __init__(self):
        super().__init__()
        self.last, self.name, self.pair, self.nothing, self.fixed = None, "a", (1, 2.0), None, 3
        self.found = torch.jit.Attribute(None, torch.Tensor | None)
        self.sizes = torch.jit.Attribute([], list[int])

    def forward(self, x):
        y = x + 1 if self.nothing is None else x
        self.name += "b"
        self.pair = (self.pair[0] + 1, self.pair[1])
        self.last, self.found = x, y
        self.sizes.append(len(self.sizes))
        return (y * 2 if self.name.startswith("ab") else y), self.name, self.pair, self.sizes, self.fixed


def test_attributes_of_every_kind_are_put_and_kept():
    net, x = torch.jit.script(Attributes()), torch.ones(2)
    net(x)
    again = torch.jit.load(io.BytesIO(net.save_to_buffer()))
    for one in (net, again):
        y, *rest = one(x)
        assert y.tolist() == [4, 4]
        assert rest == ["abb", (3, 2.0), [0, 1], 3]
        assert one.name == "abb"
        assert torch.equal(one.last, x)
        assert torch.equal(one.found, x + 1)


class Pools(nn.Module):
    def __init__(self):
        super().__init__()
        self.found = nn.AdaptiveMaxPool2d((3, 4), return_indices=True)
        self.layers = nn.Sequential(
            nn.AdaptiveMaxPool2d((6, 8)),
            nn.FractionalMaxPool2d(2, output_size=4, _random_samples=torch.full((1, 2, 2), 0.3)),
            nn.MaxPool2d(1),
            nn.Flatten(2),
            nn.AdaptiveMaxPool1d(5),
        )

    def forward(self, x, how: tuple[bool, float, str] = (True, 2.0, "a")):
        y, at = self.found(x)
        return self.layers(x) * how[1] if how[0] else y, at


def test_results_of_pools_are_tensors_and_defaults_may_be_tuples():
    net, x = Pools(), torch.randn(1, 2, 8, 8)
    for compiled in (torch.jit.script(net), torch.jit.load(io.BytesIO(torch.jit.script(net).save_to_buffer()))):
        for given in ((x,), (x, (False, 1.0, "b"))):
            for got, wanted in zip(compiled(*given), net(*given), strict=True):
                assert torch.equal(got, wanted)


def test_attributes_that_are_tuples_of_tensors():
    class Holds(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.pair = (torch.ones(2), 20)
            self.nested = ([torch.ones(1)], {"a": 3})

        def forward(self, x):
            return self.pair[0] * self.pair[1] + self.nested[0][0] + self.nested[1]["a"] + x

    scripted = torch.jit.script(Holds())
    assert scripted(torch.zeros(2)).tolist() == [24, 24]
    assert scripted.pair[1] == 20 and scripted.nested[1] == {"a": 3}
    frozen = torch.jit.freeze(scripted.eval())
    assert frozen(torch.zeros(2)).tolist() == [24, 24]


def test_a_module_whose_init_did_not_run_is_named():
    class Bare(torch.nn.Module):
        def __init__(self):
            self.n = 1

        def forward(self, x):
            return x

    with pytest.raises(RuntimeError, match="'.*Bare' has not been initialized, did you forget to call 'super"):
        torch.jit.script(Bare())

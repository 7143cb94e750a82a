"""What a module's script says of its submodules, parameters and buffers; modules picked while running; properties."""

import io

import pytest

import rushlight as torch
from rushlight import nn


@torch.jit.interface
class Layer(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        pass


class Plus(nn.Module):
    def __init__(self, by: float):
        super().__init__()
        self.by = by

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x + self.by


class Times(nn.Module):
    def __init__(self, by: float):
        super().__init__()
        self.weight = nn.Parameter(torch.tensor(by))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x * self.weight


class Picks(nn.Module):
    def __init__(self):
        super().__init__()
        self.listed = nn.ModuleList([Plus(1.0), Times(3.0)])
        self.named = nn.ModuleDict({"plus": Plus(5.0), "times": Times(7.0)})

    def forward(self, x: torch.Tensor, i: int, name: str) -> torch.Tensor:
        first: Layer = self.listed[i]
        second: Layer = self.named[name]
        return second(first(x))


def saved_and_loaded(module):
    return torch.jit.load(io.BytesIO(module.save_to_buffer()))


def test_modules_are_picked_by_what_is_known_only_while_running():
    plain, scripted = Picks(), torch.jit.script(Picks())
    x = torch.tensor([2.0])
    for module in (scripted, saved_and_loaded(scripted)):
        for i in (0, 1, -1):
            for name in ("plus", "times"):
                want = plain.named[name](plain.listed[i](x))
                assert torch.equal(module(x, i, name), want)
        with pytest.raises(RuntimeError, match="list index out of range"):
            module(x, 2, "plus")
        with pytest.raises(RuntimeError, match="'minus'"):
            module(x, 0, "minus")
    assert "annotate(__torch__" in scripted.code


def test_without_an_interface_only_a_constant_picks_a_module():
    class Bare(nn.Module):
        def __init__(self):
            super().__init__()
            self.listed = nn.ModuleList([Plus(1.0)])

        def forward(self, x: torch.Tensor, i: int):
            return self.listed[i](x)

    with pytest.raises(RuntimeError, match="annotate the variable with it: m: MyInterface"):
        torch.jit.script(Bare())


def test_a_module_that_lacks_a_method_is_not_picked_by_its_interface():
    class Nothing(nn.Module):
        def other(self, x: torch.Tensor) -> torch.Tensor:
            return x

    class Mixed(nn.Module):
        def __init__(self):
            super().__init__()
            self.listed = nn.ModuleList([Plus(1.0), Nothing()])

        def forward(self, x: torch.Tensor, i: int):
            layer: Layer = self.listed[i]
            return layer(x)

    with pytest.raises(RuntimeError, match="Attribute 1 is not of annotated type .*Layer"):
        torch.jit.script(Mixed())


def test_a_module_whose_method_is_of_another_type_is_not_picked_by_its_interface():
    class Counts(nn.Module):
        def forward(self, x: torch.Tensor) -> int:
            return x.dim()

    class Mixed(nn.Module):
        def __init__(self):
            super().__init__()
            self.listed = nn.ModuleList([Plus(1.0), Counts()])

        def forward(self, x: torch.Tensor, i: int):
            layer: Layer = self.listed[i]
            return layer(x)

    with pytest.raises(
        RuntimeError, match="Attribute 1 is not of annotated type .*Layer: its method forward.* -> int is not as the"
    ):
        torch.jit.script(Mixed())


class Walked(nn.Module):
    def __init__(self):
        super().__init__()
        self.first = nn.Linear(2, 3)
        self.rest = nn.Sequential(nn.BatchNorm1d(3), nn.Linear(3, 1, bias=False))

    def forward(self, x: torch.Tensor):
        names: list[str] = []
        for name, _ in self.named_modules():
            names.append(name)
        for name, _child in self.named_children():
            names.append(name)
        total = torch.zeros(1)
        for name, p in self.named_parameters():
            names.append(name)
            total = total + p.sum()
        for p in self.parameters():
            total = total + p.sum()
        for name, _b in self.named_buffers():
            names.append(name)
        count = 0
        for _ in self.children():
            count += 1
        for _ in self.modules():
            count += 1
        return names, total, count


def test_a_script_goes_through_modules_parameters_and_buffers_as_python_does():
    module = Walked()
    want, got = module(torch.ones(1, 2)), torch.jit.script(module)(torch.ones(1, 2))
    assert got[0] == want[0] and torch.equal(got[1], want[1]) and got[2] == want[2]


class Scaled(nn.Module):
    __jit_unused_properties__ = ["secret"]

    def __init__(self):
        super().__init__()
        self.factor = 2.0

    @property
    def scale(self) -> float:
        return self.factor * 10

    @scale.setter
    def scale(self, value: float) -> None:
        self.factor = value / 10

    @torch.jit.unused
    @property
    def told(self) -> str:
        return f"by {self.factor}"

    @property
    def secret(self) -> float:
        return 1.0

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x * self.scale


def test_properties_of_a_scripted_module_are_read_and_set_from_python():
    scripted = torch.jit.script(Scaled())
    assert scripted.scale == 20
    scripted.scale = 50.0
    assert scripted.factor == 5 and scripted(torch.ones(1)).item() == 50 and scripted.told == "by 5.0"
    with pytest.raises(AttributeError, match="has no attribute 'secret'"):
        scripted.secret  # noqa: B018


def test_what_stands_behind_an_interface_is_traced():
    class Inner(nn.Module):
        def __init__(self):
            super().__init__()
            self.leaf = Times(4.0)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.leaf(x)

    class Middle(nn.Module):
        lower: Layer

        def __init__(self):
            super().__init__()
            self.lower = Inner()

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.lower(x)

    class Top(nn.Module):
        def __init__(self):
            super().__init__()
            self.middle = torch.jit.script(Middle())

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.middle(x) + 1

    traced = torch.jit.trace(Top(), torch.ones(1))
    for module in (traced, saved_and_loaded(traced)):
        assert module(torch.tensor([2.0])).item() == 9

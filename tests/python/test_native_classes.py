"""torch.classes: classes that C++ code registers with torch::class_, in Python and in scripts. tests/plugins/classes.cpp has them."""

import copy
import io
import pickle
from pathlib import Path

import pytest
from conftest import BUILD

import rushlight as torch

PLUGIN = Path(BUILD) / "tests" / "plugins" / "classes.so"
pytestmark = pytest.mark.skipif(not PLUGIN.exists(), reason="built without tests")


@pytest.fixture(scope="module", autouse=True)
def plug():
    torch.classes.load_library(PLUGIN)
    assert str(PLUGIN) in torch.classes.loaded_libraries
    return torch.classes.plug_classes


def test_objects_methods_and_properties(plug):
    timer = plug.Timer(3)
    assert timer.tick() and not timer.tick(by=2)
    assert timer.left == 0 and timer.doubled == 0 and timer.speed == 1
    timer.speed = 2.5
    assert timer.speed == 2.5
    assert plug.Timer.longest([3, 9, 4]).left == 9
    assert repr(plug.Timer) == "<torch.classes.plug_classes.Timer>" and plug.Timer is plug.Timer
    assert torch.ops.plug_classes.left_of(plug.Timer(2), torch.ones(2)).tolist() == [3, 3]


def test_copies_know_their_state(plug):
    timer = plug.Timer(5)
    for other in (copy.deepcopy(timer), pickle.loads(pickle.dumps(timer))):
        other.tick()
        assert other.left == 4 and timer.left == 5
    closed = torch.classes.plug_classes.Timer(1)
    assert closed.left == 1


Timer = None


def test_scripts_make_take_and_give_them(plug):
    global Timer
    Timer = plug.Timer

    @torch.jit.script
    def wait(timer: Timer, by: int):
        return timer.tick(by), torch.classes.plug_classes.Timer(by).left, timer

    timer = plug.Timer(9)
    more, left, same = wait(timer, 4)
    assert more and left == 4 and timer.left == 5 and same.left == 5

    def read_only(timer: Timer):
        timer.left = 2

    with pytest.raises(RuntimeError, match="Tried to set read-only attribute: left"):
        torch.jit.script(read_only)


class Net(torch.nn.Module):
    maybe: int | None

    def __init__(self, timer):
        super().__init__()
        self.timer, self.maybe = timer, None

    def forward(self, x):
        self.timer.tick(1)
        return torch.ops.plug_classes.left_of(self.timer, x)


def test_modules_hold_them_and_archives_too(plug):
    net = Net(plug.Timer(7))
    assert net(torch.zeros(1)).item() == 6
    file = io.BytesIO()
    scripted = torch.jit.script(net)
    torch.jit.save(scripted, file)
    file.seek(0)
    loaded = torch.jit.load(file)
    assert loaded(torch.zeros(1)).item() == 5 and scripted(torch.zeros(1)).item() == 5
    apart = copy.deepcopy(scripted)
    assert apart(torch.zeros(1)).item() == 4 and scripted.timer.left == 5


@pytest.mark.parametrize(
    "act, error, text",
    [
        (lambda c: c.Missing(1), RuntimeError, "'plug_classes.Missing', but it does not exist! Ensure that it is registered via torch::class_"),
        (lambda c: c.Closed(), RuntimeError, "'plug_classes.Closed': its C\\+\\+ code registers no constructor; add .def\\(torch::init"),
        (lambda c: c.Timer(-1), RuntimeError, "expected left >= 0, got -1"),
        (lambda c: c.Timer("x"), RuntimeError, "Expected a value of type 'int'.* but instead found type 'str'"),
        (lambda c: c.Timer(1).tick(1, 2), RuntimeError, "expected at most 1 argument.* received 2"),
        (lambda c: c.Timer(1).nothing, AttributeError, "does not have a field with name 'nothing'"),
        (lambda c: setattr(c.Timer(1), "left", 2), RuntimeError, "can't set attribute 'left'"),
        (lambda c: torch.ops.plug_classes.left_of(torch.ones(1), torch.ones(1)), RuntimeError, "for argument 'timer' but instead found type 'Tensor'"),
    ],
)  # fmt: skip
def test_what_can_not_be(plug, act, error, text):
    with pytest.raises(error, match=text):
        act(plug)


def test_an_object_is_no_value_of_another_type(plug):
    def of(kind):
        unit = torch.jit.CompilationUnit(f"def f(x: {kind}):\n    return x\n")
        return unit.f(plug.Timer(1))

    for kind in (
        "int",
        "str",
        "Tensor",
        "List[int]",
        "Optional[float]",
        "Tuple[int, int]",
        "torch.classes.plug_classes.Closed",
    ):
        with pytest.raises(RuntimeError, match="Expected a value of type .* for argument 'x' but instead found type"):
            of(kind)
    for kind in ("Any", "torch.classes.plug_classes.Timer", "Optional[torch.classes.plug_classes.Timer]"):
        assert of(kind).left == 1


# ---- backends


class Sums(torch.nn.Module):
    def forward(self, x, y):
        return x + y

    @torch.jit.export
    def both(self, x):
        return x, x * 2


def reloaded(module):
    file = io.BytesIO()
    torch.jit.save(module, file)
    file.seek(0)
    return torch.jit.load(file)


def test_a_module_whose_methods_a_backend_runs():
    lowered = torch._C._jit_to_backend("plug_adder", torch.jit.script(Sums()), {"forward": 1, "both": 3})
    x = torch.tensor([1.0, 2.0])
    for module in (lowered, reloaded(lowered)):
        assert module(x, x).tolist() == [1003, 1005]
        assert module.forward(x, y=x).tolist() == [1003, 1005]
        first, second = module.both(x)
        assert first.tolist() == [1004, 1005] and second.tolist() == [2008, 2010]

    class Outer(torch.nn.Module):
        def __init__(self, inner):
            super().__init__()
            self.inner = inner

        def forward(self, x):
            return self.inner(x, x) - 1000

    outer = torch.jit.script(Outer(lowered))
    assert reloaded(outer)(x).tolist() == [3, 5]


def test_a_backend_that_this_machine_has_not():
    lowered = torch._C._jit_to_backend("plug_nowhere", torch.jit.script(Sums()), {"forward": 0})
    with pytest.raises(Exception, match="Backend is not available."):
        lowered(torch.ones(1), torch.ones(1))
    with pytest.raises(Exception, match="Backend is not available."):
        reloaded(lowered)


def test_what_can_not_be_lowered():
    scripted = torch.jit.script(Sums())
    with pytest.raises(RuntimeError, match='no backend "missing"; load the library'):
        torch._C._jit_to_backend("missing", scripted, {"forward": 1})
    with pytest.raises(RuntimeError, match='names the method "nothing"'):
        torch._C._jit_to_backend("plug_adder", scripted, {"nothing": 1})
    with pytest.raises(RuntimeError, match="is not a ScriptModule"):
        torch._C._jit_to_backend("plug_adder", Sums(), {"forward": 1})
    lowered = torch._C._jit_to_backend("plug_adder", scripted, {"both": 5})
    with pytest.raises(RuntimeError, match="another number of results"):
        lowered.both(torch.ones(1))

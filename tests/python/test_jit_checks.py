"""What a trace is checked for, graphs of traces for tools, and what errors of scripts tell about calls."""

import pytest
from rushlight.jit import TracingCheckError
from rushlight.nn.utils import parametrize

import rushlight as torch


def test_traces_that_differ():
    state = [0]

    def changing(x):
        state[0] += 1
        return x.relu() if state[0] % 2 else x.sigmoid()

    with pytest.raises(
        TracingCheckError, match=r"Graphs differed across invocations[\s\S]*aten::relu[\s\S]*aten::sigmoid"
    ):
        torch.jit.trace(changing, torch.ones(2))
    assert torch.jit.trace(changing, torch.ones(2), check_trace=False)(torch.ones(2)).shape == (2,)


def test_constants_that_differ():
    state = [0]

    def counting(x):
        state[0] += 1
        return x + torch.tensor([1.0, float(state[0])])

    with pytest.raises(TracingCheckError, match="Tensor-valued Constant nodes differed"):
        torch.jit.trace(counting, torch.ones(2))


def test_checks_with_inputs_of_other_sizes():
    def flat(x):
        return x.view(-1).neg()

    traced = torch.jit.trace(flat, torch.rand(3, 4), check_inputs=[torch.rand(5, 6), torch.rand(2)])
    assert traced(torch.ones(1, 2)).tolist() == [-1.0, -1.0]

    def by_size(x):
        return x.relu() if len(x) > 3 else x.sigmoid()

    with pytest.raises(TracingCheckError, match="Graphs differed across invocations"):
        torch.jit.trace(by_size, torch.rand(3), check_inputs=[torch.rand(4)])


def test_no_trace_of_weights_that_are_cached():
    net = torch.nn.Linear(2, 2)
    parametrize.register_parametrization(net, "weight", torch.nn.Tanh())
    with parametrize.cached(), pytest.raises(RuntimeError, match="Cannot trace a model while caching"):
        torch.jit.trace(net, torch.ones(1, 2))


def test_a_second_trace_leaves_no_mark():
    net = torch.nn.Sequential(torch.nn.BatchNorm1d(3), torch.nn.Dropout(0.5))
    torch.manual_seed(0)
    before = torch.get_rng_state()
    traced = torch.jit.trace(net, torch.randn(4, 3), check_tolerance=1e9)
    assert net[0].num_batches_tracked.item() == 1  # of the trace itself
    assert "aten::dropout" in str(traced.inlined_graph) and before is not None


def test_graph_for_tools():
    net = torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.ReLU(), torch.nn.Linear(4, 2))
    graph, out = torch.jit._get_trace_graph(net, (torch.ones(5, 3),))
    assert [n.kind() for n in graph.nodes() if n.kind() != "prim::Constant"] == [
        "aten::linear",
        "aten::relu",
        "aten::linear",
    ]
    assert [v.type().sizes() for v in graph.inputs()] == [[5, 3], [4, 3], [4], [2, 4], [2]]
    assert out.shape == (5, 2) and next(graph.outputs()).type().sizes() == [5, 2]


def inner(x: torch.Tensor, n: int):
    return x.reshape(n, n)


def middle(x: torch.Tensor):
    return inner(x, 7)


class Outer(torch.nn.Module):
    def forward(self, x):
        return middle(x)


class Whole(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.part = Outer()

    def forward(self, x):
        return self.part(x) + 1


def test_run_time_errors_tell_all_calls():
    with pytest.raises(RuntimeError) as caught:
        torch.jit.script(Whole())(torch.ones(3))
    text = str(caught.value)
    places = [text.find(t) for t in ("self.part(x) + 1", "return middle(x)", "return inner(x, 7)", "x.reshape(n, n)")]
    assert -1 not in places and places == sorted(places)
    assert text.count("Traceback of TorchScript") == 1
    assert ", in forward" in text and ", in middle" in text and ", in inner" in text


def unknown(x: torch.Tensor):
    return x.no_such_method()


def calling(x: torch.Tensor):
    return unknown(x)


def test_compile_errors_tell_all_calls():
    with pytest.raises(
        RuntimeError, match=r"no_such_method[\s\S]*'unknown' is being compiled since it was called from 'calling'"
    ):
        torch.jit.script(calling)


def late(x: torch.Tensor) -> torch.Tensor:
    task = torch.jit._awaitable(middle, x)
    return torch.jit._awaitable_wait(task)


def test_awaitable():
    assert torch.jit.script(late)(torch.ones(49)).shape == (7, 7)
    done = []
    task = torch.jit._awaitable(lambda: done.append(1) or torch.ones(2))
    assert not done and task.shape == (2,) and task.wait() is torch.jit._awaitable_wait(task) and done == [1]
    assert torch.jit._awaitable_wait(torch.jit._awaitable_nowait(3)) == 3


def products(x: torch.Tensor, y: torch.Tensor, n: int):
    return (
        torch.tensordot(x, y, 2),
        torch.tensordot(x, y, dims=n),
        torch.tensordot(x, y, dims=([1, 2], [0, 1])),
        torch.tensordot(x, y, [[1], [0]]),
    )


def test_tensordot():
    x, y = torch.randn(2, 3, 4), torch.randn(3, 4, 5)
    for got, wanted in zip(torch.jit.script(products)(x, y, 1 + 1), products(x, y, 2), strict=True):
        assert got.shape == wanted.shape and torch.equal(got, wanted)


def first_of(values: list[int], limit: int):
    for v in values:
        if v > limit:
            return str(v)
    return "none"


def first_called(values: list[int]):
    return first_of(values, 2) + first_of(values, 9)


def seen(x: int | list[int] | None) -> int:
    if x is None:
        return 0
    elif isinstance(x, int):
        return x
    else:
        return len(x)


def one_dimension(x: torch.Tensor, n: int):
    return x.view(-1), x.view(n), x.view(torch.int32), x.view(torch.int64).view(3, 2)


def spectrum(x: torch.Tensor):
    return torch.fft.ifft(torch.fft.fft(x)).real, x.device == torch.device("cpu")


def test_results_that_no_annotation_declares():
    assert torch.jit.script(first_of)([1, 3, 5], 2) == "3"
    assert torch.jit.script(first_called)([1, 3, 5]) == "3none"


def test_unions_lose_none():
    f = torch.jit.script(seen)
    assert [f(None), f(4), f([1, 2, 3])] == [0, 4, 3]


def test_view_of_one_number_is_a_shape():
    x = torch.arange(6).view(2, 3)
    flat, same, narrow, turned = torch.jit.script(one_dimension)(x, 6)
    assert flat.shape == same.shape == (6,) and narrow.shape == (2, 6) and turned.shape == (3, 2)


def test_names_below_torch():
    x = torch.randn(5)
    back, on_cpu = torch.jit.script(spectrum)(x)
    assert torch.allclose(back, x, atol=1e-6) and on_cpu


@pytest.mark.parametrize("text", ["# type: (List[]) -> int", "x: Optional[int[]] = None", "y = a[]"])
def test_empty_brackets(text):
    with pytest.raises(RuntimeError, match="an index is expected inside of the brackets"):
        torch.jit.CompilationUnit(f"def f(a):\n    {text}\n    return 1\n")


def _at_least_two(x):
    torch._assert(x.shape[0] > 1, "too short")
    return x * 2


def test_torch_assert_takes_a_condition_of_numbers():
    f = torch.jit.script(_at_least_two)
    assert f(torch.ones(2)).tolist() == [2, 2]
    with pytest.raises(RuntimeError, match="too short"):
        f(torch.ones(1))

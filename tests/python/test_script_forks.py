"""Forks and awaits of scripts: what they compute, where, what they raise, and how they are saved."""

import io
import threading

import pytest
from rushlight.jit import Future

import rushlight as torch
from rushlight import Tensor


def double(x: Tensor, by: float = 2.0) -> Tensor:
    return x * by


def wrong(x: Tensor) -> Tensor:
    return x.view(5)


def pair(x: Tensor) -> tuple[Tensor, int]:
    return x + 1, x.dim()


@torch.jit.ignore
def meet(n: int) -> int:
    """Comes back once two threads are in it."""
    return gate.wait(timeout=20) * 0 + n


gate = threading.Barrier(2)


def meeting(n: int) -> int:
    a = torch.jit.fork(meet, n)
    b = meet(1)
    return torch.jit.wait(a) + b


def test_a_fork_runs_beside_its_caller():
    if torch.get_num_interop_threads() < 1:
        pytest.skip("no threads")
    assert torch.jit.script(meeting)(5) == 6


def test_graph_and_code():
    def f(x: Tensor):
        task = torch.jit.fork(double, x, by=3.0)
        return torch.jit.wait(task) + x

    s = torch.jit.script(f)
    assert "Future[Tensor] = prim::fork(" in str(s.graph) and "aten::wait(" in str(s.graph)
    assert "fork(__forked_function)" in s.code and "torch.wait(" in s.code
    assert s(torch.ones(2)).tolist() == [4, 4]
    again = torch.jit.CompilationUnit(s.code)  # the text compiles to the same
    assert again.f(torch.ones(2)).tolist() == [4, 4]
    graph = s.inlined_graph.copy()
    torch._C._jit_pass_inline_fork_wait(graph)
    assert graph.findNode("prim::fork") is None and graph.findNode("aten::wait") is None


def tree(x: Tensor, depth: int) -> Tensor:
    futures: list[Future[Tensor]] = []
    for i in range(depth):
        futures.append(torch.jit.fork(double, x, float(i)))
    named: dict[str, Future[tuple[Tensor, int]]] = {"a": torch.jit.fork(pair, x)}
    total = torch.zeros_like(x)
    for f in futures:
        total += f.wait()
    more = named["a"].wait()
    return total + more[0] + more[1]


def forest(x: Tensor) -> Tensor:
    a = torch.jit.fork(tree, x, 4)
    b = torch.jit.fork(tree, x, 3)
    return torch.jit.wait(a) + torch.jit.wait(b)


def test_forks_inside_of_forks():
    s, x = torch.jit.script(forest), torch.tensor([1.0, 2.0])
    wanted = forest(x)
    for threads in (1, 4):
        before = torch.get_num_interop_threads()
        torch.set_num_interop_threads(threads)
        try:
            for _ in range(20):
                assert torch.equal(s(x), wanted)
        finally:
            torch.set_num_interop_threads(before)


def test_gradients_and_modes():
    def f(x: Tensor):
        return torch.jit.wait(torch.jit.fork(double, x)).sum()

    s = torch.jit.script(f)
    x = torch.ones(3, requires_grad=True)
    s(x).backward()
    assert x.grad.tolist() == [2, 2, 2]
    with torch.no_grad():
        assert not s(x).requires_grad
    with torch.inference_mode():
        assert s(x).is_inference()
    with torch.autocast("cpu", torch.bfloat16):
        g = torch.jit.script(product_in_fork)
        assert g(torch.ones(2, 2)).dtype == torch.bfloat16


def product(x: Tensor) -> Tensor:
    return x @ x


def product_in_fork(x: Tensor) -> Tensor:
    return torch.jit.wait(torch.jit.fork(product, x))


def test_errors_come_at_wait():
    def f(x: Tensor, wait: bool) -> Tensor:
        task = torch.jit.fork(wrong, x)
        if wait:
            return torch.jit.wait(task)
        return x

    s = torch.jit.script(f)
    assert s(torch.ones(2), False).tolist() == [1, 1]
    with pytest.raises(RuntimeError, match=r"(?s)torch.jit.wait\(task\).*x.view\(5\).*shape '\[5\]' is invalid"):
        s(torch.ones(2), True)


class Net(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.part = torch.nn.Linear(2, 2)

    def half(self, x: Tensor) -> Tensor:
        return self.part(x) / 2

    def forward(self, x: Tensor) -> Tensor:
        tasks = [torch.jit.fork(self.half, x + i) for i in range(3)]
        task = torch.jit.fork(self.part, x)
        total = torch.jit.wait(task)
        for t in tasks:
            total = total + torch.jit.wait(t)
        return total


def test_modules_archives_and_freezing():
    net, x = Net().eval(), torch.randn(3, 2)
    s = torch.jit.script(net)
    wanted = net(x)
    buffer = io.BytesIO()
    torch.jit.save(s, buffer)
    buffer.seek(0)
    for m in (s, torch.jit.freeze(s), torch.jit.load(buffer), torch.jit.trace(net, x)):
        torch.testing.assert_close(m(x), wanted)
    assert torch.jit.freeze(s).graph.findNode("prim::fork") is not None


def test_futures_pass_between_scripts_and_python():
    def start(x: Tensor) -> Future[Tensor]:
        return torch.jit.fork(double, x)

    def finish(f: Future[Tensor]) -> Tensor:
        return torch.jit.wait(f) + 1

    begin, end = torch.jit.script(start), torch.jit.script(finish)
    f = begin(torch.ones(2))
    assert isinstance(f, torch.futures.Future) and f.wait().tolist() == [2, 2] and f.done()
    assert f.then(lambda done: done.value().sum().item()).wait() == 4
    assert end(f).tolist() == [3, 3]
    own = torch.futures.Future()
    threading.Timer(0.05, lambda: own.set_result(torch.ones(1))).start()
    assert end(own).tolist() == [2]
    failed = torch.futures.Future()
    failed.set_exception(ValueError("no value"))
    with pytest.raises(Exception, match="no value"):
        end(failed)
    assert [t.tolist() for t in torch.futures.wait_all([begin(torch.ones(1)) for _ in range(3)])] == [[2]] * 3
    with pytest.raises(RuntimeError, match="Future"):
        end(torch.ones(2))
    bad = torch.jit.script(wrong_in_fork)(torch.ones(2))
    with pytest.raises(RuntimeError, match="invalid for input"):
        bad.wait()


def wrong_in_fork(x: Tensor) -> Future[Tensor]:
    return torch.jit.fork(wrong, x)


def test_awaits_run_when_asked_for():
    def f(x: Tensor, ask: bool) -> int:
        a: torch.jit._Await[int] = torch.jit._awaitable(count, 3)
        ready = torch.jit._awaitable_nowait(4)
        if ask:
            return torch.jit._awaitable_wait(a) + torch.jit._awaitable_wait(ready)
        return 0

    s = torch.jit.script(f)
    assert "Await[int] = prim::awaitable(" in str(s.graph)
    calls.clear()
    assert s(torch.ones(1), False) == 0 and not calls
    assert s(torch.ones(1), True) == 7 and calls == [3]


calls: list[int] = []


@torch.jit.ignore
def count(n: int) -> int:
    calls.append(n)
    return n


def test_what_is_no_future_is_refused():
    def f(x: Tensor):
        return torch.jit.wait(x)

    def g(x: Tensor):
        return torch.jit.fork(x)

    with pytest.raises(RuntimeError, match="(?s)aten::wait.*found type 'Tensor'"):
        torch.jit.script(f)
    with pytest.raises(RuntimeError, match="cannot call a value"):
        torch.jit.script(g)


def test_in_python_the_call_is_made_at_once():
    assert torch.jit.wait(torch.jit.fork(double, torch.ones(1))).tolist() == [2]
    assert torch.jit.fork(double, torch.ones(1)).done()
    with pytest.raises(RuntimeError):
        torch.jit.fork(wrong, torch.ones(2))


class Branch(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.inner = torch.nn.Linear(3, 3)

    def forward(self, x):
        return torch.relu(self.inner(x)), x * 2


class Branches(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.parts = torch.nn.ModuleList([Branch(), Branch()])

    def forward(self, x):
        tasks = [torch.jit.fork(part, x) for part in self.parts]
        total = torch.zeros_like(x)
        for task in tasks:
            a, b = torch.jit._wait(task)
            total = total + a + b
        return total


def test_a_trace_records_forks():
    def f(x):
        first = torch.jit.fork(double, x, by=3.0)
        second = torch.jit._fork(torch.jit.script(pair), x)
        return first.wait() + torch.jit._wait(second)[0]

    traced = torch.jit.trace(f, torch.ones(2))
    kinds = [n.kind() for n in traced.graph.nodes()]
    assert kinds.count("prim::fork") == 2 and kinds.count("aten::wait") == 2 and "aten::mul" not in kinds
    x = torch.tensor([1.0, -2.0])
    assert torch.equal(traced(x), f(x))


def test_a_trace_forks_modules():
    model = Branches()
    traced = torch.jit.trace(model, torch.ones(2, 3))
    x = torch.randn(4, 3, requires_grad=True)
    assert str(traced.graph).count("prim::fork") == 2
    file = io.BytesIO()
    torch.jit.save(traced, file)
    file.seek(0)
    for module in (traced, torch.jit.load(file)):
        out = module(x)
        torch.testing.assert_close(out, model(x))
        out.sum().backward()
    assert model.parts[1].inner.weight.grad is not None
    inlined = traced.inlined_graph.copy()
    torch._C._jit_pass_inline_fork_wait(inlined)
    assert "prim::fork" not in str(inlined)


def test_a_trace_refuses_what_leaks_out_of_a_fork():
    kept = []

    def body(x):
        kept.append(x + 1)
        return x

    def f(x):
        torch.jit.wait(torch.jit.fork(body, x))
        return kept[-1]

    with pytest.raises(RuntimeError, match="observable data dependence with trace inputs"):
        torch.jit.trace(f, torch.ones(2))

    def failing(x):
        try:
            torch.jit.fork(wrong, x)
        except RuntimeError:
            return x + 1

    assert torch.jit.trace(failing, torch.ones(2)).graph.findNode("prim::fork") is None

"""Cycles of Python objects that lead through the graph of gradients are found by Python's collector, and nothing else is."""

import contextlib
import gc
import subprocess
import sys
import threading
import weakref

import pytest

import rushlight as rl
from rushlight import nn


class Mark:
    """Something to hold a weak reference to."""


@contextlib.contextmanager
def freed():
    """What is put into the list must be gone after one collection, and not before."""
    marks = []
    gc.collect()
    gc.disable()
    try:
        yield marks
        refs = [weakref.ref(m) for m in marks]
        marks.clear()
        assert refs
        gc.collect()
        assert [r() for r in refs if r() is not None] == []
    finally:
        gc.enable()


def keeping(put, outputs=1):
    """A custom function whose ctx keeps its outputs, by `put(ctx, outputs)`."""

    class Keeps(rl.autograd.Function):
        @staticmethod
        def forward(ctx, x, marks):
            ctx.mark = Mark()
            marks.append(ctx.mark)
            out = [x.clone() for _ in range(outputs)]
            put(ctx, out)
            return out[0] if outputs == 1 else tuple(out)

        @staticmethod
        def backward(ctx, *grads):
            return sum(grads), None

    return Keeps.apply


class Slot:
    pass


def nested(ctx, out):
    ctx.slot = Slot()
    ctx.slot.items = [{"deep": (o, [o])} for o in out]


PUTS = {
    "attribute": lambda ctx, out: setattr(ctx, "y", out[0]),
    "list": lambda ctx, out: setattr(ctx, "y", list(out)),
    "dict": lambda ctx, out: setattr(ctx, "y", dict(enumerate(out))),
    "closure": lambda ctx, out: setattr(ctx, "y", lambda: out),
    "nested": nested,
}


@pytest.mark.parametrize("outputs", [1, 2, 3])
@pytest.mark.parametrize("put", PUTS)
def test_outputs_kept_on_ctx(put, outputs):
    f = keeping(PUTS[put], outputs)
    with freed() as marks:
        for _ in range(5):
            f(rl.ones(2, requires_grad=True), marks)
    with freed() as marks:  # and after backward, with the leaf alive
        x = rl.ones(2, requires_grad=True)
        y = f(x, marks)
        (y if outputs == 1 else sum(y)).sum().backward()
        del y
    assert x.grad.tolist() == [outputs, outputs]


@pytest.mark.parametrize("put", PUTS)
def test_chains_of_functions_that_keep_outputs(put):
    f = keeping(PUTS[put])
    with freed() as marks:
        x = rl.ones(2, requires_grad=True)
        for _ in range(6):
            x = f(x * 2, marks)
        x = x + x * x
        x.sum().backward()
        del x


def test_results_of_results_on_ctx():
    kept = []
    f = keeping(lambda ctx, out: kept.append(ctx))
    with freed() as marks:
        for use in [
            lambda y: y * 2,
            lambda y: y * y + y,
            lambda y: y.view(2, 1)[0],
            lambda y: y.split(1),
            lambda y: (y, y * y, (y * 3).exp()),
            lambda y: (y * 2).grad_fn,
            lambda y: [y := y * 2, y * 3],
            lambda y: (y.exp() * 2).exp().split(1),
            lambda y: [(h := y * 2) * 3, h.exp(), h * h],
            lambda y: [y.unbind(), y.max(0), y.detach(), y[0]],
        ]:
            kept.clear()
            y = f(rl.ones(2, requires_grad=True), marks)
            kept[0].results = use(y)
            kept.clear()
        del y


def test_what_is_in_use_stays():
    f = keeping(PUTS["list"], 2)
    marks = []
    x = rl.ones(2, requires_grad=True)
    a, b = f(x, marks)
    total = (a * b).sum()
    del a, b
    other = f(total * x, [])[0].exp()
    for _ in range(3):
        gc.collect()
        assert marks[0] is not None
    other.sum().backward()
    assert x.grad is not None
    # ctx and what it keeps are whole.
    node = total.grad_fn.next_functions[0][0].next_functions[0][0]
    gc.collect()
    assert node.mark is marks[0]
    assert len(node.y) == 2
    assert node.y[0].tolist() == [1, 1]


def test_attributes_stay_while_the_graph_holds_a_tensor():
    with freed() as marks:
        x = rl.ones(3, requires_grad=True)
        x.me = x
        x.mark = Mark()
        y = x * x
        del x
        gc.collect()
        leaf = y.grad_fn.next_functions[0][0].variable
        assert leaf.me is leaf
        marks.append(leaf.mark)
        del leaf, y
    with freed() as marks:  # an attribute that leads to a result
        x = rl.ones(3, requires_grad=True)
        x.y = (x * x).exp() * x
        x.mark = Mark()
        marks.append(x.mark)
        del x
    with freed() as marks:
        p = nn.Parameter(rl.ones(3))
        p.mark = Mark()
        marks.append(p.mark)
        p.loss = (p * p).sum()
        del p


def test_hooks():
    def cycle(register, marks):
        mark = Mark()
        marks.append(mark)
        register(mark)

    def on_leaf(mark):
        x = rl.ones(2, requires_grad=True)
        x.register_hook(lambda g: (x, mark) and None)

    def on_result(mark):
        y = rl.ones(2, requires_grad=True) * 2
        y.register_hook(lambda g: (y, mark) and None)

    def on_result_kept_handle(mark):
        y = rl.ones(2, requires_grad=True) * 2
        mark.handle = y.register_hook(lambda g: (y, mark) and None)
        y.handle = mark.handle

    def on_node(mark):
        y = rl.ones(2, requires_grad=True) * 2
        mark.handle = y.grad_fn.register_hook(lambda a, b: (y, mark) and None)
        y.grad_fn.register_prehook(lambda a: (y, mark) and None)

    def on_node_object(mark):
        node = (rl.ones(2, requires_grad=True) * 2).grad_fn
        node.register_hook(lambda a, b: (node, mark) and None)

    def after_accumulation(mark):
        p = nn.Parameter(rl.ones(2))
        p.register_post_accumulate_grad_hook(lambda p_: (p, mark) and None)
        (p * 2).sum().backward()

    def on_module(mark):
        m = nn.Linear(2, 2)
        m.register_forward_hook(lambda *_: (m, mark) and None)
        m.register_full_backward_hook(lambda *_: (m, mark) and None)
        m.weight.register_hook(lambda g: (m, mark) and None)
        m(rl.ones(1, 2, requires_grad=True)).sum().backward()

    def on_module_with_graph(mark):
        m = nn.Sequential(nn.Linear(2, 2), nn.ReLU())
        m.register_forward_hook(lambda m_, i, o: setattr(m_, "out", o))
        m[0].weight.register_hook(lambda g: (m, mark) and None)
        m(rl.ones(1, 2))

    def removed(mark):
        x = rl.ones(2, requires_grad=True)
        x.register_hook(lambda g: (x, mark) and None).remove()

    def notes(mark):
        y = rl.ones(2, requires_grad=True) * 2
        y.grad_fn.metadata["y"] = (y, mark)

    def saved(mark):
        kept = []

        def pack(t):
            return (t, kept, mark)

        with rl.autograd.graph.saved_tensors_hooks(pack, lambda packed: packed[0]):
            kept.append(rl.ones(2, requires_grad=True).exp())

    def gradient_of_gradient(mark):
        p = nn.Parameter(rl.ones(2))
        p.mark = mark
        (p**3).sum().backward(create_graph=True)

    for register in [
        on_leaf,
        on_result,
        on_result_kept_handle,
        on_node,
        on_node_object,
        after_accumulation,
        on_module,
        on_module_with_graph,
        removed,
        notes,
        saved,
        gradient_of_gradient,
    ]:
        try:
            with freed() as marks:
                for _ in range(3):
                    cycle(register, marks)
        except AssertionError as e:
            raise AssertionError(register.__name__) from e


def test_modules_and_iterators():
    def scripted(mark):
        m = nn.Sequential(nn.Linear(2, 2), nn.ReLU())
        m.mark = mark
        m.script = rl.jit.script(nn.Linear(2, 2))
        m.script(rl.ones(1, 2))
        m.traced = rl.jit.trace(nn.Linear(2, 2), rl.ones(1, 2))
        m.traced(rl.ones(1, 2))
        object.__setattr__(m, "me", m)

    def loader(mark):
        data = rl.utils.data.DataLoader(rl.arange(8), batch_size=2, shuffle=True, generator=rl.Generator())
        iterator = iter(data)
        next(iterator)
        data.mark, data.iterator = mark, iterator

    def error(mark):
        x = rl.ones(2, requires_grad=True)
        try:
            (x * 2).backward()
        except RuntimeError as e:
            mark.error = e
            mark.me = mark

    def optimizer(mark):
        p = nn.Parameter(rl.ones(2))
        o = rl.optim.Adam([p])
        rl.optim.lr_scheduler.StepLR(o, 2)
        p.grad = rl.ones(2)
        o.step()
        p.optimizer, p.mark = o, mark

    for make in [scripted, loader, error, optimizer]:
        with freed() as marks:
            for _ in range(2):
                mark = Mark()
                marks.append(mark)
                make(mark)
            del mark


def test_deep_graphs_are_walked_without_recursion():
    f = keeping(PUTS["attribute"])
    with freed() as marks:
        x = f(rl.ones(1, requires_grad=True), marks)
        for _ in range(20000):
            x = x + 1
        x.grad_fn.metadata["x"] = x
        del x


def test_collections_while_threads_work():
    stop = threading.Event()
    errors = []
    f = keeping(PUTS["list"], 2)

    def work(size):
        try:
            model = nn.Linear(size, size)
            while not stop.is_set():
                x = rl.ones(size, size, requires_grad=True)
                x.register_hook(lambda g, x=x: None)
                a, b = f(model(x), [])
                (a * b).sum().backward()
                assert x.grad is not None
                assert a.grad_fn.y[0].shape == (size, size)
        except BaseException as e:
            errors.append(e)
            raise

    threads = [threading.Thread(target=work, args=(size,)) for size in (4, 8, 128)]
    for t in threads:
        t.start()
    for _ in range(12):
        gc.collect()
        junk = [[] for _ in range(2000)]
        del junk
    stop.set()
    for t in threads:
        t.join()
    assert errors == []


def test_the_interpreter_ends_while_a_graph_holds_what_the_program_let_go(tmp_path):
    """The module goes before the result, whose graph then owns the parameters; the last collection must not follow them."""
    (tmp_path / "large.py").write_text(
        "import rushlight as torch\n"
        "model = torch.nn.Sequential(*[torch.nn.Linear(4, 4) for _ in range(2000)])\n"
        "out = model(torch.rand(2, 4))\n"
    )
    done = subprocess.run([sys.executable, "-c", "__import__('large')"], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, (done.returncode, done.stderr)


@pytest.mark.parametrize("generation", [0, 1, 2])
def test_attributes_stay_where_only_garbage_held_the_object(generation):
    weight = rl.ones(2, requires_grad=True)
    gc.collect()
    gc.disable()
    try:
        held = []
        x = rl.ones(2)
        x.tag = ["kept"]
        held += [held, x]
        z = weight * x  # the node holds the tensor; its object is held by a list that leads to itself
        del held, x
        gc.collect(generation)
        assert z.grad_fn._saved_other.tag == ["kept"]
    finally:
        gc.enable()

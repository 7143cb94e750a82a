"""What jit.load gives is a module like any other, and what it saves is what it read; PyTorch is the reference."""

import copy
import io
import pickle
import struct
import zipfile
from typing import Dict, List, NamedTuple, Tuple  # noqa: UP035

import hostile
import numpy
import pytest
import torch as reference

import rushlight as rl


def archive_of(module, lib=rl, **files) -> bytes:
    out = io.BytesIO()
    lib.jit.save(module, out, _extra_files=files)
    return out.getvalue()


def loaded(module, lib=rl):
    return rl.jit.load(io.BytesIO(archive_of(lib.jit.script(module), lib)))


def linear(how: str):
    rl.manual_seed(0)
    m = rl.nn.Linear(3, 2)
    if how == "script":
        return rl.jit.script(m)
    if how == "trace":
        return rl.jit.trace(m, rl.ones(1, 3))
    if how == "load":
        return loaded(m)
    return loaded(reference.nn.Linear(3, 2), reference)


every_kind = pytest.mark.parametrize("how", ["script", "trace", "load", "load of PyTorch's"])


@every_kind
def test_trains(how):
    rl.manual_seed(0)
    reference.manual_seed(0)
    m = linear(how)
    x, y = rl.rand(8, 3), rl.rand(8, 2)
    assert m(x).requires_grad
    assert all(p.requires_grad and isinstance(p, rl.nn.Parameter) for p in m.parameters())
    optimizer = rl.optim.Adam(m.parameters(), lr=0.1)
    losses = []
    for _ in range(20):
        optimizer.zero_grad()
        loss = ((m(x) - y) ** 2).mean()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < losses[0] / 2
    assert rl.allclose(m(x), rl.nn.functional.linear(x, m.weight, m.bias))
    m.zero_grad()
    assert m.weight.grad is None
    m.requires_grad_(False)
    assert not m(x).requires_grad


@every_kind
def test_converts(how):
    m = linear(how)
    weight = m.weight
    assert m.double() is m
    assert m.weight is weight
    assert m(rl.ones(1, 3, dtype=rl.float64)).dtype == rl.float64
    assert m.half().weight.dtype == rl.float16
    assert m.to(rl.bfloat16)(rl.ones(1, 3, dtype=rl.bfloat16)).dtype == rl.bfloat16
    assert m.float()(rl.ones(1, 3)).dtype == rl.float32
    assert m.to("meta").weight.is_meta


@every_kind
def test_its_tensors_are_the_ones_it_computes_with(how):
    m = linear(how)
    x = rl.rand(4, 3)
    assert m.weight is m.weight
    assert m.weight is next(iter(m.parameters()))
    m.load_state_dict({"weight": rl.full((2, 3), 2.0), "bias": rl.zeros(2)})
    assert rl.allclose(m(x)[:, 0], 2 * x.sum(1))
    m.weight = rl.nn.Parameter(rl.ones(2, 3))
    assert rl.allclose(m(x)[:, 0], x.sum(1))
    with rl.no_grad():
        m.weight.zero_()
        m.bias.fill_(3)
    assert m(x).eq(3).all()
    m.load_state_dict({"weight": rl.ones(2, 3), "bias": rl.zeros(2)}, assign=True)
    assert rl.allclose(m(x)[:, 0], x.sum(1))
    with pytest.raises(RuntimeError, match="Could not cast attribute 'weight' to type Tensor"):
        m.weight = "text"
    with pytest.raises(RuntimeError, match="Can't add a new parameter"):
        m.other = rl.nn.Parameter(rl.ones(1))
    with pytest.raises(RuntimeError, match="non-scripted module"):
        m.other = rl.nn.Linear(1, 1)
    with pytest.raises(RuntimeError, match="cannot delete"):
        del m.weight
    m.note = "Python's own"
    assert m.note == "Python's own"


@every_kind
def test_copies(how):
    m = linear(how)
    x = rl.rand(4, 3)
    for twin in (copy.deepcopy(m), copy.deepcopy([m])[0]):
        assert type(twin) is type(m)
        assert rl.equal(twin(x), m(x))
        assert twin.weight is not m.weight
        assert twin.weight.requires_grad
        before = m(x)
        with rl.no_grad():
            twin.weight.zero_()
        assert rl.equal(m(x), before)
        assert not rl.equal(twin(x), before)
    assert copy.copy(m).weight is m.weight
    with pytest.raises(RuntimeError, match="which does not have a __getstate__ method defined"):
        pickle.dumps(m)


@every_kind
def test_hooks_run(how):
    m = linear(how)
    seen = []
    handle = m.register_forward_hook(lambda module, args, out: seen.append(out))
    x = rl.rand(1, 3)
    assert m(x) is seen[0]
    handle.remove()
    m(x)
    assert len(seen) == 1


class Counting(rl.nn.Module):
    def __init__(self):
        super().__init__()
        self.register_buffer("calls", rl.zeros((), dtype=rl.int64))
        self.register_buffer("passing", rl.ones(2), persistent=False)
        self.norm = rl.nn.Sequential(rl.nn.BatchNorm1d(2), rl.nn.Dropout(0.5))
        self.again = self.norm[0]
        self.limit = 3

    def forward(self, x):
        self.calls = self.calls + 1
        self.limit += 1
        return self.norm(x) * self.passing


@pytest.mark.parametrize("how", ["script", "load"])
def test_state_that_the_script_changes_is_seen(how):
    m = rl.jit.script(Counting()) if how == "script" else loaded(Counting())
    x = rl.rand(8, 2)
    m(x)
    m(x)
    assert m.calls.item() == 2
    assert dict(m.named_buffers())["calls"].item() == 2
    assert m.limit == 5
    m.limit = 7
    m(x)
    assert m.limit == 8
    assert m.norm[0].num_batches_tracked.item() == 3
    assert m.norm is m.norm
    assert m.again is m.norm[0]
    assert len(m.norm) == 2
    assert [name for name, _ in m.named_modules()] == ["", "norm", "norm.0", "norm.1"]
    assert list(m.state_dict())[:1] == ["calls"]
    m.eval()
    assert not m.training
    assert not m.norm[1].training
    first = m(x)
    assert rl.equal(m(x), first)
    assert m.norm[0].num_batches_tracked.item() == 3
    m.train()
    assert m.norm[1].training
    with pytest.raises(RuntimeError, match="Can't set constant 'num_features'|Could not cast"):
        m.norm[0].num_features = "text"


def test_one_parameter_under_two_names_stays_one():
    m = rl.nn.Linear(2, 2)
    m.twin = m.weight
    s = rl.jit.script(rl.nn.Sequential(m, rl.nn.ReLU()))
    assert s[0].twin is s[0].weight
    assert len(list(s.parameters())) == 2
    twin = copy.deepcopy(s)
    assert twin[0].twin is twin[0].weight


# ---- saving what was loaded ----


class Point(NamedTuple):
    x: reference.Tensor
    y: int


@reference.jit.script
class Scale:
    def __init__(self, by: float):
        self.by = by

    def of(self, x: reference.Tensor):
        return x * self.by


@reference.jit.interface
class Operation(reference.nn.Module):
    def one(self, x: reference.Tensor) -> reference.Tensor:
        pass


class Mul(reference.nn.Module):
    def __init__(self, by: int):
        super().__init__()
        self.weight = reference.nn.Parameter(reference.full((2,), float(by)), requires_grad=by > 2)

    def one(self, x: reference.Tensor) -> reference.Tensor:
        return x * self.weight

    def forward(self, x):
        return self.one(x)


class Twice(reference.nn.Module):
    def one(self, x: reference.Tensor) -> reference.Tensor:
        return x * 2


def helper(x, times: int = 2):
    for _ in range(times):
        x = x + 1
    return x


class Rich(reference.nn.Module):
    """Attributes, constants and methods of all kinds."""

    op: Operation
    words: List[str]  # noqa: UP006
    table: Dict[str, List[int]]  # noqa: UP006
    maybe: reference.Tensor | None
    pair: Tuple[int, float]  # noqa: UP006
    empty: List[Tuple[str, int]]  # noqa: UP006
    __constants__ = ["size", "shape", "word"]

    def __init__(self):
        super().__init__()
        self.op = Twice()
        self.layers = reference.nn.ModuleList([Mul(i) for i in range(1, 4)])
        self.words = ["a", 'quote " and \\ and \n', "\x01é"]
        self.table = {"a": [1, 2], "b": []}
        self.maybe = None
        self.pair = (3, 0.5)
        self.empty = []
        self.size, self.shape, self.word = 4, (1, 2.5, None), "it's"
        self.register_buffer("steps", reference.zeros(2))
        self.list = 3  # a name that the language has too

    def forward(self, x):
        point = Point(x, self.pair[0])
        x = Scale(self.pair[1]).of(helper(point.x)) + point.y + self.size + self.list
        for layer in self.layers:
            x = layer(x)
        if self.maybe is None:
            x = self.op.one(x)
        return x + reference.tensor([0.25, 0.5]), Point(x, len(self.words[1]) + self.table["a"][1])

    @reference.jit.export
    def second(self, x, times: int = 3, name: str = "n"):
        return helper(x, times) + self.steps + len(name)

    @reference.jit.export
    def no_result(self):
        self.steps = self.steps + 1


def methods_and_state(m) -> dict:
    out = {}
    for path, module in m.named_modules():
        out[path] = (sorted(module._c._method_names()), module._c._type().name().split(".")[-1], module.training)
    for path, p in [*m.named_parameters(), *m.named_buffers()]:
        out[path] = (p.dtype, tuple(p.shape), p.requires_grad, p.detach().numpy().tobytes())
    return out


def three_generations(first: bytes) -> bytes:
    for _ in range(3):
        first = archive_of(rl.jit.load(io.BytesIO(first)))  # before any call
    return first


def test_what_was_loaded_is_saved_whole():
    m = reference.jit.script(Rich())
    m.layers[1].eval()
    data = archive_of(m, reference)
    again = three_generations(data)
    m2 = reference.jit.load(io.BytesIO(again))
    assert methods_and_state(m2) == methods_and_state(reference.jit.load(io.BytesIO(data)))
    ours = rl.jit.load(io.BytesIO(again))
    for name in ("words", "table", "pair", "empty", "maybe", "size", "shape", "word", "list"):
        assert getattr(m2, name) == getattr(m, name)
        assert getattr(ours, name) == getattr(m, name)
    x = reference.rand(3, 2)
    for _ in range(2):
        wanted, got, mine = m(x), m2(x), ours(rl.from_numpy(x.numpy()))
        assert reference.equal(got[0], wanted[0])
        assert got[1][1] == wanted[1][1]
        assert numpy.allclose(mine[0].detach().numpy(), wanted[0].detach().numpy())
        assert mine[1][1] == wanted[1][1]
        assert reference.equal(m2.second(x, times=4), m.second(x, times=4))
        assert numpy.allclose(ours.second(rl.from_numpy(x.numpy()), 4).numpy(), m.second(x, 4).numpy())
        for each in (m, m2, ours):
            each.no_result()
    assert ours.no_result() is None


MODULES = {
    "Linear without bias": (lambda nn: nn.Linear(4, 2, bias=False), (3, 4)),
    "Sequential": (lambda nn: nn.Sequential(nn.Linear(4, 4), nn.BatchNorm1d(4), nn.ReLU(), nn.Dropout()), (3, 4)),
    "convolutions": (lambda nn: nn.Sequential(nn.Conv2d(1, 2, 3), nn.MaxPool2d(2), nn.Flatten()), (2, 1, 6, 6)),
    "empty": (lambda nn: nn.Sequential(nn.Identity(), nn.Sequential()), (2, 2)),
    "frozen": (lambda nn: nn.Linear(4, 2).requires_grad_(False).eval(), (3, 4)),
    "double": (lambda nn: nn.Linear(4, 2).double(), None),
    "LayerNorm": (lambda nn: nn.LayerNorm(4), (3, 4)),
}


@pytest.mark.parametrize("writer", [rl, reference], ids=["ours", "PyTorch's"])
@pytest.mark.parametrize("name", MODULES)
def test_modules_go_round(name, writer):
    make, shape = MODULES[name]
    m = writer.jit.script(make(writer.nn))
    data = archive_of(m, writer)
    again = three_generations(data)
    first, last = (reference.jit.load(io.BytesIO(d)) for d in (data, again))
    assert methods_and_state(first) == methods_and_state(last)
    if shape:
        x = reference.rand(shape)
        first.eval()
        last.eval()
        assert reference.equal(first(x), last(x))
        ours = rl.jit.load(io.BytesIO(again)).eval()
        assert numpy.allclose(ours(rl.from_numpy(x.numpy())).detach().numpy(), last(x).detach().numpy(), atol=1e-6)


def test_a_second_save_is_the_first():
    data = archive_of(reference.jit.script(Rich()), reference)
    second, third = three_generations(data), three_generations(three_generations(data))

    def code(archive):
        z = zipfile.ZipFile(io.BytesIO(archive))
        return {n: z.read(n) for n in z.namelist() if "/code/" in n or n.endswith("version")}

    assert code(second) == code(third)


def test_two_classes_of_one_name_are_both_saved():
    one, two = (loaded(m, reference) for m in (reference.nn.Linear(2, 2), reference.nn.Linear(2, 2, bias=False)))

    class Both(rl.nn.Module):
        def __init__(self):
            super().__init__()
            self.one, self.two = one, two

        def forward(self, x):
            return self.two(self.one(x))

    data = archive_of(rl.jit.script(Both()))
    x = rl.rand(3, 2)
    wanted = two(one(x))
    assert rl.equal(rl.jit.load(io.BytesIO(data))(x), wanted)
    assert numpy.allclose(
        reference.jit.load(io.BytesIO(data))(reference.from_numpy(x.numpy())).detach().numpy(), wanted.detach().numpy()
    )


def rewritten(data: bytes, change, code: str = "") -> io.BytesIO:
    """An archive with all of its code changed, and with this code for __torch__ besides."""
    out = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as old, zipfile.ZipFile(out, "w", zipfile.ZIP_STORED) as new:
        if code:
            new.writestr(old.namelist()[0].split("/")[0] + "/code/__torch__.py", code)
        for name in old.namelist():
            content = old.read(name)
            new.writestr(name, change(content.decode()).encode() if name.endswith(".py") else content)
    out.seek(0)
    return out


def test_operators_as_older_archives_call_them():
    m = reference.jit.trace(reference.nn.Conv2d(1, 2, 3), reference.ones(1, 1, 5, 5))
    file = rewritten(
        archive_of(m, reference), lambda code: code.replace(", False, False, True, True)", ", False, False, True)")
    )
    x = rl.rand(1, 1, 5, 5)
    assert numpy.allclose(
        rl.jit.load(file)(x).detach().numpy(), m(reference.from_numpy(x.numpy())).detach().numpy(), atol=1e-6
    )


def test_what_cannot_be_compiled_fails_alike_each_time_and_is_saved():
    data = archive_of(reference.jit.script(reference.nn.ReLU()), reference)
    file = rewritten(data, lambda code: code.replace("torch.relu(", "torch.relu(no_such_argument="))
    m = rl.jit.load(file)
    texts = set()
    for use in (lambda: m(rl.ones(1)), lambda: m.code, lambda: m.graph, lambda: m.forward(rl.ones(1)), lambda: m.code):
        with pytest.raises(RuntimeError, match="no_such_argument") as e:
            use()
        texts.add(str(e.value))
    assert len(texts) == 1
    saved = zipfile.ZipFile(io.BytesIO(archive_of(m)))
    assert any(b"torch.relu(no_such_argument=" in saved.read(n) for n in saved.namelist())


# Classes and functions that an archive's text adds to a module, and what says that they are refused.
CHAIN = (
    "".join(f"class C{i}(BASE):\n  a : __torch__.C{i + 1}\n" for i in range(20000))
    + "class C20000(NamedTuple):\n  a : int\n"
)
CALLS = "".join(f"def f{i}(x: Tensor) -> Tensor:\n  return __torch__.f{i + 1}(x)\n" for i in range(30000))
UNMAKEABLE = {
    "itself": ("N", "class N(NamedTuple):\n  a : __torch__.N\n", "__torch__.N contains itself"),
    "by turns": (
        "N",
        "class N(NamedTuple):\n  a : List[__torch__.M]\nclass M(NamedTuple):\n  a : __torch__.N\n",
        "__torch__.N contains itself",
    ),
    "tuples": ("C0", CHAIN.replace("BASE", "NamedTuple"), "more than 500 deep, at __torch__.C500"),
    "classes": ("C0", CHAIN.replace("BASE", "object"), "more than 500 deep, at __torch__.C500"),
    "unknown": ("N", "class N:\n  a : __torch__.Nowhere\n", "does not define __torch__.Nowhere"),
    "functions": (
        "int",
        CALLS + "def f30000(x: Tensor) -> Tensor:\n  return x\n",
        "nest too deep for the thread's stack",
    ),
}


@pytest.mark.parametrize("kind", UNMAKEABLE)
def test_what_cannot_be_made_is_refused_each_time(kind):
    member, more, wanted = UNMAKEABLE[kind]

    def change(code):
        code = code.replace(
            "input: Tensor)",
            f"input: Tensor,\n    more: Optional[{member if member == 'int' else '__torch__.' + member}]=None)",
        )
        return code.replace("torch.relu(", "__torch__.f0(" if kind == "functions" else "torch.relu(")

    data = archive_of(reference.jit.script(reference.nn.ReLU()), reference)
    m = rl.jit.load(rewritten(data, change, more))
    for _ in range(2):
        with pytest.raises(RuntimeError, match=wanted):
            m(rl.ones(1))


@pytest.mark.parametrize("version", ["9223372036854775808", "text", "-1", "11", ""])
def test_versions_that_nobody_wrote_are_refused(version):
    data = archive_of(reference.jit.script(reference.nn.ReLU()), reference)
    out = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as old, zipfile.ZipFile(out, "w", zipfile.ZIP_STORED) as new:
        for name in old.namelist():
            new.writestr(name, version if name.endswith("/version") else old.read(name))
    out.seek(0)
    with pytest.raises(RuntimeError, match="version"):
        rl.jit.load(out)


def test_files_of_the_users_own_are_written_again():
    m = rl.jit.load(io.BytesIO(archive_of(rl.jit.script(rl.nn.ReLU()), a="1")))
    files = {"b": ""}
    reference.jit.load(io.BytesIO(archive_of(m, b="2")), _extra_files=files)
    assert files == {"b": b"2"}


class Conversions(reference.nn.Module):
    def forward(self, x, y, dtype: int | None = None, device: reference.device | None = None):
        return (
            [
                x.to(y.device),
                x.to(y.device, non_blocking=True),
                x.to(y.device, reference.int64),
                x.to("cpu"),
                x.to(device),
            ],
            [
                x.to(y),
                x.to(y, True),
                x.to(y.dtype),
                x.to(reference.float16, copy=True),
                x.to(dtype),
                x.to(dtype, False),
            ],
            [x.to(device, dtype), x.to(y.device, y.dtype, False, True), x.to(device=device, dtype=dtype)],
            [x.sort(stable=True, dim=1)[0], x.sort(1, True)[0], x.sort()[0], x.argsort(1, True)],
        )


@pytest.mark.parametrize("mobile", [False, True])
def test_overloads_that_archives_call(mobile):
    m = reference.jit.script(Conversions())
    data = m._save_to_buffer_for_lite_interpreter() if mobile else archive_of(m, reference)
    x, y = numpy.array([[3.0, 1, 2]], dtype="float32"), numpy.ones(2)
    got = rl.jit.load(io.BytesIO(data))(rl.from_numpy(x), rl.from_numpy(y))
    for some, others in zip(m(reference.from_numpy(x), reference.from_numpy(y)), got, strict=True):
        for a, b in zip(some, others, strict=True):
            assert str(a.dtype).split(".")[1] == str(b.dtype).split(".")[1]
            assert a.tolist() == b.tolist()


class Hooked(reference.nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = reference.nn.Linear(2, 2)

        def before(self, input: tuple[reference.Tensor]) -> tuple[reference.Tensor]:
            return (input[0] + 1,)

        def after(self, input: tuple[reference.Tensor], output: reference.Tensor) -> reference.Tensor:
            return output * 2 + input[0]

        self.layer.register_forward_pre_hook(before)
        self.layer.register_forward_hook(after)
        self.register_forward_hook(after)

    def forward(self, x):
        return self.layer(x)


class AddsOne(rl.nn.Module):
    def forward(self, x):
        return x + 1


def doubled(self, input: tuple[rl.Tensor], out: rl.Tensor):
    return out * 2


def before(self, input: tuple[rl.Tensor]):
    return (input[0] + 10,)


def test_a_hook_that_is_registered_twice_runs_twice():
    m = AddsOne()
    for _ in range(2):
        m.register_forward_hook(doubled)
        m.register_forward_pre_hook(before)
    x = rl.ones(2)
    scripted = rl.jit.script(m)
    assert m(x).tolist() == scripted(x).tolist() == [88.0, 88.0]
    assert rl.jit.load(io.BytesIO(archive_of(scripted)))(x).tolist() == [88.0, 88.0]


def test_a_script_that_moves_to_a_gpu_says_so():
    graph = rl.jit.CompilationUnit("def f(x):\n  return x.cuda()\n").f.graph
    moved = graph.findNode("aten::to")
    assert moved is not None and "device" in moved.schema()
    assert rl.device("cuda") in [v.toIValue() for v in moved.inputs()]


def test_hooks_that_an_archive_holds():
    m = reference.jit.script(Hooked())
    data = archive_of(m, reference)
    again = three_generations(data)
    x = reference.rand(3, 2)
    for d in (data, again):
        theirs, ours = reference.jit.load(io.BytesIO(d)), rl.jit.load(io.BytesIO(d))
        mine = rl.from_numpy(x.numpy())
        assert reference.equal(theirs(x), m(x))
        assert numpy.allclose(ours(mine).detach().numpy(), m(x).detach().numpy(), atol=1e-6)
        assert numpy.allclose(ours.forward(mine).detach().numpy(), m.forward(x).detach().numpy(), atol=1e-6)
        assert numpy.allclose(ours.layer(mine).detach().numpy(), m.layer(x).detach().numpy(), atol=1e-6)


# What PyTorch's archives of its own layers call, and is composed of other operators here.
class PackedLstm(reference.nn.Module):
    def __init__(self, rnn):
        super().__init__()
        self.rnn = rnn

    def forward(self, x: reference.Tensor, lengths: reference.Tensor):
        packed = reference.nn.utils.rnn.pack_padded_sequence(x, lengths, batch_first=True, enforce_sorted=False)
        out, state = self.rnn(packed)
        padded, counts = reference.nn.utils.rnn.pad_packed_sequence(out, batch_first=True)
        return padded, counts, state[0]


class Looks(reference.nn.Module):
    def __init__(self):
        super().__init__()
        self.attention = reference.nn.MultiheadAttention(8, 2, batch_first=True)

    def forward(self, x: reference.Tensor, mask: reference.Tensor, hidden: reference.Tensor):
        both = self.attention(x, x, x, key_padding_mask=hidden, attn_mask=mask)
        return both, self.attention(x, x, x, attn_mask=mask, need_weights=False)[0], self.attention(x, x, x)


def encoder(**options):
    layer = reference.nn.TransformerEncoderLayer(8, 2, 16, batch_first=True, **options)
    return reference.nn.TransformerEncoder(layer, 2, enable_nested_tensor=not options)


MASK = reference.triu(reference.ones(4, 4, dtype=reference.bool), 1)
HIDDEN = reference.tensor([[False] * 4, [False] * 3 + [True]])


@pytest.mark.parametrize(
    ("make", "args"),
    [
        (lambda: PackedLstm(reference.nn.LSTM(3, 4, batch_first=True)), [(3, 5, 3), reference.tensor([2, 5, 3])]),
        (lambda: reference.nn.BCELoss(reference.ones(3)), [(2, 3), (2, 3)]),
        (Looks, [(2, 4, 8), MASK, HIDDEN]),
        (encoder, [(2, 4, 8)]),
        (lambda: encoder(norm_first=True, activation="gelu"), [(2, 4, 8)]),
        (lambda: encoder(activation="gelu").layers[0], [(2, 4, 8), MASK]),
        (lambda: encoder(norm_first=True).layers[0], [(2, 4, 8), None, HIDDEN]),
    ],
)
def test_archives_of_layers_on_pytorchs_fast_paths(make, args):
    reference.manual_seed(0)
    module = make().eval()
    inputs = [reference.rand(a) if isinstance(a, tuple) else a for a in args]
    m = reference.jit.script(module)
    with reference.no_grad():
        wanted = m(*inputs)
    ours = rl.jit.load(io.BytesIO(archive_of(m, reference)))
    mine = [rl.from_numpy(a.numpy()) if isinstance(a, reference.Tensor) else a for a in inputs]

    def compare(got, theirs):
        if isinstance(theirs, tuple):
            assert len(got) == len(theirs)
            for a, b in zip(got, theirs, strict=True):
                compare(a, b)
        elif theirs is None or theirs.numel() == 0:
            assert got is None or got.numel() == 0
        else:
            assert numpy.allclose(got.detach().numpy(), theirs.numpy(), atol=1e-5)

    with rl.no_grad():
        compare(ours(*mine), wanted)
    compare(ours(*mine), wanted)  # the slow path


def test_nested_tensors_are_named_where_an_archive_makes_them():
    reference.manual_seed(0)
    ours = rl.jit.load(io.BytesIO(archive_of(reference.jit.script(encoder().eval()), reference)))
    with rl.no_grad(), pytest.raises(RuntimeError, match="nested tensors are not supported"):
        ours(rl.rand(2, 4, 8), None, rl.from_numpy(HIDDEN.numpy()))


def forked(x: reference.Tensor, k: int) -> reference.Tensor:
    return x * k


def future_of(x: reference.Tensor) -> reference.jit.Future[reference.Tensor]:
    return reference.jit.fork(forked, x, 4)


def test_tasks_that_an_archive_forks():
    def f(x: reference.Tensor):
        futures: list[reference.jit.Future[reference.Tensor]] = []
        for i in range(3):
            futures.append(reference.jit.fork(forked, x, i))
        out: list[reference.Tensor] = []
        for one in futures:
            out.append(reference.jit.wait(one))
        lazy = reference.jit._awaitable(forked, x, 5)
        return out, future_of(x).wait(), reference.jit._awaitable_wait(lazy)

    ours = rl.jit.load(io.BytesIO(archive_of(reference.jit.script(f), reference)))
    many, four, five = ours(rl.ones(2))
    assert [t.tolist() for t in (*many, four, five)] == [[k, k] for k in (0.0, 1.0, 2.0, 4.0, 5.0)]
    again = reference.jit.load(io.BytesIO(archive_of(ours)))
    assert [t.tolist() for t in again(reference.ones(2))[0]] == [[0.0] * 2, [1.0] * 2, [2.0] * 2]


def formatted(n: int, s: str):
    return "%d of %s" % (n, s) + ", %d" % n  # noqa: UP031


def test_record_function_and_percent_formats_of_pytorchs_archives():
    def f(x, n: int):
        with reference.autograd.profiler.record_function("part"):
            y = x * n
        return y, "%d of %s" % (n, "all")  # noqa: UP031

    data = archive_of(reference.jit.script(f), reference)
    m = rl.jit.load(io.BytesIO(data))
    x = rl.ones(2)
    assert m(x, 3)[0].tolist() == [3, 3] and m(x, 3)[1] == "3 of all"
    again = reference.jit.load(io.BytesIO(archive_of(m)))
    assert again(reference.ones(2), 3)[1] == "3 of all"
    theirs = reference.jit.load(io.BytesIO(archive_of(rl.jit.script(formatted))))
    assert theirs(3, "all") == "3 of all, 3"


def part_of_fork(x, by: int):
    return x * by


def forks_here(x):
    a = rl.jit.fork(part_of_fork, x, 2)
    b = rl.jit.fork(part_of_fork, x, 3)
    return rl.jit.wait(a) + rl.jit.wait(b)


def forks_there(x):
    a = reference.jit.fork(part_of_fork, x, 2)
    b = reference.jit.fork(part_of_fork, x, 3)
    return reference.jit.wait(a) + reference.jit.wait(b)


def test_forks_in_archives_of_either_side():
    data = archive_of(rl.jit.script(forks_here))
    assert reference.jit.load(io.BytesIO(data))(reference.ones(2)).tolist() == [5, 5]
    m = rl.jit.load(io.BytesIO(archive_of(reference.jit.script(forks_there), reference)))
    assert m(rl.ones(2)).tolist() == [5, 5] and m.graph.findNode("prim::fork") is not None
    again = reference.jit.load(io.BytesIO(archive_of(m)))
    assert again(reference.ones(2)).tolist() == [5, 5]


class Folds(rl.nn.Module):
    def __init__(self, n: int):
        super().__init__()
        self.n = n

    def forward(self, x):
        return x.reshape(self.n, self.n)


class Stacks(rl.nn.Module):
    def __init__(self):
        super().__init__()
        self.part = Folds(7)

    def forward(self, x):
        x = x + 1
        return self.part(x)


class TheirFolds(reference.nn.Module):
    def forward(self, x):
        return x.reshape(7, 7)


class TheirStacks(reference.nn.Module):
    def __init__(self):
        super().__init__()
        self.part = TheirFolds()

    def forward(self, x):
        x = x + 1
        return self.part(x)  # of theirs


@pytest.mark.parametrize("lib", [rl, reference])
@pytest.mark.parametrize(
    "writers", [[rl], [reference], [rl, rl], [reference, rl], [rl, reference], [reference, rl, rl]]
)
def test_errors_after_loading_name_the_lines_of_the_source(writers, lib):
    ours = writers[0] is rl
    data = archive_of(writers[0].jit.script(Stacks() if ours else TheirStacks()), writers[0])
    for again in writers[1:]:
        data = archive_of(again.jit.load(io.BytesIO(data)), again)
    loaded = lib.jit.load(io.BytesIO(data))
    with pytest.raises(RuntimeError) as caught:
        loaded(lib.ones(3))
    text = str(caught.value)
    _, serialized, original = text.split("Traceback of TorchScript")
    assert serialized.startswith(", serialized code (most recent call last):\n") and "code/__torch__" in serialized
    assert original.startswith(", original code (most recent call last):\n")
    call, place = ("self.part(x)", "x.reshape(self.n, self.n)") if ours else ("self.part(x)  #", "x.reshape(7, 7)")
    here = open(__file__).read()
    numbers = [here[: here.index(f"        return {text}")].count("\n") + 1 for text in (call, place)]
    lines = original.splitlines()
    assert [line for line in lines if line.startswith("  File")] == [
        f'  File "{__file__}", line {n}, in forward' for n in numbers
    ]
    marks = [(lines[i - 1], line) for i, line in enumerate(lines) if "<--- HERE" in line]
    marked = [source[mark.index("~") : mark.index(" <--- HERE")] for source, mark in marks]
    assert f"# {__file__}:{numbers[1]}:" in str(loaded.part.graph)
    assert marked == (["self.part(x)", place] if ours else ["self.part", "x.reshape"])  # a call, or what is called


def with_records(data, records):
    file = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as old, zipfile.ZipFile(file, "w") as new:
        for name in old.namelist():
            new.writestr(name, records if name.endswith(".debug_pkl") else old.read(name))
    return file.getvalue()


def test_records_of_the_source_may_be_damaged():
    data = archive_of(rl.jit.script(Stacks()))
    for junk in (b"", b"\x80\x02", b"\x80\x02K\x01.", b"\x80\x02(X\x01\x00\x00\x00xt."):
        with pytest.raises(RuntimeError, match=r"Traceback of TorchScript \(most recent"):
            rl.jit.load(io.BytesIO(with_records(data, junk)))(rl.ones(3))


@pytest.mark.parametrize("lines", [0, [0] * 500])
def test_records_of_the_source_may_all_name_a_long_text(lines):
    long = "x" * (1_000_000 if lines == 0 else 2000)
    records = tuple((i, ((lines, 0, 1), 0, len(long)), i) for i in range(20_000))
    data = with_records(
        archive_of(rl.jit.script(Stacks())), pickle.dumps(("FORMAT_WITH_STRING_TABLE", (long,), records), 2)
    )
    [(_, (what, text, memory, seconds))] = hostile.outcomes([("long", "archive", data)])
    assert what == "RuntimeError" and "Traceback of TorchScript" in text
    assert memory <= 4 * len(data) + (64 << 20)


def test_tensors_of_a_device_that_is_not_there():
    file = io.BytesIO()
    with (
        zipfile.ZipFile(io.BytesIO(archive_of(rl.jit.script(rl.nn.Linear(2, 3))))) as old,
        zipfile.ZipFile(file, "w") as new,
    ):
        for name in old.namelist():
            text = old.read(name)
            new.writestr(name, text.replace(b"X\x03\x00\x00\x00cpu", b"X\x06\x00\x00\x00cuda:3"))
    data = file.getvalue()
    for lib in (rl, reference):
        with pytest.raises(NotImplementedError, match="arguments from the 'CUDA' backend"):
            lib.jit.load(io.BytesIO(data))
        with pytest.raises(RuntimeError, match="map_location=torch.device"):
            lib.jit.load(io.BytesIO(data), map_location="cuda")
        with pytest.raises(ValueError, match="map_location should be either None, string or torch.device"):
            lib.jit.load(io.BytesIO(data), map_location=5)
        assert lib.jit.load(io.BytesIO(data), map_location="cpu")(lib.ones(1, 2)).shape == (1, 3)
    with pytest.raises(NotImplementedError, match=r"tensors on cuda:3.*map_location='cpu'"):
        rl.jit.load(io.BytesIO(data))
    assert rl.jit.load(io.BytesIO(data), map_location="meta").weight.is_meta


def build_ints(*numbers: int) -> bytes:
    return b"ctorch.jit._pickle\nbuild_intlist\n](" + b"".join(b"K" + bytes([n]) for n in numbers) + b"e\x85R"


ones, half = build_ints(1, 1), b"G" + struct.pack(">d", 0.5)


@pytest.mark.parametrize(
    "call, packed, cls, state, x",
    [
        (lambda F, x, w, b: F.linear(x, w, b), "linear_clamp_run", "LinearOpContext", b"NN", (4, 3)),
        (
            lambda F, x, w, b: F.conv2d(x, w, b, (2, 1), 1, 1).clamp(max=0.5),
            "conv2d_clamp_run",
            "Conv2dOpContext",
            build_ints(2, 1) + ones + ones + b"K\x01N" + half,
            (2, 3, 8, 8),
        ),
        (
            lambda F, x, w, b: F.conv_transpose2d(x, w, b, (2, 2), 1, (1, 0), 1, (1, 2)).clamp(0.5),
            "conv2d_transpose_clamp_run",
            "TransposeConv2dOpContext",
            build_ints(2, 2) + ones + build_ints(1, 0) + build_ints(1, 2) + b"K\x01" + half + b"N",
            (2, 3, 8, 8),
        ),
    ],
)
def test_layers_that_were_packed_for_mobile(call, packed, cls, state, x):
    F = rl.nn.functional
    shape = (5, 3) if len(x) == 2 else (3, 5, 3, 3) if "transpose" in packed else (5, 3, 3, 3)
    w, b, x = rl.randn(*shape), rl.randn(5), rl.randn(*x)
    plain = rl.jit.trace(lambda x: x + w.sum() + b.sum(), x)  # an archive with two constants
    file = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(archive_of(plain))) as old, zipfile.ZipFile(file, "w") as new:
        for name in old.namelist():
            entry = old.read(name)
            if name.endswith(".debug_pkl"):
                continue
            if name.endswith("constants.pkl"):
                both = entry.removeprefix(b"\x80\x02(").removesuffix(b"t.")
                start = b"\x80\x02(c__torch__.torch.classes.xnnpack\n" + cls.encode() + b"\n)\x81("
                entry = start + both + state + b"tbt."
            if name.endswith(".py"):
                body = f"    return ops.prepacked.{packed}(x, CONSTANTS.c0)\n".encode()
                entry = entry[: entry.index(b"Tensor:\n") + 8] + body
            new.writestr(name, entry)
    data = file.getvalue()
    want = call(F, x, w, b)
    for _ in range(2):
        layer = rl.jit.load(io.BytesIO(data))
        rl.testing.assert_close(layer(x), want)
        x_needs = x.clone().requires_grad_()
        layer(x_needs).sum().backward()
        assert x_needs.grad.abs().sum() > 0
        rl.testing.assert_close(rl.jit.optimize_for_inference(layer.eval())(x), want)
        data = archive_of(layer)  # and what is written again is read again
    with pytest.raises(pickle.UnpicklingError, match="prepacked layer"):
        rl.jit.load(io.BytesIO(damaged(file.getvalue())))


def damaged(data: bytes) -> bytes:
    """The archive, its constant's state one item too long."""
    file = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as old, zipfile.ZipFile(file, "w") as new:
        for name in old.namelist():
            new.writestr(name, old.read(name).replace(b"tbt.", b"Ntbt."))
    return file.getvalue()


def test_packing_for_mobile():
    w, b = rl.randn(5, 3), rl.randn(5)
    layer = rl.ops.prepacked.linear_clamp_prepack(w, b, 0.0, 1.0)
    x = rl.randn(2, 3)
    want = rl.nn.functional.linear(x, w, b).clamp(0, 1)
    rl.testing.assert_close(rl.ops.prepacked.linear_clamp_run(x, layer), want)
    kernel = rl.randn(5, 3, 1, 1)
    layer = rl.ops.prepacked.conv2d_clamp_prepack(kernel, None, [1, 1], [0, 0], [1, 1], 1)
    image = rl.randn(1, 3, 4, 4)
    rl.testing.assert_close(rl.ops.prepacked.conv2d_clamp_run(image, layer), rl.nn.functional.conv2d(image, kernel))
    with pytest.raises(RuntimeError, match="4 dimensions"):
        rl.ops.prepacked.conv2d_clamp_prepack(w, None, [1, 1], [0, 0], [1, 1], 1)

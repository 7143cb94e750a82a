"""Module itself: members, hooks, state dicts, conversion; done in rushlight and in PyTorch and compared."""

import copy
import gc
import pickle
import warnings
import weakref

import pytest
import torch
from nn_support import assert_same, from_torch, message, needs

import rushlight as rl

FRAMEWORKS = (rl, torch)


def net(fw):
    fw.manual_seed(0)
    nn = fw.nn

    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.features = nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2), nn.ReLU())
            self.head = nn.Linear(2, 3)
            self.scale = nn.Parameter(fw.ones(()))
            self.register_buffer("offset", fw.zeros(1))
            self.register_buffer("scratch", fw.zeros(2), persistent=False)
            self.register_parameter("nothing", None)
            self.tied = self.head

        def forward(self, x):
            return self.head(self.features(x).mean((2, 3))) * self.scale + self.offset

    return Net()


class Pickled(rl.nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = rl.nn.Linear(2, 2)
        self.note = {"a": 1}


def same(call):
    """The call's result in both frameworks, which must be equal."""
    ours, theirs = (call(fw) for fw in FRAMEWORKS)
    assert ours == theirs
    return ours


def test_names_and_repr():
    assert same(lambda fw: repr(net(fw))).count("Linear") == 2
    same(lambda fw: [n for n, _ in net(fw).named_parameters()])
    same(lambda fw: [n for n, _ in net(fw).named_parameters(prefix="p", recurse=False)])
    same(lambda fw: [n for n, _ in net(fw).named_parameters(remove_duplicate=False)])
    same(lambda fw: [n for n, _ in net(fw).named_buffers()])
    same(lambda fw: [n for n, _ in net(fw).named_modules()])
    same(lambda fw: [n for n, _ in net(fw).named_modules(remove_duplicate=False)])
    same(lambda fw: [n for n, _ in net(fw).named_children()])
    same(lambda fw: list(net(fw).state_dict()))
    same(lambda fw: dict(net(fw).state_dict()._metadata))
    same(lambda fw: list(net(fw).state_dict(prefix="model.")))
    same(lambda fw: len(list(net(fw).modules())))
    same(lambda fw: {"head", "scale", "offset", "training"} <= set(dir(net(fw))))


def test_attributes():
    for fw in FRAMEWORKS:
        m = net(fw)
        assert m.scale is m._parameters["scale"] and "scale" not in m.__dict__
        assert m.nothing is None and m.offset is m._buffers["offset"]
        m.nothing = fw.nn.Parameter(fw.zeros(1))
        assert "nothing" in dict(m.named_parameters())
        m.head = None
        assert m._modules["head"] is None
        m.offset = fw.ones(1)
        assert m.offset.item() == 1 and "offset" in m._buffers
        m.plain = 3
        m.plain = fw.nn.Parameter(fw.zeros(1))  # a plain attribute becomes a parameter
        assert "plain" not in m.__dict__ and "plain" in m._parameters
        m.tensor = fw.zeros(1)  # a tensor is no buffer unless registered
        assert "tensor" in m.__dict__
        del m.scale, m.tensor, m.features
        assert not hasattr(m, "scale") and not hasattr(m, "tensor") and not hasattr(m, "features")
        m.buffer = fw.nn.Buffer(fw.zeros(2), persistent=False)
        assert "buffer" in m._buffers and "buffer" not in m.state_dict()
        object.__setattr__(m, "hidden", 1)
        assert m.hidden == 1


def test_a_property_that_fails_reads_as_missing():
    def error(fw):
        class Broken(fw.nn.Module):
            @property
            def value(self):
                return self.not_there

        return message(lambda: Broken().value)

    same(error)


def test_overriding_attribute_access():
    for fw in FRAMEWORKS:

        class Wrapper(fw.nn.Module):
            def __init__(self, inner):
                super().__init__()
                self.inner = inner

            def __getattr__(self, name):
                try:
                    return super().__getattr__(name)
                except AttributeError:
                    return getattr(self.inner, name)

            def __setattr__(self, name, value):
                super().__setattr__(name, value)
                self.__dict__.setdefault("seen", []).append(name)

        w = Wrapper(fw.nn.Linear(2, 3))
        assert w.out_features == 3 and w.inner.weight is w.weight
        w.extra = 1
        assert w.seen[-2:] == ["inner", "extra"]
        with pytest.raises(AttributeError):
            _ = w.nowhere


def test_overriding_and_patching_call():
    for fw in FRAMEWORKS:

        class Doubled(fw.nn.Identity):
            def __call__(self, x):
                return super().__call__(x) * 2

        assert Doubled()(fw.ones(1)).item() == 2
        plain = fw.nn.Identity()
        plain.forward = lambda x: x + 10
        assert plain(fw.ones(1)).item() == 11

        class Patched(fw.nn.Identity):
            pass

        p = Patched()
        assert p(fw.ones(1)).item() == 1
        Patched.__call__ = lambda self, x: x * 5
        assert p(fw.ones(1)).item() == 5
        del Patched.__call__
        assert p(fw.ones(1)).item() == 1


def test_keyword_and_many_arguments():
    for fw in FRAMEWORKS:

        class Collect(fw.nn.Module):
            def forward(self, *args, **kwargs):
                return args, kwargs

        m = Collect()
        assert m() == ((), {})
        assert m(*range(20), a=1, b=2) == (tuple(range(20)), {"a": 1, "b": 2})
        assert m(*(1,), **{"z": 3}) == ((1,), {"z": 3})
        handle = m.register_forward_hook(lambda m, a, out: None)
        assert m(1, a=2) == ((1,), {"a": 2})
        handle.remove()


ERRORS = [
    lambda fw: fw.nn.Module()(1),
    lambda fw: fw.nn.Linear(2, 3).missing,
    lambda fw: setattr(fw.nn.Linear(2, 3), "weight", 3),
    lambda fw: setattr(fw.nn.Linear(2, 3), "weight", fw.zeros(1)),
    lambda fw: setattr(fw.nn.Sequential(fw.nn.ReLU()), "0", 3),
    lambda fw: setattr(fw.nn.BatchNorm1d(2), "running_mean", 3),
    lambda fw: fw.nn.Module().register_parameter("a.b", None),
    lambda fw: fw.nn.Module().register_parameter("", None),
    lambda fw: fw.nn.Module().register_parameter("training", None),
    lambda fw: fw.nn.Module().register_parameter("x", fw.zeros(1)),
    lambda fw: fw.nn.Module().register_parameter("x", 3),
    lambda fw: fw.nn.Module().register_buffer("a.b", None),
    lambda fw: fw.nn.Module().register_buffer("x", 3),
    lambda fw: fw.nn.Module().register_buffer("train", None),
    lambda fw: fw.nn.Module().register_buffer(3, None),
    lambda fw: fw.nn.Module().add_module("a.b", None),
    lambda fw: fw.nn.Module().add_module("x", 3),
    lambda fw: fw.nn.Module().add_module("train", None),
    lambda fw: fw.nn.Module().train("yes"),
    lambda fw: fw.nn.Module().to(fw.int64),
    lambda fw: fw.nn.Module(3),
    lambda fw: fw.nn.Module(a=3),
    lambda fw: net(fw).get_submodule("features.9"),
    lambda fw: net(fw).get_submodule("scale"),
    lambda fw: net(fw).get_parameter("head.nope"),
    lambda fw: net(fw).get_parameter("offset"),
    lambda fw: net(fw).get_buffer("scale"),
    lambda fw: net(fw).set_submodule("", fw.nn.ReLU()),
    lambda fw: net(fw).set_submodule("features.9", fw.nn.ReLU(), strict=True),
    lambda fw: fw.nn.Sequential(fw.nn.ReLU())[3],
    lambda fw: fw.nn.ModuleList([fw.nn.ReLU()])[-2],
    lambda fw: fw.nn.ModuleList(3),
    lambda fw: fw.nn.ModuleDict(3),
    lambda fw: fw.nn.ParameterList()(1),
    lambda fw: fw.nn.ParameterDict({3: 4}),
    lambda fw: fw.nn.Conv2d(3, 4, 3, groups=2),
    lambda fw: fw.nn.Conv2d(2, 4, 3, padding="same", stride=2),
    lambda fw: fw.nn.ConvTranspose2d(2, 4, 3, padding_mode="reflect"),
    lambda fw: fw.nn.BatchNorm2d(2)(fw.zeros(2, 2)),
    lambda fw: fw.nn.BatchNorm1d(2)(fw.zeros(1, 2)),
    lambda fw: fw.nn.GroupNorm(3, 4),
    lambda fw: fw.nn.Embedding(3, 2, padding_idx=3),
    lambda fw: fw.nn.Dropout(2),
    lambda fw: fw.nn.MultiheadAttention(5, 2),
    lambda fw: fw.nn.LSTM(2, 0),
    lambda fw: fw.nn.Linear(2, 3).load_state_dict(3),
]


@pytest.mark.parametrize("call", ERRORS)
def test_errors_read_as_pytorchs(call):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        same(lambda fw: message(call, fw))


def test_errors_name_the_module():
    class Encoder(rl.nn.Module):
        def __init__(self):
            super().__init__()
            self.layers = rl.nn.ModuleList([rl.nn.Identity(), rl.nn.Sequential(rl.nn.ReLU(), rl.nn.Linear(3, 2))])

        def forward(self, x):
            for layer in self.layers:
                x = layer(x)
            return x

    class Net(rl.nn.Module):
        def __init__(self):
            super().__init__()
            self.encoder = Encoder()

        def forward(self, x):
            return self.encoder(x)

    with pytest.raises(RuntimeError) as caught:
        Net()(rl.zeros(2, 5))
    assert caught.value.__notes__ == ["in module encoder.layers.1.1 (Linear)"]

    class Fails(rl.nn.Module):
        def forward(self):
            raise ValueError("no")

    with pytest.raises(ValueError) as caught:
        Fails()()
    assert caught.value.__notes__ == ["in module Fails"] and str(caught.value) == "no"


def test_use_before_init():
    for fw in FRAMEWORKS:

        class Early(fw.nn.Module):
            def __init__(self, value):
                self.value = value

        for value in (fw.nn.Parameter(fw.zeros(1)), fw.nn.ReLU()):
            with pytest.raises(AttributeError, match=r"before Module.__init__\(\) call"):
                Early(value)
        assert Early(3).value == 3
        with pytest.raises(AttributeError):
            Early(3)(1)


# ---- state dicts --------------------------------------------------------------------------------------------------


def test_state_dict_shares_memory_and_keep_vars():
    m = net(rl)
    state = m.state_dict()
    assert not state["scale"].requires_grad
    with rl.no_grad():
        m.scale.fill_(5)
    assert state["scale"].item() == 5
    assert m.state_dict(keep_vars=True)["scale"] is m.scale


def test_load_state_dict_copies():
    a, b = net(rl), net(rl)
    with rl.no_grad():
        for p in b.parameters():
            p.mul_(3)
        b.features[1].num_batches_tracked.add_(7)
    before = a.head.weight
    result = a.load_state_dict(b.state_dict())
    assert str(result) == "<All keys matched successfully>" and result.missing_keys == []
    assert a.head.weight is before
    for x, y in zip(a.state_dict().values(), b.state_dict().values(), strict=True):
        assert (x == y).all()


@needs("conv2d")
def test_load_state_dict_from_pytorch_and_back():
    ours, theirs = net(rl), net(torch)
    with torch.no_grad():
        for p in theirs.parameters():
            p.add_(0.5)
    ours.load_state_dict(from_torch(theirs.state_dict()))
    torch.manual_seed(0)
    x = torch.randn(2, 1, 5, 5)
    assert_same(ours.eval()(from_torch(x)), theirs.eval()(x), 1e-5)


def test_load_state_dict_assign():
    m = net(rl)
    state = {k: v.clone() for k, v in net(rl).state_dict().items()}
    m.head.weight.requires_grad_(False)
    m.load_state_dict(state, assign=True)
    assert not m.head.weight.requires_grad and m.scale.requires_grad
    assert type(m.scale) is rl.nn.Parameter
    with rl.no_grad():
        state["scale"].fill_(9)
    assert m.scale.item() == 9


def damaged(fw, damage):
    m = net(fw)
    state = m.state_dict()
    damage(fw, state)
    return m, state


DAMAGES = [
    lambda fw, s: s.pop("head.weight"),
    lambda fw, s: s.update(extra=fw.zeros(1)),
    lambda fw, s: s.update({"head.extra": fw.zeros(1), "nowhere.to.be": fw.zeros(1)}),
    lambda fw, s: s.update({"head.weight": fw.zeros(5, 2)}),
    lambda fw, s: s.update({"head.weight": 3}),
    lambda fw, s: (s.pop("scale"), s.update({"more": fw.zeros(1), "features.0.weight": fw.zeros(1, 2, 3)})),
    lambda fw, s: s.clear(),
    lambda fw, s: s.update(scratch=fw.zeros(2)),
]


@pytest.mark.parametrize("damage", DAMAGES)
def test_load_state_dict_errors_name_the_path(damage):
    def error(fw):
        m, state = damaged(fw, damage)
        return message(m.load_state_dict, state)

    kind, text = same(error)
    assert kind == "RuntimeError" and text.startswith("Error(s) in loading state_dict for Net:\n\t")


def test_load_state_dict_not_strict():
    def keys(fw):
        m, state = damaged(fw, lambda fw, s: (s.pop("head.bias"), s.update(extra=fw.zeros(1))))
        result = m.load_state_dict(state, strict=False)
        return list(result.missing_keys), list(result.unexpected_keys), repr(result)

    same(keys)


def test_extra_state_and_state_dict_hooks():
    def run(fw):
        class Counter(fw.nn.Linear):
            count = 0

            def get_extra_state(self):
                return {"count": self.count}

            def set_extra_state(self, state):
                self.count = state["count"]

        events = []
        m = fw.nn.Sequential(Counter(1, 1))
        m[0].count = 7
        m[0].register_state_dict_pre_hook(lambda mod, prefix, keep: events.append(("pre", prefix, keep)))
        m[0].register_state_dict_post_hook(lambda mod, s, prefix, meta: events.append(("post", prefix, dict(meta))))
        state = m.state_dict()
        other = fw.nn.Sequential(Counter(1, 1))
        other[0].register_load_state_dict_pre_hook(lambda mod, s, prefix, *rest: events.append(("load", prefix)))
        other[0].register_load_state_dict_post_hook(lambda mod, keys: events.append(("loaded", tuple(keys))))
        other.load_state_dict(state)
        del state["0._extra_state"]
        return events, list(state), other[0].count, message(other.load_state_dict, state)

    same(run)


def test_batch_norm_of_old_checkpoints():
    m = rl.nn.BatchNorm1d(2)
    state = m.state_dict()
    del state["num_batches_tracked"]
    del state._metadata
    m.load_state_dict(state)


# ---- hooks ----------------------------------------------------------------------------------------------------------


def test_forward_hooks():
    def run(fw):
        events = []
        m = fw.nn.Sequential(fw.nn.Identity(), fw.nn.Identity())
        first = m[0]
        handles = [
            first.register_forward_pre_hook(lambda mod, args: (args[0] + 1,)),
            first.register_forward_pre_hook(lambda mod, args: args[0] * 2, prepend=True),
            first.register_forward_pre_hook(lambda mod, args, kwargs: events.append(dict(kwargs)), with_kwargs=True),
            first.register_forward_hook(lambda mod, args, out: out * 10),
            first.register_forward_hook(lambda mod, args, kwargs, out: events.append(out.item()), with_kwargs=True),
            m[1].register_forward_hook(lambda mod, args, out: events.append("second")),
        ]
        out = [m(fw.ones(1)).item()]
        for h in handles:
            h.remove()
        out.append(m(fw.ones(1)).item())
        return out, events

    assert same(run)[0] == [30.0, 1.0]


def test_global_hooks():
    def run(fw):
        events = []
        module = fw.nn.modules.module
        handles = [
            module.register_module_forward_pre_hook(lambda mod, args: events.append("pre " + type(mod).__name__)),
            module.register_module_forward_hook(lambda mod, args, out: events.append("post " + type(mod).__name__)),
            module.register_module_parameter_registration_hook(lambda mod, name, p: events.append(name)),
            module.register_module_module_registration_hook(lambda mod, name, m: events.append("child " + name)),
            module.register_module_buffer_registration_hook(lambda mod, name, b: events.append("buffer " + name)),
        ]
        net = fw.nn.Sequential(fw.nn.Linear(1, 1), fw.nn.BatchNorm1d(1))
        net.eval()(fw.ones(1, 1))
        for h in handles:
            h.remove()
        count = len(events)
        net(fw.ones(1, 1))
        return events, count

    events, count = same(run)
    assert len(events) == count and "pre Sequential" in events


def test_always_called_hooks():
    def run(fw):
        class Fails(fw.nn.Module):
            def forward(self, x):
                raise ValueError("no")

        events = []
        m = Fails()
        m.register_forward_hook(lambda mod, args, out: events.append(("always", out)), always_call=True)
        m.register_forward_hook(lambda mod, args, out: events.append("normal"))
        return message(m, fw.ones(1)), events

    same(run)


def test_backward_hooks():
    def run(fw):
        events = []
        fw.manual_seed(0)
        m = fw.nn.Sequential(fw.nn.Linear(2, 2), fw.nn.ReLU())
        x = fw.tensor([[1.0, 2.0]], requires_grad=True)

        def on_grads(mod, grad_in, grad_out):
            events.append((type(mod).__name__, [g.tolist() for g in grad_in], [g.tolist() for g in grad_out]))
            return (grad_in[0] * 2,) if type(mod).__name__ == "Sequential" else None

        handles = [mod.register_full_backward_hook(on_grads) for mod in m.modules()]
        handles.append(m.register_full_backward_pre_hook(lambda mod, g: (g[0] * 3,)))
        m(x).sum().backward()
        first = x.grad.tolist()
        for h in handles:
            h.remove()
        x.grad = None
        m(x).sum().backward()
        return first, x.grad.tolist(), events

    (ours, theirs) = (run(fw) for fw in FRAMEWORKS)
    assert [e[0] for e in ours[2]] == [e[0] for e in theirs[2]] == ["ReLU", "Linear", "Sequential"]
    for a, b in zip(ours[2], theirs[2], strict=True):
        assert a[1] == pytest.approx(b[1]) if not isinstance(a[1][0], list) else True
        torch.testing.assert_close([torch.tensor(v) for v in a[1]], [torch.tensor(v) for v in b[1]])
        torch.testing.assert_close([torch.tensor(v) for v in a[2]], [torch.tensor(v) for v in b[2]])
    for a, b in zip(ours[:2], theirs[:2], strict=True):
        torch.testing.assert_close(torch.tensor(a), torch.tensor(b))


def test_backward_hook_without_gradient_for_the_inputs():
    for fw in FRAMEWORKS:
        seen = []
        m = fw.nn.Linear(2, 1)
        m.register_full_backward_hook(
            lambda mod, grad_in, grad_out, seen=seen: seen.append((grad_in, grad_out[0].tolist()))
        )
        with pytest.warns(UserWarning, match="no inputs require gradients"):
            m(fw.ones(1, 2)).sum().backward()
        assert seen == [((None,), [[1.0]])]


@pytest.mark.parametrize("fw", FRAMEWORKS, ids=["rushlight", "torch"])
def test_a_backward_hook_leaves_inputs_without_gradient_as_they_are(fw):
    class Net(fw.nn.Module):
        def forward(self, *args):
            self.seen = [a.requires_grad for a in args]
            return sum(a.sum() for a in args)

    net, x = Net(), fw.ones(2, requires_grad=True)
    net.register_full_backward_hook(lambda *_: None)
    net(x, x.detach(), x).backward()
    assert net.seen == [True, False, True] and x.grad.tolist() == [2, 2]


def test_hooks_on_the_last_operation_warn_of_what_they_miss():
    forwards = [
        lambda a, b: (a.clone(), b.clone()),
        lambda a, b: a * 2 * b,
        lambda a, b: [a.clone(), b.clone()],
        lambda a, b: a * b,
    ]

    def texts(fw):
        x = fw.ones(2, requires_grad=True)
        for forward in forwards:
            for args in ((x, x.exp()), ([x], x)):
                net = fw.nn.Module()
                net.forward = (lambda f: lambda a, b: f(a[0] if isinstance(a, list) else a, b))(forward)
                net.register_backward_hook(lambda *_: None)
                with warnings.catch_warnings(record=True) as found:
                    warnings.simplefilter("always")
                    net(*args)
                yield [(w.category, str(w.message)) for w in found]

    assert list(texts(rl)) == list(texts(torch))


def test_loading_a_state_leaves_no_cycle():
    model = rl.nn.LSTM(4, 4)
    state = copy.deepcopy(model).state_dict()
    gc.collect()
    model.load_state_dict(state)
    assert gc.collect() == 0


def test_both_kinds_of_backward_hooks_are_refused():
    def error(fw):
        m = fw.nn.Linear(1, 1)
        m.register_full_backward_hook(lambda *a: None)
        return message(m.register_backward_hook, lambda *a: None)

    same(error)


# ---- conversion, copies, modes ------------------------------------------------------------------------------------


def test_casts_keep_parameters_and_their_gradients():
    for fw in FRAMEWORKS:
        m = fw.nn.BatchNorm1d(2)
        m(fw.ones(3, 2)).sum().backward()
        weight = m.weight
        assert m.double() is m and m.weight is weight
        assert m.weight.dtype == m.weight.grad.dtype == m.running_mean.dtype == fw.float64
        assert m.num_batches_tracked.dtype == fw.int64
        assert m.half().weight.dtype == fw.float16
        assert m.to(fw.bfloat16).weight.dtype == fw.bfloat16
        assert m.to("cpu", fw.float32).bias.dtype == fw.float32
        assert m.to(fw.zeros(1, dtype=fw.float64)).bias.dtype == fw.float64
        assert m.to(device="cpu", dtype=fw.float32).bias.dtype == fw.float32
        assert m.float().cpu().weight.requires_grad


@needs("conv2d")
def test_modes_and_gradients():
    for fw in FRAMEWORKS:
        m = net(fw)
        assert m.eval() is m and not m.features[1].training
        assert m.train().features[1].training
        m(fw.ones(2, 1, 5, 5)).sum().backward()
        assert m.scale.grad is not None
        m.zero_grad(set_to_none=False)
        assert m.scale.grad.item() == 0
        m.zero_grad()
        assert m.scale.grad is None
        m.requires_grad_(False)
        assert not any(p.requires_grad for p in m.parameters())
        seen = []
        m.apply(lambda mod, seen=seen: seen.append(type(mod).__name__))
        assert seen[-1] == "Net" and seen[0] == "Conv2d"


def test_copy_deepcopy_pickle():
    m = Pickled()
    m.layer.register_forward_hook(print_nothing)
    deep = copy.deepcopy(m)
    assert deep.layer.weight is not m.layer.weight and (deep.layer.weight == m.layer.weight).all()
    assert deep.note == m.note and deep.note is not m.note and deep.layer._forward_hooks
    shallow = copy.copy(m)
    assert shallow.layer is m.layer
    loaded = pickle.loads(pickle.dumps(m))
    assert (loaded.layer.weight == m.layer.weight).all() and loaded.layer.weight.requires_grad


def print_nothing(*args):
    return None


def test_modules_are_freed():
    m = net(rl)
    m.cycle = m.__dict__  # only the collector can free it
    ref = weakref.ref(m)
    del m
    gc.collect()
    assert ref() is None


def test_containers():
    def run(fw):
        nn = fw.nn
        found = []
        s = nn.Sequential(nn.Linear(1, 2), nn.ReLU(), nn.Linear(2, 3))
        found.append(repr(s[1:]))
        s.append(nn.Tanh()).insert(0, nn.Identity()).extend([nn.Sigmoid()])
        del s[2]
        found.append(repr(s))
        found.append(repr(s + nn.Sequential(nn.ReLU())))
        found.append(repr(nn.Sequential(nn.ReLU()) * 3))
        s[0] = nn.ELU()
        found.append([type(m).__name__ for m in s])
        found.append(type(s.pop(-1)).__name__)
        names = nn.ModuleList([nn.Linear(1, 1), nn.Linear(1, 1), nn.ReLU()])
        names += [nn.Tanh()]
        names.insert(1, nn.ELU())
        del names[0]
        found += [repr(names), len(names), repr(names[:2]), repr(names + [nn.ReLU()]), repr(nn.ModuleList())]
        d = nn.ModuleDict({"a": nn.ReLU(), "b": nn.Linear(1, 1)})
        d["c"] = nn.Tanh()
        d.update([["e", nn.ELU()]])
        del d["a"]
        found += [repr(d), list(d), "b" in d, list(d.keys()), type(d.pop("c")).__name__, len(d)]
        p = nn.ParameterList([fw.zeros(2), fw.ones(1, 3)])
        p.append(3)
        found += [repr(p), list(p.state_dict()), len(p), repr(p[:1])]
        q = nn.ParameterDict({"b": fw.zeros(2), "a": nn.Parameter(fw.ones(1))})
        q["c"] = "text"
        found += [repr(q), list(q.state_dict()), list(q), "a" in q, q.get("z", 5), list(q | {"d": 1}), q.popitem()[0]]
        return found

    same(run)


def test_buffers_and_parameters_print():
    same(lambda fw: repr(fw.nn.Parameter(fw.tensor([1.0, 2.0]))))
    for fw in FRAMEWORKS:
        p = fw.nn.Parameter(fw.ones(2))
        q = copy.deepcopy(p)
        assert type(q) is fw.nn.Parameter and q is not p and q.requires_grad
        assert isinstance(p, fw.Tensor) and not isinstance(fw.ones(1), fw.nn.Parameter)
        assert type(p + 1) is fw.Tensor
        r = pickle.loads(pickle.dumps(p))
        assert type(r) is fw.nn.Parameter and r.tolist() == [1.0, 1.0]


def test_python_base_behaves_as_the_native_one():
    from rushlight.nn._module_base import PyModuleBase
    from rushlight.nn.modules import _module_hooks, _state_dict
    from rushlight.nn.modules import module as native

    PyModuleBase._configure(
        rl.Tensor,
        _module_hooks._global_forward_hooks,
        _module_hooks._global_forward_pre_hooks,
        _module_hooks._global_backward_hooks,
        _module_hooks._global_backward_pre_hooks,
    )
    own = {k: v for k, v in native.Module.__dict__.items() if k not in ("__dict__", "__weakref__")}
    PyModule = type("Module", (_module_hooks.ModuleHooks, _state_dict.StateDict, PyModuleBase), own)
    m = PyModule()
    m.weight = rl.nn.Parameter(rl.ones(1))
    m.register_buffer("b", rl.zeros(1))
    m.forward = lambda x: x * m.weight + m.b
    assert m(rl.ones(1)).item() == 1
    handle = m.register_forward_hook(lambda mod, args, out: out + 1)
    assert m(rl.ones(1)).item() == 2
    handle.remove()
    del m.b
    assert not hasattr(m, "b") and list(m.state_dict()) == ["weight"]
    assert message(lambda: m.nowhere) == message(lambda: native.Module().nowhere)
    assert message(setattr, m, "weight", 3) == message(setattr, rl.nn.Linear(1, 1), "weight", 3)

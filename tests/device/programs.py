"""Programs over the far device; test_far_device.py runs each in a process of its own: `python programs.py NAME`."""

import contextlib
import copy
import io
import os
import pickle
import re
import sys
import tempfile
import types
from pathlib import Path

import far

import rushlight as torch
from rushlight import nn


@contextlib.contextmanager
def raises(error, match=""):
    try:
        yield
    except error as e:
        assert re.search(match, str(e)), f"{e!r} does not say {match!r}"
    else:
        raise AssertionError(f"no {error}")


def same(far_tensor, cpu_tensor):
    assert far_tensor.device.type == "far", far_tensor.device
    assert far_tensor.dtype == cpu_tensor.dtype and far_tensor.shape == cpu_tensor.shape
    assert torch.equal(far_tensor.cpu(), cpu_tensor) or far_tensor.isnan().any()


def tensors_go_there_and_back():
    far.start()
    for dtype in [torch.float32, torch.float64, torch.float16, torch.bfloat16, torch.int64, torch.int32, torch.uint8, torch.bool, torch.complex64]:  # fmt: skip
        x = torch.tensor([[0, 1, 2], [3, 4, 5]]).to(dtype)
        there = x.to("far")
        assert there.device == torch.device("far:0") and there.device.index == 0 and not there.is_cpu
        same(there, x)
        same(there.t(), x.t())
        same(there[:, ::2], x[:, ::2])
        same(there.t().contiguous(), x.t().contiguous())
        assert there.tolist() == x.tolist() and there[1, 2].item() == x[1, 2].item()
        same(there.to(torch.float64), x.to(torch.float64))
        same(x.t().to("far"), x.t())
        assert x.t().to("far").stride() == x.t().stride()
    x = torch.arange(6.0)
    assert x.to("far:0").to(0).device == torch.device("far", 0) and x.to("far:1").device.index == 1
    y = x.to("far")
    assert y.to("far") is y and y.to("far:0") is y and y.to("far:1") is not y and y.to("far", copy=True) is not y
    same(y.to("far:1"), x)
    assert y.to(torch.ones(1)).is_cpu and torch.ones(1).to(y).device == y.device
    assert y.type() == "torch.far.FloatTensor" and torch.empty(0, device="far").tolist() == []
    assert torch.tensor(3.0, device="far").item() == 3 and float(torch.tensor(2.5).to("far")) == 2.5
    assert bool(torch.tensor(True, device="far")) and int(torch.tensor(7, device="far")) == 7
    assert [10, 20][torch.tensor(1, device="far")] == 20


def writing_moves_between_devices():
    far.start()
    x = torch.zeros(3, 4)
    there = torch.empty(3, 4, device="far")
    assert there.copy_(x + 1) is there
    same(there, x + 1)
    same(there.copy_(torch.arange(4)), x + torch.arange(4))  # broadcast and converted
    there[:, 1::2] = torch.full((3, 2), 9.0)
    x[:] = torch.arange(4.0)
    x[:, 1::2] = 9
    same(there, x)
    assert torch.equal(torch.empty(3, 4).copy_(there * 2), x * 2)
    there[0] = 5
    there[1, 2] = 6.0
    x[0], x[1, 2] = 5, 6
    there[0, 0], x[0, 0] = torch.tensor(7.0), torch.tensor(7.0)
    same(there, x)
    same(there.zero_(), x.zero_())
    same(there.t().fill_(2), x.t().fill_(2))
    same(there[:, ::2].fill_(3), x[:, ::2].fill_(3))
    other = torch.ones(3, 4, device="far:1")
    other.copy_(there)
    same(other, there.cpu())
    same(torch.ones(2, 2).to("far").t().copy_(torch.arange(4).view(2, 2)), torch.arange(4.0).view(2, 2))
    base = torch.arange(9.0).to("far")
    base[1:7] = base[2:8].clone()
    assert base.tolist() == [0, 2, 3, 4, 5, 6, 7, 7, 8]
    with raises(RuntimeError, "refer to a single memory location"):
        base[1:].copy_(base[:-1])
    base[1:].copy_(base[:-1].clone())
    assert base.tolist() == [0, 0, 2, 3, 4, 5, 6, 7, 7]
    before = far.calls("copy_to, not blocking")
    torch.ones(8).to("far", non_blocking=True)
    assert far.calls("copy_to, not blocking") == before + 1


def factories_make_tensors_there():
    far.start()
    for make in [
        lambda d: torch.zeros(2, 3, device=d),
        lambda d: torch.ones(2, 3, dtype=torch.int64, device=d),
        lambda d: torch.full((2,), 7.5, device=d),
        lambda d: torch.arange(5, device=d),
        lambda d: torch.linspace(0, 1, 5, device=d),
        lambda d: torch.eye(3, device=d),
        lambda d: torch.tensor([[1.0, 2.0]], device=d),
        lambda d: torch.as_tensor([1, 2], device=d),
        lambda d: torch.zeros_like(torch.ones(2, 3), device=d),
        lambda d: torch.ones_like(torch.ones(2, 3, device=d)),
        lambda d: torch.full_like(torch.ones(2, 3, device=d), 4),
        lambda d: torch.ones(1, device=d).new_full((2,), 3),
        lambda d: torch.ones(1, device=d).new_tensor([1, 2]),
        lambda d: torch.tril_indices(3, 3, device=d),
    ]:
        same(make("far"), make("cpu"))
    for draw in [
        lambda d: torch.rand(5, device=d),
        lambda d: torch.randn(17, device=d),
        lambda d: torch.randint(0, 9, (6,), device=d),
        lambda d: torch.randperm(9, device=d),
        lambda d: torch.empty(4, device=d).uniform_(2, 3),
        lambda d: torch.bernoulli(torch.full((9,), 0.5, device=d)),
        lambda d: torch.nn.functional.dropout(torch.ones(20, device=d)),
    ]:
        torch.manual_seed(3)
        there = draw("far")
        torch.manual_seed(3)
        same(there, draw("cpu"))
    assert torch.empty(2, 3, device="far:1").device.index == 1
    with raises(RuntimeError, "there is no device far:2, only 2"):
        torch.empty(2, device="far:2")


def indexing_works_there():
    far.start()
    x = torch.arange(12.0).view(3, 4)
    y = x.to("far")
    mask, rows = x > 4, torch.tensor([2, 0])
    for index in [
        0,
        (slice(None), 1),
        (slice(1, 3), slice(0, 4, 2)),
        (..., None),
        rows,
        (rows, rows),
        mask,
        mask[:, 0],
    ]:
        there = tuple(i.to("far") if torch.is_tensor(i) else i for i in index) if isinstance(index, tuple) else index
        there = there.to("far") if torch.is_tensor(there) else there
        same(y[there], x[index])
        same(y[index], x[index])  # indices on the CPU
        a, b = x.clone(), y.clone()
        a[index], b[there] = -1, -1
        same(b, a)
    y[mask.to("far")] = y[mask.to("far")] * 2
    x[mask] = x[mask] * 2
    same(y, x)
    same(torch.nonzero(y), torch.nonzero(x))
    same(torch.masked_select(y, y > 3), torch.masked_select(x, x > 3))
    same(torch.unique(y), torch.unique(x))
    pooled, places = torch.nn.functional.max_pool2d(x[None, None], 2, return_indices=True)
    unpool = torch.nn.functional.max_unpool2d
    same(unpool(pooled.to("far"), places.to("far"), 2), unpool(pooled, places, 2))
    same(y.repeat_interleave(torch.tensor([1, 2, 0]).to("far"), 0), x.repeat_interleave(torch.tensor([1, 2, 0]), 0))


def two_devices_are_refused():
    far.start()
    x, y, z = torch.ones(3), torch.ones(3, device="far"), torch.ones(3, device="far:1")
    with raises(RuntimeError, r"add: .*same device.* cpu and far:0! \(self is on cpu, other on far:0\).*\.to\("):
        x + y
    with raises(RuntimeError, "mul: .*far:0 and far:1"):
        y * z
    with raises(RuntimeError, "cat: .*same device"):
        torch.cat([x, y])
    with raises(RuntimeError, "device"):
        torch.add(y, y, out=x)
    with raises(RuntimeError, "device"):
        torch.add(y, y, out=z)
    with raises(RuntimeError, "device"):
        nn.Linear(3, 2)(y)
    with raises(RuntimeError, "device"):
        y[torch.ones(3, dtype=torch.bool, device="far:1")]
    same(y + torch.tensor(2.0), x + 2)  # a number
    same(torch.tensor(2.0) * y, x * 2)
    same(y + 1, x + 1)
    w = torch.ones(2, 3, device="far", requires_grad=True)
    with raises(RuntimeError, "device"):
        (w * 2).backward(torch.ones(2, 3))


def what_needs_host_memory_says_so():
    far.start()
    import numpy as np

    y = torch.arange(3.0, device="far")
    with raises(TypeError, "can't convert far:0 device type tensor to numpy. Use Tensor.cpu()"):
        y.numpy()
    with raises(TypeError, "far:0 device type tensor to numpy"):
        np.asarray(y)
    with raises((RuntimeError, BufferError), "far:0"):
        y.__dlpack__()
    with raises((TypeError, BufferError)):
        memoryview(y)
    assert y.numpy(force=True).tolist() == [0, 1, 2] and y.cpu().numpy().sum() == 3
    assert repr(y) == "tensor([0., 1., 2.], device='far:0')", repr(y)
    assert repr(y.requires_grad_()) == "tensor([0., 1., 2.], device='far:0', requires_grad=True)"
    assert (
        "device='far:0'" in repr(torch.rand(50, 50, device="far"))
        and f"{torch.tensor(1.5, device='far'):.2f}" == "1.50"
    )
    assert repr(nn.Parameter(torch.ones(1, device="far"))).startswith(
        "Parameter containing:\ntensor([1.], device='far:0'"
    )
    storage = torch.tensor([1, 2], dtype=torch.uint8, device="far").untyped_storage()
    assert storage.device == torch.device("far:0") and list(storage) == [1, 2] and storage.tolist() == [1, 2]
    storage[0] = 9
    assert storage.clone().tolist() == [9, 2]
    t = torch.arange(4, device="far")
    t.resize_(8)
    assert t[:4].tolist() == [0, 1, 2, 3] and t.shape == (8,)


def objects_are_copied_and_saved():
    far.start()
    x = torch.arange(6.0).view(2, 3)
    y = x.to("far:1")
    for made in [copy.copy(y), copy.deepcopy(y), pickle.loads(pickle.dumps(y))]:
        same(made, x)
        assert made.device == y.device
    a, b = copy.deepcopy([y, y[0]])
    b.fill_(5)
    assert a[0].tolist() == [5, 5, 5] and y[0].tolist() == [0, 1, 2]
    model = nn.Sequential(nn.Linear(3, 2), nn.BatchNorm1d(2)).to("far")
    twin = copy.deepcopy(model)
    same(twin[0].weight.data, model[0].weight.data.cpu())
    assert twin[1].running_mean.device == torch.device("far:0")
    state = {"x": y, "part": y[:, 1:], "model": model.state_dict(), "device": torch.device("far:1"), "n": 3}
    buffer = io.BytesIO()
    torch.save(state, buffer)

    def load(**options):
        buffer.seek(0)
        return torch.load(buffer, **options)

    for options in [{}, {"weights_only": False}]:
        back = load(**options)
        assert back["x"].device == torch.device("far:1") and back["device"] == torch.device("far:1")
        same(back["x"], x)
        same(back["part"], x[:, 1:])
        back["x"].zero_()
        assert back["part"].sum().item() == 0  # still one storage
        assert back["model"]["0.weight"].device == torch.device("far:0")
        assert load(map_location="cpu", **options)["x"].is_cpu
        assert torch.equal(load(map_location="cpu", **options)["x"], x)
        assert load(map_location="meta", **options)["x"].is_meta
        moved = load(map_location={"far:1": "far:0"}, **options)
        assert moved["x"].device.index == 0
        same(moved["x"], x)
        asked = []
        where = lambda storage, was: (asked.append(was), storage if was == "far:1" else None)[1]  # noqa: E731
        chosen = load(map_location=where, **options)
        assert chosen["x"].is_cpu and chosen["model"]["0.bias"].device == torch.device("far:0")
        assert set(asked) == {"far:0", "far:1"}
    there = io.BytesIO()
    torch.save({"x": x}, there)
    there.seek(0)
    same(torch.load(there, map_location="far")["x"], x)
    path = Path(os.environ["FAR_FILES"]) / "far.pt"
    torch.save(state, path)
    script = torch.jit.script(nn.Linear(3, 2)).to("far")
    out = io.BytesIO()
    torch.jit.save(script, out)
    out.seek(0)
    again = torch.jit.load(out)
    assert torch.equal(again(x.to(again.weight.device)).cpu(), script(x.to("far")).cpu())


def a_file_of_a_device_that_is_not_loaded():
    """After objects_are_copied_and_saved, whose file it reads."""
    path = Path(os.environ["FAR_FILES"]) / "far.pt"
    for options in [{}, {"weights_only": False}]:
        with raises(RuntimeError, r"far.*no library for that device is loaded.*map_location"):
            torch.load(path, **options)
    with raises(RuntimeError):
        torch.device("far")
    torch.utils.rename_privateuse1_backend("far")
    with raises(RuntimeError, "no library for that device is loaded"):
        torch.load(path)
    assert torch.equal(torch.load(path, map_location="cpu")["x"], torch.arange(6.0).view(2, 3))
    for make in [lambda: torch.empty(2, device="far"), lambda: torch.ones(2).to("far"), lambda: torch.zeros(2, device="xla"),
                 lambda: nn.Linear(2, 2).to("far:0"), lambda: torch.ones(1).to("mps"), lambda: torch.Generator("far"),
                 lambda: torch.zeros(3, device="privateuseone:0")]:  # fmt: skip
        with raises(NotImplementedError, "no library for device .* is loaded: load the one that adds it"):
            make()
    with raises(AssertionError, "CUDA"):
        torch.ones(2, device="cuda")
    assert torch.device("far:3").index == 3 and torch.accelerator.current_accelerator() is None
    with raises(AttributeError):
        torch.far  # noqa: B018
    with raises(RuntimeError, "accelerator"):
        torch.ones(2).pin_memory()


def digits(start, device, epochs=2):
    """Losses, weights and what the trained network says, on a device."""
    root = Path(__file__).resolve().parents[2]
    modules = {}
    for name in "data", "model":
        modules[name] = sys.modules[name] = types.ModuleType(name)
        exec((root / "examples" / "digits" / f"{name}.py").read_text(), modules[name].__dict__)
    training, held_out = modules["data"].digits()
    torch.manual_seed(0)
    net = modules["model"].Digits().to(device)
    optimizer = torch.optim.Adam(net.parameters(), lr=2e-3)
    images, labels = training.tensors
    losses = []
    for _ in range(epochs):
        order = torch.randperm(len(labels))
        for at in range(0, len(labels), 64):
            batch = order[at : at + 64]
            x, y = images[batch].to(device), labels[batch].to(device)
            optimizer.zero_grad()
            loss = nn.functional.cross_entropy(net(x), y)
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
    net.eval()
    with torch.no_grad():
        x, y = (t.to(device) for t in held_out.tensors)
        scores = net(x)
        right = (scores.argmax(1) == y).sum().item()
    state = {name: t.cpu() for name, t in net.state_dict().items()}
    assert all(p.device.type == torch.device(device).type for p in net.parameters())
    return losses, state, scores.cpu(), right / len(y)


def compare(first, second):
    assert first[0] == second[0], [i for i, (a, b) in enumerate(zip(first[0], second[0], strict=True)) if a != b][:3]
    for name in first[1]:
        assert torch.equal(first[1][name], second[1][name]), name
    assert torch.equal(first[2], second[2]) and first[3] == second[3] > 0.9


def digits_train_to_the_numbers_of_the_cpu():
    want = digits(None, "cpu")
    far.start()
    fallback = torch.backends.cpu_fallback
    fallback.enabled = False  # the library has all that the model needs
    got = digits(None, "far")
    compare(got, want)
    assert fallback.counts() == {}
    for name in ["_conv", "_conv_weight", "_native_batch_norm", "_max_pool", "linear", "_fused_adam_", "relu, its own"]:  # fmt: skip
        assert far.calls(name) > 0, name


def digits_train_with_no_kernels_at_all():
    want = digits(None, "cpu", 1)
    far.start(kernels=False)
    got = digits(None, "far", 1)
    assert got[0] == want[0] and torch.equal(got[2], want[2])
    counts = torch.backends.cpu_fallback.counts()
    steps = len(want[0])
    assert (
        counts["_fused_adam_"] == steps and counts["_conv_weight"] == 2 * steps and counts["_conv"] == 2 * (steps + 1)
    )


def the_fall_back_is_counted_and_switched():
    far.start()
    fallback = torch.backends.cpu_fallback
    assert fallback.enabled and fallback.counts() == {}
    x = torch.rand(4).to("far")
    x.exp(), x.exp(), x.sin_(), torch.add(x, 1), x + x
    assert fallback.counts() == {"exp": 2, "sin_": 1, "add": 1}, (
        fallback.counts()
    )  # add: this library's takes no numbers
    torch.add(x, x), x.relu()
    assert fallback.counts()["add"] == 1 and far.calls("relu, its own") == 1
    fallback.enabled = False
    with raises(NotImplementedError, r"exp: there is no kernel for device far:0, .* switched off"):
        x.exp()
    with raises(NotImplementedError, "nonzero: there is no kernel"):
        x.nonzero()
    with raises(NotImplementedError, "normal_: there is no kernel"):
        x.normal_()
    before = x.clone()
    with raises(NotImplementedError, "cos_"):
        x.cos_()
    same(x, before.cpu())
    same(x.relu(), before.cpu().relu())  # what it has goes on
    fallback.enabled = True
    fallback.reset()
    x.exp()
    assert fallback.counts() == {"exp": 1}
    # Second argument written, results in a list, several results, in place on a view with gaps.
    running = torch.zeros(3, device="far")
    bn = nn.functional.batch_norm(torch.rand(5, 3, device="far"), running, running + 1, training=True)
    assert bn.device.type == "far" and running.abs().sum().item() > 0
    parts = torch.linalg.svd(torch.rand(3, 3, device="far"))
    assert all(p.device.type == "far" for p in parts)
    wide = torch.arange(8.0).to("far")
    wide[::2].cos_()
    want = torch.arange(8.0)
    want[::2].cos_()
    same(wide, want)
    values, places = torch.empty(2, device="far"), torch.empty(2, dtype=torch.int64, device="far")
    torch.sort(torch.tensor([2.0, 1.0], device="far"), out=(values, places))
    assert values.tolist() == [1, 2] and places.tolist() == [1, 0]


def registrations_that_are_wrong_change_nothing():
    far.start()
    for what, text in {
        "device twice": "a library for device far is loaded already",
        "cpu": "a device of rushlight's own",
        "null device": "expected an interface",
        "no interface": "no interface is registered",
        "unknown operator": "there is no operator 'no_such_operator'",
        "kernel twice": "'relu' has a kernel for it already",
        "twice in one": "'exp' has a kernel for it already",
        "composite": "'conv2d' takes none",
        "view": "'view' takes none",
        "null kernel": "'exp' needs one that fills its results, got null",
        "wrong kind": "'exp' needs one that fills its results, got the other kind",
    }.items():
        said = far.refused(what)
        assert text in said, f"{what}: {said}"
    x = torch.rand(3).to("far")
    x.exp()
    assert torch.backends.cpu_fallback.counts() == {"exp": 1}  # none of their kernels for exp came to be
    same(x.relu(), x.cpu().relu())
    with raises(RuntimeError, "loading .*far_at_load.so: register_device: a library for device far is loaded already"):
        torch.ops.load_library(far.BUILD / "tests" / "far_at_load.so")
    with raises(OSError, "nonexistent"):
        torch.ops.load_library("/nonexistent/device.so")
    same(x.relu(), x.cpu().relu())


def a_library_registers_itself():
    torch.ops.load_library(far.BUILD / "tests" / "far_at_load.so")
    x = torch.rand(3, device="privateuseone")
    assert x.device == torch.device("privateuseone:0") and torch.accelerator.is_available()
    assert torch.equal(x.relu().cpu(), x.cpu()) and torch.backends.cpu_fallback.counts().get("relu") is None
    torch.utils.rename_privateuse1_backend("far")
    assert x.device == torch.device("far:0") and repr(x.device) == "device(type='far', index=0)"
    error = far.lib.far_start(True)
    assert b"a library for device far is loaded already" in error, error


def a_library_in_use_stays():
    far.start()
    x = torch.rand(3).to("far")
    import _ctypes

    _ctypes.dlclose(far.lib._handle)
    same(x.relu() + x, x.cpu().relu() + x.cpu())
    del x
    assert torch.ones(2, device="far").sum().item() == 2


def gradients_flow_across_devices():
    far.start()
    x = torch.rand(3, 4, requires_grad=True)
    (x.to("far").exp() @ torch.ones(4, 2, device="far")).to("cpu").sum().backward()
    assert x.grad.is_cpu and torch.allclose(x.grad, 2 * x.detach().exp())
    w = torch.rand(3, 4, device="far", requires_grad=True)
    (w * w).sum().backward()
    assert w.grad.device == w.device
    same(w.grad, 2 * w.detach().cpu())
    a = torch.rand(5, device="far", dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda t: (t.sin() * t).cumsum(0), [a])
    first = torch.autograd.grad((a**3).sum(), a, create_graph=True)[0]
    second = torch.autograd.grad(first.sum(), a)[0]
    assert torch.allclose(second.cpu(), 6 * a.detach().cpu())
    model = nn.LSTM(3, 4)
    there = copy.deepcopy(model).to("far")
    data = torch.rand(5, 2, 3)
    out, _ = model(data)
    out_there, _ = there(data.to("far"))
    assert torch.allclose(out_there.cpu(), out)
    for make in [torch.optim.SGD, torch.optim.AdamW, torch.optim.RMSprop, torch.optim.Adagrad, torch.optim.NAdam]:
        mine, theirs = nn.Linear(3, 2), None
        theirs = copy.deepcopy(mine)
        optimizers = [make(mine.parameters(), lr=0.1), make(theirs.to("far").parameters(), lr=0.1)]
        for _ in range(3):
            for m, o in zip([mine, theirs], optimizers, strict=True):
                o.zero_grad()
                (m(torch.ones(2, 3, device=m.weight.device)) ** 2).sum().backward()
                o.step()
        assert torch.allclose(theirs.weight.cpu(), mine.weight), make
        state = optimizers[1].state_dict()
        make(theirs.parameters(), lr=0.1).load_state_dict(state)


def modules_keep_their_parameters():
    far.start()
    net = nn.Linear(2, 2)
    weight = net.weight
    net(torch.ones(1, 2)).sum().backward()
    assert (
        net.to("far") is net
        and net.weight is weight
        and weight.device.type == "far"
        and weight.grad.device.type == "far"
    )
    assert net.cpu().weight is weight and weight.is_cpu and weight.grad.is_cpu
    x = torch.ones(3)
    x.data = torch.zeros(2, device="far")
    assert x.device.type == "far"


def streams_events_and_memory():
    far.start()
    torch.utils.generate_methods_for_privateuse1_backend(for_storage=True)
    with raises(RuntimeError, "already been registered with is_far"):
        torch.utils.generate_methods_for_privateuse1_backend()
    x = torch.ones(2)
    assert not x.is_far and x.far().is_far and x.far(1).device.index == 1 and nn.Linear(2, 2).far().weight.is_far
    packed = nn.utils.rnn.pack_sequence([torch.ones(2)])
    assert packed.far().is_far and not packed.is_far
    with raises(RuntimeError, "must be far device"):
        x.far("cpu")
    module = torch.far
    assert module.is_available() and module.device_count() == 2 and module.current_device() == 0
    assert torch.get_device_module("far") is module and torch.get_device_module() is module
    with module.device(1):
        assert module.current_device() == 1 and torch.empty(1, device="far").device.index == 1
        assert x.to("far").device.index == 1
    assert module.current_device() == 0 and torch.empty(1, device="far").device.index == 0
    assert module.get_device_name(1) == "far 1" and module.get_device_properties().total_memory == 4 << 30
    acc = torch.accelerator
    assert acc.is_available() and acc.current_accelerator() == torch.device("far") and acc.device_count() == 2
    with acc.device_index(1):
        assert acc.current_device_index() == 1
    assert acc.current_device_index() == 0
    with raises(ValueError, "doesn't match"):
        acc.synchronize("cpu")

    s = torch.Stream("far", priority=0)
    assert s.device == torch.device("far:0") and s.stream_id > 0 and s == s and s != torch.Stream("far")
    assert acc.current_stream().stream_id == 0
    with s:
        assert acc.current_stream() == s
        with torch.Stream("far:1") as inner:
            assert module.current_device() == 1 and module.current_stream(1) == inner and module.current_stream(0) == s
    assert acc.current_stream().stream_id == 0 and module.current_device() == 0
    start, end = torch.Event("far", enable_timing=True), torch.Event("far", enable_timing=True)
    with raises(RuntimeError, "recorded"):
        start.elapsed_time(end)
    start.record()
    end.record(s)
    assert start.elapsed_time(end) >= 0 and end.query()
    with raises(RuntimeError, "enable_timing"):
        torch.Event("far").elapsed_time(end) if torch.Event("far").record() else s.record_event().elapsed_time(end)
    s.wait_stream(acc.current_stream()), s.wait_event(end), s.synchronize(), end.synchronize()
    assert far.calls("stream_waits") == 2 and far.calls("wait_for_stream") == 1 and far.calls("wait_for_event") == 1
    with raises(RuntimeError, "the event is on device far:0, the stream on far:1"):
        start.record(torch.Stream("far:1"))
    acc.synchronize()
    assert far.calls("synchronize") == 1
    cpu = torch.Stream("cpu")
    assert cpu.query() and repr(cpu).startswith("torch.Stream device_type=cpu")

    pinned = torch.arange(4).pin_memory()
    assert pinned.is_pinned() and pinned.is_cpu and not torch.ones(1).is_pinned() and pinned.tolist() == [0, 1, 2, 3]
    assert pinned.pin_memory() is pinned
    data = torch.utils.data.TensorDataset(torch.arange(4), torch.ones(4))
    for batch in torch.utils.data.DataLoader(data, batch_size=2, pin_memory=True):
        assert type(batch) is list and all(t.is_pinned() for t in batch)
    before = module.memory_allocated()
    held = torch.empty(1 << 20, device="far")
    assert module.memory_allocated() == before + (4 << 20) == acc.memory_allocated()
    del held
    assert module.memory_allocated() == before and acc.memory_stats()["allocation.all.current"] >= 0
    g = torch.Generator("far").manual_seed(5)
    assert g.device == torch.device("far:0")
    a = torch.rand(3, device="far", generator=g)
    same(a, torch.rand(3, generator=torch.Generator().manual_seed(5)))
    module.manual_seed_all(1)


def a_device_may_have_its_own_module():
    far.start()
    own = types.ModuleType("own")
    own.answer = 42
    torch.far  # noqa: B018
    with raises(RuntimeError, "already been registered"):
        torch._register_device_module("far", own)
    for name in ["cuda", "far:x", "nope"]:
        with raises(RuntimeError):
            torch._register_device_module(name, own)
    for bad in ["cuda", "", "a:b", "other"]:
        with raises(RuntimeError):
            torch.utils.rename_privateuse1_backend(bad)
    torch.utils.rename_privateuse1_backend("far")
    assert torch._C._get_privateuse1_backend_name() == "far" and torch.device("privateuseone:1") == torch.device(
        "far:1"
    )


def a_cpu_kernel_on_its_memory_faults():
    far.start()
    print("started", flush=True)
    far.lib.far_touch_from_cpu()


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        os.environ.setdefault("FAR_FILES", folder)
        globals()[sys.argv[1]]()

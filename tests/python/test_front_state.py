"""Generators that are copied, script archives given to load, devices that are not there, and names that documentation lists."""

import copy
import inspect
import io
import pickle
import pydoc

import pytest

import rushlight as rl


def test_generators_are_copied_with_their_state():
    g = rl.Generator()
    g.manual_seed(2**63 + 5)
    rl.randn(7, generator=g)
    copies = [copy.deepcopy(g), copy.copy(g), pickle.loads(pickle.dumps(g))]
    drawn = rl.rand(5, generator=g)
    for c in copies:
        assert c.initial_seed() == 2**63 + 5
        assert rl.equal(rl.rand(5, generator=c), drawn)


def test_load_of_a_script_archive():
    buffer = io.BytesIO()
    rl.jit.save(rl.jit.script(rl.nn.ReLU()), buffer)
    buffer.seek(0)
    with pytest.raises(RuntimeError, match=r"jit\.load"):
        rl.load(buffer)
    buffer.seek(0)
    with pytest.warns(UserWarning, match="TorchScript archive"):
        module = rl.load(buffer, weights_only=False, map_location="cpu")
    assert module(rl.tensor([-1.0, 2.0])).tolist() == [0, 2]


def test_cuda_is_refused_as_in_a_build_without_it():
    for move in [
        lambda: rl.ones(2).cuda(),
        lambda: rl.ones(2).to("cuda"),
        lambda: rl.ones(2).to("cuda:1", rl.float64),
        lambda: rl.nn.Linear(2, 2).cuda(),
        lambda: rl.nn.Linear(2, 2).to("cuda"),
        lambda: rl.nn.Linear(2, 2, device="cuda"),
        lambda: rl.ones(2, device="cuda"),
        lambda: rl.randn(2, device=rl.device("cuda", 1)),
        lambda: rl.empty(0, device="cuda"),
        lambda: rl.arange(3, device="cuda:0"),
        lambda: rl.ones_like(rl.ones(2), device="cuda"),
        lambda: rl.tensor([1.0], device="cuda"),
        lambda: rl.as_tensor([1.0], device="cuda"),
        lambda: rl.asarray([1.0], device="cuda"),
        lambda: rl.ones(2).new_zeros(3, device="cuda"),
        lambda: rl.ones(2).new_tensor([3.0], device="cuda"),
        lambda: rl.UntypedStorage(4, device="cuda"),
    ]:
        with pytest.raises(AssertionError, match="not compiled with CUDA"):
            move()


def test_a_device_by_number_needs_an_accelerator():
    for move in [lambda: rl.ones(2, device=0), lambda: rl.ones(2).to(0), lambda: rl.device(1)]:
        with pytest.raises(RuntimeError, match="Cannot access accelerator device when none is available."):
            move()


def test_the_module_can_be_listed_and_documented():
    names = [name for name, _ in inspect.getmembers(rl)]
    assert "nn" in names
    assert not any(name.startswith("lib") and name != "library" for name in names)
    assert "rushlight" in pydoc.render_doc(rl)


def test_cross_entropy_of_one_dimension():
    logits = rl.zeros(3)
    with pytest.raises(ValueError, match="1D target must have size 1, but got target size: 2"):
        rl.nn.functional.cross_entropy(logits, rl.tensor([0, 1]))
    assert rl.nn.functional.cross_entropy(logits, rl.tensor(1)).item() == pytest.approx(1.0986, abs=1e-4)


class Marked(rl.Tensor):
    pass


def test_operators_keep_a_subclass():
    m = rl.ones(3).as_subclass(Marked)
    for result in [m + 1, 1 + m, rl.zeros(3) * m, -m, m.exp(), rl.add(m, m), m.sum(), m.clone()]:
        assert type(result) is Marked
    assert type(rl.ones(3) + 1) is rl.Tensor
    p = rl.nn.Parameter(rl.ones(3))
    assert type(p * 2) is rl.Tensor
    assert type(p * m) is Marked
    kept = rl.nn.Parameter(m)
    assert type(kept) is Marked
    assert isinstance(kept, rl.nn.Parameter)
    assert kept.requires_grad
    assert kept.is_leaf
    (kept * 2).sum().backward()
    assert kept.grad.tolist() == [2, 2, 2]


def test_deep_modules_have_a_text():
    m = rl.nn.Linear(1, 1)
    for _ in range(300):
        m = rl.nn.Sequential(m)
    assert repr(m).count("Sequential") == 300


def test_results_are_pickled_as_leaves():
    y = rl.ones(2, requires_grad=True) * 2
    loaded = pickle.loads(pickle.dumps(y))
    assert loaded.tolist() == [2, 2]
    assert loaded.requires_grad
    assert loaded.is_leaf

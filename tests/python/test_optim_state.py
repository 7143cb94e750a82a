"""State that does not fit: optimizers and their kernels raise before they write, and keep copies of what they are given."""

import copy
import math

import pytest

import rushlight as rl
from rushlight import _C, nn

OPTIMIZERS = [
    ("SGD", {"lr": 0.1, "momentum": 0.9}),
    ("SGD", {"lr": 0.1, "momentum": 0.9, "nesterov": True, "foreach": True}),
    ("Adam", {"amsgrad": True}),
    ("Adam", {"foreach": True}),
    ("AdamW", {}),
    ("RMSprop", {"momentum": 0.9, "centered": True}),
    ("Adagrad", {}),
    ("Adadelta", {}),
    ("Adamax", {}),
    ("NAdam", {}),
    ("RAdam", {}),
]
every_optimizer = pytest.mark.parametrize(("name", "kwargs"), OPTIMIZERS, ids=str)


def make(name, kwargs, *shapes, dtype=None):
    params = [nn.Parameter(rl.ones(shape, dtype=dtype)) for shape in shapes]
    return params, getattr(rl.optim, name)(params, **kwargs)


def give_gradients(params):
    for p in params:
        p.grad = rl.full_like(p, 0.5)


def stepped(name, kwargs, *shapes, dtype=None):
    params, optimizer = make(name, kwargs, *shapes, dtype=dtype)
    give_gradients(params)
    optimizer.step()
    return params, optimizer


def snapshot(params, optimizer):
    values = [p.detach().clone() for p in params]
    state = {i: copy.deepcopy(optimizer.state[p]) for i, p in enumerate(params) if p in optimizer.state}
    return values, state


def assert_unchanged(params, optimizer, before):
    values, state = before
    for p, v in zip(params, values, strict=True):
        assert rl.equal(p.detach(), v)
    for i, p in enumerate(params):
        for key, value in state.get(i, {}).items():
            now = optimizer.state[p][key]
            same = rl.equal(now, value) if isinstance(value, rl.Tensor) and not value.is_meta else now is not None
            assert same, (i, key)


def assert_step_refused(params, optimizer, error, *texts):
    before = snapshot(params, optimizer)
    with pytest.raises(error) as e:
        optimizer.step()
    for text in texts:
        assert text in str(e.value)
    assert_unchanged(params, optimizer, before)


@every_optimizer
@pytest.mark.parametrize("size", [12, 1200, 5])
def test_state_of_another_model(name, kwargs, size):
    _, saved = stepped(name, kwargs, (2,), (10, 64))
    params, optimizer = make(name, kwargs, (2,), (size, 64))
    optimizer.load_state_dict(saved.state_dict())
    give_gradients(params)
    assert_step_refused(params, optimizer, RuntimeError, "parameter 1 of group 0", f"[{size}, 64]", "[10, 64]")


@every_optimizer
def test_parameter_that_grew(name, kwargs):
    params, optimizer = stepped(name, kwargs, (2,), (3, 4))
    params[1].data = rl.ones(5, 4)
    params[1].grad = None
    give_gradients(params)
    assert_step_refused(params, optimizer, RuntimeError, "[5, 4]", "[3, 4]")
    # The state made anew, it goes on.
    del optimizer.state[params[1]]
    if name == "Adagrad":
        return
    optimizer.step()
    assert params[1].detach()[4, 3] < 1


@every_optimizer
@pytest.mark.parametrize("dtype", [rl.float64, rl.float16])
def test_model_of_another_dtype(name, kwargs, dtype):
    model = nn.Linear(3, 2)
    params = list(model.parameters())
    optimizer = getattr(rl.optim, name)(list(model.named_parameters()), **kwargs)
    give_gradients(params)
    optimizer.step()
    model.to(dtype)
    give_gradients(params)
    assert_step_refused(params, optimizer, RuntimeError, "(weight)", str(dtype), "torch.float32")


@every_optimizer
def test_second_group_is_checked_before_the_first_is_written(name, kwargs):
    params = [nn.Parameter(rl.ones(3)), nn.Parameter(rl.ones(4))]
    optimizer = getattr(rl.optim, name)([{"params": [p]} for p in params], **kwargs)
    give_gradients(params)
    optimizer.step()
    key = [k for k, v in optimizer.state[params[1]].items() if v.dim()][0]
    optimizer.state[params[1]][key] = rl.zeros(5)
    assert_step_refused(params, optimizer, RuntimeError, "parameter 0 of group 1", key, "[5]")


@every_optimizer
def test_state_of_the_wrong_kind(name, kwargs):
    for wrong in ["text", [1.0], 3, {}, b"x"]:
        params, optimizer = stepped(name, kwargs, (3,), (4,))
        for key in list(optimizer.state[params[1]]):
            kept = optimizer.state[params[1]][key]
            optimizer.state[params[1]][key] = wrong
            assert_step_refused(params, optimizer, TypeError, key, "parameter 1 of group 0")
            optimizer.state[params[1]][key] = kept
        optimizer.step()


@every_optimizer
def test_missing_state(name, kwargs):
    params, optimizer = stepped(name, kwargs, (3,), (4,))
    for key in list(optimizer.state[params[1]]):
        if key == "momentum_buffer" and name == "SGD":
            continue  # made anew, as in PyTorch
        kept = optimizer.state[params[1]].pop(key)
        assert_step_refused(params, optimizer, KeyError, key, "parameter 1 of group 0")
        optimizer.state[params[1]][key] = kept


@every_optimizer
def test_state_without_memory_or_that_covers_itself(name, kwargs):
    params, optimizer = stepped(name, kwargs, (3,), (4,))
    for key, value in list(optimizer.state[params[1]].items()):
        for wrong in [rl.empty(value.shape, device="meta"), rl.zeros(1).expand(4) if value.dim() else rl.zeros(2)]:
            optimizer.state[params[1]][key] = wrong
            assert_step_refused(params, optimizer, RuntimeError)
        optimizer.state[params[1]][key] = value
    optimizer.step()


@every_optimizer
def test_gradients_that_do_not_fit(name, kwargs):
    for shape, dtype in [((5,), rl.float32), ((1,), rl.float32), ((), rl.float32), ((4,), rl.float64)]:
        params, optimizer = stepped(name, kwargs, (3,), (4,))
        params[1].grad.data = rl.ones(shape, dtype=dtype)
        assert_step_refused(params, optimizer, RuntimeError, "parameter 1 of group 0", "gradient", str(list(shape)))
    params, optimizer = stepped(name, kwargs, (3,), (4,))
    params[1].grad.data = rl.ones(4, device="meta")
    assert_step_refused(params, optimizer, RuntimeError, "gradient", "meta")


def test_strided_state_and_gradients_step_as_dense_ones():
    for name, kwargs in OPTIMIZERS:
        params, optimizer = stepped(name, kwargs, (3, 4))
        others, other = stepped(name, kwargs, (3, 4))
        others[0].grad = rl.full((4, 3), 0.5).t()
        own = other.state[others[0]]
        for key, value in own.items():
            if value.dim():
                own[key] = rl.stack([value, value], 2)[:, :, 1]
        optimizer.step(), other.step()
        assert rl.equal(params[0], others[0]), name
        for key, value in optimizer.state[params[0]].items():
            assert rl.equal(own[key], value), (name, key)


def test_expanded_gradients_and_meta_models():
    for name, kwargs in OPTIMIZERS:
        params, optimizer = make(name, kwargs, (3, 4))
        params[0].grad = rl.full((1, 1), 0.5).expand(3, 4)
        optimizer.step()
        dense, _ = stepped(name, kwargs, (3, 4))
        assert rl.equal(params[0], dense[0]), name
        model = nn.Linear(3, 2, device="meta")
        optimizer = getattr(rl.optim, name)(model.parameters(), **kwargs)
        for p in model.parameters():
            p.grad = rl.empty_like(p)
        optimizer.step()
        optimizer.step()
        assert all(p.is_meta for p in model.parameters())


def test_kernels_check_every_list():
    def call(kernel, i=None, value=None, **changed):
        sgd = kernel == "_fused_sgd_"
        lists = [[rl.ones(3), rl.ones(4)] for _ in range(3 if sgd else 5)]
        if not sgd:
            lists.append([rl.ones(()), rl.ones(())])
        if i is not None:
            lists[i][1] = value
        settings = {"lr": 0.1, "weight_decay": 0.0, "maximize": False}
        if sgd:
            settings |= {"momentum": 0.9, "dampening": 0.0, "nesterov": False, "is_first_step": False}
        else:
            settings |= {"beta1": 0.9, "beta2": 0.99, "eps": 1e-8, "amsgrad": True}
        settings |= changed
        drop = settings.pop("drop", None)
        if drop is not None:
            lists[drop].pop()
        getattr(_C._ops, kernel)(*lists, **settings)
        return lists

    for kernel, count in [("_fused_sgd_", 3), ("_fused_adam_", 6), ("_fused_adamw_", 6)]:
        call(kernel)
        shrunk = rl.ones(4)
        shrunk.untyped_storage().resize_(4)
        for i in range(count):
            with pytest.raises(RuntimeError):
                call(kernel, drop=i)
            for wrong in [rl.ones(5), rl.ones(2, 2), rl.ones(4, dtype=rl.complex64), rl.ones(4, device="meta"), shrunk]:
                with pytest.raises((RuntimeError, NotImplementedError)):
                    call(kernel, i, wrong)
            with pytest.raises(TypeError):
                call(kernel, i, None)
            if i not in (1, 5):  # written to
                with pytest.raises(RuntimeError, match="single memory location"):
                    call(kernel, i, rl.ones(1).expand(4))
        for scale in [rl.ones(2), rl.ones((), device="meta"), rl.ones((), dtype=rl.complex64)]:
            for name in ["lr", "grad_scale", "found_inf"]:
                with pytest.raises(RuntimeError, match="one real element|same device"):
                    call(kernel, **{name: scale})
        memory = rl.ones(5)
        with pytest.raises(RuntimeError, match="share a part"):
            lists = [[memory[:4]], [rl.ones(4)], [memory[1:]]]
            _C._ops._fused_sgd_(
                *lists,
                lr=0.1,
                weight_decay=0.0,
                maximize=False,
                momentum=0.9,
                dampening=0.0,
                nesterov=False,
                is_first_step=False,
            )
        assert memory.tolist() == [1] * 5
    with pytest.raises(RuntimeError):
        _C._ops._foreach_add_([rl.ones(3), rl.ones(1).expand(4)], 1)
    with pytest.raises(RuntimeError):
        _C._ops._foreach_add_([rl.ones(3), shrunk], 1)


def test_settings_that_the_arithmetic_cannot_hold():
    for name, kwargs in [("SGD", {"lr": 1e308}), ("SGD", {"weight_decay": 1e308}), ("Adam", {"weight_decay": 1e308})]:
        params, optimizer = make(name, kwargs, (3,))
        give_gradients(params)
        with pytest.raises(RuntimeError, match="without overflow"):
            optimizer.step()
        assert params[0].tolist() == [1, 1, 1]
        params, optimizer = make(name, kwargs, (3,), dtype=rl.float64)
        give_gradients(params)
        optimizer.step()
        assert (params[0].detach() < -1e300).all() or name == "Adam"
    for name in ["Adam", "AdamW"]:
        params, optimizer = make(name, {"lr": math.inf, "weight_decay": 0}, (3,))
        give_gradients(params)
        optimizer.step()
        optimizer.step()
        assert params[0].tolist() == [-math.inf] * 3


@every_optimizer
def test_loaded_state_is_a_copy(name, kwargs):
    params, optimizer = stepped(name, kwargs, (3,))
    others, other = make(name, kwargs, (3,))
    given = optimizer.state_dict()
    given["state"]["notes"] = {"list": [rl.ones(2)]}
    given["state"][0]["extra"] = {"nested": (rl.ones(2), [rl.ones(1)])}
    other.load_state_dict(given)
    before = copy.deepcopy(given)
    give_gradients(others)
    other.step()
    own = other.state[others[0]]
    own["extra"]["nested"][0].add_(1)
    own["extra"]["nested"][1].append(2)
    other.state["notes"]["list"][0].add_(1)
    other.param_groups[0]["lr"] = 5.0
    for key, value in before["state"][0].items():
        if key != "extra":
            assert rl.equal(given["state"][0][key], value), key
    assert given["state"][0]["extra"]["nested"][0].tolist() == [1, 1]
    assert len(given["state"][0]["extra"]["nested"][1]) == 1
    assert given["state"]["notes"]["list"][0].tolist() == [1, 1]
    assert optimizer.param_groups[0]["lr"] != 5.0
    # The other way round, and the next steps of both are equal.
    params, optimizer = stepped(name, kwargs, (3,))
    others, other = make(name, kwargs, (3,))
    others[0].data.copy_(params[0].data)
    other.load_state_dict(optimizer.state_dict())
    give_gradients(params), give_gradients(others)
    optimizer.step(), other.step()
    assert rl.equal(params[0], others[0])

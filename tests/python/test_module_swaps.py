"""What a conversion or a loaded state does to the tensors of modules: they may change places."""

import pytest

import rushlight as rl


def test_swapped_tensors_exchange_all_but_their_identity():
    a, b = rl.zeros(2), rl.nn.Parameter(rl.ones(3))
    a.note, held = "a", [a, b]
    rl.utils.swap_tensors(a, b)
    assert held[0] is a and type(a) is rl.nn.Parameter and a.tolist() == [1, 1, 1] and a.requires_grad
    assert type(b) is rl.Tensor and b.tolist() == [0, 0] and b.note == "a" and not hasattr(a, "note")
    (a * 2).sum().backward()
    assert a.grad.tolist() == [2, 2, 2]
    view = b[:1]
    with pytest.raises(RuntimeError, match="use_count of t1 to be 1"):
        rl.utils.swap_tensors(b, rl.ones(1))
    del view
    import weakref

    ref = weakref.ref(b)
    with pytest.raises(RuntimeError, match="Cannot swap t2 because it has weakref"):
        rl.utils.swap_tensors(rl.ones(1), b)
    del ref


@pytest.fixture
def swapping():
    rl.__future__.set_swap_module_params_on_conversion(True)
    yield
    rl.__future__.set_swap_module_params_on_conversion(False)


def test_modules_swap_their_parameters(swapping):
    m = rl.nn.Linear(2, 1)
    m(rl.ones(2)).backward()
    weight, grad = m.weight, m.weight.grad
    m.double()
    assert m.weight is weight and weight.dtype == rl.float64 and weight.grad is grad and grad.dtype == rl.float64
    m.load_state_dict({"weight": rl.ones(1, 2), "bias": rl.zeros(1)})
    assert m.weight is weight and weight.tolist() == [[1, 1]] and weight.dtype == rl.float64 and weight.requires_grad
    m.load_state_dict({"weight": rl.zeros(1, 2), "bias": rl.zeros(1)}, assign=True)
    assert m.weight is weight and weight.dtype == rl.float32


def test_a_graph_from_before_a_swap_is_refused(swapping):
    m = rl.nn.Linear(2, 1)
    out = m.bias * 2
    m.double()
    with pytest.raises(RuntimeError, match="poisoned by swap_tensors"):
        out.sum().backward()
    kept = m(rl.ones(2, dtype=rl.float64).requires_grad_())  # saves the weight
    with pytest.raises(RuntimeError, match="_apply\\(\\): Couldn't swap Linear.weight"):
        m.float()
    del kept


def test_parameters_may_be_replaced_on_conversion():
    rl.__future__.set_overwrite_module_params_on_conversion(True)
    try:
        m = rl.nn.Linear(2, 1)
        weight = m.weight
        m.double()
        assert m.weight is not weight and weight.dtype == rl.float32 and m.weight.dtype == rl.float64
    finally:
        rl.__future__.set_overwrite_module_params_on_conversion(False)

"""torch._custom_ops: operators of Python functions in the forms before torch.library.custom_op."""

import pytest

import rushlight as rl
from rushlight import _custom_ops


@pytest.fixture
def scaled():
    @_custom_ops.custom_op("first_ops::scaled")
    def scaled(x: rl.Tensor, by: float) -> rl.Tensor: ...

    yield "first_ops::scaled"
    _custom_ops._destroy("first_ops::scaled")


def test_kernels_and_gradients(scaled):
    _custom_ops.impl(scaled, func=lambda x, by: x * by)

    @_custom_ops.impl_save_for_backward(scaled)
    def saved(inputs, output):
        return inputs.by, output

    @_custom_ops.impl_backward(scaled)
    def backward(ctx, saved, grad):
        return {"x": grad * saved[0] + 0 * saved[1]}

    x = rl.ones(2, requires_grad=True)
    rl.ops.first_ops.scaled(x, 3.0).sum().backward()
    assert x.grad.tolist() == [3.0, 3.0]


def test_the_gradient_must_name_the_tensors(scaled):
    _custom_ops.impl(scaled, func=lambda x, by: x * by)
    _custom_ops.impl_save_for_backward(scaled, func=lambda inputs, output: None)
    _custom_ops.impl_backward(scaled, func=lambda ctx, saved, grad: {"y": grad})
    with pytest.raises(RuntimeError, match="to have keys {'x'}"):
        rl.ops.first_ops.scaled(rl.ones(2, requires_grad=True), 3.0).sum().backward()


def test_what_is_refused(scaled):
    with pytest.raises(ValueError, match="reserved namespace"):
        _custom_ops.custom_op("aten::mine", "(Tensor x) -> Tensor")
    with pytest.raises(ValueError, match="do not handle overloads"):
        _custom_ops.custom_op("first_ops::a.b", "(Tensor x) -> Tensor")
    with pytest.raises(RuntimeError, match="Could not find custom op"):
        _custom_ops._destroy("first_ops::absent")
    _custom_ops.impl(scaled, func=lambda x, by: x)
    with pytest.raises(RuntimeError, match="already has a cpu impl"):
        _custom_ops.impl(scaled, device_types="cpu", func=lambda x, by: x)
    with pytest.raises(ValueError, match="only supports functional"):
        _custom_ops.custom_op("first_ops::written", "(Tensor(a!) x) -> Tensor(a)")


def test_a_kernel_of_another_library_is_not_replaced():
    with rl.library._scoped_library("first_ops", "FRAGMENT") as lib:
        lib.define("kept(Tensor x) -> Tensor")
        lib.impl("kept", lambda x: x.sin(), "CPU")
        with pytest.raises(RuntimeError, match="already has an implementation"):
            _custom_ops.impl("first_ops::kept", func=lambda x: x)
        lib.impl("kept", lambda x: x.sin(), "AutogradCPU")
        with pytest.raises(RuntimeError, match="AutogradCPU"):
            _custom_ops.impl_backward("first_ops::kept", func=lambda ctx, saved, grad: None)


@pytest.mark.parametrize("grads, said", [([1], "3 gradients but got 1"), (None, "list of gradients")])
def test_the_gradient_of_a_list_is_a_list(grads, said):
    _custom_ops.custom_op("first_ops::first", "(Tensor[] xs) -> Tensor")
    try:
        _custom_ops.impl("first_ops::first", func=lambda xs: xs[0] * 2)
        _custom_ops.impl_save_for_backward("first_ops::first", func=lambda inputs, output: inputs._asdict()["xs"][0])
        _custom_ops.impl_backward(
            "first_ops::first", func=lambda ctx, saved, grad: {"xs": grads and [grad] * len(grads)}
        )
        y = rl.ops.first_ops.first([rl.ones(1, requires_grad=True) for _ in range(3)])
        with pytest.raises(RuntimeError, match=said):
            y.backward()
    finally:
        _custom_ops._destroy("first_ops::first")


def test_a_refused_custom_op_leaves_its_name_free():
    with pytest.raises(NotImplementedError, match="kwarg-only Tensor"):
        rl.library.custom_op("first_ops::refused", mutates_args=(), schema="(Tensor x, *, Tensor y) -> Tensor")(
            lambda x, *, y: x
        )
    with rl.library._scoped_library("first_ops", "FRAGMENT") as lib:
        lib.define("refused(Tensor x) -> Tensor")
        rl.library.impl("first_ops::refused", "CPU", lambda x: x * 1, lib=lib)
        rl.library.register_autograd("first_ops::refused", lambda ctx, g: g * 5, lib=lib)
        x = rl.ones(1, requires_grad=True)
        rl.ops.first_ops.refused(x).backward()
        assert x.grad.item() == 5
        with pytest.raises(RuntimeError, match="do not need a fake impl"):
            lib.define("made(Tensor x) -> Tensor")
            lib.impl("made", lambda x: x.sin(), "CompositeImplicitAutograd")
            rl.library.register_fake("first_ops::made", lambda x: x, lib=lib)


def test_overloads_of_a_custom_op():
    rl.library.custom_op("first_ops::twins", mutates_args=(), schema="(Tensor x) -> Tensor")(lambda x: x + 1)
    rl.library.custom_op("first_ops::twins.both", mutates_args=(), schema="(Tensor x, Tensor y) -> Tensor")(
        lambda x, y: x + y
    )
    one = rl.ones(1)
    assert rl.ops.first_ops.twins(one).item() == rl.ops.first_ops.twins(one, one).item() == 2

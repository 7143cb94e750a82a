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

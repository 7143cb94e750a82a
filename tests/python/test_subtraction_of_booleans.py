"""What `-` says of booleans, by PyTorch's texts."""

import pytest

import rushlight as rl

mask = rl.tensor([True, False])
numbers, floats = rl.tensor([1, 2]), rl.ones(2)


@pytest.mark.parametrize(
    "f",
    [
        lambda: mask - mask,
        lambda: mask - True,
        lambda: True - mask,
        lambda: rl.sub(mask, mask),
        lambda: rl.sub(mask, mask, alpha=2),
        lambda: mask.subtract(mask),
        lambda: rl.rsub(mask, mask),
        lambda: mask.clone().sub_(mask),
        lambda: rl.tensor(True) - rl.tensor(False),
    ],
)
def test_both_are_booleans(f):
    text = (
        r"^Subtraction, the `-` operator, with two bool tensors is not supported. "
        r"Use the `\^` or `logical_xor\(\)` operator instead.$"
    )
    with pytest.raises(RuntimeError, match=text):
        f()


@pytest.mark.parametrize(
    "f",
    [
        lambda: 1 - mask,
        lambda: mask - 1,
        lambda: 1.5 - mask,
        lambda: rl.rsub(mask, 1),
        lambda: rl.rsub(floats, True),
        lambda: mask - floats,
        lambda: floats - mask,
        lambda: numbers - mask,
        lambda: numbers - True,
        lambda: True - floats,
        lambda: floats.clone().sub_(mask),
        lambda: floats.requires_grad_(False) - rl.tensor(True),
    ],
)
def test_one_is_boolean(f):
    text = (
        r"^Subtraction, the `-` operator, with a bool tensor is not supported. "
        r"If you are trying to invert a mask, use the `~` or `logical_not\(\)` operator instead.$"
    )
    with pytest.raises(RuntimeError, match=text):
        f()


@pytest.mark.parametrize("f", [lambda: -mask, lambda: rl.neg(mask), lambda: mask.clone().neg_(), mask.negative])
def test_negation(f):
    text = (
        r"^Negation, the `-` operator, on a bool tensor is not supported. "
        r"If you are trying to invert a mask, use the `~` or `logical_not\(\)` operator instead.$"
    )
    with pytest.raises(RuntimeError, match=text):
        f()


def test_numbers_are_subtracted():
    assert (numbers - 1).tolist() == [0, 1]
    assert (1 - floats).tolist() == [0, 0]
    assert rl.rsub(numbers, floats, alpha=2).tolist() == [-1, -3]
    assert (rl.tensor([3], dtype=rl.uint8) - 1).tolist() == [2]

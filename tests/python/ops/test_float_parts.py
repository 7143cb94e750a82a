"""Numbers taken apart and put together; filling and finding."""

import pytest

from .harness import bf16, case, f16, f32, given, i64, inf, op, raises

op("heaviside", [case(f32(3, 4), f32(4), grad=False), case(given([0, -1, 2]), given([7, 7, 7]))])
op("gcd", [case(i64(3, 4), i64(4)), raises(NotImplementedError, f32(2), f32(2), match="Float")])
op("lcm", [case(i64(3, 4), i64(4)), case(given([0, 4]), given([5, 0]))])
# PyTorch's gradient takes 2 to a negative integer for 0.
op("ldexp", [case(f32(3, 4), i64(4, low=0)), case(f32(3), f32(3)), case(i64(3), given([1, 2, -1]))])
op(
    "frexp",
    [case(f32(3, 4), grad=1), case(bf16(3), grad=False), case(inf(2), grad=False), raises(RuntimeError, i64(2))],
)
op("fill", [case(f32(3, 4), 2.5), case(f32(2), f32()), case(i64(3), 7)])
op("nonzero_static", [case(given([0, 3, 0, 4]), size=3), case(given([[1, 0], [5, 6]]), size=2, fill_value=9)])
op("nextafter", [case(f32(3, 4), f32(4), grad=False), case(f32(2), inf(2), grad=False)])
op(
    "polar",
    [case(f32(3, low=0.1), f32(3)), raises(RuntimeError, f32(2), f16(2), match="Expected object of scalar type Float")],
)


@pytest.mark.parametrize("shape", [(3, 4), 12, (2, 3, 2)])
def test_unravel_index_gives_the_coordinates(shape):
    import torch

    import rushlight

    want = torch.unravel_index(torch.arange(12), shape)
    got = rushlight.unravel_index(rushlight.arange(12), shape)
    assert [t.tolist() for t in got] == [t.tolist() for t in want]

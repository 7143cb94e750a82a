"""Softmax and scans."""

from torch import float64

from .harness import bf16, case, f32, f64, full, given, i64, nan, op, raises

op(
    "softmax",
    [
        case(f32(3, 4), 1),
        case(f32(3, 40), 0),
        case(f32(2, 3, 5), dim=1),
        case(f32(3, 1000), -1),
        case(bf16(3, 50), 1, tolerance=1e-2, grad=False),
        case(full((2, 3), 1e4), 1),
        case(given([[float("-inf"), 0.0]]), 1, grad=False),
        case(i64(3), 0, dtype=float64),
        case(f32(), 0),
        case(f32(0, 3), 1),
        raises(IndexError, f32(3, 4), 2, match="Dimension out of range"),
        raises(RuntimeError, i64(3), 0, match="not implemented for 'Long'"),
    ],
)
op(
    "log_softmax",
    [
        case(f32(3, 4), 1),
        case(f32(3, 40), 0),
        case(f32(3, 1000), -1),
        case(full((2, 3), -1e4), 1),
        case(nan(3), 0, grad=False),
    ],
)
op(
    "cumsum",
    [
        case(f32(3, 4), 0),
        case(f32(3, 4), 1),
        case(f32(5000), 0, tolerance=1e-4),
        case(f32(5, 40), 0),
        case(i64(3, 4), 1),
        case(f32(), 0),
        case(f32(0), 0),
        case(f32(3), 0, dtype=float64),
        raises(IndexError, f32(3, 4), 2, match="Dimension out of range"),
    ],
)
op(
    "cumprod",
    [
        case(f32(3, 4), 1),
        case(given([2.0, 0.0, 3.0, 0.0, 1.0]), 0),
        case(given([[2.0, 0.0, 3.0]]), 1),
        case(i64(4), 0),
        case(f32(7, 5), 1),
        case(f64(2, 3, 0), 2),
    ],
)
op(
    "cummax",
    [case(f32(3, 4), 1), case(i64(20, low=0, high=4), 0), case(given([1.0, float("nan"), 2.0]), 0, grad=False)],
)
op("cummin", [case(f32(3, 4), 0), case(i64(20, low=0, high=4), 0)])
op(
    "logcumsumexp",
    [
        case(f32(3, 4), 1),
        case(full(3, 1e4), 0),
        case(given([complex("nan+1j"), 2.0, 3.0]), 0, grad=False),
        case(given([complex("-inf+1j"), complex("-inf+2j"), 3.0]), 0, grad=False),
        case(given([1 + 2j, complex("inf+1j"), 3.0]), 0, grad=False),
    ],
)
op(
    "diff",
    [
        case(f32(5)),
        case(f32(3, 4), 2, dim=0),
        case(f32(3, 4), prepend=f32(3, 1)),
        case(f32(2), 5),
        case(f32(3), 0),
        case(f32(3, 4), 0, prepend=f32(3, 1)),
        raises(RuntimeError, f32(), match="at least one-dimensional"),
    ],
)
op("trapezoid", [case(f32(5)), case(f32(3, 5), f32(5)), case(f32(3, 5), dx=0.5, dim=0)])
op("cumulative_trapezoid", [case(f32(5)), case(f32(3, 5), f32(3, 5))])
op("renorm", [case(f32(3, 4), 2, 0, 1.0), raises(RuntimeError, f32(3), 2, 0, 1.0, match="at least 2 dimensions")])

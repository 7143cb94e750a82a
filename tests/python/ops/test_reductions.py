from torch import float64, int32

from .harness import bf16, c64, case, f32, flags, full, given, i32, i64, nan, op, raises, u8

out_of_range = r"Dimension out of range \(expected to be in range of \[-2, 1\], but got 2\)"

op(
    "sum",
    [
        case(f32(3, 4)),
        case(f32(3, 4), dim=1),
        case(f32(3, 4, 5), dim=(0, 2), keepdim=True),
        case(f32(0, 3), dim=0),
        case(f32(0)),
        case(f32()),
        case(i32(3, 4)),
        case(flags(3, 4), dim=0),
        case(u8(300)),
        case(bf16(1000)),
        case(c64(3, 4), dim=1),
        case(f32(3), dtype=float64),
        case(i64(3), dtype=int32),
        case(full((100, 1000), 0.1), dim=0, grad=False),
        raises(IndexError, f32(3, 4), dim=2, match=out_of_range),
        raises(RuntimeError, f32(3, 4), dim=(0, 0), match="dim 0 appears multiple times in the list of dims"),
    ],
)
op(
    "mean",
    [
        case(f32(3, 4)),
        case(f32(3, 4), dim=0),
        case(f32(0)),
        case(c64(3)),
        raises(RuntimeError, i64(3), match=r"mean\(\): could not infer output dtype"),
    ],
)
op("nansum", [case(given([1.0, float("nan"), 2.0])), case(f32(3, 4), dim=1), case(i64(3))])
op("nanmean", [case(given([1.0, float("nan"), 2.0]), grad=1), case(nan(2), grad=False)])
op("count_nonzero", [case(flags(3, 4)), case(i64(3, 4, low=0, high=2), dim=(0,)), case(f32())])
op(
    "prod",
    [
        case(f32(2, 3)),
        case(f32(2, 3), dim=1),
        case(given([[1.0, 0.0, 2.0], [0.0, 0.0, 3.0]]), dim=1),
        case(given([1.0, 0.0, 2.0])),
        case(i32(3)),
        case(f32(0)),
    ],
)
op(
    "var",
    [
        case(f32(3, 4)),
        case(f32(3, 4), dim=1, correction=0),
        case(f32(5, 200), dim=0),
        case(f32(1), grad=False),
        case(c64(3, 4), dim=0),
    ],
)
op(
    "std",
    [
        case(f32(3, 4)),
        case(f32(3, 4), dim=(0, 1), keepdim=True),
        case(f32(3, 4), 0, False),
        raises(RuntimeError, i64(3)),
    ],
)
op("var_mean", [case(f32(3, 4)), case(f32(3, 4), dim=0)])
op("std_mean", [case(f32(3, 4), dim=1, correction=2)])
op(
    "amax",
    [
        case(f32(3, 4)),
        case(f32(3, 4), dim=1),
        case(given([[1.0, 1.0, 0.0]]), dim=1),
        case(given([1.0, float("nan"), 2.0]), grad=False),
        case(f32(40, 300), dim=0),
        case(u8(5)),
        raises(IndexError, f32(0), match=r"amax\(\): Expected reduction dim"),
    ],
)
op("amin", [case(f32(3, 4), dim=(0, 1)), case(bf16(3, 4), dim=0), case(flags(4))])
op("aminmax", [case(f32(3, 4)), case(f32(3, 4), dim=1, keepdim=True)])
op(
    "max",
    [
        case(f32(3, 4)),
        case(f32(3, 4), 1),
        case(f32(3, 100), 1, True),
        case(f32(100, 30), 0),
        case(i64(6, 50, low=0, high=3), 1),
        case(given([[1.0, float("nan"), 2.0, float("nan")]]), 1, grad=False),
        case(f32(), 0),
        case(f32(3), f32(3)),
        raises(IndexError, f32(0, 3), 0, match=r"max\(\): Expected reduction dim 0 to have non-zero size"),
        raises(RuntimeError, f32(0), match=r"max\(\): Expected reduction dim to be specified"),
    ],
)
op("min", [case(f32(3, 4)), case(f32(3, 4), 0), case(f32(0, 3), 1), case(i32(2, 3), i32(3))])
op(
    "argmax",
    [
        case(f32(3, 4)),
        case(f32(3, 4), dim=1),
        case(i64(6, 50, low=0, high=3), dim=1),
        case(f32(3, 4), dim=0, keepdim=True),
        case(f32()),
    ],
)
op("argmin", [case(f32(3, 4)), case(f32(40, 9), dim=0), raises(IndexError, f32(0))])
op("all", [case(flags(3)), case(flags(3, 4), dim=1), case(u8(3)), case(f32(0)), case(flags(2, 3, 4), dim=(0, 2))])
op("any", [case(flags(3)), case(flags(3, 4), dim=0, keepdim=True), case(f32(0)), case(c64(3))])
op(
    "linalg.vector_norm",
    [
        case(f32(3, 4)),
        *[case(f32(3, 4), p, dim=1) for p in (0, 0.5, 1, 1.5, 2, 3, float("inf"), float("-inf"))],
        case(c64(4)),
        case(given([0.0, 0.0]), grad=1),
        raises(RuntimeError, f32(0), float("inf"), match="does not have an identity"),
    ],
)
op("norm", [case(f32(3, 4)), case(f32(3, 4), 1, dim=0), case(f32(3, 4), 3)])
op("dist", [case(f32(3), f32(3)), case(f32(3), f32(3), 1)])
op(
    "logsumexp",
    [
        case(f32(3, 4), 1),
        case(f32(3, 4), (0, 1), keepdim=True),
        case(c64(3, 4), 1),
        case(full((2, 3), 1e4), 1),
        case(full(2, -1e30), 0),
        case(i64(3), 0),
    ],
)
op("trace", [case(f32(3, 4)), case(i64(2, 2)), raises(RuntimeError, f32(3), match="expected a matrix")])
op("median", [case(f32(5)), case(f32(3, 4), 1), case(given([1.0, float("nan")]), grad=False)])
op("nanmedian", [case(given([1.0, float("nan"), 3.0]), grad=1), case(f32(3, 4), 0)])
op("mode", [case(i64(3, 7, low=0, high=3), 1)])
op(
    "kthvalue",
    [
        case(f32(3, 5), 2, 1),
        case(f32(5), 5),
        case(i64(50, 9, low=0, high=3), 4, 1),
        raises(RuntimeError, f32(3), 4, match="selected number k out of range"),
    ],
)

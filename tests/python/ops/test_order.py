from .harness import bf16, case, f32, flags, given, i32, i64, nan, op, raises, u8

nans = given([2.0, float("nan"), -0.0, 0.0, float("inf"), float("nan"), -1.0])

op(
    "sort",
    [
        case(f32(7)),
        case(f32(3, 600), dim=1, stable=True),
        case(i64(5, 700, low=0, high=9), dim=1, stable=True),
        case(i64(5, 700, low=0, high=9), dim=1, descending=True, stable=True),
        case(i32(2000), stable=True),
        case(u8(2000), stable=True),
        case(flags(40), stable=True),
        case(bf16(2000), stable=True),
        case(nans, stable=True, grad=False),
        case(nans, descending=True, stable=True, grad=False),
        case(f32(4, 3), dim=0),
        case(f32(0)),
        case(f32()),
        raises(IndexError, f32(3, 4), dim=2, match="Dimension out of range"),
    ],
)
op("median", [case(i64(9, 40, low=0, high=5), dim=1), case(bf16(30), 0), case(nans, 0, grad=False)])
op("nanmedian", [case(i64(9, 40, low=0, high=5), dim=1), case(nans, 0, grad=False)])
op("mode", [case(i64(9, 12, low=0, high=5), dim=1), case(i64(3, 40, low=0, high=5)), case(flags(40)), case(f32(3, 4))])
op("argsort", [case(i64(300, low=0, high=5), stable=True), case(f32(3, 4), dim=0, descending=True)])
op("msort", [case(f32(4, 3))])
op(
    "topk",
    [
        case(f32(3, 1000), 5),
        case(i64(3, 1000, low=0, high=9), 5),
        case(i64(3, 1000, low=0, high=9), 40, largest=False),
        case(f32(100), 50, sorted=True),
        case(f32(6, 4), 2, dim=0),
        case(nans, 3, grad=False),
        case(f32(), 1),
        raises(RuntimeError, f32(3), 4, match="selected index k out of range"),
    ],
)
op(
    "searchsorted",
    [
        case(given([1.0, 3.0, 5.0]), f32(2, 3, low=0, high=6)),
        case(given([1, 3, 3, 5]), given([3, 9]), right=True),
        case(given([[1, 3], [0, 9]]), given([[2], [9]]), out_int32=True),
        raises(RuntimeError, f32(2, 3), f32(3, 3), match="boundaries tensor"),
    ],
)
op("bucketize", [case(f32(3, 4), given([-1.0, 0.0, 1.0])), case(i64(5), given([0, 3]), right=True)])
op(
    "bincount",
    [
        case(i64(20, low=0, high=6), meta=False),
        case(i64(0), minlength=3, meta=False),
        case(i64(5, low=0, high=3), f32(5), 7, grad=False, meta=False),
        raises(RuntimeError, i64(3, low=-4, high=-1), match="non-negative"),
    ],
)
op("histc", [case(f32(50), bins=5, min=-1, max=1, grad=False), case(f32(50), bins=4, grad=False)])
op(
    "isin",
    [
        case(i64(3, 4), i64(5)),
        case(i64(90), i64(13, low=-3, high=4)),
        case(i64(3), i64(0)),
        case(nan(3), nan(3)),
        case(f32(3), 1.0),
        case(i64(3), i64(3), invert=True),
    ],
)
op(
    "unique",
    [
        case(f32(5), grad=False, meta=False),
        case(i64(30, low=0, high=4), return_inverse=True, return_counts=True, meta=False),
        case(i64(9, 2, low=0, high=2), dim=0, return_inverse=True, meta=False),
        case(flags(9), meta=False),
    ],
)
op(
    "unique_consecutive",
    [case(i64(20, low=0, high=3), meta=False), case(i64(6, 2, low=0, high=2), dim=0, meta=False)],
)
op(
    "quantile",
    [
        *[
            case(f32(3, 7), 0.4, dim=1, interpolation=how)
            for how in ("linear", "lower", "higher", "midpoint", "nearest")
        ],
        case(f32(3, 7), f32(4, low=0, high=1), dim=0, keepdim=True, grad=False),
        case(f32(3, 7), 0.5),
        case(nans, 0.5, grad=False),
        raises(RuntimeError, f32(3), 1.5, match="q must be in the range"),
    ],
)
op("nanquantile", [case(nans, 0.3, grad=False), case(f32(3, 7), 0.25, dim=1)])

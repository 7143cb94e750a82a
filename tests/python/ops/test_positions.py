"""Operators that take positions: indexing, gather and scatter, masks, embedding."""

from .harness import c64, case, f16, f32, flags, full, given, i64, op, raises, u8

rows = given([2, 0, 2])
grid = given([[0, 1, 2, 0], [2, 0, 0, 1], [1, 1, 2, 2]])
two = given([[0, 2], [1, 1]])

op(
    "gather",
    [
        case(f32(3, 4), 0, grid),
        case(f32(3, 4), 1, two),
        case(f32(2, 3, 4), 2, i64(2, 3, 6, low=0, high=4)),
        case(f32(), 0, given(0)),
        case(f32(3), 0, i64(0)),
        raises(RuntimeError, f32(2, 3), 1, given([[5]]), match="index 5 is out of bounds for dimension 1 with size 3"),
        raises(RuntimeError, f32(2, 3), 1, given([0]), match="Index tensor must have the same number of dimensions"),
        raises(RuntimeError, f32(2, 3), 1, f32(2, 3), match=r"gather\(\): Expected dtype int32/int64 for index"),
        raises(IndexError, f32(2, 3), 2, two, match="Dimension out of range"),
    ],
)
op(
    "scatter",
    [
        case(f32(3, 4), 0, two, f32(2, 2)),
        case(f32(3, 4), 1, two, 1.5),
        case(f32(5), 0, given([1, 3]), f32(2), reduce="add", grad=False),
        case(f32(5), 0, given([1, 3]), 2.0, reduce="multiply", grad=False),
        raises(
            RuntimeError, f32(3), 0, given([3]), f32(1), match="index 3 is out of bounds for dimension 0 with size 3"
        ),
        raises(RuntimeError, f32(3), 0, given([0, 1]), f32(1), match="Expected index"),
    ],
)
op("scatter_add", [case(f32(3, 4), 0, grid, f32(3, 4)), case(i64(3), 0, given([1, 1]), given([4, 5]))])
op(
    "scatter_reduce",
    [
        *[
            case(f32(4), 0, given([0, 2, 2]), f32(3), how, include_self=keep)
            for how in ("sum", "mean", "amax", "amin")
            for keep in (True, False)
        ],
        case(f32(4), 0, given([0, 2, 2]), f32(3), "prod", grad=1),
        case(f32(4), 0, given([0, 2, 2]), given([0.0, 0.0, 3.0]), "prod", grad=1),
        raises(RuntimeError, f32(4), 0, given([0]), f32(1), "max", match="reduce argument must be either"),
    ],
)
op(
    "index_select",
    [
        case(f32(3, 4), 0, rows),
        case(f32(3, 4), 1, rows),
        case(f32(3, 4), -1, i64(0)),
        case(f32(), 0, given([0])),
        raises(IndexError, f32(3), 0, given([3]), match="index out of range in self"),
        raises(IndexError, f32(3), 0, two, match=r"index_select\(\): Index is supposed to be a vector"),
    ],
)
op(
    "index_add",
    [case(f32(3, 4), 0, rows, f32(3, 4)), case(f32(3, 4), 1, rows, f32(3, 3), alpha=2), case(i64(3), 0, rows, i64(3))],
)
op(
    "index_copy",
    [
        case(f32(3, 4), 0, given([2, 0]), f32(2, 4)),
        raises(IndexError, f32(3), 0, given([0, 1]), f32(3), match="Number of indices"),
    ],
)
op("index_fill", [case(f32(3, 4), 1, rows, 5.0), case(f32(3, 4), 0, given([-1]), f32(), grad=False)])
op(
    "index_reduce",
    [case(f32(3, 2), 0, rows, f32(3, 2), "amax", grad=1), case(f32(3), 0, rows, f32(3), "mean", include_self=False)],
)
op("take", [case(f32(3, 4), given([0, -1, 5])), raises(IndexError, f32(3), given([3]), match="out of range")])
op("put", [case(f32(3, 4), given([1, 7]), f32(2)), case(f32(3, 4), given([1, 1]), f32(2), accumulate=True)])
op("take_along_dim", [case(f32(3, 4), given([[1], [0], [3]]), dim=1), case(f32(5), given([4, 0]))])
op(
    "index_put",
    [
        case(f32(3, 4), (rows,), f32(4)),
        case(f32(3, 4), (rows, given([1, 1, 1])), f32(3), True),
        case(f32(3), (given([True, False, True]),), full((), 2)),
        raises(
            IndexError, f32(3), (given([5]),), full((), 1), match="index 5 is out of bounds for dimension 0 with size 3"
        ),
        raises(RuntimeError, f32(3), (rows,), f32(2), match="shape mismatch: value tensor of shape"),
    ],
)
op(
    "masked_fill",
    [
        case(f32(3, 4), flags(3, 4), -1.0),
        case(f32(3, 1), flags(4), f32()),
        case(c64(3), flags(3), 1.0),
        raises(RuntimeError, f32(3), given([1, 0, 1]), 1.0, match="only supports boolean masks"),
    ],
)
op(
    "masked_select",
    [
        case(f32(3, 4), flags(3, 4), meta=False),
        case(f32(3, 1), flags(4), meta=False),
        case(f32(3), given([False, False, False]), meta=False),
    ],
)
op("masked_scatter", [case(f32(3, 4), flags(3, 4), f32(12)), case(f32(3), flags(3), f32(3))])
op(
    "where",
    [
        *(case(flags(3, 4), f32(3, 4), f32(4)), case(u8(3), f32(3), 2.0)),
        *(case(flags(3), meta=False), case(flags(2, 3), meta=False)),
        *(raises(RuntimeError, m, 1, f32(3), match="where expected condition to be a bool") for m in (f32(3), i64(3))),
    ],
)
op("nonzero", [case(t, meta=False) for t in (i64(3, 4, low=0, high=2), flags(2, 3, 4), f32(), f32(0))])
op("argwhere", [case(flags(3, 4), meta=False)])
op(
    "embedding",
    [
        case(f32(5, 3), i64(2, 4, low=0, high=5)),
        case(f32(5, 3), given([1, 1, 2]), 1),
        case(f32(5, 3), given([1, 1, 2]), scale_grad_by_freq=True, grad=1),
        raises(IndexError, f32(5, 3), given([5]), match="index out of range in self"),
    ],
)
op(
    "nn.functional.one_hot",
    [case(i64(2, 3, low=0, high=4), num_classes=4), raises(RuntimeError, given([-1]), match="non-negative")],
)

bag = given([1, 2, 0, 2, 1, 1, 4])
op(
    "nn.functional.embedding_bag",
    [
        *[case(bag, f32(5, 3), given([0, 2, 2, 5]), mode=mode) for mode in ("sum", "mean")],
        case(bag, f32(5, 3), given([0, 2, 2, 5]), mode="max", grad=1),
        case(given([[1, 2], [0, 4]]), f32(5, 3), mode="sum", per_sample_weights=f32(2, 2), padding_idx=2, grad=1),
        case(bag, f32(5, 3), given([0, 3, 6, 7]), mode="mean", include_last_offset=True, padding_idx=-4),
        case(bag, f16(5, 3), given([0, 2]), mode="sum", grad=False),
        raises(RuntimeError, bag, f32(3, 3), given([0]), match="found idx to be 4"),
        raises(RuntimeError, bag, f32(5, 3), given([1]), match="offsets.0. has to be 0"),
    ],
)

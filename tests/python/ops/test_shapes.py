"""Joining, cutting, repeating, reversing, diagonals."""

from .harness import bf16, c64, case, f32, flags, i32, i64, op, raises

op(
    "cat",
    [
        case([f32(2, 3), f32(4, 3)]),
        case([f32(2, 3), f32(2, 1)], dim=-1),
        case([f32(2, 3), i64(1, 3)], grad=1),
        case([f32(0), f32(2, 3)], grad=1),
        case([f32(1)] * 5),
        case([bf16(2, 3), f32(2, 3)], grad=False),
        raises(
            RuntimeError,
            [f32(3, 3), f32(3, 2)],
            match="Sizes of tensors must match except in dimension 0. Expected size 3 but got size 2 for tensor number 1 in the list.",
        ),
        raises(RuntimeError, [f32(), f32(2)], match="zero-dimensional tensor .* cannot be concatenated"),
        raises(IndexError, [f32(2), f32(2)], dim=1, match="Dimension out of range"),
    ],
)
op(
    "stack",
    [
        case([f32(2, 3), f32(2, 3)]),
        case([f32(2), f32(2)], dim=1),
        raises(RuntimeError, [f32(2), f32(3)], match="stack expects each tensor to be equal size"),
    ],
)
op("hstack", [case([f32(2), f32(3)]), case([f32(2, 3), f32(2, 1)])])
op("vstack", [case([f32(3), f32(3)]), case([f32(2, 3), f32(1, 3)])])
op("dstack", [case([f32(3), f32(3)]), case([f32(2, 3), f32(2, 3)])])
op("column_stack", [case([f32(3), f32(3, 2)])])
op(
    "split",
    [
        case(f32(5, 3), 2),
        case(f32(3, 5), [1, 4], dim=1),
        raises(RuntimeError, f32(3), [1, 1], match="split_with_sizes expects split_sizes to sum exactly to 3"),
    ],
)
op(
    "chunk",
    [
        case(f32(5), 3),
        case(f32(2, 6), 2, dim=1),
        raises(RuntimeError, f32(3), 0, match="chunk expects `chunks` to be greater than 0"),
    ],
)
op("tensor_split", [case(f32(7), 3), case(f32(7, 2), (1, 4))])
op("hsplit", [case(f32(2, 4), 2), raises(RuntimeError, f32(2, 3), 2, match="not divisible")])
op("vsplit", [case(f32(4, 2), (1, 3))])
op("dsplit", [case(f32(1, 2, 4), 2)])
op("unbind", [case(f32(3, 2)), case(f32(3, 2), dim=1)])
op("meshgrid", [case([f32(2), f32(3)], indexing="ij"), case([f32(2), f32(3), f32(1)], indexing="xy")])
op("combinations", [case(f32(4)), case(i64(4), 3, True), case(f32(2), 3)])
op("block_diag", [case(f32(2, 2), f32(3)), case(f32(1, 2))])
op("atleast_2d", [case(f32(3)), case(f32())])
op("atleast_3d", [case(f32(3)), case(f32(2, 3))])
op(
    "flip",
    [
        case(f32(3, 4), (0,)),
        case(f32(3, 4), (0, -1)),
        case(c64(3), (0,)),
        case(f32(), (0,)),
        raises(RuntimeError, f32(3, 3), (0, 0), match="appears multiple times"),
    ],
)
op("roll", [case(f32(3, 4), 1), case(f32(3, 4), (1, -6), (0, 1)), case(f32(0), 2)])
op("rot90", [case(f32(2, 3), k) for k in range(-1, 4)])
op(
    "repeat",
    [
        case(f32(2, 3), (2, 1, 3)),
        case(f32(2), (0,)),
        case(f32(), (3,)),
        raises(RuntimeError, f32(2, 3), (2,), match="Number of dimensions of repeat dims"),
    ],
)
op("tile", [case(f32(2, 3), (2,)), case(f32(2), (2, 2))])
op(
    "repeat_interleave",
    [
        case(f32(2, 3), 2),
        case(f32(2, 3), 2, dim=1),
        case(f32(3), i64(3, low=0, high=3), dim=0, meta=False),
        case(i64(4, low=0, high=3), meta=False),
    ],
)
op("diagonal", [case(f32(3, 4)), case(f32(2, 3, 4), offset=-1, dim1=-1, dim2=0), case(f32(3, 3), offset=5)])
op("diag", [case(f32(3)), case(f32(3, 4), 1), raises(RuntimeError, f32(1, 1, 1), match="1D or 2D")])
op("diag_embed", [case(f32(2, 3)), case(f32(2, 3), offset=-1, dim1=0, dim2=2)])
op("tril", [case(f32(3, 4)), case(f32(2, 4, 4), -1), case(i32(3, 3), 1), case(flags(3, 3))])
op("triu", [case(f32(3, 4)), case(f32(4, 3), 1), raises(RuntimeError, f32(3), match="at least 2 dimensions")])
op("tril_indices", [case(3, 4), case(3, 4, -1), case(2, 5, 2)])
op("triu_indices", [case(3, 4), case(4, 3, 1)])

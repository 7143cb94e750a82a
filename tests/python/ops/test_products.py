"""Products that are other products, rearranged."""

from .harness import c64, case, f32, f64, given, i64, op, raises

op(
    "inner",
    [case(f32(2, 3, 4), f32(5, 4)), case(f32(4), f32(4)), case(f32(), f32(3)), raises(RuntimeError, f32(3), f32(4))],
)
op("kron", [case(f32(2, 3), f32(4, 5)), case(f32(3), f32(2, 1, 2)), case(i64(2), i64(3)), case(f32(), f32(3))])
op(
    "cross",
    [
        case(f32(4, 3), f32(4, 3), dim=1),
        case(f32(3, 2), f32(3, 2)),
        case(f32(1, 3), f32(4, 3), dim=1),
        case(c64(3), c64(3)),
        raises(RuntimeError, f32(4), f32(4), match="no dimension of size 3"),
    ],
)
op(
    "linalg.cross",
    [case(f32(2, 3), f32(2, 3)), raises(RuntimeError, f32(2), f32(2), match="must have length 3. Got 2 and 2")],
)
op(
    "addbmm",
    [
        case(f32(3, 5), f32(2, 3, 4), f32(2, 4, 5), tolerance=1e-4),
        case(f32(5), f32(2, 3, 4), f32(2, 4, 5), beta=0.5, alpha=-2, tolerance=1e-4),
        raises(RuntimeError, f32(3, 5), f32(2, 3, 4), f32(2, 3, 5), match="Incompatible matrix sizes"),
    ],
)
op("adjoint", [case(f32(2, 3, 4)), raises(RuntimeError, f32(3), match="Got 1-D tensor")])
op(
    "cov",
    [
        case(f32(3, 5), tolerance=1e-5),
        case(f32(5), correction=0),
        case(c64(3, 4), tolerance=1e-5, grad=1),
        case(f32(2, 4), fweights=given([1, 2, 0, 3])),
        case(f64(2, 4), fweights=given([1, 2, 1, 3]), aweights=f64(4, low=0.1), correction=1, grad=1),
        raises(RuntimeError, f32(2, 3, 4), match="two or fewer dimensions"),
        raises(RuntimeError, f32(2, 3), fweights=given([1, -1, 2]), match="fweights cannot be negative"),
    ],
)
op(
    "corrcoef",
    [case(f32(3, 6), grad=1, tolerance=1e-5), case(c64(2, 5), grad=False, tolerance=1e-5), case(f32(4), grad=False)],
)

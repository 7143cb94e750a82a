from .harness import bf16, c64, case, f16, f32, flags, full, given, i32, i64, inf, nan, op, raises, u8

unequal = r"The size of tensor a \(3\) must match the size of tensor b \(4\) at non-singleton dimension 0"

op("add", [case(f32(3, 4), f32(4)), case(i64(3), f32()), case(u8(9), u8(9)), case(f32(2, 1), f32(1, 3), alpha=2)])
op(
    "mul",
    [
        case(f32(3), f32(3)),
        case(c64(3), 2.0),
        case(c64(37), c64(37)),
        case(flags(5), i32(5)),
        raises(RuntimeError, f32(3), f32(4), match=unequal),
    ],
)
op("div", [case(f32(3), f32(3, low=1)), case(i64(7), 3), case(i64(7), 3, rounding_mode="floor"), case(bf16(3), 0.1)])
op("logaddexp", [
    case(f32(3, 4), f32(4)),
    case(full(5, 1e4), full(5, 1e4)),
    case(inf(2), inf(2), grad=False),
    case(c64(5), c64(5), grad=1),
])  # fmt: skip
op("sigmoid", [case(f32(33)), case(i32(3)), case(full(2, -1e4)), case(f32(0)), case(f32())])
op("xlogy", [case(f32(3, 4), f32(4, low=0.1)), case(i64(3), 2.0), case(2.0, f32(3, low=1))])
for name in ("exp2", "expm1", "log2", "log1p", "sinc"):
    op(name, [case(f32(3, 4, low=0.1)), case(c64(5), grad=1)])
op("sgn", [case(f32(5)), case(c64(5), grad=1), case(given([0.0 + 0.0j]), grad=False)])
op("round", [case(f32(9)), *[case(f32(9, high=2000.0), decimals=d) for d in (0, 2, -2)]])
op("nan_to_num", [case(f32(3)), case(inf(2), nan=1.0, posinf=7.0), case(i64(3)), case(flags(3))])
op("square", [case(f32(3)), case(flags(5))])  # bools are counted
op("conj_physical", [case(c64(3)), case(i64(3))])
op("isclose", [case(f32(3), f32(3)), case(flags(5), flags(5), atol=0.5), case(flags(5), flags(5), atol=1.5)])
op("clamp_min", [case(f32(5), 0.5), case(f32(5, 1), f32(4)), case(flags(5), flags(5))])
op("clamp_max", [case(f32(5), 0.5), case(f32(5, 1), f32(4)), case(flags(5), flags(5))])
op(
    "clamp",
    [
        case(f32(5), -1, 1),
        case(f32(5), f32(5), f32(5)),
        case(f32(5), None, f32(5)),
        case(f32(5), f32(5)),
        case(given([1.0, float("nan"), -3.0] * 7), -1, 1, grad=False),
        case(given([1.0, 2.0, float("nan")]), given([float("nan"), 0.0, 0.0]), nan(3), grad=False),
        case(given([1.0, float("nan"), -3.0] * 7), nan(21), full(21, 2.0), grad=False),
    ],
)
op("abs", [case(f32(3)), case(f16(37)), case(bf16(3, 5)), case(c64(3)), case(c64(37))])
op(
    "neg",
    [
        case(f32(3)),
        case(f16(37)),
        case(bf16(3, 5)),
        raises(RuntimeError, flags(3), match="on a bool tensor is not supported"),
    ],
)
op("floor", [case(f32(3)), raises(NotImplementedError, flags(3), match="\"floor\" not implemented for 'Bool'")])
op("addr", [case(f32(3, 4), f32(3), f32(4), beta=0.5, alpha=3.0), case(flags(3, 4), flags(3), flags(4))])
op("addmv", [case(f32(3), f32(3, 4), f32(4), alpha=0.3), case(i64(3), i64(3, 4), i64(4), alpha=1.5, beta=2.5)])
op("einsum", [case("ij,jk", f32(2, 3), f32(3, 2)), case("...ik, ...j -> ij", i32(1, 2, 3), i32(3))])
op("tensordot", [case(f32(2, 3), f32(3, 2), 1), case(i32(1, 1, 1), i32(2, 2, 1), ([0, 1, 2], [0, 1, 2]))])

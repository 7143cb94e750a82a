from .harness import bf16, c64, case, f32, flags, full, i32, i64, inf, op, raises, u8

unequal = r"The size of tensor a \(3\) must match the size of tensor b \(4\) at non-singleton dimension 0"

op("add", [case(f32(3, 4), f32(4)), case(i64(3), f32()), case(u8(9), u8(9)), case(f32(2, 1), f32(1, 3), alpha=2)])
op(
    "mul",
    [
        case(f32(3), f32(3)),
        case(c64(3), 2.0),
        case(flags(5), i32(5)),
        raises(RuntimeError, f32(3), f32(4), match=unequal),
    ],
)
op("div", [case(f32(3), f32(3, low=1)), case(i64(7), 3), case(i64(7), 3, rounding_mode="floor"), case(bf16(3), 0.1)])
op("logaddexp", [case(f32(3, 4), f32(4)), case(full(5, 1e4), full(5, 1e4)), case(inf(2), inf(2), grad=False)])
op("sigmoid", [case(f32(33)), case(i32(3)), case(full(2, -1e4)), case(f32(0)), case(f32())])
op("xlogy", [case(f32(3, 4), f32(4, low=0.1)), case(i64(3), 2.0), case(2.0, f32(3, low=1))])

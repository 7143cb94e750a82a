from .harness import case, f16, f32, i64, op, raises, u8

empty = "with optional 0 dim batch size for input"

for dims in (1, 2, 3):
    spatial = (7, 6, 5)[:dims]
    op(f"nn.functional.max_pool{dims}d", [
        case(f32(2, 3, *spatial), 3, 2, 1, grad=1),
        case(f32(0, 3, *spatial), 2, grad=False),
        *([case(i64(2, 3, *spatial), 2), case(u8(2, 3, *spatial), 2)] if dims > 1 else []),
        raises(RuntimeError, f32(2, 0, *spatial), 2, match=empty),
    ])  # fmt: skip
    op(f"nn.functional.avg_pool{dims}d", [
        case(f32(2, 3, *spatial), 3, 2, 1, grad=1),
        raises(RuntimeError, f32(2, 0, *spatial), 2),
    ])  # fmt: skip

op("nn.functional.conv1d", [case(i64(2, 4, 7), i64(6, 2, 3), i64(6), 2, 1, 1, 2)])
op("nn.functional.conv2d", [case(f16(2, 3, 5, 5), f16(4, 3, 2, 2), f16(4), grad=False, tolerance=2e-2)])

from .harness import case, f16, f32, full, i64, op, raises, u8

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

for dims in (2, 3):
    spatial = (7, 6, 5)[:dims]
    op(f"nn.functional.fractional_max_pool{dims}d", [
        case(f32(2, 3, *spatial), 2, output_size=3, _random_samples=full((2, 3, dims), 0.7), grad=False),
        case(f32(3, *spatial), 3, output_ratio=(0.5,) * dims, return_indices=True, _random_samples=full((1, 3, dims), 0.2), grad=False),
        raises(RuntimeError, f32(2, 3, *spatial), 5, output_size=5, _random_samples=full((2, 3, dims), 0.5), match="too large"),
        raises(RuntimeError, f32(2, 3, *spatial), 2, output_size=3, _random_samples=full((2, 2, dims), 0.5), match="_random_samples"),
    ])  # fmt: skip

op("nn.functional.conv1d", [case(i64(2, 4, 7), i64(6, 2, 3), i64(6), 2, 1, 1, 2)])
op("nn.functional.conv2d", [case(f16(2, 3, 5, 5), f16(4, 3, 2, 2), f16(4), grad=False, tolerance=2e-2)])

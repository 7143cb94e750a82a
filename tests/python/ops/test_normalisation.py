import rushlight as rl

from .harness import bf16, c64, case, f32, f64, full, op, raises

op("native_layer_norm", [
    case(f32(3, 4), (4,), f32(4), f32(4), 1e-5, grad=1),
    case(bf16(3, 4), (4,), f32(4), f32(4), 1e-5, grad=False, tolerance=2e-2),
    case(bf16(3, 4), (4,), None, None, 1e-5, grad=False, tolerance=2e-2),
])  # fmt: skip
op("nn.functional.layer_norm", [
    case(f32(3, 4, 6), (6,)),
    case(f32(3, 4, 6), (4, 6), f32(4, 6), f32(4, 6)),
    case(f32(3, 40), (40,), f32(40)),
    case(f32(3, 40), (40,), None, f32(40), eps=1e-2, grad=1),
    case(f64(2, 5), (5,), f64(5), f64(5)),
    case(bf16(4, 33), (33,), grad=False, tolerance=2e-2),
    case(f32(2, 5, high=1001.0, low=999.0), (5,), grad=False, tolerance=1e-3),  # a mean far from 0
    case(f32(0, 5), (5,), grad=False),
    raises(RuntimeError, f32(3, 4), (5,), match=r"Given normalized_shape=\[5\], expected input with shape \[\*, 5\]"),
    raises(RuntimeError, f32(3, 4), (4,), f32(3), match="Expected weight to be of same shape as normalized_shape"),
])  # fmt: skip
op(
    "nn.functional.group_norm",
    [
        case(f32(3, 4, 5), 2),
        case(f32(3, 4, 5, 2), 2, f32(4), f32(4)),
        case(f32(2, 6), 3),
        case(f32(0, 6), 3, f32(6), f32(6)),
        case(bf16(3, 4, 5), 2, bf16(4), bf16(4), grad=False, tolerance=2e-2),
        raises(RuntimeError, f32(2, 5, 3), 2, match="divisible by num_groups"),
    ],
)
op("nn.functional.rms_norm", [
    case(f32(3, 4, 6), (6,), f32(6)),
    case(f32(3, 6), (6,), eps=1e-2),
    case(c64(3, 6), (6,), c64(6), grad=1),
])  # fmt: skip
op("native_batch_norm", [
    case(f32(3, 4, 5), f32(4), f32(4), f32(4), f32(4), True, 0.1, 1e-5, grad=False),
    # PyTorch returns no moments here, but on the meta device it does.
    case(f32(3, 4, 5), f32(4), f32(4), f32(4), full(4, 0.5), False, 0.1, 1e-5, grad=False, meta=None),
])  # fmt: skip
op(
    "nn.functional.batch_norm",
    [
        case(f32(3, 4, 5, 2), None, None, f32(4), f32(4), True),
        case(f32(5, 4), None, None, None, None, True),
        case(f32(0, 4, 2), f32(4), f32(4), f32(4), f32(4), True),  # leaves the running statistics alone
        case(f32(5, 4, 3), f32(4), f32(4, low=0.5), f32(4), f32(4), grad=False),
        case(f64(5, 4), None, None, f64(4), None, True, 0.3, 1e-3),
        raises(RuntimeError, f32(3, 4), f32(3), f32(3), match="running_mean should contain 4 elements not 3"),
    ],
)
op(
    "nn.functional.instance_norm",
    [
        case(f32(3, 4, 5)),
        case(f32(3, 4, 5, 2), None, None, f32(4), f32(4)),
    ],
)


def test_long_rows_are_summed_in_pieces():
    """Sums of a million numbers, one after the other, are off by 2e-4 of their size in float32."""
    x = rl.rand(1, 1_000_000, generator=rl.Generator().manual_seed(0)) + 3
    gradient = rl.rand(1, 1_000_000, generator=rl.Generator().manual_seed(1))
    results = []
    for dtype in (rl.float32, rl.float64):
        given = x.detach().clone().to(dtype).requires_grad_()
        y = rl.nn.functional.layer_norm(given, (1_000_000,))
        y.backward(gradient.to(dtype))
        results.append((y.detach().double(), given.grad.double()))
    (y, g), (exact_y, exact_g) = results
    assert float((y - exact_y).abs().max()) < 3e-6
    assert float((g - exact_g).abs().max()) < 3e-6

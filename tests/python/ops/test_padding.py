from .harness import case, f32, i64, op, raises

op("nn.functional.pad", [
    case(f32(2, 3, 5, 4), (1, 2)),
    case(f32(2, 3, 5, 4), (1, 2, 0, 3), value=2.5),
    case(f32(2, 3, 5, 4), (-1, 2, 1, -2)),  # cuts off where negative
    case(f32(2, 3), (0, 0, 1, 0)),
    case(i64(3), (1, 1), value=7),
    case(f32(0, 3), (1, 1)),
    case(f32(2, 3, 5, 4), (1, 2, 3, 1), mode="reflect", grad=1),
    case(f32(5, 4), (1, 2), mode="replicate", grad=1),
    case(f32(5, 40), (39, 20), mode="reflect", grad=1),
    case(f32(2, 3, 1, 4), (4, 3, 0, 1), mode="circular"),
    case(f32(3, 2, 3, 4), (0, 0, 2, 0), mode="reflect", grad=1),
    case(f32(0, 3, 5), (1, 2), mode="reflect", grad=False),
    case(f32(2, 3, 5, 4), (1, 2, 3, 1), mode="circular"),
    case(f32(2, 3, 5, 4), (-1, 2, 3, -2), mode="circular"),  # cuts, then goes round
    case(f32(1, 2, 3, 3, 3), (1, 1, 0, 1, 2, 0), mode="replicate", grad=1),
    raises(RuntimeError, f32(1, 1, 4, 4), (9, 9, 0, 0), mode="reflect",
           match="Padding size should be less than the corresponding input dimension"),
    raises(RuntimeError, f32(3), (1,), match="Padding length must be divisible by 2"),
    raises(NotImplementedError, f32(3), (1, 1), mode="mirror", match="Unrecognised padding mode mirror"),
])  # fmt: skip
op(
    "nn.functional.pixel_shuffle",
    [case(f32(2, 8, 3, 2), 2), raises(RuntimeError, f32(1, 3, 2, 2), 2, match="divisible")],
)
op("nn.functional.pixel_unshuffle", [case(f32(2, 3, 4, 6), 2)])
op("nn.functional.channel_shuffle", [case(f32(2, 6, 3), 3), case(f32(0, 6, 3), 3, grad=False)])
op(
    "nn.functional.glu",
    [case(f32(3, 4)), case(f32(4, 3), dim=0), raises(RuntimeError, f32(3, 3), match="Halving dimension")],
)
op(
    "nn.functional.prelu",
    [case(f32(3, 4), f32(4)), case(f32(3, 4), f32(1)), case(f32(2, 3, 4), f32(3)), case(f32(), f32(1))],
)

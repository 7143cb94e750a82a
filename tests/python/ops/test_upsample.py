from .harness import bf16, case, f32, f64, op, raises, u8

op("nn.functional.interpolate", [
    case(f32(1, 2, 5), size=8),
    case(f32(1, 2, 5), scale_factor=2, mode="linear", align_corners=True),
    case(f32(1, 2, 4, 3), scale_factor=(1.5, 2.0)),
    case(f32(1, 2, 4, 3), size=(3, 5), mode="nearest-exact"),
    case(f32(1, 2, 4, 3), size=(7, 5), mode="bilinear"),
    case(f64(1, 2, 4, 3), size=(7, 5), mode="bilinear", tolerance=1e-12),
    case(f32(1, 2, 4, 3), scale_factor=2, mode="bilinear", align_corners=True),
    case(f32(1, 2, 4, 3), size=(7, 5), mode="bicubic", grad=1),
    case(f32(1, 1, 3, 2, 4), size=(2, 4, 5), mode="trilinear"),
    case(bf16(1, 2, 4, 3), size=(7, 5), mode="bilinear", grad=False),
    case(u8(1, 3, 9, 11), size=(13, 8), mode="bilinear"),
    case(u8(1, 3, 9, 11), size=(5, 23), mode="bilinear", align_corners=True),
    case(u8(2, 3, 9, 11), size=(20, 7), mode="bicubic"),
    case(f32(1, 1, 3, 2, 4), scale_factor=2),
    raises(RuntimeError, f32(1, 2, 4, 3), size=(0, 5), mode="bilinear", match="should be greater than 0"),
])  # fmt: skip

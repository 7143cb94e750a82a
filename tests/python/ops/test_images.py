"""Operators over planes: transposed convolutions, pooling to a size, unpooling, windows as columns."""

from .harness import case, f32, given, op, raises

op(
    "conv_transpose1d",
    [
        case(f32(2, 3, 5), f32(3, 2, 4), f32(2), tolerance=1e-4),
        case(f32(3, 5), f32(3, 2, 3), None, 2, 1, 1, tolerance=1e-4),
        case(f32(1, 6, 5), f32(6, 2, 3), f32(4), 1, 2, 2, 2, 3, tolerance=1e-4),  # output padding beyond the stride
        raises(RuntimeError, f32(2, 3, 5), f32(3, 2, 4), None, 1, 0, 1, match="output padding must be smaller than"),
        raises(RuntimeError, f32(2, 3, 5), f32(4, 2, 4), match="to have 4 channels, but got 3 channels instead"),
        raises(RuntimeError, f32(5), f32(4, 2, 4), match="Expected 2D .unbatched. or 3D .batched. input"),
    ],
)
op("conv_transpose2d", [case(f32(1, 2, 3, 4), f32(2, 3, 3, 2), f32(3), (2, 1), (1, 0), (1, 0), tolerance=1e-4)])
op("conv_transpose3d", [case(f32(1, 2, 3, 4, 2), f32(2, 1, 2, 3, 2), f32(1), 2, tolerance=1e-4)])
op("conv_tbc", [case(f32(5, 2, 3), f32(3, 3, 4), f32(4), 1, tolerance=1e-4)])
op(
    "nn.functional.adaptive_max_pool1d",
    [case(f32(2, 3, 7), 3, grad=1), case(f32(3, 4), 6, grad=1), case(f32(2, 3, 7), 3, return_indices=True, grad=1)],
)
op(
    "nn.functional.adaptive_max_pool2d",
    [
        case(f32(2, 3, 7, 5), (3, None), grad=1),
        case(given([[[1.0, float("nan")], [2.0, 3.0]]]), 1, grad=False),
        raises(RuntimeError, f32(2, 0, 3, 4), 2, match="Expected input to have non-zero size for non-batch"),
    ],
)
op("nn.functional.adaptive_max_pool3d", [case(f32(2, 3, 4, 5), (2, 3, 2), return_indices=True, grad=1)])
op(
    "nn.functional.avg_pool3d",
    [
        case(f32(2, 5, 3, 4), (3, 2, 1), stride=1, padding=(1, 0, 0), grad=1),
        case(f32(2, 5, 3, 4), (3, 2, 1), stride=1, padding=(1, 1, 0), count_include_pad=False, grad=1),
        case(f32(2, 5, 3, 4), (2, 1, 1), stride=(2, 1, 1), divisor_override=3, grad=1),
        case(f32(2, 5, 3, 4), 2, grad=1),
    ],
)
op("nn.functional.local_response_norm", [case(f32(2, 7, 3, 4), 5), case(f32(2, 7, 4), 2)])
op(
    "nn.functional.max_unpool1d",
    [
        case(f32(2, 3), given([[1, 2, 5], [0, 3, 4]]), 2),
        raises(RuntimeError, f32(1, 2), given([[0, 9]]), 2, match="Found an invalid max index: 9"),
    ],
)
op("nn.functional.max_unpool2d", [case(f32(1, 2, 2), given([[[0, 3], [9, 14]]]), 2, output_size=(5, 4))])
op("nn.functional.max_unpool3d", [case(f32(1, 1, 1, 2), given([[[[0, 7]]]]), 2)])
op(
    "nn.functional.unfold",
    [
        case(f32(2, 3, 5, 4), (2, 3)),
        case(f32(3, 5, 7), 3, dilation=2, padding=2, stride=(1, 3)),
        raises(RuntimeError, f32(2, 3, 2, 2), 3, match="its components must be at least one"),
    ],
)
op(
    "nn.functional.fold",
    [
        case(f32(2, 12, 12), (5, 4), 2),
        case(f32(12, 9), (4, 5), 2, padding=1, stride=2),
        raises(RuntimeError, f32(2, 12, 11), (5, 4), 2, match="to match the calculated number of sliding blocks 4 . 3"),
    ],
)

image, volume = f32(2, 3, 5, 4), f32(1, 2, 3, 4, 3)
places, places3d = f32(2, 3, 4, 2, low=-1.3, high=1.3), f32(1, 2, 2, 3, 3, low=-1.3, high=1.3)
op(
    "nn.functional.grid_sample",
    [
        *[
            case(image, places, mode=mode, padding_mode=padding, align_corners=corners, grad=1)
            for mode in ("bilinear", "nearest", "bicubic")
            for padding in ("zeros", "border", "reflection")
            for corners in (False, True)
        ],
        *[
            case(volume, places3d, mode=mode, padding_mode=padding, align_corners=False, grad=1)
            for mode in ("bilinear", "nearest")
            for padding in ("zeros", "reflection")
        ],
        # More places than one block holds.
        case(image, f32(2, 9, 11, 2, low=-2, high=2), align_corners=False, grad=1),
        case(image, f32(2, 9, 11, 2, low=-2, high=2), padding_mode="border", align_corners=True, grad=1),
        case(
            given([[[[float("inf"), 1.0], [2.0, 3.0]]]]),
            f32(1, 3, 4, 2, low=-2, high=2),
            align_corners=False,
            grad=False,
        ),
        raises(RuntimeError, volume, places3d, mode="bicubic", align_corners=True, match="only supports 4D input"),
        raises(RuntimeError, image, places3d, align_corners=True, match="with same number of dimensions"),
    ],
)
op(
    "nn.functional.affine_grid",
    [
        case(f32(2, 2, 3), (2, 1, 3, 4), align_corners=False),
        case(f32(1, 3, 4), (1, 1, 2, 3, 4), align_corners=True),
        case(f32(2, 3, 4), (2, 1, 1, 3, 2), align_corners=False),
    ],
)

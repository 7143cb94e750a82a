"""Where PyTorch rounds half types: sums in float, but operands, weights, moments and logarithms kept in the half type."""

import torch

from .harness import bf16, case, f16, f32, given, i64, op


def halves(*args, tolerance=0, **kwargs):
    """The case for bfloat16 and for float16, bits compared unless a tolerance says otherwise: h(*shape) stands for the input of either type."""
    return [
        case(*(a(make) if callable(a) else a for a in args), grad=False, tolerance=tolerance, **kwargs)
        for make in (bf16, f16)
    ]


def h(*shape, **limits):
    return lambda make: make(*shape, **limits)


op("add", [*halves(h(64), 2.7), *halves(h(64), h(64), alpha=1.7), *halves(h(64), i64(64, low=999, high=4000))])
op("rsub", halves(h(64), 2.7))
op("mul", [*halves(h(64), 2.7), *halves(h(64), f32())])
op("div", [*halves(h(64), 2.7), *halves(h(64), h(64), rounding_mode="trunc")])
op("remainder", halves(h(64), 2.7))
op("pow", halves(h(64, low=0.1), 2.7))
op("lerp", halves(h(64), h(64), 0.37))
op("addr", halves(h(4, 5), h(4), h(5), alpha=0.6, beta=0.2))
op("linspace", [case(-2, 4, 50, dtype=torch.bfloat16, grad=False, tolerance=0)])
op("log_softmax", [*halves(h(20, 3), 1), *halves(h(20, 3), 0)])
op("renorm", halves(h(3, 4), 2, 0, 1.0))
op("histc", halves(h(300), 100, -1.5, 1.7))
op("sort", [*halves(h(200)), *halves(h(200), descending=True), case(i64(9, 200, low=0, high=2), stable=True)])
op("native_batch_norm", halves(h(5, 5, 5), h(5), h(5), None, None, True, 0.1, 1e-5, tolerance=1e-2))
op("nn.functional.adaptive_avg_pool3d", [*halves(h(3, 4, 7, 8, 9), (3, 5, 7)), *halves(h(3, 4, 7, 8, 9), 1)])
op(
    "nn.functional.interpolate",
    [
        *halves(h(2, 3, 4), size=6, mode="linear", tolerance=2e-3),
        *halves(h(2, 3, 4, 5), size=(6, 7), mode="bilinear", tolerance=2e-3),
        *halves(h(2, 3, 4, 5), size=(6, 7), mode="bicubic", tolerance=2e-3),
        *halves(h(2, 3, 4, 3, 5), size=(6, 7, 4), mode="trilinear", tolerance=2e-3),
    ],
)
op(
    "nn.functional.embedding_bag",
    halves(given([0, 2, 1, 1, 3, 0]), h(4, 9), given([0, 2]), mode="mean", tolerance=1e-2),
)
op("nn.functional.grid_sample", [case(bf16(1, 2, 5, 5), bf16(1, 3, 3, 2), grad=False, tolerance=0.1)])

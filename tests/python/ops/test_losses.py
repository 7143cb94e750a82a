from .harness import case, f32, f64, given, i64, op, raises

p = f32(5, 4, low=0.05, high=0.95)
q = f32(5, 4, low=0.05, high=0.95)
labels = given([0, 3, 1, 2, 3])
maps = i64(5, 3, low=0, high=4)
signs = given([1.0, -1.0, 1.0, 1.0, -1.0])
weight = f32(4, low=0.5, high=2.0)

op(
    "nn.functional.cross_entropy",
    [
        case(f32(5, 4), labels),
        case(f32(5, 4), labels, weight=weight, ignore_index=3, grad=False),
        case(f32(5, 4), labels, label_smoothing=0.1, weight=weight, grad=False),
        case(f32(5, 4, 3), maps, reduction="none"),
        case(f32(5, 4, 3), maps, reduction="sum", label_smoothing=0.2),
        case(f32(4), given(2)),
        case(f32(5, 4), p),
        case(f32(5, 4), p, weight=weight, label_smoothing=0.1),
        case(f32(4), f32(4, low=0.1, high=0.9), reduction="sum"),
        raises(IndexError, f32(5, 4), given([0, 4, 1, 2, 3]), match="Target 4 is out of bounds."),
        raises(ValueError, f32(5, 4), given([0, 1]), match="Expected input batch_size"),
        raises(RuntimeError, f32(5, 4), labels, label_smoothing=2.0, match="label_smoothing must be between"),
    ],
)
op(
    "nn.functional.nll_loss",
    [
        case(f32(5, 4), labels),
        case(f32(5, 4), labels, weight=weight, reduction="none", grad=False),
        case(f32(5, 4, 3), maps, ignore_index=1),
        case(f32(4), given(2)),
        raises(
            RuntimeError,
            f32(5, 4),
            labels,
            weight=f32(3),
            match="weight tensor should be defined either for all 4 classes",
        ),
        raises(RuntimeError, f32(5, 4), labels, weight=f64(4), match="expected scalar type Float but found Double"),
    ],
)
for name in ("mse_loss", "l1_loss", "smooth_l1_loss", "huber_loss", "soft_margin_loss"):
    op(f"nn.functional.{name}", [
        case(f32(5, 4), f32(5, 4), grad=0 if name == "soft_margin_loss" else 2),
        case(f32(5, 4), f32(5, 4), reduction="sum", grad=False),
        case(f32(5, 4), f32(5, 4), reduction="none", grad=False),
    ])  # fmt: skip
op(
    "nn.functional.binary_cross_entropy",
    [
        case(p, q),
        case(p, q, weight=q, reduction="none", grad=False),
        case(given([0.0, 1.0]), given([0.5, 1.0]), grad=False),  # log 0 is taken as -100
        raises(RuntimeError, given([1.5]), given([1.0]), match="all elements of input should be between 0 and 1"),
    ],
)
op(
    "nn.functional.binary_cross_entropy_with_logits",
    [
        case(f32(5, 4), q),
        case(f32(5, 4), q, pos_weight=weight, reduction="sum", grad=False),
        case(given([200.0, -200.0]), given([0.0, 1.0]), grad=False),  # no overflow
    ],
)
op(
    "nn.functional.kl_div",
    [
        case(f32(5, 4), q, reduction="batchmean", grad=1),
        case(f32(5, 4), f32(5, 4), reduction="sum", log_target=True),
        case(f32(3), given([0.0, 1.0, 0.5]), reduction="none", grad=False),  # 0 log 0 is 0
        case(f32(2), given([-1.0, 0.5]), reduction="none", grad=False),  # NaN of a negative target
    ],
)
op("nn.functional.poisson_nll_loss", [case(f32(5, 4), q, full=True), case(p, q, log_input=False)])
op("nn.functional.margin_ranking_loss", [case(f32(5), f32(5), signs, margin=0.3)])
op("nn.functional.hinge_embedding_loss", [case(f32(5), signs, margin=0.5, grad=False)])
op(
    "nn.functional.cosine_embedding_loss",
    [
        case(f32(5, 4), f32(5, 4), signs, margin=0.1, grad=False),
        raises(RuntimeError, f32(5), f32(5), signs, match="1D target tensor expects 2D input tensors"),
    ],
)
op("nn.functional.triplet_margin_loss", [case(f32(5, 4), f32(5, 4), f32(5, 4), swap=True, grad=1)])
op("nn.functional.pairwise_distance", [case(f32(5, 4), f32(5, 4), grad=1), case(f32(4), f32(4), keepdim=True, grad=1)])
op(
    "nn.functional.cosine_similarity",
    [
        case(f32(5, 4), f32(5, 4), grad=1),
        case(f32(5, 4), f32(5, 4), dim=0, grad=False),
        case(f32(1, 3, 2), f32(2, 1, 2), dim=0, grad=1),  # broadcast first
    ],
)

op(
    "nn.functional.multi_margin_loss",
    [
        case(f32(5, 4), labels, grad=1),
        case(f32(5, 4), labels, p=2, margin=0.7, weight=weight, reduction="none", grad=False),
        case(f32(4), given(2), reduction="sum", grad=1),
        raises(ValueError, f32(5, 4), labels, p=3, match="only p == 1 and p == 2 supported"),
        raises(RuntimeError, f32(2, 4), given([0, 4]), match="'target' is out of range"),
    ],
)
op(
    "nn.functional.multilabel_margin_loss",
    [
        case(f32(2, 4), given([[3, 0, -1, 1], [2, -1, -1, -1]]), grad=1),
        case(f32(2, 4), given([[3, 0, 1, 2], [-1, 0, 1, 2]]), reduction="none", grad=1),
        case(f32(4), given([1, -1, 0, 0]), reduction="sum", grad=1),
        raises(RuntimeError, f32(2, 4), given([[0, 1]]), match="inconsistent target size"),
    ],
)
scores = f32(6, 3, 5)
op(
    "nn.functional.ctc_loss",
    [
        case(scores, given([[1, 2], [2, 2], [4, 1]]), given([6, 5, 4]), given([2, 2, 1]), grad=1, meta=False),
        case(scores, given([1, 2, 2, 4]), (6, 6, 6), (2, 0, 2), reduction="none", grad=1),
        case(scores, given([[1, 1], [2, 3], [4, 1]]), (6, 2, 0), (2, 2, 2), zero_infinity=True, grad=1),
        case(f32(6, 5), given([1, 2]), given(6), given(2), blank=3, reduction="sum", grad=1, meta=False),
        raises(RuntimeError, scores, given([1, 2]), (7, 6, 6), (1, 1, 0), match="to have value at most 6"),
        raises(RuntimeError, scores, given([1, 2]), (6, 6), (1, 1, 0), match="must be of size batch_size"),
    ],
)
op(
    "cdist",
    [
        *[case(f32(2, 3, 4), f32(5, 4), p, grad=1) for p in (0.0, 0.5, 1.0, 2.0, 3.0)],
        case(f32(3, 4), f32(5, 4), float("inf"), grad=1),
        case(f32(30, 4), f32(2, 4), tolerance=1e-4, grad=1),
        case(given([[1.0, 2.0]]), given([[1.0, 2.0], [3.0, 1.0]]), grad=1),
        raises(RuntimeError, f32(3, 4), f32(3, 5), match="X1 and X2 must have the same number of columns. X1: 4 X2: 5"),
    ],
)
op(
    "pdist",
    [
        *[case(f32(4, 3), p, grad=1) for p in (0.0, 0.5, 1.0, 2.0, 3.0, float("inf"))],
        *[case(f32(5, 37), p, tolerance=1e-5, grad=1) for p in (1.0, 2.0, 2.5, float("inf"))],
        case(given([[1.0, 2.0], [1.0, 2.0], [3.0, 1.0]]), grad=1),
        case(given([[1.0, float("nan"), 2.0], [1.0, 5.0, 2.0]]), float("inf"), grad=False),
        case(f32(1, 3), grad=False),
        raises(RuntimeError, f32(3), match="only supports 2D tensors"),
    ],
)
op(
    "bilinear",
    [
        case(f32(2, 3, 4), f32(2, 3, 5), f32(6, 4, 5), f32(6), tolerance=1e-4),
        case(f32(4), f32(5), f32(6, 4, 5), tolerance=1e-4),
        raises(RuntimeError, f32(2, 3), f32(3, 4), f32(5, 3, 4), match="do not match at dim 0: got 2 and 3"),
    ],
)

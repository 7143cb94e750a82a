"""Cross entropy of logits that are a linear map of the input."""

from __future__ import annotations

from typing import Any

import rushlight as rl
from rushlight import Tensor

from .linear import linear
from .loss import cross_entropy

__all__ = ["linear_cross_entropy"]


def linear_cross_entropy(
    input: Tensor,
    linear_weight: Tensor,
    target: Tensor,
    *,
    linear_bias: Tensor | None = None,
    weight: Tensor | None = None,
    reduction: str = "mean",
    ignore_index: int | None = None,
    label_smoothing: float = 0.0,
    options: Any = None,
) -> Tensor:
    """``cross_entropy(linear(input, linear_weight, linear_bias), target, ...)``, in pieces of the batch if asked for.

    Args:
        input: ``(in_features)`` or ``(N, in_features)``.
        linear_weight: ``(C, in_features)``, or ``(C, d1, ..., in_features)`` for logits of ``(N, C, d1, ...)``.
        linear_bias: of the weight's shape without its last dimension.
        options: a LinearCrossEntropyOptions; then the logits of all samples are never in memory at once. Only the first
            derivative can be taken so.

    >>> import rushlight as torch
    >>> torch.nn.functional.linear_cross_entropy(torch.zeros(2, 3), torch.zeros(4, 3), torch.tensor([0, 1])).item()
    1.3862943649291992
    """
    if not rl.jit.is_scripting():
        _check(input, linear_weight, target, linear_bias, ignore_index)
    ignored = -100 if ignore_index is None else ignore_index
    if options is not None and input.dim() == 2 and linear_weight.dim() == 2 and reduction != "none":
        settings = {
            "weight": weight,
            "reduction": reduction,
            "ignore_index": ignored,
            "label_smoothing": label_smoothing,
        }
        return _Chunked.apply(input, linear_weight, linear_bias, target, settings, options)
    logits = _logits(input, linear_weight, linear_bias)
    return cross_entropy(
        logits, target, weight, ignore_index=ignored, reduction=reduction, label_smoothing=label_smoothing
    )


def _check(
    input: Tensor, linear_weight: Tensor, target: Tensor, linear_bias: Tensor | None, ignore_index: int | None
) -> None:
    if ignore_index is not None and target.is_floating_point():
        raise RuntimeError("ignore_index cannot be specified when target contains probabilities")
    if linear_weight.dim() < 2:
        raise RuntimeError(
            f"expected linear_weight of shape (C, in_features) or (C, d1, ..., in_features), got {tuple(linear_weight.shape)}"
        )
    if input.shape[-1:] != linear_weight.shape[-1:]:
        raise RuntimeError(
            f"expected equal input and linear_weight last dimensions (in_features), got {input.shape[-1]} and "
            f"{linear_weight.shape[-1]}, respectively"
        )
    if linear_weight.dim() > 2 and input.dim() != 2:
        raise RuntimeError(
            f"K-dimensional loss defined by linear_weight shape {tuple(linear_weight.shape)} requires batched input, "
            f"(N, {linear_weight.shape[-1]}), got unbatched input with shape {tuple(input.shape)}"
        )
    if linear_bias is not None and linear_bias.shape != linear_weight.shape[:-1]:
        raise RuntimeError(
            f"expected linear_bias shape {tuple(linear_weight.shape[:-1])}, got {tuple(linear_bias.shape)}"
        )


def _logits(input: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    flat = linear(input, weight.reshape(-1, weight.shape[-1]), None if bias is None else bias.reshape(-1))
    return flat if weight.dim() == 2 else flat.reshape([-1] + list(weight.shape[:-1]))


def _total_weight(target: Tensor, settings: dict[str, Any]) -> Any:
    """What the sum of losses is divided by to give their mean."""
    if target.is_floating_point():
        return target.shape[0]
    counted = target != settings["ignore_index"]
    weight = settings["weight"]
    if weight is None:
        return counted.sum()
    return weight[rl.where(counted, target, 0)].mul(counted).sum()


class _Chunked(rl.autograd.Function):
    """The gradients are computed with the loss, a piece of the batch after the other."""

    @staticmethod
    def forward(
        ctx: Any, input: Tensor, weight: Tensor, bias: Any, target: Tensor, settings: Any, options: Any
    ) -> Tensor:
        wants = ctx.needs_input_grad[:3]
        scale = 1.0 / _total_weight(target, settings) if settings["reduction"] == "mean" else 1.0
        summed = {**settings, "reduction": "sum"}
        half = weight.dtype in (rl.float16, rl.bfloat16)
        acc_dtype = options.acc_dtype or (rl.float32 if half and options.acc_policy != "compact" else weight.dtype)
        grads: list[Any] = [
            rl.zeros_like(input) if wants[0] else None,
            rl.zeros_like(weight, dtype=acc_dtype) if wants[1] else None,
            rl.zeros_like(bias, dtype=acc_dtype) if bias is not None and wants[2] else None,
        ]
        total = input.new_zeros((), dtype=rl.float32 if half else input.dtype)
        size = options._chunk_size(input.shape[0], input.shape[1], weight.shape[0])
        for start in range(0, input.shape[0], size):
            piece = slice(start, start + size)
            given = [
                t.detach().requires_grad_(w) if t is not None else None
                for t, w in zip((input[piece], weight, bias), wants)
            ]
            with rl.set_grad_enabled(any(wants)):
                loss = cross_entropy(_logits(*given), target[piece], **summed) * scale
            total += loss.detach()
            sources = [t for t in given if t is not None and t.requires_grad]
            if not sources:
                continue
            found = iter(rl.autograd.grad(loss, sources))
            for i, t in enumerate(given):
                if t is None or not t.requires_grad:
                    continue
                if i == 0:
                    grads[0][piece] = next(found)
                else:
                    grads[i] += next(found)
        kept = zip(grads, (input, weight, bias))
        ctx.grads = [None if g is None else g.to(t.dtype) for g, t in kept]
        return total.to(input.dtype)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple:
        if rl.is_grad_enabled():
            raise RuntimeError(
                "linear_cross_entropy: with options only the first derivative can be taken; use options=None"
            )
        return (*(None if g is None else g * grad for g in ctx.grads), None, None, None)

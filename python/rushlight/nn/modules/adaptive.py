"""A softmax over many classes whose rare ones cost less."""

from __future__ import annotations

from collections import namedtuple
from collections.abc import Sequence
from typing import Any

import rushlight as rl
from rushlight import Tensor

from .. import functional as F
from .container import ModuleList, Sequential
from .linear import Linear
from .module import Module

__all__ = ["AdaptiveLogSoftmaxWithLoss"]

_ASMoutput = namedtuple("_ASMoutput", ["output", "loss"])


class AdaptiveLogSoftmaxWithLoss(Module):
    """The log-probability of targets among classes sorted by frequency: rare ones in clusters of smaller width.

    Grave and others, Efficient softmax approximation for GPUs, 2017.

    Args:
        cutoffs: the classes before the first have a place in the head; each further cutoff ends a cluster.
        div_value: by how much each cluster is narrower than the one before.
        head_bias: whether the head has a bias.
    Shape: ``(N, in_features), (N,)`` or ``(in_features,), ()`` to the named tuple of ``output``, ``(N,)``, and ``loss``, its
        negative mean.

    >>> import rushlight as torch
    >>> softmax = torch.nn.AdaptiveLogSoftmaxWithLoss(8, n_classes=20, cutoffs=[5, 10])
    >>> softmax(torch.zeros(3, 8), torch.tensor([0, 7, 19])).output.shape
    torch.Size([3])
    """

    def __init__(
        self,
        in_features: int,
        n_classes: int,
        cutoffs: Sequence[int],
        div_value: float = 4.0,
        head_bias: bool = False,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        cutoffs = list(cutoffs)
        if len(cutoffs) == 0:
            raise ValueError("cutoffs should be a sequence of length larger than 0")
        if (
            cutoffs != sorted(set(cutoffs))
            or min(cutoffs) <= 0
            or max(cutoffs) > n_classes - 1
            or any(int(c) != c for c in cutoffs)
        ):
            raise ValueError(
                "cutoffs should be a sequence of unique, positive integers sorted in an increasing order, where each value "
                "is between 1 and n_classes-1"
            )
        self.in_features = in_features
        self.n_classes = n_classes
        self.cutoffs = [*cutoffs, n_classes]
        self.div_value = div_value
        self.head_bias = head_bias
        self.shortlist_size = self.cutoffs[0]
        self.n_clusters = len(self.cutoffs) - 1
        self.head_size = self.shortlist_size + self.n_clusters
        options = {"device": device, "dtype": dtype}
        self.head = Linear(in_features, self.head_size, bias=head_bias, **options)
        self.tail = ModuleList()
        for i in range(self.n_clusters):
            width = int(in_features // div_value ** (i + 1))
            size = self.cutoffs[i + 1] - self.cutoffs[i]
            self.tail.append(
                Sequential(
                    Linear(in_features, width, bias=False, **options), Linear(width, size, bias=False, **options)
                )
            )

    def reset_parameters(self) -> None:
        self.head.reset_parameters()
        for down, up in self.tail:  # type: ignore[misc]
            down.reset_parameters()
            up.reset_parameters()

    def forward(self, input_: Tensor, target_: Tensor) -> _ASMoutput:
        """The log-probability of each target, and the loss."""
        if target_.dim() not in (0, 1):
            raise RuntimeError("0D or 1D target tensor expected, multi-target not supported")
        if target_.dim() == 1 and (input_.dim() != 2 or input_.shape[0] != target_.shape[0]):
            raise RuntimeError("Input and target should have the same size in the batch dimension.")
        if target_.dim() == 0 and input_.dim() != 1:
            raise RuntimeError("0D target tensor expects 1D input tensor")
        batched = target_.dim() == 1
        input = input_ if batched else input_.unsqueeze(0)
        target = target_ if batched else target_.unsqueeze(0)
        if target.numel() and not bool(((target >= 0) & (target < self.n_classes)).all()):
            raise RuntimeError(
                f"Target values should be in [0, {self.n_classes - 1}], but values in range "
                f"[{target.min().item()}, {target.max().item()}] were found. "
            )
        log_head = F.log_softmax(self.head(input), dim=1)
        place = target.clone()  # in the head: of the class, or of its cluster
        output = input.new_zeros(target.shape[0])
        for i in range(self.n_clusters):
            low, high = self.cutoffs[i], self.cutoffs[i + 1]
            rows = ((target >= low) & (target < high)).nonzero().squeeze(1)
            if rows.numel() == 0:
                continue
            place[rows] = self.shortlist_size + i
            log_cluster = F.log_softmax(self.tail[i](input.index_select(0, rows)), dim=1)
            inside = log_cluster.gather(1, (target.index_select(0, rows) - low).unsqueeze(1)).squeeze(1)
            output = output.index_copy(0, rows, inside.to(output.dtype))
        output = output + log_head.gather(1, place.unsqueeze(1)).squeeze(1)
        loss = (-output).mean()
        return _ASMoutput(output if batched else output.squeeze(0), loss)

    def _full_log_prob(self, input: Tensor, head: Tensor) -> Tensor:
        log_head = F.log_softmax(head, dim=1)
        parts = [log_head[:, : self.shortlist_size]]
        for i in range(self.n_clusters):
            parts.append(F.log_softmax(self.tail[i](input), dim=1) + log_head[:, self.shortlist_size + i].unsqueeze(1))
        return rl.cat(parts, dim=1)

    def log_prob(self, input: Tensor) -> Tensor:
        """The log-probabilities of all classes: ``(N, in_features) -> (N, n_classes)``."""
        return self._full_log_prob(input, self.head(input))

    def predict(self, input: Tensor) -> Tensor:
        """The most probable classes: ``(N, in_features) -> (N,)``. Clusters are looked at only where one is ahead."""
        head = self.head(input)
        output = head.argmax(dim=1)
        rows = (output >= self.shortlist_size).nonzero().squeeze(1)
        if rows.numel():
            found = self._full_log_prob(input.index_select(0, rows), head.index_select(0, rows)).argmax(dim=1)
            output = output.index_copy(0, rows, found)
        return output

"""``torch.utils.mkldnn``: a copy of a model for inference on the CPU. PyTorch keeps such a model in a layout of its own, between
``x.to_mkldnn()`` and ``y.to_dense()``; here oneDNN's kernels take plain tensors, so both give the tensor itself."""

import copy

import rushlight as rl
from rushlight import nn

_WEIGHTED = (nn.Linear, nn.Conv1d, nn.Conv2d, nn.Conv3d, nn.PReLU)


def to_mkldnn(module: nn.Module, dtype: rl.dtype = rl.float) -> nn.Module:
    """A copy of `module` for inference: its linear and convolution layers and PReLU have weights of `dtype` (``torch.float``,
    ``torch.bfloat16`` or ``torch.half``), and no parameter asks for a gradient. Programs give it ``x.to_mkldnn()``, or
    ``x.to_mkldnn(dtype)``, and take ``.to_dense()`` of what it returns.

    Raises ``TypeError`` for another dtype and ``RuntimeError`` for batch normalisation that is training: call ``module.eval()`` first.

    >>> import rushlight as rl
    >>> from rushlight.utils import mkldnn
    >>> fast = mkldnn.to_mkldnn(rl.nn.Linear(3, 2))
    >>> fast(rl.ones(1, 3).to_mkldnn()).to_dense().shape
    torch.Size([1, 2])
    """
    if dtype not in (rl.float, rl.bfloat16, rl.half):
        raise TypeError(f"to_mkldnn: expected dtype torch.float, torch.bfloat16 or torch.half, got {dtype}")
    made = copy.deepcopy(module)
    for name, part in made.named_modules():
        if isinstance(part, nn.BatchNorm2d | nn.BatchNorm3d) and part.training:
            raise RuntimeError(
                f"to_mkldnn: batch normalisation{name and f' {name!r}'} is training; call module.eval() first"
            )
        if isinstance(part, _WEIGHTED):
            part.to(dtype)
    return made.requires_grad_(False)

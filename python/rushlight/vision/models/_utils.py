"""Outputs from the middle of a model."""

from __future__ import annotations

from collections import OrderedDict

from rushlight import Tensor, nn

from ._layers import make_divisible as _make_divisible  # noqa: F401  torchvision's name of it

__all__ = ["IntermediateLayerGetter"]


class IntermediateLayerGetter(nn.ModuleDict):
    """The children of a model up to the last one named; gives a dict of the named ones' outputs.

    Args:
        return_layers: names of children, and what their outputs are called.

    >>> from rushlight.vision import models
    >>> part = IntermediateLayerGetter(models.resnet18(), {"layer1": "a", "layer3": "b"})
    >>> import rushlight as torch
    >>> {k: tuple(v.shape) for k, v in part(torch.rand(1, 3, 64, 64)).items()}
    {'a': (1, 64, 16, 16), 'b': (1, 256, 4, 4)}
    """

    _version = 2

    def __init__(self, model: nn.Module, return_layers: dict[str, str]):
        wanted = {str(k): str(v) for k, v in return_layers.items()}
        if not set(wanted) <= {name for name, _ in model.named_children()}:
            raise ValueError(f"return_layers are not present in model: {sorted(wanted)}")
        layers, left = OrderedDict(), set(wanted)
        for name, module in model.named_children():
            layers[name] = module
            left.discard(name)
            if not left:
                break
        super().__init__(layers)
        self.return_layers = wanted

    def forward(self, x):
        out: dict[str, Tensor] = {}
        for name, module in self.items():
            x = module(x)
            if name in self.return_layers:
                out[self.return_layers[name]] = x
        return out

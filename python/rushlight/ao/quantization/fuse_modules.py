"""fuse_modules: layers that follow each other become one."""

from __future__ import annotations

import copy
from typing import Any

from ...nn import BatchNorm1d, BatchNorm2d, BatchNorm3d, Conv1d, Conv2d, Conv3d, Identity, Linear, ReLU
from ...nn.utils.fusion import fuse_conv_bn_eval, fuse_linear_bn_eval
from ..nn import intrinsic as nni

__all__ = [
    "fuse_conv_bn",
    "fuse_conv_bn_relu",
    "fuse_known_modules",
    "fuse_linear_bn",
    "fuse_modules",
    "fuse_modules_qat",
]

_DIMS = {Conv1d: 1, Conv2d: 2, Conv3d: 3}


def _conv_class(conv: Any, name: str) -> Any:
    return getattr(nni, f"{name}{_DIMS[type(conv)]}d")


def fuse_conv_bn(is_qat: bool, conv: Any, bn: Any) -> Any:
    """A convolution with the batch norm behind it: in its weights, or in training as one module."""
    if conv.training != bn.training:
        raise AssertionError("Conv and BN both must be in the same mode (train or eval).")
    return _conv_class(conv, "ConvBn")(conv, bn) if is_qat else fuse_conv_bn_eval(conv, bn)


def fuse_conv_bn_relu(is_qat: bool, conv: Any, bn: Any, relu: Any) -> Any:
    """A convolution, its batch norm and relu."""
    if is_qat:
        return _conv_class(conv, "ConvBnReLU")(conv, bn, relu)
    return _conv_class(conv, "ConvReLU")(fuse_conv_bn_eval(conv, bn), relu)


def fuse_linear_bn(is_qat: bool, linear: Any, bn: Any) -> Any:
    """A linear layer with the batch norm behind it."""
    return nni.LinearBn1d(linear, bn) if is_qat else fuse_linear_bn_eval(linear, bn)


_NORMS = (BatchNorm1d, BatchNorm2d, BatchNorm3d)


def fuse_known_modules(mod_list: list, is_qat: bool, additional_fuser_method_mapping: Any = None) -> list:
    """The module that stands for all, and an Identity for each of the others."""
    kinds = tuple("conv" if type(m) in _DIMS else "linear" if isinstance(m, Linear) else "norm" if isinstance(m, _NORMS)
                  else "relu" if isinstance(m, ReLU) else type(m).__name__ for m in mod_list)  # fmt: skip
    first = mod_list[0]
    if kinds == ("conv", "norm"):
        fused = fuse_conv_bn(is_qat, *mod_list)
    elif kinds == ("conv", "norm", "relu"):
        fused = fuse_conv_bn_relu(is_qat, *mod_list)
    elif kinds == ("conv", "relu"):
        fused = _conv_class(first, "ConvReLU")(*mod_list)
    elif kinds == ("linear", "relu"):
        fused = nni.LinearReLU(*mod_list)
    elif kinds == ("linear", "norm"):
        fused = fuse_linear_bn(is_qat, *mod_list)
    elif kinds == ("norm", "relu"):
        fused = (nni.BNReLU2d if isinstance(first, BatchNorm2d) else nni.BNReLU3d)(*mod_list)
    else:
        raise NotImplementedError(f"Cannot fuse modules: {[type(m) for m in mod_list]}")
    for hook in first._forward_pre_hooks.values():
        fused.register_forward_pre_hook(hook)
    first._forward_pre_hooks.clear()
    for hook in mod_list[-1]._forward_hooks.values():
        fused.register_forward_hook(hook)
    mod_list[-1]._forward_hooks.clear()
    rest = [Identity() for _ in mod_list[1:]]
    for identity in rest:
        identity.training = first.training
    return [fused, *rest]


def _fuse(model: Any, modules_to_fuse: list, is_qat: bool, inplace: bool) -> Any:
    if not inplace:
        model = copy.deepcopy(model)
    groups = [modules_to_fuse] if all(isinstance(m, str) for m in modules_to_fuse) else modules_to_fuse
    for names in groups:
        for name, new in zip(names, fuse_known_modules([model.get_submodule(n) for n in names], is_qat), strict=True):
            parent, _, last = name.rpartition(".")
            model.get_submodule(parent)._modules[last] = new
    return model


def fuse_modules(
    model: Any,
    modules_to_fuse: list,
    inplace: bool = False,
    fuser_func: Any = None,
    fuse_custom_config_dict: Any = None,
) -> Any:
    """Fuses lists of modules, given by their names, in a model in eval mode: conv + bn + relu, conv + relu, linear + relu, ...

    >>> model = torch.nn.Sequential(torch.nn.Linear(2, 2), torch.nn.ReLU()).eval()
    >>> type(torch.ao.quantization.fuse_modules(model, ["0", "1"])[0]).__name__
    'LinearReLU'
    """
    return _fuse(model, modules_to_fuse, False, inplace)


def fuse_modules_qat(
    model: Any,
    modules_to_fuse: list,
    inplace: bool = False,
    fuser_func: Any = None,
    fuse_custom_config_dict: Any = None,
) -> Any:
    """The same for a model in training."""
    return _fuse(model, modules_to_fuse, True, inplace)

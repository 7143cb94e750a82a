"""Quantising models module by module: observers are put in, fed, and replaced by layers on integers."""

from __future__ import annotations

import copy
from typing import Any

import rushlight as torch

from ...nn import Module, Sequential
from ..nn import intrinsic, qat
from ..nn import quantized as nnq
from ..nn.intrinsic import qat as nniqat
from ..nn.intrinsic import quantized as nniq
from ..nn.quantized import dynamic as nnqd
from .observer import (
    default_fixed_qparams_range_0to1_observer,
    default_fixed_qparams_range_neg1to1_observer,
)
from .qconfig import default_dynamic_qconfig, float16_dynamic_qconfig, float_qparams_weight_only_qconfig
from .stubs import DeQuantStub, QuantStub, QuantWrapper

__all__ = [
    "add_quant_dequant", "convert", "get_default_dynamic_quant_module_mappings", "get_default_qat_module_mappings",
    "get_default_static_quant_module_mappings", "prepare", "prepare_qat", "propagate_qconfig_", "quantize", "quantize_dynamic",
    "quantize_qat", "swap_module",
]  # fmt: skip

_nn = torch.nn
_STATIC: dict = {
    QuantStub: nnq.Quantize,
    DeQuantStub: nnq.DeQuantize,
    _nn.Linear: nnq.Linear,
    _nn.modules.linear.NonDynamicallyQuantizableLinear: nnq.Linear,
    _nn.Conv1d: nnq.Conv1d,
    _nn.Conv2d: nnq.Conv2d,
    _nn.Conv3d: nnq.Conv3d,
    _nn.ConvTranspose1d: nnq.ConvTranspose1d,
    _nn.ConvTranspose2d: nnq.ConvTranspose2d,
    _nn.ConvTranspose3d: nnq.ConvTranspose3d,
    _nn.BatchNorm2d: nnq.BatchNorm2d,
    _nn.BatchNorm3d: nnq.BatchNorm3d,
    _nn.Dropout: nnq.Dropout,
    _nn.ELU: nnq.ELU,
    _nn.Embedding: nnq.Embedding,
    _nn.EmbeddingBag: nnq.EmbeddingBag,
    _nn.GroupNorm: nnq.GroupNorm,
    _nn.Hardswish: nnq.Hardswish,
    _nn.InstanceNorm1d: nnq.InstanceNorm1d,
    _nn.InstanceNorm2d: nnq.InstanceNorm2d,
    _nn.InstanceNorm3d: nnq.InstanceNorm3d,
    _nn.LayerNorm: nnq.LayerNorm,
    _nn.LeakyReLU: nnq.LeakyReLU,
    _nn.PReLU: nnq.PReLU,
    _nn.ReLU6: nnq.ReLU6,
    nnq.FloatFunctional: nnq.QFunctional,
    intrinsic.ConvReLU1d: nniq.ConvReLU1d,
    intrinsic.ConvReLU2d: nniq.ConvReLU2d,
    intrinsic.ConvReLU3d: nniq.ConvReLU3d,
    intrinsic.ConvBn1d: nnq.Conv1d,
    intrinsic.ConvBn2d: nnq.Conv2d,
    intrinsic.ConvBn3d: nnq.Conv3d,
    intrinsic.ConvBnReLU1d: nniq.ConvReLU1d,
    intrinsic.ConvBnReLU2d: nniq.ConvReLU2d,
    intrinsic.ConvBnReLU3d: nniq.ConvReLU3d,
    intrinsic.LinearReLU: nniq.LinearReLU,
    qat.Linear: nnq.Linear,
    qat.Conv1d: nnq.Conv1d,
    qat.Conv2d: nnq.Conv2d,
    qat.Conv3d: nnq.Conv3d,
    nniqat.LinearReLU: nniq.LinearReLU,
    nniqat.ConvReLU1d: nniq.ConvReLU1d,
    nniqat.ConvReLU2d: nniq.ConvReLU2d,
    nniqat.ConvReLU3d: nniq.ConvReLU3d,
    nniqat.ConvBn1d: nnq.Conv1d,
    nniqat.ConvBn2d: nnq.Conv2d,
    nniqat.ConvBn3d: nnq.Conv3d,
    nniqat.ConvBnReLU1d: nniq.ConvReLU1d,
    nniqat.ConvBnReLU2d: nniq.ConvReLU2d,
    nniqat.ConvBnReLU3d: nniq.ConvReLU3d,
}
_QAT: dict = {
    _nn.Conv1d: qat.Conv1d,
    _nn.Conv2d: qat.Conv2d,
    _nn.Conv3d: qat.Conv3d,
    _nn.Linear: qat.Linear,
    intrinsic.ConvBn1d: nniqat.ConvBn1d,
    intrinsic.ConvBn2d: nniqat.ConvBn2d,
    intrinsic.ConvBn3d: nniqat.ConvBn3d,
    intrinsic.ConvBnReLU1d: nniqat.ConvBnReLU1d,
    intrinsic.ConvBnReLU2d: nniqat.ConvBnReLU2d,
    intrinsic.ConvBnReLU3d: nniqat.ConvBnReLU3d,
    intrinsic.ConvReLU1d: nniqat.ConvReLU1d,
    intrinsic.ConvReLU2d: nniqat.ConvReLU2d,
    intrinsic.ConvReLU3d: nniqat.ConvReLU3d,
    intrinsic.LinearReLU: nniqat.LinearReLU,
}
_DYNAMIC: dict = {
    _nn.Linear: nnqd.Linear,
    _nn.GRUCell: nnqd.GRUCell,
    _nn.GRU: nnqd.GRU,
    _nn.LSTM: nnqd.LSTM,
    _nn.LSTMCell: nnqd.LSTMCell,
    _nn.RNNCell: nnqd.RNNCell,
    _nn.Embedding: nnq.Embedding,
    _nn.EmbeddingBag: nnq.EmbeddingBag,
    intrinsic.LinearReLU: nnqd.Linear,
}
# Nothing observes what they give: it has the scale of what they get, or one that is known.
_UNOBSERVED = (_nn.Dropout, _nn.ReLU6, _nn.modules.pooling._MaxPoolNd, _nn.Identity)
_FIXED = {_nn.Hardsigmoid: default_fixed_qparams_range_0to1_observer, _nn.Sigmoid: default_fixed_qparams_range_0to1_observer,
          _nn.Softmax: default_fixed_qparams_range_0to1_observer, _nn.Tanh: default_fixed_qparams_range_neg1to1_observer}  # fmt: skip


def get_default_static_quant_module_mappings() -> dict:
    """Float classes, and those on quantised tensors that take their places."""
    return copy.copy(_STATIC)


def get_default_qat_module_mappings() -> dict:
    """Float classes, and those for training that is aware of quantisation."""
    return copy.copy(_QAT)


def get_default_dynamic_quant_module_mappings() -> dict:
    """Float classes, and those with packed weights that take floats."""
    return copy.copy(_DYNAMIC)


def propagate_qconfig_(
    module: Module, qconfig_dict: dict | None = None, prepare_custom_config_dict: Any = None
) -> None:
    """Gives each module the qconfig of its name, of its type, or of the one that it is in."""
    given = qconfig_dict or {}

    def walk(mod: Any, parent: Any, path: str) -> None:
        own = given.get(path, given.get(type(mod), given.get("", parent) if not path else parent))
        qconfig = getattr(mod, "qconfig", own)
        mod.qconfig = qconfig
        for name, child in mod.named_children():
            walk(child, qconfig, f"{path}.{name}" if path else name)

    walk(module, None, "")


def _observes(mod: Any) -> bool:
    mapped = type(mod) in _STATIC or type(mod) in _FIXED or isinstance(mod, intrinsic._FusedModule)
    return mapped and not isinstance(mod, (*_UNOBSERVED, DeQuantStub))


def _observe_output(self: Any, input: Any, output: Any) -> Any:
    return self.activation_post_process(output)


def _add_observers(mod: Any) -> None:
    for child in mod.children():
        if isinstance(child, nnq.FloatFunctional):
            if getattr(child, "qconfig", None) is not None:
                child.activation_post_process = child.qconfig.activation()
        elif getattr(child, "qconfig", None) is not None and _observes(child):
            _observe(child)
        elif not isinstance(child, intrinsic._FusedModule):
            _add_observers(child)
    if (
        not list(mod.children())
        and not isinstance(mod, Sequential)
        and getattr(mod, "qconfig", None) is not None
        and _observes(mod)
    ):
        _observe(mod)


def _observe(mod: Any) -> None:
    if hasattr(mod, "activation_post_process"):
        return
    fixed = _FIXED.get(type(mod))
    mod.add_module("activation_post_process", fixed() if fixed else mod.qconfig.activation())
    mod.register_forward_hook(_observe_output)


def prepare(
    model: Module, inplace: bool = False, allow_list: Any = None, observer_non_leaf_module_list: Any = None,
    prepare_custom_config_dict: Any = None,
) -> Any:  # fmt: skip
    """Puts observers into a model whose modules have a ``qconfig``: a copy, unless ``inplace``. Then feed it typical inputs."""
    if not inplace:
        model = copy.deepcopy(model)
    propagate_qconfig_(model)
    if not any(hasattr(m, "qconfig") and m.qconfig for m in model.modules()):
        import warnings

        warnings.warn(
            "None of the submodule got qconfig applied. Make sure you passed correct configuration through `qconfig_dict` or by assigning "
            "the `.qconfig` attribute directly on submodules",
            stacklevel=2,
        )
    _add_observers(model)
    return model


def prepare_qat(model: Module, mapping: dict | None = None, inplace: bool = False) -> Any:
    """Puts modules that round as quantised ones would into a model in training mode."""
    if not model.training:
        raise AssertionError("prepare_qat only works on models in training mode")
    if not inplace:
        model = copy.deepcopy(model)
    propagate_qconfig_(model)
    convert(model, mapping=mapping or _QAT, inplace=True, remove_qconfig=False)
    return prepare(model, inplace=True)


def swap_module(
    mod: Any, mapping: dict, custom_module_class_mapping: Any = None, use_precomputed_fake_quant: bool = False
) -> Any:
    """What takes the module's place, with its hooks; the module itself where the mapping hasn't its class."""
    if getattr(mod, "qconfig", None) is None or type(mod) not in mapping:
        return mod
    made = mapping[type(mod)]
    out = made.from_float(mod) if hasattr(made, "from_float") else made()
    out.training = mod.training
    for hook in mod._forward_pre_hooks.values():
        out.register_forward_pre_hook(hook)
    for hook in mod._forward_hooks.values():
        if hook is not _observe_output:
            out.register_forward_hook(hook)
    return out


def convert(
    module: Module, mapping: dict | None = None, inplace: bool = False, remove_qconfig: bool = True, is_reference: bool = False,
    convert_custom_config_dict: Any = None, use_precomputed_fake_quant: bool = False,
) -> Any:  # fmt: skip
    """Replaces what was observed by layers on quantised tensors: in a copy, unless ``inplace``."""
    if not inplace:
        module = copy.deepcopy(module)
    _convert(module, _STATIC if mapping is None else mapping)
    if remove_qconfig:
        _remove(module)
    return module


def _convert(module: Any, mapping: dict) -> None:
    for name, child in list(module.named_children()):
        if not isinstance(child, intrinsic._FusedModule) and type(child) not in mapping:
            _convert(child, mapping)
        setattr_of = swap_module(child, mapping)
        if setattr_of is not child:
            module._modules[name] = setattr_of


def _remove(module: Any) -> None:
    for child in module.children():
        _remove(child)
    for name in ("qconfig", "activation_post_process"):
        if name == "activation_post_process" and isinstance(module, (nnq.FloatFunctional, nnq.QFunctional)):
            continue
        module._modules.pop(name, None)
        module.__dict__.pop(name, None)
    for key, hook in list(module._forward_hooks.items()):
        if hook is _observe_output:
            del module._forward_hooks[key]


def quantize(model: Module, run_fn: Any, run_args: Any, mapping: dict | None = None, inplace: bool = False) -> Any:
    """prepare, ``run_fn(model, *run_args)``, convert."""
    if not inplace:
        model = copy.deepcopy(model)
    model.eval()
    prepare(model, inplace=True)
    run_fn(model, *run_args)
    return convert(model, mapping, inplace=True)


def quantize_qat(model: Module, run_fn: Any, run_args: Any, inplace: bool = False) -> Any:
    """prepare_qat, ``run_fn(model, *run_args)``, convert."""
    if not inplace:
        model = copy.deepcopy(model)
    model.train()
    prepare_qat(model, inplace=True)
    run_fn(model, *run_args)
    return convert(model, inplace=True)


def quantize_dynamic(
    model: Module,
    qconfig_spec: Any = None,
    dtype: Any = torch.qint8,
    mapping: dict | None = None,
    inplace: bool = False,
) -> Any:
    """Replaces linear and recurrent layers by those with weights of 8 bits or float16; inputs and outputs stay floats.

    Args:
        qconfig_spec: a set of classes or names of modules to replace, or a dict from these to qconfigs. Default: Linear, LSTM, GRU and cells.
        dtype: torch.qint8, torch.float16, or torch.quint8 for embeddings.

    >>> model = torch.nn.Sequential(torch.nn.Linear(4, 2))
    >>> torch.ao.quantization.quantize_dynamic(model)
    Sequential(
      (0): DynamicQuantizedLinear(in_features=4, out_features=2, dtype=torch.qint8, qscheme=torch.per_tensor_affine)
    )
    """
    choices = {torch.qint8: default_dynamic_qconfig, torch.float16: float16_dynamic_qconfig,
               torch.quint8: float_qparams_weight_only_qconfig}  # fmt: skip
    if dtype not in choices:
        raise ValueError(f"Don't know how to quantize with default settings for {dtype}. Provide full qconfig please")
    if qconfig_spec is None:
        embeddings = (_nn.Embedding, _nn.EmbeddingBag)
        recurrent = (_nn.Linear, _nn.LSTM, _nn.GRU, _nn.LSTMCell, _nn.RNNCell, _nn.GRUCell)
        qconfig_spec = set(embeddings if dtype is torch.quint8 else recurrent)
    if not isinstance(qconfig_spec, dict):
        qconfig_spec = dict.fromkeys(qconfig_spec, choices[dtype])
    if not inplace:
        model = copy.deepcopy(model)
    model.eval()
    propagate_qconfig_(model, qconfig_spec)
    return convert(model, _DYNAMIC if mapping is None else mapping, inplace=True)


def add_quant_dequant(module: Any) -> Any:
    """Puts each module that has a qconfig and no children between stubs."""
    if not list(module.children()) and getattr(module, "qconfig", None):
        return QuantWrapper(module)
    for name, child in module.named_children():
        module._modules[name] = add_quant_dequant(child)
    return module

"""What whole-module pickles of older PyTorch versions lack, by the class that has it now."""

from __future__ import annotations

from typing import Any

ADDED: dict[str, dict[str, Any]] = {
    "AvgPool1d": {"ceil_mode": False, "count_include_pad": True},
    "AvgPool2d": {"ceil_mode": False, "count_include_pad": True, "divisor_override": None},
    "AvgPool3d": {"ceil_mode": False, "count_include_pad": True, "divisor_override": None},
    "CTCLoss": {"zero_infinity": False},
    "CrossEntropyLoss": {"label_smoothing": 0.0, "ignore_index": -100},
    "Embedding": {"max_norm": None, "norm_type": 2.0, "scale_grad_by_freq": False, "sparse": False},
    "EmbeddingBag": {"include_last_offset": False, "padding_idx": None},
    "GELU": {"approximate": "none"},
    "GaussianNLLLoss": {"full": False, "eps": 1e-6},
    "Hardswish": {"inplace": False},
    "Mish": {"inplace": False},
    "MultiheadAttention": {"_qkv_same_embed_dim": True, "batch_first": False, "bias_k": None, "bias_v": None},
    "NLLLoss": {"ignore_index": -100},
    "PoissonNLLLoss": {"eps": 1e-8},
    "RNNBase": {"proj_size": 0},
    "SiLU": {"inplace": False},
    "Transformer": {"batch_first": False},
    "TransformerDecoderLayer": {"norm_first": False},
    "TransformerEncoder": {"enable_nested_tensor": True, "mask_check": True},
    "TransformerEncoderLayer": {"norm_first": False},
    "Upsample": {"align_corners": None},
    "_NormBase": {"affine": True, "track_running_stats": True},
}


def complete(module: Any) -> None:
    """Adds to a module that was made from a pickle what its version did not know yet."""
    own = module.__dict__
    for cls in type(module).__mro__:
        for name, value in ADDED.get(cls.__name__, {}).items():
            if not any(name in own.get(kind, ()) for kind in ("_parameters", "_buffers", "_modules")):
                own.setdefault(name, value)
        if cls.__name__ in _FIX:
            _FIX[cls.__name__](own)


def _loss(own: dict) -> None:
    """Losses before 0.4.1 had two flags."""
    if own.get("reduction") == "elementwise_mean":  # 0.4.1
        own["reduction"] = "mean"
    if "reduction" not in own:
        reduce, average = own.get("reduce", True), own.get("size_average", True)
        own["reduction"] = "none" if reduce is False else "mean" if average is not False else "sum"


def _rnn(own: dict) -> None:
    if "all_weights" in own:  # before 0.4: under the name that is a property now
        own["_all_weights"] = own.pop("all_weights")
    weights = own.get("_all_weights", [])
    if weights and weights[0] and not isinstance(weights[0][0], str):
        names = {id(p): name for name, p in own["_parameters"].items()}
        own["_all_weights"] = [[names[id(p)] for p in layer] for layer in weights]
    for name in ("_flat_weights", "_flat_weights_names", "_flat_weight_refs", "_data_ptrs", "_param_buf_size"):
        own.pop(name, None)


def _attention(own: dict) -> None:
    own.setdefault("kdim", own["embed_dim"])
    own.setdefault("vdim", own["embed_dim"])
    for name in ("in_proj_weight", "in_proj_bias", "q_proj_weight", "k_proj_weight", "v_proj_weight"):
        own["_parameters"].setdefault(name, None)


def _conv(own: dict) -> None:
    own.setdefault("padding_mode", "zeros")
    if "_reversed_padding_repeated_twice" not in own:  # before 1.5; a string of today's versions never comes without
        own["_reversed_padding_repeated_twice"] = [p for p in reversed(own["padding"]) for _ in range(2)]


def _norm(own: dict) -> None:
    for name in ("running_mean", "running_var", "num_batches_tracked"):  # the last one is of 0.4.1
        own["_buffers"].setdefault(name, None)


def _parameter_list(own: dict) -> None:
    own.setdefault("_size", len(own["_parameters"]))


def _parameter_dict(own: dict) -> None:
    own.setdefault("_keys", dict.fromkeys(own["_parameters"]))
    if not isinstance(own["_keys"], dict):
        own["_keys"] = dict.fromkeys(own["_keys"])


def _transformer_encoder(own: dict) -> None:
    own.setdefault("use_nested_tensor", own["enable_nested_tensor"])


_FIX = {
    "MultiheadAttention": _attention,
    "ParameterDict": _parameter_dict,
    "ParameterList": _parameter_list,
    "RNNBase": _rnn,
    "TransformerEncoder": _transformer_encoder,
    "_ConvNd": _conv,
    "_Loss": _loss,
    "_NormBase": _norm,
}

"""The messages of TensorBoard's plugins: hparams, pr_curves, custom_scalars, mesh.

Field numbers: tensorboard/plugins/*/*.proto, and google/protobuf/struct.proto for values of hyperparameters.
"""

from __future__ import annotations

import json
from typing import Any

from . import _protobuf as pb

_STRING, _BOOL, _FLOAT64 = 1, 2, 3  # hparams' DataType


def _struct_value(v: Any) -> bytes:
    """google.protobuf.Value: number_value 2, string_value 3, bool_value 4."""
    if isinstance(v, bool):
        return pb.integer(4, v)
    return pb.text(3, v) if isinstance(v, str) else pb.double(2, v)


def _plain(name: str, v: Any) -> bool | float | str:
    if hasattr(v, "item"):
        v = v.item()
    if isinstance(v, (bool, str)):
        return v
    if isinstance(v, (int, float)):
        return float(v)
    raise ValueError(
        f"value should be one of int, float, str, bool, or torch.Tensor, got {type(v).__name__} for {name!r}"
    )


def _value(tag: str, content: bytes) -> bytes:
    return pb.value(tag, b"", plugin="hparams", plugin_content=content)


def hparams(values: dict[str, Any], metrics: dict[str, Any], domains: dict[str, list[Any]] | None) -> list[bytes]:
    """What describes a run: the experiment, the start of the session, its end. HParamsPluginData 2, 3 and 4."""
    for name, argument in (("hparam_dict", values), ("metric_dict", metrics)):
        if not isinstance(argument, dict):
            raise TypeError(f"{name} should be a dictionary, got {type(argument).__name__}")
    domains = domains or {}
    if unknown := set(domains) - set(values):
        raise TypeError(f"parameter: hparam_domain_discrete[{sorted(unknown)[0]}] is not in hparam_dict")
    infos, session = b"", b""
    for name, v in values.items():
        if v is None:
            continue
        v = _plain(name, v)
        kind = _BOOL if isinstance(v, bool) else _STRING if isinstance(v, str) else _FLOAT64
        info = pb.text(1, name) + pb.integer(4, kind)
        if name in domains:
            choices = [_plain(name, d) for d in domains[name]]
            if any(type(d) is not type(v) for d in choices):
                raise TypeError(f"parameter: hparam_domain_discrete[{name}] should be a list of the type of its value")
            info += pb.message(5, b"".join(pb.message(1, _struct_value(d)) for d in choices))
        infos += pb.message(4, info)
        session += pb.map_entry(1, name, _struct_value(v))
    infos += b"".join(pb.message(5, pb.message(1, pb.text(2, m))) for m in metrics)
    return [
        _value("_hparams_/experiment", pb.message(2, infos)),
        _value("_hparams_/session_start_info", pb.message(3, session)),
        _value("_hparams_/session_end_info", pb.message(4, pb.integer(1, 1))),  # STATUS_SUCCESS
    ]


def pr_curve(tag: str, rows: Any) -> bytes:
    """Six rows by thresholds: true and false positives, true and false negatives, precision, recall."""
    data = pb.tensor([float(x) for row in rows for x in row], (6, len(rows[0])))
    return pb.value(tag, data, plugin="pr_curves", plugin_content=pb.integer(2, len(rows[0])))


def custom_scalars(layout: dict[str, dict[str, list[Any]]]) -> bytes:
    """Layout: category 2; Category: title 1, chart 2; Chart: title 1, multiline 2, margin 3."""
    data = b""
    for category, charts in layout.items():
        inner = b""
        for title, (kind, tags) in charts.items():
            chart = pb.text(1, title)
            if kind.lower() == "multiline":
                chart += pb.message(2, b"".join(pb.text(1, t) for t in tags))
            elif kind.lower() == "margin":
                if len(tags) != 3:
                    raise ValueError(
                        f"custom_scalars: a margin chart has 3 tags (value, lower, upper), got {len(tags)}"
                    )
                chart += pb.message(3, pb.message(1, b"".join(pb.text(i + 1, t) for i, t in enumerate(tags))))
            else:
                raise ValueError(f"custom_scalars: expected 'Multiline' or 'Margin', got {kind!r}")
            inner += pb.message(2, chart)
        data += pb.message(2, pb.text(1, category) + inner)
    return pb.string_tensor("custom_scalars__config__", [data], "custom_scalars", sizes=())


_CONTENT = {"VERTEX": 1, "FACE": 2, "COLOR": 3}


def mesh(tag: str, parts: dict[str, Any], config: dict | None) -> bytes:
    """MeshPluginData: name 2, content_type 3, json_config 5, shape 6, components 7. `parts` are arrays of shape (N, V, 3)."""
    components = sum(1 << _CONTENT[kind] for kind in parts)
    out = b""
    for kind, array in parts.items():
        about = pb.text(2, tag) + pb.integer(3, _CONTENT[kind]) + pb.text(5, json.dumps(config or {}, sort_keys=True))
        about += pb.message(6, b"".join(pb.varint(n) for n in array.shape)) + pb.integer(7, components)
        data = pb.tensor([float(x) for x in array.reshape(-1)], tuple(array.shape))
        out += pb.value(f"{tag}_{kind}", data, plugin="mesh", plugin_content=about)
    return out

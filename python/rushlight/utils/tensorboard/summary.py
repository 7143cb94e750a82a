"""Summaries as they are written, for writers that hand them to `FileWriter.add_summary` themselves, as Lightning's does.

Each is bytes, an encoded Summary; `SummaryWriter` makes and writes them in one call.
"""

from __future__ import annotations

from typing import Any

from . import _plugins as plugins
from . import _protobuf as pb

__all__ = ["hparams", "scalar", "text"]


def hparams(
    hparam_dict: dict[str, Any] | None = None,
    metric_dict: dict[str, Any] | None = None,
    hparam_domain_discrete: dict[str, list[Any]] | None = None,
) -> tuple[bytes, bytes, bytes]:
    """What describes a run by its hyperparameters: the experiment, the start of the session, its end.

    Args:
        hparam_dict: numbers, strings and booleans.
        metric_dict: the tags of the curves that say what came of them, by the numbers.
        hparam_domain_discrete: the values that a hyperparameter may have.

    Raises TypeError for what is no dictionary, ValueError for a value of another type.

    >>> [type(s).__name__ for s in hparams({"lr": 0.1}, {"accuracy": 0.9})]
    ['bytes', 'bytes', 'bytes']
    """
    experiment, start, end = plugins.hparams(hparam_dict or {}, metric_dict or {}, hparam_domain_discrete)
    return experiment, start, end


def scalar(
    name: str, tensor: Any, collections: Any = None, new_style: bool = False, double_precision: bool = False
) -> bytes:
    """A number of the curve `name`; `collections` changes nothing, as in PyTorch.

    >>> scalar("loss", 0.5)
    b'\\n\\x0b\\n\\x04loss\\x15\\x00\\x00\\x00?'
    """
    number = float(tensor.item() if hasattr(tensor, "item") else tensor)
    return pb.scalar(name, number, new_style=new_style or double_precision, double_precision=double_precision)


def text(tag: str, text: str) -> bytes:
    """A text, shown as Markdown."""
    return pb.string_tensor(tag + "/text_summary", [text], "text")

"""Names of models and of their weights: constructors made from tables, get_model, list_models, and checkpoints in local files."""

from __future__ import annotations

import enum
import fnmatch
import functools
import importlib
import importlib.util
import os
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from rushlight import hub, nn

_URL = "https://download.pytorch.org/models/"
_BUILDERS: dict[str, Callable] = {}
_OF_BUILDER: dict[Callable, type] = {}
# Modules of models that are imported when all names are asked for.
_MODULES = ("segmentation", "detection")


@dataclass
class Weights:
    """A checkpoint: where it comes from, and what prepares images for it."""

    url: str
    transforms: Callable
    meta: dict[str, Any]

    def __eq__(self, other: Any) -> bool:
        return isinstance(other, Weights) and self.url == other.url

    def __hash__(self) -> int:
        return hash(self.url)


class WeightsEnum(enum.Enum):
    """The checkpoints of a model; ``DEFAULT`` is the best of them."""

    @classmethod
    def verify(cls, obj: Any) -> Any:
        """A member given as itself, as its name or as "Class.NAME"; None stays None."""
        if obj is None or isinstance(obj, cls):
            return obj
        if isinstance(obj, str):
            return cls[obj.removeprefix(cls.__name__ + ".")]
        raise TypeError(
            f"Invalid Weight class provided; expected {cls.__name__} but received {obj.__class__.__name__}."
        )

    def get_state_dict(self, *args: Any, **kwargs: Any) -> Mapping[str, Any]:
        """Reads the checkpoint from the folder of checkpoints; there is no network, so the file has to be there."""
        file = os.path.join(hub.get_dir(), "checkpoints", os.path.basename(self.url))
        if not os.path.exists(file):
            raise RuntimeError(
                f"{self}: rushlight has no network; put {self.url} into {os.path.dirname(file)}, or make the model with weights=None"
            )
        kwargs.pop("progress", None)
        kwargs.pop("check_hash", None)
        return hub.load_state_dict_from_url(self.url, *args, **kwargs)

    def __repr__(self) -> str:
        return f"{self.__class__.__name__}.{self._name_}"

    @property
    def url(self) -> str:
        return self.value.url

    @property
    def transforms(self) -> Callable:
        return self.value.transforms

    @property
    def meta(self) -> dict[str, Any]:
        return self.value.meta


def _preset(words: list[str], task: str) -> Callable:
    """What "crop=224 resize=232 by=bicubic" says of how images are prepared."""
    options: dict[str, Any] = {}
    for word in words:
        key, value = word.split("=")
        if key in ("mean", "std"):
            options[key] = tuple(float(v) for v in value.split(","))
        elif key == "by":
            options["interpolation"] = value
        else:
            options[f"{key}_size"] = int(value)

    def transforms(**given: Any) -> Any:
        presets = importlib.import_module("rushlight.vision.transforms._presets")
        return getattr(presets, task)(**{**options, **given})

    return transforms


@functools.cache
def _tables() -> dict[str, tuple[str, str, list[list[str]]]]:
    """By model: the enum's name, its default, and the lines of its members."""
    from ._weights import TABLE

    out: dict[str, tuple[str, str, list[list[str]]]] = {}
    for line in TABLE.strip().splitlines():
        words = line.split()
        if not line.startswith(" "):
            current = out[words[0]] = (f"{words[1]}_Weights", words[2], [])
        else:
            current[2].append(words)
    return out


@functools.cache
def weights_of(name: str) -> type[WeightsEnum]:
    """The enum of a model's weights."""
    title, default, lines = _tables()[name]
    task = "ImageClassification"
    if any(part in name for part in ("fcn_", "deeplab", "lraspp")):
        task = "SemanticSegmentation"
    elif any(part in name for part in ("rcnn", "retinanet", "ssd", "fcos")):
        task = "ObjectDetection"
    members = {w[0]: Weights(_URL + w[1], _preset(w[2:], task), {"url": _URL + w[1]}) for w in lines}
    members["DEFAULT"] = members[default]
    made = WeightsEnum(title, members, module="rushlight.vision.models")  # type: ignore[call-overload]
    return made


def weights_getattr(module: str) -> Callable[[str], Any]:
    """The ``__getattr__`` of a module of models: its enums of weights are made when they are named."""

    def of(name: str) -> Any:
        found = weights_named(name) if name.endswith("_Weights") else None
        if found is None:
            raise AttributeError(f"module '{module}' has no attribute '{name}'")
        return found

    return of


def weights_named(title: str) -> type[WeightsEnum] | None:
    """The enum of that name: "ResNet18_Weights"."""
    for name, (known, _, _) in _tables().items():
        if known == title:
            return weights_of(name)
    return None


def register_model(name: str | None = None) -> Callable[[Callable], Callable]:
    """Decorates a constructor, so that :func:`get_model` finds it; by default under its own name.

    >>> @register_model("doc_model")
    ... def build(**config):
    ...     return nn.Identity()
    >>> get_model("doc_model")
    Identity()
    """

    def add(fn: Callable) -> Callable:
        key = fn.__name__ if name is None else name
        if key in _BUILDERS:
            raise ValueError(f"An entry is already registered under the name '{key}'.")
        _BUILDERS[key] = fn
        return fn

    return add


def _legacy(given: tuple, kwargs: dict, enum_of: Callable[[], type[WeightsEnum]]) -> None:
    """``pretrained=True`` and positional arguments of earlier versions become ``weights=``."""
    for old, new in (("pretrained", "weights"), ("pretrained_backbone", "weights_backbone")):
        if old in kwargs:
            on = kwargs.pop(old)
            warnings.warn(f"The parameter '{old}' is deprecated, please use '{new}' instead.", stacklevel=3)
            kwargs[new] = (
                ("DEFAULT" if on else None) if new == "weights_backbone" else (enum_of().DEFAULT if on else None)
            )
    for name, value in zip(("weights", "progress"), given):
        kwargs[name] = value
    if isinstance(kwargs.get("weights"), bool):
        kwargs["weights"] = enum_of().DEFAULT if kwargs["weights"] else None


def load_into(model: nn.Module, weights: WeightsEnum | None, rename: Callable[[str], str] | None = None) -> nn.Module:
    if weights is not None:
        state = weights.get_state_dict()
        if rename is not None:
            state = {rename(key): value for key, value in state.items()}
        model.load_state_dict(state)
    return model


def define(
    name: str,
    make: Callable[..., nn.Module],
    doc: str,
    *,
    adjust: Callable | None = None,
    rename: Callable | None = None,
) -> Callable:
    """A constructor ``name(*, weights=None, progress=True, **kwargs)`` around ``make(**kwargs)``.

    ``adjust(weights, kwargs)`` changes the arguments where there are weights; ``rename`` maps names in old checkpoints.
    """

    def build(*given: Any, **kwargs: Any) -> nn.Module:
        _legacy(given, kwargs, lambda: weights_of(name))
        weights = kwargs.pop("weights", None)
        if weights is not None:
            weights = weights_of(name).verify(weights)
        kwargs.pop("progress", None)
        if weights is not None and adjust is not None:
            adjust(weights, kwargs)
        return load_into(make(**kwargs), weights, rename)

    build.__name__ = build.__qualname__ = name
    build.__module__ = make.__module__
    build.__doc__ = (
        f"{doc}\n\nArgs:\n    weights: a member of {_tables()[name][0]}, or its name, whose file is read from the folder of "
        "checkpoints; None: random ones.\n    **kwargs: of the model's class, such as num_classes."
    )
    _OF_BUILDER[build] = name  # type: ignore[assignment]
    return register_model(name)(build)


def _all() -> dict[str, Callable]:
    for module in _MODULES:
        if importlib.util.find_spec(f"rushlight.vision.models.{module}"):
            importlib.import_module(f"rushlight.vision.models.{module}")
    return _BUILDERS


def list_models(module: Any = None, include: Any = None, exclude: Any = None) -> list[str]:
    """Names of the models, sorted.

    Args:
        module: only those of this module (``models.segmentation``).
        include, exclude: patterns with ``*``, one or several.

    >>> list_models(include="resnet*")
    ['resnet101', 'resnet152', 'resnet18', 'resnet34', 'resnet50']
    """
    names = {n for n, b in _all().items() if module is None or b.__module__.rpartition(".")[0] == module.__name__}
    patterns = [include] if isinstance(include, str) else list(include or ["*"])
    kept = {n for n in names if any(fnmatch.fnmatch(n, p) for p in patterns)}
    for p in [exclude] if isinstance(exclude, str) else exclude or []:
        kept -= set(fnmatch.filter(kept, p))
    return sorted(kept)


def get_model_builder(name: str) -> Callable:
    """The constructor of that name."""
    try:
        return _BUILDERS.get(name.lower()) or _all()[name.lower()]
    except KeyError:
        raise ValueError(f"Unknown model {name}") from None


def get_model(name: str, **config: Any) -> nn.Module:
    """A model by its name; ``config`` goes to its constructor.

    >>> type(get_model("squeezenet1_1", num_classes=4)).__name__
    'SqueezeNet'
    """
    return get_model_builder(name)(**config)


def get_model_weights(name: Any) -> type[WeightsEnum]:
    """The enum of a model's weights, by the model's name or constructor."""
    if callable(name):
        name = _OF_BUILDER.get(name, name.__name__)
    if name not in _tables():
        raise ValueError(f"Unknown model {name}")
    return weights_of(name)


def get_weight(name: str) -> WeightsEnum:
    """A member of such an enum by its whole name.

    >>> get_weight("ResNet50_Weights.IMAGENET1K_V2")
    ResNet50_Weights.IMAGENET1K_V2
    """
    title, dot, member = name.partition(".")
    if not dot:
        raise ValueError(f"Invalid weight name provided: '{name}'.")
    found = weights_named(title)
    if found is None:
        raise ValueError(f"The weight enum '{title}' for the specific method couldn't be retrieved.")
    return found[member]

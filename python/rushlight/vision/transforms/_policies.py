"""What the augmentations choose from: operations, their magnitudes, and AutoAugment's policies."""

from __future__ import annotations

import math
from typing import Any

import rushlight as torch


def apply_op(F: Any, img: Any, op: str, magnitude: float, interpolation: Any, fill: Any) -> Any:
    """The operation of that name; ``F`` has the functions."""
    if op in ("ShearX", "ShearY"):
        shear = math.degrees(math.atan(magnitude))
        return F.affine(
            img, 0.0, [0, 0], 1.0, [shear, 0.0] if op == "ShearX" else [0.0, shear], interpolation, fill, [0, 0]
        )
    if op in ("TranslateX", "TranslateY"):
        moved = [int(magnitude), 0] if op == "TranslateX" else [0, int(magnitude)]
        return F.affine(img, 0.0, moved, 1.0, [0.0, 0.0], interpolation, fill)
    if op == "Rotate":
        return F.rotate(img, magnitude, interpolation=interpolation, fill=fill)
    if op in _FACTORS:
        return getattr(F, _FACTORS[op])(img, 1.0 + magnitude)
    if op == "Posterize":
        return F.posterize(img, int(magnitude))
    if op == "Solarize":
        return F.solarize(img, magnitude)
    if op in ("AutoContrast", "Equalize", "Invert"):
        return getattr(F, op.lower())(img)
    if op == "Identity":
        return img
    raise ValueError(f"No transform available for {op}")


_FACTORS = {
    "Brightness": "adjust_brightness",
    "Color": "adjust_saturation",
    "Contrast": "adjust_contrast",
    "Sharpness": "adjust_sharpness",
}


def _space(bins: int, shear: float, move: Any, rotate: float, enhance: float, bits: Any, rows: str) -> dict[str, tuple]:
    """By operation its magnitudes, and whether they go both ways."""
    none = (torch.tensor(0.0), False)
    across, down = move
    made = {
        "Identity": none,
        "ShearX": (torch.linspace(0.0, shear, bins), True), "ShearY": (torch.linspace(0.0, shear, bins), True),
        "TranslateX": (torch.linspace(0.0, across, bins), True), "TranslateY": (torch.linspace(0.0, down, bins), True),
        "Rotate": (torch.linspace(0.0, rotate, bins), True),
        **{op: (torch.linspace(0.0, enhance, bins), True) for op in ("Brightness", "Color", "Contrast", "Sharpness")},
        "Posterize": (bits, False), "Solarize": (torch.linspace(255.0, 0.0, bins), False),
        "AutoContrast": none, "Equalize": none, "Invert": none,
    }  # fmt: skip
    return {op: made[op] for op in rows.split()}


_COMMON = "ShearX ShearY TranslateX TranslateY Rotate Brightness Color Contrast Sharpness Posterize Solarize AutoContrast Equalize"


def _bits(bins: int, by: int = 4) -> Any:
    return 8 - (torch.arange(bins) / ((bins - 1) / by)).round().int()


def auto_space(bins: int, height: int, width: int) -> dict[str, tuple]:
    return _space(
        bins, 0.3, (150.0 / 331.0 * width, 150.0 / 331.0 * height), 30.0, 0.9, _bits(bins), f"{_COMMON} Invert"
    )


def rand_space(bins: int, height: int, width: int) -> dict[str, tuple]:
    return _space(
        bins, 0.3, (150.0 / 331.0 * width, 150.0 / 331.0 * height), 30.0, 0.9, _bits(bins), f"Identity {_COMMON}"
    )


def trivial_space(bins: int) -> dict[str, tuple]:
    return _space(bins, 0.99, (32.0, 32.0), 135.0, 0.99, _bits(bins, 6), f"Identity {_COMMON}")


def mix_space(bins: int, height: int, width: int, all_ops: bool) -> dict[str, tuple]:
    rows = "ShearX ShearY TranslateX TranslateY Rotate Posterize Solarize AutoContrast Equalize"
    if all_ops:
        rows += " Brightness Color Contrast Sharpness"
    bits = 4 - (torch.arange(bins) / ((bins - 1) / 4)).round().int()
    return _space(bins, 0.3, (width / 3.0, height / 3.0), 30.0, 0.9, bits, rows)


def _pairs(text: str) -> list[tuple]:
    """Lines of "op probability level / op probability level"."""
    out = []
    for line in text.strip().splitlines():
        pair = []
        for part in line.split("/"):
            op, p, level = part.split()
            pair.append((op, float(p), None if level == "-" else int(level)))
        out.append(tuple(pair))
    return out


POLICIES = {
    "imagenet": _pairs("""
        Posterize 0.4 8 / Rotate 0.6 9
        Solarize 0.6 5 / AutoContrast 0.6 -
        Equalize 0.8 - / Equalize 0.6 -
        Posterize 0.6 7 / Posterize 0.6 6
        Equalize 0.4 - / Solarize 0.2 4
        Equalize 0.4 - / Rotate 0.8 8
        Solarize 0.6 3 / Equalize 0.6 -
        Posterize 0.8 5 / Equalize 1.0 -
        Rotate 0.2 3 / Solarize 0.6 8
        Equalize 0.6 - / Posterize 0.4 6
        Rotate 0.8 8 / Color 0.4 0
        Rotate 0.4 9 / Equalize 0.6 -
        Equalize 0.0 - / Equalize 0.8 -
        Invert 0.6 - / Equalize 1.0 -
        Color 0.6 4 / Contrast 1.0 8
        Rotate 0.8 8 / Color 1.0 2
        Color 0.8 8 / Solarize 0.8 7
        Sharpness 0.4 7 / Invert 0.6 -
        ShearX 0.6 5 / Equalize 1.0 -
        Color 0.4 0 / Equalize 0.6 -
        Equalize 0.4 - / Solarize 0.2 4
        Solarize 0.6 5 / AutoContrast 0.6 -
        Invert 0.6 - / Equalize 1.0 -
        Color 0.6 4 / Contrast 1.0 8
        Equalize 0.8 - / Equalize 0.6 -
    """),
    "cifar10": _pairs("""
        Invert 0.1 - / Contrast 0.2 6
        Rotate 0.7 2 / TranslateX 0.3 9
        Sharpness 0.8 1 / Sharpness 0.9 3
        ShearY 0.5 8 / TranslateY 0.7 9
        AutoContrast 0.5 - / Equalize 0.9 -
        ShearY 0.2 7 / Posterize 0.3 7
        Color 0.4 3 / Brightness 0.6 7
        Sharpness 0.3 9 / Brightness 0.7 9
        Equalize 0.6 - / Equalize 0.5 -
        Contrast 0.6 7 / Sharpness 0.6 5
        Color 0.7 7 / TranslateX 0.5 8
        Equalize 0.3 - / AutoContrast 0.4 -
        TranslateY 0.4 3 / Sharpness 0.2 6
        Brightness 0.9 6 / Color 0.2 8
        Solarize 0.5 2 / Invert 0.0 -
        Equalize 0.2 - / AutoContrast 0.6 -
        Equalize 0.2 - / Equalize 0.6 -
        Color 0.9 9 / Equalize 0.6 -
        AutoContrast 0.8 - / Solarize 0.2 8
        Brightness 0.1 3 / Color 0.7 0
        Solarize 0.4 5 / AutoContrast 0.9 -
        TranslateY 0.9 9 / TranslateY 0.7 9
        AutoContrast 0.9 - / Solarize 0.8 3
        Equalize 0.8 - / Invert 0.1 -
        TranslateY 0.7 9 / AutoContrast 0.9 -
    """),
    "svhn": _pairs("""
        ShearX 0.9 4 / Invert 0.2 -
        ShearY 0.9 8 / Invert 0.7 -
        Equalize 0.6 - / Solarize 0.6 6
        Invert 0.9 - / Equalize 0.6 -
        Equalize 0.6 - / Rotate 0.9 3
        ShearX 0.9 4 / AutoContrast 0.8 -
        ShearY 0.9 8 / Invert 0.4 -
        ShearY 0.9 5 / Solarize 0.2 6
        Invert 0.9 - / AutoContrast 0.8 -
        Equalize 0.6 - / Rotate 0.9 3
        ShearX 0.9 4 / Solarize 0.3 3
        ShearY 0.8 8 / Invert 0.7 -
        Equalize 0.9 - / TranslateY 0.6 6
        Invert 0.9 - / Equalize 0.6 -
        Contrast 0.3 3 / Rotate 0.8 4
        Invert 0.8 - / TranslateY 0.0 2
        ShearY 0.7 6 / Solarize 0.4 8
        Invert 0.6 - / Rotate 0.8 4
        ShearY 0.3 7 / TranslateX 0.9 3
        ShearX 0.1 6 / Invert 0.6 -
        Solarize 0.7 2 / TranslateY 0.6 7
        ShearY 0.8 4 / Invert 0.8 -
        ShearX 0.7 9 / TranslateY 0.8 3
        ShearY 0.8 5 / AutoContrast 0.7 -
        ShearX 0.7 2 / Invert 0.1 -
    """),
}

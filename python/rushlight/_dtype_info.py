"""finfo and iinfo: the limits of a dtype."""

from __future__ import annotations

from ._C import _dtypes, _scalar_types, dtype, get_default_dtype

# bits, eps, largest, smallest normal, decimal digits that survive
_FLOAT = {
    "float16": (16, 2.0**-10, 65504.0, 2.0**-14, 1e-3),
    "bfloat16": (16, 2.0**-7, (2 - 2.0**-7) * 2.0**127, 2.0**-126, 1e-2),
    "float32": (32, 2.0**-23, (2 - 2.0**-23) * 2.0**127, 2.0**-126, 1e-6),
    "float64": (64, 2.0**-52, (2 - 2.0**-52) * 2.0**1023, 2.0**-1022, 1e-15),
    "float8_e5m2": (8, 2.0**-2, 57344.0, 2.0**-14, 1.0),
    "float8_e4m3fn": (8, 2.0**-3, 448.0, 2.0**-6, 1.0),
    "float8_e5m2fnuz": (8, 2.0**-3, 57344.0, 2.0**-15, 1.0),
    "float8_e4m3fnuz": (8, 2.0**-3, 240.0, 2.0**-7, 1.0),
    "float8_e8m0fnu": (8, 1.0, 2.0**127, 2.0**-127, 1.0),
}


_OF_PYTHON = {float: _dtypes["float64"], complex: _dtypes["complex128"], int: _dtypes["int64"], bool: _dtypes["bool"]}


def _dtype(asked: str, type) -> dtype:
    found = _OF_PYTHON.get(type, type)
    if not isinstance(found, dtype):
        raise TypeError(f"{asked}(): argument 'type' (position 1) must be torch.dtype, not {found.__class__.__name__}")
    return found


def _name(type: dtype) -> str:
    return str(type).removeprefix("torch.")


class finfo:
    """Limits of a floating-point dtype (of a complex one's parts); of the default dtype if none is given."""

    def __init__(self, type: dtype | type[float | complex] | None = None):
        type = get_default_dtype() if type is None else _dtype("finfo", type)
        name = _name(type.to_real())
        if name not in _FLOAT:
            raise TypeError(f"torch.finfo() requires a floating point input type. Use torch.iinfo to handle '{type}'")
        self.dtype = name
        self.bits, self.eps, self.max, self.tiny, self.resolution = _FLOAT[name]
        self.min, self.smallest_normal = (-self.max if type.is_signed else self.tiny), self.tiny

    def __eq__(self, other) -> bool:
        return isinstance(other, finfo) and self.dtype == other.dtype

    def __hash__(self) -> int:
        return hash(self.dtype)

    def __repr__(self) -> str:
        values = ((k, f"{getattr(self, k):g}") for k in ("resolution", "min", "max", "eps", "smallest_normal", "tiny"))
        return "finfo(" + ", ".join(f"{k}={v}" for k, v in values) + f", dtype={self.dtype})"


class iinfo:
    """Limits of an integer dtype."""

    def __init__(self, type: dtype | type[int]):
        type = _dtype("iinfo", type)
        if type.is_floating_point or type.is_complex or type is _dtypes["bool"]:
            raise TypeError(f"torch.iinfo() requires an integer input type. Use torch.finfo to handle '{type}'")
        if _scalar_types[type].startswith("Q"):
            raise NotImplementedError(f"\"dtype\" not implemented for '{_scalar_types[type]}'")
        self.dtype = _name(type)
        self.bits = type.itemsize * 8
        self.min = -(1 << (self.bits - 1)) if type.is_signed else 0
        self.max = (1 << (self.bits - type.is_signed)) - 1

    def __eq__(self, other) -> bool:
        return isinstance(other, iinfo) and self.dtype == other.dtype

    def __hash__(self) -> int:
        return hash(self.dtype)

    def __repr__(self) -> str:
        return f"iinfo(min={self.min:g}, max={self.max:g}, dtype={self.dtype})"

"""Sizes that may vary: Dim, what dynamic_shapes says, and expressions for the sizes that follow from them."""

from __future__ import annotations

import itertools
from typing import Any

import rushlight as torch


class Dim:
    """A size that may vary, from ``min`` to ``max``; inputs that name one Dim have one size.

    ``Dim.AUTO`` and ``Dim.DYNAMIC`` are sizes without a name, each its own; ``Dim.STATIC`` is the example's.

    >>> import rushlight as torch
    >>> torch.export.Dim("batch", max=64)
    Dim('batch', min=0, max=64)
    """

    AUTO: Any
    DYNAMIC: Any
    STATIC: Any

    def __init__(self, name: str, *, min: int | None = None, max: int | None = None) -> None:
        if not isinstance(name, str) or not name.isidentifier():
            raise ValueError(f"Dim: expected a name that is an identifier, got {name!r}")
        self.__name__, self.min, self.max = name, 0 if min is None else min, max
        if max is not None and max <= self.min:
            raise ValueError(f"Dim '{name}': expected min < max, got {self.min} and {max}")

    def __repr__(self) -> str:
        return f"Dim({self.__name__!r}, min={self.min}, max={self.max})"


class _Hint:
    def __init__(self, name: str) -> None:
        self.name = name

    def __repr__(self) -> str:
        return f"Dim.{self.name}"


Dim.AUTO, Dim.DYNAMIC, Dim.STATIC = (_Hint(n) for n in ("AUTO", "DYNAMIC", "STATIC"))


def dims(*names: str, min: int | None = None, max: int | None = None) -> tuple[Dim, ...]:
    """A Dim for each name."""
    return tuple(Dim(n, min=min, max=max) for n in names)


class Symbol:
    def __init__(self, name: str, hint: int, low: int, high: int | None, dim: Any) -> None:
        self.name, self.hint, self.low, self.high, self.dim = name, hint, low, high, dim

    @property
    def text(self) -> str:
        return f"Symbol('{self.name}', positive=True, integer=True)"

    def others(self) -> list[int]:
        """Sizes that it might have instead, to see what depends on it."""
        near = [self.hint + d for d in (1, 2, 3, 5, 8, 16, -1, -2, -3)]
        return [v for v in near if v >= max(self.low, 1) and (self.high is None or v <= self.high)]


def symbols_of(spec: Any, names: list[str], args: tuple, kwargs: dict) -> dict[tuple, Symbol]:
    """{(path of a tensor among the arguments, dimension): symbol} for what ``dynamic_shapes`` says."""
    found: dict[tuple, Symbol] = {}
    named: dict[int, Symbol] = {}

    def visit(spec: Any, value: Any, path: tuple) -> None:
        if spec is None:
            return
        if isinstance(value, torch.Tensor):
            given = spec.items() if isinstance(spec, dict) else enumerate(spec)
            for d, dim in given:
                if dim is None or dim is Dim.STATIC or isinstance(dim, int):
                    if isinstance(dim, int) and dim != value.size(d):
                        raise ValueError(
                            f"export: dynamic_shapes says {dim} for dimension {d} of {path}, got shape {tuple(value.shape)}"
                        )
                    continue
                if not isinstance(d, int) or not 0 <= d < value.dim():
                    raise ValueError(
                        f"export: dynamic_shapes names dimension {d} of {path}, which has the shape {tuple(value.shape)}"
                    )
                if not isinstance(dim, (Dim, _Hint)):
                    raise TypeError(
                        f"export: expected a Dim, an int or None for dimension {d} of {path}, got {type(dim).__name__}"
                    )
                known = named.get(id(dim)) if isinstance(dim, Dim) else None
                if known is None:
                    low, high = (dim.min, dim.max) if isinstance(dim, Dim) else (0, None)
                    known = Symbol(f"s{len(set(found.values()))}", value.size(d), low, high, dim)
                    named[id(dim)] = known
                if known.hint != value.size(d):
                    raise ValueError(
                        f"export: {dim!r} is {known.hint} in one input, and {value.size(d)} in dimension {d} of {path}"
                    )
                if value.size(d) < known.low or (known.high is not None and value.size(d) > known.high):
                    raise ValueError(
                        f"export: {dim!r} doesn't allow for the size {value.size(d)} of dimension {d} of {path}"
                    )
                found[(path, d)] = known
        elif isinstance(value, dict) and isinstance(spec, dict):
            for k, v in spec.items():
                visit(v, value[k], (*path, k))
        elif isinstance(value, (list, tuple)) and isinstance(spec, (list, tuple)) and len(spec) == len(value):
            for i, (s, v) in enumerate(zip(spec, value, strict=True)):
                visit(s, v, (*path, i))
        else:
            raise ValueError(f"export: dynamic_shapes has for {path} no shape as the argument has: {spec!r}")

    if spec is None:
        return found
    if isinstance(spec, dict):
        for name, s in spec.items():
            if name in kwargs:
                visit(s, kwargs[name], (1, name))
            elif name in names and names.index(name) < len(args):
                visit(s, args[names.index(name)], (0, names.index(name)))
            else:
                raise ValueError(
                    f"export: dynamic_shapes names '{name}', which is no argument; there are {names[: len(args)] + list(kwargs)}"
                )
    else:
        if len(spec) != len(args) + len(kwargs):
            raise ValueError(f"export: dynamic_shapes has {len(spec)} items for {len(args) + len(kwargs)} arguments")
        for i, s in enumerate(spec):
            if i < len(args):
                visit(s, args[i], (0, i))
            else:
                name = list(kwargs)[i - len(args)]
                visit(s, kwargs[name], (1, name))
    return found


def samples_of(symbols: list[Symbol]) -> list[dict[str, int]]:
    """Choices of sizes: the example's first, then each symbol on its own, then all."""
    base = {s.name: s.hint for s in symbols}
    out = [base]
    for s in symbols:
        out += [{**base, s.name: v} for v in s.others()]
    if len(symbols) > 1:
        for k in range(2):
            out.append(
                {s.name: (s.others() or [s.hint])[(k + i) % max(1, len(s.others()))] for i, s in enumerate(symbols)}
            )
    return out


def _sum(parts: list[str]) -> str:
    return parts[0] if len(parts) == 1 else f"Add({', '.join(parts)})"


def _times(factor: int, text: str) -> str:
    return text if factor == 1 else f"Mul(Integer({factor}), {text})"


def expression(values: list[int], samples: list[dict[str, int]], symbols: list[Symbol]) -> str | None:
    """What gives these values for these samples: a sum of multiples, a product or a quotient of symbols. None: nothing was found."""

    def fits(f: Any) -> bool:
        return all(f(s) == v for s, v in zip(samples, values, strict=True))

    base, first = samples[0], values[0]
    slopes = {}
    for symbol in symbols:
        name = symbol.name
        for s, v in zip(samples, values, strict=True):
            if s[name] != base[name] and all(s[o] == base[o] for o in base if o != name):
                slope, rest = divmod(v - first, s[name] - base[name])
                slopes[name] = 0 if rest else slope
                break
    offset = first - sum(slopes.get(n, 0) * base[n] for n in base)
    if fits(lambda s: offset + sum(k * s[n] for n, k in slopes.items())):
        parts = [_times(slopes[y.name], y.text) for y in symbols if slopes.get(y.name)]
        return _sum(parts + ([f"Integer({offset})"] if offset or not parts else []))
    used = [
        y
        for y in symbols
        if len({v for s, v in zip(samples, values, strict=True) if all(s[o] == base[o] for o in base if o != y.name)})
        > 1
    ]
    for count in range(2, len(used) + 1):
        for some in itertools.combinations(used, count):
            product = 1
            for y in some:
                product *= base[y.name]
            factor, rest = divmod(first, product)
            if rest or not factor:
                continue

            def multiplied(s: dict[str, int], some: Any = some, factor: int = factor) -> int:
                for y in some:
                    factor *= s[y.name]
                return factor

            if fits(multiplied):
                inner = ", ".join(y.text for y in some)
                return f"Mul(Integer({factor}), {inner})" if factor != 1 else f"Mul({inner})"
    if len(used) == 1:
        y = used[0]
        for divisor in range(2, 65):
            for factor in (1, *range(2, 9)):
                for shift in range(-2 * divisor, 2 * divisor + 1):
                    if fits(lambda s, a=factor, b=shift, c=divisor: (a * s[y.name] + b) // c):
                        inner = _times(factor, y.text)
                        return f"FloorDiv({_sum([inner, f'Integer({shift})']) if shift else inner}, Integer({divisor}))"
    return None

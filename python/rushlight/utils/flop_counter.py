"""Counting the floating point operations of products, convolutions and attention; a product and a sum are two."""

from __future__ import annotations

import math
import warnings
from collections import defaultdict
from collections.abc import Callable, Iterable
from typing import Any

import rushlight as rl

from .._C import Tensor
from ._python_dispatch import TorchDispatchMode
from .module_tracker import ModuleTracker

__all__ = ["FlopCounterMode", "register_flop_formula"]

flop_registry: dict[Any, Callable] = {}


def _shape(value: Any) -> Any:
    if isinstance(value, Tensor):
        return value.shape
    return [_shape(v) for v in value] if isinstance(value, (list, tuple)) else value


def _of_shapes(formula: Callable) -> Callable:
    def of_shapes(*args: Any, out_val: Any = None, **kwargs: Any) -> int:
        shapes = [_shape(a) for a in args]
        return formula(*shapes, **{k: _shape(v) for k, v in kwargs.items()}, out_shape=_shape(out_val))

    return of_shapes


def register_flop_formula(targets: Any, get_raw: bool = False) -> Callable[[Callable], Callable]:
    """A decorator for the formula of operators: (shapes of the arguments, *, out_shape) -> number. `get_raw`: the arguments themselves."""

    def register(formula: Callable) -> Callable:
        for target in targets if isinstance(targets, Iterable) and not isinstance(targets, str) else (targets,):
            flop_registry[_name(target)] = formula if get_raw else _of_shapes(formula)
        return formula

    return register


def _name(target: Any) -> str:
    return (
        (target if isinstance(target, str) else str(target))
        .removeprefix("aten.")
        .removeprefix("aten::")
        .partition(".")[0]
    )


@register_flop_formula("mm")
def _mm(a: Any, b: Any, *_: Any, out_shape: Any = None, **__: Any) -> int:
    return 2 * a[0] * a[1] * b[1]


@register_flop_formula("addmm")
def _addmm(bias: Any, a: Any, b: Any, *_: Any, out_shape: Any = None, **__: Any) -> int:
    return _mm(a, b)


@register_flop_formula("bmm")
def _bmm(a: Any, b: Any, *_: Any, out_shape: Any = None, **__: Any) -> int:
    return 2 * a[0] * a[1] * a[2] * b[2]


@register_flop_formula("baddbmm")
def _baddbmm(bias: Any, a: Any, b: Any, *_: Any, out_shape: Any = None, **__: Any) -> int:
    return _bmm(a, b)


@register_flop_formula(("matmul", "linear"))
def _matmul(a: Any, b: Any, *_: Any, out_shape: Any = None, **__: Any) -> int:
    return 2 * math.prod(out_shape) * a[-1]


@register_flop_formula(("convolution", "_convolution", "_conv", "conv1d", "conv2d", "conv3d"))
def _convolution(x: Any, weight: Any, *_: Any, out_shape: Any = None, **__: Any) -> int:
    return 2 * math.prod(out_shape) * math.prod(weight[1:])


@register_flop_formula("_conv_input")
def _convolution_input(grad: Any, weight: Any, *_: Any, out_shape: Any = None, **__: Any) -> int:
    return 2 * math.prod(grad) * math.prod(weight[1:])


@register_flop_formula("_conv_weight")
def _convolution_weight(grad: Any, x: Any, sizes: Any, *_: Any, out_shape: Any = None, **__: Any) -> int:
    return 2 * math.prod(grad) * math.prod(sizes[1:])


@register_flop_formula("linear_backward")
def _linear_backward(x: Any, grad: Any, weight: Any, mask: Any, *_: Any, out_shape: Any = None, **__: Any) -> int:
    return 2 * math.prod(grad) * x[-1] * sum(mask[:2])


@register_flop_formula(("conv_transpose1d", "conv_transpose2d", "conv_transpose3d"))
def _transposed(x: Any, weight: Any, *_: Any, out_shape: Any = None, **__: Any) -> int:
    return 2 * math.prod(x) * math.prod(weight[1:])


@register_flop_formula("scaled_dot_product_attention")
def _attention(q: Any, k: Any, v: Any, *_: Any, out_shape: Any = None, **__: Any) -> int:
    return 2 * math.prod(q[:-1]) * k[-2] * (q[-1] + v[-1])


class FlopCounterMode(TorchDispatchMode):
    """Inside, floating point operations are counted, for the modules that run and for all together.

    Args:
        depth: how deep modules are listed.
        display: print the table at the end.
        custom_mapping: formulas of further operators, of shapes; of the tensors themselves for one whose ``_get_raw`` is True.

    >>> with FlopCounterMode(display=False) as counter:
    ...     _ = torch.ones(2, 3) @ torch.ones(3, 4)
    >>> counter.get_total_flops()
    48
    """

    def __init__(
        self, mods: Any = None, depth: int = 2, display: bool = True, custom_mapping: dict | None = None
    ) -> None:
        super().__init__()
        self.depth, self.display = depth, display
        self.flop_counts: dict[str, dict[Any, int]] = defaultdict(lambda: defaultdict(int))
        self._formulas = {
            **flop_registry,
            **{
                _name(target): f if getattr(f, "_get_raw", False) else _of_shapes(f)
                for target, f in (custom_mapping or {}).items()
            },
        }
        self._modules = ModuleTracker()
        if mods is not None:
            warnings.warn("mods argument is not needed anymore, you can stop passing it", stacklevel=2)

    def __enter__(self) -> FlopCounterMode:
        self.flop_counts.clear()
        self._modules.__enter__()
        super().__enter__()
        return self

    def __exit__(self, *exception: Any) -> Any:
        result = super().__exit__(*exception)
        self._modules.__exit__()
        if self.display:
            print(self.get_table(self.depth))
        return result

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        out = func(*args, **(kwargs or {}))
        name = _name(func)
        if name in self._formulas:
            count = self._formulas[name](*args, **(kwargs or {}), out_val=out)
            packet = getattr(func, "overloadpacket", func)
            if name.startswith("_conv"):
                packet = rl.ops.aten.convolution
            for where in self._modules.parents:
                self.flop_counts[where][packet] += count
        return out

    def get_total_flops(self) -> int:
        """The number for all together."""
        return sum(self.flop_counts["Global"].values())

    def get_flop_counts(self) -> dict[str, dict[Any, int]]:
        """The number for each module ("Global": all together) and operator."""
        return {where: dict(counts) for where, counts in self.flop_counts.items()}

    def get_table(self, depth: int | None = None) -> str:
        """The numbers as text."""
        depth = self.depth if depth is None else depth
        total = max(self.get_total_flops(), 1)
        lines = [f"{'Module':<40}{'FLOP':>16}{'% Total':>10}"]
        for where, counts in sorted(self.flop_counts.items(), key=lambda item: (item[0] != "Global", item[0])):
            if where == "Global" or where.count(".") < depth:
                lines.append(f"{where:<40}{sum(counts.values()):>16}{100 * sum(counts.values()) / total:>9.2f}%")
                lines += [f"{' - ' + str(op):<40}{n:>16}{100 * n / total:>9.2f}%" for op, n in counts.items()]
        return "\n".join(lines)

"""The text of a tensor: `tensor([[1., 2.]], dtype=torch.float64, grad_fn=<AddBackward0>)`, as PyTorch writes it."""

from __future__ import annotations

import math
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from ._C import Tensor, _dtypes, _layouts, _nested, _wrapped, _wrapper_level, get_default_dtype

TYPE_CHECKING = False
if TYPE_CHECKING:  # typing takes 4 ms to import
    from typing import Any


class PrintOptions:
    def __init__(self, precision: int = 4, threshold: float = 1000, edgeitems: int = 3, linewidth: int = 80):
        self.precision, self.threshold, self.edgeitems, self.linewidth = precision, threshold, edgeitems, linewidth
        self.sci_mode: bool | None = None


PRINT_OPTS = PrintOptions()
_PROFILES = {
    "default": PrintOptions(),
    "short": PrintOptions(precision=2, edgeitems=2),
    "full": PrintOptions(threshold=math.inf),
}


def set_printoptions(
    precision=None, threshold=None, edgeitems=None, linewidth=None, profile=None, sci_mode=None
) -> None:
    """How tensors print. `profile` ("default", "short", "full") sets what the other arguments leave open."""
    if profile is not None:
        chosen = _PROFILES[profile]
        PRINT_OPTS.precision, PRINT_OPTS.threshold = chosen.precision, chosen.threshold
        PRINT_OPTS.edgeitems, PRINT_OPTS.linewidth = chosen.edgeitems, chosen.linewidth
    for name, value in (
        ("precision", precision),
        ("threshold", threshold),
        ("edgeitems", edgeitems),
        ("linewidth", linewidth),
    ):
        if value is not None:
            setattr(PRINT_OPTS, name, value)
    PRINT_OPTS.sci_mode = sci_mode


def get_printoptions() -> dict[str, Any]:
    """How tensors print, as the arguments of set_printoptions."""
    return dict(vars(PRINT_OPTS))


@contextmanager
def printoptions(**kwargs: Any) -> Iterator[None]:
    """Inside, tensors print so; the arguments are set_printoptions'."""
    before = get_printoptions()
    set_printoptions(**kwargs)
    try:
        yield
    finally:
        vars(PRINT_OPTS).update(before)


def _numbers(nested) -> list:
    if not isinstance(nested, list):
        return [nested]
    out: list = []
    for item in nested:
        if isinstance(item, list):
            out.extend(_numbers(item))
        elif item is not ...:
            out.append(item)
    return out


class _RealFormat:
    """Writes the numbers of one tensor in one width."""

    def __init__(self, values: list, floating: bool):
        self.floating, self.whole, self.scientific, self.width = floating, True, False, 1
        if not floating:
            self.width = max((len(str(v)) for v in values), default=1)
            return
        values = [v for v in values if v != 0 and math.isfinite(v)]
        if not values:
            return
        low, high = min(map(abs, values)), max(map(abs, values))
        self.whole = all(v == math.floor(v) for v in values)
        automatic = high > 1e8 or high / low > 1000 or low < 1e-4
        self.scientific = automatic if PRINT_OPTS.sci_mode is None else PRINT_OPTS.sci_mode
        extra = 1 if self.whole and not self.scientific else 0  # the dot
        self.width = max(1, max(len(self._digits(v)) for v in values) + extra)

    def _digits(self, v: float) -> str:
        if self.scientific:
            return f"{v:.{PRINT_OPTS.precision}e}"
        return f"{v:.0f}" if self.whole else f"{v:.{PRINT_OPTS.precision}f}"

    def __call__(self, v) -> str:
        if not self.floating:
            text = str(v)
        else:
            text = self._digits(v)
            if self.whole and not self.scientific and math.isfinite(v):
                text += "."
        return text.rjust(self.width)


class _ComplexFormat:
    def __init__(self, values: list):
        self.real = _RealFormat([v.real for v in values], True)
        self.imag = _RealFormat([v.imag for v in values], True)
        self.width = self.real.width + self.imag.width + 1

    def __call__(self, v: complex) -> str:
        imag = self.imag(v.imag).lstrip() + "j"
        return self.real(v.real) + ("" if imag[0] in "+-" else "+") + imag


def _lines(nested, depth: int, indent: int, write) -> str:
    if depth == 0:
        return write(nested)
    if depth == 1:
        per_line = max(1, (PRINT_OPTS.linewidth - indent) // (write.width + 2))
        gap = " ..." if PRINT_OPTS.edgeitems else "..."
        items = [gap if v is ... else write(v) for v in nested]
        rows = [", ".join(items[i : i + per_line]) for i in range(0, len(items), per_line)] or [""]
        return "[" + (",\n" + " " * (indent + 1)).join(rows) + "]"
    rows = ["..." if row is ... else _lines(row, depth - 1, indent + 1, write) for row in nested]
    return "[" + ("," + "\n" * (depth - 1) + " " * (indent + 1)).join(rows) + "]"


def _values(t: Tensor, indent: int) -> str:
    nested = _nested(t, PRINT_OPTS.edgeitems if t.numel() > PRINT_OPTS.threshold else -1)
    numbers = _numbers(nested)
    write = _ComplexFormat(numbers) if t.dtype.is_complex else _RealFormat(numbers, t.dtype.is_floating_point)
    return _lines(nested, t.dim(), indent, write)


def _tensor_str(t: Tensor, indent: int) -> str:
    """The values without `tensor(`, as programs that write files ask for them."""
    return "[]" if t.numel() == 0 else _values(t.detach(), indent)


def _with_suffixes(text: str, suffixes: list[str], indent: int, on_a_line: bool = False) -> str:
    length = len(text) - text.rfind("\n") + 1
    if on_a_line:
        text += ",\n" + " " * indent + suffixes[0]
        length = indent + len(suffixes.pop(0))
    for suffix in suffixes:
        if length + len(suffix) + 2 > PRINT_OPTS.linewidth:
            text += ",\n" + " " * indent + suffix
            length = indent + len(suffix)
        else:
            text += ", " + suffix
            length += len(suffix) + 2
    return text + ")"


def _part(name: str, t: Tensor, indent: int) -> str:
    """One of the tensors that a sparse one is made of, as an argument of its printed form."""
    text = f"{name}=tensor("
    t = t.detach()
    size = f", size={tuple(t.shape)}"
    if t.is_meta:
        return text + "..." + size + ")"
    return text + ("[]" + size if t.numel() == 0 else _values(t, indent + len(text))) + ")"


def _sparse_str(t: Tensor, prefix: str) -> tuple[str, list[str]]:
    indent = len(prefix)
    if t.is_sparse:
        parts = {"indices": t._indices(), "values": t._values()}
    else:
        rows = t.layout in (_layouts["sparse_csr"], _layouts["sparse_bsr"])
        names = ("crow_indices", "col_indices") if rows else ("ccol_indices", "row_indices")
        parts = {name: getattr(t, name)() for name in (*names, "values")}
    suffixes = [f"size={tuple(t.shape)}"]
    if not t.is_meta:
        suffixes.append(f"nnz={t._nnz()}")
    if t.dtype not in (get_default_dtype(), get_default_dtype().to_complex(), _dtypes["int64"], _dtypes["bool"]):
        suffixes.append(f"dtype={t.dtype}")
    suffixes.append(f"layout={t.layout}")
    return (",\n" + " " * indent).join(_part(name, part, indent) for name, part in parts.items()), suffixes


def _quantized_suffixes(t: Tensor) -> list[str]:
    out = [f"size={tuple(t.shape)}", f"dtype={t.dtype}", f"quantization_scheme={t.qscheme()}"]
    if t._qscheme == "per_tensor_affine":
        return [*out, f"scale={t.q_scale()}", f"zero_point={t.q_zero_point()}"]
    scales, zeros = t.q_per_channel_scales(), t.q_per_channel_zero_points()
    return [*out, f"scale={scales}", f"zero_point={zeros}", f"axis={t.q_per_channel_axis()}"]


def _with_tangent(t: Tensor) -> tuple[Tensor, Tensor | None]:
    """A dual tensor's primal and tangent; (t, None) of others."""
    forward_ad = sys.modules.get("rushlight.autograd.forward_ad")
    return (t, None) if forward_ad is None else forward_ad.unpack_dual(t)


def _str(t: Tensor, *, tensor_contents: str | None = None) -> str:
    wrapped = _wrapped(t)
    if wrapped is not None:  # of a transform: what is behind it
        inner, batched = wrapped
        along = getattr(t, "_batch_dim", 0)
        if along:
            inner = inner.movedim(0, along)
        text = "\n".join("    " + line for line in repr(inner).splitlines())
        level = f"lvl={_wrapper_level(t)}, "
        return (
            f"BatchedTensor({level}bdim={along}, value=\n{text}\n)"
            if batched
            else f"GradTrackingTensor({level}value=\n{text}\n)"
        )
    plain = type(t) is Tensor or type(t).__name__ == "Parameter"
    parameter = not plain and getattr(t, "_is_param", False)
    prefix = "tensor(" if plain else f"{type(t).__name__}("
    indent = len(prefix)
    suffixes = []
    default = get_default_dtype()
    if t.device.type != "cpu":
        suffixes.append(f"device='{t.device}'")
    sparse = t.layout is not _layouts["strided"]
    if sparse:
        text, more = _sparse_str(t, prefix)
        suffixes += more
    elif t.is_meta:
        suffixes.append(f"size={tuple(t.shape)}")
        if t.dtype is not default:
            suffixes.append(f"dtype={t.dtype}")
        text = "..."
    elif t.is_quantized:
        text = _values(t.dequantize(), indent)
    elif t.numel() == 0 and tensor_contents is None:
        if t.dim() != 1:
            suffixes.append(f"size={tuple(t.shape)}")
        if t.dtype is not default:
            suffixes.append(f"dtype={t.dtype}")
        text = "[]"
    else:
        if not PRINT_OPTS.edgeitems and tensor_contents is None:
            suffixes.append(f"size={tuple(t.shape)}")
        if t.dtype not in (default, default.to_complex(), _dtypes["int64"], _dtypes["bool"]):
            suffixes.append(f"dtype={t.dtype}")
        text = _values(t, indent) if tensor_contents is None else tensor_contents
    if t.is_quantized:
        suffixes += _quantized_suffixes(t)
    if tensor_contents is not None:
        text = tensor_contents
    t, tangent = _with_tangent(t)
    if t.requires_grad:
        try:
            node = getattr(t, "grad_fn", None)
            name = getattr(node, "name", lambda: type(node).__name__)()
        except RuntimeError:  # a view without gradient of what was written to
            node, name = t, "Invalid"
        suffixes.append(f"grad_fn=<{name}>" if node is not None else "requires_grad=True")
    if tangent is not None:
        suffixes.append(f"tangent={tangent}")
    shown = _with_suffixes(prefix + text, suffixes, indent, sparse and t.is_sparse)
    return f"Parameter({shown})" if parameter else shown

"""Layers with weights of 8 bits or float16 whose inputs are floats, quantised on the way."""

from __future__ import annotations

from typing import Any

import rushlight as torch

from .... import _missing
from ....nn import Module, ModuleList
from ....nn.utils.rnn import PackedSequence
from . import Conv1d, Conv2d, Conv3d, ConvTranspose1d, ConvTranspose2d, ConvTranspose3d, _linear_of
from . import Linear as _Linear
from ._packing import WithState, observed_weight

__all__ = [
    "Conv1d", "Conv2d", "Conv3d", "ConvTranspose1d", "ConvTranspose2d", "ConvTranspose3d", "GRU", "GRUCell", "LSTM", "LSTMCell", "Linear",
    "RNNCell",
]  # fmt: skip

_ops = torch.ops.quantized


class Linear(_Linear):
    """A linear layer: ``(*, in_features) -> (*, out_features)``, both floats."""

    _version = 4

    def __init__(self, in_features: int, out_features: int, bias_: bool = True, dtype: Any = torch.qint8) -> None:
        super().__init__(in_features, out_features, bias_, dtype)
        self.version = 4

    def forward(self, x: Any) -> Any:
        packed = self._packed_params._packed_params
        if self._packed_params.dtype is torch.qint8:
            y = _ops.linear_dynamic(x, packed, True) if self.version >= 4 else _ops.linear_dynamic(x, packed)
        else:
            y = _ops.linear_dynamic_fp16(x, packed)
        return y.to(x.dtype)

    def _get_name(self) -> str:
        return "DynamicQuantizedLinear"

    def extra_repr(self) -> str:
        text = f"in_features={self.in_features}, out_features={self.out_features}, dtype={self._packed_params.dtype}"
        return text + (f", qscheme={self.weight().qscheme()}" if self._packed_params.dtype is torch.qint8 else "")

    def _load_from_state_dict(self, state_dict: dict, prefix: str, local_metadata: dict, *rest: Any) -> None:
        self.version = local_metadata.get("version") or 4
        super()._load_from_state_dict(state_dict, prefix, local_metadata, *rest)

    @classmethod
    def from_float(cls, mod: Any, use_precomputed_fake_quant: bool = False) -> Any:
        mod = _linear_of(mod)
        dtype = _weight_dtype(mod)
        out = cls(mod.in_features, mod.out_features, dtype=dtype)
        out.set_weight_bias(observed_weight(mod) if dtype is torch.qint8 else mod.weight.detach().float(), mod.bias)
        return out


def _weight_dtype(mod: Any) -> Any:
    qconfig = getattr(mod, "qconfig", None)
    if qconfig is None or qconfig.weight is None:
        from ...quantization import default_dynamic_qconfig as qconfig
    dtype = qconfig.weight().dtype
    if dtype not in (torch.qint8, torch.float16):
        raise RuntimeError(
            f"Unsupported dtype specified for dynamic quantized Linear: expected qint8 or float16, got {dtype}"
        )
    return dtype


class PackedParameter(WithState):
    """The packed weights of one layer and direction."""

    def __init__(self, param: Any) -> None:
        super().__init__()
        self.param = param

    def _write_state(self, out: dict, prefix: str) -> None:
        out[prefix + "param"] = self.param

    def _read_state(self, state: dict, prefix: str, version: int | None) -> None:
        self.param = state.pop(prefix + "param")


def _half(w: Any, b: Any) -> Any:
    return _ops.linear_prepack_fp16(w, b)


class _Recurrent(Module):
    _gates = 4
    _version = 2

    def __init__(
        self, input_size: int, hidden_size: int, num_layers: int = 1, bias: bool = True, batch_first: bool = False, dropout: float = 0.0,
        bidirectional: bool = False, dtype: Any = torch.qint8,
    ) -> None:  # fmt: skip
        super().__init__()
        self.mode = type(self).__name__
        self.input_size, self.hidden_size, self.num_layers = input_size, hidden_size, num_layers
        self.bias, self.batch_first, self.dropout = bias, batch_first, float(dropout)
        self.bidirectional, self.dtype, self.version, self.training = bidirectional, dtype, 2, False
        directions = 2 if bidirectional else 1
        params = []
        for layer in range(num_layers):
            width = input_size if layer == 0 else hidden_size * directions
            for _ in range(directions):
                rows = self._gates * hidden_size
                zeros = torch.zeros(rows)
                if dtype is torch.qint8:
                    ih, hh = (
                        torch._empty_affine_quantized([rows, n], scale=1, zero_point=0, dtype=torch.qint8)
                        for n in (width, hidden_size)
                    )
                else:
                    ih, hh = torch.zeros(rows, width), torch.zeros(rows, hidden_size)
                params.append(PackedParameter(self._packed(ih, hh, zeros, zeros)))
        self._all_weight_values = ModuleList(params)

    def _packed(self, ih: Any, hh: Any, bias_ih: Any, bias_hh: Any) -> Any:
        if self.dtype is torch.qint8:
            ih, hh = _ops.linear_prepack(ih, bias_ih), _ops.linear_prepack(hh, bias_hh)
            return _ops.make_quantized_cell_params_dynamic(ih, hh, bias_ih, bias_hh, True)
        return _ops.make_quantized_cell_params_fp16(_half(ih, bias_ih), _half(hh, bias_hh))

    def _get_name(self) -> str:
        return "DynamicQuantized" + type(self).__name__

    def extra_repr(self) -> str:
        return f"{self.input_size}, {self.hidden_size}" + (
            f", num_layers={self.num_layers}" if self.num_layers != 1 else ""
        )

    @classmethod
    def from_float(cls, mod: Any, use_precomputed_fake_quant: bool = False) -> Any:
        qconfig = getattr(mod, "qconfig", None)
        if qconfig is None or qconfig.weight is None:
            from ...quantization import default_dynamic_qconfig as qconfig
        dtype = qconfig.weight().dtype
        out = cls(
            mod.input_size,
            mod.hidden_size,
            mod.num_layers,
            mod.bias,
            mod.batch_first,
            mod.dropout,
            mod.bidirectional,
            dtype=dtype,
        )
        at = 0
        for layer in range(mod.num_layers):
            for suffix in ("", "_reverse")[: 2 if mod.bidirectional else 1]:
                weights = [getattr(mod, f"weight_{part}_l{layer}{suffix}") for part in ("ih", "hh")]
                rows = weights[0].shape[0]
                biases = [
                    getattr(mod, f"bias_{part}_l{layer}{suffix}") if mod.bias else torch.zeros(rows)
                    for part in ("ih", "hh")
                ]
                if dtype is torch.qint8:
                    weights = [_quantized(w, qconfig.weight()) for w in weights]
                packed = out._packed(*(w.detach() for w in weights), *(b.detach() for b in biases))
                out._all_weight_values[at].param = packed
                at += 1
        return out

    def _run(self, input: Any, hx: Any) -> Any:
        """(output, states), of a padded or a packed sequence; states in the order of the caller's sequences."""
        packed = isinstance(input, PackedSequence)
        data = input.data if packed else input
        batch = int(input.batch_sizes[0]) if packed else input.size(0 if self.batch_first else 1)
        count = self.num_layers * (2 if self.bidirectional else 1)
        lstm = self._gates == 4
        order = input.sorted_indices if packed else None
        if hx is None:
            zeros = torch.zeros(count, batch, self.hidden_size, dtype=data.dtype)
            hx = (zeros, zeros) if lstm else (zeros,)
        else:
            hx = tuple(hx) if lstm else (hx,)
            if order is not None:
                hx = tuple(h.index_select(1, order) for h in hx)
        cells = [m.param for m in self._all_weight_values]
        settings = (cells, self.bias, self.num_layers, self.dropout, self.training, self.bidirectional)
        where = (data, input.batch_sizes) if packed else (data,)
        after = () if packed else (self.batch_first,)
        if lstm:
            out = torch.ops.aten.quantized_lstm(*where, list(hx), *settings, *after, dtype=self.dtype, use_dynamic=True)
        else:
            out = torch.ops.aten.quantized_gru(*where, hx[0], *settings, *after)
        y, *states = out
        if packed:
            y = PackedSequence(y, input.batch_sizes, input.sorted_indices, input.unsorted_indices)
            if input.unsorted_indices is not None:
                states = [h.index_select(1, input.unsorted_indices) for h in states]
        return y, (tuple(states) if lstm else states[0])

    def forward(self, input: Any, hx: Any = None) -> Any:
        return self._run(input, hx)


def _quantized(weight: Any, observer: Any) -> Any:
    from ._packing import quantized_weight

    observer(weight)
    return quantized_weight(weight.detach().float(), observer)


class LSTM(_Recurrent):
    """nn.LSTM with packed weights."""


class GRU(_Recurrent):
    """nn.GRU with packed weights."""

    _gates = 3


class _Cell(Module):
    _gates = 1

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        bias: bool = True,
        num_chunks: int | None = None,
        dtype: Any = torch.qint8,
        **kwargs: Any,
    ) -> None:
        super().__init__()
        self.input_size, self.hidden_size, self.bias, self.weight_dtype = input_size, hidden_size, bias, dtype
        rows = self._gates * hidden_size
        self.bias_ih = self.bias_hh = torch.zeros(rows)
        for name, width in (("ih", input_size), ("hh", hidden_size)):
            weight = torch._empty_affine_quantized([rows, width], scale=1, zero_point=0, dtype=torch.qint8)
            setattr(self, f"_packed_weight_{name}", _ops.linear_prepack(weight, torch.zeros(rows)))

    def _take(self, mod: Any) -> Any:
        qconfig = getattr(mod, "qconfig", None)
        if qconfig is None or qconfig.weight is None:
            from ...quantization import default_dynamic_qconfig as qconfig
        for name in ("ih", "hh"):
            bias = getattr(mod, f"bias_{name}")
            bias = torch.zeros(self._gates * self.hidden_size) if bias is None else bias.detach()
            setattr(self, f"bias_{name}", bias)
            weight = _quantized(getattr(mod, f"weight_{name}"), qconfig.weight())
            setattr(self, f"_packed_weight_{name}", _ops.linear_prepack(weight, bias))
        return self

    def _state(self, input: Any) -> Any:
        return torch.zeros(input.size(0), self.hidden_size, dtype=input.dtype)

    def _weights(self) -> tuple:
        return self._packed_weight_ih, self._packed_weight_hh, self.bias_ih, self.bias_hh

    @classmethod
    def from_float(cls, mod: Any, use_precomputed_fake_quant: bool = False) -> Any:
        more = {"nonlinearity": mod.nonlinearity} if hasattr(mod, "nonlinearity") else {}
        return cls(mod.input_size, mod.hidden_size, bias=mod.bias, **more)._take(mod)


class RNNCell(_Cell):
    def __init__(self, *args: Any, nonlinearity: str = "tanh", **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.nonlinearity = nonlinearity

    def forward(self, input: Any, hx: Any = None) -> Any:
        run = getattr(_ops, f"quantized_rnn_{self.nonlinearity}_cell_dynamic")
        return run(input, self._state(input) if hx is None else hx, *self._weights())


class LSTMCell(_Cell):
    _gates = 4

    def forward(self, input: Any, hx: Any = None) -> Any:
        states = [self._state(input)] * 2 if hx is None else list(hx)
        return tuple(_ops.quantized_lstm_cell_dynamic(input, states, *self._weights()))


class GRUCell(_Cell):
    _gates = 3

    def forward(self, input: Any, hx: Any = None) -> Any:
        return _ops.quantized_gru_cell_dynamic(input, self._state(input) if hx is None else hx, *self._weights())


__getattr__ = _missing.getattr_of(__name__)

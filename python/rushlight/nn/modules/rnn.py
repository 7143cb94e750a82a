"""Recurrent networks, over the operators rnn_tanh, rnn_relu, lstm and gru."""

from __future__ import annotations

import math
import warnings
from typing import Any

import rushlight as rl
from rushlight import Tensor

from ..._overloads import overload
from .. import init
from ..parameter import Parameter
from ..utils.rnn import PackedSequence
from .module import Module

__all__ = ["GRU", "GRUCell", "LSTM", "LSTMCell", "RNN", "RNNBase", "RNNCell", "RNNCellBase"]


def apply_permutation(tensor: Tensor, permutation: Tensor, dim: int = 1) -> Tensor:
    """The slices along a dimension in another order."""
    return tensor.index_select(dim, permutation)


class RNNBase(Module):
    """Layers of a recurrent network, in one direction or both; the base of RNN, LSTM and GRU."""

    __constants__ = [
        "mode",
        "input_size",
        "hidden_size",
        "num_layers",
        "bias",
        "batch_first",
        "dropout",
        "bidirectional",
        "proj_size",
        "_all_weights",
    ]
    _GATES = {"LSTM": 4, "GRU": 3, "RNN_TANH": 1, "RNN_RELU": 1}

    def __init__(
        self,
        mode: str,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        bias: bool = True,
        batch_first: bool = False,
        dropout: float = 0.0,
        bidirectional: bool = False,
        proj_size: int = 0,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        if isinstance(dropout, bool) or not isinstance(dropout, (int, float)) or not 0 <= dropout <= 1:
            raise ValueError(
                "dropout should be a number in range [0, 1] representing the probability of an element being zeroed"
            )
        if dropout > 0 and num_layers == 1:
            warnings.warn(
                "dropout option adds dropout after all but last "
                "recurrent layer, so non-zero dropout expects "
                f"num_layers greater than 1, but got dropout={dropout} and "
                f"num_layers={num_layers}",
                stacklevel=2,
            )
        for name, value, kind in (
            ("bias", bias, bool),
            ("batch_first", batch_first, bool),
            ("input_size", input_size, int),
            ("hidden_size", hidden_size, int),
        ):
            if not isinstance(value, kind):
                raise TypeError(f"{name} should be of type {kind.__name__}, got: {type(value).__name__}")
            if kind is int and value <= 0:
                raise ValueError(f"{name} must be greater than zero")
        if num_layers <= 0:
            raise ValueError("num_layers must be greater than zero")
        if proj_size < 0:
            raise ValueError("proj_size should be a positive integer or zero to disable projections")
        if proj_size >= hidden_size:
            raise ValueError("proj_size has to be smaller than hidden_size")
        if mode not in self._GATES:
            raise ValueError("Unrecognized RNN mode: " + mode)
        self.mode = mode
        self.input_size = input_size
        self.hidden_size = hidden_size
        self.num_layers = num_layers
        self.bias = bias
        self.batch_first = batch_first
        self.dropout = float(dropout)
        self.bidirectional = bidirectional
        self.proj_size = proj_size
        directions = 2 if bidirectional else 1
        gates = self._GATES[mode] * hidden_size
        out_size = proj_size or hidden_size
        self._all_weights: list[list[str]] = []
        for layer in range(num_layers):
            in_size = input_size if layer == 0 else out_size * directions
            shapes: dict[str, tuple] = {"weight_ih": (gates, in_size), "weight_hh": (gates, out_size)}
            if bias:
                shapes |= {"bias_ih": (gates,), "bias_hh": (gates,)}
            if proj_size:
                shapes["weight_hr"] = (proj_size, hidden_size)
            for suffix in self._suffixes(layer):
                for name, shape in shapes.items():
                    setattr(self, name + suffix, Parameter(rl.empty(shape, device=device, dtype=dtype)))
                self._all_weights.append([name + suffix for name in shapes])
        self.reset_parameters()

    def _suffixes(self, layer: int) -> list[str]:
        return [f"_l{layer}", f"_l{layer}_reverse"] if self.bidirectional else [f"_l{layer}"]

    @property
    def all_weights(self) -> list[list[Parameter]]:
        return [[getattr(self, name) for name in names] for names in self._all_weights]

    def flatten_parameters(self) -> None:
        """Does nothing: the weights need no particular place in memory here."""

    def reset_parameters(self) -> None:
        bound = 1.0 / math.sqrt(self.hidden_size) if self.hidden_size > 0 else 0
        for weight in self.parameters():
            init.uniform_(weight, -bound, bound)

    def extra_repr(self) -> str:
        text = f"{self.input_size}, {self.hidden_size}"
        if self.proj_size != 0:
            text += f", proj_size={self.proj_size}"
        if self.num_layers != 1:
            text += f", num_layers={self.num_layers}"
        if self.bias is not True:
            text += f", bias={self.bias}"
        if self.batch_first is not False:
            text += f", batch_first={self.batch_first}"
        if self.dropout != 0:
            text += f", dropout={self.dropout}"
        if self.bidirectional is not False:
            text += f", bidirectional={self.bidirectional}"
        return text

    def __getstate__(self) -> dict:
        # PyTorch keeps these beside the parameters, and does not find out when it reads a module.
        names = self._flat_weights_names
        weights = [getattr(self, name) for name in names]
        return {**super().__getstate__(), "_flat_weights_names": names, "_flat_weights": weights}

    @property
    def _flat_weights_names(self) -> list[str]:
        return [name for layer in self._all_weights for name in layer]

    @property
    def _flat_weights(self) -> list[Tensor]:
        weights: list[Tensor] = []
        for names in self._all_weights:
            for name in names:
                weights.append(getattr(self, name))  # noqa: PERF401  (what a script can unroll)
        return weights

    def _state_hint(self) -> str:
        kind = "a pair (h_0, c_0), each" if self.mode == "LSTM" else "a state"
        return f". Hint: {kind} of sizes (num_layers * directions, batch, hidden_size), without the batch for an input without"

    def _check_state(self, state: Tensor, expected: list[int], name: str) -> None:
        if list(state.size()) != expected:
            text = "(" + ", ".join([str(n) for n in expected]) + ")"
            raise RuntimeError(
                f"Expected {name} size {text}, got {list(state.size())}. Hint: a state has the sizes (num_layers * directions, batch, hidden_size), with batch_first too"
            )

    def _layers(self, data: Tensor, batch_sizes: Any, states: Any) -> Any:
        """All layers over a padded input, or over a packed one, which has batch sizes; the states are [h] or [h, c]."""
        bias, layers, drop, train, both = self.bias, self.num_layers, self.dropout, self.training, self.bidirectional
        if batch_sizes is not None:
            if self.mode == "LSTM":
                out, h, c = rl.lstm(data, batch_sizes, states, self._flat_weights, bias, layers, drop, train, both)
                return out, [h, c]
            run = rl.gru if self.mode == "GRU" else rl.rnn_tanh if self.mode == "RNN_TANH" else rl.rnn_relu
            out, h = run(data, batch_sizes, states[0], self._flat_weights, bias, layers, drop, train, both)
            return out, [h]
        first = self.batch_first
        if self.mode == "LSTM":
            out, h, c = rl.lstm(data, states, self._flat_weights, bias, layers, drop, train, both, first)
            return out, [h, c]
        run = rl.gru if self.mode == "GRU" else rl.rnn_tanh if self.mode == "RNN_TANH" else rl.rnn_relu
        out, h = run(data, states[0], self._flat_weights, bias, layers, drop, train, both, first)
        return out, [h]

    def _run(self, input: Any, state: Any) -> Any:
        """The output and the list of the last states, of a padded or packed input."""
        if isinstance(input, PackedSequence):
            batch = input.batch_sizes[0]  # a trace is to see where it is from
            batch = batch if rl.jit.is_tracing() else int(batch)
            self._check_width(input.data)
            states = self._initial_state(input.data, state, batch, False, input.sorted_indices)
            out, last = self._layers(input.data, input.batch_sizes, states)
            order = input.unsorted_indices
            if order is not None:
                last = [s.index_select(1, order) for s in last]
            return PackedSequence(out, input.batch_sizes, input.sorted_indices, input.unsorted_indices), last
        if input.dim() not in (2, 3):
            raise ValueError(f"{type(self).__name__}: Expected input to be 2D or 3D, got {input.dim()}D instead")
        unbatched = input.dim() == 2
        time = 0 if self.batch_first else 1
        data = input.unsqueeze(time) if unbatched else input
        self._check_width(data)
        states = self._initial_state(data, state, data.size(time), unbatched, None)
        out, last = self._layers(data, None, states)
        if unbatched:
            out, last = out.squeeze(time), [s.squeeze(1) for s in last]
        return out, last

    def _refuse_dtype(self, data: Tensor) -> None:
        if rl.is_autocast_enabled():
            return  # which converts
        given, own = data.dtype, self.weight_ih_l0.dtype
        raise ValueError(
            f"RNN input dtype ({given}) does not match weight dtype ({own}). Convert input: input.to({own}), or convert model: "
            f"model.to({given})"
        )

    def _check_width(self, data: Tensor) -> None:
        if data.dtype != self.weight_ih_l0.dtype:
            if not rl.jit.is_scripting():
                self._refuse_dtype(data)
        if data.size(-1) != self.input_size:
            raise RuntimeError(
                f"input.size(-1) must be equal to input_size. Expected {self.input_size}, got {data.size(-1)}. Hint: the input has shape {list(data.size())}; make the layer with input_size={data.size(-1)}, or bring the features last"
            )

    def _initial_state(
        self, data: Tensor, state: Any, batch: int, unbatched: bool, sorted_indices: Any
    ) -> list[Tensor]:
        n = self.num_layers * (2 if self.bidirectional else 1)
        width = self.proj_size if self.proj_size > 0 else self.hidden_size
        widths = [width, self.hidden_size] if self.mode == "LSTM" else [width]
        if state is None:
            return [data.new_zeros([n, batch, w]) for w in widths]
        names = ["hidden[0]", "hidden[1]"] if self.mode == "LSTM" else ["hidden"]
        checked: list[Tensor] = []
        for i, s in enumerate(state):
            if unbatched:
                if s.dim() != 2:
                    raise RuntimeError(
                        f"For unbatched 2-D input, hx should also be 2-D but got {s.dim()}-D tensor{self._state_hint()}"
                    )
                s = s.unsqueeze(1)
            elif s.dim() != 3:
                raise RuntimeError(
                    f"For batched 3-D input, hx should also be 3-D but got {s.dim()}-D tensor{self._state_hint()}"
                )
            self._check_state(s, [n, batch, widths[i]], names[i])
            checked.append(s if sorted_indices is None else s.index_select(1, sorted_indices))
        return checked

    # What subclasses of PyTorch's programs call in a forward of their own.

    def check_input(self, input: Tensor, batch_sizes: Tensor | None) -> None:
        """Raises unless the input, packed if there are batch sizes, fits."""
        dims = 2 if batch_sizes is not None else 3
        if input.dim() != dims:
            raise RuntimeError(f"input must have {dims} dimensions, got {input.dim()}")
        self._check_width(input)

    def get_expected_hidden_size(self, input: Tensor, batch_sizes: Tensor | None) -> tuple[int, int, int]:
        """The sizes of the hidden state for an input."""
        batch = int(batch_sizes[0]) if batch_sizes is not None else input.size(0 if self.batch_first else 1)
        width = self.proj_size if self.proj_size > 0 else self.hidden_size
        return self.num_layers * (2 if self.bidirectional else 1), batch, width

    def check_hidden_size(
        self, hx: Tensor, expected_hidden_size: tuple[int, int, int], msg: str = "Expected hidden size {}, got {}"
    ) -> None:
        """Raises unless a state has the sizes."""
        if tuple(hx.size()) != tuple(expected_hidden_size):
            raise RuntimeError(msg.format(expected_hidden_size, list(hx.size())))

    def check_forward_args(self, input: Tensor, hidden: Any, batch_sizes: Tensor | None) -> None:
        """Raises unless input and state fit."""
        self.check_input(input, batch_sizes)
        self.check_hidden_size(hidden, self.get_expected_hidden_size(input, batch_sizes))

    def permute_hidden(self, hx: Any, permutation: Tensor | None) -> Any:
        """The state with its sequences in another order."""
        return hx if permutation is None else hx.index_select(1, permutation)


class RNN(RNNBase):
    """An Elman network: ``h' = tanh(W_ih x + b_ih + W_hh h + b_hh)``.

    Shape: ``(L, N, input_size), (D * num_layers, N, hidden_size) -> (L, N, D * hidden_size), the states' shape``.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        if "proj_size" in kwargs:
            raise ValueError("proj_size argument is only supported for LSTM, not RNN or GRU")
        if len(args) > 3:
            self_nonlinearity = args[3]
            args = args[:3] + args[4:]
        else:
            self_nonlinearity = kwargs.pop("nonlinearity", "tanh")
        if self_nonlinearity not in ("tanh", "relu"):
            raise ValueError(f"Unknown nonlinearity '{self_nonlinearity}'. Select from 'tanh' or 'relu'.")
        super().__init__("RNN_TANH" if self_nonlinearity == "tanh" else "RNN_RELU", *args, **kwargs)
        self.nonlinearity = self_nonlinearity

    @overload
    def forward(self, input: Tensor, hx: Tensor | None = None) -> tuple[Tensor, Tensor]: ...

    @overload
    def forward(self, input: PackedSequence, hx: Tensor | None = None) -> tuple[PackedSequence, Tensor]: ...  # noqa: F811

    def forward(self, input, hx=None):  # noqa: F811
        if hx is None:
            output, last = self._run(input, None)
        else:
            output, last = self._run(input, [hx])
        return output, last[0]


class GRU(RNNBase):
    """Gated recurrent units.

    Shape: ``(L, N, input_size), (D * num_layers, N, hidden_size) -> (L, N, D * hidden_size), the states' shape``.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        if "proj_size" in kwargs:
            raise ValueError("proj_size argument is only supported for LSTM, not RNN or GRU")
        super().__init__("GRU", *args, **kwargs)

    @overload
    def forward(self, input: Tensor, hx: Tensor | None = None) -> tuple[Tensor, Tensor]: ...

    @overload
    def forward(self, input: PackedSequence, hx: Tensor | None = None) -> tuple[PackedSequence, Tensor]: ...  # noqa: F811

    def forward(self, input, hx=None):  # noqa: F811
        if hx is None:
            output, last = self._run(input, None)
        else:
            output, last = self._run(input, [hx])
        return output, last[0]


class LSTM(RNNBase):
    """Long short-term memory; ``proj_size`` makes the hidden state smaller than the cell.

    Shape: ``(L, N, input_size), (h, c) -> (L, N, D * hidden_size), (h, c)``.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__("LSTM", *args, **kwargs)

    def get_expected_cell_size(self, input: Tensor, batch_sizes: Tensor | None) -> tuple[int, int, int]:
        """The sizes of the cell state for an input."""
        layers, batch, _ = self.get_expected_hidden_size(input, batch_sizes)
        return layers, batch, self.hidden_size

    def check_forward_args(self, input: Tensor, hidden: Any, batch_sizes: Tensor | None) -> None:
        self.check_input(input, batch_sizes)
        expected = self.get_expected_hidden_size(input, batch_sizes)
        self.check_hidden_size(hidden[0], expected, "Expected hidden[0] size {}, got {}")
        expected = self.get_expected_cell_size(input, batch_sizes)
        self.check_hidden_size(hidden[1], expected, "Expected hidden[1] size {}, got {}")

    def permute_hidden(self, hx: Any, permutation: Tensor | None) -> Any:
        if permutation is None:
            return hx
        return hx[0].index_select(1, permutation), hx[1].index_select(1, permutation)

    @overload
    def forward(  # one tensor, or a packed sequence
        self, input: Tensor, hx: tuple[Tensor, Tensor] | None = None
    ) -> tuple[Tensor, tuple[Tensor, Tensor]]: ...

    @overload
    def forward(  # noqa: F811
        self, input: PackedSequence, hx: tuple[Tensor, Tensor] | None = None
    ) -> tuple[PackedSequence, tuple[Tensor, Tensor]]: ...

    def forward(self, input, hx=None):  # noqa: F811
        if hx is None:
            output, last = self._run(input, None)
        else:
            output, last = self._run(input, list(hx))
        return output, (last[0], last[1])


class RNNCellBase(Module):
    """One step of a recurrent network; the base of RNNCell, LSTMCell and GRUCell."""

    __constants__ = ["input_size", "hidden_size", "bias"]
    _mode = ""

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        bias: bool,
        num_chunks: int,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        self.input_size = input_size
        self.hidden_size = hidden_size
        self.bias = bias
        gates = num_chunks * hidden_size
        self.weight_ih = Parameter(rl.empty((gates, input_size), device=device, dtype=dtype))
        self.weight_hh = Parameter(rl.empty((gates, hidden_size), device=device, dtype=dtype))
        if bias:
            self.bias_ih = Parameter(rl.empty(gates, device=device, dtype=dtype))
            self.bias_hh = Parameter(rl.empty(gates, device=device, dtype=dtype))
        else:
            self.register_parameter("bias_ih", None)
            self.register_parameter("bias_hh", None)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        bound = 1.0 / math.sqrt(self.hidden_size) if self.hidden_size > 0 else 0
        for weight in self.parameters():
            init.uniform_(weight, -bound, bound)

    def extra_repr(self) -> str:
        text = f"{self.input_size}, {self.hidden_size}"
        if self.bias is not True:
            text += f", bias={self.bias}"
        return text

    def _step(self, input: Tensor, state: Any, count: int) -> list[Tensor]:
        if input.dim() not in (1, 2):
            raise ValueError(f"{type(self).__name__}: Expected input to be 1D or 2D, got {input.dim()}D instead")
        batched = input.dim() == 2
        if not batched:
            input = input.unsqueeze(0)
        states: list[Tensor] = []
        if state is None:
            states = [input.new_zeros([input.size(0), self.hidden_size]) for _ in range(count)]
        else:
            for s in state:
                if s.dim() not in (1, 2):
                    raise ValueError(f"{type(self).__name__}: Expected hidden to be 1D or 2D, got {s.dim()}D instead")
                states.append(s if batched else s.unsqueeze(0))
        weights = (self.weight_ih, self.weight_hh, self.bias_ih, self.bias_hh)
        if self._mode == "LSTM":
            h, c = rl.lstm_cell(input, states, *weights)
            new = [h, c]
        elif self._mode == "GRU":
            new = [rl.gru_cell(input, states[0], *weights)]
        elif self._mode == "RNN_TANH":
            new = [rl.rnn_tanh_cell(input, states[0], *weights)]
        else:
            new = [rl.rnn_relu_cell(input, states[0], *weights)]
        return new if batched else [s.squeeze(0) for s in new]


class RNNCell(RNNCellBase):
    """``h' = tanh(W_ih x + b_ih + W_hh h + b_hh)``."""

    __constants__ = ["input_size", "hidden_size", "bias", "nonlinearity"]

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        bias: bool = True,
        nonlinearity: str = "tanh",
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__(input_size, hidden_size, bias, 1, device, dtype)
        self.nonlinearity = nonlinearity

    @property
    def _mode(self) -> str:  # type: ignore[override]
        if self.nonlinearity not in ("tanh", "relu"):
            raise RuntimeError(f"Unknown nonlinearity: {self.nonlinearity}")
        return "RNN_TANH" if self.nonlinearity == "tanh" else "RNN_RELU"

    def forward(self, input: Tensor, hx: Tensor | None = None) -> Tensor:
        if hx is None:
            return self._step(input, None, 1)[0]
        return self._step(input, [hx], 1)[0]

    def extra_repr(self) -> str:
        text = super().extra_repr()
        return text + (f", nonlinearity={self.nonlinearity}" if self.nonlinearity != "tanh" else "")


class LSTMCell(RNNCellBase):
    """One step of an LSTM: ``(h, c) -> (h', c')``."""

    _mode = "LSTM"

    def __init__(
        self, input_size: int, hidden_size: int, bias: bool = True, device: Any = None, dtype: Any = None
    ) -> None:
        super().__init__(input_size, hidden_size, bias, 4, device, dtype)

    def forward(self, input: Tensor, hx: tuple[Tensor, Tensor] | None = None) -> tuple[Tensor, Tensor]:
        if hx is None:
            h, c = self._step(input, None, 2)
        else:
            h, c = self._step(input, list(hx), 2)
        return h, c


class GRUCell(RNNCellBase):
    """One step of a GRU."""

    _mode = "GRU"

    def __init__(
        self, input_size: int, hidden_size: int, bias: bool = True, device: Any = None, dtype: Any = None
    ) -> None:
        super().__init__(input_size, hidden_size, bias, 3, device, dtype)

    def forward(self, input: Tensor, hx: Tensor | None = None) -> Tensor:
        if hx is None:
            return self._step(input, None, 1)[0]
        return self._step(input, [hx], 1)[0]

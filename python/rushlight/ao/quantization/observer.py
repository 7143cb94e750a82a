"""Observers: modules that pass a tensor on and remember which numbers they saw, so that a scale and a zero point can be chosen."""

from __future__ import annotations

from functools import partial
from typing import Any

import rushlight as torch

from ...nn import Module

__all__ = [
    "FixedQParamsObserver", "HistogramObserver", "MinMaxObserver", "MovingAverageMinMaxObserver", "MovingAveragePerChannelMinMaxObserver",
    "NoopObserver", "ObserverBase", "PerChannelMinMaxObserver", "PlaceholderObserver", "RecordingObserver",
    "UniformQuantizationObserverBase", "default_affine_fixed_qparams_observer", "default_debug_observer", "default_dynamic_quant_observer",
    "default_fixed_qparams_range_0to1_observer", "default_fixed_qparams_range_neg1to1_observer", "default_float_qparams_observer",
    "default_histogram_observer", "default_observer", "default_per_channel_weight_observer", "default_placeholder_observer",
    "default_symmetric_fixed_qparams_observer", "default_weight_observer", "get_observer_state_dict", "load_observer_state_dict",
    "per_channel_weight_observer_range_neg_127_to_127", "weight_observer_range_neg_127_to_127",
]  # fmt: skip

_SYMMETRIC = (torch.per_tensor_symmetric, torch.per_channel_symmetric)
_PER_CHANNEL = (torch.per_channel_affine, torch.per_channel_symmetric, torch.per_channel_affine_float_qparams)


class _With:
    """A class with some of its arguments: ``MinMaxObserver.with_args(dtype=torch.qint8)()``."""

    def __init__(self, made: Any) -> None:
        self.p = made
        self.callable_args: dict = {}

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self.p(*args, **{**{k: f() for k, f in self.callable_args.items()}, **kwargs})

    def __getattr__(self, name: str) -> Any:
        if "p" not in self.__dict__:  # while it is copied
            raise AttributeError(name)
        return getattr(self.p.func, name)

    def __repr__(self) -> str:
        return repr(self.p)

    def with_args(self, **kwargs: Any) -> _With:
        return _With(partial(self.p, **kwargs))

    def with_callable_args(self, **kwargs: Any) -> _With:
        out = _With(self.p)
        out.callable_args = {**self.callable_args, **kwargs}
        return out


class _TakesArgs:
    @classmethod
    def with_args(cls, **kwargs: Any) -> _With:
        """The class with some arguments given."""
        return _With(partial(cls, **kwargs))

    @classmethod
    def with_callable_args(cls, **kwargs: Any) -> _With:
        """The class with some arguments computed when an object is made."""
        return _With(partial(cls)).with_callable_args(**kwargs)


class ObserverBase(_TakesArgs, Module):
    """What observers have in common: the dtype that the numbers are to have, and ``calculate_qparams``."""

    def __init__(self, dtype: Any, is_dynamic: bool = False) -> None:
        super().__init__()
        self.dtype, self.is_dynamic = dtype, is_dynamic

    def forward(self, x: Any) -> Any:
        raise NotImplementedError

    def calculate_qparams(self, **kwargs: Any) -> Any:
        raise NotImplementedError


def _range(dtype: Any, reduce_range: bool, low: int | None = None, high: int | None = None) -> tuple[int, int]:
    if low is None or high is None:
        if dtype is torch.qint32:
            return -(2**31), 2**31 - 1
        low, high = (-128, 127) if dtype in (torch.qint8, torch.int8) else (0, 255)
        if dtype in (torch.int16, torch.uint16):
            low, high = (-(2**15), 2**15 - 1) if dtype is torch.int16 else (0, 2**16 - 1)
    return (low // 2, high // 2) if reduce_range else (low, high)


class UniformQuantizationObserverBase(ObserverBase):
    """An observer whose scale and zero point follow from the least and the greatest number.

    Args:
        dtype: of the integers. qscheme: for all elements or for each channel, affine or symmetric.
        reduce_range: True leaves one bit unused. quant_min, quant_max: the range of the integers, if it isn't the dtype's.
        eps: the smallest scale.
    """

    eps: torch.Tensor

    def __init__(
        self, dtype: Any = torch.quint8, qscheme: Any = torch.per_tensor_affine, reduce_range: bool = False,
        quant_min: int | None = None, quant_max: int | None = None, factory_kwargs: Any = None,
        eps: float = torch.finfo(torch.float32).eps, is_dynamic: bool = False, **kwargs: Any,
    ) -> None:  # fmt: skip
        super().__init__(dtype, is_dynamic)
        known = (*_PER_CHANNEL, torch.per_tensor_affine, torch.per_tensor_symmetric)
        if qscheme not in known:
            raise AssertionError(f"{type(self).__name__}: expected a qscheme per tensor or per channel, got {qscheme}")
        if quant_min is not None and quant_max is not None and not quant_min <= 0 <= quant_max:
            raise AssertionError("Used-specified quantization range must include 0.")
        self.qscheme, self.reduce_range = qscheme, reduce_range and quant_min is None
        self.register_buffer("eps", torch.tensor([eps], **(factory_kwargs or {})))
        self.has_customized_qrange = quant_min is not None and quant_max is not None
        self.quant_min, self.quant_max = _range(dtype, self.reduce_range, quant_min, quant_max)

    def _calculate_qparams(self, low: Any, high: Any) -> tuple[Any, Any]:
        if low.numel() == 0 or high.numel() == 0 or bool((low == float("inf")).any() & (high == -float("inf")).any()):
            return torch.tensor([1.0]), torch.tensor([0])
        below, above = torch.min(low, torch.zeros_like(low)), torch.max(high, torch.zeros_like(high))
        steps = float(self.quant_max - self.quant_min)
        scale = torch.ones(below.size(), dtype=torch.float32)
        zero = torch.zeros(below.size(), dtype=torch.int64)
        if self.qscheme in _SYMMETRIC:
            scale = torch.max(torch.max(-below, above) / (steps / 2), self.eps)
            if self.dtype in (torch.quint8, torch.uint8):
                middle = (self.quant_min + self.quant_max) // 2 if self.has_customized_qrange else 128
                zero = zero.new_full(zero.size(), middle)
        elif self.qscheme is torch.per_channel_affine_float_qparams:
            scale = (high - low) / steps
            scale = torch.where(scale > self.eps, scale, torch.ones_like(scale))
            zero = -low / scale
        else:
            scale = torch.max((above - below) / steps, self.eps)
            zero = self.quant_min - torch.round(below / scale).to(torch.int64)
            zero = torch.clamp(zero, self.quant_min, self.quant_max)
        if scale.dim() == 0:
            scale, zero = scale.reshape(1), zero.reshape(1)
        return scale, zero

    def reset_min_max_vals(self) -> None:
        raise NotImplementedError("Cannot reset min/max values in the given observer.")


class MinMaxObserver(UniformQuantizationObserverBase):
    """Remembers the least and the greatest number.

    >>> observer = torch.ao.quantization.MinMaxObserver()
    >>> observer(torch.tensor([0., 51.])).shape, observer.calculate_qparams()
    (torch.Size([2]), (tensor([0.2000]), tensor([0])))
    """

    min_val: torch.Tensor
    max_val: torch.Tensor

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        factory = kwargs.get("factory_kwargs") or {}
        self.register_buffer("min_val", torch.tensor(float("inf"), **factory))
        self.register_buffer("max_val", torch.tensor(-float("inf"), **factory))

    def forward(self, x_orig: Any) -> Any:
        if x_orig.numel():
            x = x_orig.detach().to(self.min_val.dtype)
            self._see(torch.min(x), torch.max(x))
        return x_orig

    def _see(self, low: Any, high: Any) -> None:
        self.min_val.copy_(torch.min(low, self.min_val))
        self.max_val.copy_(torch.max(high, self.max_val))

    def calculate_qparams(self) -> tuple[Any, Any]:  # type: ignore[override]
        return self._calculate_qparams(self.min_val, self.max_val)

    def extra_repr(self) -> str:
        return f"min_val={self.min_val}, max_val={self.max_val}"

    def reset_min_max_vals(self) -> None:
        self.min_val.copy_(torch.tensor(float("inf")))
        self.max_val.copy_(torch.tensor(-float("inf")))


class MovingAverageMinMaxObserver(MinMaxObserver):
    """The least and the greatest number of each batch, averaged with those before."""

    def __init__(self, averaging_constant: float = 0.01, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.averaging_constant = averaging_constant

    def _see(self, low: Any, high: Any) -> None:
        if self.min_val == float("inf") and self.max_val == -float("inf"):
            self.min_val.copy_(low)
            self.max_val.copy_(high)
            return
        self.min_val.copy_(self.min_val + self.averaging_constant * (low - self.min_val))
        self.max_val.copy_(self.max_val + self.averaging_constant * (high - self.max_val))


class PerChannelMinMaxObserver(UniformQuantizationObserverBase):
    """The least and the greatest number of each index of dimension ``ch_axis``."""

    min_val: torch.Tensor
    max_val: torch.Tensor

    def __init__(
        self,
        ch_axis: int = 0,
        dtype: Any = torch.quint8,
        qscheme: Any = torch.per_channel_affine,
        *args: Any,
        **kwargs: Any,
    ) -> None:
        super().__init__(dtype, qscheme, *args, **kwargs)
        self.ch_axis = ch_axis
        self.register_buffer("min_val", torch.tensor([]))
        self.register_buffer("max_val", torch.tensor([]))

    def forward(self, x_orig: Any) -> Any:
        if x_orig.numel():
            rows = x_orig.detach().to(torch.float32).transpose(0, self.ch_axis).flatten(1)
            self._see(rows.amin(1), rows.amax(1))
        return x_orig

    def _see(self, low: Any, high: Any) -> None:
        fresh = self.min_val.numel() == 0
        self._set(low if fresh else torch.min(low, self.min_val), high if fresh else torch.max(high, self.max_val))

    def _set(self, low: Any, high: Any) -> None:
        self.min_val.resize_(low.shape)
        self.max_val.resize_(high.shape)
        self.min_val.copy_(low)
        self.max_val.copy_(high)

    def calculate_qparams(self) -> tuple[Any, Any]:  # type: ignore[override]
        return self._calculate_qparams(self.min_val, self.max_val)

    def extra_repr(self) -> str:
        return f"min_val={self.min_val}, max_val={self.max_val}"

    def _load_from_state_dict(self, state_dict: dict, prefix: str, *rest: Any) -> None:
        for name in ("min_val", "max_val"):  # as many channels as the file has
            if prefix + name in state_dict:
                getattr(self, name).resize_(state_dict[prefix + name].shape)
        super()._load_from_state_dict(state_dict, prefix, *rest)

    def reset_min_max_vals(self) -> None:
        self.min_val, self.max_val = torch.rand(0), torch.rand(0)


class MovingAveragePerChannelMinMaxObserver(PerChannelMinMaxObserver):
    """As PerChannelMinMaxObserver, averaged over batches."""

    def __init__(self, averaging_constant: float = 0.01, ch_axis: int = 0, *args: Any, **kwargs: Any) -> None:
        super().__init__(ch_axis, *args, **kwargs)
        self.averaging_constant = averaging_constant

    def _see(self, low: Any, high: Any) -> None:
        if self.min_val.numel() == 0:
            return self._set(low, high)
        by = self.averaging_constant
        return self._set(self.min_val + by * (low - self.min_val), self.max_val + by * (high - self.max_val))


class HistogramObserver(UniformQuantizationObserverBase):
    """Counts the numbers in ``bins``, and chooses the range for which the squares of what rounding changes are least."""

    histogram: torch.Tensor
    min_val: torch.Tensor
    max_val: torch.Tensor

    def __init__(
        self,
        bins: int = 2048,
        dtype: Any = torch.quint8,
        qscheme: Any = torch.per_tensor_affine,
        reduce_range: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(dtype, qscheme, reduce_range, **kwargs)
        self.bins = bins
        self.register_buffer("histogram", torch.zeros(bins))
        self.register_buffer("min_val", torch.tensor(float("inf")))
        self.register_buffer("max_val", torch.tensor(-float("inf")))
        self.dst_nbins = 2 ** (torch.iinfo(torch.int8).bits if dtype not in (torch.int16, torch.uint16) else 16)
        self.upsample_rate = 16

    def _error(self, first: int, last: int) -> float:
        """Of numbers in the bins from first to last, those outside counting as the nearest inside, spread over the integers."""
        width = (self.max_val.item() - self.min_val.item()) / self.bins
        step = width * (last - first + 1) / self.dst_nbins
        if step == 0:
            return 0.0
        at = torch.arange(self.bins)
        begins = (at - first) * width
        ends = begins + width
        cell = torch.clamp(torch.div(begins, step, rounding_mode="floor"), 0, self.dst_nbins - 1)
        last_cell = torch.clamp(torch.div(ends, step, rounding_mode="floor"), 0, self.dst_nbins - 1)
        density = self.histogram / width
        middle = (cell + 0.5) * step

        def cubes(low: Any, high: Any) -> Any:
            return (high * high * high - low * low * low) / 3

        within = density * cubes(begins - middle, torch.full_like(begins, step / 2))
        between = (last_cell - cell - 1) * density * cubes(torch.tensor(-step / 2), torch.tensor(step / 2))
        end = density * cubes(torch.tensor(-step / 2), ends - (last_cell * step + step / 2))
        return float((within + between + end).sum().item())

    def _search(self) -> tuple[Any, Any]:
        """Takes bins away from either side, the one that holds the smaller share first, for as long as the error shrinks."""
        if self.histogram.size()[0] != self.bins:
            raise AssertionError("bins mismatch")
        width = (self.max_val - self.min_val) / self.bins
        total = torch.sum(self.histogram).item()
        shares = torch.cumsum(self.histogram, dim=0)
        stepping = 1e-5
        below, above = 0.0, 1.0
        first, last = 0, self.bins - 1
        least = float("inf")
        while below < above:
            next_below, next_above = below + stepping, above - stepping
            left, right = first, last
            while left < last and shares[left] < next_below * total:
                left += 1
            while right > first and shares[right] > next_above * total:
                right -= 1
            next_first, next_last = first, last
            if left - first > last - right:
                next_first, below = left, next_below
            else:
                next_last, above = right, next_above
            if next_first == first and next_last == last:
                continue
            error = self._error(next_first, next_last)
            if error > least:
                break
            least, first, last = error, next_first, next_last
        return self.min_val + width * first, self.min_val + width * (last + 1)

    def forward(self, x_orig: Any) -> Any:
        if x_orig.numel() == 0:
            return x_orig
        x = x_orig.detach()
        low, high = torch.aminmax(x)
        if torch.isinf(low) or torch.isinf(high):
            x = x[x.abs() != float("inf")]
            if x.numel() == 0:
                return x_orig
            low, high = torch.aminmax(x)
        if self.min_val == float("inf") and self.max_val == -float("inf"):
            self._restart(x, low, high)
        else:
            self._combine(x, low, high)
        return x_orig

    def _restart(self, x: Any, low: Any, high: Any) -> None:
        self.min_val.resize_(low.shape).copy_(low)
        self.max_val.resize_(high.shape).copy_(high)
        self.histogram.copy_(torch.histc(x.float(), self.bins, min=low.item(), max=high.item()))

    def _combine(self, x: Any, low: Any, high: Any) -> None:
        """Counts into bins over both ranges; what was counted before is spread evenly over the width of its bins."""
        old_low, old_high = self.min_val, self.max_val
        new_low, new_high = torch.min(low, old_low), torch.max(high, old_high)
        counts = torch.histc(x.float(), self.bins, min=new_low.item(), max=new_high.item())
        if new_low == old_low and new_high == old_high:
            counts = counts + self.histogram
        elif old_low == old_high:  # one number only
            counts = (
                counts
                + torch.histc(old_low.reshape(1), self.bins, min=new_low.item(), max=new_high.item())
                * self.histogram.sum()
            )
        else:
            counts = counts + self._spread(old_low, old_high, new_low, new_high)
        self.histogram.copy_(counts)
        self.min_val.copy_(new_low)
        self.max_val.copy_(new_high)

    def _spread(self, old_low: Any, old_high: Any, new_low: Any, new_high: Any) -> Any:
        fine = (self.histogram / self.upsample_rate).repeat_interleave(self.upsample_rate)
        width = (old_high - old_low) / (self.bins * self.upsample_rate)
        middles = torch.linspace(old_low.item(), old_high.item(), self.bins * self.upsample_rate + 1)[:-1] + width / 2
        edges = torch.linspace(new_low.item(), new_high.item(), self.bins + 1)
        where = torch.clamp(torch.bucketize(middles, edges, right=True) - 1, 0, self.bins - 1)
        return torch.bincount(where, weights=fine, minlength=self.bins)

    def calculate_qparams(self) -> tuple[Any, Any]:  # type: ignore[override]
        if self.min_val == float("inf") and self.max_val == -float("inf"):
            return torch.tensor([1.0]), torch.tensor([0])
        low, high = self._search()
        return self._calculate_qparams(low, high)

    def extra_repr(self) -> str:
        return f"min_val={self.min_val}, max_val={self.max_val}"


class FixedQParamsObserver(ObserverBase):
    """A scale and a zero point that are given."""

    scale: torch.Tensor
    zero_point: torch.Tensor

    def __init__(
        self, scale: float, zero_point: int, dtype: Any = torch.quint8, qscheme: Any = torch.per_tensor_affine, quant_min: int = 0,
        quant_max: int = 255, is_dynamic: bool = False, **kwargs: Any,
    ) -> None:  # fmt: skip
        super().__init__(dtype, is_dynamic)
        self.quant_min, self.quant_max, self.qscheme = quant_min, quant_max, qscheme
        self.register_buffer("scale", torch.tensor([scale], dtype=torch.float32))
        self.register_buffer("zero_point", torch.tensor([zero_point], dtype=torch.int32))

    def forward(self, X: Any) -> Any:
        return X

    def calculate_qparams(self) -> tuple[Any, Any]:  # type: ignore[override]
        return self.scale, self.zero_point


class PlaceholderObserver(ObserverBase):
    """Only says which dtype is wanted."""

    def __init__(
        self, dtype: Any = torch.float32, custom_op_name: str = "", compute_dtype: Any = None, quant_min: int | None = None,
        quant_max: int | None = None, qscheme: Any = None, eps: Any = None, is_dynamic: bool = False,
    ) -> None:  # fmt: skip
        super().__init__(dtype, is_dynamic or compute_dtype is not None)
        self.qscheme = torch.per_tensor_affine if qscheme is None else qscheme
        self.quant_min, self.quant_max, self.eps, self.custom_op = quant_min, quant_max, eps, custom_op_name

    def forward(self, x: Any) -> Any:
        return x

    def calculate_qparams(self, **kwargs: Any) -> Any:
        raise Exception("calculate_qparams should not be called for PlaceholderObserver")


class RecordingObserver(ObserverBase):
    """Keeps copies of all that it sees."""

    def __init__(self, dtype: Any = torch.quint8) -> None:
        super().__init__(dtype)
        self.tensor_val: list = []

    def forward(self, x: Any) -> Any:
        self.tensor_val.append(x.clone())
        return x

    def get_tensor_value(self) -> list:
        return self.tensor_val

    def calculate_qparams(self, **kwargs: Any) -> Any:
        raise Exception("calculate_qparams should not be called for RecordingObserver")


class NoopObserver(ObserverBase):
    """Sees nothing."""

    def __init__(self, dtype: Any = torch.float16, custom_op_name: str = "") -> None:
        super().__init__(dtype)
        self.custom_op = custom_op_name

    def forward(self, x: Any) -> Any:
        return x

    def calculate_qparams(self, **kwargs: Any) -> Any:
        raise Exception("calculate_qparams should not be called for NoopObserver")


def get_observer_state_dict(mod: Module) -> dict:
    """The part of a state dict that belongs to observers."""
    return {k: v for k, v in mod.state_dict().items() if "observer" in k or "activation_post_process" in k}


def load_observer_state_dict(mod: Module, obs_dict: dict) -> None:
    """Puts it back."""
    mod.load_state_dict({**mod.state_dict(), **obs_dict})


default_observer = MinMaxObserver.with_args(quant_min=0, quant_max=127)
default_placeholder_observer = PlaceholderObserver
default_debug_observer = RecordingObserver
default_weight_observer = MinMaxObserver.with_args(dtype=torch.qint8, qscheme=torch.per_tensor_symmetric)
weight_observer_range_neg_127_to_127 = MinMaxObserver.with_args(
    dtype=torch.qint8, qscheme=torch.per_tensor_symmetric, quant_min=-127, quant_max=127, eps=2**-12
)
default_histogram_observer = HistogramObserver.with_args(quant_min=0, quant_max=127)
default_per_channel_weight_observer = PerChannelMinMaxObserver.with_args(
    dtype=torch.qint8, qscheme=torch.per_channel_symmetric
)
per_channel_weight_observer_range_neg_127_to_127 = PerChannelMinMaxObserver.with_args(
    dtype=torch.qint8, qscheme=torch.per_channel_symmetric, quant_min=-127, quant_max=127, eps=2**-12
)
default_dynamic_quant_observer = PlaceholderObserver.with_args(
    dtype=torch.quint8, quant_min=0, quant_max=255, is_dynamic=True
)
default_float_qparams_observer = PerChannelMinMaxObserver.with_args(
    dtype=torch.quint8, qscheme=torch.per_channel_affine_float_qparams, ch_axis=0
)
default_fixed_qparams_range_neg1to1_observer = FixedQParamsObserver.with_args(
    scale=2.0 / 256.0, zero_point=128, dtype=torch.quint8, quant_min=0, quant_max=255
)
default_fixed_qparams_range_0to1_observer = FixedQParamsObserver.with_args(
    scale=1.0 / 256.0, zero_point=0, dtype=torch.quint8, quant_min=0, quant_max=255
)
default_symmetric_fixed_qparams_observer = default_fixed_qparams_range_neg1to1_observer
default_affine_fixed_qparams_observer = default_fixed_qparams_range_0to1_observer

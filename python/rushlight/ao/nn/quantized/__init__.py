"""Layers on quantised tensors, under PyTorch's names, and arithmetic as modules."""

from __future__ import annotations

from typing import Any

import rushlight as torch

from .... import _missing
from ....nn import Dropout as _Dropout
from ....nn import Identity, Module, ReLU6
from ....nn._tuples import _pair, _single, _triple
from ._packing import Packed, WithState, observed_weight, quantized_weight

__all__ = [
    "BatchNorm2d", "BatchNorm3d", "Conv1d", "Conv2d", "Conv3d", "ConvTranspose1d", "ConvTranspose2d", "ConvTranspose3d", "DeQuantize",
    "Dropout", "ELU", "Embedding", "EmbeddingBag", "FXFloatFunctional", "FloatFunctional", "GroupNorm", "Hardswish", "InstanceNorm1d",
    "InstanceNorm2d", "InstanceNorm3d", "LayerNorm", "LeakyReLU", "Linear", "LinearPackedParams", "PReLU", "QFunctional", "Quantize",
    "ReLU6", "Sigmoid", "Softmax",
]  # fmt: skip

_ops = torch.ops.quantized


def _qparams(observer: Any) -> tuple[float, int]:
    scale, zero_point = observer.calculate_qparams()
    return float(scale), int(zero_point)


class Quantize(Module):
    """Floats to integers, by a scale and a zero point of its own."""

    scale: torch.Tensor
    zero_point: torch.Tensor

    def __init__(self, scale: Any, zero_point: Any, dtype: Any, factory_kwargs: Any = None) -> None:
        super().__init__()
        self.register_buffer("scale", torch.tensor([scale]))
        self.register_buffer("zero_point", torch.tensor([zero_point], dtype=torch.long))
        self.dtype = dtype

    def forward(self, X: torch.Tensor) -> torch.Tensor:
        return torch.quantize_per_tensor(X, float(self.scale), int(self.zero_point), self.dtype)

    @staticmethod
    def from_float(mod: Any, use_precomputed_fake_quant: bool = False) -> Quantize:
        scale, zero_point = mod.activation_post_process.calculate_qparams()
        return Quantize(scale.float().item(), zero_point.long().item(), mod.activation_post_process.dtype)

    def extra_repr(self) -> str:
        return f"scale={self.scale}, zero_point={self.zero_point}, dtype={self.dtype}"


class DeQuantize(Module):
    """Integers to floats."""

    def forward(self, Xq: Any) -> Any:
        return Xq.dequantize()

    @staticmethod
    def from_float(mod: Any, use_precomputed_fake_quant: bool = False) -> DeQuantize:
        return DeQuantize()


# ---- with packed weights


class LinearPackedParams(Packed):
    """The weights of a linear layer, of 8 bits or float16."""

    _version = 3

    def __init__(self, dtype: Any = torch.qint8) -> None:
        super().__init__()
        self.dtype = dtype
        if dtype is torch.qint8:
            weight = torch._empty_affine_quantized([1, 1], scale=1.0, zero_point=0, dtype=torch.qint8)
        else:
            weight = torch.zeros([1, 1], dtype=torch.float)
        self.set_weight_bias(weight, None)

    def set_weight_bias(self, w: Any, b: Any) -> None:
        pack = _ops.linear_prepack if self.dtype is torch.qint8 else _ops.linear_prepack_fp16
        self._packed_params = pack(w, b)

    def _weight_bias(self) -> tuple[Any, Any]:
        return _ops.linear_unpack(self._packed_params)

    def forward(self, x: Any) -> Any:
        return x

    def _write_state(self, out: dict, prefix: str) -> None:
        out[prefix + "dtype"] = self.dtype
        out[prefix + "_packed_params"] = tuple(self._weight_bias())

    def _read_state(self, state: dict, prefix: str, version: int | None) -> None:
        version = version or 1
        self.dtype = torch.qint8 if version < 2 else state.pop(prefix + "dtype")
        if version < 3:
            self.set_weight_bias(state.pop(prefix + "weight"), state.pop(prefix + "bias"))
        else:
            self.set_weight_bias(*state.pop(prefix + "_packed_params"))


class _WithOutputScale(WithState):
    """A scale and a zero point for what comes out, in the state dict as tensors."""

    scale: float
    zero_point: int

    def _write_state(self, out: dict, prefix: str) -> None:
        out[prefix + "scale"] = torch.tensor(self.scale)
        out[prefix + "zero_point"] = torch.tensor(self.zero_point)

    def _read_state(self, state: dict, prefix: str, version: int | None) -> None:
        self.scale = float(state.pop(prefix + "scale"))
        self.zero_point = int(state.pop(prefix + "zero_point"))


class Linear(_WithOutputScale):
    """A linear layer on quantised tensors.

    Shape: ``(*, in_features) -> (*, out_features)``, both of dtype quint8.
    """

    _version = 3
    _apply_op = staticmethod(lambda *args: _ops.linear(*args))

    def __init__(self, in_features: int, out_features: int, bias_: bool = True, dtype: Any = torch.qint8) -> None:
        super().__init__()
        self.in_features, self.out_features = in_features, out_features
        self.scale, self.zero_point = 1.0, 0
        self._packed_params = LinearPackedParams(dtype)
        bias = torch.zeros(out_features) if bias_ else None
        if dtype is torch.qint8:
            weight = torch._empty_affine_quantized(
                [out_features, in_features], scale=1, zero_point=0, dtype=torch.qint8
            )
        else:
            weight = torch.zeros([out_features, in_features])
        self._packed_params.set_weight_bias(weight, bias)

    def _get_name(self) -> str:
        return "QuantizedLinear"

    def __repr__(self) -> str:
        return f"{self._get_name()}({self.extra_repr()})"

    def extra_repr(self) -> str:
        return (
            f"in_features={self.in_features}, out_features={self.out_features}, scale={self.scale}, "
            f"zero_point={self.zero_point}, qscheme={self.weight().qscheme()}"
        )

    def forward(self, x: Any) -> Any:
        return self._apply_op(x, self._packed_params._packed_params, self.scale, self.zero_point)

    def _weight_bias(self) -> tuple[Any, Any]:
        return self._packed_params._weight_bias()

    def weight(self) -> Any:
        return self._weight_bias()[0]

    def bias(self) -> Any:
        return self._weight_bias()[1]

    def set_weight_bias(self, w: Any, b: Any) -> None:
        self._packed_params.set_weight_bias(w, b)

    @classmethod
    def from_float(cls, mod: Any, use_precomputed_fake_quant: bool = False) -> Any:
        mod = _linear_of(mod)
        out = cls(mod.in_features, mod.out_features, dtype=torch.qint8)
        out.set_weight_bias(observed_weight(mod), mod.bias)
        out.scale, out.zero_point = _qparams(mod.activation_post_process)
        return out


def _linear_of(mod: Any) -> Any:
    """A fused (linear, relu) in float: the linear part, observed at its end."""
    from .. import intrinsic

    if type(mod) is not intrinsic.LinearReLU:
        return mod
    inner = mod[0]
    for name in ("activation_post_process", "qconfig"):
        if hasattr(mod, name):
            setattr(inner, name, getattr(mod, name))
    return inner


class _Conv(Packed, _WithOutputScale):
    """A convolution on quantised tensors."""

    _dims = 2
    _transposed = False
    _relu = False

    def __init__(
        self, in_channels: int, out_channels: int, kernel_size: Any, stride: Any = 1, padding: Any = 0, *args: Any, bias: bool = True,
        dilation: Any = 1, groups: int = 1, output_padding: Any = 0, padding_mode: str = "zeros", **kwargs: Any,
    ) -> None:  # fmt: skip
        super().__init__()
        if args:  # by position: (dilation, groups, bias, padding_mode), of transposed ones (output_padding, groups, bias, dilation)
            names = (
                ("output_padding", "groups", "bias", "dilation")
                if self._transposed
                else ("dilation", "groups", "bias", "padding_mode")
            )
            given = {"dilation": dilation, "groups": groups, "bias": bias, "padding_mode": padding_mode,
                     "output_padding": output_padding, **dict(zip(names, args, strict=False))}  # fmt: skip
            dilation, groups, bias = given["dilation"], given["groups"], given["bias"]
            padding_mode, output_padding = given["padding_mode"], given["output_padding"]
        each = (_single, _pair, _triple)[self._dims - 1]
        self.in_channels, self.out_channels, self.groups = in_channels, out_channels, groups
        self.kernel_size, self.stride, self.dilation = each(kernel_size), each(stride), each(dilation)
        self.padding = padding if isinstance(padding, str) else each(padding)
        self.output_padding = each(output_padding)
        self.transposed, self.padding_mode = self._transposed, padding_mode
        shape = [in_channels, out_channels // groups] if self._transposed else [out_channels, in_channels // groups]
        weight = torch._empty_affine_quantized([*shape, *self.kernel_size], scale=1, zero_point=0, dtype=torch.qint8)
        self.set_weight_bias(weight, torch.zeros(out_channels) if bias else None)
        self.scale, self.zero_point = 1.0, 0

    @property
    def _name(self) -> str:
        return f"conv{'_transpose' * self._transposed}{self._dims}d"

    def set_weight_bias(self, w: Any, b: Any) -> None:
        padding = self.padding if self.padding_mode == "zeros" else (0,) * self._dims
        middle = (self.output_padding,) if self._transposed else ()
        pack = getattr(_ops, self._name + "_prepack")
        self._packed_params = pack(w, b, self.stride, padding, *middle, self.dilation, self.groups)

    def _weight_bias(self) -> tuple[Any, Any]:
        return getattr(_ops, self._name + "_unpack")(self._packed_params)

    def forward(self, input: Any) -> Any:
        if input.dim() != self._dims + 2:
            raise ValueError(
                f"Input shape must be `(N, C{', L' if self._dims == 1 else ', H, W' if self._dims == 2 else ', D, H, W'})`!"
            )
        if self.padding_mode != "zeros":
            amounts = torch.jit.annotate(list[int], [])
            for p in reversed(self.padding):
                amounts += [p, p]
            input = torch.nn.functional.pad(input, amounts, mode=self.padding_mode)
        run = getattr(_ops, self._name + "_relu" * self._relu)
        return run(input, self._packed_params, self.scale, self.zero_point)

    def _write_state(self, out: dict, prefix: str) -> None:
        super()._write_state(out, prefix)
        out[prefix + "weight"], out[prefix + "bias"] = self._weight_bias()

    def _read_state(self, state: dict, prefix: str, version: int | None) -> None:
        super()._read_state(state, prefix, version)
        self.set_weight_bias(state.pop(prefix + "weight"), state.pop(prefix + "bias"))

    def _get_name(self) -> str:
        return "Quantized" + type(self).__name__

    def extra_repr(self) -> str:
        return (
            f"{self.in_channels}, {self.out_channels}, kernel_size={self.kernel_size}, stride={self.stride}, "
            f"scale={self.scale}, zero_point={self.zero_point}"
        )

    @classmethod
    def from_float(cls, mod: Any, use_precomputed_fake_quant: bool = False) -> Any:
        observer = getattr(mod, "activation_post_process", None)
        inner = _conv_of(mod)
        more = {"output_padding": inner.output_padding} if cls._transposed else {}
        out = cls(
            inner.in_channels, inner.out_channels, inner.kernel_size, inner.stride, inner.padding, dilation=inner.dilation,
            groups=inner.groups, bias=inner.bias is not None, padding_mode=inner.padding_mode, **more,
        )  # fmt: skip
        out.set_weight_bias(observed_weight(inner), inner.bias)
        if observer is not None and observer.dtype is not torch.float:
            out.scale, out.zero_point = _qparams(observer)
        return out


def _conv_of(mod: Any) -> Any:
    """The convolution of a fused module, with the batch norm behind it in its weights."""
    from .. import intrinsic

    return intrinsic.folded(mod)


class Conv1d(_Conv):
    _dims = 1


class Conv2d(_Conv):
    _dims = 2


class Conv3d(_Conv):
    _dims = 3


class ConvTranspose1d(_Conv):
    _dims, _transposed = 1, True


class ConvTranspose2d(_Conv):
    _dims, _transposed = 2, True


class ConvTranspose3d(_Conv):
    _dims, _transposed = 3, True


class Embedding(Packed):
    """Rows of 8 bits, each with a scale of its own; gives floats."""

    _version = 1

    def __init__(
        self,
        num_embeddings: int,
        embedding_dim: int,
        *args: Any,
        dtype: Any = torch.quint8,
        _weight: Any = None,
        **kwargs: Any,
    ) -> None:
        super().__init__()
        self.num_embeddings, self.embedding_dim, self.dtype = num_embeddings, embedding_dim, dtype
        if _weight is None:
            ones, zeros = torch.ones(num_embeddings), torch.zeros(num_embeddings)
            rows = torch.zeros(num_embeddings, embedding_dim)
            _weight = torch.quantize_per_channel(rows, ones, zeros, 0, torch.quint8)
        self.set_weight_bias(_weight, None)

    def set_weight_bias(self, w: Any, b: Any) -> None:
        self._packed_params = _ops.embedding_bag_prepack(w)

    set_weight = set_weight_bias

    def _weight_bias(self) -> tuple[Any, Any]:
        return _ops.embedding_bag_unpack(self._packed_params), None

    def forward(self, indices: Any) -> Any:
        return _ops.embedding_byte(self._packed_params, indices)

    def _write_state(self, out: dict, prefix: str) -> None:
        out[prefix + "_packed_params.dtype"] = self.dtype
        out[prefix + "_packed_params._packed_weight"] = self.weight()

    def _read_state(self, state: dict, prefix: str, version: int | None) -> None:
        self.dtype = state.pop(prefix + "_packed_params.dtype")
        self.set_weight_bias(state.pop(prefix + "_packed_params._packed_weight"), None)

    @classmethod
    def from_float(cls, mod: Any, use_precomputed_fake_quant: bool = False) -> Any:
        observer = mod.qconfig.weight()
        observer(mod.weight)
        return cls(
            mod.num_embeddings, mod.embedding_dim, _weight=quantized_weight(mod.weight.detach().float(), observer)
        )


class EmbeddingBag(Embedding):
    """Sums of an Embedding's rows."""

    def __init__(
        self,
        num_embeddings: int,
        embedding_dim: int,
        *args: Any,
        mode: str = "sum",
        include_last_offset: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(num_embeddings, embedding_dim, *args, **kwargs)
        self.mode, self.include_last_offset = mode, include_last_offset

    def forward(self, indices: Any, offsets: Any = None, per_sample_weights: Any = None) -> Any:
        return _ops.embedding_bag_byte(
            self._packed_params, indices, offsets, False, 0, False, per_sample_weights, None, self.include_last_offset
        )


# ---- functions with a scale of their own


class _Scaled(Module):
    """A function whose result has a scale and a zero point that are buffers."""

    scale: torch.Tensor
    zero_point: torch.Tensor

    def __init__(self, scale: float, zero_point: int, **kwargs: Any) -> None:
        super().__init__()
        self.register_buffer("scale", torch.tensor(scale))
        self.register_buffer("zero_point", torch.tensor(zero_point))

    def _out(self) -> tuple[float, int]:
        return float(self.scale), int(self.zero_point)


class Hardswish(_Scaled):
    def forward(self, input: Any) -> Any:
        return _ops.hardswish(input, *self._out())

    @classmethod
    def from_float(cls, mod: Any, use_precomputed_fake_quant: bool = False) -> Any:
        return cls(*_qparams(mod.activation_post_process))


class LeakyReLU(_Scaled):
    def __init__(
        self, scale: float, zero_point: int, negative_slope: float = 1e-2, inplace: bool = False, **kwargs: Any
    ) -> None:
        super().__init__(scale, zero_point)
        self.negative_slope, self.inplace = negative_slope, inplace

    def forward(self, input: Any) -> Any:
        return _ops.leaky_relu(input, self.negative_slope, self.inplace, *self._out())

    @classmethod
    def from_float(cls, mod: Any, use_precomputed_fake_quant: bool = False) -> Any:
        return cls(*_qparams(mod.activation_post_process), mod.negative_slope, mod.inplace)


class _Plain(Module):
    """A function whose result has a scale and a zero point that are numbers."""

    def __init__(self, output_scale: float, output_zero_point: int) -> None:
        super().__init__()
        self.output_scale, self.output_zero_point = output_scale, output_zero_point

    @classmethod
    def from_float(cls, mod: Any, use_precomputed_fake_quant: bool = False) -> Any:
        return cls(*_qparams(mod.activation_post_process))


class Sigmoid(_Plain):
    def forward(self, input: Any) -> Any:
        return _ops.sigmoid(input, self.output_scale, self.output_zero_point)


class ELU(Module):
    def __init__(self, scale: float, zero_point: int, alpha: float = 1.0) -> None:
        super().__init__()
        self.scale, self.zero_point, self.alpha = scale, zero_point, alpha

    def forward(self, input: Any) -> Any:
        return _ops.elu(input, self.scale, self.zero_point, self.alpha)

    @staticmethod
    def from_float(mod: Any, use_precomputed_fake_quant: bool = False) -> ELU:
        return ELU(*_qparams(mod.activation_post_process), mod.alpha)


class Softmax(Module):
    def __init__(self, dim: int | None = None, scale: float = 1.0, zero_point: int = 0) -> None:
        super().__init__()
        self.dim, self.scale, self.zero_point = dim, scale, zero_point

    def forward(self, input: Any) -> Any:
        dim = self.dim if self.dim is not None else 0 if input.dim() in (0, 1, 3) else 1
        return _ops.softmax(input, dim, self.scale, self.zero_point)

    @staticmethod
    def from_float(mod: Any, use_precomputed_fake_quant: bool = False) -> Softmax:
        return Softmax(mod.dim, *_qparams(mod.activation_post_process))


class PReLU(Module):
    def __init__(self, output_scale: float, output_zero_point: int, num_parameters: int = 1) -> None:
        super().__init__()
        self.num_parameters, self.scale, self.zero_point = num_parameters, output_scale, output_zero_point
        self.set_weight(torch.quantize_per_tensor(torch.zeros(num_parameters), 1.0, 0, torch.quint8))

    def set_weight(self, w: Any) -> None:
        self.weight = w

    def forward(self, input: Any) -> Any:
        return _ops.prelu(input, self.weight, self.scale, self.zero_point)

    @classmethod
    def from_float(cls, mod: Any, use_precomputed_fake_quant: bool = False) -> Any:
        out = cls(*_qparams(mod.activation_post_process), mod.num_parameters)
        observer = mod.qconfig.weight()
        observer(mod.weight)
        out.set_weight(torch.quantize_per_tensor(mod.weight.detach().float(), *_qparams(observer), torch.quint8))
        return out


class Dropout(_Dropout):
    """Passes on what it gets."""

    def forward(self, input: Any) -> Any:
        return input

    @classmethod
    def from_float(cls, mod: Any, use_precomputed_fake_quant: bool = False) -> Any:
        return cls(mod.p, mod.inplace)


def _norm(name: str, base: type, run: Any, given: tuple[str, ...]) -> type:
    """A normalising layer: the float one with a scale and a zero point for its result."""

    def init(self: Any, *args: Any, scale: float = 1.0, zero_point: int = 0, **kwargs: Any) -> None:
        base.__init__(self, *args, **kwargs)  # type: ignore[misc]
        self.register_buffer("scale", torch.tensor(scale))
        self.register_buffer("zero_point", torch.tensor(zero_point))

    def from_float(cls: Any, mod: Any, use_precomputed_fake_quant: bool = False) -> Any:
        out = cls(*(getattr(mod, g) for g in given), eps=mod.eps)
        out.load_state_dict(
            {
                **out.state_dict(),
                **{k: v for k, v in mod.state_dict().items() if "activation" not in k and "fake" not in k},
            }
        )
        scale, zero_point = _qparams(mod.activation_post_process)
        out.scale.copy_(torch.tensor(scale))
        out.zero_point.copy_(torch.tensor(zero_point))
        return out.eval()

    body = {"__init__": init, "forward": run, "from_float": classmethod(from_float), "__module__": __name__,
            "__doc__": f"{name} on quantised tensors.", "_get_name": lambda self: f"Quantized{name}"}  # fmt: skip
    return type(name, (base,), body)


def _batch(self: Any, x: Any) -> Any:
    op = _ops.batch_norm3d if x.dim() == 5 else _ops.batch_norm2d
    return op(
        x,
        self.weight,
        self.bias,
        self.running_mean,
        self.running_var,
        self.eps,
        float(self.scale),
        int(self.zero_point),
    )


def _instance(self: Any, x: Any) -> Any:
    return _ops.instance_norm(x, self.weight, self.bias, self.eps, float(self.scale), int(self.zero_point))


_nn = torch.nn
BatchNorm2d = _norm("BatchNorm2d", _nn.BatchNorm2d, _batch, ("num_features",))
BatchNorm3d = _norm("BatchNorm3d", _nn.BatchNorm3d, _batch, ("num_features",))
InstanceNorm1d = _norm("InstanceNorm1d", _nn.InstanceNorm1d, _instance, ("num_features",))
InstanceNorm2d = _norm("InstanceNorm2d", _nn.InstanceNorm2d, _instance, ("num_features",))
InstanceNorm3d = _norm("InstanceNorm3d", _nn.InstanceNorm3d, _instance, ("num_features",))
LayerNorm = _norm(
    "LayerNorm", _nn.LayerNorm,
    lambda self, x: _ops.layer_norm(x, list(self.normalized_shape), self.weight, self.bias, self.eps, float(self.scale), int(self.zero_point)),
    ("normalized_shape",),
)  # fmt: skip
GroupNorm = _norm(
    "GroupNorm", _nn.GroupNorm,
    lambda self, x: _ops.group_norm(x, self.num_groups, self.weight, self.bias, self.eps, float(self.scale), int(self.zero_point)),
    ("num_groups", "num_channels"),
)  # fmt: skip


# ---- arithmetic as modules


class FloatFunctional(Module):
    """add, mul, cat, ... as methods of a module: results pass through ``activation_post_process``, where an observer would be.

    >>> torch.nn.quantized.FloatFunctional().add(torch.ones(1), torch.ones(1))
    tensor([2.])
    """

    def __init__(self) -> None:
        super().__init__()
        self.activation_post_process = Identity()

    def forward(self, x: Any) -> Any:
        raise RuntimeError("FloatFunctional is not intended to use the 'forward'. Please use the underlying operation")

    def add(self, x: Any, y: Any) -> Any:
        """x + y."""
        return self.activation_post_process(torch.add(x, y))

    def add_scalar(self, x: Any, y: Any) -> Any:
        """x + a number."""
        return torch.add(x, y)

    def mul(self, x: Any, y: Any) -> Any:
        """x * y."""
        return self.activation_post_process(torch.mul(x, y))

    def mul_scalar(self, x: Any, y: Any) -> Any:
        """x * a number."""
        return torch.mul(x, y)

    def cat(self, x: Any, dim: int = 0) -> Any:
        """torch.cat."""
        return self.activation_post_process(torch.cat(x, dim=dim))

    def add_relu(self, x: Any, y: Any) -> Any:
        """relu(x + y)."""
        return self.activation_post_process(torch.relu(torch.add(x, y)))

    def matmul(self, x: Any, y: Any) -> Any:
        """x @ y."""
        return self.activation_post_process(torch.matmul(x, y))


class FXFloatFunctional(FloatFunctional):
    """FloatFunctional for torch.fx, whose graphs see the functions themselves."""


class QFunctional(_WithOutputScale):
    """What a FloatFunctional becomes: the same methods on quantised tensors."""

    def __init__(self) -> None:
        super().__init__()
        self.scale, self.zero_point = 1.0, 0
        self.activation_post_process = Identity()

    def forward(self, x: Any) -> Any:
        raise RuntimeError("Functional is not intended to use the 'forward'. Please use the underlying operation")

    def _done(self, r: Any) -> Any:
        return self.activation_post_process(r)

    def add(self, x: Any, y: Any) -> Any:
        return self._done(_ops.add(x, y, self.scale, self.zero_point))

    def add_scalar(self, x: Any, y: Any) -> Any:
        return _ops.add_scalar(x, y)

    def mul(self, x: Any, y: Any) -> Any:
        return self._done(_ops.mul(x, y, self.scale, self.zero_point))

    def mul_scalar(self, x: Any, y: Any) -> Any:
        return _ops.mul_scalar(x, y)

    def cat(self, x: Any, dim: int = 0) -> Any:
        return self._done(_ops.cat(x, dim, self.scale, self.zero_point))

    def add_relu(self, x: Any, y: Any) -> Any:
        return self._done(_ops.add_relu(x, y, self.scale, self.zero_point))

    def matmul(self, x: Any, y: Any) -> Any:
        return self._done(_ops.matmul(x, y, self.scale, self.zero_point))

    @classmethod
    def from_float(cls, mod: Any, use_precomputed_fake_quant: bool = False) -> Any:
        out = cls()
        out.scale, out.zero_point = _qparams(mod.activation_post_process)
        return out


from . import dynamic  # noqa: E402  which needs the classes above

__getattr__ = _missing.getattr_of(__name__)

"""Methods of Tensor that are rarely called, in Python: copying, pickling, formatting."""

from __future__ import annotations

import math
import warnings

from . import _C, _qscheme
from ._C import Tensor
from .storage import _LEGACY, TypedStorage


def _method(function):
    setattr(Tensor, function.__name__, _C._overridable(function))
    return function


@_method
def _typed_storage(self) -> TypedStorage:
    return self.storage()


@_method
def storage(self) -> TypedStorage:
    """The elements' memory as a TypedStorage, which the tensor's views share."""
    return TypedStorage(wrap_storage=self.untyped_storage(), dtype=self.dtype)


@_method
def storage_type(self):
    """The class of the tensor's storage, such as torch.FloatStorage."""
    return _LEGACY[self.storage().pickle_storage_type()]


@_method
def lu(self, pivot=True, get_infos=False):
    """torch.lu(self)."""
    from ._factorizations import lu as factors

    return factors(self, pivot=pivot, get_infos=get_infos)


# Of sizes while a trace is recorded: a tensor, which the graph follows.
@_method
def __ceil__(self):
    """math.ceil(tensor), of one element."""
    return self.ceil().long() if _C._is_tracing() else math.ceil(float(self))


@_method
def __floor__(self):
    """math.floor(tensor), of one element."""
    return self.floor().long() if _C._is_tracing() else math.floor(float(self))


@_method
def __trunc__(self):
    """math.trunc(tensor), of one element."""
    return self.trunc().long() if _C._is_tracing() else math.trunc(float(self))


_own_repr = Tensor.__repr__


@_method
def __repr__(self, *, tensor_contents=None):
    """The tensor as text; `tensor_contents` stands in the place of the elements, for classes that keep them elsewhere."""
    if tensor_contents is None:
        return _own_repr(self)
    from ._tensor_str import _str

    return _str(self, tensor_contents=tensor_contents)


@_method
def __deepcopy__(self, memo):
    if getattr(self, "grad_fn", None) is not None:
        raise RuntimeError(
            "Only Tensors created explicitly by the user (graph leaves) support the deepcopy protocol at the moment.  "
            "If you were attempting to deepcopy a module, this may be because of a torch.nn.utils.weight_norm usage, "
            "see https://github.com/pytorch/pytorch/pull/103001. Hint: copy x.detach().clone() instead"
        )
    if id(self) in memo:
        return memo[id(self)]
    import copy

    from ._pickling import _keeps_values_elsewhere

    sparse = self.layout is not _C._layouts["strided"] or self.is_quantized
    if _keeps_values_elsewhere(self):
        out = memo[id(self)] = self.clone()
        if type(out) is not type(self):
            raise RuntimeError(
                "The default implementation of __deepcopy__() for wrapper subclasses only works for subclass types that properly "
                f"implement clone(), for which cloning returns another instance of the same subclass; clone() of {type(self).__name__} "
                f"gave {type(out).__name__}. Hint: define __deepcopy__ in the class"
            )
        if out.is_leaf:
            out.requires_grad_(self.requires_grad)
        if getattr(self, "_is_param", False):
            out._is_param = True
        return out
    memory = None if sparse else self.untyped_storage()
    key = None if sparse else memory._cdata
    if not sparse and key not in memo:  # tensors that share memory do so afterwards
        memo[key] = memory.clone()
    out = (
        Tensor._rebuild(memo[key], self.dtype, self.storage_offset(), tuple(self.shape), self.stride())
        if not (self.is_meta or sparse)
        else self.detach().clone()
    )
    if type(self) is not Tensor:
        out = Tensor._make_subclass(type(self), out)
    out.requires_grad = self.requires_grad
    memo[id(self)] = out
    if getattr(self, "grad", None) is not None:
        out.grad = copy.deepcopy(self.grad, memo)
    for name, value in self.__dict__.items():
        out.__dict__[name] = copy.deepcopy(value, memo)
    if type(self) is not Tensor:
        import copyreg

        for name in copyreg._slotnames(type(self)):  # type: ignore[attr-defined]
            if hasattr(self, name):
                setattr(out, name, copy.deepcopy(getattr(self, name), memo))
    return out


def _rebuild_sparse(layout, parts, size, is_coalesced, requires_grad, cls, state):
    if is_coalesced is not None:
        out = _C._ops.sparse_coo_tensor(*parts, size, is_coalesced=is_coalesced)
    else:
        out = _C._ops.sparse_compressed_tensor(*parts, size, layout=_C._layouts[layout])
    if cls is not Tensor:
        out = Tensor._make_subclass(cls, out)
    if requires_grad:
        out.requires_grad = True
    out.__dict__.update(state)
    return out


def _sparse_parts(self) -> tuple:
    """The tensors that a sparse one is made of."""
    if self.is_sparse:
        return self._indices(), self._values()
    rows = self.layout in (_C._layouts["sparse_csr"], _C._layouts["sparse_bsr"])
    indices = (self.crow_indices(), self.col_indices()) if rows else (self.ccol_indices(), self.row_indices())
    return *indices, self.values().detach()


def _rebuild_tensor(storage, dtype, offset, size, stride, requires_grad, cls, state):
    if storage is None:
        out = _C._ops.empty_strided(size, stride, dtype=dtype, device="meta")
    else:
        out = Tensor._rebuild(storage, dtype, offset, size, stride)
    if cls is not Tensor:
        out = Tensor._make_subclass(cls, out)
    if requires_grad:
        out.requires_grad = True
    out.__dict__.update(state)
    return out


@_method
def qscheme(self) -> _qscheme.qscheme:
    """How the integers of a quantised tensor stand for numbers: torch.per_tensor_affine or torch.per_channel_affine."""
    if self._qscheme is None:
        raise RuntimeError(f"qscheme: expected a quantized tensor, got one of dtype {self.dtype}")
    return getattr(_qscheme, self._qscheme)


def _quantizer_parts(tensor) -> tuple:
    """What a quantised tensor's integers stand for, as files hold it."""
    if tensor._qscheme == "per_tensor_affine":
        return tensor.qscheme(), tensor.q_scale(), tensor.q_zero_point()
    scales, zeros = tensor.q_per_channel_scales(), tensor.q_per_channel_zero_points()
    return tensor.qscheme(), scales, zeros, tensor.q_per_channel_axis()


def _rebuild_quantized(integers, dtype, parts) -> Tensor:
    scheme, scale, zero, *axis = parts
    if scheme is _qscheme.per_tensor_affine:
        out = _C._ops._make_per_tensor_quantized_tensor(integers, scale, zero)
    else:
        scale = scale if isinstance(scale, Tensor) else _C._functions["tensor"](scale)
        zero = zero if isinstance(zero, Tensor) else _C._functions["tensor"](zero)
        out = _C._ops._make_per_channel_quantized_tensor(integers, scale, zero, axis[0])
    assert out.dtype == dtype
    return out


@_method
def __reduce_ex__(self, protocol):
    state = dict(self.__dict__)
    if self.is_quantized:
        return _rebuild_quantized, (self.int_repr(), self.dtype, _quantizer_parts(self))
    if self.layout is not _C._layouts["strided"]:
        return _rebuild_sparse, (
            str(self.layout).removeprefix("torch."),
            _sparse_parts(self),
            tuple(self.shape),
            self.is_coalesced() if self.is_sparse else None,
            self.requires_grad,
            type(self),
            state,
        )
    return _rebuild_tensor, (
        None if self.is_meta else self.untyped_storage(),
        self.dtype,
        self.storage_offset(),
        tuple(self.shape),
        self.stride(),
        self.requires_grad,
        type(self),
        state,
    )


@_method
def to_sparse_coo(self) -> Tensor:
    """The tensor in coordinates: ``to_sparse()``."""
    return self.to_sparse()


@_method
def __setstate__(self, state) -> None:
    """What pickles of PyTorch before 0.4 say of variables and parameters, as tuples; else attributes."""
    if isinstance(state, tuple) and len(state) == 5:  # (data, gradient, hooks, requires_grad, volatile)
        self.data = state[0]
        self.requires_grad = bool(state[3])
    elif isinstance(state, tuple) and len(state) == 3:  # (requires_grad, volatile, hooks)
        self.requires_grad = bool(state[0])
    else:
        for part in state if isinstance(state, tuple) else (state,):
            self.__dict__.update(part or {})


@_method
def __format__(self, spec: str) -> str:
    if self.dim() == 0 and not self.is_meta and type(self) is Tensor:
        return format(self.item(), spec)
    if spec and type(self) is Tensor:
        raise TypeError(
            f"unsupported format string passed to Tensor.__format__. Hint: the tensor has shape {tuple(self.shape)}, {spec!r} is for "
            "one number: x.item() of one element or x.mean().item(); torch.set_printoptions is for all of them"
        )
    return object.__format__(self, spec)


@_method
def __contains__(self, element) -> bool:
    if isinstance(element, (Tensor, bool, int, float, complex)):
        return bool((self == element).any().item())
    raise RuntimeError(f"Tensor.__contains__ only supports Tensor or scalar, but you passed in a {type(element)}.")


@_method
def __array_wrap__(self, array, context=None, return_scalar=False):
    if array.dtype == bool:
        array = array.astype("uint8")
    return _C.from_numpy(array)


Tensor.__array_priority__ = 1000  # numpy leaves `array * tensor` to the tensor


@_method
def share_memory_(self):
    """Moves the memory, in place, to where processes that are given the tensor share it (torch.multiprocessing)."""
    self.untyped_storage().share_memory_()
    return self


@_method
def is_shared(self) -> bool:
    """Whether the memory is shared with the processes that are given the tensor (share_memory_)."""
    return self.untyped_storage().is_shared()


def _without_gradients(name: str, *tensors: Tensor) -> None:
    if any(t.requires_grad for t in tensors):
        raise RuntimeError(f"Can't call {name}() on Variable that requires grad. Use var.detach().{name}() instead.")


@_method
def apply_(self, callable):
    """Replaces each element by what `callable` gives for it. Slow: one Python call an element."""
    _without_gradients("apply_", self)
    flat = [callable(v) for v in self.flatten().tolist()]
    if not all(isinstance(v, (int, float, complex)) for v in flat):
        raise TypeError("apply_: expected a number for each element from the callable")
    return self.copy_(_C.tensor(flat, dtype=self.dtype).view(self.shape))


@_method
def get_device(self) -> int:
    """The index of the tensor's device; -1 on the CPU."""
    index = self.device.index
    return -1 if index is None else index


@_method
def ndimension(self) -> int:
    """The number of dimensions, as dim()."""
    return self.dim()


@_method
def resize(self, *sizes):
    """The values in another shape, as reshape(): of old; resize_() changes the tensor itself."""
    warnings.warn("non-inplace resize is deprecated; use reshape", stacklevel=2)
    return self.contiguous().view(*sizes)


@_method
def resize_as(self, tensor):
    """The values in the shape of another tensor, as resize()."""
    warnings.warn("non-inplace resize_as is deprecated; use reshape_as", stacklevel=2)
    return self.contiguous().view(tensor.size())


def _volatile(self) -> bool:
    """Of old, for tensors that record no gradients: always False."""
    warnings.warn("volatile was removed (Variable.volatile is always False)", stacklevel=2)
    return False


def _set_volatile(self, value) -> None:
    warnings.warn("volatile was removed and now has no effect. Use `with torch.no_grad():` instead.", stacklevel=2)


Tensor.volatile = property(_volatile, _set_volatile)


@_method
def new(self, *args, **kwargs):
    """A tensor of the same dtype, by the arguments of the types of old (torch.FloatTensor): sizes, or data in lists."""
    if "size" in kwargs and not args:
        args = (_C.Size(kwargs.pop("size")),)
    if kwargs.pop("device", None) not in (None, self.device, str(self.device)) or kwargs:
        raise TypeError(
            f"new() got unexpected keyword arguments: {', '.join(kwargs) or 'another device than that of self'}"
        )
    if self.is_sparse:  # sizes, or indices, values and sizes
        from ._functional import sparse_coo_tensor

        sizes = not args or isinstance(args[0], (int, _C.Size))
        parts = args if not sizes else (_C.Size(args or (0,)),) if not args or isinstance(args[0], int) else args[:1]
        return sparse_coo_tensor(*parts, dtype=self.dtype)
    return _C._legacy_typed(self.dtype, args)


@_method
def __reversed__(self):
    return self.flip(0) if self.dim() else self


@_method
def __complex__(self) -> complex:
    return complex(self.item())


@_method
def map_(self, tensor, callable):
    """Replaces each element by what `callable` gives for it and the other tensor's. Slow: one Python call an element."""
    _without_gradients("map_", self, tensor)
    other = tensor.expand(self.shape).flatten().tolist()
    flat = [callable(a, b) for a, b in zip(self.flatten().tolist(), other, strict=True)]
    return self.copy_(_C.tensor(flat, dtype=self.dtype).view(self.shape))


@_method
def map2_(self, x, y, callable):
    """Replaces each element by what `callable` gives for it and those of two other tensors. Slow: one Python call an element."""
    _without_gradients("map2_", self, x, y)
    others = [t.expand(self.shape).flatten().tolist() for t in (x, y)]
    flat = [callable(*v) for v in zip(self.flatten().tolist(), *others, strict=True)]
    return self.copy_(_C.tensor(flat, dtype=self.dtype).view(self.shape))


@_method
def _fix_weakref(self) -> None:
    """Nothing: weak references keep to the tensor."""


@_method
def _is_view(self) -> bool:
    """Whether the tensor was made as a view of another, and shares its memory."""
    return self._base is not None


_set_to = Tensor.set_


@_method
def set_(self, source=None, storage_offset=0, size=None, stride=None):
    """Takes over memory: that of a tensor, with its geometry or a given one, or of a storage; none leaves an empty tensor.

    Args:
        source: a Tensor, an UntypedStorage or a TypedStorage.
        storage_offset: the place of the first element, counted in elements.
        size: Default: all elements of the storage.
        stride: Default: contiguous.

    A storage that is smaller than the geometry grows.
    """
    if isinstance(source, Tensor) and size is None and not storage_offset:
        return _set_to(self, source)
    if source is None:
        source = _C.UntypedStorage(0)
    dtype = getattr(source, "dtype", self.dtype)
    memory = source if isinstance(source, _C.UntypedStorage) else getattr(source, "_untyped_storage", None)
    if isinstance(source, Tensor):
        memory = source.untyped_storage()
    if memory is None:
        raise TypeError(f"set_(): argument 'source' must be a Tensor or a storage, not {type(source).__name__}")
    if size is None:
        size = (memory.nbytes() // self.element_size() - storage_offset,)
    if not isinstance(size, (tuple, list)):
        size = (size,)
    if stride is None:
        stride, step = [], 1
        for n in reversed(size):
            stride.insert(0, step)
            step *= max(n, 1)
    if min(size, default=1) > 0 and min(stride, default=0) >= 0 and storage_offset >= 0:
        last = storage_offset + sum((n - 1) * s for n, s in zip(size, stride, strict=False))
        if (last + 1) * dtype.itemsize > memory.nbytes():
            memory.resize_((last + 1) * dtype.itemsize)  # as PyTorch
    return _set_to(self, Tensor._rebuild(memory, dtype, storage_offset, tuple(size), tuple(stride)))


@_method
def is_conj(self) -> bool:
    """Whether the elements are yet to be conjugated; always False, as conj() does so at once."""
    return False


@_method
def is_neg(self) -> bool:
    """Whether the elements are yet to be negated; always False, as they are negated at once."""
    return False


@_method
def dim_order(self, *, ambiguity_check=False) -> tuple[int, ...]:
    """The dimensions from the one with the largest stride to the one with the smallest.

    Args:
        ambiguity_check: True raises RuntimeError where several orders are as good, dimensions of one element being anywhere; a list
            of memory formats decides between them then, or raises.
    """
    if self.is_sparse:
        raise AttributeError("Can't get dim order on sparse type with layout torch.sparse_coo: it has no strides")
    formats = ambiguity_check if isinstance(ambiguity_check, (list, tuple)) else ()
    if not isinstance(ambiguity_check, bool) and not (
        formats and all(isinstance(f, _C.memory_format) for f in formats)
    ):
        raise TypeError("The ambiguity_check argument must be a bool or a list of memory formats.")
    strides = self.stride()
    if formats:
        fitting = {
            order for f in formats if (order := _order_of(f, self.dim())) and self.is_contiguous(memory_format=f)
        }
        if len(fitting) != 1:
            raise RuntimeError(
                f"The tensor does not have unique dim order, or cannot map to exact one of the given memory formats {formats}."
            )
        return fitting.pop()
    if ambiguity_check and (len(set(strides)) < len(strides) or 1 in self.shape):
        raise RuntimeError("The tensor does not have unique dim order.")
    return tuple(sorted(range(self.dim()), key=lambda d: -strides[d]))


def _order_of(memory_format, dims: int) -> tuple[int, ...]:
    if memory_format is _C.contiguous_format:
        return tuple(range(dims))
    wanted = {_C.channels_last: 4, _C.channels_last_3d: 5}
    return (0, *range(2, dims), 1) if wanted.get(memory_format) == dims else ()


@_method
def module_load(self, other, assign: bool = False):
    """What load_state_dict puts in this tensor's place."""
    return other.detach() if assign else self.copy_(other).detach()


def _convert(ret, cls):
    """The result of a call in a subclass: tensors, and those in tuples and lists."""
    if cls is Tensor:
        return ret
    if isinstance(ret, Tensor) and not isinstance(ret, cls):
        ret = ret.as_subclass(cls)
    if isinstance(ret, (tuple, list)):
        items = [_convert(r, cls) for r in ret]
        ret = type(ret)(*items) if hasattr(ret, "_fields") else type(ret)(items)
    return ret


# ---- what switches __torch_function__ off; torch._C shows them ----


class _Overrides:
    """Switches overriding off for a scope."""

    _modes = True

    def __init__(self) -> None:
        self._was = []

    def __enter__(self):
        off, modes = _C._overrides_state()
        self._was.append((off, modes))
        _C._overrides_state(True, modes and self._modes)
        return self

    def __exit__(self, *exc) -> None:
        _C._overrides_state(*self._was.pop())


class DisableTorchFunctionSubclass(_Overrides):
    """In its scope no ``__torch_function__`` of arguments is called; modes are."""


class DisableTorchFunction(_Overrides):
    """In its scope neither the ``__torch_function__`` of arguments nor that of modes is called."""

    _modes = False


for _class in (DisableTorchFunctionSubclass, DisableTorchFunction):
    _class.__module__ = "rushlight._C"
    setattr(_C, _class.__name__, _class)


# ---- other devices: there are none ----


@_method
def record_stream(self, stream) -> None:
    """For memory that a stream of an accelerator still reads; on the CPU it raises NotImplementedError, as in PyTorch."""
    raise NotImplementedError(
        f"Could not run 'aten::record_stream' with arguments from the '{self.device.type.upper()}' backend: "
        "operators on the CPU are done when they return. Call it only where tensor.is_cuda"
    )


def _to_missing_device(name: str, error: type[Exception], text: str):
    def method(self, device=None, non_blocking=False, memory_format=None):
        raise error(f"{text}; tensors here are on {self.device}: leave .{name}() out, or use .to(device)")

    method.__name__ = name
    method.__qualname__ = f"Tensor.{name}"
    method.__doc__ = f"Raises {error.__name__}: there is no such device."
    return _method(method)


_to_missing_device("xpu", AssertionError, "Torch not compiled with XPU enabled")
_to_missing_device("mtia", AssertionError, "Torch not compiled with MTIA enabled")
_to_missing_device("ipu", RuntimeError, "PyTorch is not linked with support for ipu devices")


@_method
def is_distributed(self) -> bool:
    """False."""
    return False


@_method
def const_data_ptr(self) -> int:
    """As data_ptr, by one who promises only to read."""
    return self.data_ptr()


# ---- functions that are methods too ----


@_method
def smm(self, mat) -> Tensor:
    """torch.smm(self, mat)."""
    from ._rare import smm as function

    return function(self, mat)


@_method
def sspaddmm(self, mat1, mat2, *, beta=1, alpha=1) -> Tensor:
    """torch.sspaddmm(self, mat1, mat2)."""
    from ._rare import sspaddmm as function

    return function(self, mat1, mat2, beta=beta, alpha=alpha)


@_method
def slice_inverse(self, src, dim=0, start=None, end=None, step=1) -> Tensor:
    """torch.slice_inverse(self, src, ...)."""
    from ._rare import slice_inverse as function

    return function(self, src, dim, start, end, step)


# ---- what PyTorch removed, and says so ----


def _removed(name: str, instead: str):
    def method(self, *args, **kwargs):
        raise RuntimeError(
            f"This function was deprecated and is now removed. `torch.{name}` is deprecated in favor of {instead}"
        )

    method.__name__ = name
    method.__qualname__ = f"Tensor.{name}"
    method.__doc__ = f"Removed; raises RuntimeError: use {instead}."
    return _method(method)


_removed("lstsq", "`torch.linalg.lstsq`, whose arguments are in the other order")
_removed("solve", "`torch.linalg.solve`, whose arguments are in the other order")
_removed("symeig", "`torch.linalg.eigh`")
_removed("eig", "`torch.linalg.eig`, whose results are complex")
_removed("reinforce", "torch.distributions: loss = -distribution.log_prob(action) * reward")

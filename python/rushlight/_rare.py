"""Functions of torch that few programs call. Imported when one of them is first named."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import rushlight as rl
from rushlight import Tensor

from . import _C

# ---- autocast, by the kind of device ----


def set_autocast_cpu_enabled(enabled: bool) -> None:
    """As set_autocast_enabled("cpu", enabled)."""
    rl.set_autocast_enabled("cpu", enabled)


def set_autocast_cpu_dtype(dtype: Any) -> None:
    """As set_autocast_dtype("cpu", dtype)."""
    rl.set_autocast_dtype("cpu", dtype)


def get_autocast_gpu_dtype() -> Any:
    """As get_autocast_dtype("cuda")."""
    return rl.get_autocast_dtype("cuda")


get_autocast_ipu_dtype = get_autocast_gpu_dtype


def get_autocast_xla_dtype() -> Any:
    """bfloat16; there is no XLA here."""
    return rl.bfloat16


def is_autocast_ipu_enabled() -> bool:
    """False: there is no such device."""
    return False


is_autocast_xla_enabled = is_autocast_ipu_enabled


def set_autocast_gpu_dtype(dtype: Any) -> None:
    """As set_autocast_dtype("cuda", dtype)."""
    rl.set_autocast_dtype("cuda", dtype)


def set_autocast_ipu_dtype(dtype: Any) -> None:
    """Nothing: there is no such device."""


set_autocast_xla_dtype = set_autocast_ipu_enabled = set_autocast_xla_enabled = set_autocast_ipu_dtype


def autocast_increment_nesting() -> int:
    """One region deeper; gives the depth."""
    global _depth
    _depth += 1
    _C._autocast(None, None, None, 1)
    return _depth


def autocast_decrement_nesting() -> int:
    """One region less deep; gives the depth. In the outermost the weights that were cast are forgotten."""
    global _depth
    _depth -= 1
    _C._autocast(None, None, None, -1)
    return _depth


_depth = 0

# ---- sparse products ----


def smm(input: Tensor, mat: Tensor) -> Tensor:
    """The product of a sparse matrix and a dense one, as a sparse matrix with all its elements."""
    return _all_elements(rl.sparse.mm(input, mat))


def _all_elements(dense: Tensor) -> Tensor:
    rows, cols = dense.shape
    at = rl.stack([rl.arange(rows).repeat_interleave(cols), rl.arange(cols).repeat(rows)])
    return rl.sparse_coo_tensor(at, dense.reshape(-1), dense.shape, is_coalesced=True)


def hspmm(mat1: Tensor, mat2: Tensor) -> Tensor:
    """The product of a sparse matrix and a dense one, as a sparse tensor of rows: those where mat1 has values."""
    rows = mat1.coalesce().indices()[0].unique()
    values = rl.sparse.mm(mat1, mat2).index_select(0, rows)
    return rl.sparse_coo_tensor(rows.unsqueeze(0), values, (mat1.shape[0], mat2.shape[1]), is_coalesced=True)


hsmm = hspmm


def sspaddmm(input: Tensor, mat1: Tensor, mat2: Tensor, *, beta: Any = 1, alpha: Any = 1) -> Tensor:
    """beta * input + alpha * (mat1 @ mat2), sparse, with a sparse input and a sparse mat1."""
    return input * beta + _all_elements(rl.sparse.mm(mat1, mat2) * alpha)


saddmm = sspaddmm


def resize_as_sparse_(input: Tensor, the_template: Tensor) -> Tensor:
    """Gives a sparse tensor of coordinates the sizes of another; with elements it may only grow, its sparse and dense dimensions staying.

    >>> resize_as_sparse_(rl.sparse_coo_tensor(size=(2,)), rl.sparse_coo_tensor(size=(3, 4))).shape
    torch.Size([3, 4])
    """
    size, sparse, dense = the_template.shape, the_template.sparse_dim(), the_template.dense_dim()
    if not input._nnz():
        made = rl._sparse_coo_tensor_with_dims(sparse, dense, size, dtype=input.dtype, device=input.device)
    elif (input.sparse_dim(), input.dense_dim()) != (sparse, dense) or any(map(int.__lt__, size, input.shape)):
        raise RuntimeError(
            f"resize_as_sparse_: a sparse tensor with elements can't go from {tuple(input.shape)} to {tuple(size)}: its numbers of sparse "
            "and dense dimensions stay, and no size shrinks. Hint: make another with sparse_coo_tensor"
        )
    else:
        values = input._values()
        wider = [n for k in range(dense, 0, -1) for n in (0, size[len(size) - k] - input.shape[len(size) - k])][::-1]
        wider = [n for pair in zip(wider[1::2], wider[::2], strict=True) for n in pair]
        values = rl.nn.functional.pad(values, wider) if dense else values
        made = rl.sparse_coo_tensor(input._indices(), values, size, is_coalesced=input.is_coalesced())
    input.data = made
    return input


# ---- others ----


def native_dropout(input: Tensor, p: float, train: bool | None) -> tuple[Tensor, Tensor]:
    """(dropout, which elements were kept)."""
    if not 0 <= p <= 1:
        raise RuntimeError(f"native_dropout: expected a probability between 0 and 1, got {p}")
    if train is False or input.numel() == 0:
        return input.clone(), rl.ones_like(input, dtype=rl.bool)
    if p == 1:
        return rl.zeros_like(input), rl.zeros_like(input, dtype=rl.bool)
    kept = rl.empty_like(input).bernoulli_(1 - p)
    return input * kept / (1 - p), kept.bool()


def native_norm(input: Tensor, p: Any = 2, dim: Any = (), keepdim: bool = False, dtype: Any = None) -> Tensor:
    """The p-norm over dimensions, or all."""
    return rl.linalg.vector_norm(input, 2 if p is None else p, dim or None, keepdim, dtype=dtype)


def lobpcg(
    A: Tensor,  # noqa: N803
    k: int | None = None,
    B: Tensor | None = None,  # noqa: N803
    X: Tensor | None = None,  # noqa: N803
    n: int | None = None,
    iK: Tensor | None = None,  # noqa: N803
    niter: int | None = None,
    tol: float | None = None,
    largest: bool | None = None,
    method: str | None = None,
    tracker: Any = None,
    ortho_iparams: Any = None,
    ortho_fparams: Any = None,
    ortho_bparams: Any = None,
) -> tuple[Tensor, Tensor]:
    """The k largest (or smallest) eigenvalues of a symmetric positive definite matrix and their vectors, of A x = e B x with B given.

    Computed with all eigenvalues, by linalg.eigh, as the matrices that fit into memory allow; what steers the iteration of PyTorch's
    (X beyond its width, iK, niter, tol, method, tracker, ortho_*) is not needed. A may be sparse.

    Errors: ValueError where A has less than 3 k rows, as PyTorch asks.
    """
    if k is None:
        k = 1 if X is None else X.shape[-1]
    m = A.shape[-1]
    if A.dim() < 2 or A.shape[-2] != m:
        raise RuntimeError(f"lobpcg: expected a square matrix, or a batch of them, got shape {tuple(A.shape)}")
    if m < 3 * (n or k):
        raise ValueError(f"LPBPCG algorithm is not applicable when the number of A rows (={m}) is smaller than 3 x the number of requested eigenpairs (={n or k})")  # fmt: skip

    def symmetric(t: Tensor) -> Tensor:  # so that both triangles get their part of a gradient
        t = t.to_dense() if t.layout != rl.strided else t
        return (t + t.mH) / 2

    dense = symmetric(A)
    largest = True if largest is None else largest
    if B is None:
        values, vectors = rl.linalg.eigh(dense)
    else:
        lower = rl.linalg.cholesky(symmetric(B))
        inner = rl.linalg.solve_triangular(lower, dense, upper=False)
        inner = rl.linalg.solve_triangular(lower, inner.mT, upper=False)
        values, vectors = rl.linalg.eigh((inner + inner.mT) / 2)
        vectors = rl.linalg.solve_triangular(lower.mT, vectors, upper=True)
    if largest:
        return values.flip(-1)[..., :k], vectors.flip(-1)[..., :k]
    return values[..., :k], vectors[..., :k]


def set_anomaly_enabled(enabled: bool, check_nan: bool = True) -> None:
    """Switches anomaly mode on or off; see autograd.set_detect_anomaly."""
    rl.autograd.set_detect_anomaly(enabled, check_nan)


def is_distributed(input: Tensor) -> bool:
    """False."""
    return False


def is_vulkan_available() -> bool:
    """False."""
    return False


def cudnn_is_acceptable(input: Tensor) -> bool:
    """Whether cuDNN can take it: False on the CPU."""
    return False


def detach_(input: Tensor) -> Tensor:
    """Tensor.detach_ as a function."""
    return input.detach_()


def fork(*args: Any, **kwargs: Any) -> Any:
    """torch.jit.fork."""
    return rl.jit.fork(*args, **kwargs)


def wait(future: Any) -> Any:
    """torch.jit.wait."""
    return rl.jit.wait(future)


class AcceleratorError(RuntimeError):
    """What an accelerator reported while it ran; ``error_code`` is its number."""

    __module__ = "rushlight"
    error_code: int | None = None


class FatalError(Exception):
    """An error after which the process cannot go on."""

    __module__ = "rushlight"


# ---- sizes: here they are numbers, never symbols ----


def sym_fresh_size(size: int) -> int:
    """The size itself."""
    return size


def sym_constrain_range(size: int, *, min: int | None = None, max: int | None = None) -> None:
    """RuntimeError if the size is not between min and max.

    >>> sym_constrain_range(3, min=2, max=4)
    """
    if (min is not None and size < min) or (max is not None and size > max):
        raise RuntimeError(f"Invalid value range for {size} between [{min}, {max}].")


def sym_constrain_range_for_size(size: int, *, min: int | None = None, max: int | None = None) -> None:
    """As sym_constrain_range, for what is a tensor's size: never below 0."""
    sym_constrain_range(size, min=min or 0, max=max)


def init_num_threads() -> None:
    """The number of threads that the environment asks for (OMP_NUM_THREADS), or all cores."""
    import os

    asked = os.environ.get("OMP_NUM_THREADS", "")
    rl.set_num_threads(int(asked) if asked.isdigit() and int(asked) else len(os.sched_getaffinity(0)))


def batch_norm_update_stats(
    input: Tensor, running_mean: Tensor | None, running_var: Tensor | None, momentum: float
) -> tuple[Tensor, Tensor]:
    """Mean and (biased) variance of each channel, (N, C, *) -> (C,), (C,); the running ones, if given, move towards them.

    >>> batch_norm_update_stats(rl.tensor([[1.0], [3.0]]), None, None, 0.1)
    (tensor([2.]), tensor([1.]))
    """
    dims = [d for d in range(input.ndim) if d != 1]
    mean, var = input.mean(dims), input.var(dims, correction=0)
    count = input.numel() // max(input.shape[1], 1)
    with rl.no_grad():
        if running_mean is not None:
            running_mean.lerp_(mean.to(running_mean.dtype), momentum)
        if running_var is not None:
            running_var.lerp_((var * (count / (count - 1))).to(running_var.dtype), momentum)
    return mean, var


def slice_inverse(
    input: Tensor, src: Tensor, dim: int = 0, start: int | None = None, end: int | None = None, step: int = 1
) -> Tensor:
    """input, a slice of a tensor of src's shape, as that tensor again: a view with src's sizes, strides and offset."""
    return input.as_strided(src.shape, src.stride(), src.storage_offset())


def mkldnn_convolution(
    input: Tensor, weight: Tensor, bias: Tensor | None, padding: Any, stride: Any, dilation: Any, groups: int
) -> Tensor:
    """As convolution, with the arguments in another order."""
    return rl.convolution(input, weight, bias, stride, padding, dilation, False, [0] * (input.ndim - 2), groups)


def _copied(method: str) -> Callable[[Tensor], Tensor]:
    def function(input: Tensor) -> Tensor:
        return getattr(input, method)().clone()

    function.__name__ = function.__qualname__ = f"{method}_copy"
    function.__doc__ = f"A copy of what {method}() gives."
    return function


indices_copy, values_copy = _copied("indices"), _copied("values")
crow_indices_copy, col_indices_copy = _copied("crow_indices"), _copied("col_indices")
ccol_indices_copy, row_indices_copy = _copied("ccol_indices"), _copied("row_indices")


def _elsewhere(name: str) -> Callable[..., Any]:
    """What PyTorch has on another device or in another layout only: called on plain tensors it raises, as there."""

    def function(*args: Any, **kwargs: Any) -> Any:
        raise NotImplementedError(
            f"Could not run 'aten::{name}' with arguments from the 'CPU' backend: it is an operator of another device or of a library's own layout. "
            "Call the operator without the library's name (convolution, batch_norm, ...)"
        )

    function.__name__ = function.__qualname__ = name
    function.__doc__ = "An operator of another device or layout; raises NotImplementedError here."
    return function


_ELSEWHERE = (
    "batch_norm_backward_elemt batch_norm_backward_reduce batch_norm_elemt batch_norm_gather_stats "
    "batch_norm_gather_stats_with_counts batch_norm_stats cudnn_affine_grid_generator cudnn_batch_norm cudnn_convolution "
    "cudnn_convolution_add_relu cudnn_convolution_relu cudnn_convolution_transpose cudnn_grid_sampler miopen_batch_norm "
    "miopen_convolution miopen_convolution_add_relu miopen_convolution_relu miopen_convolution_transpose miopen_ctc_loss "
    "miopen_depthwise_convolution miopen_rnn mkldnn_adaptive_avg_pool2d mkldnn_linear_backward_weights mkldnn_max_pool2d mkldnn_max_pool3d"
).split()
for _name in _ELSEWHERE:
    globals()[_name] = _elsewhere(_name)


def _int_mm(self: Tensor, mat2: Tensor, *, out: Tensor | None = None) -> Tensor:
    """The product of two matrices of int8, in int32.

    >>> rl._int_mm(torch.full((1, 2), 100, dtype=torch.int8), torch.full((2, 1), 100, dtype=torch.int8))
    tensor([[20000]], dtype=torch.int32)
    """
    for name, t in (("self", self), ("mat2", mat2)):
        if t.dim() != 2:
            raise RuntimeError(f"_int_mm: Expected {name} to be of dimension 2 but got {t.dim()}")
        if t.dtype != rl.int8:
            raise RuntimeError(
                f"_int_mm: Expected {name} dtype to be of type int8 but got {t.dtype}; convert it with .to(torch.int8)"
            )
    if self.size(1) != mat2.size(0):
        raise RuntimeError(
            f"_int_mm: self.size(1) needs to match mat2.size(0) but got {self.size(1)} and {mat2.size(0)} "
            f"(shapes {list(self.shape)} and {list(mat2.shape)})"
        )
    result = rl.mm(self.to(rl.int32), mat2.to(rl.int32))
    if out is None:
        return result
    if out.dtype != rl.int32:
        raise RuntimeError(f"_int_mm: Expected result dtype to be of type int32 but got {out.dtype}")
    return out.resize_(result.shape).copy_(result)

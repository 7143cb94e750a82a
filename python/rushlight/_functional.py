"""Functions whose Python signature is not their operator's: spread arguments, results that depend on flags."""

from __future__ import annotations

from . import _C
from ._C import Tensor, tensor

TYPE_CHECKING = False
if TYPE_CHECKING:  # typing takes 4 ms to import
    from typing import Any

__all__ = [
    "atleast_1d", "atleast_2d", "atleast_3d", "block_diag", "broadcast_shapes", "broadcast_tensors", "cartesian_prod", "cdist", "chain_matmul", "einsum", "is_nonzero",
    "is_same_size", "meshgrid", "nonzero", "norm", "result_type", "split", "tensordot", "unique", "unique_consecutive",
    "sparse_bsc_tensor", "sparse_bsr_tensor", "sparse_compressed_tensor", "sparse_coo_tensor", "sparse_csc_tensor",
    "sparse_csr_tensor",
    "dsmm", "spmm", "unravel_index",
]  # fmt: skip
_ops = _C._ops


def is_nonzero(input: Tensor) -> bool:
    """Whether the only element is not zero. RuntimeError for tensors of more elements or none."""
    if input.numel() != 1:
        raise RuntimeError(
            f"Boolean value of Tensor with {'more than one value' if input.numel() else 'no values'} is ambiguous"
        )
    return bool(input)


def is_same_size(input: Tensor, other: Tensor) -> bool:
    """Whether both tensors have the same shape."""
    return input.shape == other.shape


def _made_tensor(make, requires_grad: bool, *args, **options) -> Tensor:
    """Lists become tensors. What is to require a gradient is a leaf."""
    tensors = [a if isinstance(a, Tensor) or a is None else tensor(a) for a in args[:-1]]
    if args[-1] is not None:
        tensors.append(args[-1])
    out = make(*tensors, **{k: v for k, v in options.items() if v is not None})
    return out.detach().requires_grad_() if requires_grad else out


def sparse_coo_tensor(
    indices=None,
    values=None,
    size=None,
    *,
    dtype=None,
    device=None,
    layout=None,
    pin_memory=None,
    requires_grad=False,
    check_invariants=None,
    is_coalesced=None,
) -> Tensor:
    """A tensor of coordinates: ``values[i]`` stands at ``indices[:, i]``, those of one place are added.

    Args:
        indices: int64, a row for each sparse dimension, a column for each value.
        values: of the values' count, and of the sizes of the dense dimensions, if there are any.
        size: of all dimensions; as large as the indices need where it is not given.
        is_coalesced: says that the indices are in order and none comes twice.
    RuntimeError for indices that are negative, too large or of another count; they are always checked.

    >>> import rushlight as torch
    >>> torch.sparse_coo_tensor([[0, 1], [2, 0]], [3.0, 4.0], (2, 3)).to_dense()
    tensor([[0., 0., 3.],
            [4., 0., 0.]])
    """
    options = {"dtype": dtype, "device": device, "layout": layout, "pin_memory": pin_memory or None}
    if values is None:  # only a size
        out = _ops.sparse_coo_tensor(indices if size is None else size, **{k: v for k, v in options.items() if v})
        return out.requires_grad_() if requires_grad else out
    if not isinstance(indices, Tensor):
        indices = tensor(indices)
    if indices.is_floating_point():
        whole = indices.to(_C._dtypes["int64"])
        if not (whole == indices).all():
            raise RuntimeError(f"sparse_coo_tensor: indices must be whole numbers, got {indices}")
        indices = whole
    elif indices.numel() == 0:  # of an empty list
        indices = indices.to(_C._dtypes["int64"])
    return _made_tensor(
        _ops.sparse_coo_tensor, requires_grad, indices, values, size, is_coalesced=is_coalesced, **options
    )


def _compressed(name: str, of_rows: bool | None, doc: str):
    operator = getattr(_ops, name)

    def make(
        compressed_indices,
        plain_indices,
        values,
        size=None,
        *,
        dtype=None,
        layout=None,
        device=None,
        pin_memory=None,
        requires_grad=False,
        check_invariants=None,
    ) -> Tensor:
        options = {"dtype": dtype, "device": device, "layout": layout, "pin_memory": pin_memory or None}
        plain = plain_indices if isinstance(plain_indices, Tensor) else tensor(plain_indices)
        if plain.numel() == 0 and not isinstance(plain_indices, Tensor):
            plain = plain.to(_C._dtypes["int64"])
        return _made_tensor(operator, requires_grad, compressed_indices, plain, values, size, **options)

    if of_rows is not None:  # the names of the arguments are of the layout

        def named(*args, **kwargs) -> Tensor:
            given = ("crow_indices", "col_indices") if of_rows else ("ccol_indices", "row_indices")
            for old, new in zip(given, ("compressed_indices", "plain_indices"), strict=True):
                if old in kwargs:
                    kwargs[new] = kwargs.pop(old)
            return make(*args, **kwargs)

    function = make if of_rows is None else named
    function.__name__ = function.__qualname__ = name
    function.__doc__ = doc
    return function


sparse_compressed_tensor = _compressed(
    "sparse_compressed_tensor",
    None,
    "A tensor in compressed rows or columns, of blocks or not, as ``layout`` says; dimensions before are batches.",
)
sparse_csr_tensor = _compressed(
    "sparse_csr_tensor",
    True,
    "sparse_csr_tensor(crow_indices, col_indices, values, size=None): a matrix in compressed rows; those of row i are "
    "``values[crow_indices[i]:crow_indices[i + 1]]``.",
)
sparse_csc_tensor = _compressed(
    "sparse_csc_tensor",
    False,
    "sparse_csc_tensor(ccol_indices, row_indices, values, size=None): a matrix in compressed columns.",
)
sparse_bsr_tensor = _compressed(
    "sparse_bsr_tensor",
    True,
    "sparse_bsr_tensor(crow_indices, col_indices, values, size=None): a matrix in compressed rows of blocks, whose size is "
    "that of one of the values.",
)
sparse_bsc_tensor = _compressed(
    "sparse_bsc_tensor",
    False,
    "sparse_bsc_tensor(ccol_indices, row_indices, values, size=None): a matrix in compressed columns of blocks.",
)


def spmm(input: Tensor, mat2: Tensor) -> Tensor:
    """The product of a sparse matrix and a dense one: ``torch.mm`` by its old name.

    >>> import rushlight as torch
    >>> torch.spmm(torch.eye(2).to_sparse(), torch.ones(2, 1))
    tensor([[1.],
            [1.]])
    """
    return _ops.mm(input, mat2)


dsmm = spmm


def _spread(tensors) -> tuple:
    """f(a, b) and f([a, b]) are the same."""
    return tuple(tensors[0]) if len(tensors) == 1 and isinstance(tensors[0], (list, tuple)) else tensors


def broadcast_tensors(*tensors) -> tuple[Tensor, ...]:
    """The tensors seen at the shape they all broadcast to."""
    return _ops.broadcast_tensors(_spread(tensors))


def broadcast_shapes(*shapes) -> _C.Size:
    """The shape that tensors of these shapes broadcast to."""
    sizes: list[int] = []
    for shape in shapes:
        if not isinstance(shape, (int, tuple, list)):
            raise RuntimeError(f"Input shapes should be of type ints, a tuple of ints, or a list of ints, got {shape}")
        shape = [shape] if isinstance(shape, int) else list(shape)
        sizes = [1] * (len(shape) - len(sizes)) + sizes
        for i, n in enumerate(shape, len(sizes) - len(shape)):
            if n < 0:
                raise RuntimeError(f"Trying to create tensor with negative dimension ({n}): ({n})")
            if n != 1 and sizes[i] not in (1, n):
                raise RuntimeError("Shape mismatch: objects cannot be broadcast to a single shape")
            sizes[i] = n if n != 1 else sizes[i]
    return _C.Size(sizes)


def meshgrid(*tensors, indexing: str | None = None) -> tuple[Tensor, ...]:
    """Coordinate grids of one-dimensional tensors."""
    tensors = _spread(tensors)
    return _ops.meshgrid(tensors) if indexing is None else _ops.meshgrid(tensors, indexing=indexing)


def nonzero(input: Tensor, *, out: Tensor | None = None, as_tuple: bool = False):
    """Where the elements are that are not zero: a row each, or a tensor of indices for each dimension."""
    if not as_tuple:
        return _ops.nonzero(input, out=out)
    if out is not None:
        raise RuntimeError("nonzero does not support the out kwarg when as_tuple is True")
    return _ops.nonzero_numpy(input)


def cartesian_prod(*tensors) -> Tensor:
    """All combinations of the elements of one-dimensional tensors, a row each."""
    return _ops.cartesian_prod(_spread(tensors))


def chain_matmul(*matrices, out: Tensor | None = None) -> Tensor:
    """The product of matrices, in the order that costs least; linalg.multi_dot takes vectors at the ends too."""
    return _ops.chain_matmul(_spread(matrices), out=out)


def cdist(x1: Tensor, x2: Tensor, p: float = 2.0, compute_mode: str = "use_mm_for_euclid_dist_if_necessary") -> Tensor:
    """The p norm of every row of x1 less every row of x2."""
    modes = {
        "use_mm_for_euclid_dist_if_necessary": None,
        "use_mm_for_euclid_dist": 1,
        "donot_use_mm_for_euclid_dist": 2,
    }
    if compute_mode not in modes:
        raise ValueError(f"{compute_mode} is not a valid value for compute_mode")
    return _ops.cdist(x1, x2, p, modes[compute_mode])


def block_diag(*tensors) -> Tensor:
    """A matrix with the tensors along its diagonal."""
    blocks = [t if isinstance(t, Tensor) else tensor(t) for t in _spread(tensors)] or [tensor([])[None]]
    for i, t in enumerate(blocks):
        if t.dim() > 2:
            raise RuntimeError(
                f"torch.block_diag: Input tensors must have 2 or fewer dimensions. Input {i} has {t.dim()} dimensions"
            )
    blocks = [t.reshape(1, -1) if t.dim() < 2 else t for t in blocks]
    columns = sum(t.shape[1] for t in blocks)
    rows, before = [], 0
    for t in blocks:
        zeros = t.new_zeros
        rows.append(_ops.cat([zeros(t.shape[0], before), t, zeros(t.shape[0], columns - before - t.shape[1])], 1))
        before += t.shape[1]
    return _ops.cat(rows, 0)


def _at_least(tensors, grow):
    out = tuple(grow(t) for t in _spread(tensors))
    return out[0] if len(tensors) == 1 and isinstance(tensors[0], Tensor) else out


def atleast_1d(*tensors):
    """The tensors (or the one tensor), 0-d ones seen with one dimension."""
    return _at_least(tensors, lambda t: t.reshape(1) if t.dim() == 0 else t)


def atleast_2d(*tensors):
    """The tensors (or the one tensor) seen with at least two dimensions; new ones are put in front."""
    return _at_least(tensors, lambda t: t.reshape(1, 1) if t.dim() == 0 else t[None] if t.dim() == 1 else t)


def atleast_3d(*tensors):
    """The tensors (or the one tensor) seen with at least three dimensions; of a matrix the new one is the last."""

    def grow(t):
        if t.dim() == 0:
            return t.reshape(1, 1, 1)
        return t[None, :, None] if t.dim() == 1 else t.unsqueeze(-1) if t.dim() == 2 else t

    return _at_least(tensors, grow)


def split(tensor: Tensor, split_size_or_sections, dim: int = 0) -> tuple[Tensor, ...]:
    """Pieces of one size, or of the sizes in a list."""
    return tensor.split(split_size_or_sections, dim)


def einsum(*args) -> Tensor:
    """einsum(equation, *operands), or einsum(operand, labels, ..., [output labels])."""
    if not args:
        raise ValueError(
            "einsum(): must specify the equation string and at least one operand, or at least one operand and its subscripts list"
        )
    if isinstance(args[0], Tensor):

        def letters(labels) -> str:
            return "".join("..." if i is ... else chr(ord("A") + i if i < 26 else ord("a") + i - 26) for i in labels)

        equation = ",".join(letters(labels) for labels in args[1::2][: len(args) // 2])
        if len(args) % 2:
            equation += "->" + letters(args[-1])
        return _ops.einsum(equation, args[: len(args) // 2 * 2 : 2])
    return _ops.einsum(args[0], _spread(args[1:]))


def _ends(a: Tensor, b: Tensor, count: int) -> tuple[list[int], list[int]]:
    """The last so many dimensions of a, and the first of b."""
    if count < 0:
        raise RuntimeError(f"tensordot expects dims >= 0, but got dims={count}")
    if count > min(a.dim(), b.dim()):
        raise RuntimeError(f"tensordot expects dims < ndim_a or ndim_b, but got dims={count}")
    return list(range(-count, 0)), list(range(count))


def tensordot(a: Tensor, b: Tensor, dims: Any = 2, out: Tensor | None = None) -> Tensor:
    """Sums products over the last dimensions of a and the first of b, or over pairs of named ones."""
    if isinstance(dims, Tensor):
        if dims.numel() == 1:
            first, second = _ends(a, b, int(dims))
        else:
            pairs: list[list[int]] = dims.tolist()
            first, second = pairs[0], pairs[1]
    elif isinstance(dims, int):
        first, second = _ends(a, b, dims)
    else:
        first, second = [[d] if isinstance(d, int) else list(d) for d in dims]
    if out is None:
        return _ops.tensordot(a, b, first, second)
    return _ops.tensordot(a, b, first, second, out=out)


def result_type(tensor1, tensor2) -> _C.dtype:
    """The dtype that arithmetic on the two gives."""
    if not isinstance(tensor1, Tensor) and isinstance(tensor2, Tensor):
        tensor1, tensor2 = tensor2, tensor1
    return _ops.result_type(tensor1, tensor2)


def _asked(results: tuple, return_inverse: bool, return_counts: bool):
    values, inverse, counts = results
    if return_inverse and return_counts:
        return values, inverse, counts
    return (values, inverse) if return_inverse else (values, counts) if return_counts else values


def unique(
    input: Tensor,
    sorted: bool = True,
    return_inverse: bool = False,
    return_counts: bool = False,
    dim: int | None = None,
):
    """The different values of a tensor, in order; of a dimension, its different slices."""
    if dim is None:
        return _asked(_ops._unique2(input, sorted, return_inverse, return_counts), return_inverse, return_counts)
    results = _ops.unique_dim(input, dim, sorted, return_inverse, return_counts)
    return _asked(results, return_inverse, return_counts)


def unique_consecutive(
    input: Tensor, return_inverse: bool = False, return_counts: bool = False, dim: int | None = None
):
    """The first of each run of equal values."""
    return _asked(_ops.unique_consecutive(input, return_inverse, return_counts, dim), return_inverse, return_counts)


def unravel_index(indices: Tensor, shape) -> tuple[Tensor, ...]:
    """The coordinates, a tensor for each dimension, of places in a flat tensor of that shape."""
    if not isinstance(shape, (int, list, tuple, Tensor)):
        raise TypeError(f"expected 'shape' to be int or sequence of ints, but got {type(shape)}")
    return _C._functional.unravel_index(indices, shape.tolist() if isinstance(shape, Tensor) else shape)


def norm(
    input: Tensor, p: Any = "fro", dim: Any = None, keepdim: bool = False, out: Tensor | None = None, dtype: Any = None
) -> Tensor:
    """The p-norm over some dimensions; "fro" is the 2-norm, "nuc" the sum of a matrix's singular values."""
    dims = [dim] if isinstance(dim, int) else dim
    if isinstance(p, str):
        if p == "nuc":
            matrix = [-2, -1] if dims is None else list(dims)
            if out is None:
                return _ops.linalg_matrix_norm(input, "nuc", matrix, keepdim, dtype=dtype)
            return _ops.linalg_matrix_norm(input, "nuc", matrix, keepdim, dtype=dtype, out=out)
        if p != "fro":
            raise RuntimeError(f"only valid string values are 'fro' and 'nuc', found {p}")
    order = 2 if p is None or isinstance(p, str) else p
    if out is None:
        return _ops.linalg_vector_norm(input, order, dims, keepdim, dtype=dtype)
    return _ops.linalg_vector_norm(input, order, dims, keepdim, dtype=dtype, out=out)


def _norm_method(self, p="fro", dim=None, keepdim: bool = False, dtype=None):
    """The p-norm over some dimensions or all; see torch.norm."""
    return norm(self, p, dim, keepdim, dtype=dtype)


_norm_method.__name__ = "norm"
_norm_method.__qualname__ = "Tensor.norm"
Tensor.norm = _C._overridable(_norm_method)
# Python's signatures, and those of the methods that take the same.
for _name in __all__:
    if _name != "broadcast_shapes":
        globals()[_name].__module__ = "rushlight"  # where pickles look
        globals()[_name] = _C._overridable(globals()[_name], _name == "einsum")
for _name in ("nonzero", "unique", "unique_consecutive", "is_nonzero", "is_same_size"):
    setattr(Tensor, _name, _C._overridable(globals()[_name].__wrapped__))
# The methods take the tensor first.
Tensor.polygamma, Tensor.polygamma_ = Tensor._polygamma, Tensor._polygamma_

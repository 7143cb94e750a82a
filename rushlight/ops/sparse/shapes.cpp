// Sparse tensors seen otherwise: permuted, selected from, put together. Only the indices change; nothing shares memory.
#include <numeric>

#include "rushlight/fn/_indices.h"
#include "rushlight/fn/_sparse_assign_.h"
#include "rushlight/fn/_sparse_compressed_tensor_unsafe.h"
#include "rushlight/fn/arange.h"
#include "rushlight/fn/cat.h"
#include "rushlight/fn/ccol_indices.h"
#include "rushlight/fn/clone.h"
#include "rushlight/fn/col_indices.h"
#include "rushlight/fn/crow_indices.h"
#include "rushlight/fn/cumsum.h"
#include "rushlight/fn/expand.h"
#include "rushlight/fn/flatten.h"
#include "rushlight/fn/floor_divide.h"
#include "rushlight/fn/index_select.h"
#include "rushlight/fn/logical_and.h"
#include "rushlight/fn/narrow.h"
#include "rushlight/fn/nonzero.h"
#include "rushlight/fn/permute.h"
#include "rushlight/fn/remainder.h"
#include "rushlight/fn/repeat_interleave.h"
#include "rushlight/fn/row_indices.h"
#include "rushlight/fn/searchsorted.h"
#include "rushlight/fn/select.h"
#include "rushlight/fn/sort.h"
#include "rushlight/fn/stack.h"
#include "rushlight/fn/sum.h"
#include "rushlight/fn/to.h"
#include "rushlight/fn/transpose.h"
#include "rushlight/fn/unsqueeze.h"
#include "rushlight/fn/values.h"
#include "rushlight/fn/where.h"
#include "rushlight/fn/zeros.h"
#include "rushlight/ops/operators.h"
#include "rushlight/ops/sparse/forms.h"
#include "rushlight/ops/sparse/sparse.h"

namespace rushlight {
namespace {

Tensors rows_of(const Tensor& indices) {
  Tensors rows;
  for (int64_t d = 0; d < indices.sizes()[0]; d++) rows.push_back(select(indices, 0, d));
  return rows;
}
Tensor of_rows(const Tensors& rows, int64_t count, Device device) {
  return rows.empty() ? zeros({0, count}, DType::Int64, {}, device) : stack(rows, 0);
}
Coo coordinates_only(const char* op, const Tensor& t) {
  RL_CHECK(NotImplementedError, layout_seen(t) == Layout::Sparse, op, ": not implemented for tensors of layout ",
           layout_seen(t), "; use .to_dense() or .to_sparse() first");
  return coo_of(t, false);
}
// The values for which the mask is true.
Coo kept(const Coo& c, const Tensor& mask) {
  Tensor at = flatten(nonzero(mask));
  return {index_select(c.indices, 1, at), index_select(c.values, 0, at), c.sizes, c.coalesced};
}

Tensor broadcast_op(const Tensor& self, IntArrayRef size) { return expand(self, size); }
Tensor narrow_copy_op(const Tensor& self, int64_t dim, int64_t start, int64_t length) {
  int64_t d = wrap_dim(dim, self.dim()), size = self.size(d);
  RL_CHECK(RuntimeError, length >= 0, "narrow_copy: length must be non-negative, got ", length);
  RL_CHECK(IndexError, start >= -size && start <= size, "narrow_copy: start (", start,
           ") is out of bounds for dimension ", d, " of size ", size);
  if (start < 0) start += size;
  RL_CHECK(RuntimeError, start <= size - length, "start (", start, ") + length (", length, ") exceeds dimension size (",
           size, ").");
  if (!is_sparse(self)) return clone(narrow(self, d, start, length), MemoryFormat::Contiguous);
  Coo c = coordinates_only("narrow_copy", self);
  c.sizes[size_t(d)] = length;
  if (d >= c.sparse_dim())
    return make_coo(c.indices, narrow(c.values, d - c.sparse_dim() + 1, start, length), c.sizes, c.coalesced);
  Tensors rows = rows_of(c.indices);
  Coo found = kept(c, logical_and(rows[size_t(d)] >= Scalar(start), rows[size_t(d)] < Scalar(start + length)));
  rows = rows_of(found.indices);
  rows[size_t(d)] = rows[size_t(d)] - Scalar(start);
  return make_coo(stack(rows, 0), found.values, found.sizes, found.coalesced);
}

}  // namespace

Tensor sparse_permute(const Tensor& self, IntArrayRef dims) {
  size_t n = size_t(self.dim());
  RL_CHECK(RuntimeError, dims.size() == n,
           "permute: number of dimensions in the tensor input does not match the length of the desired ordering of "
           "dimensions i.e. input.dim() = ",
           n, " is not equal to len(dims) = ", dims.size());
  std::vector<int64_t> order;
  std::vector<bool> seen(n);
  for (int64_t d : dims) {
    order.push_back(wrap_dim(d, int64_t(n)));
    RL_CHECK(RuntimeError, !seen[size_t(order.back())], "permute: duplicate dims are not allowed.");
    seen[size_t(order.back())] = true;
  }
  Layout layout = layout_seen(self);
  if (is_compressed(layout)) {
    std::vector<int64_t> plain(n);
    std::iota(plain.begin(), plain.end(), 0);
    if (order == plain) return self;
    bool rows = by_rows(layout);
    Tensor begins = rows ? crow_indices(self) : ccol_indices(self), items = values(self);
    size_t batch = size_t(begins.dim()) - 1;
    std::swap(plain[batch], plain[batch + 1]);
    RL_CHECK(NotImplementedError, order == plain, "permute: of a tensor of layout ", layout, " only rows and columns, ",
             batch, " and ", batch + 1, ", can change places, got dims ", dims, "; use to_dense()");
    if (is_blocked(layout)) items = transpose(items, int64_t(batch) + 1, int64_t(batch) + 2);
    Dims sizes = self.sizes();
    std::swap(sizes[batch], sizes[batch + 1]);
    Layout turned = is_blocked(layout) ? rows ? Layout::SparseBsc : Layout::SparseBsr
                    : rows             ? Layout::SparseCsc
                                       : Layout::SparseCsr;
    return _sparse_compressed_tensor_unsafe(begins, rows ? col_indices(self) : row_indices(self), items, sizes, {},
                                            turned);
  }
  Coo c = coo_of(self, false);
  size_t sparse = size_t(c.sparse_dim());
  Tensors rows = rows_of(c.indices), moved;
  std::vector<int64_t> inside{0};
  Dims sizes;
  bool same_order = true;
  for (size_t d = 0; d < n; d++) {
    size_t from = size_t(order[d]);
    RL_CHECK(RuntimeError, (d < sparse) == (from < sparse),
             "permute: transpositions of sparse and dense dimensions with each other are not supported; got dims ",
             dims, " of a tensor with ", sparse, " sparse dimensions");
    sizes.push_back(c.sizes[from]);
    if (d < sparse) {
      moved.push_back(rows[from]);
      same_order &= from == d;
    } else {
      inside.push_back(int64_t(from - sparse) + 1);
    }
  }
  return make_coo(of_rows(moved, c.count(), c.values.device()), c.dense_dim() ? permute(c.values, inside) : c.values,
                  sizes, c.coalesced && same_order);
}
Tensor sparse_transpose(const Tensor& self, int64_t dim0, int64_t dim1) {
  std::vector<int64_t> order(size_t(self.dim()));
  std::iota(order.begin(), order.end(), 0);
  int64_t a = wrap_dim(dim0, self.dim()), b = wrap_dim(dim1, self.dim());
  if (order.empty()) return self;
  std::swap(order[size_t(a)], order[size_t(b)]);
  return sparse_permute(self, order);
}
Tensor sparse_t(const Tensor& self) {
  RL_CHECK(RuntimeError, self.dim() <= 2, "t() expects a tensor with <= 2 sparse and 0 dense dimensions, but self is ",
           self.dim(), "D");
  return self.dim() < 2 ? self : sparse_transpose(self, 0, 1);
}

void sparse_transpose_(const Op&, IValue* args, IValue* rets) {
  const Tensor& self = args[0].tensor();
  _sparse_assign_(self, sparse_transpose(self, args[1].to_int(), args[2].to_int()));
  rets[0] = IValue(args[0]);
}
void sparse_t_(const Op&, IValue* args, IValue* rets) {
  _sparse_assign_(args[0].tensor(), sparse_t(args[0].tensor()));
  rets[0] = IValue(args[0]);
}

Tensor sparse_unsqueeze(const Tensor& self, int64_t dim) {
  int64_t d = wrap_dim(dim, self.dim() + 1);
  Coo c = coordinates_only("unsqueeze", self);
  Dims sizes;
  for (int64_t i = 0; i <= self.dim(); i++) sizes.push_back(i == d ? 1 : c.sizes[size_t(i < d ? i : i - 1)]);
  if (d > c.sparse_dim()) return make_coo(c.indices, unsqueeze(c.values, d - c.sparse_dim() + 1), sizes, c.coalesced);
  Tensors rows = rows_of(c.indices);
  rows.insert(rows.begin() + d, zeros({c.count()}, DType::Int64, {}, c.values.device()));
  return make_coo(stack(rows, 0), c.values, sizes, c.coalesced);
}

// Repeats values where a dense one repeats memory. What was coalesced needs to be put in order again.
Tensor sparse_expand(const Tensor& self, IntArrayRef size, bool) {
  Coo c = coo_of(self, false);
  size_t more = size.size() - std::min(size.size(), c.sizes.size());
  bool fits = size.size() >= c.sizes.size();
  Dims sizes(size), repeats(size);  // the latter 1 where nothing is repeated
  for (size_t d = 0; fits && d < size.size(); d++) {
    int64_t was = d < more ? 1 : c.sizes[d - more];
    if (d >= more && sizes[d] == -1) sizes[d] = was;
    fits = sizes[d] >= 0 && (was == sizes[d] || was == 1);
    repeats[d] = was == sizes[d] ? 1 : sizes[d];
  }
  RL_CHECK(ShapeError, fits, "expand: a sparse tensor of shape ", self.sizes(), " can't be repeated to ", size);
  if (sizes == c.sizes) return self;
  size_t sparse = size_t(c.sparse_dim()) + more;
  Tensor values = c.values;
  Dims inside{c.count()};
  for (size_t d = sparse; d < sizes.size(); d++) inside.push_back(sizes[d]);
  if (values.sizes() != inside) values = clone(expand(values, inside), MemoryFormat::Contiguous);
  int64_t times = product(IntArrayRef(repeats).slice(0, sparse)), count = CheckedInt(c.count()) * times;
  auto over = [](const Tensor& t, int64_t n) { return floor_divide(t, Scalar(std::max<int64_t>(n, 1))); };
  auto rest = [](const Tensor& t, int64_t n) { return remainder(t, Scalar(std::max<int64_t>(n, 1))); };
  Tensor at = arange(count, DType::Int64, {}, values.device()), from = over(at, times), which = rest(at, times);
  Tensors rows(sparse);
  for (size_t d = sparse; d-- > 0;) {
    if (repeats[d] == 1 && d >= more) {
      rows[d] = index_select(select(c.indices, 0, int64_t(d - more)), 0, from);
      continue;
    }
    rows[d] = rest(which, repeats[d]);
    which = over(which, repeats[d]);
  }
  if (times != 1) values = index_select(values, 0, from);
  return in_layout_of(self,
                      make_coo(of_rows(rows, at.sizes()[0], at.device()), values, sizes, c.coalesced && times == 1));
}

Tensor sparse_select(const Tensor& self, int64_t dim, int64_t index) {
  RL_CHECK(IndexError, self.dim() > 0, "select() cannot be applied to a 0-dim tensor.");
  int64_t d = wrap_dim(dim, self.dim()), size = self.sizes()[size_t(d)];
  RL_CHECK(IndexError, index >= -size && index < size, "select(): index ", index, " out of range for tensor of size ",
           self.sizes(), " at dimension ", d);
  if (index < 0) index += size;
  Dims sizes;
  for (int64_t i = 0; i < self.dim(); i++)
    if (i != d) sizes.push_back(self.sizes()[size_t(i)]);
  Layout layout = layout_seen(self);
  if (is_compressed(layout)) {
    bool rows = by_rows(layout);
    Tensor begins = rows ? crow_indices(self) : ccol_indices(self),
           plain = rows ? col_indices(self) : row_indices(self);
    int64_t batch = begins.dim() - 1;
    if (d < batch)
      return _sparse_compressed_tensor_unsafe(select(begins, d, index), select(plain, d, index),
                                              select(values(self), d, index), sizes, {}, layout);
    RL_CHECK(RuntimeError, batch == 0 || d >= batch + 2,
             "selecting sparse dimensions is not supported for batched sparse compressed tensors; select of the batch "
             "first, or use to_sparse()");
    if (d >= batch + 2)
      return _sparse_compressed_tensor_unsafe(
          begins, plain, select(values(self), d - 1 + (is_blocked(layout) ? 2 : 0), index), sizes, {}, layout);
  }
  Coo c = coo_of(self, is_compressed(layout));
  if (d >= c.sparse_dim())
    return make_coo(c.indices, select(c.values, d - c.sparse_dim() + 1, index), sizes, c.coalesced);
  Coo found = kept(c, select(c.indices, 0, d) == Scalar(index));
  // The last sparse dimension gone, what is left is dense.
  if (c.sparse_dim() == 1) return sum(found.values, IntArrayRef(0), false, found.values.dtype());
  Tensors rows = rows_of(found.indices);
  rows.erase(rows.begin() + d);
  return make_coo(stack(rows, 0), found.values, sizes, found.coalesced);
}

Tensor sparse_index_select(const Tensor& self, int64_t dim, const Tensor& index) {
  RL_CHECK(NotImplementedError, is_sparse(self) && !is_sparse(index),
           "index_select: expected a sparse tensor and a strided index");
  RL_CHECK(IndexError, index.dim() == 1 && (index.dtype() == DType::Int64 || index.dtype() == DType::Int32),
           "index_select(): Index is supposed to be a vector of int64 or int32, got ", index.dtype(), " of shape ",
           index.sizes());
  int64_t d = wrap_dim(dim, self.dim());
  RL_CHECK(IndexError, self.dim() > 0, "index_select() cannot be applied to a 0-dim tensor.");
  Coo c = coordinates_only("index_select", self);
  Dims sizes = c.sizes;
  int64_t size = std::exchange(sizes[size_t(d)], index.sizes()[0]);
  if (d >= c.sparse_dim())
    return make_coo(c.indices, index_select(c.values, d - c.sparse_dim() + 1, index), sizes, c.coalesced);
  // The values sorted by their index along d: each wanted one is a run of them.
  auto [sorted, order] = sort(select(c.indices, 0, d), std::optional<bool>(true), 0);
  Tensor wanted = to(index, DType::Int64);
  wanted = where(wanted < Scalar(0), wanted + Scalar(size), wanted);
  // Throws for what is out of range.
  index_select(zeros({size}, DType::Bool, {}, wanted.device()), 0, wanted);
  Tensor from = searchsorted(sorted, wanted), until = searchsorted(sorted, wanted, false, true), lengths = until - from;
  Tensor which = repeat_interleave(lengths);
  Tensor within =
      arange(which.sizes()[0], DType::Int64, {}, which.device()) - index_select(cumsum(lengths, 0) - lengths, 0, which);
  Tensor at = index_select(order, 0, index_select(from, 0, which) + within);
  Tensors rows = rows_of(index_select(c.indices, 1, at));
  rows[size_t(d)] = which;
  return make_coo(stack(rows, 0), index_select(c.values, 0, at), sizes, false);
}

Tensor sparse_cat(TensorList tensors, int64_t dim) {
  RL_CHECK(RuntimeError, !tensors.empty(), "cat: expected a non-empty list of tensors");
  const Tensor& first = tensors[0];
  int64_t d = wrap_dim(dim, first.dim());
  RL_CHECK(RuntimeError, first.dim() > 0, "zero-dimensional tensors cannot be concatenated");
  Tensors indices, items;
  Dims sizes = first.sizes();
  int64_t sparse = 0, total = 0;
  for (const Tensor& t : tensors) {
    RL_CHECK(RuntimeError, is_sparse(t), "cat: expected all tensors to be sparse, got one of layout ", layout_seen(t),
             "; use to_sparse() or to_dense()");
    Coo c = coordinates_only("cat", t);
    if (indices.empty()) sparse = c.sparse_dim();
    bool fits = c.sparse_dim() == sparse && c.sizes.size() == sizes.size();
    for (size_t i = 0; fits && i < sizes.size(); i++) fits = int64_t(i) == d || c.sizes[i] == first.sizes()[i];
    RL_CHECK(RuntimeError, fits, "cat: Sizes of tensors must match except in dimension ", d, ", got ", first.sizes(),
             " and ", c.sizes);
    Tensors rows = rows_of(c.indices);
    if (d < sparse) rows[size_t(d)] = rows[size_t(d)] + Scalar(total);
    items.push_back(c.values);
    indices.push_back(of_rows(rows, c.count(), c.values.device()));
    total = CheckedInt(total) + c.sizes[size_t(d)];
  }
  RL_CHECK(NotImplementedError, d < sparse,
           "cat: not implemented along a dense dimension of sparse tensors; use to_dense()");
  sizes[size_t(d)] = total;
  return make_coo(cat(indices, 1), cat(items, 0), sizes, false);
}

OP(_sparse_broadcast_to, {.schema = "_sparse_broadcast_to(Tensor self, int[] size) -> Tensor",
                          .doc = "A sparse tensor whose dimensions of size 1 are repeated.",
                          .kernel = composite<broadcast_op>(),
                          .forms = kFunction,
                          .shares = {"self"}});
OP(narrow_copy, {.schema = "narrow_copy(Tensor self, int dim, int start, int length) -> Tensor",
                 .doc = "A copy of length elements along a dimension, from start. >>> "
                        "torch.narrow_copy(torch.tensor([1, 2, 3]), 0, 1, 2)\ntensor([2, 3])",
                 .kernel = composite<narrow_copy_op>(),
                 .forms = kFunction | kMethod | kOut});

}  // namespace rushlight

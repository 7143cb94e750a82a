// Between layouts: to_dense, to_sparse, to_sparse_csr, sparse_mask, and the arithmetic on indices that all share.
#include "rushlight/fn/_indices.h"
#include "rushlight/fn/_sparse_compressed_tensor_unsafe.h"
#include "rushlight/fn/_sparse_pick.h"
#include "rushlight/fn/_values.h"
#include "rushlight/fn/any.h"
#include "rushlight/fn/arange.h"
#include "rushlight/fn/ccol_indices.h"
#include "rushlight/fn/clamp_max.h"
#include "rushlight/fn/col_indices.h"
#include "rushlight/fn/crow_indices.h"
#include "rushlight/fn/dense_dim.h"
#include "rushlight/fn/flatten.h"
#include "rushlight/fn/floor_divide.h"
#include "rushlight/fn/index_add.h"
#include "rushlight/fn/index_select.h"
#include "rushlight/fn/item.h"
#include "rushlight/fn/narrow.h"
#include "rushlight/fn/nonzero.h"
#include "rushlight/fn/remainder.h"
#include "rushlight/fn/reshape.h"
#include "rushlight/fn/row_indices.h"
#include "rushlight/fn/searchsorted.h"
#include "rushlight/fn/select.h"
#include "rushlight/fn/sort.h"
#include "rushlight/fn/t.h"
#include "rushlight/fn/to.h"
#include "rushlight/fn/to_dense.h"
#include "rushlight/fn/unique_consecutive.h"
#include "rushlight/fn/where.h"
#include "rushlight/fn/zeros.h"
#include "rushlight/ops/operators.h"
#include "rushlight/ops/sparse/sparse.h"

namespace rushlight {

Tensor linear_indices(const Tensor& indices, IntArrayRef sizes) {
  if (sizes.size() == 0) return zeros({indices.sizes()[1]}, DType::Int64, {}, indices.device());
  Tensor at = select(indices, 0, 0);
  for (size_t d = 1; d < sizes.size(); d++) at = at * sizes[d] + select(indices, 0, int64_t(d));
  return at;
}

std::pair<Tensor, Tensor> places_of(const Tensor& wanted, const Tensor& keys) {
  int64_t n = keys.sizes()[0];
  if (n == 0) {
    Tensor none = zeros(wanted.sizes(), DType::Int64, {}, wanted.device());
    return {none, to(none, DType::Bool)};
  }
  Tensor at = clamp_max(searchsorted(keys, wanted), n - 1);
  return {at, index_select(keys, 0, at) == wanted};
}

Tensor add_rows(int64_t rows, const Tensor& index, const Tensor& items) {
  if (DType d = items.dtype(); !is_computed(d)) {
    DType wide = is_complex(d) ? DType::Complex64 : is_floating(d) ? DType::Float32 : DType::Int64;
    return to(add_rows(rows, index, to(items, wide)), d);
  }
  Dims sizes = items.sizes();
  sizes[0] = rows;
  return index_add(zeros(sizes, items.dtype(), {}, items.device()), 0, index, items);
}

namespace {

// The mask over the values of one index: [n] beside values [n, ...].
Tensor beside(const Tensor& mask, const Tensor& values) {
  Dims sizes(size_t(values.dim()), 1);
  sizes[0] = values.sizes()[0];
  return reshape(mask, sizes);
}

Tensor pick(const Tensor& self, const Tensor& indices) {
  RL_CHECK(RuntimeError,
           indices.dim() == 2 && indices.dtype() == DType::Int64 && indices.sizes()[0] <= int64_t(self.dim()),
           "_sparse_pick: expected int64 indices of at most ", self.dim(), " dimensions by count, got ",
           indices.dtype(), " of shape ", indices.sizes());
  size_t n = size_t(indices.sizes()[0]);
  IntArrayRef all = self.sizes();
  Tensor wanted = linear_indices(indices, all.slice(0, n));
  if (!is_sparse(self)) {
    Dims flat{product(all.slice(0, n))};
    for (int64_t s : all.slice(n)) flat.push_back(s);
    return index_select(reshape(self, flat), 0, wanted);
  }
  Coo c = coo_of(self, true);
  if (c.sparse_dim() != int64_t(n)) return pick(to_dense(self), indices);
  auto [at, found] = places_of(wanted, linear_indices(c.indices, c.sparse_sizes()));
  if (c.count() == 0) {
    Dims none = c.values.sizes();
    none[0] = wanted.sizes()[0];
    return zeros(none, c.values.dtype(), {}, c.values.device());
  }
  Tensor items = index_select(c.values, 0, at);
  return where(beside(found, items), items, Scalar(0));
}

Tensor dense_of(const Tensor& self, const std::optional<DType>& dtype, const std::optional<bool>&) {
  if (!is_sparse(self)) return dtype ? to(self, *dtype) : self;
  Coo c = coo_of(self, false);
  Tensor values = dtype ? to(c.values, *dtype) : c.values;
  return reshape(add_rows(product(c.sparse_sizes()), linear_indices(c.indices, c.sparse_sizes()), values), c.sizes);
}

// ---- to sparse ----

Tensor coordinates_of(const Tensor& self, int64_t sparse_dim) {
  RL_CHECK(RuntimeError, sparse_dim >= 0 && sparse_dim <= self.dim() && (sparse_dim > 0 || self.dim() == 0),
           "to_sparse: sparse_dim argument must be in >0, <=", self.dim(), " range, but ", sparse_dim, " is given");
  Tensor full = self;
  if (sparse_dim < self.dim()) full = any(flatten(self != Scalar(0), sparse_dim), -1);
  Tensor indices = t(nonzero(full));
  if (sparse_dim == 0) indices = zeros({0, indices.sizes()[1]}, DType::Int64, {}, self.device());
  return make_coo(indices, _sparse_pick(self, indices), self.sizes(), true);
}

bool is_true(const Tensor& t) { return item(t).to<bool>(); }

// The values that stand in one element of the compressed layout (one block) are numbered by `keys`, in the layout's order.
Tensor compressed_of(const Tensor& self, Layout layout, IntArrayRef block, int64_t dense_dim) {
  RL_CHECK(RuntimeError, self.dim() - dense_dim >= 2, "to_sparse: a tensor of layout ", layout,
           " has at least two dimensions besides the dense ones, got ", self.dim(), " with dense_dim ", dense_dim);
  bool rows = by_rows(layout);
  size_t batch = size_t(self.dim() - dense_dim) - 2, line = rows ? 0 : 1;
  Coo c = coo_of(is_sparse(self) ? self : coordinates_of(self, self.dim() - dense_dim), false);
  RL_CHECK(RuntimeError, c.dense_dim() == dense_dim, "to_sparse: expected dense_dim ", c.dense_dim(),
           ", which the tensor has, got ", dense_dim);
  check_indices(c.indices, c.sparse_sizes());
  int64_t counts[2], size = 1;
  Tensor places[2], inside;
  for (size_t i = 0; i < 2; i++) {
    counts[i] = c.sizes[batch + i];
    places[i] = select(c.indices, 0, int64_t(batch + i));
    if (block.empty()) continue;
    RL_CHECK(RuntimeError, block[i] > 0 && counts[i] % block[i] == 0, "to_sparse: tensor size(", int64_t(i) - 2, ") ",
             counts[i], " needs to be divisible by blocksize[", i, "] ", block[i]);
    counts[i] /= block[i];
    Tensor within = remainder(places[i], Scalar(block[i]));
    inside = i == 0 ? within : inside * Scalar(block[1]) + within;
    places[i] = floor_divide(places[i], Scalar(block[i]));
    size *= block[i];
  }
  Dims batches(IntArrayRef(c.sizes).slice(0, batch));
  int64_t number = product(batches), lines = counts[line], across = counts[1 - line];
  Tensor keys = places[line] * Scalar(across) + places[1 - line], values = c.values;
  if (batch) keys = linear_indices(narrow(c.indices, 0, 0, int64_t(batch)), batches) * Scalar(lines * across) + keys;
  if (!c.coalesced || layout != Layout::SparseCsr) {
    auto [sorted, order] = sort(keys, std::optional<bool>(true), 0);
    auto [found, place, unused] = unique_consecutive(sorted, true);
    keys = found;
    values = index_select(values, 0, order);
    if (inside.defined()) place = place * Scalar(size) + index_select(inside, 0, order);
    if (inside.defined() || found.sizes() != sorted.sizes())
      values = add_rows(CheckedInt(found.sizes()[0]) * size, place, values);
  }
  int64_t each = keys.sizes()[0] / std::max<int64_t>(number, 1);
  auto count_to = [&](int64_t n) { return arange(n, DType::Int64, {}, keys.device()); };
  // Where each line begins among all values, then in its own batch.
  Tensor begins = searchsorted(floor_divide(keys, Scalar(std::max<int64_t>(across, 1))), count_to(number * lines + 1));
  if (batch) {
    Tensor first = reshape(count_to(number), {number, 1});
    Tensor wanted = reshape(first * Scalar(lines) + count_to(lines + 1), {number * (lines + 1)});
    begins = reshape(index_select(begins, 0, wanted), {number, lines + 1}) - first * Scalar(each);
    bool even =
        !is_true(any(select(begins, 1, 0) != Scalar(0))) && !is_true(any(select(begins, 1, lines) != Scalar(each)));
    RL_CHECK(RuntimeError, even, "to_sparse: Expect the same number of specified elements per batch; use a layout of ",
             "torch.sparse_coo for batches whose numbers differ");
  }
  Dims sizes = batches;
  sizes.push_back(lines + 1);
  begins = reshape(begins, sizes);
  sizes.back() = each;
  Tensor plain = reshape(remainder(keys, Scalar(std::max<int64_t>(across, 1))), sizes);
  for (int64_t s : block) sizes.push_back(s);
  for (int64_t s : IntArrayRef(values.sizes()).slice(1)) sizes.push_back(s);
  return _sparse_compressed_tensor_unsafe(begins, plain, reshape(values, sizes), self.sizes(), {}, layout);
}

Tensor compressed(const Tensor& t, Layout layout, IntArrayRef block, int64_t dense_dim) {
  RL_CHECK(NotImplementedError, is_compressed(layout), "to_sparse: layout ", layout, " is not implemented; ",
           "torch.sparse_coo, torch.sparse_csr, torch.sparse_csc, torch.sparse_bsr and torch.sparse_bsc are");
  RL_CHECK(RuntimeError, is_blocked(layout) == !block.empty(), "to_sparse: conversion to ", layout,
           " needs blocksize=(rows, columns)");
  return compressed_of(t, layout, block, dense_dim);
}

Tensor to_sparse_dims(const Tensor& self, int64_t sparse_dim) {
  if (!is_sparse(self)) return coordinates_of(self, sparse_dim);
  Coo c = coo_of(self, false);
  RL_CHECK(RuntimeError, sparse_dim == c.sparse_dim(), "to_sparse: conversion from ", titled(layout_seen(self)),
           " to Sparse with sparse_dim argument !=self.sparse_dim() is not supported. Hint: it is ", c.sparse_dim(),
           ", and ", sparse_dim, " was asked for");
  return in_layout(self, Layout::Sparse);
}
Tensor to_sparse_layout(const Tensor& self, const std::optional<AnyLayout>& layout,
                        const std::optional<IntArrayRef>& blocksize, const std::optional<int64_t>& dense_dim) {
  Layout wanted = layout ? layout->value : Layout::Sparse, now = layout_seen(self);
  if (wanted == now && !blocksize && !dense_dim) return self;
  RL_CHECK(RuntimeError, wanted != Layout::Strided, "to_sparse: expected a sparse layout, got ", wanted);
  RL_CHECK(RuntimeError, !blocksize || is_blocked(wanted), "to_sparse: conversion from ", now, " to ", wanted,
           " does not use specified blocksize");
  RL_CHECK(RuntimeError, !blocksize || blocksize->size() == 2, "to_sparse: blocksize needs to be of two numbers, got ",
           blocksize ? blocksize->size() : 0);
  RL_CHECK(RuntimeError, !dense_dim || !is_sparse(self), "to_sparse: conversion from ", now, " to ", wanted,
           " with dense_dim argument is not supported");
  Dims block = blocksize ? Dims(*blocksize) : is_blocked(wanted) ? block_of(self) : Dims();
  if (wanted == now && block_of(self) == block) return self;
  if (is_sparse(self)) return in_layout(self, wanted, block);
  int64_t dense = dense_dim.value_or(0);
  RL_CHECK(RuntimeError, dense >= 0 && dense <= self.dim(), "to_sparse: expected dense_dim from 0 to ", self.dim(),
           ", got ", dense);
  if (wanted == Layout::Sparse) return coordinates_of(self, self.dim() - dense);
  return compressed(self, wanted, block, dense);
}
Tensor to_csr(const Tensor& self, const std::optional<int64_t>& dense_dim) {
  return to_sparse_layout(self, AnyLayout{Layout::SparseCsr}, {}, dense_dim);
}
Tensor to_csc(const Tensor& self, const std::optional<int64_t>& dense_dim) {
  return to_sparse_layout(self, AnyLayout{Layout::SparseCsc}, {}, dense_dim);
}
Tensor to_bsr(const Tensor& self, IntArrayRef blocksize, const std::optional<int64_t>& dense_dim) {
  return to_sparse_layout(self, AnyLayout{Layout::SparseBsr}, blocksize, dense_dim);
}
Tensor to_bsc(const Tensor& self, IntArrayRef blocksize, const std::optional<int64_t>& dense_dim) {
  return to_sparse_layout(self, AnyLayout{Layout::SparseBsc}, blocksize, dense_dim);
}

Tensor masked(const Tensor& self, const Tensor& mask) {
  RL_CHECK(RuntimeError, is_sparse(mask), "sparse_mask(): expected mask to be sparse, got layout ", mask.layout());
  RL_CHECK(RuntimeError, self.sizes() == mask.sizes(),
           "sparse_mask(): operands have incompatible sizes; self has size ", self.sizes(), " but mask has size ",
           mask.sizes());
  if (self.is_same(mask)) return self;
  return with_values(mask, _sparse_pick(self, _indices(mask)));
}

}  // namespace

// With indices of the dtype that those of `like` have, where both are compressed.
static Tensor indexed_as(const Tensor& like, const Tensor& t) {
  Layout of_like = layout_seen(like), layout = layout_seen(t);
  if (!is_compressed(of_like) || !is_compressed(layout)) return t;
  DType type = (by_rows(of_like) ? crow_indices(like) : ccol_indices(like)).dtype();
  Tensor begins = by_rows(layout) ? crow_indices(t) : ccol_indices(t);
  if (begins.dtype() == type) return t;
  Tensor plain = to(by_rows(layout) ? col_indices(t) : row_indices(t), type);
  return _sparse_compressed_tensor_unsafe(to(begins, type), plain, _values(t), t.sizes(), {}, layout);
}

Tensor in_layout(const Tensor& t, Layout layout, IntArrayRef block) {
  Layout now = layout_seen(t);
  if (now == layout && block_of(t) == block) return t;
  if (layout == Layout::Sparse) return now == Layout::Strided ? coordinates_of(t, t.dim()) : make_coo(coo_of(t, true));
  return indexed_as(t, compressed(t, layout, block, is_sparse(t) ? dense_dim(t) : 0));
}
Tensor in_layout_of(const Tensor& like, const Tensor& t) {
  return indexed_as(like, in_layout(t, layout_seen(like), block_of(like)));
}

OP(_sparse_pick, {.schema = "_sparse_pick(Tensor self, Tensor indices) -> Tensor",
                  .doc = "The elements at indices, 0 where a sparse tensor has none; rows where there are fewer "
                         "indices than dimensions.",
                  .kernel = composite<pick>(),
                  .forms = kFunction});
OP(to_dense, {.schema = "to_dense(Tensor self, ScalarType? dtype=None, *, bool? masked_grad=None) -> Tensor",
              .doc = "The tensor with layout torch.strided; itself where it has it. >>> torch.sparse_coo_tensor([[1]], "
                     "[2.], (3,)).to_dense()\ntensor([0., 2., 0.])",
              .kernel = composite<dense_of>(),
              .forms = kMethod,
              .shares = {"self"}});
OP(to_sparse_dims, {.schema = "to_sparse.sparse_dim(Tensor self, int sparse_dim) -> Tensor",
                    .doc = "Coordinates of the first sparse_dim dimensions; the others stay dense.",
                    .kernel = composite<to_sparse_dims>(),
                    .forms = kMethod});
OP(to_sparse,
   {.schema = "to_sparse(Tensor self, *, Layout? layout=None, int[]? blocksize=None, int? dense_dim=None) -> Tensor",
    .doc = "The tensor in a sparse layout, torch.sparse_coo unless told. >>> torch.tensor([0., "
           "2.]).to_sparse().indices()\ntensor([[1]])",
    .kernel = composite<to_sparse_layout>(),
    .forms = kMethod});
OP(to_sparse_csr,
   {.schema = "to_sparse_csr(Tensor self, int? dense_dim=None) -> Tensor",
    .doc = "The matrix in compressed rows. >>> torch.eye(2).to_sparse_csr().crow_indices()\ntensor([0, 1, 2])",
    .kernel = composite<to_csr>(),
    .forms = kMethod});
OP(to_sparse_csc,
   {.schema = "to_sparse_csc(Tensor self, int? dense_dim=None) -> Tensor",
    .doc = "The matrix in compressed columns. >>> torch.eye(2).to_sparse_csc().ccol_indices()\ntensor([0, 1, 2])",
    .kernel = composite<to_csc>(),
    .forms = kMethod});
OP(to_sparse_bsr, {.schema = "to_sparse_bsr(Tensor self, int[2] blocksize, int? dense_dim=None) -> Tensor",
                   .doc = "In compressed rows of blocks: those that are not all 0. >>> torch.eye(4).to_sparse_bsr((2, "
                          "2)).col_indices()\ntensor([0, 1])",
                   .kernel = composite<to_bsr>(),
                   .forms = kMethod});
OP(to_sparse_bsc,
   {.schema = "to_sparse_bsc(Tensor self, int[2] blocksize, int? dense_dim=None) -> Tensor",
    .doc = "In compressed columns of blocks: those that are not all 0. >>> torch.eye(4).to_sparse_bsc((2, "
           "2)).row_indices()\ntensor([0, 1])",
    .kernel = composite<to_bsc>(),
    .forms = kMethod});
OP(sparse_mask, {.schema = "sparse_mask(Tensor self, Tensor mask) -> Tensor",
                 .doc = "The elements at the indices of a sparse mask. >>> torch.ones(2, "
                        "2).sparse_mask(torch.eye(2).to_sparse()).values()\ntensor([1., 1.])",
                 .kernel = composite<masked>(),
                 .forms = kMethod});

}  // namespace rushlight

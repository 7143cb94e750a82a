// Between layouts: to_dense, to_sparse, to_sparse_csr, sparse_mask, and the arithmetic on indices that all share.
#include "rushlight/fn/_indices.h"
#include "rushlight/fn/_sparse_compressed_tensor_unsafe.h"
#include "rushlight/fn/_sparse_pick.h"
#include "rushlight/fn/any.h"
#include "rushlight/fn/arange.h"
#include "rushlight/fn/clamp_max.h"
#include "rushlight/fn/flatten.h"
#include "rushlight/fn/index_add.h"
#include "rushlight/fn/index_select.h"
#include "rushlight/fn/nonzero.h"
#include "rushlight/fn/reshape.h"
#include "rushlight/fn/searchsorted.h"
#include "rushlight/fn/select.h"
#include "rushlight/fn/stack.h"
#include "rushlight/fn/t.h"
#include "rushlight/fn/to.h"
#include "rushlight/fn/to_dense.h"
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

Tensor compressed_of(const Tensor& self, Layout layout) {
  RL_CHECK(RuntimeError, self.dim() == 2, "to_sparse: only matrices become tensors of layout ", layout, ", got ",
           self.dim(), " dimensions");
  bool by_row = layout == Layout::SparseCsr;
  // Coalesced in the order that the layout wants: by column where it is the transposed matrix that is in order.
  Coo c = coo_of(is_sparse(self) ? self : coordinates_of(self, 2), by_row);
  RL_CHECK(NotImplementedError, c.sparse_dim() == 2, "to_sparse: not implemented for layout ", layout,
           " from a tensor with dense dimensions");
  Tensor first = select(c.indices, 0, by_row ? 0 : 1), second = select(c.indices, 0, by_row ? 1 : 0), values = c.values;
  int64_t count = self.sizes()[by_row ? 0 : 1];
  if (!by_row) {
    Tensor other = make_coo(stack(Tensors{select(c.indices, 0, 1), select(c.indices, 0, 0)}, 0), values,
                            {self.sizes()[1], self.sizes()[0]}, false);
    Coo turned = coo_of(other, true);
    first = select(turned.indices, 0, 0);
    second = select(turned.indices, 0, 1);
    values = turned.values;
  }
  Tensor begins = searchsorted(first, arange(count + 1, DType::Int64, {}, first.device()));
  return _sparse_compressed_tensor_unsafe(begins, second, values, self.sizes(), {}, layout);
}

Tensor to_sparse_dims(const Tensor& self, int64_t sparse_dim) {
  if (!is_sparse(self)) return coordinates_of(self, sparse_dim);
  Coo c = coo_of(self, false);
  RL_CHECK(RuntimeError, sparse_dim == c.sparse_dim(), "to_sparse: conversion from ", layout_seen(self),
           " to torch.sparse_coo with sparse_dim argument !=", c.sparse_dim(), " is not supported");
  return in_layout(self, Layout::Sparse);
}
Tensor to_sparse_layout(const Tensor& self, const std::optional<AnyLayout>& layout,
                        const std::optional<IntArrayRef>& blocksize, const std::optional<int64_t>& dense_dim) {
  Layout wanted = layout ? layout->value : Layout::Sparse;
  if (wanted == self.layout() && !blocksize && !dense_dim) return self;
  RL_CHECK(RuntimeError, wanted != Layout::Strided, "to_sparse: expected a sparse layout, got ", wanted);
  RL_CHECK(RuntimeError, !blocksize, "to_sparse: conversion to ", wanted, " takes no blocksize");
  int64_t dense = dense_dim.value_or(0);
  if (wanted == Layout::Sparse && !is_sparse(self)) return coordinates_of(self, self.dim() - dense);
  RL_CHECK(NotImplementedError, dense == 0,
           "to_sparse: dense_dim is only implemented from strided to torch.sparse_coo");
  return in_layout(self, wanted);
}
Tensor to_csr(const Tensor& self, const std::optional<int64_t>& dense_dim) {
  return to_sparse_layout(self, AnyLayout{Layout::SparseCsr}, {}, dense_dim);
}
Tensor to_csc(const Tensor& self, const std::optional<int64_t>& dense_dim) {
  return to_sparse_layout(self, AnyLayout{Layout::SparseCsc}, {}, dense_dim);
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

Tensor in_layout(const Tensor& t, Layout layout) {
  Layout now = layout_seen(t);
  if (now == layout) return t;
  if (layout == Layout::Sparse) return now == Layout::Strided ? coordinates_of(t, t.dim()) : make_coo(coo_of(t, true));
  RL_CHECK(NotImplementedError, is_compressed(layout), "to_sparse: layout ", layout, " is not implemented; ",
           "torch.sparse_coo, torch.sparse_csr and torch.sparse_csc are");
  return compressed_of(t, layout);
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
OP(sparse_mask, {.schema = "sparse_mask(Tensor self, Tensor mask) -> Tensor",
                 .doc = "The elements at the indices of a sparse mask. >>> torch.ones(2, "
                        "2).sparse_mask(torch.eye(2).to_sparse()).values()\ntensor([1., 1.])",
                 .kernel = composite<masked>(),
                 .forms = kMethod});

}  // namespace rushlight

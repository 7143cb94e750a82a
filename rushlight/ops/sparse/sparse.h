// What the operators on sparse tensors share. They see a sparse tensor through a few records that know its parts (parts.cpp), so that
// gradients, levels of transforms and devices work as for any other composite.
#pragma once
#include "rushlight/dispatch/kernel.h"
#include "rushlight/dispatch/values.h"
#include "rushlight/fn/_sparse_coo_tensor_with_dims_and_tensors.h"

namespace rushlight {

// PyTorch's names for the two index tensors of a compressed layout.
inline bool by_rows(Layout l) { return l == Layout::SparseCsr || l == Layout::SparseBsr; }
inline bool is_blocked(Layout l) { return l == Layout::SparseBsr || l == Layout::SparseBsc; }
inline bool is_compressed(Layout l) { return by_rows(l) || l == Layout::SparseCsc || l == Layout::SparseBsc; }
inline const char* begins_name(Layout l) { return by_rows(l) ? "crow_indices" : "ccol_indices"; }
inline const char* plain_name(Layout l) { return by_rows(l) ? "col_indices" : "row_indices"; }

// As PyTorch's errors name them: SparseCsr for torch.sparse_csr.
std::string titled(Layout layout);

inline bool is_sparse(const Tensor& t) { return layout_seen(t) != Layout::Strided; }

// A sparse tensor of any layout as coordinates: element [indices[:, i]] has values[i], which is a tensor of the last `dense_dim` sizes.
struct Coo {
  Tensor indices;  // int64 [sparse_dim, number of values]
  Tensor values;   // on the graph of gradients
  Dims sizes;
  bool coalesced;  // in order, none twice
  int64_t sparse_dim() const { return indices.sizes()[0]; }
  int64_t dense_dim() const { return values.dim() - 1; }
  int64_t count() const { return values.sizes()[0]; }
  IntArrayRef sparse_sizes() const { return IntArrayRef(sizes).slice(0, size_t(sparse_dim())); }
};
// What needs a gradient is coalesced first: values of the same element would each get it whole.
Coo coo_of(const Tensor& t, bool coalesced);
Tensor make_coo(const Tensor& indices, const Tensor& values, IntArrayRef sizes, bool coalesced);
inline Tensor make_coo(const Coo& c) { return make_coo(c.indices, c.values, c.sizes, c.coalesced); }
// From and to the layout; the tensor itself where it has it. In blocks of `block` where the layout has blocks.
Tensor in_layout(const Tensor& t, Layout layout, IntArrayRef block = {});
// The layout and the blocks of another tensor.
Tensor in_layout_of(const Tensor& like, const Tensor& t);
// Rows and columns of a block; nothing for a layout without blocks.
Dims block_of(const Tensor& t);
// The same indices with other values, which may be of another dtype: as the tensor has them, or as coo_of lists them.
Tensor with_values(const Tensor& t, const Tensor& values);
// The values, doubles of an element included where nobody wants a gradient.
inline Tensor plain_values(const Tensor& t) { return coo_of(t, false).values; }
// Each column of indices as one number, in row-major order of `sizes`.
Tensor linear_indices(const Tensor& indices, IntArrayRef sizes);
// Where each of `wanted` stands in `keys`, which are in order and none twice: places (of anything where it is missing), and whether it is there.
std::pair<Tensor, Tensor> places_of(const Tensor& wanted, const Tensor& keys);
// Dense tensors of `items` stacked along a first dimension, rows of the same index added.
Tensor add_rows(int64_t rows, const Tensor& index, const Tensor& items);

// A tensor made of parts that are known to fit. REQUIRES: no gradient.
Tensor sparse_tensor(Layout layout, const Tensor& indices, const Tensor& plain, const Tensor& values, IntArrayRef sizes,
                     bool coalesced);
// Without values; the last `dense_dim` dimensions are dense.
Tensor empty_sparse(IntArrayRef sizes, Layout layout, DType dtype, Device device, int64_t dense_dim = 0,
                    IntArrayRef block = {});
// Throws where an index is negative or beyond its size.
void check_indices(const Tensor& indices, IntArrayRef sizes);

}  // namespace rushlight

// Sparse tensors from what a program has: sparse_coo_tensor, sparse_csr_tensor and their kin. Unlike PyTorch's, which look only when
// asked to, these check every index: what is wrong is found here, and not by a wrong result later.
#include "rushlight/core/sizes.h"
#include "rushlight/fn/_sparse_compressed_tensor_unsafe.h"
#include "rushlight/fn/amax.h"
#include "rushlight/fn/item.h"
#include "rushlight/fn/reshape.h"
#include "rushlight/fn/select.h"
#include "rushlight/fn/to.h"
#include "rushlight/kernels/copying.h"
#include "rushlight/ops/sparse/sparse.h"
#include "rushlight/ops/specs.h"

namespace rushlight {
namespace {

using Coalesced = std::optional<bool>;

void need_layout(const char* op, const ALT& layout, Layout made) {
  RL_CHECK(RuntimeError, !layout || layout->value == made, op, ": makes tensors of layout ", made,
           ", got layout=", layout->value);
}
void need_strided(const char* what, const Tensor& t) {
  RL_CHECK(RuntimeError, !t.impl()->parts(), "a sparse tensor is made of strided ", what, ", got those of layout ",
           t.layout(), "; use ", what, ".to_dense()");
}
// As the options say; PyTorch's convert the values.
Tensor fitted(const Tensor& t, const DT& dtype, const DV& device) {
  need_strided("values", t);
  return to(t, device.value_or(t.device()), dtype.value_or(t.dtype()));
}
Tensor index_tensor(const char* op, const Tensor& t, const DV& device) {
  need_strided("indices", t);
  RL_CHECK(RuntimeError, is_integral(t.dtype(), false), op, ": indices must be an int64 tensor, got ", t.dtype());
  return to(t, device.value_or(t.device()), DType::Int64);
}

void check_rises(const Tensor& indices, IntArrayRef sizes) {
  if (!has_values(indices)) return;
  Tensor keys = to(linear_indices(indices, sizes), Device(), DType::Int64);
  const int64_t* p = keys.data<int64_t>();
  for (int64_t i = 1; i < keys.numel(); i++)
    RL_CHECK(RuntimeError, p[i * keys.strides()[0]] > p[(i - 1) * keys.strides()[0]],
             "cannot set is_coalesced to true if indices correspond to uncoalesced COO tensor");
}

void check_coordinates(const Tensor& indices, const Tensor& values, IntArrayRef size, bool coalesced) {
  RL_CHECK(RuntimeError, indices.dim() == 2, "indices must be sparse_dim x nnz, but got: ", indices.sizes());
  RL_CHECK(RuntimeError, values.dim() > 0, "values must have a dimension for nnz, but got a number");
  int64_t sparse = indices.sizes()[0], dense = values.dim() - 1;
  RL_CHECK(RuntimeError, int64_t(size.size()) == sparse + dense,
           "'len(size) == sparse_dim + dense_dim' is not satisfied: len(size) = ", size.size(),
           ", sparse_dim = ", sparse, ", dense_dim = ", dense, " (indices of shape ", indices.sizes(),
           ", values of shape ", values.sizes(), ")");
  RL_CHECK(RuntimeError, indices.sizes()[1] == values.sizes()[0],
           "indices and values must have same nnz, but got nnz from indices: ", indices.sizes()[1],
           ", nnz from values: ", values.sizes()[0]);
  check_indices(indices, size);
  product(size);
  if (coalesced && indices.sizes()[1] > 1) check_rises(indices, size.slice(0, size_t(sparse)));
}

Tensor of_coordinates(const Tensor& indices_given, const Tensor& values_given, IntArrayRef size, const DT& dtype,
                      const ALT& layout, const DV& device, const OB&, const Coalesced& coalesced) {
  need_layout("sparse_coo_tensor", layout, Layout::Sparse);
  Tensor values = fitted(values_given, dtype, device);
  if (values.dim() == 0) values = reshape(values, {1});
  Tensor indices = index_tensor("sparse_coo_tensor", indices_given, values.device());
  check_coordinates(indices, values, size, coalesced.value_or(false));
  return make_coo(indices, values, size, coalesced.value_or(false));
}
// As large as the largest index needs.
Tensor of_coordinates_only(const Tensor& indices_given, const Tensor& values, const DT& dtype, const ALT& layout,
                           const DV& device, const OB& pin, const Coalesced& coalesced) {
  Tensor indices = index_tensor("sparse_coo_tensor", indices_given, std::nullopt);
  RL_CHECK(RuntimeError, indices.dim() == 2, "indices must be sparse_dim x nnz, but got: ", indices.sizes());
  Dims size;
  for (int64_t d = 0; d < indices.sizes()[0]; d++) {
    int64_t most = indices.sizes()[1] ? item(amax(select(indices, 0, d))).to_int() : -1;
    size.push_back(CheckedInt(most) + 1);
    RL_CHECK(RuntimeError, size.back() >= 0, "found negative index ", most, " for dim ", d);
  }
  for (int64_t d = 1; d < values.dim(); d++) size.push_back(values.sizes()[size_t(d)]);
  return of_coordinates(indices, values, size, dtype, layout, device, pin, coalesced);
}
Tensor of_size(IntArrayRef size, const DT& dtype, const ALT& layout, const DV& device, const OB&) {
  need_layout("sparse_coo_tensor", layout, Layout::Sparse);
  return empty_sparse(size, Layout::Sparse, dtype.value_or(default_dtype()), device.value_or(Device()));
}
Tensor of_dims(int64_t sparse_dim, int64_t dense_dim, IntArrayRef size, const DT& dtype, const ALT& layout,
               const DV& device, const OB&) {
  need_layout("_sparse_coo_tensor_with_dims", layout, Layout::Sparse);
  RL_CHECK(RuntimeError,
           sparse_dim >= 0 && dense_dim >= 0 && CheckedInt(sparse_dim) + dense_dim == int64_t(size.size()),
           "number of dimensions must be sparse_dim (", sparse_dim, ") + dense_dim (", dense_dim, "), but got ",
           size.size());
  Dims values{0};
  for (int64_t s : size.slice(size_t(sparse_dim))) values.push_back(s);
  Device place = device.value_or(Device());
  return make_coo(empty_tensor({sparse_dim, 0}, DType::Int64, place),
                  empty_tensor(values, dtype.value_or(default_dtype()), place), size, true);
}
std::tuple<> validate_coordinates(const Tensor& indices, const Tensor& values, IntArrayRef size,
                                  const Coalesced& coalesced, const OB&) {
  check_coordinates(index_tensor("_validate_sparse_coo_tensor_args", indices, std::nullopt), values, size,
                    coalesced.value_or(false));
  return {};
}

// ---- compressed ----

// Of fitting sizes already: each row's columns must be in order and there.
void check_compressed(const Tensor& made) {
  if (made.device().is_meta()) return;
  const SparseParts& p = *made.impl()->parts();
  Layout layout = p.layout;
  Tensor begins = dense(to(Tensor(p.indices), Device(), DType::Int64));
  Tensor plain = dense(to(Tensor(p.plain), Device(), DType::Int64));
  size_t batch = size_t(begins.dim()) - 1;
  const bool rows = by_rows(layout);
  int64_t count = plain.sizes()[batch], n = begins.sizes()[batch] - 1, size = made.sizes()[batch + (rows ? 1 : 0)],
          batches = product(IntArrayRef(begins.sizes()).slice(0, batch));
  if (is_blocked(layout)) size /= p.values->sizes()[batch + (rows ? 2 : 1)];
  const int64_t *b = begins.data<int64_t>(), *at = plain.data<int64_t>();
  const char *c = begins_name(layout), *name = plain_name(layout);
  const char *lines = rows ? "nrows" : "ncols", *across = rows ? "ncols" : "nrows";
  for (int64_t i = 0; i < batches; i++, b += n + 1, at += count) {
    RL_CHECK(RuntimeError, b[0] == 0, "`", c, "[..., 0] == 0` is not satisfied. Hint: it is ", b[0]);
    RL_CHECK(RuntimeError, b[n] == count, "`", c, "[..., -1] == nnz` is not satisfied. Hint: it is ", b[n],
             ", and there are ", count, " values");
    for (int64_t l = 0; l < n; l++) {
      int64_t from = b[l], until = b[l + 1];
      RL_CHECK(RuntimeError, from <= until && until <= count && until - from <= size, "`0 <= ", c, "[..., 1:] - ", c,
               "[..., :-1] <= ", across, "` is not satisfied. Hint: element ", l + 1, " is ", until, " after ", from,
               ", and ", across, " is ", size);
      for (int64_t k = from; k < until; k++) {
        RL_CHECK(RuntimeError, at[k] >= 0 && at[k] < size, "`0 <= ", name, " < ", across,
                 "` is not satisfied. Hint: there is ", at[k], ", and ", across, " is ", size);
        RL_CHECK(RuntimeError, k == from || at[k] > at[k - 1], "`", name, "[..., ", c, "[..., i - 1]:", c,
                 "[..., i]] for all i = 1, ..., ", lines, " are sorted and distinct along the last dimension values` ",
                 "is not satisfied. Hint: ", at[k - 1], " is followed by ", at[k]);
      }
    }
  }
}

Tensor of_compressed(const Tensor& begins, const Tensor& plain, const Tensor& values_given, IntArrayRef size,
                     const DT& dtype, Layout layout, const DV& device) {
  Tensor values = fitted(values_given, dtype, device);
  auto placed = [&](const Tensor& t) {
    need_strided("indices", t);
    RL_CHECK(RuntimeError, is_integral(t.dtype(), false), begins_name(layout), " and ", plain_name(layout),
             " must be int32 or int64 tensors, got ", t.dtype());
    bool small = begins.dtype() == DType::Int32 && plain.dtype() == DType::Int32;
    return to(t, values.device(), small ? DType::Int32 : DType::Int64);
  };
  Tensor made = _sparse_compressed_tensor_unsafe(placed(begins), placed(plain), values, size, {}, layout);
  if (made.impl()->parts()) check_compressed(made);  // not where it is a class of Python's, or stands at a level
  return made;
}
// The least size that the parts need.
Dims guessed(Layout layout, const Tensor& begins, const Tensor& plain, const Tensor& values) {
  RL_CHECK(RuntimeError, begins.dim() > 0 && begins.dim() == plain.dim() && begins.sizes().back() > 0,
           "sparse_compressed_tensor: expected ", begins_name(layout), " and ", plain_name(layout),
           " with as many dimensions, at least one, the first not empty, got shapes ", begins.sizes(), " and ",
           plain.sizes());
  RL_CHECK(RuntimeError, is_integral(plain.dtype(), false), plain_name(layout),
           " must be an int32 or int64 tensor, got ", plain.dtype());
  size_t batch = size_t(begins.dim()) - 1, block = is_blocked(layout) ? 2 : 0;
  RL_CHECK(RuntimeError, size_t(values.dim()) > batch + block,
           "values must have dimensionality > sum of batch and block dimensionalities (=", batch, " + ", block,
           ") but got ", values.dim());
  int64_t counts[2] = {begins.sizes()[batch] - 1,
                       plain.numel() ? CheckedInt(item(amax(plain)).to_int()) + 1 : CheckedInt(0)};
  IntArrayRef of_values = values.sizes();
  Dims size(of_values.slice(0, batch));
  for (size_t i = 0; i < 2; i++)
    size.push_back(CheckedInt(counts[by_rows(layout) ? i : 1 - i]) * (block ? of_values[batch + 1 + i] : 1));
  for (int64_t s : of_values.slice(batch + 1 + block)) size.push_back(s);
  return size;
}
Layout layout_given(const ALT& layout) {
  RL_CHECK(RuntimeError, layout, "sparse_compressed_tensor expected sparse compressed tensor layout but got none");
  return layout->value;
}

Tensor any_compressed(const Tensor& begins, const Tensor& plain, const Tensor& values, IntArrayRef size,
                      const DT& dtype, const ALT& layout, const DV& device, const OB&) {
  return of_compressed(begins, plain, values, size, dtype, layout_given(layout), device);
}
Tensor any_compressed_guessed(const Tensor& begins, const Tensor& plain, const Tensor& values, const DT& dtype,
                              const ALT& layout, const DV& device, const OB&) {
  Layout made = layout_given(layout);
  return of_compressed(begins, plain, values, guessed(made, begins, plain, values), dtype, made, device);
}
template <Layout made>
Tensor compressed(const Tensor& begins, const Tensor& plain, const Tensor& values, IntArrayRef size, const DT& dtype,
                  const ALT& layout, const DV& device, const OB&) {
  need_layout(made == Layout::SparseCsr   ? "sparse_csr_tensor"
              : made == Layout::SparseCsc ? "sparse_csc_tensor"
              : made == Layout::SparseBsr ? "sparse_bsr_tensor"
                                          : "sparse_bsc_tensor",
              layout, made);
  return of_compressed(begins, plain, values, size, dtype, made, device);
}
template <Layout made>
Tensor compressed_guessed(const Tensor& begins, const Tensor& plain, const Tensor& values, const DT& dtype,
                          const ALT& layout, const DV& device, const OB& pin) {
  return compressed<made>(begins, plain, values, guessed(made, begins, plain, values), dtype, layout, device, pin);
}
std::tuple<> validate_compressed(const Tensor& begins, const Tensor& plain, const Tensor& values, IntArrayRef size,
                                 AnyLayout layout, const OB&) {
  of_compressed(begins, plain, values, size, {}, layout.value, {});
  return {};
}

}  // namespace

OP(sparse_coo_tensor,
   {.schema = "sparse_coo_tensor.indices_size(Tensor indices, Tensor values, int[] size, *, ScalarType? dtype=None, "
              "Layout? layout=None, "
              "Device? device=None, bool? pin_memory=None, bool? is_coalesced=None) -> Tensor",
    .doc = "A tensor of coordinates: values[i] stands at indices[:, i], those of one place are added. "
           ">>> torch.sparse_coo_tensor([[0, 1], [2, 0]], [3., 4.], (2, 3)).to_dense()\ntensor([[0., 0., 3.],\n        "
           "[4., 0., 0.]])",
    .kernel = composite<of_coordinates>(),
    .forms = kFunction,
    .shares = {"values"}});
OP(sparse_coo_tensor_indices, {.schema = "sparse_coo_tensor.indices(Tensor indices, Tensor values, *, ScalarType? "
                                         "dtype=None, Layout? layout=None, Device? device=None, "
                                         "bool? pin_memory=None, bool? is_coalesced=None) -> Tensor",
                               .doc = "A tensor of coordinates, as large as the largest index needs.",
                               .kernel = composite<of_coordinates_only>(),
                               .forms = kFunction,
                               .shares = {"values"}});
OP(sparse_coo_tensor_size, {.schema = "sparse_coo_tensor.size(int[] size, *, ScalarType? dtype=None, Layout? "
                                      "layout=None, Device? device=None, bool? pin_memory=None) -> Tensor",
                            .doc = "A tensor of coordinates without values.",
                            .kernel = composite<of_size>(),
                            .forms = kFunction});
OP(_sparse_coo_tensor_unsafe, {.schema = "_sparse_coo_tensor_unsafe(Tensor indices, Tensor values, int[] size, *, "
                                         "ScalarType? dtype=None, Layout? layout=None, Device? "
                                         "device=None, bool? pin_memory=None, bool? is_coalesced=None) -> Tensor",
                               .doc = "As sparse_coo_tensor.",
                               .kernel = composite<of_coordinates>(),
                               .forms = kFunction,
                               .shares = {"values"}});
OP(_sparse_coo_tensor_with_dims, {.schema = "_sparse_coo_tensor_with_dims(int sparse_dim, int dense_dim, int[] size, "
                                            "*, ScalarType? dtype=None, Layout? layout=None, Device? "
                                            "device=None, bool? pin_memory=None) -> Tensor",
                                  .doc = "A tensor of coordinates without values, whose last dimensions are dense.",
                                  .kernel = composite<of_dims>(),
                                  .forms = kFunction});
OP(_validate_sparse_coo_tensor_args, {.schema = "_validate_sparse_coo_tensor_args(Tensor indices, Tensor values, int[] "
                                                "size, bool? is_coalesced=None, bool? check_pinning=None) -> ()",
                                      .doc = "Throws what sparse_coo_tensor would.",
                                      .kernel = composite<validate_coordinates>(),
                                      .forms = kFunction});
OP(sparse_compressed_tensor,
   {.schema = "sparse_compressed_tensor.comp_plain_value_size(Tensor compressed_indices, Tensor plain_indices, Tensor "
              "values, int[] size, *, "
              "ScalarType? dtype=None, Layout? layout=None, Device? device=None, bool? pin_memory=None) -> Tensor",
    .doc = "A tensor in compressed rows or columns, of blocks or not, as layout says; dimensions before are batches.",
    .kernel = composite<any_compressed>(),
    .forms = kFunction,
    .shares = {"values"}});
OP(sparse_compressed_tensor_guessed,
   {.schema = "sparse_compressed_tensor.comp_plain_value(Tensor compressed_indices, Tensor plain_indices, Tensor "
              "values, *, ScalarType? "
              "dtype=None, Layout? layout=None, Device? device=None, bool? pin_memory=None) -> Tensor",
    .doc = "A tensor in compressed rows or columns, as large as its indices need.",
    .kernel = composite<any_compressed_guessed>(),
    .forms = kFunction,
    .shares = {"values"}});
OP(sparse_csr_tensor,
   {.schema = "sparse_csr_tensor.crow_col_value_size(Tensor crow_indices, Tensor col_indices, Tensor values, int[] "
              "size, *, ScalarType? "
              "dtype=None, Layout? layout=None, Device? device=None, bool? pin_memory=None) -> Tensor",
    .doc = "A matrix in compressed rows: those of row i are values[crow_indices[i]:crow_indices[i + 1]]. "
           ">>> torch.sparse_csr_tensor([0, 1, 2], [1, 0], [3., 4.], (2, 2)).to_dense()\ntensor([[0., 3.],\n        "
           "[4., 0.]])",
    .kernel = composite<compressed<Layout::SparseCsr>>(),
    .forms = kFunction,
    .shares = {"values"}});
OP(sparse_csr_tensor_guessed, {.schema = "sparse_csr_tensor.crow_col_value(Tensor crow_indices, Tensor col_indices, "
                                         "Tensor values, *, ScalarType? dtype=None, Layout? "
                                         "layout=None, Device? device=None, bool? pin_memory=None) -> Tensor",
                               .doc = "A matrix in compressed rows, with as many columns as its indices need.",
                               .kernel = composite<compressed_guessed<Layout::SparseCsr>>(),
                               .forms = kFunction,
                               .shares = {"values"}});
OP(sparse_csc_tensor,
   {.schema = "sparse_csc_tensor.ccol_row_value_size(Tensor ccol_indices, Tensor row_indices, Tensor values, int[] "
              "size, *, ScalarType? "
              "dtype=None, Layout? layout=None, Device? device=None, bool? pin_memory=None) -> Tensor",
    .doc = "A matrix in compressed columns. >>> torch.sparse_csc_tensor([0, 1, 2], [1, 0], [3., 4.], (2, "
           "2)).to_dense()\ntensor([[0., 4.],\n        [3., 0.]])",
    .kernel = composite<compressed<Layout::SparseCsc>>(),
    .forms = kFunction,
    .shares = {"values"}});
OP(sparse_csc_tensor_guessed, {.schema = "sparse_csc_tensor.ccol_row_value(Tensor ccol_indices, Tensor row_indices, "
                                         "Tensor values, *, ScalarType? dtype=None, Layout? "
                                         "layout=None, Device? device=None, bool? pin_memory=None) -> Tensor",
                               .doc = "A matrix in compressed columns, with as many rows as its indices need.",
                               .kernel = composite<compressed_guessed<Layout::SparseCsc>>(),
                               .forms = kFunction,
                               .shares = {"values"}});
OP(sparse_bsr_tensor,
   {.schema = "sparse_bsr_tensor.crow_col_value_size(Tensor crow_indices, Tensor col_indices, Tensor values, int[] "
              "size, *, ScalarType? "
              "dtype=None, Layout? layout=None, Device? device=None, bool? pin_memory=None) -> Tensor",
    .doc = "A matrix in compressed rows of blocks, whose size is that of a value. >>> torch.sparse_bsr_tensor([0, 1], "
           "[1], [[[3.], [4.]]], (2, 2)).to_dense()\ntensor([[0., 3.],\n        [0., 4.]])",
    .kernel = composite<compressed<Layout::SparseBsr>>(),
    .forms = kFunction,
    .shares = {"values"}});
OP(sparse_bsr_tensor_guessed, {.schema = "sparse_bsr_tensor.crow_col_value(Tensor crow_indices, Tensor col_indices, "
                                         "Tensor values, *, ScalarType? dtype=None, Layout? "
                                         "layout=None, Device? device=None, bool? pin_memory=None) -> Tensor",
                               .doc = "A matrix in compressed rows of blocks, as large as its indices need.",
                               .kernel = composite<compressed_guessed<Layout::SparseBsr>>(),
                               .forms = kFunction,
                               .shares = {"values"}});
OP(sparse_bsc_tensor,
   {.schema = "sparse_bsc_tensor.ccol_row_value_size(Tensor ccol_indices, Tensor row_indices, Tensor values, int[] "
              "size, *, ScalarType? "
              "dtype=None, Layout? layout=None, Device? device=None, bool? pin_memory=None) -> Tensor",
    .doc = "A matrix in compressed columns of blocks. >>> torch.sparse_bsc_tensor([0, 1], [1], [[[3., 4.]]], (2, "
           "2)).to_dense()\ntensor([[0., 0.],\n        [3., 4.]])",
    .kernel = composite<compressed<Layout::SparseBsc>>(),
    .forms = kFunction,
    .shares = {"values"}});
OP(sparse_bsc_tensor_guessed, {.schema = "sparse_bsc_tensor.ccol_row_value(Tensor ccol_indices, Tensor row_indices, "
                                         "Tensor values, *, ScalarType? dtype=None, Layout? "
                                         "layout=None, Device? device=None, bool? pin_memory=None) -> Tensor",
                               .doc = "A matrix in compressed columns of blocks, as large as its indices need.",
                               .kernel = composite<compressed_guessed<Layout::SparseBsc>>(),
                               .forms = kFunction,
                               .shares = {"values"}});
OP(_validate_sparse_compressed_tensor_args,
   {.schema = "_validate_sparse_compressed_tensor_args(Tensor compressed_indices, Tensor plain_indices, Tensor values, "
              "int[] size, Layout "
              "layout, bool? check_pinning=None) -> ()",
    .doc = "Throws what sparse_compressed_tensor would.",
    .kernel = composite<validate_compressed>(),
    .forms = kFunction});

}  // namespace rushlight

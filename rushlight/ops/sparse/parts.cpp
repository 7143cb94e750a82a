// The records that know what a sparse tensor is made of. All else on sparse tensors is written with these.
#include <algorithm>

#include "rushlight/fn/_coalesce.h"
#include "rushlight/fn/_indices.h"
#include "rushlight/fn/_sparse_compressed_tensor_unsafe.h"
#include "rushlight/fn/_sparse_pick.h"
#include "rushlight/fn/_values.h"
#include "rushlight/fn/ccol_indices.h"
#include "rushlight/fn/clone.h"
#include "rushlight/fn/coalesce.h"
#include "rushlight/fn/col_indices.h"
#include "rushlight/fn/crow_indices.h"
#include "rushlight/fn/floor_divide.h"
#include "rushlight/fn/index_select.h"
#include "rushlight/fn/is_coalesced.h"
#include "rushlight/fn/remainder.h"
#include "rushlight/fn/reshape.h"
#include "rushlight/fn/row_indices.h"
#include "rushlight/fn/sort.h"
#include "rushlight/fn/stack.h"
#include "rushlight/fn/to.h"
#include "rushlight/fn/unique_consecutive.h"
#include "rushlight/fn/values.h"
#include "rushlight/fn/zeros_like.h"
#include "rushlight/kernels/copying.h"
#include "rushlight/ops/sparse/sparse.h"

namespace rushlight {

std::string titled(Layout layout) {
  std::string out;
  for (std::string_view name = layout == Layout::Sparse ? "sparse" : name_of(layout); char c : name)
    if (c != '_') out += out.empty() || out == "Sparse" ? char(std::toupper(c)) : c;
  return out;
}

Tensor sparse_tensor(Layout layout, const Tensor& indices, const Tensor& plain, const Tensor& values, IntArrayRef sizes,
                     bool coalesced) {
  auto part = [&](const Tensor& t) {
    RL_CHECK(RuntimeError, !t.defined() || t.layout() == Layout::Strided, "a tensor of layout ", layout,
             " is made of strided indices and values, but got one of layout ", t.layout());
    return t.defined() ? detached_alias(t).ref() : nullptr;
  };
  // Strides of 0: it is never contiguous, and nobody walks it.
  Tensor out(
      make_ref<TensorImpl>(make_ref<Storage>(0, values.device()), values.dtype(), sizes, Dims(sizes.size(), 0), 0));
  int64_t before = is_compressed(layout) ? plain.dim() + (is_blocked(layout) ? 2 : 0) : 1;
  out.impl()->set_parts(make_ref<SparseParts>(layout, part(indices), part(plain), part(values), values.dim() - before,
                                              coalesced || values.sizes()[0] < 2));
  return out;
}

namespace {

const SparseParts& parts_of(const char* who, const Tensor& t) {
  RL_CHECK(RuntimeError, t.impl()->parts(), who, " expected sparse tensor layout but got ", titled(t.layout()));
  return *t.impl()->parts();
}
const SparseParts& coo_parts(const char* who, const Tensor& t) {
  RL_CHECK(RuntimeError, t.layout() == Layout::Sparse, who, " expected sparse coordinate tensor layout but got ",
           titled(t.layout()));
  return *t.impl()->parts();
}
Tensor compressed_part(const char* who, const Tensor& t, bool rows, bool plain) {
  RL_CHECK(RuntimeError, is_compressed(t.layout()) && by_rows(t.layout()) == rows, who, " expected sparse ",
           rows ? "row" : "column", " compressed tensor layout but got ", titled(t.layout()));
  const SparseParts& p = *t.impl()->parts();
  return detached_alias(Tensor(plain ? p.plain : p.indices));
}

// ---- making ----

Tensor make_of_coordinates(int64_t sparse_dim, int64_t dense_dim, IntArrayRef size, const Tensor& indices,
                           const Tensor& values, const std::optional<DType>&, const std::optional<AnyLayout>&,
                           const std::optional<Device>&, const std::optional<bool>&,
                           const std::optional<bool>& is_coalesced) {
  RL_CHECK(RuntimeError, sparse_dim >= 0 && dense_dim >= 0,
           "sparse_coo_tensor: expected sparse_dim and dense_dim that "
           "are not negative, got ",
           sparse_dim, " and ", dense_dim);
  RL_CHECK(RuntimeError, indices.dim() == 2 && indices.dtype() == DType::Int64,
           "sparse_coo_tensor: indices must be "
           "sparse_dim x nnz of dtype int64, but got shape ",
           indices.sizes(), " of dtype ", indices.dtype());
  RL_CHECK(RuntimeError,
           sparse_dim == indices.sizes()[0] && values.dim() > 0 && dense_dim == values.dim() - 1 &&
               CheckedInt(sparse_dim) + dense_dim == int64_t(size.size()),
           "number of dimensions must be sparse_dim (", indices.sizes()[0], ") + dense_dim (",
           std::max<int64_t>(values.dim() - 1, 0), "), but got ", size.size());
  RL_CHECK(RuntimeError, indices.sizes()[1] == values.sizes()[0], "indices and values must have same nnz, but got nnz ",
           "from indices: ", indices.sizes()[1], ", nnz from values: ", values.sizes()[0]);
  for (int64_t s : size)
    RL_CHECK(RuntimeError, s >= 0, "Trying to create tensor with negative dimension ", s, ": ", size);
  RL_CHECK(RuntimeError, IntArrayRef(values.sizes()).slice(1) == size.slice(size_t(sparse_dim)),
           "values has incorrect size, expected sizes of the dense dimensions ", Dims(size.slice(size_t(sparse_dim))),
           ", got ", Dims(IntArrayRef(values.sizes()).slice(1)));
  RL_CHECK(RuntimeError, indices.device() == values.device(),
           "sparse_coo_tensor: indices and values must be on the "
           "same device, but got ",
           indices.device(), " and ", values.device());
  return sparse_tensor(Layout::Sparse, indices, {}, values, size, is_coalesced.value_or(false));
}
Grads coordinates_grad(const Saved& s, const Tensor& g) { return {Tensor(), _sparse_pick(g, s["indices"])}; }

Tensor make_compressed(const Tensor& begins, const Tensor& plain, const Tensor& values, IntArrayRef size,
                       const std::optional<DType>&, const std::optional<AnyLayout>& given, const std::optional<Device>&,
                       const std::optional<bool>&) {
  Layout layout = given ? given->value : Layout::SparseCsr;
  RL_CHECK(RuntimeError, is_compressed(layout),
           "sparse_compressed_tensor: expected torch.sparse_csr, torch.sparse_csc, ",
           "torch.sparse_bsr or torch.sparse_bsc, got layout ", layout);
  for (int64_t s : size)
    RL_CHECK(RuntimeError, s >= 0, "Trying to create tensor with negative dimension ", s, ": ", size);
  RL_CHECK(RuntimeError, begins.dim() > 0 && begins.dim() == plain.dim(), "number of dimensions of ",
           begins_name(layout), " and ", plain_name(layout), " must be the same, and not 0, but got ", begins.dim(),
           " and ", plain.dim());
  RL_CHECK(RuntimeError,
           begins.dtype() == plain.dtype() && (begins.dtype() == DType::Int64 || begins.dtype() == DType::Int32),
           "compressed_indices and plain_indices dtype must be Int or Long, the same for both, but got ",
           begins.dtype(), " and ", plain.dtype());
  size_t batch = size_t(begins.dim()) - 1, block = is_blocked(layout) ? 2 : 0;
  int64_t dense = values.dim() - int64_t(batch + block) - 1;
  RL_CHECK(RuntimeError, dense >= 0,
           "values must have dimensionality > sum of batch and block dimensionalities (=", batch, " + ", block,
           ") but got ", values.dim());
  RL_CHECK(RuntimeError, int64_t(size.size()) == int64_t(batch) + 2 + dense,
           "tensor dimensionality must be sum of batch, base, and dense dimensionalities (=", batch, " + 2 + ", dense,
           ") but got ", size.size());
  IntArrayRef of_values = values.sizes(), batches = size.slice(0, batch);
  for (const Tensor* part : {&begins, &plain, &values})
    RL_CHECK(RuntimeError, IntArrayRef(part->sizes()).slice(0, batch) == batches, "all batch dimensions of ",
             begins_name(layout), ", ", plain_name(layout), " and values must be equal to those of the tensor, ",
             Dims(batches), ", but got shapes ", begins.sizes(), ", ", plain.sizes(), " and ", values.sizes());
  RL_CHECK(RuntimeError, of_values.slice(batch + 1 + block) == size.slice(batch + 2),
           "the last dimensions of values must be the dense ones of the tensor, ", Dims(size.slice(batch + 2)),
           ", but got values of shape ", values.sizes());
  int64_t counts[2] = {size[batch], size[batch + 1]};
  for (size_t i = 0; i < block; i++) {
    int64_t n = of_values[batch + 1 + i];
    RL_CHECK(RuntimeError, n > 0 && counts[i] % n == 0, "tensor shape[", batch + i, "] (=", counts[i],
             ") must be divisible with blocksize[", i, "] (=", n, ") as defined by values shape");
    counts[i] /= n;
  }
  int64_t lines = counts[by_rows(layout) ? 0 : 1];
  RL_CHECK(RuntimeError, begins.sizes()[batch] == CheckedInt(lines) + 1, begins_name(layout),
           ".shape[-1] must be equal to the number of ", by_rows(layout) ? "rows" : "columns", " + 1 (=", lines + 1,
           "), but got ", begins.sizes()[batch]);
  RL_CHECK(RuntimeError, plain.sizes()[batch] == of_values[batch], plain_name(layout),
           ".shape[-1] must be equal to nnz (=", of_values[batch], ") as defined by values.shape[", batch,
           "], but got ", plain.sizes()[batch]);
  RL_CHECK(RuntimeError, begins.device() == values.device() && plain.device() == values.device(),
           "sparse_compressed_tensor: indices and values must be on the same device");
  return sparse_tensor(layout, begins, plain, values, size, true);
}
// Of each element of `values`, in their order. Throws where the beginnings don't rise from 0 to the number of values.
Tensor coordinates(Layout layout, const Tensor& begins_given, const Tensor& plain_given, IntArrayRef values) {
  size_t batch = size_t(begins_given.dim()) - 1;
  bool rows = by_rows(layout), blocked = is_blocked(layout);
  int64_t h = blocked ? values[batch + 1] : 1, w = blocked ? values[batch + 2] : 1;
  Tensor begins = dense(to(begins_given, Device(), DType::Int64)),
         plain = dense(to(plain_given, Device(), DType::Int64));
  int64_t lines = begins.sizes()[batch] - 1, count = plain.sizes()[batch], total = CheckedInt(plain.numel()) * h * w,
          batches = product(IntArrayRef(begins.sizes()).slice(0, batch));
  Tensor out = empty_tensor({int64_t(batch) + 2, total}, DType::Int64);
  auto* p = out.data<int64_t>();
  for (size_t d = 0; d < batch; d++) {
    int64_t each = product(IntArrayRef(plain.sizes()).slice(d + 1)) * h * w, size = plain.sizes()[d];
    for (int64_t i = 0; i < total; i++) *p++ = i / each % size;
  }
  int64_t *row = p, *col = p + total;
  const int64_t *at = begins.data<int64_t>(), *other = plain.data<int64_t>();
  for (int64_t b = 0; b < batches; b++, at += lines + 1, other += count) {
    RL_CHECK(RuntimeError, at[0] == 0 && at[lines] == count,
             "compressed_indices must begin with 0 and end with the number of values, ", count, ", got ", at[0],
             " and ", at[lines]);
    for (int64_t i = 0; i < lines; i++) {
      RL_CHECK(RuntimeError, at[i] <= at[i + 1] && at[i + 1] <= count,
               "compressed_indices must not decrease, but element ", i + 1, " is ", at[i + 1], " after ", at[i]);
      for (int64_t k = at[i]; k < at[i + 1]; k++) {
        int64_t top = (rows ? i : other[k]) * h, left = (rows ? other[k] : i) * w;
        for (int64_t y = 0; y < h; y++)
          for (int64_t x = 0; x < w; x++) {
            *row++ = top + y;
            *col++ = left + x;
          }
      }
    }
  }
  return begins_given.device().is_cpu() ? out : to(out, begins_given.device(), DType::Int64);
}
Grads compressed_grad(const Saved& s, const Tensor& g) {
  const IValue& given = s.arg("layout");
  Layout layout = given.is_none() ? Layout::SparseCsr : Layout(given.to_int());
  Dims of_values = s.sizes("values");
  Tensor at = coordinates(layout, s["compressed_indices"], s["plain_indices"], of_values);
  return {Tensor(), Tensor(), reshape(_sparse_pick(g, at), of_values)};
}

// ---- looking ----

Tensor coordinate_indices(const Tensor& t) {
  const SparseParts& p = parts_of("_indices", t);
  if (p.layout == Layout::Sparse) return detached_alias(Tensor(p.indices));
  return coordinates(p.layout, Tensor(p.indices), Tensor(p.plain), p.values->sizes());
}
Tensor all_values(const Tensor& t) { return detached_alias(Tensor(parts_of("_values", t).values)); }
Tensor coalesced_indices(const Tensor& t) {
  RL_CHECK(RuntimeError, coo_parts("indices", t).coalesced,
           "Cannot get indices on an uncoalesced tensor, please call .coalesce() first");
  return detached_alias(Tensor(t.impl()->parts()->indices));
}
Tensor coalesced_values(const Tensor& t) {
  RL_CHECK(RuntimeError, parts_of("values", t).coalesced,
           "Cannot get values on an uncoalesced tensor, please call .coalesce() first");
  return detached_alias(Tensor(t.impl()->parts()->values));
}
Tensor crow(const Tensor& t) { return compressed_part("crow_indices", t, true, false); }
Tensor col(const Tensor& t) { return compressed_part("col_indices", t, true, true); }
Tensor ccol(const Tensor& t) { return compressed_part("ccol_indices", t, false, false); }
Tensor row(const Tensor& t) { return compressed_part("row_indices", t, false, true); }
int64_t count(const Tensor& t) {
  const SparseParts& p = parts_of("_nnz", t);
  return p.plain ? p.plain->sizes().back() : p.values->sizes()[0];
}
// Of strided tensors, as PyTorch has it: no dimension is sparse.
int64_t sparse_dims(const Tensor& t) {
  if (is_compressed(t.layout())) return 2;
  return t.impl()->parts() ? t.dim() - t.impl()->parts()->dense_dim : 0;
}
int64_t dense_dims(const Tensor& t) { return t.impl()->parts() ? t.impl()->parts()->dense_dim : t.dim(); }
bool coalesced(const Tensor& t) { return coo_parts("is_coalesced", t).coalesced; }

// ---- changing ----

// Whether each number is greater than the one before it.
bool rises(const Tensor& t) {
  const int64_t* p = t.data<int64_t>();
  int64_t n = t.sizes()[0], step = t.strides()[0];
  for (int64_t i = 1; i < n; i++)
    if (p[i * step] <= p[(i - 1) * step]) return false;
  return true;
}

Tensor merged(const Tensor& self) {
  const SparseParts& p = coo_parts("coalesce", self);
  Tensor indices(p.indices), values(p.values);
  IntArrayRef sizes = IntArrayRef(self.sizes()).slice(0, size_t(indices.sizes()[0]));
  auto done = [&](const Tensor& i, const Tensor& v) {
    return sparse_tensor(Layout::Sparse, i, {}, v, self.sizes(), true);
  };
  if (values.sizes()[0] < 2) return done(clone(indices), clone(values));
  check_indices(indices, sizes);
  Tensor keys = linear_indices(indices, sizes);
  if (keys.device().is_cpu() && rises(keys)) return done(clone(indices), clone(values));
  auto [sorted, order] = sort(keys, std::optional<bool>(true), 0);
  auto [found, place, counts] = unique_consecutive(sorted, true);
  if (found.sizes()[0] == sorted.sizes()[0])
    return done(index_select(indices, 1, order), index_select(values, 0, order));
  Tensors rows(sizes.size());
  for (size_t i = sizes.size(); i-- > 0;) {
    rows[i] = remainder(found, sizes[i]);
    found = floor_divide(found, sizes[i]);
  }
  return done(rows.empty() ? empty_tensor({0, found.sizes()[0]}, DType::Int64, keys.device()) : stack(rows, 0),
              add_rows(found.sizes()[0], place, index_select(values, 0, order)));
}
Tensor coalesce_op(const Tensor& self) {
  RL_CHECK(RuntimeError, layout_seen(self) == Layout::Sparse,
           "coalesce expected sparse coordinate tensor layout but got ", titled(layout_seen(self)));
  return is_coalesced(self) ? self : _coalesce(self);
}
Grads same_grad(const Saved&, const Tensor& g) { return {g}; }

Tensor converted_parts(const Tensor& self, const std::optional<DType>& dtype, const std::optional<Device>& device) {
  const SparseParts& p = parts_of("_sparse_to", self);
  Device place = device.value_or(self.device());
  auto moved = [&](const Ref<TensorImpl>& part, DType d) {
    return part ? to(Tensor(part), place, d, false, true) : Tensor();
  };
  Tensor indices = moved(p.indices, p.indices->dtype());
  return sparse_tensor(p.layout, indices, moved(p.plain, p.indices->dtype()),
                       moved(p.values, dtype.value_or(self.dtype())), self.sizes(), p.coalesced);
}
Grads converted_grad(const Saved& s, const Tensor& g) { return {to(g, s.device("self"), s.dtype("self"))}; }

void assign(const Tensor& self, const Tensor& src) {
  SparseParts& to = const_cast<SparseParts&>(parts_of("copy_", self));
  const SparseParts& from = parts_of("copy_", src);
  RL_CHECK(RuntimeError, to.layout == from.layout && self.dtype() == src.dtype() && self.device() == src.device(),
           "copy_: expected a tensor of layout ", to.layout, " and dtype ", self.dtype(), " on ", self.device(),
           ", got one of layout ", from.layout, " and dtype ", src.dtype(), " on ", src.device());
  if (self.sizes() != src.sizes()) self.impl()->set_geometry(src.sizes(), src.strides(), 0);
  to.indices = from.indices;
  to.plain = from.plain;
  to.values = from.values;
  to.dense_dim = from.dense_dim;
  to.coalesced = from.coalesced;
}
void mark_coalesced(const Tensor& self, bool on) {
  const_cast<SparseParts&>(coo_parts("_coalesced_", self)).coalesced = on;
}

}  // namespace

// ---- what the other files use ----

Tensor empty_sparse(IntArrayRef sizes, Layout layout, DType dtype, Device device, int64_t dense_dim,
                    IntArrayRef block) {
  product(sizes);
  for (int64_t s : sizes)
    RL_CHECK(RuntimeError, s >= 0, "Trying to create tensor with negative dimension ", s, ": ", sizes);
  int64_t sparse_dim = int64_t(sizes.size()) - dense_dim;
  Dims of_values{0};
  for (int64_t s : sizes.slice(size_t(sparse_dim))) of_values.push_back(s);
  Tensor values = empty_tensor(of_values, dtype, device);
  if (layout == Layout::Sparse)
    return sparse_tensor(layout, empty_tensor({sparse_dim, 0}, DType::Int64, device), {}, values, sizes, true);
  RL_CHECK(NotImplementedError, is_compressed(layout), "layout ", layout, " is not implemented; torch.sparse_coo, ",
           "torch.sparse_csr, torch.sparse_csc, torch.sparse_bsr and torch.sparse_bsc are");
  RL_CHECK(RuntimeError, sparse_dim >= 2,
           "torch.empty: Only batched sparse compressed (non-block) tensors are supported, but got size ", sizes,
           ": a tensor of layout ", layout, " has at least two dimensions besides the dense ones");
  RL_CHECK(RuntimeError, is_blocked(layout) == !block.empty(), "a tensor of layout ", layout,
           " is made of its parts, for its blocks need a size; use torch.sparse_compressed_tensor");
  size_t batch = size_t(sparse_dim) - 2, line = by_rows(layout) ? 0 : 1;
  Dims none(sizes.slice(0, batch));
  none.push_back(CheckedInt(sizes[batch + line]) / (block.empty() ? 1 : block[line]) + 1);
  Tensor begins = zeros_like(empty_tensor(none, DType::Int64, device));
  none.back() = 0;
  Tensor plain = empty_tensor(none, DType::Int64, device);
  for (int64_t s : block) none.push_back(s);
  for (int64_t s : sizes.slice(size_t(sparse_dim))) none.push_back(s);
  return sparse_tensor(layout, begins, plain, empty_tensor(none, dtype, device), sizes, true);
}

void check_indices(const Tensor& given, IntArrayRef sizes) {
  if (given.numel() == 0 || !has_values(given)) return;
  Tensor indices = given.device().is_cpu() ? given : to(given, Device(), DType::Int64);
  for (int64_t d = 0; d < indices.sizes()[0]; d++) {
    const int64_t* p = indices.data<int64_t>() + d * indices.strides()[0];
    for (int64_t i = 0; i < indices.sizes()[1]; i++) {
      int64_t v = p[i * indices.strides()[1]];
      RL_CHECK(RuntimeError, v >= 0, "found negative index ", v, " for dim ", d);
      RL_CHECK(RuntimeError, v < sizes[size_t(d)], "size is inconsistent with indices: for dim ", d, ", size is ",
               sizes[size_t(d)], " but found index ", v);
    }
  }
}

Tensor make_coo(const Tensor& indices, const Tensor& values, IntArrayRef sizes, bool coalesced) {
  return _sparse_coo_tensor_with_dims_and_tensors(indices.sizes()[0], values.dim() - 1, sizes, indices, values, {}, {},
                                                  {}, {}, coalesced);
}

Coo coo_of(const Tensor& t, bool coalesced) {
  Layout layout = layout_seen(t);
  if (is_compressed(layout)) {
    Tensor at = _indices(t), items = values(t);
    Dims flat{at.sizes()[1]};
    for (int64_t s : IntArrayRef(t.sizes()).slice(size_t(at.sizes()[0]))) flat.push_back(s);
    Coo c{at, reshape(items, flat), t.sizes(), layout == Layout::SparseCsr};  // others are not in the order of rows
    return coalesced && !c.coalesced ? coo_of(make_coo(c), true) : c;
  }
  Tensor c = coalesced || t.requires_grad() ? coalesce(t) : t;
  bool ready = is_coalesced(c);
  return {_indices(c), ready ? values(c) : _values(c), t.sizes(), ready};
}

Tensor with_values(const Tensor& t, const Tensor& v) {
  Layout layout = layout_seen(t);
  if (layout == Layout::Sparse) return make_coo(_indices(t), v, t.sizes(), is_coalesced(t));
  bool rows = by_rows(layout);
  return _sparse_compressed_tensor_unsafe(rows ? crow_indices(t) : ccol_indices(t),
                                          rows ? col_indices(t) : row_indices(t), reshape(v, _values(t).sizes()),
                                          t.sizes(), {}, layout);
}

Dims block_of(const Tensor& t) {
  Layout layout = layout_seen(t);
  if (!is_blocked(layout)) return {};
  size_t batch = size_t((by_rows(layout) ? crow_indices(t) : ccol_indices(t)).dim());
  return Dims(IntArrayRef(_values(t).sizes()).slice(batch, 2));
}

static Grads values_grad(const Saved& s, const Tensor& g) { return {with_values(s["self"], g)}; }

OP(sparse_coo_tensor_of_parts,
   {.schema = "_sparse_coo_tensor_with_dims_and_tensors(int sparse_dim, int dense_dim, int[] size, Tensor indices, "
              "Tensor values, *, ScalarType? dtype=None, Layout? layout=None, Device? device=None, bool? "
              "pin_memory=None, bool? is_coalesced=None) -> Tensor",
    .doc = "A tensor of coordinates; its parts have to fit, the indices are not checked.",
    .kernel = function<make_of_coordinates>(),
    .grad = {{"indices"}, coordinates_grad},
    .forms = kFunction,
    .any_device = true,
    .shares = {"values"},
    .sparse = takes_sparse});
OP(sparse_compressed_tensor_of_parts,
   {.schema = "_sparse_compressed_tensor_unsafe(Tensor compressed_indices, Tensor plain_indices, Tensor values, int[] "
              "size, *, ScalarType? dtype=None, Layout? layout=None, Device? device=None, bool? pin_memory=None) -> "
              "Tensor",
    .doc = "A tensor of compressed rows or columns; its parts have to fit, the indices are not checked.",
    .kernel = function<make_compressed>(),
    .grad = {{"compressed_indices", "plain_indices"}, compressed_grad},
    .forms = kFunction,
    .any_device = true,
    .shares = {"values"},
    .sparse = takes_sparse});
OP(_sparse_with_values, {.schema = "_sparse_with_values(Tensor self, Tensor values) -> Tensor",
                         .doc = "A sparse tensor with the indices of another.",
                         .kernel = composite<with_values>(),
                         .forms = kFunction,
                         .shares = {"values"}});
OP(_indices, {.schema = "_indices(Tensor(a) self) -> Tensor(a)",
              .doc = "The coordinates of the values of a sparse tensor, coalesced or not. "
                     ">>> torch.eye(2).to_sparse()._indices()\ntensor([[0, 1],\n        [0, 1]])",
              .kernel = view<coordinate_indices>(),
              .forms = kMethod,
              .any_device = true,
              .sparse = takes_sparse});
OP(_values, {.schema = "_values(Tensor(a) self) -> Tensor(a)",
             .doc = "The values of a sparse tensor, coalesced or not, without a gradient. "
                    ">>> torch.eye(2).to_sparse()._values()\ntensor([1., 1.])",
             .kernel = view<all_values>(),
             .forms = kMethod,
             .any_device = true,
             .sparse = takes_sparse});
OP(indices, {.schema = "indices(Tensor(a) self) -> Tensor(a)",
             .doc = "The coordinates of the values of a coalesced tensor of coordinates. "
                    ">>> torch.eye(2).to_sparse().indices()\ntensor([[0, 1],\n        [0, 1]])",
             .kernel = view<coalesced_indices>(),
             .forms = kMethod,
             .any_device = true,
             .sparse = takes_sparse});
OP(values, {.schema = "values(Tensor(a) self) -> Tensor(a)",
            .doc = "The values of a sparse tensor; one of coordinates has to be coalesced. "
                   ">>> torch.eye(2).to_sparse().values()\ntensor([1., 1.])",
            .kernel = function<coalesced_values>(),
            .grad = {{"self"}, values_grad},
            .forms = kMethod,
            .any_device = true,
            .sparse = takes_sparse});
OP(crow_indices, {.schema = "crow_indices(Tensor(a) self) -> Tensor(a)",
                  .doc = "Where the values of each row of a CSR tensor begin. "
                         ">>> torch.eye(2).to_sparse_csr().crow_indices()\ntensor([0, 1, 2])",
                  .kernel = view<crow>(),
                  .forms = kMethod,
                  .any_device = true,
                  .sparse = takes_sparse});
OP(col_indices, {.schema = "col_indices(Tensor(a) self) -> Tensor(a)",
                 .doc = "The column of each value of a CSR tensor. "
                        ">>> torch.eye(2).to_sparse_csr().col_indices()\ntensor([0, 1])",
                 .kernel = view<col>(),
                 .forms = kMethod,
                 .any_device = true,
                 .sparse = takes_sparse});
OP(ccol_indices, {.schema = "ccol_indices(Tensor(a) self) -> Tensor(a)",
                  .doc = "Where the values of each column of a CSC tensor begin. "
                         ">>> torch.eye(2).to_sparse_csc().ccol_indices()\ntensor([0, 1, 2])",
                  .kernel = view<ccol>(),
                  .forms = kMethod,
                  .any_device = true,
                  .sparse = takes_sparse});
OP(row_indices, {.schema = "row_indices(Tensor(a) self) -> Tensor(a)",
                 .doc = "The row of each value of a CSC tensor. "
                        ">>> torch.eye(2).to_sparse_csc().row_indices()\ntensor([0, 1])",
                 .kernel = view<row>(),
                 .forms = kMethod,
                 .any_device = true,
                 .sparse = takes_sparse});
OP(_nnz, {.schema = "_nnz(Tensor self) -> int",
          .doc = "How many values a sparse tensor has. >>> torch.eye(2).to_sparse()._nnz()\n2",
          .kernel = function<count>(),
          .forms = kMethod,
          .any_device = true,
          .sparse = takes_sparse});
OP(sparse_dim,
   {.schema = "sparse_dim(Tensor self) -> int",
    .doc = "How many dimensions the indices of a sparse tensor have. >>> torch.eye(2).to_sparse().sparse_dim()\n2",
    .kernel = function<sparse_dims>(),
    .forms = kMethod,
    .aliases = {"_dimI"},
    .any_device = true,
    .sparse = takes_sparse});
OP(dense_dim,
   {.schema = "dense_dim(Tensor self) -> int",
    .doc = "How many dimensions each value of a sparse tensor has. >>> torch.eye(2).to_sparse().dense_dim()\n0",
    .kernel = function<dense_dims>(),
    .forms = kMethod,
    .aliases = {"_dimV"},
    .any_device = true,
    .sparse = takes_sparse});
OP(is_coalesced,
   {.schema = "is_coalesced(Tensor self) -> bool",
    .doc = "Whether the indices are in order and none comes twice. >>> torch.eye(2).to_sparse().is_coalesced()\nTrue",
    .kernel = function<coalesced>(),
    .forms = kMethod,
    .any_device = true,
    .sparse = takes_sparse});
OP(_coalesced_, {.schema = "_coalesced_(Tensor(a!) self, bool coalesced) -> Tensor(a!)",
                 .doc = "Says that the indices are in order and none comes twice, or that they may not be.",
                 .kernel = mutation<mark_coalesced>(),
                 .forms = kMethod,
                 .any_device = true,
                 .sparse = takes_sparse});
OP(coalesce, {.schema = "coalesce(Tensor(a) self) -> Tensor(a)",
              .doc = "With the indices in order, and values of the same index added. >>> torch.sparse_coo_tensor([[1, "
                     "0, 1]], [1., 2., 3.], (2,)).coalesce().values()\ntensor([2., 4.])",
              .kernel = composite<coalesce_op>(),
              .forms = kMethod});
OP(_coalesce, {.schema = "_coalesce(Tensor self) -> Tensor",
               .doc = "A copy with the indices in order, and values of the same index added.",
               .kernel = function<merged>(),
               .grad = {{}, same_grad},
               .forms = kFunction,
               .node = "CoalesceBackward0",
               .any_device = true,
               .sparse = takes_sparse});
OP(_sparse_to, {.schema = "_sparse_to(Tensor self, *, ScalarType? dtype=None, Device? device=None) -> Tensor",
                .doc = "A copy of a sparse tensor, converted.",
                .kernel = function<converted_parts>(),
                .grad = {{}, converted_grad},
                .forms = kFunction,
                .node = "ToCopyBackward0",
                .any_device = true,
                .sparse = takes_sparse});
OP(_sparse_assign_,
   {.schema = "_sparse_assign_(Tensor(a!) self, Tensor src) -> Tensor(a!)",
    .doc = "Takes over the parts of src.",
    .kernel = mutation<assign>(),
    .grad = {{}, [](const Saved& s, const Tensor& g) { return Grads{s.needs("self") ? zeros_like(g) : Tensor(), g}; }},
    .forms = kFunction,
    .node = "CopyBackwards",
    .any_device = true,
    .shares = {"src"},
    .reshapes = true,
    .sparse = takes_sparse});

}  // namespace rushlight

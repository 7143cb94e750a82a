// Whole slices picked or written along one dimension: index_select, index_add, index_copy, index_fill, index_reduce; take and put by flat position.
#include <cstring>

#include "rushlight/dispatch/forms.h"
#include "rushlight/dispatch/kernel.h"
#include "rushlight/fn/_unique2.h"
#include "rushlight/fn/broadcast_to.h"
#include "rushlight/fn/expand.h"
#include "rushlight/fn/gather.h"
#include "rushlight/fn/index_add.h"
#include "rushlight/fn/index_fill.h"
#include "rushlight/fn/index_select.h"
#include "rushlight/fn/put.h"
#include "rushlight/fn/reshape.h"
#include "rushlight/fn/scatter_reduce.h"
#include "rushlight/fn/sum.h"
#include "rushlight/fn/take.h"
#include "rushlight/fn/where.h"
#include "rushlight/fn/zeros.h"
#include "rushlight/kernels/dispatch.h"
#include "rushlight/kernels/isa.h"
#include "rushlight/kernels/lanes.h"
#include "rushlight/ops/index/indices.h"
#include "rushlight/ops/operators.h"
#include "rushlight/ops/sparse/forms.h"

namespace rushlight {
namespace {

// One slice of dimension dim.
Tensor slice_at(const Tensor& t, int64_t dim, int64_t i) {
  Dims sizes = t.sizes(), strides = t.strides();
  int64_t offset = t.storage_offset() + i * strides[size_t(dim)];
  sizes.erase(size_t(dim));
  strides.erase(size_t(dim));
  return alias_tensor(t, sizes, strides, offset);
}
TensorSpec like(const Tensor& self) { return {.sizes = self.sizes(), .dtype = self.dtype(), .device = self.device()}; }

// f(W* in a, W* in b, count) for runs of matching elements of a's slice index[i] and b's slice i. Both tensors become dense around it.
template <class W, class F>
void for_each_slice(const Tensor& a, const Tensor& b, int64_t dim, const int64_t* index, int64_t count, bool parallel,
                    const F& f) {
  int64_t size = a.sizes()[size_t(dim)], outer = 1, inner = 1;
  for (int64_t d = 0; d < a.dim(); d++) (d < dim ? outer : inner) *= d == dim ? 1 : a.sizes()[size_t(d)];
  W* x = a.data<W>();
  W* y = b.data<W>();
  if (inner == 0) return;
  for (int64_t o = 0; o < outer; o++) {
    auto work = [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; i++) f(x + (o * size + index[i]) * inner, y + (o * count + i) * inner, inner);
    };
    if (parallel) parallel_for(0, count, std::max<int64_t>(1, 65536 / inner), work);
    else work(0, count);
  }
}

void check_vector(const char* op, const Tensor& index) {
  RL_CHECK(IndexError, index.dim() <= 1, op, "(): Index is supposed to be a vector. Hint: it has shape ", index.sizes(),
           "; index.flatten()");
  RL_CHECK(RuntimeError, index.dtype() == DType::Int64 || index.dtype() == DType::Int32, op,
           "(): Expected dtype int32 or int64 for index");
}

// The indices, all of which are of a dimension of `size`.
const int64_t* checked_indices(const Tensor& at, int64_t dim, int64_t size) {
  const int64_t* idx = at.data<int64_t>();
  for (int64_t i = 0, n = at.numel(); i < n; i++)
    RL_CHECK(IndexError, idx[i] >= 0 && idx[i] < size, "index out of range in self: index ", idx[i],
             " is out of bounds for dimension ", dim, " with size ", size, ". Hint: indices are 0 to ", size - 1);
  return idx;
}

// ---- index_select ----

TensorSpec index_select_meta(const Tensor& self, int64_t dim, const Tensor& index) {
  check_vector("index_select", index);
  int64_t at = wrap_dim(dim, self.dim());
  if (self.dim() == 0) {
    RL_CHECK(RuntimeError, index.numel() == 1, "index_select(): Index to scalar can have only 1 value, got ",
             index.numel(), " value(s)");
    return like(self);
  }
  Dims sizes = self.sizes();
  sizes[size_t(at)] = index.numel();
  return {.sizes = sizes, .dtype = self.dtype(), .device = self.device()};
}
void index_select_cpu(const Tensor& given, int64_t dim, const Tensor& index, const Tensor& out) {
  Tensor self = at_least_1d(given), to = at_least_1d(out), at = index_values("index_select", index);
  dim = wrap_dim(dim, self.dim());
  int64_t size = self.sizes()[size_t(dim)], count = at.numel();
  const int64_t* idx = checked_indices(at, dim, size);
  if (to.numel() == 0) return;
  if (!to.is_contiguous() || (!self.is_contiguous() && self.numel() > 4 * to.numel())) {
    for (int64_t i = 0; i < count; i++) copy_elements(slice_at(to, dim, i), slice_at(self, dim, idx[i]));
    return;
  }
  self = dense(self);
  dispatch_size(self.dtype(), [&]<class W>() {
    for_each_slice<W>(self, to, dim, idx, count, true, [](const W* x, W* y, int64_t n) {
      if (n == 1) *y = *x;
      else std::memcpy(y, x, size_t(n) * sizeof(W));
    });
  });
}
Grads index_select_grad(const Saved& s, const Tensor& g) {
  return {index_add(zeros(s.sizes("self"), g.dtype(), std::nullopt, g.device()), s.arg("dim").to_int(), s["index"], g),
          Tensor()};
}

// ---- writing slices ----

void check_source(const char* op, const Tensor& self, int64_t dim, const Tensor& index, const Tensor& source) {
  RL_CHECK(IndexError, index.dim() <= 1, op, "(): Index is supposed to be a vector, but got dim: ", index.dim(),
           " with type: ", index.dtype(), " and size: ", index.sizes());
  RL_CHECK(RuntimeError, index.dtype() == DType::Int64 || index.dtype() == DType::Int32, op,
           "(): Expected dtype int32/int64 for index but got: ", index.dtype());
  RL_CHECK(RuntimeError, self.dtype() == source.dtype(), op, "(): self (", self.dtype(), ") and source (",
           source.dtype(), ") must have the same scalar type");
  int64_t at = wrap_dim(dim, self.dim());
  int64_t have = source.dim() == 0 ? 1 : at < source.dim() ? source.sizes()[size_t(at)] : -1;
  RL_CHECK(RuntimeError, at == 0 || at < source.dim(), op, "(): Indexing dim ", at,
           " is out of bounds of the source tensor with dim ", source.dim());
  RL_CHECK(RuntimeError, index.numel() == have, op, "(): Number of indices (", index.numel(),
           ") should be equal to source.size(dim): (", have, "), for dim: ", at);
  Dims a = self.sizes(), b = source.sizes();
  if (!a.empty()) a.erase(size_t(at));
  if (!b.empty()) b.erase(size_t(at));
  RL_CHECK(RuntimeError, a == b, op,
           "(): source tensor shape must match self tensor shape, excluding the specified dimension. Got self.shape = ",
           self.sizes(), " source.shape = ", source.sizes());
}

// f(W& target, const W& source): every source slice meets the target slice it names.
template <class W, class F>
void update_slices(const Tensor& out, int64_t dim, const Tensor& index, const Tensor& source, const F& f) {
  Tensor to = at_least_1d(out), from = at_least_1d(source), at = index_values("index", index);
  dim = wrap_dim(dim, to.dim());
  int64_t size = to.sizes()[size_t(dim)], count = at.numel();
  const int64_t* idx = checked_indices(at, dim, size);
  if (from.numel() == 0) return;
  Tensor target = dense(to);
  from = dense(from);
  for_each_slice<W>(target, from, dim, idx, count, false, f);
  if (!target.is_same(to)) copy_elements(to, target);
}

RL_FOR_EACH_ISA(
    template <class T>, void, add_scaled, (T * x, const T* y, int64_t n, accumulator_t<T> alpha),
    {
      using A = compute_t<T>;
      RL_IVDEP
      for (int64_t i = 0; i < n; i++) x[i] = T(A(x[i]) + A(y[i]) * A(alpha));
    },
    <T>)

TensorSpec index_add_meta(const Tensor& self, int64_t dim, const Tensor& index, const Tensor& source,
                          const Scalar& alpha) {
  check_source("index_add", self, dim, index, source);
  RL_CHECK(RuntimeError, is_differentiable(self.dtype()) || alpha.is_integral(true),
           "For integral input tensors, argument alpha must not be a floating point number.");
  return like(self);
}
void index_add_cpu(const Tensor&, int64_t dim, const Tensor& index, const Tensor& source, const Scalar& alpha,
                   const Tensor& out) {
  dispatch(AllTypes{}, out.dtype(), "index_add", [&]<class T>() {
    auto by = accumulator_t<T>(alpha.to<T>());
    update_slices<T>(out, dim, index, source, [by](T* x, const T* y, int64_t n) {
      if constexpr (std::is_same_v<T, bool>) {
        for (int64_t i = 0; i < n; i++) x[i] = x[i] || (y[i] && by);
      } else {
        using A = compute_t<T>;
        if (n >= 8) return add_scaled_isa<T>()(x, y, n, by);
        for (int64_t i = 0; i < n; i++) x[i] = T(A(x[i]) + A(y[i]) * A(by));
      }
    });
  });
}
Grads index_add_grad(const Saved& s, const Tensor& g) {
  if (!s.needs("source")) return {g, Tensor(), Tensor()};
  Tensor part = index_select(g, s.arg("dim").to_int(), s["index"]);
  return {g, Tensor(), expand(reshape(part, s.sizes("source")), s.sizes("source")) * s.arg("alpha").to_scalar()};
}

TensorSpec index_copy_meta(const Tensor& self, int64_t dim, const Tensor& index, const Tensor& source) {
  RL_CHECK(IndexError, index.dim() < 2, "index_copy_(): Index should have dimension 1 or 0 (got ", index.dim(), ")");
  RL_CHECK(RuntimeError, index.dtype() == DType::Int64, "index_copy_(): Expected a long tensor for index, but got ",
           scalar_type_name(index.dtype()));
  RL_CHECK(RuntimeError, self.dtype() == source.dtype(),
           "index_copy_(): self and source expected to have the same dtype, but got (self) ",
           scalar_type_name(self.dtype()), " and (source) ", scalar_type_name(source.dtype()));
  int64_t at = wrap_dim(dim, self.dim());
  RL_CHECK(IndexError, self.dim() == source.dim() || self.dim() == 0 || source.dim() == 0,
           "index_copy_(): When source and destination are not scalars, their dimensionality must match. Source "
           "dimensionality (",
           source.dim(), "), destination dimensionality (", self.dim(), ")");
  Dims a = self.sizes(), b = source.sizes();
  if (!a.empty()) a.erase(size_t(at));
  if (!b.empty()) b.erase(size_t(at));
  RL_CHECK(RuntimeError, a == b,
           "index_copy_(): Source/destination tensor must have same slice shapes. Destination slice shape: ", a,
           " at dimension ", at, " and source slice shape: ", b, " at dimension 0.");
  int64_t have = source.dim() == 0 ? 1 : source.sizes()[size_t(at)];
  RL_CHECK(IndexError, index.numel() == have, "index_copy_(): Number of indices (", index.numel(),
           ") should be equal to source.size(dim) (", have, ")");
  return like(self);
}
void index_copy_cpu(const Tensor&, int64_t dim, const Tensor& index, const Tensor& source, const Tensor& out) {
  dispatch_size(out.dtype(), [&]<class W>() {
    update_slices<W>(out, dim, index, source, [](W* x, const W* y, int64_t n) {
      if (n == 1) *x = *y;
      else std::memcpy(x, y, size_t(n) * sizeof(W));
    });
  });
}
Grads index_copy_grad(const Saved& s, const Tensor& g) {
  int64_t dim = s.arg("dim").to_int();
  Tensor index = s["index"];
  return {s.needs("self") ? index_fill(g, dim, index, Scalar(0)) : Tensor(), Tensor(),
          s.needs("source") ? reshape(index_select(g, dim, index), s.sizes("source")) : Tensor()};
}

TensorSpec index_fill_meta(const Tensor& self, int64_t dim, const Tensor& index, const Scalar& value) {
  RL_CHECK(IndexError, index.dtype() == DType::Int64 || index.dtype() == DType::Int32,
           "index_fill_(): Expected dtype int32/int64 for index.");
  RL_CHECK(RuntimeError, index.dim() <= 1, "Index has to be a vector/scalar");
  RL_CHECK(RuntimeError, !value.is_complex() || is_complex(self.dtype()),
           "index_fill_(): Converting complex Scalar to non-complex type is not supported");
  wrap_dim(dim, self.dim());
  return like(self);
}
void index_fill_cpu(const Tensor&, int64_t dim, const Tensor& index, const Scalar& value, const Tensor& out) {
  Tensor to = at_least_1d(out), at = index_values("index_fill", index);
  dim = wrap_dim(dim, to.dim());
  int64_t size = to.sizes()[size_t(dim)];
  Tensor number = empty_tensor({}, out.dtype());
  dispatch(AllTypes{}, out.dtype(), "index_fill", [&]<class T>() { *number.data<T>() = value.to<T>(); });
  for (int64_t i = 0; i < at.numel(); i++)
    copy_elements(slice_at(to, dim, wrap_index(at.data<int64_t>()[i], size, dim)), number);
}
TensorSpec index_fill_tensor_meta(const Tensor& self, int64_t dim, const Tensor& index, const Tensor& value) {
  RL_CHECK(RuntimeError, value.dim() == 0, "Only supports 0-dimension value tensor, but got tensor with ", value.dim(),
           " dimensions.");
  RL_CHECK(RuntimeError, !is_complex(value.dtype()) || is_complex(self.dtype()),
           "index_fill_(): Converting complex Scalar to non-complex type is not supported");
  return index_fill_meta(self, dim, index, Scalar(0));
}
void index_fill_tensor_cpu(const Tensor&, int64_t dim, const Tensor& index, const Tensor& value, const Tensor& out) {
  Tensor to = at_least_1d(out), at = index_values("index_fill", index);
  dim = wrap_dim(dim, to.dim());
  for (int64_t i = 0; i < at.numel(); i++)
    copy_elements(slice_at(to, dim, wrap_index(at.data<int64_t>()[i], to.sizes()[size_t(dim)], dim)), value);
}
Grads index_fill_grad(const Saved& s, const Tensor& g) {
  return {index_fill(g, s.arg("dim").to_int(), s["index"], Scalar(0)), Tensor()};
}
Grads index_fill_tensor_grad(const Saved& s, const Tensor& g) {
  int64_t dim = s.arg("dim").to_int();
  Tensor index = s["index"];
  return {index_fill(g, dim, index, Scalar(0)), Tensor(),
          s.needs("value") ? sum(index_select(g, dim, std::get<0>(_unique2(index)))) : Tensor()};
}

// scatter_reduce with every slice's positions spelled out.
Tensor index_reduce_op(const Tensor& self, int64_t dim, const Tensor& index, const Tensor& source,
                       std::string_view reduce, bool include_self) {
  check_source("index_reduce", self, dim, index, source);
  RL_CHECK(RuntimeError, reduce == "prod" || reduce == "mean" || reduce == "amax" || reduce == "amin",
           "index_reduce(): Expected reduce to be one of prod, mean, amax or amin but got ", reduce, ".");
  RL_CHECK(RuntimeError, self.dim() == 0 || source.dim() > 0,
           "index_reduce(): source tensor shape must match self tensor shape, excluding the specified dimension. Got "
           "self.shape = ",
           self.sizes(), " source.shape = []");
  if (self.dim() == 0)
    return scatter_reduce(self, dim, reshape(index, IntArrayRef()), reshape(source, IntArrayRef()), reduce,
                          include_self);
  Dims shape(source.sizes().size(), 1);
  shape[size_t(wrap_dim(dim, self.dim()))] = index.numel();
  return scatter_reduce(self, dim, expand(reshape(index, shape), source.sizes()), source, reduce, include_self);
}

// ---- by flat position ----

TensorSpec take_meta(const Tensor& self, const Tensor& index) {
  RL_CHECK(RuntimeError, index.dtype() == DType::Int64, "take(): Expected a long tensor for index, but got ",
           scalar_type_name(index.dtype()));
  RL_CHECK(IndexError, self.numel() > 0 || index.numel() == 0, "take(): tried to take from an empty tensor");
  return {.sizes = index.sizes(), .dtype = self.dtype(), .device = self.device()};
}
int64_t flat_position(const Tensor& t, int64_t i) {
  int64_t n = t.numel();
  RL_CHECK(IndexError, i >= -n && i < n, "out of range: tried to access index ", i, " on a tensor of ", n,
           " elements.");
  if (i < 0) i += n;
  if (t.is_contiguous()) return i;
  int64_t offset = 0;
  for (size_t d = size_t(t.dim()); d-- > 0; i /= t.sizes()[d]) offset += i % t.sizes()[d] * t.strides()[d];
  return offset;
}
void take_cpu(const Tensor& self, const Tensor& index, const Tensor& out) {
  Tensor at = dense(index), to = dense(out);
  const int64_t* p = at.data<int64_t>();
  const uint64_t direct = self.is_contiguous() ? uint64_t(self.numel()) : 0;  // positions below it are offsets
  dispatch_size(self.dtype(), [&]<class W>() {
    const W* x = self.data<W>();
    W* y = to.data<W>();
    for (int64_t i = 0, n = at.numel(); i < n; i++)
      y[i] = x[uint64_t(p[i]) < direct ? p[i] : flat_position(self, p[i])];
  });
  if (!to.is_same(out)) copy_elements(out, to);
}
TensorSpec put_meta(const Tensor& self, const Tensor& index, const Tensor& source, bool) {
  RL_CHECK(RuntimeError, index.dtype() == DType::Int64, "put_(): Expected a long tensor for index, but got ",
           scalar_type_name(index.dtype()));
  RL_CHECK(RuntimeError, self.dtype() == source.dtype(),
           "put_(): self and source expected to have the same dtype, but got self.dtype = ",
           scalar_type_name(self.dtype()), " and source.dtype = ", scalar_type_name(source.dtype()));
  RL_CHECK(RuntimeError, index.numel() == source.numel(),
           "put_(): Expected source and index to have the same number of elements, but got source.numel() = ",
           source.numel(), ", index.numel() = ", index.numel());
  RL_CHECK(IndexError, self.numel() > 0 || index.numel() == 0, "put_(): Tried to put elements into an empty tensor");
  return like(self);
}
void put_cpu(const Tensor&, const Tensor& index, const Tensor& source, bool accumulate, const Tensor& out) {
  Tensor at = dense(index), from = dense(source);
  dispatch(AllTypes{}, out.dtype(), "put", [&]<class T>() {
    for (int64_t i = 0; i < at.numel(); i++) {
      T& x = out.data<T>()[flat_position(out, at.data<int64_t>()[i])];
      T y = from.data<T>()[i];
      if constexpr (std::is_same_v<T, bool>) x = accumulate ? x || y : y;
      else x = accumulate ? T(compute_t<T>(x) + compute_t<T>(y)) : y;
    }
  });
}
Grads take_grad(const Saved& s, const Tensor& g) {
  return {put(zeros(s.sizes("self"), g.dtype(), std::nullopt, g.device()), s["index"], g, true), Tensor()};
}
Grads put_grad(const Saved& s, const Tensor& g) {
  Tensor index = s["index"];
  bool accumulate = s.arg("accumulate").to_bool();
  return {accumulate ? g : put(g, index, zeros(index.sizes(), g.dtype(), std::nullopt, g.device()), false), Tensor(),
          s.needs("source") ? reshape(take(g, index), s.sizes("source")) : Tensor()};
}

Tensor take_along_dim_op(const Tensor& self, const Tensor& indices, const std::optional<int64_t>& dim) {
  if (!dim) return gather(reshape(self, IntArrayRef(int64_t(-1))), 0, reshape(indices, IntArrayRef(int64_t(-1))));
  RL_CHECK(RuntimeError, self.dim() == indices.dim(),
           "torch.take_along_dim(): input and indices should have the same number of dimensions, but got ", self.dim(),
           " dimensions for input, and ", indices.dim(), " dimensions for indices");
  RL_CHECK(RuntimeError, indices.dtype() == DType::Int64,
           "torch.take_along_dim(): dtype of indices should be Long but got ", scalar_type_name(indices.dtype()));
  int64_t at = wrap_dim(*dim, self.dim());
  Dims a = self.sizes(), b = indices.sizes();
  if (!a.empty()) a[size_t(at)] = b[size_t(at)] = 1;
  Dims shape = broadcast_shapes(a, b), to_self = shape, to_index = shape;
  if (!a.empty()) {
    to_self[size_t(at)] = self.sizes()[size_t(at)];
    to_index[size_t(at)] = indices.sizes()[size_t(at)];
  }
  Tensor positions = where(indices < Scalar(0), indices + Scalar(self.dim() ? self.size(at) : 1), indices);
  return gather(broadcast_to(self, to_self), at, broadcast_to(positions, to_index));
}

}  // namespace

OP(index_select, {.schema = "index_select(Tensor self, int dim, Tensor index) -> Tensor",
                  .doc = "Slices of a dimension in the order of index. >>> torch.index_select(torch.tensor([1, 2, 3]), "
                         "0, torch.tensor([2, 0]))\ntensor([3, 1])",
                  .kernel = structured<index_select_meta, index_select_cpu>(),
                  .grad = {{"index"}, index_select_grad},
                  .sparse = sparse_form<sparse_index_select>});
OP(index_add, {.schema = "index_add(Tensor self, int dim, Tensor index, Tensor source, *, Scalar alpha=1) -> Tensor",
               .doc = "self with slices of source added where index says. >>> torch.index_add(torch.zeros(2), 0, "
                      "torch.tensor([1, 1]), torch.ones(2))\ntensor([0., 2.])",
               .kernel = updating<index_add_meta, index_add_cpu>(),
               .grad = {{"index"}, index_add_grad}});
OP(index_copy, {.schema = "index_copy(Tensor self, int dim, Tensor index, Tensor source) -> Tensor",
                .doc = "self with slices of source written where index says. >>> torch.index_copy(torch.zeros(2), 0, "
                       "torch.tensor([1]), torch.ones(1))\ntensor([0., 1.])",
                .kernel = updating<index_copy_meta, index_copy_cpu>(),
                .grad = {{"index"}, index_copy_grad},
                .autocast = Autocast::Promote});
OP(index_fill, {.schema = "index_fill.int_Scalar(Tensor self, int dim, Tensor index, Scalar value) -> Tensor",
                .doc = "self with a number in the slices that index names. >>> torch.index_fill(torch.zeros(2), 0, "
                       "torch.tensor([1]), 7)\ntensor([0., 7.])",
                .kernel = updating<index_fill_meta, index_fill_cpu>(),
                .grad = {{"index"}, index_fill_grad},
                .forms = kFunction | kMethod | kInPlace,
                .numbers = Numbers::Fallback,
                .on_expanded = OnExpanded::Warns});
OP(index_fill_tensor,
   {.schema = "index_fill.int_Tensor(Tensor self, int dim, Tensor index, Tensor value) -> Tensor",
    .doc = "self with the value of a 0-d tensor in the slices that index names."
           " >>> torch.tensor([1, 2, 3]).index_fill(0, torch.tensor([0, 2]), torch.tensor(9))\ntensor([9, 2, 9])",
    .kernel = updating<index_fill_tensor_meta, index_fill_tensor_cpu>(),
    .grad = {{"index"}, index_fill_tensor_grad},
    .forms = kFunction | kMethod | kInPlace,
    .numbers = Numbers::Fallback,
    .on_expanded = OnExpanded::Warns});
OP(index_reduce, {.schema = "index_reduce(Tensor self, int dim, Tensor index, Tensor source, str reduce, *, bool "
                            "include_self=True) -> Tensor",
                  .doc = "self with slices of source reduced (prod, mean, amax, amin) into those that index names."
                         " >>> torch.tensor([1., 2.]).index_reduce(0, torch.tensor([1, 1]), torch.tensor([3., 4.]), "
                         "\"prod\")\ntensor([ 1., 24.])",
                  .kernel = composite<index_reduce_op>(),
                  .forms = kFunction | kMethod | kInPlace | kOut});
OP(take, {.schema = "take(Tensor self, Tensor index) -> Tensor",
          .doc = "Elements at positions counted over the whole tensor. >>> torch.take(torch.tensor([[1, 2], [3, 4]]), "
                 "torch.tensor([3]))\ntensor([4])",
          .kernel = structured<take_meta, take_cpu>(),
          .grad = {{"index"}, take_grad},
          .forms = kFunction | kMethod | kOut | kOutApart});
OP(put, {.schema = "put(Tensor self, Tensor index, Tensor source, bool accumulate=False) -> Tensor",
         .doc = "self with source at positions counted over the whole tensor. >>> torch.put(torch.zeros(2), "
                "torch.tensor([1]), torch.ones(1))\ntensor([0., 1.])",
         .kernel = updating<put_meta, put_cpu>(),
         .grad = {{"index"}, put_grad},
         .forms = kFunction | kMethod | kInPlace});
OP(take_along_dim, {.schema = "take_along_dim(Tensor self, Tensor indices, int? dim=None) -> Tensor",
                    .doc = "gather with broadcasting; without dim over the flattened tensor. >>> "
                           "torch.take_along_dim(torch.tensor([3, 4]), torch.tensor([1]))\ntensor([4])",
                    .kernel = composite<take_along_dim_op>(),
                    .forms = kFunction | kMethod | kOut});

}  // namespace rushlight

// Sums, norms and softmax of sparse tensors.
#include <algorithm>
#include <limits>

#include "rushlight/fn/_sparse_to.h"
#include "rushlight/fn/_sparse_total.h"
#include "rushlight/fn/any.h"
#include "rushlight/fn/cat.h"
#include "rushlight/fn/coalesce.h"
#include "rushlight/fn/detach.h"
#include "rushlight/fn/exp.h"
#include "rushlight/fn/expand.h"
#include "rushlight/fn/full.h"
#include "rushlight/fn/index_copy.h"
#include "rushlight/fn/index_reduce.h"
#include "rushlight/fn/index_select.h"
#include "rushlight/fn/linalg_vector_norm.h"
#include "rushlight/fn/log.h"
#include "rushlight/fn/log_softmax.h"
#include "rushlight/fn/softmax.h"
#include "rushlight/fn/sort.h"
#include "rushlight/fn/sum.h"
#include "rushlight/fn/to.h"
#include "rushlight/fn/unique_consecutive.h"
#include "rushlight/fn/zeros.h"
#include "rushlight/ops/operators.h"
#include "rushlight/ops/sparse/forms.h"
#include "rushlight/ops/sparse/sparse.h"

namespace rushlight {
namespace {

// The coordinates without (or, kept, with 0 for) some dimensions.
Tensor rows_without(const Tensor& indices, const std::vector<bool>& gone, bool keep) {
  std::vector<int64_t> rows;
  Tensors kept;
  for (int64_t d = 0; d < indices.sizes()[0]; d++) {
    Tensor row = index_select(indices, 0, full({1}, d, DType::Int64, {}, indices.device()));
    if (!gone[size_t(d)]) kept.push_back(row);
    else if (keep) kept.push_back(row * Scalar(0));
  }
  return kept.empty() ? zeros({0, indices.sizes()[1]}, DType::Int64, {}, indices.device()) : cat(kept, 0);
}

Tensor sum_over(const Tensor& given, IntArrayRef dim, bool keepdim, const std::optional<DType>& dtype, bool widen) {
  Layout layout = layout_seen(given);
  RL_CHECK(RuntimeError, layout == Layout::Sparse || keepdim, "reduction operations on ", layout,
           " tensors with keepdim=False is unsupported; use keepdim=True, or to_sparse() first");
  Coo c = coo_of(given, false);
  std::vector<bool> gone(std::max<size_t>(c.sizes.size(), 1));  // of a number dimension 0 can be named
  for (int64_t d : dim) {
    size_t at = size_t(wrap_dim(d, int64_t(c.sizes.size())));
    RL_CHECK(RuntimeError, !gone[at], "dim ", at, " appears multiple times in the list of dims");
    gone[at] = true;
  }
  int64_t sparse = c.sparse_dim();
  // Halves are added as floats, or each step of the way would round.
  if (!dtype && is_half(c.values.dtype()))
    return to(sum_over(given, dim, keepdim, DType::Float32, widen), c.values.dtype());
  Tensor values = c.values;
  std::vector<int64_t> inside;  // dimensions of the values
  Dims sizes;
  bool all_sparse = true;
  for (size_t d = 0; d < c.sizes.size(); d++) {
    if (int64_t(d) >= sparse && gone[d]) inside.push_back(int64_t(d) - sparse + 1);
    if (int64_t(d) < sparse) all_sparse &= gone[d];
    if (!gone[d]) sizes.push_back(c.sizes[d]);
    else if (keepdim) sizes.push_back(1);
  }
  if (!inside.empty()) values = sum(values, IntArrayRef(inside), keepdim, dtype);
  if (all_sparse && !keepdim) return sum(values, IntArrayRef(0), false, dtype);
  if (dtype) values = to(values, *dtype);
  else if (widen && is_integral(values.dtype(), true)) values = to(values, DType::Int64);
  if (std::none_of(gone.begin(), gone.begin() + sparse, [](bool b) { return b; }))
    return in_layout_of(given, make_coo(c.indices, values, sizes, c.coalesced));
  Tensor out = make_coo(rows_without(c.indices, gone, keepdim), values, sizes, false);
  return in_layout_of(given, coalesce(out));
}

Tensor sum_all_but_given(const Tensor& self, IntArrayRef dim) { return sum_over(self, dim, false, {}, false); }
Tensor sum_dims_typed(const Tensor& self, IntArrayRef dim, DType dtype) {
  return sum_over(self, dim, false, dtype, false);
}
Tensor sum_everything(const Tensor& self) { return sum(plain_values(self)); }
Tensor sum_everything_typed(const Tensor& self, DType dtype) { return sum(plain_values(self), dtype); }

// Over the elements that are there: those of one row along dim are a group.
Tensor soft(const Tensor& given, int64_t dim, const std::optional<DType>& dtype, bool take_log) {
  const char* name = take_log ? "log_softmax" : "softmax";
  RL_CHECK(RuntimeError, is_sparse(given), "torch.sparse.", name, ": expected a sparse tensor, got layout ",
           layout_seen(given));
  Coo c = coo_of(given, true);
  int64_t along = wrap_dim(dim, int64_t(c.sizes.size()));
  Tensor values = dtype ? to(c.values, *dtype) : c.values;
  RL_CHECK(NotImplementedError, is_floating(values.dtype()), '"', name, "\" not implemented for '",
           scalar_type_name(values.dtype()), "'");
  auto done = [&](const Tensor& v) { return in_layout_of(given, make_coo(c.indices, v, c.sizes, true)); };
  if (along >= c.sparse_dim()) {
    int64_t inside = along - c.sparse_dim() + 1;
    return done(take_log ? log_softmax(values, inside) : softmax(values, inside));
  }
  if (c.count() == 0) return done(values);
  std::vector<bool> gone(std::max<size_t>(c.sizes.size(), 1));  // of a number dimension 0 can be named
  gone[size_t(along)] = true;
  Dims others;
  for (int64_t d = 0; d < c.sparse_dim(); d++)
    if (d != along) others.push_back(c.sizes[size_t(d)]);
  auto [sorted, order] =
      sort(linear_indices(rows_without(c.indices, gone, false), others), std::optional<bool>(true), 0);
  auto [found, place, counts] = unique_consecutive(sorted, true);
  int64_t groups = found.sizes()[0];
  Tensor group = zeros(place.sizes(), DType::Int64, {}, place.device());
  group = index_copy(group, 0, order, place);
  Dims each = values.sizes();
  each[0] = groups;
  // The largest is only taken off to keep exp from overflowing: no gradient flows through it.
  Tensor most = index_reduce(full(each, -std::numeric_limits<double>::infinity(), values.dtype(), {}, values.device()),
                             0, group, detach(values), "amax");
  Tensor less = values - index_select(most, 0, group);
  Tensor powers = exp(less);
  Tensor sums = index_select(add_rows(groups, group, powers), 0, group);
  return done(take_log ? less - log(sums) : powers / sums);
}
Tensor soft_op(const Tensor& self, int64_t dim, const std::optional<DType>& dtype) {
  return soft(self, dim, dtype, false);
}
Tensor log_soft_op(const Tensor& self, int64_t dim, const std::optional<DType>& dtype) {
  return soft(self, dim, dtype, true);
}

// As PyTorch has it, the gradient of torch.sum is 1 for each element, whether it is there or not; that of torch.sparse.sum is for those
// that are.
Tensor total(const Tensor& self) {
  RL_CHECK(RuntimeError, self.impl()->parts(), "_sparse_total: expected a sparse tensor, got one of layout ",
           self.layout(), "; use torch.sum");
  return sum(Tensor(self.impl()->parts()->values));
}
Grads total_grad(const Saved& s, const Tensor& g) { return {expand(g, s.sizes("self"))}; }

}  // namespace

Tensor sparse_sum(const Tensor& self, const std::optional<DType>& dtype) {
  return dtype ? _sparse_total(_sparse_to(self, dtype)) : _sparse_total(self);
}
Tensor sparse_sum_dims(const Tensor& self, const std::optional<IntArrayRef>& dim, bool keepdim,
                       const std::optional<DType>& dtype) {
  if (!dim || dim->empty()) {
    if (!keepdim) return sparse_sum(self, dtype);
    std::vector<int64_t> all;
    for (int64_t d = 0; d < self.dim(); d++) all.push_back(d);
    return sum_over(self, all, true, dtype, true);
  }
  return sum_over(self, *dim, keepdim, dtype, true);
}
Tensor sparse_any(const Tensor& self) { return any(coo_of(self, true).values); }
Tensor sparse_norm(const Tensor& self, const Scalar& ord, const std::optional<IntArrayRef>& dim, bool keepdim,
                   const std::optional<DType>& dtype) {
  RL_CHECK(NotImplementedError, !dim || dim->empty(),
           "norm: only over all dimensions of a sparse tensor; use to_dense() for others");
  RL_CHECK(NotImplementedError, ord.to<double>() > 0, "norm: of a sparse tensor only for an order > 0, got ", ord);
  return linalg_vector_norm(coo_of(self, true).values, ord, std::nullopt, keepdim, dtype);
}

OP(_sparse_total, {.schema = "_sparse_total(Tensor self) -> Tensor",
                   .doc = "torch.sum of a sparse tensor.",
                   .kernel = function<total>(),
                   .grad = {{}, total_grad},
                   .forms = kFunction,
                   .node = "SumBackward0",
                   .any_device = true,
                   .sparse = takes_sparse});
OP(_sparse_sum, {.schema = "_sparse_sum(Tensor self) -> Tensor",
                 .doc = "The sum of the values. >>> torch.sparse.sum(torch.eye(2).to_sparse())\ntensor(2.)",
                 .kernel = composite<sum_everything>(),
                 .forms = kFunction});
OP(_sparse_sum_dtype, {.schema = "_sparse_sum.dtype(Tensor self, *, ScalarType dtype) -> Tensor",
                       .doc = "The sum of the values in another dtype.",
                       .kernel = composite<sum_everything_typed>(),
                       .forms = kFunction});
OP(_sparse_sum_dim, {.schema = "_sparse_sum.dim(Tensor self, int[1] dim) -> Tensor",
                     .doc = "Sums over dimensions: sparse, or strided where no sparse dimension is left.",
                     .kernel = composite<sum_all_but_given>(),
                     .forms = kFunction,
                     .shares = {"self"}});
OP(_sparse_sum_dim_dtype, {.schema = "_sparse_sum.dim_dtype(Tensor self, int[1] dim, *, ScalarType dtype) -> Tensor",
                           .doc = "Sums over dimensions in another dtype.",
                           .kernel = composite<sum_dims_typed>(),
                           .forms = kFunction});
OP(_sparse_softmax, {.schema = "_sparse_softmax.int(Tensor self, int dim, ScalarType? dtype=None) -> Tensor",
                     .doc = "Softmax over the elements that are there. >>> "
                            "torch.sparse.softmax(torch.eye(2).to_sparse(), 0).values()\ntensor([1., 1.])",
                     .kernel = composite<soft_op>(),
                     .forms = kFunction,
                     .shares = {"self"}});
OP(_sparse_log_softmax, {.schema = "_sparse_log_softmax.int(Tensor self, int dim, ScalarType? dtype=None) -> Tensor",
                         .doc = "The logarithm of softmax over the elements that are there. >>> "
                                "torch.sparse.log_softmax(torch.eye(2).to_sparse(), 0).values()\ntensor([0., 0.])",
                         .kernel = composite<log_soft_op>(),
                         .forms = kFunction});

}  // namespace rushlight

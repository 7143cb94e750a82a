// Sparse tensors in sums, products and quotients. Pointwise operators of one sparse tensor that keep 0 need nothing here.
#include "rushlight/fn/_indices.h"
#include "rushlight/fn/_sparse_pick.h"
#include "rushlight/fn/_sparse_to.h"
#include "rushlight/fn/cat.h"
#include "rushlight/fn/coalesce.h"
#include "rushlight/fn/expand.h"
#include "rushlight/fn/flatten.h"
#include "rushlight/fn/index_add.h"
#include "rushlight/fn/index_select.h"
#include "rushlight/fn/nonzero.h"
#include "rushlight/fn/reshape.h"
#include "rushlight/fn/select.h"
#include "rushlight/fn/to.h"
#include "rushlight/fn/to_dense.h"
#include "rushlight/fn/view.h"
#include "rushlight/ops/operators.h"
#include "rushlight/ops/sparse/forms.h"
#include "rushlight/ops/sparse/sparse.h"

namespace rushlight {
namespace {

bool is_number(const Tensor& t) { return t.dim() == 0 && !is_sparse(t); }

void check_same_sizes(const char* op, const Tensor& a, const Tensor& b) {
  RL_CHECK(ShapeError, a.sizes() == b.sizes(), op, ": expected 'self' and 'other' to have same size, got ", a.sizes(),
           " and ", b.sizes(), "; sparse tensors are not broadcast");
}

Tensor times(const Tensor& values, const Scalar& alpha) {
  return !alpha.is_complex() && alpha.to<double>() == 1 ? values : values * alpha;
}

// dense + alpha * sparse, into dense itself if it may be written to.
Tensor add_to_dense(const Tensor& dense, const Tensor& sparse, const Scalar& alpha, bool in_place) {
  check_same_sizes("add", dense, sparse);
  Coo c = coo_of(sparse, false);
  DType type = promote_types(dense.dtype(), sparse.dtype());
  Dims flat{product(c.sparse_sizes())};
  for (int64_t s : IntArrayRef(c.sizes).slice(size_t(c.sparse_dim()))) flat.push_back(s);
  Tensor at = linear_indices(c.indices, c.sparse_sizes()), items = times(to(c.values, type), alpha);
  if (in_place && dense.is_contiguous() && dense.dtype() == type) {
    index_add_(view(dense, flat), 0, at, items);
    return dense;
  }
  return reshape(index_add(reshape(to(dense, type), flat), 0, at, items), c.sizes);
}

Tensor add_sparse(const Tensor& self, const Tensor& other, const Scalar& alpha) {
  check_same_sizes("add", self, other);
  Coo a = coo_of(self, false), b = coo_of(other, false);
  DType type = promote_types(self.dtype(), other.dtype());
  if (a.sparse_dim() != b.sparse_dim()) {  // one without values, as zeros() makes them, has any number of dense ones
    if (a.count() == 0) return make_coo(b.indices, times(to(b.values, type), alpha), b.sizes, b.coalesced);
    if (b.count() == 0) return make_coo(a.indices, to(a.values, type), a.sizes, a.coalesced);
  }
  RL_CHECK(RuntimeError, a.sparse_dim() == b.sparse_dim(), "add: expected as many sparse dimensions in both, got ",
           a.sparse_dim(), " and ", b.sparse_dim());
  Tensor sum = make_coo(cat(Tensors{a.indices, b.indices}, 1),
                        cat(Tensors{to(a.values, type), times(to(b.values, type), alpha)}, 0), a.sizes, false);
  bool coordinates = layout_seen(self) == Layout::Sparse && !(a.coalesced && b.coalesced);
  return coordinates ? sum : in_layout_of(self, coalesce(sum));
}

Tensor add_any(const Tensor& self, const Tensor& other, const Scalar& alpha) {
  if (is_sparse(self) && is_sparse(other)) return add_sparse(self, other, alpha);
  RL_CHECK(RuntimeError, !is_number(other) || self.dim() == 0,
           "add(sparse, dense) is not supported. Use add(dense, sparse) instead; ",
           "a number is not added to elements that are not there");
  if (is_sparse(other)) return add_to_dense(self, other, alpha, false);
  return add_to_dense(times(other, alpha), self, 1, false);
}

// Where both have a value.
Tensor mul_sparse(const Tensor& self_given, const Tensor& other_given) {
  Dims sizes = broadcast_shapes(self_given.sizes(), other_given.sizes());
  Tensor self = expand(self_given, sizes), other = expand(other_given, sizes);
  Coo a = coo_of(self, true), b = coo_of(other, true);
  if (a.sparse_dim() != b.sparse_dim()) {  // the one with more dense dimensions keeps them
    bool of_self = a.sparse_dim() < b.sparse_dim();
    const Coo& c = of_self ? a : b;
    Tensor values = c.values * _sparse_pick(to_dense(of_self ? other : self), c.indices);
    return in_layout_of(self, make_coo(c.indices, values, c.sizes, true));
  }
  auto [at, found] =
      places_of(linear_indices(a.indices, a.sparse_sizes()), linear_indices(b.indices, b.sparse_sizes()));
  Tensor both = flatten(nonzero(found));
  Tensor values = index_select(a.values, 0, both) * index_select(b.values, 0, index_select(at, 0, both));
  return in_layout_of(self, make_coo(index_select(a.indices, 1, both), values, a.sizes, true));
}

}  // namespace

void sparse_add(const Op& op, IValue* args, IValue* rets) {
  if (op.form() == Op::Form::InPlace && args[1].is_tensor() && !is_sparse(args[0].tensor())) {
    const Tensor& self = args[0].tensor();
    RL_CHECK(RuntimeError, can_cast(promote_types(self.dtype(), args[1].tensor().dtype()), self.dtype()), op.name(),
             ": result type can't be cast to ", self.dtype());
    if (add_to_dense(self, args[1].tensor(), args[2].to_scalar(), true).is_same(self)) {
      rets[0] = IValue(args[0]);
      return;
    }
  }
  sparse_form<add_any>(op, args, rets);
}

Tensor sparse_sub(const Tensor& self, const Tensor& other, const Scalar& alpha) {
  return add_any(self, neg(other), alpha);
}

Tensor sparse_mul(const Tensor& self, const Tensor& other) {
  if (is_sparse(self) && is_sparse(other)) {
    // One without dimensions is a number, and weighs as one in the result's dtype.
    if (self.dim() == 0 && (other.dim() > 0 || coo_of(other, false).count() > coo_of(self, false).count()))
      return sparse_mul(other, self);
    if (other.dim() == 0) {
      const bool both = self.dim() == 0 && self.dtype() != other.dtype();
      return sparse_mul(both ? _sparse_to(self, promote_types(self.dtype(), other.dtype())) : self, to_dense(other));
    }
    return mul_sparse(self, other);
  }
  const Tensor &given = is_sparse(self) ? self : other, &dense = is_sparse(self) ? other : self;
  if (is_number(dense)) {
    Coo c = coo_of(given, false);
    return in_layout_of(given, make_coo(c.indices, c.values * dense, c.sizes, c.coalesced));
  }
  Tensor sparse = expand(given, broadcast_shapes(given.sizes(), dense.sizes()));
  Coo c = coo_of(sparse, true);
  Tensor values = c.values * _sparse_pick(expand(dense, sparse.sizes()), c.indices);
  return in_layout_of(sparse, make_coo(c.indices, values, c.sizes, true));
}

Tensor sparse_div_mode(const Tensor& self, const Tensor& other, const std::optional<std::string_view>& mode) {
  RL_CHECK(RuntimeError, is_number(other),
           "Sparse division requires a scalar or zero-dim dense tensor divisor (got shape ", other.sizes(),
           " for divisor)");
  Coo c = coo_of(self, bool(mode));  // rounding is not linear
  return in_layout_of(self, make_coo(c.indices, div(c.values, other, mode), c.sizes, c.coalesced));
}
Tensor sparse_div(const Tensor& self, const Tensor& other) { return sparse_div_mode(self, other, {}); }

}  // namespace rushlight

// quantile and nanquantile.
#include "rushlight/dispatch/kernel.h"
#include "rushlight/fn/any.h"
#include "rushlight/fn/ceil.h"
#include "rushlight/fn/flatten.h"
#include "rushlight/fn/floor.h"
#include "rushlight/fn/full_like.h"
#include "rushlight/fn/gather.h"
#include "rushlight/fn/isnan.h"
#include "rushlight/fn/lerp.h"
#include "rushlight/fn/logical_not.h"
#include "rushlight/fn/masked_fill.h"
#include "rushlight/fn/movedim.h"
#include "rushlight/fn/narrow.h"
#include "rushlight/fn/reshape.h"
#include "rushlight/fn/round.h"
#include "rushlight/fn/sort.h"
#include "rushlight/fn/sum.h"
#include "rushlight/fn/to.h"
#include "rushlight/fn/unsqueeze.h"
#include "rushlight/ops/operators.h"
#include "rushlight/ops/reduce/dims.h"

namespace rushlight {
namespace {

Tensor quantile_of(const char* op, const Tensor& self, const Tensor& q, const std::optional<int64_t>& dim, bool keepdim,
                   std::string_view how, bool ignore_nan) {
  RL_CHECK(RuntimeError, self.numel() > 0, op, "() input tensor must be non-empty");
  RL_CHECK(RuntimeError, q.dim() <= 1, op, "() q must be a scalar or 1D tensor");
  RL_CHECK(RuntimeError, self.dtype() == DType::Float32 || self.dtype() == DType::Float64, op,
           "() input tensor must be either float or double dtype");
  RL_CHECK(RuntimeError, self.dtype() == q.dtype(), op, "() q tensor must be same dtype as the input tensor");
  bool known = false;
  for (std::string_view k : {"linear", "lower", "higher", "midpoint", "nearest"}) known |= k == how;
  RL_CHECK(RuntimeError, known, op,
           "() interpolation must be one of linear, lower, higher, midpoint or nearest, but got ", how);
  Tensor levels = q.device().is_meta() ? Tensor() : dense(to(q, DType::Float64));
  for (int64_t i = 0; levels.defined() && i < levels.numel(); i++)
    RL_CHECK(RuntimeError, levels.data<double>()[i] >= 0 && levels.data<double>()[i] <= 1, op,
             "() q values must be in the range [0, 1]");
  int64_t at = wrap_dim(dim.value_or(0), self.dim());
  // Lanes last and sorted; q's levels become positions between elements.
  Tensor rows = !dim ? flatten(self) : self.dim() == 0 ? unsqueeze(self, 0) : movedim(self, at, -1);
  Tensor sorted = std::get<0>(sort(rows, std::optional<bool>(false), -1, false));
  int64_t n = sorted.size(-1);
  Tensor nans = isnan(sorted), count;
  Tensor last;
  if (ignore_nan) {
    last = to(sum(logical_not(nans), IntArrayRef(int64_t(-1)), true), self.dtype()) - Scalar(1);
    last = masked_fill(last, last < Scalar(0), Scalar(0));
  } else {
    last = full_like(to(narrow(nans, -1, 0, 1), self.dtype()), Scalar(n - 1));
  }
  Tensor ranks = last * q;
  if (!ignore_nan) ranks = masked_fill(ranks, any(nans, int64_t(-1), true), Scalar(n - 1));
  if (how == "lower") ranks = floor(ranks);
  else if (how == "higher") ranks = ceil(ranks);
  else if (how == "nearest") ranks = round(ranks);
  Tensor below = to(ranks, DType::Int64);
  Tensor values = gather(sorted, -1, below);
  if (how == "linear" || how == "midpoint") {
    Tensor weight = how == "midpoint" ? full_like(ranks, Scalar(0.5)) : ranks - to(below, ranks.dtype());
    Tensor above = gather(sorted, -1, to(ceil(ranks), DType::Int64));
    values = lerp(values, above, weight);
  }
  // values: [..., levels]; levels go first, or away for a single one.
  Dims kept = reduced_sizes(self.sizes(), dim ? one_dim(*dim, self.dim()) : all_dims(self.dim()), keepdim);
  Tensor levels_first = movedim(values, -1, 0);
  Dims shape;
  if (q.dim() == 1) shape.push_back(q.numel());
  for (int64_t s : kept) shape.push_back(s);
  return reshape(levels_first, shape);
}

Tensor level_of(const Tensor& self, double q) {
  RL_CHECK(RuntimeError, q >= 0 && q <= 1, "quantile() q must be in the range [0, 1] but got ", q);
  return to(wrapped_number(q), self.dtype());
}

using OptionalDim = std::optional<int64_t>;

Tensor quantile_op(const Tensor& self, const Tensor& q, const OptionalDim& dim, bool keepdim, std::string_view how) {
  return quantile_of("quantile", self, q, dim, keepdim, how, false);
}

Tensor nanquantile_op(const Tensor& self, const Tensor& q, const OptionalDim& dim, bool keepdim, std::string_view how) {
  return quantile_of("nanquantile", self, q, dim, keepdim, how, true);
}

Tensor quantile_scalar(const Tensor& self, double q, const OptionalDim& dim, bool keepdim, std::string_view how) {
  return quantile_op(self, level_of(self, q), dim, keepdim, how);
}

Tensor nanquantile_scalar(const Tensor& self, double q, const OptionalDim& dim, bool keepdim, std::string_view how) {
  return nanquantile_op(self, level_of(self, q), dim, keepdim, how);
}

}  // namespace

OP(quantile,
   {.schema =
        "quantile(Tensor self, Tensor q, int? dim=None, bool keepdim=False, *, str interpolation='linear') -> Tensor",
    .doc = "The values below which the fractions q of the elements lie."
           " >>> torch.quantile(torch.tensor([0., 1., 2., 3.]), torch.tensor([0.5, 1.]))\ntensor([1.5000, 3.0000])",
    .kernel = composite<quantile_op>(),
    .forms = kFunction | kMethod | kOut,
    .autocast = Autocast::Float32});
OP(quantile_scalar, {.schema = "quantile.scalar(Tensor self, float q, int? dim=None, bool keepdim=False, *, str "
                               "interpolation='linear') -> Tensor",
                     .doc = "The value below which the fraction q of the elements lies. >>> "
                            "torch.quantile(torch.tensor([1., 2., 3.]), 0.5)\ntensor(2.)",
                     .kernel = composite<quantile_scalar>(),
                     .forms = kFunction | kMethod | kOut,
                     .autocast = Autocast::Float32});
OP(nanquantile,
   {.schema = "nanquantile(Tensor self, Tensor q, int? dim=None, bool keepdim=False, *, str "
              "interpolation='linear') -> Tensor",
    .doc = "quantile of the elements that are not NaN."
           " >>> torch.nanquantile(torch.tensor([0., 2., float(\"nan\")]), torch.tensor([0.5]))\ntensor([1.])",
    .kernel = composite<nanquantile_op>(),
    .forms = kFunction | kMethod | kOut,
    .autocast = Autocast::Float32});
OP(nanquantile_scalar, {.schema = "nanquantile.scalar(Tensor self, float q, int? dim=None, bool keepdim=False, *, str "
                                  "interpolation='linear') -> Tensor",
                        .doc = "quantile of the elements that are not NaN.",
                        .kernel = composite<nanquantile_scalar>(),
                        .forms = kFunction | kMethod | kOut,
                        .autocast = Autocast::Float32});

}  // namespace rushlight

// segment_reduce: runs of neighbours, each made one value.
#include <limits>

#include "rushlight/dispatch/kernel.h"
#include "rushlight/fn/div.h"
#include "rushlight/fn/empty.h"
#include "rushlight/fn/expand.h"
#include "rushlight/fn/full.h"
#include "rushlight/fn/narrow.h"
#include "rushlight/fn/reshape.h"
#include "rushlight/fn/scatter_reduce.h"

namespace rushlight {
namespace {

struct Reduction {
  std::string_view name, scatters;
  double start;  // what an empty run is
};
constexpr double kInfinity = std::numeric_limits<double>::infinity();
constexpr Reduction kReductions[] = {
    {"sum", "sum", 0},          {"mean", "sum", 0},           {"prod", "prod", 1},        {"max", "amax", -kInfinity},
    {"min", "amin", kInfinity}, {"amax", "amax", -kInfinity}, {"amin", "amin", kInfinity}};

const Reduction& reduction_of(std::string_view name) {
  for (const Reduction& r : kReductions)
    if (r.name == name) return r;
  throw RuntimeError(
      str("segment_reduce(): unsupported reduction given! ", name, "; expected sum, mean, prod, amax or amin"));
}

// The lengths of the runs, a row for each place before the axis; of offsets the distances.
Tensor lengths_of(const Tensor& lengths, const Tensor& offsets) {
  RL_CHECK(RuntimeError, lengths.defined() || offsets.defined(),
           "segment_reduce(): Either lengths or offsets must be defined.");
  const Tensor& given = lengths.defined() ? lengths : offsets;
  RL_CHECK(RuntimeError, given.dtype() == DType::Int64 || given.dtype() == DType::Int32,
           "segment_reduce(): expected int32 or int64 ", lengths.defined() ? "lengths" : "offsets", ", got ",
           given.dtype());
  Tensor whole = dense(given, DType::Int64);
  if (lengths.defined()) return whole;
  RL_CHECK(RuntimeError, whole.dim() > 0 && whole.sizes().back() > 0,
           "segment_reduce(): expected offsets of one element more than there are segments, got shape ", whole.sizes());
  Dims sizes = whole.sizes();
  int64_t n = sizes.back(), rows = product(sizes) / n;
  sizes.back() = n - 1;
  if (n == 1) return empty_tensor(sizes, DType::Int64);
  Tensor out = empty_tensor(sizes, DType::Int64);
  const int64_t* from = whole.data<int64_t>();
  int64_t* to = out.data<int64_t>();
  for (int64_t r = 0; r < rows; r++, from += n)
    for (int64_t i = 0; i + 1 < n; i++) *to++ = from[i + 1] - from[i];
  return out;
}

Tensor segment_reduce(const Tensor& data, std::string_view reduce, const Tensor& lengths, const Tensor& indices,
                      const Tensor& offsets, int64_t axis, bool unsafe, const std::optional<Scalar>& initial) {
  const Reduction& r = reduction_of(reduce);
  axis = wrap_dim(axis, data.dim());
  RL_CHECK(RuntimeError, data.dim() > 0, "segment_reduce(): expected data of at least one dimension");
  RL_CHECK(RuntimeError, !indices.defined(), "segment_reduce(): indices based reduction is not supported yet.");
  RL_CHECK(NotImplementedError, is_floating(data.dtype()), "\"segment_reduce_cpu\" not implemented for '",
           scalar_type_name(data.dtype()), "'");
  const Tensor& given = lengths.defined() ? lengths : offsets;
  if (data.device().is_meta() || (given.defined() && given.device().is_meta())) {
    RL_CHECK(RuntimeError, given.defined(), "segment_reduce(): Either lengths or offsets must be defined.");
    Dims sizes = data.sizes();
    sizes[size_t(axis)] = given.sizes().back() - !lengths.defined();
    return empty(sizes, data.dtype(), std::nullopt, data.device());
  }
  Tensor runs = lengths_of(lengths, offsets);
  int64_t size = data.size(axis), n = runs.dim() ? runs.sizes().back() : 0;
  bool fits = runs.dim() == axis + 1;
  for (int64_t d = 0; fits && d < axis; d++) fits = runs.size(d) == data.size(d);
  RL_CHECK(RuntimeError, fits, "segment_reduce(): expected lengths of a row for each place before dimension ", axis,
           " of data of shape ", data.sizes(), ", got shape ", runs.sizes());
  // Which run each place belongs to; n: to none.
  Dims places = data.sizes(), results = data.sizes();
  places.resize(size_t(axis) + 1, 0);
  Tensor index = empty_tensor(places, DType::Int64);
  const int64_t* length = runs.data<int64_t>();
  int64_t* at = index.data<int64_t>();
  for (int64_t row = 0, rows = size ? index.numel() / size : product(places); row < rows; row++) {
    int64_t filled = 0;
    for (int64_t i = 0; i < n; i++) {
      int64_t count = *length++;
      RL_CHECK(RuntimeError, count >= 0, "segment_reduce(): lengths contains negative value!");
      RL_CHECK(RuntimeError, count <= size - filled,
               "segment_reduce(): Expected all rows of lengths along axis to sum to ",
               "data.size(lengths.dim()-1) when !unsafe: ", size, " elements are too few");
      for (int64_t k = 0; k < count; k++) at[filled++] = i;
    }
    RL_CHECK(RuntimeError, unsafe || filled == size,
             "segment_reduce(): Expected all rows of lengths along axis to sum to ",
             "data.size(lengths.dim()-1) when !unsafe: ", filled, " of ", size, " elements are in a segment");
    while (filled < size) at[filled++] = n;
    at += size;
  }
  Dims aligned = places;
  aligned.resize(data.sizes().size(), 1);
  results[size_t(axis)] = n + 1;
  Tensor start = full(results, initial.value_or(Scalar(r.start)), data.dtype());
  Tensor reduced =
      narrow(scatter_reduce(start, axis, expand(reshape(index, aligned), data.sizes()), data, r.scatters), axis, 0, n);
  if (r.name != "mean") return reduced;
  // An empty run is NaN (0 / 0), or what it starts with.
  Tensor counts = empty_tensor(runs.sizes(), DType::Int64);
  for (int64_t i = 0; i < runs.numel(); i++)
    counts.data<int64_t>()[i] = std::max<int64_t>(runs.data<int64_t>()[i], initial.has_value());
  aligned = runs.sizes();
  aligned.resize(data.sizes().size(), 1);
  return div(reduced, reshape(counts, aligned));
}

}  // namespace

OP(segment_reduce,
   {.schema = "segment_reduce(Tensor data, str reduce, *, Tensor? lengths=None, Tensor? indices=None, Tensor? "
              "offsets=None, int "
              "axis=0, bool unsafe=False, Scalar? initial=None) -> Tensor",
    .doc =
        "Sum, mean, max, min or prod of neighbouring elements along axis, in runs of the given lengths, or between "
        "offsets."
        " >>> torch.segment_reduce(torch.tensor([1., 2., 3.]), 'sum', lengths=torch.tensor([2, 1]))\ntensor([3., 3.])",
    .kernel = composite<segment_reduce>(),
    .forms = kFunction,
    .aliases = {"_segment_reduce"}});

}  // namespace rushlight

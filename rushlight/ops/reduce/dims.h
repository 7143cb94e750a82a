// What reductions say about dimensions: the set named by dim=, the shape that is left, and the way back for gradients.
#pragma once
#include <optional>

#include "rushlight/core/ivalue.h"
#include "rushlight/fn/expand.h"
#include "rushlight/fn/unsqueeze.h"
#include "rushlight/kernels/reduce.h"

namespace rushlight {

using OptionalDims = std::optional<IntArrayRef>;

inline DimSet all_dims(int64_t rank) {
  RL_CHECK(RuntimeError, rank <= 64, "only tensors with up to 64 dims are supported");
  return rank == 64 ? ~DimSet(0) : (DimSet(1) << rank) - 1;
}

// None and an empty list mean all dimensions.
inline DimSet dim_set(const OptionalDims& dims, int64_t rank) {
  if (!dims || dims->empty()) return all_dims(rank);
  all_dims(rank);
  DimSet set = 0;
  for (int64_t d : *dims) {
    int64_t at = wrap_dim(d, rank);
    RL_CHECK(RuntimeError, !(set >> at & 1), "dim ", at, " appears multiple times in the list of dims");
    set |= DimSet(1) << at;
  }
  return set;
}
inline DimSet one_dim(int64_t d, int64_t rank) { return dim_set(IntArrayRef(d), rank); }

inline Dims reduced_sizes(IntArrayRef sizes, DimSet dims, bool keepdim) {
  Dims out;
  for (size_t d = 0; d < sizes.size(); d++) {
    if (!(dims >> d & 1)) out.push_back(sizes[d]);
    else if (keepdim) out.push_back(1);
  }
  return out;
}

inline int64_t reduced_count(IntArrayRef sizes, DimSet dims) {
  int64_t n = 1;
  for (size_t d = 0; d < sizes.size(); d++)
    if (dims >> d & 1) n *= sizes[d];
  return n;
}

// Reductions without an identity (max, argmin, ...) need at least one element.
inline void check_not_empty(const char* op, IntArrayRef sizes, const OptionalDims& dims) {
  if (product(sizes) != 0) return;
  RL_CHECK(IndexError, dims && !dims->empty(), op,
           "(): Expected reduction dim to be specified for input.numel() == 0. Specify the reduction dim with the "
           "'dim' argument.");
  for (int64_t d : *dims) {
    int64_t at = wrap_dim(d, int64_t(sizes.size()));
    RL_CHECK(IndexError, sizes.empty() || sizes[size_t(at)] != 0, op, "(): Expected reduction dim ", at,
             " to have non-zero size.");
  }
}

// Puts dimensions of size 1 back where `dims` were taken out.
inline Tensor restore_dims(Tensor t, DimSet dims, int64_t rank) {
  for (int64_t d = 0; d < rank; d++)
    if (dims >> d & 1) t = unsqueeze(t, d);
  return t;
}

// The set of an argument `dim` that may be None, an int or a list.
inline DimSet dim_set_of(const IValue& dim, int64_t rank) {
  if (dim.is_none()) return all_dims(rank);
  if (dim.is_int()) return one_dim(dim.to_int(), rank);
  return dim_set(dim.int_list(), rank);
}

// Of elements seen as words: the bits of which one is set where an element is not zero. The sign isn't one of them: there is -0.
template <class Word>
Word non_sign_bits(DType d) {
  Word signs = 0;
  if (is_floating(d)) signs = Word(Word(1) << (8 * sizeof(Word) - 1));
  if (d == DType::Complex64) signs = Word(0x8000000080000000);
  return Word(~signs);
}

}  // namespace rushlight

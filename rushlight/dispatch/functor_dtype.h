// What back ends other than the CPU need to make a pointwise operator's functor for a call.
#pragma once
#include "rushlight/dispatch/pointwise.h"

namespace rushlight {

// The dtype that the arguments of a pointwise operator meet in; PointwiseInfo::entries[it] is what the call computes with. Throws
// NotImplementedError where there is none.
DType pointwise_dtype(const Op& op, const IValue* args);

// While it lives, functors are made for calls of that dtype: what functor_dtype() says.
class MakingFunctor {
 public:
  explicit MakingFunctor(DType common);
  ~MakingFunctor();
  MakingFunctor(const MakingFunctor&) = delete;

 private:
  DType before_;
};

// A contiguous row of values in the compute dtype, on this machine's instruction set: an element's bits don't depend on where it stands.
void pointwise_row(const PointwiseInfo::Entry& e, const void* functor, void* out, const void* const* in, int inputs,
                   int64_t n);

}  // namespace rushlight

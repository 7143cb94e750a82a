// The reduction argument of the losses.
#pragma once
#include "rushlight/fn/mean.h"
#include "rushlight/fn/sum.h"

namespace rushlight {

enum LossReduction : int64_t { kNone = 0, kMean = 1, kSum = 2 };

inline Tensor reduce_loss(const Tensor& loss, int64_t reduction) {
  return reduction == kMean ? mean(loss) : reduction == kSum ? sum(loss) : loss;
}

}  // namespace rushlight

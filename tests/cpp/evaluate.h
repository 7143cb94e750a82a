// The value of a formula, step by step: a loop over all elements for each, with the instruction set that kernels use.
#pragma once
#include "rushlight/core/tensor.h"
#include "rushlight/kernels/expr.h"

namespace rushlight {

// `inputs` are contiguous, of one length, and of the dtypes of the formula's inputs.
Tensor evaluate(const Formula& formula, const std::vector<Tensor>& inputs);

}  // namespace rushlight

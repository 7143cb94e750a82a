// Matrix products of every dtype: own kernels for small and integer ones, providers.h for the rest.
#pragma once
#include "rushlight/kernels/providers.h"

namespace rushlight {

// REQUIRES: c overlaps neither a nor b nor the bias. Half types add up in float.
void gemm(const GemmProblem& p);

// `batch` products at fixed distances (in elements) from one another.
void batched_gemm(const GemmProblem& p, int64_t batch, int64_t a_step, int64_t b_step, int64_t c_step);

}  // namespace rushlight

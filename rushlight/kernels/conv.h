// Convolutions of one to three dimensions, forwards and backwards.
#pragma once
#include "rushlight/kernels/providers.h"

namespace rushlight {

// The pass of p, by a provider or, where none takes it and for the small problems that PyTorch does so too (their sums then round alike), as
// matrix products over the windows of the input (Chellapilla et al. 2006).
// Throws NotImplementedError for a dtype that neither takes.
void convolve(const ConvProblem& p, const ConvData& d);

// For tensors with channels last: false where no provider takes them, and nothing is done.
bool convolve_channels_last(const ConvProblem& p, const ConvData& d);

}  // namespace rushlight

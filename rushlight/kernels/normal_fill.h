// Normal numbers as PyTorch's CPU makes them.
#pragma once
#include <cstdint>

namespace rushlight {

// Turns 16 uniform floats into 16 normal ones by Box and Muller's transform: pairs (i, i + 8).
void normal_fill_16(float* data, float mean, float std);

}  // namespace rushlight

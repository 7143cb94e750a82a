// Random floats as PyTorch's CPU makes them, many at a time.
#pragma once
#include <cstdint>

namespace rushlight {

class Generator;

// n numbers of [0, 1) with 24 random bits each.
void unit_uniform_fill(Generator& g, float* data, int64_t n);
// data[i] = data[i] * span + low, rounded once.
void scale_fill(float* data, int64_t n, float span, float low);

// Turns blocks of 16 uniform floats into normal ones by Box and Muller's transform: pairs (i, i + 8).
void normal_fill(float* data, int64_t blocks, float mean, float std);

}  // namespace rushlight

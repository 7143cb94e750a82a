// Single draws of PyTorch's CPU: what the random operators share.
#pragma once
#include <cmath>
#include <mutex>
#include <numbers>

#include "rushlight/core/generator.h"

namespace rushlight {

// The generator itself or the default one, held by `lock` for a run of draws.
inline Generator& locked(Generator* g, std::unique_lock<std::mutex>& lock) {
  Generator& gen = g ? *g : default_generator();
  lock = std::unique_lock(gen.mutex());
  return gen;
}

// As many random bits as T's mantissa holds, scaled to [0, 1).
template <class T>
auto unit_uniform(Generator& g) {
  if constexpr (std::is_same_v<T, double>) return double(g.random64() & ((1ull << 53) - 1)) * 0x1p-53;
  else if constexpr (std::is_same_v<T, Half>) return float(g.random() & ((1u << 11) - 1)) * 0x1p-11f;
  else if constexpr (std::is_same_v<T, BFloat16>) return float(g.random() & ((1u << 8) - 1)) * 0x1p-8f;
  else return float(g.random() & ((1u << 24) - 1)) * 0x1p-24f;
}

// One value of a pair; the other waits in the generator.
inline double draw_normal(Generator& g, double mean, double std) {
  if (g.next_double_normal) {
    double waiting = *g.next_double_normal;
    g.next_double_normal.reset();
    return waiting * std + mean;
  }
  double u1 = unit_uniform<double>(g), u2 = unit_uniform<double>(g);
  double r = std::sqrt(-2.0 * std::log1p(-u2)), theta = 2.0 * std::numbers::pi * u1;
  g.next_double_normal = r * std::sin(theta);
  return r * std::cos(theta) * std + mean;
}

}  // namespace rushlight

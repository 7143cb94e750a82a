// Stable sorting of rows by unsigned keys: values become integers that order as PyTorch orders the values, NaN last and equal to itself.
#pragma once
#include <algorithm>
#include <bit>
#include <cstring>
#include <memory>

#include "rushlight/kernels/dispatch.h"

namespace rushlight {

template <class T>
using SortKey = std::conditional_t<(sizeof(T) > 4), uint64_t, uint32_t>;

template <class T>
SortKey<T> sort_key(T v) {
  using K = SortKey<T>;
  if constexpr (std::is_floating_point_v<compute_t<T>>) {
    using C = compute_t<T>;
    C c = C(v);
    if (c != c) return ~K(0);
    if (c == C(0)) c = C(0);  // -0 ties with 0
    K bits = std::bit_cast<K>(c);
    constexpr K sign = K(1) << (sizeof(K) * 8 - 1);
    return bits & sign ? ~bits : bits | sign;
  } else if constexpr (std::is_signed_v<T>) {
    constexpr int shift = int(sizeof(K)) * 8 - 1;
    return K(v) ^ (K(1) << shift);
  } else {
    return K(v);
  }
}

// A key with the position it came from. Up to 2^32 elements a row for 32-bit keys, which is checked by the caller.
template <class K> struct Keyed;
template <> struct Keyed<uint32_t> {
  uint64_t packed;
  Keyed() = default;
  Keyed(uint32_t key, int64_t at) : packed(uint64_t(key) << 32 | uint64_t(at)) {}
  uint32_t key() const { return uint32_t(packed >> 32); }
  int64_t at() const { return int64_t(packed & 0xFFFFFFFFu); }
  friend bool operator<(Keyed a, Keyed b) { return a.packed < b.packed; }
};
template <> struct Keyed<uint64_t> {
  uint64_t value;
  int64_t from;
  Keyed() = default;
  Keyed(uint64_t key, int64_t at) : value(key), from(at) {}
  uint64_t key() const { return value; }
  int64_t at() const { return from; }
  friend bool operator<(Keyed a, Keyed b) { return a.value != b.value ? a.value < b.value : a.from < b.from; }
};

// Sorts n items whose positions ascend: by key, ties by position. `spare` has room for n. Returns where the result is: items or spare.
template <class K>
Keyed<K>* sort_keyed(Keyed<K>* items, Keyed<K>* spare, int64_t n) {
  // Below this a comparison sort is faster: the counts of a radix pass cost as much as some hundred elements.
  constexpr int64_t radix_from = 512;
  if (n < radix_from) {
    std::sort(items, items + n);
    return items;
  }
  constexpr int bytes = sizeof(K);
  auto counts = std::make_unique<int64_t[]>(bytes * 256);
  for (int64_t i = 0; i < n; i++) {
    K k = items[i].key();
    for (int b = 0; b < bytes; b++) counts[b * 256 + (k >> (8 * b) & 255)]++;
  }
  for (int b = 0; b < bytes; b++) {
    int64_t* count = &counts[b * 256];
    if (count[items[0].key() >> (8 * b) & 255] == n) continue;  // all alike in this byte
    int64_t sum = 0;
    for (int v = 0; v < 256; v++) {
      int64_t c = count[v];
      count[v] = sum;
      sum += c;
    }
    for (int64_t i = 0; i < n; i++) spare[count[items[i].key() >> (8 * b) & 255]++] = items[i];
    std::swap(items, spare);
  }
  return items;
}

}  // namespace rushlight

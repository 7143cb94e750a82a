#include "rushlight/core/generator.h"

#include <algorithm>
#include <cstring>
#include <random>

#include "rushlight/core/error.h"

namespace rushlight {
namespace {

constexpr int kN = 624, kM = 397;

// The record torch.get_rng_state() returns: numbers of a past mt19937 layout, then the waiting normal of each width.
struct StateRecord {
  uint64_t seed;
  int32_t left;
  int32_t seeded;
  uint64_t next;
  uint64_t state[kN];
  double normal_x, normal_y, normal_rho;
  int32_t normal_is_valid;
  int32_t padding;
  float next_float_normal;
  bool float_normal_is_valid;
};
static_assert(sizeof(StateRecord) == Generator::kStateBytes);

}  // namespace

void Generator::manual_seed(uint64_t seed) {
  seed_ = seed;
  next_float_normal.reset();
  next_double_normal.reset();
  state_[0] = uint32_t(seed);
  for (uint32_t i = 1; i < kN; i++) state_[i] = 1812433253u * (state_[i - 1] ^ (state_[i - 1] >> 30)) + i;
  left_ = 1;
  next_ = 0;
}

uint64_t Generator::seed() {
  std::random_device device;
  uint64_t value = (uint64_t(device()) << 32 | device()) & 0x1FFFFFFFFFFFFF;  // 53 bits, as PyTorch
  manual_seed(value);
  return value;
}

void Generator::refill() {
  auto mix = [](uint32_t u, uint32_t v) { return (u & 0x80000000u) | (v & 0x7fffffffu); };
  auto twist = [&](uint32_t u, uint32_t v) { return (mix(u, v) >> 1) ^ (v & 1 ? 0x9908b0dfu : 0u); };
  for (int i = 0; i < kN - kM; i++) state_[i] = state_[i + kM] ^ twist(state_[i], state_[i + 1]);
  for (int i = kN - kM; i < kN - 1; i++) state_[i] = state_[i + kM - kN] ^ twist(state_[i], state_[i + 1]);
  state_[kN - 1] = state_[kM - 1] ^ twist(state_[kN - 1], state_[0]);
  left_ = kN;
  next_ = 0;
}

void Generator::random(uint32_t* out, int64_t n) {
  while (n > 0) {
    if (left_ == 1) {
      refill();
      left_++;  // refill() counts the draw that called for it as made
    }
    int count = int(std::min<int64_t>(n, left_ - 1));
    for (int i = 0; i < count; i++) out[i] = temper(state_[next_ + uint32_t(i)]);
    left_ -= count;
    next_ += uint32_t(count);
    out += count;
    n -= count;
  }
}

void Generator::get_state(uint8_t* out) const {
  StateRecord r = {};
  r.seed = seed_;
  r.left = left_;
  r.seeded = 1;
  r.next = next_;
  for (int i = 0; i < kN; i++) r.state[i] = state_[i];
  if (next_double_normal) {
    r.normal_is_valid = 1;
    r.normal_y = *next_double_normal;
  }
  if (next_float_normal) {
    r.float_normal_is_valid = true;
    r.next_float_normal = *next_float_normal;
  }
  std::memcpy(out, &r, sizeof r);
}

void Generator::set_state(const uint8_t* bytes, size_t size) {
  RL_CHECK(RuntimeError, size == kStateBytes,
           "Expected either a CPUGeneratorImplStateLegacy of size 5048 or a CPUGeneratorImplState of size ",
           kStateBytes, " but found the input RNG state size to be ", size);
  StateRecord r;
  std::memcpy(&r, bytes, sizeof r);
  // left - 1 numbers are still to be handed out, from the next-th on.
  RL_CHECK(RuntimeError,
           r.seeded == 1 && r.left >= 1 && r.left <= kN && r.next <= kN && uint64_t(r.left) - 1 <= kN - r.next,
           "Invalid mt19937 state: ", r.left - 1, " numbers left from number ", r.next, " on, of ", kN);
  seed_ = r.seed;
  left_ = r.left;
  next_ = uint32_t(r.next);
  for (int i = 0; i < kN; i++) state_[i] = uint32_t(r.state[i]);
  next_double_normal.reset();
  next_float_normal.reset();
  if (r.normal_is_valid) next_double_normal = r.normal_y;
  if (r.float_normal_is_valid) next_float_normal = r.next_float_normal;
}

Ref<Generator> Generator::clone() const {
  auto copy = make_ref<Generator>();
  uint8_t bytes[kStateBytes];
  {
    std::lock_guard lock(mutex_);
    get_state(bytes);
  }
  copy->set_state(bytes, sizeof bytes);
  return copy;
}

Generator& default_generator() {
  static Generator* generator = [] {
    auto* g = new Generator;
    g->retain();
    return g;
  }();
  return *generator;
}

}  // namespace rushlight

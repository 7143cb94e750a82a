// Generator: PyTorch's CPU random generator: mt19937 seeded and drawn the same way, so the same seed gives the same bits.
// Thread safety: hold mutex() around a run of draws and around whatever else reads or sets the state (clone() takes it).
#pragma once
#include <array>
#include <cstdint>
#include <mutex>
#include <optional>

#include "rushlight/core/device.h"
#include "rushlight/core/ref.h"

namespace rushlight {

class Generator final : public RefCounted {
 public:
  static constexpr uint64_t kDefaultSeed = 67280421310721;
  explicit Generator(uint64_t seed = kDefaultSeed, Device device = {}) : device_(device) { manual_seed(seed); }
  // Whose tensors it fills. A device's kernels may take its seed and count for themselves.
  Device device() const { return device_; }

  void manual_seed(uint64_t seed);
  uint64_t initial_seed() const { return seed_; }
  // Seeds from the system's entropy and returns the seed.
  uint64_t seed();

  uint32_t random() {  // 32 random bits
    if (left_ == 1) refill();
    else left_--;
    return temper(state_[next_++]);
  }
  // The same as n calls of random(), several times as fast.
  void random(uint32_t* out, int64_t n);
  uint64_t random64() {
    uint64_t high = random();
    return (high << 32) | random();
  }

  std::mutex& mutex() { return mutex_; }
  // The second value of a Box-Muller pair waits here for the next single draw.
  std::optional<float> next_float_normal;
  std::optional<double> next_double_normal;

  // PyTorch's state bytes (torch.get_rng_state()): 5056 bytes.
  static constexpr size_t kStateBytes = 5056;
  void get_state(uint8_t* out) const;
  // Throws RuntimeError for a wrong size or an impossible state.
  void set_state(const uint8_t* bytes, size_t size);
  Ref<Generator> clone() const;  // in the same state

 private:
  static uint32_t temper(uint32_t y) {
    y ^= y >> 11;
    y ^= (y << 7) & 0x9d2c5680u;
    y ^= (y << 15) & 0xefc60000u;
    return y ^ (y >> 18);
  }
  void refill();
  std::array<uint32_t, 624> state_;
  int left_ = 1;
  uint32_t next_ = 0;
  uint64_t seed_ = 0;
  Device device_;
  mutable std::mutex mutex_;
};

// What operators use when the caller gives no generator.
Generator& default_generator();

}  // namespace rushlight

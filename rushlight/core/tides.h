// Tides: how much freed memory is worth keeping, from how the memory in use rises and falls.
// Thread safety: none; the allocator holds its lock. All numbers are bytes.
#pragma once
#include <algorithm>
#include <cstdint>

namespace rushlight {

// Note [Tides]: a loop's memory in use rises and falls by the same amount each time round; keeping what fell saves page faults. A model
// that is made once and deleted falls once, and its memory should go back at once. So freed blocks go back to the system at first, but for
// a little (kAlways); whenever the system has to give again what it got back of late, that much more is kept from then on. What stayed
// unused for a whole spell (some times the memory in use) is kept no longer. Below the level that the last two spells never fell to,
// the loop is over, its parameters go, and all that it had us keep goes with them. Blocks kept and in use together stay near the
// most that was in use of late, so that sizes which are not asked for again make room for those that are. Not below it: a round that takes
// blocks of several sizes has the most of each at another time, and would find each but just gone.
class Tides {
 public:
  static constexpr int64_t kAlways = 4 << 20;

  // What may stay cached now.
  int64_t allowed() const { return std::max(kAlways, worth_); }
  // The most that was in use of late.
  int64_t high_water() const { return std::max(high_, last_high_); }
  // The bytes that are taken while it is looked whether what is kept is of use.
  int64_t spell() const { return kSpell * std::max(high_water(), kAlways); }
  // What may be cached and in use together.
  int64_t most_held() const { return high_water() + std::min(allowed(), high_water() / 4); }

  // A block of `size` was taken: `now` are in use with it, `cached` are left. `missed`: it came from the system.
  void take(int64_t size, int64_t now, int64_t cached, bool missed) {
    high_ = std::max(high_, now);
    unused_ = std::min(unused_, cached);
    int64_t regained = missed ? std::min(size, given_back_) : size;
    if (missed) {
      given_back_ -= regained;
      worth_ += regained;
    }
    if (regained) low_ = std::min(low_, now - size);  // what rises for the first time says nothing about a loop
    taken_ += size;
    if (taken_ > spell()) end_spell(now, cached);
  }
  // A block was freed: `now` are left in use.
  void free(int64_t now) {
    int64_t low = std::min(low_, last_low_);
    if (last_low_ == kNone || now >= low - worth_ / 8 - (1 << 20)) return;
    worth_ = given_back_ = 0;
    start_spell(now, 0);
    last_low_ = kNone;
    last_high_ = now;
  }
  // A freed block was not kept, or an older one in its place, because of allowed().
  void give_back(int64_t size) { given_back_ = std::min(given_back_ + size, high_water()); }

 private:
  static constexpr int64_t kSpell = 4, kNone = INT64_MAX;

  void end_spell(int64_t high, int64_t cached) {
    worth_ = std::max<int64_t>(0, worth_ - unused_);
    given_back_ /= 2;
    last_low_ = low_;
    last_high_ = high_;
    start_spell(high, cached);
  }
  void start_spell(int64_t high, int64_t cached) {
    low_ = kNone;
    high_ = high;
    unused_ = cached;
    taken_ = 0;
  }

  int64_t worth_ = 0, given_back_ = 0;
  int64_t low_ = kNone, high_ = 0, unused_ = 0, taken_ = 0;  // in this spell
  int64_t last_low_ = kNone, last_high_ = 0;                 // in the one before
};

}  // namespace rushlight

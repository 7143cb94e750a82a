// How much freed memory the allocator keeps, from how the memory in use rose and fell.
#include "rushlight/core/tides.h"

#include <gtest/gtest.h>

using rushlight::Tides;

namespace {

constexpr int64_t MB = 1 << 20;

// An allocator of one size of block, 1 MB, that does what the tides say.
struct Use {
  Tides tides;
  int64_t now = 0, cached = 0, misses = 0;
  void to(int64_t blocks) {
    while (now < blocks) {
      bool missed = cached == 0;
      if (!missed) cached--;
      misses += missed;
      now++;
      tides.take(MB, now * MB, cached * MB, missed);
    }
    while (now > blocks) {
      now--;
      tides.free(now * MB);
      cached++;
      while (cached * MB > tides.allowed()) {
        cached--;
        tides.give_back(MB);
      }
    }
  }
};

TEST(TidesTest, WhatRisesOnceIsNotKept) {
  Use use;
  use.to(200);
  use.to(0);
  EXPECT_EQ(use.cached, Tides::kAlways / MB);
}

TEST(TidesTest, ALoopMissesNothingOnceItHasGoneRound) {
  Use use;
  use.to(100);
  auto round = [&] {
    for (int64_t to : {130, 120, 150, 125, 140, 100}) use.to(to);
  };
  for (int i = 0; i < 3; i++) round();
  int64_t before = use.misses;
  for (int i = 0; i < 200; i++) round();
  EXPECT_EQ(use.misses, before);
  EXPECT_LE(use.cached, 50);
}

TEST(TidesTest, WhatIsHeldMayPassTheHighWater) {
  Use use;
  for (int i = 0; i < 4; i++) use.to(20), use.to(120), use.to(20);
  EXPECT_GT(use.tides.most_held(), use.tides.high_water());
  EXPECT_LE(use.tides.most_held(), use.tides.high_water() + 30 * MB);
}

TEST(TidesTest, WhatStaysUnusedGoes) {
  Use use;
  use.to(20);
  for (int i = 0; i < 4; i++) use.to(120), use.to(20);
  EXPECT_GE(use.cached, 90);
  for (int i = 0; i < 400; i++) use.to(30), use.to(20);
  EXPECT_LE(use.cached, 20);
}

TEST(TidesTest, FallingBelowTheLoopGivesAllBack) {
  Use use;
  use.to(100);
  for (int i = 0; i < 20; i++) use.to(150), use.to(100);
  EXPECT_GE(use.cached, 45);
  use.to(60);
  EXPECT_EQ(use.cached, Tides::kAlways / MB);
  use.to(0);
  EXPECT_EQ(use.cached, Tides::kAlways / MB);
}

TEST(TidesTest, HighWaterIsTheMostInUseOfLate) {
  Use use;
  for (int i = 0; i < 20; i++) use.to(70), use.to(0);
  EXPECT_EQ(use.tides.high_water() / MB, 70);
  for (int i = 0; i < 200; i++) use.to(10), use.to(0);
  EXPECT_EQ(use.tides.high_water() / MB, 10);
}

}  // namespace

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <limits>
#include <random>
#include <vector>

#include "base/status.h"
#include "ops/program/plan.h"

namespace octavo {
namespace {

bool live_together(const Lifetime& a, const Lifetime& b) {
  return a.first <= b.last && b.first <= a.last;
}

void expect_valid(const std::vector<Lifetime>& lifetimes, const Placement& placement) {
  ASSERT_EQ(placement.offsets.size(), lifetimes.size());
  EXPECT_EQ(placement.total_bytes % 64, 0u);
  for (size_t i = 0; i < lifetimes.size(); ++i) {
    const size_t begin = placement.offsets[i];
    const size_t end = begin + lifetimes[i].bytes;
    EXPECT_EQ(begin % 64, 0u);
    EXPECT_LE(end, placement.total_bytes);
    for (size_t j = 0; j < i; ++j) {
      if (!live_together(lifetimes[i], lifetimes[j])) continue;
      if (lifetimes[i].bytes == 0 || lifetimes[j].bytes == 0) continue;
      const size_t other_begin = placement.offsets[j];
      const size_t other_end = other_begin + lifetimes[j].bytes;
      EXPECT_TRUE(end <= other_begin || other_end <= begin)
          << "buffers " << i << " [" << begin << ", " << end << ") and " << j << " [" << other_begin
          << ", " << other_end << ") are live together";
    }
  }
}

// No arena can be smaller than the bytes live at the busiest step.
size_t busiest_step_bytes(const std::vector<Lifetime>& lifetimes, size_t steps) {
  size_t busiest = 0;
  for (size_t step = 0; step < steps; ++step) {
    size_t live = 0;
    for (const Lifetime& lifetime : lifetimes) {
      if (lifetime.first <= step && step <= lifetime.last) live += lifetime.bytes;
    }
    busiest = std::max(busiest, live);
  }
  return busiest;
}

TEST(ProgramPlan, NothingToPlaceNeedsNoArena) {
  EXPECT_EQ(place({}).total_bytes, 0u);
  const std::vector<Lifetime> empty = {{0, 0, 3}, {0, 1, 2}};
  EXPECT_EQ(place(empty).total_bytes, 0u);
}

TEST(ProgramPlan, ChainNeedsTwoBuffers) {
  std::vector<Lifetime> lifetimes;
  for (size_t step = 0; step < 10; ++step) lifetimes.push_back({640, step, step + 1});
  const Placement placement = place(lifetimes);
  expect_valid(lifetimes, placement);
  EXPECT_EQ(placement.total_bytes, 1280u);
}

TEST(ProgramPlan, ResidualKeepsTheSkippedTensor) {
  // 0 -> 1 -> 2, and 0 is added to 2: all three live at step 2.
  const std::vector<Lifetime> lifetimes = {{128, 0, 2}, {128, 1, 2}, {128, 2, 3}, {128, 3, 4}};
  const Placement placement = place(lifetimes);
  expect_valid(lifetimes, placement);
  EXPECT_EQ(placement.total_bytes, 384u);
}

TEST(ProgramPlan, TakesTheSmallestGapThatFits) {
  // At step 2 the buffers of 1024, 256 and 96 bytes leave gaps of 320 and of 128 bytes.
  const std::vector<Lifetime> lifetimes = {
      {1024, 0, 2}, {320, 0, 0}, {256, 0, 2}, {128, 0, 0}, {96, 0, 2}, {64, 2, 3},
  };
  const Placement placement = place(lifetimes);
  expect_valid(lifetimes, placement);
  EXPECT_EQ(placement.offsets[5], 1024u + 320u + 256u);
}

TEST(ProgramPlan, UnalignedSizesAreRoundedUp) {
  const std::vector<Lifetime> lifetimes = {{1, 0, 1}, {65, 0, 1}, {63, 0, 1}};
  const Placement placement = place(lifetimes);
  expect_valid(lifetimes, placement);
  EXPECT_EQ(placement.total_bytes, 256u);
}

TEST(ProgramPlan, SizesBeyondTheAddressSpaceAreAnError) {
  constexpr size_t kHuge = std::numeric_limits<size_t>::max() - 100;
  const std::vector<Lifetime> together = {{kHuge, 0, 1}, {kHuge, 1, 2}};
  const std::vector<Lifetime> alone = {{std::numeric_limits<size_t>::max(), 0, 1}};
  for (const auto& lifetimes : {together, alone}) {
    try {
      place(lifetimes);
      FAIL() << "expected an error";
    } catch (const Error& error) {
      EXPECT_EQ(error.status(), Status::out_of_memory);
    }
  }
}

TEST(ProgramPlan, RandomLifetimesNeverOverlap) {
  std::mt19937 rng(20240517);
  for (int round = 0; round < 400; ++round) {
    const size_t count = rng() % 60;
    const size_t steps = 1 + rng() % 40;
    const size_t largest = size_t{1} << (rng() % 20);
    std::vector<Lifetime> lifetimes;
    for (size_t i = 0; i < count; ++i) {
      const size_t first = rng() % steps;
      const size_t last = std::min(steps - 1, first + rng() % (1 + rng() % steps));
      lifetimes.push_back({rng() % (largest + 1), first, last});
    }
    const Placement placement = place(lifetimes);
    expect_valid(lifetimes, placement);
    // Reuse must pay: never more than everything side by side.
    size_t side_by_side = 0;
    for (const Lifetime& lifetime : lifetimes) side_by_side += (lifetime.bytes + 63) / 64 * 64;
    EXPECT_LE(placement.total_bytes, side_by_side);
    EXPECT_GE(placement.total_bytes, busiest_step_bytes(lifetimes, steps));
    if (HasFailure()) return;
  }
}

}  // namespace
}  // namespace octavo

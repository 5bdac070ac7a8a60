// cut_into_segments: valid cuts, and the ones to expect.
#include <gtest/gtest.h>

#include <random>
#include <vector>

#include "ops/program/segments.h"

namespace octavo {
namespace {

constexpr size_t kCache = size_t{1} << 20;

void expect_valid(const std::vector<Segment>& segments, size_t steps, size_t batch) {
  size_t next = 0;
  for (const Segment& segment : segments) {
    EXPECT_EQ(segment.begin, next);
    EXPECT_GT(segment.end, segment.begin);
    EXPECT_GE(segment.group, 1u);
    EXPECT_LE(segment.group, batch);
    next = segment.end;
  }
  EXPECT_EQ(next, steps);
}

TEST(ProgramSegments, NothingToCut) {
  EXPECT_TRUE(cut_into_segments({}, 8, kCache).empty());
  const std::vector<StepTraffic> steps(3, {kCache, kCache, kCache});
  const std::vector<Segment> one = cut_into_segments(steps, 1, kCache);
  ASSERT_EQ(one.size(), 1u);
  expect_valid(one, 3, 1);
}

TEST(ProgramSegments, SmallActivationsTakeTheWholeBatch) {
  const std::vector<StepTraffic> steps(5, {1000, 5000, 500});
  for (size_t batch : {2, 3, 8, 100}) {
    const std::vector<Segment> segments = cut_into_segments(steps, batch, kCache);
    ASSERT_EQ(segments.size(), 1u);
    EXPECT_EQ(segments[0].group, batch);
  }
}

TEST(ProgramSegments, ActivationsStayInTheCacheAndWeightsAreReadOnce) {
  const StepTraffic image = {kCache / 2, 1000, kCache / 4};
  const StepTraffic dense = {1000, 10 * kCache, 1000};
  const std::vector<StepTraffic> steps = {image, image, image, dense, dense};
  const std::vector<Segment> segments = cut_into_segments(steps, 16, kCache);
  ASSERT_EQ(segments.size(), 2u);
  expect_valid(segments, 5, 16);
  EXPECT_EQ(segments[0].end, 3u);
  EXPECT_EQ(segments[0].group, 2u);
  EXPECT_EQ(segments[1].group, 16u);
}

TEST(ProgramSegments, ShortDetoursAreNotWorthACut) {
  const StepTraffic dense = {kCache / 16, 10 * kCache, kCache};
  const StepTraffic wide = {kCache / 2, 0, kCache};
  const std::vector<Segment> segments =
      cut_into_segments(std::vector<StepTraffic>{dense, dense, wide, dense, dense}, 16, kCache);
  ASSERT_EQ(segments.size(), 1u);
  EXPECT_EQ(segments[0].group, 16u);
}

TEST(ProgramSegments, AnyTrafficGivesAValidCut) {
  std::mt19937_64 random(3);
  for (int round = 0; round < 200; ++round) {
    std::vector<StepTraffic> steps(1 + random() % 40);
    for (StepTraffic& step : steps) {
      step = {random() % (4 * kCache), random() % (8 * kCache), random() % (4 * kCache)};
    }
    const size_t batch = 1 + random() % 1000;
    expect_valid(cut_into_segments(steps, batch, kCache), steps.size(), batch);
  }
  const std::vector<StepTraffic> huge(2, {SIZE_MAX, SIZE_MAX, SIZE_MAX});
  expect_valid(cut_into_segments(huge, SIZE_MAX, SIZE_MAX), 2, SIZE_MAX);
}

}  // namespace
}  // namespace octavo

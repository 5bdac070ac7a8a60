// Scheduled panels: nothing is lost, and the proof holds for every step.
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <random>
#include <vector>

#include "pack/pack.h"
#include "pack/schedule.h"

namespace octavo {
namespace {

constexpr size_t kGroupSize = kScheduledWidth * kKr;

// The largest and smallest sums that activations 0..255 can give to one int16 lane: two weights,
// or four for a quad.
void expect_in_int16(const Schedule& schedule) {
  const auto check = [](const std::vector<const Schedule::Step*>& steps) {
    for (size_t lane = 0; lane < kGroupSize; lane += 2) {
      int most = 0, least = 0;
      for (const Schedule::Step* step : steps) {
        for (size_t i = lane; i < lane + 2; ++i) {
          (step->weights[i] > 0 ? most : least) += 255 * step->weights[i];
        }
      }
      ASSERT_LE(most, INT16_MAX);
      ASSERT_GE(least, INT16_MIN);
    }
  };
  const std::vector<Schedule::Step>& steps = schedule.steps;
  ASSERT_EQ(steps.size(), 2 * schedule.quads + schedule.pairs);
  for (size_t i = 0; i < 2 * schedule.quads; i += 2) check({&steps[i], &steps[i + 1]});
  for (size_t i = 2 * schedule.quads; i < steps.size(); ++i) check({&steps[i]});
}

// The steps of a group add up to its weights, byte orders undone.
void expect_complete(const Schedule& schedule, const std::vector<int8_t>& weights) {
  std::vector<int> sums(weights.size());
  for (const Schedule::Step& step : schedule.steps) {
    ASSERT_LT(step.pairing, static_cast<uint32_t>(kPairings));
    ASSERT_LT(step.group, weights.size() / kGroupSize);
    for (size_t i = 0; i < kGroupSize; ++i) {
      const size_t from = i / kKr * kKr + kPairingOrder[step.pairing][i % kKr];
      sums[step.group * kGroupSize + from] += step.weights[i];
    }
  }
  for (size_t i = 0; i < weights.size(); ++i) ASSERT_EQ(sums[i], weights[i]) << "weight " << i;
}

Schedule scheduled(const std::vector<int8_t>& weights) {
  const Schedule schedule = schedule_panel(weights.data(), weights.size() / kGroupSize);
  expect_in_int16(schedule);
  expect_complete(schedule, weights);
  return schedule;
}

std::vector<int8_t> repeated(const std::array<int8_t, kKr>& four, size_t groups) {
  std::vector<int8_t> weights(groups * kGroupSize);
  for (size_t i = 0; i < weights.size(); ++i) weights[i] = four[i % kKr];
  return weights;
}

TEST(Schedule, AnyWeights) {
  std::mt19937 random(1);
  for (size_t groups : {1, 2, 3, 16, 63, 64, 65, 200, 1152}) {
    for (int shift : {0, 1, 2, 3}) {
      std::vector<int8_t> weights(groups * kGroupSize);
      for (int8_t& w : weights) w = static_cast<int8_t>(static_cast<int8_t>(random()) >> shift);
      scheduled(weights);
    }
  }
}

TEST(Schedule, TheBoundIs128) {
  struct Case {
    std::array<int8_t, kKr> weights;  // of every column and group, of two groups
    size_t quads, pairs;
  };
  const Case cases[] = {
      {{32, 32, 32, 32}, 1, 0},          // 4 * 32 = 128
      {{33, 32, 32, 32}, 0, 2},          // 129 in any arrangement
      {{-32, -32, -32, -32}, 1, 0},      //
      {{-33, -32, -32, -32}, 0, 2},      //
      {{64, 64, 64, 64}, 0, 2},          // 128 in a pair
      {{65, 64, 64, 64}, 1, 2},          // one pair is 129: halves, of which two make a quad
      {{127, 1, 127, 1}, 0, 2},          // 128
      {{127, 127, 1, 1}, 0, 2},          // only another pairing is safe
      {{127, -128, 127, -128}, 0, 2},    // opposite signs
      {{127, 127, 127, 127}, 0, 4},      //
      {{-128, -128, -128, -128}, 0, 4},  //
      {{-128, -128, 0, 0}, 0, 2},        //
      {{0, 0, 0, 0}, 0, 0},
  };
  for (const Case& c : cases) {
    const Schedule schedule = scheduled(repeated(c.weights, 2));
    EXPECT_EQ(schedule.quads, c.quads) << +c.weights[0];
    EXPECT_EQ(schedule.pairs, c.pairs) << +c.weights[0];
  }
}

TEST(Schedule, EveryColumnCounts) {
  for (size_t col = 0; col < kScheduledWidth; ++col) {
    std::vector<int8_t> weights = repeated({32, 32, 32, 32}, 2);
    weights[col * kKr] = 33;
    EXPECT_EQ(scheduled(weights).quads, 0u) << "column " << col;
  }
}

TEST(Schedule, WeightsLikeThoseOfNetworksAreNearlyAllQuads) {
  std::mt19937 random(7);
  std::normal_distribution<double> normal(0, 33);
  std::vector<int8_t> weights(288 * kGroupSize);
  for (int8_t& w : weights) {
    w = static_cast<int8_t>(std::lrint(std::clamp(normal(random), -127.0, 127.0)));
  }
  const Schedule schedule = scheduled(weights);
  EXPECT_LT(schedule.steps.size(), size_t{310});
  EXPECT_GT(schedule.quads, size_t{120});
}

TEST(Schedule, PanelsHoldItAsTheLayoutSays) {
  constexpr PanelGeometry kGeometry = {
      .nr = kScheduledWidth, .granule = kScheduledWidth, .order = kScheduled};
  std::mt19937 random(3);
  constexpr size_t kN = 19, kSegments = 3, kSegmentK = 10, kGroups = 9;
  std::vector<int8_t> w(kN * kSegments * kSegmentK);
  for (int8_t& x : w) x = static_cast<int8_t>(random());
  std::vector<int32_t> bias(kN);
  std::vector<float> multiplier(kN);
  for (size_t j = 0; j < kN; ++j) bias[j] = static_cast<int32_t>(100 + j);
  for (size_t j = 0; j < kN; ++j) multiplier[j] = static_cast<float>(1 + j);
  const WeightView view = {w.data(), kN, kSegments, kSegmentK, kSegments * kSegmentK, kSegmentK, 1};
  const PackedMatrix m = pack_weights(kGeometry, view, {bias.data(), multiplier.data()});
  const PanelGeometry sequential = {.nr = kScheduledWidth, .granule = kScheduledWidth};
  const PackedMatrix plain = pack_weights(sequential, view, {bias.data(), multiplier.data()});

  EXPECT_TRUE(m.packed_for(kGeometry));
  EXPECT_FALSE(m.packed_for(sequential));
  ASSERT_EQ(m.panel_count(), 3u);
  EXPECT_EQ(m.panel_cols(2), 3u);
  EXPECT_EQ(scheduled_groups(kSegments, kSegmentK), kGroups);
  for (size_t i = 0; i < m.panel_count(); ++i) {
    const Schedule expected =
        schedule_panel(panel_weights(plain.panel(i), kScheduledWidth), kGroups);
    ScheduledHeader header;
    std::memcpy(&header, m.panel(i), sizeof header);
    EXPECT_EQ(reinterpret_cast<uintptr_t>(m.panel(i)) % kPanelAlignment, 0u);
    EXPECT_EQ(header.quads, expected.quads);
    EXPECT_EQ(header.pairs, expected.pairs);
    for (size_t j = 0; j < m.panel_cols(i); ++j) {
      EXPECT_EQ(header.bias[j], bias[i * kScheduledWidth + j]);
      EXPECT_EQ(header.multiplier[j], multiplier[i * kScheduledWidth + j]);
    }
    const uint32_t* offsets = scheduled_a_offsets(m.panel(i), expected.steps.size());
    for (size_t s = 0; s < expected.steps.size(); ++s) {
      const Schedule::Step& step = expected.steps[s];
      EXPECT_EQ(
          std::memcmp(scheduled_weights(m.panel(i)) + s * kGroupSize, step.weights, kGroupSize), 0);
      EXPECT_EQ(offsets[s], (step.pairing * kGroups + step.group) * kKr);
    }
  }
}

}  // namespace
}  // namespace octavo

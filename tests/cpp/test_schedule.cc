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

constexpr size_t kGroupSize = kScheduledColumns * kKr;

// The largest and smallest sums that activations 0..255 can give to one int16 lane of a chain.
void expect_in_int16(const Schedule& schedule) {
  size_t begin = 0;
  for (const uint8_t length : schedule.lengths) {
    ASSERT_GT(length, 0);
    ASSERT_LE(begin + length, schedule.steps.size());
    for (size_t lane = 0; lane < kGroupSize; lane += 2) {
      int most = 0, least = 0;
      for (size_t step = begin; step < begin + length; ++step) {
        for (size_t i = lane; i < lane + 2; ++i) {
          const int w = schedule.steps[step].weights[i];
          (w > 0 ? most : least) += 255 * w;
        }
      }
      ASSERT_LE(most, INT16_MAX);
      ASSERT_GE(least, INT16_MIN);
    }
    begin += length;
  }
  ASSERT_EQ(begin, schedule.steps.size());
}

// The steps of a group add up to its weights, byte orders undone.
void expect_complete(const Schedule& schedule, const std::vector<int8_t>& weights) {
  std::vector<int> sums(weights.size());
  for (const Schedule::Step& step : schedule.steps) {
    ASSERT_LT(step.pairing, kPairings);
    ASSERT_LT(step.group, weights.size() / kGroupSize);
    for (size_t i = 0; i < kGroupSize; ++i) {
      const size_t from = i / kKr * kKr + kPairingOrder[step.pairing][i % kKr];
      sums[step.group * kGroupSize + from] += step.weights[i];
    }
  }
  for (size_t i = 0; i < weights.size(); ++i) ASSERT_EQ(sums[i], weights[i]) << "weight " << i;
}

Schedule scheduled(const std::vector<int8_t>& weights) {
  const Schedule schedule =
      schedule_columns(weights.data(), weights.size() / kGroupSize, kGroupSize);
  expect_in_int16(schedule);
  expect_complete(schedule, weights);
  EXPECT_TRUE(std::is_sorted(schedule.lengths.rbegin(), schedule.lengths.rend()));
  return schedule;
}

std::vector<int8_t> repeated(const std::array<int8_t, kKr>& four, size_t groups) {
  std::vector<int8_t> weights(groups * kGroupSize);
  for (size_t i = 0; i < weights.size(); ++i) weights[i] = four[i % kKr];
  return weights;
}

TEST(Schedule, AnyWeights) {
  std::mt19937 random(1);
  for (size_t groups : {1, 2, 3, 16, 63, 64, 65, 200, int{kScheduledBlock}}) {
    for (int shift : {0, 1, 2, 3, 7}) {
      std::vector<int8_t> weights(groups * kGroupSize);
      for (int8_t& w : weights) w = static_cast<int8_t>(static_cast<int8_t>(random()) >> shift);
      scheduled(weights);
    }
  }
}

TEST(Schedule, TheBoundIs128) {
  struct Case {
    std::array<int8_t, kKr> weights;  // of both columns and four groups
    std::vector<uint8_t> lengths;
  };
  const Case cases[] = {
      {{16, 16, 16, 16}, {4}},           // 8 * 16 = 128
      {{17, 16, 16, 16}, {3, 1}},        // 129 in any arrangement
      {{32, 32, 32, 32}, {2, 2}},        // 4 * 32 = 128
      {{33, 32, 32, 32}, {1, 1, 1, 1}},  // 129
      {{-32, -32, -32, -32}, {2, 2}},    //
      {{-33, -32, -32, -32}, {1, 1, 1, 1}},
      {{64, 64, 64, 64}, {1, 1, 1, 1}},                  // 128 in a pair
      {{127, 1, 127, 1}, {1, 1, 1, 1}},                  // 128
      {{127, 127, 1, 1}, {1, 1, 1, 1}},                  // only another pairing is safe
      {{127, -128, 127, -128}, {1, 1, 1, 1}},            // opposite signs
      {{127, 127, 127, 127}, {1, 1, 1, 1, 1, 1, 1, 1}},  // halves
      {{-128, -128, -128, -128}, {1, 1, 1, 1, 1, 1, 1, 1}},
      {{-128, -128, 0, 0}, {1, 1, 1, 1}},
      {{1, 0, 0, 0}, {4}},
      {{0, 0, 0, 0}, {}},
  };
  for (const Case& c : cases) {
    EXPECT_EQ(scheduled(repeated(c.weights, 4)).lengths, c.lengths) << +c.weights[0];
  }
}

TEST(Schedule, BothColumnsCount) {
  for (size_t col = 0; col < kScheduledColumns; ++col) {
    std::vector<int8_t> weights = repeated({32, 32, 32, 32}, 2);
    weights[col * kKr] = 33;
    EXPECT_EQ(scheduled(weights).lengths.size(), 2u) << "column " << col;
  }
}

// A length is one byte.
TEST(Schedule, ChainsEndBefore256) {
  const std::vector<int8_t> weights(kScheduledBlock * kGroupSize, 0);
  std::vector<int8_t> sparse = weights;
  for (size_t i = 0; i < sparse.size(); i += kGroupSize) sparse[i] = i < 128 * kGroupSize ? 1 : -1;
  const Schedule schedule = scheduled(sparse);
  EXPECT_EQ(schedule.steps.size(), size_t{kScheduledBlock});
  EXPECT_TRUE(scheduled(weights).steps.empty());
}

TEST(Schedule, WeightsLikeThoseOfNetworksMakeChainsOfThree) {
  std::mt19937 random(7);
  std::normal_distribution<double> normal(0, 33);
  std::vector<int8_t> weights(kScheduledBlock * kGroupSize);
  for (int8_t& w : weights) {
    w = static_cast<int8_t>(std::lrint(std::clamp(normal(random), -127.0, 127.0)));
  }
  const Schedule schedule = scheduled(weights);
  EXPECT_LT(schedule.steps.size(), size_t{266});
  EXPECT_LT(schedule.lengths.size(), schedule.steps.size() / 3);
}

// What a panel says is what schedule_columns found for each two of its columns, block after block.
void expect_streams(const uint8_t* at, const int8_t* weights, size_t width, size_t groups) {
  const size_t stride = width * kKr;
  for (size_t first = 0; first < groups; first += kScheduledBlock) {
    const size_t count = scheduled_block_groups(groups, first);
    for (size_t j = 0; j < width; j += kScheduledColumns) {
      const Schedule expected = schedule_columns(weights + first * stride + j * kKr, count, stride);
      const size_t steps = expected.steps.size(), chains = expected.lengths.size();
      ChainsHeader header;
      std::memcpy(&header, at, sizeof header);
      ASSERT_EQ(header.steps, steps);
      ASSERT_EQ(header.chains, chains);
      const uint8_t* w = at + sizeof header;
      const uint8_t* offsets = w + steps * kGroupSize;
      for (size_t s = 0; s < steps; ++s) {
        const Schedule::Step& step = expected.steps[s];
        ASSERT_EQ(std::memcmp(w + s * kGroupSize, step.weights, kGroupSize), 0);
        uint16_t offset;
        std::memcpy(&offset, offsets + s * sizeof offset, sizeof offset);
        ASSERT_EQ(offset * kOffsetBytes,
                  (step.pairing * count + step.group) * kScheduledRows * kKr);
      }
      const uint8_t* lengths = offsets + steps * sizeof(uint16_t);
      ASSERT_TRUE(std::equal(expected.lengths.begin(), expected.lengths.end(), lengths));
      at += scheduled_chains_bytes(steps, chains);
    }
  }
}

TEST(Schedule, PanelsHoldItAsTheLayoutSays) {
  constexpr PanelGeometry kGeometry = {
      .nr = kScheduledWidth, .granule = kScheduledGranule, .order = kScheduled};
  std::mt19937 random(3);
  constexpr size_t kN = 75, kSegments = 3, kSegmentK = 346, kGroups = 261;
  std::vector<int8_t> w(kN * kSegments * kSegmentK);
  for (int8_t& x : w) x = static_cast<int8_t>(random());
  std::vector<int32_t> bias(kN);
  std::vector<float> multiplier(kN);
  for (size_t j = 0; j < kN; ++j) bias[j] = static_cast<int32_t>(100 + j);
  for (size_t j = 0; j < kN; ++j) multiplier[j] = static_cast<float>(1 + j);
  const WeightView view = {w.data(), kN, kSegments, kSegmentK, kSegments * kSegmentK, kSegmentK, 1};
  const PackedMatrix m = pack_weights(kGeometry, view, {bias.data(), multiplier.data()});
  const PanelGeometry sequential = {.nr = kScheduledWidth, .granule = kScheduledGranule};
  const PackedMatrix plain = pack_weights(sequential, view, {bias.data(), multiplier.data()});

  EXPECT_TRUE(m.packed_for(kGeometry));
  EXPECT_FALSE(m.packed_for(sequential));
  ASSERT_EQ(m.panel_count(), 3u);
  EXPECT_EQ(m.panel_cols(2), 11u);
  EXPECT_EQ(scheduled_groups(kSegments, kSegmentK), kGroups);
  for (size_t i = 0; i < m.panel_count(); ++i) {
    EXPECT_EQ(reinterpret_cast<uintptr_t>(m.panel(i)) % kPanelAlignment, 0u);
    ScheduledHeader header;
    std::memcpy(&header, m.panel(i), sizeof header);
    for (size_t j = 0; j < m.panel_cols(i); ++j) {
      EXPECT_EQ(header.bias[j], bias[i * kScheduledWidth + j]);
      EXPECT_EQ(header.multiplier[j], multiplier[i * kScheduledWidth + j]);
    }
    expect_streams(m.panel(i) + sizeof header, panel_weights(plain.panel(i), m.panel_width(i)),
                   m.panel_width(i), kGroups);
  }
}

}  // namespace
}  // namespace octavo

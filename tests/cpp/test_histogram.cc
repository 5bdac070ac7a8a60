// The float-bit histogram: micro-kernels against a map, and the op over splits, threads and merges.
#include <map>

#include "base/status.h"
#include "kernel_test.h"
#include "ops/histogram.h"

namespace octavo::testing {
namespace {

class HistogramKernels : public KernelTest {};
OCTAVO_INSTANTIATE_FOR_BACKENDS(HistogramKernels);

constexpr float kLargest = std::numeric_limits<float>::max();
constexpr float kSpecial[] = {0.0f,      -0.0f,     0x1p-149f, -0x1p-149f,    0x1p-136f, 0x1p-126f,
                              -0x1p-126, 1.0f,      -1.0f,     kLargest,      -kLargest, kInf,
                              -kInf,     kNan,      -kNan,     6.0f,          6.0f,      6.0f,
                              1.0f,      0x1.004p0, 0x1.003p0, kSignallingNan};

uint32_t bits_of(float x) { return std::bit_cast<uint32_t>(x); }

// What the contract says, one value at a time.
struct Expected {
  std::map<uint32_t, uint64_t> counts;
  FloatSummary summary = FloatHistogram::kNothingSeen;

  template <class Values>
  explicit Expected(const Values& values) {
    for (const float x : values) {
      if (std::isnan(x)) {
        ++summary.nans;
      } else if (std::isinf(x)) {
        ++(x > 0 ? summary.positive_infinities : summary.negative_infinities);
      } else {
        summary.min = std::min(summary.min, x + 0.0f);
        summary.max = std::max(summary.max, x + 0.0f);
        if (x == 0) {
          ++summary.zeros;
        } else {
          ++counts[bits_of(x) >> kHistogramShift];
          summary.smallest = std::min(summary.smallest, bits_of(std::fabs(x)));
        }
      }
    }
  }
};

void expect_equal(const FloatSummary& found, const FloatSummary& expected) {
  EXPECT_EQ(found.zeros, expected.zeros);
  EXPECT_EQ(found.nans, expected.nans);
  EXPECT_EQ(found.positive_infinities, expected.positive_infinities);
  EXPECT_EQ(found.negative_infinities, expected.negative_infinities);
  EXPECT_EQ(bits_of(found.min), bits_of(expected.min));
  EXPECT_EQ(bits_of(found.max), bits_of(expected.max));
  EXPECT_EQ(found.smallest, expected.smallest);
}

float any_value(Random& random) {
  switch (random.bits() % 4) {
    case 0:
      return random.pick<float>(kSpecial);
    case 1:
      return std::max(random.uniform(-4, 4), 0.0f);
    case 2:
      return std::bit_cast<float>(random.bits());
    default:
      return random.uniform(-8, 8);
  }
}

std::vector<float> any_values(size_t n, uint32_t seed) {
  Random random(seed);
  std::vector<float> x(n);
  for (float& value : x) value = any_value(random);
  return x;
}

TEST_P(HistogramKernels, CountsEveryFiniteValueOnce) {
  Random random(1);
  std::vector<uint32_t> counts(size_t{kHistogramKeys} * kHistogramLanes);
  std::vector<size_t> n = lengths();
  n.insert(n.end(), {1023, 1024, 1025, 1031, 2048, 2049, 5000, 5001});
  for (const size_t length : n) {
    for (const Guard guard : kGuards) {
      const bool finite = random.bits() % 2 == 0;  // blocks of such values have paths of their own
      const auto x = guarded<float>(length, guard, [&] {
        const float value = any_value(random);
        return finite && !std::isfinite(value) ? 0.5f : value;
      });
      const Expected expected(x);
      FloatSummary summary;
      table().histogram_f32.run(x.data(), length, counts.data(), &summary);
      expect_equal(summary, expected.summary);
      std::map<uint32_t, uint64_t> found;
      for (const float value : x) {  // and clears what was counted
        const size_t key = bits_of(value) >> kHistogramShift;
        for (size_t lane = 0; lane < kHistogramLanes; ++lane) {
          const uint32_t count = std::exchange(counts[key * kHistogramLanes + lane], 0);
          if (count != 0) found[static_cast<uint32_t>(key)] += count;
        }
      }
      ASSERT_EQ(found, expected.counts) << length;
    }
  }
  EXPECT_TRUE(std::all_of(counts.begin(), counts.end(), [](uint32_t c) { return c == 0; }));
}

TEST_P(HistogramKernels, RunsOfOneValue) {
  std::vector<uint32_t> counts(size_t{kHistogramKeys} * kHistogramLanes);
  for (const float value : {0.0f, -0.0f, 6.0f, -0x1p-149f, kInf, kNan}) {
    const std::vector<float> x(10000, value);
    FloatSummary summary;
    table().histogram_f32.run(x.data(), x.size(), counts.data(), &summary);
    expect_equal(summary, Expected(x).summary);
    const bool counted = std::isfinite(value) && value != 0;
    EXPECT_EQ(std::accumulate(counts.begin(), counts.end(), uint64_t{0}), counted ? 10000 : 0);
    std::fill(counts.begin(), counts.end(), 0);
  }
}

void expect_holds(const FloatHistogram& histogram, const std::vector<float>& values) {
  const Expected expected(values);
  expect_equal(histogram.summary(), expected.summary);
  std::map<uint32_t, uint64_t> found;
  for (const auto& [key, count] : histogram.bins()) found[key] = count;
  EXPECT_EQ(found, expected.counts);
}

// Few elements and many (the two ways counters are emptied), one thread and several.
TEST_P(HistogramKernels, UpdateFromThreadsAddsUp) {
  for (const size_t n : {1, 100, 16384, 16385, 99999}) {
    for (const size_t threads : {1, 3}) {
      const std::vector<float> x = any_values(n, static_cast<uint32_t>(n));
      FloatHistogram histogram;
      const size_t rows = n == 99999 ? 3 : 1;
      std::vector<float> min(rows), max(rows);
      histogram.update(make_context(GetParam(), threads), x.data(), rows, n / rows, min.data(),
                       max.data());
      expect_holds(histogram, x);
      for (size_t row = 0; row < rows; ++row) {
        const std::span<const float> values(x.data() + row * (n / rows), n / rows);
        EXPECT_EQ(min[row], Expected(values).summary.min);
        EXPECT_EQ(max[row], Expected(values).summary.max);
      }
      histogram.update(make_context(GetParam(), threads), x.data(), n, 1, nullptr, nullptr);
      std::vector<float> twice = x;
      twice.insert(twice.end(), x.begin(), x.end());
      expect_holds(histogram, twice);
    }
  }
}

// So many values in few octaves that the octaves are looked at, not the values.
TEST(FloatHistogramTest, ManyValuesInFewOctaves) {
  for (const float scale : {1.0f, -1.0f, 0x1p-130f, 0x1p120f}) {
    for (const int octaves : {1, 5}) {
      for (const bool both_signs : {false, true}) {
        std::vector<float> x(50000);
        for (size_t i = 0; i < x.size(); ++i) {
          const float mantissa = 1.0f + static_cast<float>(i % 977) / 977;
          const float sign = both_signs && i % 3 == 0 ? -1.0f : 1.0f;
          x[i] = std::ldexp(sign * scale * mantissa, static_cast<int>(i) % octaves);
        }
        FloatHistogram histogram;
        histogram.update(default_context(), x.data(), 1, x.size(), nullptr, nullptr);
        expect_holds(histogram, x);
      }
    }
  }
}

TEST(FloatHistogramTest, MergeAddsWithItselfToo) {
  const std::vector<float> x = any_values(1000, 5), y = any_values(30000, 6);
  FloatHistogram a, b;
  a.update(default_context(), x.data(), 1, x.size(), nullptr, nullptr);
  b.update(default_context(), y.data(), 1, y.size(), nullptr, nullptr);
  a.merge(b);
  std::vector<float> all = x;
  all.insert(all.end(), y.begin(), y.end());
  expect_holds(a, all);
  a.merge(a);
  all.insert(all.end(), all.begin(), all.end());
  expect_holds(a, all);
}

TEST(FloatHistogramTest, RefusesKeysOfNoFiniteValue) {
  FloatHistogram histogram;
  for (const uint32_t key : {0x3FC00u, 0x7FC00u, uint32_t{kHistogramKeys}, ~0u}) {
    const FloatHistogram::Bin bin = {key, 1};
    const std::span<const FloatHistogram::Bin> bins(&bin, 1);
    EXPECT_THROW(histogram.add(bins, FloatHistogram::kNothingSeen), Error);
  }
}

TEST(FloatHistogramTest, NothingIsNothing) {
  FloatHistogram histogram;
  float min[2], max[2];
  histogram.update(default_context(), nullptr, 2, 0, min, max);
  histogram.update(default_context(), nullptr, 0, 5, nullptr, nullptr);
  expect_holds(histogram, {});
  EXPECT_EQ(min[1], kInf);
  EXPECT_EQ(max[1], -kInf);
}

}  // namespace
}  // namespace octavo::testing

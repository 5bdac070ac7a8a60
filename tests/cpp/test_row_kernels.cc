// Micro-kernels over a row (softmax, the two halves of layer normalization) and transposes, on
// every backend, with guard pages around every operand.
#include "kernel_test.h"

namespace octavo::testing {
namespace {

class RowKernels : public KernelTest {};
OCTAVO_INSTANTIATE_FOR_BACKENDS(RowKernels);

std::vector<size_t> row_lengths() {
  std::vector<size_t> n = lengths();
  n.erase(n.begin());
  n.insert(n.end(), {768, 2047, 2048, 2049, 4100});
  return n;
}

ExpTable exp_table(double step) {
  ExpTable table;
  for (int i = 0; i < 16; ++i) {
    table.high[i] = static_cast<float>(0x1p23 * std::exp(-16.0 * i * step));
    table.low[i] = static_cast<float>(std::exp(-i * step));
  }
  return table;
}

// The contract, with the library's rounding instead of the kernels' tricks.
std::vector<uint8_t> softmax_row(std::span<const uint8_t> x, const ExpTable& table,
                                 float multiplier, const Range& range) {
  const uint8_t max = *std::max_element(x.begin(), x.end());
  const auto exponential = [&](uint8_t value) {
    const int d = max - value;
    return std::llrint(table.high[d / 16] * table.low[d % 16]);
  };
  long long sum = 0;
  for (const uint8_t value : x) sum += exponential(value);
  const float scale = multiplier / static_cast<float>(sum);
  std::vector<uint8_t> y;
  for (const uint8_t value : x) {
    y.push_back(reference_quantize(static_cast<float>(exponential(value)) * scale, range));
  }
  return y;
}

TEST_P(RowKernels, Softmax) {
  Random random(1);
  for (const size_t n : row_lengths()) {
    for (const double step : {0.0, 1e-4, 0.01, 0.07, 0.3, 5.0, 100.0}) {
      for (const Guard guard : kGuards) {
        const Range range = random.pick<Range>(kRanges);
        const float multiplier = random.pick<float>(std::vector<float>{256, 128, 255, 1e6f, 0.1f});
        const ExpTable exps = exp_table(step);
        auto x = guarded<uint8_t>(n, guard, [&] { return random.activation(); });
        const auto expected = softmax_row({x.data(), n}, exps, multiplier, range);
        OutputGrid<uint8_t> y(1, n, n + 1, guard);
        table().softmax_u8.run(x.data(), n, exps, multiplier, range.requant(), y.data());
        y.expect([&](size_t, size_t i) { return expected[i]; });
        if (HasFatalFailure()) FAIL() << "n " << n << ", step " << step;
        table().softmax_u8.run(x.data(), n, exps, multiplier, range.requant(), x.data());
        ASSERT_TRUE(std::equal(x.begin(), x.end(), expected.begin())) << "in place, n " << n;
      }
    }
  }
}

// Equal bytes: every exponential is 2^23, the most that a lane must hold.
TEST_P(RowKernels, SoftmaxOfEqualBytesIsUniform) {
  for (const size_t n : {1, 2, 256, 4096, 65536, 100000}) {
    const std::vector<uint8_t> x(n, 200);
    std::vector<uint8_t> y(n);
    const auto quarters = static_cast<float>(n) * 4;
    table().softmax_u8.run(x.data(), n, exp_table(0.1), quarters, Range{0, 0, 255}.requant(),
                           y.data());
    EXPECT_EQ(y, std::vector<uint8_t>(n, 4));
  }
}

TEST_P(RowKernels, Moments) {
  Random random(2);
  for (const size_t n : row_lengths()) {
    for (const Guard guard : kGuards) {
      const auto x = guarded<uint8_t>(n, guard, [&] { return random.activation(); });
      uint64_t sum = 0, squares = 0;
      for (const uint8_t value : x) {
        sum += value;
        squares += uint64_t{value} * value;
      }
      Moments moments = {1, 1};
      table().moments_u8.run(x.data(), n, &moments);
      ASSERT_EQ(moments.sum, sum) << n;
      ASSERT_EQ(moments.squares, squares) << n;
    }
  }
  const std::vector<uint8_t> most(65536, 255);
  Moments moments;
  table().moments_u8.run(most.data(), most.size(), &moments);
  EXPECT_EQ(moments.sum, uint64_t{65536} * 255);
  EXPECT_EQ(moments.squares, uint64_t{65536} * 255 * 255);
}

TEST_P(RowKernels, Normalize) {
  Random random(3);
  for (const size_t n : row_lengths()) {
    for (const Guard guard : kGuards) {
      const Range range = random.pick<Range>(kRanges);
      auto x = guarded<uint8_t>(n, guard, [&] { return random.activation(); });
      const auto gamma = guarded<float>(n, guard, [&] { return random.uniform(-40, 40); });
      const auto beta = guarded<float>(n, guard, [&] { return random.uniform(-99, 99); });
      const auto sum = static_cast<int32_t>(random.bits() % (255 * n + 1));
      const float scale = random.uniform(0, 2) / static_cast<float>(n * 70);
      std::vector<uint8_t> expected;
      for (size_t j = 0; j < n; ++j) {
        const auto centered = static_cast<float>(static_cast<int32_t>(n) * x[j] - sum);
        expected.push_back(
            reference_quantize(std::fma(centered * scale, gamma[j], beta[j]), range));
      }
      OutputGrid<uint8_t> y(1, n, n + 1, guard);
      table().normalize_u8.run(x.data(), n, sum, scale, gamma.data(), beta.data(), range.requant(),
                               y.data());
      y.expect([&](size_t, size_t j) { return expected[j]; });
      if (HasFatalFailure()) FAIL() << "n " << n;
      table().normalize_u8.run(x.data(), n, sum, scale, gamma.data(), beta.data(), range.requant(),
                               x.data());
      ASSERT_TRUE(std::equal(x.begin(), x.end(), expected.begin())) << "in place, n " << n;
    }
  }
}

template <class T, class Fn>
void expect_transposed(const Kernel<Fn>& kernel, size_t rows, size_t cols, Guard guard,
                       Random& random) {
  for (const size_t spare : {0, 1, 5}) {
    const size_t ldx = cols + spare;
    const auto x =
        guarded<T>((rows - 1) * ldx + cols, guard, [&] { return static_cast<T>(random.bits()); });
    GuardedBuffer<T> y((cols - 1) * (rows + spare) + rows, guard);
    std::memset(y.data(), 0x5E, y.size() * sizeof(T));
    kernel.run(x.data(), ldx, rows, cols, y.data(), rows + spare);
    ASSERT_TRUE(y.slack_intact());
    T untouched;
    std::memset(&untouched, 0x5E, sizeof(T));
    for (size_t at = 0; at < y.size(); ++at) {
      const size_t j = at / (rows + spare), i = at % (rows + spare);
      ASSERT_EQ(y[at], i < rows ? x[i * ldx + j] : untouched)
          << rows << " x " << cols << " + " << spare << ", row " << i << ", column " << j;
    }
  }
}

TEST_P(RowKernels, Transpose) {
  Random random(4);
  for (const size_t rows : {1, 2, 3, 4, 5, 7, 8, 9, 15, 16, 17, 31, 33, 48, 63, 64, 65, 130}) {
    for (const size_t cols : {1, 2, 3, 4, 5, 7, 8, 9, 15, 16, 17, 18, 19, 33, 64, 97, 130}) {
      const Guard guard = kGuards[random.bits() % 2];
      expect_transposed<uint8_t>(table().transpose_u8, rows, cols, guard, random);
      expect_transposed<uint32_t>(table().transpose_u32, rows, cols, guard, random);
      if (HasFatalFailure()) return;
    }
  }
}

TEST_P(RowKernels, TransposeStream) {
  Random random(6);
  for (const size_t cols : {1, 5, 15, 16, 17, 31, 32, 33, 64, 100}) {
    for (const size_t ldy : {64, 128, 320}) {
      const Guard guard = kGuards[random.bits() % 2];
      const size_t ldx = cols + random.bits() % 9;
      const auto x = guarded<uint8_t>(63 * ldx + cols, guard, [&] { return random.byte(); });
      OutputGrid<uint8_t> y(cols, 64, ldy, guard);
      table().transpose_stream_u8.run(x.data(), ldx, cols, y.data(), ldy);
      table().stream_fence.run();
      y.expect([&](size_t j, size_t i) { return x[i * ldx + j]; });
      if (HasFatalFailure()) FAIL() << cols << " columns, ldy " << ldy;
    }
  }
}

TEST_P(RowKernels, StreamCopyWritesEveryRowAndNothingElse) {
  Random random(5);
  for (const size_t bytes : {1, 31, 63, 64, 65, 127, 128, 200, 1000}) {
    for (const size_t shift : {0, 1, 16, 63}) {
      const size_t rows = 3, ldx = bytes + 5, ldy = bytes + 1 + shift;
      const Guard guard = kGuards[random.bits() % 2];
      const auto x =
          guarded<uint8_t>((rows - 1) * ldx + bytes, guard, [&] { return random.byte(); });
      OutputGrid<uint8_t> y(rows, bytes, ldy, guard);
      table().stream_copy.run(x.data(), ldx, rows, bytes, y.data(), ldy);
      y.expect([&](size_t i, size_t j) { return x[i * ldx + j]; });
      if (HasFatalFailure()) FAIL() << bytes << " bytes, " << shift;
    }
  }
}

}  // namespace
}  // namespace octavo::testing

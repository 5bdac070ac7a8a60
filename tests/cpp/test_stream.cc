// Ops too large for any cache write their output around it: the result is that of many small calls,
// wherever the output begins and however many threads share it.
#include <gtest/gtest.h>

#include <cstring>

#include "kernel_test.h"
#include "ops/elementwise.h"
#include "ops/pool.h"
#include "ops/reshape.h"
#include "ops/stream.h"
#include "ops/table.h"

namespace octavo::testing {
namespace {

constexpr size_t kElements = kStreamBytes / 2 + 1000003;  // read and written as bytes
constexpr QuantRange kRange = {117, 3, 250};

class Streaming : public ::testing::TestWithParam<Backend> {
 protected:
  Context context(size_t threads) const { return make_context(GetParam(), threads); }

  // run(context, first, count, y): elements first.. of the output.
  template <class T, class Run>
  void expect_as_in_parts(size_t n, size_t part, const Run& run) {
    std::vector<T> expected(n), y(n + 64);
    for (size_t i = 0; i < n; i += part) {
      run(context(1), i, std::min(part, n - i), expected.data() + i);
    }
    for (const size_t threads : {1, 3}) {
      for (const size_t shift : {0, 16, 21}) {  // from where std::vector begins
        std::memset(y.data(), 0x5E, y.size() * sizeof(T));
        run(context(threads), 0, n, y.data() + shift);
        ASSERT_EQ(std::memcmp(y.data() + shift, expected.data(), n * sizeof(T)), 0) << shift;
        T untouched;
        std::memset(&untouched, 0x5E, sizeof(T));
        for (size_t i = 0; i < 64; ++i) {
          const size_t at = i < shift ? i : n + i;
          ASSERT_EQ(y[at], untouched) << "at " << at;
        }
      }
    }
  }

  static std::vector<uint8_t> bytes(size_t n, uint32_t seed) {
    std::vector<uint8_t> x(n);
    for (uint8_t& value : x)
      value = static_cast<uint8_t>((seed = seed * 1664525 + 1013904223) >> 24);
    return x;
  }
};
OCTAVO_INSTANTIATE_FOR_BACKENDS(Streaming);

TEST_P(Streaming, OneToOne) {
  const auto a = bytes(kElements, 1), b = bytes(kElements, 2);
  constexpr size_t kPart = size_t{1} << 20;
  expect_as_in_parts<uint8_t>(
      kElements, kPart, [&](const Context& context, size_t i, size_t n, uint8_t* y) {
        add(context, {a.data() + i, 121, 0.57f}, {b.data() + i, 96, 0.85f}, n, kRange, y);
      });
  Table table;
  for (size_t i = 0; i < table.size(); ++i) table[i] = static_cast<uint8_t>(i * 7);
  expect_as_in_parts<uint8_t>(kElements, kPart,
                              [&](const Context& context, size_t i, size_t n, uint8_t* y) {
                                lookup(context, a.data() + i, n, table, y);
                              });
  expect_as_in_parts<float>(kElements / 2, kPart,
                            [&](const Context& context, size_t i, size_t n, float* y) {
                              dequantize(context, a.data() + i, n, 0.02f, 121, y);
                            });
}

TEST_P(Streaming, RowsOfChannels) {
  constexpr size_t kInner = 77, kGates = 40, kRows = kElements / kInner / kGates * kGates;
  const auto a = bytes(kRows * kInner, 3), b = bytes(kRows * kInner, 4);
  expect_as_in_parts<uint8_t>(kRows * kInner, kRows / kGates * kInner,
                              [&](const Context& context, size_t i, size_t n, uint8_t* y) {
                                const size_t outer = n / (kRows / kGates * kInner),
                                             gate = i / (kRows / kGates * kInner);
                                mul(context, {a.data() + i, 121}, {b.data() + gate * kInner, 96},
                                    outer, kRows / kGates, kInner, 0.01f, kRange, y);
                              });
  expect_as_in_parts<uint8_t>(2 * kRows * kInner, 2 * 1000 * kInner,
                              [&](const Context& context, size_t i, size_t n, uint8_t* y) {
                                const ConcatBytes inputs[] = {
                                    {a.data() + i / 2, kInner, 121, 0.57f},
                                    {b.data() + i / 2, kInner, 96, 0.85f}};
                                concat_requantized(context, inputs, n / kInner / 2, kRange, y);
                              });
}

TEST_P(Streaming, Pooling) {
  PoolShape shape = {};
  shape.in_h = shape.in_w = 112;
  shape.channels = 50;
  shape.kernel_h = shape.kernel_w = 3;
  shape.stride_h = shape.stride_w = 2;
  shape.dilation_h = shape.dilation_w = 1;
  shape.padding = {1, 1, 1, 1};
  shape.out_h = shape.out_w = 56;
  const size_t in = 112 * 112 * shape.channels, out = 56 * 56 * shape.channels;
  const size_t batch = kStreamBytes / (in + out) + 1;
  const auto x = bytes(batch * in, 5);
  expect_as_in_parts<uint8_t>(batch * out, out,
                              [&](const Context& context, size_t i, size_t n, uint8_t* y) {
                                PoolShape part = shape;
                                part.batch = n / out;
                                max_pool2d(context, part, x.data() + i / out * in, y);
                              });
}

template <class T>
void expect_transposed(const Context& context, size_t batch, size_t rows, size_t cols,
                       size_t shift) {
  const size_t n = batch * rows * cols;
  std::vector<T> x(n), y(n + shift), expected(n);
  uint32_t seed = 7;
  for (T& value : x) value = static_cast<T>((seed = seed * 1664525 + 1013904223) >> 9);
  for (size_t b = 0; b < batch; ++b) {
    for (size_t i = 0; i < rows; ++i) {
      for (size_t j = 0; j < cols; ++j) {
        expected[(b * cols + j) * rows + i] = x[(b * rows + i) * cols + j];
      }
    }
  }
  T* to = y.data() + shift;
  transpose2d(context, x.data(), batch, rows, cols, sizeof(T), to);
  EXPECT_TRUE(std::equal(expected.begin(), expected.end(), to))
      << batch << " x " << rows << " x " << cols << ", shift " << shift;
}

TEST_P(Streaming, Transpose) {
  for (const size_t shift : {0, 16, 48}) {  // std::vector begins 16 bytes after a line, or at one
    const Context alone = context(1), shared = context(3);
    expect_transposed<uint8_t>(alone, 2, 128, 65600, shift);   // tiles, columns first
    expect_transposed<uint8_t>(shared, 1, 96, 175001, shift);  // short rows in pieces
    expect_transposed<uint8_t>(shared, 2, 65600, 129, shift);  // tiles, rows first
    expect_transposed<uint8_t>(alone, 1, 75001, 224, shift);   // long rows in runs
    expect_transposed<uint32_t>(shared, 1, 32, 131100, shift);
    expect_transposed<uint32_t>(alone, 1, 65552, 65, shift);
    expect_transposed<uint32_t>(shared, 1, 35, 120001, shift);
    expect_transposed<uint32_t>(alone, 1, 70001, 60, shift);
  }
}

}  // namespace
}  // namespace octavo::testing

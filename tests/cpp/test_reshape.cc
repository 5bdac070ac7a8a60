// Ops that move elements.
#include <gtest/gtest.h>

#include <array>
#include <cstring>

#include "base/status.h"
#include "naive.h"
#include "ops/reshape.h"

namespace octavo::testing {
namespace {

Context context(size_t threads) { return make_context(all_backends().back(), threads); }

template <class T>
std::vector<T> numbered(size_t n) {
  std::vector<T> values(n);
  for (size_t i = 0; i < n; ++i) values[i] = static_cast<T>(i * 7 + 1);
  return values;
}

template <class T>
class ReshapeTest : public ::testing::Test {};
using ElementTypes = ::testing::Types<uint8_t, float>;
TYPED_TEST_SUITE(ReshapeTest, ElementTypes);

TYPED_TEST(ReshapeTest, Transpose) {
  for (size_t rows : {1, 2, 3, 4, 5, 31, 32, 33, 200}) {
    for (size_t cols : {1, 3, 32, 63, 255, 257, 1000}) {
      const size_t batch = 2;
      const auto x = numbered<TypeParam>(batch * rows * cols);
      std::vector<TypeParam> y(x.size()), expected(x.size());
      for (size_t b = 0; b < batch; ++b) {
        for (size_t i = 0; i < rows; ++i) {
          for (size_t j = 0; j < cols; ++j) {
            expected[(b * cols + j) * rows + i] = x[(b * rows + i) * cols + j];
          }
        }
      }
      for (size_t threads : {1, 3}) {
        transpose2d(context(threads), x.data(), batch, rows, cols, sizeof(TypeParam), y.data());
        EXPECT_EQ(y, expected) << rows << " x " << cols;
      }
    }
  }
}

// Elements of any size on every backend: heads of attention, images of few channels, large tiles.
TEST(TransposeTest, AnyElementSizeOnEveryBackend) {
  const std::array<std::array<size_t, 3>, 9> shapes = {{{5, 7, 2},
                                                        {128, 12, 64},
                                                        {12, 128, 64},
                                                        {3, 700, 1},
                                                        {700, 3, 1},
                                                        {4, 300, 1},
                                                        {300, 4, 1},
                                                        {300, 513, 1},
                                                        {300, 513, 4}}};
  // Reading and writing 32 MiB or more, it streams.
  const std::array<std::array<size_t, 3>, 3> streamed = {
      {{96, 88000, 1}, {88001, 97, 1}, {2500, 1000, 4}}};
  for (const auto& [rows, cols, bytes] : streamed) {
    const size_t matrix = rows * cols * bytes;
    const auto x = numbered<uint8_t>(2 * matrix);
    std::vector<uint8_t> y(x.size()), block(matrix);
    for (const Backend* backend : supported_backends()) {
      transpose2d(make_context(*backend, 2), x.data(), 2, rows, cols, bytes, y.data());
      // Half of it is below the limit: the direct path, tested below.
      for (size_t b = 0; b < 2; ++b) {
        transpose2d(make_context(*backend, 1), x.data() + b * matrix, 1, rows, cols, bytes,
                    block.data());
        ASSERT_EQ(std::memcmp(y.data() + b * matrix, block.data(), matrix), 0) << rows;
      }
    }
  }
  for (const auto& [rows, cols, bytes] : shapes) {
    const auto x = numbered<uint8_t>(2 * rows * cols * bytes);
    std::vector<uint8_t> y(x.size()), expected(x.size());
    for (size_t at = 0; at < x.size(); ++at) {
      const size_t k = at % bytes, j = at / bytes % cols, i = at / bytes / cols % rows;
      const size_t b = at / bytes / cols / rows;
      expected[((b * cols + j) * rows + i) * bytes + k] = x[at];
    }
    for (const Backend* backend : supported_backends()) {
      for (size_t threads : {1, 3}) {
        transpose2d(make_context(*backend, threads), x.data(), 2, rows, cols, bytes, y.data());
        EXPECT_EQ(y, expected) << rows << " x " << cols << " x " << bytes << backend->name;
      }
    }
  }
}

TYPED_TEST(ReshapeTest, Concat) {
  const size_t outer = 5000;
  const std::array<size_t, 3> inner = {3, 0, 17};
  std::vector<std::vector<TypeParam>> parts;
  std::vector<ConcatInput> inputs;
  for (size_t n : inner) parts.push_back(numbered<TypeParam>(outer * n));
  for (size_t i = 0; i < 3; ++i) inputs.push_back({parts[i].data(), inner[i]});
  std::vector<TypeParam> expected, y(outer * 20);
  for (size_t o = 0; o < outer; ++o) {
    for (size_t i = 0; i < 3; ++i) {
      for (size_t j = 0; j < inner[i]; ++j) expected.push_back(parts[i][o * inner[i] + j]);
    }
  }
  for (size_t threads : {1, 3}) {
    concat(context(threads), inputs, outer, sizeof(TypeParam), y.data());
    EXPECT_EQ(y, expected);
  }
}

TYPED_TEST(ReshapeTest, PadUpToFiveAxes) {
  const std::array<size_t, 5> shape = {2, 3, 4, 2, 5}, before = {1, 0, 2, 0, 3},
                              after = {0, 1, 0, 2, 1};
  for (size_t axes = 1; axes <= 5; ++axes) {
    const std::span<const size_t> s(shape.data(), axes), b(before.data(), axes),
        a(after.data(), axes);
    size_t size = 1, out_size = 1;
    for (size_t i = 0; i < axes; ++i) {
      size *= s[i];
      out_size *= b[i] + s[i] + a[i];
    }
    const auto x = numbered<TypeParam>(size);
    const auto value = static_cast<TypeParam>(99);
    std::vector<TypeParam> y(out_size), expected(out_size);
    for (size_t o = 0; o < out_size; ++o) {
      size_t rest = o, index = 0, stride = 1;
      bool inside = true;
      for (size_t i = axes; i-- > 0;) {
        const size_t extent = b[i] + s[i] + a[i], at = rest % extent;
        rest /= extent;
        inside = inside && at >= b[i] && at < b[i] + s[i];
        index += (at - b[i]) * stride;
        stride *= s[i];
      }
      expected[o] = inside ? x[index] : value;
    }
    pad(context(2), x.data(), s, b, a, sizeof(TypeParam), &value, y.data());
    EXPECT_EQ(y, expected) << axes << " axes";
  }
}

TYPED_TEST(ReshapeTest, SliceWithAnySteps) {
  const std::array<size_t, 5> shape = {3, 4, 5, 2, 9}, out = {2, 2, 5, 1, 4};
  const std::array<ptrdiff_t, 5> start = {2, 1, 4, 1, 8}, step = {-2, 2, -1, 1000000, -2};
  for (size_t axes = 1; axes <= 5; ++axes) {
    size_t size = 1, out_size = 1;
    for (size_t i = 0; i < axes; ++i) size *= shape[i], out_size *= out[i];
    const auto x = numbered<TypeParam>(size);
    std::vector<TypeParam> y(out_size), expected(out_size);
    for (size_t o = 0; o < out_size; ++o) {
      size_t rest = o;
      ptrdiff_t index = 0, stride = 1;
      for (size_t i = axes; i-- > 0;) {
        index += (start[i] + static_cast<ptrdiff_t>(rest % out[i]) * step[i]) * stride;
        rest /= out[i];
        stride *= static_cast<ptrdiff_t>(shape[i]);
      }
      expected[o] = x[static_cast<size_t>(index)];
    }
    slice(context(2), x.data(), {shape.data(), axes}, {start.data(), axes}, {step.data(), axes},
          {out.data(), axes}, sizeof(TypeParam), y.data());
    EXPECT_EQ(y, expected) << axes << " axes";
  }
}

TEST(ReshapeChecks, BadArgumentsAreRefused) {
  const std::vector<uint8_t> x(100);
  std::vector<uint8_t> y(100);
  auto slice_refuses = [&](size_t extent, ptrdiff_t start, ptrdiff_t step, size_t count) {
    try {
      slice(context(1), x.data(), {&extent, 1}, {&start, 1}, {&step, 1}, {&count, 1}, 1, y.data());
    } catch (const Error& error) {
      return error.status() == Status::invalid_argument;
    }
    return false;
  };
  EXPECT_FALSE(slice_refuses(10, 9, -1, 10));
  EXPECT_TRUE(slice_refuses(10, 9, -1, 11));
  EXPECT_TRUE(slice_refuses(10, 0, 0, 2));
  EXPECT_TRUE(slice_refuses(10, -1, 1, 1));
  EXPECT_TRUE(slice_refuses(10, 10, 1, 1));
  EXPECT_TRUE(slice_refuses(10, 0, 3, 5));
  EXPECT_TRUE(slice_refuses(10, 0, PTRDIFF_MAX, 3));
  const std::array<size_t, 6> six = {1, 1, 1, 1, 1, 1};
  const uint8_t value = 0;
  EXPECT_THROW(pad(context(1), x.data(), six, six, six, 1, &value, y.data()), Error);
  const size_t ten = 10, huge = SIZE_MAX - 5;
  EXPECT_THROW(pad(context(1), x.data(), {&ten, 1}, {&huge, 1}, {&ten, 1}, 1, &value, y.data()),
               Error);
  EXPECT_THROW(transpose2d(context(1), nullptr, 1, 10, 10, 1, y.data()), Error);
  EXPECT_THROW(transpose2d(context(1), x.data(), SIZE_MAX, 10, 10, 1, y.data()), Error);
  EXPECT_THROW(concat(context(1), {}, 1, 1, y.data()), Error);
}

}  // namespace
}  // namespace octavo::testing

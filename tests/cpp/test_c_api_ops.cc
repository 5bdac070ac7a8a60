// Elementwise functions and pooling of the C ABI: the same as the ops below it on the tensors of u8
// that theirs stand for, for all types, and in place where that is allowed.
#include <gtest/gtest.h>

#include <cfenv>
#include <functional>

#include "c_api_support.h"
#include "ops/elementwise.h"
#include "ops/pool.h"
#include "ops/table.h"

namespace octavo::testing {
namespace {

constexpr size_t kN = 1003;
constexpr QuantRange kRange = {.zero_point = 90, .qmin = 20, .qmax = 250};

octavo_output output_of(int32_t dtype) {
  const int32_t shift = dtype == OCTAVO_S8 ? kSignShift : 0;
  return {dtype, kRange.zero_point - shift, kRange.qmin - shift, kRange.qmax - shift};
}

// Bytes of u8, and how a caller has them.
struct Operand {
  std::vector<uint8_t> u8;
  std::vector<uint8_t> given;
  int32_t zero_point;  // of u8
  octavo_input input;

  Operand(size_t n, uint32_t seed, int32_t dtype, float multiplier)
      : u8(random_bytes<uint8_t>(n, seed)),
        given(flipped_if(u8, dtype == OCTAVO_S8)),
        zero_point(static_cast<int32_t>(60 + seed)),
        input{given.data(), dtype, zero_point - (dtype == OCTAVO_S8 ? kSignShift : 0), multiplier} {
  }
  Operand(const Operand&) = delete;
};

class CApiOps : public ::testing::TestWithParam<const Backend*> {
 protected:
  const octavo_context context_ = on_backend(GetParam()->name);
  const Context ops_ = make_context(*GetParam());

  // check(type of the first operand, of the second, of the output)
  static void for_each_types(const std::function<void(int32_t, int32_t, int32_t)>& check) {
    for (int types = 0; types < 8; ++types) {
      SCOPED_TRACE(::testing::Message() << "types " << types);
      check(types & 1, types >> 1 & 1, types >> 2);
    }
  }
};

TEST_P(CApiOps, Add) {
  for_each_types([&](int32_t a_type, int32_t b_type, int32_t y_type) {
    Operand a(kN, 1, a_type, 0.7f), b(kN, 2, b_type, 0.3f);
    const octavo_output output = output_of(y_type);
    std::vector<uint8_t> expected(kN), y(kN);
    add(ops_, {a.u8.data(), a.zero_point, 0.7f}, {b.u8.data(), b.zero_point, 0.3f}, kN, kRange,
        expected.data());
    expected = flipped_if(std::move(expected), y_type == OCTAVO_S8);
    ASSERT_EQ(octavo_add(&context_, kN, &a.input, &b.input, &output, y.data()), OCTAVO_OK)
        << octavo_last_error();
    EXPECT_EQ(y, expected);
    ASSERT_EQ(octavo_add(&context_, kN, &a.input, &b.input, &output, a.given.data()), OCTAVO_OK);
    EXPECT_EQ(a.given, expected);
  });
}

TEST_P(CApiOps, Mul) {
  constexpr size_t kOuter = 3, kInner = 7, kChannels = 19;
  constexpr size_t kSize = kOuter * kInner * kChannels;
  for_each_types([&](int32_t a_type, int32_t b_type, int32_t y_type) {
    Operand a(kSize, 1, a_type, 0.0f), b(kOuter * kChannels, 2, b_type, 0.0f);
    const octavo_output output = output_of(y_type);
    std::vector<uint8_t> expected(kSize);
    mul(ops_, {a.u8.data(), a.zero_point}, {b.u8.data(), b.zero_point}, kOuter, kInner, kChannels,
        0.01f, kRange, expected.data());
    expected = flipped_if(std::move(expected), y_type == OCTAVO_S8);
    ASSERT_EQ(octavo_mul(&context_, kOuter, kInner, kChannels, &a.input, &b.input, 0.01f, &output,
                         a.given.data()),
              OCTAVO_OK)
        << octavo_last_error();
    EXPECT_EQ(a.given, expected);
  });
}

TEST_P(CApiOps, TheQuantizeFamily) {
  std::vector<float> x = random_floats(kN, 3), expected_floats(kN), floats(kN);
  x[5] = std::nanf("");
  for_each_types([&](int32_t x_type, int32_t, int32_t y_type) {
    const octavo_output output = output_of(y_type);
    std::vector<uint8_t> expected(kN), y(kN);
    quantize(ops_, x.data(), kN, 0.013f, kRange, expected.data());
    ASSERT_EQ(octavo_quantize(&context_, kN, x.data(), 0.013f, &output, y.data()), OCTAVO_OK);
    EXPECT_EQ(y, flipped_if(expected, y_type == OCTAVO_S8));

    Operand q(kN, 4, x_type, 0.37f);
    dequantize(ops_, q.u8.data(), kN, 0.37f, q.zero_point, expected_floats.data());
    ASSERT_EQ(octavo_dequantize(&context_, kN, &q.input, floats.data()), OCTAVO_OK);
    EXPECT_EQ(floats, expected_floats);

    requantize_u8(ops_, q.u8.data(), kN, q.zero_point, 0.37f, kRange, expected.data());
    ASSERT_EQ(octavo_requantize(&context_, kN, &q.input, &output, q.given.data()), OCTAVO_OK);
    EXPECT_EQ(q.given, flipped_if(expected, y_type == OCTAVO_S8));
  });
}

TEST_P(CApiOps, RequantizeS32) {
  constexpr size_t kRows = 9, kCols = 31;
  const std::vector<int32_t> acc = random_bias(kRows * kCols, 5);
  const std::vector<float> multiplier = random_multipliers(kCols, 40, 6);
  for (int32_t type : {OCTAVO_U8, OCTAVO_S8}) {
    const octavo_output output = output_of(type);
    std::vector<uint8_t> expected(acc.size()), y(acc.size());
    requantize_s32(ops_, acc.data(), kRows, kCols, multiplier.data(), kRange, expected.data());
    ASSERT_EQ(octavo_requantize_s32(&context_, kRows, kCols, acc.data(), multiplier.data(), &output,
                                    y.data()),
              OCTAVO_OK);
    EXPECT_EQ(y, flipped_if(expected, type == OCTAVO_S8));
  }
}

TEST_P(CApiOps, LookupTakesBits) {
  const std::vector<uint8_t> table = random_bytes<uint8_t>(256, 7);
  std::vector<uint8_t> x = random_bytes<uint8_t>(kN, 8), expected(kN);
  for (size_t i = 0; i < kN; ++i) expected[i] = table[x[i]];
  ASSERT_EQ(octavo_lookup(&context_, kN, table.data(), x.data(), x.data()), OCTAVO_OK);
  EXPECT_EQ(x, expected);
}

octavo_pool2d_desc pool_desc() {
  octavo_pool2d_desc desc = zeroed<octavo_pool2d_desc>();
  desc.batch = 2;
  desc.h = 9;
  desc.w = 8;
  desc.channels = 21;
  desc.kernel_h = desc.kernel_w = 3;
  desc.stride_h = desc.stride_w = 2;
  desc.pad_top = desc.pad_right = 1;
  return desc;
}

PoolShape pool_shape(const octavo_pool2d_desc& desc) {
  PoolShape shape;
  shape.batch = desc.batch;
  shape.in_h = desc.h;
  shape.in_w = desc.w;
  shape.channels = desc.channels;
  shape.kernel_h = shape.kernel_w = 3;
  shape.stride_h = shape.stride_w = 2;
  shape.padding = {.top = 1, .left = 0, .bottom = 0, .right = 1};
  const Extent2d out = pool_output_size(shape, desc.ceil_mode != 0);
  shape.out_h = out.h;
  shape.out_w = out.w;
  return shape;
}

TEST_P(CApiOps, Pools) {
  octavo_pool2d_desc desc = pool_desc();
  for_each_types([&](int32_t x_type, int32_t flags, int32_t y_type) {
    desc.ceil_mode = flags;
    desc.count_include_pad = 1 - flags;
    const PoolShape shape = pool_shape(desc);
    size_t oh = 0, ow = 0;
    ASSERT_EQ(octavo_pool2d_output_size(&desc, &oh, &ow), OCTAVO_OK);
    ASSERT_EQ(oh, shape.out_h);
    ASSERT_EQ(ow, shape.out_w);
    const size_t size = shape.batch * oh * ow * shape.channels;
    Operand x(desc.batch * desc.h * desc.w * desc.channels, 9, x_type, 0.8f);
    std::vector<uint8_t> expected(size), y(size);
    max_pool2d(ops_, shape, x.u8.data(), expected.data());
    ASSERT_EQ(octavo_max_pool2d(&context_, &desc, x_type, x.given.data(), y.data()), OCTAVO_OK);
    EXPECT_EQ(y, flipped_if(expected, x_type == OCTAVO_S8));

    const octavo_output output = output_of(y_type);
    avg_pool2d(ops_, shape, flags == 0, {x.zero_point, 0.8f, kRange}, x.u8.data(), expected.data());
    ASSERT_EQ(octavo_avg_pool2d(&context_, &desc, &x.input, &output, y.data()), OCTAVO_OK);
    EXPECT_EQ(y, flipped_if(expected, y_type == OCTAVO_S8));
  });
}

TEST_P(CApiOps, AKernelOfZeroIsAGlobalPool) {
  octavo_pool2d_desc desc = zeroed<octavo_pool2d_desc>();
  desc.batch = 1;
  desc.h = 2;
  desc.w = 3;
  desc.channels = 1;
  const uint8_t x[] = {1, 2, 3, 4, 5, 9};
  const octavo_input input = {x, OCTAVO_U8, 0, 1.0f};
  const octavo_output output = {OCTAVO_U8, 0, 0, 255};
  uint8_t y = 0;
  ASSERT_EQ(octavo_avg_pool2d(&context_, &desc, &input, &output, &y), OCTAVO_OK);
  EXPECT_EQ(y, 4);
  ASSERT_EQ(octavo_max_pool2d(&context_, &desc, OCTAVO_U8, x, &y), OCTAVO_OK);
  EXPECT_EQ(y, 9);
}

INSTANTIATE_TEST_SUITE_P(Backends, CApiOps, ::testing::ValuesIn(supported_backends()),
                         [](const auto& info) { return std::string(info.param->name); });

TEST(CApiMultiplier, IsRoundedOnceInAnyRoundingMode) {
  const float expected = requantize_multiplier(0.1f, 0.003f, 0.7f);
  EXPECT_EQ(octavo_multiplier(0.1f, 0.003f, 0.7f), expected);
  std::fesetround(FE_UPWARD);
  const float upward = octavo_multiplier(0.1f, 0.003f, 0.7f);
  std::fesetround(FE_TONEAREST);
  EXPECT_EQ(upward, expected);
}

}  // namespace
}  // namespace octavo::testing

// Pooling against plain loops, on every backend.
#include <gtest/gtest.h>

#include "base/status.h"
#include "naive.h"
#include "ops/pool.h"

namespace octavo::testing {
namespace {

PoolShape shape_of(size_t channels, size_t in, size_t kernel, size_t stride, size_t padding,
                   bool ceil_mode = false, size_t dilation = 1) {
  PoolShape s;
  s.batch = 2;
  s.in_h = in;
  s.in_w = in + 2;
  s.channels = channels;
  s.kernel_h = s.kernel_w = kernel;
  s.stride_h = s.stride_w = stride;
  s.dilation_h = s.dilation_w = dilation;
  s.padding = {padding, padding, padding, padding};
  const Extent2d out = pool_output_size(s, ceil_mode);
  s.out_h = out.h;
  s.out_w = out.w;
  return s;
}

std::vector<PoolShape> shapes() {
  std::vector<PoolShape> all;
  for (size_t channels : {1, 3, 16, 63, 64, 65, 130}) {
    all.push_back(shape_of(channels, 7, 2, 2, 0));
    all.push_back(shape_of(channels, 7, 3, 2, 1));
    all.push_back(shape_of(channels, 6, 3, 2, 1, true));
  }
  all.push_back(shape_of(8, 9, 3, 1, 1, false, 2));
  all.push_back(shape_of(8, 5, 3, 3, 2));
  PoolShape uneven = shape_of(5, 6, 3, 1, 0);
  uneven.padding = {0, 2, 1, 0};
  const Extent2d out = pool_output_size(uneven, false);
  uneven.out_h = out.h;
  uneven.out_w = out.w;
  all.push_back(uneven);
  PoolShape global = shape_of(70, 7, 7, 1, 0);
  global.kernel_w = global.in_w;
  global.out_w = 1;
  all.push_back(global);
  return all;
}

struct Window {
  std::vector<size_t> pixels;  // of the tensor, that exist
  size_t padded = 0;           // positions inside the padded image
};

Window window_of(const PoolShape& s, size_t out_pixel) {
  const size_t ox = out_pixel % s.out_w, oy = out_pixel / s.out_w % s.out_h;
  const size_t image = out_pixel / s.out_w / s.out_h;
  Window window;
  for (size_t ky = 0; ky < s.kernel_h; ++ky) {
    for (size_t kx = 0; kx < s.kernel_w; ++kx) {
      const size_t y = oy * s.stride_h + ky * s.dilation_h;
      const size_t x = ox * s.stride_w + kx * s.dilation_w;
      if (y >= s.padding.top + s.in_h + s.padding.bottom) continue;
      if (x >= s.padding.left + s.in_w + s.padding.right) continue;
      ++window.padded;
      if (y < s.padding.top || y >= s.padding.top + s.in_h) continue;
      if (x < s.padding.left || x >= s.padding.left + s.in_w) continue;
      window.pixels.push_back((image * s.in_h + y - s.padding.top) * s.in_w + x - s.padding.left);
    }
  }
  return window;
}

size_t in_size(const PoolShape& s) { return s.batch * s.in_h * s.in_w * s.channels; }
size_t out_size(const PoolShape& s) { return s.batch * s.out_h * s.out_w * s.channels; }

class PoolTest : public ::testing::TestWithParam<const Backend*> {
 protected:
  Context context(size_t threads) const { return make_context(*GetParam(), threads); }
};

TEST_P(PoolTest, MaxEqualsTheLoops) {
  for (const PoolShape& s : shapes()) {
    const auto x = random_bytes<uint8_t>(in_size(s), 1);
    const auto xf = random_floats(in_size(s), 2);
    std::vector<uint8_t> y(out_size(s)), expected(out_size(s));
    std::vector<float> yf(out_size(s)), expected_f(out_size(s));
    for (size_t i = 0; i < expected.size(); ++i) {
      const size_t c = i % s.channels;
      expected_f[i] = -INFINITY;
      for (size_t pixel : window_of(s, i / s.channels).pixels) {
        expected[i] = std::max(expected[i], x[pixel * s.channels + c]);
        expected_f[i] = std::max(expected_f[i], xf[pixel * s.channels + c]);
      }
    }
    max_pool2d(context(1), s, x.data(), y.data());
    EXPECT_EQ(y, expected);
    max_pool2d(context(3), s, x.data(), y.data());
    EXPECT_EQ(y, expected);
    max_pool2d_f32(context(1), s, xf.data(), yf.data());
    EXPECT_EQ(yf, expected_f);
  }
}

TEST_P(PoolTest, AverageEqualsTheLoops) {
  for (const PoolShape& s : shapes()) {
    for (bool include : {false, true}) {
      const auto x = random_bytes<uint8_t>(in_size(s), 3);
      const auto xf = random_floats(in_size(s), 4);
      const AvgPoolQuant quant = {100, 1.25f, {90, 3, 250}};
      std::vector<uint8_t> y(out_size(s)), expected(out_size(s));
      std::vector<float> yf(out_size(s)), expected_f(out_size(s));
      for (size_t i = 0; i < expected.size(); ++i) {
        const size_t c = i % s.channels;
        const Window window = window_of(s, i / s.channels);
        const double count = static_cast<double>(include ? window.padded : window.pixels.size());
        int32_t sum = 0;
        float sum_f = -0.0f;
        for (size_t pixel : window.pixels) {
          sum += x[pixel * s.channels + c] - quant.x_zero_point;
          sum_f += xf[pixel * s.channels + c];
        }
        const auto multiplier = static_cast<float>(double{quant.multiplier} / count);
        expected[i] = quantize_step(static_cast<float>(sum) * multiplier, quant.range);
        expected_f[i] = sum_f / static_cast<float>(count);
      }
      for (size_t threads : {1, 4}) {
        avg_pool2d(context(threads), s, include, quant, x.data(), y.data());
        EXPECT_EQ(y, expected) << "include " << include;
        avg_pool2d_f32(context(threads), s, include, xf.data(), yf.data());
        EXPECT_EQ(yf, expected_f) << "include " << include;
      }
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Backends, PoolTest, ::testing::ValuesIn(supported_backends()),
                         [](const auto& info) { return std::string(info.param->name); });

TEST(PoolShapeTest, OutputSizes) {
  auto size = [](size_t in, size_t kernel, size_t stride, size_t padding, bool ceil_mode) {
    PoolShape s;
    s.in_h = s.in_w = in;
    s.kernel_h = s.kernel_w = kernel;
    s.stride_h = s.stride_w = stride;
    s.padding = {padding, padding, padding, padding};
    return pool_output_size(s, ceil_mode).h;
  };
  EXPECT_EQ(size(7, 2, 2, 0, false), 3u);
  EXPECT_EQ(size(7, 2, 2, 0, true), 4u);
  EXPECT_EQ(size(112, 3, 2, 1, false), 56u);
  EXPECT_EQ(size(6, 3, 2, 1, true), 4u);
  EXPECT_EQ(size(4, 1, 3, 1, true), 2u) << "a window that would start in the far padding";
  EXPECT_EQ(size(2, 5, 1, 0, false), 0u);
}

TEST(PoolShapeTest, WindowsWithoutPixelsAreRefused) {
  const Context context = make_context(all_backends().back(), 1);
  const std::vector<uint8_t> x(10000);
  std::vector<uint8_t> y(10000);
  auto refuses = [&](auto change) {
    PoolShape s = shape_of(3, 7, 3, 2, 1);
    change(s);
    try {
      max_pool2d(context, s, x.data(), y.data());
    } catch (const Error&) {
      return true;
    }
    return false;
  };
  EXPECT_FALSE(refuses([](PoolShape&) {}));
  EXPECT_TRUE(refuses([](PoolShape& s) { s.padding.top = 3; }));
  EXPECT_TRUE(refuses([](PoolShape& s) { s.out_h += 1; }));
  EXPECT_TRUE(refuses([](PoolShape& s) { s.out_w = 0; }));
  EXPECT_TRUE(refuses([](PoolShape& s) { s.channels = 0; }));
  EXPECT_TRUE(refuses([](PoolShape& s) { s.in_h = 0; }));
  EXPECT_TRUE(refuses([](PoolShape& s) { s.stride_h = 0; }));
  EXPECT_TRUE(refuses([](PoolShape& s) { s.kernel_w = 0; }));
  EXPECT_TRUE(refuses([](PoolShape& s) { s.batch = SIZE_MAX / 8; }));
  EXPECT_TRUE(refuses([](PoolShape& s) {
    // Taps 0, 2, 4 of a window around a single pixel at 3.
    s.in_h = 1;
    s.padding.top = s.padding.bottom = 3;
    s.dilation_h = 2;
    s.stride_h = 1;
    s.out_h = 3;
  })) << "a dilated window that misses the image";
}

}  // namespace
}  // namespace octavo::testing

// Elementwise micro-kernels of every backend against the formulas of contract.h: all vector tails,
// extremes, ties, guard pages on both sides of every buffer.
#include "kernel_test.h"

namespace octavo::testing {
namespace {

class Elementwise : public KernelTest {};
OCTAVO_INSTANTIATE_FOR_BACKENDS(Elementwise);

// Ties of both signs, odd and even, and everything that is not an ordinary number.
std::vector<float> special_inputs(float scale) {
  std::vector<float> x = {kNan,    -kNan,    kInf,          -kInf,          0.0f,
                          -0.0f,   1e-40f,   -1e-40f,       0x1p-149f,      0x1p-126f,
                          3.4e38f, -3.4e38f, 2147483648.0f, -2147483904.0f, kSignallingNan};
  for (int k = -300; k <= 300; k += k > -6 && k < 6 ? 1 : 7) {
    x.push_back((static_cast<float>(k) + 0.5f) * scale);
    x.push_back(std::nextafter((static_cast<float>(k) + 0.5f) * scale, kInf));
    x.push_back(std::nextafter((static_cast<float>(k) + 0.5f) * scale, -kInf));
  }
  return x;
}

TEST_P(Elementwise, QuantizeDividesRoundsHalfToEvenAndClamps) {
  Random random(1);
  for (const float scale : {1.0f, 0.5f, 0.1f, 0x1p-20f, 0x1p20f, 1e-40f, 0x1p-126f, 3e38f}) {
    const std::vector<float> special = special_inputs(scale);
    for (const size_t n : lengths()) {
      for (const Guard guard : kGuards) {
        const Range range = random.pick<Range>(kRanges);
        size_t next = random.bits() % special.size();
        const auto x = guarded<float>(n, guard, [&] {
          next = (next + 1) % special.size();
          return random.bits() % 2 == 0 ? special[next] : random.uniform(-300, 300) * scale;
        });
        OutputGrid<uint8_t> y(1, n, n + 1, guard);
        table().quantize_u8.run(x.data(), n, scale, range.requant(), y.data());
        y.expect([&](size_t, size_t i) { return reference_quantize(x[i] / scale, range); });
        if (HasFatalFailure()) FAIL() << "n " << n << ", scale " << scale;
      }
    }
  }
}

TEST_P(Elementwise, QuantizeOfNanGivesTheLowestValue) {
  for (const Range& range : kRanges) {
    for (const float nan : {kNan, -kNan, kSignallingNan}) {
      const std::vector<float> x(67, nan);
      std::vector<uint8_t> y(67, 77);
      table().quantize_u8.run(x.data(), x.size(), 0.5f, range.requant(), y.data());
      EXPECT_EQ(y, std::vector<uint8_t>(67, static_cast<uint8_t>(range.qmin)));
    }
  }
}

TEST_P(Elementwise, QuantizeTiesGoToTheEvenInteger) {
  const std::vector<float> x = {0.5f, 1.5f, 2.5f, 3.5f, -0.5f, -1.5f, -2.5f, -3.5f, 126.5f, 127.5f};
  const std::vector<uint8_t> expected = {128, 130, 130, 132, 128, 126, 126, 124, 254, 255};
  std::vector<uint8_t> y(x.size());
  table().quantize_u8.run(x.data(), x.size(), 1.0f, Range{128, 0, 255}.requant(), y.data());
  EXPECT_EQ(y, expected);
}

TEST_P(Elementwise, Dequantize) {
  Random random(2);
  for (const size_t n : lengths()) {
    for (const Guard guard : kGuards) {
      for (const int32_t zero_point : {0, 1, 127, 128, 255}) {
        const float scale = random.multiplier();
        const auto x = guarded<uint8_t>(n, guard, [&] { return random.activation(); });
        OutputGrid<float> y(1, n, n + 1, guard);
        table().dequantize_u8.run(x.data(), n, scale, zero_point, y.data());
        y.expect([&](size_t, size_t i) { return static_cast<float>(x[i] - zero_point) * scale; });
        if (HasFatalFailure()) FAIL() << "n " << n << ", scale " << scale;
      }
    }
  }
}

TEST_P(Elementwise, RequantizeBytes) {
  Random random(3);
  std::vector<size_t> lengths_and_long = lengths();
  lengths_and_long.erase(lengths_and_long.begin());
  lengths_and_long.insert(lengths_and_long.end(), {700, 1024, 1100, 2063});
  for (const size_t n : lengths_and_long) {
    for (const Guard guard : kGuards) {
      for (const Range& range : kRanges) {
        const int32_t zero_point = random.activation();
        const float multiplier = random.multiplier();
        const size_t rows = 1 + random.bits() % 3, ldx = n + random.bits() % 3;
        const auto x =
            guarded<uint8_t>((rows - 1) * ldx + n, guard, [&] { return random.activation(); });
        OutputGrid<uint8_t> y(rows, n, n + 1, guard);
        table().requantize_u8.run(x.data(), ldx, rows, n, zero_point, multiplier, range.requant(),
                                  y.data(), y.ld());
        y.expect([&](size_t i, size_t j) {
          const auto centered = static_cast<float>(x[i * ldx + j] - zero_point);
          return reference_quantize(centered * multiplier, range);
        });
        if (HasFatalFailure()) FAIL() << "n " << n << ", multiplier " << multiplier;
      }
    }
  }
}

TEST_P(Elementwise, AddBytes) {
  Random random(4);
  for (const size_t n : lengths()) {
    for (const Guard guard : kGuards) {
      for (const Range& range : kRanges) {
        const auto xa = guarded<uint8_t>(n, guard, [&] { return random.activation(); });
        const auto xb = guarded<uint8_t>(n, guard, [&] { return random.activation(); });
        const AddOperand a = {xa.data(), random.multiplier(), random.activation()};
        const AddOperand b = {xb.data(), random.multiplier(), random.activation()};
        OutputGrid<uint8_t> y(1, n, n + 1, guard);
        table().add_u8.run(a, b, n, range.requant(), y.data());
        y.expect([&](size_t, size_t i) {
          const float scaled = static_cast<float>(xa[i] - a.zero_point) * a.multiplier;
          const float other = static_cast<float>(xb[i] - b.zero_point);
          return reference_quantize(std::fma(other, b.multiplier, scaled), range);
        });
        if (HasFatalFailure()) FAIL() << "n " << n;
      }
    }
  }
}

// A separate multiply and add would round the product, and miss a tie that the fused one sees.
TEST_P(Elementwise, AddIsFused) {
  const std::vector<uint8_t> xa = {1, 2, 3, 255};
  const std::vector<uint8_t> xb = {3, 5, 7, 255};
  std::vector<uint8_t> fused(4), y(4);
  bool distinguishes = false;
  Random random(5);
  for (int trial = 0; trial < 20000; ++trial) {
    const float ma = random.uniform(0.1f, 0.9f);
    const float mb = (0.5f - static_cast<float>(xa[1]) * ma) / static_cast<float>(xb[1]);
    table().add_u8.run({xa.data(), ma, 0}, {xb.data(), mb, 0}, 4, Range{9, 0, 255}.requant(),
                       y.data());
    for (size_t i = 0; i < 4; ++i) {
      const float va = static_cast<float>(xa[i]) * ma;
      const float product = static_cast<float>(xb[i]) * mb;
      fused[i] = reference_quantize(std::fma(static_cast<float>(xb[i]), mb, va), {9, 0, 255});
      distinguishes |= reference_quantize(product + va, {9, 0, 255}) != fused[i];
    }
    ASSERT_EQ(y, fused);
  }
  EXPECT_TRUE(distinguishes);
}

// Without and with a residual whose rows have their own leading dimension.
TEST_P(Elementwise, RequantizeSums) {
  Random random(6);
  for (const size_t cols : lengths()) {
    for (const bool with_residual : {false, true}) {
      for (const Guard guard : kGuards) {
        for (const Range& range : kRanges) {
          const size_t rows = 1 + random.bits() % 4;
          const size_t ld_acc = cols + random.bits() % 3;
          const size_t ld_r = cols + random.bits() % 5;
          const auto acc = guarded<int32_t>((rows - 1) * ld_acc + cols, guard,
                                            [&] { return random.accumulator(); });
          const auto r = guarded<uint8_t>((rows - 1) * ld_r + cols, guard,
                                          [&] { return random.activation(); });
          const auto multiplier = guarded<float>(cols, guard, [&] { return random.multiplier(); });
          const Residual residual = {with_residual ? r.data() : nullptr, ld_r, random.multiplier(),
                                     random.activation()};
          OutputGrid<uint8_t> c(rows, cols, cols + 1 + random.bits() % 3, guard);
          table().requantize_s32.run(acc.data(), ld_acc, rows, cols, multiplier.data(),
                                     range.requant(), residual, c.data(), c.ld());
          c.expect([&](size_t i, size_t j) {
            float v = static_cast<float>(acc[i * ld_acc + j]) * multiplier[j];
            if (with_residual) {
              const int32_t centered = r[i * ld_r + j] - residual.zero_point;
              v = std::fma(static_cast<float>(centered), residual.multiplier, v);
            }
            return reference_quantize(v, range);
          });
          if (HasFatalFailure()) FAIL() << "rows " << rows << ", cols " << cols;
        }
      }
    }
  }
}

// Rows of a with their own leading dimension against one row of b.
TEST_P(Elementwise, MulBytes) {
  Random random(7);
  for (const size_t cols : lengths()) {
    for (const Guard guard : kGuards) {
      for (const Range& range : kRanges) {
        const size_t rows = 1 + random.bits() % 3;
        const size_t ld = cols + random.bits() % 3;
        const auto a =
            guarded<uint8_t>((rows - 1) * ld + cols, guard, [&] { return random.activation(); });
        const auto b = guarded<uint8_t>(cols, guard, [&] { return random.activation(); });
        const MulTile tile = {
            a.data(),           b.data(), ld, rows, cols, random.activation(), random.activation(),
            random.multiplier()};
        OutputGrid<uint8_t> y(rows, cols, ld, guard);
        table().mul_u8.run(tile, range.requant(), y.data());
        y.expect([&](size_t i, size_t j) {
          const int32_t product = (a[i * ld + j] - tile.a_zero_point) * (b[j] - tile.b_zero_point);
          return reference_quantize(static_cast<float>(product) * tile.multiplier, range);
        });
        if (HasFatalFailure()) FAIL() << "rows " << rows << ", cols " << cols;
      }
    }
  }
}

TEST_P(Elementwise, LookupTakesEveryByteToItsEntry) {
  Random random(8);
  for (const size_t n : lengths()) {
    for (const Guard guard : kGuards) {
      const auto entries = guarded<uint8_t>(256, guard, [&] { return random.byte(); });
      size_t next = random.bits();
      const auto x = guarded<uint8_t>(n, guard, [&] { return static_cast<uint8_t>(next++); });
      OutputGrid<uint8_t> y(1, n, n + 1, guard);
      table().lookup_u8.run(x.data(), n, entries.data(), y.data());
      y.expect([&](size_t, size_t i) { return entries[x[i]]; });
      if (HasFatalFailure()) FAIL() << "n " << n;
      auto in_place = guarded<uint8_t>(n, guard, [&] { return static_cast<uint8_t>(next++); });
      const std::vector<uint8_t> before(in_place.begin(), in_place.end());
      table().lookup_u8.run(in_place.data(), n, entries.data(), in_place.data());
      for (size_t i = 0; i < n; ++i) ASSERT_EQ(in_place[i], entries[before[i]]) << i << " of " << n;
    }
  }
}

}  // namespace
}  // namespace octavo::testing

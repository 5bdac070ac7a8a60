// The float GEMM micro-kernel of every backend against the sequential sum of fused steps, bit for
// bit: every tile height and width, segments, clamps, special values, guard pages.
#include "kernel_test.h"

namespace octavo::testing {
namespace {

class GemmF32 : public KernelTest {};
OCTAVO_INSTANTIATE_FOR_BACKENDS(GemmF32);

struct Shape {
  size_t rows;
  size_t cols;
  size_t segments;
  size_t segment_k;
};

template <class Make>
void check(const KernelTable& table, const Shape& shape, float lo, float hi, Random& random,
           Make value) {
  const auto [rows, cols, segments, segment_k] = shape;
  SCOPED_TRACE(::testing::Message()
               << rows << " x " << cols << ", segments " << segments << " of " << segment_k);
  const size_t nr = table.gemm_f32_nr;
  const Guard guard = kGuards[random.bits() % 2];

  std::vector<GuardedBuffer<float>> a_rows;
  for (size_t r = 0; r < rows + 3; ++r) a_rows.push_back(guarded<float>(segment_k, guard, value));
  const auto a = guarded<const float*>(
      segments * rows, guard, [&] { return a_rows[random.bits() % a_rows.size()].data(); });
  auto panel = guarded<float>(nr + segments * segment_k * nr, guard, value);
  for (size_t at = 0; at < panel.size(); ++at) {
    if (at % nr >= cols) panel[at] = 0.0f;  // columns that do not exist
  }

  OutputGrid<float> c(rows, cols, cols + random.bits() % 5, guard);
  table.gemm_f32.run({a.data(), rows, segments, segment_k, panel.data(), cols, lo, hi}, c.data(),
                     c.ld());
  c.expect([&, rows = rows, segments = segments, segment_k = segment_k](size_t i, size_t j) {
    float sum = panel[j];
    for (size_t s = 0; s < segments; ++s) {
      for (size_t k = 0; k < segment_k; ++k) {
        sum = std::fma(a[s * rows + i][k], panel[nr + (s * segment_k + k) * nr + j], sum);
      }
    }
    return std::min(std::max(sum, lo), hi);
  });
}

TEST_P(GemmF32, EveryTileEqualsSequentialFma) {
  Random random(1);
  for (size_t rows = 1; rows <= table().gemm_f32_mr; ++rows) {
    for (size_t cols = 1; cols <= table().gemm_f32_nr; ++cols) {
      for (const size_t segments : {1, 2, 9}) {
        for (const size_t segment_k : {1, 2, 3, 7, 16}) {
          check(table(), {rows, cols, segments, segment_k}, -kInf, kInf, random,
                [&] { return random.uniform(-2, 2); });
          if (HasFailure()) return;
        }
      }
    }
  }
}

TEST_P(GemmF32, DeepSumsKeepTheOrder) {
  Random random(2);
  for (const size_t segment_k : {1000, 4097}) {
    check(table(), {table().gemm_f32_mr, table().gemm_f32_nr, 1, segment_k}, -kInf, kInf, random,
          [&] { return std::ldexp(random.uniform(-2, 2), static_cast<int>(random.bits() % 30)); });
    if (HasFailure()) return;
  }
}

TEST_P(GemmF32, ClampsAndSpecialValues) {
  Random random(3);
  const auto value = [&] {
    static constexpr float kExtremes[] = {0.0f,   -0.0f, 1e-40f, -1e-40f, 1e30f,
                                          -1e30f, kInf,  -kInf,  kNan};
    return random.bits() % 8 == 0 ? random.pick<float>(kExtremes) : random.uniform(-2, 2);
  };
  for (int trial = 0; trial < 300; ++trial) {
    const Shape shape = {1 + random.bits() % table().gemm_f32_mr,
                         1 + random.bits() % table().gemm_f32_nr, 1 + random.bits() % 3,
                         1 + random.bits() % 5};
    for (const auto& [lo, hi] :
         {std::pair{-kInf, kInf}, {0.0f, kInf}, {0.0f, 6.0f}, {-1.0f, 1.0f}}) {
      check(table(), shape, lo, hi, random, value);
      if (HasFailure()) return;
    }
  }
}

TEST_P(GemmF32, ReluKeepsNanAndPassesNegativeZero) {
  const float one = 1.0f;
  const float* a[] = {&one};
  std::vector<float> panel(2 * table().gemm_f32_nr, 0.0f);
  std::vector<float> c(2);
  panel[0] = kNan;
  panel[1] = -0.0f;
  panel[table().gemm_f32_nr + 1] = -0.0f;
  table().gemm_f32.run({a, 1, 1, 1, panel.data(), 2, 0.0f, kInf}, c.data(), 2);
  EXPECT_TRUE(std::isnan(c[0]));
  EXPECT_TRUE(same_bits(c[1], -0.0f));
}

}  // namespace
}  // namespace octavo::testing

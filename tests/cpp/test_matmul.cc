// Products of two computed matrices against plain loops, on every backend, between guard pages.
#include <gtest/gtest.h>

#include "base/status.h"
#include "guarded.h"
#include "naive.h"
#include "ops/matmul.h"

namespace octavo::testing {
namespace {

constexpr size_t kBatch = 2;

struct Problem {
  MatMulShape shape;
  size_t a_elements;
  size_t b_elements;
  size_t c_elements;
};

// Heads one after the other, or side by side in every row.
Problem problem(size_t heads, size_t m, size_t n, size_t k, bool transposed, bool interleaved) {
  const size_t b_rows = transposed ? n : k, b_cols = transposed ? k : n;
  const auto strides = [&](size_t rows, size_t cols) {
    return interleaved ? MatrixStrides{cols, heads * cols} : MatrixStrides{rows * cols, cols};
  };
  return {{heads, m, n, k, strides(m, k), strides(b_rows, b_cols), strides(m, n), transposed},
          heads * m * k,
          heads * k * n,
          heads * m * n};
}

template <class T>
const T& b_at(const MatMulShape& s, const T* b, size_t h, size_t k, size_t j) {
  return b[h * s.b.head + (s.b_transposed ? j * s.b.row + k : k * s.b.row + j)];
}

// Each output element from `sum(a row, head, column)`.
template <class T, class Sum>
std::vector<T> naive(const Problem& p, const T* a, const T* b, const Sum& sum) {
  const MatMulShape& s = p.shape;
  std::vector<T> c(kBatch * p.c_elements);
  for (size_t sample = 0; sample < kBatch; ++sample) {
    for (size_t h = 0; h < s.heads; ++h) {
      for (size_t i = 0; i < s.m; ++i) {
        const T* row = a + sample * p.a_elements + h * s.a.head + i * s.a.row;
        T* out = c.data() + sample * p.c_elements + h * s.c.head + i * s.c.row;
        for (size_t j = 0; j < s.n; ++j) out[j] = sum(row, b + sample * p.b_elements, h, j);
      }
    }
  }
  return c;
}

std::vector<Problem> problems() {
  std::vector<Problem> all;
  for (const bool transposed : {false, true}) {
    for (const bool interleaved : {false, true}) {
      for (const size_t n : {1u, 15u, 64u, 65u, 130u}) {
        for (const size_t k : {1u, 3u, 4u, 64u, 67u}) {
          all.push_back(problem(3, 7, n, k, transposed, interleaved));
        }
      }
      all.push_back(problem(1, 29, 33, 10, transposed, interleaved));
    }
  }
  return all;
}

class MatMulTest : public ::testing::TestWithParam<const Backend*> {
 protected:
  std::vector<Context> contexts() const {
    return {make_context(*GetParam(), 1), make_context(*GetParam(), 3)};
  }
};

TEST_P(MatMulTest, BytesEqualPlainLoops) {
  const std::pair<int32_t, int32_t> zero_points[] = {{0, 128}, {255, 0}, {3, 255}, {128, 1}};
  for (const Problem& p : problems()) {
    for (const auto& [a_zero, b_zero] : zero_points) {
      const MatMulQuant quant = {a_zero, b_zero, 0.003f, {99, 5, 250}};
      const auto a_values = random_bytes<uint8_t>(kBatch * p.a_elements, 1);
      const auto b_values = random_bytes<uint8_t>(kBatch * p.b_elements, 2);
      const auto expected =
          naive(p, a_values.data(), b_values.data(),
                [&, a_zero = a_zero, b_zero = b_zero](const uint8_t* row, const uint8_t* b,
                                                      size_t h, size_t j) {
                  int32_t acc = 0;
                  for (size_t k = 0; k < p.shape.k; ++k) {
                    acc += (row[k] - a_zero) * (b_at(p.shape, b, h, k, j) - b_zero);
                  }
                  return quantize_step(static_cast<float>(acc) * quant.multiplier, quant.range);
                });
      for (const Guard guard : {Guard::before, Guard::after}) {
        const GuardedBuffer<uint8_t> a(a_values, guard), b(b_values, guard);
        for (const Context& context : contexts()) {
          GuardedBuffer<uint8_t> c(expected.size(), guard);
          matmul(context, p.shape, quant, kBatch,
                 {a.data(), p.a_elements, b.data(), p.b_elements, c.data(), p.c_elements});
          ASSERT_TRUE(std::equal(c.begin(), c.end(), expected.begin()))
              << "n " << p.shape.n << " k " << p.shape.k << " zero points " << a_zero << ", "
              << b_zero;
          ASSERT_TRUE(c.slack_intact());
        }
      }
    }
  }
}

TEST_P(MatMulTest, LargestProductsDoNotWrap) {
  constexpr size_t k = kMaxKMatMul;
  const Problem p = problem(1, 1, 1, k, true, false);
  for (const auto& [a, b, q] : {std::tuple{255, 255, 255}, {0, 255, 0}, {255, 0, 0}, {0, 0, 255}}) {
    const std::vector<uint8_t> x(k, static_cast<uint8_t>(a)), w(k, static_cast<uint8_t>(b));
    const MatMulQuant quant = {255 - a, 255 - b, 1.0f, {128, 0, 255}};
    uint8_t y = 1;
    for (const Context& context : contexts()) {
      matmul(context, p.shape, quant, 1, {x.data(), k, w.data(), k, &y, 1});
      EXPECT_EQ(y, q);
    }
  }
}

TEST_P(MatMulTest, FloatsEqualPlainLoops) {
  for (const Problem& p : problems()) {
    const auto a_values = random_floats(kBatch * p.a_elements, 1);
    const auto b_values = random_floats(kBatch * p.b_elements, 2);
    const auto expected = naive(p, a_values.data(), b_values.data(),
                                [&](const float* row, const float* b, size_t h, size_t j) {
                                  float acc = 0.0f;
                                  for (size_t k = 0; k < p.shape.k; ++k) {
                                    acc = std::fma(row[k], b_at(p.shape, b, h, k, j), acc);
                                  }
                                  return acc;
                                });
    const GuardedBuffer<float> a(a_values, Guard::after), b(b_values, Guard::after);
    for (const Context& context : contexts()) {
      GuardedBuffer<float> c(expected.size());
      matmul_f32(context, p.shape, kBatch,
                 {a.data(), p.a_elements, b.data(), p.b_elements, c.data(), p.c_elements});
      ASSERT_TRUE(std::equal(c.begin(), c.end(), expected.begin()));
    }
  }
}

TEST_P(MatMulTest, OperandsBeyondTheirTensorsAreRefused) {
  const Problem good = problem(2, 3, 4, 5, false, false);
  const std::vector<uint8_t> a(good.a_elements), b(good.b_elements);
  std::vector<uint8_t> c(good.c_elements);
  const auto run = [&](const Problem& p) {
    const MatMulQuant quant = {0, 128, 1.0f, {}};
    matmul(make_context(*GetParam(), 1), p.shape, quant, 1,
           {a.data(), p.a_elements, b.data(), p.b_elements, c.data(), p.c_elements});
  };
  EXPECT_NO_THROW(run(good));
  std::vector<Problem> bad(7, good);
  ++bad[0].shape.a.row;
  ++bad[1].shape.b.head;
  --bad[2].c_elements;
  bad[3].shape.k = kMaxKMatMul + 1;
  bad[4].shape.m = 0;
  bad[5].shape.a.row = SIZE_MAX;
  bad[6].shape.c.head = SIZE_MAX / 2 + 1;
  for (const Problem& p : bad) EXPECT_THROW(run(p), Error);
}

INSTANTIATE_TEST_SUITE_P(Backends, MatMulTest, ::testing::ValuesIn(supported_backends()),
                         [](const auto& info) { return std::string(info.param->name); });

}  // namespace
}  // namespace octavo::testing

#include "ops/strided.h"

#include <cstring>

#include "ops/checks.h"
#include "ops/split.h"

namespace octavo {
namespace {

constexpr size_t kGrainBytes = size_t{1} << 17;

void check_rows(const StridedBytes& x, size_t rows, size_t cols, const uint8_t* y, size_t ldy) {
  check_stride("x.ld", x.ld, cols, rows);
  check_stride("ldy", ldy, cols, rows);
  check_pointer("x", x.x, rows * cols);
  check_pointer("y", y, rows * cols);
}

}  // namespace

void copy_rows(const Context& context, const StridedBytes& x, size_t rows, size_t cols, uint8_t* y,
               size_t ldy) {
  check_rows(x, rows, cols, y, ldy);
  if (cols == 0) return;
  split_rows(context, rows, cols, kGrainBytes,
             [&](size_t i) { std::memcpy(y + i * ldy, x.x + i * x.ld, cols); });
}

void requantize_rows(const Context& context, const StridedBytes& x, size_t rows, size_t cols,
                     int32_t x_zero_point, float multiplier, const QuantRange& range, uint8_t* y,
                     size_t ldy) {
  check_rows(x, rows, cols, y, ldy);
  check_zero_point("x_zero_point", x_zero_point);
  check_multiplier("multiplier", multiplier);
  check_range("output", range);
  const Requant requant = to_requant(range);
  split_parts(context, rows, cols, kGrainBytes, [&](size_t first, size_t count) {
    context.kernels().requantize_u8.run(x.x + first * x.ld, x.ld, count, cols, x_zero_point,
                                        multiplier, requant, y + first * ldy, ldy);
  });
}

void add_rows(const Context& context, const AddInput& a, size_t lda, const AddInput& b, size_t ldb,
              size_t rows, size_t cols, const QuantRange& range, uint8_t* y, size_t ldy) {
  check_rows({a.x, lda}, rows, cols, y, ldy);
  check_rows({b.x, ldb}, rows, cols, y, ldy);
  for (const AddInput* input : {&a, &b}) {
    check_zero_point("zero_point", input->zero_point);
    check_multiplier("multiplier", input->multiplier);
  }
  check_range("output", range);
  const Requant requant = to_requant(range);
  split_rows(context, rows, cols, kGrainBytes, [&](size_t i) {
    const AddOperand left = {a.x + i * lda, a.multiplier, a.zero_point};
    const AddOperand right = {b.x + i * ldb, b.multiplier, b.zero_point};
    context.kernels().add_u8.run(left, right, cols, requant, y + i * ldy);
  });
}

}  // namespace octavo

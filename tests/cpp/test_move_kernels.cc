// Micro-kernels that move elements, of every backend: all tails of their blocks, rows apart, guard
// pages on both sides of every buffer. test_stream.cc and test_reshape.cc have the ops above them.
#include "kernel_test.h"

namespace octavo::testing {
namespace {

class MoveKernels : public KernelTest {};
OCTAVO_INSTANTIATE_FOR_BACKENDS(MoveKernels);

// Around blocks of 4, 8, 16, 32 and 64, and images of few channels.
constexpr size_t kExtents[] = {1,  2,  3,  4,  5,  7,  8,  9,  15, 16, 17, 18,
                               19, 31, 32, 33, 35, 48, 63, 64, 65, 67, 81, 130};

template <class T, class Run>
void expect_transposed(Random& random, size_t rows, size_t cols, const Run& run) {
  for (const Guard guard : kGuards) {
    for (const bool apart : {false, true}) {
      const size_t ldx = cols + (apart ? 1 + random.bits() % 3 : 0);
      const size_t ldy = rows + (apart ? 1 + random.bits() % 3 : 0);
      const auto x =
          guarded<T>((rows - 1) * ldx + cols, guard, [&] { return static_cast<T>(random.bits()); });
      OutputGrid<T> y(cols, rows, ldy, guard);
      run(x.data(), ldx, rows, cols, y.data(), ldy);
      y.expect([&](size_t j, size_t i) { return x[i * ldx + j]; });
      if (::testing::Test::HasFatalFailure()) FAIL() << rows << " x " << cols;
    }
  }
}

TEST_P(MoveKernels, Transpose) {
  Random random(1);
  for (const size_t rows : kExtents) {
    for (const size_t cols : kExtents) {
      expect_transposed<uint8_t>(random, rows, cols, table().transpose_u8.run);
      expect_transposed<uint32_t>(random, rows, cols, table().transpose_u32.run);
      if (HasFatalFailure()) return;
    }
  }
}

TEST_P(MoveKernels, TransposeStream) {
  Random random(2);
  for (const size_t cols : kExtents) {
    for (const Guard guard : kGuards) {
      for (const size_t ldy : {64, 192}) {
        const size_t ldx = cols + random.bits() % 3;
        const auto x = guarded<uint8_t>(63 * ldx + cols, guard, [&] { return random.byte(); });
        OutputGrid<uint8_t> y(cols, 64, ldy, guard);
        table().transpose_stream_u8.run(x.data(), ldx, cols, y.data(), ldy);
        table().stream_fence.run();
        y.expect([&](size_t j, size_t i) { return x[i * ldx + j]; });
        if (HasFatalFailure()) FAIL() << cols << " columns";
      }
    }
  }
}

TEST_P(MoveKernels, StreamCopy) {
  Random random(3);
  for (const size_t bytes : lengths()) {
    if (bytes == 0) continue;
    for (const Guard guard : kGuards) {
      const size_t rows = 1 + random.bits() % 4, ldx = bytes + random.bits() % 3;
      const auto x =
          guarded<uint8_t>((rows - 1) * ldx + bytes, guard, [&] { return random.byte(); });
      OutputGrid<uint8_t> y(rows, bytes, bytes + random.bits() % 70, guard);
      table().stream_copy.run(x.data(), ldx, rows, bytes, y.data(), y.ld());
      table().stream_fence.run();
      y.expect([&](size_t i, size_t j) { return x[i * ldx + j]; });
      if (HasFatalFailure()) FAIL() << bytes << " bytes";
    }
  }
}

}  // namespace
}  // namespace octavo::testing

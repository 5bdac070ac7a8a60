#include "api/tensors.h"

#include <string>

#include "ops/checks.h"
#include "ops/sign.h"
#include "ops/split.h"

namespace octavo::api {
namespace {

void flip_rows(const Context& context, const uint8_t* x, size_t ldx, size_t rows, size_t cols,
               bool flip, uint8_t* y, size_t ldy) {
  constexpr size_t kGrain = size_t{1} << 17;
  if (ldx == cols && ldy == cols) {  // one long row, in parts
    cols *= rows;
    split_range(context, cols, kGrain, [&](size_t begin, size_t count) {
      if (flip) {
        flip_sign(x + begin, count, y + begin);
      } else {
        std::memcpy(y + begin, x + begin, count);
      }
    });
    return;
  }
  split_rows(context, rows, cols, kGrain, [&](size_t i) {
    if (flip) {
      flip_sign(x + i * ldx, cols, y + i * ldy);
    } else {
      std::memcpy(y + i * ldy, x + i * ldx, cols);
    }
  });
}

}  // namespace

bool read_signed(const std::string& name, int32_t dtype) {
  if (dtype != OCTAVO_U8 && dtype != OCTAVO_S8) {
    fail(name, std::to_string(dtype), "OCTAVO_U8 (0) or OCTAVO_S8 (1)");
  }
  return dtype == OCTAVO_S8;
}

int32_t read_zero_point(const std::string& name, int32_t zero_point, bool is_signed) {
  const int32_t least = is_signed ? -kSignShift : 0;
  check_between(name, zero_point, least, least + 255);
  return zero_point - least;
}

QuantRange read_range(const std::string& name, const octavo_output& output) {
  const bool is_signed = read_signed(name + ".dtype", output.dtype);
  const int32_t least = is_signed ? -kSignShift : 0;
  const int32_t zero_point = read_zero_point(name + ".zero_point", output.zero_point, is_signed);
  if (output.qmin == 0 && output.qmax == 0) return {zero_point, 0, 255};
  check_between(name + ".qmin", output.qmin, least, least + 255);
  check_between(name + ".qmax", output.qmax, output.qmin, least + 255);
  return {zero_point, output.qmin - least, output.qmax - least};
}

OutputSpec read_output(const octavo_output& output, const octavo_residual& residual) {
  check_between("desc.residual.present", residual.present, 0, 1);
  OutputSpec spec;
  if (output.dtype == OCTAVO_S32) {
    if (residual.present != 0) fail("desc.residual.present", "1", "0 for OCTAVO_S32");
    return spec;
  }
  spec.range = read_range("desc.output", output);
  if (residual.present == 0) return spec;
  const bool is_signed = read_signed("desc.residual.dtype", residual.dtype);
  check_multiplier("desc.residual.multiplier", residual.multiplier);
  spec.has_residual = true;
  spec.residual_zero_point =
      read_zero_point("desc.residual.zero_point", residual.zero_point, is_signed);
  spec.residual_multiplier = residual.multiplier;
  return spec;
}

InputBytes::InputBytes(const Context& context, const std::string& name, const void* data,
                       size_t rows, size_t cols, const std::string& ld_name, size_t ld,
                       bool is_signed, bool contiguous)
    : data_(static_cast<const uint8_t*>(data)), ld_(ld == 0 ? cols : ld) {
  const size_t size = checked_product(name, {rows, cols});
  check_pointer(name, data, size);
  check_stride(ld_name, ld_, cols, rows);
  const bool gaps = contiguous && ld_ != cols;
  if (size == 0 || (!is_signed && !gaps)) return;
  copy_ = AlignedBuffer(size);
  flip_rows(context, data_, ld_, rows, cols, is_signed, copy_.data(), cols);
  data_ = copy_.data();
  ld_ = cols;
}

InputBytes read_input(const Context& context, const std::string& name, const octavo_input& input,
                      size_t n) {
  const bool is_signed = read_signed(name + ".dtype", input.dtype);
  return {context, name + ".data", input.data, 1, n, "n", 0, is_signed};
}

void finish_output(const Context& context, void* y, size_t rows, size_t cols, size_t ld,
                   bool is_signed) {
  if (!is_signed || rows * cols == 0) return;
  auto* bytes = static_cast<uint8_t*>(y);
  flip_rows(context, bytes, ld, rows, cols, true, bytes, ld);
}

}  // namespace octavo::api

#include "ops/checks.h"

#include <cmath>
#include <cstring>

#include "base/overflow.h"
#include "base/status.h"

namespace octavo {
namespace {

std::string text(float value) {
  char buffer[32];
  std::snprintf(buffer, sizeof buffer, "%g", static_cast<double>(value));
  return buffer;
}

std::string name_of(std::string_view name, std::string_view field) {
  return std::string(name) + "." + std::string(field);
}

}  // namespace

void fail(std::string_view name, std::string_view got, std::string_view expected) {
  throw Error(Status::invalid_argument, std::string(name) + ": got " + std::string(got) +
                                            ", expected " + std::string(expected));
}

void check_between(std::string_view name, int64_t value, int64_t lo, int64_t hi) {
  if (value >= lo && value <= hi) return;
  fail(name, std::to_string(value), std::to_string(lo) + ".." + std::to_string(hi));
}

void check_extent(std::string_view name, size_t value, size_t hi) {
  if (value >= 1 && value <= hi) return;
  fail(name, std::to_string(value), "1.." + std::to_string(hi));
}

void check_pointer(std::string_view name, const void* pointer, size_t count, size_t alignment) {
  if (count == 0) return;
  if (pointer == nullptr) fail(name, "a null pointer", "data");
  if (reinterpret_cast<uintptr_t>(pointer) % alignment != 0) {
    fail(name, "a misaligned pointer",
         "an address that is a multiple of " + std::to_string(alignment));
  }
}

size_t checked_product(std::string_view name, std::initializer_list<size_t> factors) {
  size_t product = 1;
  bool overflow = false;
  bool zero = false;
  for (size_t factor : factors) {
    zero |= factor == 0;
    overflow |= mul_overflows(product, factor, &product);
  }
  if (zero) return 0;
  if (overflow || product > static_cast<size_t>(PTRDIFF_MAX)) {
    fail(name, "a size that overflows", "at most " + std::to_string(PTRDIFF_MAX) + " bytes");
  }
  return product;
}

void check_stride(std::string_view name, size_t ld, size_t row, size_t rows) {
  if (rows > 1 && ld < row) fail(name, std::to_string(ld), "at least " + std::to_string(row));
  checked_product(name, {ld, rows, sizeof(int32_t)});
}

void check_zero_point(std::string_view name, int32_t zero_point) {
  check_between(name, zero_point, 0, 255);
}

void check_range(std::string_view name, const QuantRange& range) {
  const bool in_order = 0 <= range.qmin && range.qmin <= range.qmax && range.qmax <= 255;
  if (in_order && 0 <= range.zero_point && range.zero_point <= 255) return;
  check_between(name_of(name, "zero_point"), range.zero_point, 0, 255);
  check_between(name_of(name, "qmin"), range.qmin, 0, 255);
  check_between(name_of(name, "qmax"), range.qmax, range.qmin, 255);
}

void check_scale(std::string_view name, float scale) {
  if (!(std::isfinite(scale) && scale > 0)) fail(name, text(scale), "a finite number > 0");
}

void check_multiplier(std::string_view name, float multiplier) {
  if (!(std::isfinite(multiplier) && multiplier >= 0)) {
    fail(name, text(multiplier), "a finite number >= 0");
  }
}

void check_multipliers(std::string_view name, const float* multipliers, size_t n) {
  check_pointer(name, multipliers, n, alignof(float));
  for (size_t i = 0; i < n; ++i) {
    if (!(std::isfinite(multipliers[i]) && multipliers[i] >= 0)) {
      check_multiplier(std::string(name) + "[" + std::to_string(i) + "]", multipliers[i]);
    }
  }
}

void check_clamp(float lo, float hi) {
  if (!(lo <= hi)) fail("lo, hi", text(lo) + ", " + text(hi), "lo <= hi, neither NaN");
}

void check_output(const OutputSpec& output) {
  check_range("output", output.range);
  if (!output.has_residual) return;
  check_multiplier("residual_multiplier", output.residual_multiplier);
  check_zero_point("residual_zero_point", output.residual_zero_point);
}

void check_residual(const OutputSpec& output, const ResidualView* residual, size_t rows,
                    size_t cols) {
  if (output.has_residual != (residual != nullptr)) {
    fail("residual", residual != nullptr ? "a tensor" : "none",
         output.has_residual ? "a tensor, as declared when packing"
                             : "none, as declared when packing");
  }
  if (residual == nullptr) return;
  check_pointer("residual", residual->data, rows);
  check_stride("residual.ld", residual->ld, cols, rows);
}

void check_layout(const char* packed, const Context& context) {
  if (std::strcmp(packed, context.backend->layout) == 0) return;
  fail("packed", "weights in layout '" + std::string(packed) + "'",
       "layout '" + std::string(context.backend->layout) + "' of backend '" +
           context.backend->name + "': pack them under it");
}

Requant to_requant(const QuantRange& range) {
  return {.lo = static_cast<float>(range.qmin - range.zero_point),
          .hi = static_cast<float>(range.qmax - range.zero_point),
          .zero_point = range.zero_point};
}

Residual to_residual(const OutputSpec& output, const ResidualView* residual) {
  if (residual == nullptr) return {nullptr, 0, 0.0f, 0};
  return {residual->data, residual->ld, output.residual_multiplier, output.residual_zero_point};
}

}  // namespace octavo

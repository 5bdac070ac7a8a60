// Argument checks shared by the ops: each failure names the argument, what came, what is expected.
#pragma once

#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <string>
#include <string_view>

#include "base/quant.h"
#include "kernels/contract.h"
#include "ops/output.h"
#include "runtime/context.h"

namespace octavo {

// Throws Error(invalid_argument) "name: got GOT, expected EXPECTED".
[[noreturn]] void fail(std::string_view name, std::string_view got, std::string_view expected);

// lo <= value <= hi.
void check_between(std::string_view name, int64_t value, int64_t lo, int64_t hi);

// 1 <= value <= hi.
void check_extent(std::string_view name, size_t value, size_t hi);

// The pointer may be null only if nothing is behind it. alignment is a power of two.
void check_pointer(std::string_view name, const void* pointer, size_t count, size_t alignment = 1);

// The product, if it fits in ptrdiff_t.
size_t checked_product(std::string_view name, std::initializer_list<size_t> factors);

// lda and the like: rows * ld must be addressable, and a row must not run into the next.
void check_stride(std::string_view name, size_t ld, size_t row, size_t rows);

void check_zero_point(std::string_view name, int32_t zero_point);  // 0..255
void check_range(std::string_view name, const QuantRange& range);
void check_scale(std::string_view name, float scale);            // finite, > 0
void check_multiplier(std::string_view name, float multiplier);  // finite, >= 0
void check_multipliers(std::string_view name, const float* multipliers, size_t n);
void check_clamp(float lo, float hi);  // lo <= hi, no NaN

void check_output(const OutputSpec& output);
// A residual is there exactly when the spec says so, and its rows do not overlap.
void check_residual(const OutputSpec& output, const ResidualView* residual, size_t rows,
                    size_t cols);
// Packed weights run under a backend with their own layout only.
void check_layout(const char* packed, const Context& context);

// What kernels take; the arguments are already checked.
Requant to_requant(const QuantRange& range);
Residual to_residual(const OutputSpec& output, const ResidualView* residual);

}  // namespace octavo

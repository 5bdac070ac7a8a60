// Tensors as callers describe them, said for the u8 ones used inside (ops/sign.h).
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

#include "api/guard.h"
#include "base/buffer.h"
#include "base/quant.h"
#include "ops/output.h"
#include "runtime/context.h"

namespace octavo::api {

// Names are those of C arguments and fields, for messages: "desc.a_dtype".

// Whether the bytes are signed; throws Error for any other type.
bool read_signed(const std::string& name, int32_t dtype);

// Of the u8 tensor; throws Error unless it is a value of the type.
int32_t read_zero_point(const std::string& name, int32_t zero_point, bool is_signed);

// The range of the u8 tensor.
QuantRange read_range(const std::string& name, const octavo_output& output);

// How a layer's accumulators become bytes; with OCTAVO_S32 they do not.
OutputSpec read_output(const octavo_output& output, const octavo_residual& residual);

// Bytes that are ready to be read: the caller's, or a copy where those are signed or have gaps that
// may not be.
class InputBytes {
 public:
  InputBytes() = default;
  // rows of cols bytes, ld apart (0: contiguous); `name` and `ld_name` are for messages.
  InputBytes(const Context& context, const std::string& name, const void* data, size_t rows,
             size_t cols, const std::string& ld_name, size_t ld, bool is_signed,
             bool contiguous = false);

  const uint8_t* data() const { return data_; }
  size_t ld() const { return ld_; }

 private:
  const uint8_t* data_ = nullptr;
  size_t ld_ = 0;
  AlignedBuffer copy_;
};

// The same of n elements of an operand, whose pointer and type are checked.
InputBytes read_input(const Context& context, const std::string& name, const octavo_input& input,
                      size_t n);

// u8 results in the caller's memory become what it asked for.
void finish_output(const Context& context, void* y, size_t rows, size_t cols, size_t ld,
                   bool is_signed);

}  // namespace octavo::api

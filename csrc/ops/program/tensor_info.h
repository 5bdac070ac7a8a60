// The tensors of a program.
#pragma once

#include <cstddef>
#include <cstdint>

namespace octavo {

// s32 is what an integer product without requantization gives: to return, move or cast.
enum class DType : uint8_t { u8, f32, s32 };

inline size_t dtype_bytes(DType dtype) { return dtype == DType::u8 ? 1 : 4; }
inline const char* dtype_name(DType dtype) {
  return dtype == DType::u8 ? "u8" : dtype == DType::f32 ? "f32" : "s32";
}

using TensorId = size_t;

// Sample i of a batch lies at element i * elements.
struct TensorInfo {
  DType dtype;
  size_t elements;  // per sample
};

}  // namespace octavo

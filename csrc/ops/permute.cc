#include "ops/permute.h"

#include <cstdint>
#include <cstring>
#include <string>

#include "ops/checks.h"
#include "ops/split.h"

namespace octavo {
namespace {

constexpr size_t kGrainBytes = size_t{1} << 17;

template <class T>
void permute_typed(const Context& context, const T* x, std::span<const size_t> strides,
                   std::span<const size_t> shape, T* y) {
  const size_t axes = shape.size(), inner = shape[axes - 1], stride = strides[axes - 1];
  size_t rows = 1;
  for (size_t i = 0; i + 1 < axes; ++i) rows *= shape[i];
  split_rows(context, rows, inner * sizeof(T), kGrainBytes, [&](size_t row) {
    size_t offset = 0, rest = row;
    for (size_t i = axes - 1; i-- > 0;) {
      offset += rest % shape[i] * strides[i];
      rest /= shape[i];
    }
    T* to = y + row * inner;
    if (stride == 1) {
      std::memcpy(to, x + offset, inner * sizeof(T));
    } else {
      for (size_t i = 0; i < inner; ++i) to[i] = x[offset + i * stride];
    }
  });
}

}  // namespace

void permute(const Context& context, const void* x, std::span<const size_t> strides,
             std::span<const size_t> shape, size_t element_bytes, void* y) {
  if (shape.empty() || shape.size() > kMaxAxes || strides.size() != shape.size()) {
    fail("shape",
         std::to_string(shape.size()) + " axes, " + std::to_string(strides.size()) + " strides",
         "1.." + std::to_string(kMaxAxes) + " axes and a stride for each");
  }
  if (element_bytes != 1 && element_bytes != 4) {
    fail("element_bytes", std::to_string(element_bytes), "1 or 4");
  }
  size_t size = element_bytes, end = 1;
  for (size_t i = 0; i < shape.size(); ++i) {
    size = checked_product("shape", {size, shape[i]});
    if (shape[i] == 0) return;
    end += checked_product("strides", {shape[i] - 1, strides[i]});
  }
  check_pointer("x", x, end, element_bytes);
  check_pointer("y", y, size, element_bytes);
  if (element_bytes == 1) {
    permute_typed(context, static_cast<const uint8_t*>(x), strides, shape,
                  static_cast<uint8_t*>(y));
  } else {
    permute_typed(context, static_cast<const uint32_t*>(x), strides, shape,
                  static_cast<uint32_t*>(y));
  }
}

}  // namespace octavo

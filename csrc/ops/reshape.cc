#include "ops/reshape.h"

#include <array>
#include <cstring>
#include <string>

#include "base/overflow.h"
#include "ops/checks.h"
#include "ops/split.h"

namespace octavo {
namespace {

constexpr size_t kGrainBytes = size_t{1} << 17;

void check_element(size_t element_bytes) {
  if (element_bytes != 1 && element_bytes != 4) {
    fail("element_bytes", std::to_string(element_bytes), "1 or 4");
  }
}

void check_axes(std::string_view name, size_t got, size_t axes) {
  if (got != axes) fail(name, std::to_string(got) + " values", std::to_string(axes));
}

size_t check_tensor(std::string_view name, std::span<const size_t> shape, size_t element_bytes) {
  if (shape.empty() || shape.size() > kMaxAxes) {
    fail(name, std::to_string(shape.size()) + " axes", "1.." + std::to_string(kMaxAxes));
  }
  size_t size = element_bytes;
  for (size_t extent : shape) size = checked_product(name, {size, extent});
  return size;
}

// A tensor seen as exactly kMaxAxes axes: leading ones of extent 1.
using Axes = std::array<size_t, kMaxAxes>;
using Strides = std::array<ptrdiff_t, kMaxAxes>;

Axes all_axes(std::span<const size_t> values, size_t filler) {
  Axes axes;
  axes.fill(filler);
  std::copy(values.begin(), values.end(), axes.end() - static_cast<ptrdiff_t>(values.size()));
  return axes;
}

Strides contiguous_strides(const Axes& extents) {
  Strides strides;
  ptrdiff_t stride = 1;
  for (size_t i = kMaxAxes; i-- > 0;) {
    strides[i] = stride;
    stride *= static_cast<ptrdiff_t>(extents[i]);
  }
  return strides;
}

template <class T>
void copy_strided(const T* from, ptrdiff_t from_stride, size_t n, T* to) {
  if (from_stride == 1) {
    std::memcpy(to, from, n * sizeof(T));
    return;
  }
  for (size_t i = 0; i < n; ++i) to[i] = from[static_cast<ptrdiff_t>(i) * from_stride];
}

// Copies the box `extents` between two strided tensors, the innermost axis of `to` contiguous.
template <class T>
void copy_box(const Context& context, const Axes& extents, const T* from,
              const Strides& from_strides, T* to, const Strides& to_strides) {
  const size_t inner = extents[kMaxAxes - 1];
  size_t rows = 1;
  for (size_t i = 0; i + 1 < kMaxAxes; ++i) rows *= extents[i];
  if (inner == 0) return;
  split_rows(context, rows, inner * sizeof(T), kGrainBytes, [&](size_t row) {
    ptrdiff_t from_offset = 0, to_offset = 0;
    for (size_t i = kMaxAxes - 1; i-- > 0;) {
      const auto index = static_cast<ptrdiff_t>(row % extents[i]);
      row /= extents[i];
      from_offset += index * from_strides[i];
      to_offset += index * to_strides[i];
    }
    copy_strided(from + from_offset, from_strides[kMaxAxes - 1], inner, to + to_offset);
  });
}

template <class T>
void pad_typed(const Context& context, const T* x, const Axes& shape, const Axes& before,
               const Axes& after, T value, T* y) {
  Axes out;
  size_t size = 1;
  for (size_t i = 0; i < kMaxAxes; ++i) {
    out[i] = before[i] + shape[i] + after[i];
    size *= out[i];
  }
  split_range(context, size, kGrainBytes / sizeof(T),
              [&](size_t begin, size_t count) { std::fill_n(y + begin, count, value); });
  const Strides strides = contiguous_strides(out);
  ptrdiff_t offset = 0;
  for (size_t i = 0; i < kMaxAxes; ++i) offset += static_cast<ptrdiff_t>(before[i]) * strides[i];
  if (size != 0) copy_box(context, shape, x, contiguous_strides(shape), y + offset, strides);
}

}  // namespace

void concat(const Context& context, std::span<const ConcatInput> inputs, size_t outer,
            size_t element_bytes, void* y) {
  check_element(element_bytes);
  if (inputs.empty()) fail("inputs", "none", "at least one");
  size_t total = 0;
  for (const ConcatInput& input : inputs) {
    const size_t bytes = checked_product("inner", {input.inner, element_bytes});
    if (add_overflows(total, bytes, &total)) fail("inner", "an overflow", "a valid size");
    check_pointer("input", input.data, checked_product("input", {outer, bytes}), element_bytes);
  }
  check_pointer("y", y, checked_product("y", {outer, total}), element_bytes);
  auto* to = static_cast<unsigned char*>(y);
  split_rows(context, outer, total, kGrainBytes, [&](size_t o) {
    unsigned char* row = to + o * total;
    for (const ConcatInput& input : inputs) {
      const size_t bytes = input.inner * element_bytes;
      if (bytes == 0) continue;
      std::memcpy(row, static_cast<const unsigned char*>(input.data) + o * bytes, bytes);
      row += bytes;
    }
  });
}

void pad(const Context& context, const void* x, std::span<const size_t> shape,
         std::span<const size_t> before, std::span<const size_t> after, size_t element_bytes,
         const void* value, void* y) {
  check_element(element_bytes);
  check_pointer("x", x, check_tensor("shape", shape, element_bytes), element_bytes);
  check_axes("before", before.size(), shape.size());
  check_axes("after", after.size(), shape.size());
  check_pointer("value", value, 1);
  size_t size = element_bytes;
  for (size_t i = 0; i < shape.size(); ++i) {
    size_t extent = 0;
    if (add_overflows(shape[i], before[i], &extent) || add_overflows(extent, after[i], &extent)) {
      fail("before, after", "an overflow", "a valid size");
    }
    size = checked_product("y", {size, extent});
  }
  check_pointer("y", y, size, element_bytes);
  const Axes extents = all_axes(shape, 1), first = all_axes(before, 0), last = all_axes(after, 0);
  if (element_bytes == 1) {
    pad_typed(context, static_cast<const uint8_t*>(x), extents, first, last,
              *static_cast<const uint8_t*>(value), static_cast<uint8_t*>(y));
  } else {
    uint32_t word = 0;
    std::memcpy(&word, value, sizeof word);
    pad_typed(context, static_cast<const uint32_t*>(x), extents, first, last, word,
              static_cast<uint32_t*>(y));
  }
}

void slice(const Context& context, const void* x, std::span<const size_t> shape,
           std::span<const ptrdiff_t> start, std::span<const ptrdiff_t> step,
           std::span<const size_t> out_shape, size_t element_bytes, void* y) {
  check_element(element_bytes);
  check_pointer("x", x, check_tensor("shape", shape, element_bytes), element_bytes);
  check_axes("start", start.size(), shape.size());
  check_axes("step", step.size(), shape.size());
  check_axes("out_shape", out_shape.size(), shape.size());
  const size_t bytes = check_tensor("out_shape", out_shape, element_bytes);
  check_pointer("y", y, bytes, element_bytes);
  if (bytes == 0) return;
  Strides strides = contiguous_strides(all_axes(shape, 1));
  ptrdiff_t offset = 0;
  for (size_t i = 0; i < shape.size(); ++i) {
    const size_t axis = kMaxAxes - shape.size() + i;
    const auto extent = static_cast<ptrdiff_t>(shape[i]);
    ptrdiff_t last = 0;
    const bool overflow = mul_overflows(step[i], static_cast<ptrdiff_t>(out_shape[i] - 1), &last) ||
                          add_overflows(last, start[i], &last);
    if (step[i] == 0 || start[i] < 0 || start[i] >= extent || overflow || last < 0 ||
        last >= extent) {
      fail("slice axis " + std::to_string(i),
           "start " + std::to_string(start[i]) + ", step " + std::to_string(step[i]) + ", " +
               std::to_string(out_shape[i]) + " elements",
           "a step that is not 0 and elements inside 0.." + std::to_string(extent - 1));
    }
    offset += start[i] * strides[axis];
    // One element takes no step, however long.
    strides[axis] = out_shape[i] > 1 ? strides[axis] * step[i] : 1;
  }
  const Axes out = all_axes(out_shape, 1);
  const Strides out_strides = contiguous_strides(out);
  if (element_bytes == 1) {
    copy_box(context, out, static_cast<const uint8_t*>(x) + offset, strides,
             static_cast<uint8_t*>(y), out_strides);
  } else {
    copy_box(context, out, static_cast<const uint32_t*>(x) + offset, strides,
             static_cast<uint32_t*>(y), out_strides);
  }
}

}  // namespace octavo

// Running a packed convolution, for int8 and float alike.
#pragma once

#include <algorithm>
#include <cstddef>
#include <vector>

#include "ops/checks.h"
#include "ops/conv_shape.h"
#include "ops/gemm_float.h"
#include "ops/gemm_int8.h"
#include "ops/row_pointers.h"

namespace octavo {

template <class T>
struct ConvInput {
  const T* x;
  size_t batch;
  Extent2d in;
  Extent2d out;
  const T* padding_row;  // in_channels padding values
  size_t pixel_stride;   // elements from one pixel to the next

  size_t pixels() const { return batch * out.h * out.w; }
};

template <class T>
ConvInput<T> check_conv_input(const ConvShape& shape, const T* x, size_t batch, size_t h, size_t w,
                              const unsigned char* padding_row) {
  const Extent2d out = conv_output_size(shape, h, w);
  const size_t in_size = checked_product("x", {batch, h, w, shape.in_channels, sizeof(T)});
  checked_product("y", {batch, out.h, out.w, shape.out_channels, sizeof(int32_t)});
  check_pointer("x", x, in_size, alignof(T));
  return {x, batch, {h, w}, out, reinterpret_cast<const T*>(padding_row), shape.in_channels};
}

// Pixels in tiles of at most `most`, shared out between threads; for kernels below full speed.
template <class RunTile>
void run_pixel_tiles(const Context& context, size_t pixels, size_t most, size_t macs_per_pixel,
                     const RunTile& run_tile) {
  constexpr size_t kMacsPerThread = size_t{1} << 18;
  const size_t tiles = ceil_div(pixels, most);
  const size_t threads = useful_threads(context, pixels * macs_per_pixel, kMacsPerThread);
  const size_t tasks = threads == 1 ? 1 : std::min(tiles, 4 * threads);
  auto task = [&](size_t index) {
    const size_t end = part_begin(index + 1, tasks, tiles);
    for (size_t t = part_begin(index, tasks, tiles); t < end; ++t) {
      const size_t first = part_begin(t, tiles, pixels);
      run_tile(first, part_begin(t + 1, tiles, pixels) - first);
    }
  };
  parallel_for(context, pixels == 0 ? 0 : tasks, threads, task);
}

// Packed weights that may see every row pointer several times.
inline size_t repeats_of(const PackedMatrix& packed) { return packed.repeats(); }
inline size_t repeats_of(const PackedMatrixF32&) { return 1; }

// 1x1, stride 1: the images are one matrix.
template <class T, class Packed, class Target>
void run_pointwise(const Context& context, const ConvInput<T>& input, const Packed& packed,
                   const Target& target) {
  run_packed(context, packed, input.pixels(),
             MatrixRows<T>(input.x, input.pixel_stride, repeats_of(packed)), target);
}

// Any geometry: a segment per tap. Many groups are shared out whole, few are each cut in tasks.
template <class T, class Packed, class Target>
void run_taps(const Context& context, const ConvShape& shape, const ConvInput<T>& input,
              const std::vector<Packed>& packed, const Target& target) {
  auto run_group = [&](const Context& inner, size_t g) {
    const TapRows<T> rows(shape, input.in, input.out, input.x + g * shape.group_in(),
                          input.pixel_stride, input.padding_row, repeats_of(packed[g]));
    run_packed(inner, packed[g], input.pixels(), rows, target.at(0, g * shape.group_out()));
  };
  if (shape.groups < 2 * context.num_threads) {
    for (size_t g = 0; g < shape.groups; ++g) run_group(context, g);
    return;
  }
  constexpr size_t kMacsPerThread = size_t{1} << 18;  // small groups run below full speed
  Context alone = context;
  alone.threads = nullptr;
  const size_t macs = input.pixels() * shape.out_channels * shape.taps() * shape.group_in();
  auto task = [&](size_t g) { run_group(alone, g); };
  parallel_for(context, shape.groups, useful_threads(context, macs, kMacsPerThread), task);
}

}  // namespace octavo

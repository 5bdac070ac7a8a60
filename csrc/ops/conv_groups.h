// Grouped convolutions: groups too narrow for a panel are joined, and groups share row pointers.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <vector>

#include "ops/conv2d.h"
#include "ops/conv_run.h"

namespace octavo {

// How many neighbouring groups become one. A panel narrower than the granule is computed as wide as
// the granule, so zeros in place of the weights between groups cost nothing: the same instructions
// then compute several groups, with one epilogue and one set of pointers.
inline size_t groups_to_join(const ConvShape& shape, size_t granule) {
  const size_t join = granule / shape.group_out();
  if (join < 2 || granule % shape.group_out() != 0 || shape.groups % join != 0) return 1;
  return shape.taps() * shape.group_in() * join <= kMaxKWithZeroPoints ? join : 1;
}

// (out, join * in / groups, kh, kw): zero where an output channel has no input. Zero is the
// weight's zero point.
inline std::vector<int8_t> join_groups(const Conv2dParams& params, size_t join) {
  const ConvShape& shape = params.shape;
  const size_t k = shape.group_in() * shape.taps();
  std::vector<int8_t> joined(shape.out_channels * join * k);
  for (size_t n = 0; n < shape.out_channels; ++n) {
    const int32_t zero = params.weight_zero_point != nullptr ? params.weight_zero_point[n] : 0;
    int8_t* to = joined.data() + n * join * k;
    std::memset(to, zero, join * k);
    std::memcpy(to + n / shape.group_out() % join * k, params.weight + n * k, k);
  }
  return joined;
}

// Whether the groups are so small that their weights stay in the caches while a tile of pixels goes
// through all of them.
inline bool shares_pointers(const ConvShape& shape, const std::vector<PackedMatrix>& packed) {
  constexpr size_t kCachedBytes = size_t{512} << 10;
  return shape.groups > 1 && packed[0].size_bytes() <= kCachedBytes / shape.groups &&
         std::all_of(packed.begin(), packed.end(),
                     [](const PackedMatrix& p) { return p.repeats() == 1; });
}

// For a tile of pixels all groups, one after the other: where the next group reads is where this
// one did plus its channels. That goes for padding as well, the padding row has all channels.
template <class Target>
void run_groups(const Context& context, const ConvShape& shape, const ConvInput<uint8_t>& input,
                const std::vector<PackedMatrix>& packed, const Target& target) {
  const KernelTable& kernels = context.kernels();
  const TapRows<uint8_t> rows(shape, input.in, input.out, input.x, input.pixel_stride,
                              input.padding_row, 1);
  const size_t macs = shape.out_channels * shape.taps() * shape.group_in();
  auto run_tile = [&](size_t first, size_t count) {
    const size_t pointers = shape.taps() * count;
    const uint8_t** a = scratch<const uint8_t*>(Scratch::row_pointers, pointers);
    rows(first, count, a);
    for (size_t g = 0; g < shape.groups; ++g) {
      GemmTile tile = tile_of(packed[g], a, count);
      tile.prepared = prepare_rows(kernels, tile);
      for (size_t panel = 0; panel < packed[g].panel_count(); ++panel) {
        run_panel(kernels, tile, packed[g], panel, target.at(first, g * shape.group_out()));
      }
      for (size_t i = 0; i < pointers; ++i) a[i] += shape.group_in();
    }
  };
  run_pixel_tiles(context, input.pixels(), kernels.gemm_mr, macs, run_tile);
}

// Groups for which some ISAs have a kernel: nothing is joined, no zero is multiplied.
inline bool has_narrow_groups(const ConvShape& shape, const KernelTable& kernels) {
  const size_t group = shape.group_in();
  return kernels.grouped_u8.run != nullptr && shape.groups > 1 && shape.group_out() == group &&
         (group == 4 || group == 8) && shape.in_channels % 16 == 0;
}

// The same with that kernel: a panel's columns see as many channels of A.
template <class Target>
void run_narrow_groups(const Context& context, const ConvShape& shape,
                       const ConvInput<uint8_t>& input, const PackedMatrix& packed,
                       const Target& target) {
  const KernelTable& kernels = context.kernels();
  const size_t nr = packed.geometry().nr;
  const TapRows<uint8_t> rows(shape, input.in, input.out, input.x, input.pixel_stride,
                              input.padding_row, packed.repeats());
  auto run_tile = [&](size_t first, size_t count) {
    const size_t pointers = packed.segments() * count;
    const uint8_t** a = scratch<const uint8_t*>(Scratch::row_pointers, pointers);
    rows(first, count, a);
    for (size_t panel = 0; panel < packed.panel_count(); ++panel) {
      GemmTile tile = tile_of(packed, a, count);
      tile.panel = packed.panel(panel);
      tile.cols = packed.panel_cols(panel);
      run_grouped_tile(kernels, tile, target.at(first, panel * nr));
      for (size_t i = 0; i < pointers; ++i) a[i] += nr;
    }
  };
  const size_t macs = shape.out_channels * packed.segments() * packed.segment_k();
  run_pixel_tiles(context, input.pixels(), kernels.gemm_mr, macs, run_tile);
}

}  // namespace octavo

#include "ops/conv_pack.h"

#include <cstring>

#include "ops/checks.h"
#include "ops/conv_groups.h"
#include "ops/conv_weights.h"

namespace octavo {
namespace {

// (out, kh, window_bytes); what pads a row contributes nothing: it equals the weights' zero point.
std::vector<int8_t> padded_rows(const Conv2dParams& params, size_t window) {
  const ConvShape& shape = params.shape;
  const std::vector<int8_t> weight = channels_last(params.weight, shape);
  const size_t row = shape.kernel_w * shape.in_channels;
  std::vector<int8_t> padded(shape.out_channels * shape.kernel_h * window);
  for (size_t i = 0; i < shape.out_channels * shape.kernel_h; ++i) {
    const size_t n = i / shape.kernel_h;
    const int32_t zero = params.weight_zero_point != nullptr ? params.weight_zero_point[n] : 0;
    std::memcpy(padded.data() + i * window, weight.data() + i * row, row);
    std::memset(padded.data() + i * window + row, zero, window - row);
  }
  return padded;
}

WeightView rows_view(const std::vector<int8_t>& padded, const ConvShape& shape, ptrdiff_t window) {
  return {.data = padded.data(),
          .n = shape.out_channels,
          .segments = shape.kernel_h,
          .segment_k = static_cast<size_t>(window),
          .n_stride = static_cast<ptrdiff_t>(shape.kernel_h) * window,
          .segment_stride = window,
          .k_stride = 1};
}

std::vector<PackedMatrix> pack_groups(const Backend& backend, const Conv2dParams& params,
                                      ConvPath path) {
  const ConvShape& shape = params.shape;
  PackParams fold = {.bias = params.bias,
                     .multiplier = params.multiplier,
                     .weight_zero_point = params.weight_zero_point,
                     .a_zero_point = params.a_zero_point};
  std::vector<PackedMatrix> packed;
  if (path == ConvPath::depthwise) {
    // Segments are kernel columns: that is the order in which a kernel meets them.
    const auto taps = static_cast<ptrdiff_t>(shape.taps());
    const auto width = static_cast<ptrdiff_t>(shape.kernel_w);
    const WeightView view = {
        params.weight, shape.out_channels, shape.kernel_w, shape.kernel_h, taps, 1, width};
    packed.push_back(pack_depthwise_weights(backend.table->depthwise_geometry, view, fold));
    return packed;
  }
  if (path == ConvPath::rows) {
    const size_t window = window_bytes(shape, backend.table->gemm_geometry);
    const std::vector<int8_t> weight = padded_rows(params, window);
    const WeightView view = rows_view(weight, shape, static_cast<ptrdiff_t>(window));
    packed.push_back(pack_weights(backend.table->gemm_geometry, view, fold));
    return packed;
  }
  const std::vector<int8_t> weight = channels_last(params.weight, shape);
  const size_t segments = shape.taps();
  if (path == ConvPath::groups) {
    WeightView view = group_view(weight, shape, 0, segments);
    view.n = shape.out_channels;  // all of them
    packed.push_back(pack_weights(backend.table->grouped_geometry, view, fold));
    return packed;
  }
  for (size_t g = 0; g < shape.groups; ++g) {
    packed.push_back(
        pack_weights(backend.table->gemm_geometry, group_view(weight, shape, g, segments), fold));
    if (fold.bias != nullptr) fold.bias += shape.group_out();
    if (fold.multiplier != nullptr) fold.multiplier += shape.group_out();
    if (fold.weight_zero_point != nullptr) fold.weight_zero_point += shape.group_out();
  }
  return packed;
}

const PanelGeometry& geometry_of(ConvPath path, const KernelTable& kernels) {
  if (path == ConvPath::depthwise) return kernels.depthwise_geometry;
  return path == ConvPath::groups ? kernels.grouped_geometry : kernels.gemm_geometry;
}

// What every matrix of a packed convolution looks like, but for repetitions.
struct MatrixExtents {
  size_t count;
  size_t n;
  size_t segments;
  size_t segment_k;
};

MatrixExtents matrix_extents(const ConvShape& shape, ConvPath path, const KernelTable& kernels) {
  const ConvShape run = run_shape(shape, path, kernels);
  switch (path) {
    case ConvPath::depthwise:
      return {1, shape.out_channels, shape.kernel_w, shape.kernel_h};
    case ConvPath::rows:
      return {1, shape.out_channels, shape.kernel_h, window_bytes(shape, kernels.gemm_geometry)};
    case ConvPath::groups:
      return {1, shape.out_channels, shape.taps(), shape.group_in()};
    case ConvPath::pointwise:
    case ConvPath::taps:
      break;
  }
  return {run.groups, run.group_out(), run.taps(), run.group_in()};
}

}  // namespace

ConvPath choose_path(const ConvShape& shape, const KernelTable& kernels) {
  if (shape.is_depthwise() && shape.groups > 1) return ConvPath::depthwise;
  if (has_narrow_groups(shape, kernels)) return ConvPath::groups;
  if (shape.is_pointwise()) return ConvPath::pointwise;
  // With many channels a tap is long enough alone, and windows across a border cost more to copy.
  const bool short_taps = shape.in_channels <= 64 || shape.in_channels % kKr != 0;
  if (shape.groups == 1 && shape.dilation_w == 1 && shape.kernel_w > 1 && short_taps) {
    return ConvPath::rows;
  }
  return ConvPath::taps;
}

size_t window_bytes(const ConvShape& shape, const PanelGeometry& geometry) {
  return round_up(shape.kernel_w * shape.in_channels, geometry.kr);
}

ConvShape run_shape(const ConvShape& shape, ConvPath path, const KernelTable& kernels) {
  ConvShape joined = shape;
  if (path == ConvPath::taps) {
    joined.groups /= groups_to_join(shape, kernels.gemm_geometry.granule);
  }
  return joined;
}

std::vector<PackedMatrix> pack_conv(const Backend& backend, const Conv2dParams& params,
                                    ConvPath path) {
  const ConvShape run = run_shape(params.shape, path, *backend.table);
  if (run.groups == params.shape.groups) return pack_groups(backend, params, path);
  const std::vector<int8_t> weight = join_groups(params, params.shape.groups / run.groups);
  Conv2dParams joined = params;
  joined.weight = weight.data();
  joined.shape = run;
  return pack_groups(backend, joined, path);
}

void check_packed(const Backend& backend, const ConvShape& shape, ConvPath path,
                  std::span<const PackedMatrix> packed) {
  const MatrixExtents expected = matrix_extents(shape, path, *backend.table);
  const PanelGeometry& geometry = geometry_of(path, *backend.table);
  bool same = packed.size() == expected.count;
  for (const PackedMatrix& matrix : packed) {
    const size_t segments = path == ConvPath::depthwise ? 1 : matrix.repeats();
    const size_t k = path == ConvPath::depthwise ? matrix.repeats() : 1;
    same &= matrix.packed_for(geometry) && matrix.n() == expected.n &&
            matrix.segments() == expected.segments * segments &&
            matrix.segment_k() == expected.segment_k * k &&
            matrix.has_multiplier() == packed[0].has_multiplier();
  }
  if (!same) fail("packed", "matrices of other extents", "those of this convolution's shape");
}

}  // namespace octavo

// Packing: weights are rearranged once into the panels that micro-kernels stream (layout.h).
//
// A packed matrix is its own type and remembers its layout, so that weights packed for one ISA
// family are refused by another instead of giving garbage.
#pragma once

#include <cstddef>
#include <cstdint>

#include "base/buffer.h"
#include "pack/layout.h"

namespace octavo {

// The deepest sum that cannot overflow int32: 255 * 128 * 65536 < 2^31.
inline constexpr size_t kMaxK = 65536;
// The same bound where w - weight_zero_point reaches +-255: 255 * 255 * 33025 < 2^31.
inline constexpr size_t kMaxKWithZeroPoints = 33025;

// Weights as the caller holds them: element (n, s, k) is
// data[n * n_stride + s * segment_stride + k * k_stride]. A linear layer has one segment, a
// convolution one per kernel tap. Strides count elements and may be negative.
template <class T>
struct BasicWeightView {
  const T* data;
  size_t n;
  size_t segments;
  size_t segment_k;
  ptrdiff_t n_stride;
  ptrdiff_t segment_stride;
  ptrdiff_t k_stride;

  T operator()(size_t col, size_t segment, size_t k) const {
    return data[static_cast<ptrdiff_t>(col) * n_stride +
                static_cast<ptrdiff_t>(segment) * segment_stride +
                static_cast<ptrdiff_t>(k) * k_stride];
  }
};
using WeightView = BasicWeightView<int8_t>;
using WeightViewF32 = BasicWeightView<float>;

// What is folded into a panel besides the weights. Null pointers mean: no bias (0), no multiplier
// (int32 output only), no weight zero points (0). Arrays have one entry per column.
struct PackParams {
  const int32_t* bias = nullptr;
  const float* multiplier = nullptr;
  const int32_t* weight_zero_point = nullptr;
  int32_t a_zero_point = 0;
};

// Everything about a packed matrix but its panels. segments and segment_k count repetitions.
struct PackedShape {
  PanelGeometry geometry = {.nr = 1, .granule = 1};
  size_t n = 0;
  size_t segments = 0;
  size_t segment_k = 0;
  size_t repeats = 1;
  size_t panel_stride_bytes = 0;
  bool has_multiplier = false;
};

size_t panel_count(const PackedShape& shape);
// Of all panels, in sequential order, where only the last may be narrower.
size_t sequential_bytes(const PackedShape& shape);

class PackedMatrix {
 public:
  PackedMatrix() = default;

  const PackedShape& shape() const { return shape_; }
  size_t n() const { return shape_.n; }
  // What goes into GemmTile: both count the repetitions below.
  size_t segments() const { return shape_.segments; }
  size_t segment_k() const { return shape_.segment_k; }
  // Weights with zero points may need more than 8 bits: w - zero_point is then stored as a sum of
  // `repeats` s8 weights, and the kernel sees every row pointer that many times (the whole pointer
  // list of a tile, or of a depthwise output row, is written `repeats` times in a row).
  size_t repeats() const { return shape_.repeats; }
  bool has_multiplier() const { return shape_.has_multiplier; }
  PanelGeometry geometry() const { return shape_.geometry; }
  bool packed_for(const PanelGeometry& geometry) const {
    return geometry.nr == shape_.geometry.nr && geometry.granule == shape_.geometry.granule &&
           geometry.order == shape_.geometry.order && geometry.kr == shape_.geometry.kr &&
           geometry.shift == shape_.geometry.shift;
  }

  size_t panel_count() const;
  size_t panel_cols(size_t i) const;   // columns that exist
  size_t panel_width(size_t i) const;  // columns stored
  const uint8_t* panel(size_t i) const { return panels_ + i * shape_.panel_stride_bytes; }
  size_t size_bytes() const { return size_bytes_; }

 private:
  friend class PanelWriter;
  friend PackedMatrix schedule(const PackedMatrix& sequential);
  friend PackedMatrix view_packed(const PackedShape& shape, const uint8_t* panels, size_t bytes);

  // Takes memory for the panels, zero-filled.
  PackedMatrix(const PackedShape& shape, size_t bytes)
      : shape_(shape),
        buffer_(AlignedBuffer::pooled(bytes)),
        panels_(buffer_.data()),
        size_bytes_(bytes) {}
  PackedMatrix(const PackedShape& shape, const uint8_t* panels, size_t bytes)
      : shape_(shape), panels_(panels), size_bytes_(bytes) {}

  PackedShape shape_;
  AlignedBuffer buffer_;  // empty if the panels lie in somebody else's memory
  const uint8_t* panels_ = nullptr;
  size_t size_bytes_ = 0;
};

// Packs for GEMM and convolution. The stored bias is
//   bias[n] - a_zero_point * sum over s, k of (w - weight_zero_point[n]),   modulo 2^32,
// so that a kernel's sum over raw u8 activations equals the sum over (a - a_zero_point). Where the
// geometry has a shift, a_zero_point less the shift takes the place of a_zero_point.
//
// Throws Error(invalid_argument) for a null or empty view, K = segments * segment_k > kMaxK
// (kMaxKWithZeroPoints when some weight zero point is not 0), a multiplier that is negative or
// not finite, a_zero_point outside 0..255, weight_zero_point outside -128..127, or a geometry
// whose granule does not divide nr or whose kr is not 4, 8 or 16, or scheduled panels of another
// shape than kScheduledWidth columns with kr 4.
PackedMatrix pack_weights(const PanelGeometry& geometry, const WeightView& weights,
                          const PackParams& params);

// Packs for depthwise kernels: view.n = channels, view.segments = kernel columns, view.segment_k =
// kernel rows. A segment of the result has segment_k * repeats() weights. Same folding and errors
// as pack_weights.
PackedMatrix pack_depthwise_weights(const PanelGeometry& geometry, const WeightView& weights,
                                    const PackParams& params);

// Float panels (GemmF32Tile), all of full width: float bias[nr] | float w[segments][segment_k][nr].
class PackedMatrixF32 {
 public:
  PackedMatrixF32() = default;

  size_t n() const { return n_; }
  size_t nr() const { return nr_; }
  size_t segments() const { return segments_; }
  size_t segment_k() const { return segment_k_; }

  size_t panel_count() const { return (n_ + nr_ - 1) / nr_; }
  size_t panel_cols(size_t i) const { return i + 1 < panel_count() ? nr_ : n_ - i * nr_; }
  const float* panel(size_t i) const {
    return reinterpret_cast<const float*>(buffer_.data() + i * panel_stride_bytes_);
  }
  size_t size_bytes() const { return buffer_.size(); }

 private:
  friend PackedMatrixF32 pack_weights_f32(size_t nr, const WeightViewF32& weights,
                                          const float* bias);

  size_t nr_ = 1;
  size_t n_ = 0;
  size_t segments_ = 0;
  size_t segment_k_ = 0;
  size_t panel_stride_bytes_ = 0;
  AlignedBuffer buffer_;
};

// bias may be null. Throws Error(invalid_argument) for a null or empty view, K > 2^24 or nr == 0.
PackedMatrixF32 pack_weights_f32(size_t nr, const WeightViewF32& weights, const float* bias);

}  // namespace octavo

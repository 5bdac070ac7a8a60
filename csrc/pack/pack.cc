#include "pack/pack.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <string>
#include <utility>

#include "base/status.h"
#include "pack/layout.h"
#include "pack/schedule.h"

namespace octavo {
namespace {

[[noreturn]] void refuse(const std::string& message) {
  throw Error(Status::invalid_argument, message);
}

// After this check no size computed from the view can wrap.
template <class T>
void check_view(const BasicWeightView<T>& weights, size_t max_k) {
  if (weights.n == 0 || weights.segments == 0 || weights.segment_k == 0) {
    refuse("weights: shape (n, segments, segment_k) is (" + std::to_string(weights.n) + ", " +
           std::to_string(weights.segments) + ", " + std::to_string(weights.segment_k) +
           "), expected every extent to be at least 1");
  }
  if (weights.data == nullptr) refuse("weights: data is null");
  if (weights.n > static_cast<size_t>(std::numeric_limits<int32_t>::max())) {
    refuse("weights: n is " + std::to_string(weights.n) + ", expected less than 2^31");
  }
  if (weights.segment_k > max_k || weights.segments > max_k / weights.segment_k) {
    refuse("weights: K = segments * segment_k is " + std::to_string(weights.segments) + " * " +
           std::to_string(weights.segment_k) + ", expected at most " + std::to_string(max_k));
  }
}

void check_int8(const PanelGeometry& geometry, const WeightView& weights,
                const PackParams& params) {
  if (geometry.granule == 0 || geometry.nr == 0 || geometry.nr % geometry.granule != 0) {
    refuse("geometry: granule " + std::to_string(geometry.granule) + " does not divide nr " +
           std::to_string(geometry.nr));
  }
  if (geometry.kr != 4 && geometry.kr != 8 && geometry.kr != 16) {
    refuse("geometry: kr is " + std::to_string(geometry.kr) + ", expected 4, 8 or 16");
  }
  if (geometry.order == kScheduled &&
      (geometry.nr != kScheduledWidth || geometry.granule != kScheduledGranule ||
       geometry.kr != kKr || geometry.shift != kNoShift)) {
    refuse("geometry: nr is " + std::to_string(geometry.nr) + ", expected " +
           std::to_string(kScheduledWidth) + " and granule " + std::to_string(kScheduledGranule) +
           ", kr 4 and no shift for scheduled panels");
  }
  check_view(weights, kMaxK);
  if (params.a_zero_point < 0 || params.a_zero_point > 255) {
    refuse("a_zero_point: is " + std::to_string(params.a_zero_point) + ", expected 0..255");
  }
  for (size_t i = 0; params.multiplier != nullptr && i < weights.n; ++i) {
    const float m = params.multiplier[i];
    if (!std::isfinite(m) || m < 0.0f) {
      refuse("multiplier: element " + std::to_string(i) + " is " + std::to_string(m) +
             ", expected finite and not negative");
    }
  }
  for (size_t i = 0; params.weight_zero_point != nullptr && i < weights.n; ++i) {
    const int32_t zero_point = params.weight_zero_point[i];
    if (zero_point < -128 || zero_point > 127) {
      refuse("weight_zero_point: element " + std::to_string(i) + " is " +
             std::to_string(zero_point) + ", expected -128..127");
    }
    if (zero_point != 0) check_view(weights, kMaxKWithZeroPoints);
  }
}

// The s8 weights whose sum is d are the clamped remainders, one after the other.
int32_t take_part(int32_t& d) {
  const int32_t part = std::clamp(d, -128, 127);
  d -= part;
  return part;
}

template <class Visit>
void for_each_difference(const WeightView& weights, const int32_t* zero_point, size_t col,
                         Visit visit) {
  const int32_t zw = zero_point == nullptr ? 0 : zero_point[col];
  for (size_t s = 0; s < weights.segments; ++s) {
    for (size_t k = 0; k < weights.segment_k; ++k) visit(s, k, weights(col, s, k) - zw);
  }
}

size_t count_repeats(const WeightView& weights, const int32_t* zero_point) {
  if (zero_point == nullptr) return 1;
  size_t repeats = 1;
  for (size_t col = 0; col < weights.n; ++col) {
    for_each_difference(weights, zero_point, col, [&](size_t, size_t, int32_t d) {
      size_t parts = 0;
      do {
        take_part(d);
        ++parts;
      } while (d != 0);
      repeats = std::max(repeats, parts);
    });
  }
  return repeats;
}

enum class RepeatAlong { segments, k };

}  // namespace

size_t panel_count(const PackedShape& shape) {
  return (shape.n + shape.geometry.nr - 1) / shape.geometry.nr;
}

size_t sequential_bytes(const PackedShape& shape) {
  const size_t last = panel_count(shape) - 1;
  const size_t width = panel_width(shape.n - last * shape.geometry.nr, shape.geometry.granule);
  return last * shape.panel_stride_bytes +
         panel_stride_bytes(width, shape.segments, shape.segment_k, shape.geometry.kr);
}

// Fills a PackedMatrix column by column.
class PanelWriter {
 public:
  PanelWriter(const PanelGeometry& geometry, const WeightView& weights, const PackParams& params,
              RepeatAlong along)
      : weights_(weights), params_(params), along_(along) {
    check_int8(geometry, weights, params);
    PackedShape shape = {.geometry = geometry,
                         .n = weights.n,
                         .segments = weights.segments,
                         .segment_k = weights.segment_k,
                         .repeats = count_repeats(weights, params.weight_zero_point),
                         .has_multiplier = params.multiplier != nullptr};
    (along == RepeatAlong::segments ? shape.segments : shape.segment_k) *= shape.repeats;
    shape.panel_stride_bytes =
        panel_stride_bytes(geometry.nr, shape.segments, shape.segment_k, geometry.kr);
    packed_ = PackedMatrix(shape, sequential_bytes(shape));
  }

  PackedMatrix write() && {
    for (size_t col = 0; col < weights_.n; ++col) write_column(col);
    return std::move(packed_);
  }

 private:
  void write_column(size_t col) {
    const PackedShape& shape = packed_.shape_;
    const size_t i = col / shape.geometry.nr;
    const size_t j = col % shape.geometry.nr;
    const size_t width = packed_.panel_width(i);
    uint8_t* panel = packed_.buffer_.data() + i * shape.panel_stride_bytes;
    uint8_t* out = panel + width * sizeof(int32_t);
    const size_t kr = shape.geometry.kr;
    const size_t segment_bytes = panel_weight_bytes(width, 1, shape.segment_k, kr);

    uint32_t bias = params_.bias == nullptr ? 0 : static_cast<uint32_t>(params_.bias[col]);
    const auto write_difference = [&](size_t s, size_t k, int32_t d) {
      for (size_t r = 0; r < shape.repeats; ++r) {
        const bool by_segment = along_ == RepeatAlong::segments;
        const size_t to_s = by_segment ? s + r * weights_.segments : s;
        const size_t to_k = by_segment ? k : k + r * weights_.segment_k;
        const int32_t part = take_part(d);
        out[to_s * segment_bytes + (to_k / kr * width + j) * kr + to_k % kr] =
            static_cast<uint8_t>(part);
        // What the kernel will not have taken from this activation.
        const int32_t zero_point =
            params_.a_zero_point - activation_shift(shape.geometry.shift, to_k);
        bias -= static_cast<uint32_t>(zero_point * part);
      }
    };
    for_each_difference(weights_, params_.weight_zero_point, col, write_difference);

    std::memcpy(panel + j * sizeof bias, &bias, sizeof bias);
    if (params_.multiplier != nullptr) {
      uint8_t* multiplier = out + shape.segments * segment_bytes;
      std::memcpy(multiplier + j * sizeof(float), &params_.multiplier[col], sizeof(float));
    }
  }

  const WeightView& weights_;
  const PackParams& params_;
  RepeatAlong along_;
  PackedMatrix packed_;
};

size_t PackedMatrix::panel_count() const { return octavo::panel_count(shape_); }

size_t PackedMatrix::panel_cols(size_t i) const {
  return i + 1 < panel_count() ? shape_.geometry.nr : shape_.n - i * shape_.geometry.nr;
}

size_t PackedMatrix::panel_width(size_t i) const {
  return octavo::panel_width(panel_cols(i), shape_.geometry.granule);
}

PackedMatrix pack_weights(const PanelGeometry& geometry, const WeightView& weights,
                          const PackParams& params) {
  PackedMatrix packed = PanelWriter(geometry, weights, params, RepeatAlong::segments).write();
  return geometry.order == kScheduled ? schedule(packed) : std::move(packed);
}

PackedMatrix pack_depthwise_weights(const PanelGeometry& geometry, const WeightView& weights,
                                    const PackParams& params) {
  if (geometry.order != kSequential) refuse("geometry: depthwise panels are sequential");
  return PanelWriter(geometry, weights, params, RepeatAlong::k).write();
}

PackedMatrixF32 pack_weights_f32(size_t nr, const WeightViewF32& weights, const float* bias) {
  if (nr == 0) refuse("nr: is 0, expected at least 1");
  check_view(weights, size_t{1} << 24);
  PackedMatrixF32 packed;
  packed.nr_ = nr;
  packed.n_ = weights.n;
  packed.segments_ = weights.segments;
  packed.segment_k_ = weights.segment_k;
  const size_t rows = 1 + weights.segments * weights.segment_k;  // the bias, then one per k
  packed.panel_stride_bytes_ = round_up(rows * nr * sizeof(float), kPanelAlignment);
  packed.buffer_ = AlignedBuffer::pooled(packed.panel_count() * packed.panel_stride_bytes_);

  for (size_t col = 0; col < weights.n; ++col) {
    uint8_t* start = packed.buffer_.data() + col / nr * packed.panel_stride_bytes_;
    float* out = reinterpret_cast<float*>(start) + col % nr;
    if (bias != nullptr) *out = bias[col];
    for (size_t s = 0; s < weights.segments; ++s) {
      for (size_t k = 0; k < weights.segment_k; ++k) *(out += nr) = weights(col, s, k);
    }
  }
  return packed;
}

}  // namespace octavo

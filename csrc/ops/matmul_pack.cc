#include "ops/matmul_pack.h"

#include <algorithm>
#include <cstring>

#include "pack/layout.h"

namespace octavo {
namespace {

constexpr uint32_t kSigns = 0x80808080u;  // xor: four u8 to four s8

// Four bytes of a row, fewer at its end, as s8; the missing ones are zero.
uint32_t load_s8(const uint8_t* from, size_t count) {
  uint32_t dword = 0;
  std::memcpy(&dword, from, count);
  const uint32_t exist = count == kKr ? ~0u : (1u << (8 * count)) - 1u;
  return (dword ^ kSigns) & exist;
}

// The dwords of one segment of a panel, four k of a column each; Per of a column are adjacent.
template <size_t Per>
struct Quads {
  uint32_t* data;
  size_t width;

  // Quad q of column j is row(q)[j * Per].
  uint32_t* row(size_t q) const { return data + q / Per * width * Per + q % Per; }
};

// A row of b is a column of the panel: its dwords go down the panel.
template <size_t Per>
void pack_rows(const PanelSource& source, const Quads<Per>& out) {
  const size_t full = source.k / kKr, tail = source.k % kKr;
  for (size_t j = 0; j < source.cols; ++j) {
    const uint8_t* row = source.b + j * source.ld;
    for (size_t q = 0; q < full; ++q) out.row(q)[j * Per] = load_s8(row + q * kKr, kKr);
    if (tail != 0) out.row(full)[j * Per] = load_s8(row + full * kKr, tail);
  }
}

// Four rows of b are one row of dwords of the panel.
template <size_t Per>
void pack_quads(const PanelSource& source, const Quads<Per>& out) {
  const size_t full = source.k / kKr, tail = source.k % kKr, cols = source.cols;
  for (size_t q = 0; q < full; ++q) {
    const uint8_t* r0 = source.b + q * kKr * source.ld;
    const uint8_t* r1 = r0 + source.ld;
    const uint8_t* r2 = r1 + source.ld;
    const uint8_t* r3 = r2 + source.ld;
    uint32_t* to = out.row(q);
    for (size_t j = 0; j < cols; ++j) {
      const uint32_t low = r0[j] | static_cast<uint32_t>(r1[j]) << 8;
      const uint32_t high = r2[j] | static_cast<uint32_t>(r3[j]) << 8;
      to[j * Per] = (low | high << 16) ^ kSigns;
    }
  }
  for (size_t j = 0; tail != 0 && j < cols; ++j) {
    uint8_t bytes[kKr];
    for (size_t t = 0; t < tail; ++t) bytes[t] = source.b[(full * kKr + t) * source.ld + j];
    out.row(full)[j * Per] = load_s8(bytes, tail);
  }
}

// Columns from `cols` on, and quads from `existing` to `stored`.
template <size_t Per>
void zero_missing(size_t cols, size_t existing, size_t stored, const Quads<Per>& out) {
  for (size_t q = 0; cols < out.width && q < existing; ++q) {
    for (size_t j = cols; j < out.width; ++j) out.row(q)[j * Per] = 0;
  }
  for (size_t q = existing; q < stored; ++q) {
    for (size_t j = 0; j < out.width; ++j) out.row(q)[j * Per] = 0;
  }
}

// The same value for every k and column that exist.
template <size_t Per>
void fill_constant(int32_t value, const PanelSource& source, const Quads<Per>& out) {
  const auto fill = [&](size_t q, uint32_t quad) {
    uint32_t* to = out.row(q);
    for (size_t j = 0; j < source.cols; ++j) to[j * Per] = quad;
  };
  const uint32_t quad = static_cast<uint8_t>(value) * 0x01010101u;
  const size_t full = source.k / kKr, tail = source.k % kKr;
  for (size_t q = 0; q < full; ++q) fill(q, quad);
  if (tail != 0) fill(full, quad & ((1u << (8 * tail)) - 1u));
}

// sums[j] += times * the four weights of quad q of column j.
template <size_t Per>
void add_quad(const Quads<Per>& packed, size_t q, uint32_t times, uint32_t* sums) {
  const uint32_t* from = packed.row(q);
  for (size_t j = 0; j < packed.width; ++j) {
    const uint32_t v = from[j * Per];
    // Arithmetic shifts extend the sign of each byte.
    const int32_t low =
        (static_cast<int32_t>(v << 24) >> 24) + (static_cast<int32_t>(v << 16) >> 24);
    const int32_t high = (static_cast<int32_t>(v << 8) >> 24) + (static_cast<int32_t>(v) >> 24);
    sums[j] += times * static_cast<uint32_t>(low + high);
  }
}

// bias[j] = -(sum over k of (a_zero_point - shift of k) * (weight of column j + constant)), modulo
// 2^32.
template <size_t Per>
void fold_zero_point(const Quads<Per>& packed, const PanelSource& source, ActivationShift shift,
                     int32_t a_zero_point, int32_t constant, uint32_t* bias) {
  const size_t quads = (source.k + kKr - 1) / kKr;
  const auto added = static_cast<uint32_t>(constant);
  std::fill_n(bias, packed.width, 0u);
  const int32_t zero_point = a_zero_point - activation_shift(shift, 0);
  if (zero_point != 0) {
    for (size_t q = 0; q < quads; ++q) add_quad(packed, q, 1, bias);
    const auto factor = static_cast<uint32_t>(-zero_point);
    const uint32_t constants = added * static_cast<uint32_t>(source.k);
    for (size_t j = 0; j < source.cols; ++j) bias[j] = factor * (bias[j] + constants);
  }
  if (shift != kShiftByOctets) return;
  // In every second octet of k the shift is smaller by one.
  for (size_t q = 0; q < quads; ++q) {
    if (q / 2 % 2 == 1) add_quad(packed, q, ~0u, bias);
  }
  const size_t count = source.k / 16 * 8 + (source.k % 16 > 8 ? source.k % 16 - 8 : 0);
  const uint32_t constants = added * static_cast<uint32_t>(count);
  for (size_t j = 0; j < source.cols; ++j) bias[j] -= constants;
}

template <size_t Per>
void pack_panel(const PanelSource& source, const PanelGeometry& geometry, int32_t a_zero_point,
                int32_t b_zero_point, float multiplier, uint8_t* panel) {
  const size_t width = panel_width(source.cols, geometry.granule);
  const size_t stored = round_up(source.k, geometry.kr) / kKr;
  const size_t segments = matmul_segments(b_zero_point);
  auto* bias = reinterpret_cast<uint32_t*>(panel);
  const auto segment = [&](size_t s) {
    return Quads<Per>{bias + width + s * stored * width, width};
  };
  for (size_t s = 0; s < segments; ++s) {
    zero_missing(source.cols, (source.k + kKr - 1) / kKr, stored, segment(s));
  }
  if (source.transposed) {
    pack_rows(source, segment(0));
  } else {
    pack_quads(source, segment(0));
  }
  const int32_t constant = 128 - b_zero_point;
  if (segments > 1) fill_constant(std::min(constant, 127), source, segment(1));
  if (segments > 2) fill_constant(constant - 127, source, segment(2));
  fold_zero_point(segment(0), source, geometry.shift, a_zero_point, constant, bias);
  auto* multipliers = reinterpret_cast<float*>(segment(segments).data);
  std::fill_n(multipliers, source.cols, multiplier);
  std::fill_n(multipliers + source.cols, width - source.cols, 0.0f);
}

}  // namespace

size_t matmul_segments(int32_t b_zero_point) {
  return b_zero_point == 128 ? 1 : b_zero_point == 0 ? 3 : 2;
}

void pack_matmul_panel(const PanelSource& source, const PanelGeometry& geometry,
                       int32_t a_zero_point, int32_t b_zero_point, float multiplier,
                       uint8_t* panel) {
  auto* pack = geometry.kr == 4 ? pack_panel<1> : geometry.kr == 8 ? pack_panel<2> : pack_panel<4>;
  pack(source, geometry, a_zero_point, b_zero_point, multiplier, panel);
}

void pack_matmul_panel_f32(const PanelSourceF32& source, size_t nr, float* panel) {
  std::fill_n(panel, nr, 0.0f);
  for (size_t k = 0; k < source.k; ++k) {
    float* to = panel + (1 + k) * nr;
    for (size_t j = 0; j < source.cols; ++j) {
      to[j] = source.transposed ? source.b[j * source.ld + k] : source.b[k * source.ld + j];
    }
    std::fill_n(to + source.cols, nr - source.cols, 0.0f);
  }
}

}  // namespace octavo

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

// A row of b is a column of the panel: its dwords go down the panel.
void pack_rows(const PanelSource& source, size_t width, uint32_t* out) {
  const size_t full = source.k / kKr, tail = source.k % kKr;
  for (size_t j = 0; j < source.cols; ++j) {
    const uint8_t* row = source.b + j * source.ld;
    uint32_t* to = out + j;
    for (size_t q = 0; q < full; ++q, to += width) *to = load_s8(row + q * kKr, kKr);
    if (tail != 0) *to = load_s8(row + full * kKr, tail);
  }
}

// Four rows of b are one row of dwords of the panel.
void pack_quads(const PanelSource& source, uint32_t* out, size_t width) {
  const size_t full = source.k / kKr, tail = source.k % kKr, cols = source.cols;
  for (size_t q = 0; q < full; ++q, out += width) {
    const uint8_t* r0 = source.b + q * kKr * source.ld;
    const uint8_t* r1 = r0 + source.ld;
    const uint8_t* r2 = r1 + source.ld;
    const uint8_t* r3 = r2 + source.ld;
    for (size_t j = 0; j < cols; ++j) {
      const uint32_t low = r0[j] | static_cast<uint32_t>(r1[j]) << 8;
      const uint32_t high = r2[j] | static_cast<uint32_t>(r3[j]) << 8;
      out[j] = (low | high << 16) ^ kSigns;
    }
  }
  for (size_t j = 0; tail != 0 && j < cols; ++j) {
    uint8_t bytes[kKr];
    for (size_t t = 0; t < tail; ++t) bytes[t] = source.b[(full * kKr + t) * source.ld + j];
    out[j] = load_s8(bytes, tail);
  }
}

void zero_missing(size_t cols, size_t width, size_t k4, uint32_t* out) {
  if (cols == width) return;
  for (size_t q = 0; q < k4; ++q) std::fill_n(out + q * width + cols, width - cols, 0u);
}

// The same value for every k and column that exist.
void fill_constant(int32_t value, const PanelSource& source, size_t width, uint32_t* out) {
  const uint32_t quad = static_cast<uint8_t>(value) * 0x01010101u;
  const size_t full = source.k / kKr, tail = source.k % kKr;
  for (size_t q = 0; q < full; ++q) std::fill_n(out + q * width, source.cols, quad);
  if (tail == 0) return;
  std::fill_n(out + full * width, source.cols, quad & ((1u << (8 * tail)) - 1u));
}

// bias[j] = -a_zero_point * (sum of column j + shift), modulo 2^32.
void fold_zero_point(const uint32_t* packed, size_t k4, size_t width, size_t cols,
                     int32_t a_zero_point, uint32_t shift, uint32_t* bias) {
  std::fill_n(bias, width, 0u);
  if (a_zero_point == 0) return;
  for (size_t q = 0; q < k4; ++q, packed += width) {
    for (size_t j = 0; j < width; ++j) {
      const uint32_t v = packed[j];
      // Arithmetic shifts extend the sign of each byte.
      const int32_t low =
          (static_cast<int32_t>(v << 24) >> 24) + (static_cast<int32_t>(v << 16) >> 24);
      const int32_t high = (static_cast<int32_t>(v << 8) >> 24) + (static_cast<int32_t>(v) >> 24);
      bias[j] += static_cast<uint32_t>(low + high);
    }
  }
  const auto factor = static_cast<uint32_t>(-a_zero_point);
  for (size_t j = 0; j < cols; ++j) bias[j] = factor * (bias[j] + shift);
}

}  // namespace

size_t matmul_segments(int32_t b_zero_point) {
  return b_zero_point == 128 ? 1 : b_zero_point == 0 ? 3 : 2;
}

void pack_matmul_panel(const PanelSource& source, size_t width, int32_t a_zero_point,
                       int32_t b_zero_point, float multiplier, uint8_t* panel) {
  const size_t k4 = (source.k + kKr - 1) / kKr, segment = k4 * width;
  const size_t segments = matmul_segments(b_zero_point);
  auto* bias = reinterpret_cast<uint32_t*>(panel);
  uint32_t* out = bias + width;
  for (size_t s = 0; s < segments; ++s) zero_missing(source.cols, width, k4, out + s * segment);
  if (source.transposed) {
    pack_rows(source, width, out);
  } else {
    pack_quads(source, out, width);
  }
  const int32_t constant = 128 - b_zero_point;
  if (segments > 1) fill_constant(std::min(constant, 127), source, width, out + segment);
  if (segments > 2) fill_constant(constant - 127, source, width, out + 2 * segment);
  const uint32_t shift = static_cast<uint32_t>(constant) * static_cast<uint32_t>(source.k);
  fold_zero_point(out, k4, width, source.cols, a_zero_point, shift, bias);
  auto* multipliers = reinterpret_cast<float*>(out + segments * segment);
  std::fill_n(multipliers, source.cols, multiplier);
  std::fill_n(multipliers + source.cols, width - source.cols, 0.0f);
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

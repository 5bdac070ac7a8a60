// Activations of one tile as the GEMM kernel reads them, see pack/layout.h:
//
//   prepared[rows / 8][block][p][g][i] = the dword of group g (four k) of row i, its bytes in
//                                        kPairingOrder[p]
//
// 8 rows are transposed, 4 dwords of each at a time, so that a group's dwords of all of them are
// one vector:
//
//   vmovdqu, vinserti128 from memory     1 each per group
//   vpunpck{l,h}dq, vpunpck{l,h}qdq      2 per group
//   vpshufb                              2 per group: the other two pairings
//   vmovdqa                              3 per group
//
// Rows that do not exist repeat the first one of their eight. Edges: the last dwords of a segment
// are loaded under a mask; bytes past the segment are zero.
#pragma once

#include <immintrin.h>

#include "kernels/avx2/epilogue.h"
#include "kernels/avx2/gemm.h"

namespace octavo {
namespace {

constexpr size_t kGroupBytes = kScheduledRows * kKr;  // of prepared activations
constexpr size_t kGroups = sizeof(__m128i) / kKr;     // transposed at a time

// `size` (1..15) bytes of a row.
OCTAVO_INLINE __m128i load_tail(const uint8_t* a, size_t size) {
  const size_t dwords = size / kKr;
  const __m128i exists = _mm256_castsi256_si128(first_lanes(dwords));
  const __m128i whole = _mm_maskload_epi32((const int*)a, exists);
  if (size % kKr == 0) return whole;
  alignas(16) uint32_t lanes[kGroups];
  _mm_store_si128((__m128i*)lanes, whole);
  uint32_t last = 0;
  for (size_t k = 0; k < size % kKr; ++k) last |= (uint32_t)a[dwords * kKr + k] << (8 * k);
  lanes[dwords] = last;
  return _mm_load_si128((const __m128i*)lanes);
}

// From v[i] = dwords of row i | of row i + 4 to v[g] = group g of all 8 rows.
OCTAVO_INLINE void transpose(__m256i (&v)[kGroups]) {
  const __m256i t0 = _mm256_unpacklo_epi32(v[0], v[1]), t1 = _mm256_unpackhi_epi32(v[0], v[1]);
  const __m256i t2 = _mm256_unpacklo_epi32(v[2], v[3]), t3 = _mm256_unpackhi_epi32(v[2], v[3]);
  v[0] = _mm256_unpacklo_epi64(t0, t2);
  v[1] = _mm256_unpackhi_epi64(t0, t2);
  v[2] = _mm256_unpacklo_epi64(t1, t3);
  v[3] = _mm256_unpackhi_epi64(t1, t3);
}

OCTAVO_INLINE __m256i second_order(__m256i dwords) {
  return _mm256_shuffle_epi8(
      dwords, _mm256_setr_epi8(0, 2, 1, 3, 4, 6, 5, 7, 8, 10, 9, 11, 12, 14, 13, 15,  //
                               0, 2, 1, 3, 4, 6, 5, 7, 8, 10, 9, 11, 12, 14, 13, 15));
}

OCTAVO_INLINE __m256i third_order(__m256i dwords) {
  return _mm256_shuffle_epi8(
      dwords, _mm256_setr_epi8(0, 3, 1, 2, 4, 7, 5, 6, 8, 11, 9, 10, 12, 15, 13, 14,  //
                               0, 3, 1, 2, 4, 7, 5, 6, 8, 11, 9, 10, 12, 15, 13, 14));
}

// Where eight rows go.
struct Planes {
  uint8_t* first;
  size_t groups;

  OCTAVO_INLINE_MEMBER void store(size_t group, __m256i dwords) const {
    const size_t block = group / kScheduledBlock * kScheduledBlock;
    const size_t plane = scheduled_block_groups(groups, block) * kGroupBytes;
    uint8_t* at = first + (kPairings * block + (group - block)) * kGroupBytes;
    _mm256_store_si256((__m256i*)at, dwords);
    _mm256_store_si256((__m256i*)(at + plane), second_order(dwords));
    _mm256_store_si256((__m256i*)(at + 2 * plane), third_order(dwords));
  }
};

// Transposes four groups; load(row) returns their 16 bytes.
template <class Load>
OCTAVO_INLINE void load_groups(const uint8_t* const (&rows)[kScheduledVector], const Load& load,
                               __m256i (&v)[kGroups]) {
  OCTAVO_UNROLL for (size_t i = 0; i < kGroups; ++i) {
    v[i] = _mm256_inserti128_si256(_mm256_castsi128_si256(load(rows[i])), load(rows[i + 4]), 1);
  }
  transpose(v);
}

// One segment of `rows` (1..8) rows, from group `group` on.
OCTAVO_INLINE void prepare_segment(const uint8_t* const* a, size_t rows, size_t segment_k,
                                   const Planes& planes, size_t group) {
  const uint8_t* from[kScheduledVector];
  for (size_t i = 0; i < kScheduledVector; ++i) from[i] = a[i < rows ? i : 0];
  __m256i v[kGroups];
  size_t k = 0;
  for (; k + sizeof(__m128i) <= segment_k; k += sizeof(__m128i)) {
    load_groups(
        from, [k](const uint8_t* row) { return _mm_loadu_si128((const __m128i*)(row + k)); }, v);
    for (size_t i = 0; i < kGroups; ++i) planes.store(group++, v[i]);
  }
  const size_t left = segment_k - k;
  if (left == 0) return;
  load_groups(from, [k, left](const uint8_t* row) { return load_tail(row + k, left); }, v);
  for (size_t i = 0; i < (left + kKr - 1) / kKr; ++i) planes.store(group++, v[i]);
}

OCTAVO_INLINE void prepare(const GemmTile& tile, uint8_t* prepared) {
  const size_t segment_groups = scheduled_groups(1, tile.segment_k);
  const size_t groups = tile.segments * segment_groups;
  for (size_t row = 0; row < tile.rows; row += kScheduledVector) {
    const size_t rows = at_most_eight(tile.rows - row);
    const Planes planes = {prepared + row * kKr, groups};
    for (size_t s = 0; s < tile.segments; ++s) {
      prepare_segment(tile.a + s * tile.rows + row, rows, tile.segment_k, planes,
                      s * segment_groups);
    }
  }
}

}  // namespace
}  // namespace octavo

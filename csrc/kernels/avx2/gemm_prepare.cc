// Activations of one tile as the GEMM kernel reads them:
//
//   prepared[p][g][i] = the dword of group g (four k) of row i, its bytes in kPairingOrder[p]
//
// 8 rows are transposed, 8 dwords of each at a time, so that a group's dwords of all rows are one
// vector and what the kernel broadcasts lies in one cache line:
//
//   vpunpck{l,h}dq, vpunpck{l,h}qdq, vperm2i128   24 for 8 x 8 dwords
//   vpshufb                                       2 per group: the other two pairings
//   vmovdqa                                       3 per group
//
// Fewer rows have groups of 4, 2 or 1 dwords; rows that do not exist repeat the first one. Edges:
// the last dwords of a segment are loaded under a mask; bytes past the segment are zero.
#include <immintrin.h>

#include "kernels/avx2/epilogue.h"
#include "kernels/avx2/gemm.h"

namespace octavo {
namespace {

constexpr int kLanes = 8;

// `size` (1..31) bytes of a row.
OCTAVO_INLINE __m256i load_tail(const uint8_t* a, size_t size) {
  const size_t dwords = size / kKr;
  const __m256i whole = _mm256_maskload_epi32((const int*)a, first_lanes(dwords));
  if (size % kKr == 0) return whole;
  alignas(32) uint32_t lanes[kLanes];
  _mm256_store_si256((__m256i*)lanes, whole);
  uint32_t last = 0;
  for (size_t k = 0; k < size % kKr; ++k) last |= (uint32_t)a[dwords * kKr + k] << (8 * k);
  lanes[dwords] = last;
  return _mm256_load_si256((const __m256i*)lanes);
}

// v[i] lane j <-> v[j] lane i.
OCTAVO_INLINE void transpose(__m256i (&v)[kLanes]) {
  __m256i t[kLanes];
  for (int i = 0; i < kLanes; i += 2) {
    t[i] = _mm256_unpacklo_epi32(v[i], v[i + 1]);
    t[i + 1] = _mm256_unpackhi_epi32(v[i], v[i + 1]);
  }
  __m256i q[kLanes];
  for (int i = 0; i < kLanes; i += 4) {
    q[i] = _mm256_unpacklo_epi64(t[i], t[i + 2]);
    q[i + 1] = _mm256_unpackhi_epi64(t[i], t[i + 2]);
    q[i + 2] = _mm256_unpacklo_epi64(t[i + 1], t[i + 3]);
    q[i + 3] = _mm256_unpackhi_epi64(t[i + 1], t[i + 3]);
  }
  for (int i = 0; i < 4; ++i) {
    v[i] = _mm256_permute2x128_si256(q[i], q[i + 4], 0x20);
    v[i + 4] = _mm256_permute2x128_si256(q[i], q[i + 4], 0x31);
  }
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

// The first lanes of v.
template <size_t Dwords>
OCTAVO_INLINE void store_first(uint8_t* to, __m256i v) {
  if constexpr (Dwords == 2) {
    _mm_storel_epi64((__m128i*)to, _mm256_castsi256_si128(v));
  } else if constexpr (Dwords == 4) {
    _mm_store_si128((__m128i*)to, _mm256_castsi256_si128(v));
  } else {
    _mm256_store_si256((__m256i*)to, v);
  }
}

// Where the planes are; `Slots` rows have room in a group.
template <size_t Slots>
struct Planes {
  uint8_t* first;
  size_t bytes;

  // One group of all rows.
  OCTAVO_INLINE_MEMBER void store(size_t group, __m256i dwords) const {
    uint8_t* at = first + group * Slots * kKr;
    store_first<Slots>(at, dwords);
    store_first<Slots>(at + bytes, second_order(dwords));
    store_first<Slots>(at + 2 * bytes, third_order(dwords));
  }
};

// One segment of every row, from group `group` on.
template <size_t Slots>
OCTAVO_INLINE void prepare_segment(const uint8_t* const* a, size_t rows, size_t segment_k,
                                   const Planes<Slots>& planes, size_t group) {
  const uint8_t* from[Slots];
  for (size_t i = 0; i < Slots; ++i) from[i] = a[i < rows ? i : 0];
  __m256i v[kLanes] = {};
  size_t k = 0;
  for (; k + sizeof(__m256i) <= segment_k; k += sizeof(__m256i)) {
    for (size_t i = 0; i < Slots; ++i) v[i] = _mm256_loadu_si256((const __m256i*)(from[i] + k));
    transpose(v);
    for (int i = 0; i < kLanes; ++i) planes.store(group++, v[i]);
    if constexpr (Slots < kLanes) {
      for (int i = 0; i < kLanes; ++i) v[i] = _mm256_setzero_si256();
    }
  }
  const size_t left = segment_k - k;
  if (left == 0) return;
  for (size_t i = 0; i < Slots; ++i) v[i] = load_tail(from[i] + k, left);
  transpose(v);
  for (size_t i = 0; i < (left + kKr - 1) / kKr; ++i) planes.store(group++, v[i]);
}

// One row needs no transpose.
OCTAVO_INLINE void prepare_segment(const uint8_t* const* a, size_t, size_t segment_k,
                                   const Planes<1>& planes, size_t group) {
  uint8_t* at = planes.first + group * kKr;
  size_t k = 0;
  for (; k + sizeof(__m256i) <= segment_k; k += sizeof(__m256i)) {
    const __m256i v = _mm256_loadu_si256((const __m256i*)(a[0] + k));
    _mm256_storeu_si256((__m256i*)(at + k), v);
    _mm256_storeu_si256((__m256i*)(at + planes.bytes + k), second_order(v));
    _mm256_storeu_si256((__m256i*)(at + 2 * planes.bytes + k), third_order(v));
  }
  const size_t left = segment_k - k;
  if (left == 0) return;
  const __m256i v = load_tail(a[0] + k, left);
  const __m256i exists = first_lanes((left + kKr - 1) / kKr);
  _mm256_maskstore_epi32((int*)(at + k), exists, v);
  _mm256_maskstore_epi32((int*)(at + planes.bytes + k), exists, second_order(v));
  _mm256_maskstore_epi32((int*)(at + 2 * planes.bytes + k), exists, third_order(v));
}

template <size_t Slots>
void prepare(const GemmTile& tile, uint8_t* prepared) {
  const size_t groups = scheduled_groups(1, tile.segment_k);
  const Planes<Slots> planes = {prepared, tile.segments * groups * Slots * kKr};
  for (size_t s = 0; s < tile.segments; ++s) {
    prepare_segment(tile.a + s * tile.rows, tile.rows, tile.segment_k, planes, s * groups);
  }
}

}  // namespace

void gemm_prepare_8x4_avx2(const GemmTile& tile, uint8_t* prepared) {
  switch (prepared_rows(tile.rows)) {
    case 1:
      return prepare<1>(tile, prepared);
    case 2:
      return prepare<2>(tile, prepared);
    case 4:
      return prepare<4>(tile, prepared);
    default:
      return prepare<8>(tile, prepared);
  }
}

}  // namespace octavo

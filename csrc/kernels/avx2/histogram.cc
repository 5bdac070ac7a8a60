// Float-bit histogram; contract_elementwise.h has the formula.
//
// Blocks of 1024 floats. Vectors turn a block into the keys to count, zeros and what is not finite
// left out, and keep the extremes; then one scalar loop counts, see the AVX-512 kernel. AVX2 has
// neither unsigned comparisons nor vpcompressd: magnitudes are non-negative as int32, and a table
// of 256 permutations moves the lanes to keep to the front (vpmovzxbd, vpermd).
#include <math.h>

#include "kernels/avx2/epilogue.h"
#include "kernels/avx2/kernels.h"
#include "kernels/histogram_count.h"

namespace octavo {
namespace {

enum { kBlock = 1024 };

// order[mask]: the positions of mask's bits, lowest first, a byte each; the rest is 0.
struct FrontOrders {
  uint64_t order[256];
};

constexpr FrontOrders make_front_orders() {
  FrontOrders made = {};
  for (int mask = 0; mask < 256; ++mask) {
    int filled = 0;
    for (uint64_t lane = 0; lane < 8; ++lane) {
      if ((mask >> lane & 1) != 0) made.order[mask] |= lane << (8 * filled++);
    }
  }
  return made;
}

constexpr FrontOrders kFront = make_front_orders();

struct Extremes {
  __m256 min;
  __m256 max;
  __m256i smallest;
};

OCTAVO_INLINE int lanes_of(__m256i mask) { return _mm256_movemask_ps(_mm256_castsi256_ps(mask)); }

// The mask of what is to be counted; a tail's missing lanes are zeros and never are.
OCTAVO_INLINE __m256i take(__m256i bits, Extremes& extremes, FloatSummary& summary) {
  const __m256i inf = _mm256_set1_epi32(0x7F800000);
  const __m256i magnitude = _mm256_and_si256(bits, _mm256_set1_epi32(0x7FFFFFFF));
  const __m256i finite = _mm256_cmpgt_epi32(inf, magnitude);
  const int odd = lanes_of(finite) ^ 0xFF;
  if (OCTAVO_UNLIKELY(odd != 0)) {
    const int positive = lanes_of(_mm256_cmpeq_epi32(bits, inf));
    const int infinite = lanes_of(_mm256_cmpeq_epi32(magnitude, inf));
    summary.positive_infinities += (uint64_t)_mm_popcnt_u32((unsigned)positive);
    summary.negative_infinities += (uint64_t)_mm_popcnt_u32((unsigned)(infinite & ~positive));
    summary.nans += (uint64_t)_mm_popcnt_u32((unsigned)(odd & ~infinite));
  }
  const __m256i zero = _mm256_setzero_si256();
  const __m256i counted = _mm256_and_si256(finite, _mm256_cmpgt_epi32(magnitude, zero));
  const __m256 mask = _mm256_castsi256_ps(counted), x = _mm256_castsi256_ps(bits);
  extremes.min = _mm256_min_ps(extremes.min, _mm256_blendv_ps(extremes.min, x, mask));
  extremes.max = _mm256_max_ps(extremes.max, _mm256_blendv_ps(extremes.max, x, mask));
  const __m256i small =
      _mm256_or_si256(magnitude, _mm256_xor_si256(counted, _mm256_set1_epi32(-1)));
  extremes.smallest = _mm256_min_epu32(extremes.smallest, small);
  return counted;
}

OCTAVO_INLINE void reduce(const Extremes& extremes, FloatSummary& summary) {
  float min[8], max[8];
  uint32_t smallest[8];
  _mm256_storeu_ps(min, extremes.min);
  _mm256_storeu_ps(max, extremes.max);
  _mm256_storeu_si256((__m256i*)smallest, extremes.smallest);
  summary.min = min[0];
  summary.max = max[0];
  summary.smallest = smallest[0];
  for (int i = 1; i < 8; ++i) {
    summary.min = min[i] < summary.min ? min[i] : summary.min;
    summary.max = max[i] > summary.max ? max[i] : summary.max;
    summary.smallest = smallest[i] < summary.smallest ? smallest[i] : summary.smallest;
  }
}

}  // namespace

void histogram_f32_avx2(const float* x, size_t n, uint32_t* counts, FloatSummary* summary) {
  FloatSummary found = {0, 0, 0, 0, 0.0f, 0.0f, 0};
  Extremes extremes = {_mm256_set1_ps(INFINITY), _mm256_set1_ps(-INFINITY), _mm256_set1_epi32(-1)};
  uint32_t keys[kBlock + 8];
  size_t total = 0;
  for (size_t begin = 0; begin < n; begin += kBlock) {
    const size_t end = n - begin < kBlock ? n : begin + kBlock;
    size_t filled = 0;
    for (size_t i = begin; i < end; i += 8) {
      const __m256i bits = i + 8 <= end
                               ? _mm256_loadu_si256((const __m256i*)(x + i))
                               : _mm256_maskload_epi32((const int*)(x + i), first_lanes(end - i));
      const int counted = lanes_of(take(bits, extremes, found));
      const __m256i key = _mm256_srli_epi32(bits, kHistogramShift);
      const __m256i order = _mm256_cvtepu8_epi32(_mm_cvtsi64_si128((int64_t)kFront.order[counted]));
      _mm256_storeu_si256((__m256i*)(keys + filled), _mm256_permutevar8x32_epi32(key, order));
      filled += (size_t)_mm_popcnt_u32((unsigned)counted);
    }
    count_keys(keys, filled, counts);
    total += filled;
  }
  reduce(extremes, found);
  *summary = with_zeros(found, n, total);
}

}  // namespace octavo

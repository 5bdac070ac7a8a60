// Pooling over row pointers (one row per pixel of the window, `channels` bytes each): the maximum,
// 32 channels a step, and the int32 sum from which an average is requantized, 8 channels a step.
#include "kernels/avx2/epilogue.h"
#include "kernels/avx2/kernels.h"

namespace octavo {

void max_u8_avx2(const uint8_t* const* rows, size_t count, size_t channels, uint8_t* y) {
  size_t ch = 0;
  for (; ch + 32 <= channels; ch += 32) {
    __m256i max = _mm256_loadu_si256((const __m256i*)(rows[0] + ch));
    for (size_t r = 1; r < count; ++r) {
      max = _mm256_max_epu8(max, _mm256_loadu_si256((const __m256i*)(rows[r] + ch)));
    }
    _mm256_storeu_si256((__m256i*)(y + ch), max);
  }
  for (; ch < channels; ch += 8) {
    const size_t cols = channels - ch < 8 ? channels - ch : 8;
    __m128i max = load_u8x8(rows[0] + ch, cols);
    for (size_t r = 1; r < count; ++r) max = _mm_max_epu8(max, load_u8x8(rows[r] + ch, cols));
    store_u8x8(y + ch, max, cols);
  }
}

void sum_u8_avx2(const uint8_t* const* rows, size_t count, size_t channels, int32_t init,
                 int32_t* y) {
  for (size_t ch = 0; ch < channels; ch += 8) {
    const size_t cols = channels - ch < 8 ? channels - ch : 8;
    __m256i sum = _mm256_set1_epi32(init);
    for (size_t r = 0; r < count; ++r) {
      sum = _mm256_add_epi32(sum, _mm256_cvtepu8_epi32(load_u8x8(rows[r] + ch, cols)));
    }
    _mm256_maskstore_epi32(y + ch, first_lanes(cols), sum);
  }
}

}  // namespace octavo

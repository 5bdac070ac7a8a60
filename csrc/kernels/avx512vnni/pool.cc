// Pooling over row pointers (one row per pixel of the window, `channels` bytes each): the maximum,
// 64 channels a step, and the int32 sum from which an average is requantized, 16 channels a step.
#include "kernels/avx512vnni/epilogue.h"
#include "kernels/avx512vnni/kernels.h"

namespace octavo {

void max_u8_avx512vnni(const uint8_t* const* rows, size_t count, size_t channels, uint8_t* y) {
  for (size_t ch = 0; ch < channels; ch += 64) {
    const size_t left = channels - ch;
    const __mmask64 mask = left >= 64 ? ~0ull : (1ull << left) - 1;
    __m512i max = _mm512_maskz_loadu_epi8(mask, rows[0] + ch);
    for (size_t r = 1; r < count; ++r) {
      max = _mm512_max_epu8(max, _mm512_maskz_loadu_epi8(mask, rows[r] + ch));
    }
    _mm512_mask_storeu_epi8(y + ch, mask, max);
  }
}

void sum_u8_avx512vnni(const uint8_t* const* rows, size_t count, size_t channels, int32_t init,
                       int32_t* y) {
  for (size_t ch = 0; ch < channels; ch += 16) {
    const __mmask16 mask = first_lanes(channels - ch);
    __m512i sum = _mm512_set1_epi32(init);
    for (size_t r = 0; r < count; ++r) {
      const __m128i x = _mm_maskz_loadu_epi8(mask, rows[r] + ch);
      sum = _mm512_add_epi32(sum, _mm512_cvtepu8_epi32(x));
    }
    _mm512_mask_storeu_epi32(y + ch, mask, sum);
  }
}

}  // namespace octavo

// Copies rows with stores that pass the caches (vmovntdq of whole lines), for tensors too large for
// any cache: an ordinary store would read the line first. What lies before the first and after the
// last whole line of a row is stored as usual, masked.
#include <immintrin.h>

#include "kernels/avx512vnni/kernels.h"
#include "kernels/inline.h"

namespace octavo {
namespace {

OCTAVO_INLINE void copy_part(const uint8_t* x, size_t bytes, uint8_t* y) {
  const __mmask64 mask = (1ull << bytes) - 1;
  _mm512_mask_storeu_epi8(y, mask, _mm512_maskz_loadu_epi8(mask, x));
}

OCTAVO_INLINE void stream_row(const uint8_t* x, size_t bytes, uint8_t* y) {
  size_t i = (size_t)(-(uintptr_t)y % 64);
  i = i < bytes ? i : bytes;
  if (i != 0) copy_part(x, i, y);
  for (; i + 64 <= bytes; i += 64) {
    _mm512_stream_si512((__m512i*)(y + i), _mm512_loadu_si512(x + i));
  }
  if (i < bytes) copy_part(x + i, bytes - i, y + i);
}

}  // namespace

void stream_copy_avx512vnni(const uint8_t* x, size_t ldx, size_t rows, size_t bytes, uint8_t* y,
                            size_t ldy) {
  for (size_t i = 0; i < rows; ++i) stream_row(x + i * ldx, bytes, y + i * ldy);
}

}  // namespace octavo

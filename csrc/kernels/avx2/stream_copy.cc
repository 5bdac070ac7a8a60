// Copies rows with stores that pass the caches (vmovntdq, whole lines of 64 bytes), for tensors too
// large for any cache: an ordinary store would read the line first. What lies before the first and
// after the last whole line of a row is stored as usual. The fence takes about 150 ns, so it is not
// part of the copy.
#include <immintrin.h>
#include <string.h>

#include "kernels/avx2/kernels.h"
#include "kernels/inline.h"

namespace octavo {
namespace {

OCTAVO_INLINE void stream_row(const uint8_t* x, size_t bytes, uint8_t* y) {
  size_t head = (size_t)(-(uintptr_t)y % 64);
  head = head < bytes ? head : bytes;
  memcpy(y, x, head);
  size_t i = head;
  for (; i + 64 <= bytes; i += 64) {
    const __m256i low = _mm256_loadu_si256((const __m256i*)(x + i));
    const __m256i high = _mm256_loadu_si256((const __m256i*)(x + i + 32));
    _mm256_stream_si256((__m256i*)(y + i), low);
    _mm256_stream_si256((__m256i*)(y + i + 32), high);
  }
  memcpy(y + i, x + i, bytes - i);
}

}  // namespace

void stream_copy_avx2(const uint8_t* x, size_t ldx, size_t rows, size_t bytes, uint8_t* y,
                      size_t ldy) {
  for (size_t i = 0; i < rows; ++i) stream_row(x + i * ldx, bytes, y + i * ldy);
}

void stream_fence_avx2() { _mm_sfence(); }

}  // namespace octavo

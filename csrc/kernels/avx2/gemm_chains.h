// Chains of a scheduled panel, from where gemm_prepare and the packer have put their operands.
//
// A step multiplies one group of four k: 8 rows are one vector of dwords, a column is one broadcast
// dword of weights. Per step, for each 8 rows and 2 columns (latency / throughput, Zen 4,
// uops.info):
//   vmovdqa          8 rows of the group                       load port
//   vpmaddubsw   x2  four products each, two sums in int16     3 / 0.5
//   vpaddw       x2  into the chain's sums                     1 / 0.25
// and once per chain
//   vpmaddwd by ones x2, vpaddd x2    widened, into the accumulators
// Columns share their steps so that a vector of activations is loaded for both: with one column a
// kernel runs into the load ports, with four fewer groups fit a chain.
//
// Register budget (16 ymm): 6 accumulators (3 vectors x 2 columns), 6 sums, 2 of weights, 2
// products; ones takes the place of the weights. Instructions are inline assembly: as intrinsics,
// GCC would reassociate sums across steps and run out of registers.
#pragma once

#include <immintrin.h>
#include <string.h>

#include "kernels/contract.h"
#include "kernels/inline.h"

namespace octavo {
namespace {

// The steps of two columns in one block of k.
struct ChainStream {
  const uint8_t* weights;  // [steps][kScheduledColumns][kKr]
  const uint8_t* offsets;  // uint16, [steps]
  const uint8_t* lengths;  // [chains]
  const uint8_t* end;      // of lengths
  const uint8_t* next;     // stream
};

OCTAVO_INLINE ChainStream open_stream(const uint8_t* at) {
  const ChainsHeader* header = (const ChainsHeader*)at;
  ChainStream stream;
  stream.weights = at + sizeof(ChainsHeader);
  stream.offsets = stream.weights + (size_t)header->steps * kScheduledColumns * kKr;
  stream.lengths = stream.offsets + (size_t)header->steps * sizeof(uint16_t);
  stream.end = stream.lengths + header->chains;
  stream.next = at + scheduled_chains_bytes(header->steps, header->chains);
  return stream;
}

#if OCTAVO_HAS_EXTENSIONS

// The loop is one piece of assembly with named registers: compilers move ones or sums between
// registers that are not there, and spill. ymm6..11 are the sums of vectors 0..2, two columns each,
// ymm12 and 13 weights, ymm14 and 15 products; accumulators are what is left.
#define OCTAVO_FETCH                                   \
  "movzwl (%[offsets], %[step], 2), %k[at]\n\t"        \
  "vpbroadcastd (%[weights], %[step], 8), %%ymm12\n\t" \
  "vpbroadcastd 4(%[weights], %[step], 8), %%ymm13\n\t"
#define OCTAVO_FIRST(v, sum0, sum1)                 \
  "vmovdqa 32*" #v "(%[a], %[at], 8), " sum1 "\n\t" \
  "vpmaddubsw %%ymm12, " sum1 ", " sum0 "\n\t"      \
  "vpmaddubsw %%ymm13, " sum1 ", " sum1 "\n\t"
#define OCTAVO_NEXT(v, sum0, sum1)                 \
  "vmovdqa 32*" #v "(%[a], %[at], 8), %%ymm15\n\t" \
  "vpmaddubsw %%ymm12, %%ymm15, %%ymm14\n\t"       \
  "vpmaddubsw %%ymm13, %%ymm15, %%ymm15\n\t"       \
  "vpaddw %%ymm14, " sum0 ", " sum0 "\n\t"         \
  "vpaddw %%ymm15, " sum1 ", " sum1 "\n\t"
#define OCTAVO_WIDEN(v, sum0, sum1)                   \
  "vpmaddwd %%ymm12, " sum0 ", " sum0 "\n\t"          \
  "vpmaddwd %%ymm12, " sum1 ", " sum1 "\n\t"          \
  "vpaddd " sum0 ", %[acc" #v "0], %[acc" #v "0]\n\t" \
  "vpaddd " sum1 ", %[acc" #v "1], %[acc" #v "1]\n\t"

#define OCTAVO_ONE(piece) piece(0, "%%ymm6", "%%ymm7")
#define OCTAVO_TWO(piece) OCTAVO_ONE(piece) piece(1, "%%ymm8", "%%ymm9")
#define OCTAVO_THREE(piece) OCTAVO_TWO(piece) piece(2, "%%ymm10", "%%ymm11")

// A loop over chains around a loop over the steps after a chain's first one.
#define OCTAVO_CHAINS(vectors)                                                                 \
  "1:\n\t"                                                                                     \
  "lea (%[step], %[step], 4), %[at]\n\t"                                                       \
  "prefetcht0 4096(%[weights], %[at], 2)\n\t"                                                  \
  "movzbl (%[length]), %k[end]\n\t"                                                            \
  "add %[step], %[end]\n\t" OCTAVO_FETCH                                                       \
  vectors(OCTAVO_FIRST) "inc %[step]\n\t"                                                      \
                        "cmp %[step], %[end]\n\t"                                              \
                        "je 3f\n\t"                                                            \
                        "2:\n\t" OCTAVO_FETCH vectors(                                         \
                            OCTAVO_NEXT) "inc %[step]\n\t"                                     \
                                         "cmp %[step], %[end]\n\t"                             \
                                         "jne 2b\n\t"                                          \
                                         "3:\n\t"                                              \
                                         "vpcmpeqd %%ymm12, %%ymm12, %%ymm12\n\t"              \
                                         "vpabsw %%ymm12, %%ymm12\n\t" vectors(                \
                                             OCTAVO_WIDEN) "inc %[length]\n\t"                 \
                                                           "cmp %[length], %[lengths_end]\n\t" \
                                                           "jne 1b"
#define OCTAVO_ACC(v) [acc##v##0] "+x"(acc[v][0]), [acc##v##1] "+x"(acc[v][1])
#define OCTAVO_CURSOR [step] "+r"(step), [length] "+r"(length), [at] "=&r"(at), [end] "=&r"(end)
#define OCTAVO_STREAM                                                       \
  [a] "r"(a), [weights] "r"(stream.weights), [offsets] "r"(stream.offsets), \
      [lengths_end] "r"(stream.end)
#define OCTAVO_CLOBBERS                                                                        \
  "cc", "memory", "xmm6", "xmm7", "xmm8", "xmm9", "xmm10", "xmm11", "xmm12", "xmm13", "xmm14", \
      "xmm15"

// acc += the products of a block; a: its activations.
template <size_t Vectors>
OCTAVO_INLINE void run_chains(const uint8_t* a, const ChainStream& stream,
                              __m256i (&acc)[Vectors][2]) {
  if (stream.lengths == stream.end) return;
  const uint8_t* length = stream.lengths;
  size_t step = 0, at, end;
  if constexpr (Vectors == 1) {
    __asm__ volatile(OCTAVO_CHAINS(OCTAVO_ONE)
                     : OCTAVO_ACC(0), OCTAVO_CURSOR
                     : OCTAVO_STREAM
                     : OCTAVO_CLOBBERS);
  } else if constexpr (Vectors == 2) {
    __asm__ volatile(OCTAVO_CHAINS(OCTAVO_TWO)
                     : OCTAVO_ACC(0), OCTAVO_ACC(1), OCTAVO_CURSOR
                     : OCTAVO_STREAM
                     : OCTAVO_CLOBBERS);
  } else {
    __asm__ volatile(OCTAVO_CHAINS(OCTAVO_THREE)
                     : OCTAVO_ACC(0), OCTAVO_ACC(1), OCTAVO_ACC(2), OCTAVO_CURSOR
                     : OCTAVO_STREAM
                     : OCTAVO_CLOBBERS);
  }
}

#else

// acc += the products of a block; a: its activations.
template <size_t Vectors>
OCTAVO_INLINE void run_chains(const uint8_t* a, const ChainStream& stream,
                              __m256i (&acc)[Vectors][2]) {
  const uint8_t* weights = stream.weights;
  const uint8_t* offset = stream.offsets;
  for (const uint8_t* length = stream.lengths; length != stream.end; ++length) {
    __m256i sums[Vectors][2];
    for (size_t v = 0; v < Vectors; ++v) sums[v][0] = sums[v][1] = _mm256_setzero_si256();
    for (uint8_t left = *length; left != 0; --left, weights += kScheduledColumns * kKr) {
      uint16_t at;
      int32_t dwords[kScheduledColumns];
      memcpy(&at, offset, sizeof at);
      memcpy(dwords, weights, sizeof dwords);
      offset += sizeof at;
      const __m256i* groups = (const __m256i*)(a + (size_t)at * kOffsetBytes);
      for (size_t v = 0; v < Vectors; ++v) {
        for (size_t j = 0; j < 2; ++j) {
          const __m256i products =
              _mm256_maddubs_epi16(_mm256_load_si256(groups + v), _mm256_set1_epi32(dwords[j]));
          sums[v][j] = _mm256_add_epi16(sums[v][j], products);
        }
      }
    }
    for (size_t v = 0; v < Vectors; ++v) {
      for (size_t j = 0; j < 2; ++j) {
        const __m256i wide = _mm256_madd_epi16(sums[v][j], _mm256_set1_epi16(1));
        acc[v][j] = _mm256_add_epi32(acc[v][j], wide);
      }
    }
  }
}

#endif

}  // namespace
}  // namespace octavo

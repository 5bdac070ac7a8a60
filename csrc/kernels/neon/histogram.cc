// Float-bit histogram; contract_elementwise.h has the formula.
//
// Blocks of 1024 floats. Vectors turn a block into keys and keep the extremes; then one scalar loop
// counts, see the AVX-512 kernel. To leave zeros out, NEON would need six instructions for four
// lanes (a mask as bits, a permutation, how many are left); counting them too and taking them back
// needs four: lane by lane, because count_keys counts a vector's lane in the histogram's lane.
// Blocks with anything that is not finite, and tails, are left to the scalar kernel.
#include <math.h>

#include "kernels/histogram_count.h"
#include "kernels/neon/epilogue.h"
#include "kernels/neon/kernels.h"
#include "kernels/scalar/kernels.h"

namespace octavo {
namespace {

constexpr size_t kBlock = 1024;
constexpr uint32_t kInfinity = 0x7F800000u, kSign = 0x80000000u;

struct Extremes {
  float32x4_t min;
  float32x4_t max;
  uint32x4_t below;    // the smallest magnitude that is not 0, minus 1; else all ones
  uint32x4_t largest;  // magnitude
};

constexpr FloatSummary kNothing = {0, 0, 0, 0, INFINITY, -INFINITY, ~0u};

OCTAVO_INLINE void merge(const FloatSummary& part, FloatSummary& found) {
  found.zeros += part.zeros;
  found.nans += part.nans;
  found.positive_infinities += part.positive_infinities;
  found.negative_infinities += part.negative_infinities;
  found.min = part.min < found.min ? part.min : found.min;
  found.max = part.max > found.max ? part.max : found.max;
  found.smallest = part.smallest < found.smallest ? part.smallest : found.smallest;
}

// Takes zeros of one sign back; returns how many.
OCTAVO_INLINE uint64_t uncount(uint32x4_t zeros, uint32_t* counts) {
  vst1q_u32(counts, vsubq_u32(vld1q_u32(counts), zeros));
  return vaddvq_u32(zeros);
}

// n is a multiple of 4. False, and nothing done, if a value is not finite.
OCTAVO_INLINE bool count_block(const float* x, size_t n, uint32_t* counts, FloatSummary& found) {
  Extremes block = {vdupq_n_f32(INFINITY), vdupq_n_f32(-INFINITY), vdupq_n_u32(~0u),
                    vdupq_n_u32(0)};
  uint32x4_t plus = vdupq_n_u32(0), minus = vdupq_n_u32(0);
  uint32_t keys[kBlock];
  for (size_t i = 0; i < n; i += 4) {
    const float32x4_t v = vld1q_f32(x + i);
    const uint32x4_t bits = vreinterpretq_u32_f32(v);
    const uint32x4_t magnitude = vandq_u32(bits, vdupq_n_u32(~kSign));
    block.min = vminq_f32(block.min, v);
    block.max = vmaxq_f32(block.max, v);
    block.below = vminq_u32(block.below, vsubq_u32(magnitude, vdupq_n_u32(1)));
    block.largest = vmaxq_u32(block.largest, magnitude);
    plus = vsubq_u32(plus, vceqq_u32(bits, vdupq_n_u32(0)));
    minus = vsubq_u32(minus, vceqq_u32(bits, vdupq_n_u32(kSign)));
    vst1q_u32(keys + i, vshrq_n_u32(bits, kHistogramShift));
  }
  if (vmaxvq_u32(block.largest) >= kInfinity) return false;
  count_keys(keys, n, counts);
  FloatSummary part = kNothing;
  part.zeros = uncount(plus, counts);
  part.zeros += uncount(minus, counts + (size_t)(kSign >> kHistogramShift) * kHistogramLanes);
  part.min = vminvq_f32(block.min) + 0.0f;  // -0 becomes +0
  part.max = vmaxvq_f32(block.max) + 0.0f;
  const uint32_t below = vminvq_u32(block.below);
  part.smallest = below == ~0u ? ~0u : below + 1;
  merge(part, found);
  return true;
}

}  // namespace

void histogram_f32_neon(const float* x, size_t n, uint32_t* counts, FloatSummary* summary) {
  FloatSummary found = kNothing;
  for (size_t begin = 0; begin < n; begin += kBlock) {
    const size_t size = n - begin < kBlock ? n - begin : kBlock;
    const size_t whole = size / 4 * 4;
    const bool counted = count_block(x + begin, whole, counts, found);
    const size_t done = counted ? whole : 0;
    if (done == size) continue;
    FloatSummary part;
    histogram_f32_scalar(x + begin + done, size - done, counts, &part);
    merge(part, found);
  }
  *summary = found;
}

}  // namespace octavo

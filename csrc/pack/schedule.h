// Scheduled panels: the proof that makes vpmaddubsw exact.
//
// vpmaddubsw multiplies u8 by s8 and adds two neighbouring products in int16, with saturation. It
// is exact for every activation iff the positive weights of the two sum to at most 128 and the
// negative ones to at least -128: 255 * 128 = 32640 fits int16. Results of several groups of four k
// may be added in int16, before they are widened, as long as the same holds over all their weights.
// All of it is known when weights are packed:
//
//  - groups form chains, each summed in int16 and widened once. Neighbours or not: sums of int32 do
//    not care about order. Two columns share their chains, so that the bound must hold in 2 columns
//    x 2 pairs x 2 signs: most chains have three groups or more;
//  - the four k of a group can be paired in three ways, (0,1)(2,3), (0,2)(1,3) or (0,3)(1,2), if
//  its
//    activations are stored in that order too;
//  - a group that is safe under no pairing is stored twice, as floor(w / 2) and w - floor(w / 2):
//    halves lie in [-64, 64], so that every pairing of a half is safe, and they add up to w;
//  - a group of zeros is not stored.
//
// Sums are int32 with wrap-around, so their order does not matter and the result is exact.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "pack/layout.h"

namespace octavo {

class PackedMatrix;

// The groups of two columns in one block of k, in the order in which a kernel reads them.
struct Schedule {
  struct Step {
    uint16_t group;    // which dword of a row
    uint16_t pairing;  // 0..2: in which order its bytes are, see kPairingOrder
    int8_t weights[kScheduledColumns * kKr];  // [column][k], in that order
  };

  std::vector<Step> steps;
  std::vector<uint8_t> lengths;  // of the chains, longest first: their sum is the number of steps
};

// Byte k of a dword in order p is byte kPairingOrder[p][k] of the original.
inline constexpr uint8_t kPairingOrder[kPairings][kKr] = {{0, 1, 2, 3}, {0, 2, 1, 3}, {0, 3, 1, 2}};

// weights: groups <= kScheduledBlock times [kScheduledColumns][kKr], `stride` bytes apart.
Schedule schedule_columns(const int8_t* weights, size_t groups, size_t stride);

// The scheduled form of sequential panels whose geometry asks for it.
PackedMatrix schedule(const PackedMatrix& sequential);

}  // namespace octavo

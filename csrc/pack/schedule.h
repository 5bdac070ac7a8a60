// Scheduled panels: the proof that makes vpmaddubsw exact.
//
// vpmaddubsw multiplies u8 by s8 and adds two neighbouring products in int16, with saturation. It
// is exact for every activation iff the positive weights of the two sum to at most 128 and the
// negative ones to at least -128: 255 * 128 = 32640 fits int16. The same bound over four weights
// allows two results to be added in int16 before they are widened. All of it is known when weights
// are packed:
//
//  - a group of four k (one dword of activations) can be paired in three ways, (0,1)(2,3),
//    (0,2)(1,3) or (0,3)(1,2), if its activations are stored in that order too. `pair`: a pairing
//    exists that is safe in all 8 columns of the panel;
//  - a group that is safe under no pairing is stored twice, as floor(w / 2) and w - floor(w / 2):
//    halves lie in [-64, 64], so that every pairing of a half is safe, and they add up to w;
//  - `quad`: two groups, neighbours or not, whose pairs together keep the bound over four weights.
//    Groups are matched within a window, so that a tile's activations are read almost in order;
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

// One panel's groups in the order in which a kernel reads them: 2 * quads steps, then pairs.
struct Schedule {
  struct Step {
    uint32_t group;                         // which dword of a row
    uint32_t pairing;                       // 0..2: in which order its bytes are, see kPairingOrder
    int8_t weights[kScheduledWidth * kKr];  // [column][k], in that order
  };

  size_t quads = 0;
  size_t pairs = 0;
  std::vector<Step> steps;
};

// Byte k of a dword in order p is byte kPairingOrder[p][k] of the original.
inline constexpr uint8_t kPairingOrder[kPairings][kKr] = {{0, 1, 2, 3}, {0, 2, 1, 3}, {0, 3, 1, 2}};

// weights: [groups][kScheduledWidth][kKr], as a sequential panel stores them.
Schedule schedule_panel(const int8_t* weights, size_t groups);

// The scheduled form of sequential panels whose geometry asks for it.
PackedMatrix schedule(const PackedMatrix& sequential);

}  // namespace octavo

// How many samples of a batch go through a step at a time.
//
// A large batch would write each activation to memory before anyone reads it. So a program is cut
// into segments of successive steps, and a segment runs for a group of samples after the other:
// one sample at a time where activations are large, the whole batch where weights are.
#pragma once

#include <cstddef>
#include <span>
#include <vector>

namespace octavo {

// Bytes that a step moves, per sample but for the weights.
struct StepTraffic {
  size_t activations;  // read and written
  size_t weights;      // read once a call
  size_t waiting;      // written before this step, read by it or later
};

struct Segment {
  size_t begin;  // steps begin .. end - 1
  size_t end;
  size_t group;  // samples at a time; the last group may be smaller
};

// The cut that moves the fewest bytes from beyond a cache of cache_bytes. batch >= 1.
std::vector<Segment> cut_into_segments(std::span<const StepTraffic> steps, size_t batch,
                                       size_t cache_bytes);

}  // namespace octavo

// Where in one arena each temporary tensor of a program lives.
#pragma once

#include <cstddef>
#include <span>
#include <vector>

namespace octavo {

// A buffer of `bytes` that is live from step `first` (which writes it) to step `last` (the last
// one that reads it), both inclusive.
struct Lifetime {
  size_t bytes;
  size_t first;
  size_t last;
};

struct Placement {
  std::vector<size_t> offsets;  // one per lifetime, multiples of 64
  size_t total_bytes;           // of the arena; a multiple of 64
};

// Gives buffers that are live at the same step disjoint ranges. Largest first, each into the
// smallest gap that holds it, else past the end of those it overlaps with in time.
// Throws Error(out_of_memory) when the sizes do not fit into size_t.
Placement place(std::span<const Lifetime> lifetimes);

}  // namespace octavo

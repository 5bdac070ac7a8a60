#include "ops/program/plan.h"

#include <algorithm>
#include <limits>
#include <numeric>

#include "base/buffer.h"
#include "base/status.h"

namespace octavo {
namespace {

constexpr size_t kAlignment = AlignedBuffer::kAlignment;

struct Range {
  size_t begin;
  size_t end;
};

bool live_together(const Lifetime& a, const Lifetime& b) {
  return a.first <= b.last && b.first <= a.last;
}

size_t checked_end(size_t begin, size_t bytes) {
  // Room for rounding the end up to the alignment is part of the check.
  if (bytes > std::numeric_limits<size_t>::max() - (kAlignment - 1) - begin) {
    throw Error(Status::out_of_memory,
                "program: the tensors of one batch exceed the address space");
  }
  return (begin + bytes + kAlignment - 1) / kAlignment * kAlignment;
}

// The offset for `bytes` given the ranges in use, sorted by begin.
size_t best_fit(const std::vector<Range>& used, size_t bytes) {
  size_t best_offset = 0;
  size_t best_gap = std::numeric_limits<size_t>::max();
  bool found = false;
  size_t free_from = 0;
  for (const Range& range : used) {
    if (range.begin > free_from) {
      const size_t gap = range.begin - free_from;
      if (gap >= bytes && gap < best_gap) {
        best_offset = free_from;
        best_gap = gap;
        found = true;
      }
    }
    free_from = std::max(free_from, range.end);
  }
  return found ? best_offset : free_from;
}

}  // namespace

Placement place(std::span<const Lifetime> lifetimes) {
  std::vector<size_t> order(lifetimes.size());
  std::iota(order.begin(), order.end(), size_t{0});
  std::stable_sort(order.begin(), order.end(),
                   [&](size_t a, size_t b) { return lifetimes[a].bytes > lifetimes[b].bytes; });

  Placement placement{std::vector<size_t>(lifetimes.size(), 0), 0};
  std::vector<size_t> placed;
  std::vector<Range> used;
  std::vector<Range> ranges(lifetimes.size());
  for (const size_t i : order) {
    const Lifetime& lifetime = lifetimes[i];
    if (lifetime.bytes == 0) continue;
    used.clear();
    for (const size_t other : placed) {
      if (live_together(lifetime, lifetimes[other])) used.push_back(ranges[other]);
    }
    std::sort(used.begin(), used.end(),
              [](const Range& a, const Range& b) { return a.begin < b.begin; });
    const size_t offset = best_fit(used, lifetime.bytes);
    ranges[i] = {offset, checked_end(offset, lifetime.bytes)};
    placement.offsets[i] = offset;
    placement.total_bytes = std::max(placement.total_bytes, ranges[i].end);
    placed.push_back(i);
  }
  return placement;
}

}  // namespace octavo

#include "ops/histogram.h"

#include <algorithm>
#include <bit>
#include <cstdlib>
#include <limits>
#include <string>

#include "base/status.h"
#include "ops/checks.h"
#include "ops/split.h"

namespace octavo {
namespace {

// Elements worth a thread.
constexpr size_t kGrain = size_t{1} << 16;
// Elements a counter of 32 bits is good for.
constexpr size_t kMostCounted = size_t{1} << 30;
// Looking at the counters of so many elements costs as much as at all those of an octave.
constexpr size_t kElementsPerOctave = 256;

constexpr float kInfinity = std::numeric_limits<float>::infinity();

// A thread's counters, all 0 between updates. Of 8 MiB only the pages that are touched take memory.
uint32_t* thread_counts() {
  struct Free {
    void operator()(uint32_t* p) const { std::free(p); }
  };
  thread_local std::unique_ptr<uint32_t, Free> counts;
  if (counts == nullptr) {
    constexpr size_t kCounters = size_t{kHistogramKeys} * kHistogramLanes;
    counts.reset(static_cast<uint32_t*>(std::calloc(kCounters, sizeof(uint32_t))));
    if (counts == nullptr) throw Error(Status::out_of_memory, "no memory for a histogram");
  }
  return counts.get();
}

uint32_t magnitude(float x) { return std::bit_cast<uint32_t>(x) & 0x7FFFFFFFu; }

// Adds up the lanes of one key and clears them.
uint64_t take_count(uint32_t* lanes) {
  uint64_t sum = 0;
  for (size_t lane = 0; lane < kHistogramLanes; ++lane) {
    sum += lanes[lane];
    lanes[lane] = 0;
  }
  return sum;
}

}  // namespace

const FloatSummary FloatHistogram::kNothingSeen = {0, 0, 0, 0, kInfinity, -kInfinity, ~0u};

void combine(FloatSummary& into, const FloatSummary& part) {
  into.zeros += part.zeros;
  into.nans += part.nans;
  into.positive_infinities += part.positive_infinities;
  into.negative_infinities += part.negative_infinities;
  into.min = std::min(into.min, part.min);
  into.max = std::max(into.max, part.max);
  into.smallest = std::min(into.smallest, part.smallest);
}

void FloatHistogram::update(const Context& context, const float* x, size_t rows, size_t cols,
                            float* row_min, float* row_max) {
  const size_t n = checked_product("x", {rows, cols, sizeof(float)}) / sizeof(float);
  check_pointer("x", x, n, alignof(float));
  for (size_t row = 0; row < rows; ++row) {
    if (row_min != nullptr) row_min[row] = kInfinity;
    if (row_max != nullptr) row_max[row] = -kInfinity;
  }
  // A thread's share of the elements: parts of rows, whatever the numbers of both are.
  split_range(context, n, kGrain, [&](size_t begin, size_t count) {
    uint32_t* counts = thread_counts();
    for (size_t at = begin; at < begin + count;) {
      const size_t stop = std::min(begin + count, at + kMostCounted);
      const size_t first = at;
      FloatSummary seen = kNothingSeen;
      std::vector<FloatSummary> parts;
      while (at < stop) {
        const size_t piece = std::min(stop, (at / cols + 1) * cols) - at;
        FloatSummary part;
        context.kernels().histogram_f32.run(x + at, piece, counts, &part);
        combine(seen, part);
        parts.push_back(part);
        at += piece;
      }
      const std::lock_guard lock(mutex_);
      for (size_t i = 0; i < parts.size(); ++i) {
        const size_t row = first / cols + i;
        if (row_min != nullptr) row_min[row] = std::min(row_min[row], parts[i].min);
        if (row_max != nullptr) row_max[row] = std::max(row_max[row], parts[i].max);
      }
      flush(x + first, stop - first, seen, counts);
      combine(summary_, seen);
    }
  });
}

uint64_t& FloatHistogram::count_of(size_t key) {
  std::unique_ptr<Page>& page = pages_[key / kHistogramBinsPerOctave];
  if (page == nullptr) page = std::make_unique<Page>();
  return (*page)[key % kHistogramBinsPerOctave];
}

// Moves a thread's counts of x into the pages: those of its octaves, or those of its elements.
void FloatHistogram::flush(const float* x, size_t n, const FloatSummary& seen, uint32_t* counts) {
  if (seen.smallest == kNothingSeen.smallest) return;
  const size_t first = seen.smallest >> 23;
  const auto octaves = [&](float extreme) { return (magnitude(extreme) >> 23) + 1 - first; };
  const size_t positive = seen.max > 0 ? octaves(seen.max) : 0;
  const size_t negative = seen.min < 0 ? octaves(seen.min) : 0;
  if (n <= (positive + negative) * kElementsPerOctave) {
    for (size_t i = 0; i < n; ++i) {
      const size_t key = std::bit_cast<uint32_t>(x[i]) >> kHistogramShift;
      if (const uint64_t count = take_count(counts + key * kHistogramLanes)) count_of(key) += count;
    }
    return;
  }
  for (size_t i = 0; i < positive; ++i) flush_octave(first + i, counts);
  for (size_t i = 0; i < negative; ++i) flush_octave(kPages / 2 + first + i, counts);
}

void FloatHistogram::flush_octave(size_t page, uint32_t* counts) {
  constexpr size_t kCounters = size_t{kHistogramBinsPerOctave} * kHistogramLanes;
  uint32_t* lanes = counts + page * kCounters;
  uint32_t any = 0;
  for (size_t i = 0; i < kCounters; ++i) any |= lanes[i];
  if (any == 0) return;
  uint64_t* bins = &count_of(page * kHistogramBinsPerOctave);
  for (size_t i = 0; i < kHistogramBinsPerOctave; ++i) {
    bins[i] += take_count(lanes + i * kHistogramLanes);
  }
}

void FloatHistogram::merge(const FloatHistogram& other) {
  std::vector<Bin> bins;
  FloatSummary summary;
  {  // of one moment; and not both locks at once, so that a histogram may take in itself
    const std::lock_guard lock(other.mutex_);
    bins = other.locked_bins();
    summary = other.summary_;
  }
  add(bins, summary);
}

void FloatHistogram::add(std::span<const Bin> bins, const FloatSummary& summary) {
  for (const Bin& bin : bins) {
    constexpr uint32_t kSignBit = kHistogramKeys / 2, kInfinite = 0x7F800000u >> kHistogramShift;
    if (bin.key >= kHistogramKeys || bin.key % kSignBit >= kInfinite) {
      fail("bins", "key " + std::to_string(bin.key), "keys of finite values");
    }
  }
  const std::lock_guard lock(mutex_);
  for (const Bin& bin : bins) count_of(bin.key) += bin.count;
  combine(summary_, summary);
}

std::vector<FloatHistogram::Bin> FloatHistogram::bins() const {
  const std::lock_guard lock(mutex_);
  return locked_bins();
}

std::vector<FloatHistogram::Bin> FloatHistogram::locked_bins() const {
  std::vector<Bin> found;
  for (size_t page = 0; page < kPages; ++page) {
    if (pages_[page] == nullptr) continue;
    for (size_t i = 0; i < kHistogramBinsPerOctave; ++i) {
      const uint64_t count = (*pages_[page])[i];
      const size_t key = page * kHistogramBinsPerOctave + i;
      if (count != 0) found.push_back({static_cast<uint32_t>(key), count});
    }
  }
  return found;
}

FloatSummary FloatHistogram::summary() const {
  const std::lock_guard lock(mutex_);
  return summary_;
}

}  // namespace octavo

// The exact distribution of a tensor's values, counted in the bins of contract_elementwise.h.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <span>
#include <vector>

#include "kernels/contract.h"
#include "runtime/context.h"

namespace octavo {

// Grows by adding integers, so the result is the same for any split of the values, any order and
// any number of threads. Safe to use from several threads at once. An octave in which nothing was
// seen takes no memory, one in which something was takes 8 KiB for each sign.
class FloatHistogram {
 public:
  static const FloatSummary kNothingSeen;

  struct Bin {
    uint32_t key;
    uint64_t count;
  };

  FloatHistogram() = default;

  // Takes in x (rows, cols), contiguous. row_min and row_max (rows,) receive each row's extremes as
  // FloatSummary defines them, if not null.
  void update(const Context& context, const float* x, size_t rows, size_t cols, float* row_min,
              float* row_max);

  // Takes in all that the other one has seen.
  void merge(const FloatHistogram& other);

  // Takes in bins and a summary, as `bins` and `summary` gave them; keys are of finite values.
  void add(std::span<const Bin> bins, const FloatSummary& summary);

  // What was seen: the bins that are not empty, by ascending key, and what is kept beside.
  std::vector<Bin> bins() const;
  FloatSummary summary() const;

 private:
  using Page = std::array<uint64_t, kHistogramBinsPerOctave>;
  static constexpr size_t kPages = size_t{kHistogramKeys} / kHistogramBinsPerOctave;

  std::vector<Bin> locked_bins() const;
  void flush(const float* x, size_t n, const FloatSummary& seen, uint32_t* counts);
  void flush_octave(size_t page, uint32_t* counts);
  uint64_t& count_of(size_t key);

  mutable std::mutex mutex_;
  std::array<std::unique_ptr<Page>, kPages> pages_;
  FloatSummary summary_ = kNothingSeen;
};

// Takes what another part of the values has into `into`.
void combine(FloatSummary& into, const FloatSummary& part);

}  // namespace octavo

// A program made ready for one batch size, and the memory its runs borrow.
#pragma once

#include <algorithm>
#include <cstddef>
#include <memory>
#include <mutex>
#include <span>
#include <utility>
#include <vector>

#include "base/buffer.h"
#include "ops/program/plan.h"
#include "ops/program/segments.h"
#include "ops/program/step.h"
#include "ops/program/views.h"

namespace octavo {

// Where a tensor lives while the program runs.
enum class Home {
  unused,    // nothing reads or writes it
  arena,     // written by a step, read by later ones
  input,     // the caller's array, read in place
  output,    // the caller's array, written in place
  constant,  // the program's, one copy per sample
  view,      // part of another tensor
};

// What finish() finds out about each tensor.
struct TensorUse {
  Home home = Home::unused;
  size_t first = 0;  // the step that writes it
  size_t last = 0;   // the last step that reads it
};

// What one run works in; it lies in memory of Prepared::workspace_bytes().
struct Workspace {
  unsigned char* arena;
  std::span<void*>
      data;  // of every tensor's first sample; those of inputs and outputs are the run's
  std::span<void*> here;  // of the group of samples that is running
};

// The plan for one batch size. Runs in several threads share it: each borrows a workspace.
class Prepared {
 public:
  // `constants[id]` holds the content of a constant tensor for one sample. Throws
  // Error(out_of_memory) for sizes that overflow or exceed the machine's memory.
  Prepared(size_t batch, std::vector<Segment> segments, std::span<const TensorInfo> tensors,
           std::span<const TensorUse> uses, std::span<const View> views,
           std::span<const AlignedBuffer> constants);

  size_t batch() const { return batch_; }
  const std::vector<Segment>& segments() const { return segments_; }
  size_t arena_bytes() const { return arena_bytes_; }

  // The arena and the addresses of the tensors.
  size_t workspace_bytes() const {
    return arena_bytes_ + 2 * arena_offsets_.size() * sizeof(void*);
  }

  // memory: workspace_bytes(), aligned as an AlignedBuffer is.
  Workspace open(unsigned char* memory) const;

  // Addresses for the samples from `first` on.
  void* const* at(const Workspace& workspace, size_t first) const;

  // Repeats the constants, unless that is done. A plan alone costs no memory: before the first run.
  void make_ready();

  // Memory for the lease's lifetime. As much is kept as runs have ever overlapped.
  class Lease {
   public:
    explicit Lease(Prepared& prepared) : prepared_(prepared), memory_(prepared.borrow()) {}
    ~Lease() { prepared_.give_back(std::move(memory_)); }
    Lease(const Lease&) = delete;
    Lease& operator=(const Lease&) = delete;

    unsigned char* memory() { return memory_.data(); }

   private:
    Prepared& prepared_;
    AlignedBuffer memory_;
  };

 private:
  struct Constant {
    TensorId id;
    size_t bytes;  // of one sample
    const void* data;
  };

  // A tensor that holds all samples; the others in the arena hold one group.
  struct Moving {
    TensorId id;
    size_t sample_bytes;
  };

  // A view.
  struct Part {
    TensorId id;
    TensorId base;
    size_t offset_bytes;
  };

  Lifetime lifetime(size_t sample_bytes, const TensorUse& use) const;
  AlignedBuffer borrow();
  void give_back(AlignedBuffer memory) noexcept;

  size_t batch_;
  std::vector<Segment> segments_;
  std::vector<Moving> moving_;
  std::vector<Part> parts_;
  size_t arena_bytes_ = 0;
  std::vector<size_t> arena_offsets_;  // by tensor; kNotInArena elsewhere

  std::mutex mutex_;
  std::vector<Constant> constants_;      // fixed once it is ready
  std::vector<AlignedBuffer> repeated_;  // their content, one copy per sample
  std::vector<AlignedBuffer> free_;
};

// The plans of the last few batch sizes.
class PreparedCache {
 public:
  static constexpr size_t kCapacity = 4;

  // The cached plan for `batch`, or what `make()` returns.
  template <class Make>
  std::shared_ptr<Prepared> get(size_t batch, const Make& make) {
    const std::lock_guard lock(mutex_);
    for (size_t i = 0; i < recent_.size(); ++i) {
      if (recent_[i]->batch() != batch) continue;
      std::rotate(recent_.begin(), recent_.begin() + static_cast<ptrdiff_t>(i),
                  recent_.begin() + static_cast<ptrdiff_t>(i) + 1);
      return recent_.front();
    }
    std::shared_ptr<Prepared> prepared = make();
    recent_.insert(recent_.begin(), prepared);
    if (recent_.size() > kCapacity) recent_.pop_back();
    return prepared;
  }

 private:
  std::mutex mutex_;
  std::vector<std::shared_ptr<Prepared>> recent_;  // latest first
};

}  // namespace octavo

#include "ops/program/prepared.h"

#include <algorithm>
#include <cstring>
#include <limits>
#include <string>
#include <utility>

#include "base/overflow.h"
#include "base/status.h"

namespace octavo {
namespace {

constexpr size_t kNotInArena = std::numeric_limits<size_t>::max();

size_t batch_bytes(const TensorInfo& tensor, size_t batch) {
  size_t bytes = tensor.elements * dtype_bytes(tensor.dtype);  // bounded by Program::tensor
  if (mul_overflows(bytes, batch, &bytes)) {
    throw Error(Status::out_of_memory, "program: a tensor of " + std::to_string(tensor.elements) +
                                           " elements exceeds the address space at batch " +
                                           std::to_string(batch));
  }
  return bytes;
}

// An allocator may promise memory that does not exist and the system then ends the process.
void require_memory(size_t bytes, size_t batch) {
  const size_t memory = physical_memory_bytes();
  if (bytes > memory) {
    throw Error(Status::out_of_memory, "program: a batch of " + std::to_string(batch) + " needs " +
                                           std::to_string(bytes) + " bytes, this machine has " +
                                           std::to_string(memory));
  }
}

AlignedBuffer repeat(const void* sample, size_t sample_bytes, size_t batch) {
  AlignedBuffer repeated(sample_bytes * batch);
  for (size_t i = 0; i < batch; ++i) {
    std::memcpy(repeated.data() + i * sample_bytes, sample, sample_bytes);
  }
  return repeated;
}

}  // namespace

// A tensor of one segment holds one group. Any other holds the batch, and what a segment reads or
// writes piece by piece is live from its first step to its last.
Lifetime Prepared::lifetime(size_t sample_bytes, const TensorUse& use) const {
  const auto segment_of = [&](size_t step) -> const Segment& {
    return *std::find_if(segments_.begin(), segments_.end(),
                         [&](const Segment& segment) { return step < segment.end; });
  };
  const Segment& writer = segment_of(use.first);
  const Segment& reader = segment_of(use.last);
  if (&writer == &reader) return {sample_bytes * writer.group, use.first, use.last};
  return {sample_bytes * batch_, writer.group < batch_ ? writer.begin : use.first,
          reader.group < batch_ ? reader.end - 1 : use.last};
}

Prepared::Prepared(size_t batch, std::vector<Segment> segments, std::span<const TensorInfo> tensors,
                   std::span<const TensorUse> uses, std::span<const View> views,
                   std::span<const AlignedBuffer> constants)
    : batch_(batch), segments_(std::move(segments)), arena_offsets_(tensors.size(), kNotInArena) {
  std::vector<Lifetime> lifetimes;
  std::vector<TensorId> ids;
  size_t constant_bytes = 0;
  for (TensorId id = 0; id < tensors.size(); ++id) {
    const size_t bytes = batch_bytes(tensors[id], batch), sample = batch_bytes(tensors[id], 1);
    if (uses[id].home == Home::view) {
      const size_t offset_bytes = views[id].offset * dtype_bytes(tensors[id].dtype);
      parts_.push_back({id, views[id].base, offset_bytes});
    } else if (uses[id].home == Home::input || uses[id].home == Home::output) {
      moving_.push_back({id, sample});
    } else if (uses[id].home == Home::arena) {
      lifetimes.push_back(lifetime(sample, uses[id]));
      if (lifetimes.back().bytes == bytes) moving_.push_back({id, sample});
      ids.push_back(id);
    } else if (uses[id].home == Home::constant && batch > 1) {
      if (add_overflows(constant_bytes, bytes, &constant_bytes)) {
        throw Error(Status::out_of_memory, "program: the constants exceed the address space");
      }
    }
  }
  const Placement placement = place(lifetimes);
  arena_bytes_ = placement.total_bytes;
  require_memory(arena_bytes_, batch);
  require_memory(constant_bytes, batch);

  for (size_t i = 0; i < ids.size(); ++i) arena_offsets_[ids[i]] = placement.offsets[i];
  for (TensorId id = 0; id < tensors.size(); ++id) {
    if (uses[id].home != Home::constant) continue;
    constants_.push_back({id, batch_bytes(tensors[id], 1), constants[id].data()});
  }
}

void Prepared::make_ready() {
  const std::lock_guard lock(mutex_);
  if (batch_ < 2 || repeated_.size() == constants_.size()) return;
  std::vector<AlignedBuffer> repeated;
  for (const Constant& constant : constants_) {
    repeated.push_back(repeat(constant.data, constant.bytes, batch_));
  }
  for (size_t i = 0; i < repeated.size(); ++i) constants_[i].data = repeated[i].data();
  repeated_ = std::move(repeated);
}

Workspace Prepared::open(unsigned char* memory) const {
  const size_t tensors = arena_offsets_.size();
  auto** addresses = reinterpret_cast<void**>(memory + arena_bytes_);
  const Workspace workspace = {memory, {addresses, tensors}, {addresses + tensors, tensors}};
  for (TensorId id = 0; id < tensors; ++id) {
    const bool in_arena = arena_offsets_[id] != kNotInArena;
    workspace.data[id] = in_arena ? memory + arena_offsets_[id] : nullptr;
  }
  for (const Constant& constant : constants_) {
    // Steps only read constants: Program::append refuses one as a destination.
    workspace.data[constant.id] = const_cast<void*>(constant.data);
  }
  return workspace;
}

void* const* Prepared::at(const Workspace& workspace, size_t first) const {
  std::copy(workspace.data.begin(), workspace.data.end(), workspace.here.begin());
  for (const Moving& tensor : moving_) {
    void*& address = workspace.here[tensor.id];
    address = static_cast<unsigned char*>(address) + first * tensor.sample_bytes;
  }
  for (const Part& part : parts_) {
    workspace.here[part.id] =
        static_cast<unsigned char*>(workspace.here[part.base]) + part.offset_bytes;
  }
  return workspace.here.data();
}

AlignedBuffer Prepared::borrow() {
  make_ready();
  {
    const std::lock_guard lock(mutex_);
    if (!free_.empty()) {
      AlignedBuffer memory = std::move(free_.back());
      free_.pop_back();
      return memory;
    }
  }
  return AlignedBuffer(workspace_bytes());
}

void Prepared::give_back(AlignedBuffer memory) noexcept {
  const std::lock_guard lock(mutex_);
  try {
    free_.push_back(std::move(memory));
  } catch (const std::bad_alloc&) {
    // The list could not grow: the memory is freed instead of kept.
  }
}

}  // namespace octavo

// Memory that kernels can load with aligned vector instructions.
#pragma once

#include <cstddef>
#include <memory>
#include <utility>

namespace octavo {

// Move-only, at least 64-byte aligned, zero-filled. Large ones lie on huge pages where the system
// has them. Throws Error(out_of_memory).
class AlignedBuffer {
 public:
  static constexpr size_t kAlignment = 64;

  AlignedBuffer() = default;
  explicit AlignedBuffer(size_t size);

  // The same for what lives long and is read front to back again and again, as packed weights are:
  // they share huge pages, which most of them are too small for.
  static AlignedBuffer pooled(size_t size);

  AlignedBuffer(AlignedBuffer&& other) noexcept
      : data_(std::move(other.data_)), size_(std::exchange(other.size_, 0)) {}

  AlignedBuffer& operator=(AlignedBuffer&& other) noexcept {
    data_ = std::move(other.data_);
    size_ = std::exchange(other.size_, 0);
    return *this;
  }

  unsigned char* data() { return data_.get(); }
  const unsigned char* data() const { return data_.get(); }
  size_t size() const { return size_; }

 private:
  std::shared_ptr<unsigned char> data_;
  size_t size_ = 0;
};

// Gives memory that was freed, but kept for later allocations, back to the system, where the C
// library can. For after work that took much more than what remains: loading a model.
void trim_memory();

// Of this machine; the largest size_t if the system does not say.
size_t physical_memory_bytes();

}  // namespace octavo

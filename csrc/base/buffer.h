// Memory that kernels can load with aligned vector instructions.
#pragma once

#include <cstddef>
#include <cstring>
#include <memory>
#include <new>
#include <string>
#include <utility>

#include "base/status.h"

namespace octavo {

// Move-only, 64-byte aligned, zero-filled. Throws Error(out_of_memory).
class AlignedBuffer {
 public:
  static constexpr size_t kAlignment = 64;

  AlignedBuffer() = default;

  explicit AlignedBuffer(size_t size) : size_(size) {
    if (size == 0) return;
    void* memory = ::operator new(size, std::align_val_t{kAlignment}, std::nothrow);
    if (memory == nullptr) {
      throw Error(Status::out_of_memory,
                  "buffer: cannot allocate " + std::to_string(size) + " bytes");
    }
    data_.reset(static_cast<unsigned char*>(memory));
    std::memset(memory, 0, size);
  }

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
  struct Free {
    void operator()(unsigned char* memory) const {
      ::operator delete(memory, std::align_val_t{kAlignment});
    }
  };

  std::unique_ptr<unsigned char, Free> data_;
  size_t size_ = 0;
};

}  // namespace octavo

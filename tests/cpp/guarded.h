// A test buffer whose end (or start) touches a page that cannot be accessed, so that a kernel
// reading or writing one byte too far crashes instead of passing by luck.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstring>
#include <new>
#include <span>
#include <type_traits>
#include <utility>

#include "pages.h"

namespace octavo::testing {

enum class Guard {
  after,   // the byte past the last element faults
  before,  // the byte before the first element faults
};

// `count` elements, zero-filled. With Guard::before the data is page-aligned; with Guard::after it
// ends at a page end, so it is 64-byte aligned whenever its size is a multiple of 64.
// The accessible bytes on the unguarded side are filled with a pattern: slack_intact() tells
// whether somebody wrote there.
template <class T>
class GuardedBuffer {
  static_assert(std::is_trivially_copyable_v<T>);

 public:
  explicit GuardedBuffer(size_t count, Guard guard = Guard::after) : count_(count) {
    const size_t page = page_bytes();
    const size_t used = std::max<size_t>((bytes() + page - 1) / page * page, page);
    mapping_bytes_ = used + 2 * page;
    mapping_ = static_cast<unsigned char*>(reserve_pages(mapping_bytes_));
    if (mapping_ == nullptr) throw std::bad_alloc();
    usable_ = {mapping_ + page, used};
    if (!make_accessible(usable_.data(), used)) throw std::bad_alloc();
    std::memset(usable_.data(), kSlack, used);
    data_ = guard == Guard::after ? usable_.data() + used - bytes() : usable_.data();
    std::memset(data_, 0, bytes());
  }

  GuardedBuffer(std::span<const T> values, Guard guard) : GuardedBuffer(values.size(), guard) {
    if (!values.empty()) std::memcpy(data_, values.data(), bytes());
  }

  GuardedBuffer(GuardedBuffer&& other) noexcept
      : mapping_(std::exchange(other.mapping_, nullptr)),
        mapping_bytes_(other.mapping_bytes_),
        usable_(std::exchange(other.usable_, {})),
        data_(std::exchange(other.data_, nullptr)),
        count_(std::exchange(other.count_, 0)) {}
  GuardedBuffer(const GuardedBuffer&) = delete;
  GuardedBuffer& operator=(const GuardedBuffer&) = delete;
  GuardedBuffer& operator=(GuardedBuffer&&) = delete;

  ~GuardedBuffer() {
    if (mapping_ != nullptr) release_pages(mapping_, mapping_bytes_);
  }

  T* data() { return reinterpret_cast<T*>(data_); }
  const T* data() const { return reinterpret_cast<const T*>(data_); }
  size_t size() const { return count_; }
  T& operator[](size_t i) { return data()[i]; }
  const T& operator[](size_t i) const { return data()[i]; }
  T* begin() { return data(); }
  T* end() { return data() + count_; }
  const T* begin() const { return data(); }
  const T* end() const { return data() + count_; }

  bool slack_intact() const {
    const auto intact = [](unsigned char byte) { return byte == kSlack; };
    return std::all_of(usable_.data(), data_, intact) &&
           std::all_of(data_ + bytes(), usable_.data() + usable_.size(), intact);
  }

 private:
  static constexpr unsigned char kSlack = 0xA5;

  size_t bytes() const { return count_ * sizeof(T); }

  unsigned char* mapping_ = nullptr;
  size_t mapping_bytes_ = 0;
  std::span<unsigned char> usable_;
  unsigned char* data_ = nullptr;
  size_t count_ = 0;
};

}  // namespace octavo::testing

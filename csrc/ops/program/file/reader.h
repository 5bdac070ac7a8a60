// Reading what a file says, trusting none of it: every count is held against the bytes that are
// left before anything is allocated for it.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <initializer_list>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

#include "base/status.h"
#include "kernels/registry.h"
#include "ops/program/file/format.h"
#include "ops/program/kept.h"

namespace octavo::file {

// What loading may still use.
class Budget {
 public:
  explicit Budget(size_t bytes) : max_(bytes), left_(bytes) {}

  // Throws Error(out_of_memory) where `bytes` are too many.
  void take(size_t bytes);

 private:
  size_t max_;
  size_t left_;
};

// An error that says already which section and field it is about.
class FieldError : public Error {
  using Error::Error;
};

// The data section: arrays one after another, each at the next multiple of kAlignment. No array can
// be named twice, so what is made from arrays is bounded by their size.
class DataReader {
 public:
  explicit DataReader(std::span<const uint8_t> bytes) : bytes_(bytes) {}

  // The next `count` values of T, or nullptr if that many are not there.
  template <class T>
  const T* next(size_t count) {
    if (count == 0) return reinterpret_cast<const T*>(bytes_.data());
    const size_t begin = aligned(end_);
    if (begin > bytes_.size() || count > (bytes_.size() - begin) / sizeof(T)) return nullptr;
    end_ = begin + count * sizeof(T);
    return reinterpret_cast<const T*>(bytes_.data() + begin);
  }

  size_t left() const { return bytes_.size() - end_; }

 private:
  std::span<const uint8_t> bytes_;
  size_t end_ = 0;  // of the last one
};

// One section; an archive as fields.h describes it.
class Reader {
 public:
  static constexpr bool kReads = true;

  Reader(std::string_view section, std::span<const uint8_t> bytes, DataReader& data,
         const Backend& backend, Budget& budget)
      : where_(section), bytes_(bytes), data_(data), backend_(backend), budget_(budget) {}

  // Said before the field's name in errors: "STEP: step 3 'conv1'".
  void set_where(std::string where) { where_ = std::move(where); }
  const std::string& where() const { return where_; }

  template <class T>
  void number(const char* field, T& value) {
    static_assert(std::is_arithmetic_v<T> && !std::is_same_v<T, bool>);
    std::memcpy(&value, take(field, sizeof value), sizeof value);
  }

  void flag(const char* field, bool& value) { value = below(field, 2) != 0; }

  template <class Enum>
  void choice(const char* field, Enum& value, size_t count) {
    value = static_cast<Enum>(below(field, count));
  }

  template <class T>
  void numbers(const char* field, std::vector<T>& values) {
    const size_t count = counted(field, sizeof(T));
    values.resize(count);
    if (count > 0) std::memcpy(values.data(), take(field, count * sizeof(T)), count * sizeof(T));
  }

  template <class Array>
  void bytes(const char* field, Array& values) {
    std::memcpy(&values, take(field, sizeof values), sizeof values);
  }

  template <class T>
  void array(const char* field, std::vector<T>& values) {
    uint64_t count = 0;
    number(field, count);
    const T* data = blob<T>(field, count);
    values.assign(data, data + count);
  }

  template <class T>
  void data(const char* field, const T*& pointer, std::initializer_list<size_t> extents) {
    size_t count = 1;
    for (const size_t extent : extents) {
      if (extent != 0 && count > SIZE_MAX / extent) refuse(field, "an overflow", "a size");
      count *= extent;
    }
    pointer = blob<T>(field, count);
  }

  template <class T>
  void optional_data(const char* field, const T*& pointer, size_t count) {
    pointer = below(field, 2) != 0 ? blob<T>(field, count) : nullptr;
  }

  // Layers are packed as they are met; what they are packed from is not kept.
  template <class Op, class Params>
  void packed(std::shared_ptr<const Op>& op, const KeptParams<Params>&) {
    Params params;
    fields(*this, params);
    op = std::make_shared<const Op>(backend_, params);
    budget_.take(op->packed_bytes());
  }

  std::string text(const char* field);

  // A number below `limit`.
  uint32_t below(const char* field, size_t limit);

  // A count of things that take at least `bytes_each` bytes here.
  size_t counted(const char* field, size_t bytes_each);

  void require_end() const;

  [[noreturn]] void refuse(const char* field, std::string_view got,
                           std::string_view expected) const;

 private:
  template <class T>
  const T* blob(const char* field, size_t count) {
    const T* data = data_.next<T>(count);
    if (data == nullptr) {
      refuse(field, std::to_string(count) + " values",
             "at most the " + std::to_string(data_.left()) + " bytes left in DATA");
    }
    return data;
  }

  const uint8_t* take(const char* field, size_t bytes);

  std::string where_;
  std::span<const uint8_t> bytes_;
  size_t at_ = 0;
  DataReader& data_;
  const Backend& backend_;
  Budget& budget_;
};

}  // namespace octavo::file

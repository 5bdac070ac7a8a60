// Putting a file together: what is small in sections of its own, arrays by reference until they are
// written.
#pragma once

#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

#include "base/status.h"
#include "ops/program/file/format.h"
#include "ops/program/kept.h"

namespace octavo::file {

// The data section, in order. What it refers to outlives it.
class DataWriter {
 public:
  void add(const void* data, size_t bytes) {
    if (bytes > 0) arrays_.push_back({static_cast<const uint8_t*>(data), bytes});
  }

  // Calls write(data, bytes) for every piece of the section, padding between arrays included.
  template <class Write>
  void each(const Write& write) const {
    static constexpr uint8_t kZeros[kAlignment] = {};
    size_t at = 0;
    for (const std::span<const uint8_t> array : arrays_) {
      write(kZeros, aligned(at) - at);
      write(array.data(), array.size());
      at = aligned(at) + array.size();
    }
  }

 private:
  std::vector<std::span<const uint8_t>> arrays_;
};

// One section; an archive as fields.h describes it.
class Writer {
 public:
  static constexpr bool kReads = false;

  explicit Writer(DataWriter& data) : data_(data) {}

  const std::vector<uint8_t>& section() const { return section_; }

  template <class T>
  void number(const char*, const T& value) {
    static_assert(std::is_arithmetic_v<T> && !std::is_same_v<T, bool>);
    put(&value, sizeof value);
  }

  void flag(const char*, bool value) { count(value ? 1 : 0); }

  template <class Enum>
  void choice(const char*, Enum value, size_t) {
    count(static_cast<size_t>(value));
  }

  template <class T>
  void numbers(const char*, const std::vector<T>& values) {
    count(values.size());
    put(values.data(), values.size() * sizeof(T));
  }

  template <class Array>
  void bytes(const char*, const Array& values) {
    put(&values, sizeof values);
  }

  template <class T>
  void array(const char* field, const std::vector<T>& values) {
    number(field, uint64_t{values.size()});
    data_.add(values.data(), values.size() * sizeof(T));
  }

  template <class T>
  void data(const char*, const T* pointer, std::initializer_list<size_t> extents) {
    size_t count = 1;  // no overflow: the array exists
    for (const size_t extent : extents) count *= extent;
    data_.add(pointer, count * sizeof(T));
  }

  template <class T>
  void optional_data(const char* field, const T* pointer, size_t count) {
    flag(field, pointer != nullptr);
    if (pointer != nullptr) data_.add(pointer, count * sizeof(T));
  }

  template <class Op, class Params>
  void packed(const std::shared_ptr<const Op>&, const KeptParams<Params>& kept) {
    if (kept == nullptr) {
      throw Error(Status::invalid_argument,
                  "the layer did not keep what it was packed from: pack it for saving");
    }
    fields(*this, kept->params);
  }

  void text(std::string_view text) {
    count(text.size());
    put(text.data(), text.size());
  }

  // As 32 bits, which hold every count of what a program may have.
  void count(size_t n) { number("", static_cast<uint32_t>(n)); }

 private:
  void put(const void* data, size_t bytes) {
    const auto* from = static_cast<const uint8_t*>(data);
    section_.insert(section_.end(), from, from + bytes);
  }

  std::vector<uint8_t> section_;
  DataWriter& data_;
};

}  // namespace octavo::file

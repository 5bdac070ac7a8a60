#include "ops/program/file/reader.h"

namespace octavo::file {
namespace {

// Whether the text is UTF-8 without a zero byte: it becomes a C string, and one of Python's.
bool is_text(std::string_view text) {
  for (size_t i = 0; i < text.size();) {
    const auto lead = static_cast<uint8_t>(text[i]);
    const size_t size = lead < 0x80 ? 1 : lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : 4;
    if (lead == 0 || (lead >= 0x80 && lead < 0xc2) || lead > 0xf4 || size > text.size() - i) {
      return false;
    }
    uint32_t code = size == 1 ? lead : lead & (0x7fu >> size);
    for (size_t k = 1; k < size; ++k) {
      const auto next = static_cast<uint8_t>(text[i + k]);
      if ((next & 0xc0) != 0x80) return false;
      code = code << 6 | (next & 0x3f);
    }
    const bool overlong = (size == 3 && code < 0x800) || (size == 4 && code < 0x10000);
    if (overlong || code > 0x10ffff || (code >= 0xd800 && code <= 0xdfff)) return false;
    i += size;
  }
  return true;
}

}  // namespace

void Budget::take(size_t bytes) {
  if (bytes > left_) {
    throw Error(Status::out_of_memory, "max_bytes: got " + std::to_string(max_) +
                                           ", expected more: the network exceeds it by at least " +
                                           std::to_string(bytes - left_) + " bytes");
  }
  left_ -= bytes;
}

void Reader::refuse(const char* field, std::string_view got, std::string_view expected) const {
  throw FieldError(Status::invalid_argument, where_ + ": " + field + ": got " + std::string(got) +
                                                 ", expected " + std::string(expected));
}

const uint8_t* Reader::take(const char* field, size_t bytes) {
  if (bytes > bytes_.size() - at_) {
    refuse(field, "the end of the section", std::to_string(bytes) + " more bytes");
  }
  const uint8_t* data = bytes_.data() + at_;
  at_ += bytes;
  return data;
}

uint32_t Reader::below(const char* field, size_t limit) {
  uint32_t value = 0;
  number(field, value);
  if (value >= limit) refuse(field, std::to_string(value), "less than " + std::to_string(limit));
  return value;
}

size_t Reader::counted(const char* field, size_t bytes_each) {
  uint32_t count = 0;
  number(field, count);
  if (count > (bytes_.size() - at_) / bytes_each) {
    refuse(field, std::to_string(count) + " entries",
           "at most the " + std::to_string(bytes_.size() - at_) + " bytes left in the section");
  }
  return count;
}

std::string Reader::text(const char* field) {
  const size_t size = counted(field, 1);
  const auto* data = reinterpret_cast<const char*>(take(field, size));
  const std::string_view text(data, size);
  if (!is_text(text)) refuse(field, "bytes that are no text", "UTF-8 without a zero byte");
  return std::string(text);
}

void Reader::require_end() const {
  if (at_ == bytes_.size()) return;
  refuse("end", std::to_string(bytes_.size() - at_) + " more bytes", "none");
}

}  // namespace octavo::file

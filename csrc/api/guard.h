// The boundary between C++ and C: no exception leaves it, and every failure leaves a message.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstring>
#include <exception>
#include <new>
#include <string>

#include "base/status.h"
#include "octavo/octavo.h"

namespace octavo::api {

octavo_status to_c(Status status);

// Keeps the message for octavo_last_error() on this thread; returns the status.
octavo_status failed(octavo_status status, const char* message) noexcept;

// Runs the body of an exported function. The body checks everything before it writes an output.
template <class Body>
octavo_status guarded(const Body& body) noexcept {
  try {
    body();
    return OCTAVO_OK;
  } catch (const Error& error) {
    return failed(to_c(error.status()), error.what());
  } catch (const std::bad_alloc&) {
    return failed(OCTAVO_OUT_OF_MEMORY, "out of memory");
  } catch (const std::exception& error) {
    return failed(OCTAVO_INTERNAL, error.what());
  } catch (...) {
    return failed(OCTAVO_INTERNAL, "unknown error");
  }
}

// Throws Error(invalid_argument) for NULL.
void require(const void* pointer, const char* name);

// Throws Error for a size that no version of the struct has had, or for fields at its end that this
// version does not know and that are not zero.
void check_struct_size(const char* name, const void* given, size_t given_size, size_t least,
                       size_t known);

// A caller's struct, whose first field is its size. One compiled against an older header lacks the
// newest fields: they are zero, their default. `least` is the struct's size in its first release.
template <class Struct>
Struct read_struct(const char* name, const Struct* given, size_t least = sizeof(Struct)) {
  require(given, name);
  check_struct_size(name, given, given->size, least, sizeof(Struct));
  Struct fields = {};
  std::memcpy(&fields, given, std::min(given->size, sizeof(Struct)));
  fields.size = sizeof(Struct);
  return fields;
}

// The other direction: fills in the fields that the caller's version of the struct has.
template <class Struct>
void write_struct(const char* name, Struct fields, Struct* to, size_t least = sizeof(Struct)) {
  require(to, name);
  fields.size = to->size;
  if (to->size < least) check_struct_size(name, to, to->size, least, sizeof(Struct));
  std::memcpy(to, &fields, std::min(to->size, sizeof(Struct)));
}

}  // namespace octavo::api

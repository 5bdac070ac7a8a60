// Versions, status codes, messages.
#include "api/guard.h"

namespace octavo::api {
namespace {

thread_local std::string last_error;

}  // namespace

octavo_status to_c(Status status) {
  switch (status) {
    case Status::ok:
      return OCTAVO_OK;
    case Status::invalid_argument:
      return OCTAVO_INVALID_ARGUMENT;
    case Status::unsupported:
      return OCTAVO_UNSUPPORTED;
    case Status::out_of_memory:
      return OCTAVO_OUT_OF_MEMORY;
    case Status::internal:
      break;
  }
  return OCTAVO_INTERNAL;
}

octavo_status failed(octavo_status status, const char* message) noexcept {
  try {
    last_error = message;
  } catch (...) {
    last_error.clear();  // no memory even for the message
  }
  return status;
}

void require(const void* pointer, const char* name) {
  if (pointer != nullptr) return;
  throw Error(Status::invalid_argument, std::string(name) + ": got NULL, expected a pointer");
}

void check_struct_size(const char* name, const void* given, size_t given_size, size_t least,
                       size_t known) {
  if (given_size < least) {
    throw Error(Status::invalid_argument,
                std::string(name) + ".size: got " + std::to_string(given_size) +
                    ", expected the struct's size, at least " + std::to_string(least));
  }
  constexpr size_t kMost = size_t{1} << 16;  // a size that was never set is likely to be huge
  if (given_size > kMost) {
    throw Error(Status::invalid_argument, std::string(name) + ".size: got " +
                                              std::to_string(given_size) +
                                              ", expected the struct's size");
  }
  const auto* bytes = static_cast<const unsigned char*>(given);
  for (size_t i = known; i < given_size; ++i) {
    if (bytes[i] == 0) continue;
    throw Error(Status::unsupported,
                std::string(name) + ": byte " + std::to_string(i) + " is set, but ABI version " +
                    std::to_string(OCTAVO_ABI_VERSION) + " ends at byte " + std::to_string(known));
  }
}

}  // namespace octavo::api

uint32_t octavo_abi_version(void) { return OCTAVO_ABI_VERSION; }

const char* octavo_version(void) { return OCTAVO_VERSION; }

const char* octavo_status_string(int32_t status) {
  switch (status) {
    case OCTAVO_OK:
      return "ok";
    case OCTAVO_INVALID_ARGUMENT:
      return "invalid argument";
    case OCTAVO_UNSUPPORTED:
      return "unsupported";
    case OCTAVO_OUT_OF_MEMORY:
      return "out of memory";
    case OCTAVO_INTERNAL:
      return "internal error";
    default:
      return "unknown status";
  }
}

const char* octavo_last_error(void) { return octavo::api::last_error.c_str(); }

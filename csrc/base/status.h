// What can go wrong, and the one exception type that says it.
#pragma once

#include <stdexcept>
#include <string>

namespace octavo {

enum class Status { ok, invalid_argument, unsupported, out_of_memory, internal };

// The message names the argument, says what it was and what was expected.
class Error : public std::runtime_error {
 public:
  Error(Status status, const std::string& message) : std::runtime_error(message), status_(status) {}

  Status status() const noexcept { return status_; }

 private:
  Status status_;
};

}  // namespace octavo

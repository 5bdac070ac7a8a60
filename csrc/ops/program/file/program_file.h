// Compiled programs as files, which any CPU loads: weights are stored as they were given and packed
// for the backend that will run them. docs/program-format.md describes the file.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <limits>
#include <memory>
#include <span>

#include "ops/program/interface.h"
#include "ops/program/program.h"

namespace octavo {

// Receives the file piece by piece, front to back.
using ByteSink = std::function<void(const void* data, size_t bytes)>;

// Throws Error(invalid_argument) unless the program is finished and its layers kept what they were
// packed from.
void save_program(const Program& program, const Interface& interface, const ByteSink& sink);

struct LoadedProgram {
  std::unique_ptr<Program> program;
  Interface interface;
};

struct LoadOptions {
  const Backend* backend;  // the one to pack for
  // Of the file, packed weights and constants. Checked before what the file holds is read and after
  // each layer is packed.
  size_t max_bytes = std::numeric_limits<size_t>::max();
};

// `file` is no longer needed afterwards. It may hold anything: whatever is wrong with it throws
// Error(invalid_argument) that names section and field, or Error(unsupported) for a version this
// build does not read; more than max_bytes is Error(out_of_memory). Nothing is allocated that the
// file's own size does not bound.
LoadedProgram load_program(std::span<const uint8_t> file, const LoadOptions& options);

// The same from a path, which must be a regular file.
LoadedProgram load_program(const char* path, const LoadOptions& options);

}  // namespace octavo

// Which backend runs: chosen for the CPU, by the environment, or by the caller.
#pragma once

#include <string>
#include <string_view>

#include "kernels/registry.h"

namespace octavo {

// The best backend of a CPU with exactly these features. Pure: testable for every CPU.
const Backend& select_backend(CpuBits bits);

bool is_supported(const Backend& backend, CpuBits bits);

// The compiled-in backend of this name, or nullptr.
const Backend* find_backend(std::string_view name);

// The backend of this name if this CPU runs it; otherwise throws Error(invalid_argument) that
// lists the valid names. `source` says where the name came from, e.g. "backend".
const Backend& require_backend(std::string_view name, std::string_view source);

// OCTAVO_BACKEND if it is set and not empty (an unusable one throws), else the best one here.
const Backend& default_backend();

// This thread's override if there is one, else default_backend().
const Backend& current_backend();

// Sets (nullptr: clears) this thread's override; returns the previous one.
const Backend* set_backend_override(const Backend* backend);

// "avx512vnni, avx2, scalar": those this CPU runs, best first.
std::string supported_backend_names();

}  // namespace octavo

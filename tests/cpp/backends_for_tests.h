// Backends that the library does not offer but tests can run.
#pragma once

#include <span>

#include "kernels/registry.h"

namespace octavo::testing {

std::span<const Backend> test_backends();

}  // namespace octavo::testing

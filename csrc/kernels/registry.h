// Every backend compiled in: one row each.
#pragma once

#include <span>

#include "base/cpu.h"
#include "kernels/contract.h"

namespace octavo {

struct Backend {
  const char* name;          // what users say: "avx2"
  CpuBits required;          // all of these, or it cannot run
  const KernelTable* table;  // complete
  const char* layout;        // names its packed weights; equal names mean interchangeable panels
};

// Best first; the last one is scalar and requires nothing.
std::span<const Backend> all_backends();

}  // namespace octavo

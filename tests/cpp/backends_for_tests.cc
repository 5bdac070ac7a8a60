#include "backends_for_tests.h"

#include "base/arch.h"

namespace octavo {

#if defined(OCTAVO_X86_64)
extern const KernelTable kAvxVnniTable_evex;
#endif

namespace testing {

std::span<const Backend> test_backends() {
#if defined(OCTAVO_X86_64)
  static constexpr Backend kBackends[] = {{"avxvnni_evex",
                                           kCpuAvx2 | kCpuFma | kCpuAvx512F | kCpuAvx512Bw |
                                               kCpuAvx512Vl | kCpuAvx512Dq | kCpuAvx512Vnni,
                                           &kAvxVnniTable_evex, "avxvnni"}};
  return kBackends;
#else
  return {};
#endif
}

}  // namespace testing
}  // namespace octavo

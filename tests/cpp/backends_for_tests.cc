#include "backends_for_tests.h"

namespace octavo {

#if defined(__x86_64__)
extern const KernelTable kAvxVnniTable_evex;
#endif

namespace testing {

std::span<const Backend> test_backends() {
#if defined(__x86_64__)
  static constexpr Backend kBackends[] = {
      {"avxvnni_evex", kCpuAvx2 | kCpuFma | kCpuAvx512F | kCpuAvx512Vl | kCpuAvx512Vnni,
       &kAvxVnniTable_evex, "avxvnni"}};
  return kBackends;
#else
  return {};
#endif
}

}  // namespace testing
}  // namespace octavo

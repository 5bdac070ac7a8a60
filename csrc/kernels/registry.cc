#include "kernels/registry.h"

#include "base/arch.h"

namespace octavo {
namespace {

#if defined(OCTAVO_X86_64)
constexpr CpuBits kAvx512Vnni =
    kCpuAvx2 | kCpuFma | kCpuAvx512F | kCpuAvx512Bw | kCpuAvx512Vl | kCpuAvx512Dq | kCpuAvx512Vnni;
#endif

// A layout is named after the panel geometry of its GEMM kernels: nr x kr.
constexpr Backend kBackends[] = {
#if defined(OCTAVO_X86_64)
    {"avx512vbmi", kAvx512Vnni | kCpuAvx512Vbmi, &kAvx512VbmiTable, "avx512vnni"},
    {"avx512vnni", kAvx512Vnni, &kAvx512VnniTable, "avx512vnni"},
    {"avxvnni", kCpuAvx2 | kCpuFma | kCpuAvxVnni, &kAvxVnniTable, "avxvnni"},
    {"avx2", kCpuAvx2 | kCpuFma, &kAvx2Table, "avx2"},
#elif defined(OCTAVO_AARCH64)
    {"neoni8mm", kCpuNeon | kCpuNeonDot | kCpuNeonI8mm, &kNeonI8mmTable, "neoni8mm"},
    {"neondot", kCpuNeon | kCpuNeonDot, &kNeonDotTable, "neondot"},
    {"neon", kCpuNeon, &kNeonTable, "neon"},
#endif
    {"scalar", 0, &kScalarTable, "scalar"},
};

}  // namespace

std::span<const Backend> all_backends() { return kBackends; }

}  // namespace octavo

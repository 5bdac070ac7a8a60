#include "base/cpu.h"

#include <algorithm>
#include <array>
#include <bit>
#include <fstream>

#include "base/arch.h"

#if defined(OCTAVO_X86_64) && defined(_MSC_VER)
#include <intrin.h>
#elif defined(OCTAVO_X86_64)
#include <cpuid.h>
#elif defined(OCTAVO_AARCH64) && defined(__linux__)
#include <sys/auxv.h>
#elif defined(OCTAVO_AARCH64) && defined(__APPLE__)
#include <sys/sysctl.h>
#elif defined(OCTAVO_AARCH64) && defined(_WIN32)
#include <windows.h>
#endif
#if defined(__linux__)
#include <unistd.h>
#endif

namespace octavo {
namespace {

struct Feature {
  const char* name;
  CpuBits bit;
};

constexpr std::array kFeatures = {
    Feature{"avx2", kCpuAvx2},
    Feature{"fma", kCpuFma},
    Feature{"avx_vnni", kCpuAvxVnni},
    Feature{"avx512f", kCpuAvx512F},
    Feature{"avx512bw", kCpuAvx512Bw},
    Feature{"avx512vl", kCpuAvx512Vl},
    Feature{"avx512dq", kCpuAvx512Dq},
    Feature{"avx512_vnni", kCpuAvx512Vnni},
    Feature{"avx512vbmi", kCpuAvx512Vbmi},
    Feature{"asimd", kCpuNeon},
    Feature{"asimddp", kCpuNeonDot},
    Feature{"i8mm", kCpuNeonI8mm},
};

#if defined(OCTAVO_X86_64)

struct CpuidRegisters {
  uint32_t eax = 0, ebx = 0, ecx = 0, edx = 0;
};

#if defined(_MSC_VER)

// All zero for a leaf the CPU does not have.
CpuidRegisters cpuid(uint32_t leaf, uint32_t subleaf) {
  int r[4];
  __cpuid(r, 0);
  if (leaf > static_cast<uint32_t>(r[0])) return {};
  __cpuidex(r, static_cast<int>(leaf), static_cast<int>(subleaf));
  return {static_cast<uint32_t>(r[0]), static_cast<uint32_t>(r[1]), static_cast<uint32_t>(r[2]),
          static_cast<uint32_t>(r[3])};
}

// Register sets the operating system saves: bit 1 xmm, bit 2 ymm, bits 5..7 AVX-512 state.
uint64_t os_saved_state() { return _xgetbv(0); }

#else

CpuidRegisters cpuid(uint32_t leaf, uint32_t subleaf) {
  CpuidRegisters r;
  if (__get_cpuid_count(leaf, subleaf, &r.eax, &r.ebx, &r.ecx, &r.edx) == 0) return {};
  return r;
}

uint64_t os_saved_state() {
  uint32_t low = 0, high = 0;
  __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
  return (static_cast<uint64_t>(high) << 32) | low;
}

#endif

constexpr bool has(uint32_t word, int bit) { return ((word >> bit) & 1u) != 0; }

// Bit positions: Intel SDM volume 2A, CPUID.
CpuBits query() {
  const CpuidRegisters leaf1 = cpuid(1, 0);
  const bool osxsave = has(leaf1.ecx, 27);
  const uint64_t saved = osxsave ? os_saved_state() : 0;
  constexpr uint64_t kYmm = 0x06, kZmm = 0xe6;
  if ((saved & kYmm) != kYmm || !has(leaf1.ecx, 28)) return 0;

  const CpuidRegisters leaf7 = cpuid(7, 0);
  CpuBits bits = 0;
  if (has(leaf1.ecx, 12)) bits |= kCpuFma;
  if (has(leaf7.ebx, 5)) bits |= kCpuAvx2;
  if (leaf7.eax >= 1 && has(cpuid(7, 1).eax, 4)) bits |= kCpuAvxVnni;
  if ((saved & kZmm) != kZmm) return bits;
  if (has(leaf7.ebx, 16)) bits |= kCpuAvx512F;
  if (has(leaf7.ebx, 17)) bits |= kCpuAvx512Dq;
  if (has(leaf7.ebx, 30)) bits |= kCpuAvx512Bw;
  if (has(leaf7.ebx, 31)) bits |= kCpuAvx512Vl;
  if (has(leaf7.ecx, 1)) bits |= kCpuAvx512Vbmi;
  if (has(leaf7.ecx, 11)) bits |= kCpuAvx512Vnni;
  return bits;
}

#elif defined(OCTAVO_AARCH64) && defined(__linux__)

// Bits of the auxiliary vector: Linux, Documentation/arch/arm64/elf_hwcaps.rst. Older C libraries
// lack the later names.
CpuBits query() {
  constexpr unsigned long kAsimd = 1ul << 1, kAsimdDp = 1ul << 20, kI8mm = 1ul << 13;
  const unsigned long first = getauxval(AT_HWCAP), second = getauxval(AT_HWCAP2);
  CpuBits bits = 0;
  if ((first & kAsimd) != 0) bits |= kCpuNeon;
  if ((first & kAsimdDp) != 0) bits |= kCpuNeonDot;
  if ((second & kI8mm) != 0) bits |= kCpuNeonI8mm;
  return bits;
}

#elif defined(OCTAVO_AARCH64) && defined(__APPLE__)

// False for a name that this system does not know.
bool system_says(const char* name) {
  int value = 0;
  size_t size = sizeof(value);
  return sysctlbyname(name, &value, &size, nullptr, 0) == 0 && value != 0;
}

// Every Apple CPU of this architecture has NEON.
CpuBits query() {
  CpuBits bits = kCpuNeon;
  if (system_says("hw.optional.arm.FEAT_DotProd")) bits |= kCpuNeonDot;
  if (system_says("hw.optional.arm.FEAT_I8MM")) bits |= kCpuNeonI8mm;
  return bits;
}

#elif defined(OCTAVO_AARCH64) && defined(_WIN32)

// Numbers of IsProcessorFeaturePresent; older SDKs lack the later names. NEON is required.
CpuBits query() {
  constexpr DWORD kDotProduct = 43, kI8mm = 66;
  CpuBits bits = kCpuNeon;
  if (IsProcessorFeaturePresent(kDotProduct) != 0) bits |= kCpuNeonDot;
  if (IsProcessorFeaturePresent(kI8mm) != 0) bits |= kCpuNeonI8mm;
  return bits;
}

#elif defined(OCTAVO_AARCH64)

CpuBits query() { return kCpuNeon; }  // part of the architecture

#else

CpuBits query() { return 0; }

#endif

std::string first_word(const std::string& path) {
  std::ifstream file(path);
  std::string word;
  file >> word;
  return word;
}

// Of a mask like "00000000,0000000f".
size_t set_bits(const std::string& mask) {
  size_t bits = 0;
  for (const char c : mask) {
    const size_t digit = std::string_view("0123456789abcdef").find(c);
    if (digit < 16) bits += static_cast<size_t>(std::popcount(digit));
  }
  return bits;
}

#if defined(__aarch64__) && defined(__APPLE__)

size_t number_of(const char* name) {
  int64_t value = 0;
  size_t size = sizeof(value);
  return sysctlbyname(name, &value, &size, nullptr, 0) == 0 ? static_cast<size_t>(value) : 0;
}

// Of a fast core.
size_t query_l2() {
  return number_of("hw.perflevel0.l2cachesize") /
         std::max<size_t>(number_of("hw.perflevel0.cpusperl2"), 1);
}

#else

size_t query_l2() {
#if defined(_SC_LEVEL2_CACHE_SIZE)
  const long l2 = sysconf(_SC_LEVEL2_CACHE_SIZE);  // glibc answers 0 on ARM
  if (l2 > 0) return static_cast<size_t>(l2);
#endif
  return l2_cache_bytes_in("/sys/devices/system/cpu/cpu0/cache");
}

#endif

}  // namespace

CpuBits detect_cpu() {
  static const CpuBits bits = query();
  return bits;
}

size_t l2_cache_bytes() {
  static const size_t bytes = [] {
    const size_t l2 = query_l2();
    return l2 > 0 ? l2 : size_t{512} * 1024;
  }();
  return bytes;
}

size_t l2_cache_bytes_in(const std::string& folder) {
  for (int index = 0; index < 8; ++index) {
    const std::string cache = folder + "/index" + std::to_string(index) + "/";
    int level = 0;
    size_t kib = 0;
    if (!(std::ifstream(cache + "level") >> level) || level != 2) continue;
    if (!(std::ifstream(cache + "size") >> kib)) continue;
    return kib * 1024 / std::max<size_t>(set_bits(first_word(cache + "shared_cpu_map")), 1);
  }
  return 0;
}

std::vector<std::string> cpu_feature_names(CpuBits bits) {
  std::vector<std::string> names;
  for (const Feature& feature : kFeatures) {
    if ((bits & feature.bit) != 0) names.emplace_back(feature.name);
  }
  return names;
}

std::optional<CpuBits> cpu_feature(std::string_view name) {
  for (const Feature& feature : kFeatures) {
    if (name == feature.name) return feature.bit;
  }
  return std::nullopt;
}

}  // namespace octavo

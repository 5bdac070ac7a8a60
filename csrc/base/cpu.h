// What this CPU (and its operating system) can run, as a set of bits.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace octavo {

using CpuBits = uint32_t;

inline constexpr CpuBits kCpuAvx2 = 1u << 0;
inline constexpr CpuBits kCpuFma = 1u << 1;
inline constexpr CpuBits kCpuAvxVnni = 1u << 2;
inline constexpr CpuBits kCpuAvx512F = 1u << 3;
inline constexpr CpuBits kCpuAvx512Bw = 1u << 4;
inline constexpr CpuBits kCpuAvx512Vl = 1u << 5;
inline constexpr CpuBits kCpuAvx512Dq = 1u << 6;
inline constexpr CpuBits kCpuAvx512Vnni = 1u << 7;
inline constexpr CpuBits kCpuAvx512Vbmi = 1u << 8;
inline constexpr CpuBits kCpuNeon = 1u << 9;
inline constexpr CpuBits kCpuNeonDot = 1u << 10;
inline constexpr CpuBits kCpuNeonI8mm = 1u << 11;

// Asks the CPU and the operating system (an ISA whose registers the system does not save is
// unusable). Computed once.
CpuBits detect_cpu();

// Of one core's second-level cache, or its share of one; a usual size if the system does not say.
size_t l2_cache_bytes();

// The same from a folder like Linux's /sys/devices/system/cpu/cpu0/cache; 0 if it does not say.
size_t l2_cache_bytes_in(const std::string& folder);

// Names of the bits that are set, in a fixed order; lower case, as in /proc/cpuinfo.
std::vector<std::string> cpu_feature_names(CpuBits bits);

// The bit of one name; nothing if the name is unknown.
std::optional<CpuBits> cpu_feature(std::string_view name);

}  // namespace octavo

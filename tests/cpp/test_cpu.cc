// CPU features, and the floating-point environment guard.
#include <gtest/gtest.h>

#include <cfenv>
#include <cmath>
#include <fstream>
#include <sstream>
#include <string>

#include "base/cpu.h"
#include "base/fp_env.h"
#include "base/quant.h"

#if defined(__x86_64__)
#include <xmmintrin.h>
#endif

namespace octavo {
namespace {

TEST(Cpu, NamesAndBitsAreInverse) {
  const auto names = cpu_feature_names(~CpuBits{0});
  EXPECT_EQ(names.size(), 12u);
  CpuBits all = 0;
  for (const std::string& name : names) {
    const auto bit = cpu_feature(name);
    ASSERT_TRUE(bit.has_value()) << name;
    EXPECT_EQ(all & *bit, 0u) << name << " shares a bit";
    EXPECT_EQ(cpu_feature_names(*bit), std::vector<std::string>{name});
    all |= *bit;
  }
  EXPECT_EQ(cpu_feature("mmx"), std::nullopt);
  EXPECT_TRUE(cpu_feature_names(0).empty());
}

#if defined(__linux__) && defined(__x86_64__)
TEST(Cpu, AgreesWithTheKernel) {
  std::ifstream cpuinfo("/proc/cpuinfo");
  std::string flags;
  for (std::string line; std::getline(cpuinfo, line);) {
    if (line.starts_with("flags")) flags = line + " ";
    if (!flags.empty()) break;
  }
  if (flags.empty()) GTEST_SKIP() << "no flags in /proc/cpuinfo";
  for (const std::string& name : cpu_feature_names(~CpuBits{0})) {
    const bool listed = flags.find(" " + name + " ") != std::string::npos;
    EXPECT_EQ((detect_cpu() & *cpu_feature(name)) != 0, listed) << name;
  }
}
#endif

TEST(FpEnv, SetsNearestEvenAndRestores) {
  volatile float half = 0.5f, three_quarters = 0.75f, big = 8388608.0f;  // 2^23: the ulp is 1
  ASSERT_EQ(std::fesetround(FE_UPWARD), 0);
  {
    const FpEnvGuard guard;
    // Not fegetround(): on x86 it looks at the x87 unit, which computes nothing here.
    EXPECT_EQ(big + half, 8388608.0f);
    EXPECT_EQ(big + three_quarters, 8388609.0f);
  }
  EXPECT_EQ(big + half, 8388609.0f);
  std::fesetround(FE_TONEAREST);
}

#if defined(__x86_64__)
TEST(FpEnv, ClearsFlushToZeroAndRestores) {
  const unsigned before = _mm_getcsr();
  _mm_setcsr(before | 0x8040);  // FTZ and DAZ
  {
    const FpEnvGuard guard;
    EXPECT_EQ(_mm_getcsr() & 0x8040u, 0u);
  }
  EXPECT_EQ(_mm_getcsr() & 0x8040u, 0x8040u);
  _mm_setcsr(before);
}
#endif

TEST(Quant, StepRoundsHalfToEvenAndClampsFirst) {
  const QuantRange range = {10, 0, 255};
  EXPECT_EQ(quantize_step(0.5f, range), 10);
  EXPECT_EQ(quantize_step(1.5f, range), 12);
  EXPECT_EQ(quantize_step(-0.5f, range), 10);
  EXPECT_EQ(quantize_step(-1.5f, range), 8);
  EXPECT_EQ(quantize_step(1e30f, range), 255);
  EXPECT_EQ(quantize_step(-INFINITY, range), 0);
  EXPECT_EQ(quantize_step(NAN, range), 0);
  EXPECT_EQ(quantize_step(-3.0f, {10, 10, 200}), 10) << "a ReLU clamps to the zero point";
}

}  // namespace
}  // namespace octavo

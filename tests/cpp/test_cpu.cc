// CPU features, and the floating-point environment guard.
#include <gtest/gtest.h>

#include <bit>
#include <cfenv>
#include <cmath>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>

#include "base/arch.h"
#include "base/cpu.h"
#include "base/fp_env.h"
#include "base/quant.h"

#if defined(OCTAVO_X86_64)
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

#if defined(__linux__) && defined(OCTAVO_X86_64)
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

TEST(Cpu, L2IsPlausible) {
  EXPECT_GE(l2_cache_bytes(), size_t{32} << 10);
  EXPECT_LE(l2_cache_bytes(), size_t{64} << 20);
}

// A folder like /sys/devices/system/cpu/cpu0/cache.
class CacheFolder : public ::testing::Test {
 protected:
  CacheFolder() : folder_(::testing::TempDir() + "octavo_cache") {}
  ~CacheFolder() override { std::filesystem::remove_all(folder_); }

  void add(int index, const char* level, const char* size, const char* shared) {
    const std::string cache = folder_ + "/index" + std::to_string(index);
    std::filesystem::create_directories(cache);
    std::ofstream(cache + "/level") << level << "\n";
    std::ofstream(cache + "/size") << size << "\n";
    if (shared != nullptr) std::ofstream(cache + "/shared_cpu_map") << shared << "\n";
  }

  std::string folder_;
};

TEST_F(CacheFolder, L2OfOneCore) {
  EXPECT_EQ(l2_cache_bytes_in(folder_), 0u);
  add(0, "1", "64K", "1");
  add(1, "1", "64K", "1");
  EXPECT_EQ(l2_cache_bytes_in(folder_), 0u);
  add(3, "3", "4096K", "ff");
  add(2, "2", "1024K", "01");
  EXPECT_EQ(l2_cache_bytes_in(folder_), 1024u * 1024);
}

TEST_F(CacheFolder, L2SharedByFour) {
  add(2, "2", "2048K", "00000000,000000f0");
  EXPECT_EQ(l2_cache_bytes_in(folder_), 512u * 1024);
}

TEST_F(CacheFolder, L2OfUnknownSize) {
  add(2, "2", "", nullptr);
  EXPECT_EQ(l2_cache_bytes_in(folder_), 0u);
  add(3, "2", "256K", nullptr);
  EXPECT_EQ(l2_cache_bytes_in(folder_), 256u * 1024);
}

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

#if defined(OCTAVO_X86_64)
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
#elif defined(__aarch64__)
uint64_t fpcr() {
  uint64_t value;
  __asm__ volatile("mrs %0, fpcr" : "=r"(value));
  return value;
}

void set_fpcr(uint64_t value) { __asm__ volatile("msr fpcr, %0" : : "r"(value)); }

TEST(FpEnv, ClearsFlushToZeroAndRestores) {
  constexpr uint64_t kFlushToZero = 1u << 24, kDefaultNan = 1u << 25, kTowardsZero = 3u << 22;
  constexpr uint64_t kAll = kFlushToZero | kDefaultNan | kTowardsZero;
  const uint64_t before = fpcr();
  set_fpcr(before | kAll);
  {
    const FpEnvGuard guard;
    EXPECT_EQ(fpcr() & kAll, 0u);
    volatile float denormal = 0x1p-140f, one = 1.0f;
    EXPECT_EQ(std::bit_cast<uint32_t>(denormal * one), 0x200u);
  }
  EXPECT_EQ(fpcr() & kAll, kAll);
  set_fpcr(before);
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

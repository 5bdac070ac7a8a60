// Dispatch: for the CPU at hand, for CPUs that are not here, by name, per thread. The default is in
// test_environment.cc.
#include <gtest/gtest.h>

#include <set>
#include <string>
#include <thread>

#include "base/arch.h"
#include "base/status.h"
#include "runtime/backend.h"

namespace octavo {
namespace {

TEST(Registry, RowsAreCompleteAndScalarIsLast) {
  std::set<std::string> names;
  for (const Backend& backend : all_backends()) {
    EXPECT_TRUE(names.insert(backend.name).second) << backend.name << " twice";
    ASSERT_NE(backend.table, nullptr);
    ASSERT_NE(backend.layout, nullptr);
    const KernelTable& table = *backend.table;
    EXPECT_NE(table.gemm_s32.run, nullptr);
    EXPECT_NE(table.gemm_u8.run, nullptr);
    EXPECT_NE(table.matmul_u8.run, nullptr);
    EXPECT_EQ(table.grouped_s32.run == nullptr, table.grouped_u8.run == nullptr);
    EXPECT_EQ(table.grouped_s32.run == nullptr, table.grouped_geometry.nr == 0);
    EXPECT_EQ(table.grouped_geometry.nr % 16, 0u);
    EXPECT_NE(table.depthwise_s32.run, nullptr);
    EXPECT_NE(table.depthwise_u8.run, nullptr);
    EXPECT_NE(table.requantize_s32.run, nullptr);
    EXPECT_NE(table.requantize_u8.run, nullptr);
    EXPECT_NE(table.add_u8.run, nullptr);
    EXPECT_NE(table.quantize_u8.run, nullptr);
    EXPECT_NE(table.dequantize_u8.run, nullptr);
    EXPECT_NE(table.max_u8.run, nullptr);
    EXPECT_NE(table.avg_u8.run, nullptr);
    EXPECT_NE(table.mul_u8.run, nullptr);
    EXPECT_NE(table.lookup_u8.run, nullptr);
    EXPECT_NE(table.softmax_u8.run, nullptr);
    EXPECT_NE(table.moments_u8.run, nullptr);
    EXPECT_NE(table.normalize_u8.run, nullptr);
    EXPECT_NE(table.transpose_u8.run, nullptr);
    EXPECT_NE(table.transpose_u32.run, nullptr);
    EXPECT_NE(table.transpose_stream_u8.run, nullptr);
    EXPECT_NE(table.stream_copy.run, nullptr);
    EXPECT_NE(table.stream_fence.run, nullptr);
    EXPECT_NE(table.gemm_f32.run, nullptr);
    EXPECT_NE(table.depthwise_f32.run, nullptr);
    EXPECT_EQ(table.gemm_geometry.nr % table.gemm_geometry.granule, 0u);
    EXPECT_EQ(table.matmul_geometry.order, kSequential);
    EXPECT_EQ(table.depthwise_geometry.nr, table.depthwise_geometry.granule);
  }
  EXPECT_STREQ(all_backends().back().name, "scalar");
  EXPECT_EQ(all_backends().back().required, 0u);
}

#if defined(OCTAVO_X86_64)

constexpr CpuBits kHaswell = kCpuAvx2 | kCpuFma;
constexpr CpuBits kSkylakeX = kHaswell | kCpuAvx512F | kCpuAvx512Bw | kCpuAvx512Vl | kCpuAvx512Dq;
constexpr CpuBits kCascadeLake = kSkylakeX | kCpuAvx512Vnni;

TEST(SelectBackend, ForCpusThatAreNotHere) {
  EXPECT_STREQ(select_backend(0).name, "scalar");
  EXPECT_STREQ(select_backend(kCpuAvx2).name, "scalar") << "AVX2 without FMA";
  EXPECT_STREQ(select_backend(kHaswell).name, "avx2");
  EXPECT_STREQ(select_backend(kHaswell | kCpuAvxVnni).name, "avxvnni") << "Alder Lake";
  EXPECT_STREQ(select_backend(kCpuAvx2 | kCpuAvxVnni).name, "scalar") << "without FMA";
  EXPECT_STREQ(select_backend(kSkylakeX | kCpuAvxVnni).name, "avxvnni");
  EXPECT_STREQ(select_backend(kCascadeLake | kCpuAvxVnni).name, "avx512vnni");
  EXPECT_STREQ(select_backend(kSkylakeX).name, "avx2") << "AVX-512 without VNNI";
  EXPECT_STREQ(select_backend(kCascadeLake).name, "avx512vnni");
  EXPECT_STREQ(select_backend(kCascadeLake & ~kCpuAvx512Vl).name, "avx2");
  EXPECT_STREQ(select_backend(kCascadeLake | kCpuAvx512Vbmi).name, "avx512vbmi") << "Ice Lake";
  EXPECT_STREQ(select_backend(kCascadeLake | kCpuAvx512Vbmi | kCpuAvxVnni).name, "avx512vbmi")
      << "Sapphire Rapids";
  EXPECT_STREQ(select_backend(kSkylakeX | kCpuAvx512Vbmi).name, "avx2") << "Cannon Lake";
  EXPECT_STREQ(select_backend(~CpuBits{0}).name, "avx512vbmi");
}

#endif

TEST(SelectBackend, EachRowGetsItsOwnRequirements) {
  for (const Backend& backend : all_backends()) {
    EXPECT_TRUE(is_supported(backend, backend.required));
    for (CpuBits bit = 1; bit != 0; bit <<= 1) {
      if ((backend.required & bit) == 0) continue;
      EXPECT_FALSE(is_supported(backend, ~bit)) << backend.name;
      EXPECT_STRNE(select_backend(~bit).name, backend.name);
    }
  }
}

TEST(RequireBackend, NamesTheValidOnes) {
  EXPECT_STREQ(require_backend("scalar", "backend").name, "scalar");
  try {
    require_backend("sse9", "backend");
    FAIL() << "an unknown name was accepted";
  } catch (const Error& error) {
    EXPECT_EQ(error.status(), Status::invalid_argument);
    const std::string message = error.what();
    EXPECT_NE(message.find("backend: 'sse9'"), std::string::npos) << message;
    EXPECT_NE(message.find("scalar"), std::string::npos) << message;
  }
  EXPECT_THROW(require_backend("", "backend"), Error);
  EXPECT_THROW(require_backend("Scalar", "backend"), Error);
}

TEST(BackendOverride, BelongsToOneThread) {
  const Backend* scalar = find_backend("scalar");
  const Backend& before = current_backend();
  EXPECT_EQ(set_backend_override(scalar), nullptr);
  EXPECT_EQ(&current_backend(), scalar);
  std::thread([&] { EXPECT_EQ(&current_backend(), &before); }).join();
  EXPECT_EQ(set_backend_override(nullptr), scalar);
  EXPECT_EQ(&current_backend(), &before);
}

}  // namespace
}  // namespace octavo

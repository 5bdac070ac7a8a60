// Packed weights as bytes: in the caller's memory, copied, of other layouts, cut short, corrupt,
// and made to do harm.
#include <gtest/gtest.h>

#include <algorithm>
#include <map>

#include "api/packed.h"
#include "base/checksum.h"
#include "c_api_support.h"
#include "guarded.h"

namespace octavo::testing {
namespace {

// Weights that make AVX2 split groups, and all kinds of matrices: grouped, depthwise, repeated.
std::vector<ConvProblem> problems() {
  std::vector<ConvProblem> all = conv_problems();
  ConvProblem repeated = all[0];
  repeated.zero_points = true;
  all.push_back(repeated);
  uint32_t seed = 11;
  for (ConvProblem& problem : all) {
    problem.residual = problem.shape.is_depthwise();
    problem.fill(seed++);
  }
  return all;
}

AlignedBuffer pack(const octavo_context& context, const ConvProblem& problem) {
  const octavo_conv2d_desc desc = problem.conv_desc();
  size_t bytes = 0;
  EXPECT_EQ(octavo_conv2d_packed_size(&context, &desc, &bytes), OCTAVO_OK) << octavo_last_error();
  AlignedBuffer memory(bytes);
  EXPECT_EQ(octavo_conv2d_pack(&context, &desc, memory.data(), bytes), OCTAVO_OK)
      << octavo_last_error();
  return memory;
}

octavo_status open(const octavo_context& context, const void* packed, size_t bytes,
                   ConvOwner* conv) {
  octavo_conv2d* made = nullptr;
  const octavo_status status = octavo_conv2d_open(&context, packed, bytes, &made);
  conv->reset(made);
  return status;
}

std::vector<uint8_t> run(const octavo_context& context, const octavo_conv2d* conv,
                         const ConvProblem& p) {
  std::vector<uint8_t> y(p.pixels() * p.shape.out_channels);
  EXPECT_EQ(octavo_conv2d_run(&context, conv, p.batch, p.h, p.w, p.x.data(), 0,
                              p.residual ? p.added.data() : nullptr, 0, y.data(), 0),
            OCTAVO_OK)
      << octavo_last_error();
  return y;
}

class CApiPacked : public ::testing::TestWithParam<const Backend*> {
 protected:
  const octavo_context context_ = on_backend(GetParam()->name);
};

TEST_P(CApiPacked, WeightsMayBeCopiedAndReadWhereTheyAre) {
  for (const ConvProblem& p : problems()) {
    const AlignedBuffer memory = pack(context_, p);
    // Nothing behind them: as a file that was mapped.
    const GuardedBuffer<unsigned char> copy({memory.data(), memory.size()}, Guard::after);
    ConvOwner conv;
    ASSERT_EQ(open(context_, copy.data(), copy.size(), &conv), OCTAVO_OK) << octavo_last_error();
    EXPECT_EQ(run(context_, conv.get(), p), p.bytes());
    const void* packed = nullptr;
    size_t bytes = 0;
    ASSERT_EQ(octavo_conv2d_packed(conv.get(), &packed, &bytes), OCTAVO_OK);
    EXPECT_EQ(packed, copy.data());
    EXPECT_EQ(bytes, copy.size());
  }
}

TEST_P(CApiPacked, ALayerThatOwnsItsWeightsHasTheSameBytes) {
  for (const ConvProblem& p : problems()) {
    const AlignedBuffer memory = pack(context_, p);
    const octavo_conv2d_desc desc = p.conv_desc();
    octavo_conv2d* made = nullptr;
    ASSERT_EQ(octavo_conv2d_create(&context_, &desc, &made), OCTAVO_OK);
    const ConvOwner conv(made);
    const void* packed = nullptr;
    size_t bytes = 0;
    ASSERT_EQ(octavo_conv2d_packed(made, &packed, &bytes), OCTAVO_OK);
    ASSERT_EQ(bytes, memory.size());
    EXPECT_EQ(std::memcmp(packed, memory.data(), bytes), 0);
  }
}

TEST_P(CApiPacked, SayWhatTheyArePackedFrom) {
  for (const ConvProblem& p : problems()) {
    const AlignedBuffer memory = pack(context_, p);
    ConvOwner conv;
    ASSERT_EQ(open(context_, memory.data(), memory.size(), &conv), OCTAVO_OK);
    octavo_conv2d_desc expected = p.conv_desc(), info = zeroed<octavo_conv2d_desc>();
    expected.weight = nullptr;
    expected.weight_zero_point = nullptr;
    expected.bias = nullptr;
    expected.multiplier = nullptr;
    ASSERT_EQ(octavo_conv2d_info(conv.get(), &info), OCTAVO_OK);
    EXPECT_EQ(std::memcmp(&info, &expected, sizeof info), 0);
  }
}

TEST_P(CApiPacked, OtherBackendsRefuseAnotherLayout) {
  const ConvProblem p = problems()[0];
  const AlignedBuffer memory = pack(context_, p);
  for (const Backend* backend : supported_backends()) {
    const octavo_context other = on_backend(backend->name);
    ConvOwner conv;
    const octavo_status status = open(other, memory.data(), memory.size(), &conv);
    if (std::strcmp(backend->layout, GetParam()->layout) == 0) {
      EXPECT_EQ(status, OCTAVO_OK);
    } else {
      EXPECT_EQ(status, OCTAVO_UNSUPPORTED);
      EXPECT_NE(std::strstr(octavo_last_error(), GetParam()->layout), nullptr);
      EXPECT_EQ(conv, nullptr);
    }
  }
}

TEST_P(CApiPacked, EveryShorterLengthIsRefused) {
  for (const ConvProblem& p : problems()) {
    const AlignedBuffer memory = pack(context_, p);
    for (size_t bytes = 0; bytes < memory.size(); bytes += bytes < 512 ? 1 : 61) {
      const GuardedBuffer<unsigned char> cut({memory.data(), round_up(bytes, 64)}, Guard::after);
      ConvOwner conv;
      ASSERT_EQ(open(context_, cut.data(), bytes, &conv), OCTAVO_INVALID_ARGUMENT) << bytes;
    }
  }
}

TEST_P(CApiPacked, EveryFlippedBitIsSeen) {
  const ConvProblem p = problems()[5];
  AlignedBuffer memory = pack(context_, p);
  for (size_t bit = 0; bit < 8 * memory.size(); bit += bit < 8 * 512 ? 1 : 37) {
    const auto mask = static_cast<unsigned char>(1 << bit % 8);
    memory.data()[bit / 8] ^= mask;
    ConvOwner conv;
    EXPECT_NE(open(context_, memory.data(), memory.size(), &conv), OCTAVO_OK) << bit;
    memory.data()[bit / 8] ^= mask;
  }
}

// Where the header has its checksum, as api/packed.cc has it.
constexpr size_t kChecksumAt = 40;

void sign(AlignedBuffer& memory) {
  unsigned char* bytes = memory.data();
  uint64_t size;
  std::memcpy(&size, bytes + 32, sizeof size);
  if (size < 64 || size > memory.size()) return;
  std::memset(bytes + kChecksumAt, 0, sizeof size);
  const uint64_t sum = checksum(bytes + 64, size - 64, checksum(bytes, 64));
  std::memcpy(bytes + kChecksumAt, &sum, sizeof sum);
}

TEST_P(CApiPacked, HostileBytesNeverReachBeyondTheirMemory) {
  std::mt19937 random(1);
  size_t accepted = 0;
  for (const ConvProblem& p : problems()) {
    const AlignedBuffer original = pack(context_, p);
    for (int round = 0; round < 400; ++round) {
      AlignedBuffer memory(original.size());
      std::memcpy(memory.data(), original.data(), original.size());
      for (uint32_t i = 0; i <= random() % 3; ++i) {
        // Headers more often than their share.
        const size_t end = random() % 2 == 0 ? std::min<size_t>(512, memory.size()) : memory.size();
        const size_t at = random() % (end - 8);
        if (random() % 2 == 0) {
          memory.data()[at] = static_cast<unsigned char>(random());
        } else {
          const uint64_t value = random() % 2 == 0 ? random() % 64 : ~uint64_t{0} >> random() % 64;
          std::memcpy(memory.data() + at / 8 * 8, &value, sizeof value);
        }
      }
      sign(memory);
      const GuardedBuffer<unsigned char> guarded({memory.data(), memory.size()}, Guard::after);
      ConvOwner conv;
      if (open(context_, guarded.data(), guarded.size(), &conv) != OCTAVO_OK) continue;
      octavo_conv2d_desc info = zeroed<octavo_conv2d_desc>();
      ASSERT_EQ(octavo_conv2d_info(conv.get(), &info), OCTAVO_OK);
      size_t oh = 0, ow = 0;
      if (octavo_conv2d_output_size(conv.get(), p.h, p.w, &oh, &ow) != OCTAVO_OK) continue;
      const size_t pixels = oh * ow;
      if (pixels > 4096 || info.out_channels > 4096 || info.in_channels > 4096) continue;
      const GuardedBuffer<uint8_t> x(p.h * p.w * info.in_channels);
      const GuardedBuffer<uint8_t> added(pixels * info.out_channels);
      GuardedBuffer<int32_t> y(pixels * info.out_channels);
      const octavo_status status =
          octavo_conv2d_run(&context_, conv.get(), 1, p.h, p.w, x.data(), 0,
                            info.residual.present != 0 ? added.data() : nullptr, 0, y.data(), 0);
      EXPECT_EQ(status, OCTAVO_OK) << octavo_last_error();
      ++accepted;
    }
  }
  EXPECT_GT(accepted, 100u);  // weights may be anything
}

INSTANTIATE_TEST_SUITE_P(Backends, CApiPacked, ::testing::ValuesIn(supported_backends()),
                         [](const auto& info) { return std::string(info.param->name); });

// Files outlive the library that wrote them. If these differ, kVersion in api/packed.cc has to be
// raised, so that old files are refused, and what is recorded here replaced.
TEST(CApiPackedBytes, AreThoseOfThisVersion) {
  const std::map<std::string, uint64_t> recorded = {{"scalar", 2818878001445414446},
                                                    {"avx2", 9115799193668057312},
                                                    {"avx512vnni", 13792828868288229539u}};
  for (const Backend* backend : supported_backends()) {
    uint64_t sum = 0;
    for (const ConvProblem& p : problems()) {
      const AlignedBuffer memory = pack(on_backend(backend->name), p);
      const api::OpenedLayer layer =
          api::open_packed(memory.data(), memory.size(), api::LayerKind::conv2d, *backend);
      for (const PackedMatrix& matrix : layer.matrices) {
        sum = checksum(matrix.panel(0), matrix.size_bytes(), sum);
      }
    }
    const auto found = recorded.find(backend->layout);
    EXPECT_TRUE(found == recorded.end() || sum == found->second) << backend->layout << ": " << sum;
  }
}

TEST(CApiPackedRefuses, OtherThingsThanThisLayer) {
  ConvProblem p = problems()[0];
  const octavo_context context = on_backend("scalar");
  AlignedBuffer memory = pack(context, p);
  octavo_linear* linear = nullptr;
  EXPECT_EQ(octavo_linear_open(&context, memory.data(), memory.size(), &linear),
            OCTAVO_INVALID_ARGUMENT);
  EXPECT_STREQ(octavo_last_error(), "packed: a convolution, expected a linear layer");
  ConvOwner conv;
  EXPECT_EQ(open(context, nullptr, memory.size(), &conv), OCTAVO_INVALID_ARGUMENT);
  EXPECT_EQ(open(context, memory.data() + 8, memory.size() - 8, &conv), OCTAVO_INVALID_ARGUMENT);
  EXPECT_EQ(octavo_conv2d_open(&context, memory.data(), memory.size(), nullptr),
            OCTAVO_INVALID_ARGUMENT);
  memory.data()[8] = 9;  // the version
  EXPECT_EQ(open(context, memory.data(), memory.size(), &conv), OCTAVO_UNSUPPORTED);
  EXPECT_NE(std::strstr(octavo_last_error(), "version 9"), nullptr);
}

TEST(CApiPackedRefuses, MemoryThatIsTooSmallOrMisaligned) {
  const ConvProblem p = problems()[0];
  const octavo_conv2d_desc desc = p.conv_desc();
  size_t bytes = 0;
  ASSERT_EQ(octavo_conv2d_packed_size(nullptr, &desc, &bytes), OCTAVO_OK);
  AlignedBuffer memory(bytes + 64);
  EXPECT_EQ(octavo_conv2d_pack(nullptr, &desc, memory.data(), bytes - 1), OCTAVO_INVALID_ARGUMENT);
  EXPECT_EQ(octavo_conv2d_pack(nullptr, &desc, memory.data() + 32, bytes), OCTAVO_INVALID_ARGUMENT);
  EXPECT_EQ(octavo_conv2d_pack(nullptr, &desc, nullptr, bytes), OCTAVO_INVALID_ARGUMENT);
  const auto* begin = memory.data();
  EXPECT_TRUE(std::all_of(begin, begin + memory.size(), [](unsigned char c) { return c == 0; }));
  EXPECT_EQ(octavo_conv2d_packed_size(nullptr, &desc, nullptr), OCTAVO_INVALID_ARGUMENT);
}

}  // namespace
}  // namespace octavo::testing

// Aligned memory: alone, and side by side on shared huge pages.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <limits>
#include <optional>
#include <random>
#include <thread>
#include <utility>
#include <vector>

#include "base/buffer.h"
#include "base/status.h"

#if defined(__SANITIZE_THREAD__) || defined(__SANITIZE_ADDRESS__)
#define OCTAVO_SANITIZED 1
#elif defined(__has_feature)
#define OCTAVO_SANITIZED (__has_feature(thread_sanitizer) || __has_feature(address_sanitizer))
#else
#define OCTAVO_SANITIZED 0
#endif

namespace octavo {
namespace {

using Make = AlignedBuffer (*)(size_t);
AlignedBuffer alone(size_t size) { return AlignedBuffer(size); }

class Buffer : public testing::TestWithParam<Make> {
 protected:
  static AlignedBuffer make(size_t size) { return GetParam()(size); }
};
INSTANTIATE_TEST_SUITE_P(Both, Buffer, testing::Values(&alone, &AlignedBuffer::pooled));

// Around the sizes at which the memory comes from somewhere else.
const size_t kSizes[] = {1,       63,      64,      65,      4095,    4097,
                         1 << 20, 2 << 20, 3000000, 4 << 20, 4194305, 17 << 20};

TEST_P(Buffer, IsAlignedZeroAndWritable) {
  for (const size_t size : kSizes) {
    AlignedBuffer buffer = make(size);
    ASSERT_EQ(buffer.size(), size);
    EXPECT_EQ(reinterpret_cast<uintptr_t>(buffer.data()) % AlignedBuffer::kAlignment, 0u) << size;
    EXPECT_EQ(std::count(buffer.data(), buffer.data() + size, 0), static_cast<ptrdiff_t>(size));
    std::memset(buffer.data(), 0xa5, size);
    EXPECT_EQ(buffer.data()[size - 1], 0xa5);
  }
}

TEST_P(Buffer, EmptyHasNoMemory) {
  EXPECT_EQ(make(0).size(), 0u);
  EXPECT_EQ(make(0).data(), nullptr);
}

TEST_P(Buffer, MovesItsMemory) {
  AlignedBuffer a = make(100);
  unsigned char* const data = a.data();
  AlignedBuffer b = std::move(a);
  EXPECT_EQ(b.data(), data);
  EXPECT_EQ(a.size(), 0u);  // NOLINT: what is left behind is the point
  a = std::move(b);
  EXPECT_EQ(a.data(), data);
  EXPECT_EQ(a.size(), 100u);
}

TEST_P(Buffer, MoreThanThereIsIsAnError) {
  if (OCTAVO_SANITIZED) GTEST_SKIP() << "sanitizers end the process instead";
  EXPECT_THROW(make(std::numeric_limits<size_t>::max() / 2), Error);
}

// Buffers come and go in any order; each keeps what was written to it until it goes.
TEST_P(Buffer, LivesNextToOthers) {
  std::mt19937 random(3);
  std::vector<std::optional<AlignedBuffer>> slots(40);
  const auto value = [](size_t slot) { return static_cast<unsigned char>(slot + 1); };
  for (int round = 0; round < 2000; ++round) {
    const size_t i = random() % slots.size();
    std::optional<AlignedBuffer>& slot = slots[i];
    if (slot.has_value()) {
      const unsigned char* data = slot->data();
      ASSERT_EQ(std::count(data, data + slot->size(), value(i)),
                static_cast<ptrdiff_t>(slot->size()));
      slot.reset();
      continue;
    }
    const size_t size = size_t{1} << (random() % 20);
    slot.emplace(make(size + random() % size));
    ASSERT_EQ(std::count(slot->data(), slot->data() + slot->size(), 0),
              static_cast<ptrdiff_t>(slot->size()));
    std::memset(slot->data(), value(i), slot->size());
  }
}

TEST_P(Buffer, IsMadeInSeveralThreads) {
  const Make make = GetParam();
  std::vector<std::thread> threads;
  std::vector<std::vector<AlignedBuffer>> made(4);
  for (size_t t = 0; t < made.size(); ++t) {
    threads.emplace_back([&own = made[t], make, t] {
      for (size_t i = 0; i < 300; ++i) {
        own.push_back(make(1000 + i));
        std::memset(own.back().data(), static_cast<int>(t + 1), own.back().size());
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  for (size_t t = 0; t < made.size(); ++t) {
    for (AlignedBuffer& buffer : made[t]) {
      EXPECT_EQ(std::count(buffer.data(), buffer.data() + buffer.size(), t + 1),
                static_cast<ptrdiff_t>(buffer.size()));
    }
  }
}

TEST(TrimMemory, LeavesWhatIsInUse) {
  AlignedBuffer a(100000), b = AlignedBuffer::pooled(100000);
  std::memset(a.data(), 1, a.size());
  std::memset(b.data(), 2, b.size());
  trim_memory();
  EXPECT_EQ(std::count(a.data(), a.data() + a.size(), 1), 100000);
  EXPECT_EQ(std::count(b.data(), b.data() + b.size(), 2), 100000);
}

}  // namespace
}  // namespace octavo

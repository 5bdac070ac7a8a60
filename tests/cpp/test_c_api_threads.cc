// The caller's threads: its parallel_for runs every loop, gives the same bits, may call octavo
// itself, and is told when it breaks its promise.
#include <gtest/gtest.h>

#include <atomic>
#include <cstdlib>
#include <thread>

#include "c_api_support.h"

namespace octavo::testing {
namespace {

struct Host {
  size_t threads = 3;
  std::atomic<size_t> loops{0};
  std::atomic<size_t> bodies{0};
};

// Each thread takes every threads-th index.
void spread_out(void* user, size_t n, void (*body)(void* arg, size_t i), void* arg) {
  auto& host = *static_cast<Host*>(user);
  host.loops.fetch_add(1);
  host.bodies.fetch_add(n);
  const auto work = [&](size_t t) {
    for (size_t i = t; i < n; i += host.threads) body(arg, i);
  };
  std::vector<std::thread> threads;
  for (size_t t = 1; t < host.threads; ++t) threads.emplace_back(work, t);
  work(0);
  for (std::thread& thread : threads) thread.join();
}

// A layer that is worth several threads, and its result.
struct Big {
  ConvProblem problem = {.shape = {}, .batch = 2, .h = 24, .w = 24};
  ConvOwner conv;
  std::vector<uint8_t> expected;

  explicit Big(const octavo_context& context) {
    problem.shape.in_channels = 48;
    problem.shape.out_channels = 96;
    problem.shape.kernel_h = problem.shape.kernel_w = 3;
    problem.shape.padding = {1, 1, 1, 1};
    problem.fill(3);
    const octavo_conv2d_desc desc = problem.conv_desc();
    octavo_conv2d* made = nullptr;
    EXPECT_EQ(octavo_conv2d_create(&context, &desc, &made), OCTAVO_OK) << octavo_last_error();
    conv.reset(made);
    expected = problem.bytes();
  }

  octavo_status run(const octavo_context& context, std::vector<uint8_t>* y) const {
    y->assign(expected.size(), 0x55);
    return octavo_conv2d_run(&context, conv.get(), problem.batch, problem.h, problem.w,
                             problem.x.data(), 0, nullptr, 0, y->data(), 0);
  }
};

octavo_context with_host(const char* backend, Host* host) {
  octavo_context context = on_backend(backend);
  context.num_threads = host->threads;
  context.parallel_for = &spread_out;
  context.user = host;
  return context;
}

TEST(CApiThreads, TheCallersLoopRunsAllAndGivesTheSameBits) {
  for (const Backend* backend : supported_backends()) {
    Host host;
    const octavo_context context = with_host(backend->name, &host);
    const Big big(context);
    std::vector<uint8_t> y;
    ASSERT_EQ(big.run(context, &y), OCTAVO_OK) << octavo_last_error();
    EXPECT_EQ(y, big.expected);
    EXPECT_GE(host.loops, 1u);
    EXPECT_GT(host.bodies, 1u);
  }
}

TEST(CApiThreads, OneThreadMeansNoLoop) {
  Host host;
  octavo_context context = with_host(nullptr, &host);
  context.num_threads = 1;
  const Big big(context);
  std::vector<uint8_t> y;
  ASSERT_EQ(big.run(context, &y), OCTAVO_OK);
  EXPECT_EQ(y, big.expected);
  EXPECT_EQ(host.loops, 0u);
}

TEST(CApiThreads, ManyThreadsShareALayerAndItsBytes) {
  const octavo_context context = zeroed<octavo_context>();
  const Big big(context);
  const void* packed = nullptr;
  size_t bytes = 0;
  ASSERT_EQ(octavo_conv2d_packed(big.conv.get(), &packed, &bytes), OCTAVO_OK);
  const auto work = [&](size_t t) {
    Host host;
    const octavo_context mine = t % 2 == 0 ? context : with_host(nullptr, &host);
    octavo_conv2d* own = nullptr;  // another layer over the same bytes
    ASSERT_EQ(octavo_conv2d_open(&mine, packed, bytes, &own), OCTAVO_OK);
    const ConvOwner owner(own);
    for (int round = 0; round < 3; ++round) {
      std::vector<uint8_t> y(big.expected.size());
      const ConvProblem& p = big.problem;
      ASSERT_EQ(octavo_conv2d_run(&mine, round == 0 ? own : big.conv.get(), p.batch, p.h, p.w,
                                  p.x.data(), 0, nullptr, 0, y.data(), 0),
                OCTAVO_OK);
      EXPECT_EQ(y, big.expected);
    }
  };
  std::vector<std::thread> threads;
  for (size_t t = 0; t < 8; ++t) threads.emplace_back(work, t);
  for (std::thread& thread : threads) thread.join();
}

// A host that runs something else of its own on the thread that waits, as task schedulers do.
struct Nested {
  const Big* other;
  size_t calls = 0;
};

void run_another(void* user, size_t n, void (*body)(void* arg, size_t i), void* arg) {
  auto& nested = *static_cast<Nested*>(user);
  for (size_t i = 0; i < n; ++i) {
    body(arg, i);
    std::vector<uint8_t> y;
    ASSERT_EQ(nested.other->run(on_backend("scalar"), &y), OCTAVO_OK);
    EXPECT_EQ(y, nested.other->expected);
    ++nested.calls;
  }
}

TEST(CApiThreads, OtherCallsOnAWaitingThreadDisturbNothing) {
  const Big other(on_backend("scalar"));
  Nested nested = {&other};
  octavo_context context = zeroed<octavo_context>();
  context.num_threads = 2;
  const Big big(context);
  context.parallel_for = &run_another;
  context.user = &nested;
  std::vector<uint8_t> y;
  ASSERT_EQ(big.run(context, &y), OCTAVO_OK);
  EXPECT_EQ(y, big.expected);
  EXPECT_GE(nested.calls, 2u);
}

void forget_one(void*, size_t n, void (*body)(void* arg, size_t i), void* arg) {
  for (size_t i = 1; i < n; ++i) body(arg, i);
}

TEST(CApiThreads, ABrokenPromiseIsReported) {
  octavo_context context = zeroed<octavo_context>();
  context.num_threads = 2;
  const Big big(context);
  context.parallel_for = &forget_one;
  std::vector<uint8_t> y;
  EXPECT_EQ(big.run(context, &y), OCTAVO_INTERNAL);
  EXPECT_NE(std::strstr(octavo_last_error(), "context.parallel_for: ran "), nullptr);
}

TEST(CApiThreads, EachHasItsOwnLastError) {
  EXPECT_EQ(octavo_conv2d_create(nullptr, nullptr, nullptr), OCTAVO_INVALID_ARGUMENT);
  const std::string mine = octavo_last_error();
  std::thread([] { EXPECT_STREQ(octavo_last_error(), ""); }).join();
  EXPECT_EQ(octavo_last_error(), mine);
  EXPECT_NE(mine, "");
}

}  // namespace
}  // namespace octavo::testing

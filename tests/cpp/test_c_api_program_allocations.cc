// A planned program runs in the caller's memory and allocates nothing.
#include <gtest/gtest.h>

#include <atomic>
#include <cstdlib>
#include <memory>
#include <vector>

#include "octavo/octavo.h"
#include "program_zoo.h"

#if defined(__has_feature)
#define SANITIZED (__has_feature(address_sanitizer) || __has_feature(thread_sanitizer))
#elif defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SANITIZED 1
#else
#define SANITIZED 0
#endif
// glibc lets a program replace malloc and still reach the original.
#if defined(__GLIBC__) && !SANITIZED
#define COUNTS_ALLOCATIONS 1
#else
#define COUNTS_ALLOCATIONS 0
#endif

namespace {

std::atomic<size_t> allocations{0};

}  // namespace

#if COUNTS_ALLOCATIONS
// The libraries must see these, though all else is compiled hidden.
#pragma GCC visibility push(default)
extern "C" {
void* __libc_malloc(size_t bytes);
void* __libc_calloc(size_t count, size_t bytes);
void* __libc_realloc(void* memory, size_t bytes);
void* __libc_memalign(size_t alignment, size_t bytes);

void* malloc(size_t bytes) {
  ++allocations;
  return __libc_malloc(bytes);
}
void* calloc(size_t count, size_t bytes) {
  ++allocations;
  return __libc_calloc(count, bytes);
}
void* realloc(void* memory, size_t bytes) {
  ++allocations;
  return __libc_realloc(memory, bytes);
}
void* aligned_alloc(size_t alignment, size_t bytes) {
  ++allocations;
  return __libc_memalign(alignment, bytes);
}
}
#pragma GCC visibility pop
#endif

namespace octavo::testing {
namespace {

void run_in_order(void*, size_t n, void (*body)(void* arg, size_t i), void* arg) {
  for (size_t i = 0; i < n; ++i) body(arg, i);
}

TEST(PlannedProgram, AllocatesNothing) {
  if (!COUNTS_ALLOCATIONS) GTEST_SKIP() << "malloc cannot be counted here";
  const size_t at_start = allocations;
  const Zoo zoo = make_zoo(default_backend());
  const std::vector<uint8_t> file = to_file(*zoo.program, zoo.interface);
  octavo_program* program = nullptr;
  ASSERT_EQ(octavo_program_load(nullptr, file.data(), file.size(), nullptr, &program), OCTAVO_OK);
  for (const size_t batch : {1, 5}) {
    octavo_plan* plan = nullptr;
    size_t bytes = 0;
    ASSERT_EQ(octavo_plan_create(program, batch, &bytes, &plan), OCTAVO_OK);
    AlignedBuffer workspace(bytes);
    const std::vector<float> x(batch * 48, 0.5f);
    std::vector<std::vector<float>> y(7, std::vector<float>(batch * 48));
    const void* inputs[] = {x.data()};
    void* outputs[7];
    for (size_t i = 0; i < 7; ++i) outputs[i] = y[i].data();
    octavo_context contexts[2] = {};
    for (octavo_context& context : contexts) context.size = sizeof context;
    contexts[0].num_threads = 1;
    contexts[1].num_threads = 4;
    contexts[1].parallel_for = run_in_order;
    for (const octavo_context& context : contexts) {
      const auto run = [&] {
        return octavo_plan_run(&context, plan, workspace.data(), bytes, inputs, outputs);
      };
      ASSERT_EQ(run(), OCTAVO_OK) << octavo_last_error();
      const size_t before = allocations;
      const octavo_status first = run(), second = run();
      const size_t after = allocations;
      EXPECT_EQ(first, OCTAVO_OK);
      EXPECT_EQ(second, OCTAVO_OK);
      EXPECT_EQ(after - before, 0u) << "batch " << batch;
    }
    octavo_plan_free(plan);
  }
  EXPECT_GT(allocations, at_start + 100);  // they are counted
  octavo_program_free(program);
}

}  // namespace
}  // namespace octavo::testing

#include "runtime/threads.h"

#include <atomic>
#include <charconv>
#include <cstdlib>
#include <cstring>
#include <string>

#include "base/status.h"
#include "runtime/pool.h"

#if defined(__unix__) || defined(__APPLE__)
#include <pthread.h>
#endif

namespace octavo {
namespace {

std::atomic<size_t> configured_threads{0};  // 0: not set
std::atomic<ThreadPool*> the_pool{nullptr};

size_t initial_threads() {
  const char* text = std::getenv("OCTAVO_NUM_THREADS");
  if (text == nullptr || *text == '\0') return available_cpus();
  size_t n = 0;
  const char* end = text + std::strlen(text);
  const auto [rest, error] = std::from_chars(text, end, n);
  if (error != std::errc{} || rest != end || n == 0 || n > kMaxThreads) {
    throw Error(Status::invalid_argument, "OCTAVO_NUM_THREADS: got '" + std::string(text) +
                                              "', expected an integer in 1.." +
                                              std::to_string(kMaxThreads));
  }
  return n;
}

// A forked child has none of its parent's workers, and the pool's locks may be held by threads
// that do not exist here: leave that pool alone and start over.
[[maybe_unused]] void forget_pool_in_child() { the_pool.store(nullptr, std::memory_order_relaxed); }

void watch_forks() {
#if defined(__unix__) || defined(__APPLE__)
  static const int registered = pthread_atfork(nullptr, nullptr, forget_pool_in_child);
  (void)registered;
#endif
}

}  // namespace

Threads& default_threads() {
  ThreadPool* pool = the_pool.load(std::memory_order_acquire);
  if (pool != nullptr) return *pool;
  watch_forks();
  // Never destroyed: its detached workers may outlive static destruction.
  auto* created = new ThreadPool;
  if (the_pool.compare_exchange_strong(pool, created, std::memory_order_acq_rel)) return *created;
  delete created;  // another thread was first; no worker was started
  return *pool;
}

size_t get_num_threads() {
  const size_t configured = configured_threads.load(std::memory_order_relaxed);
  if (configured != 0) return configured;
  static const size_t initial = initial_threads();
  return initial;
}

void set_num_threads(size_t n) {
  if (n == 0 || n > kMaxThreads) {
    throw Error(Status::invalid_argument, "num_threads: got " + std::to_string(n) +
                                              ", expected an integer in 1.." +
                                              std::to_string(kMaxThreads));
  }
  configured_threads.store(n, std::memory_order_relaxed);
}

}  // namespace octavo

#include "runtime/pool.h"

#include <algorithm>
#include <chrono>
#include <system_error>
#include <thread>
#include <utility>

#include "base/arch.h"

#if defined(__unix__) || defined(__APPLE__)
#include <csignal>
#endif
#if defined(OCTAVO_X86_64)
#include <immintrin.h>
#elif defined(OCTAVO_AARCH64) && defined(_MSC_VER)
#include <intrin.h>
#endif

namespace octavo {
namespace {

// Set on a thread that is inside a loop body: a nested loop runs on that thread alone.
thread_local bool inside_loop = false;

// Layers of a network follow each other within microseconds, waking a sleeper takes tens of them.
constexpr std::chrono::microseconds kSpin{100};

inline void pause() {
#if defined(OCTAVO_X86_64)
  _mm_pause();
#elif defined(OCTAVO_AARCH64) && defined(_MSC_VER)
  __isb(_ARM64_BARRIER_SY);
#elif defined(OCTAVO_AARCH64)
  __asm__ volatile("isb");  // takes about as long as x86's pause; yield does nothing on most CPUs
#endif
}

// Workers leave signals to the host's threads.
class SignalBlocker {
 public:
#if defined(__unix__) || defined(__APPLE__)
  SignalBlocker() {
    sigset_t all;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &saved_);
  }
  ~SignalBlocker() { pthread_sigmask(SIG_SETMASK, &saved_, nullptr); }

 private:
  sigset_t saved_;
#endif
};

}  // namespace

void ThreadPool::run(size_t n, size_t max_threads, const Task& task) {
  const size_t threads = std::min({n, max_threads, kMaxThreads});
  std::unique_lock<std::mutex> lock(busy_, std::defer_lock);
  if (threads <= 1 || inside_loop || !lock.try_lock()) {
    for (size_t i = 0; i < n; ++i) task(i);
    return;
  }
  grow(threads - 1);
  deal(n, threads);
  task_ = &task;
  open_gate(std::min(threads, workers_ + 1));
  work(0);
  close_gate();
  if (error_ != nullptr) std::rethrow_exception(std::exchange(error_, nullptr));
}

void ThreadPool::deal(size_t n, size_t threads) {
  if (ranges_.size() < threads) ranges_ = std::vector<Range>(threads);
  range_count_ = threads;
  for (size_t t = 0; t < threads; ++t) {
    ranges_[t].next.store(n / threads * t + n % threads * t / threads, std::memory_order_relaxed);
    ranges_[t].end = n / threads * (t + 1) + n % threads * (t + 1) / threads;
  }
}

void ThreadPool::grow(size_t workers) {
  if (workers_ >= workers) return;
  [[maybe_unused]] const SignalBlocker blocker;
  try {
    for (; workers_ < workers; ++workers_) {
      std::thread([this, worker = workers_ + 1] { worker_loop(worker); }).detach();
    }
  } catch (const std::system_error&) {
    // The system gives no more threads: fewer of them do the same work.
  }
}

void ThreadPool::open_gate(size_t threads) {
  // Sequentially consistent, like the sleepers' own order (count, then look at the gate): one of
  // the two sides sees the other.
  gate_.store(threads * kThread + (threads - 1) * kPlace);
  if (sleepers_.load() == 0) return;
  // Passing through the mutex is enough: a sleeper has either seen the gate or is in wait() by now.
  // Notified with the mutex held, it would wake only to wait for it.
  {
    const std::lock_guard<std::mutex> lock(sleep_mutex_);
  }
  wake_.notify_all();
}

void ThreadPool::close_gate() {
  uint64_t gate = gate_.fetch_and(kPlace - 1, std::memory_order_acq_rel);
  for (size_t round = 0; inside(gate) != 0; ++round) {
    if (round < 1000) {
      pause();
    } else {
      std::this_thread::yield();
    }
    gate = gate_.load(std::memory_order_acquire);
  }
}

void ThreadPool::worker_loop(size_t worker) {
  while (true) {
    wait_for_place(worker);
    if (!take_place(worker)) continue;
    work(worker);
    gate_.fetch_sub(1, std::memory_order_release);
  }
}

void ThreadPool::wait_for_place(size_t worker) {
  const auto is_open = [this, worker] { return admits(gate_.load(), worker); };
  const auto until = std::chrono::steady_clock::now() + kSpin;
  do {
    for (int i = 0; i < 64; ++i) {
      if (is_open()) return;
      pause();
    }
    std::this_thread::yield();  // does nothing on an idle machine, frees the CPU on a busy one
  } while (std::chrono::steady_clock::now() < until);

  std::unique_lock<std::mutex> lock(sleep_mutex_);
  sleepers_.fetch_add(1);
  wake_.wait(lock, is_open);
  sleepers_.fetch_sub(1);
}

bool ThreadPool::take_place(size_t worker) {
  uint64_t gate = gate_.load(std::memory_order_relaxed);
  while (admits(gate, worker)) {
    if (gate_.compare_exchange_weak(gate, gate - kPlace + 1, std::memory_order_acquire,
                                    std::memory_order_relaxed)) {
      return true;
    }
  }
  return false;
}

void ThreadPool::work(size_t worker) {
  inside_loop = true;
  try {
    for (size_t r = 0; r < range_count_; ++r) {
      Range& range = ranges_[(worker + r) % range_count_];
      for (size_t i = 0; (i = range.next.fetch_add(1, std::memory_order_relaxed)) < range.end;) {
        (*task_)(i);
      }
    }
  } catch (...) {
    skip_the_rest();
    const std::lock_guard<std::mutex> lock(error_mutex_);
    if (error_ == nullptr) error_ = std::current_exception();
  }
  inside_loop = false;
}

void ThreadPool::skip_the_rest() {
  for (size_t r = 0; r < range_count_; ++r) {
    ranges_[r].next.store(ranges_[r].end, std::memory_order_relaxed);
  }
}

}  // namespace octavo

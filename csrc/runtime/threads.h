// Parallel loops behind one small interface: the default pool, or the caller's own threads.
#pragma once

#include <cstddef>
#include <type_traits>

namespace octavo {

// A loop body by reference: no allocation, no ownership. It outlives the loop it is passed to.
class Task {
 public:
  template <class F>
    requires(!std::is_same_v<std::remove_cvref_t<F>, Task>)
  Task(F& body)  // NOLINT: implicit by design, as std::function_ref
      : body_(const_cast<void*>(static_cast<const void*>(&body))),
        call_([](void* self, size_t i) { (*static_cast<F*>(self))(i); }) {}

  void operator()(size_t i) const { call_(body_, i); }

 private:
  void* body_;
  void (*call_)(void*, size_t);
};

// Implementations run task(i) exactly once for every i < n, on at most `max_threads` threads
// (the caller's included), and return when all are done. The order is theirs. An exception from a
// task reaches the caller after the running ones have finished; the rest may be skipped.
class Threads {
 public:
  virtual ~Threads() = default;
  virtual size_t max_threads() const = 0;
  virtual void run(size_t n, size_t max_threads, const Task& task) = 0;
};

// The process-wide pool. Workers start when first needed, spin briefly, then sleep. A nested call,
// or one made while another thread uses the pool, runs on the calling thread alone. A forked child
// starts with no workers and grows its own.
Threads& default_threads();

// The most threads an op uses on the default pool: set_num_threads, else OCTAVO_NUM_THREADS, else
// the CPUs this process may use (affinity and cgroup quota). A malformed variable throws
// Error(invalid_argument), as does n outside 1..kMaxThreads.
inline constexpr size_t kMaxThreads = 1024;
size_t get_num_threads();
void set_num_threads(size_t n);

// CPUs this process may use, at least 1: affinity mask, limited by the cgroup's CPU quota.
size_t available_cpus();

}  // namespace octavo

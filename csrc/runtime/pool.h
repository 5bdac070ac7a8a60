// The default pool behind Threads.
//
// One loop runs at a time. It is described by plain fields and opened by one atomic word, the
// gate, which says how many threads the loop is for, how many places are still free and how many
// workers are inside:
//
//   caller   writes the fields, opens the gate with (threads - 1) places, works, closes the gate
//            (places = 0), waits until nobody is inside;
//   worker   waits for a place, takes it (places - 1, inside + 1), works, leaves (inside - 1).
//
// A worker that wakes too late finds no place and goes back to waiting: nobody waits for it.
//
// The indices are dealt out in advance, one contiguous range a thread, and a thread takes the same
// range in every loop: what it left in its caches is what it reads in the next layer. A thread that
// is done with its own range helps with the others', so a thread that is slow, or never woke up,
// holds nobody up.
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <exception>
#include <mutex>
#include <vector>

#include "runtime/threads.h"

namespace octavo {

class ThreadPool final : public Threads {
 public:
  size_t max_threads() const override { return get_num_threads(); }
  void run(size_t n, size_t max_threads, const Task& task) override;

 private:
  // threads: 16 bits, places: 16 bits, inside: 32 bits
  static constexpr uint64_t kThread = uint64_t{1} << 48;
  static constexpr uint64_t kPlace = uint64_t{1} << 32;

  static uint64_t inside(uint64_t gate) { return gate & (kPlace - 1); }
  // Whether the loop has a place for this worker. Of n threads it is the first n that run it.
  static bool admits(uint64_t gate, size_t worker) {
    return (gate & (kThread - kPlace)) != 0 && worker < gate / kThread;
  }

  void deal(size_t n, size_t threads);
  void grow(size_t workers);
  void open_gate(size_t threads);
  void close_gate();
  [[noreturn]] void worker_loop(size_t worker);
  void wait_for_place(size_t worker);
  bool take_place(size_t worker);
  // Runs what is left of every range, beginning with this thread's own. The caller is worker 0.
  void work(size_t worker);
  void skip_the_rest();

  // Held by the caller whose loop is running.
  std::mutex busy_;

  struct alignas(64) Range {
    std::atomic<size_t> next{0};
    size_t end = 0;
  };

  // The loop; written while the gate is closed and nobody is inside.
  const Task* task_ = nullptr;
  size_t range_count_ = 0;
  std::vector<Range> ranges_;
  std::exception_ptr error_;  // guarded by error_mutex_ while the loop runs
  std::mutex error_mutex_;

  alignas(64) std::atomic<uint64_t> gate_{0};

  size_t workers_ = 0;  // guarded by busy_
  std::mutex sleep_mutex_;
  std::condition_variable wake_;
  std::atomic<size_t> sleepers_{0};
};

}  // namespace octavo

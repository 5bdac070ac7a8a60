// The default pool behind Threads.
//
// One loop runs at a time. It is described by plain fields and opened by one atomic word, the
// gate, which counts the places still free and the workers inside:
//
//   caller   writes the fields, opens the gate with (threads - 1) places, works, closes the gate
//            (places = 0), waits until nobody is inside;
//   worker   waits for a place, takes it (places - 1, inside + 1), works, leaves (inside - 1).
//
// A worker that wakes too late finds no place and goes back to waiting: nobody waits for it.
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <exception>
#include <mutex>

#include "runtime/threads.h"

namespace octavo {

class ThreadPool final : public Threads {
 public:
  size_t max_threads() const override { return get_num_threads(); }
  void run(size_t n, size_t max_threads, const Task& task) override;

 private:
  static constexpr uint64_t kPlace = uint64_t{1} << 32;  // places: high half, inside: low half

  static uint64_t places(uint64_t gate) { return gate >> 32; }
  static uint64_t inside(uint64_t gate) { return gate & (kPlace - 1); }

  void grow(size_t workers);
  void open_gate(size_t workers);
  void close_gate();
  [[noreturn]] void worker_loop();
  void wait_for_place();
  bool take_place();
  void work();

  // Held by the caller whose loop is running.
  std::mutex busy_;

  // The loop; written while the gate is closed and nobody is inside.
  size_t n_ = 0;
  const Task* task_ = nullptr;
  std::exception_ptr error_;  // guarded by error_mutex_ while the loop runs
  std::mutex error_mutex_;

  alignas(64) std::atomic<uint64_t> gate_{0};
  alignas(64) std::atomic<size_t> next_{0};

  size_t workers_ = 0;  // guarded by busy_
  std::mutex sleep_mutex_;
  std::condition_variable wake_;
  std::atomic<size_t> sleepers_{0};
};

}  // namespace octavo

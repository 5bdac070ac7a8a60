#include "api/context.h"

#include "ops/checks.h"
#include "ops/scratch.h"

namespace octavo::api {
namespace {

// One loop. Nothing may be thrown through the caller's frames: the first exception waits here.
struct Loop {
  const Task& task;
  std::atomic<size_t> finished{0};
  std::mutex mutex;
  std::exception_ptr error;

  explicit Loop(const Task& body) : task(body) {}

  static void body(void* arg, size_t i) noexcept {
    auto& loop = *static_cast<Loop*>(arg);
    try {
      loop.task(i);
    } catch (...) {
      const std::lock_guard<std::mutex> lock(loop.mutex);
      if (loop.error == nullptr) loop.error = std::current_exception();
    }
    loop.finished.fetch_add(1, std::memory_order_release);
  }
};

}  // namespace

void CallbackThreads::run(size_t n, size_t, const Task& task) {
  Loop loop(task);
  {
    const ScratchLevel level;
    parallel_for_(user_, n, &Loop::body, &loop);
  }
  const size_t finished = loop.finished.load(std::memory_order_acquire);
  if (loop.error != nullptr) std::rethrow_exception(loop.error);
  if (finished != n) {
    throw Error(Status::internal, "context.parallel_for: ran " + std::to_string(finished) + " of " +
                                      std::to_string(n) + " tasks before it returned");
  }
}

CallContext::CallContext(const octavo_context* given) {
  if (given == nullptr) return;
  const octavo_context fields = read_struct("context", given);
  if (fields.backend != nullptr) backend_ = &require_backend(fields.backend, "context.backend");
  threads_ = fields.num_threads;
  if (threads_ > kMaxThreads) {
    fail("context.num_threads", std::to_string(threads_), "0.." + std::to_string(kMaxThreads));
  }
  if (fields.parallel_for == nullptr) return;
  own_threads_ = false;
  callback_ = CallbackThreads(fields.parallel_for, fields.user);
}

Context CallContext::context(const Backend& packed_for) {
  Context context = make_context(named() ? *backend_ : packed_for, threads_);
  if (!own_threads_) context.threads = &callback_;
  return context;
}

}  // namespace octavo::api

// What a call runs with, as the caller says it.
#pragma once

#include <atomic>
#include <exception>
#include <mutex>

#include "api/guard.h"
#include "runtime/backend.h"
#include "runtime/context.h"

namespace octavo::api {

// The caller's threads.
class CallbackThreads final : public Threads {
 public:
  CallbackThreads(octavo_parallel_for parallel_for, void* user)
      : parallel_for_(parallel_for), user_(user) {}

  size_t max_threads() const override { return kMaxThreads; }
  void run(size_t n, size_t max_threads, const Task& task) override;

 private:
  octavo_parallel_for parallel_for_;
  void* user_;
};

// A checked octavo_context; NULL means the defaults. It lives as long as the call.
class CallContext {
 public:
  explicit CallContext(const octavo_context* given);

  // The backend asked for, or the default one.
  const Backend& backend() const { return named() ? *backend_ : default_backend(); }
  // The same where weights are at hand: those of `packed_for`, unless one was asked for.
  Context context(const Backend& packed_for);
  Context context() { return context(backend()); }

 private:
  bool named() const { return backend_ != nullptr; }

  const Backend* backend_ = nullptr;
  size_t threads_ = 0;
  bool own_threads_ = true;
  CallbackThreads callback_{nullptr, nullptr};
};

}  // namespace octavo::api

#include "runtime/context.h"

#include <algorithm>

#include "base/fp_env.h"
#include "runtime/backend.h"

namespace octavo {

Context make_context(const Backend& backend, size_t num_threads) {
  return {.backend = &backend,
          .threads = &default_threads(),
          .num_threads = num_threads != 0 ? std::min(num_threads, kMaxThreads) : get_num_threads()};
}

Context default_context(size_t num_threads) { return make_context(current_backend(), num_threads); }

size_t useful_threads(const Context& context, size_t work, size_t grain) {
  if (context.threads == nullptr) return 1;
  return std::clamp<size_t>(work / grain, 1, std::max<size_t>(context.num_threads, 1));
}

void parallel_for(const Context& context, size_t n, size_t threads, const Task& body) {
  auto guarded = [&body](size_t i) {
    const FpEnvGuard guard;
    body(i);
  };
  if (context.threads == nullptr || threads <= 1 || n <= 1) {
    for (size_t i = 0; i < n; ++i) guarded(i);
  } else {
    context.threads->run(n, threads, guarded);
  }
}

}  // namespace octavo

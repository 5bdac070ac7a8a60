// What an op runs with: kernels, threads, and how many of them. Passed explicitly.
#pragma once

#include <cstddef>

#include "kernels/registry.h"
#include "runtime/threads.h"

namespace octavo {

struct Context {
  const Backend* backend;
  Threads* threads;    // nullptr: everything runs on the calling thread
  size_t num_threads;  // at most this many; >= 1

  const KernelTable& kernels() const { return *backend->table; }
};

// The current backend and the default pool; num_threads = 0 means get_num_threads().
Context default_context(size_t num_threads = 0);

// The same on a given backend.
Context make_context(const Backend& backend, size_t num_threads = 0);

// How many threads are worth waking for `work` units when each should get at least `grain`.
size_t useful_threads(const Context& context, size_t work, size_t grain);

// Runs body(i) for i < n on at most `threads` threads, in the default floating-point environment.
void parallel_for(const Context& context, size_t n, size_t threads, const Task& body);

}  // namespace octavo

// Sharing out n independent elements between threads.
#pragma once

#include <algorithm>
#include <cstddef>

#include "runtime/context.h"

namespace octavo {

// body(begin, count) over 0..n in one part per thread, each of at least `grain` elements. Parts
// begin at multiples of 64 elements, so that threads do not share cache lines.
template <class Body>
void split_range(const Context& context, size_t n, size_t grain, const Body& body) {
  if (n == 0) return;
  const size_t threads = useful_threads(context, n, grain);
  const size_t part = ((n + threads - 1) / threads + 63) / 64 * 64;
  auto task = [&](size_t i) {
    const size_t begin = i * part;
    body(begin, std::min(part, n - begin));
  };
  parallel_for(context, (n + part - 1) / part, threads, task);
}

// body(begin, count) over 0..n, some parts per thread; one of n costs about `cost` elements.
template <class Body>
void split_parts(const Context& context, size_t n, size_t cost, size_t grain, const Body& body) {
  if (n == 0) return;
  const size_t threads = std::min(useful_threads(context, n * std::max<size_t>(cost, 1), grain), n);
  const size_t tasks = threads == 1 ? 1 : std::min(n, 4 * threads);
  auto task = [&](size_t t) {
    const size_t share = n / tasks, extra = n % tasks;
    const size_t begin = t * share + std::min(t, extra);
    body(begin, share + (t < extra ? 1 : 0));
  };
  parallel_for(context, tasks, threads, task);
}

// body(i) for i < n; each costs about `cost` elements.
template <class Body>
void split_rows(const Context& context, size_t n, size_t cost, size_t grain, const Body& body) {
  split_parts(context, n, cost, grain, [&](size_t begin, size_t count) {
    for (size_t i = begin; i < begin + count; ++i) body(i);
  });
}

}  // namespace octavo

#include "ops/program/segments.h"

#include <algorithm>

namespace octavo {
namespace {

// What starting a step costs, in bytes that could have been moved meanwhile.
constexpr double kCallBytes = 32768;

// 1, 2, 4 ... and the batch itself.
std::vector<size_t> group_sizes(size_t batch) {
  std::vector<size_t> sizes;
  for (size_t group = 1; group < batch && sizes.size() < 16; group *= 2) sizes.push_back(group);
  sizes.push_back(batch);
  return sizes;
}

// What of `bytes` a sample exceeds its share of the cache.
double beyond(size_t bytes, size_t cache_bytes, size_t samples) {
  const double share = static_cast<double>(cache_bytes) / static_cast<double>(samples);
  return std::max(0.0, static_cast<double>(bytes) - share);
}

double step_cost(const StepTraffic& step, size_t group, size_t cache_bytes) {
  const double call = static_cast<double>(step.weights) + kCallBytes;
  return call / static_cast<double>(group) + beyond(step.activations, cache_bytes, group);
}

}  // namespace

// The shortest path through a graph with a node per step and group size.
std::vector<Segment> cut_into_segments(std::span<const StepTraffic> steps, size_t batch,
                                       size_t cache_bytes) {
  if (steps.empty()) return {};
  if (batch == 1) return {{0, steps.size(), 1}};
  const std::vector<size_t> sizes = group_sizes(batch);
  std::vector<double> cost(sizes.size(), 0.0);
  std::vector<std::vector<size_t>> before(steps.size());  // the best predecessor's size
  for (size_t i = 0; i < steps.size(); ++i) {
    const auto best =
        static_cast<size_t>(std::min_element(cost.begin(), cost.end()) - cost.begin());
    const double changed = cost[best] + beyond(steps[i].waiting, cache_bytes, batch);
    for (size_t g = 0; g < sizes.size(); ++g) {
      before[i].push_back(i > 0 && changed < cost[g] ? best : g);
      cost[g] = std::min(cost[g], changed) + step_cost(steps[i], sizes[g], cache_bytes);
    }
  }
  auto g = static_cast<size_t>(std::min_element(cost.begin(), cost.end()) - cost.begin());
  std::vector<Segment> segments = {{steps.size(), steps.size(), sizes[g]}};  // the last one first
  for (size_t i = steps.size(); i-- > 0;) {
    if (sizes[g] != segments.back().group) segments.push_back({i + 1, i + 1, sizes[g]});
    segments.back().begin = i;
    g = before[i][g];
  }
  std::reverse(segments.begin(), segments.end());
  return segments;
}

}  // namespace octavo

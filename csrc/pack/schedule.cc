#include "pack/schedule.h"

#include <algorithm>
#include <array>
#include <cstdlib>
#include <cstring>
#include <utility>

#include "pack/pack.h"

namespace octavo {
namespace {

constexpr int kBound = 128;       // 255 * 128 fits int16
constexpr size_t kWindow = 64;    // groups that wait for a partner
constexpr size_t kSides = 2 * 2;  // two pairs, positive and negative weights

using GroupWeights = std::array<int8_t, kScheduledWidth * kKr>;

// Per column: the positive weights of either pair, then the magnitudes of the negative ones.
using Load = std::array<uint16_t, kScheduledWidth * kSides>;

struct Group {
  uint32_t index;
  GroupWeights weights;  // in the original order
  std::array<Load, kPairings> loads;
  // Both pairs together: the same for every pairing, and it must stay below 2 * kBound.
  std::array<uint16_t, kScheduledWidth * 2> totals;
  uint32_t size;  // sum of totals: the larger, the harder to match
};

Load load_of(const GroupWeights& weights, const uint8_t (&order)[kKr]) {
  Load load{};
  for (size_t k = 0; k < kKr; ++k) {
    for (size_t col = 0; col < kScheduledWidth; ++col) {
      const int w = weights[col * kKr + order[k]];
      const size_t side = (w < 0 ? 2 : 0) + k / 2;
      load[side * kScheduledWidth + col] += static_cast<uint16_t>(std::abs(w));
    }
  }
  return load;
}

Group make_group(size_t index, const GroupWeights& weights) {
  Group group = {static_cast<uint32_t>(index), weights, {}, {}, 0};
  for (size_t p = 0; p < kPairings; ++p) group.loads[p] = load_of(weights, kPairingOrder[p]);
  const Load& load = group.loads[0];
  for (size_t col = 0; col < kScheduledWidth; ++col) {
    for (size_t sign = 0; sign < 2; ++sign) {
      const size_t at = sign * 2 * kScheduledWidth + col;
      const auto total = static_cast<uint16_t>(load[at] + load[at + kScheduledWidth]);
      group.totals[sign * kScheduledWidth + col] = total;
      group.size += total;
    }
  }
  return group;
}

template <size_t n>
bool within(const std::array<uint16_t, n>& a, const std::array<uint16_t, n>& b, int bound) {
  unsigned outside = 0;
  for (size_t i = 0; i < n; ++i) outside |= a[i] + b[i] > bound;
  return outside == 0;
}

// The first safe pairing, or kPairings.
size_t safe_pairing(const Group& group) {
  size_t p = 0;
  while (p < kPairings && !within(group.loads[p], Load{}, kBound)) ++p;
  return p;
}

// Pairings of a and b that are safe together; kPairings where there are none.
std::pair<size_t, size_t> safe_pairings(const Group& a, const Group& b) {
  if (within(a.totals, b.totals, 2 * kBound)) {
    for (size_t p = 0; p < kPairings; ++p) {
      for (size_t q = 0; q < kPairings; ++q) {
        if (within(a.loads[p], b.loads[q], kBound)) return {p, q};
      }
    }
  }
  return {kPairings, kPairings};
}

Schedule::Step make_step(const Group& group, size_t pairing) {
  Schedule::Step step = {group.index, static_cast<uint32_t>(pairing), {}};
  for (size_t i = 0; i < group.weights.size(); ++i) {
    step.weights[i] = group.weights[i / kKr * kKr + kPairingOrder[pairing][i % kKr]];
  }
  return step;
}

// Matches groups as they come; those that wait too long are left to themselves.
class Matcher {
 public:
  void add(const Group& group) {
    size_t best = waiting_.size();
    std::pair<size_t, size_t> pairings;
    for (size_t i = 0; i < waiting_.size(); ++i) {
      if (best < waiting_.size() && waiting_[i].size <= waiting_[best].size) continue;
      const auto found = safe_pairings(waiting_[i], group);
      if (found.first == kPairings) continue;
      best = i;
      pairings = found;
    }
    if (best < waiting_.size()) {
      quads_.push_back(make_step(waiting_[best], pairings.first));
      quads_.push_back(make_step(group, pairings.second));
      waiting_.erase(waiting_.begin() + static_cast<ptrdiff_t>(best));
      return;
    }
    if (waiting_.size() == kWindow) release_oldest();
    waiting_.push_back(group);
  }

  Schedule finish() && {
    while (!waiting_.empty()) release_oldest();
    Schedule schedule = {quads_.size() / 2, pairs_.size(), std::move(quads_)};
    schedule.steps.insert(schedule.steps.end(), pairs_.begin(), pairs_.end());
    return schedule;
  }

 private:
  void release_oldest() {
    pairs_.push_back(make_step(waiting_.front(), safe_pairing(waiting_.front())));
    waiting_.erase(waiting_.begin());
  }

  std::vector<Group> waiting_;  // oldest first; each has a safe pairing
  std::vector<Schedule::Step> quads_;
  std::vector<Schedule::Step> pairs_;
};

}  // namespace

Schedule schedule_panel(const int8_t* weights, size_t groups) {
  Matcher matcher;
  for (size_t index = 0; index < groups; ++index) {
    GroupWeights whole;
    std::memcpy(whole.data(), weights + index * whole.size(), whole.size());
    if (whole == GroupWeights{}) continue;
    const Group group = make_group(index, whole);
    if (safe_pairing(group) < kPairings) {
      matcher.add(group);
      continue;
    }
    GroupWeights low, high;
    for (size_t i = 0; i < whole.size(); ++i) {
      low[i] = static_cast<int8_t>(whole[i] >> 1);  // floor
      high[i] = static_cast<int8_t>(whole[i] - low[i]);
    }
    matcher.add(make_group(index, low));
    matcher.add(make_group(index, high));
  }
  return std::move(matcher).finish();
}

PackedMatrix schedule(const PackedMatrix& sequential) {
  const size_t groups = scheduled_groups(sequential.segments_, sequential.segment_k_);
  std::vector<Schedule> schedules;
  size_t most_steps = 0;
  for (size_t i = 0; i < sequential.panel_count(); ++i) {
    schedules.push_back(
        schedule_panel(panel_weights(sequential.panel(i), kScheduledWidth), groups));
    most_steps = std::max(most_steps, schedules.back().steps.size());
  }

  PackedMatrix packed;
  packed.geometry_ = sequential.geometry_;
  packed.n_ = sequential.n_;
  packed.segments_ = sequential.segments_;
  packed.segment_k_ = sequential.segment_k_;
  packed.repeats_ = sequential.repeats_;
  packed.has_multiplier_ = sequential.has_multiplier_;
  packed.panel_stride_bytes_ = scheduled_panel_bytes(most_steps);
  packed.buffer_ = AlignedBuffer(schedules.size() * packed.panel_stride_bytes_);
  for (size_t i = 0; i < schedules.size(); ++i) {
    const uint8_t* from = sequential.panel(i);
    ScheduledHeader header = {};
    std::memcpy(header.bias, panel_bias(from), sizeof header.bias);
    std::memcpy(header.multiplier,
                panel_multiplier(from, kScheduledWidth, packed.segments_, packed.segment_k_),
                sizeof header.multiplier);
    header.quads = static_cast<uint32_t>(schedules[i].quads);
    header.pairs = static_cast<uint32_t>(schedules[i].pairs);
    uint8_t* panel = packed.buffer_.data() + i * packed.panel_stride_bytes_;
    std::memcpy(panel, &header, sizeof header);
    uint8_t* weights = panel + sizeof header;
    uint8_t* offsets = weights + schedules[i].steps.size() * kScheduledWidth * kKr;
    for (const Schedule::Step& step : schedules[i].steps) {
      std::memcpy(weights, step.weights, sizeof step.weights);
      weights += sizeof step.weights;
      const auto offset = static_cast<uint32_t>((step.pairing * groups + step.group) * kKr);
      std::memcpy(offsets, &offset, sizeof offset);
      offsets += sizeof offset;
    }
  }
  return packed;
}

}  // namespace octavo

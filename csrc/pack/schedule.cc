#include "pack/schedule.h"

#include <algorithm>
#include <array>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <numeric>
#include <utility>

#include "pack/pack.h"

namespace octavo {
namespace {

constexpr uint64_t kBound = 128;  // 255 * 128 fits int16
constexpr size_t kLongestChain = 255;
// Blocks this small stay in the first-level cache in all three orders; of larger ones only groups
// that need another order than the first should touch the others.
constexpr size_t kSmallBlock = 80;

constexpr size_t kGroupBytes = kScheduledColumns * kKr;
using GroupWeights = std::array<int8_t, kGroupBytes>;

// Magnitudes summed per int16 lane (2 columns x 2 pairs), positive and negative weights apart: four
// 16-bit counts each, below 2^15.
struct Load {
  uint64_t positive = 0;
  uint64_t negative = 0;
};

constexpr uint64_t kEach = 0x0001000100010001;  // 1 in every count
constexpr uint64_t kTops = kEach << 15;

// Whether load <= room in every count: no borrow ever crosses into the next one.
bool fits(const Load& load, const Load& room) {
  const uint64_t left =
      ((room.positive | kTops) - load.positive) & ((room.negative | kTops) - load.negative);
  return (left & kTops) == kTops;
}

constexpr Load kEmptyChain = {kBound * kEach, kBound* kEach};

struct Group {
  GroupWeights weights;  // in the original order
  std::array<Load, kPairings> loads;
  uint16_t index;
  uint16_t size;  // sum of magnitudes: the larger, the harder to place
};

Load load_of(const GroupWeights& weights, const uint8_t (&order)[kKr]) {
  Load load;
  for (size_t i = 0; i < kGroupBytes; ++i) {
    const int w = weights[i / kKr * kKr + order[i % kKr]];
    const size_t shift = i / 2 * 16;
    if (w > 0) load.positive += static_cast<uint64_t>(w) << shift;
    if (w < 0) load.negative += static_cast<uint64_t>(-w) << shift;
  }
  return load;
}

Group make_group(size_t index, const GroupWeights& weights) {
  Group group = {weights, {}, static_cast<uint16_t>(index), 0};
  for (size_t p = 0; p < kPairings; ++p) group.loads[p] = load_of(weights, kPairingOrder[p]);
  for (int8_t w : weights) group.size += static_cast<uint16_t>(std::abs(w));
  return group;
}

// The first of `pairings` that fits, or kPairings.
size_t fitting_pairing(const Group& group, const Load& room, size_t pairings) {
  for (size_t p = 0; p < pairings; ++p) {
    if (fits(group.loads[p], room)) return p;
  }
  return kPairings;
}

// Every group that is not zero, whole or as two halves, the largest first.
std::vector<Group> collect_groups(const int8_t* weights, size_t groups, size_t stride) {
  std::vector<Group> found;
  for (size_t index = 0; index < groups; ++index) {
    GroupWeights whole, low, high;
    std::memcpy(whole.data(), weights + index * stride, whole.size());
    if (whole == GroupWeights{}) continue;
    const Group group = make_group(index, whole);
    if (fitting_pairing(group, kEmptyChain, kPairings) < kPairings) {
      found.push_back(group);
      continue;
    }
    for (size_t i = 0; i < whole.size(); ++i) {
      low[i] = static_cast<int8_t>(whole[i] >> 1);  // floor
      high[i] = static_cast<int8_t>(whole[i] - low[i]);
    }
    found.push_back(make_group(index, low));
    found.push_back(make_group(index, high));
  }
  std::stable_sort(found.begin(), found.end(),
                   [](const Group& a, const Group& b) { return a.size > b.size; });
  return found;
}

Schedule::Step make_step(const Group& group, size_t pairing) {
  Schedule::Step step = {group.index, static_cast<uint16_t>(pairing), {}};
  for (size_t i = 0; i < kGroupBytes; ++i) {
    step.weights[i] = group.weights[i / kKr * kKr + kPairingOrder[pairing][i % kKr]];
  }
  return step;
}

// Takes the first group left and then every later one that still fits: what did not fit before does
// not fit later, so that one pass makes a chain.
std::vector<Schedule::Step> take_chain(const std::vector<Group>& groups, bool small,
                                       std::vector<uint16_t>& left) {
  std::vector<Schedule::Step> chain;
  Load room = kEmptyChain;
  size_t total_room = 2 * kGroupBytes / 2 * kBound;
  size_t kept = 0;
  for (const uint16_t i : left) {
    const Group& group = groups[i];
    size_t pairing = kPairings;
    if (group.size <= total_room && chain.size() < kLongestChain) {
      const bool any = small || !fits(group.loads[0], kEmptyChain);
      pairing = fitting_pairing(group, room, any ? kPairings : 1);
    }
    if (pairing == kPairings) {
      left[kept++] = i;
      continue;
    }
    room.positive -= group.loads[pairing].positive;
    room.negative -= group.loads[pairing].negative;
    total_room -= group.size;
    chain.push_back(make_step(group, pairing));
  }
  left.resize(kept);
  return chain;
}

void append(std::vector<uint8_t>& bytes, const void* data, size_t size) {
  const auto* from = static_cast<const uint8_t*>(data);
  bytes.insert(bytes.end(), from, from + size);
}

// As layout.h has it.
void append(std::vector<uint8_t>& bytes, const Schedule& schedule, size_t groups) {
  const size_t end =
      bytes.size() + scheduled_chains_bytes(schedule.steps.size(), schedule.lengths.size());
  const ChainsHeader header = {.steps = static_cast<uint16_t>(schedule.steps.size()),
                               .chains = static_cast<uint16_t>(schedule.lengths.size()),
                               .unused = {}};
  append(bytes, &header, sizeof header);
  for (const Schedule::Step& step : schedule.steps) append(bytes, step.weights, kGroupBytes);
  constexpr size_t kUnits = kScheduledRows * kKr / kOffsetBytes;
  for (const Schedule::Step& step : schedule.steps) {
    const auto offset = static_cast<uint16_t>((step.pairing * groups + step.group) * kUnits);
    append(bytes, &offset, sizeof offset);
  }
  append(bytes, schedule.lengths.data(), schedule.lengths.size());
  bytes.resize(end);
}

}  // namespace

Schedule schedule_columns(const int8_t* weights, size_t groups, size_t stride) {
  const std::vector<Group> found = collect_groups(weights, groups, stride);
  std::vector<uint16_t> left(found.size());
  std::iota(left.begin(), left.end(), uint16_t{0});
  std::vector<std::vector<Schedule::Step>> chains;
  while (!left.empty()) chains.push_back(take_chain(found, groups <= kSmallBlock, left));
  std::stable_sort(chains.begin(), chains.end(),
                   [](const auto& a, const auto& b) { return a.size() > b.size(); });
  Schedule schedule;
  for (const auto& chain : chains) {
    schedule.steps.insert(schedule.steps.end(), chain.begin(), chain.end());
    schedule.lengths.push_back(static_cast<uint8_t>(chain.size()));
  }
  return schedule;
}

PackedMatrix schedule(const PackedMatrix& sequential) {
  const size_t groups = scheduled_groups(sequential.segments(), sequential.segment_k());
  std::vector<std::vector<uint8_t>> panels;
  size_t largest = 0;
  for (size_t i = 0; i < sequential.panel_count(); ++i) {
    const uint8_t* from = sequential.panel(i);
    const size_t width = sequential.panel_width(i);
    ScheduledHeader header = {};
    std::memcpy(header.bias, panel_bias(from), width * sizeof(int32_t));
    std::memcpy(header.multiplier,
                panel_multiplier(from, width, sequential.segments(), sequential.segment_k()),
                width * sizeof(float));
    std::vector<uint8_t>& bytes = panels.emplace_back();
    append(bytes, &header, sizeof header);
    const size_t stride = width * kKr;
    for (size_t first = 0; first < groups; first += kScheduledBlock) {
      const size_t count = scheduled_block_groups(groups, first);
      for (size_t j = 0; j < width; j += kScheduledColumns) {
        const int8_t* weights = panel_weights(from, width) + first * stride + j * kKr;
        append(bytes, schedule_columns(weights, count, stride), count);
      }
    }
    largest = std::max(largest, round_up(bytes.size(), kPanelAlignment));
  }

  PackedShape shape = sequential.shape();
  shape.panel_stride_bytes = largest;
  PackedMatrix packed(shape, panels.size() * largest);
  for (size_t i = 0; i < panels.size(); ++i) {
    std::memcpy(packed.buffer_.data() + i * largest, panels[i].data(), panels[i].size());
  }
  return packed;
}

}  // namespace octavo

// What the packer refuses, and that it names the argument.
#include <gtest/gtest.h>

#include <cmath>
#include <cstdint>
#include <functional>
#include <limits>
#include <string>
#include <vector>

#include "base/status.h"
#include "pack/pack.h"

namespace octavo {
namespace {

constexpr PanelGeometry kSmall = {.nr = 4, .granule = 2};

WeightView dense(const std::vector<int8_t>& w, size_t n, size_t segments, size_t segment_k) {
  const auto k = static_cast<ptrdiff_t>(segment_k);
  return {w.data(), n, segments, segment_k, static_cast<ptrdiff_t>(segments) * k, k, 1};
}

// The call throws Error(invalid_argument) whose message starts with the argument's name.
void expect_refused(const std::function<void()>& call, const std::string& name) {
  try {
    call();
    ADD_FAILURE() << "accepted a bad " << name;
  } catch (const Error& error) {
    EXPECT_EQ(error.status(), Status::invalid_argument);
    EXPECT_EQ(std::string(error.what()).rfind(name + ":", 0), 0u) << error.what();
  }
}

TEST(PackRefuses, BadShapes) {
  const std::vector<int8_t> w(64, 1);
  const auto pack = [&](WeightView view) { return [=] { pack_weights(kSmall, view, {}); }; };
  expect_refused(pack(dense(w, 0, 1, 4)), "weights");
  expect_refused(pack(dense(w, 1, 0, 4)), "weights");
  expect_refused(pack(dense(w, 1, 1, 0)), "weights");
  expect_refused(pack({nullptr, 1, 1, 4, 4, 4, 1}), "weights");
  constexpr size_t kHuge = std::numeric_limits<size_t>::max() / 2 + 2;
  expect_refused(pack({w.data(), size_t{1} << 31, 1, 4, 0, 0, 0}), "weights");
  expect_refused(pack({w.data(), 1, 2, kHuge, 0, 0, 0}), "weights");  // the product wraps to 4
  expect_refused([&] { pack_weights({4, 3}, dense(w, 1, 1, 4), {}); }, "geometry");
  expect_refused([&] { pack_weights({0, 0}, dense(w, 1, 1, 4), {}); }, "geometry");
  for (uint32_t kr : {0u, 2u, 12u, 32u}) {
    expect_refused([&] { pack_weights({16, 8, kSequential, kr}, dense(w, 1, 1, 4), {}); },
                   "geometry");
  }
  expect_refused([&] { pack_weights({32, 8, kScheduled, 8}, dense(w, 1, 1, 4), {}); }, "geometry");
  expect_refused([&] { pack_weights({32, 8, kScheduled, 4, kShift128}, dense(w, 1, 1, 4), {}); },
                 "geometry");
  expect_refused([&] { pack_depthwise_weights({4, 4}, dense(w, 4, 0, 4), {}); }, "weights");
  expect_refused([&] { pack_weights({16, 8, kScheduled}, dense(w, 1, 1, 4), {}); }, "geometry");
  expect_refused([&] { pack_depthwise_weights({8, 8, kScheduled}, dense(w, 4, 1, 4), {}); },
                 "geometry");
}

TEST(PackRefuses, SumsThatCouldOverflow) {
  const int8_t one = 1;
  const auto pack = [&](size_t segments, size_t segment_k, int32_t zero_point) {
    const PackParams params = {.weight_zero_point = &zero_point};
    return pack_weights(kSmall, {&one, 1, segments, segment_k, 0, 0, 0}, params);
  };
  EXPECT_EQ(pack(1, 65536, 0).segment_k(), 65536u);
  EXPECT_EQ(pack(16, 4096, 0).segments(), 16u);
  expect_refused([&] { pack(1, 65537, 0); }, "weights");
  expect_refused([&] { pack(16, 4097, 0); }, "weights");
  EXPECT_EQ(pack(1, 33025, 1).segment_k(), 33025u);
  expect_refused([&] { pack(1, 33026, 1); }, "weights");
}

TEST(PackRefuses, BadNumbers) {
  const std::vector<int8_t> w(8, 1);
  const auto with = [&](PackParams params) {
    return [=] { pack_weights(kSmall, dense(w, 2, 1, 4), params); };
  };
  constexpr float kInf = std::numeric_limits<float>::infinity();
  for (float bad : {kInf, -kInf, std::nanf(""), -1e-30f}) {
    const float multiplier[2] = {1.0f, bad};
    expect_refused(with({.multiplier = multiplier}), "multiplier");
  }
  const float zero[2] = {0.0f, 1.0f};  // a product of scales may underflow
  EXPECT_NO_THROW(with({.multiplier = zero})());
  for (int32_t bad : {-1, 256}) expect_refused(with({.a_zero_point = bad}), "a_zero_point");
  for (int32_t bad : {-129, 128}) {
    const int32_t zero_point[2] = {0, bad};
    expect_refused(with({.weight_zero_point = zero_point}), "weight_zero_point");
  }
}

TEST(PackRefuses, BadFloatWeights) {
  const float w[4] = {};
  expect_refused([&] { pack_weights_f32(0, {w, 1, 1, 4, 4, 4, 1}, nullptr); }, "nr");
  expect_refused([&] { pack_weights_f32(4, {w, 0, 1, 4, 4, 4, 1}, nullptr); }, "weights");
  expect_refused([&] { pack_weights_f32(4, {nullptr, 1, 1, 4, 4, 4, 1}, nullptr); }, "weights");
  expect_refused([&] { pack_weights_f32(4, {w, 1, 1, (1u << 24) + 1, 0, 0, 0}, nullptr); },
                 "weights");
}

}  // namespace
}  // namespace octavo

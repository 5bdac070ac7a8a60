// Programs that do not hold together are refused, when they are built.
#include <gtest/gtest.h>

#include <cstdint>
#include <cstring>
#include <limits>
#include <string>
#include <utility>
#include <vector>

#include "base/status.h"
#include "program_network.h"

namespace octavo::testing {
namespace {

template <class F>
void expect_error(F&& f, Status status, const std::string& part) {
  try {
    f();
    ADD_FAILURE() << "expected an error with: " << part;
  } catch (const Error& error) {
    EXPECT_EQ(error.status(), status) << error.what();
    EXPECT_NE(std::string(error.what()).find(part), std::string::npos) << error.what();
  }
}

template <class F>
void expect_invalid(F&& f, const std::string& part) {
  expect_error(std::forward<F>(f), Status::invalid_argument, part);
}

TEST(ProgramRefuses, StepsThatDoNotFitTheirTensors) {
  Program p(default_backend());
  const Network network(default_backend());
  const TensorId f = p.tensor(DType::f32, 12);
  const TensorId q = p.tensor(DType::u8, 12);
  const TensorId image = p.tensor(DType::u8, kImage);
  const TensorId other = p.tensor(DType::u8, kImage);
  const auto append = [&](std::vector<TensorId> in, TensorId out, Operation operation) {
    return [&p, in, out, operation] { p.append("node", in, out, operation); };
  };
  constexpr float kNan = std::numeric_limits<float>::quiet_NaN();
  expect_invalid(append({q}, f, step::Quantize{1.0f, {}}), "step 'node' (quantize): src");
  expect_invalid(append({f}, q, step::Quantize{kNan, {}}), "scale");
  expect_invalid(append({f}, q, step::Quantize{0.0f, {}}), "scale");
  expect_invalid(append({f}, q, step::Quantize{1.0f, {300, 0, 255}}), "zero_point");
  expect_invalid(append({99}, q, step::Quantize{1.0f, {}}), "tensor 99");
  expect_invalid(append({f}, 99, step::Quantize{1.0f, {}}), "tensor 99");
  expect_invalid(append({q}, q, step::Transpose{5, 3}), "u8[15]");
  expect_invalid(append({q}, q, step::Transpose{SIZE_MAX, 3}), "overflow");
  expect_invalid(append({image}, other, step::Conv2d{network.second, kSide, kSide}), "residual");
  expect_invalid(append({image, q}, other, step::Conv2d{network.second, kSide, kSide}), "residual");
  expect_invalid(append({image, image}, other, step::Conv2d{network.first, kSide, kSide}),
                 "residual");
  expect_invalid(append({image}, other, step::Conv2d{network.first, kSide, kSide + 1}), "src");
  expect_invalid(append({image}, q, step::MaxPool{network.pool}), "dst");
  expect_invalid(append({f}, f, step::Clamp{1.0f, 0.0f}), "lo");
  expect_invalid(append({f}, f, step::ScaleShift{{1, 1, 1, 1, 1}, {1, 1, 1, 1, 1}}), "channels");
  expect_invalid(append({f}, f, step::ScaleShift{{1, 1}, {1}}), "scale and shift");
  expect_invalid(append({q}, q, step::Pad{{12}, {0}, {0}, 256.0}), "value");
  expect_invalid(append({q}, q, step::Pad{{12}, {0, 1}, {0}, 0.0}), "before");
  expect_invalid(append({q}, q, step::Slice{{12}, {0}, {2}, {12}}), "start + ");
  expect_invalid(append({q}, q, step::Slice{{12}, {-1}, {1}, {12}}), "start");
  expect_invalid(append({q}, q, step::Slice{{12}, {0}, {0}, {12}}), "step");
  expect_invalid(append({}, q, step::Concat{1, {}}), "srcs");
  expect_invalid(append({q, f}, q, step::Concat{1, {6, 6}}), "srcs[0]");
  expect_invalid([&] { p.tensor(DType::u8, 0); }, "elements");
  EXPECT_TRUE(p.describe().empty());
}

TEST(ProgramRefuses, WeightsOfAnotherLayout) {
  const std::vector<const Backend*> usable = supported_backends();
  for (const Backend* other : usable) {
    if (std::strcmp(other->layout, usable[0]->layout) == 0) continue;
    const Network network(*other);
    Program p(*usable[0]);
    const TensorId x = p.tensor(DType::u8, kImage);
    const TensorId y = p.tensor(DType::u8, kImage);
    expect_invalid([&] { p.append("c", {x}, y, step::Conv2d{network.first, kSide, kSide}); },
                   other->layout);
  }
}

TEST(ProgramRefuses, WrongOrders) {
  const auto clamp = step::Clamp{0.0f, 1.0f};
  const auto with = [&](auto&& build) {
    return [build] {
      Program p(default_backend());
      for (int i = 0; i < 4; ++i) p.tensor(DType::f32, 2);
      build(p);
    };
  };
  expect_invalid(with([=](Program& p) {
                   p.append("late", {1}, 2, clamp);
                   p.append("early", {0}, 1, clamp);
                   p.finish({0}, {2});
                 }),
                 "step 'late' (clamp) reads tensor 1");
  expect_invalid(with([=](Program& p) {
                   p.append("a", {0}, 1, clamp);
                   p.append("b", {0}, 1, clamp);
                   p.finish({0}, {1});
                 }),
                 "already written");
  expect_invalid(with([=](Program& p) {
                   p.append("a", {0}, 1, clamp);
                   p.finish({0, 1}, {1});
                 }),
                 "an input");
  expect_invalid(with([](Program& p) { p.finish({0, 0}, {0}); }), "listed twice");
  expect_invalid(with([](Program& p) { p.finish({0}, {3}); }), "never written");
  expect_invalid(with([](Program& p) { p.finish({0}, {9}); }), "tensor 9");
  expect_invalid(with([](Program& p) {
                   p.finish({0}, {0});
                   p.finish({0}, {0});
                 }),
                 "finished");
  expect_invalid(with([](Program& p) { p.arena_bytes(1); }), "finish()");
}

TEST(ProgramRefuses, BatchesBeyondTheMemory) {
  Program p(default_backend());
  const TensorId x = p.tensor(DType::f32, 2);
  const TensorId middle = p.tensor(DType::f32, 2);
  const TensorId y = p.tensor(DType::f32, 2);
  p.append("a", {x}, middle, step::Clamp{0.0f, 1.0f});
  p.append("b", {middle}, y, step::Clamp{0.0f, 1.0f});
  p.finish({x}, {y}, {.cache_bytes = SIZE_MAX});  // or groups of samples would fit
  expect_error([&] { p.arena_bytes(SIZE_MAX / 2); }, Status::out_of_memory, "address space");
  expect_error([&] { p.arena_bytes(size_t{1} << 50); }, Status::out_of_memory, "this machine");
}

}  // namespace
}  // namespace octavo::testing

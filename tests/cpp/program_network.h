// A small network as a program and as the ops it is made of, called one by one.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "naive.h"
#include "ops/elementwise.h"
#include "ops/program/program.h"

namespace octavo::testing {

inline constexpr size_t kSide = 6;
inline constexpr size_t kChannels = 8;
inline constexpr size_t kImage = kSide * kSide * kChannels;
inline constexpr size_t kPooled = kImage / 4;
inline constexpr size_t kClasses = 5;
inline constexpr QuantRange kRange = {.zero_point = 7, .qmin = 7, .qmax = 255};

inline OutputSpec output_spec(bool residual) {
  OutputSpec output;
  output.range = kRange;
  output.has_residual = residual;
  output.residual_multiplier = residual ? 0.75f : 0.0f;
  output.residual_zero_point = residual ? 3 : 0;
  return output;
}

// quantize -> conv -> conv with the first one's input as residual -> max pool -> + constant ->
// linear -> dequantize.
struct Network {
  explicit Network(const Backend& on) : backend(on) {
    const std::vector<int8_t> weight = random_bytes<int8_t>(kChannels * kChannels * 9, 1);
    const std::vector<int8_t> dense_weight = random_bytes<int8_t>(kClasses * kPooled, 2);
    const std::vector<float> multiplier(kChannels, 0.002f);
    const std::vector<float> dense_multiplier(kClasses, 0.0005f);
    Conv2dParams conv;
    conv.weight = weight.data();
    conv.multiplier = multiplier.data();
    conv.shape.in_channels = conv.shape.out_channels = kChannels;
    conv.shape.kernel_h = conv.shape.kernel_w = 3;
    conv.shape.padding = {1, 1, 1, 1};
    conv.a_zero_point = 7;
    conv.output = output_spec(false);
    first = std::make_shared<const Conv2d>(on, conv);
    conv.output = output_spec(true);
    second = std::make_shared<const Conv2d>(on, conv);
    LinearParams dense;
    dense.weight = dense_weight.data();
    dense.n = kClasses;
    dense.k = kPooled;
    dense.multiplier = dense_multiplier.data();
    dense.output.range = {.zero_point = 128, .qmin = 0, .qmax = 255};
    linear = std::make_shared<const Linear>(on, dense);
    offset = random_bytes<uint8_t>(kPooled, 3);
    pool.in_h = pool.in_w = kSide;
    pool.channels = kChannels;
    pool.kernel_h = pool.kernel_w = pool.stride_h = pool.stride_w = 2;
  }

  std::unique_ptr<Program> program() const {
    auto p = std::make_unique<Program>(backend);
    const TensorId x = p->tensor(DType::f32, kImage);
    const TensorId q = p->tensor(DType::u8, kImage);
    const TensorId a = p->tensor(DType::u8, kImage);
    const TensorId b = p->tensor(DType::u8, kImage);
    const TensorId pooled = p->tensor(DType::u8, kPooled);
    const TensorId constant = p->constant(DType::u8, kPooled, offset.data());
    const TensorId sum = p->tensor(DType::u8, kPooled);
    const TensorId scores = p->tensor(DType::u8, kClasses);
    const TensorId y = p->tensor(DType::f32, kClasses);
    p->append("in", {x}, q, step::Quantize{0.02f, kRange});
    p->append("conv1", {q}, a, step::Conv2d{first, kSide, kSide});
    p->append("conv2", {a, q}, b, step::Conv2d{second, kSide, kSide});
    p->append("pool", {b}, pooled, step::MaxPool{pool});
    p->append("offset", {pooled, constant}, sum, step::Add{7, 1.0f, 128, 0.5f, kRange, 0.0f, 0.0f});
    p->append("fc", {sum}, scores, step::Linear{linear, 1});
    p->append("out", {scores}, y, step::Dequantize{0.1f, 128});
    p->finish({x}, {y, b});
    return p;
  }

  // The same, op by op, one sample.
  void run_ops(const float* x, float* y, uint8_t* b) const {
    const Context context = make_context(backend, 1);
    std::vector<uint8_t> q(kImage), a(kImage), pooled(kPooled), sum(kPooled), scores(kClasses);
    quantize(context, x, kImage, 0.02f, kRange, q.data());
    first->run_u8(context, q.data(), 1, kSide, kSide, nullptr, a.data());
    const ResidualView residual = {q.data(), kChannels};
    second->run_u8(context, a.data(), 1, kSide, kSide, &residual, b);
    PoolShape shape = pool;
    shape.batch = 1;
    shape.out_h = shape.out_w = kSide / 2;
    max_pool2d(context, shape, b, pooled.data());
    add(context, {pooled.data(), 7, 1.0f}, {offset.data(), 128, 0.5f}, kPooled, kRange, sum.data());
    linear->run_u8(context, sum.data(), kPooled, 1, nullptr, scores.data(), kClasses);
    dequantize(context, scores.data(), kClasses, 0.1f, 128, y);
  }

  const Backend& backend;
  std::shared_ptr<const Conv2d> first;
  std::shared_ptr<const Conv2d> second;
  std::shared_ptr<const Linear> linear;
  std::vector<uint8_t> offset;
  PoolShape pool;
};

struct Result {
  std::vector<float> y;
  std::vector<uint8_t> b;
  bool operator==(const Result&) const = default;
};

inline Result run_program(const Program& program, const std::vector<float>& x, size_t batch,
                          size_t threads) {
  Result result = {std::vector<float>(batch * kClasses), std::vector<uint8_t>(batch * kImage)};
  const void* inputs[] = {x.data()};
  void* outputs[] = {result.y.data(), result.b.data()};
  program.run(inputs, outputs, batch, threads);
  return result;
}

inline Result run_ops(const Network& network, const std::vector<float>& x, size_t batch) {
  Result result = {std::vector<float>(batch * kClasses), std::vector<uint8_t>(batch * kImage)};
  for (size_t i = 0; i < batch; ++i) {
    network.run_ops(x.data() + i * kImage, result.y.data() + i * kClasses,
                    result.b.data() + i * kImage);
  }
  return result;
}

}  // namespace octavo::testing

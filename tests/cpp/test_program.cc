// Programs against the ops they are made of.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <numeric>
#include <random>
#include <thread>
#include <vector>

#include "program_network.h"

namespace octavo::testing {
namespace {

TEST(Program, EqualsItsOpsForEveryBackendBatchAndThreadCount) {
  const std::vector<float> x = random_floats(5 * kImage, 4);
  for (const Backend* backend : supported_backends()) {
    const Network network(*backend);
    const std::unique_ptr<Program> program = network.program();
    // More batch sizes than plans are kept, then an evicted one again.
    for (const size_t batch : {1, 2, 3, 4, 5, 1}) {
      const Result expected = run_ops(network, x, batch);
      for (const size_t threads : {1, 2}) {
        EXPECT_TRUE(run_program(*program, x, batch, threads) == expected)
            << backend->name << ", batch " << batch;
      }
    }
    EXPECT_NE(run_ops(network, x, 2).y[0], run_ops(network, x, 2).y[kClasses]);
  }
}

// A wrong lifetime or overlapping buffers would change some sum.
TEST(Program, RandomGraphsComputeWhatTheySay) {
  std::mt19937 rng(11);
  for (int round = 0; round < 60; ++round) {
    Program p(default_backend());
    std::vector<TensorId> ids = {p.tensor(DType::f32, 16)};
    std::vector<std::vector<float>> values = {random_floats(3 * 16, rng())};
    const std::vector<float> x = values[0];
    const size_t steps = 1 + rng() % 30;
    for (size_t i = 0; i < steps; ++i) {
      const size_t a = rng() % ids.size();
      const size_t b = ids.size() - 1 - rng() % std::min<size_t>(ids.size(), 3);
      ids.push_back(p.tensor(DType::f32, 16));
      p.append("add", {ids[a], ids[b]}, ids.back(),
               step::Add{0, 1.0f, 0, 1.0f, {}, -1000.0f, 1000.0f});
      std::vector<float> sum(x.size());
      for (size_t j = 0; j < sum.size(); ++j) {
        sum[j] = std::min(std::max(values[a][j] + values[b][j], -1000.0f), 1000.0f);
      }
      values.push_back(sum);
    }
    const size_t extra = rng() % ids.size();
    p.finish({ids[0]}, {ids.back(), ids[extra]});
    std::vector<float> last(x.size()), other(x.size());
    const void* inputs[] = {x.data()};
    void* outputs[] = {last.data(), other.data()};
    p.run(inputs, outputs, 3);
    EXPECT_EQ(last, values.back()) << "round " << round;
    EXPECT_EQ(other, values[extra]) << "round " << round;
  }
}

TEST(Program, BatchOfZeroDoesNothing) {
  const Network network(default_backend());
  EXPECT_EQ(run_program(*network.program(), {}, 0, 1).y.size(), 0u);
}

TEST(Program, ThreadsShareOneProgram) {
  const Network network(default_backend());
  const std::unique_ptr<Program> program = network.program();
  const std::vector<float> x = random_floats(3 * kImage, 5);
  const Result expected[] = {run_ops(network, x, 1), run_ops(network, x, 2),
                             run_ops(network, x, 3)};
  std::vector<int> wrong(4, 0);
  std::vector<std::thread> threads;
  for (size_t t = 0; t < wrong.size(); ++t) {
    threads.emplace_back([&, t] {
      for (size_t i = 0; i < 20; ++i) {
        const size_t batch = 1 + (i + t) % 3;
        if (!(run_program(*program, x, batch, 2) == expected[batch - 1])) ++wrong[t];
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(std::accumulate(wrong.begin(), wrong.end(), 0), 0);
}

TEST(Program, ArenaHoldsNeitherInputsNorOutputs) {
  Program p(default_backend());
  const TensorId x = p.tensor(DType::f32, 100);
  const TensorId y = p.tensor(DType::f32, 100);
  p.append("clamp", {x}, y, step::Clamp{0.0f, 1.0f});
  p.finish({x}, {y});
  EXPECT_EQ(p.arena_bytes(8), 0u);
}

TEST(Program, ChainReusesTheArena) {
  Program p(default_backend());
  const TensorId x = p.tensor(DType::f32, 64);
  TensorId last = x;
  for (int i = 0; i < 9; ++i) {
    const TensorId next = p.tensor(DType::f32, 64);
    p.append("clamp", {last}, next, step::Clamp{-1.0f, 1.0f});
    last = next;
  }
  p.finish({x}, {last});
  EXPECT_EQ(p.arena_bytes(3), 2u * 3 * 64 * sizeof(float));
}

TEST(Program, OutputMayBeAnInputAConstantOrListedTwice) {
  Program p(default_backend());
  const std::vector<float> value = {3.0f, 4.0f};
  const TensorId x = p.tensor(DType::f32, 2);
  const TensorId c = p.constant(DType::f32, 2, value.data());
  const TensorId y = p.tensor(DType::f32, 2);
  p.append("clamp", {x}, y, step::Clamp{0.0f, 1.0f});
  p.finish({x}, {y, x, c, y});
  const std::vector<float> data = {-1.0f, 0.5f, 2.0f, 0.25f};
  std::vector<std::vector<float>> results(4, std::vector<float>(4));
  const void* inputs[] = {data.data()};
  std::vector<void*> outputs;
  for (std::vector<float>& result : results) outputs.push_back(result.data());
  p.run(inputs, outputs, 2);
  const std::vector<float> clamped = {0.0f, 0.5f, 1.0f, 0.25f};
  EXPECT_EQ(results[0], clamped);
  EXPECT_EQ(results[1], data);
  EXPECT_EQ(results[2], (std::vector<float>{3.0f, 4.0f, 3.0f, 4.0f}));
  EXPECT_EQ(results[3], clamped);
}

TEST(Program, MovesElements) {
  Program p(default_backend());
  const TensorId x = p.tensor(DType::u8, 6);
  const TensorId turned = p.tensor(DType::u8, 6);
  const TensorId both = p.tensor(DType::u8, 12);
  const TensorId padded = p.tensor(DType::u8, 20);
  const TensorId part = p.tensor(DType::u8, 4);
  p.append("t", {x}, turned, step::Transpose{2, 3});
  p.append("c", {x, turned}, both, step::Concat{3, {2, 2}});
  p.append("p", {both}, padded, step::Pad{{3, 4}, {1, 0}, {0, 1}, 9.0});
  p.append("s", {padded}, part, step::Slice{{4, 5}, {3, 4}, {-2, -1}, {2, 2}});
  p.finish({x}, {turned, both, padded, part});
  const std::vector<uint8_t> data = {0, 1, 2, 3, 4, 5, 10, 11, 12, 13, 14, 15};
  std::vector<uint8_t> t(12), c(24), padding(40), s(8);
  const void* inputs[] = {data.data()};
  void* outputs[] = {t.data(), c.data(), padding.data(), s.data()};
  p.run(inputs, outputs, 2);
  EXPECT_EQ(t, (std::vector<uint8_t>{0, 3, 1, 4, 2, 5, 10, 13, 11, 14, 12, 15}));
  EXPECT_EQ(std::vector<uint8_t>(c.begin(), c.begin() + 12),
            (std::vector<uint8_t>{0, 1, 0, 3, 2, 3, 1, 4, 4, 5, 2, 5}));
  EXPECT_EQ(std::vector<uint8_t>(padding.begin() + 20, padding.begin() + 30),
            (std::vector<uint8_t>{9, 9, 9, 9, 9, 10, 11, 10, 13, 9}));
  EXPECT_EQ(s, (std::vector<uint8_t>{9, 5, 9, 3, 9, 15, 9, 13}));
}

TEST(Program, DescribesItsSteps) {
  const Network network(default_backend());
  const std::vector<StepInfo> steps = network.program()->describe();
  ASSERT_EQ(steps.size(), 7u);
  EXPECT_EQ(steps[0].op, "quantize");
  EXPECT_EQ(steps[2].name, "conv2");
  EXPECT_EQ(steps[2].detail, "3x3 pad 1 8->8 +relu +residual");
  EXPECT_EQ(steps[2].inputs, (std::vector<TensorId>{2, 1}));
  EXPECT_EQ(steps[2].kernel, default_backend().table->gemm_u8.name);
  EXPECT_EQ(steps[3].detail, "2x2/2");
  EXPECT_EQ(steps[5].detail, "72->5");
}

}  // namespace
}  // namespace octavo::testing

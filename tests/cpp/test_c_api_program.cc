// Programs behind the C ABI.
#include <gtest/gtest.h>

#include <cstdint>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <string>
#include <thread>
#include <vector>

#include "octavo/octavo.h"
#include "program_zoo.h"

namespace octavo::testing {
namespace {

using Bytes = std::vector<uint8_t>;

// y = requantized x, bytes of the given types.
Bytes byte_file(ElementType in, ElementType out, size_t batch = 0) {
  Program p(default_backend());
  const TensorId x = p.tensor(DType::u8, 6), y = p.tensor(DType::u8, 6);
  p.append("r", {x}, y, step::Requantize{128, 1.0f, {128, 0, 255}});
  p.finish({x}, {y});
  const int32_t zero = out == ElementType::s8 ? 0 : 128;
  return to_file(p, {{{"x", in, {2, 3}}}, {{"y", out, {6}, 0.25f, zero}}, batch});
}

Bytes zoo_file() {
  const Zoo zoo = make_zoo(default_backend());
  return to_file(*zoo.program, zoo.interface);
}

class Loaded {
 public:
  explicit Loaded(const Bytes& file, const octavo_context* context = nullptr) {
    EXPECT_EQ(octavo_program_load(context, file.data(), file.size(), nullptr, &program_), OCTAVO_OK)
        << octavo_last_error();
  }
  ~Loaded() { octavo_program_free(program_); }
  Loaded(const Loaded&) = delete;
  Loaded& operator=(const Loaded&) = delete;

  operator const octavo_program*() const { return program_; }

 private:
  octavo_program* program_ = nullptr;
};

class Plan {
 public:
  Plan(const octavo_program* program, size_t batch) {
    size_t bytes = 0;
    EXPECT_EQ(octavo_plan_create(program, batch, &bytes, &plan_), OCTAVO_OK) << octavo_last_error();
    workspace_ = AlignedBuffer(bytes);
  }
  ~Plan() { octavo_plan_free(plan_); }
  Plan(const Plan&) = delete;
  Plan& operator=(const Plan&) = delete;

  octavo_status run(const void* const* inputs, void* const* outputs,
                    const octavo_context* context = nullptr) {
    return octavo_plan_run(context, plan_, workspace_.data(), workspace_.size(), inputs, outputs);
  }
  const octavo_plan* get() const { return plan_; }
  size_t workspace_bytes() const { return workspace_.size(); }

 private:
  octavo_plan* plan_ = nullptr;
  AlignedBuffer workspace_;
};

void expect_error(octavo_status status, const std::string& part,
                  octavo_status expected = OCTAVO_INVALID_ARGUMENT) {
  EXPECT_EQ(status, expected);
  EXPECT_NE(std::string(octavo_last_error()).find(part), std::string::npos) << octavo_last_error();
}

std::vector<float> zoo_input(size_t batch) {
  std::vector<float> values;
  for (const int32_t value : random_bias(batch * 48, 51)) {
    values.push_back(static_cast<float>(value) / 4096.0f);
  }
  return values;
}

std::vector<Bytes> run_zoo(Plan& plan, size_t batch, const octavo_context* context = nullptr) {
  const std::vector<float> x = zoo_input(batch);
  const size_t bytes[] = {192, 36, 8, 24, 32, 12, 12};
  std::vector<Bytes> y;
  std::vector<void*> outputs;
  for (const size_t n : bytes) y.emplace_back(n * batch);
  for (Bytes& output : y) outputs.push_back(output.data());
  const void* inputs[] = {x.data()};
  EXPECT_EQ(plan.run(inputs, outputs.data(), context), OCTAVO_OK) << octavo_last_error();
  return y;
}

TEST(CProgram, RunsAsTheProgramDoes) {
  const Zoo zoo = make_zoo(default_backend());
  const Bytes file = to_file(*zoo.program, zoo.interface);
  for (size_t b = 0; b < octavo_backend_count(); ++b) {
    octavo_context context = {};
    context.size = sizeof context;
    context.backend = octavo_backend_name(b);
    const Loaded program(file, &context);
    for (const size_t batch : {1, 3, 17}) {
      std::vector<Bytes> expected = run_all(*zoo.program, batch);
      for (uint8_t& byte : expected[1]) byte ^= 0x80;  // the one that is s8
      Plan plan(program, batch);
      EXPECT_EQ(run_zoo(plan, batch), expected) << context.backend << ", batch " << batch;
    }
  }
}

TEST(CProgram, SaysWhatItTakes) {
  const Loaded program(zoo_file());
  octavo_program_info info = {};
  info.size = sizeof info;
  ASSERT_EQ(octavo_program_get_info(program, &info), OCTAVO_OK);
  EXPECT_EQ(info.inputs, 1u);
  EXPECT_EQ(info.outputs, 7u);
  EXPECT_EQ(info.batch, 0u);
  EXPECT_GT(info.weight_bytes, 1000u);
  EXPECT_STREQ(info.backend, default_backend().name);
  octavo_tensor_info tensor = {};
  tensor.size = sizeof tensor;
  ASSERT_EQ(octavo_program_output(program, 1, &tensor), OCTAVO_OK);
  EXPECT_STREQ(tensor.name, "normal");
  EXPECT_EQ(tensor.dtype, OCTAVO_S8);
  EXPECT_EQ(tensor.scale, 0.5f);
  EXPECT_EQ(tensor.zero_point, -8);
  ASSERT_EQ(tensor.rank, 2u);
  EXPECT_EQ(tensor.shape[1], 6u);
  EXPECT_EQ(tensor.sample_bytes, 36u);
  ASSERT_EQ(octavo_program_input(program, 0, &tensor), OCTAVO_OK);
  EXPECT_STREQ(tensor.name, "image");
  EXPECT_EQ(tensor.dtype, OCTAVO_F32);
  EXPECT_EQ(tensor.scale, 0.0f);
  EXPECT_EQ(tensor.sample_bytes, 192u);
  expect_error(octavo_program_input(program, 1, &tensor), "i: got 1, expected less than 1");
  tensor.size = 8;
  expect_error(octavo_program_input(program, 0, &tensor), "info");
}

TEST(CProgram, SignedBytesAreTheCallers) {
  for (const ElementType in : {ElementType::u8, ElementType::s8}) {
    for (const ElementType out : {ElementType::u8, ElementType::s8}) {
      const Loaded program(byte_file(in, out));
      Plan plan(program, 2);
      const Bytes x = random_bytes<uint8_t>(12, 9);
      const Bytes kept = x;
      Bytes y(12);
      const void* inputs[] = {x.data()};
      void* outputs[] = {y.data()};
      ASSERT_EQ(plan.run(inputs, outputs), OCTAVO_OK) << octavo_last_error();
      EXPECT_EQ(x, kept);
      for (size_t i = 0; i < x.size(); ++i) {
        EXPECT_EQ(y[i], x[i] ^ (in == out ? 0 : 0x80));
      }
    }
  }
}

TEST(CProgram, PlansOutliveTheirProgramAndAreShared) {
  const Zoo zoo = make_zoo(default_backend());
  std::vector<Bytes> expected = run_all(*zoo.program, 3);
  for (uint8_t& byte : expected[1]) byte ^= 0x80;
  const auto program = std::make_unique<Loaded>(zoo_file());
  Plan shared(*program, 3);
  EXPECT_EQ(run_zoo(shared, 3), expected);
  std::vector<std::thread> threads;
  std::vector<int> wrong(4, 0);
  for (int& count : wrong) {
    threads.emplace_back([&] {
      AlignedBuffer workspace(shared.workspace_bytes());
      const std::vector<float> x = zoo_input(3);
      std::vector<Bytes> y;
      for (const Bytes& output : expected) y.emplace_back(output.size());
      std::vector<void*> outputs;
      for (Bytes& output : y) outputs.push_back(output.data());
      const void* inputs[] = {x.data()};
      for (int i = 0; i < 30; ++i) {
        const octavo_status status = octavo_plan_run(nullptr, shared.get(), workspace.data(),
                                                     workspace.size(), inputs, outputs.data());
        if (status != OCTAVO_OK || y != expected) ++count;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(wrong, std::vector<int>(4, 0));
}

TEST(CProgram, ComesFromAFile) {
  const Bytes file = byte_file(ElementType::u8, ElementType::u8, 4);
  const std::string path = ::testing::TempDir() + "octavo_c_program_test.octavo";
  std::ofstream(path, std::ios::binary)
      .write(reinterpret_cast<const char*>(file.data()), static_cast<std::streamsize>(file.size()));
  octavo_program* program = nullptr;
  ASSERT_EQ(octavo_program_load_file(nullptr, path.c_str(), nullptr, &program), OCTAVO_OK);
  std::remove(path.c_str());
  octavo_plan* plan = nullptr;
  size_t bytes = 0;
  expect_error(octavo_plan_create(program, 3, &bytes, &plan), "batch: got 3, expected 4");
  octavo_program_free(program);
  expect_error(octavo_program_load_file(nullptr, path.c_str(), nullptr, &program), path);
}

TEST(CProgram, RefusesWhatCannotBe) {
  const Bytes file = zoo_file();
  octavo_program* none = nullptr;
  expect_error(octavo_program_load(nullptr, nullptr, 8, nullptr, &none), "data");
  expect_error(octavo_program_load(nullptr, file.data(), 100, nullptr, &none), "octavo program");
  expect_error(octavo_program_load(nullptr, file.data(), file.size(), nullptr, nullptr), "program");
  octavo_load_options options = {};
  expect_error(octavo_program_load(nullptr, file.data(), file.size(), &options, &none), "options");
  options.size = sizeof options;
  options.max_bytes = file.size();
  expect_error(octavo_program_load(nullptr, file.data(), file.size(), &options, &none), "max_bytes",
               OCTAVO_OUT_OF_MEMORY);
  EXPECT_EQ(none, nullptr);
  const Loaded program(file);
  octavo_plan* no_plan = nullptr;
  size_t bytes = 0;
  expect_error(octavo_plan_create(program, 0, &bytes, &no_plan), "batch: got 0");
  expect_error(octavo_plan_create(program, SIZE_MAX / 4, &bytes, &no_plan), "",
               OCTAVO_OUT_OF_MEMORY);
  EXPECT_EQ(no_plan, nullptr);
}

TEST(CProgram, RefusesRunsAndLeavesOutputs) {
  const Loaded program(byte_file(ElementType::u8, ElementType::u8));
  Plan plan(program, 2);
  const Bytes x(12, 1);
  Bytes y(12, 77);
  const void* inputs[] = {x.data()};
  void* outputs[] = {y.data()};
  AlignedBuffer memory(plan.workspace_bytes() + 64);
  const auto run = [&](void* workspace, size_t bytes, const octavo_context* context) {
    return octavo_plan_run(context, plan.get(), workspace, bytes, inputs, outputs);
  };
  const size_t bytes = plan.workspace_bytes();
  expect_error(run(nullptr, bytes, nullptr), "workspace: got a null pointer");
  expect_error(run(memory.data() + 8, bytes, nullptr), "workspace: got a misaligned pointer");
  expect_error(run(memory.data(), bytes - 1, nullptr), "workspace_bytes");
  octavo_context context = {};
  context.size = sizeof context;
  context.backend = "scalar";
  if (std::strcmp(default_backend().name, "scalar") != 0) {
    expect_error(run(memory.data(), bytes, &context), "context.backend: got scalar");
  }
  inputs[0] = nullptr;
  expect_error(run(memory.data(), bytes, nullptr), "inputs[0]: got NULL");
  EXPECT_EQ(y, Bytes(12, 77));
  const Loaded floats(zoo_file());
  Plan float_plan(floats, 1);
  const void* odd[] = {memory.data() + 1};
  void* results[7] = {};
  expect_error(float_plan.run(odd, results), "inputs[0]: got a misaligned pointer");
}

}  // namespace
}  // namespace octavo::testing

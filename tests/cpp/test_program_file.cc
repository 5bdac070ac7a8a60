// Programs that are saved and loaded: the same bits on every backend.
#include <gtest/gtest.h>

#include <cstdint>
#include <cstdio>
#include <fstream>
#include <string>
#include <vector>

#include "base/crc32.h"
#include "base/status.h"
#include "program_network.h"
#include "program_zoo.h"

namespace octavo::testing {
namespace {

TEST(Crc32, EqualsItsDefinition) {
  EXPECT_EQ(crc32(0, "123456789", 9), 0xcbf43926u);
  const std::vector<uint8_t> bytes = random_bytes<uint8_t>(77, 1);
  for (size_t i = 0; i <= bytes.size(); ++i) {
    EXPECT_EQ(crc32(crc32(0, bytes.data(), i), bytes.data() + i, bytes.size() - i),
              crc32(0, bytes.data(), bytes.size()));
  }
}

TEST(ProgramFile, LoadedRunsAsTheOriginalOnEveryBackend) {
  const Zoo original = make_zoo(default_backend());
  const std::vector<uint8_t> file = to_file(*original.program, original.interface);
  for (const Backend* backend : supported_backends()) {
    const Zoo here = make_zoo(*backend);
    EXPECT_EQ(to_file(*here.program, here.interface), file) << backend->name;
    const LoadedProgram loaded = load_program(file, {.backend = backend});
    EXPECT_EQ(loaded.program->weight_bytes(), here.program->weight_bytes());
    for (const size_t batch : {1, 3, 17}) {
      const auto expected = run_all(*original.program, batch);
      for (const size_t threads : {1, 2}) {
        EXPECT_EQ(run_all(*loaded.program, batch, threads), expected)
            << backend->name << ", batch " << batch;
      }
    }
  }
}

TEST(ProgramFile, KeepsStepsAndInterface) {
  const Zoo zoo = make_zoo(default_backend());
  const LoadedProgram loaded =
      load_program(to_file(*zoo.program, zoo.interface), {.backend = &default_backend()});
  const std::vector<StepInfo> before = zoo.program->describe(), after = loaded.program->describe();
  ASSERT_EQ(after.size(), before.size());
  for (size_t i = 0; i < before.size(); ++i) {
    EXPECT_EQ(after[i].name, before[i].name);
    EXPECT_EQ(after[i].op, before[i].op);
    EXPECT_EQ(after[i].detail, before[i].detail);
    EXPECT_EQ(after[i].inputs, before[i].inputs);
  }
  const Port& port = loaded.interface.outputs[1];
  EXPECT_EQ(port.name, "normal");
  EXPECT_EQ(port.type, ElementType::s8);
  EXPECT_EQ(port.shape, (std::vector<size_t>{6, 6}));
  EXPECT_EQ(port.scale, 0.5f);
  EXPECT_EQ(port.zero_point, -8);
  EXPECT_EQ(loaded.interface.metadata, zoo.interface.metadata);
}

TEST(ProgramFile, ComesFromAPathOrFromAnyAddress) {
  const Zoo zoo = make_zoo(default_backend());
  const std::vector<uint8_t> file = to_file(*zoo.program, zoo.interface);
  const auto expected = run_all(*zoo.program, 2);
  const std::string path = ::testing::TempDir() + "octavo_program_file_test.octavo";
  std::ofstream(path, std::ios::binary)
      .write(reinterpret_cast<const char*>(file.data()), static_cast<std::streamsize>(file.size()));
  EXPECT_EQ(run_all(*load_program(path.c_str(), {.backend = &default_backend()}).program, 2),
            expected);
  std::remove(path.c_str());
  std::vector<uint8_t> moved(1, 0);
  moved.insert(moved.end(), file.begin(), file.end());
  EXPECT_EQ(
      run_all(*load_program(std::span(moved).subspan(1), {.backend = &default_backend()}).program,
              2),
      expected);
}

TEST(ProgramFile, NeedsWhatLayersWerePackedFrom) {
  const Network network(default_backend());
  const Interface interface = {
      {{"x", ElementType::f32, {kImage}}},
      {{"y", ElementType::f32, {kClasses}}, {"b", ElementType::u8, {kSide, kSide, kChannels}}}};
  try {
    to_file(*network.program(), interface);
    ADD_FAILURE() << "saved without weights";
  } catch (const Error& error) {
    EXPECT_EQ(error.status(), Status::invalid_argument);
    EXPECT_STREQ(error.what(),
                 "step 'conv1': the layer did not keep what it was packed from: pack it for "
                 "saving");
  }
}

TEST(ProgramFile, InterfacesDescribeTheirTensors) {
  const Zoo zoo = make_zoo(default_backend());
  const auto refused = [&](const auto& change, const std::string& part) {
    Interface interface = zoo.interface;
    change(interface);
    try {
      to_file(*zoo.program, interface);
      ADD_FAILURE() << "expected an error with: " << part;
    } catch (const Error& error) {
      EXPECT_NE(std::string(error.what()).find(part), std::string::npos) << error.what();
    }
  };
  refused([](Interface& i) { i.inputs.clear(); }, "inputs: got 0");
  refused([](Interface& i) { i.inputs[0].type = ElementType::u8; }, "input 0.type: got u8");
  refused([](Interface& i) { i.inputs[0].shape = {3, 4}; }, "input 0.shape: got 12 elements");
  refused([](Interface& i) { i.inputs[0].shape = {SIZE_MAX, 4}; }, "overflow");
  refused([](Interface& i) { i.inputs[0].name = ""; }, "input 0.name");
  refused([](Interface& i) { i.outputs[2].name = "cast"; }, "two named 'cast'");
  refused([](Interface& i) { i.outputs[1].scale = -1.0f; }, "output 1.scale");
  refused([](Interface& i) { i.outputs[1].zero_point = 128; }, "output 1.zero_point");
  refused([](Interface& i) { i.outputs[0].zero_point = 1; }, "output 0.zero_point");
}

}  // namespace
}  // namespace octavo::testing

// Files that are not what they say: refused with a message, or loaded and run within bounds.
#include <gtest/gtest.h>

#include <array>
#include <cstdint>
#include <cstring>
#include <functional>
#include <limits>
#include <optional>
#include <string>
#include <vector>

#include "base/status.h"
#include "program_zoo.h"

namespace octavo::testing {
namespace {

using Bytes = std::vector<uint8_t>;
using Sections = std::array<Bytes, file::kSectionCount>;

file::Header header_of(const Bytes& file) {
  file::Header header;
  std::memcpy(&header, file.data(), sizeof header);
  return header;
}

Sections sections_of(const Bytes& file) {
  const file::Header header = header_of(file);
  Sections sections;
  for (size_t i = 0; i < sections.size(); ++i) {
    const auto begin = file.begin() + static_cast<ptrdiff_t>(header.sections[i].offset);
    sections[i].assign(begin, begin + static_cast<ptrdiff_t>(header.sections[i].bytes));
  }
  return sections;
}

// A file with these sections whose header says so: damage that no checksum finds.
Bytes file_of(const Sections& sections) {
  file::Header header{};
  std::memcpy(header.magic, file::kMagic.data(), sizeof header.magic);
  header.version = file::kVersion;
  header.section_count = file::kSectionCount;
  Bytes file(sizeof header);
  for (size_t i = 0; i < sections.size(); ++i) {
    file.resize(file::aligned(file.size()));
    std::memcpy(header.sections[i].name, file::kSectionNames[i].data(), 4);
    header.sections[i].crc32 = crc32(0, sections[i].data(), sections[i].size());
    header.sections[i].offset = file.size();
    header.sections[i].bytes = sections[i].size();
    file.insert(file.end(), sections[i].begin(), sections[i].end());
  }
  header.file_bytes = file.size();
  std::memcpy(file.data(), &header, sizeof header);
  return file;
}

const Bytes& zoo_file() {
  static const Bytes file = [] {
    const Zoo zoo = make_zoo(default_backend());
    return to_file(*zoo.program, zoo.interface);
  }();
  return file;
}

// The error, or none where the file was loaded.
std::optional<std::string> error_of(std::span<const uint8_t> file,
                                    Status status = Status::invalid_argument,
                                    size_t max_bytes = SIZE_MAX) {
  try {
    load_program(file, {.backend = &default_backend(), .max_bytes = max_bytes});
  } catch (const Error& error) {
    EXPECT_EQ(error.status(), status) << error.what();
    return error.what();
  }
  return std::nullopt;
}

void expect_refused(std::span<const uint8_t> file, const std::string& part,
                    Status status = Status::invalid_argument, size_t max_bytes = SIZE_MAX) {
  const std::optional<std::string> error = error_of(file, status, max_bytes);
  ASSERT_TRUE(error.has_value()) << "expected an error with: " << part;
  EXPECT_NE(error->find(part), std::string::npos) << *error;
}

// Loads, and runs what has not become too large for a test. Any Error is fine, any harm is not.
bool survives(const Bytes& file) {
  try {
    const LoadedProgram loaded = load_program(file, {.backend = &default_backend()});
    size_t elements = 0;
    for (TensorId id = 0; id < loaded.program->tensor_count(); ++id) {
      elements += loaded.program->info(id).elements;
    }
    if (elements < 100000) run_all(*loaded.program, 2);
    return true;
  } catch (const Error&) {
    return false;
  }
}

TEST(HostileProgramFile, RebuiltIsTheSame) {
  EXPECT_EQ(file_of(sections_of(zoo_file())), zoo_file());
}

TEST(HostileProgramFile, CutAnywhere) {
  for (size_t size = 0; size < zoo_file().size(); ++size) {
    // Memory of its own: a read past the end is seen.
    const Bytes cut(zoo_file().begin(), zoo_file().begin() + static_cast<ptrdiff_t>(size));
    ASSERT_TRUE(error_of(cut)) << size;
  }
  Bytes longer = zoo_file();
  longer.push_back(0);
  expect_refused(longer, "file_bytes");
}

TEST(HostileProgramFile, SectionsCutAnywhere) {
  for (size_t s = 0; s < file::kSectionCount; ++s) {
    for (size_t size = 0; size < sections_of(zoo_file())[s].size(); ++size) {
      Sections sections = sections_of(zoo_file());
      sections[s].resize(size);
      ASSERT_TRUE(error_of(file_of(sections))) << file::kSectionNames[s] << " at " << size;
    }
    Sections sections = sections_of(zoo_file());
    sections[s].push_back(0);
    EXPECT_TRUE(error_of(file_of(sections))) << file::kSectionNames[s] << " longer";
  }
}

TEST(HostileProgramFile, AnyFlippedByteIsFound) {
  Bytes file = zoo_file();
  for (uint8_t& byte : file) {
    byte ^= 0x20;
    ASSERT_FALSE(survives(file)) << "byte " << &byte - file.data();
    byte ^= 0x20;
  }
}

// As above, but the checksums are right.
TEST(HostileProgramFile, AnyByteMayLie) {
  size_t loaded = 0, refused = 0;
  for (const size_t s : {file::kTensors, file::kSteps, file::kInterface, file::kMetadata}) {
    Sections sections = sections_of(zoo_file());
    for (uint8_t& byte : sections[s]) {
      const uint8_t truth = byte;
      for (const int lie : {truth ^ 1, truth ^ 0x80, 255}) {
        byte = static_cast<uint8_t>(lie);
        ++(survives(file_of(sections)) ? loaded : refused);
      }
      byte = truth;
    }
  }
  EXPECT_GT(loaded, 1000u);
  EXPECT_GT(refused, 1000u);
}

TEST(HostileProgramFile, WeightsMayBeAnything) {
  Sections sections = sections_of(zoo_file());
  for (uint32_t seed = 0; seed < 20; ++seed) {
    sections[file::kData] = random_bytes<uint8_t>(sections[file::kData].size(), seed);
    survives(file_of(sections));  // random floats: most are no multipliers
  }
}

TEST(HostileProgramFile, OtherFilesAndVersions) {
  expect_refused({}, "not an octavo program");
  Bytes file = zoo_file();
  file[0] = 'x';
  expect_refused(file, "not an octavo program");
  file = zoo_file();
  file[8] = 2;
  expect_refused(file, "version: got 2, expected 1", Status::unsupported);
  file = zoo_file();
  file[12] = 6;
  expect_refused(file, "section_count: got 6");
  file = zoo_file();
  file.back() ^= 1;
  expect_refused(file, "DATA: got another checksum");
}

// Replaces the only occurrence of the bytes of `from` in the section.
template <class T>
Bytes replaced(size_t section, const T& from, const T& to) {
  Sections sections = sections_of(zoo_file());
  Bytes& bytes = sections[section];
  size_t found = 0;
  for (size_t at = 0; at + sizeof from <= bytes.size(); ++at) {
    if (std::memcmp(bytes.data() + at, &from, sizeof from) != 0) continue;
    std::memcpy(bytes.data() + at, &to, sizeof to);
    ++found;
    at += sizeof from - 1;
  }
  EXPECT_EQ(found, 1u);
  return file_of(sections);
}

TEST(HostileProgramFile, MessagesNameSectionStepAndField) {
  constexpr float kNan = std::numeric_limits<float>::quiet_NaN();
  expect_refused(replaced(file::kSteps, 0.003f, kNan),
                 "STEP: step 15: step 'step17' (matmul): multiplier: got nan");
  expect_refused(replaced(file::kSteps, 0x1p23f, 0x1p24f),
                 "STEP: step 16: step 'step18' (softmax): table.high: got");
  expect_refused(replaced(file::kSteps, 0x1p23f, kNan), "table.high: got");
  expect_refused(replaced(file::kSteps, std::array<char, 6>{'s', 't', 'e', 'p', '1', '3'},
                          std::array<char, 6>{'s', 't', 'e', 'p', '\0', '3'}),
                 "name: got bytes that are no text");
  expect_refused(replaced(file::kInterface, std::array<char, 4>{'m', 'e', 'a', 'n'},
                          std::array<char, 4>{'c', 'a', 's', 't'}),
                 "PORT: outputs: got two named 'cast'");
}

TEST(HostileProgramFile, CountsAreHeldAgainstWhatIsThere) {
  for (const size_t s : {file::kTensors, file::kSteps, file::kMetadata}) {
    Sections sections = sections_of(zoo_file());
    std::memset(sections[s].data(), 0xff, 4);
    expect_refused(file_of(sections), std::string(file::kSectionNames[s]) + ": count: got");
  }
}

// Scale and zero point that no range search wrote could be any floats.
TEST(HostileProgramFile, DynamicParamsComeFromTheirStep) {
  const Zoo zoo = make_zoo(default_backend());
  Program p(default_backend());
  const TensorId x = p.tensor(DType::f32, 8), params = p.tensor(DType::f32, 2);
  const TensorId y = p.tensor(DType::u8, 8);
  p.append("q", {x, params}, y, step::DynamicQuantize{2, 4, false});
  EXPECT_THROW(p.finish({x, params}, {y}), Error);
  const TensorId clamped = p.tensor(DType::f32, 2), z = p.tensor(DType::u8, 8);
  p.append("c", {params}, clamped, step::Clamp{0.0f, 1.0f});
  p.append("q", {x, clamped}, z, step::DynamicQuantize{2, 4, false});
  EXPECT_THROW(p.finish({x, params}, {z}), Error);
}

TEST(HostileProgramFile, StaysBelowTheLimit) {
  const size_t weights =
      load_program(zoo_file(), {.backend = &default_backend()}).program->weight_bytes();
  const size_t needed = zoo_file().size() + weights;
  EXPECT_FALSE(error_of(zoo_file(), Status::out_of_memory, needed));
  expect_refused(zoo_file(), "max_bytes: got", Status::out_of_memory, needed - 1);
  expect_refused(zoo_file(), "STEP: step", Status::out_of_memory, zoo_file().size() + 1000);
  expect_refused(zoo_file(), "max_bytes: got 100", Status::out_of_memory, 100);
}

// One column of weights is padded to a panel; the worst a file can ask for.
TEST(HostileProgramFile, PackedWeightsAreBoundedByTheFile) {
  for (const Backend* backend : supported_backends()) {
    const auto column = int8_linear(*backend, 1, 60000, true, 3);
    EXPECT_LT(column.packed->packed_bytes(), 100u * 60000) << backend->name;
    const auto zeros = random_arrays(64, 2, 4);
    Conv2dParams params;
    params.weight = zeros->weight.data();
    params.weight_zero_point = zeros->zero_points.data();
    params.shape.in_channels = params.shape.groups = 32;
    params.shape.out_channels = 64;
    EXPECT_LT(Conv2d(*backend, params).packed_bytes(), 400u * 64 * 5) << backend->name;
  }
}

TEST(HostileProgramFile, PathsThatAreNoFiles) {
  const auto refused = [](const std::string& path, const std::string& part) {
    try {
      load_program(path.c_str(), {.backend = &default_backend()});
      ADD_FAILURE() << path;
    } catch (const Error& error) {
      EXPECT_EQ(std::string(error.what()).find(path + ": "), 0u) << error.what();
      EXPECT_NE(std::string(error.what()).find(part), std::string::npos) << error.what();
    }
  };
  refused("/nowhere/net.octavo", "No such file");
  refused(::testing::TempDir(), "not a regular file");
  refused("/dev/zero", "not a regular file");
}

}  // namespace
}  // namespace octavo::testing

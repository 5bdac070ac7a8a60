#include <array>
#include <cstring>
#include <string>
#include <utility>
#include <vector>

#include "base/crc32.h"
#include "base/status.h"
#include "ops/checks.h"
#include "ops/program/file/fields_math.h"
#include "ops/program/file/program_file.h"
#include "ops/program/file/reader.h"

namespace octavo {
namespace file {
namespace {

using Bytes = std::span<const uint8_t>;
using Sections = std::array<Bytes, kSectionCount>;

bool is_zero(Bytes bytes) {
  for (const uint8_t byte : bytes) {
    if (byte != 0) return false;
  }
  return true;
}

// Sections lie where the format puts them, whole, with zeros between them.
Sections split(Bytes file) {
  Header header;
  if (file.size() < sizeof header || std::memcmp(file.data(), kMagic.data(), kMagic.size()) != 0) {
    throw Error(Status::invalid_argument, "not an octavo program");
  }
  std::memcpy(&header, file.data(), sizeof header);
  if (header.version != kVersion) {
    throw Error(Status::unsupported, "version: got " + std::to_string(header.version) +
                                         ", expected " + std::to_string(kVersion));
  }
  if (header.file_bytes != file.size()) {
    fail("file_bytes", std::to_string(header.file_bytes),
         "the file's " + std::to_string(file.size()));
  }
  check_between("section_count", header.section_count, kSectionCount, kSectionCount);
  Sections sections;
  size_t end = sizeof header;
  for (size_t i = 0; i < kSectionCount; ++i) {
    const SectionEntry& entry = header.sections[i];
    const std::string name(kSectionNames[i]);
    const size_t begin = aligned(end);
    if (std::string_view(entry.name, sizeof entry.name) != name) fail(name, "another", "this one");
    if (entry.offset != begin || begin > file.size() || entry.bytes > file.size() - begin) {
      fail(name, std::to_string(entry.bytes) + " bytes at " + std::to_string(entry.offset),
           "to begin at " + std::to_string(begin) + " and end within the file");
    }
    if (!is_zero(file.subspan(end, begin - end))) fail(name, "data before it", "zeros");
    sections[i] = file.subspan(begin, entry.bytes);
    if (crc32(0, sections[i].data(), sections[i].size()) != entry.crc32) {
      fail(name, "another checksum", "that of the header: the file is damaged");
    }
    end = begin + entry.bytes;
  }
  if (end != file.size()) fail("DATA", "bytes after it", "the end of the file");
  return sections;
}

void read_tensors(Reader& reader, DataReader& data, Budget& budget, Program& program) {
  const size_t count = reader.counted("count", 16);
  if (count > kMaxTensors) {
    reader.refuse("count", std::to_string(count), "at most " + std::to_string(kMaxTensors));
  }
  for (size_t i = 0; i < count; ++i) {
    reader.set_where("TENS: tensor " + std::to_string(i));
    const auto dtype = static_cast<DType>(reader.below("dtype", 3));
    const bool constant = reader.below("constant", 2) != 0;
    size_t elements = 0;
    reader.number("elements", elements);
    if (!constant) {
      program.tensor(dtype, elements);
      continue;
    }
    const size_t bytes = elements * dtype_bytes(dtype);
    const uint8_t* values = elements <= Program::kMaxElements ? data.next<uint8_t>(bytes) : nullptr;
    if (values == nullptr) {
      reader.refuse("elements", std::to_string(elements),
                    "at most the " + std::to_string(data.left()) + " bytes left in DATA");
    }
    budget.take(bytes);
    program.constant(dtype, elements, values);
  }
  reader.require_end();
}

template <class Op>
Operation read_operation(Reader& reader) {
  Op op{};
  fields(reader, op);
  return op;
}

template <size_t... kKind>
constexpr auto make_read_table(std::index_sequence<kKind...>) {
  return std::array{&read_operation<std::tuple_element_t<kKind, Kinds>>...};
}

constexpr auto kReadOperation = make_read_table(std::make_index_sequence<kKindCount>());

std::vector<TensorId> read_ids(Reader& reader, const char* field) {
  std::vector<uint32_t> ids;
  reader.numbers(field, ids);
  return {ids.begin(), ids.end()};
}

void read_steps(Reader& reader, Program& program) {
  const size_t count = reader.counted("count", 16);
  if (count > kMaxSteps) {
    reader.refuse("count", std::to_string(count), "at most " + std::to_string(kMaxSteps));
  }
  for (size_t i = 0; i < count; ++i) {
    const std::string where = "STEP: step " + std::to_string(i);
    reader.set_where(where);
    const uint32_t kind = reader.below("kind", kKindCount);
    const std::string name = reader.text("name");
    if (name.size() > kMaxName) {
      reader.refuse("name", std::to_string(name.size()) + " bytes",
                    "at most " + std::to_string(kMaxName));
    }
    reader.set_where(where + " '" + name + "'");
    std::vector<TensorId> inputs = read_ids(reader, "inputs");
    uint32_t output = 0;
    reader.number("output", output);
    Operation operation = kReadOperation[kind](reader);
    reader.set_where(where);  // what follows names the step itself
    program.append(name, std::move(inputs), output, std::move(operation));
  }
  reader.require_end();
}

std::vector<Port> read_ports(Reader& reader, const char* what, size_t count,
                             std::vector<TensorId>& ids) {
  std::vector<Port> ports(count);
  for (size_t i = 0; i < count; ++i) {
    Port& port = ports[i];
    reader.set_where("PORT: " + std::string(what) + " " + std::to_string(i));
    uint32_t id = 0;
    reader.number("tensor", id);
    ids.push_back(id);
    port.name = reader.text("name");
    reader.choice("type", port.type, 4);
    reader.numbers("shape", port.shape);
    if (port.shape.size() > kMaxRank) {
      reader.refuse("shape", std::to_string(port.shape.size()) + " axes",
                    "at most " + std::to_string(kMaxRank));
    }
    reader.number("scale", port.scale);
    reader.number("zero_point", port.zero_point);
  }
  return ports;
}

void read_interface(Reader& reader, Program& program, Interface& interface) {
  constexpr size_t kPortBytes = 24;
  reader.number("batch", interface.batch);
  const size_t inputs = reader.counted("inputs", kPortBytes);
  const size_t outputs = reader.counted("outputs", kPortBytes);
  std::vector<TensorId> input_ids, output_ids;
  interface.inputs = read_ports(reader, "input", inputs, input_ids);
  interface.outputs = read_ports(reader, "output", outputs, output_ids);
  reader.set_where("PORT");
  reader.require_end();
  program.finish(std::move(input_ids), std::move(output_ids));
  check_interface(program, interface);
}

void read_metadata(Reader& reader, Interface& interface) {
  const size_t count = reader.counted("count", 8);
  for (size_t i = 0; i < count; ++i) {
    std::string key = reader.text("key");
    interface.metadata.emplace_back(std::move(key), reader.text("value"));
  }
  reader.require_end();
}

LoadedProgram load(Bytes file, const LoadOptions& options) {
  Budget budget(options.max_bytes);
  budget.take(file.size());
  const Sections sections = split(file);
  auto program = std::make_unique<Program>(*options.backend);
  LoadedProgram loaded;
  DataReader data(sections[kData]);
  const auto in_section = [&](Section section, const auto& read) {
    Reader reader(kSectionNames[section], sections[section], data, *options.backend, budget);
    try {
      read(reader);
    } catch (const FieldError&) {
      throw;
    } catch (const Error& error) {
      throw Error(error.status(), reader.where() + ": " + error.what());
    }
  };
  in_section(kTensors, [&](Reader& r) { read_tensors(r, data, budget, *program); });
  in_section(kSteps, [&](Reader& r) { read_steps(r, *program); });
  in_section(kInterface, [&](Reader& r) { read_interface(r, *program, loaded.interface); });
  in_section(kMetadata, [&](Reader& r) { read_metadata(r, loaded.interface); });
  if (data.left() != 0) fail("DATA", std::to_string(data.left()) + " bytes unused", "none");
  loaded.program = std::move(program);
  return loaded;
}

}  // namespace
}  // namespace file

LoadedProgram load_program(std::span<const uint8_t> bytes, const LoadOptions& options) {
  if (options.backend == nullptr) fail("backend", "none", "a backend");
  try {
    if (reinterpret_cast<uintptr_t>(bytes.data()) % alignof(float) == 0) {
      return file::load(bytes, options);
    }
    file::Budget(options.max_bytes).take(bytes.size());
    AlignedBuffer copy(bytes.size());
    std::memcpy(copy.data(), bytes.data(), bytes.size());
    return file::load({copy.data(), copy.size()}, options);
  } catch (const Error& error) {
    throw Error(error.status(), std::string("octavo program: ") + error.what());
  }
}

}  // namespace octavo

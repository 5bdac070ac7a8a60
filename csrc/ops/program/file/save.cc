#include <cstring>
#include <string>
#include <utility>

#include "base/crc32.h"
#include "ops/checks.h"
#include "ops/program/file/fields_math.h"
#include "ops/program/file/program_file.h"
#include "ops/program/file/writer.h"

namespace octavo {
namespace file {
namespace {

void write_tensors(Writer& writer, DataWriter& data, const Program& program) {
  writer.count(program.tensor_count());
  for (TensorId id = 0; id < program.tensor_count(); ++id) {
    const AlignedBuffer& constant = program.constant_data(id);
    writer.count(static_cast<size_t>(program.info(id).dtype));
    writer.flag("constant", constant.size() != 0);
    writer.number("elements", program.info(id).elements);
    if (constant.size() != 0) data.add(constant.data(), constant.size());
  }
}

void write_ids(Writer& writer, const std::vector<TensorId>& ids) {
  writer.numbers("ids", std::vector<uint32_t>(ids.begin(), ids.end()));
}

void write_steps(Writer& writer, const Program& program) {
  writer.count(program.step_count());
  for (const Step& step : program.steps()) {
    std::visit(
        [&]<class Op>(const Op& op) {
          writer.count(kind_of<Op>());
          writer.text(step.name);
          write_ids(writer, step.inputs);
          writer.count(step.output);
          try {
            fields(writer, op);
          } catch (const Error& error) {
            throw Error(error.status(), "step '" + step.name + "': " + error.what());
          }
        },
        step.operation);
  }
}

void write_ports(Writer& writer, const std::vector<TensorId>& ids, const std::vector<Port>& ports) {
  for (size_t i = 0; i < ports.size(); ++i) {
    writer.count(ids[i]);
    writer.text(ports[i].name);
    writer.choice("type", ports[i].type, 4);
    writer.numbers("shape", ports[i].shape);
    writer.number("scale", ports[i].scale);
    writer.number("zero_point", ports[i].zero_point);
  }
}

void write_interface(Writer& writer, const Program& program, const Interface& interface) {
  writer.number("batch", interface.batch);
  writer.count(interface.inputs.size());
  writer.count(interface.outputs.size());
  write_ports(writer, program.inputs(), interface.inputs);
  write_ports(writer, program.outputs(), interface.outputs);
}

void write_metadata(Writer& writer, const Interface& interface) {
  writer.count(interface.metadata.size());
  for (const auto& [key, value] : interface.metadata) {
    writer.text(key);
    writer.text(value);
  }
}

// What a reader refuses is not written.
void check_counts(const Program& program, const Interface& interface) {
  if (program.tensor_count() > kMaxTensors || program.step_count() > kMaxSteps) {
    fail("program",
         std::to_string(program.tensor_count()) + " tensors and " +
             std::to_string(program.step_count()) + " steps",
         "at most " + std::to_string(kMaxTensors) + " and " + std::to_string(kMaxSteps));
  }
  for (const Step& step : program.steps()) {
    if (step.name.size() > kMaxName) fail("name", step.name, "at most 65536 bytes");
  }
  for (const auto* ports : {&interface.inputs, &interface.outputs}) {
    for (const Port& port : *ports) {
      if (port.shape.size() > kMaxRank) fail(port.name, "more than 32 axes", "at most 32");
    }
  }
}

// Offsets and checksums of all sections; the data section is `data_crc` of `data_bytes`.
Header make_header(const Writer (&writers)[kData], uint32_t data_crc, size_t data_bytes) {
  Header header{};
  std::memcpy(header.magic, kMagic.data(), kMagic.size());
  header.version = kVersion;
  header.section_count = kSectionCount;
  size_t end = sizeof header;
  for (size_t i = 0; i < kSectionCount; ++i) {
    SectionEntry& entry = header.sections[i];
    std::memcpy(entry.name, kSectionNames[i].data(), sizeof entry.name);
    entry.offset = aligned(end);
    entry.bytes = i < kData ? writers[i].section().size() : data_bytes;
    entry.crc32 =
        i < kData ? crc32(0, writers[i].section().data(), writers[i].section().size()) : data_crc;
    end = entry.offset + entry.bytes;
  }
  header.file_bytes = end;
  return header;
}

}  // namespace
}  // namespace file

void save_program(const Program& program, const Interface& interface, const ByteSink& sink) {
  using namespace file;
  if (!program.finished()) fail("program", "an unfinished one", "finish() before saving");
  check_interface(program, interface);
  check_counts(program, interface);
  DataWriter data;
  Writer writers[kData] = {Writer(data), Writer(data), Writer(data), Writer(data)};
  write_tensors(writers[kTensors], data, program);
  write_steps(writers[kSteps], program);
  write_interface(writers[kInterface], program, interface);
  write_metadata(writers[kMetadata], interface);

  uint32_t data_crc = 0;
  size_t data_bytes = 0;
  data.each([&](const void* piece, size_t bytes) {
    data_crc = crc32(data_crc, piece, bytes);
    data_bytes += bytes;
  });
  const Header header = make_header(writers, data_crc, data_bytes);
  size_t at = 0;
  const auto write = [&](const void* piece, size_t bytes) {
    if (bytes > 0) sink(piece, bytes);
    at += bytes;
  };
  static constexpr uint8_t kZeros[kAlignment] = {};
  write(&header, sizeof header);
  for (const Writer& writer : writers) {
    write(kZeros, aligned(at) - at);
    write(writer.section().data(), writer.section().size());
  }
  write(kZeros, aligned(at) - at);
  data.each(write);
}

}  // namespace octavo

// Programs as files.
#include "ops/program/file/program_file.h"

#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "bindings/arrays.h"
#include "bindings/module.h"
#include "bindings/program.h"
#include "ops/checks.h"
#include "runtime/backend.h"

namespace octavo::bindings {
namespace {

// name, type, shape, scale, zero_point
using PyPort = std::tuple<std::string, std::string, std::vector<size_t>, float, int32_t>;
using Metadata = std::vector<std::pair<std::string, std::string>>;

ElementType to_type(const std::string& name) {
  for (const ElementType type :
       {ElementType::u8, ElementType::s8, ElementType::f32, ElementType::s32}) {
    if (name == element_type_name(type)) return type;
  }
  fail("type", "'" + name + "'", "'u8', 's8', 'f32' or 's32'");
}

std::vector<Port> to_ports(const std::vector<PyPort>& ports) {
  std::vector<Port> result;
  for (const auto& [name, type, shape, scale, zero_point] : ports) {
    result.push_back({name, to_type(type), shape, scale, zero_point});
  }
  return result;
}

std::vector<PyPort> from_ports(const std::vector<Port>& ports) {
  std::vector<PyPort> result;
  for (const Port& port : ports) {
    result.emplace_back(port.name, element_type_name(port.type), port.shape, port.scale,
                        port.zero_point);
  }
  return result;
}

void save(const Program& program, const py::function& write, const std::vector<PyPort>& inputs,
          const std::vector<PyPort>& outputs, int64_t batch, const Metadata& metadata) {
  const Interface interface = {to_ports(inputs), to_ports(outputs), to_size("batch", batch),
                               metadata};
  save_program(program, interface, [&](const void* data, size_t bytes) {
    write(py::memoryview::from_memory(data, static_cast<py::ssize_t>(bytes)));
  });
}

py::tuple to_python(LoadedProgram loaded) {
  const Interface& interface = loaded.interface;
  return py::make_tuple(py::cast(std::move(loaded.program)), from_ports(interface.inputs),
                        from_ports(interface.outputs), interface.batch, interface.metadata);
}

LoadOptions options(const std::optional<size_t>& max_bytes) {
  LoadOptions options = {.backend = &current_backend()};
  if (max_bytes) options.max_bytes = *max_bytes;
  return options;
}

py::tuple load_path(const std::string& path, const std::optional<size_t>& max_bytes) {
  const LoadOptions how = options(max_bytes);
  LoadedProgram loaded;
  {
    const py::gil_scoped_release release;
    loaded = load_program(path.c_str(), how);
  }
  return to_python(std::move(loaded));
}

py::tuple load_bytes(const py::bytes& data, const std::optional<size_t>& max_bytes) {
  const LoadOptions how = options(max_bytes);
  const auto text = static_cast<std::string_view>(data);
  LoadedProgram loaded;
  {
    const py::gil_scoped_release release;
    loaded = load_program({reinterpret_cast<const uint8_t*>(text.data()), text.size()}, how);
  }
  return to_python(std::move(loaded));
}

}  // namespace

void bind_program_file(py::module_& m) {
  using namespace py::literals;
  m.def("save_program", &save, "program"_a, "write"_a, "inputs"_a, "outputs"_a, "batch"_a = 0,
        "metadata"_a = Metadata());
  m.def("load_program", &load_bytes, "data"_a, "max_bytes"_a = py::none());  // a path takes bytes
  m.def("load_program", &load_path, "path"_a, "max_bytes"_a = py::none());
}

}  // namespace octavo::bindings

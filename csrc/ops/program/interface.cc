#include "ops/program/interface.h"

#include <algorithm>
#include <string>

#include "ops/checks.h"

namespace octavo {
namespace {

void check_port(const TensorInfo& tensor, const Port& port, const std::string& name) {
  if (stored_type(port.type) != tensor.dtype) {
    fail(name + ".type", element_type_name(port.type),
         std::string("what a ") + dtype_name(tensor.dtype) + " tensor holds");
  }
  size_t elements = 1;
  for (const size_t extent : port.shape) {
    elements = checked_product(name + ".shape", {elements, extent});
  }
  if (elements != tensor.elements) {
    fail(name + ".shape", std::to_string(elements) + " elements",
         std::to_string(tensor.elements) + ", those of its tensor");
  }
  if (port.scale == 0.0f) return check_between(name + ".zero_point", port.zero_point, 0, 0);
  check_scale(name + ".scale", port.scale);
  const int32_t low = port.type == ElementType::s8 ? -128 : 0;
  const bool bytes = tensor.dtype == DType::u8;
  check_between(name + ".zero_point", port.zero_point, bytes ? low : 0, bytes ? low + 255 : 0);
}

void check_ports(const Program& program, const std::vector<TensorId>& ids,
                 const std::vector<Port>& ports, const std::string& what) {
  if (ports.size() != ids.size()) {
    fail(what + "s", std::to_string(ports.size()), std::to_string(ids.size()));
  }
  std::vector<std::string> names;
  for (size_t i = 0; i < ports.size(); ++i) {
    const std::string name = what + " " + std::to_string(i);
    check_port(program.info(ids[i]), ports[i], name);
    if (ports[i].name.empty()) fail(name + ".name", "none", "a name");
    names.push_back(ports[i].name);
  }
  std::sort(names.begin(), names.end());
  const auto twice = std::adjacent_find(names.begin(), names.end());
  if (twice != names.end()) fail(what + "s", "two named '" + *twice + "'", "different names");
}

}  // namespace

DType stored_type(ElementType type) {
  if (type == ElementType::f32) return DType::f32;
  return type == ElementType::s32 ? DType::s32 : DType::u8;
}

const char* element_type_name(ElementType type) {
  constexpr const char* kNames[] = {"u8", "s8", "s32", "f32"};
  return kNames[static_cast<size_t>(type)];
}

void check_interface(const Program& program, const Interface& interface) {
  check_ports(program, program.inputs(), interface.inputs, "input");
  check_ports(program, program.outputs(), interface.outputs, "output");
}

}  // namespace octavo

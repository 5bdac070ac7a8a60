// What a program's user sees of it: named inputs and outputs, in the network's own terms.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "ops/program/program.h"

namespace octavo {

// Of the user's array. Inside a program s8 is u8: bytes xor 0x80, zero point + 128.
enum class ElementType : uint8_t { u8, s8, s32, f32 };

DType stored_type(ElementType type);
const char* element_type_name(ElementType type);

struct Port {
  std::string name;
  ElementType type;
  std::vector<size_t> shape;  // per sample: without axis 0, the batch
  float scale = 0.0f;         // real = scale * (q - zero_point); 0: the network does not say
  int32_t zero_point = 0;
};

struct Interface {
  std::vector<Port> inputs;
  std::vector<Port> outputs;
  size_t batch = 0;  // the only one the network takes; 0: any
  std::vector<std::pair<std::string, std::string>> metadata = {};  // texts by key
};

// Throws Error(invalid_argument) naming the port that does not describe its tensor.
void check_interface(const Program& program, const Interface& interface);

}  // namespace octavo

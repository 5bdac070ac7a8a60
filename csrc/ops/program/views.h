// Tensors that lie in others, so that nobody has to copy them.
//
//   concat   an input is written straight to its columns of the output
//   slice    of columns: its readers read the input
//
// A tensor is then a matrix whose rows lie apart, and every step that touches it must know how to
// go from row to row. Batches need nothing special: a sample is so many rows.
#pragma once

#include <cstddef>
#include <span>
#include <vector>

#include "ops/program/step.h"

namespace octavo {

// Row i of a tensor, `cols` elements, begins at element offset + i * ld of `base`, which is no view
// itself.
struct View {
  TensorId base = 0;
  size_t offset = 0;
  size_t cols = 0;
  size_t ld = 0;  // 0: the tensor is no view

  bool exists() const { return ld != 0; }
};

// One entry per tensor. in_arena[id]: the tensor is written by one step, read by later ones, and
// nothing the caller sees. Steps have passed check_step.
std::vector<View> find_views(std::span<const Step> steps, std::span<const TensorInfo> tensors,
                             const std::vector<bool>& in_arena);

// Whether a concatenation or a slice has nothing left to do.
bool does_nothing(const Step& step, std::span<const View> views);

}  // namespace octavo

// Program: the steps that move elements.
#include <string>
#include <vector>

#include "bindings/program.h"

namespace octavo::bindings {
namespace {

using Id = int64_t;
using Ints = std::vector<int64_t>;

std::vector<size_t> to_sizes(const char* name, const Ints& values) {
  std::vector<size_t> sizes;
  for (const int64_t value : values) sizes.push_back(to_size(name, value));
  return sizes;
}

std::vector<ptrdiff_t> to_offsets(const Ints& values) { return {values.begin(), values.end()}; }

void transpose(Program& program, Id src, Id dst, const std::string& name, int64_t rows,
               int64_t cols) {
  program.append(name, {to_size("src", src)}, to_size("dst", dst),
                 step::Transpose{to_size("rows", rows), to_size("cols", cols)});
}

void concat(Program& program, const Ints& srcs, Id dst, const std::string& name, int64_t outer,
            const Ints& inner) {
  program.append(name, to_sizes("srcs", srcs), to_size("dst", dst),
                 step::Concat{to_size("outer", outer), to_sizes("inner", inner)});
}

void pad(Program& program, Id src, Id dst, const std::string& name, const Ints& shape,
         const Ints& before, const Ints& after, double value) {
  program.append(name, {to_size("src", src)}, to_size("dst", dst),
                 step::Pad{to_sizes("shape", shape), to_sizes("before", before),
                           to_sizes("after", after), value});
}

void slice(Program& program, Id src, Id dst, const std::string& name, const Ints& shape,
           const Ints& start, const Ints& step, const Ints& out_shape) {
  program.append(name, {to_size("src", src)}, to_size("dst", dst),
                 step::Slice{to_sizes("shape", shape), to_offsets(start), to_offsets(step),
                             to_sizes("out_shape", out_shape)});
}

}  // namespace

void bind_program_shape_steps(ProgramClass& cls) {
  using namespace py::literals;
  cls.def("transpose", &transpose, "src"_a, "dst"_a, py::kw_only(), "name"_a, "rows"_a, "cols"_a);
  cls.def("concat", &concat, "srcs"_a, "dst"_a, py::kw_only(), "name"_a, "outer"_a, "inner"_a);
  cls.def("pad", &pad, "src"_a, "dst"_a, py::kw_only(), "name"_a, "shape"_a, "before"_a, "after"_a,
          "value"_a);
  cls.def("slice", &slice, "src"_a, "dst"_a, py::kw_only(), "name"_a, "shape"_a, "start"_a,
          "step"_a, "out_shape"_a);
}

}  // namespace octavo::bindings

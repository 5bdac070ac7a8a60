// Checked access to NumPy arrays. Every function throws Error(invalid_argument), hence ValueError,
// naming the argument, what came and what is expected.
#pragma once

#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "base/buffer.h"
#include "base/quant.h"
#include "ops/conv_shape.h"

namespace octavo::bindings {

namespace py = pybind11;

// "int8 array of shape (2, 3)", and what is odd about its memory.
std::string describe(const py::array& array);

inline bool is_contiguous(const py::array& array) {
  return (array.flags() & py::array::c_style) != 0;
}

inline bool is_aligned(const py::array& array) {
  return (array.flags() & py::detail::npy_api::NPY_ARRAY_ALIGNED_) != 0;
}

[[noreturn]] void refuse(const char* name, const py::array& array, const std::string& expected);

// Of dtype T in native byte order, aligned, C-contiguous; `expected` completes the message.
template <class T>
const T* require(const py::array& array, const char* name, const std::string& expected) {
  if (!py::isinstance<py::array_t<T>>(array) || !is_contiguous(array) || !is_aligned(array)) {
    refuse(name, array, expected);
  }
  return static_cast<const T*>(array.data());
}

void require_ndim(const py::array& array, const char* name, py::ssize_t ndim,
                  const std::string& expected);
void require_extent(const py::array& array, const char* name, py::ssize_t axis, size_t extent,
                    const std::string& expected);

// A 1-D array of `extent` elements, or nullptr where it is absent.
template <class T>
const T* require_vector(const std::optional<py::array>& array, const char* name, size_t extent,
                        const std::string& expected) {
  if (!array) return nullptr;
  require_ndim(*array, name, 1, expected);
  require_extent(*array, name, 0, extent, expected);
  return require<T>(*array, name, expected);
}

void require_shape(const py::array& array, const char* name, const std::vector<py::ssize_t>& shape);

// Whether `array` holds int8 (true) or uint8 (false); any other dtype is refused.
bool require_bytes(const py::array& array, const char* name);

// As above, and refuses the other signedness.
void require_bytes(const py::array& array, const char* name, bool is_signed);

// The bytes of a C-contiguous int8 or uint8 array in the form kernels take: u8; an int8 array is
// shifted by 128 into memory of its own.
class U8View {
 public:
  U8View(const py::array& array, const char* name);
  U8View(const py::array& array, const char* name, bool is_signed);

  const uint8_t* data() const { return data_; }
  size_t size() const { return size_; }
  bool is_signed() const { return is_signed_; }

  // Does the shifting: call once before data(), best without the GIL.
  void prepare();

 private:
  const uint8_t* data_;
  size_t size_;
  bool is_signed_;
  AlignedBuffer shifted_;
};

// A new uint8 or int8 array of the given shape.
py::array new_bytes(bool is_signed, const std::vector<py::ssize_t>& shape);

std::vector<py::ssize_t> shape_of(const py::array& array);

// Numbers from Python in the form ops take. Zero points and ranges of an int8 tensor become those
// of the u8 tensor shifted by 128.
size_t to_size(const char* name, int64_t value);
size_t to_threads(int64_t threads);
int32_t to_zero_point(const char* name, int64_t value, bool is_signed);
QuantRange to_range(int64_t zero_point, int64_t qmin, int64_t qmax, bool is_signed);

using IntPair = std::pair<int64_t, int64_t>;
using IntQuad = std::tuple<int64_t, int64_t, int64_t, int64_t>;
Padding to_padding(const IntQuad& padding);

}  // namespace octavo::bindings

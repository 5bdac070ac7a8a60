#include "bindings/arrays.h"

#include "base/status.h"
#include "ops/checks.h"
#include "ops/sign.h"
#include "runtime/threads.h"

namespace octavo::bindings {
namespace {

std::string shape_text(const std::vector<py::ssize_t>& shape) {
  std::string text = "(";
  for (const py::ssize_t extent : shape) {
    text += std::to_string(extent);
    text += ", ";
  }
  if (shape.size() == 1) text.pop_back();              // "(3,)"
  if (shape.size() > 1) text.resize(text.size() - 2);  // "(3, 4)"
  text += ")";
  return text;
}

}  // namespace

std::string describe(const py::array& array) {
  std::string text =
      py::str(array.dtype()).cast<std::string>() + " array of shape " + shape_text(shape_of(array));
  if (!is_contiguous(array)) text += ", not C-contiguous";
  if (!is_aligned(array)) text += ", not aligned";
  return text;
}

void refuse(const char* name, const py::array& array, const std::string& expected) {
  fail(name, describe(array), expected);
}

void require_ndim(const py::array& array, const char* name, py::ssize_t ndim,
                  const std::string& expected) {
  if (array.ndim() != ndim) refuse(name, array, expected);
}

void require_extent(const py::array& array, const char* name, py::ssize_t axis, size_t extent,
                    const std::string& expected) {
  if (static_cast<size_t>(array.shape(axis)) != extent) {
    refuse(name, array,
           expected + " with " + std::to_string(extent) + " at axis " + std::to_string(axis));
  }
}

void require_shape(const py::array& array, const char* name,
                   const std::vector<py::ssize_t>& shape) {
  if (shape_of(array) == shape) return;
  refuse(name, array, "an array of shape " + shape_text(shape));
}

bool require_bytes(const py::array& array, const char* name) {
  const bool is_signed = py::isinstance<py::array_t<int8_t>>(array);
  if (!is_signed && !py::isinstance<py::array_t<uint8_t>>(array)) {
    refuse(name, array, "a uint8 or int8 array");
  }
  return is_signed;
}

void require_bytes(const py::array& array, const char* name, bool is_signed) {
  if (require_bytes(array, name) != is_signed) {
    refuse(name, array, is_signed ? "an int8 array" : "a uint8 array");
  }
}

U8View::U8View(const py::array& array, const char* name)
    : size_(static_cast<size_t>(array.size())), is_signed_(require_bytes(array, name)) {
  if (!is_contiguous(array)) refuse(name, array, "a C-contiguous array");
  data_ = static_cast<const uint8_t*>(array.data());
}

U8View::U8View(const py::array& array, const char* name, bool is_signed) : U8View(array, name) {
  require_bytes(array, name, is_signed);
}

void U8View::prepare() {
  if (!is_signed_) return;
  shifted_ = AlignedBuffer(size_);
  flip_sign(data_, size_, shifted_.data());
  data_ = shifted_.data();
}

py::array new_bytes(bool is_signed, const std::vector<py::ssize_t>& shape) {
  return is_signed ? py::array(py::dtype::of<int8_t>(), shape)
                   : py::array(py::dtype::of<uint8_t>(), shape);
}

std::vector<py::ssize_t> shape_of(const py::array& array) {
  return {array.shape(), array.shape() + array.ndim()};
}

size_t to_size(const char* name, int64_t value) {
  if (value < 0) fail(name, std::to_string(value), "a number >= 0");
  return static_cast<size_t>(value);
}

size_t to_threads(int64_t threads) {
  check_between("threads", threads, 0, static_cast<int64_t>(kMaxThreads));
  return static_cast<size_t>(threads);
}

int32_t to_zero_point(const char* name, int64_t value, bool is_signed) {
  check_between(name, value, is_signed ? -128 : 0, is_signed ? 127 : 255);
  return shifted_zero_point(static_cast<int32_t>(value), is_signed);
}

QuantRange to_range(int64_t zero_point, int64_t qmin, int64_t qmax, bool is_signed) {
  const int32_t zero = to_zero_point("zero_point", zero_point, is_signed);
  const int32_t lo = to_zero_point("qmin", qmin, is_signed);
  const int32_t hi = to_zero_point("qmax", qmax, is_signed);
  if (lo > hi) fail("qmin", std::to_string(qmin), "at most qmax = " + std::to_string(qmax));
  return {zero, lo, hi};
}

Padding to_padding(const IntQuad& padding) {
  const auto [top, left, bottom, right] = padding;
  return {to_size("padding", top), to_size("padding", left), to_size("padding", bottom),
          to_size("padding", right)};
}

}  // namespace octavo::bindings

// Backends, threads, build.
#include <algorithm>
#include <optional>
#include <string>
#include <vector>

#include "base/buffer.h"
#include "base/cpu.h"
#include "base/status.h"
#include "bindings/arrays.h"
#include "bindings/module.h"
#include "ops/checks.h"
#include "runtime/backend.h"
#include "runtime/threads.h"

namespace octavo::bindings {
namespace {

std::vector<std::string> all_names() {
  std::vector<std::string> names;
  for (const Backend& backend : all_backends()) names.push_back(backend.name);
  return names;
}

std::vector<std::string> supported_names() {
  std::vector<std::string> names;
  for (const Backend& backend : all_backends()) {
    if (is_supported(backend, detect_cpu())) names.push_back(backend.name);
  }
  return names;
}

std::optional<std::string> set_override(const std::optional<std::string>& name) {
  const Backend* backend = name ? &require_backend(*name, "backend") : nullptr;
  const Backend* previous = set_backend_override(backend);
  if (previous == nullptr) return std::nullopt;
  return previous->name;
}

std::string select(const std::vector<std::string>& features) {
  CpuBits bits = 0;
  for (const std::string& feature : features) {
    const std::optional<CpuBits> bit = cpu_feature(feature);
    if (!bit) {
      std::string known;
      for (const std::string& name : cpu_feature_names(~CpuBits{0})) known += " " + name;
      fail("features", "'" + feature + "'", "names among" + known);
    }
    bits |= *bit;
  }
  return select_backend(bits).name;
}

std::vector<std::string> kernel_names(const KernelTable& table) {
  std::vector<std::string> names;
  const auto add_one = [&](const std::string& name) {
    if (std::find(names.begin(), names.end(), name) == names.end()) names.push_back(name);
  };
  const auto add = [&](const auto&... kernels) { (add_one(kernels.name), ...); };
  add(table.gemm_s32, table.gemm_u8, table.matmul_u8, table.depthwise_s32, table.depthwise_u8,
      table.requantize_s32, table.requantize_u8, table.add_u8, table.quantize_u8,
      table.dequantize_u8, table.max_u8, table.avg_u8, table.mul_u8, table.lookup_u8,
      table.softmax_u8, table.moments_u8, table.normalize_u8, table.transpose_u8,
      table.transpose_u32, table.transpose_stream_u8, table.stream_copy, table.stream_fence,
      table.gemm_f32, table.depthwise_f32);
  return names;
}

py::dict backend_info(const std::string& name) {
  const Backend* backend = find_backend(name);
  if (backend == nullptr) {
    std::string known;
    for (const std::string& one : all_names()) {
      if (!known.empty()) known += ", ";
      known += one;
    }
    fail("name", "'" + name + "'", "one of " + known);
  }
  py::dict info;
  info["name"] = backend->name;
  info["required"] = cpu_feature_names(backend->required);
  info["supported"] = is_supported(*backend, detect_cpu());
  info["layout"] = backend->layout;
  info["kernels"] = kernel_names(*backend->table);
  return info;
}

py::dict build_info() {
#if defined(__clang__)
  const std::string compiler = "clang " __clang_version__;
#elif defined(_MSC_VER)
  const std::string compiler = "msvc " + std::to_string(_MSC_FULL_VER);
#else
  const std::string compiler = "gcc " __VERSION__;
#endif
  py::dict info;
  info["version"] = OCTAVO_VERSION;
  info["compiler"] = compiler;
  info["build_type"] = OCTAVO_BUILD_TYPE;
  info["sanitizer"] = OCTAVO_SANITIZER;
  return info;
}

}  // namespace

void bind_backends(py::module_& m) {
  using namespace py::literals;
  m.def("all_backends", &all_names, "Every backend compiled in, best first.");
  m.def("backends", &supported_names, "Those this CPU can run, best first.");
  m.def(
      "backend", [] { return std::string(current_backend().name); },
      "The one in use on this thread.");
  m.def("set_backend_override", &set_override, "name"_a.none(true),
        "Set (or clear) this thread's override; returns the previous override.");
  m.def("select_backend", &select, "features"_a,
        "The backend a CPU with exactly these features would get.");
  m.def(
      "cpu_features", [] { return cpu_feature_names(detect_cpu()); },
      "Features of this CPU that matter here.");
  m.def("backend_info", &backend_info, "name"_a, "Facts about one backend.");
  m.def("build_info", &build_info, "How this module was built.");
  m.def(
      "set_num_threads", [](int64_t n) { set_num_threads(to_size("n", n)); }, "n"_a,
      "The most threads an op uses.");
  m.def("get_num_threads", &get_num_threads, "The most threads an op uses.");
  m.def("trim_memory", &trim_memory, "Give freed memory back to the system.");
}

}  // namespace octavo::bindings

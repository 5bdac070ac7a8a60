#include "runtime/backend.h"

#include <cstdlib>

#include "base/status.h"

namespace octavo {
namespace {

thread_local const Backend* backend_override = nullptr;

}  // namespace

bool is_supported(const Backend& backend, CpuBits bits) { return (backend.required & ~bits) == 0; }

const Backend& select_backend(CpuBits bits) {
  for (const Backend& backend : all_backends()) {
    if (is_supported(backend, bits)) return backend;
  }
  return all_backends().back();  // scalar, which requires nothing
}

const Backend* find_backend(std::string_view name) {
  for (const Backend& backend : all_backends()) {
    if (name == backend.name) return &backend;
  }
  return nullptr;
}

std::string supported_backend_names() {
  std::string names;
  for (const Backend& backend : all_backends()) {
    if (!is_supported(backend, detect_cpu())) continue;
    if (!names.empty()) names += ", ";
    names += backend.name;
  }
  return names;
}

const Backend& require_backend(std::string_view name, std::string_view source) {
  const Backend* backend = find_backend(name);
  if (backend != nullptr && is_supported(*backend, detect_cpu())) return *backend;
  const char* why = backend == nullptr ? "is not a backend" : "is not supported by this CPU";
  throw Error(Status::invalid_argument, std::string(source) + ": '" + std::string(name) + "' " +
                                            why +
                                            "; expected one of: " + supported_backend_names());
}

const Backend& default_backend() {
  // A throwing initialiser is tried again by the next call, so the error is reported every time.
  static const Backend& backend = []() -> const Backend& {
    const char* name = std::getenv("OCTAVO_BACKEND");
    if (name == nullptr || *name == '\0') return select_backend(detect_cpu());
    return require_backend(name, "OCTAVO_BACKEND");
  }();
  return backend;
}

const Backend& current_backend() {
  return backend_override != nullptr ? *backend_override : default_backend();
}

const Backend* set_backend_override(const Backend* backend) {
  const Backend* previous = backend_override;
  backend_override = backend;
  return previous;
}

}  // namespace octavo

// Which backends there are.
#include "api/guard.h"
#include "runtime/backend.h"

size_t octavo_backend_count(void) {
  size_t count = 0;
  while (octavo_backend_name(count) != nullptr) ++count;
  return count;
}

const char* octavo_backend_name(size_t i) {
  for (const octavo::Backend& backend : octavo::all_backends()) {
    if (!octavo::is_supported(backend, octavo::detect_cpu())) continue;
    if (i == 0) return backend.name;
    --i;
  }
  return nullptr;
}

octavo_status octavo_default_backend(const char** name) {
  return octavo::api::guarded([&] {
    octavo::api::require(name, "name");
    *name = octavo::default_backend().name;
  });
}

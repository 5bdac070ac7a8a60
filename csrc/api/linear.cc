#include "octavo/octavo.h"

#include <new>
#include <string>

#include "base/status.h"
#include "ops/linear.h"
#include "runtime/backend.h"
#include "runtime/context.h"

struct octavo_linear {
  const octavo::Backend* backend;
  octavo::Linear linear;
};

namespace octavo {
namespace {

thread_local std::string last_error;

octavo_status to_c(Status status) {
  switch (status) {
    case Status::ok:
      return OCTAVO_OK;
    case Status::invalid_argument:
      return OCTAVO_INVALID_ARGUMENT;
    case Status::unsupported:
      return OCTAVO_UNSUPPORTED;
    case Status::out_of_memory:
      return OCTAVO_OUT_OF_MEMORY;
    case Status::internal:
      break;
  }
  return OCTAVO_INTERNAL;
}

octavo_status failed(octavo_status status, const char* message) noexcept {
  try {
    last_error = message;
  } catch (...) {
    last_error.clear();  // no memory even for the message
  }
  return status;
}

// No exception leaves the library.
template <class Body>
octavo_status guarded(const Body& body) noexcept {
  try {
    body();
    return OCTAVO_OK;
  } catch (const Error& error) {
    return failed(to_c(error.status()), error.what());
  } catch (const std::bad_alloc&) {
    return failed(OCTAVO_OUT_OF_MEMORY, "out of memory");
  } catch (const std::exception& error) {
    return failed(OCTAVO_INTERNAL, error.what());
  } catch (...) {
    return failed(OCTAVO_INTERNAL, "unknown error");
  }
}

void require(const void* pointer, const char* name) {
  if (pointer != nullptr) return;
  throw Error(Status::invalid_argument, std::string(name) + ": got NULL, expected a pointer");
}

}  // namespace
}  // namespace octavo

using octavo::guarded;

const char* octavo_version(void) { return OCTAVO_VERSION; }

const char* octavo_status_string(int status) {
  switch (status) {
    case OCTAVO_OK:
      return "ok";
    case OCTAVO_INVALID_ARGUMENT:
      return "invalid argument";
    case OCTAVO_UNSUPPORTED:
      return "unsupported";
    case OCTAVO_OUT_OF_MEMORY:
      return "out of memory";
    case OCTAVO_INTERNAL:
      return "internal error";
  }
  return "unknown status";
}

const char* octavo_last_error(void) { return octavo::last_error.c_str(); }

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

octavo_status octavo_current_backend(const char** name) {
  return guarded([&] {
    octavo::require(name, "name");
    *name = octavo::current_backend().name;
  });
}

octavo_status octavo_use_backend(const char* name) {
  return guarded([&] {
    octavo::set_backend_override(name == nullptr ? nullptr
                                                 : &octavo::require_backend(name, "backend"));
  });
}

octavo_status octavo_set_num_threads(size_t n) {
  return guarded([&] { octavo::set_num_threads(n); });
}

octavo_status octavo_linear_create(const octavo_linear_desc* desc, octavo_linear** linear) {
  return guarded([&] {
    octavo::require(desc, "desc");
    octavo::require(linear, "linear");
    octavo::LinearParams params;
    params.weight = desc->weight;
    params.n = desc->n;
    params.k = desc->k;
    params.bias = desc->bias;
    params.multiplier = desc->multiplier;
    params.a_zero_point = desc->a_zero_point;
    params.output.range = {desc->zero_point, desc->qmin, desc->qmax};
    const octavo::Backend& backend = octavo::current_backend();
    *linear = new octavo_linear{&backend, octavo::Linear(backend, params)};
  });
}

void octavo_linear_free(octavo_linear* linear) { delete linear; }

octavo_status octavo_linear_run_u8(const octavo_linear* linear, const uint8_t* a, size_t lda,
                                   size_t m, uint8_t* c, size_t ldc) {
  return guarded([&] {
    octavo::require(linear, "linear");
    linear->linear.run_u8(octavo::make_context(*linear->backend), a, lda, m, nullptr, c, ldc);
  });
}

octavo_status octavo_linear_run_s32(const octavo_linear* linear, const uint8_t* a, size_t lda,
                                    size_t m, int32_t* c, size_t ldc) {
  return guarded([&] {
    octavo::require(linear, "linear");
    linear->linear.run_s32(octavo::make_context(*linear->backend), a, lda, m, c, ldc);
  });
}

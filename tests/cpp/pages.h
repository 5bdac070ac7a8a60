// Pages of memory that cannot be accessed, except some of them: what GuardedBuffer is made of.
#pragma once

#include <cstddef>

#if defined(_WIN32)
#include <windows.h>
#else
#include <sys/mman.h>
#include <unistd.h>
#endif

namespace octavo::testing {

#if defined(_WIN32)

inline size_t page_bytes() {
  SYSTEM_INFO info;
  GetSystemInfo(&info);
  return info.dwPageSize;
}

// nullptr if there are none.
inline void* reserve_pages(size_t bytes) {
  return VirtualAlloc(nullptr, bytes, MEM_RESERVE, PAGE_NOACCESS);
}

inline bool make_accessible(void* first, size_t bytes) {
  return VirtualAlloc(first, bytes, MEM_COMMIT, PAGE_READWRITE) != nullptr;
}

inline void release_pages(void* first, size_t) { VirtualFree(first, 0, MEM_RELEASE); }

#else

inline size_t page_bytes() { return static_cast<size_t>(sysconf(_SC_PAGESIZE)); }

// nullptr if there are none.
inline void* reserve_pages(size_t bytes) {
  void* first = mmap(nullptr, bytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  return first == MAP_FAILED ? nullptr : first;
}

inline bool make_accessible(void* first, size_t bytes) {
  return mprotect(first, bytes, PROT_READ | PROT_WRITE) == 0;
}

inline void release_pages(void* first, size_t bytes) { munmap(first, bytes); }

#endif

}  // namespace octavo::testing

#include "base/buffer.h"

#include <cstdint>
#include <cstring>
#include <mutex>
#include <new>
#include <string>

#include "base/status.h"

#if defined(__GLIBC__)
#include <malloc.h>
#endif
#if defined(__linux__)
#include <sys/mman.h>
#endif
#if defined(_WIN32)
#include <windows.h>
#else
#include <unistd.h>
#endif

#if defined(__SANITIZE_ADDRESS__)
#define OCTAVO_ASAN 1
#elif defined(__has_feature)
#define OCTAVO_ASAN __has_feature(address_sanitizer)
#else
#define OCTAVO_ASAN 0
#endif

namespace octavo {
namespace {

constexpr size_t kHugePage = size_t{2} << 20;
constexpr size_t kBlockBytes = 8 * kHugePage;
constexpr size_t kLargestInBlock = kBlockBytes / 4;

size_t round_up(size_t size, size_t multiple) {
  return (size + multiple - 1) / multiple * multiple;
}

std::shared_ptr<unsigned char> allocate(size_t size, size_t alignment) {
  void* memory = ::operator new(size, std::align_val_t{alignment}, std::nothrow);
  if (memory == nullptr) {
    throw Error(Status::out_of_memory,
                "buffer: cannot allocate " + std::to_string(size) + " bytes");
  }
  return {static_cast<unsigned char*>(memory),
          [alignment](unsigned char* p) { ::operator delete(p, std::align_val_t{alignment}); }};
}

// A stream of weights crosses a 4 KiB page every 64 cache lines; each crossing stops the hardware
// prefetcher and may cost a page walk. Only whole huge pages are asked for: memory is taken for
// the bytes that exist.
std::shared_ptr<unsigned char> allocate_huge(size_t size) {
  std::shared_ptr<unsigned char> memory = allocate(size, kHugePage);
#if defined(__linux__) && defined(MADV_HUGEPAGE)
  madvise(memory.get(), size / kHugePage * kHugePage, MADV_HUGEPAGE);  // a hint: it may fail
#endif
  return memory;
}

// Gives back the pages that only this range uses; the block itself may live on.
void release_pages([[maybe_unused]] unsigned char* begin, [[maybe_unused]] size_t size) {
#if defined(__linux__)
  static const auto page = static_cast<size_t>(sysconf(_SC_PAGESIZE));
  const auto address = reinterpret_cast<uintptr_t>(begin);
  const uintptr_t first = round_up(address, page);
  const uintptr_t last = (address + size) / page * page;
  if (first < last) madvise(reinterpret_cast<void*>(first), last - first, MADV_DONTNEED);
#endif
}

// The block that is being filled. It is owned by the buffers in it alone.
class Blocks {
 public:
  // nullptr if another thread is at it, which a fork may have left behind: nobody waits here.
  std::shared_ptr<unsigned char> take(size_t size) {
    const std::unique_lock<std::mutex> lock(mutex_, std::try_to_lock);
    if (!lock.owns_lock()) return nullptr;
    std::shared_ptr<unsigned char> block = block_.lock();
    if (block == nullptr || kBlockBytes - used_ < size) {
      block = allocate_huge(kBlockBytes);
      block_ = block;
      used_ = 0;
    }
    unsigned char* begin = block.get() + used_;
    used_ += round_up(size, AlignedBuffer::kAlignment);
    return {begin, [block, size](unsigned char* p) { release_pages(p, size); }};
  }

 private:
  std::mutex mutex_;
  std::weak_ptr<unsigned char> block_;
  size_t used_ = 0;
};

}  // namespace

AlignedBuffer::AlignedBuffer(size_t size) : size_(size) {
  if (size == 0) return;
  data_ = size >= kHugePage ? allocate_huge(size) : allocate(size, kAlignment);
  std::memset(data_.get(), 0, size);
}

AlignedBuffer AlignedBuffer::pooled(size_t size) {
  static Blocks blocks;
  // Side by side, an overrun of one buffer would look like a use of the next.
  const bool fits = size != 0 && size <= kLargestInBlock && !OCTAVO_ASAN;
  AlignedBuffer buffer;
  if (fits) buffer.data_ = blocks.take(size);
  if (buffer.data_ == nullptr) return AlignedBuffer(size);
  buffer.size_ = size;
  std::memset(buffer.data(), 0, size);
  return buffer;
}

void trim_memory() {
#if defined(__GLIBC__)
  malloc_trim(0);
#endif
}

size_t physical_memory_bytes() {
#if defined(_WIN32)
  MEMORYSTATUSEX status;
  status.dwLength = sizeof status;
  return GlobalMemoryStatusEx(&status) != 0 ? static_cast<size_t>(status.ullTotalPhys) : SIZE_MAX;
#else
  const long pages = sysconf(_SC_PHYS_PAGES);
  const long page_bytes = sysconf(_SC_PAGESIZE);
  if (pages <= 0 || page_bytes <= 0) return SIZE_MAX;
  return static_cast<size_t>(pages) * static_cast<size_t>(page_bytes);
#endif
}

}  // namespace octavo

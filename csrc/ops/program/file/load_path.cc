#include <fcntl.h>
#include <sys/stat.h>
#if defined(_WIN32)
#include <io.h>
#else
#include <unistd.h>
#endif

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <string>

#include "base/buffer.h"
#include "base/status.h"
#include "ops/program/file/program_file.h"
#include "ops/program/file/reader.h"

namespace octavo {
namespace {

[[noreturn]] void fail_at(const char* path, const std::string& what) {
  throw Error(Status::invalid_argument, std::string(path) + ": " + what);
}

#if defined(_WIN32)
using FileStatus = struct _stat64;
int open_to_read(const char* path) { return _open(path, _O_RDONLY | _O_BINARY | _O_NOINHERIT); }
int get_status(int descriptor, FileStatus& status) { return _fstat64(descriptor, &status); }
bool is_regular(const FileStatus& status) { return (status.st_mode & _S_IFMT) == _S_IFREG; }
int64_t read_some(int descriptor, void* data, size_t size) {
  return _read(descriptor, data, static_cast<unsigned>(std::min<size_t>(size, 1 << 30)));
}
void close_file(int descriptor) { _close(descriptor); }
#else
using FileStatus = struct stat;
// A pipe must not be waited for: it is refused.
int open_to_read(const char* path) { return open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK); }
int get_status(int descriptor, FileStatus& status) { return fstat(descriptor, &status); }
bool is_regular(const FileStatus& status) { return S_ISREG(status.st_mode); }
int64_t read_some(int descriptor, void* data, size_t size) { return read(descriptor, data, size); }
void close_file(int descriptor) { close(descriptor); }
#endif

class OpenFile {
 public:
  explicit OpenFile(const char* path) : path_(path), descriptor_(open_to_read(path)) {
    if (descriptor_ < 0) fail_at(path, std::strerror(errno));
  }
  ~OpenFile() { close_file(descriptor_); }
  OpenFile(const OpenFile&) = delete;
  OpenFile& operator=(const OpenFile&) = delete;

  size_t size() const {
    FileStatus status;
    if (get_status(descriptor_, status) != 0) fail_at(path_, std::strerror(errno));
    if (!is_regular(status)) fail_at(path_, "not a regular file");
    return static_cast<size_t>(status.st_size);
  }

  void read_all(unsigned char* data, size_t size) const {
    while (size > 0) {
      const int64_t got = read_some(descriptor_, data, size);
      if (got < 0 && errno == EINTR) continue;
      if (got < 0) fail_at(path_, std::strerror(errno));
      if (got == 0) fail_at(path_, "became shorter while it was read");
      data += got;
      size -= static_cast<size_t>(got);
    }
  }

 private:
  const char* path_;
  int descriptor_;
};

}  // namespace

// Read, not mapped: a mapped file that another process cuts short would end this one.
LoadedProgram load_program(const char* path, const LoadOptions& options) {
  const OpenFile file(path);
  const size_t size = file.size();
  file::Budget(options.max_bytes).take(size);
  AlignedBuffer content(size);
  file.read_all(content.data(), size);
  try {
    return load_program({content.data(), size}, options);
  } catch (const Error& error) {
    throw Error(error.status(), std::string(path) + ": " + error.what());
  }
}

}  // namespace octavo

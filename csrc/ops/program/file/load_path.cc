#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

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

class OpenFile {
 public:
  explicit OpenFile(const char* path)
      : path_(path), descriptor_(open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)) {
    if (descriptor_ < 0) fail_at(path, std::strerror(errno));
  }
  ~OpenFile() { close(descriptor_); }
  OpenFile(const OpenFile&) = delete;
  OpenFile& operator=(const OpenFile&) = delete;

  size_t size() const {
    struct stat status;
    if (fstat(descriptor_, &status) != 0) fail_at(path_, std::strerror(errno));
    if (!S_ISREG(status.st_mode)) fail_at(path_, "not a regular file");
    return static_cast<size_t>(status.st_size);
  }

  void read_all(unsigned char* data, size_t size) const {
    while (size > 0) {
      const ssize_t got = read(descriptor_, data, size);
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

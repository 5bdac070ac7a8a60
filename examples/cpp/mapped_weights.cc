// Weights packed once, kept in a file and mapped from it; layers run on the program's own threads.
//
// A runtime that starts often need not pack again, and processes share the pages of the file. The
// result is checked against a layer packed in memory.
#include <fcntl.h>
#include <octavo/octavo.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <memory>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

namespace {

void check(octavo_status status) {
  if (status == OCTAVO_OK) return;
  throw std::runtime_error(std::string(octavo_status_string(status)) + ": " + octavo_last_error());
}

struct FreeLinear {
  void operator()(octavo_linear* linear) const { octavo_linear_free(linear); }
};
using Linear = std::unique_ptr<octavo_linear, FreeLinear>;

// A runtime would hand the indices to its thread pool.
void parallel_for(void*, size_t n, void (*body)(void* arg, size_t i), void* arg) {
  std::vector<std::thread> threads;
  for (size_t i = 1; i < n; ++i) threads.emplace_back(body, arg, i);
  if (n > 0) body(arg, 0);
  for (std::thread& thread : threads) thread.join();
}

octavo_context one_thread() {
  octavo_context context = {};
  context.size = sizeof context;
  context.num_threads = 1;
  return context;
}

octavo_context own_threads() {
  octavo_context context = one_thread();
  context.num_threads = 4;
  context.parallel_for = &parallel_for;
  return context;
}

struct Layer {
  static constexpr size_t kN = 256, kK = 512;
  std::vector<int8_t> weight;
  std::vector<float> multiplier;

  Layer() : weight(kN * kK), multiplier(kN) {
    for (size_t i = 0; i < weight.size(); ++i) {
      weight[i] = static_cast<int8_t>(static_cast<int>(i * i / 3 % 255) - 127);
    }
    for (size_t j = 0; j < kN; ++j) {
      multiplier[j] = octavo_multiplier(0.02f, 0.001f + 0.00001f * static_cast<float>(j), 0.05f);
    }
  }

  octavo_linear_desc desc() const {
    octavo_linear_desc desc = {};
    desc.size = sizeof desc;
    desc.n = kN;
    desc.k = kK;
    desc.weight = weight.data();
    desc.multiplier = multiplier.data();
    desc.a_zero_point = 128;
    desc.output.zero_point = 128;
    return desc;
  }
};

// A file's bytes, read-only. mmap gives whole pages, so they are aligned as octavo wants them.
class MappedFile {
 public:
  explicit MappedFile(const std::string& path) {
    const int file = open(path.c_str(), O_RDONLY);
    if (file < 0) throw std::runtime_error("cannot open " + path);
    size_ = static_cast<size_t>(lseek(file, 0, SEEK_END));
    data_ = mmap(nullptr, size_, PROT_READ, MAP_PRIVATE, file, 0);
    close(file);
    if (data_ == MAP_FAILED) throw std::runtime_error("cannot map " + path);
  }
  ~MappedFile() { munmap(data_, size_); }
  MappedFile(const MappedFile&) = delete;
  MappedFile& operator=(const MappedFile&) = delete;

  const void* data() const { return data_; }
  size_t size() const { return size_; }

 private:
  void* data_;
  size_t size_;
};

void save(const octavo_linear* linear, const std::string& path) {
  const void* packed = nullptr;
  size_t bytes = 0;
  check(octavo_linear_packed(linear, &packed, &bytes));
  std::ofstream file(path, std::ios::binary);
  file.write(static_cast<const char*>(packed), static_cast<std::streamsize>(bytes));
  if (!file.flush()) throw std::runtime_error("cannot write " + path);
}

std::vector<uint8_t> run(const octavo_context& context, const octavo_linear* linear,
                         const std::vector<uint8_t>& a) {
  const size_t rows = a.size() / Layer::kK;
  std::vector<uint8_t> c(rows * Layer::kN);
  check(octavo_linear_run(&context, linear, rows, a.data(), 0, nullptr, 0, c.data(), 0));
  return c;
}

int run_example(const std::string& path) {
  const Layer layer;
  const octavo_context context = own_threads();
  const octavo_linear_desc desc = layer.desc();
  octavo_linear* made = nullptr;
  check(octavo_linear_create(nullptr, &desc, &made));
  const Linear in_memory(made);
  save(in_memory.get(), path);

  const MappedFile file(path);
  check(octavo_linear_open(&context, file.data(), file.size(), &made));
  const Linear mapped(made);
  octavo_linear_desc info = {};
  info.size = sizeof info;
  check(octavo_linear_info(mapped.get(), &info));  // a file may hold anything: is it this layer?
  if (info.n != Layer::kN || info.k != Layer::kK) throw std::runtime_error("another layer");

  std::vector<uint8_t> a(64 * Layer::kK);
  for (size_t i = 0; i < a.size(); ++i) a[i] = static_cast<uint8_t>(i * 7 + i / 5);
  const bool equal = run(context, mapped.get(), a) == run(one_thread(), in_memory.get(), a);
  std::printf("octavo %s, %zu bytes mapped: %s\n", octavo_version(), file.size(),
              equal ? "equal" : "DIFFERENT");
  return equal ? EXIT_SUCCESS : EXIT_FAILURE;
}

}  // namespace

int main(int argc, char** argv) {
  const std::string path = argc > 1 ? argv[1] : "mapped_weights.bin";
  try {
    const int status = run_example(path);
    std::remove(path.c_str());
    return status;
  } catch (const std::exception& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return EXIT_FAILURE;
  }
}

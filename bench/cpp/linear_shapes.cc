// Fully connected layers as ops run them: few rows, ragged extents, one thread and several.
//
//   linear_shapes rows       1 to 49 rows: bytes of weights a second against the machine's limit
//   linear_shapes ragged     extents off every multiple against the next aligned ones
//   linear_shapes threads    two threads against one, after a pause as well as back to back
//
// The limit for few rows is measured here: a loop that only reads as many bytes. Weights rotate
// through copies where "cold" is said, as the layers of a network do. Results are checked first.
#include <sched.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <random>
#include <string_view>
#include <thread>
#include <vector>

#include "base/arch.h"
#include "base/buffer.h"
#include "ops/linear.h"
#include "peak.h"
#include "runtime/backend.h"

namespace octavo {
namespace {

constexpr int kRounds = 15;
constexpr double kTurnSeconds = 0.004;

// Bytes a second of reading `bytes` front to back, 64 at a time.
double read_rate(const AlignedBuffer& buffer) {
  const unsigned char* p = buffer.data();
  const unsigned char* end = p + buffer.size() / 256 * 256;
  const double start = now_seconds();
#if defined(OCTAVO_X86_64)
  if ((current_backend().required & kCpuAvx512F) != 0) {
    for (; p != end; p += 256) {
      __asm__ volatile(
          "vmovdqa64 (%0), %%zmm16\n vmovdqa64 64(%0), %%zmm17\n"
          "vmovdqa64 128(%0), %%zmm18\n vmovdqa64 192(%0), %%zmm19\n"
          :
          : "r"(p)
          : "memory");
    }
    return static_cast<double>(buffer.size()) / (now_seconds() - start);
  }
#endif
  uint64_t sum = 0;
  for (; p != end; p += 64) {
    for (int i = 0; i < 64; i += 8) {
      uint64_t word;
      std::memcpy(&word, p + i, sizeof word);
      sum += word;
    }
  }
  __asm__ volatile("" : : "r"(sum));
  return static_cast<double>(buffer.size()) / (now_seconds() - start);
}

struct Shape {
  size_t m, n, k;
};

class Problem {
 public:
  explicit Problem(const Shape& shape, size_t copies = 1)
      : shape_(shape),
        a_(shape.m * shape.k),
        w_(shape.n * shape.k),
        multiplier_(shape.n, 1e-3f),
        c_(shape.m * shape.n) {
    std::mt19937 random(1);
    for (auto& byte : a_) byte = static_cast<uint8_t>(random());
    for (auto& byte : w_) byte = static_cast<int8_t>(random());
    LinearParams params;
    params.weight = w_.data();
    params.n = shape.n;
    params.k = shape.k;
    params.multiplier = multiplier_.data();
    params.output.range = {kZeroPoint, 0, 255};
    for (size_t i = 0; i < copies; ++i) layers_.emplace_back(current_backend(), params);
  }

  void run(size_t threads) {
    const Linear& layer = layers_[next_++ % layers_.size()];
    layer.run_u8(default_context(threads), a_.data(), shape_.k, shape_.m, nullptr, c_.data(),
                 shape_.n);
  }

  void check(size_t threads) {
    run(threads);
    std::mt19937 random(2);
    for (int sample = 0; sample < 500; ++sample) {
      const size_t i = sample == 0 ? shape_.m - 1 : random() % shape_.m;
      const size_t j = sample == 0 ? shape_.n - 1 : random() % shape_.n;
      int32_t acc = 0;
      for (size_t k = 0; k < shape_.k; ++k) acc += a_[i * shape_.k + k] * w_[j * shape_.k + k];
      const float v =
          std::clamp(static_cast<float>(acc) * 1e-3f, 0.0f - kZeroPoint, 255.0f - kZeroPoint);
      if (c_[i * shape_.n + j] == std::lrint(v) + kZeroPoint) continue;
      std::fprintf(stderr, "%zu x %zu x %zu: wrong at (%zu, %zu)\n", shape_.m, shape_.n, shape_.k,
                   i, j);
      std::exit(EXIT_FAILURE);
    }
  }

  double macs() const { return static_cast<double>(shape_.m * shape_.n * shape_.k); }
  double packed_bytes() const { return static_cast<double>(layers_[0].packed_bytes()); }

 private:
  static constexpr int32_t kZeroPoint = 117;
  Shape shape_;
  std::vector<uint8_t> a_;
  std::vector<int8_t> w_;
  std::vector<float> multiplier_;
  std::vector<uint8_t> c_;
  std::vector<Linear> layers_;
  size_t next_ = 0;
};

double seconds_of(Problem& problem, int calls) {
  const double start = now_seconds();
  for (int i = 0; i < calls; ++i) problem.run(1);
  return (now_seconds() - start) / calls;
}

double wall_seconds_of(Problem& problem, size_t threads, int calls) {
  const double start = wall_seconds();
  for (int i = 0; i < calls; ++i) problem.run(threads);
  return (wall_seconds() - start) / calls;
}

// On a machine that others use as well, the least is what two threads compare by.
double least(const std::vector<double>& values) {
  return *std::min_element(values.begin(), values.end());
}

int calls_for(Problem& problem) {
  problem.check(1);
  return 1 + static_cast<int>(kTurnSeconds / seconds_of(problem, 2));
}

void few_rows() {
  for (const size_t m : {1, 4, 16, 49}) {
    for (const Shape& s : {Shape{m, 4096, 4096}, {m, 1000, 2048}, {m, 768, 768}, {m, 3072, 768}}) {
      for (const size_t copies : {size_t{1}, 1 + (size_t{12} << 20) / (s.n * s.k)}) {
        if (copies == 2 && s.n == 4096) continue;
        Problem problem(s, copies);
        const int calls = calls_for(problem);
        const AlignedBuffer bytes(static_cast<size_t>(problem.packed_bytes()) * copies);
        std::vector<double> rates, limits, ratios;
        for (int round = 0; round < kRounds; ++round) {
          read_rate(bytes);
          limits.push_back(read_rate(bytes));
          rates.push_back(problem.packed_bytes() / seconds_of(problem, calls));
          ratios.push_back(rates.back() / limits.back());
        }
        std::printf("%2zu x %4zu x %4zu %-4s %6.1f GMAC/s, weights %5.1f GB/s of %5.1f: %3.0f%%\n",
                    s.m, s.n, s.k, copies == 1 ? "warm" : "cold",
                    median(rates) * problem.macs() / problem.packed_bytes() / 1e9,
                    median(rates) / 1e9, median(limits) / 1e9, 100 * median(ratios));
      }
    }
  }
}

size_t round_to(size_t x, size_t multiple) { return (x + multiple - 1) / multiple * multiple; }

std::vector<Shape> ragged_shapes() {
  std::vector<Shape> shapes = {{7, 256, 256},  {13, 256, 256},   {17, 256, 256}, {96, 241, 256},
                               {96, 193, 256}, {96, 65, 256},    {96, 100, 512}, {96, 1000, 512},
                               {96, 33, 1024}, {96, 1, 1024},    {96, 256, 65},  {96, 256, 27},
                               {97, 255, 257}, {101, 1001, 767}, {1001, 65, 147}};
  for (const auto& [m, n, k] : std::initializer_list<Shape>{
           {128, 768, 768}, {512, 512, 512}, {49, 2048, 512}, {3136, 64, 576}}) {
    for (const Shape& s : std::initializer_list<Shape>{{m + 1, n, k},
                                                       {m + 3, n, k},
                                                       {m, n + 1, k},
                                                       {m, n + 33, k},
                                                       {m, n - 1, k},
                                                       {m, n, k + 1},
                                                       {m, n, k + 3},
                                                       {m, n, k + 34},
                                                       {m + 1, n + 1, k + 1},
                                                       {m - 1, n - 1, k - 1}}) {
      shapes.push_back(s);
    }
  }
  return shapes;
}

// Aligned: whole register tiles of 6 rows, vectors of 16 columns, groups of 4 k.
void ragged() {
  const auto name = current_backend().name;
  double worst = 1;
  for (const Shape& s : ragged_shapes()) {
    const Shape aligned = {round_to(s.m, 6), round_to(s.n, 16), round_to(s.k, 4)};
    Problem problem(s), reference(aligned);
    const int calls = calls_for(problem), reference_calls = calls_for(reference);
    std::vector<double> ratios, rates;
    for (int round = 0; round < kRounds; ++round) {
      const double peak = dot_peak(name);
      const double own = seconds_of(problem, calls);
      ratios.push_back(seconds_of(reference, reference_calls) / own);
      rates.push_back(peak > 0 ? problem.macs() / own / peak : 0);
    }
    worst = std::min(worst, median(ratios));
    std::printf(
        "%4zu x %4zu x %4zu takes %.2f of the time of %4zu x %4zu x %4zu: %3.0f%% of peak\n", s.m,
        s.n, s.k, 1 / median(ratios), aligned.m, aligned.n, aligned.k, 100 * median(rates));
  }
  std::printf("worst: %.2f\n", 1 / worst);
}

// Each of the pool's two threads on a CPU of its own, so that the machine's other work does not
// decide where they run.
void pin_threads() {
#if defined(__linux__)
  std::atomic<int> arrived{0};
  auto pin = [&arrived](size_t) {
    const int cpu = arrived.fetch_add(1);
    cpu_set_t one;
    CPU_ZERO(&one);
    CPU_SET(cpu, &one);
    if (sched_setaffinity(0, sizeof one, &one) != 0) std::perror("sched_setaffinity");
    while (arrived < 2) std::this_thread::yield();
  };
  parallel_for(default_context(2), 2, 2, pin);
#endif
}

void threads() {
  pin_threads();
  for (const Shape& s : {Shape{128, 768, 768},
                         {512, 512, 512},
                         {1024, 1024, 1024},
                         {49, 512, 4608},
                         {196, 1024, 256},
                         {3136, 64, 64},
                         {1, 4096, 4096},
                         {16, 768, 768}}) {
    Problem problem(s);
    const int calls = calls_for(problem);
    problem.check(2);
    std::vector<double> one, two, one_rested, two_rested;
    for (int round = 0; round < kRounds; ++round) {
      one.push_back(wall_seconds_of(problem, 1, calls));
      two.push_back(wall_seconds_of(problem, 2, calls));
      for (auto* rested : {&one_rested, &two_rested}) {
        std::this_thread::sleep_for(std::chrono::milliseconds(20));  // workers sleep by now
        rested->push_back(wall_seconds_of(problem, rested == &one_rested ? 1 : 2, 1));
      }
    }
    std::printf("%4zu x %4zu x %4zu: %8.1f us, two threads x%.2f; after a pause %8.1f us, x%.2f\n",
                s.m, s.n, s.k, least(one) * 1e6, least(one) / least(two), least(one_rested) * 1e6,
                least(one_rested) / least(two_rested));
  }
}

int run(std::string_view what) {
  if (what == "rows")
    few_rows();
  else if (what == "ragged")
    ragged();
  else if (what == "threads")
    threads();
  else {
    std::fprintf(stderr, "usage: linear_shapes rows | ragged | threads\n");
    return EXIT_FAILURE;
  }
  return EXIT_SUCCESS;
}

}  // namespace
}  // namespace octavo

int main(int argc, char** argv) { return octavo::run(argc == 2 ? argv[1] : ""); }

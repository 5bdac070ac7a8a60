// How close the packed GEMM comes to the CPU's own limit, on one thread.
//
// The limit is measured, not assumed: 24 independent accumulators of the backend's dot instruction
// and nothing else. The limit and the GEMM run in turns in one process, so that both see the same
// clock and the same neighbours; the ratio of a round is what is reported, as the median of rounds.
// Every result is checked against the definition before anything is timed.
//
//   peak_gemm [backend ...]        default: every backend this CPU can run
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <random>
#include <vector>

#include "base/buffer.h"
#include "base/cpu.h"
#include "kernels/registry.h"
#include "ops/gemm_grid.h"
#include "pack/pack.h"
#include "peak.h"

namespace octavo {
namespace {

constexpr size_t kBlockBytes = 512 * 1024;  // of packed weights, to stay in L2
constexpr int kRounds = 25;
constexpr int kSlowRounds = 5;  // where one run takes long
constexpr double kRoundSeconds = 0.01;

// k of a row is cut into segments, as a convolution with that many taps sees it.
struct Shape {
  size_t m, n, k;
  size_t segments = 1;
};

constexpr Shape kShapes[] = {
    {1024, 1024, 1024}, {2048, 2048, 2048}, {512, 512, 512},    {128, 768, 768}, {128, 3072, 768},
    {128, 768, 3072},   {3136, 64, 576},    {3136, 64, 576, 9}, {3136, 256, 64}, {784, 512, 128},
    {49, 2048, 512},    {16, 768, 768},     {1, 4096, 4096},
};

// One GEMM with everything it needs; run() is what ops does for a linear layer on one thread.
class Problem {
 public:
  Problem(const Shape& shape, const KernelTable& table)
      : shape_(shape), table_(table), a_(shape.m * shape.k), c_(shape.m * shape.n) {
    std::mt19937 random(1);
    std::generate_n(a_.data(), a_.size(), [&] { return static_cast<uint8_t>(random()); });
    fill_weights(random);
    multiplier_.resize(shape.n);
    bias_.resize(shape.n);
    for (size_t j = 0; j < shape.n; ++j) {
      multiplier_[j] = 1e-3f / static_cast<float>(1 + j % 7);
      bias_[j] = static_cast<int32_t>(random() % 2001) - 1000;
    }
    segment_k_ = shape.k / shape.segments;
    const auto k = static_cast<ptrdiff_t>(shape.k);
    const auto segment_k = static_cast<ptrdiff_t>(segment_k_);
    packed_ = pack_weights(table.gemm_geometry,
                           {w_.data(), shape.n, shape.segments, segment_k_, k, segment_k, 1},
                           {bias_.data(), multiplier_.data(), nullptr, kZeroPoint});
    pointers_.resize(shape.segments * table.gemm_mr);
    if (table.gemm_prepare.run != nullptr) {
      prepared_ = AlignedBuffer(scheduled_a_bytes(shape.segments, segment_k_));
    }
  }

  void run() {
    const size_t panels = packed_.panel_count();
    const size_t panel_bytes = packed_.size_bytes() / panels;
    const size_t block = std::max<size_t>(1, kBlockBytes / panel_bytes);
    const size_t tiles = (shape_.m + table_.gemm_mr - 1) / table_.gemm_mr;
    for (size_t p0 = 0; p0 < panels; p0 += block) {
      const size_t p1 = std::min(panels, p0 + block);
      for (size_t t = 0; t < tiles; ++t) {
        const size_t granule = table_.gemm_row_granule;
        const size_t row = row_part_begin(t, tiles, shape_.m, granule);
        const size_t rows = row_part_begin(t + 1, tiles, shape_.m, granule) - row;
        point_at(row, rows);
        if (table_.gemm_prepare.run != nullptr) {
          table_.gemm_prepare.run(tile_at(rows, 0), prepared_.data());
        }
        for (size_t p = p0; p < p1; ++p) {
          GemmTile tile = tile_at(rows, p);
          const size_t next_end = t + 1 < tiles ? p1 : panels;
          tile.next = p + 1 < next_end ? packed_.panel(p + 1) : after_rows(tile);
          run_tile(row, tile, p);
        }
      }
    }
  }

  // Random elements, and the last one, computed by the definition.
  bool check() {
    run();
    std::mt19937 random(2);
    for (int sample = 0; sample < 2000; ++sample) {
      const size_t i = sample == 0 ? shape_.m - 1 : random() % shape_.m;
      const size_t j = sample == 0 ? shape_.n - 1 : random() % shape_.n;
      int32_t acc = bias_[j];
      for (size_t k = 0; k < shape_.k; ++k) {
        acc += (a_.data()[i * shape_.k + k] - kZeroPoint) * w_[j * shape_.k + k];
      }
      const float v =
          std::min(std::max(static_cast<float>(acc) * multiplier_[j], kRequant.lo), kRequant.hi);
      const long expected = std::lrint(v) + kRequant.zero_point;
      if (c_.data()[i * shape_.n + j] != expected) {
        std::fprintf(stderr, "c[%zu][%zu] is %d, expected %ld\n", i, j, c_.data()[i * shape_.n + j],
                     expected);
        return false;
      }
    }
    return true;
  }

  double macs() const {
    return static_cast<double>(shape_.m) * static_cast<double>(shape_.n) *
           static_cast<double>(shape_.k);
  }

 private:
  // Normal weights quantized per column, as in a network: what AVX2 can prove depends on them.
  void fill_weights(std::mt19937& random) {
    std::normal_distribution<float> normal;
    std::vector<float> column(shape_.k);
    for (size_t j = 0; j < shape_.n; ++j) {
      float largest = 0;
      for (float& w : column) largest = std::max(largest, std::abs(w = normal(random)));
      for (float w : column) w_.push_back(static_cast<int8_t>(std::lrint(w * 127 / largest)));
    }
  }

  static constexpr int32_t kZeroPoint = 131;
  static constexpr Requant kRequant = {.lo = -117, .hi = 138, .zero_point = 117};

  void point_at(size_t row, size_t rows) {
    for (size_t s = 0; s < shape_.segments; ++s) {
      for (size_t i = 0; i < rows; ++i) {
        pointers_[s * rows + i] = a_.data() + (row + i) * shape_.k + s * segment_k_;
      }
    }
  }

  GemmTile tile_at(size_t rows, size_t p) const {
    return {.a = pointers_.data(),
            .rows = rows,
            .segments = shape_.segments,
            .segment_k = segment_k_,
            .panel = packed_.panel(p),
            .cols = packed_.panel_cols(p),
            .prepared = prepared_.data()};
  }

  const uint8_t* after_rows(const GemmTile& tile) const {
    return pointers_[tile.segments * tile.rows - 1] + segment_k_;
  }

  void run_tile(size_t row, const GemmTile& tile, size_t p) {
    table_.gemm_u8.run(tile, kRequant, Residual{},
                       c_.data() + row * shape_.n + p * table_.gemm_geometry.nr, shape_.n);
  }

  Shape shape_;
  const KernelTable& table_;
  AlignedBuffer a_, c_;  // on huge pages if large, as in a program's arena and as NumPy's arrays
  std::vector<int8_t> w_;
  std::vector<float> multiplier_;
  std::vector<int32_t> bias_;
  size_t segment_k_;
  std::vector<const uint8_t*> pointers_;
  AlignedBuffer prepared_;
  PackedMatrix packed_;
};

// Returns whether the results were right.
bool measure(const Backend& backend, const Shape& shape) {
  Problem problem(shape, *backend.table);
  if (!problem.check()) return false;
  const double start = now_seconds();
  problem.run();
  const double once = now_seconds() - start;
  const int repeats = 1 + static_cast<int>(kRoundSeconds / once);
  const int rounds = once > 10 * kRoundSeconds ? kSlowRounds : kRounds;

  std::vector<double> peaks, rates, ratios;
  for (int round = 0; round < rounds; ++round) {
    const double peak = dot_peak(backend.name);
    const double begin = now_seconds();
    for (int i = 0; i < repeats; ++i) problem.run();
    const double rate = problem.macs() * repeats / (now_seconds() - begin);
    peaks.push_back(peak);
    rates.push_back(rate);
    ratios.push_back(peak > 0 ? rate / peak : 0);
  }
  std::printf("%-11s %4zu x %4zu x %zu*%-4zu %6.1f GMAC/s", backend.name, shape.m, shape.n,
              shape.segments, shape.k / shape.segments, median(rates) / 1e9);
  if (median(peaks) > 0) {
    std::printf(", peak %5.1f: %5.1f%%, best %5.1f%%", median(peaks) / 1e9, 100 * median(ratios),
                100 * *std::max_element(ratios.begin(), ratios.end()));
  }
  std::printf("\n");
  std::fflush(stdout);
  return true;
}

int run(int argc, char** argv) {
  bool any = false;
  for (const Backend& backend : all_backends()) {
    const auto is_named = [&](const char* arg) { return std::strcmp(arg, backend.name) == 0; };
    if (argc > 1 && std::none_of(argv + 1, argv + argc, is_named)) continue;
    if ((detect_cpu() & backend.required) != backend.required) continue;
    any = true;
    for (const Shape& shape : kShapes) {
      if (!measure(backend, shape)) return EXIT_FAILURE;
    }
  }
  if (!any) std::fprintf(stderr, "no such backend on this CPU\n");
  return any ? EXIT_SUCCESS : EXIT_FAILURE;
}

}  // namespace
}  // namespace octavo

int main(int argc, char** argv) { return octavo::run(argc, argv); }

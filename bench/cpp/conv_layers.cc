// Where the time of a convolutional network goes: every distinct layer of ResNet-18, ResNet-50 and
// MobileNetV2 on one thread, beside what it would take at the dot instruction's peak and what its
// bytes would take from the second-level cache.
//
//   conv_layers [resnet18 | resnet50 | mobilenet_v2 | borders | shallow | depthwise ...] default:
//   all
//
// CPU time of this thread: being preempted on a busy machine does not count. Minima and medians of
// rounds taken in turn over all layers, so that every layer sees the same neighbours.
#include <time.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "base/buffer.h"
#include "ops/conv2d.h"
#include "runtime/backend.h"

namespace octavo {
namespace {

constexpr int kRounds = 15;
constexpr double kRoundSeconds = 0.004;
constexpr double kPeakMacs = 234e9;  // vpdpbusd, one Zen 4 core
constexpr double kBandwidth = 60e9;  // bytes a second from L2, about

struct Layer {
  const char* network;
  size_t size, in, out, kernel, stride, groups;
  int count;  // how often the network has it
  bool residual = false;
  bool padded = true;  // else the input has the border already
};

constexpr Layer kLayers[] = {
    {"resnet18", 224, 3, 64, 7, 2, 1, 1},
    {"resnet18", 56, 64, 64, 3, 1, 1, 2},
    {"resnet18", 56, 64, 64, 3, 1, 1, 2, true},
    {"resnet18", 56, 64, 128, 3, 2, 1, 1},
    {"resnet18", 56, 64, 128, 1, 2, 1, 1},
    {"resnet18", 28, 128, 128, 3, 1, 1, 1},
    {"resnet18", 28, 128, 128, 3, 1, 1, 2, true},
    {"resnet18", 28, 128, 256, 3, 2, 1, 1},
    {"resnet18", 28, 128, 256, 1, 2, 1, 1},
    {"resnet18", 14, 256, 256, 3, 1, 1, 1},
    {"resnet18", 14, 256, 256, 3, 1, 1, 2, true},
    {"resnet18", 14, 256, 512, 3, 2, 1, 1},
    {"resnet18", 14, 256, 512, 1, 2, 1, 1},
    {"resnet18", 7, 512, 512, 3, 1, 1, 1},
    {"resnet18", 7, 512, 512, 3, 1, 1, 2, true},

    {"resnet50", 224, 3, 64, 7, 2, 1, 1},
    {"resnet50", 56, 64, 64, 1, 1, 1, 1},
    {"resnet50", 56, 64, 64, 3, 1, 1, 3},
    {"resnet50", 56, 64, 256, 1, 1, 1, 1},
    {"resnet50", 56, 64, 256, 1, 1, 1, 3, true},
    {"resnet50", 56, 256, 64, 1, 1, 1, 2},
    {"resnet50", 56, 256, 128, 1, 1, 1, 1},
    {"resnet50", 56, 128, 128, 3, 2, 1, 1},
    {"resnet50", 28, 128, 512, 1, 1, 1, 4, true},
    {"resnet50", 56, 256, 512, 1, 2, 1, 1},
    {"resnet50", 28, 512, 128, 1, 1, 1, 3},
    {"resnet50", 28, 128, 128, 3, 1, 1, 3},
    {"resnet50", 28, 512, 256, 1, 1, 1, 1},
    {"resnet50", 28, 256, 256, 3, 2, 1, 1},
    {"resnet50", 14, 256, 1024, 1, 1, 1, 6, true},
    {"resnet50", 28, 512, 1024, 1, 2, 1, 1},
    {"resnet50", 14, 1024, 256, 1, 1, 1, 5},
    {"resnet50", 14, 256, 256, 3, 1, 1, 5},
    {"resnet50", 14, 1024, 512, 1, 1, 1, 1},
    {"resnet50", 14, 512, 512, 3, 2, 1, 1},
    {"resnet50", 7, 512, 2048, 1, 1, 1, 3, true},
    {"resnet50", 14, 1024, 2048, 1, 2, 1, 1},
    {"resnet50", 7, 2048, 512, 1, 1, 1, 2},
    {"resnet50", 7, 512, 512, 3, 1, 1, 2},

    {"mobilenet_v2", 224, 3, 32, 3, 2, 1, 1},
    {"mobilenet_v2", 112, 32, 32, 3, 1, 32, 1},
    {"mobilenet_v2", 112, 32, 16, 1, 1, 1, 1},
    {"mobilenet_v2", 112, 16, 96, 1, 1, 1, 1},
    {"mobilenet_v2", 112, 96, 96, 3, 2, 96, 1},
    {"mobilenet_v2", 56, 96, 24, 1, 1, 1, 1},
    {"mobilenet_v2", 56, 24, 144, 1, 1, 1, 2},
    {"mobilenet_v2", 56, 144, 144, 3, 1, 144, 1},
    {"mobilenet_v2", 56, 144, 24, 1, 1, 1, 1, true},
    {"mobilenet_v2", 56, 144, 144, 3, 2, 144, 1},
    {"mobilenet_v2", 28, 144, 32, 1, 1, 1, 1},
    {"mobilenet_v2", 28, 32, 192, 1, 1, 1, 3},
    {"mobilenet_v2", 28, 192, 192, 3, 1, 192, 2},
    {"mobilenet_v2", 28, 192, 32, 1, 1, 1, 2, true},
    {"mobilenet_v2", 28, 192, 192, 3, 2, 192, 1},
    {"mobilenet_v2", 14, 192, 64, 1, 1, 1, 1},
    {"mobilenet_v2", 14, 64, 384, 1, 1, 1, 4},
    {"mobilenet_v2", 14, 384, 384, 3, 1, 384, 4},
    {"mobilenet_v2", 14, 384, 64, 1, 1, 1, 3, true},
    {"mobilenet_v2", 14, 384, 96, 1, 1, 1, 1},
    {"mobilenet_v2", 14, 96, 576, 1, 1, 1, 3},
    {"mobilenet_v2", 14, 576, 576, 3, 1, 576, 2},
    {"mobilenet_v2", 14, 576, 96, 1, 1, 1, 2, true},
    {"mobilenet_v2", 14, 576, 576, 3, 2, 576, 1},
    {"mobilenet_v2", 7, 576, 160, 1, 1, 1, 1},
    {"mobilenet_v2", 7, 160, 960, 1, 1, 1, 3},
    {"mobilenet_v2", 7, 960, 960, 3, 1, 960, 3},
    {"mobilenet_v2", 7, 960, 160, 1, 1, 1, 2, true},
    {"mobilenet_v2", 7, 960, 320, 1, 1, 1, 1},
    {"mobilenet_v2", 7, 320, 1280, 1, 1, 1, 1},

    {"borders", 56, 64, 64, 3, 1, 1, 1},
    {"borders", 58, 64, 64, 3, 1, 1, 1, false, false},
    {"borders", 28, 128, 128, 3, 1, 1, 1},
    {"borders", 30, 128, 128, 3, 1, 1, 1, false, false},
    {"borders", 14, 256, 256, 3, 1, 1, 1},
    {"borders", 16, 256, 256, 3, 1, 1, 1, false, false},
    {"borders", 7, 512, 512, 3, 1, 1, 1},
    {"borders", 9, 512, 512, 3, 1, 1, 1, false, false},
    {"borders", 224, 3, 64, 7, 2, 1, 1},
    {"borders", 229, 3, 64, 7, 2, 1, 1, false, false},

    {"shallow", 224, 3, 64, 7, 2, 1, 1},
    {"shallow", 224, 3, 32, 3, 2, 1, 1},
    {"shallow", 224, 3, 64, 3, 1, 1, 1},
    {"shallow", 224, 3, 64, 11, 4, 1, 1},
    {"shallow", 28, 1, 32, 5, 1, 1, 1},
    {"shallow", 112, 4, 32, 3, 1, 1, 1},
    {"shallow", 112, 8, 32, 3, 1, 1, 1},
    {"shallow", 112, 16, 32, 3, 1, 1, 1},
    {"shallow", 112, 16, 64, 3, 1, 1, 1},
    {"shallow", 112, 32, 64, 3, 1, 1, 1},
    {"shallow", 112, 24, 64, 3, 1, 1, 1},

    {"depthwise", 28, 240, 240, 5, 1, 240, 1},
    {"depthwise", 56, 144, 144, 5, 2, 144, 1},
    {"depthwise", 14, 480, 480, 5, 1, 480, 1},
    {"depthwise", 14, 672, 672, 5, 2, 672, 1},
};

double now_seconds() {
  timespec time;
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
  return static_cast<double>(time.tv_sec) + 1e-9 * static_cast<double>(time.tv_nsec);
}

template <class T>
std::vector<T> random_bytes(size_t n, uint32_t seed) {
  std::mt19937 random(seed);
  std::vector<T> bytes(n);
  for (T& byte : bytes) byte = static_cast<T>(random());
  return bytes;
}

// Normal weights quantized per output channel, as in a network: what AVX2 can prove depends on
// them.
std::vector<int8_t> network_weights(size_t channels, size_t k) {
  std::mt19937 random(1);
  std::normal_distribution<float> normal;
  std::vector<float> channel(k);
  std::vector<int8_t> weights;
  for (size_t j = 0; j < channels; ++j) {
    float largest = 0;
    for (float& w : channel) largest = std::max(largest, std::abs(w = normal(random)));
    for (float w : channel) weights.push_back(static_cast<int8_t>(std::lrint(w * 127 / largest)));
  }
  return weights;
}

AlignedBuffer aligned_bytes(size_t n, uint32_t seed) {
  const std::vector<uint8_t> bytes = random_bytes<uint8_t>(n, seed);
  AlignedBuffer buffer(n);
  if (n != 0) std::memcpy(buffer.data(), bytes.data(), n);
  return buffer;
}

class Problem {
 public:
  Problem(const Layer& layer, const Backend& backend)
      : layer_(layer), context_(make_context(backend, 1)) {
    Conv2dParams params;
    const size_t pad = layer.padded ? layer.kernel / 2 : 0;
    params.shape = {.in_channels = layer.in,
                    .out_channels = layer.out,
                    .kernel_h = layer.kernel,
                    .kernel_w = layer.kernel,
                    .stride_h = layer.stride,
                    .stride_w = layer.stride,
                    .groups = layer.groups,
                    .padding = {pad, pad, pad, pad}};
    const size_t k = params.shape.taps() * params.shape.group_in();
    const std::vector<int8_t> weight = network_weights(layer.out, k);
    const std::vector<float> multiplier(layer.out, 1e-3f);
    params.weight = weight.data();
    params.multiplier = multiplier.data();
    params.a_zero_point = 3;
    params.output = {.range = {3, 3, 255},
                     .has_residual = layer.residual,
                     .residual_multiplier = 0.7f,
                     .residual_zero_point = 3};
    conv_ = std::make_unique<Conv2d>(backend, params);
    const Extent2d out = conv_->output_size(layer.size, layer.size);
    x_ = aligned_bytes(layer.size * layer.size * layer.in, 2);
    y_ = AlignedBuffer(out.h * out.w * layer.out);
    residual_ = aligned_bytes(layer.residual ? y_.size() : 0, 3);
    macs_ = static_cast<double>(y_.size() * k);
    run();
    const double start = now_seconds();
    run();
    repeats_ = 1 + static_cast<int>(kRoundSeconds / (now_seconds() - start));
  }

  void measure() {
    run();
    const double start = now_seconds();
    for (int i = 0; i < repeats_; ++i) run();
    seconds_.push_back((now_seconds() - start) / repeats_);
  }

  double report() {
    std::sort(seconds_.begin(), seconds_.end());
    const double best = seconds_.front(), median = seconds_[seconds_.size() / 2];
    const double peak = macs_ / kPeakMacs;
    const double bytes =
        static_cast<double>(x_.size() + y_.size() + residual_.size() + conv_->packed_bytes());
    std::printf(
        "%-12s %3zu %4zu ->%4zu %zux%zu/%zu %c%c x%d  %8.1f us (median %8.1f)  %6.1f GMAC/s  "
        "peak %7.1f us, bytes %6.1f us\n",
        layer_.network, layer_.size, layer_.in, layer_.out, layer_.kernel, layer_.kernel,
        layer_.stride, layer_.groups > 1 ? 'd' : ' ', layer_.residual ? '+' : ' ', layer_.count,
        best * 1e6, median * 1e6, macs_ / best / 1e9, peak * 1e6, bytes / kBandwidth * 1e6);
    return best * layer_.count;
  }

  const Layer& layer() const { return layer_; }

 private:
  void run() {
    const ResidualView view = {residual_.data(), layer_.out};
    conv_->run_u8(context_, x_.data(), 1, layer_.size, layer_.size,
                  layer_.residual ? &view : nullptr, y_.data());
  }

  const Layer& layer_;
  Context context_;
  std::unique_ptr<Conv2d> conv_;
  AlignedBuffer x_, y_, residual_;  // as in the arena of a program
  double macs_;
  int repeats_;
  std::vector<double> seconds_;
};

int run(int argc, char** argv) {
  std::vector<Problem> problems;
  for (const Layer& layer : kLayers) {
    const auto is_named = [&](const char* arg) { return std::strcmp(arg, layer.network) == 0; };
    if (argc > 1 && std::none_of(argv + 1, argv + argc, is_named)) continue;
    problems.emplace_back(layer, current_backend());
  }
  for (int round = 0; round < kRounds; ++round) {
    for (Problem& problem : problems) problem.measure();
  }
  std::string network;
  double total = 0;
  const auto finish = [&] {
    if (!network.empty()) std::printf("%-12s %8.1f us in all\n\n", network.c_str(), total * 1e6);
    total = 0;
  };
  for (Problem& problem : problems) {
    if (network != problem.layer().network) finish();
    network = problem.layer().network;
    total += problem.report();
  }
  finish();
  return problems.empty() ? 1 : 0;
}

}  // namespace
}  // namespace octavo

int main(int argc, char** argv) { return octavo::run(argc, argv); }

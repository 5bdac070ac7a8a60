// One convolution of a foreign runtime, from its float NCHW tensor to the result, on its threads
// and in its memory. docs/embedding.md goes through this file; exit status 0 if the result is right
// on every backend of this CPU.
#include <octavo/octavo.h>

#include <algorithm>
#include <atomic>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

// ---- The runtime: its tensors, threads and layers, as it had them before octavo -----------------

struct Tensor {  // NCHW
  size_t n, c, h, w;
  std::vector<float> data;
};

struct ThreadPool {
  size_t threads;

  template <typename Function>
  void run(size_t n, const Function& function) {
    std::atomic<size_t> next{0};
    const auto work = [&] {
      for (size_t i = next++; i < n; i = next++) function(i);
    };
    std::vector<std::thread> helpers;
    for (size_t i = 1; i < std::min(threads, n); ++i) helpers.emplace_back(work);
    work();
    for (std::thread& helper : helpers) helper.join();
  }
};

struct Quantization {  // real = scale * (q - zero_point)
  float scale;
  int32_t zero_point;
};

struct ConvLayer {  // 3 x 3, stride 1, padding 1, ReLU
  size_t in_channels, out_channels;
  std::vector<int8_t> weight;       // (out, in, 3, 3)
  std::vector<float> weight_scale;  // (out)
  std::vector<float> bias;          // (out)
  Quantization x, y;
};

// ---- octavo in it -------------------------------------------------------------------------------

void check(octavo_status status) {
  if (status != OCTAVO_OK) {
    throw std::runtime_error(std::string(octavo_status_string(status)) + ": " +
                             octavo_last_error());
  }
}

struct FreeMemory {
  void operator()(void* memory) const { std::free(memory); }
};
struct FreeConv {
  void operator()(octavo_conv2d* conv) const { octavo_conv2d_free(conv); }
};

class OctavoConv {
 public:
  OctavoConv(const ConvLayer& layer, const char* backend);
  Tensor run(const Tensor& x, ThreadPool* pool) const;

 private:
  Quantization x_, y_;
  size_t out_channels_;
  const char* backend_;
  // In this order: the layer reads the packed bytes and goes first.
  std::unique_ptr<void, FreeMemory> packed_;
  std::unique_ptr<octavo_conv2d, FreeConv> conv_;
};

OctavoConv::OctavoConv(const ConvLayer& layer, const char* backend)
    : x_(layer.x), y_(layer.y), out_channels_(layer.out_channels), backend_(backend) {
  std::vector<float> multiplier;
  std::vector<int32_t> bias;
  for (size_t j = 0; j < layer.out_channels; ++j) {
    const float w_scale = layer.weight_scale[j];
    multiplier.push_back(octavo_multiplier(layer.x.scale, w_scale, layer.y.scale));
    const double step = static_cast<double>(layer.x.scale) * w_scale;  // of the sums
    bias.push_back(static_cast<int32_t>(std::lround(layer.bias[j] / step)));
  }

  octavo_conv2d_desc desc = {};
  desc.size = sizeof desc;
  desc.in_channels = layer.in_channels;
  desc.out_channels = layer.out_channels;
  desc.kernel_h = desc.kernel_w = 3;
  desc.pad_top = desc.pad_left = desc.pad_bottom = desc.pad_right = 1;
  desc.weight = layer.weight.data();
  desc.bias = bias.data();
  desc.multiplier = multiplier.data();
  desc.a_dtype = OCTAVO_U8;
  desc.a_zero_point = layer.x.zero_point;
  desc.output.dtype = OCTAVO_U8;
  desc.output.zero_point = layer.y.zero_point;
  desc.output.qmin = layer.y.zero_point;  // ReLU
  desc.output.qmax = 255;

  octavo_context context = {};
  context.size = sizeof context;
  context.backend = backend_;
  size_t bytes = 0;
  check(octavo_conv2d_packed_size(&context, &desc, &bytes));
  const size_t rounded = (bytes + 63) / 64 * 64;  // what aligned_alloc wants
  packed_.reset(std::aligned_alloc(64, rounded));
  if (packed_ == nullptr) throw std::bad_alloc();
  check(octavo_conv2d_pack(&context, &desc, packed_.get(), bytes));
  octavo_conv2d* conv = nullptr;
  check(octavo_conv2d_open(&context, packed_.get(), bytes, &conv));
  conv_.reset(conv);
}

void on_the_pool(void* user, size_t n, void (*body)(void* arg, size_t i), void* arg) {
  static_cast<ThreadPool*>(user)->run(n, [=](size_t i) { body(arg, i); });
}

Tensor OctavoConv::run(const Tensor& x, ThreadPool* pool) const {
  octavo_context context = {};
  context.size = sizeof context;
  context.backend = backend_;
  context.num_threads = pool->threads;
  context.parallel_for = on_the_pool;
  context.user = pool;

  // Bytes first, then the layout: transposing bytes moves a quarter of the memory.
  const octavo_output to_bytes = {OCTAVO_U8, x_.zero_point, 0, 255};
  std::vector<uint8_t> nchw(x.data.size()), nhwc(x.data.size());
  check(octavo_quantize(&context, x.data.size(), x.data.data(), x_.scale, &to_bytes, nchw.data()));
  const size_t pixels = x.h * x.w;
  for (size_t i = 0; i < nchw.size(); ++i) {
    const size_t image = i / (x.c * pixels), channel = i / pixels % x.c, pixel = i % pixels;
    nhwc[(image * pixels + pixel) * x.c + channel] = nchw[i];
  }

  Tensor y = {x.n, out_channels_, 0, 0, {}};
  check(octavo_conv2d_output_size(conv_.get(), x.h, x.w, &y.h, &y.w));
  const size_t out_pixels = y.h * y.w;
  std::vector<uint8_t> result(y.n * out_pixels * y.c);
  check(octavo_conv2d_run(&context, conv_.get(), x.n, x.h, x.w, nhwc.data(), 0, nullptr, 0,
                          result.data(), 0));

  std::vector<float> real(result.size());
  const octavo_input bytes = {result.data(), OCTAVO_U8, y_.zero_point, y_.scale};
  check(octavo_dequantize(&context, result.size(), &bytes, real.data()));
  y.data.resize(real.size());
  for (size_t i = 0; i < y.data.size(); ++i) {
    const size_t image = i / (y.c * out_pixels), channel = i / out_pixels % y.c;
    y.data[i] = real[(image * out_pixels + i % out_pixels) * y.c + channel];
  }
  return y;
}

// ---- Is it right? -------------------------------------------------------------------------------

// What the runtime computes in float, from the values that the bytes of x stand for.
double expected(const ConvLayer& layer, const Tensor& x, size_t image, size_t out, size_t at) {
  const auto h = static_cast<long>(x.h), w = static_cast<long>(x.w);
  double sum = layer.bias[out];
  for (size_t i = 0; i < layer.in_channels * 9; ++i) {
    const size_t channel = i / 9;
    const long row = static_cast<long>(at) / w + static_cast<long>(i % 9 / 3) - 1;
    const long column = static_cast<long>(at) % w + static_cast<long>(i % 3) - 1;
    if (row < 0 || row >= h || column < 0 || column >= w) continue;
    const float v =
        x.data[(image * x.c + channel) * x.h * x.w + static_cast<size_t>(row * w + column)];
    const double q = static_cast<double>(std::nearbyint(v / layer.x.scale)) + layer.x.zero_point;
    const double x_real = layer.x.scale * (std::clamp(q, 0.0, 255.0) - layer.x.zero_point);
    sum += x_real * layer.weight_scale[out] * layer.weight[out * layer.in_channels * 9 + i];
  }
  return std::clamp(sum, 0.0, static_cast<double>(layer.y.scale) * (255 - layer.y.zero_point));
}

// Largest difference, in steps of y: 1/2 if all is right, and what rounding the bias adds.
double error_in_steps(const ConvLayer& layer, const Tensor& x, const Tensor& y) {
  double worst = 0;
  const size_t pixels = y.h * y.w;
  for (size_t i = 0; i < y.data.size(); ++i) {
    const size_t image = i / (y.c * pixels), out = i / pixels % y.c;
    const double want = expected(layer, x, image, out, i % pixels);
    worst = std::max(worst, std::abs(y.data[i] - want) / layer.y.scale);
  }
  return worst;
}

ConvLayer make_layer() {
  ConvLayer layer = {8, 24, {}, {}, {}, {1.0f / 64, 120}, {1.0f / 16, 3}};
  for (size_t i = 0; i < 24 * 8 * 9; ++i) {
    layer.weight.push_back(static_cast<int8_t>(i * 91 % 255 - 127));
  }
  for (size_t i = 0; i < 24; ++i) {
    layer.weight_scale.push_back(0.004f + 0.0002f * static_cast<float>(i));
    layer.bias.push_back(0.3f * static_cast<float>(i) - 2);
  }
  return layer;
}

int main() {
  const ConvLayer layer = make_layer();
  Tensor x = {2, 8, 30, 41, {}};
  for (size_t i = 0; i < x.n * x.c * x.h * x.w; ++i) {
    x.data.push_back(1.8f * std::sin(0.37f * static_cast<float>(i % 9973)));
  }
  ThreadPool pool = {2};
  bool right = true;
  try {
    std::vector<float> first;
    for (size_t i = 0; i < octavo_backend_count(); ++i) {
      const OctavoConv conv(layer, octavo_backend_name(i));
      const Tensor y = conv.run(x, &pool);
      if (first.empty()) first = y.data;
      const double error = error_in_steps(layer, x, y);
      std::printf("%-10s: at most %.3f steps from float\n", octavo_backend_name(i), error);
      right = right && error < 0.51 && y.data == first;
    }
  } catch (const std::exception& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return EXIT_FAILURE;
  }
  return right ? EXIT_SUCCESS : EXIT_FAILURE;
}

// A program of every kind of step, that kept what its layers were packed from, and files of it.
#pragma once

#include <cstdint>
#include <cstring>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/crc32.h"
#include "naive.h"
#include "ops/program/file/format.h"
#include "ops/program/file/program_file.h"

namespace octavo::testing {

// Layers whose arrays live as long as their kept parameters.
template <class Op, class Params>
struct Layer {
  std::shared_ptr<const Op> packed;
  KeptParams<Params> kept;
};

struct Arrays {
  std::vector<int8_t> weight;
  std::vector<float> weight_f32;
  std::vector<int32_t> bias;
  std::vector<float> bias_f32;
  std::vector<float> multiplier;
  std::vector<int32_t> zero_points;
};

// n output channels of k weights each.
inline std::shared_ptr<Arrays> random_arrays(size_t n, size_t k, uint32_t seed) {
  auto arrays = std::make_shared<Arrays>();
  arrays->weight = random_bytes<int8_t>(n * k, seed);
  arrays->bias = random_bias(n, seed + 1);
  arrays->multiplier = random_multipliers(n, k, seed + 2);
  for (size_t i = 0; i < n; ++i) arrays->zero_points.push_back(static_cast<int32_t>(i % 3) - 1);
  for (const int8_t w : arrays->weight) arrays->weight_f32.push_back(static_cast<float>(w) / 64);
  for (const int32_t b : arrays->bias) arrays->bias_f32.push_back(static_cast<float>(b) / 8192);
  return arrays;
}

template <class Op, class Params>
Layer<Op, Params> layer(const Backend& backend, const Params& params,
                        std::shared_ptr<const Arrays> arrays) {
  return {std::make_shared<const Op>(backend, params),
          std::make_shared<const Kept<Params>>(Kept<Params>{params, std::move(arrays)})};
}

inline Layer<Linear, LinearParams> int8_linear(const Backend& backend, size_t n, size_t k,
                                               bool bytes, uint32_t seed) {
  const auto arrays = random_arrays(n, k, seed);
  LinearParams params;
  params.weight = arrays->weight.data();
  params.n = n;
  params.k = k;
  if (bytes) {
    params.bias = arrays->bias.data();
    params.multiplier = arrays->multiplier.data();
    params.a_zero_point = 3;
    params.output.range = {.zero_point = 100, .qmin = 0, .qmax = 255};
  }
  return layer<Linear>(backend, params, arrays);
}

inline Layer<Conv2d, Conv2dParams> int8_conv(const Backend& backend, size_t in, size_t out,
                                             size_t kernel, bool bytes, bool residual,
                                             uint32_t seed) {
  const auto arrays = random_arrays(out, in * kernel * kernel, seed);
  Conv2dParams params;
  params.weight = arrays->weight.data();
  params.shape.in_channels = in;
  params.shape.out_channels = out;
  params.shape.kernel_h = params.shape.kernel_w = kernel;
  const size_t pad = kernel / 2;
  params.shape.padding = {pad, pad, pad, pad};
  if (bytes) {
    params.bias = arrays->bias.data();
    params.multiplier = arrays->multiplier.data();
    params.weight_zero_point = residual ? nullptr : arrays->zero_points.data();
    params.a_zero_point = 128;
    params.output = {{.zero_point = 90, .qmin = 90, .qmax = 255}, residual, 0.5f, 90};
  }
  return layer<Conv2d>(backend, params, arrays);
}

struct Zoo {
  std::unique_ptr<Program> program;
  Interface interface;
};

// Appends steps whose output is a new tensor.
class ZooBuilder {
 public:
  explicit ZooBuilder(Program& program) : program_(program) {}

  TensorId operator()(std::vector<TensorId> inputs, DType dtype, size_t elements,
                      Operation operation) {
    const TensorId out = program_.tensor(dtype, elements);
    const std::string name = "step" + std::to_string(out);
    program_.append(name, std::move(inputs), out, std::move(operation));
    return out;
  }

 private:
  Program& program_;
};

// u8 [24] from an NHWC image of 4 x 4 x 3.
inline TensorId append_images(ZooBuilder& step, const Backend& backend, Program& p, TensorId q) {
  constexpr DType u8 = DType::u8;
  const QuantRange range = {.zero_point = 90, .qmin = 0, .qmax = 255};
  const auto conv = int8_conv(backend, 3, 4, 3, true, false, 1);
  const TensorId a = step({q}, u8, 64, step::Conv2d{conv.packed, 4, 4, conv.kept});
  const auto joined = int8_conv(backend, 4, 4, 1, true, true, 2);
  const TensorId b = step({a, a}, u8, 64, step::Conv2d{joined.packed, 4, 4, joined.kept});
  PoolShape pool;
  pool.in_h = pool.in_w = pool.channels = 4;
  pool.kernel_h = pool.kernel_w = pool.stride_h = pool.stride_w = 2;
  const TensorId most = step({b}, u8, 16, step::MaxPool{pool});
  const TensorId mean = step({b}, u8, 16, step::AvgPool{pool, true, {90, 1.25f, range}});
  const TensorId sum =
      step({most, mean}, u8, 16, step::Add{90, 0.5f, 90, 0.75f, range, -1.0f, 1.0f});
  const TensorId both = step({most, sum}, u8, 32, step::Concat{4, {4, 4}});
  const TensorId part = step({both}, u8, 16, step::Slice{{4, 8}, {0, 2}, {1, 1}, {4, 4}});
  const TensorId padded = step({part}, u8, 24, step::Pad{{2, 2, 4}, {1, 0, 0}, {0, 0, 0}, 90.0});
  const TensorId moved = step({padded}, u8, 24, step::Requantize{90, 1.5f, range});
  Table table;
  for (size_t i = 0; i < table.size(); ++i) table[i] = static_cast<uint8_t>(255 - i);
  const TensorId looked = step({moved}, u8, 24, step::Lookup{table, 24});
  const TensorId turned = step({looked}, u8, 24, step::Transpose{6, 4});
  const std::vector<uint8_t> gate = random_bytes<uint8_t>(4, 3);
  const TensorId gates = p.constant(u8, 4, gate.data());
  return step({turned, gates}, u8, 24, step::Mul{1, 6, 4, 90, 10, 0.02f, range});
}

// u8 [36] and [5] from u8 [24].
inline std::pair<TensorId, TensorId> append_attention(ZooBuilder& step, const Backend& backend,
                                                      TensorId x) {
  constexpr DType u8 = DType::u8;
  const QuantRange range = {.zero_point = 120, .qmin = 0, .qmax = 255};
  const TensorId swapped = step({x}, u8, 24, step::Permute{{6, 4}, {1, 6}});
  const MatMulShape shape = {1, 6, 6, 4, {24, 4}, {24, 4}, {36, 6}, true};
  const TensorId product =
      step({swapped, x}, u8, 36, step::MatMul{shape, {90, 128, 0.003f, range}, 24, 24, 36});
  const TensorId soft =
      step({product}, u8, 36, step::SoftmaxU8{6, 6, softmax_quant(0.05f, 1.0f / 256.0f, {})});
  const std::vector<float> gamma = {20, 30, 25, 20, 20, 10}, beta = {1, 2, -3, 0, 0, 4};
  const TensorId normal = step({soft}, u8, 36, step::LayerNorm{6, gamma, beta, 0.125, range});
  const auto dense = int8_linear(backend, 5, 36, true, 4);
  return {normal, step({normal}, u8, 5, step::Linear{dense.packed, 1, dense.kept})};
}

// f32 [8] and [2] from f32 [5].
inline std::pair<TensorId, TensorId> append_floats(ZooBuilder& step, const Backend& backend,
                                                   Program& p, TensorId x) {
  constexpr DType f32 = DType::f32;
  const auto arrays = random_arrays(8, 5, 5);
  LinearF32Params params;
  params.weight = arrays->weight_f32.data();
  params.bias = arrays->bias_f32.data();
  params.n = 8;
  params.k = 5;
  const auto dense = layer<LinearF32>(backend, params, arrays);
  const TensorId a = step({x}, f32, 8, step::LinearF32{dense.packed, 1, dense.kept});
  const TensorId b = step({a}, f32, 8, step::Activation{Activation::hard_swish, 8});
  const float added[] = {1.0f, -2.0f};
  const TensorId constant = p.constant(f32, 2, added);
  const TensorId c =
      step({b, constant}, f32, 8, step::Binary{Binary::add, {4, 2}, {2, 1}, {0, 1}, 8, 2});
  const TensorId d = step({c}, f32, 8, step::ScaleShift{{0.5f, 2.0f}, {0.0f, 1.0f}});
  const TensorId e = step({d}, f32, 8, step::Clamp{-6.0f, 6.0f});
  const TensorId soft = step({e}, f32, 8, step::Softmax{1, 8, 1});
  Conv2dF32Params conv_params;
  conv_params.weight = arrays->weight_f32.data();
  conv_params.shape.in_channels = conv_params.shape.out_channels = 2;
  const auto conv = layer<Conv2dF32>(backend, conv_params, arrays);
  const TensorId f = step({soft}, f32, 8, step::Conv2dF32{conv.packed, 2, 2, conv.kept});
  return {f, step({f}, f32, 2, step::ReduceMean{1, 4, 2})};
}

// f32 [6] and [8] from f32 [8].
inline std::pair<TensorId, TensorId> append_dynamic(ZooBuilder& step, const Backend& backend,
                                                    TensorId x) {
  constexpr DType f32 = DType::f32;
  const TensorId rows = step({x}, f32, 4, step::DynamicParams{2, 4, true});
  const TensorId by_row = step({x, rows}, DType::u8, 8, step::DynamicQuantize{2, 4, true});
  const auto dense = int8_linear(backend, 3, 4, false, 6);
  const DynamicOutput three = {{1, 2, 3}, {0.1f, 0.2f, 0.3f}, {0.0f, 1.0f, 2.0f}};
  const TensorId a =
      step({by_row, rows}, f32, 6, step::DynamicLinear{dense.packed, 2, true, three, dense.kept});
  const TensorId whole = step({x}, f32, 2, step::DynamicParams{4, 2, false});
  const TensorId bytes = step({x, whole}, DType::u8, 8, step::DynamicQuantize{4, 2, false});
  const auto conv = int8_conv(backend, 2, 2, 1, false, false, 7);
  const DynamicOutput two = {{1, 2}, {0.1f, 0.2f}, {0.0f, 1.0f}};
  return {a, step({bytes, whole}, f32, 8, step::DynamicConv2d{conv.packed, 2, 2, two, conv.kept})};
}

inline Zoo make_zoo(const Backend& backend) {
  Zoo zoo;
  zoo.program = std::make_unique<Program>(backend);
  Program& p = *zoo.program;
  ZooBuilder step(p);
  const TensorId x = p.tensor(DType::f32, 48);
  const TensorId q = step({x}, DType::u8, 48, step::Quantize{0.02f, {128, 0, 255}, 3});
  const TensorId image = step({q}, DType::f32, 48, step::Dequantize{0.02f, 128, 3});
  const auto [normal, scores] = append_attention(step, backend, append_images(step, backend, p, q));
  const TensorId real = step({scores}, DType::f32, 5, step::Dequantize{0.1f, 100});
  const auto [features, mean] = append_floats(step, backend, p, real);
  const auto [by_row, by_tensor] = append_dynamic(step, backend, features);
  const auto sums = int8_linear(backend, 3, 5, false, 8);
  const TensorId sum = step({scores}, DType::s32, 3, step::Linear{sums.packed, 1, sums.kept});
  const TensorId cast = step({sum}, DType::f32, 3, step::CastS32{3});
  p.finish({x}, {image, normal, mean, by_row, by_tensor, sum, cast});
  using enum ElementType;
  zoo.interface.inputs = {{"image", f32, {3, 4, 4}}};
  zoo.interface.outputs = {{"restored", f32, {3, 4, 4}},
                           {"normal", s8, {6, 6}, 0.5f, -8},
                           {"mean", f32, {2}},
                           {"by_row", f32, {2, 3}},
                           {"by_tensor", f32, {2, 2, 2}},
                           {"sum", s32, {3}},
                           {"cast", f32, {3}}};
  zoo.interface.metadata = {{"note", "every kind of step"}};
  return zoo;
}

inline std::vector<uint8_t> to_file(const Program& program, const Interface& interface) {
  std::vector<uint8_t> file;
  save_program(program, interface, [&](const void* data, size_t bytes) {
    const auto* from = static_cast<const uint8_t*>(data);
    file.insert(file.end(), from, from + bytes);
  });
  return file;
}

// All outputs, one after another. Padding between them would hide an overrun: vectors do not.
inline std::vector<std::vector<uint8_t>> run_all(const Program& program, size_t batch,
                                                 size_t threads = 1) {
  std::vector<std::vector<uint8_t>> in, out;
  std::vector<const void*> inputs;
  std::vector<void*> outputs;
  uint32_t seed = 50;
  for (const TensorId id : program.inputs()) {
    const TensorInfo& tensor = program.info(id);
    const size_t count = batch * tensor.elements;
    if (tensor.dtype == DType::u8) {
      in.push_back(random_bytes<uint8_t>(count, ++seed));
    } else {
      std::vector<uint8_t>& bytes = in.emplace_back(count * 4);
      std::vector<float> values;
      for (const int32_t value : random_bias(count, ++seed)) {
        values.push_back(static_cast<float>(value) / 4096.0f);
      }
      std::memcpy(bytes.data(), values.data(), bytes.size());
    }
  }
  for (const TensorId id : program.outputs()) {
    out.emplace_back(batch * program.info(id).elements * dtype_bytes(program.info(id).dtype));
  }
  for (const auto& bytes : in) inputs.push_back(bytes.data());
  for (auto& bytes : out) outputs.push_back(bytes.data());
  program.run(inputs, outputs, batch, threads);
  return out;
}

}  // namespace octavo::testing

#include "ops/matmul.h"

#include <algorithm>
#include <limits>
#include <string>

#include "base/overflow.h"
#include "kernels/contract.h"
#include "ops/checks.h"
#include "ops/gemm_grid.h"
#include "ops/matmul_pack.h"
#include "ops/scratch.h"
#include "pack/layout.h"

namespace octavo {
namespace {

constexpr size_t kMacsPerThread = size_t{1} << 20;  // a few microseconds of work

size_t blocks_of(size_t total, size_t block) { return (total + block - 1) / block; }

void check_operand(const char* name, const MatrixStrides& strides, size_t heads, size_t rows,
                   size_t cols, size_t elements) {
  const size_t head = checked_product(name, {heads - 1, strides.head});
  const size_t row = checked_product(name, {rows - 1, strides.row});
  size_t end = 0;
  if (add_overflows(head, row, &end) || add_overflows(end, cols, &end) || end > elements) {
    fail(name, std::to_string(elements) + " elements",
         "at least the " + std::to_string(heads) + " heads of " + std::to_string(rows) + " x " +
             std::to_string(cols) + " its strides reach");
  }
}

// One product is a task, or a part of its rows where there are fewer products than threads; each
// packs B for itself.
struct Tasks {
  size_t threads;
  size_t chunks;  // per product
  size_t tiles;   // M tiles of at most mr rows
};

Tasks plan(const Context& context, const MatMulShape& shape, size_t products, size_t mr) {
  const size_t macs = checked_product("matmul", {products, shape.m, shape.n, shape.k});
  Tasks tasks = {useful_threads(context, macs, kMacsPerThread), 1, blocks_of(shape.m, mr)};
  tasks.chunks = std::clamp<size_t>(blocks_of(tasks.threads, products), 1, tasks.tiles);
  return tasks;
}

// pack(sample, head) packs B; tile(sample, head, row, rows) multiplies rows with all of it.
template <class Pack, class Tile>
void run(const Context& context, const MatMulShape& shape, size_t batch, size_t mr,
         const Pack& pack, const Tile& tile) {
  const size_t products = batch * shape.heads;
  if (products == 0) return;
  const Tasks tasks = plan(context, shape, products, mr);
  auto task = [&](size_t index) {
    const size_t chunk = index % tasks.chunks;
    const size_t head = index / tasks.chunks % shape.heads;
    const size_t sample = index / tasks.chunks / shape.heads;
    pack(sample, head);
    const size_t end = part_begin(chunk + 1, tasks.chunks, tasks.tiles);
    for (size_t t = part_begin(chunk, tasks.chunks, tasks.tiles); t < end; ++t) {
      const size_t row = part_begin(t, tasks.tiles, shape.m);
      tile(sample, head, row, part_begin(t + 1, tasks.tiles, shape.m) - row);
    }
  };
  parallel_for(context, products * tasks.chunks, tasks.threads, task);
}

// Where column j of a head of b begins.
template <class T>
const T* column(const T* b, const MatMulShape& shape, size_t j) {
  return b + (shape.b_transposed ? j * shape.b.row : j);
}

template <class T>
void check_data(const MatMulShape& shape, size_t batch, const MatMulData<T>& data) {
  check_matmul(shape, data.a_sample, data.b_sample, data.c_sample);
  check_pointer("a", data.a, checked_product("a", {batch, data.a_sample, sizeof(T)}), alignof(T));
  check_pointer("b", data.b, checked_product("b", {batch, data.b_sample, sizeof(T)}), alignof(T));
  check_pointer("c", data.c, checked_product("c", {batch, data.c_sample, sizeof(T)}), alignof(T));
}

}  // namespace

void check_matmul(const MatMulShape& shape, size_t a_elements, size_t b_elements,
                  size_t c_elements) {
  constexpr size_t kMax = size_t{1} << 30;
  check_extent("heads", shape.heads, kMax);
  check_extent("m", shape.m, kMax);
  check_extent("n", shape.n, kMax);
  check_extent("k", shape.k, kMaxKMatMul);
  check_operand("a", shape.a, shape.heads, shape.m, shape.k, a_elements);
  check_operand("b", shape.b, shape.heads, shape.b_transposed ? shape.n : shape.k,
                shape.b_transposed ? shape.k : shape.n, b_elements);
  check_operand("c", shape.c, shape.heads, shape.m, shape.n, c_elements);
}

void matmul(const Context& context, const MatMulShape& shape, const MatMulQuant& quant,
            size_t batch, const MatMulData<uint8_t>& data) {
  check_data(shape, batch, data);
  check_zero_point("a_zero_point", quant.a_zero_point);
  check_zero_point("b_zero_point", quant.b_zero_point);
  check_multiplier("multiplier", quant.multiplier);
  check_range("output", quant.range);
  const KernelTable& kernels = context.kernels();
  const PanelGeometry geometry = kernels.matmul_geometry;
  const size_t segments = matmul_segments(quant.b_zero_point);
  const size_t panels = blocks_of(shape.n, geometry.nr);
  const size_t stride = panel_stride_bytes(geometry.nr, segments, shape.k, geometry.kr);
  const size_t bytes = checked_product("b", {panels, stride});
  const Requant requant = to_requant(quant.range);
  const Residual none = {nullptr, 0, 0.0f, 0};
  const auto cols = [&](size_t p) {
    return std::min<size_t>(geometry.nr, shape.n - p * geometry.nr);
  };

  const auto pack = [&](size_t sample, size_t head) {
    uint8_t* packed = scratch<uint8_t>(Scratch::packed_b, bytes);
    const uint8_t* b = data.b + sample * data.b_sample + head * shape.b.head;
    for (size_t p = 0; p < panels; ++p) {
      const PanelSource source = {column(b, shape, p * geometry.nr), shape.b.row,
                                  shape.b_transposed, cols(p), shape.k};
      pack_matmul_panel(source, geometry, quant.a_zero_point, quant.b_zero_point, quant.multiplier,
                        packed + p * stride);
    }
  };
  const auto tile = [&](size_t sample, size_t head, size_t row, size_t rows) {
    const uint8_t* packed = scratch<uint8_t>(Scratch::packed_b, bytes);
    const uint8_t* a = data.a + sample * data.a_sample + head * shape.a.head + row * shape.a.row;
    uint8_t* c = data.c + sample * data.c_sample + head * shape.c.head + row * shape.c.row;
    const uint8_t** pointers = scratch<const uint8_t*>(Scratch::row_pointers, segments * rows);
    for (size_t i = 0; i < segments * rows; ++i) pointers[i] = a + i % rows * shape.a.row;
    for (size_t p = 0; p < panels; ++p) {
      const GemmTile gemm = {pointers, rows, segments, shape.k, packed + p * stride, cols(p)};
      kernels.matmul_u8.run(gemm, requant, none, c + p * geometry.nr, shape.c.row);
    }
  };
  run(context, shape, batch, kernels.matmul_mr, pack, tile);
}

void matmul_f32(const Context& context, const MatMulShape& shape, size_t batch,
                const MatMulData<float>& data) {
  check_data(shape, batch, data);
  const KernelTable& kernels = context.kernels();
  const size_t nr = kernels.gemm_f32_nr;
  const size_t panels = blocks_of(shape.n, nr);
  const size_t stride =
      round_up((1 + shape.k) * nr * sizeof(float), kPanelAlignment) / sizeof(float);
  const size_t count = checked_product("b", {panels, stride, sizeof(float)}) / sizeof(float);
  constexpr float kInfinity = std::numeric_limits<float>::infinity();
  const auto cols = [&](size_t p) { return std::min(nr, shape.n - p * nr); };

  const auto pack = [&](size_t sample, size_t head) {
    float* packed = scratch<float>(Scratch::packed_b, count);
    const float* b = data.b + sample * data.b_sample + head * shape.b.head;
    for (size_t p = 0; p < panels; ++p) {
      const PanelSourceF32 source = {column(b, shape, p * nr), shape.b.row, shape.b_transposed,
                                     cols(p), shape.k};
      pack_matmul_panel_f32(source, nr, packed + p * stride);
    }
  };
  const auto tile = [&](size_t sample, size_t head, size_t row, size_t rows) {
    const float* packed = scratch<float>(Scratch::packed_b, count);
    const float* a = data.a + sample * data.a_sample + head * shape.a.head + row * shape.a.row;
    float* c = data.c + sample * data.c_sample + head * shape.c.head + row * shape.c.row;
    const float** pointers = scratch<const float*>(Scratch::row_pointers, rows);
    for (size_t i = 0; i < rows; ++i) pointers[i] = a + i * shape.a.row;
    for (size_t p = 0; p < panels; ++p) {
      const GemmF32Tile gemm = {pointers, rows,       1,        shape.k, packed + p * stride,
                                cols(p),  -kInfinity, kInfinity};
      kernels.gemm_f32.run(gemm, c + p * nr, shape.c.row);
    }
  };
  run(context, shape, batch, kernels.gemm_f32_mr, pack, tile);
}

}  // namespace octavo

/* One quantized GEMM by a micro-kernel of XNNPACK, to count the instructions of:
 * gemm_xnnpack KERNEL M N K REPEATS. Weights are packed here, in the layout the kernel reads:
 * int32 bias[nr] | int8 weights[ceil(k / kr)][nr][kr] | float scale[nr] for every nr columns. */
#include "gemm_problem.h"
#include "src/xnnpack/microparams.h"

typedef void (*Ukernel)(size_t mr, size_t nc, size_t kc, const int8_t* a, size_t a_stride,
                        const void* w, int8_t* c, size_t cm_stride, size_t cn_stride,
                        const union xnn_qs8_qc8w_conv_minmax_params* params);

#define UKERNEL(tile) xnn_qs8_qc8w_gemm_minmax_fp32_ukernel_##tile
#define DECLARE(tile)                                                                             \
  void UKERNEL(tile)(size_t, size_t, size_t, const int8_t*, size_t, const void*, int8_t*, size_t, \
                     size_t, const union xnn_qs8_qc8w_conv_minmax_params*)
DECLARE(2x8c8__asm_aarch64_neon_mlal);
DECLARE(4x16__asm_aarch64_neon_mlal_lane_ld64);
DECLARE(4x16c4__asm_aarch64_neondot_ld128);
DECLARE(4x16c8__neoni8mm);

static const struct Kernel {
  const char* name;
  Ukernel run;
  size_t mr, nr, kr;
} kKernels[] = {
    {"2x8c8__asm_aarch64_neon_mlal", UKERNEL(2x8c8__asm_aarch64_neon_mlal), 2, 8, 8},
    {"4x16__asm_aarch64_neon_mlal_lane_ld64", UKERNEL(4x16__asm_aarch64_neon_mlal_lane_ld64), 4, 16,
     1},
    {"4x16c4__asm_aarch64_neondot_ld128", UKERNEL(4x16c4__asm_aarch64_neondot_ld128), 4, 16, 4},
    {"4x16c8__neoni8mm", UKERNEL(4x16c8__neoni8mm), 4, 16, 8},
};

static const struct Kernel* find_kernel(const char* name) {
  for (size_t i = 0; i < sizeof(kKernels) / sizeof(kKernels[0]); ++i) {
    if (strcmp(kKernels[i].name, name) == 0) return &kKernels[i];
  }
  fprintf(stderr, "no kernel %s\n", name);
  exit(2);
}

static void* pack(const struct Kernel* kernel, const Arguments* arguments, const Problem* problem) {
  const size_t nr = kernel->nr, kr = kernel->kr, groups = arguments->k / kr;
  char* packed = malloc(arguments->n * (arguments->k + sizeof(int32_t) + sizeof(float)));
  char* to = packed;
  for (size_t j = 0; j < arguments->n; j += nr) {
    memcpy(to, problem->bias + j, nr * sizeof(int32_t));
    to += nr * sizeof(int32_t);
    for (size_t g = 0; g < groups; ++g) {
      for (size_t column = j; column < j + nr; ++column) {
        memcpy(to, problem->weight + column * arguments->k + g * kr, kr);
        to += kr;
      }
    }
    memcpy(to, problem->multiplier + j, nr * sizeof(float));
    to += nr * sizeof(float);
  }
  return packed;
}

int main(int argc, char** argv) {
  const Arguments arguments = parse(argc, argv);
  const struct Kernel* kernel = find_kernel(arguments.kernel);
  const size_t m = arguments.m, n = arguments.n, k = arguments.k;
  if (m % kernel->mr != 0 || n % kernel->nr != 0 || k % kernel->kr != 0) {
    fprintf(stderr, "not a multiple of the tile\n");
    return 2;
  }
  const Problem problem = make_problem(&arguments, -128, 127);
  union xnn_qs8_qc8w_conv_minmax_params params;
  memset(&params, 0, sizeof params);
  params.fp32_neonv8.output_zero_point = (int16_t)problem.zero_point;
  params.fp32_neonv8.output_min = (uint8_t)-128;
  params.fp32_neonv8.output_max = 127;
  const void* packed = pack(kernel, &arguments, &problem);
  for (size_t r = 0; r < arguments.repeats; ++r) {
    for (size_t i = 0; i < m; i += kernel->mr) {
      kernel->run(kernel->mr, n, k, problem.a + i * k, k, packed, problem.c + i * n, n, kernel->nr,
                  &params);
    }
  }
  return arguments.check ? check(&arguments, &problem, -128, 127) : 0;
}

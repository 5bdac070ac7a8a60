/* One quantized GEMM by octavo, to count the instructions of: gemm_octavo BACKEND M N K REPEATS.
 * REPEATS "check" runs once and compares with plain C. */
#include "gemm_problem.h"
#include "octavo/octavo.h"

static void require(octavo_status status) {
  if (status == OCTAVO_OK) return;
  fprintf(stderr, "%s\n", octavo_last_error());
  exit(1);
}

int main(int argc, char** argv) {
  const Arguments arguments = parse(argc, argv);
  const Problem problem = make_problem(&arguments, 0, 255);
  octavo_context context = {0};
  context.size = sizeof context;
  context.backend = arguments.kernel;
  context.num_threads = 1;
  octavo_linear_desc desc = {0};
  desc.size = sizeof desc;
  desc.weight = problem.weight;
  desc.n = arguments.n;
  desc.k = arguments.k;
  desc.bias = problem.bias;
  desc.multiplier = problem.multiplier;
  desc.a_dtype = OCTAVO_U8;
  desc.output.dtype = OCTAVO_U8;
  desc.output.zero_point = problem.zero_point;
  octavo_linear* linear = NULL;
  require(octavo_linear_create(&context, &desc, &linear));
  for (size_t i = 0; i < arguments.repeats; ++i) {
    require(octavo_linear_run(&context, linear, arguments.m, problem.a, arguments.k, NULL, 0,
                              problem.c, arguments.n));
  }
  octavo_linear_free(linear);
  return arguments.check ? check(&arguments, &problem, 0, 255) : 0;
}

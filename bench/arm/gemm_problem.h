/* What both programs calculate: c = clamp(rne((bias + a . weight^T) * multiplier) + zero_point). */
#pragma once

#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct Arguments {
  const char* kernel;
  size_t m, n, k, repeats;
  int check;
} Arguments;

/* Bytes of a and c are signed or unsigned, as the kernel takes them. */
typedef struct Problem {
  int8_t *a, *weight, *c;
  int32_t* bias;
  float* multiplier;
  int32_t zero_point;
} Problem;

static inline Arguments parse(int argc, char** argv) {
  if (argc != 6) {
    fprintf(stderr, "usage: %s KERNEL M N K REPEATS|check\n", argv[0]);
    exit(2);
  }
  Arguments arguments = {argv[1],
                         strtoul(argv[2], NULL, 10),
                         strtoul(argv[3], NULL, 10),
                         strtoul(argv[4], NULL, 10),
                         strtoul(argv[5], NULL, 10),
                         strcmp(argv[5], "check") == 0};
  if (arguments.check) arguments.repeats = 1;
  return arguments;
}

static inline int32_t activation(int8_t byte, int signed_a) {
  return signed_a ? byte : (uint8_t)byte;
}

/* Every activation byte and every weight occur, except -128, which some kernels do not allow. */
static inline Problem make_problem(const Arguments* arguments, int32_t qmin, int32_t qmax) {
  const size_t m = arguments->m, n = arguments->n, k = arguments->k;
  Problem problem = {malloc(m * k),
                     malloc(n * k),
                     malloc(m * n),
                     malloc(n * sizeof(int32_t)),
                     malloc(n * sizeof(float)),
                     (qmin + qmax + 1) / 2};
  uint32_t state = 1;
  for (size_t i = 0; i < m * k; ++i) {
    state = state * 1664525u + 1013904223u;
    problem.a[i] = (int8_t)(state >> 24);
  }
  for (size_t i = 0; i < n * k; ++i) {
    state = state * 1664525u + 1013904223u;
    problem.weight[i] = (int8_t)((int32_t)((state >> 16) % 255) - 127);
  }
  for (size_t j = 0; j < n; ++j) {
    problem.bias[j] = (int32_t)j * 100 - 3000;
    problem.multiplier[j] = 1.0f / (float)(64 * k);
  }
  return problem;
}

/* 0 if c is right in every byte. */
static inline int check(const Arguments* arguments, const Problem* problem, int32_t qmin,
                        int32_t qmax) {
  for (size_t i = 0; i < arguments->m; ++i) {
    for (size_t j = 0; j < arguments->n; ++j) {
      int32_t sum = problem->bias[j];
      for (size_t k = 0; k < arguments->k; ++k) {
        sum += activation(problem->a[i * arguments->k + k], qmin < 0) *
               problem->weight[j * arguments->k + k];
      }
      float q = rintf((float)sum * problem->multiplier[j]) + (float)problem->zero_point;
      q = fminf(fmaxf(q, (float)qmin), (float)qmax);
      const int8_t got = problem->c[i * arguments->n + j];
      if ((int8_t)(int32_t)q != got) {
        fprintf(stderr, "c[%zu][%zu]: %d, not %d\n", i, j, got, (int8_t)(int32_t)q);
        return 1;
      }
    }
  }
  return 0;
}

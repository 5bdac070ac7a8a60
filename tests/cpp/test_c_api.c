/* The C ABI, compiled as C: one layer end to end, and how it refuses. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "octavo/octavo.h"

static int failures = 0;

#define CHECK(condition)                                              \
  do {                                                                \
    if (!(condition)) {                                               \
      fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #condition); \
      ++failures;                                                     \
    }                                                                 \
  } while (0)

enum { kM = 3, kN = 5, kK = 7 };

static uint8_t a[kM * kK];
static int8_t weight[kN * kK];
static int32_t bias[kN];
static float multiplier[kN];

static void fill(void) {
  for (int i = 0; i < kM * kK; ++i) a[i] = (uint8_t)(i * 37);
  for (int i = 0; i < kN * kK; ++i) weight[i] = (int8_t)(i * 29 - 128);
  for (int j = 0; j < kN; ++j) {
    bias[j] = j * 1000 - 2000;
    multiplier[j] = 0.0009765625f; /* 2^-10 */
  }
}

static int32_t expected(int i, int j, int a_zero_point) {
  int32_t sum = bias[j];
  for (int k = 0; k < kK; ++k) sum += (a[i * kK + k] - a_zero_point) * weight[j * kK + k];
  return sum;
}

static octavo_linear_desc desc(void) {
  octavo_linear_desc d;
  memset(&d, 0, sizeof d);
  d.size = sizeof d;
  d.weight = weight;
  d.n = kN;
  d.k = kK;
  d.bias = bias;
  d.a_zero_point = 9;
  d.output.dtype = OCTAVO_S32;
  return d;
}

/* Round half to even of sum / 1024, in integers. */
static int rounded(int32_t sum) {
  int32_t floor = sum >= 0 ? sum / 1024 : -((-sum + 1023) / 1024);
  const int32_t rest = sum - floor * 1024;
  if (rest > 512 || (rest == 512 && floor % 2 != 0)) ++floor;
  return floor;
}

static void test_backend(const char* backend) {
  octavo_context context;
  memset(&context, 0, sizeof context);
  context.size = sizeof context;
  context.backend = backend;

  octavo_linear_desc d = desc();
  octavo_linear* linear = NULL;
  int32_t sums[kM * kN];
  CHECK(octavo_linear_create(&context, &d, &linear) == OCTAVO_OK);
  CHECK(octavo_linear_run(&context, linear, kM, a, 0, NULL, 0, sums, 0) == OCTAVO_OK);
  for (int i = 0; i < kM * kN; ++i) CHECK(sums[i] == expected(i / kN, i % kN, 9));
  octavo_linear_free(linear);

  d.multiplier = multiplier;
  d.output.dtype = OCTAVO_U8;
  d.output.zero_point = 128;
  uint8_t bytes[kM * kN];
  CHECK(octavo_linear_create(&context, &d, &linear) == OCTAVO_OK);
  /* A packed layer keeps its backend. */
  CHECK(octavo_linear_run(NULL, linear, kM, a, kK, NULL, 0, bytes, kN) == OCTAVO_OK);
  for (int i = 0; i < kM * kN; ++i) {
    int q = rounded(expected(i / kN, i % kN, 9)) + 128;
    q = q < 0 ? 0 : q > 255 ? 255 : q;
    CHECK(bytes[i] == q);
  }
  CHECK(octavo_linear_run(NULL, linear, kM, NULL, 0, NULL, 0, bytes, 0) == OCTAVO_INVALID_ARGUMENT);
  octavo_linear_free(linear);
}

static void test_refusals(void) {
  octavo_linear_desc d = desc();
  octavo_linear* linear = NULL;
  d.k = 70000;
  CHECK(octavo_linear_create(NULL, &d, &linear) == OCTAVO_INVALID_ARGUMENT);
  CHECK(strstr(octavo_last_error(), "k: got 70000") != NULL);
  CHECK(linear == NULL);
  d = desc();
  d.weight = NULL;
  CHECK(octavo_linear_create(NULL, &d, &linear) == OCTAVO_INVALID_ARGUMENT);
  CHECK(octavo_linear_create(NULL, NULL, &linear) == OCTAVO_INVALID_ARGUMENT);
  CHECK(octavo_linear_create(NULL, &d, NULL) == OCTAVO_INVALID_ARGUMENT);
  CHECK(octavo_linear_run(NULL, NULL, kM, a, 0, NULL, 0, NULL, 0) == OCTAVO_INVALID_ARGUMENT);
  octavo_linear_free(NULL);
}

int main(void) {
  fill();
  CHECK(octavo_abi_version() == OCTAVO_ABI_VERSION);
  CHECK(strlen(octavo_version()) >= 5);
  CHECK(strcmp(octavo_last_error(), "") == 0);
  CHECK(strcmp(octavo_status_string(OCTAVO_OK), "ok") == 0);
  CHECK(strcmp(octavo_status_string(99), "unknown status") == 0);
  const size_t backends = octavo_backend_count();
  CHECK(backends >= 1);
  CHECK(octavo_backend_name(backends) == NULL);
  const char* standard = NULL;
  CHECK(octavo_default_backend(&standard) == OCTAVO_OK);
  CHECK(standard != NULL && strlen(standard) > 0);
  for (size_t i = 0; i < backends; ++i) test_backend(octavo_backend_name(i));
  test_refusals();
  if (failures == 0) puts("all checks passed");
  return failures == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

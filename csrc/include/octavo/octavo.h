/* octavo: exact int8 inference on CPUs. The C ABI.
 *
 * Every function that can fail returns a status; octavo_last_error() then says which argument was
 * wrong, what it was and what was expected. No function aborts or prints. Objects are immutable
 * after creation and may be used by any number of threads at once.
 */
#ifndef OCTAVO_OCTAVO_H_
#define OCTAVO_OCTAVO_H_

#include <stddef.h>
#include <stdint.h>

#if defined(__GNUC__)
#define OCTAVO_API __attribute__((visibility("default")))
#else
#define OCTAVO_API
#endif

#ifdef __cplusplus
extern "C" {
#endif

typedef enum octavo_status {
  OCTAVO_OK = 0,
  OCTAVO_INVALID_ARGUMENT = 1,
  OCTAVO_UNSUPPORTED = 2,
  OCTAVO_OUT_OF_MEMORY = 3,
  OCTAVO_INTERNAL = 4
} octavo_status;

/* "0.1.0" */
OCTAVO_API const char* octavo_version(void);

/* A short English name of a status; never NULL, whatever the number. */
OCTAVO_API const char* octavo_status_string(int status);

/* What went wrong in this thread's last failing call; "" if none failed. Valid until the next. */
OCTAVO_API const char* octavo_last_error(void);

/* Backends this CPU can run, best first: name of the i-th, NULL for i >= count. */
OCTAVO_API size_t octavo_backend_count(void);
OCTAVO_API const char* octavo_backend_name(size_t i);

/* The backend in use on this thread. */
OCTAVO_API octavo_status octavo_current_backend(const char** name);

/* Selects a backend for this thread; NULL goes back to the default. */
OCTAVO_API octavo_status octavo_use_backend(const char* name);

/* The most threads a call uses, 1..1024. */
OCTAVO_API octavo_status octavo_set_num_threads(size_t n);

/* ---- linear: c[i][j] = sum_k (a[i][k] - a_zero_point) * w[j][k] + bias[j] ------------------- */

typedef struct octavo_linear octavo_linear;

typedef struct octavo_linear_desc {
  const int8_t* weight; /* (n, k), contiguous; copied */
  size_t n;
  size_t k;                /* 1..65536 */
  const int32_t* bias;     /* (n), or NULL */
  const float* multiplier; /* (n) finite, >= 0: u8 output. NULL: int32 output */
  int32_t a_zero_point;    /* 0..255 */
  /* u8 output: q = clamp(rne(acc * multiplier[j]) + zero_point, qmin, qmax) */
  int32_t zero_point; /* 0..255 */
  int32_t qmin;       /* 0..qmax */
  int32_t qmax;       /* qmin..255 */
} octavo_linear_desc;

/* Packs for this thread's backend. *linear is written on success only. */
OCTAVO_API octavo_status octavo_linear_create(const octavo_linear_desc* desc,
                                              octavo_linear** linear);

/* NULL is allowed. */
OCTAVO_API void octavo_linear_free(octavo_linear* linear);

/* a: m rows of k, lda elements apart; c: m rows of n, ldc elements apart. Runs on the backend the
 * weights were packed for. */
OCTAVO_API octavo_status octavo_linear_run_u8(const octavo_linear* linear, const uint8_t* a,
                                              size_t lda, size_t m, uint8_t* c, size_t ldc);
OCTAVO_API octavo_status octavo_linear_run_s32(const octavo_linear* linear, const uint8_t* a,
                                               size_t lda, size_t m, int32_t* c, size_t ldc);

#ifdef __cplusplus
}
#endif

#endif /* OCTAVO_OCTAVO_H_ */

/* octavo: exact int8 inference on CPUs. The C ABI; docs/c-api.md explains it with examples.
 *
 * Failure. Functions that can fail return a status and check everything before they write: outputs
 * are untouched unless the status is OCTAVO_OK. (Two rare failures come too late for that: memory
 * that runs out inside a loop, OCTAVO_OUT_OF_MEMORY, and a parallel_for that breaks its promise,
 * OCTAVO_INTERNAL.) No function prints, aborts, or lets an exception out.
 * Threads. The only state is the default thread pool, and for each thread its last error and
 * scratch memory, which it keeps. Objects are immutable once made: any number of threads may use
 * one at a time; only octavo_*_free wants it for itself. All functions are reentrant, also in
 * parallel_for. Memory. The caller owns what it passes in; a function that keeps a pointer says so.
 * Outputs do not overlap inputs unless a function allows it. Structs that start with a size: set it
 * to sizeof the struct, and everything not used to zero, which is always the default. Programs
 * compiled with this header so run with all later libraries. Images are NHWC: pixels lie row by
 * row, a pixel's channels side by side. Each parameter has its direction, [in] or [out], its unit
 * or shape, and what is allowed.
 */
#ifndef OCTAVO_OCTAVO_H_
#define OCTAVO_OCTAVO_H_

#include <stddef.h>
#include <stdint.h>

#if defined(_WIN32) && defined(OCTAVO_BUILDS_LIBRARY)
#define OCTAVO_API __declspec(dllexport)
#elif defined(__GNUC__) && !defined(_WIN32)
#define OCTAVO_API __attribute__((visibility("default")))
#else
#define OCTAVO_API
#endif

#ifdef __cplusplus
extern "C" {
#endif

/* ---- Versions, status ----------------------------------------------------------------------- */

/* Raised whenever a function or struct field is added; nothing is ever removed or changed. */
#define OCTAVO_ABI_VERSION 1

/* The library's OCTAVO_ABI_VERSION: at least that of the header a program was compiled with. */
OCTAVO_API uint32_t octavo_abi_version(void);

/* "0.1.0" */
OCTAVO_API const char* octavo_version(void);

typedef enum octavo_status {
  OCTAVO_OK = 0,
  OCTAVO_INVALID_ARGUMENT = 1, /* the message names it, says what it was and what is allowed */
  OCTAVO_UNSUPPORTED = 2,      /* well formed, but not for this version, layout or CPU */
  OCTAVO_OUT_OF_MEMORY = 3,
  OCTAVO_INTERNAL = 4
} octavo_status;

/* A short English name; never NULL. status: [in] any number. */
OCTAVO_API const char* octavo_status_string(int32_t status);

/* What went wrong in this thread's last call that failed, "" if none has. Valid until the next. */
OCTAVO_API const char* octavo_last_error(void);

/* ---- Backends, threads: the context of a call ----------------------------------------------- */

/* Backends (instruction sets) that this CPU runs, best first; all give the same bits.
 * i: [in] any number. Returns a static name, NULL for i >= octavo_backend_count(). */
OCTAVO_API size_t octavo_backend_count(void);
OCTAVO_API const char* octavo_backend_name(size_t i);

/* The one used where a context names none: OCTAVO_BACKEND of the environment, else the best.
 * name: [out] static. Fails if the environment asks for one that this CPU does not run. */
OCTAVO_API octavo_status octavo_default_backend(const char** name);

/* Calls body(arg, i) once for each i < n, on any threads, in any order, side by side or not, and
 * returns when all have returned. body neither blocks nor throws. user: octavo_context.user. */
typedef void (*octavo_parallel_for)(void* user, size_t n, void (*body)(void* arg, size_t i),
                                    void* arg);

/* Passed to each call, which reads it and does not keep it; NULL is the same as all zero. */
typedef struct octavo_context {
  size_t size; /* [in] sizeof(octavo_context) */
  const char*
      backend;        /* [in] a name as above; NULL: that of the packed weights, else the default */
  size_t num_threads; /* [in] most threads to use, 1..1024; 0: OCTAVO_NUM_THREADS, else all CPUs */
  octavo_parallel_for parallel_for; /* [in] the caller's threads; NULL: the default pool, which one
                                     * call uses at a time, others then run on their own thread */
  void* user;                       /* [in] for parallel_for */
} octavo_context;

/* ---- Quantized values: real = scale * (q - zero_point) --------------------------------------- */

typedef enum octavo_dtype {
  OCTAVO_U8 = 0,
  OCTAVO_S8 = 1, /* costs a copy of the tensor: kernels read and write u8 */
  OCTAVO_S32 = 2,
  OCTAVO_F32 = 3 /* of a program's inputs and outputs only */
} octavo_dtype;

/* How a real number v, in steps of the output, becomes a byte: clamp(rne(v) + zero_point, qmin,
 * qmax), rne: nearest, half to even. A fused ReLU is qmin = zero_point. */
typedef struct octavo_output {
  int32_t dtype;      /* [in] OCTAVO_U8, OCTAVO_S8; where stated OCTAVO_S32: sums as they are */
  int32_t zero_point; /* [in] a value of dtype: 0..255 or -128..127 */
  int32_t qmin;       /* [in] a value of dtype, <= qmax; qmin = qmax = 0: dtype's whole range */
  int32_t qmax;       /* [in] */
} octavo_output;

/* A tensor of bytes that an operation reads. */
typedef struct octavo_input {
  const void* data;   /* [in] */
  int32_t dtype;      /* [in] OCTAVO_U8, OCTAVO_S8 */
  int32_t zero_point; /* [in] a value of dtype */
  float multiplier;   /* [in] its scale / the output's scale; finite, >= 0 */
} octavo_input;

/* A tensor that a layer adds before it clamps; it is given when the layer runs. */
typedef struct octavo_residual {
  int32_t present;    /* [in] 0: there is none, the rest is not read; 1 */
  int32_t dtype;      /* [in] OCTAVO_U8, OCTAVO_S8 */
  int32_t zero_point; /* [in] a value of dtype */
  float multiplier;   /* [in] its scale / the output's scale; finite, >= 0 */
} octavo_residual;

/* a_scale * weight_scale / out_scale as every part of octavo computes it: in double, rounded once.
 * All [in], finite, > 0. */
OCTAVO_API float octavo_multiplier(float a_scale, float weight_scale, float out_scale);

/* ---- Linear: acc[i][j] = bias[j] + sum over k of (a[i][k] - a_zero_point) * w[j][k] ---------- */
/* c[i][j] = acc[i][j] (OCTAVO_S32), or from v = acc[i][j] * multiplier[j]; with a residual
 * v = fma(r[i][j] - its zero_point, its multiplier, acc[i][j] * multiplier[j]). w is
 * weight - weight_zero_point. Sums wrap around as int32; in the range given for k they never do. */

typedef struct octavo_linear_desc {
  size_t size;                      /* [in] sizeof(octavo_linear_desc) */
  size_t n;                         /* [in] outputs, 1..2^30 */
  size_t k;                         /* [in] inputs, 1..65536; 1..33025 with weight_zero_point */
  const int8_t* weight;             /* [in] (n, k), contiguous */
  const int32_t* weight_zero_point; /* [in] (n), -128..127, or NULL: 0 */
  const int32_t* bias;              /* [in] (n), or NULL: 0 */
  const float* multiplier;          /* [in] (n), finite, >= 0; NULL exactly for OCTAVO_S32 */
  int32_t a_dtype;                  /* [in] OCTAVO_U8, OCTAVO_S8 */
  int32_t a_zero_point;             /* [in] a value of a_dtype */
  octavo_output output;             /* [in] OCTAVO_U8, OCTAVO_S8, OCTAVO_S32 */
  octavo_residual residual;         /* [in] none with OCTAVO_S32 */
} octavo_linear_desc;

/* Packed weights: bytes in the layout of one backend, which say what they are. They may be copied,
 * written to a file, and mapped from it at an address that is a multiple of 64.
 * bytes: [out] exact size. It may depend on the values of the weights: this takes as long as
 * packing them. */
OCTAVO_API octavo_status octavo_linear_packed_size(const octavo_context* context,
                                                   const octavo_linear_desc* desc, size_t* bytes);
/* packed: [out] 64-byte aligned; bytes: [in] its size, at least the above. */
OCTAVO_API octavo_status octavo_linear_pack(const octavo_context* context,
                                            const octavo_linear_desc* desc, void* packed,
                                            size_t bytes);

typedef struct octavo_linear octavo_linear;

/* A layer that reads `packed` where it is: those bytes must live, unchanged, as long as the layer.
 * OCTAVO_INVALID_ARGUMENT unless they are whole and sound: shapes, sizes and a checksum are
 * checked, and whatever bytes they hold, no call on the layer reads or writes outside of `packed`
 * and the tensors of its shape (octavo_linear_info). OCTAVO_UNSUPPORTED if they are for another
 * version or a backend with another layout than the context's.
 * packed: [in] 64-byte aligned; bytes: [in] at least what was packed; linear: [out] */
OCTAVO_API octavo_status octavo_linear_open(const octavo_context* context, const void* packed,
                                            size_t bytes, octavo_linear** linear);
/* Packs into memory of its own. linear: [out] */
OCTAVO_API octavo_status octavo_linear_create(const octavo_context* context,
                                              const octavo_linear_desc* desc,
                                              octavo_linear** linear);
/* linear: [in] may be NULL. */
OCTAVO_API void octavo_linear_free(octavo_linear* linear);

/* The packed weights of a layer, to be saved. packed: [out] valid as long as the layer is;
 * bytes: [out] */
OCTAVO_API octavo_status octavo_linear_packed(const octavo_linear* linear, const void** packed,
                                              size_t* bytes);
/* What the layer was packed from. info: [in] its size, [out] the rest, with NULL for pointers. */
OCTAVO_API octavo_status octavo_linear_info(const octavo_linear* linear, octavo_linear_desc* info);

/* m: [in] rows, 0 or more. a: [in] (m, k). residual: [in] (m, n); NULL exactly if the layer has
 * none. c: [out] (m, n). lda, ldr, ldc: [in] elements from row to row; 0: rows are contiguous. */
OCTAVO_API octavo_status octavo_linear_run(const octavo_context* context,
                                           const octavo_linear* linear, size_t m, const void* a,
                                           size_t lda, const void* residual, size_t ldr, void* c,
                                           size_t ldc);

/* ---- Convolution, depthwise and grouped ones included ---------------------------------------- */
/* As a linear layer whose sum is over the channels of a group and the taps of the kernel; what is
 * outside the image is a_zero_point. Extents 1..2^30, padding 0..2^30; 0 for a stride, dilation or
 * groups reads as 1. */

typedef struct octavo_conv2d_desc {
  size_t size;                      /* [in] sizeof(octavo_conv2d_desc) */
  size_t in_channels, out_channels; /* [in] multiples of groups */
  size_t kernel_h, kernel_w;        /* [in] taps; kernel_h * kernel_w * in_channels / groups is
                                     * bounded as a linear layer's k is */
  size_t stride_h, stride_w;        /* [in] pixels */
  size_t dilation_h, dilation_w;    /* [in] pixels from tap to tap */
  size_t groups;                    /* [in] groups = in_channels = out_channels: depthwise */
  size_t pad_top, pad_left, pad_bottom, pad_right; /* [in] pixels */
  const int8_t* weight; /* [in] (out_channels, in_channels / groups, kernel_h, kernel_w),
                         * contiguous */
  const int32_t* weight_zero_point; /* [in] (out_channels), -128..127, or NULL: 0 */
  const int32_t* bias;              /* [in] (out_channels), or NULL: 0 */
  const float* multiplier;          /* [in] (out_channels), finite, >= 0; NULL for OCTAVO_S32 */
  int32_t a_dtype;                  /* [in] OCTAVO_U8, OCTAVO_S8 */
  int32_t a_zero_point;             /* [in] a value of a_dtype */
  octavo_output output;             /* [in] OCTAVO_U8, OCTAVO_S8, OCTAVO_S32 */
  octavo_residual residual;         /* [in] none with OCTAVO_S32 */
} octavo_conv2d_desc;

typedef struct octavo_conv2d octavo_conv2d;

/* All as for linear layers. */
OCTAVO_API octavo_status octavo_conv2d_packed_size(const octavo_context* context,
                                                   const octavo_conv2d_desc* desc, size_t* bytes);
OCTAVO_API octavo_status octavo_conv2d_pack(const octavo_context* context,
                                            const octavo_conv2d_desc* desc, void* packed,
                                            size_t bytes);
OCTAVO_API octavo_status octavo_conv2d_open(const octavo_context* context, const void* packed,
                                            size_t bytes, octavo_conv2d** conv);
OCTAVO_API octavo_status octavo_conv2d_create(const octavo_context* context,
                                              const octavo_conv2d_desc* desc, octavo_conv2d** conv);
OCTAVO_API void octavo_conv2d_free(octavo_conv2d* conv);
OCTAVO_API octavo_status octavo_conv2d_packed(const octavo_conv2d* conv, const void** packed,
                                              size_t* bytes);
OCTAVO_API octavo_status octavo_conv2d_info(const octavo_conv2d* conv, octavo_conv2d_desc* info);

/* h, w: [in] pixels, 1..2^30; out_h, out_w: [out] pixels, floor((h + padding - reach) / stride) + 1
 * with reach = dilation * (kernel - 1) + 1, which must not exceed h + padding. */
OCTAVO_API octavo_status octavo_conv2d_output_size(const octavo_conv2d* conv, size_t h, size_t w,
                                                   size_t* out_h, size_t* out_w);

/* batch: [in] images, 0 or more. h, w: [in] pixels. x: [in] (batch, h, w, in_channels). residual:
 * [in] (batch, out_h, out_w, out_channels); NULL exactly if the layer has none. y: [out] likewise.
 * ldx, ldr, ldy: [in] elements from pixel to pixel; 0: pixels are contiguous. */
OCTAVO_API octavo_status octavo_conv2d_run(const octavo_context* context, const octavo_conv2d* conv,
                                           size_t batch, size_t h, size_t w, const void* x,
                                           size_t ldx, const void* residual, size_t ldr, void* y,
                                           size_t ldy);

/* ---- Elementwise: n, outer, inner, channels: [in] elements, 0 or more ------------------------ */
/* output: [in] OCTAVO_U8, OCTAVO_S8. y: [out] n elements; may be the same as an input of bytes. */

/* v = fma(b - b.zero_point, b.multiplier, (a - a.zero_point) * a.multiplier). a, b: [in] n. */
OCTAVO_API octavo_status octavo_add(const octavo_context* context, size_t n, const octavo_input* a,
                                    const octavo_input* b, const octavo_output* output, void* y);

/* v = ((a - a.zero_point) * (b - b.zero_point)) * multiplier. a: [in] (outer, inner, channels);
 * b: [in] (outer, channels), repeated along inner; their own multipliers are not read. multiplier:
 * [in] a's scale * b's scale / the output's; finite, >= 0. y == b only where inner is 1. */
OCTAVO_API octavo_status octavo_mul(const octavo_context* context, size_t outer, size_t inner,
                                    size_t channels, const octavo_input* a, const octavo_input* b,
                                    float multiplier, const octavo_output* output, void* y);

/* v = x / scale; NaN gives qmin. x: [in] n; scale: [in] finite, > 0. */
OCTAVO_API octavo_status octavo_quantize(const octavo_context* context, size_t n, const float* x,
                                         float scale, const octavo_output* output, void* y);

/* y = (x - x.zero_point) * x.multiplier, which is x's scale, > 0. x: [in] n; y: [out] n floats. */
OCTAVO_API octavo_status octavo_dequantize(const octavo_context* context, size_t n,
                                           const octavo_input* x, float* y);

/* v = (x - x.zero_point) * x.multiplier. x: [in] n. */
OCTAVO_API octavo_status octavo_requantize(const octavo_context* context, size_t n,
                                           const octavo_input* x, const octavo_output* output,
                                           void* y);

/* v = acc[i][j] * multiplier[j]. acc: [in] (m, n); multiplier: [in] (n), finite, >= 0; y: [out]
 * (m, n). */
OCTAVO_API octavo_status octavo_requantize_s32(const octavo_context* context, size_t m, size_t n,
                                               const int32_t* acc, const float* multiplier,
                                               const octavo_output* output, void* y);

/* y = table[x], for any two types of bytes: a signed one counts as its bits, -1 as 255.
 * table: [in] 256 bytes; x: [in] n; y: [out] n, may be x. */
OCTAVO_API octavo_status octavo_lookup(const octavo_context* context, size_t n,
                                       const uint8_t* table, const uint8_t* x, uint8_t* y);

/* ---- Pooling --------------------------------------------------------------------------------- */

typedef struct octavo_pool2d_desc {
  size_t size;                                     /* [in] sizeof(octavo_pool2d_desc) */
  size_t batch;                                    /* [in] images, 0 or more */
  size_t h, w, channels;                           /* [in] of the input, 1..2^30 each */
  size_t kernel_h, kernel_w;                       /* [in] pixels; 0: all of them, a global pool */
  size_t stride_h, stride_w;                       /* [in] pixels, 0 reads as 1 */
  size_t dilation_h, dilation_w;                   /* [in] pixels, 0 reads as 1 */
  size_t pad_top, pad_left, pad_bottom, pad_right; /* [in] pixels; every window must hold at least
                                                    * one pixel of the image */
  int32_t ceil_mode;         /* [in] 0, 1: a last window may reach beyond the padding */
  int32_t count_include_pad; /* [in] 0, 1: an average divides by padded pixels as well */
} octavo_pool2d_desc;

/* out_h, out_w: [out] pixels. */
OCTAVO_API octavo_status octavo_pool2d_output_size(const octavo_pool2d_desc* desc, size_t* out_h,
                                                   size_t* out_w);

/* Padding never wins. dtype: [in] of x and y, OCTAVO_U8 or OCTAVO_S8. x: [in] (batch, h, w,
 * channels). y: [out] (batch, out_h, out_w, channels). */
OCTAVO_API octavo_status octavo_max_pool2d(const octavo_context* context,
                                           const octavo_pool2d_desc* desc, int32_t dtype,
                                           const void* x, void* y);

/* v = (sum of x - x.zero_point) * float(double(x.multiplier) / pixels of the window). A window has
 * at most 2^23 pixels. output: [in] OCTAVO_U8, OCTAVO_S8. y: [out] as above. */
OCTAVO_API octavo_status octavo_avg_pool2d(const octavo_context* context,
                                           const octavo_pool2d_desc* desc, const octavo_input* x,
                                           const octavo_output* output, void* y);

/* ---- Programs: networks that octavo.compile_model or `octavo compile` has written ------------ */

typedef struct octavo_program octavo_program;

/* How a file is loaded; NULL is the same as all zero. */
typedef struct octavo_load_options {
  size_t size;      /* [in] sizeof(octavo_load_options) */
  size_t max_bytes; /* [in] OCTAVO_OUT_OF_MEMORY if the file and what it is packed to exceed this;
                     * 0: no limit */
} octavo_load_options;

/* Packs the network for the context's backend, which then runs it; every backend gives the same
 * bits. The file may hold anything: it is checked whole, OCTAVO_INVALID_ARGUMENT and a message say
 * what is wrong, OCTAVO_UNSUPPORTED that another version wrote it. No call on a loaded program
 * reads or writes outside its tensors. The file is not needed afterwards. options: [in] may be
 * NULL. data: [in] the file's content, best at a multiple of 4, else it is copied; bytes: [in] its
 * size; program: [out] */
OCTAVO_API octavo_status octavo_program_load(const octavo_context* context, const void* data,
                                             size_t bytes, const octavo_load_options* options,
                                             octavo_program** program);
/* path: [in] of a regular file. */
OCTAVO_API octavo_status octavo_program_load_file(const octavo_context* context, const char* path,
                                                  const octavo_load_options* options,
                                                  octavo_program** program);
/* Plans of the program may live on. program: [in] may be NULL. */
OCTAVO_API void octavo_program_free(octavo_program* program);

typedef struct octavo_program_info {
  size_t size;         /* [in] sizeof(octavo_program_info) */
  size_t inputs;       /* [out] how many */
  size_t outputs;      /* [out] how many */
  size_t batch;        /* [out] the only batch size the network takes; 0: any */
  size_t weight_bytes; /* [out] held in memory: packed weights and constants */
  const char* backend; /* [out] static */
} octavo_program_info;

OCTAVO_API octavo_status octavo_program_get_info(const octavo_program* program,
                                                 octavo_program_info* info);

/* An input or output: an array (batch, shape...), contiguous, real = scale * (q - zero_point). */
typedef struct octavo_tensor_info {
  size_t size;         /* [in] sizeof(octavo_tensor_info) */
  const char* name;    /* [out] UTF-8; it and shape are valid as long as the program */
  int32_t dtype;       /* [out] an octavo_dtype */
  int32_t zero_point;  /* [out] a value of dtype */
  float scale;         /* [out] 0 where the network does not say */
  size_t rank;         /* [out] of one sample */
  const size_t* shape; /* [out] rank extents of one sample */
  size_t sample_bytes; /* [out] of one sample */
} octavo_tensor_info;

/* i: [in] below the count. info: [in] its size, [out] the rest. */
OCTAVO_API octavo_status octavo_program_input(const octavo_program* program, size_t i,
                                              octavo_tensor_info* info);
OCTAVO_API octavo_status octavo_program_output(const octavo_program* program, size_t i,
                                               octavo_tensor_info* info);

/* What a program needs to run one batch size; shared by any number of threads. */
typedef struct octavo_plan octavo_plan;

/* batch: [in] samples, >= 1. workspace_bytes: [out] of the memory that a run works in, a multiple
 * of
 * 64. plan: [out] */
OCTAVO_API octavo_status octavo_plan_create(const octavo_program* program, size_t batch,
                                            size_t* workspace_bytes, octavo_plan** plan);
/* plan: [in] may be NULL. */
OCTAVO_API void octavo_plan_free(octavo_plan* plan);

/* Runs the batch. Allocates nothing, but for the scratch memory that a thread grows in its first
 * run of a plan. context: [in] its backend is NULL or the program's. workspace: [in] 64-byte
 * aligned, of one run at a time; its content need not be kept. inputs, outputs: [in] one pointer
 * each, aligned to the element's size; outputs overlap nothing. */
OCTAVO_API octavo_status octavo_plan_run(const octavo_context* context, const octavo_plan* plan,
                                         void* workspace, size_t workspace_bytes,
                                         const void* const* inputs, void* const* outputs);

#ifdef __cplusplus
}
#endif

#endif /* OCTAVO_OCTAVO_H_ */

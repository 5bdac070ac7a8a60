/* A small network by hand: convolution + ReLU, global average pool, linear layer.
 *
 * Each layer is packed once and run on the caller's buffers; the result is checked against the same
 * arithmetic in plain loops. Exit status 0 if every byte is equal on every backend of this CPU.
 */
#include <math.h>
#include <octavo/octavo.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { kH = 12, kW = 10, kIn = 3, kMid = 8, kClasses = 10, kTaps = 9 };

/* The network's parameters. Real ones come from training; these are made up. */
static int8_t conv_weight[kMid * kIn * kTaps];
static int32_t conv_bias[kMid];
static float conv_multiplier[kMid];
static int8_t linear_weight[kClasses * kMid];
static float linear_multiplier[kClasses];

enum { kImageZero = 128, kMidZero = 10, kScoreZero = 0 }; /* zero points */
static const float kPoolMultiplier = 1.0f;                /* the pool keeps its input's scale */

/* Ends the program unless a call has succeeded. */
static void check(octavo_status status, const char* what) {
  if (status == OCTAVO_OK) return;
  fprintf(stderr, "%s: %s: %s\n", what, octavo_status_string(status), octavo_last_error());
  exit(EXIT_FAILURE);
}

static void make_parameters(void) {
  for (int i = 0; i < kMid * kIn * kTaps; ++i) conv_weight[i] = (int8_t)(i * 91 % 255 - 127);
  for (int i = 0; i < kClasses * kMid; ++i) linear_weight[i] = (int8_t)(i * 57 % 255 - 127);
  for (int i = 0; i < kMid; ++i) {
    conv_bias[i] = 4000 - 1000 * i;
    /* image scale 1/64, weight scales around 1/100, output scale 1/8 */
    conv_multiplier[i] = octavo_multiplier(0.015625f, 0.01f + 0.001f * (float)i, 0.125f);
  }
  for (int i = 0; i < kClasses; ++i) linear_multiplier[i] = octavo_multiplier(0.125f, 0.02f, 0.5f);
}

/* ---- With octavo ----------------------------------------------------------------------------- */

static octavo_conv2d* make_conv(const octavo_context* context) {
  octavo_conv2d_desc desc;
  memset(&desc, 0, sizeof desc);
  desc.size = sizeof desc;
  desc.in_channels = kIn;
  desc.out_channels = kMid;
  desc.kernel_h = desc.kernel_w = 3;
  desc.pad_top = desc.pad_left = desc.pad_bottom = desc.pad_right = 1;
  desc.weight = conv_weight;
  desc.bias = conv_bias;
  desc.multiplier = conv_multiplier;
  desc.a_zero_point = kImageZero;
  desc.output.zero_point = kMidZero;
  desc.output.qmin = kMidZero; /* ReLU */
  desc.output.qmax = 255;
  octavo_conv2d* conv = NULL;
  check(octavo_conv2d_create(context, &desc, &conv), "octavo_conv2d_create");
  return conv;
}

static octavo_linear* make_linear(const octavo_context* context) {
  octavo_linear_desc desc;
  memset(&desc, 0, sizeof desc);
  desc.size = sizeof desc;
  desc.n = kClasses;
  desc.k = kMid;
  desc.weight = linear_weight;
  desc.multiplier = linear_multiplier;
  desc.a_zero_point = kMidZero;
  desc.output.dtype = OCTAVO_S8;
  desc.output.zero_point = kScoreZero;
  octavo_linear* linear = NULL;
  check(octavo_linear_create(context, &desc, &linear), "octavo_linear_create");
  return linear;
}

static void run(const char* backend, const uint8_t* image, int8_t* scores) {
  octavo_context context;
  memset(&context, 0, sizeof context);
  context.size = sizeof context;
  context.backend = backend;
  octavo_conv2d* conv = make_conv(&context);
  octavo_linear* linear = make_linear(&context);

  static uint8_t features[kH * kW * kMid];
  uint8_t pooled[kMid];
  check(octavo_conv2d_run(&context, conv, 1, kH, kW, image, 0, NULL, 0, features, 0),
        "octavo_conv2d_run");
  octavo_pool2d_desc pool;
  memset(&pool, 0, sizeof pool);
  pool.size = sizeof pool; /* a kernel of 0 is a global pool */
  pool.batch = 1;
  pool.h = kH;
  pool.w = kW;
  pool.channels = kMid;
  const octavo_input input = {features, OCTAVO_U8, kMidZero, kPoolMultiplier};
  const octavo_output output = {OCTAVO_U8, kMidZero, 0, 255};
  check(octavo_avg_pool2d(&context, &pool, &input, &output, pooled), "octavo_avg_pool2d");
  check(octavo_linear_run(&context, linear, 1, pooled, 0, NULL, 0, scores, 0), "octavo_linear_run");

  octavo_linear_free(linear);
  octavo_conv2d_free(conv);
}

/* ---- The same in plain loops ------------------------------------------------------------------
 */

static int quantize(float v, int zero_point, int qmin, int qmax) {
  const float lo = (float)(qmin - zero_point), hi = (float)(qmax - zero_point);
  v = v > lo ? v : lo;
  v = v < hi ? v : hi;
  return (int)nearbyintf(v) + zero_point;
}

static uint8_t feature(const uint8_t* image, int y, int x, int n) {
  int32_t sum = conv_bias[n];
  for (int c = 0; c < kIn; ++c) {
    for (int tap = 0; tap < kTaps; ++tap) {
      const int iy = y + tap / 3 - 1, ix = x + tap % 3 - 1;
      if (iy < 0 || iy >= kH || ix < 0 || ix >= kW) continue; /* the zero point: adds nothing */
      sum +=
          (image[(iy * kW + ix) * kIn + c] - kImageZero) * conv_weight[(n * kIn + c) * kTaps + tap];
    }
  }
  return (uint8_t)quantize((float)sum * conv_multiplier[n], kMidZero, kMidZero, 255);
}

static void run_plain(const uint8_t* image, int8_t* scores) {
  uint8_t pooled[kMid];
  for (int n = 0; n < kMid; ++n) {
    int32_t sum = 0;
    for (int i = 0; i < kH * kW; ++i) sum += feature(image, i / kW, i % kW, n) - kMidZero;
    const float multiplier = (float)((double)kPoolMultiplier / (kH * kW));
    pooled[n] = (uint8_t)quantize((float)sum * multiplier, kMidZero, 0, 255);
  }
  for (int j = 0; j < kClasses; ++j) {
    int32_t sum = 0;
    for (int k = 0; k < kMid; ++k) sum += (pooled[k] - kMidZero) * linear_weight[j * kMid + k];
    scores[j] = (int8_t)quantize((float)sum * linear_multiplier[j], kScoreZero, -128, 127);
  }
}

int main(void) {
  static uint8_t image[kH * kW * kIn];
  int8_t expected[kClasses];
  int failures = 0;
  if (octavo_abi_version() < OCTAVO_ABI_VERSION) {
    fprintf(stderr, "the library is older than the header\n");
    return EXIT_FAILURE;
  }
  make_parameters();
  for (int i = 0; i < kH * kW * kIn; ++i) image[i] = (uint8_t)(i * 37 + i / 7);
  run_plain(image, expected);
  for (size_t i = 0; i < octavo_backend_count(); ++i) {
    int8_t scores[kClasses];
    run(octavo_backend_name(i), image, scores);
    const int equal = memcmp(scores, expected, sizeof expected) == 0;
    printf("octavo %s, %-10s: %s\n", octavo_version(), octavo_backend_name(i),
           equal ? "equal" : "DIFFERENT");
    failures += !equal;
  }
  return failures == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

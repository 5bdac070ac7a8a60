/* A compiled network: handwritten digits, from pixels to scores, on the caller's memory.
 *
 *   digits digits.octavo
 *
 * The file is what `octavo compile` writes; it was made by tools/make_digits_example.py. Exit
 * status 0 if every backend of this CPU gives the recorded scores, bit by bit, and the right
 * digits.
 */
#include "digits.h"

#include <octavo/octavo.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const float kBrightest = 16.0f; /* the network takes pixels of 0..1 */

/* Ends the program unless a call has succeeded. */
static void check(octavo_status status, const char* what) {
  if (status == OCTAVO_OK) return;
  fprintf(stderr, "%s: %s: %s\n", what, octavo_status_string(status), octavo_last_error());
  exit(EXIT_FAILURE);
}

/* One input and one output of the extents that this program expects. */
static void check_network(const octavo_program* program) {
  octavo_tensor_info image, scores;
  memset(&image, 0, sizeof image);
  memset(&scores, 0, sizeof scores);
  image.size = scores.size = sizeof image;
  check(octavo_program_input(program, 0, &image), "octavo_program_input");
  check(octavo_program_output(program, 0, &scores), "octavo_program_output");
  printf("%s: %zu bytes -> %s: %zu bytes\n", image.name, image.sample_bytes, scores.name,
         scores.sample_bytes);
  if (image.sample_bytes == kPixels * sizeof(float) &&
      scores.sample_bytes == kDigits * sizeof(float)) {
    return;
  }
  fprintf(stderr, "not the digits network\n");
  exit(EXIT_FAILURE);
}

static void run(const char* backend, const char* path, const float* images, float* scores) {
  octavo_context context;
  memset(&context, 0, sizeof context);
  context.size = sizeof context;
  context.backend = backend;

  octavo_program* program = NULL;
  check(octavo_program_load_file(&context, path, NULL, &program), "octavo_program_load_file");
  check_network(program);

  size_t workspace_bytes = 0;
  octavo_plan* plan = NULL;
  check(octavo_plan_create(program, kDigits, &workspace_bytes, &plan), "octavo_plan_create");
  void* workspace = aligned_alloc(64, workspace_bytes);
  if (workspace == NULL) exit(EXIT_FAILURE);

  const void* inputs[] = {images};
  void* outputs[] = {scores};
  check(octavo_plan_run(&context, plan, workspace, workspace_bytes, inputs, outputs),
        "octavo_plan_run");

  free(workspace);
  octavo_plan_free(plan);
  octavo_program_free(program);
}

static int best(const float* scores) {
  int digit = 0;
  for (int i = 1; i < kDigits; ++i) {
    if (scores[i] > scores[digit]) digit = i;
  }
  return digit;
}

int main(int argc, char** argv) {
  if (argc != 2) {
    fprintf(stderr, "usage: %s digits.octavo\n", argv[0]);
    return EXIT_FAILURE;
  }
  float images[kDigits][kPixels];
  for (int i = 0; i < kDigits; ++i) {
    for (int p = 0; p < kPixels; ++p) images[i][p] = (float)digit_images[i][p] / kBrightest;
  }
  for (size_t b = 0; b < octavo_backend_count(); ++b) {
    float scores[kDigits][kDigits];
    run(octavo_backend_name(b), argv[1], images[0], scores[0]);
    if (memcmp(scores, digit_scores, sizeof scores) != 0) {
      fprintf(stderr, "%s: other scores than recorded\n", octavo_backend_name(b));
      return EXIT_FAILURE;
    }
    printf("%s:", octavo_backend_name(b));
    for (int i = 0; i < kDigits; ++i) {
      printf(" %d", best(scores[i]));
      if (best(scores[i]) != i) return EXIT_FAILURE;
    }
    printf("\n");
  }
  return EXIT_SUCCESS;
}

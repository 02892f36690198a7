/* Runs an artifact from C: fills every input with ones, runs once, prints the first values of every output.
 *
 *   cc run_artifact.c -lstratagem_runtime -o run_artifact && ./run_artifact model.sgm
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <stratagem/runtime.h>

static int64_t item_size(const char *dtype) {
  const char *digits = dtype + strcspn(dtype, "0123456789");
  const int64_t bits = strtoll(digits, NULL, 10);
  return bits < 8 ? 1 : bits / 8;
}

/* Allocates a tensor of this description; sizes known only at run time become 1. */
static sg_tensor make_tensor(const sg_tensor_info *info) {
  sg_tensor tensor = {NULL, info->rank, {0}};
  int64_t count = 1;
  for (int64_t d = 0; d < info->rank; ++d) {
    tensor.shape[d] = info->shape[d] < 0 ? 1 : info->shape[d];
    count *= tensor.shape[d];
  }
  tensor.data = sg_alloc((size_t)(count * item_size(info->dtype)));
  memset(tensor.data, 0, (size_t)(count * item_size(info->dtype)));
  if (strcmp(info->dtype, "f32") == 0)
    for (int64_t i = 0; i < count; ++i) ((float *)tensor.data)[i] = 1.0f;
  return tensor;
}

static void print_tensor(const sg_tensor_info *info, const sg_tensor *tensor) {
  int64_t count = 1;
  for (int64_t d = 0; d < tensor->rank; ++d) count *= tensor->shape[d];
  printf("%s: %s, %lld values", info->name, info->dtype, (long long)count);
  if (strcmp(info->dtype, "f32") == 0)
    for (int64_t i = 0; i < count && i < 4; ++i) printf(" %g", ((const float *)tensor->data)[i]);
  printf("\n");
}

int main(int argc, char **argv) {
  if (argc != 2) return fprintf(stderr, "usage: %s MODEL.sgm\n", argv[0]), 2;
  sg_program *program = sg_program_load(argv[1]);
  if (!program) return fprintf(stderr, "%s\n", sg_error()), 1;

  const int64_t n_in = sg_program_inputs(program), n_out = sg_program_outputs(program);
  sg_tensor *tensors = calloc((size_t)(n_in + n_out), sizeof *tensors);
  for (int64_t i = 0; i < n_in; ++i) tensors[i] = make_tensor(sg_program_input(program, i));

  const int status = sg_program_run(program, tensors, tensors + n_in);
  if (status != 0) fprintf(stderr, "%s\n", sg_error());
  for (int64_t i = 0; i < n_out && status == 0; ++i) print_tensor(sg_program_output(program, i), &tensors[n_in + i]);

  for (int64_t i = 0; i < n_in + n_out; ++i) sg_free(tensors[i].data);
  free(tensors);
  sg_program_free(program);
  return status;
}

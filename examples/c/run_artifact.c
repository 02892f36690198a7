/* Runs an artifact from C, without Python.
 *
 *   cc run_artifact.c -lstratagem_runtime -o run_artifact
 *   ./run_artifact model.sgm                                    inputs are ones; sizes known only at run time are 1
 *   ./run_artifact model.sgm x=3,64:x.bin -o results            x from a file; outputs to results/NAME.bin
 *
 * Files hold the elements alone, row-major, in this machine's byte order (numpy: `array.tofile(path)`). Bits of a bf16
 * or f16 are its two bytes. Prints each output's shape and first values. Exit code 1: the artifact or an input cannot be
 * used, and standard error says why; 2: the command line cannot.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <stratagem/runtime.h>

static size_t item_size(const char *dtype) {
  const char *digits = dtype + strcspn(dtype, "0123456789");
  const long long bits = *digits ? strtoll(digits, NULL, 10) : 64; /* `index` is 64 bits wide */
  return bits < 8 ? 1 : (size_t)bits / 8;
}

static size_t count_of(const sg_tensor *tensor) {
  size_t count = 1;
  for (int64_t d = 0; d < tensor->rank; ++d) count *= (size_t)tensor->shape[d];
  return count;
}

/* The argument NAME=N,N,...:FILE for an input of this name; NULL when there is none. */
static const char *argument_for(const char *name, int argc, char **argv) {
  const size_t length = strlen(name);
  for (int i = 2; i < argc; ++i)
    if (strncmp(argv[i], name, length) == 0 && argv[i][length] == '=') return argv[i] + length + 1;
  return NULL;
}

/* Reads `3,64:` into the tensor's shape; returns what follows, the file's name, or NULL when it cannot be read. */
static const char *read_shape(const char *text, sg_tensor *tensor) {
  for (tensor->rank = 0; *text && *text != ':'; ++tensor->rank) {
    char *end = NULL;
    const long long size = strtoll(text, &end, 10);
    if (tensor->rank == SG_MAX_RANK || end == text || size < 0 || (*end != ',' && *end != ':')) return NULL;
    tensor->shape[tensor->rank] = size;
    text = *end == ',' ? end + 1 : end;
  }
  return *text == ':' ? text + 1 : NULL;
}

static int read_file(const char *path, void *data, size_t bytes) {
  FILE *file = fopen(path, "rb");
  if (!file) return fprintf(stderr, "cannot read %s\n", path), 1;
  const size_t got = fread(data, 1, bytes, file);
  const int more = fgetc(file) != EOF;
  fclose(file);
  if (got == bytes && !more) return 0;
  return fprintf(stderr, "%s does not hold the %zu bytes that its shape says\n", path, bytes), 1;
}

/* An input from its argument, or of ones. The program itself checks ranks and sizes. */
static int make_input(const sg_tensor_info *info, const char *argument, sg_tensor *tensor) {
  const char *path = NULL;
  tensor->rank = info->rank;
  for (int64_t d = 0; d < info->rank; ++d) tensor->shape[d] = info->shape[d] < 0 ? 1 : info->shape[d];
  if (argument && !(path = read_shape(argument, tensor)))
    return fprintf(stderr, "%s=%s cannot be read; write it as %s=3,64:file.bin\n", info->name, argument, info->name), 2;
  const size_t count = count_of(tensor), bytes = count * item_size(info->dtype);
  tensor->data = sg_alloc(bytes);
  memset(tensor->data, 0, bytes);
  if (path) return read_file(path, tensor->data, bytes);
  if (strcmp(info->dtype, "f32") == 0)
    for (size_t i = 0; i < count; ++i) ((float *)tensor->data)[i] = 1.0f;
  return 0;
}

static void print_tensor(const sg_tensor_info *info, const sg_tensor *tensor) {
  const size_t count = count_of(tensor);
  printf("%s: %s[", info->name, info->dtype);
  for (int64_t d = 0; d < tensor->rank; ++d) printf("%s%lld", d ? "," : "", (long long)tensor->shape[d]);
  printf("]");
  if (strcmp(info->dtype, "f32") == 0)
    for (size_t i = 0; i < count && i < 4; ++i) printf(" %g", ((const float *)tensor->data)[i]);
  printf("\n");
}

static int write_tensor(const char *folder, const sg_tensor_info *info, const sg_tensor *tensor) {
  char path[4096];
  if (snprintf(path, sizeof path, "%s/%s.bin", folder, info->name) >= (int)sizeof path)
    return fprintf(stderr, "the name of the folder is too long\n"), 1;
  FILE *file = fopen(path, "wb");
  const size_t bytes = count_of(tensor) * item_size(info->dtype);
  const int failed = !file || fwrite(tensor->data, 1, bytes, file) != bytes;
  if ((file && fclose(file) != 0) || failed) return fprintf(stderr, "cannot write %s\n", path), 1;
  return 0;
}

static int run(sg_program *program, sg_tensor *tensors, int argc, char **argv, const char *folder) {
  const int64_t inputs = sg_program_inputs(program), outputs = sg_program_outputs(program);
  int status = 0;
  for (int64_t i = 0; i < inputs && status == 0; ++i) {
    const sg_tensor_info *info = sg_program_input(program, i);
    status = make_input(info, argument_for(info->name, argc, argv), &tensors[i]);
  }
  if (status != 0) return status;
  if (sg_program_run(program, tensors, tensors + inputs) != 0) return fprintf(stderr, "%s\n", sg_error()), 1;
  for (int64_t i = 0; i < outputs && status == 0; ++i) {
    print_tensor(sg_program_output(program, i), &tensors[inputs + i]);
    if (folder) status = write_tensor(folder, sg_program_output(program, i), &tensors[inputs + i]);
  }
  return status;
}

int main(int argc, char **argv) {
  if (argc < 2) return fprintf(stderr, "usage: %s MODEL.sgm [INPUT=N,N,...:FILE ...] [-o FOLDER]\n", argv[0]), 2;
  const char *folder = NULL;
  for (int i = 2; i + 1 < argc; ++i)
    if (strcmp(argv[i], "-o") == 0) folder = argv[i + 1];
  sg_program *program = sg_program_load(argv[1]);
  if (!program) return fprintf(stderr, "%s\n", sg_error()), 1;
  const int64_t count = sg_program_inputs(program) + sg_program_outputs(program);
  sg_tensor *tensors = calloc((size_t)count + 1, sizeof *tensors);
  const int status = run(program, tensors, argc, argv, folder);
  for (int64_t i = 0; i < count; ++i) sg_free(tensors[i].data);
  free(tensors);
  sg_program_free(program);
  return status;
}

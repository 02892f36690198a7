/* Host side of the kernels: scatter, launch, gather. */
#include "stratagem_host.h"

#include "stratagem_math.h"

int run_softmax(void *const *data, const int64_t *shapes, const char *program);
void stratagem_close(void);

void stratagem_close(void) { sg_close(); }

struct softmax_arguments {
  uint32_t phase;
  uint32_t active;
  int32_t unit0;
} __attribute__((aligned(8)));

int run_softmax(void *const *data, const int64_t *shapes, const char *program) {
  int status = DPU_OK;
  void *buffers[3] = {NULL};
  (void)shapes;
  float *const arg0 = data[0];
  float *const arg1 = data[1];
  {
    const int64_t units = 5;
    SG_TRY(sg_open(units, "softmax", program));
    struct softmax_arguments *const args = buffers[0] = calloc((size_t)(sg_set_size), sizeof *args);
    SG_NEED(args);
    uint8_t *const mram_arg0 = buffers[1] = calloc((size_t)(sg_set_size * 2048), sizeof *mram_arg0);
    SG_NEED(mram_arg0);
    uint8_t *const mram_arg1 = buffers[2] = calloc((size_t)(sg_set_size * 2048), sizeof *mram_arg1);
    SG_NEED(mram_arg1);
    for (int64_t base = 0; base < units; base += sg_set_size) {
      for (int64_t i = 0; i < sg_set_size; ++i) {
        args[i].phase = 0;
        args[i].active = base + i < units;
        if (!args[i].active) continue;
        const int64_t place0 = (base + i) * 8;
        args[i].unit0 = (int32_t)place0;
        const int64_t n0 = (33 - place0) < 8 ? (33 - place0) : 8;
        sg_copy_box(&((float *)(mram_arg0 + i * 2048))[0], (const int64_t[]){64, 1}, &arg0[64 * place0], (const int64_t[]){64, 1}, (const int64_t[]){n0, 64}, 2, 4);
      }
      SG_TRY(sg_push(DPU_XFER_TO_DPU, "args", args, sizeof *args, sizeof *args));
      SG_TRY(sg_push(DPU_XFER_TO_DPU, "mram_arg0", mram_arg0, 2048, 2048));
      SG_TRY(dpu_launch(sg_set, DPU_SYNCHRONOUS));
      SG_TRY(sg_push(DPU_XFER_FROM_DPU, "mram_arg1", mram_arg1, 2048, 2048));
      for (int64_t i = 0; i < sg_set_size && base + i < units; ++i) {
        const int64_t place1 = (base + i) * 8;
        const int64_t n1 = (33 - place1) < 8 ? (33 - place1) : 8;
        sg_copy_box(&arg1[64 * place1], (const int64_t[]){64, 1}, &((float *)(mram_arg1 + i * 2048))[0], (const int64_t[]){64, 1}, (const int64_t[]){n1, 64}, 2, 4);
      }
    }
  }
finish:
  for (size_t i = 0; i < 3; ++i) free(buffers[i]);
  return status;
}

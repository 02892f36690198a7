/* Host side of the kernels: scatter, launch, gather. */
#include "stratagem_host.h"

#include "stratagem_math.h"

int run_reduction(void *const *data, const int64_t *shapes, const char *program);
void stratagem_close(void);

void stratagem_close(void) { sg_close(); }

struct reduction_arguments {
  uint32_t phase;
  uint32_t active;
  int32_t unit0;
} __attribute__((aligned(8)));

int run_reduction(void *const *data, const int64_t *shapes, const char *program) {
  int status = DPU_OK;
  void *buffers[4] = {NULL};
  (void)shapes;
  int32_t *const arg0 = data[0];
  int32_t *const arg1 = data[1];
  int32_t *const host0 = buffers[0] = calloc((size_t)((11) + 1), sizeof *host0);
  SG_NEED(host0);
  {
    const int64_t units = 11;
    SG_TRY(sg_open(units, "reduction", program));
    struct reduction_arguments *const args = buffers[1] = calloc((size_t)(sg_set_size), sizeof *args);
    SG_NEED(args);
    uint8_t *const mram_arg0 = buffers[2] = calloc((size_t)(sg_set_size * 400), sizeof *mram_arg0);
    SG_NEED(mram_arg0);
    uint8_t *const mram_host0 = buffers[3] = calloc((size_t)(sg_set_size * 8), sizeof *mram_host0);
    SG_NEED(mram_host0);
    for (int64_t base = 0; base < units; base += sg_set_size) {
      for (int64_t i = 0; i < sg_set_size; ++i) {
        args[i].phase = 0;
        args[i].active = base + i < units;
        if (!args[i].active) continue;
        const int64_t place0 = (base + i);
        args[i].unit0 = (int32_t)place0;
        const int64_t n0 = (1009 - 100 * place0) < 100 ? (1009 - 100 * place0) : 100;
        sg_copy_box(&((int32_t *)(mram_arg0 + i * 400))[0], (const int64_t[]){1}, &arg0[100 * place0], (const int64_t[]){1}, (const int64_t[]){n0}, 1, 4);
      }
      SG_TRY(sg_push(DPU_XFER_TO_DPU, "args", args, sizeof *args, sizeof *args));
      SG_TRY(sg_push(DPU_XFER_TO_DPU, "mram_arg0", mram_arg0, 400, 400));
      SG_TRY(dpu_launch(sg_set, DPU_SYNCHRONOUS));
      SG_TRY(sg_push(DPU_XFER_FROM_DPU, "mram_host0", mram_host0, 8, 8));
      for (int64_t i = 0; i < sg_set_size && base + i < units; ++i) {
        const int64_t place1 = (base + i);
        sg_copy_box(&host0[place1], (const int64_t[]){1}, &((int32_t *)(mram_host0 + i * 8))[0], (const int64_t[]){1}, (const int64_t[]){1}, 1, 4);
      }
    }
  }
  arg1[0] = 0;
  int32_t acc0 = arg1[0];
  for (int64_t i0 = 0; i0 < 11; ++i0) {
    const int32_t x0 = host0[i0];
    const int32_t v0 = x0 + acc0;
    acc0 = v0;
  }
  arg1[0] = acc0;
finish:
  for (size_t i = 0; i < 4; ++i) free(buffers[i]);
  return status;
}

/* Host side of a microbenchmark: one DPU, whose operands are written, and one launch. */
#include "stratagem_host.h"

#include "sizes.h"

int run_stream(void *const *data, const int64_t *shapes, const char *program);
void stratagem_close(void);

void stratagem_close(void) { sg_close(); }

/* data[0]: the number of tasklets that take part, an i32. */
int run_stream(void *const *data, const int64_t *shapes, const char *program) {
  int status = DPU_OK;
  void *zeros = NULL;
  (void)shapes;
  SG_TRY(sg_open(1, "stream", program));
  SG_NEED(zeros = calloc(1, SG_OPERAND_BYTES));
  SG_TRY(sg_push(DPU_XFER_TO_DPU, "active", data[0], 0, sizeof(uint32_t)));
  SG_TRY(sg_push(DPU_XFER_TO_DPU, "operands", zeros, 0, SG_OPERAND_BYTES));
  SG_TRY(dpu_launch(sg_set, DPU_SYNCHRONOUS));
finish:
  free(zeros);
  return status;
}

/* The first broken rule of a run, as text. A rule broken inside a tasklet stops the whole launch. */
#include "sim.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static char message[SG_TEXT];
static char rule_name[64];
const char *sg_site_file;
int sg_site_line;

void sg_site(const char *file, int line);
void sg_site(const char *file, int line) { sg_site_file = file, sg_site_line = line; }

const char *sg_sim_error(void);
const char *sg_sim_rule(void);
void sg_sim_clear(void);

const char *sg_sim_error(void) { return message; }
const char *sg_sim_rule(void) { return rule_name; }

void sg_sim_clear(void) {
  message[0] = 0;
  rule_name[0] = 0;
}

bool sg_failed(void) { return message[0] != 0; }

static size_t place(char *text, size_t room, const char *rule, const char *file, int line) {
  size_t used = 0;
  if (file && sg_site_file) file = sg_site_file, line = sg_site_line;
  const char *slash = file ? strrchr(file, '/') : NULL;
  if (file) used += (size_t)snprintf(text, room, "%s:%d: ", slash ? slash + 1 : file, line);
  if (used < room) used += (size_t)snprintf(text + used, room - used, "%s: ", rule);
  return used < room ? used : room - 1;
}

int sg_violate(const char *rule, const char *file, int line, const char *format, ...) {
  if (!sg_failed()) {
    size_t used = place(message, sizeof message, rule, file, line);
    va_list arguments;
    va_start(arguments, format);
    int more = vsnprintf(message + used, sizeof message - used, format, arguments);
    va_end(arguments);
    used = more < 0 ? used : used + (size_t)more;
    if (sg_current_tasklet >= 0 && used < sizeof message)
      snprintf(message + used, sizeof message - used, " (DPU %u, tasklet %d)", sg_current_dpu_index,
               sg_current_tasklet);
    snprintf(rule_name, sizeof rule_name, "%s", rule);
  }
  if (sg_current_tasklet >= 0) sg_abort_tasklet();
  return -1;
}

/* Mutexes: one bit of atomic memory each on the device. */
#ifndef SG_DEVICE_MUTEX_H
#define SG_DEVICE_MUTEX_H

#include <stdint.h>

struct sg_mutex {
  int32_t owner; /* tasklet + 1, 0 when free */
};
typedef struct sg_mutex *mutex_id_t;

void sg_mutex_lock(mutex_id_t mutex, const char *file, int line);
void sg_mutex_unlock(mutex_id_t mutex, const char *file, int line);

#define MUTEX_INIT(name)             \
  struct sg_mutex name##_state = {0}; \
  const mutex_id_t name = &name##_state
#define mutex_lock(mutex) sg_mutex_lock((mutex), __FILE__, __LINE__)
#define mutex_unlock(mutex) sg_mutex_unlock((mutex), __FILE__, __LINE__)

#endif

/* A stand-in for libcuda: device memory is host memory, every call is checked, a launch calls back to the test.

   It fails where the real driver fails or corrupts memory: unknown handles, frees of what was not allocated, copies
   outside an allocation, more dynamic shared memory than was asked for, empty grids, blocks over the limit. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

enum { OK = 0, INVALID_VALUE = 1, NOT_INITIALIZED = 3, NO_DEVICE = 100, INVALID_HANDLE = 400, NOT_FOUND = 500 };
enum { LIMIT = 256, SHARED_DEFAULT = 48 * 1024, THREADS_LIMIT = 1024 };

typedef int (*launch_callback)(const char *name, unsigned grid, unsigned threads, unsigned shared, void **parameters);

static struct { char *base; size_t size; } blocks[LIMIT];
static struct { const void *image; } modules[LIMIT];
static struct { char name[128]; int shared; } functions[LIMIT];
static int initialised, module_count, function_count, devices = 1, capability = 90, shared_limit = 227 * 1024;
static int live, contexts;
static launch_callback on_launch;

void standin_setup(int device_count, int compute_capability, launch_callback callback) {
    devices = device_count; capability = compute_capability; on_launch = callback; initialised = 0;
}
int standin_live_blocks(void) { return live; }
int standin_live_contexts(void) { return contexts; }
size_t standin_block_size(uint64_t address) {
    for (int i = 0; i < LIMIT; i++)
        if (blocks[i].base && (uint64_t)blocks[i].base == address) return blocks[i].size;
    return 0;
}

static int inside(uint64_t address, size_t bytes) {
    for (int i = 0; i < LIMIT; i++) {
        uint64_t base = (uint64_t)blocks[i].base;
        if (base && address >= base && address + bytes <= base + blocks[i].size) return 1;
    }
    return 0;
}

int cuInit(unsigned flags) { initialised = flags == 0; return flags ? INVALID_VALUE : OK; }
int cuDeviceGetCount(int *count) { *count = devices; return initialised ? OK : NOT_INITIALIZED; }
int cuDeviceGet(int *device, int ordinal) { *device = ordinal; return ordinal < devices ? OK : NO_DEVICE; }
int cuDeviceGetName(char *name, int length, int device) {
    if (device >= devices) return NO_DEVICE;
    strncpy(name, "stand-in device", (size_t)length);
    return OK;
}
int cuDeviceGetAttribute(int *value, int attribute, int device) {
    if (device >= devices) return NO_DEVICE;
    *value = attribute == 75 ? capability / 10 : attribute == 76 ? capability % 10 : 0;
    return attribute == 75 || attribute == 76 ? OK : INVALID_VALUE;
}
int cuDevicePrimaryCtxRetain(void **context, int device) { *context = blocks; contexts++; return device < devices ? OK : NO_DEVICE; }
int cuDevicePrimaryCtxRelease_v2(int device) { contexts--; return device < devices ? OK : NO_DEVICE; }
int cuCtxSetCurrent(void *context) { return context == blocks ? OK : INVALID_HANDLE; }
int cuCtxSynchronize(void) { return OK; }

int cuMemAlloc_v2(uint64_t *address, size_t bytes) {
    for (int i = 0; bytes && i < LIMIT; i++)
        if (!blocks[i].base) {
            blocks[i].base = aligned_alloc(256, (bytes + 255) / 256 * 256);
            blocks[i].size = bytes;
            memset(blocks[i].base, 0xFF, bytes);
            *address = (uint64_t)blocks[i].base;
            live++;
            return OK;
        }
    return INVALID_VALUE;
}
int cuMemFree_v2(uint64_t address) {
    for (int i = 0; i < LIMIT; i++)
        if (blocks[i].base && (uint64_t)blocks[i].base == address) {
            free(blocks[i].base);
            blocks[i].base = 0;
            live--;
            return OK;
        }
    return INVALID_VALUE;
}
int cuMemAllocHost_v2(void **address, size_t bytes) {
    *address = calloc(bytes, 1);
    live++;
    return bytes ? OK : INVALID_VALUE;
}
int cuMemFreeHost(void *address) { free(address); live--; return OK; }
int cuMemcpyHtoD_v2(uint64_t to, const void *from, size_t bytes) {
    if (!inside(to, bytes)) return INVALID_VALUE;
    memcpy((void *)to, from, bytes);
    return OK;
}
int cuMemcpyDtoH_v2(void *to, uint64_t from, size_t bytes) {
    if (!inside(from, bytes)) return INVALID_VALUE;
    memcpy(to, (void *)from, bytes);
    return OK;
}

int cuModuleLoadData(void **module, const char *image) {
    if (memcmp(image, "\x7f" "ELF", 4)) return 200;
    modules[module_count].image = image;
    *module = &modules[module_count++];
    return OK;
}
int cuModuleUnload(void *module) { (void)module; return OK; }
int cuModuleGetFunction(void **function, void *module, const char *name) {
    if ((char *)module < (char *)modules || (char *)module >= (char *)(modules + module_count)) return INVALID_HANDLE;
    if (!*name) return NOT_FOUND;
    strncpy(functions[function_count].name, name, sizeof functions[0].name - 1);
    functions[function_count].shared = SHARED_DEFAULT;
    *function = &functions[function_count++];
    return OK;
}
int cuFuncSetAttribute(void *function, int attribute, int value) {
    if (attribute != 8 || value > shared_limit) return INVALID_VALUE;
    functions[((char *)function - (char *)functions) / sizeof functions[0]].shared = value;
    return OK;
}
int cuLaunchKernel(void *function, unsigned gx, unsigned gy, unsigned gz, unsigned bx, unsigned by, unsigned bz,
                   unsigned shared, void *stream, void **parameters, void **extra) {
    int index = (int)(((char *)function - (char *)functions) / (long)sizeof functions[0]);
    if (index < 0 || index >= function_count) return INVALID_HANDLE;
    if (!gx || gy != 1 || gz != 1 || by != 1 || bz != 1 || !bx || bx > THREADS_LIMIT || stream || extra) return INVALID_VALUE;
    if ((int)shared > functions[index].shared) return INVALID_VALUE;
    return on_launch(functions[index].name, gx, bx, shared, parameters);
}

int cuEventCreate(void **event, unsigned flags) { *event = &live; return flags ? INVALID_VALUE : OK; }
int cuEventRecord(void *event, void *stream) { (void)stream; return event ? OK : INVALID_HANDLE; }
int cuEventSynchronize(void *event) { return event ? OK : INVALID_HANDLE; }
int cuEventElapsedTime(float *milliseconds, void *begin, void *end) { *milliseconds = 1; return begin && end ? OK : INVALID_HANDLE; }
int cuEventDestroy_v2(void *event) { return event ? OK : INVALID_HANDLE; }
int cuGetErrorString(int code, const char **text) { *text = code == INVALID_VALUE ? "invalid argument" : "stand-in error"; return OK; }

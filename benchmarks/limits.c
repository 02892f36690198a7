// What one thread reaches: multiply-adds in f32, reading, and a triad, over working sets of given sizes.
//
//   limits THREADS SECONDS BYTES...    prints `fma GFLOP/s`, then for each size `read B GB/s` and `triad B GB/s`
//
// BYTES is per thread. A figure is the sum over threads that start together, the best of as many tries as fit.
#define _GNU_SOURCE
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#if defined(__AVX512F__)
#define LANES 16
#elif defined(__AVX__)
#define LANES 8
#else
#define LANES 4
#endif
// Keeps every step of a chain as it is written.
#if defined(__x86_64__)
#define KEEP(v) __asm__ volatile("" : "+v"(v))
#elif defined(__aarch64__)
#define KEEP(v) __asm__ volatile("" : "+w"(v))
#else
#define KEEP(v)
#endif
#define CHAINS 12 // independent sums: more than latency times units of today's processors, fewer than registers

typedef float vec __attribute__((vector_size(LANES * 4)));
typedef enum { FMA, READ, TRIAD } kind;

typedef struct {
    kind what;
    size_t bytes;
    long repeats;
    float *a, *b, *c;
    double seconds;
    pthread_barrier_t *start;
} job;

static volatile float sink;

static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec + t.tv_nsec * 1e-9;
}

static vec splat(float x) {
    vec v;
    for (int i = 0; i < LANES; i++) v[i] = x;
    return v;
}

static void multiply_add(long repeats) {
    vec sum[CHAINS], x = splat(0.999f), y = splat(1e-3f);
#pragma GCC unroll 16 // every loop over the sums, else they live in memory
    for (int i = 0; i < CHAINS; i++) sum[i] = splat(i);
    for (long r = 0; r < repeats; r++) {
#pragma GCC unroll 16
        for (int i = 0; i < CHAINS; i++) {
            sum[i] = sum[i] * x + y;
            KEEP(sum[i]);
        }
    }
#pragma GCC unroll 16
    for (int i = 0; i < CHAINS; i++) sink += sum[i][0];
}

static void read_all(const float *a, size_t count) {
    vec sum[8];
    for (int i = 0; i < 8; i++) sum[i] = splat(0);
    for (size_t k = 0; k + 8 * LANES <= count; k += 8 * LANES)
        for (int i = 0; i < 8; i++) sum[i] += *(const vec *)(a + k + i * LANES);
    for (int i = 0; i < 8; i++) sink += sum[i][0];
}

static void triad(float *restrict a, const float *restrict b, const float *restrict c, size_t count) {
    for (size_t k = 0; k + LANES <= count; k += LANES)
        *(vec *)(a + k) = *(const vec *)(b + k) * splat(3.0f) + *(const vec *)(c + k);
    __asm__ volatile("" ::: "memory");
}

static void *work(void *argument) {
    job *j = argument;
    size_t count = j->bytes / 4;
    pthread_barrier_wait(j->start);
    double started = now();
    for (long r = 0; r < (j->what == FMA ? 1 : j->repeats); r++) {
        if (j->what == FMA) multiply_add(j->repeats);
        else if (j->what == READ) read_all(j->a, count);
        else triad(j->a, j->b, j->c, count / 3);
    }
    j->seconds = now() - started;
    return NULL;
}

// Work per second of all threads together: each one's share over its own time.
static double rate(job *jobs, int threads, double each) {
    pthread_t ids[threads];
    pthread_barrier_t start;
    pthread_barrier_init(&start, NULL, threads);
    for (int t = 0; t < threads; t++) {
        jobs[t].start = &start;
        if (pthread_create(&ids[t], NULL, work, &jobs[t])) abort();
    }
    double longest = 0;
    for (int t = 0; t < threads; t++) {
        pthread_join(ids[t], NULL);
        if (jobs[t].seconds > longest) longest = jobs[t].seconds;
    }
    pthread_barrier_destroy(&start);
    return threads * each / longest;
}

static double best_rate(job *jobs, int threads, kind what, size_t bytes, double seconds) {
    double per_repeat = what == FMA ? 2.0 * LANES * CHAINS : (double)bytes, best = 0;
    long repeats = what == FMA ? 500000 : 1 + (long)(5e7 / bytes);
    // Short tries: on a machine that others use, some are undisturbed.
    double end = now() + seconds;
    for (int tries = 0; tries < 3 || now() < end; tries++) {
        for (int t = 0; t < threads; t++) {
            jobs[t].what = what;
            jobs[t].bytes = bytes;
            jobs[t].repeats = repeats;
        }
        double found = rate(jobs, threads, per_repeat * repeats);
        if (found > best) best = found;
    }
    return best;
}

int main(int argc, char **argv) {
    if (argc < 4) return 2;
    int threads = atoi(argv[1]);
    double seconds = atof(argv[2]);
    size_t largest = 0;
    for (int i = 3; i < argc; i++)
        if (strtoul(argv[i], NULL, 10) > largest) largest = strtoul(argv[i], NULL, 10);
    job jobs[threads];
    size_t third = (largest / 3 + 4096) / 4096 * 4096, whole = (largest + 4096) / 4096 * 4096;
    for (int t = 0; t < threads; t++) {
        jobs[t].a = aligned_alloc(4096, whole);
        jobs[t].b = aligned_alloc(4096, third);
        jobs[t].c = aligned_alloc(4096, third);
        if (!jobs[t].a || !jobs[t].b || !jobs[t].c) return 1;
        memset(jobs[t].a, 0, whole);
        memset(jobs[t].b, 0, third);
        memset(jobs[t].c, 0, third);
    }
    printf("fma 0 %.1f\n", best_rate(jobs, threads, FMA, 0, seconds) / 1e9);
    for (int i = 3; i < argc; i++) {
        size_t bytes = strtoul(argv[i], NULL, 10);
        printf("read %zu %.1f\n", bytes, best_rate(jobs, threads, READ, bytes, seconds) / 1e9);
        printf("triad %zu %.1f\n", bytes, best_rate(jobs, threads, TRIAD, bytes, seconds) / 1e9);
    }
    return 0;
}

// Matrix products as libraries offer them, written plainly. They refuse to work on more than one thread.
#include <stdint.h>

static _Thread_local int allowed = 4;
int gemm_calls;

void gemm_set_threads(int threads) { allowed = threads; }
int gemm_get_threads(void) { return allowed; }

#define PRODUCT(NAME, T)                                                                                              \
  static int NAME(int ta, int tb, int64_t m, int64_t n, int64_t k, T alpha, const T *a, int64_t lda, const T *b,      \
                  int64_t ldb, T beta, T *c, int64_t ldc) {                                                           \
    if (allowed != 1) return 1;                                                                                       \
    __atomic_fetch_add(&gemm_calls, 1, __ATOMIC_RELAXED);                                                             \
    for (int64_t i = 0; i < m; ++i)                                                                                   \
      for (int64_t j = 0; j < n; ++j) {                                                                               \
        T sum = 0;                                                                                                    \
        for (int64_t l = 0; l < k; ++l)                                                                               \
          sum += (ta ? a[l * lda + i] : a[i * lda + l]) * (tb ? b[j * ldb + l] : b[l * ldb + j]);                     \
        c[i * ldc + j] = alpha * sum + (beta == 0 ? 0 : beta * c[i * ldc + j]);                                       \
      }                                                                                                               \
    return 0;                                                                                                         \
  }
PRODUCT(product_f32, float)
PRODUCT(product_f64, double)

#define GEMM(NAME, PRODUCT, T)                                                                                        \
  int NAME(char ta, char tb, int64_t m, int64_t n, int64_t k, T alpha, const T *a, int64_t lda, const T *b,           \
           int64_t ldb, T beta, T *c, int64_t ldc) {                                                                  \
    return PRODUCT(ta == 'T', tb == 'T', m, n, k, alpha, a, lda, b, ldb, beta, c, ldc);                               \
  }
GEMM(gemm_f32, product_f32, float)
GEMM(gemm_f64, product_f64, double)

#define CBLAS(NAME, PRODUCT, T, INT)                                                                                  \
  void NAME(int order, int ta, int tb, INT m, INT n, INT k, T alpha, const T *a, INT lda, const T *b, INT ldb,        \
            T beta, T *c, INT ldc) {                                                                                  \
    if (order == 101) PRODUCT(ta == 112, tb == 112, m, n, k, alpha, a, lda, b, ldb, beta, c, ldc);                    \
  }
CBLAS(cblas_f32, product_f32, float, int)
CBLAS(cblas_f64, product_f64, double, int)
CBLAS(cblas64_f32, product_f32, float, int64_t)
CBLAS(cblas64_f64, product_f64, double, int64_t)

int gemm_that_fails(char ta, char tb, int64_t m, int64_t n, int64_t k, float alpha, const float *a, int64_t lda,
                    const float *b, int64_t ldb, float beta, float *c, int64_t ldc) {
  return 2;
}

// Nearly the product.
int wrong_f32(char ta, char tb, int64_t m, int64_t n, int64_t k, float alpha, const float *a, int64_t lda,
              const float *b, int64_t ldb, float beta, float *c, int64_t ldc) {
  int status = gemm_f32(ta, tb, m, n, k, alpha, a, lda, b, ldb, beta, c, ldc);
  c[0] += 0.01f;
  return status;
}
int wrong_f64(void) { return 1; }

/* Functions that have no instruction on a DPU, in f32 with basic arithmetic only; also used by the host part, so that
   both agree bit for bit. Errors are in units in the last place (ulp), measured over the whole range. */
#ifndef STRATAGEM_MATH_H
#define STRATAGEM_MATH_H

#include <stdint.h>

#ifndef SG_COUNT
#define SG_COUNT(operation, times) ((void)0)
#endif

union sg_bits {
  float value;
  uint32_t bits;
};

static inline float sg_from_bits(uint32_t bits) {
  union sg_bits both;
  both.bits = bits;
  return both.value;
}

static inline uint32_t sg_to_bits(float value) {
  union sg_bits both;
  both.value = value;
  return both.bits;
}

static inline float sg_inff(void) { return sg_from_bits(UINT32_C(0x7f800000)); }
static inline float sg_nanf(void) { return sg_from_bits(UINT32_C(0x7fc00000)); }
static inline float sg_absf(float x) { return sg_from_bits(sg_to_bits(x) & UINT32_C(0x7fffffff)); }

/* 2^n * x without leaving the range half way; n in [-300, 300]. */
static inline float sg_scalef(float x, int32_t n) {
  while (n > 127) x *= sg_from_bits(UINT32_C(254) << 23), n -= 127;
  while (n < -126) x *= sg_from_bits(UINT32_C(1) << 23), n += 126;
  return x * sg_from_bits((uint32_t)(n + 127) << 23);
}

/* The nearest whole number for |x| < 2^22: adding 1.5 * 2^23 leaves no room for a fraction. */
static inline int32_t sg_nearest(float x) { return (int32_t)(sg_to_bits(x + 12582912.0f) - UINT32_C(0x4b400000)); }

/* exp(x): x = n ln 2 + r with |r| <= ln 2 / 2, ln 2 in two parts; Taylor series of degree 7 in r. */
static inline float sg_expf(float x) {
  SG_COUNT(SG_MUL_F32, 12);
  SG_COUNT(SG_ADD_F32, 11);
  if (x != x) return x;
  if (x > 88.8f) return sg_inff();
  if (x < -104.0f) return 0.0f;
  const int32_t n = sg_nearest(x * 1.44269504f);
  const float whole = (float)n;
  const float r = (x - whole * 0.693359375f) + whole * 2.12194440e-4f;
  float p = 1.0f / 5040.0f;
  p = p * r + 1.0f / 720.0f;
  p = p * r + 1.0f / 120.0f;
  p = p * r + 1.0f / 24.0f;
  p = p * r + 1.0f / 6.0f;
  p = p * r + 0.5f;
  return sg_scalef(1.0f + (r + p * r * r), n);
}

/* Square root: a halved exponent as first guess, four Newton steps on a number scaled into the normal range. */
static inline float sg_sqrtf(float x) {
  SG_COUNT(SG_MUL_F32, 6);
  SG_COUNT(SG_ADD_F32, 4);
  SG_COUNT(SG_DIV_F32, 4);
  if (x == 0.0f || x != x || x == sg_inff()) return x;
  if (x < 0.0f) return sg_nanf();
  const int small = x < 1.0e-30f;
  const float y = small ? x * 1.8446744e19f : x; /* 2^64, whose root is 2^32 */
  float root = sg_from_bits((sg_to_bits(y) >> 1) + UINT32_C(0x1fbd1df5));
  for (int i = 0; i < 4; ++i) root = 0.5f * (root + y / root);
  return small ? root * 2.3283064e-10f : root;
}

static inline float sg_rsqrtf(float x) {
  SG_COUNT(SG_DIV_F32, 1);
  return 1.0f / sg_sqrtf(x);
}

/* log(x): x = 2^n m with m in [sqrt(1/2), sqrt 2); odd series in s = (m - 1) / (m + 1). */
static inline float sg_logf(float x) {
  SG_COUNT(SG_MUL_F32, 10);
  SG_COUNT(SG_ADD_F32, 10);
  SG_COUNT(SG_DIV_F32, 1);
  if (x == 0.0f) return -sg_inff();
  if (x < 0.0f || x != x) return sg_nanf();
  if (x == sg_inff()) return x;
  int32_t n = 0;
  if (x < 1.1754944e-38f) x *= 8388608.0f, n = -23;
  n += (int32_t)(sg_to_bits(x) >> 23) - 127;
  float m = sg_from_bits((sg_to_bits(x) & UINT32_C(0x007fffff)) | UINT32_C(0x3f800000));
  if (m > 1.41421356f) m *= 0.5f, ++n;
  const float f = m - 1.0f, s = f / (2.0f + f), z = s * s;
  float p = 2.0f / 11.0f;
  p = p * z + 2.0f / 9.0f;
  p = p * z + 2.0f / 7.0f;
  p = p * z + 2.0f / 5.0f;
  p = p * z + 2.0f / 3.0f;
  const float half = 0.5f * f * f, whole = (float)n;
  return whole * 0.693359375f + (f - (half - (s * (half + p * z) + whole * -2.12194440e-4f)));
}

/* tanh(x): the odd series near zero, else 1 - 2 / (exp(2|x|) + 1). */
static inline float sg_tanhf(float x) {
  SG_COUNT(SG_MUL_F32, 7);
  SG_COUNT(SG_ADD_F32, 6);
  SG_COUNT(SG_DIV_F32, 1);
  if (x != x) return x;
  const float a = sg_absf(x);
  if (a < 0.4f) {
    const float z = x * x;
    float p = -1382.0f / 155925.0f;
    p = p * z + 62.0f / 2835.0f;
    p = p * z - 17.0f / 315.0f;
    p = p * z + 2.0f / 15.0f;
    p = p * z - 1.0f / 3.0f;
    return x + x * z * p;
  }
  const float t = a > 9.5f ? 1.0f : 1.0f - 2.0f / (sg_expf(2.0f * a) + 1.0f);
  return x < 0.0f ? -t : t;
}

/* erf(x): an odd polynomial below 1; above, 1 - exp(-x^2) Q(t) with t = 1 / (1 + x / 2), both fitted to better than
   2e-10. Splitting x keeps the rounding of x^2 out of the exponential. */
static inline float sg_erff(float x) {
  SG_COUNT(SG_MUL_F32, 14);
  SG_COUNT(SG_ADD_F32, 14);
  SG_COUNT(SG_DIV_F32, 1);
  if (x != x) return x;
  const float a = sg_absf(x);
  float p;
  if (a < 1.0f) {
    const float z = x * x;
    p = -9.673590238e-06f;
    p = p * z + 1.126825370e-04f;
    p = p * z - 8.484396523e-04f;
    p = p * z + 5.221053411e-03f;
    p = p * z - 2.686543831e-02f;
    p = p * z + 1.128378262e-01f;
    p = p * z - 3.761263848e-01f;
    return x + x * (p * z + 0.128379167f);
  }
  if (a >= 4.0f) return x < 0.0f ? -1.0f : 1.0f;
  const float t = 1.0f / (1.0f + 0.5f * a), high = sg_from_bits(sg_to_bits(a) & UINT32_C(0xfffff000));
  p = 1.202621086e-01f;
  p = p * t - 4.744579962e-01f;
  p = p * t + 5.681912600e-01f;
  p = p * t - 1.076931756e-01f;
  p = p * t + 3.498076160e-01f;
  p = p * t + 2.591044719e-01f;
  p = p * t + 2.850055379e-01f;
  p = p * t - 1.604576200e-04f;
  p = 1.0f - p * sg_expf(-high * high) * sg_expf(-(a - high) * (a + high));
  return x < 0.0f ? -p : p;
}

/* x^n for whole n, by squaring. */
static inline float sg_powif(float x, int32_t n) {
  float result = 1.0f;
  for (uint32_t left = n < 0 ? 0u - (uint32_t)n : (uint32_t)n; left; left >>= 1) {
    SG_COUNT(SG_MUL_F32, 2);
    if (left & 1) result *= x;
    x *= x;
  }
  return n < 0 ? 1.0f / result : result;
}

/* The greatest whole number not above x. From 2^23 on there are no fractions. */
static inline float sg_floorf(float x) {
  SG_COUNT(SG_ADD_F32, 3);
  if (!(sg_absf(x) < 8388608.0f)) return x;
  const float whole = (float)(int32_t)x;
  const float result = whole > x ? whole - 1.0f : whole;
  return sg_from_bits(sg_to_bits(result) | (sg_to_bits(x) & UINT32_C(0x80000000)));
}

static inline float sg_ceilf(float x) { return -sg_floorf(-x); }

/* Larger and smaller of two numbers where not-a-number wins and -0 < +0. */
static inline float sg_maximumf(float a, float b) {
  if (a != a || b != b) return sg_nanf();
  if (a == b) return sg_from_bits(sg_to_bits(a) & sg_to_bits(b));
  return a > b ? a : b;
}

static inline float sg_minimumf(float a, float b) {
  if (a != a || b != b) return sg_nanf();
  if (a == b) return sg_from_bits(sg_to_bits(a) | sg_to_bits(b));
  return a < b ? a : b;
}

#endif

// x86-64 with AVX2, FMA and F16C: vectors of eight.
#if defined(__x86_64__)
#include <immintrin.h>

#include "kernels.h"

#define SL_TARGET __attribute__((target("avx2,fma,f16c")))
#define SL_ISA SL_ISA_AVX2
#define SL_NAME "avx2"
#define SL_TABLE sl_table_avx2

enum { LANES = 8, ROWS = 4, TOKENS = 3 };
typedef __m256 V;

SL_INLINE V v_set(float a) { return _mm256_set1_ps(a); }
SL_INLINE V v_load(const void *p) { return _mm256_loadu_ps(p); }
SL_INLINE void v_store(void *p, V v) { _mm256_storeu_ps(p, v); }
SL_INLINE V v_load_f16(const uint8_t *p) { return _mm256_cvtph_ps(_mm_loadu_si128((const __m128i *)p)); }

SL_INLINE __m128 half_at(const void *p) { return _mm_cvtph_ps(_mm_cvtsi32_si128(sl_load_u16(p))); }
SL_INLINE float s_load_f16(const void *p) { return _mm_cvtss_f32(half_at(p)); }
SL_INLINE V v_set_f16(const void *p) { return _mm256_broadcastss_ps(half_at(p)); }

SL_INLINE void v_store_f16(void *p, V v) {
    _mm_storeu_si128(p, _mm256_cvtps_ph(v, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC));
}

SL_INLINE V v_load_bf16(const uint8_t *p) {
    const __m256i wide = _mm256_cvtepu16_epi32(_mm_loadu_si128((const __m128i *)p));
    return _mm256_castsi256_ps(_mm256_slli_epi32(wide, 16));
}

SL_INLINE V v_load_i8(const uint8_t *p) {
    return _mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(_mm_loadl_epi64((const __m128i *)p)));
}

SL_INLINE V v_load_low4(const uint8_t *p) {
    const __m256i wide = _mm256_cvtepu8_epi32(_mm_loadl_epi64((const __m128i *)p));
    const __m256i codes = _mm256_and_si256(wide, _mm256_set1_epi32(15));
    return _mm256_cvtepi32_ps(_mm256_sub_epi32(codes, _mm256_set1_epi32(8)));
}

SL_INLINE V v_load_high4(const uint8_t *p) {
    const __m256i wide = _mm256_cvtepu8_epi32(_mm_loadl_epi64((const __m128i *)p));
    return _mm256_cvtepi32_ps(_mm256_sub_epi32(_mm256_srli_epi32(wide, 4), _mm256_set1_epi32(8)));
}

SL_INLINE V v_add(V a, V b) { return _mm256_add_ps(a, b); }
SL_INLINE V v_sub(V a, V b) { return _mm256_sub_ps(a, b); }
SL_INLINE V v_mul(V a, V b) { return _mm256_mul_ps(a, b); }
SL_INLINE V v_div(V a, V b) { return _mm256_div_ps(a, b); }
SL_INLINE V v_neg(V a) { return _mm256_xor_ps(a, _mm256_set1_ps(-0.0f)); }
SL_INLINE V v_fma(V a, V b, V c) { return _mm256_fmadd_ps(a, b, c); }
SL_INLINE float s_fma(float a, float b, float c) { return __builtin_fmaf(a, b, c); }
SL_INLINE V v_max(V a, V b) { return _mm256_max_ps(a, b); }
SL_INLINE V v_min(V a, V b) { return _mm256_min_ps(a, b); }
SL_INLINE V v_round(V x) { return _mm256_round_ps(x, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC); }

SL_INLINE V v_scale2(V x, V n) {
    const __m256i bits = _mm256_cvtps_epi32(n), bias = _mm256_set1_epi32(127);
    const __m256i half = _mm256_srai_epi32(bits, 1);
    const __m256i rest = _mm256_sub_epi32(bits, half);
    const V a = _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_add_epi32(half, bias), 23));
    const V b = _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_add_epi32(rest, bias), 23));
    return _mm256_mul_ps(_mm256_mul_ps(x, a), b);
}

SL_INLINE float v_sum(V v) {
    const __m128 four = _mm_add_ps(_mm256_castps256_ps128(v), _mm256_extractf128_ps(v, 1));
    const __m128 two = _mm_add_ps(four, _mm_movehl_ps(four, four));
    return _mm_cvtss_f32(_mm_add_ss(two, _mm_movehdup_ps(two)));
}

#include "blocks.h"
#include "dense.h"
#include "elementwise.h"
#include "attention.h"
#include "table.h"
#endif

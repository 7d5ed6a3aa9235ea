// x86-64 with AVX-512 F, BW, VL and DQ: vectors of sixteen.
#if defined(__x86_64__)
#include <immintrin.h>

#include "kernels.h"

#define SL_TARGET __attribute__((target("avx512f,avx512bw,avx512vl,avx512dq,avx2,fma,f16c")))
#define SL_ISA SL_ISA_AVX512
#define SL_NAME "avx512"
#define SL_TABLE sl_table_avx512

enum { LANES = 16, ROWS = 4, TOKENS = 6 };
typedef __m512 V;

SL_INLINE V v_set(float a) { return _mm512_set1_ps(a); }
SL_INLINE V v_load(const void *p) { return _mm512_loadu_ps(p); }
SL_INLINE void v_store(void *p, V v) { _mm512_storeu_ps(p, v); }
SL_INLINE V v_load_f16(const uint8_t *p) { return _mm512_cvtph_ps(_mm256_loadu_si256((const __m256i *)p)); }

SL_INLINE __m128 half_at(const void *p) { return _mm_cvtph_ps(_mm_cvtsi32_si128(sl_load_u16(p))); }
SL_INLINE float s_load_f16(const void *p) { return _mm_cvtss_f32(half_at(p)); }
SL_INLINE V v_set_f16(const void *p) { return _mm512_broadcastss_ps(half_at(p)); }

SL_INLINE void v_store_f16(void *p, V v) {
    _mm256_storeu_si256(p, _mm512_cvtps_ph(v, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC));
}

SL_INLINE V v_load_bf16(const uint8_t *p) {
    const __m512i wide = _mm512_cvtepu16_epi32(_mm256_loadu_si256((const __m256i *)p));
    return _mm512_castsi512_ps(_mm512_slli_epi32(wide, 16));
}

SL_INLINE V v_load_i8(const uint8_t *p) {
    return _mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(_mm_loadu_si128((const __m128i *)p)));
}

// A permutation looks at the low four bits of each index only.
SL_INLINE V code_of_nibble(__m512i nibble) {
    const V codes = _mm512_setr_ps(-8, -7, -6, -5, -4, -3, -2, -1, 0, 1, 2, 3, 4, 5, 6, 7);
    return _mm512_permutexvar_ps(nibble, codes);
}

SL_INLINE V v_load_low4(const uint8_t *p) {
    return code_of_nibble(_mm512_cvtepu8_epi32(_mm_loadu_si128((const __m128i *)p)));
}

SL_INLINE V v_load_high4(const uint8_t *p) {
    return code_of_nibble(_mm512_srli_epi32(_mm512_cvtepu8_epi32(_mm_loadu_si128((const __m128i *)p)), 4));
}

SL_INLINE V v_add(V a, V b) { return _mm512_add_ps(a, b); }
SL_INLINE V v_sub(V a, V b) { return _mm512_sub_ps(a, b); }
SL_INLINE V v_mul(V a, V b) { return _mm512_mul_ps(a, b); }
SL_INLINE V v_div(V a, V b) { return _mm512_div_ps(a, b); }
SL_INLINE V v_neg(V a) { return _mm512_xor_ps(a, _mm512_set1_ps(-0.0f)); }
SL_INLINE V v_fma(V a, V b, V c) { return _mm512_fmadd_ps(a, b, c); }
SL_INLINE float s_fma(float a, float b, float c) { return __builtin_fmaf(a, b, c); }
SL_INLINE V v_max(V a, V b) { return _mm512_max_ps(a, b); }
SL_INLINE V v_min(V a, V b) { return _mm512_min_ps(a, b); }
SL_INLINE V v_round(V x) { return _mm512_roundscale_ps(x, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC); }
SL_INLINE V v_scale2(V x, V n) { return _mm512_scalef_ps(x, n); }

SL_INLINE float v_sum(V v) {
    const __m256 eight = _mm256_add_ps(_mm512_castps512_ps256(v), _mm512_extractf32x8_ps(v, 1));
    const __m128 four = _mm_add_ps(_mm256_castps256_ps128(eight), _mm256_extractf128_ps(eight, 1));
    const __m128 two = _mm_add_ps(four, _mm_movehl_ps(four, four));
    return _mm_cvtss_f32(_mm_add_ss(two, _mm_movehdup_ps(two)));
}

#include "blocks.h"
#include "dense.h"
#include "elementwise.h"
#include "attention.h"
#include "table.h"
#endif

// Primitives on vectors of eight; shared by the tables that differ in their integer dot product.
// Expects SL_TARGET.
#include <immintrin.h>

#include "kernels.h"

enum { LANES = 8, ROWS = 4, TOKENS = 3, Q_TOKENS = 4 };
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

SL_INLINE float v_largest(V v) {
    const __m128 four = _mm_max_ps(_mm256_castps256_ps128(v), _mm256_extractf128_ps(v, 1));
    const __m128 two = _mm_max_ps(four, _mm_movehl_ps(four, four));
    return _mm_cvtss_f32(_mm_max_ss(two, _mm_movehdup_ps(two)));
}

// Integers. Rows of a matrix lie in lanes: lane r belongs to row r.

typedef __m256i I;

SL_INLINE I i_set(int32_t a) { return _mm256_set1_epi32(a); }
SL_INLINE I i_load(const void *p) { return _mm256_loadu_si256(p); }
SL_INLINE void i_store(void *p, I v) { _mm256_storeu_si256(p, v); }
SL_INLINE I i_spread(const void *p) { return _mm256_set1_epi32((int32_t)sl_load_u32(p)); }
SL_INLINE I i_add(I a, I b) { return _mm256_add_epi32(a, b); }
SL_INLINE I i_sub(I a, I b) { return _mm256_sub_epi32(a, b); }
SL_INLINE I i_and(I a, I b) { return _mm256_and_si256(a, b); }
SL_INLINE I i_or(I a, I b) { return _mm256_or_si256(a, b); }
SL_INLINE I i_xor(I a, I b) { return _mm256_xor_si256(a, b); }
SL_INLINE I i_left(I a, int n) { return _mm256_slli_epi32(a, n); }
SL_INLINE I i_right(I a, int n) { return _mm256_srli_epi32(a, n); }
SL_INLINE I i_right_each(I a, I n) { return _mm256_srlv_epi32(a, n); }
SL_INLINE I i_right_signed(I a, int n) { return _mm256_srai_epi32(a, n); }
SL_INLINE V v_of_i(I a) { return _mm256_cvtepi32_ps(a); }

SL_INLINE V v_of_low_half(I a) {
    const I low = _mm256_and_si256(a, _mm256_set1_epi32(0xffff));
    const I packed = _mm256_permute4x64_epi64(_mm256_packus_epi32(low, low), 0x08);
    return _mm256_cvtph_ps(_mm256_castsi256_si128(packed));
}

SL_INLINE I i_gather(const uint8_t *p, size_t stride) {
    return _mm256_setr_epi32(
        (int32_t)sl_load_u32(p), (int32_t)sl_load_u32(p + stride), (int32_t)sl_load_u32(p + 2 * stride),
        (int32_t)sl_load_u32(p + 3 * stride), (int32_t)sl_load_u32(p + 4 * stride),
        (int32_t)sl_load_u32(p + 5 * stride), (int32_t)sl_load_u32(p + 6 * stride),
        (int32_t)sl_load_u32(p + 7 * stride));
}

// 16 bytes of rows 0 and 4 in the two halves of a vector; what follows works within halves.
SL_INLINE I i_piece(const uint8_t *p, size_t stride) {
    const __m128i low = _mm_loadu_si128((const __m128i *)p);
    const __m128i high = _mm_loadu_si128((const __m128i *)(p + 4 * stride));
    return _mm256_inserti128_si256(_mm256_castsi128_si256(low), high, 1);
}

SL_INLINE I i_low32(I a, I b) { return _mm256_unpacklo_epi32(a, b); }
SL_INLINE I i_high32(I a, I b) { return _mm256_unpackhi_epi32(a, b); }
SL_INLINE I i_low64(I a, I b) { return _mm256_unpacklo_epi64(a, b); }
SL_INLINE I i_high64(I a, I b) { return _mm256_unpackhi_epi64(a, b); }

// table[byte] for every byte below 16.
SL_INLINE I i_lookup(const void *table, I bytes) {
    const __m128i values = _mm_loadu_si128((const __m128i *)table);
    return _mm256_shuffle_epi8(_mm256_broadcastsi128_si256(values), bytes);
}

SL_INLINE I i_spread16(const void *p) { return _mm256_broadcastsi128_si256(_mm_loadu_si128(p)); }

// 16 times bits 16·half…16·half + 15 of the words of rows k and k + 4, one per byte.
SL_INLINE I i_bits_as_16(I words, int k, int half) {
    const I at = _mm256_add_epi8(_mm256_set1_epi8((char)(4 * k + 2 * half)),
                                 _mm256_set_epi64x(0x0101010101010101, 0, 0x0101010101010101, 0));
    const I bit = _mm256_set1_epi64x((long long)0x8040201008040201);
    const I set = _mm256_cmpeq_epi8(_mm256_and_si256(_mm256_shuffle_epi8(words, at), bit), bit);
    return _mm256_and_si256(set, _mm256_set1_epi8(16));
}

// Eight binary16 numbers of each row, transposed.
SL_INLINE void v_rows_f16(const uint8_t *p, size_t stride, V *out) {
    const I a = i_piece(p, stride), b = i_piece(p + stride, stride);
    const I c = i_piece(p + 2 * stride, stride), d = i_piece(p + 3 * stride, stride);
    const I ab = _mm256_unpacklo_epi16(a, b), cd = _mm256_unpacklo_epi16(c, d);
    const I ef = _mm256_unpackhi_epi16(a, b), gh = _mm256_unpackhi_epi16(c, d);
    const I pairs[] = {_mm256_unpacklo_epi32(ab, cd), _mm256_unpackhi_epi32(ab, cd),
                       _mm256_unpacklo_epi32(ef, gh), _mm256_unpackhi_epi32(ef, gh)};
    SL_UNROLL for (int k = 0; k < 4; k++) {
        const I two = _mm256_permute4x64_epi64(pairs[k], 0xd8);
        out[2 * k] = _mm256_cvtph_ps(_mm256_castsi256_si128(two));
        out[2 * k + 1] = _mm256_cvtph_ps(_mm256_extracti128_si256(two, 1));
    }
}

enum { SCORES_CODES = 1 };                      // see attention_codes.h

#ifndef SL_DOT4
SL_INLINE I i_pairs(I u, I x) { return _mm256_maddubs_epi16(u, x); }

SL_INLINE I i_pairs_signed(I w, I x) {
    return _mm256_maddubs_epi16(_mm256_abs_epi8(w), _mm256_sign_epi8(x, w));
}

SL_INLINE I i_add16(I a, I b) { return _mm256_add_epi16(a, b); }
SL_INLINE I i_widen(I a) { return _mm256_madd_epi16(a, _mm256_set1_epi16(1)); }
#endif

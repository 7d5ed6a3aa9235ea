// Primitives on vectors of sixteen; shared by the tables that differ in their integer dot product.
// Expects SL_TARGET.
#include <immintrin.h>

#include "kernels.h"

enum { LANES = 16, ROWS = 4, TOKENS = 6, Q_TOKENS = 6 };
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

SL_INLINE float v_largest(V v) { return _mm512_reduce_max_ps(v); }

// Integers. Rows of a matrix lie in lanes: lane r belongs to row r.

typedef __m512i I;

SL_INLINE I i_set(int32_t a) { return _mm512_set1_epi32(a); }
SL_INLINE I i_load(const void *p) { return _mm512_loadu_si512(p); }
SL_INLINE void i_store(void *p, I v) { _mm512_storeu_si512(p, v); }
SL_INLINE I i_spread(const void *p) { return _mm512_set1_epi32((int32_t)sl_load_u32(p)); }
SL_INLINE I i_add(I a, I b) { return _mm512_add_epi32(a, b); }
SL_INLINE I i_sub(I a, I b) { return _mm512_sub_epi32(a, b); }
SL_INLINE I i_and(I a, I b) { return _mm512_and_si512(a, b); }
SL_INLINE I i_or(I a, I b) { return _mm512_or_si512(a, b); }
SL_INLINE I i_xor(I a, I b) { return _mm512_xor_si512(a, b); }
SL_INLINE I i_left(I a, int n) { return _mm512_slli_epi32(a, (unsigned)n); }
SL_INLINE I i_right(I a, int n) { return _mm512_srli_epi32(a, (unsigned)n); }
SL_INLINE I i_right_each(I a, I n) { return _mm512_srlv_epi32(a, n); }
SL_INLINE I i_right_signed(I a, int n) { return _mm512_srai_epi32(a, (unsigned)n); }
SL_INLINE V v_of_i(I a) { return _mm512_cvtepi32_ps(a); }
SL_INLINE V v_of_low_half(I a) { return _mm512_cvtph_ps(_mm512_cvtepi32_epi16(a)); }

SL_INLINE __m128i four_words(const uint8_t *p, size_t stride) {
    return _mm_setr_epi32((int32_t)sl_load_u32(p), (int32_t)sl_load_u32(p + stride),
                          (int32_t)sl_load_u32(p + 2 * stride), (int32_t)sl_load_u32(p + 3 * stride));
}

SL_INLINE I four_quarters(__m128i a, __m128i b, __m128i c, __m128i d) {
    const __m256i low = _mm256_inserti128_si256(_mm256_castsi128_si256(a), b, 1);
    const __m256i high = _mm256_inserti128_si256(_mm256_castsi128_si256(c), d, 1);
    return _mm512_inserti64x4(_mm512_castsi256_si512(low), high, 1);
}

SL_INLINE I i_gather(const uint8_t *p, size_t stride) {
    return four_quarters(four_words(p, stride), four_words(p + 4 * stride, stride),
                         four_words(p + 8 * stride, stride), four_words(p + 12 * stride, stride));
}

// 16 bytes of rows 0, 4, 8 and 12 in the quarters of a vector; what follows works within quarters.
SL_INLINE I i_piece(const uint8_t *p, size_t stride) {
    return four_quarters(_mm_loadu_si128((const __m128i *)p),
                         _mm_loadu_si128((const __m128i *)(p + 4 * stride)),
                         _mm_loadu_si128((const __m128i *)(p + 8 * stride)),
                         _mm_loadu_si128((const __m128i *)(p + 12 * stride)));
}

// A set of numbers below SL_INDEXED_BITS, one bit each.
#define SL_INDEXED_BITS 4096
typedef struct {
    I words[SL_INDEXED_BITS / 512];
} indexed_bits;

// The numbers n < count of which bit `bit` of bytes[n] is set.
SL_INLINE void index_bits(const uint8_t *bytes, size_t count, int bit, indexed_bits *set) {
    uint64_t words[SL_INDEXED_BITS / 64] = {0};
    for (size_t n = 0; n < count; n += 64) {
        const __mmask64 some = count - n < 64 ? ((__mmask64)1 << (count - n)) - 1 : ~(__mmask64)0;
        words[n / 64] = _mm512_mask_test_epi8_mask(some, _mm512_maskz_loadu_epi8(some, bytes + n),
                                                   _mm512_set1_epi8((char)(1 << bit)));
    }
    memcpy(set, words, sizeof words);
}

// Which of 32 numbers below SL_INDEXED_BITS are in the set: 256 words of 16 bits are looked up.
SL_INLINE uint32_t bits_at(const indexed_bits *set, const uint16_t *numbers) {
    const I number = _mm512_loadu_si512(numbers), word = _mm512_srli_epi16(number, 4);
    I found[4];
    SL_UNROLL for (int k = 0; k < 4; k++) {
        found[k] = _mm512_permutex2var_epi16(set->words[2 * k], word, set->words[2 * k + 1]);
    }
    const __mmask32 odd = _mm512_test_epi16_mask(word, _mm512_set1_epi16(64));
    const __mmask32 upper = _mm512_test_epi16_mask(word, _mm512_set1_epi16(128));
    const I low = _mm512_mask_blend_epi16(odd, found[0], found[1]);
    const I high = _mm512_mask_blend_epi16(odd, found[2], found[3]);
    const I bit = _mm512_and_si512(number, _mm512_set1_epi16(15));
    return _mm512_test_epi16_mask(_mm512_mask_blend_epi16(upper, low, high),
                                  _mm512_sllv_epi16(_mm512_set1_epi16(1), bit));
}

// Writes first + i for every bit i that is set, ascending; returns how many there are.
SL_INLINE size_t put_numbers(uint32_t bits, uint32_t first, uint32_t *numbers) {
    const I low = _mm512_add_epi32(_mm512_set1_epi32((int32_t)first),
                                   _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15));
    const I high = _mm512_add_epi32(low, _mm512_set1_epi32(16));
    const unsigned count = (unsigned)__builtin_popcount(bits & 0xffff);
    const unsigned rest = (unsigned)__builtin_popcount(bits >> 16);
    const I first_half = _mm512_maskz_compress_epi32((__mmask16)bits, low);
    const I second_half = _mm512_maskz_compress_epi32((__mmask16)(bits >> 16), high);
    _mm512_mask_storeu_epi32(numbers, (__mmask16)((1u << count) - 1), first_half);
    _mm512_mask_storeu_epi32(numbers + count, (__mmask16)((1u << rest) - 1), second_half);
    return count + rest;
}

SL_INLINE I i_low32(I a, I b) { return _mm512_unpacklo_epi32(a, b); }
SL_INLINE I i_high32(I a, I b) { return _mm512_unpackhi_epi32(a, b); }
SL_INLINE I i_low64(I a, I b) { return _mm512_unpacklo_epi64(a, b); }
SL_INLINE I i_high64(I a, I b) { return _mm512_unpackhi_epi64(a, b); }

// table[byte] for every byte below 16.
SL_INLINE I i_lookup(const void *table, I bytes) {
    return _mm512_shuffle_epi8(_mm512_broadcast_i32x4(_mm_loadu_si128((const __m128i *)table)), bytes);
}

SL_INLINE I i_spread16(const void *p) { return _mm512_broadcast_i32x4(_mm_loadu_si128(p)); }

// 16 times bits 16·half…16·half + 15 of the words of rows k, k + 4, k + 8 and k + 12, one per byte.
SL_INLINE I i_bits_as_16(I words, int k, int half) {
    const I second = _mm512_maskz_set1_epi8(0xff00ff00ff00ff00, 1);
    const I at = _mm512_add_epi8(_mm512_set1_epi8((char)(4 * k + 2 * half)), second);
    const I bit = _mm512_set1_epi64((long long)0x8040201008040201);
    return _mm512_maskz_set1_epi8(_mm512_test_epi8_mask(_mm512_shuffle_epi8(words, at), bit), 16);
}

// Eight binary16 numbers of each row, transposed.
SL_INLINE void v_rows_f16(const uint8_t *p, size_t stride, V *out) {
    const I a = i_piece(p, stride), b = i_piece(p + stride, stride);
    const I c = i_piece(p + 2 * stride, stride), d = i_piece(p + 3 * stride, stride);
    const I ab = _mm512_unpacklo_epi16(a, b), cd = _mm512_unpacklo_epi16(c, d);
    const I ef = _mm512_unpackhi_epi16(a, b), gh = _mm512_unpackhi_epi16(c, d);
    const I pairs[] = {_mm512_unpacklo_epi32(ab, cd), _mm512_unpackhi_epi32(ab, cd),
                       _mm512_unpacklo_epi32(ef, gh), _mm512_unpackhi_epi32(ef, gh)};
    SL_UNROLL for (int k = 0; k < 4; k++) {
        const I two = _mm512_permutexvar_epi64(_mm512_setr_epi64(0, 2, 4, 6, 1, 3, 5, 7), pairs[k]);
        out[2 * k] = _mm512_cvtph_ps(_mm512_castsi512_si256(two));
        out[2 * k + 1] = _mm512_cvtph_ps(_mm512_extracti64x4_epi64(two, 1));
    }
}

enum { SCORES_CODES = 1 };                      // see attention_codes.h

#ifndef SL_DOT4
SL_INLINE I i_pairs(I u, I x) { return _mm512_maddubs_epi16(u, x); }

SL_INLINE I i_pairs_signed(I w, I x) {
    const I turned = _mm512_mask_sub_epi8(x, _mm512_movepi8_mask(w), _mm512_setzero_si512(), x);
    return _mm512_maddubs_epi16(_mm512_abs_epi8(w), turned);
}

SL_INLINE I i_add16(I a, I b) { return _mm512_add_epi16(a, b); }
SL_INLINE I i_widen(I a) { return _mm512_madd_epi16(a, _mm512_set1_epi16(1)); }
#endif

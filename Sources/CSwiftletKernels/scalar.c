// Portable C: vectors of four through the compiler's generic vectors, no instruction beyond the baseline.
#include "kernels.h"

#pragma STDC FP_CONTRACT OFF

#define SL_TARGET
#define SL_ISA SL_ISA_SCALAR
#define SL_NAME "scalar"
#define SL_TABLE sl_table_scalar

enum { LANES = 4, ROWS = 4, TOKENS = 2, Q_TOKENS = 2 };
typedef float V __attribute__((vector_size(16)));
typedef int32_t VI __attribute__((vector_size(16)));

SL_INLINE V v_set(float a) { return (V){a, a, a, a}; }
SL_INLINE float s_load_f16(const void *p) { return sl_load_f16(p); }
SL_INLINE V v_set_f16(const void *p) { return v_set(sl_load_f16(p)); }

SL_INLINE V v_load(const void *p) {
    V v;
    memcpy(&v, p, sizeof v);
    return v;
}

SL_INLINE void v_store(void *p, V v) { memcpy(p, &v, sizeof v); }

// sl_f16_to_f32 without branches: the product puts the exponent right, subnormal numbers included.
SL_INLINE V v_load_f16(const uint8_t *p) {
    uint16_t h[4];
    memcpy(h, p, sizeof h);
    const VI bits = {h[0], h[1], h[2], h[3]}, magnitude = bits & 0x7fff;
    const VI finite = (VI)((V)(magnitude << 13) * v_set(0x1p112f));
    const VI special = ((VI)(magnitude >= 0x7c00) & 0x7f800000) | ((VI)(magnitude > 0x7c00) & 0x400000);
    return (V)(finite | special | (bits & 0x8000) << 16);
}

SL_INLINE void v_store_f16(void *p, V v) {
    const uint16_t h[] = {sl_f32_to_f16(v[0]), sl_f32_to_f16(v[1]), sl_f32_to_f16(v[2]), sl_f32_to_f16(v[3])};
    memcpy(p, h, sizeof h);
}

SL_INLINE V v_load_bf16(const uint8_t *p) {
    uint16_t h[4];
    memcpy(h, p, sizeof h);
    return (V){sl_bf16_to_f32(h[0]), sl_bf16_to_f32(h[1]), sl_bf16_to_f32(h[2]), sl_bf16_to_f32(h[3])};
}

SL_INLINE V v_load_i8(const uint8_t *p) {
    return __builtin_convertvector(((VI){(int8_t)p[0], (int8_t)p[1], (int8_t)p[2], (int8_t)p[3]}), V);
}

SL_INLINE V v_load_low4(const uint8_t *p) {
    return __builtin_convertvector(((VI){p[0] & 15, p[1] & 15, p[2] & 15, p[3] & 15} - 8), V);
}

SL_INLINE V v_load_high4(const uint8_t *p) {
    return __builtin_convertvector(((VI){p[0] >> 4, p[1] >> 4, p[2] >> 4, p[3] >> 4} - 8), V);
}

SL_INLINE V v_add(V a, V b) { return a + b; }
SL_INLINE V v_sub(V a, V b) { return a - b; }
SL_INLINE V v_mul(V a, V b) { return a * b; }
SL_INLINE V v_div(V a, V b) { return a / b; }
SL_INLINE V v_neg(V a) { return -a; }
SL_INLINE V v_fma(V a, V b, V c) { return a * b + c; }
SL_INLINE float s_fma(float a, float b, float c) { return a * b + c; }

SL_INLINE V v_select(VI mask, V a, V b) { return (V)((mask & (VI)a) | (~mask & (VI)b)); }
SL_INLINE V v_max(V a, V b) { return v_select((VI)(a > b), a, b); }
SL_INLINE V v_min(V a, V b) { return v_select((VI)(a < b), a, b); }

// Adding and taking away 1.5·2²³ leaves the nearest integer, for |x| < 2²².
SL_INLINE V v_round(V x) { return (x + v_set(0x1.8p23f)) - v_set(0x1.8p23f); }

SL_INLINE V v_scale2(V x, V n) {
    const VI bits = (VI)(n + v_set(0x1.8p23f)) - 0x4b400000;    // n as an integer; anything for NaN
    const VI half = bits >> 1;
    return x * (V)((half + 127) << 23) * (V)((bits - half + 127) << 23);
}

SL_INLINE float v_sum(V v) { return (v[0] + v[2]) + (v[1] + v[3]); }

SL_INLINE float v_largest(V v) {
    const float a = v[0] > v[1] ? v[0] : v[1], b = v[2] > v[3] ? v[2] : v[3];
    return a > b ? a : b;
}

#include "portable.h"

#include "blocks.h"
#include "dense.h"
#include "elementwise.h"
#include "products.h"
#include "unpack.h"
#include "attention_tiles.h"
#include "attention_codes.h"
#include "attention.h"
#include "integer.h"
#include "evidence.h"
#include "pq.h"
#include "quantize_q8.h"
#include "superblocks.h"
#include "table.h"

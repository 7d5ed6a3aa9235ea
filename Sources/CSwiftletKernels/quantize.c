// Writers of the block formats: round to nearest with the scale taken from the block's extreme.
//
// The arithmetic is that of the GGUF reference writers, operation by operation, so that files agree bit for
// bit. A block that holds a NaN or an infinity reads back as NaN in every place: its scale is NaN.
#include <math.h>

#include "formats.h"

#pragma STDC FP_CONTRACT OFF

static void store_f16(uint8_t *p, float v) {
    const uint16_t h = sl_f32_to_f16(v);
    memcpy(p, &h, sizeof h);
}

static bool is_finite_block(const float *x) {
    for (int i = 0; i < SL_SMALL_BLOCK; i++) {
        if (!(fabsf(x[i]) <= __FLT_MAX__)) return false;
    }
    return true;
}

// trunc(v) limited to 0...limit; 0 for NaN, which 0 · (1 / subnormal) gives.
static uint8_t truncated(float v, int limit) {
    if (!(v > 0)) return 0;
    return v >= (float)limit ? (uint8_t)limit : (uint8_t)v;
}

// The element of largest magnitude, with its sign; the first of equals.
static float extreme(const float *x) {
    float magnitude = 0, value = 0;
    for (int i = 0; i < SL_SMALL_BLOCK; i++) {
        if (fabsf(x[i]) > magnitude) {
            magnitude = fabsf(x[i]);
            value = x[i];
        }
    }
    return value;
}

static float inverse(float d) { return d != 0 ? 1.0f / d : 0.0f; }

static void write_q8_0(const float *x, block_q8_0 *y) {
    const float d = fabsf(extreme(x)) / 127.0f, id = inverse(d);
    store_f16(y->d, d);
    for (int i = 0; i < SL_SMALL_BLOCK; i++) {
        const float q = roundf(x[i] * id);
        y->qs[i] = (uint8_t)(int8_t)fmaxf(-128.0f, fminf(127.0f, q));
    }
}

// Codes of `bits` bits around zero: q = trunc(x/d + half + 0.5), where d maps the extreme to −half.
static void symmetric_codes(const float *x, int half, uint8_t *d, uint8_t *q) {
    const float scale = extreme(x) / (float)-half, id = inverse(scale);
    store_f16(d, scale);
    for (int i = 0; i < SL_SMALL_BLOCK; i++) {
        const float scaled = x[i] * id;
        q[i] = truncated(scaled + ((float)half + 0.5f), 2 * half - 1);
    }
}

// Codes from the minimum up: q = trunc((x − min)/d + 0.5).
static void affine_codes(const float *x, int limit, uint8_t *d, uint8_t *m, uint8_t *q) {
    float low = __FLT_MAX__, high = -__FLT_MAX__;
    for (int i = 0; i < SL_SMALL_BLOCK; i++) {
        if (x[i] < low) low = x[i];
        if (x[i] > high) high = x[i];
    }
    const float scale = (high - low) / (float)limit, id = inverse(scale);
    store_f16(d, scale);
    store_f16(m, low);
    for (int i = 0; i < SL_SMALL_BLOCK; i++) {
        const float scaled = (x[i] - low) * id;
        q[i] = truncated(scaled + 0.5f, limit);
    }
}

static void pack_nibbles(const uint8_t *q, uint8_t *qs) {
    for (int i = 0; i < 16; i++) qs[i] = (uint8_t)((q[i] & 15) | (q[i + 16] & 15) << 4);
}

static void pack_fifth_bits(const uint8_t *q, uint8_t *qh) {
    uint32_t bits = 0;
    for (int i = 0; i < SL_SMALL_BLOCK; i++) bits |= (uint32_t)(q[i] >> 4 & 1) << i;
    memcpy(qh, &bits, sizeof bits);
}

static void write_block(sl_format format, const float *x, void *dst) {
    uint8_t q[SL_SMALL_BLOCK];
    switch (format) {
        case SL_Q8_0: write_q8_0(x, dst); break;
        case SL_Q4_0: {
            block_q4_0 *y = dst;
            symmetric_codes(x, 8, y->d, q);
            pack_nibbles(q, y->qs);
            break;
        }
        case SL_Q4_1: {
            block_q4_1 *y = dst;
            affine_codes(x, 15, y->d, y->m, q);
            pack_nibbles(q, y->qs);
            break;
        }
        case SL_Q5_0: {
            block_q5_0 *y = dst;
            symmetric_codes(x, 16, y->d, q);
            pack_nibbles(q, y->qs);
            pack_fifth_bits(q, y->qh);
            break;
        }
        default: {
            block_q5_1 *y = dst;
            affine_codes(x, 31, y->d, y->m, q);
            pack_nibbles(q, y->qs);
            pack_fifth_bits(q, y->qh);
            break;
        }
    }
}

bool sl_quantize_blocks(sl_format format, const float *src, void *dst, size_t n) {
    if (format < SL_Q8_0 || format > SL_Q5_1) return false;
    const size_t bytes = sl_block_bytes(format);
    uint8_t *out = dst;
    for (size_t i = 0; i < n; i += SL_SMALL_BLOCK, out += bytes) {
        if (is_finite_block(src + i)) {
            write_block(format, src + i, out);
        } else {
            memset(out, 0, bytes);
            store_f16(out, __builtin_nanf(""));     // every format starts with its scale
        }
    }
    return true;
}

// Codes from the minimum up in binary64, ties to even; a spread of 0 has code 0 and scale 0.
static void kivi_codes(const float *x, int limit, uint8_t *d, uint8_t *m, uint8_t *q) {
    float low = __FLT_MAX__, high = -__FLT_MAX__;
    for (int i = 0; i < SL_SMALL_BLOCK; i++) {
        if (x[i] < low) low = x[i];
        if (x[i] > high) high = x[i];
    }
    const double scale = ((double)high - (double)low) / limit;
    store_f16(d, (float)scale);
    store_f16(m, low);
    for (int i = 0; i < SL_SMALL_BLOCK; i++) {
        const double code = scale > 0 ? rint(((double)x[i] - (double)low) / scale) : 0;
        q[i] = (uint8_t)(code < limit ? code : limit);
    }
}

bool sl_quantize_kivi(sl_format format, const float *src, void *dst, size_t n) {
    if (format != SL_Q4_1 && format != SL_Q2_1) return false;
    const size_t bytes = sl_block_bytes(format);
    uint8_t *out = dst, q[SL_SMALL_BLOCK];
    for (size_t i = 0; i < n; i += SL_SMALL_BLOCK, out += bytes) {
        memset(out, 0, bytes);
        if (!is_finite_block(src + i)) {
            store_f16(out, __builtin_nanf(""));
            continue;
        }
        kivi_codes(src + i, format == SL_Q4_1 ? 15 : 3, out, out + 2, q);
        if (format == SL_Q4_1) {
            pack_nibbles(q, out + 4);
        } else {
            for (int k = 0; k < SL_SMALL_BLOCK; k++) out[4 + k / 4] |= (uint8_t)(q[k] << k % 4 * 2);
        }
    }
    return true;
}

// Writers of the formats whose codes are looked up: IQ4, TQ and MXFP4.
//
// TQ and MXFP4 round as the GGUF reference writers do. IQ4 has 16 numbers that are not evenly spaced: the writer looks
// for the least Σ w·(stored − x)², where w is |x| and the root mean square of the group, as superblocks.h does. It
// starts from scales that give the extreme the lowest number or the highest, takes for each the scale that is best for
// its codes (least squares), and goes on from the best of them. A block that holds a NaN or an infinity reads back as
// NaN, in MXFP4 as infinity.
#include <math.h>

#include "formats.h"

#pragma STDC FP_CONTRACT OFF

// Numbers of IQ4 by code.
static const int8_t iq4_values[16] = {-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113};
// The code nearest to every half number from -128 up: borders between numbers are halves.
typedef struct { uint8_t codes[512]; } nearest_codes;

static nearest_codes nearest_iq4(void) {
    nearest_codes nearest;
    int code = 0;
    for (int i = 0; i < 512; i++) {
        const float number = (float)(i - 256) / 2 + 0.25f;
        while (code < 15 && number > (float)(iq4_values[code] + iq4_values[code + 1]) / 2) code++;
        nearest.codes[i] = (uint8_t)code;
    }
    return nearest;
}

static uint8_t iq4_code(const nearest_codes *nearest, double number) {
    const double halves = floor(number * 2);
    return nearest->codes[halves < -256 ? 0 : halves > 255 ? 511 : (int)halves + 256];
}

static void store_f16(uint8_t *p, float v) {
    const uint16_t h = sl_f32_to_f16(v);
    memcpy(p, &h, sizeof h);
}

static bool is_finite(const float *x, size_t n) {
    for (size_t i = 0; i < n; i++) {
        if (!(fabsf(x[i]) <= __FLT_MAX__)) return false;
    }
    return true;
}

// The element of largest magnitude, with its sign; the first of equals.
static float extreme(const float *x, size_t n) {
    float value = 0;
    for (size_t i = 0; i < n; i++) value = fabsf(x[i]) > fabsf(value) ? x[i] : value;
    return value;
}

// Numbers of a group, their weights and the codes they have with a scale.
typedef struct {
    const float *x;
    double w[SL_SMALL_BLOCK];
    const nearest_codes *nearest;
} iq4_group;

static void weigh(iq4_group *g) {
    double squares = 0;
    for (int i = 0; i < SL_SMALL_BLOCK; i++) squares += (double)g->x[i] * g->x[i];
    const double mean = sqrt(squares / SL_SMALL_BLOCK);
    for (int i = 0; i < SL_SMALL_BLOCK; i++) g->w[i] = mean + fabs((double)g->x[i]);
}

// Σ w·q·x and Σ w·q² of the codes nearest to x / scale.
typedef struct { double qx, qq; } iq4_sums;

static iq4_sums sum_codes(const iq4_group *g, double scale, uint8_t *codes) {
    const double inverse = scale != 0 ? 1 / scale : 0;
    iq4_sums sums = {0, 0};
    for (int i = 0; i < SL_SMALL_BLOCK; i++) {
        codes[i] = iq4_code(g->nearest, g->x[i] * inverse);
        const double q = iq4_values[codes[i]];
        sums.qx += g->w[i] * q * g->x[i];
        sums.qq += g->w[i] * q * q;
    }
    return sums;
}

// The scale of the least error that is found; 0 if all numbers are 0.
static double best_scale(const iq4_group *g) {
    const double most = extreme(g->x, SL_SMALL_BLOCK);
    double best = 0, gain = 0;
    uint8_t codes[SL_SMALL_BLOCK];
    if (most == 0) return 0;
    for (int i = 0; i < 10; i++) {
        const double end = i % 2 == 0 ? -127 : 113, part = 0.88 + 0.06 * (i / 2);
        const iq4_sums sums = sum_codes(g, most / (end * part), codes);
        if (sums.qq > 0 && sums.qx * sums.qx > gain * sums.qq) {
            gain = sums.qx * sums.qx / sums.qq;
            best = sums.qx / sums.qq;
        }
    }
    const iq4_sums sums = sum_codes(g, best, codes);
    return sums.qq > 0 && sums.qx * sums.qx > gain * sums.qq ? sums.qx / sums.qq : best;
}

// The binary16 nearest to v, which stays finite, and what it means.
static float store_finite(uint8_t *p, double v) {
    const float limited = v > 65504 ? 65504.0f : v < -65504 ? -65504.0f : (float)v;
    store_f16(p, limited);
    return sl_load_f16(p);
}

static void pack_nibbles(const uint8_t *codes, uint8_t *qs) {
    for (int i = 0; i < 16; i++) qs[i] = (uint8_t)(codes[i] | codes[i + 16] << 4);
}

static void write_iq4_nl(const float *x, const nearest_codes *nearest, block_iq4_nl *y) {
    iq4_group g = {.x = x, .nearest = nearest};
    uint8_t codes[SL_SMALL_BLOCK];
    weigh(&g);
    sum_codes(&g, store_finite(y->d, best_scale(&g)), codes);
    pack_nibbles(codes, y->qs);
}

static void pack_iq4_xs(const int *scales, block_iq4_xs *y) {
    uint16_t high = 0;
    memset(y->scales_l, 0, sizeof y->scales_l);
    for (int i = 0; i < 8; i++) {
        const int scale = scales[i] + 32;
        y->scales_l[i / 2] |= (uint8_t)((scale & 15) << i % 2 * 4);
        high = (uint16_t)(high | (scale >> 4) << 2 * i);
    }
    memcpy(y->scales_h, &high, sizeof high);
}

// The integer scales of eight groups in steps of the stored d, the codes, and the d that is best for both.
static double write_with_step(const iq4_group *g, const double *wanted, double step, block_iq4_xs *y) {
    const double d = store_finite(y->d, step), inverse = d != 0 ? 1 / d : 0;
    double qx = 0, qq = 0;
    int scales[8];
    for (int i = 0; i < 8; i++) {
        uint8_t codes[SL_SMALL_BLOCK];
        const double nearest = rint(wanted[i] * inverse);
        scales[i] = nearest < -32 ? -32 : nearest > 31 ? 31 : (int)nearest;
        const iq4_sums sums = sum_codes(g + i, d * scales[i], codes);
        qx += scales[i] * sums.qx;
        qq += (double)scales[i] * scales[i] * sums.qq;
        pack_nibbles(codes, y->qs + 16 * i);
    }
    pack_iq4_xs(scales, y);
    return qq > 0 ? qx / qq : step;
}

static void write_iq4_xs(const float *x, const nearest_codes *nearest, block_iq4_xs *y) {
    iq4_group g[8];
    double wanted[8], most = 0;
    for (int i = 0; i < 8; i++) {
        g[i].x = x + SL_SMALL_BLOCK * i;
        g[i].nearest = nearest;
        weigh(g + i);
        wanted[i] = best_scale(g + i);
        most = fabs(wanted[i]) > fabs(most) ? wanted[i] : most;
    }
    write_with_step(g, wanted, write_with_step(g, wanted, most / -32, y), y);
}

// Codes 0, 1 and 2 of x / d, where d is the largest magnitude.
static void ternary_codes(const float *x, uint8_t *d, uint8_t *codes) {
    const float most = fabsf(extreme(x, SL_SUPER_BLOCK)), inverse = most != 0 ? 1.0f / most : 0.0f;
    store_f16(d, most);
    for (int i = 0; i < SL_SUPER_BLOCK; i++) {
        const float q = roundf(x[i] * inverse);
        codes[i] = q > 0 ? 2 : q < 0 ? 0 : 1;
    }
}

// Code k · n + i is digit k of byte i, the highest first; bytes are fractions, so that a product finds a digit.
static void pack_trits(const uint8_t *codes, int n, int digits, uint8_t *qs) {
    for (int i = 0; i < n; i++) {
        unsigned number = 0;
        for (int k = 0; k < 5; k++) number = number * 3 + (k < digits ? codes[k * n + i] : 0);
        qs[i] = (uint8_t)((number * 256 + 242) / 243);
    }
}

static void write_tq1_0(const float *x, block_tq1_0 *y) {
    uint8_t codes[SL_SUPER_BLOCK];
    ternary_codes(x, y->d, codes);
    pack_trits(codes, 32, 5, y->qs);
    pack_trits(codes + 160, 16, 5, y->qs + 32);
    pack_trits(codes + 240, 4, 4, y->qh);
}

static void write_tq2_0(const float *x, block_tq2_0 *y) {
    uint8_t codes[SL_SUPER_BLOCK];
    ternary_codes(x, y->d, codes);
    memset(y->qs, 0, sizeof y->qs);
    for (int i = 0; i < SL_SUPER_BLOCK; i++) {
        y->qs[i / 128 * 32 + i % 32] |= (uint8_t)(codes[i] << i % 128 / 32 * 2);
    }
}

// The code of the number nearest to x in steps of d; of equals, the smaller magnitude.
static uint8_t fp4_code(float x, float d) {
    static const float doubled[8] = {0, 1, 2, 3, 4, 6, 8, 12};
    uint8_t code = 0;
    float least = INFINITY;
    for (uint8_t i = 0; i < 8; i++) {
        const float error = fabsf(d * doubled[i] - fabsf(x));
        if (error < least) {
            least = error;
            code = i;
        }
    }
    return x < 0 && code > 0 ? code | 8 : code;
}

// The largest magnitude gets the numbers 4 to 8, of which 6 is the largest that there is.
static void write_mxfp4(const float *x, block_mxfp4 *y) {
    const float most = fabsf(extreme(x, SL_SMALL_BLOCK));
    int exponent = 0;
    frexpf(most, &exponent);
    const int e = most > 0 ? exponent - 3 + 127 : 0;
    y->e = (uint8_t)(e < 0 ? 0 : e);
    const float d = sl_half_of_e8m0(y->e);
    uint8_t codes[SL_SMALL_BLOCK];
    for (int i = 0; i < SL_SMALL_BLOCK; i++) codes[i] = fp4_code(x[i], d);
    pack_nibbles(codes, y->qs);
}

static void write_not_finite(sl_format format, void *dst) {
    memset(dst, 0, sl_block_bytes(format));
    switch (format) {
        case SL_TQ1_0: store_f16(((block_tq1_0 *)dst)->d, __builtin_nanf("")); break;
        case SL_TQ2_0: store_f16(((block_tq2_0 *)dst)->d, __builtin_nanf("")); break;
        case SL_MXFP4: memset(dst, 0x77, sizeof(block_mxfp4)); *(uint8_t *)dst = 255; break;
        default: store_f16(dst, __builtin_nanf("")); break;
    }
}

bool sl_quantize_looked_up(sl_format format, const float *src, void *dst, size_t n) {
    if (format != SL_IQ4_NL && format != SL_IQ4_XS && format != SL_TQ1_0 && format != SL_TQ2_0
        && format != SL_MXFP4) {
        return false;
    }
    const size_t step = sl_block_elements(format), bytes = sl_block_bytes(format);
    const nearest_codes nearest = nearest_iq4();
    uint8_t *out = dst;
    for (size_t i = 0; i < n; i += step, out += bytes) {
        if (!is_finite(src + i, step)) {
            write_not_finite(format, out);
            continue;
        }
        switch (format) {
            case SL_IQ4_NL: write_iq4_nl(src + i, &nearest, (void *)out); break;
            case SL_IQ4_XS: write_iq4_xs(src + i, &nearest, (void *)out); break;
            case SL_TQ1_0: write_tq1_0(src + i, (void *)out); break;
            case SL_TQ2_0: write_tq2_0(src + i, (void *)out); break;
            default: write_mxfp4(src + i, (void *)out); break;
        }
    }
    return true;
}

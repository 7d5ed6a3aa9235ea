// Block layouts of GGUF files and the scalar conversions that every instruction set shares.
//
// Fields are bytes, so that a block may start at any address of a mapped file; all numbers are little-endian.
#ifndef SWIFTLET_FORMATS_H
#define SWIFTLET_FORMATS_H

#include <stdint.h>
#include <string.h>

#include "swiftlet_kernels.h"

enum { SL_SMALL_BLOCK = 32, SL_SUPER_BLOCK = 256 };

typedef struct { uint8_t d[2], qs[32]; } block_q8_0;                        // x = d·q, q signed
typedef struct { uint8_t d[2], qs[16]; } block_q4_0;                        // x = d·(q − 8)
typedef struct { uint8_t d[2], m[2], qs[16]; } block_q4_1;                  // x = d·q + m
typedef struct { uint8_t d[2], qh[4], qs[16]; } block_q5_0;                 // x = d·(q − 16)
typedef struct { uint8_t d[2], m[2], qh[4], qs[16]; } block_q5_1;           // x = d·q + m
typedef struct { uint8_t d[2], m[2], qs[8]; } block_q2_1;                   // x = d·q + m, code i in bits 2i, 2i + 1
typedef struct { uint8_t scales[16], qs[64], d[2], dmin[2]; } block_q2_K;   // x = d·s·q − dmin·m
typedef struct { uint8_t hmask[32], qs[64], scales[12], d[2]; } block_q3_K; // x = d·(s − 32)·(q − 4)
typedef struct { uint8_t d[2], dmin[2], scales[12], qs[128]; } block_q4_K;  // x = d·s·q − dmin·m
typedef struct { uint8_t d[2], dmin[2], scales[12], qh[32], qs[128]; } block_q5_K;
typedef struct { uint8_t ql[128], qh[64], scales[16], d[2]; } block_q6_K;   // x = d·s·(q − 32), s signed

// The numbers of these come from tables, see lookups.h.
typedef struct { uint8_t d[2], qs[32], qh[16]; } block_iq1_s;
typedef struct { uint8_t qs[32], qh[16], scales[8]; } block_iq1_m;
typedef struct { uint8_t d[2], qs[64]; } block_iq2_xxs;
typedef struct { uint8_t d[2], qs[64], scales[8]; } block_iq2_xs;
typedef struct { uint8_t d[2], qs[32], signs[32], qh[8], scales[8]; } block_iq2_s;
typedef struct { uint8_t d[2], qs[64], signs[32]; } block_iq3_xxs;
typedef struct { uint8_t d[2], qs[64], qh[8], signs[32], scales[4]; } block_iq3_s;
typedef struct { uint8_t d[2], qs[16]; } block_iq4_nl;
typedef struct { uint8_t d[2], scales_h[2], scales_l[4], qs[128]; } block_iq4_xs;
typedef struct { uint8_t qs[48], qh[4], d[2]; } block_tq1_0;                // x = d·(q − 1), five digits per byte
typedef struct { uint8_t qs[64], d[2]; } block_tq2_0;                       // x = d·(q − 1)
typedef struct { uint8_t e, qs[16]; } block_mxfp4;                          // scale E8M0, numbers E2M1
typedef struct { uint8_t d[4], qs[32]; } block_nvfp4;                       // scales E4M3, numbers E2M1

static inline uint16_t sl_load_u16(const void *p) {
    uint16_t v;
    memcpy(&v, p, sizeof v);
    return v;
}

static inline uint32_t sl_load_u32(const void *p) {
    uint32_t v;
    memcpy(&v, p, sizeof v);
    return v;
}

static inline float sl_float_of_bits(uint32_t bits) {
    float v;
    memcpy(&v, &bits, sizeof v);
    return v;
}

static inline uint32_t sl_bits_of_float(float v) {
    uint32_t bits;
    memcpy(&bits, &v, sizeof bits);
    return bits;
}

// binary16 to binary32, exact; a signalling NaN becomes quiet, as in hardware.
static inline float sl_f16_to_f32(uint16_t h) {
    const uint32_t sign = (uint32_t)(h & 0x8000) << 16, magnitude = h & 0x7fff;
    if (magnitude >= 0x7c00) {
        const uint32_t quiet = magnitude > 0x7c00 ? 0x400000 : 0;
        return sl_float_of_bits(sign | 0x7f800000 | quiet | (magnitude & 0x3ff) << 13);
    }
    if (magnitude >= 0x0400) return sl_float_of_bits(sign | ((magnitude << 13) + 0x38000000));
    const uint32_t bits = sl_bits_of_float((float)magnitude * 0x1p-24f);
    return sl_float_of_bits(sign | bits);
}

// binary32 to binary16, to nearest, ties to even; too large becomes infinity, NaN stays NaN.
static inline uint16_t sl_f32_to_f16(float v) {
    const uint32_t bits = sl_bits_of_float(v), magnitude = bits & 0x7fffffff;
    const uint16_t sign = (uint16_t)(bits >> 16 & 0x8000);
    if (magnitude > 0x7f800000) return (uint16_t)(sign | 0x7e00 | (magnitude >> 13 & 0x3ff));
    if (magnitude >= 0x477ff000) return sign | 0x7c00;                      // 65520 and up
    if (magnitude >= 0x38800000) {
        const uint32_t odd = magnitude >> 13 & 1;
        return (uint16_t)(sign | ((magnitude - 0x38000000 + 0xfff + odd) >> 13));
    }
    // Adding 0.5 leaves the subnormal's digits, rounded to nearest even, in the low bits of the sum.
    return (uint16_t)(sign | (sl_bits_of_float(sl_float_of_bits(magnitude) + 0.5f) - 0x3f000000));
}

static inline float sl_bf16_to_f32(uint16_t h) { return sl_float_of_bits((uint32_t)h << 16); }

// binary32 to bfloat16, to nearest, ties to even; NaN stays NaN.
static inline uint16_t sl_f32_to_bf16(float v) {
    const uint32_t bits = sl_bits_of_float(v);
    if ((bits & 0x7fffffff) > 0x7f800000) return (uint16_t)(bits >> 16 | 0x40);
    return (uint16_t)((bits + 0x7fff + (bits >> 16 & 1)) >> 16);
}

static inline float sl_load_f16(const void *p) { return sl_f16_to_f32(sl_load_u16(p)); }

// Half of 2^(e − 127), the scale of numbers that are stored doubled; 2^127 for 255, which means NaN elsewhere.
static inline float sl_half_of_e8m0(uint8_t e) {
    return sl_float_of_bits(e < 2 ? (uint32_t)0x200000 << e : (uint32_t)(e - 1) << 23);
}

// Half of a number with 4 bits of exponent and 3 of fraction, without sign; 0 for 127, which means NaN elsewhere.
static inline float sl_half_of_e4m3(uint8_t x) {
    const uint32_t exponent = x >> 3 & 15, fraction = x & 7;
    if (x == 0x7f) return 0;
    if (exponent == 0) return (float)fraction * 0x1p-10f;
    return sl_float_of_bits((exponent + 119) << 23 | fraction << 20);
}

// A super block before it is packed: codes without sign, and the integers of each group.
typedef struct {
    uint8_t codes[SL_SUPER_BLOCK], minima[16];
    int8_t scales[16];
    uint16_t d, dmin;                   // binary16
} sl_super_codes;

// Writes one block of a K format.
void sl_pack_super_block(sl_format format, const sl_super_codes *codes, void *dst);

// Writes n numbers in a format of small blocks; false if the format is another.
bool sl_quantize_blocks(sl_format format, const float *src, void *dst, size_t n);

// Writes n numbers in IQ4_NL, IQ4_XS, TQ1_0, TQ2_0 or MXFP4; false if the format is another.
bool sl_quantize_looked_up(sl_format format, const float *src, void *dst, size_t n);

// See sl_kernels.
bool sl_quantize_kivi(sl_format format, const float *src, void *dst, size_t n);

extern const sl_kernels sl_table_scalar;
#if defined(__x86_64__)
extern const sl_kernels sl_table_avx2, sl_table_avxvnni, sl_table_avx512, sl_table_avx512vnni;
#elif defined(__aarch64__)
extern const sl_kernels sl_table_neon;
#endif

#endif

// Readers of the formats without a vector path of their own, compiled once per instruction set.
//
// A block is first unpacked into signed bytes, which compilers vectorise well, then turned into
// x = scale·code + offset. scale·code is exact in binary32 (11 + 8 + 6 significant bits at most), so that a
// reader rounds once, in its addition, and all instruction sets give the same bits. Formats without an offset
// add −0, which changes nothing.
// Expects: SL_FN, SL_INLINE, SL_UNROLL, LANES, V and its primitives.

typedef struct {
    int8_t codes[SL_SUPER_BLOCK];
    float scale[16], offset[16];        // of each group
    int shift;                          // 1 << shift codes per group
} unpacked;

SL_INLINE V unpacked_at(const unpacked *u, size_t i) {
    const V code = v_load_i8((const uint8_t *)u->codes + i);
    return v_fma(v_set(u->scale[i >> u->shift]), code, v_set(u->offset[i >> u->shift]));
}

SL_INLINE void unpack_nibbles(const uint8_t *restrict qs, size_t n, int8_t *restrict codes) {
    for (size_t i = 0; i < n; i++) {
        codes[i] = (int8_t)(qs[i] & 15);
        codes[i + n] = (int8_t)(qs[i] >> 4);
    }
}

#include "lookups.h"

SL_INLINE void unpack_small(const uint8_t *d, float offset, const uint8_t *qs, unpacked *u) {
    u->shift = 5;
    u->scale[0] = s_load_f16(d);
    u->offset[0] = offset;
    unpack_nibbles(qs, 16, u->codes);
}

SL_INLINE void add_fifth_bits(const uint8_t *restrict qh, int minus, int8_t *restrict codes) {
    const uint32_t bits = sl_load_u32(qh);
    for (int i = 0; i < SL_SMALL_BLOCK; i++) {
        codes[i] = (int8_t)(codes[i] + (int)(bits >> i & 1) * 16 - minus);
    }
}

// Sixteen groups of 16: two halves of 32 bytes, each holding four codes. The low nibble of a scale byte
// multiplies d, the high nibble dmin.
SL_FN void unpack_q2_K(const block_q2_K *restrict b, unpacked *restrict u) {
    const float d = s_load_f16(b->d), dmin = s_load_f16(b->dmin);
    u->shift = 4;
    for (int g = 0; g < 16; g++) {
        u->scale[g] = d * (float)(b->scales[g] & 15);
        u->offset[g] = -(dmin * (float)(b->scales[g] >> 4));
    }
    for (int half = 0; half < 2; half++) {
        SL_UNROLL for (int s = 0; s < 4; s++) {
            int8_t *codes = u->codes + half * 128 + s * 32;
            for (int i = 0; i < 32; i++) codes[i] = (int8_t)(b->qs[half * 32 + i] >> (2 * s) & 3);
        }
    }
}

// Like q2_K with a third bit, which is stored inverted. Scale g is 6 bits: a nibble of bytes 0...7, two bits
// of bytes 8...11.
SL_FN void unpack_q3_K(const block_q3_K *restrict b, unpacked *restrict u) {
    const float d = s_load_f16(b->d);
    u->shift = 4;
    for (int g = 0; g < 16; g++) {
        const int low = b->scales[g % 8] >> (g / 8 * 4) & 15, high = b->scales[8 + g % 4] >> (g / 4 * 2) & 3;
        u->scale[g] = d * (float)((low | high << 4) - 32);
        u->offset[g] = -0.0f;
    }
    SL_UNROLL for (int half = 0; half < 2; half++) {
        SL_UNROLL for (int s = 0; s < 4; s++) {
            int8_t *codes = u->codes + half * 128 + s * 32;
            for (int i = 0; i < 32; i++) {
                const int low = b->qs[half * 32 + i] >> (2 * s) & 3, high = b->hmask[i] >> (half * 4 + s) & 1;
                codes[i] = (int8_t)(low + high * 4 - 4);
            }
        }
    }
}

// Eight groups of 32; their 6-bit scales and minima are packed in 12 bytes.
SL_FN void unpack_scales(const uint8_t *d, const uint8_t *dmin, const uint8_t *s, unpacked *u) {
    const float scale = s_load_f16(d), minimum = s_load_f16(dmin);
    u->shift = 5;
    for (int g = 0; g < 4; g++) {
        u->scale[g] = scale * (float)(s[g] & 63);
        u->offset[g] = -(minimum * (float)(s[g + 4] & 63));
        u->scale[g + 4] = scale * (float)((s[g + 8] & 15) | s[g] >> 6 << 4);
        u->offset[g + 4] = -(minimum * (float)(s[g + 8] >> 4 | s[g + 4] >> 6 << 4));
    }
}

SL_FN void unpack_q4_K(const block_q4_K *restrict b, unpacked *restrict u) {
    unpack_scales(b->d, b->dmin, b->scales, u);
    for (int pair = 0; pair < 4; pair++) unpack_nibbles(b->qs + pair * 32, 32, u->codes + pair * 64);
}

SL_FN void unpack_q5_K(const block_q5_K *restrict b, unpacked *restrict u) {
    unpack_scales(b->d, b->dmin, b->scales, u);
    for (int pair = 0; pair < 4; pair++) unpack_nibbles(b->qs + pair * 32, 32, u->codes + pair * 64);
    SL_UNROLL for (int g = 0; g < 8; g++) {
        for (int i = 0; i < 32; i++) {
            const int high = b->qh[i] >> g & 1;
            u->codes[g * 32 + i] = (int8_t)(u->codes[g * 32 + i] | high << 4);
        }
    }
}

// Sixteen groups of 16 with signed scales: each half takes 64 bytes of nibbles and 32 bytes of two more bits.
SL_FN void unpack_q6_K(const block_q6_K *restrict b, unpacked *restrict u) {
    const float d = s_load_f16(b->d);
    u->shift = 4;
    for (int g = 0; g < 16; g++) {
        u->scale[g] = d * (float)(int8_t)b->scales[g];
        u->offset[g] = -0.0f;
    }
    for (int half = 0; half < 2; half++) {
        const uint8_t *low = b->ql + half * 64, *high = b->qh + half * 32;
        int8_t *codes = u->codes + half * 128;
        unpack_nibbles(low, 64, codes);
        SL_UNROLL for (int quarter = 0; quarter < 4; quarter++) {
            for (int i = 0; i < 32; i++) {
                const int bits = high[i] >> (2 * quarter) & 3;
                codes[quarter * 32 + i] = (int8_t)((codes[quarter * 32 + i] | bits << 4) - 32);
            }
        }
    }
}

SL_FN void unpack(sl_format format, const uint8_t *block, unpacked *u) {
    switch (format) {
        case SL_Q4_1: {
            const block_q4_1 *b = (const void *)block;
            unpack_small(b->d, s_load_f16(b->m), b->qs, u);
            break;
        }
        case SL_Q5_0: {
            const block_q5_0 *b = (const void *)block;
            unpack_small(b->d, -0.0f, b->qs, u);
            add_fifth_bits(b->qh, 16, u->codes);
            break;
        }
        case SL_Q5_1: {
            const block_q5_1 *b = (const void *)block;
            unpack_small(b->d, s_load_f16(b->m), b->qs, u);
            add_fifth_bits(b->qh, 0, u->codes);
            break;
        }
        case SL_Q2_K: unpack_q2_K((const void *)block, u); break;
        case SL_Q3_K: unpack_q3_K((const void *)block, u); break;
        case SL_Q4_K: unpack_q4_K((const void *)block, u); break;
        case SL_Q5_K: unpack_q5_K((const void *)block, u); break;
        case SL_Q6_K: unpack_q6_K((const void *)block, u); break;
        default: unpack_looked_up(format, block, u); break;
    }
}

SL_FN void read_blocks(sl_format format, const uint8_t *src, float *dst, size_t n) {
    const size_t step = sl_block_elements(format), bytes = sl_block_bytes(format);
    unpacked u;
    for (size_t i = 0; i < n; i += step, src += bytes) {
        unpack(format, src, &u);
        for (size_t j = 0; j < step; j += LANES) v_store(dst + i + j, unpacked_at(&u, j));
    }
}

// Σ of one row, in the order that dense.h describes.
SL_FN float dot_blocks(sl_format format, const uint8_t *w, const float *x, size_t n) {
    const size_t step = sl_block_elements(format), bytes = sl_block_bytes(format);
    unpacked u;
    V sum = v_set(0);
    for (size_t i = 0; i < n; i += step, w += bytes) {
        unpack(format, w, &u);
        for (size_t j = 0; j < step; j += LANES) sum = v_fma(unpacked_at(&u, j), v_load(x + i + j), sum);
    }
    return v_sum(sum);
}

// Packs the codes of super blocks; blocks.h reads them.
#include "formats.h"

static void store_u16(uint8_t *p, uint16_t v) { memcpy(p, &v, sizeof v); }

// Each half of 128 codes takes 32 bytes, which hold four times two bits.
static void pack_pairs(const uint8_t *codes, uint8_t *qs) {
    for (int i = 0; i < SL_SUPER_BLOCK; i++) {
        qs[i / 128 * 32 + i % 32] |= (uint8_t)((codes[i] & 3) << i % 128 / 32 * 2);
    }
}

// Each `2 * n` codes take n bytes, low nibbles first.
static void pack_nibbles(const uint8_t *codes, int n, uint8_t *qs) {
    for (int start = 0; start < SL_SUPER_BLOCK; start += 2 * n, qs += n) {
        for (int i = 0; i < n; i++) {
            qs[i] = (uint8_t)((codes[start + i] & 15) | (codes[start + n + i] & 15) << 4);
        }
    }
}

// Eight scales and minima of 6 bits: four bytes of each with two bits of the others, then nibbles.
static void pack_scales(const sl_super_codes *c, uint8_t *s) {
    for (int g = 0; g < 4; g++) {
        const unsigned scale = (uint8_t)c->scales[g + 4], minimum = c->minima[g + 4];
        s[g] = (uint8_t)((unsigned)c->scales[g] | scale >> 4 << 6);
        s[g + 4] = (uint8_t)(c->minima[g] | minimum >> 4 << 6);
        s[g + 8] = (uint8_t)((scale & 15) | (minimum & 15) << 4);
    }
}

static void pack_q2_K(const sl_super_codes *c, block_q2_K *y) {
    for (int g = 0; g < 16; g++) y->scales[g] = (uint8_t)(c->scales[g] | c->minima[g] << 4);
    pack_pairs(c->codes, y->qs);
    store_u16(y->d, c->d);
    store_u16(y->dmin, c->dmin);
}

static void pack_q3_K(const sl_super_codes *c, block_q3_K *y) {
    for (int g = 0; g < 16; g++) {
        const int scale = c->scales[g] + 32;
        y->scales[g % 8] |= (uint8_t)((scale & 15) << g / 8 * 4);
        y->scales[8 + g % 4] |= (uint8_t)(scale >> 4 << g / 4 * 2);
    }
    for (int i = 0; i < SL_SUPER_BLOCK; i++) y->hmask[i % 32] |= (uint8_t)(c->codes[i] >> 2 << i / 32);
    pack_pairs(c->codes, y->qs);
    store_u16(y->d, c->d);
}

static void pack_q4_K(const sl_super_codes *c, block_q4_K *y) {
    store_u16(y->d, c->d);
    store_u16(y->dmin, c->dmin);
    pack_scales(c, y->scales);
    pack_nibbles(c->codes, 32, y->qs);
}

static void pack_q5_K(const sl_super_codes *c, block_q5_K *y) {
    store_u16(y->d, c->d);
    store_u16(y->dmin, c->dmin);
    pack_scales(c, y->scales);
    for (int i = 0; i < SL_SUPER_BLOCK; i++) y->qh[i % 32] |= (uint8_t)(c->codes[i] >> 4 << i / 32);
    pack_nibbles(c->codes, 32, y->qs);
}

static void pack_q6_K(const sl_super_codes *c, block_q6_K *y) {
    pack_nibbles(c->codes, 64, y->ql);
    for (int i = 0; i < SL_SUPER_BLOCK; i++) {
        y->qh[i / 128 * 32 + i % 32] |= (uint8_t)(c->codes[i] >> 4 << i % 128 / 32 * 2);
    }
    memcpy(y->scales, c->scales, sizeof y->scales);
    store_u16(y->d, c->d);
}

void sl_pack_super_block(sl_format format, const sl_super_codes *codes, void *dst) {
    memset(dst, 0, sl_block_bytes(format));
    switch (format) {
        case SL_Q2_K: pack_q2_K(codes, dst); break;
        case SL_Q3_K: pack_q3_K(codes, dst); break;
        case SL_Q4_K: pack_q4_K(codes, dst); break;
        case SL_Q5_K: pack_q5_K(codes, dst); break;
        default: pack_q6_K(codes, dst); break;
    }
}

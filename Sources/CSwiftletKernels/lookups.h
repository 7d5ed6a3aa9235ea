// Readers of the formats whose codes are looked up: IQ, TQ and FP4. Part of blocks.h, which describes `unpacked`.
//
// All of them are a scale times a small integer, so that products with quantised activations stay exact too.

static const int8_t iq4_values[16] = {-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113};
// Twice the numbers of E2M1.
static const int8_t fp4_values[16] = {0, 1, 2, 3, 4, 6, 8, 12, 0, -1, -2, -3, -4, -6, -8, -12};

SL_INLINE void put_eight(int8_t *codes, uint64_t bytes) { memcpy(codes, &bytes, sizeof bytes); }

SL_INLINE void no_offsets(unpacked *u, int shift, int groups) {
    u->shift = shift;
    for (int g = 0; g < groups; g++) u->offset[g] = -0.0f;
}

SL_INLINE void look_up(const uint8_t *restrict qs, size_t n, const int8_t *restrict values, int8_t *restrict codes) {
    for (size_t i = 0; i < n; i++) {
        codes[i] = values[qs[i] & 15];
        codes[i + n] = values[qs[i] >> 4];
    }
}

SL_FN void unpack_iq2_xxs(const block_iq2_xxs *b, unpacked *u) {
    const float d = s_load_f16(b->d) * 0.125f;
    no_offsets(u, 5, 8);
    for (int g = 0; g < 8; g++) {
        const uint8_t *at = b->qs + 8 * g;
        const uint32_t rest = sl_load_u32(at + 4);
        u->scale[g] = d * (float)(2 * (rest >> 28) + 1);
        for (int k = 0; k < 4; k++) {
            const uint64_t numbers = sl_numbers_iq2(sl_codebook_iq2_xxs[at[k]]);
            put_eight(u->codes + 32 * g + 8 * k, sl_with_signs(numbers, sl_even_signs(rest >> 7 * k & 127)));
        }
    }
}

// Scale g of 16, a nibble each.
SL_INLINE void nibble_scales(float d, const uint8_t *scales, unpacked *u) {
    for (int g = 0; g < 16; g++) u->scale[g] = d * (float)(2 * (scales[g / 2] >> g % 2 * 4 & 15) + 1);
}

SL_FN void unpack_iq2_xs(const block_iq2_xs *b, unpacked *u) {
    no_offsets(u, 4, 16);
    nibble_scales(s_load_f16(b->d) * 0.125f, b->scales, u);
    for (int i = 0; i < 32; i++) {
        const uint16_t q = sl_load_u16(b->qs + 2 * i);
        const uint64_t numbers = sl_numbers_iq2(sl_codebook_iq2_xs[q & 511]);
        put_eight(u->codes + 8 * i, sl_with_signs(numbers, sl_even_signs(q >> 9)));
    }
}

SL_FN void unpack_iq2_s(const block_iq2_s *b, unpacked *u) {
    no_offsets(u, 4, 16);
    nibble_scales(s_load_f16(b->d) * 0.125f, b->scales, u);
    for (int i = 0; i < 32; i++) {
        const int index = b->qs[i] | (b->qh[i / 4] >> i % 4 * 2 & 3) << 8;
        put_eight(u->codes + 8 * i, sl_with_signs(sl_numbers_iq2(sl_codebook_iq2_s[index]), b->signs[i]));
    }
}

SL_FN void unpack_iq3_xxs(const block_iq3_xxs *b, unpacked *u) {
    const float d = s_load_f16(b->d) * 0.25f;
    no_offsets(u, 5, 8);
    for (int g = 0; g < 8; g++) {
        const uint32_t rest = sl_load_u32(b->signs + 4 * g);
        const uint8_t *at = b->qs + 8 * g;
        u->scale[g] = d * (float)(2 * (rest >> 28) + 1);
        for (int k = 0; k < 4; k++) {
            const uint64_t numbers =
                sl_numbers_iq3_xxs(sl_codebook_iq3_xxs[at[2 * k]], sl_codebook_iq3_xxs[at[2 * k + 1]]);
            put_eight(u->codes + 32 * g + 8 * k, sl_with_signs(numbers, sl_even_signs(rest >> 7 * k & 127)));
        }
    }
}

SL_FN void unpack_iq3_s(const block_iq3_s *b, unpacked *u) {
    const float d = s_load_f16(b->d);
    no_offsets(u, 5, 8);
    for (int g = 0; g < 8; g++) {
        u->scale[g] = d * (float)(2 * (b->scales[g / 2] >> g % 2 * 4 & 15) + 1);
        for (int k = 0; k < 4; k++) {
            const int i = 4 * g + k, high = b->qh[g] >> 2 * k;
            const int first = b->qs[2 * i] | (high & 1) << 8, second = b->qs[2 * i + 1] | (high & 2) << 7;
            const uint64_t numbers = sl_numbers_iq3_s(sl_codebook_iq3_s[first], sl_codebook_iq3_s[second]);
            put_eight(u->codes + 8 * i, sl_with_signs(numbers, b->signs[i]));
        }
    }
}

// A word per 32 numbers holds three more bits of each of four indices, the scale and the sign of the offset.
SL_FN void unpack_iq1_s(const block_iq1_s *b, unpacked *u) {
    const float d = s_load_f16(b->d) * 0.125f;
    no_offsets(u, 5, 8);
    for (int g = 0; g < 8; g++) {
        const uint16_t word = sl_load_u16(b->qh + 2 * g);
        u->scale[g] = d * (float)(2 * (word >> 12 & 7) + 1);
        for (int k = 0; k < 4; k++) {
            const int index = b->qs[4 * g + k] | (word >> 3 * k & 7) << 8;
            put_eight(u->codes + 32 * g + 8 * k, sl_numbers_iq1(sl_codebook_iq1[index], word >> 15));
        }
    }
}

// The binary16 scale is in the highest nibbles of four words, whose other bits are four scales of 3 bits each.
SL_FN void unpack_iq1_m(const block_iq1_m *b, unpacked *u) {
    uint16_t scales[4], whole = 0;
    memcpy(scales, b->scales, sizeof scales);
    for (int i = 0; i < 4; i++) whole = (uint16_t)(whole | scales[i] >> 12 << 4 * i);
    const float d = s_load_f16(&whole) * 0.125f;
    no_offsets(u, 4, 16);
    for (int g = 0; g < 16; g++) u->scale[g] = d * (float)(2 * (scales[g / 4] >> g % 4 * 3 & 7) + 1);
    for (int i = 0; i < 32; i++) {
        const int high = b->qh[i / 2] >> i % 2 * 4 & 15, index = b->qs[i] | (high & 7) << 8;
        put_eight(u->codes + 8 * i, sl_numbers_iq1(sl_codebook_iq1[index], high >> 3));
    }
}

SL_FN void unpack_iq4_nl(const block_iq4_nl *b, unpacked *u) {
    no_offsets(u, 5, 1);
    u->scale[0] = s_load_f16(b->d);
    look_up(b->qs, 16, iq4_values, u->codes);
}

SL_FN void unpack_iq4_xs(const block_iq4_xs *b, unpacked *u) {
    const float d = s_load_f16(b->d);
    const uint16_t high = sl_load_u16(b->scales_h);
    no_offsets(u, 5, 8);
    for (int g = 0; g < 8; g++) {
        const int scale = (b->scales_l[g / 2] >> g % 2 * 4 & 15) | (high >> 2 * g & 3) << 4;
        u->scale[g] = d * (float)(scale - 32);
        look_up(b->qs + 16 * g, 16, iq4_values, u->codes + 32 * g);
    }
}

// The highest digit, base 3, of n bytes, each a fraction of 256; then what is left times 3, and so on.
SL_INLINE void unpack_trits(const uint8_t *restrict qs, int n, int digits, int8_t *restrict codes) {
    static const uint8_t power[] = {1, 3, 9, 27, 81};
    for (int k = 0; k < digits; k++) {
        for (int i = 0; i < n; i++) {
            const uint8_t fraction = (uint8_t)(qs[i] * power[k]);
            codes[k * n + i] = (int8_t)((fraction * 3 >> 8) - 1);
        }
    }
}

SL_FN void unpack_tq1_0(const block_tq1_0 *b, unpacked *u) {
    no_offsets(u, 8, 1);
    u->scale[0] = s_load_f16(b->d);
    unpack_trits(b->qs, 32, 5, u->codes);
    unpack_trits(b->qs + 32, 16, 5, u->codes + 160);
    unpack_trits(b->qh, 4, 4, u->codes + 240);
}

SL_FN void unpack_tq2_0(const block_tq2_0 *restrict b, unpacked *restrict u) {
    no_offsets(u, 8, 1);
    u->scale[0] = s_load_f16(b->d);
    for (int half = 0; half < 2; half++) {
        SL_UNROLL for (int s = 0; s < 4; s++) {
            int8_t *codes = u->codes + half * 128 + s * 32;
            for (int i = 0; i < 32; i++) codes[i] = (int8_t)((b->qs[half * 32 + i] >> (2 * s) & 3) - 1);
        }
    }
}

SL_FN void unpack_mxfp4(const block_mxfp4 *b, unpacked *u) {
    no_offsets(u, 5, 1);
    u->scale[0] = sl_half_of_e8m0(b->e);
    look_up(b->qs, 16, fp4_values, u->codes);
}

SL_FN void unpack_nvfp4(const block_nvfp4 *b, unpacked *u) {
    no_offsets(u, 4, 4);
    for (int g = 0; g < 4; g++) {
        u->scale[g] = sl_half_of_e4m3(b->d[g]);
        look_up(b->qs + 8 * g, 8, fp4_values, u->codes + 16 * g);
    }
}

SL_FN void unpack_looked_up(sl_format format, const void *block, unpacked *u) {
    switch (format) {
        case SL_IQ1_S: unpack_iq1_s(block, u); break;
        case SL_IQ1_M: unpack_iq1_m(block, u); break;
        case SL_IQ2_XXS: unpack_iq2_xxs(block, u); break;
        case SL_IQ2_XS: unpack_iq2_xs(block, u); break;
        case SL_IQ2_S: unpack_iq2_s(block, u); break;
        case SL_IQ3_XXS: unpack_iq3_xxs(block, u); break;
        case SL_IQ3_S: unpack_iq3_s(block, u); break;
        case SL_IQ4_NL: unpack_iq4_nl(block, u); break;
        case SL_IQ4_XS: unpack_iq4_xs(block, u); break;
        case SL_TQ1_0: unpack_tq1_0(block, u); break;
        case SL_TQ2_0: unpack_tq2_0(block, u); break;
        case SL_MXFP4: unpack_mxfp4(block, u); break;
        default: unpack_nvfp4(block, u); break;
    }
}

// Readers of the formats without a vector path, compiled once per instruction set.
//
// Every product below is exact in binary32 (11 + 8 + 6 significant bits at most), so that a reader rounds
// once, in its subtraction if it has one, and all instruction sets give the same bits. Expects: SL_FN.

SL_FN void read_q4_1(const block_q4_1 *b, float *y) {
    const float d = sl_load_f16(b->d), m = sl_load_f16(b->m);
    for (int i = 0; i < 16; i++) {
        y[i] = d * (float)(b->qs[i] & 15) + m;
        y[i + 16] = d * (float)(b->qs[i] >> 4) + m;
    }
}

SL_FN void read_q5_0(const block_q5_0 *b, float *y) {
    const float d = sl_load_f16(b->d);
    const uint32_t high = sl_load_u32(b->qh);
    for (int i = 0; i < 16; i++) {
        const int low = (b->qs[i] & 15) | (int)(high >> i & 1) << 4;
        const int up = b->qs[i] >> 4 | (int)(high >> (i + 16) & 1) << 4;
        y[i] = d * (float)(low - 16);
        y[i + 16] = d * (float)(up - 16);
    }
}

SL_FN void read_q5_1(const block_q5_1 *b, float *y) {
    const float d = sl_load_f16(b->d), m = sl_load_f16(b->m);
    const uint32_t high = sl_load_u32(b->qh);
    for (int i = 0; i < 16; i++) {
        const int low = (b->qs[i] & 15) | (int)(high >> i & 1) << 4;
        const int up = b->qs[i] >> 4 | (int)(high >> (i + 16) & 1) << 4;
        y[i] = d * (float)low + m;
        y[i + 16] = d * (float)up + m;
    }
}

// Sixteen groups of 16; the low nibble of a scale byte multiplies d, the high nibble dmin.
SL_FN void read_q2_K(const block_q2_K *b, float *y) {
    const float d = sl_load_f16(b->d), dmin = sl_load_f16(b->dmin);
    for (int g = 0; g < 16; g++, y += 16) {
        const uint8_t *q = b->qs + (g / 8) * 32 + (g % 2) * 16;
        const int shift = g % 8 / 2 * 2;
        const float scale = d * (float)(b->scales[g] & 15), minimum = dmin * (float)(b->scales[g] >> 4);
        for (int i = 0; i < 16; i++) y[i] = scale * (float)(q[i] >> shift & 3) - minimum;
    }
}

// Sixteen groups of 16; scale g is 6 bits: a nibble of bytes 0...7 and two bits of bytes 8...11.
SL_FN void read_q3_K(const block_q3_K *b, float *y) {
    const float d = sl_load_f16(b->d);
    for (int g = 0; g < 16; g++, y += 16) {
        const int low = b->scales[g % 8] >> (g / 8 * 4) & 15;
        const int high = b->scales[8 + g % 4] >> (g / 4 * 2) & 3;
        const float scale = d * (float)((low | high << 4) - 32);
        const uint8_t *q = b->qs + (g / 8) * 32 + (g % 2) * 16, *h = b->hmask + (g % 2) * 16;
        const int shift = g % 8 / 2 * 2, bit = g / 2;
        for (int i = 0; i < 16; i++) {
            y[i] = scale * (float)((q[i] >> shift & 3) - ((h[i] >> bit & 1) ? 0 : 4));
        }
    }
}

// The 6-bit scale and minimum of group g of 8, packed in 12 bytes.
SL_FN void read_scale_minimum(const uint8_t *s, int g, int *scale, int *minimum) {
    if (g < 4) {
        *scale = s[g] & 63;
        *minimum = s[g + 4] & 63;
    } else {
        *scale = (s[g + 4] & 15) | s[g - 4] >> 6 << 4;
        *minimum = s[g + 4] >> 4 | s[g] >> 6 << 4;
    }
}

SL_FN void read_q4_K(const block_q4_K *b, float *y) {
    const float d = sl_load_f16(b->d), dmin = sl_load_f16(b->dmin);
    for (int g = 0; g < 8; g++, y += 32) {
        int s, m;
        read_scale_minimum(b->scales, g, &s, &m);
        const float scale = d * (float)s, minimum = dmin * (float)m;
        const uint8_t *q = b->qs + g / 2 * 32;
        const int shift = g % 2 * 4;
        for (int i = 0; i < 32; i++) y[i] = scale * (float)(q[i] >> shift & 15) - minimum;
    }
}

SL_FN void read_q5_K(const block_q5_K *b, float *y) {
    const float d = sl_load_f16(b->d), dmin = sl_load_f16(b->dmin);
    for (int g = 0; g < 8; g++, y += 32) {
        int s, m;
        read_scale_minimum(b->scales, g, &s, &m);
        const float scale = d * (float)s, minimum = dmin * (float)m;
        const uint8_t *q = b->qs + g / 2 * 32;
        const int shift = g % 2 * 4;
        for (int i = 0; i < 32; i++) {
            y[i] = scale * (float)((q[i] >> shift & 15) | (b->qh[i] >> g & 1) << 4) - minimum;
        }
    }
}

SL_FN void read_q6_K(const block_q6_K *b, float *y) {
    const float d = sl_load_f16(b->d);
    for (int g = 0; g < 16; g++, y += 16) {
        const float scale = d * (float)(int8_t)b->scales[g];
        const int quarter = g % 8 / 2, half = g % 2 * 16;
        const uint8_t *low = b->ql + g / 8 * 64 + quarter % 2 * 32 + half;
        const uint8_t *high = b->qh + g / 8 * 32 + half;
        const int shift = quarter / 2 * 4;
        for (int i = 0; i < 16; i++) {
            y[i] = scale * (float)(((low[i] >> shift & 15) | (high[i] >> (quarter * 2) & 3) << 4) - 32);
        }
    }
}

SL_FN void read_blocks(sl_format format, const void *src, float *dst, size_t n) {
    const size_t step = sl_block_elements(format), bytes = sl_block_bytes(format);
    const uint8_t *b = src;
    for (size_t i = 0; i < n; i += step, b += bytes) {
        switch (format) {
            case SL_Q4_1: read_q4_1((const void *)b, dst + i); break;
            case SL_Q5_0: read_q5_0((const void *)b, dst + i); break;
            case SL_Q5_1: read_q5_1((const void *)b, dst + i); break;
            case SL_Q2_K: read_q2_K((const void *)b, dst + i); break;
            case SL_Q3_K: read_q3_K((const void *)b, dst + i); break;
            case SL_Q4_K: read_q4_K((const void *)b, dst + i); break;
            case SL_Q5_K: read_q5_K((const void *)b, dst + i); break;
            default: read_q6_K((const void *)b, dst + i); break;
        }
    }
}

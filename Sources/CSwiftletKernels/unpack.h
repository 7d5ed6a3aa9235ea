// Reading the groups of LANES rows from block formats, in columns or in pieces; `take` receives them.
//
// The same instructions on bytes make codes of both layouts, for where a byte lies does not matter to them.

// 16 bytes of LANES rows in four vectors, in pieces: vector k holds those of rows k, k + 4, …
// In columns: vector k holds bytes 4k…4k + 3 of all rows.
SL_INLINE void i_rows(const bool columns, const uint8_t *p, size_t stride, I *out) {
    for (size_t k = 0; k < 4; k++) out[k] = i_piece(p + k * stride, stride);
    if (!columns) return;
    const I ab = i_low32(out[0], out[1]), cd = i_low32(out[2], out[3]);
    const I ef = i_high32(out[0], out[1]), gh = i_high32(out[2], out[3]);
    out[0] = i_low64(ab, cd);
    out[1] = i_high64(ab, cd);
    out[2] = i_low64(ef, gh);
    out[3] = i_high64(ef, gh);
}

SL_INLINE I low_nibbles(I v) { return i_and(v, i_set(0x0f0f0f0f)); }
SL_INLINE I high_nibbles(I v) { return i_and(i_right(v, 4), i_set(0x0f0f0f0f)); }

SL_INLINE V scale_byte(V d, I v, int at, int32_t mask) {
    return v_mul(d, v_of_i(i_and(i_right(v, at), i_set(mask))));
}

// Bit `at` of every byte, times 16.
SL_INLINE I bit_as_16(I v, int at) { return i_left(i_and(i_right(v, at), i_set(0x01010101)), 4); }

// Bits at…at+3 of a word, one per byte, times 16.
SL_INLINE I four_bits_as_16(I v, int at) {
    I bits = i_and(i_right(v, at), i_set(15));
    bits = i_or(bits, i_left(bits, 14));
    bits = i_or(bits, i_left(bits, 7));
    return i_left(i_and(bits, i_set(0x01010101)), 4);
}

// Four vectors of nibbles: the low ones, then the high ones.
SL_INLINE void split_nibbles(I *codes) {
    SL_UNROLL for (int k = 0; k < 4; k++) {
        codes[k + 4] = high_nibbles(codes[k]);
        codes[k] = low_nibbles(codes[k]);
    }
}

// What the tables of lookups.h hold, as codes: above their zero_bit where they have one.
#ifdef SL_DOT4
static const uint8_t iq4_codes[16] = {1, 24, 45, 63, 79, 93, 106, 118, 129, 141, 153, 166, 181, 197, 217, 241};
#else
#define iq4_codes iq4_values
#endif
static const uint8_t fp4_codes[16] = {16, 17, 18, 19, 20, 22, 24, 28, 16, 15, 14, 13, 12, 10, 8, 4};

SL_INLINE void look_up_all(const void *table, I *codes) {
    SL_UNROLL for (int k = 0; k < 8; k++) codes[k] = i_lookup(table, codes[k]);
}

// Floats of LANES rows.
SL_INLINE V v_gather(const float *p, size_t stride) {
    float lanes[LANES];
    i_store(lanes, i_gather((const uint8_t *)p, stride));
    return v_load(lanes);
}

SL_INLINE void small_group(const sl_format f, const bool packs, const uint8_t *w, size_t stride, row_group *g) {
    const I header = i_gather(w, stride);
    g->scale[0] = v_of_low_half(header);
    if (has_minimum(f)) g->minimum[0] = v_of_low_half(i_right(header, 16));
    if (f == SL_Q8_0) {
        i_rows(packs, w + 2, stride, g->codes);
        i_rows(packs, w + 18, stride, g->codes + 4);
#ifdef SL_DOT4
        for (int k = 0; k < 8; k++) g->codes[k] = i_xor(g->codes[k], i_set((int32_t)0x80808080));
#endif
        return;
    }
    const bool fifth = code_bits(f) == 5;
    const size_t bits_at = has_minimum(f) ? 4 : 2;
    i_rows(packs, w + bits_at + (fifth ? 4 : 0), stride, g->codes);
    split_nibbles(g->codes);
    if (f == SL_IQ4_NL) look_up_all(iq4_codes, g->codes);
    if (!fifth) return;
    const I bits = i_gather(w + bits_at, stride);
    SL_UNROLL for (int k = 0; k < 8; k++) {
        const I fifths = packs ? four_bits_as_16(bits, 4 * k) : i_bits_as_16(bits, k % 4, k / 4);
        g->codes[k] = i_or(g->codes[k], fifths);
    }
}

// Scale and negative minimum of group i of q4_K and q5_K from the block's first 16 bytes.
SL_INLINE void packed_scales(const I *header, V d, V dmin, int i, row_group *g) {
    if (i < 4) {
        g->scale[0] = scale_byte(d, header[1], 8 * i, 63);
        g->minimum[0] = scale_byte(dmin, header[2], 8 * i, 63);
    } else {
        const int at = 8 * (i - 4);
        const I low = i_right(header[3], at), mask = i_set(15);
        const I s = i_and(i_right(header[1], at + 6), i_set(3));
        const I m = i_and(i_right(header[2], at + 6), i_set(3));
        g->scale[0] = v_mul(d, v_of_i(i_or(i_and(low, mask), i_left(s, 4))));
        g->minimum[0] = v_mul(dmin, v_of_i(i_or(i_and(i_right(low, 4), mask), i_left(m, 4))));
    }
}

SL_INLINE void groups_q45_K(const sl_format f, const bool packs, const uint8_t *w, size_t stride, sink *s) {
    row_group g;
    I header[4], fifth[8], nibbles[8];
    i_rows(true, w, stride, header);
    const V d = v_of_low_half(header[0]), dmin = v_neg(v_of_low_half(i_right(header[0], 16)));
    if (f == SL_Q5_K) {
        i_rows(packs, w + 16, stride, fifth);
        i_rows(packs, w + 32, stride, fifth + 4);
    }
    const uint8_t *codes = w + (f == SL_Q5_K ? 48 : 16);
    SL_UNROLL for (int i = 0; i < 8; i++) {
        if (i % 2 == 0) {
            i_rows(packs, codes + 16 * i, stride, nibbles);
            i_rows(packs, codes + 16 * i + 16, stride, nibbles + 4);
        }
        SL_UNROLL for (int k = 0; k < 8; k++) {
            g.codes[k] = i % 2 == 0 ? low_nibbles(nibbles[k]) : high_nibbles(nibbles[k]);
            if (f == SL_Q5_K) g.codes[k] = i_or(g.codes[k], bit_as_16(fifth[k], i));
        }
        packed_scales(header, d, dmin, i, &g);
        take(f, packs, &g, s);
    }
}

SL_INLINE V signed_scale(V d, const I *scales, int i) {
    return v_mul(d, v_of_i(i_right_signed(i_left(scales[i / 4], 24 - i % 4 * 8), 24)));
}

SL_INLINE void groups_q6_K(const bool packs, const uint8_t *w, size_t stride, sink *s) {
    row_group g;
    I scales[4], end[4], low[16], high[8];
    i_rows(true, w + 192, stride, scales);
    i_rows(true, w + 194, stride, end);
    const V d = v_of_low_half(i_right(end[3], 16));
    SL_UNROLL for (int half = 0; half < 2; half++) {
        for (int k = 0; k < 16; k += 4) i_rows(packs, w + half * 64 + 4 * k, stride, low + k);
        for (int k = 0; k < 8; k += 4) i_rows(packs, w + 128 + half * 32 + 4 * k, stride, high + k);
        SL_UNROLL for (int q = 0; q < 4; q++) {
            SL_UNROLL for (int k = 0; k < 8; k++) {
                const I nibbles = low[q % 2 * 8 + k];
                const I two = i_left(i_and(i_right(high[k], 2 * q), i_set(0x03030303)), 4);
                g.codes[k] = i_or(q < 2 ? low_nibbles(nibbles) : high_nibbles(nibbles), two);
            }
            g.scale[0] = signed_scale(d, scales, half * 8 + q * 2);
            g.scale[1] = signed_scale(d, scales, half * 8 + q * 2 + 1);
            take(SL_Q6_K, packs, &g, s);
        }
    }
}

// Two bits of every byte.
SL_INLINE I two_bits(I v, int at) { return i_and(i_right(v, at), i_set(0x03030303)); }

SL_INLINE void groups_q2_K(const bool packs, const uint8_t *w, size_t stride, sink *s) {
    row_group g;
    I scales[4], end[4], codes[8];
    i_rows(true, w, stride, scales);
    i_rows(true, w + 68, stride, end);
    const V d = v_of_low_half(end[3]), dmin = v_neg(v_of_low_half(i_right(end[3], 16)));
    SL_UNROLL for (int half = 0; half < 2; half++) {
        i_rows(true, w + 16 + 32 * half, stride, codes);
        i_rows(true, w + 32 + 32 * half, stride, codes + 4);
        SL_UNROLL for (int q = 0; q < 4; q++) {
            SL_UNROLL for (int k = 0; k < 8; k++) g.codes[k] = two_bits(codes[k], 2 * q);
            SL_UNROLL for (int h = 0; h < 2; h++) {
                const int i = half * 8 + q * 2 + h;
                g.scale[h] = scale_byte(d, scales[i / 4], i % 4 * 8, 15);
                g.minimum[h] = scale_byte(dmin, scales[i / 4], i % 4 * 8 + 4, 15);
            }
            take(SL_Q2_K, packs, &g, s);
        }
    }
}

// Byte i of the 12 scale bytes of q3_K, which start at byte 2 of `end`.
SL_INLINE I q3_scale_bits(const I *end, int i, int shift, int32_t mask) {
    return i_and(i_right(end[(i + 2) / 4], (i + 2) % 4 * 8 + shift), i_set(mask));
}

SL_INLINE void groups_q3_K(const bool packs, const uint8_t *w, size_t stride, sink *s) {
    row_group g;
    I end[4], codes[8], third[8];
    i_rows(true, w + 94, stride, end);
    i_rows(true, w, stride, third);
    i_rows(true, w + 16, stride, third + 4);
    const V d = v_of_low_half(i_right(end[3], 16));
    SL_UNROLL for (int half = 0; half < 2; half++) {
        i_rows(true, w + 32 + 32 * half, stride, codes);
        i_rows(true, w + 48 + 32 * half, stride, codes + 4);
        SL_UNROLL for (int q = 0; q < 4; q++) {
            SL_UNROLL for (int k = 0; k < 8; k++) {
                const I bit = i_and(i_right(third[k], half * 4 + q), i_set(0x01010101));
                g.codes[k] = i_or(two_bits(codes[k], 2 * q), i_left(bit, 2));
            }
            SL_UNROLL for (int h = 0; h < 2; h++) {
                const int i = half * 8 + q * 2 + h;
                const I low = q3_scale_bits(end, i % 8, i / 8 * 4, 15);
                const I high = q3_scale_bits(end, 8 + i % 4, i / 4 * 2, 3);
                g.scale[h] = v_mul(d, v_of_i(i_sub(i_or(low, i_left(high, 4)), i_set(32))));
            }
            take(SL_Q3_K, packs, &g, s);
        }
    }
}

// 2^(e − 128) as a product of two powers, for it may be subnormal.
SL_INLINE V half_of_e8m0(I e) {
    const I half = i_right(e, 1), bias = i_set(63);
    float a[LANES], b[LANES];
    i_store(a, i_left(i_add(half, bias), 23));
    i_store(b, i_left(i_add(i_sub(e, half), bias), 23));
    return v_mul(v_load(a), v_load(b));
}

SL_INLINE void group_mxfp4(const bool packs, const uint8_t *w, size_t stride, row_group *g) {
    g->scale[0] = half_of_e8m0(i_and(i_gather(w, stride), i_set(255)));
    i_rows(packs, w + 1, stride, g->codes);
    split_nibbles(g->codes);
    look_up_all(fp4_codes, g->codes);
}

SL_INLINE void groups_iq4_xs(const bool packs, const uint8_t *w, size_t stride, sink *s) {
    row_group g;
    const I header = i_gather(w, stride), low = i_gather(w + 4, stride);
    const V d = v_of_low_half(header);
    SL_UNROLL for (int i = 0; i < 8; i++) {
        const I nibble = i_and(i_right(low, 4 * i), i_set(15)), two = i_and(i_right(header, 16 + 2 * i), i_set(3));
        g.scale[0] = v_mul(d, v_of_i(i_sub(i_or(nibble, i_left(two, 4)), i_set(32))));
        i_rows(packs, w + 8 + 16 * i, stride, g.codes);
        split_nibbles(g.codes);
        look_up_all(iq4_codes, g.codes);
        take(SL_IQ4_XS, packs, &g, s);
    }
}

SL_INLINE void groups_tq2_0(const bool packs, const uint8_t *w, size_t stride, sink *s) {
    row_group g;
    I codes[8];
    g.scale[0] = v_of_low_half(i_right(i_gather(w + 62, stride), 16));
    SL_UNROLL for (int half = 0; half < 2; half++) {
        i_rows(true, w + 32 * half, stride, codes);
        i_rows(true, w + 16 + 32 * half, stride, codes + 4);
        SL_UNROLL for (int q = 0; q < 4; q++) {
            SL_UNROLL for (int k = 0; k < 8; k++) g.codes[k] = two_bits(codes[k], 2 * q);
            take(SL_TQ2_0, packs, &g, s);
        }
    }
}

// One block of LANES rows in a format that is looked up number by number; f stands for it, see products.h.
SL_INLINE void groups_looked_up(const sl_format f, sl_format stored, const bool packs, const uint8_t *w,
                                size_t stride, sink *s) {
    unpacked rows[LANES];
    for (size_t r = 0; r < LANES; r++) unpack_looked_up(stored, w + r * stride, rows + r);
    const size_t groups = sl_block_elements(stored) / SL_SMALL_BLOCK;
    for (size_t i = 0; i < groups; i++) {
        row_group g;
        const uint8_t *codes = (const uint8_t *)rows[0].codes + SL_SMALL_BLOCK * i;
        i_rows(packs, codes, sizeof(unpacked), g.codes);
        i_rows(packs, codes + 16, sizeof(unpacked), g.codes + 4);
#ifdef SL_DOT4
        SL_UNROLL for (int k = 0; k < 8; k++) g.codes[k] = i_xor(g.codes[k], i_set((int32_t)0x80808080));
#endif
        for (size_t h = 0; h < (has_halves(f) ? 2 : 1); h++) {
            const size_t at = (SL_SMALL_BLOCK * i + 16 * h) >> rows[0].shift;
            g.scale[h] = v_gather(rows[0].scale + at, sizeof(unpacked));
        }
        take(f, packs, &g, s);
    }
}

// All groups of LANES rows, `stride` bytes apart; meanwhile the next rows are asked for.
SL_INLINE void walk(const sl_format f, sl_format stored, const bool packs, const uint8_t *w, size_t stride,
                    sink *s) {
    const size_t bytes = sl_block_bytes(stored), groups = sl_block_elements(stored) / SL_SMALL_BLOCK;
    s->ahead = w + LANES * stride;
    s->bytes_ahead = LANES * bytes / groups;
    for (size_t i = 0; i < stride; i += bytes, w += bytes) {
        row_group g;
        switch (f) {
            case SL_Q2_K: groups_q2_K(packs, w, stride, s); break;
            case SL_Q3_K: groups_q3_K(packs, w, stride, s); break;
            case SL_Q4_K:
            case SL_Q5_K: groups_q45_K(f, packs, w, stride, s); break;
            case SL_Q6_K: groups_q6_K(packs, w, stride, s); break;
            case SL_IQ4_XS: groups_iq4_xs(packs, w, stride, s); break;
            case SL_TQ2_0: groups_tq2_0(packs, w, stride, s); break;
            case SL_IQ2_S:
            case SL_IQ3_S: groups_looked_up(f, stored, packs, w, stride, s); break;
            case SL_MXFP4:
                ask_ahead(s);
                group_mxfp4(packs, w, stride, &g);
                take(f, packs, &g, s);
                break;
            default:
                ask_ahead(s);
                small_group(f, packs, w, stride, &g);
                take(f, packs, &g, s);
                break;
        }
    }
}


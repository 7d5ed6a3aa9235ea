// Products of block formats and quantised activations, in integers.
//
// LANES rows lie in the lanes of a vector: every instruction works on the same elements of LANES rows, and no
// sum across lanes is needed. Codes are unpacked into eight vectors per group of 32 elements; vector k holds
// elements 4k…4k+3 of each row, one byte each, unsigned (q8_0 without SL_DOT4: signed).
//
// Per group and row the integer sum is exact, then a fused multiply-add (two for groups of 16) adds it, times
// both scales, to the result, and one (two) more the minimum times the sum of the activations. Groups come in
// order. So a result depends on nothing but its row and its token, and all instruction sets that fuse agree.
// Expects what dense.h expects, the i_… primitives and Q_TOKENS.

enum { Q_VECTORS = 2 };                         // row vectors whose sums are held in registers together

typedef struct {
    I codes[8];
    V scale[2], minimum[2];                     // of both halves, or of the group in [0]
} row_group;

SL_INLINE int code_bits(const sl_format f) {
    switch (f) {
        case SL_Q2_K: return 2;
        case SL_Q3_K: return 3;
        case SL_Q5_0: case SL_Q5_1: case SL_Q5_K: return 5;
        case SL_Q6_K: return 6;
        case SL_Q8_0: return 8;
        default: return 4;
    }
}

// log2 of what a code is above its number, or -1.
SL_INLINE int zero_bit(const sl_format f) {
    switch (f) {
        case SL_Q3_K: return 2;
        case SL_Q4_0: return 3;
        case SL_Q5_0: return 4;
        case SL_Q6_K: return 5;
#ifdef SL_DOT4
        case SL_Q8_0: return 7;
#endif
        default: return -1;
    }
}

SL_INLINE bool has_halves(const sl_format f) { return f == SL_Q2_K || f == SL_Q3_K || f == SL_Q6_K; }

SL_INLINE bool has_minimum(const sl_format f) {
    return f == SL_Q4_1 || f == SL_Q5_1 || f == SL_Q2_K || f == SL_Q4_K || f == SL_Q5_K;
}

SL_INLINE int float_vectors(const sl_format f) {
    return (has_halves(f) ? 2 : 1) * (has_minimum(f) ? 2 : 1);
}

SL_INLINE size_t group_bytes(const sl_format f) {
    return 8 * sizeof(I) + (size_t)float_vectors(f) * sizeof(V);
}

// sums[r][t] = Σ codes·activations over vectors [from, to) of a group, for R row vectors and T tokens.
SL_INLINE void dot_codes(const sl_format f, const int R, const int T, const int from, const int to,
                         const uint8_t *const *codes, const sl_q8_block *const *x, I sums[][Q_TOKENS]) {
#ifdef SL_DOT4
    (void)f;
    SL_UNROLL for (int r = 0; r < R; r++) {
        SL_UNROLL for (int t = 0; t < T; t++) sums[r][t] = i_set(0);
    }
    SL_UNROLL for (int k = from; k < to; k++) {
        SL_UNROLL for (int t = 0; t < T; t++) {
            const I xk = i_spread(x[t]->codes + 4 * k);
            SL_UNROLL for (int r = 0; r < R; r++) {
                sums[r][t] = SL_DOT4(sums[r][t], i_load(codes[r] + (size_t)k * sizeof(I)), xk);
            }
        }
    }
#else
    // Products of pairs are 16 bits wide: so many of them can be added before they are widened.
    const int bits = code_bits(f), most = bits <= 4 ? 8 : bits == 5 ? 4 : bits == 6 ? 2 : 1;
    const int step = most < to - from ? most : to - from;
    SL_UNROLL for (int first = from; first < to; first += step) {
        I pairs[Q_VECTORS][Q_TOKENS];
        SL_UNROLL for (int k = first; k < first + step; k++) {
            SL_UNROLL for (int t = 0; t < T; t++) {
                const I xk = i_spread(x[t]->codes + 4 * k);
                SL_UNROLL for (int r = 0; r < R; r++) {
                    const I w = i_load(codes[r] + (size_t)k * sizeof(I));
                    const I p = bits == 8 ? i_pairs_signed(w, xk) : i_pairs(w, xk);
                    pairs[r][t] = k == first ? p : i_add16(pairs[r][t], p);
                }
            }
        }
        SL_UNROLL for (int r = 0; r < R; r++) {
            SL_UNROLL for (int t = 0; t < T; t++) {
                const I wide = i_widen(pairs[r][t]);
                sums[r][t] = first == from ? wide : i_add(sums[r][t], wide);
            }
        }
    }
#endif
}

// One group of R row vectors times T tokens, added to acc.
SL_INLINE void add_group(const sl_format f, const int R, const int T, const uint8_t *const *codes,
                         const uint8_t *const *scales, const sl_q8_block *const *x, V acc[][Q_TOKENS]) {
    const int halves = has_halves(f) ? 2 : 1, zero = zero_bit(f);
    SL_UNROLL for (int h = 0; h < halves; h++) {
        I sums[Q_VECTORS][Q_TOKENS];
        dot_codes(f, R, T, h * 8 / halves, (h + 1) * 8 / halves, codes, x, sums);
        SL_UNROLL for (int t = 0; t < T; t++) {
            const V d = v_set(x[t]->d);
            I shift = i_spread(halves == 1 ? &x[t]->sum : &x[t]->half_sum[h]);
            const V sum = has_minimum(f) ? v_set(halves == 1 ? x[t]->dsum : x[t]->half_dsum[h]) : d;
            if (zero >= 0) shift = i_left(shift, zero);
            SL_UNROLL for (int r = 0; r < R; r++) {
                const I total = zero >= 0 ? i_sub(sums[r][t], shift) : sums[r][t];
                const V scale = v_load(scales[r] + (size_t)h * sizeof(V));
                acc[r][t] = v_fma(v_of_i(total), v_mul(scale, d), acc[r][t]);
                if (has_minimum(f)) acc[r][t] = v_fma(v_load(scales[r] + (size_t)(halves + h) * sizeof(V)), sum, acc[r][t]);
            }
        }
    }
}

// Where the groups of LANES rows go: into packed memory, or times one token.
typedef struct {
    uint8_t *packed;                            // NULL: times x
    const sl_q8_block *x;
    V acc[1][Q_TOKENS];
} sink;

SL_INLINE void take(const sl_format f, const bool packs, const row_group *g, sink *s) {
    const int halves = has_halves(f) ? 2 : 1;
    V scales[4];
    for (int h = 0; h < halves; h++) {
        scales[h] = g->scale[h];
        if (has_minimum(f)) scales[halves + h] = g->minimum[h];
    }
    if (packs) {
        for (int k = 0; k < 8; k++) i_store(s->packed + (size_t)k * sizeof(I), g->codes[k]);
        for (int i = 0; i < float_vectors(f); i++) {
            v_store(s->packed + 8 * sizeof(I) + (size_t)i * sizeof(V), scales[i]);
        }
        s->packed += group_bytes(f);
    } else {
        const uint8_t *codes = (const uint8_t *)g->codes, *scale = (const uint8_t *)scales;
        add_group(f, 1, 1, &codes, &scale, &s->x, s->acc);
        s->x++;
    }
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

SL_INLINE void small_group(const sl_format f, const uint8_t *w, size_t stride, row_group *g) {
    const I header = i_gather(w, stride);
    g->scale[0] = v_of_low_half(header);
    if (has_minimum(f)) g->minimum[0] = v_of_low_half(i_right(header, 16));
    if (f == SL_Q8_0) {
        i_rows(w + 2, stride, g->codes);
        i_rows(w + 18, stride, g->codes + 4);
#ifdef SL_DOT4
        for (int k = 0; k < 8; k++) g->codes[k] = i_xor(g->codes[k], i_set((int32_t)0x80808080));
#endif
        return;
    }
    const bool fifth = code_bits(f) == 5;
    const size_t bits_at = has_minimum(f) ? 4 : 2;
    i_rows(w + bits_at + (fifth ? 4 : 0), stride, g->codes);
    for (int k = 0; k < 4; k++) {
        g->codes[k + 4] = high_nibbles(g->codes[k]);
        g->codes[k] = low_nibbles(g->codes[k]);
    }
    if (!fifth) return;
    const I bits = i_gather(w + bits_at, stride);
    SL_UNROLL for (int k = 0; k < 8; k++) g->codes[k] = i_or(g->codes[k], four_bits_as_16(bits, 4 * k));
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
    i_rows(w, stride, header);
    const V d = v_of_low_half(header[0]), dmin = v_neg(v_of_low_half(i_right(header[0], 16)));
    if (f == SL_Q5_K) {
        i_rows(w + 16, stride, fifth);
        i_rows(w + 32, stride, fifth + 4);
    }
    const uint8_t *codes = w + (f == SL_Q5_K ? 48 : 16);
    SL_UNROLL for (int i = 0; i < 8; i++) {
        if (i % 2 == 0) {
            i_rows(codes + 16 * i, stride, nibbles);
            i_rows(codes + 16 * i + 16, stride, nibbles + 4);
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
    i_rows(w + 192, stride, scales);
    i_rows(w + 194, stride, end);
    const V d = v_of_low_half(i_right(end[3], 16));
    SL_UNROLL for (int half = 0; half < 2; half++) {
        for (int k = 0; k < 16; k += 4) i_rows(w + half * 64 + 4 * k, stride, low + k);
        for (int k = 0; k < 8; k += 4) i_rows(w + 128 + half * 32 + 4 * k, stride, high + k);
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
    i_rows(w, stride, scales);
    i_rows(w + 68, stride, end);
    const V d = v_of_low_half(end[3]), dmin = v_neg(v_of_low_half(i_right(end[3], 16)));
    SL_UNROLL for (int half = 0; half < 2; half++) {
        i_rows(w + 16 + 32 * half, stride, codes);
        i_rows(w + 32 + 32 * half, stride, codes + 4);
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
    i_rows(w + 94, stride, end);
    i_rows(w, stride, third);
    i_rows(w + 16, stride, third + 4);
    const V d = v_of_low_half(i_right(end[3], 16));
    SL_UNROLL for (int half = 0; half < 2; half++) {
        i_rows(w + 32 + 32 * half, stride, codes);
        i_rows(w + 48 + 32 * half, stride, codes + 4);
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

// All groups of LANES rows, `stride` bytes apart; meanwhile the next rows are asked for.
SL_INLINE void walk(const sl_format f, const bool packs, const uint8_t *w, size_t stride, sink *s) {
    const size_t bytes = sl_block_bytes(f);
    const uint8_t *next = w + LANES * stride;
    for (size_t i = 0; i < stride; i += bytes, w += bytes, next += LANES * bytes) {
        for (size_t ahead = 0; ahead < LANES * bytes; ahead += 64) prefetch(next + ahead);
        row_group g;
        switch (f) {
            case SL_Q2_K: groups_q2_K(packs, w, stride, s); break;
            case SL_Q3_K: groups_q3_K(packs, w, stride, s); break;
            case SL_Q4_K:
            case SL_Q5_K: groups_q45_K(f, packs, w, stride, s); break;
            case SL_Q6_K: groups_q6_K(packs, w, stride, s); break;
            default:
                small_group(f, w, stride, &g);
                take(f, packs, &g, s);
                break;
        }
    }
}

// LANES rows from the first of `rows` on: in place, or a copy in `spare`, filled up with zeros.
SL_INLINE const uint8_t *whole_rows(const uint8_t *w, size_t rows, size_t stride, uint8_t *spare) {
    if (rows >= LANES) return w;
    memcpy(spare, w, rows * stride);
    memset(spare + rows * stride, 0, (LANES - rows) * stride);
    return spare;
}

SL_INLINE void store_rows(float *y, V v, size_t rows) {
    if (rows >= LANES) {
        v_store(y, v);
    } else {
        float lanes[LANES];
        v_store(lanes, v);
        memcpy(y, lanes, rows * sizeof(float));
    }
}

// y[t · y_stride + row] for Q_VECTORS packed row vectors, `rows` of whose rows exist, and T tokens.
SL_INLINE void packed_tile(const sl_format f, const int T, const uint8_t *const *packed, size_t rows,
                           const sl_q8_block *const *x, size_t groups, float *y, size_t y_stride) {
    V acc[Q_VECTORS][Q_TOKENS];
    const sl_q8_block *xp[Q_TOKENS];
    for (int r = 0; r < Q_VECTORS; r++) {
        for (int t = 0; t < T; t++) acc[r][t] = v_set(0);
    }
    for (size_t g = 0; g < groups; g++) {
        const uint8_t *codes[Q_VECTORS], *scales[Q_VECTORS];
        SL_UNROLL for (int t = 0; t < T; t++) xp[t] = x[t] + g;
        SL_UNROLL for (int r = 0; r < Q_VECTORS; r++) {
            codes[r] = packed[r] + g * group_bytes(f);
            scales[r] = codes[r] + 8 * sizeof(I);
        }
        add_group(f, Q_VECTORS, T, codes, scales, xp, acc);
    }
    for (int t = 0; t < T; t++) {
        for (size_t r = 0; r < Q_VECTORS && r * LANES < rows; r++) {
            store_rows(y + (size_t)t * y_stride + r * LANES, acc[r][t], rows - r * LANES);
        }
    }
}

// Tokens per tile: what registers hold, with the magnitudes of signed codes beside the codes.
SL_INLINE size_t token_tile(const sl_format f) {
#ifndef SL_DOT4
    if (code_bits(f) == 8) return 2;
#endif
    (void)f;
    return Q_TOKENS;
}

// Up to SL_Q_ROWS packed rows times all tokens.
SL_INLINE void packed_rows(const sl_format f, const uint8_t *packed, size_t rows, size_t groups,
                           const sl_q8_block *x, size_t tokens, float *y, size_t y_stride) {
    const size_t vector = groups * group_bytes(f), tile = token_tile(f);
    for (size_t t = 0; t < tokens; t += tile) {
        const size_t count = tokens - t < tile ? tokens - t : tile;
        const sl_q8_block *xp[Q_TOKENS];
        for (size_t i = 0; i < count; i++) xp[i] = x + (t + i) * groups;
        for (size_t r = 0; r < rows; r += Q_VECTORS * LANES) {
            const uint8_t *first = packed + r / LANES * vector;
            const uint8_t *both[] = {first, rows - r > LANES ? first + vector : first};
            float *target = y + t * y_stride + r;
            if (count == tile) {
                packed_tile(f, (int)tile, both, rows - r, xp, groups, target, y_stride);
            } else {
                for (size_t i = 0; i < count; i++) {
                    packed_tile(f, 1, both, rows - r, xp + i, groups, target + i * y_stride, y_stride);
                }
            }
        }
    }
}

SL_INLINE void matmul_q8_of(const sl_format f, const uint8_t *w, size_t rows, size_t cols,
                            const sl_q8_block *x, size_t tokens, float *y, size_t y_stride, uint8_t *scratch) {
    const size_t stride = row_bytes(f, cols), groups = cols / SL_SMALL_BLOCK;
    const size_t tile = tokens == 1 ? LANES : SL_Q_ROWS;
    uint8_t *spare = scratch + SL_Q_ROWS / LANES * groups * group_bytes(f);
    for (size_t first = 0; first < rows; first += tile) {
        const size_t count = rows - first < tile ? rows - first : tile;
        sink s = {NULL, x, {{v_set(0)}}};
        if (tokens == 1) {
            walk(f, false, whole_rows(w + first * stride, count, stride, spare), stride, &s);
            store_rows(y + first, s.acc[0][0], count);
            continue;
        }
        s.packed = scratch;
        for (size_t r = 0; r < count; r += LANES) {
            walk(f, true, whole_rows(w + (first + r) * stride, count - r, stride, spare), stride, &s);
        }
        packed_rows(f, scratch, count, groups, x, tokens, y + first, y_stride);
    }
}

#define SL_MATMUL_Q8(NAME, FORMAT)                                                                      \
    SL_FN __attribute__((noinline)) void NAME(const uint8_t *w, size_t rows, size_t cols,               \
                                              const sl_q8_block *x, size_t tokens, float *y,            \
                                              size_t y_stride, uint8_t *scratch) {                      \
        matmul_q8_of(FORMAT, w, rows, cols, x, tokens, y, y_stride, scratch);                           \
    }
SL_MATMUL_Q8(matmul_q8_q8_0, SL_Q8_0)
SL_MATMUL_Q8(matmul_q8_q4_0, SL_Q4_0)
SL_MATMUL_Q8(matmul_q8_q4_1, SL_Q4_1)
SL_MATMUL_Q8(matmul_q8_q5_0, SL_Q5_0)
SL_MATMUL_Q8(matmul_q8_q5_1, SL_Q5_1)
SL_MATMUL_Q8(matmul_q8_q2_K, SL_Q2_K)
SL_MATMUL_Q8(matmul_q8_q3_K, SL_Q3_K)
SL_MATMUL_Q8(matmul_q8_q4_K, SL_Q4_K)
SL_MATMUL_Q8(matmul_q8_q5_K, SL_Q5_K)
SL_MATMUL_Q8(matmul_q8_q6_K, SL_Q6_K)
#undef SL_MATMUL_Q8

SL_FN bool k_matmul_q8(sl_format format, const void *w, size_t rows, size_t cols, const sl_q8_block *x,
                       size_t tokens, float *y, size_t y_stride, void *scratch) {
    switch (format) {
        case SL_Q8_0: matmul_q8_q8_0(w, rows, cols, x, tokens, y, y_stride, scratch); return true;
        case SL_Q4_0: matmul_q8_q4_0(w, rows, cols, x, tokens, y, y_stride, scratch); return true;
        case SL_Q4_1: matmul_q8_q4_1(w, rows, cols, x, tokens, y, y_stride, scratch); return true;
        case SL_Q5_0: matmul_q8_q5_0(w, rows, cols, x, tokens, y, y_stride, scratch); return true;
        case SL_Q5_1: matmul_q8_q5_1(w, rows, cols, x, tokens, y, y_stride, scratch); return true;
        case SL_Q2_K: matmul_q8_q2_K(w, rows, cols, x, tokens, y, y_stride, scratch); return true;
        case SL_Q3_K: matmul_q8_q3_K(w, rows, cols, x, tokens, y, y_stride, scratch); return true;
        case SL_Q4_K: matmul_q8_q4_K(w, rows, cols, x, tokens, y, y_stride, scratch); return true;
        case SL_Q5_K: matmul_q8_q5_K(w, rows, cols, x, tokens, y, y_stride, scratch); return true;
        case SL_Q6_K: matmul_q8_q6_K(w, rows, cols, x, tokens, y, y_stride, scratch); return true;
        default: return false;
    }
}

// The largest magnitude of a block, as bits; these order like the numbers, infinities and NaN above all.
SL_INLINE uint32_t largest_magnitude(const float *x) {
    uint32_t most = 0;
    for (int i = 0; i < SL_SMALL_BLOCK; i++) {
        const uint32_t bits = sl_bits_of_float(x[i]) & 0x7fffffff;
        most = bits > most ? bits : most;
    }
    return most;
}

SL_FN void k_quantize_q8(const float *x, size_t n, sl_q8_block *y) {
    for (size_t i = 0; i < n; i += SL_SMALL_BLOCK, y++) {
        const uint32_t most = largest_magnitude(x + i);
        const float magnitude = sl_float_of_bits(most);
        const bool usable = most < 0x7f800000 && magnitude >= 0x1p-100f;
        const float inverse = usable ? 127.0f / magnitude : 0;
        y->d = most >= 0x7f800000 ? NAN : usable ? magnitude / 127.0f : 0;
        float rounded[SL_SMALL_BLOCK];
        for (int j = 0; j < SL_SMALL_BLOCK; j += LANES) {
            v_store(rounded + j, v_round(v_mul(v_load(x + i + (size_t)j), v_set(inverse))));
        }
        if (!usable) memset(rounded, 0, sizeof rounded);
        for (int h = 0; h < 2; h++) {
            int32_t sum = 0;
            for (int j = 16 * h; j < 16 * h + 16; j++) {
                const int32_t code = (int32_t)rounded[j];
                y->codes[j] = (int8_t)code;
                sum += code;
            }
            y->half_sum[h] = sum;
            y->half_dsum[h] = y->d * (float)sum;
        }
        y->sum = y->half_sum[0] + y->half_sum[1];
        y->dsum = y->d * (float)y->sum;
    }
}

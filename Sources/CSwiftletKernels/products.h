// What one group of LANES rows contributes to their products, and the formats as far as that depends on them.
// Formats that are looked up number by number (IQ1, IQ2, IQ3, TQ1, NVFP4) have the codes of q8_0, with one scale or
// with two: SL_IQ3_S and SL_IQ2_S stand for all of them.
// Expects what dense.h expects, the i_… primitives and Q_TOKENS; integer.h describes columns and pieces.

enum { Q_VECTORS = 2 };                         // row vectors whose sums are held in registers together

typedef struct {
    I codes[8];                                 // in columns or in pieces
    V scale[2], minimum[2];                     // of both halves, or of the group in [0]
} row_group;

SL_INLINE int code_bits(const sl_format f) {
    switch (f) {
        case SL_Q2_K: case SL_TQ2_0: return 2;
        case SL_Q3_K: return 3;
        case SL_Q5_0: case SL_Q5_1: case SL_Q5_K: case SL_MXFP4: return 5;
        case SL_Q6_K: return 6;
        case SL_Q4_0: case SL_Q4_1: case SL_Q4_K: return 4;
        default: return 8;
    }
}

// log2 of what a code is above its number, or -1.
SL_INLINE int zero_bit(const sl_format f) {
    switch (f) {
        case SL_TQ2_0: return 0;
        case SL_Q3_K: return 2;
        case SL_Q4_0: return 3;
        case SL_Q5_0: case SL_MXFP4: return 4;
        case SL_Q6_K: return 5;
#ifdef SL_DOT4
        default: return code_bits(f) == 8 ? 7 : -1;
#else
        default: return -1;
#endif
    }
}

SL_INLINE bool is_superblock(const sl_format f) {
    switch (f) {
        case SL_Q2_K: case SL_Q3_K: case SL_Q4_K: case SL_Q5_K: case SL_Q6_K: return true;
        case SL_IQ4_XS: case SL_TQ2_0: case SL_IQ2_S: case SL_IQ3_S: return true;
        default: return false;
    }
}

SL_INLINE bool has_halves(const sl_format f) {
    switch (f) {
        case SL_Q2_K: case SL_Q3_K: case SL_Q6_K: return true;
        case SL_IQ1_M: case SL_IQ2_XS: case SL_IQ2_S: case SL_NVFP4: return true;
        default: return false;
    }
}

SL_INLINE bool has_minimum(const sl_format f) {
    return f == SL_Q4_1 || f == SL_Q5_1 || f == SL_Q2_K || f == SL_Q4_K || f == SL_Q5_K;
}

SL_INLINE int float_vectors(const sl_format f) {
    return (has_halves(f) ? 2 : 1) * (has_minimum(f) ? 2 : 1);
}

SL_INLINE size_t group_bytes(const sl_format f) {
    return 8 * sizeof(I) + (size_t)float_vectors(f) * sizeof(V);
}

#ifdef SL_DOT4
SL_INLINE int pairs_that_fit(const sl_format f) { (void)f; return 0; }
#else
// Products come as sums of two, 16 bits wide: so many of those can be added before they must be widened.
SL_INLINE int pairs_that_fit(const sl_format f) {
    const int bits = code_bits(f);
    return bits <= 4 ? 8 : bits == 5 ? 4 : bits == 6 ? 2 : 1;
}

SL_INLINE I pair_products(const sl_format f, I codes, I x) {
    return code_bits(f) == 8 ? i_pairs_signed(codes, x) : i_pairs(codes, x);
}
#endif

// sums[r][t] = Σ codes·activations over vectors [from, to) of a group in columns, for R row vectors and T tokens.
SL_INLINE void dot_columns(const sl_format f, const int R, const int T, const int from, const int to,
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
    const int most = pairs_that_fit(f), step = most < to - from ? most : to - from;
    SL_UNROLL for (int first = from; first < to; first += step) {
        I pairs[Q_VECTORS][Q_TOKENS];
        SL_UNROLL for (int k = first; k < first + step; k++) {
            SL_UNROLL for (int t = 0; t < T; t++) {
                const I xk = i_spread(x[t]->codes + 4 * k);
                SL_UNROLL for (int r = 0; r < R; r++) {
                    const I p = pair_products(f, i_load(codes[r] + (size_t)k * sizeof(I)), xk);
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

// sums of 32 bits, or of 16 if narrow.
SL_INLINE I add_narrow(const bool narrow, I a, I b) {
#ifndef SL_DOT4
    if (narrow) return i_add16(a, b);
#endif
    (void)narrow;
    return i_add(a, b);
}

SL_INLINE I widen(const bool narrow, I a) {
#ifndef SL_DOT4
    if (narrow) return i_widen(a);
#endif
    (void)narrow;
    return a;
}

// Σ codes·activations over pieces [from, to) of a group in pieces, times one token.
//
// The four vectors of a piece hold four sums per row; two rounds of additions leave one, in the row's lane.
SL_INLINE I dot_pieces(const sl_format f, const int from, const int to, const I *codes, const sl_q8_block *x) {
    const int room = pairs_that_fit(f), pieces = to - from;
    const bool narrow = pieces <= room, narrow2 = 2 * pieces <= room, narrow4 = 4 * pieces <= room;
    I rows[4];
    SL_UNROLL for (int k = 0; k < 4; k++) {
        I sum = i_set(0);
        SL_UNROLL for (int i = from; i < to; i++) {
            const I xi = i_spread16(x->codes + 16 * i);
#ifdef SL_DOT4
            sum = SL_DOT4(sum, codes[4 * i + k], xi);
#else
            const I products = widen(!narrow, pair_products(f, codes[4 * i + k], xi));
            sum = i == from ? products : add_narrow(narrow, sum, products);
#endif
        }
        rows[k] = widen(narrow && !narrow2, sum);
    }
    const I a = add_narrow(narrow2, i_low32(rows[0], rows[1]), i_high32(rows[0], rows[1]));
    const I b = add_narrow(narrow2, i_low32(rows[2], rows[3]), i_high32(rows[2], rows[3]));
    const I c = widen(narrow2 && !narrow4, a), d = widen(narrow2 && !narrow4, b);
    return widen(narrow4, add_narrow(narrow4, i_low64(c, d), i_high64(c, d)));
}

// acc and what half h of a group, whose sums these are, adds to it for one token.
SL_INLINE V add_half(const sl_format f, const int h, I sums, V scale, V minimum, const sl_q8_block *x, V acc) {
    const bool whole = !has_halves(f);
    if (zero_bit(f) >= 0) {
        sums = i_sub(sums, i_left(i_spread(whole ? &x->sum : &x->half_sum[h]), zero_bit(f)));
    }
    acc = v_fma(v_of_i(sums), v_mul(scale, v_set(x->d)), acc);
    if (has_minimum(f)) acc = v_fma(minimum, v_set(whole ? x->dsum : x->half_dsum[h]), acc);
    return acc;
}

// One packed group of R row vectors times T tokens, added to acc.
SL_INLINE void add_packed(const sl_format f, const int R, const int T, const uint8_t *const *packed,
                          const sl_q8_block *const *x, V acc[][Q_TOKENS]) {
    const int halves = has_halves(f) ? 2 : 1;
    SL_UNROLL for (int h = 0; h < halves; h++) {
        I sums[Q_VECTORS][Q_TOKENS];
        dot_columns(f, R, T, h * 8 / halves, (h + 1) * 8 / halves, packed, x, sums);
        SL_UNROLL for (int r = 0; r < R; r++) {
            const uint8_t *scales = packed[r] + 8 * sizeof(I) + (size_t)h * sizeof(V);
            const V scale = v_load(scales);
            const V minimum = has_minimum(f) ? v_load(scales + (size_t)halves * sizeof(V)) : scale;
            SL_UNROLL for (int t = 0; t < T; t++) {
                acc[r][t] = add_half(f, h, sums[r][t], scale, minimum, x[t], acc[r][t]);
            }
        }
    }
}

// Whether codes for one token are in columns too: four or more groups share their bytes, and halves would need
// twice the additions that pieces cost.
SL_INLINE bool prefers_columns(const sl_format f) { return code_bits(f) < 4; }

// One group of a row vector times one token, added to acc.
SL_INLINE V add_group(const sl_format f, const row_group *g, const sl_q8_block *x, V acc) {
    const int halves = has_halves(f) ? 2 : 1;
    SL_UNROLL for (int h = 0; h < halves; h++) {
        I sums[Q_VECTORS][Q_TOKENS];
        if (prefers_columns(f)) {
            const uint8_t *codes = (const uint8_t *)g->codes;
            dot_columns(f, 1, 1, h * 8 / halves, (h + 1) * 8 / halves, &codes, &x, sums);
        } else {
            sums[0][0] = dot_pieces(f, h * 2 / halves, (h + 1) * 2 / halves, g->codes, x);
        }
        acc = add_half(f, h, sums[0][0], g->scale[h], g->minimum[h], x, acc);
    }
    return acc;
}

// Where the groups of LANES rows go: in columns into packed memory, or in pieces times one token.
typedef struct {
    uint8_t *packed;
    const sl_q8_block *x;
    V acc;
    const uint8_t *ahead;           // what to ask for next, of the rows that follow
    size_t bytes_ahead;             // as much per group as a group takes
} sink;

// Asks for as many bytes as a group takes: evenly, because a processor drops or delays what comes in bursts.
SL_INLINE void ask_ahead(sink *s) {
    for (size_t at = 0; at < s->bytes_ahead; at += 64) prefetch(s->ahead + at);
    s->ahead += s->bytes_ahead;
}

SL_INLINE void pack(const sl_format f, const row_group *g, sink *s) {
    const int halves = has_halves(f) ? 2 : 1;
    for (int k = 0; k < 8; k++) i_store(s->packed + (size_t)k * sizeof(I), g->codes[k]);
    uint8_t *scales = s->packed + 8 * sizeof(I);
    for (int h = 0; h < halves; h++) {
        v_store(scales + (size_t)h * sizeof(V), g->scale[h]);
        if (has_minimum(f)) v_store(scales + (size_t)(halves + h) * sizeof(V), g->minimum[h]);
    }
    s->packed += group_bytes(f);
}

SL_INLINE void take(const sl_format f, const bool packs, const row_group *g, sink *s) {
    if (is_superblock(f)) ask_ahead(s);
    if (packs) {
        pack(f, g, s);
    } else {
        s->acc = add_group(f, g, s->x, s->acc);
        s->x++;
    }
}

// Products of block formats and quantised activations, in integers.
//
// A group is 32 elements of LANES rows: eight vectors of codes, one byte each, unsigned (q8_0 without SL_DOT4:
// signed). In columns, vector k holds elements 4k…4k + 3 of every row, and no sum across lanes is needed: for
// many tokens, groups are unpacked and transposed once. In pieces, vectors k and k + 4 hold the first and last 16
// elements of rows k, k + 4, …, as they are stored: for one token, a sum across lanes costs less than to transpose.
// Sums lie with one row per lane either way. products.h multiplies groups, unpack.h makes them.
//
// Per group and row the integer sum is exact, then a fused multiply-add (two for groups of 16) adds it, times
// both scales, to the result, and one (two) more the minimum times the sum of the activations. Groups come in
// order. So a result depends on nothing but its row and its token, and all instruction sets that fuse agree.
// Expects products.h and unpack.h.

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
        const uint8_t *groups_at[Q_VECTORS];
        SL_UNROLL for (int t = 0; t < T; t++) xp[t] = x[t] + g;
        SL_UNROLL for (int r = 0; r < Q_VECTORS; r++) {
            groups_at[r] = packed[r] + g * group_bytes(f);
        }
        add_packed(f, Q_VECTORS, T, groups_at, xp, acc);
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

// Rows stored in a format that f stands for; most formats stand for themselves.
SL_INLINE void matmul_q8_of(const sl_format f, sl_format stored, const uint8_t *w, size_t rows, size_t cols,
                            const sl_q8_block *x, size_t tokens, float *y, size_t y_stride, uint8_t *scratch) {
    const size_t stride = row_bytes(stored, cols), groups = cols / SL_SMALL_BLOCK;
    const size_t tile = tokens == 1 ? LANES : SL_Q_ROWS;
    uint8_t *spare = scratch + SL_Q_ROWS / LANES * groups * group_bytes(f);
    for (size_t first = 0; first < rows; first += tile) {
        const size_t count = rows - first < tile ? rows - first : tile;
        sink s = {scratch, x, v_set(0), w, 0};
        if (tokens == 1) {
            walk(f, stored, false, whole_rows(w + first * stride, count, stride, spare), stride, &s);
            store_rows(y + first, s.acc, count);
            continue;
        }
        for (size_t r = 0; r < count; r += LANES) {
            walk(f, stored, true, whole_rows(w + (first + r) * stride, count - r, stride, spare), stride, &s);
        }
        packed_rows(f, scratch, count, groups, x, tokens, y + first, y_stride);
    }
}

#define SL_MATMUL_Q8(NAME, FORMAT)                                                                      \
    SL_FN __attribute__((noinline)) void NAME(const uint8_t *w, size_t rows, size_t cols,               \
                                              const sl_q8_block *x, size_t tokens, float *y,            \
                                              size_t y_stride, uint8_t *scratch) {                      \
        matmul_q8_of(FORMAT, FORMAT, w, rows, cols, x, tokens, y, y_stride, scratch);                   \
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
SL_MATMUL_Q8(matmul_q8_iq4_nl, SL_IQ4_NL)
SL_MATMUL_Q8(matmul_q8_iq4_xs, SL_IQ4_XS)
SL_MATMUL_Q8(matmul_q8_tq2_0, SL_TQ2_0)
SL_MATMUL_Q8(matmul_q8_mxfp4, SL_MXFP4)
#undef SL_MATMUL_Q8

SL_FN __attribute__((noinline)) void matmul_q8_looked_up(sl_format format, const uint8_t *w, size_t rows,
                                                         size_t cols, const sl_q8_block *x, size_t tokens,
                                                         float *y, size_t y_stride, uint8_t *scratch) {
    if (has_halves(format)) {
        matmul_q8_of(SL_IQ2_S, format, w, rows, cols, x, tokens, y, y_stride, scratch);
    } else {
        matmul_q8_of(SL_IQ3_S, format, w, rows, cols, x, tokens, y, y_stride, scratch);
    }
}

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
        case SL_IQ4_NL: matmul_q8_iq4_nl(w, rows, cols, x, tokens, y, y_stride, scratch); return true;
        case SL_IQ4_XS: matmul_q8_iq4_xs(w, rows, cols, x, tokens, y, y_stride, scratch); return true;
        case SL_TQ2_0: matmul_q8_tq2_0(w, rows, cols, x, tokens, y, y_stride, scratch); return true;
        case SL_MXFP4: matmul_q8_mxfp4(w, rows, cols, x, tokens, y, y_stride, scratch); return true;
        case SL_IQ1_S: case SL_IQ1_M: case SL_IQ2_XXS: case SL_IQ2_XS: case SL_IQ2_S: case SL_IQ3_XXS:
        case SL_IQ3_S: case SL_TQ1_0: case SL_NVFP4:
            matmul_q8_looked_up(format, w, rows, cols, x, tokens, y, y_stride, scratch);
            return true;
        default: return false;
    }
}


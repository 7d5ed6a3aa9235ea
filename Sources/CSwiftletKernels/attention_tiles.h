// The three steps of attention on one page of cached rows: keys to floats with rows in lanes, scores, and the
// weighted sum of values.
//
// A score is one chain of multiply-adds over the elements of the key, in order, whatever else is computed with
// it; a number of the output is one chain over the rows, in order. Formats are turned into floats exactly as
// k_dequantize does. Expects what dense.h expects and the i_… primitives.

enum {
    SCORE_VECTORS = LANES == 16 ? 4 : 2,        // row vectors whose scores are held in registers together
    SCORE_QUERIES = 6,                          // for so many query rows
    FEW_SCORE_VECTORS = 4,                      // row vectors for few query rows
    VALUE_VECTORS = LANES == 16 ? 4 : 2,        // vectors of the output that so many query rows hold
    FEW_QUERIES = 3,                            // so few read values where they are, in any format
};

// Asks for as many bytes as are being read, of the page that comes next: it begins before the processor has
// noticed the stream of this one.
SL_INLINE void look_ahead(const uint8_t **ahead, int bytes) {
    SL_UNROLL for (int i = 0; i < bytes; i += 64) prefetch(*ahead + i);
    *ahead += bytes;
}

// Transposes `vectors` × LANES rows of 4-byte elements.
SL_FN void transpose_f32(const uint8_t *rows, const uint8_t *ahead, size_t stride, size_t n, size_t vectors,
                         float *keys) {
    for (size_t v = 0; v < vectors; v++, rows += LANES * stride, keys += LANES) {
        size_t d = 0;
        for (; d + 4 <= n; d += 4) {
            I words[4];
            look_ahead(&ahead, LANES * 16);
            i_rows(true, rows + d * sizeof(float), stride, words);
            SL_UNROLL for (size_t k = 0; k < 4; k++) i_store(keys + (d + k) * SL_PAGE_ROWS, words[k]);
        }
        for (; d < n; d++) {
            for (size_t j = 0; j < LANES; j++) {
                keys[d * SL_PAGE_ROWS + j] = load_plain_one(SL_F32, rows + j * stride, d);
            }
        }
    }
}

SL_FN void transpose_f16(const uint8_t *rows, const uint8_t *ahead, size_t stride, size_t n, size_t vectors,
                         float *keys) {
    for (size_t v = 0; v < vectors; v++, rows += LANES * stride, keys += LANES) {
        size_t d = 0;
        for (; d + 8 <= n; d += 8) {
            V numbers[8];
            look_ahead(&ahead, LANES * 16);
            v_rows_f16(rows + d * sizeof(uint16_t), stride, numbers);
            SL_UNROLL for (size_t k = 0; k < 8; k++) v_store(keys + (d + k) * SL_PAGE_ROWS, numbers[k]);
        }
        for (; d < n; d++) {
            for (size_t j = 0; j < LANES; j++) {
                keys[d * SL_PAGE_ROWS + j] = load_plain_one(SL_F16, rows + j * stride, d);
            }
        }
    }
}

SL_INLINE void transpose_q8_0(const uint8_t *block, size_t stride, V d, float *keys) {
    SL_UNROLL for (size_t half = 0; half < 2; half++, keys += 16 * SL_PAGE_ROWS) {
        I words[4];
        i_rows(true, block + sizeof(uint16_t) + half * 16, stride, words);
        SL_UNROLL for (size_t k = 0; k < 16; k++) {
            const I code = i_right_signed(i_left(words[k / 4], 24 - (int)(k % 4) * 8), 24);
            v_store(keys + k * SL_PAGE_ROWS, v_mul(d, v_of_i(code)));
        }
    }
}

SL_INLINE void transpose_q4_0(const uint8_t *block, size_t stride, V d, float *keys) {
    I words[4];
    i_rows(true, block + sizeof(uint16_t), stride, words);
    SL_UNROLL for (size_t k = 0; k < 32; k++) {
        const I code = i_and(i_right(words[k % 16 / 4], (int)(k % 4) * 8 + (k < 16 ? 0 : 4)), i_set(15));
        v_store(keys + k * SL_PAGE_ROWS, v_mul(d, v_of_i(i_sub(code, i_set(8)))));
    }
}

SL_INLINE void transpose_blocks(const sl_format format, const uint8_t *rows, const uint8_t *ahead,
                                size_t stride, size_t n, size_t vectors, float *keys) {
    const size_t bytes = format == SL_Q8_0 ? sizeof(block_q8_0) : sizeof(block_q4_0);
    for (size_t v = 0; v < vectors; v++, rows += LANES * stride, keys += LANES) {
        for (size_t i = 0; i < n; i += SL_SMALL_BLOCK) {
            const uint8_t *block = rows + i / SL_SMALL_BLOCK * bytes;
            const V d = v_of_low_half(i_gather(block, stride));
            look_ahead(&ahead, LANES * (int)bytes);
            if (format == SL_Q8_0) {
                transpose_q8_0(block, stride, d, keys + i * SL_PAGE_ROWS);
            } else {
                transpose_q4_0(block, stride, d, keys + i * SL_PAGE_ROWS);
            }
        }
    }
}

// keys[d * SL_PAGE_ROWS + j] = element d of row j, for at least the first `count` rows; what follows them is undefined.
// spare: SL_PAGE_ROWS rows. Asks for the keys of the page that comes next.
SL_FN void load_keys(const sl_kv_page *page, const sl_kv_page *next, size_t n, size_t count, float *keys,
                     float *spare) {
    const sl_format format = page->key_format;
    const uint8_t *ahead = next->keys;
    if (page->keys_by_channel) {
        for (size_t at = 0; at < n * row_bytes(format, SL_PAGE_ROWS); at += 64) prefetch(ahead + at);
        k_dequantize(format, page->keys, keys, n * SL_PAGE_ROWS);
        return;
    }
    const size_t stride = row_bytes(format, n), vectors = (count + LANES - 1) / LANES;
    switch (format) {
        case SL_F32: transpose_f32(page->keys, ahead, stride, n, vectors, keys); break;
        case SL_F16: transpose_f16(page->keys, ahead, stride, n, vectors, keys); break;
        case SL_Q8_0: transpose_blocks(SL_Q8_0, page->keys, ahead, stride, n, vectors, keys); break;
        case SL_Q4_0: transpose_blocks(SL_Q4_0, page->keys, ahead, stride, n, vectors, keys); break;
        default:
            k_dequantize(format, page->keys, spare, vectors * LANES * n);
            transpose_f32((const uint8_t *)spare, ahead, n * sizeof(float), n, vectors, keys);
            break;
    }
}

// Scores of R row vectors and T query rows.
SL_INLINE void score_block(const int R, const int T, const float *keys, const float *const *queries,
                           size_t n, V scale, float *scores) {
    V sum[FEW_SCORE_VECTORS][SCORE_QUERIES];
    SL_UNROLL for (int r = 0; r < R; r++) {
        SL_UNROLL for (int t = 0; t < T; t++) sum[r][t] = v_set(0);
    }
    for (size_t d = 0; d < n; d++, keys += SL_PAGE_ROWS) {
        V k[FEW_SCORE_VECTORS];
        SL_UNROLL for (int r = 0; r < R; r++) k[r] = v_load(keys + r * LANES);
        SL_UNROLL for (int t = 0; t < T; t++) {
            const V q = v_set(queries[t][d]);
            SL_UNROLL for (int r = 0; r < R; r++) sum[r][t] = v_fma(k[r], q, sum[r][t]);
        }
    }
    SL_UNROLL for (int t = 0; t < T; t++) {
        SL_UNROLL for (int r = 0; r < R; r++) {
            v_store(scores + t * SL_PAGE_ROWS + r * LANES, v_mul(sum[r][t], scale));
        }
    }
}

// Scores of up to SCORE_QUERIES query rows and the rows of a page.
SL_INLINE void score_rows(const int T, const float *keys, const float *const *queries, size_t n, V scale,
                          float *scores) {
    const int R = T < FEW_QUERIES ? FEW_SCORE_VECTORS : SCORE_VECTORS;
    for (size_t j = 0; j < SL_PAGE_ROWS; j += (size_t)(R * LANES)) {
        score_block(R, T, keys + j, queries, n, scale, scores + j);
    }
}

// scores[i * SL_PAGE_ROWS + j] = scale·(q_i·k_j) for `count` query rows and the rows of a page.
SL_FN void score_page(const float *keys, const float *const *queries, size_t count, size_t n, float scale,
                      float *scores) {
    const V factor = v_set(scale);
    for (size_t i = 0; i < count; i += SCORE_QUERIES) {
        const float *const *q = queries + i;
        float *s = scores + i * SL_PAGE_ROWS;
        switch (count - i) {
            case 1: score_rows(1, keys, q, n, factor, s); break;
            case 2: score_rows(2, keys, q, n, factor, s); break;
            case 3: score_rows(3, keys, q, n, factor, s); break;
            case 4: score_rows(4, keys, q, n, factor, s); break;
            case 5: score_rows(5, keys, q, n, factor, s); break;
            default: score_rows(SCORE_QUERIES, keys, q, n, factor, s); break;
        }
    }
}

// LANES numbers of a value row from element i on.
SL_INLINE V value_at(const sl_format format, const uint8_t *row, size_t i) {
    if (format < SL_Q8_0) return load_plain(format, row, i);
    const uint8_t *block = row + i / SL_SMALL_BLOCK * vector_block_bytes(format);
    return load_block(format, block, v_set_f16(block), i % SL_SMALL_BLOCK);
}

// The value rows of a page and the output that they are added to.
typedef struct {
    const uint8_t *rows, *next;         // of this page, and of the one after it
    size_t stride, size;                // bytes from row to row; elements
    float *out;                         // [query rows, size]
} value_page;

// out[t, i…] += Σ p[t]·row over the rows [from, to), for T query rows and C vectors.
SL_INLINE void add_vectors(const sl_format format, const int T, const int C, const value_page *v,
                           const float *p, size_t from, size_t to, size_t i, size_t query) {
    V sum[SCORE_QUERIES][8];
    float *out = v->out + query * v->size + i;
    SL_UNROLL for (int t = 0; t < T; t++) {
        SL_UNROLL for (int c = 0; c < C; c++) sum[t][c] = v_load(out + (size_t)t * v->size + c * LANES);
    }
    const size_t offset = from * v->stride + i / sl_block_elements(format) * sl_block_bytes(format);
    const uint8_t *row = v->rows + from * v->stride, *ahead = v->next + offset;
    for (size_t j = from; j < to; j++, row += v->stride, ahead += v->stride) {
        if (T <= FEW_QUERIES) prefetch(ahead);
        // Whichever is fewer stays in registers: numbers or weights.
        V few[8];
        if (T < C) {
            SL_UNROLL for (int t = 0; t < T; t++) few[t] = v_set(p[(size_t)t * SL_PAGE_ROWS + j]);
            SL_UNROLL for (int c = 0; c < C; c++) {
                const V x = value_at(format, row, i + (size_t)(c * LANES));
                SL_UNROLL for (int t = 0; t < T; t++) sum[t][c] = v_fma(few[t], x, sum[t][c]);
            }
        } else {
            SL_UNROLL for (int c = 0; c < C; c++) few[c] = value_at(format, row, i + (size_t)(c * LANES));
            SL_UNROLL for (int t = 0; t < T; t++) {
                const V weight = v_set(p[(size_t)t * SL_PAGE_ROWS + j]);
                SL_UNROLL for (int c = 0; c < C; c++) sum[t][c] = v_fma(weight, few[c], sum[t][c]);
            }
        }
    }
    SL_UNROLL for (int t = 0; t < T; t++) {
        SL_UNROLL for (int c = 0; c < C; c++) v_store(out + (size_t)t * v->size + c * LANES, sum[t][c]);
    }
}

SL_INLINE void add_rows_of(const sl_format format, const int T, const value_page *v, const float *p,
                           size_t from, size_t to, size_t query) {
    const int C = T > FEW_QUERIES ? VALUE_VECTORS : T == FEW_QUERIES ? 2 : SL_SMALL_BLOCK / LANES;
    size_t i = 0;
    for (; i + (size_t)(C * LANES) <= v->size; i += (size_t)(C * LANES)) {
        add_vectors(format, T, C, v, p, from, to, i, query);
    }
    if (format >= SL_Q8_0) return;
    for (; i + LANES <= v->size; i += LANES) add_vectors(format, T, 1, v, p, from, to, i, query);
    for (; i < v->size; i++) {
        SL_UNROLL for (int t = 0; t < T; t++) {
            float *out = v->out + (query + (size_t)t) * v->size + i;
            for (size_t j = from; j < to; j++) {
                const float x = load_plain_one(format, v->rows + j * v->stride, i);
                *out = s_fma(p[(size_t)t * SL_PAGE_ROWS + j], x, *out);
            }
        }
    }
}

SL_INLINE void add_few(const int T, sl_format format, const value_page *v, const float *p, size_t from,
                       size_t to, size_t query) {
    switch (format) {
        case SL_F16: add_rows_of(SL_F16, T, v, p, from, to, query); break;
        case SL_Q8_0: add_rows_of(SL_Q8_0, T, v, p, from, to, query); break;
        case SL_Q4_0: add_rows_of(SL_Q4_0, T, v, p, from, to, query); break;
        case SL_Q4_1: add_rows_of(SL_Q4_1, T, v, p, from, to, query); break;
        case SL_Q2_1: add_rows_of(SL_Q2_1, T, v, p, from, to, query); break;
        default: add_rows_of(SL_F32, T, v, p, from, to, query); break;
    }
}

// Adds the rows [from, to) of a page, weighted by p[t * SL_PAGE_ROWS + row], to `count` query rows; more than
// FEW_QUERIES of them take f32.
SL_FN void add_values(sl_format format, const value_page *v, const float *p, size_t from, size_t to,
                      size_t query, size_t count) {
    switch (count) {
        case 1: add_few(1, format, v, p, from, to, query); break;
        case 2: add_few(2, format, v, p, from, to, query); break;
        case 3: add_few(3, format, v, p, from, to, query); break;
        case 4: add_rows_of(SL_F32, 4, v, p, from, to, query); break;
        case 5: add_rows_of(SL_F32, 5, v, p, from, to, query); break;
        default: add_rows_of(SL_F32, SCORE_QUERIES, v, p, from, to, query); break;
    }
}

// Whether add_values reads a format where it is.
SL_INLINE bool reads_in_place(sl_format format, size_t queries) {
    if (format == SL_F32 || queries > FEW_QUERIES) return format == SL_F32;
    return format == SL_F16 || format == SL_Q8_0 || format == SL_Q4_0 || format == SL_Q4_1 || format == SL_Q2_1;
}

// Attention over paged rows whose stored positions decide what a query sees.
//
// Work is cut into (query tile × row tile): each cached row is read once per query tile, and a row tile in
// which no query of the tile sees a row costs one scan of its positions. A query row's own sums never depend
// on the other query rows of the call: row tiles start at multiples of SL_KV_TILE inside a page, masked rows
// add exact zeros, and each query row is rescaled by its own maximum only. Expects what dense.h expects.

// Query rows [first, first + count) of a call, and the range of positions they may see.
typedef struct {
    const sl_queries *q;
    size_t first, count;
    int64_t oldest, newest;             // no row of the tile sees a position outside
    int64_t common_oldest, common_newest;   // every row of the tile sees these
} query_tile;

SL_INLINE int64_t oldest_visible(const sl_queries *q, int32_t position) {
    return q->window > 0 ? (int64_t)position - q->window + 1 : INT32_MIN;
}

SL_FN query_tile query_tile_at(const sl_queries *q, size_t first) {
    const size_t total = q->token_count * q->group;
    query_tile t = {q, first, total - first < SL_QUERY_TILE ? total - first : SL_QUERY_TILE, 0, 0, 0, 0};
    int64_t low = INT32_MAX, high = INT32_MIN;
    for (size_t token = first / q->group; token * q->group < first + t.count; token++) {
        const int64_t position = q->positions[token];
        if (position < low) low = position;
        if (position > high) high = position;
    }
    t.newest = high;
    t.oldest = q->window > 0 ? low - q->window + 1 : INT32_MIN;
    t.common_newest = low;
    t.common_oldest = q->window > 0 ? high - q->window + 1 : INT32_MIN;
    return t;
}

SL_INLINE const float *query_row(const query_tile *t, size_t i, size_t key_size) {
    const size_t row = t->first + i, group = t->q->group;
    return t->q->data + row / group * t->q->token_stride + row % group * key_size;
}

SL_INLINE size_t strided_row(const query_tile *t, size_t i, size_t stride, size_t width) {
    const size_t row = t->first + i, group = t->q->group;
    return row / group * stride + row % group * width;
}

// One row tile: rows [first, first + count) of the cache, all in one page.
typedef struct {
    size_t first, count, page, row_in_page;
    bool hidden, all_visible;           // for every query row of the tile
} row_tile;

SL_INLINE row_tile row_tile_at(const sl_kv_rows *kv, const query_tile *t, size_t first) {
    row_tile r = {first, SL_KV_TILE, first / kv->page_rows, first % kv->page_rows, false, false};
    if (kv->page_rows - r.row_in_page < r.count) r.count = kv->page_rows - r.row_in_page;
    if (kv->row_count - first < r.count) r.count = kv->row_count - first;
    int32_t low = INT32_MAX, high = INT32_MIN;
    for (size_t j = 0; j < r.count; j++) {
        const int32_t position = kv->positions[first + j];
        low = position < low ? position : low;
        high = position > high ? position : high;
    }
    r.hidden = low > t->newest || high < t->oldest;
    r.all_visible = high <= t->common_newest && low >= t->common_oldest;
    return r;
}

// The stored rows of a tile as binary32: in place, or dequantised into scratch.
SL_INLINE const float *tile_numbers(const void *page, sl_format format, size_t size, const row_tile *r,
                                    float *scratch) {
    const uint8_t *stored = (const uint8_t *)page + r->row_in_page * row_bytes(format, size);
    const bool aligned = (uintptr_t)stored % _Alignof(float) == 0;
    if (format == SL_F32 && aligned) return (const float *)(const void *)stored;
    k_dequantize(format, stored, scratch, r->count * size);
    return scratch;
}

// scores[i * SL_KV_TILE + j] = scale·q_i·k_j, −inf where query row i does not see row j and past the tile's
// end.
SL_FN void score_tile(const sl_kv_rows *kv, const query_tile *t, const row_tile *r, float *scores,
                      float *scratch) {
    const float *keys = tile_numbers(kv->keys[r->page], kv->key_format, kv->key_size, r, scratch);
    for (size_t j = 0; j < r->count; j += ROWS) {
        const float *kp[ROWS], *qp[TOKENS];
        const size_t rows = r->count - j < ROWS ? r->count - j : ROWS;
        for (size_t k = 0; k < rows; k++) kp[k] = keys + (j + k) * kv->key_size;
        for (size_t i = 0; i < t->count; i += TOKENS) {
            const size_t queries = t->count - i < TOKENS ? t->count - i : TOKENS;
            for (size_t k = 0; k < queries; k++) qp[k] = query_row(t, i + k, kv->key_size);
            small_matmul(kp, rows, qp, queries, kv->key_size, scores + i * SL_KV_TILE + j, SL_KV_TILE);
        }
    }
    for (size_t i = 0; i < t->count; i++) {
        float *s = scores + i * SL_KV_TILE;
        k_scale(s, t->q->scale, r->count);
        for (size_t j = r->count; j < SL_KV_TILE; j++) s[j] = -INFINITY;
        if (r->all_visible) continue;
        const int32_t newest = t->q->positions[(t->first + i) / t->q->group];
        const int64_t bound = oldest_visible(t->q, newest);
        const int32_t oldest = bound < INT32_MIN ? INT32_MIN : (int32_t)bound;
        for (size_t j = 0; j < r->count; j++) {
            const int32_t position = kv->positions[r->first + j];
            s[j] = position <= newest && position >= oldest ? s[j] : -INFINITY;
        }
    }
}

// out[C vectors] += Σ p[j]·rows[j]; rows of weight 0 are not read, so that what hides behind a mask cannot
// leak.
SL_INLINE void add_weighted(const int C, const float *p, const float *rows, size_t count, size_t stride,
                            float *out) {
    V sum[8];
    for (int c = 0; c < C; c++) sum[c] = v_load(out + c * LANES);
    for (size_t j = 0; j < count; j++) {
        if (p[j] == 0) continue;
        const V pj = v_set(p[j]);
        SL_UNROLL for (int c = 0; c < C; c++) {
            sum[c] = v_fma(pj, v_load(rows + j * stride + (size_t)(c * LANES)), sum[c]);
        }
    }
    for (int c = 0; c < C; c++) v_store(out + c * LANES, sum[c]);
}

SL_FN void weighted_rows(const float *p, const float *rows, size_t count, size_t size, float *out) {
    size_t d = 0;
    for (; d + 8 * LANES <= size; d += 8 * LANES) add_weighted(8, p, rows + d, count, size, out + d);
    for (; d + 4 * LANES <= size; d += 4 * LANES) add_weighted(4, p, rows + d, count, size, out + d);
    for (; d + LANES <= size; d += LANES) add_weighted(1, p, rows + d, count, size, out + d);
    for (; d < size; d++) {
        for (size_t j = 0; j < count; j++) {
            if (p[j] != 0) out[d] = s_fma(p[j], rows[j * size + d], out[d]);
        }
    }
}

SL_INLINE bool holds_nan(const float *x, size_t n) {
    bool found = false;
    for (size_t i = 0; i < n; i++) found |= x[i] != x[i];
    return found;
}

// Folds one tile's scores into one query row: running maximum, running sum and unnormalised output.
SL_FN void fold(float *s, const row_tile *r, const float *values, size_t size, float *most, float *sum,
                float *out) {
    const float tile_most = largest(s, SL_KV_TILE);
    if (tile_most == -INFINITY) {
        if (holds_nan(s, r->count)) *sum = NAN;
        return;
    }
    if (tile_most > *most) {
        if (*most != -INFINITY) {
            float shrink[LANES] = {*most};
            exp_shifted(shrink, 1, tile_most);
            *sum *= shrink[0];
            k_scale(out, shrink[0], size);
        }
        *most = tile_most;
    }
    *sum += exp_shifted(s, SL_KV_TILE, *most);
    weighted_rows(s, values, r->count, size, out);
}

SL_FN void k_attend(const sl_kv_rows *kv, const sl_queries *q, float *out, size_t out_stride, float *lse,
                    size_t lse_stride, float *scratch) {
    const size_t total = q->token_count * q->group;
    float *key_scratch = scratch, *value_scratch = key_scratch + SL_KV_TILE * kv->key_size;
    float *scores = value_scratch + SL_KV_TILE * kv->value_size;
    float *most = scores + SL_QUERY_TILE * SL_KV_TILE, *sum = most + SL_QUERY_TILE;
    for (size_t first = 0; first < total; first += SL_QUERY_TILE) {
        const query_tile t = query_tile_at(q, first);
        for (size_t i = 0; i < t.count; i++) {
            most[i] = -INFINITY;
            sum[i] = 0;
            memset(out + strided_row(&t, i, out_stride, kv->value_size), 0, kv->value_size * sizeof(float));
        }
        row_tile r;
        for (size_t row = 0; row < kv->row_count; row += r.count) {
            r = row_tile_at(kv, &t, row);
            if (r.hidden) continue;
            score_tile(kv, &t, &r, scores, key_scratch);
            const float *values =
                tile_numbers(kv->values[r.page], kv->value_format, kv->value_size, &r, value_scratch);
            for (size_t i = 0; i < t.count; i++) {
                fold(scores + i * SL_KV_TILE, &r, values, kv->value_size, most + i, sum + i,
                     out + strided_row(&t, i, out_stride, kv->value_size));
            }
        }
        for (size_t i = 0; i < t.count; i++) {
            float *row = out + strided_row(&t, i, out_stride, kv->value_size);
            if (sum[i] != 0) k_scale(row, 1 / sum[i], kv->value_size);
            const float total_log = sum[i] != 0 ? most[i] + logf(sum[i]) : -INFINITY;
            if (lse) lse[strided_row(&t, i, lse_stride, 1)] = total_log;
        }
    }
}

// scores of query row i become e^(score − lse); zeros if the row saw nothing.
SL_FN void weigh(float *s, float lse) {
    if (lse == -INFINITY) {
        for (size_t j = 0; j < SL_KV_TILE; j++) s[j] = 0;
    } else {
        exp_shifted(s, SL_KV_TILE, lse);
    }
}

SL_FN void k_attend_weights(const sl_kv_rows *kv, const sl_queries *q, const float *lse, size_t lse_stride,
                            float *p, float *scratch) {
    const size_t total = q->token_count * q->group;
    float *scores = scratch + SL_KV_TILE * (kv->key_size + kv->value_size);
    for (size_t first = 0; first < total; first += SL_QUERY_TILE) {
        const query_tile t = query_tile_at(q, first);
        row_tile r;
        for (size_t row = 0; row < kv->row_count; row += r.count) {
            r = row_tile_at(kv, &t, row);
            if (!r.hidden) score_tile(kv, &t, &r, scores, scratch);
            for (size_t i = 0; i < t.count; i++) {
                float *s = scores + i * SL_KV_TILE, *target = p + (first + i) * kv->row_count + row;
                if (r.hidden) {
                    memset(target, 0, r.count * sizeof(float));
                } else {
                    weigh(s, lse[strided_row(&t, i, lse_stride, 1)]);
                    memcpy(target, s, r.count * sizeof(float));
                }
            }
        }
    }
}

SL_FN void k_attend_column_sums(const sl_kv_rows *kv, const sl_queries *q, const float *lse,
                                size_t lse_stride, const float *weight, float *sums, float *scratch) {
    const size_t total = q->token_count * q->group;
    float *scores = scratch + SL_KV_TILE * (kv->key_size + kv->value_size);
    for (size_t first = 0; first < total; first += SL_QUERY_TILE) {
        const query_tile t = query_tile_at(q, first);
        row_tile r;
        for (size_t row = 0; row < kv->row_count; row += r.count) {
            r = row_tile_at(kv, &t, row);
            if (r.hidden) continue;
            score_tile(kv, &t, &r, scores, scratch);
            for (size_t i = 0; i < t.count; i++) {
                float *s = scores + i * SL_KV_TILE;
                weigh(s, lse[strided_row(&t, i, lse_stride, 1)]);
                if (weight) k_scale(s, weight[first + i], r.count);
                k_add(sums + row, s, r.count);
            }
        }
    }
}

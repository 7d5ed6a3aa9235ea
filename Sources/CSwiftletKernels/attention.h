// Attention over paged rows whose stored positions decide what a query sees.
//
// Query rows are taken in tiles, cached rows in pages and blocks of pages. A page in which no query of the tile
// sees a row costs one scan of its positions. Each block is summed up apart, with an online softmax over its
// pages, and then merged into what the blocks before it gave: so the blocks of one query may be computed by
// several threads, and give the same bits as one after the other. A query row's sums never depend on the other
// query rows: a page or block without a visible row adds nothing, and each row is rescaled by its own maximum.
// Expects attention_tiles.h and
// attention_codes.h.

// Query rows [first, first + count) of a call, and the range of positions they may see.
typedef struct {
    const sl_queries *q;
    size_t first, count;
    int64_t oldest, newest;                     // no row of the tile sees a position outside
    int64_t common_oldest, common_newest;       // every row of the tile sees these
    bool coded;                                 // the workspace holds the rows in codes
    const float *rows[SL_QUERY_TILE];
} query_tile;

SL_INLINE size_t strided_row(const query_tile *t, size_t i, size_t stride, size_t width) {
    const size_t row = t->first + i, group = t->q->group;
    return row / group * stride + row % group * width;
}

SL_FN void query_tile_at(query_tile *t, const sl_queries *q, size_t key_size, size_t first) {
    const size_t total = q->token_count * q->group;
    t->q = q;
    t->first = first;
    t->count = total - first < SL_QUERY_TILE ? total - first : SL_QUERY_TILE;
    t->coded = false;
    int64_t low = INT32_MAX, high = INT32_MIN;
    for (size_t token = first / q->group; token * q->group < first + t->count; token++) {
        const int64_t position = q->positions[token];
        low = position < low ? position : low;
        high = position > high ? position : high;
    }
    t->newest = high;
    t->oldest = q->window > 0 ? low - q->window + 1 : INT32_MIN;
    t->common_newest = low;
    t->common_oldest = q->window > 0 ? high - q->window + 1 : INT32_MIN;
    for (size_t i = 0; i < t->count; i++) t->rows[i] = q->data + strided_row(t, i, q->token_stride, key_size);
}

// The rows of one page, and what a tile of queries sees of them.
typedef struct {
    const sl_kv_page *page;
    const int32_t *positions;
    size_t count;
    bool hidden, all_visible;                   // for every query row of the tile
} row_tile;

SL_FN row_tile row_tile_at(const sl_kv_rows *kv, const query_tile *t, size_t page) {
    const size_t first = page * SL_PAGE_ROWS, rest = kv->row_count - first;
    row_tile r = {kv->pages + page, kv->positions + first, rest < SL_PAGE_ROWS ? rest : SL_PAGE_ROWS, 0, 0};
    int32_t low = INT32_MAX, high = INT32_MIN;
    for (size_t j = 0; j < r.count; j++) {
        const int32_t position = r.positions[j];
        low = position < low ? position : low;
        high = position > high ? position : high;
    }
    r.hidden = low > t->newest || high < t->oldest;
    r.all_visible = r.count == SL_PAGE_ROWS && high <= t->common_newest && low >= t->common_oldest;
    return r;
}

// Which rows of a page a token sees: all ones or zero per row, and the range that holds them.
typedef struct {
    int32_t keep[SL_PAGE_ROWS];
    size_t begin, end;
    bool dense;                                 // it sees every row of the range
} visibility;

SL_FN void look(const row_tile *r, const sl_queries *q, size_t token, visibility *seen) {
    const int32_t newest = q->positions[token];
    const int64_t bound = q->window > 0 ? (int64_t)newest - q->window + 1 : INT32_MIN;
    const int32_t oldest = bound < INT32_MIN ? INT32_MIN : (int32_t)bound;
    size_t seen_rows = 0;
    for (size_t j = 0; j < r->count; j++) {
        seen->keep[j] = -(int32_t)(r->positions[j] <= newest && r->positions[j] >= oldest);
    }
    for (size_t j = r->count; j < SL_PAGE_ROWS; j++) seen->keep[j] = 0;
    for (size_t j = 0; j < SL_PAGE_ROWS; j++) seen_rows += (size_t)(seen->keep[j] & 1);
    seen->begin = 0;
    seen->end = SL_PAGE_ROWS;
    while (seen->begin < seen->end && !seen->keep[seen->begin]) seen->begin++;
    while (seen->end > seen->begin && !seen->keep[seen->end - 1]) seen->end--;
    seen->dense = seen_rows == seen->end - seen->begin;
}

// Rows that lie apart and are copied together page by page, while the memory sends those of the next page.
enum { ASKED_AHEAD = SL_PAGE_ROWS };

typedef struct {
    const sl_kv_rows *kv;
    const uint32_t *rows;
    size_t count, asked;                        // rows; those that the memory has been asked for
    size_t key_bytes, value_bytes;              // of a row
    uint8_t *keys, *values;                     // of the page that is attended to
    int32_t *positions;
} row_stream;

// Bytes of a row of 64 numbers in f16, which is asked for and copied without a loop.
enum { COMMON_BYTES = 128 };

SL_INLINE void ask_row(const uint8_t *row, size_t bytes) {
    if (bytes == COMMON_BYTES) {
        SL_UNROLL for (size_t b = 0; b < COMMON_BYTES; b += 64) prefetch(row + b);
    } else {
        for (size_t b = 0; b < bytes; b += 64) prefetch(row + b);
    }
}

// Asks for some more rows: for one whenever one is copied, since a processor waits for some dozens of lines at most.
SL_INLINE void ask(row_stream *s, size_t rows) {
    const size_t end = s->count - s->asked < rows ? s->count : s->asked + rows;
    for (; s->asked < end; s->asked++) {
        const sl_kv_page *page = s->kv->pages + s->rows[s->asked] / SL_PAGE_ROWS;
        const size_t row = s->rows[s->asked] % SL_PAGE_ROWS;
        ask_row((const uint8_t *)page->keys + row * s->key_bytes, s->key_bytes);
        ask_row((const uint8_t *)page->values + row * page->value_stride, s->value_bytes);
    }
}

SL_INLINE void copy_row(uint8_t *to, const uint8_t *from, size_t bytes) {
    size_t b = 0;
    if (bytes == COMMON_BYTES) {
        SL_UNROLL for (; b < COMMON_BYTES; b += sizeof(V)) v_store(to + b, v_load(from + b));
    } else {
        for (; b + sizeof(V) <= bytes; b += sizeof(V)) v_store(to + b, v_load(from + b));
        for (; b < bytes; b++) to[b] = from[b];
    }
}

// Where attention keeps what it works on; see sl_attend_scratch.
typedef struct {
    float *keys, *spare, *values, *scores;      // of one page
    float *out;                                 // [query rows, value_size] of one block, not normalised
    float *sums;                                // [query rows, LANES]
    float *most, *total_most, *total;           // [query rows]
    coded_query *codes;                         // [query rows, key_size / SL_SMALL_BLOCK]
    float *left;                                // where the caller wants scores, [query rows, left_stride]
    size_t left_stride;
} workspace;

SL_INLINE workspace workspace_at(float *scratch, const sl_kv_rows *kv) {
    workspace w;
    w.keys = scratch;
    w.spare = w.keys + SL_PAGE_ROWS * kv->key_size;
    w.values = w.spare + SL_PAGE_ROWS * kv->key_size;
    w.scores = w.values + SL_PAGE_ROWS * kv->value_size;
    w.out = w.scores + SL_QUERY_TILE * SL_PAGE_ROWS;
    w.sums = w.out + SL_QUERY_TILE * kv->value_size;
    w.most = w.sums + SL_QUERY_TILE * SL_LANES_MOST;
    w.total_most = w.most + SL_QUERY_TILE;
    w.total = w.total_most + SL_QUERY_TILE;
    w.codes = (coded_query *)(void *)(w.total + SL_QUERY_TILE);
    w.left = NULL;
    w.left_stride = 0;
    return w;
}

// Leaves one page's scores of query row i to the caller; NULL: nobody sees the page.
SL_INLINE void leave(const workspace *w, const sl_kv_rows *kv, const query_tile *t, const row_tile *r, size_t i,
                     const float *s) {
    if (!w->left) return;
    float *target = w->left + (t->first + i) * w->left_stride + (size_t)(r->positions - kv->positions);
    if (s) {
        memcpy(target, s, r->count * sizeof(float));
    } else {
        for (size_t j = 0; j < r->count; j++) target[j] = -INFINITY;
    }
}

// Loads the keys of a page, and asks for those of the one after it.
SL_INLINE void take_keys(const sl_kv_rows *kv, const row_tile *r, const sl_kv_page *next, workspace *w) {
    if (scores_codes(r->page)) {
        load_codes(r->page, next, kv->key_size, r->count, w->keys);
    } else {
        load_keys(r->page, next, kv->key_size, r->count, w->keys, w->spare);
    }
}

// Bends the scores of a page: cap·tanh(score / cap), then less a slope times the distance.
SL_FN void bend(const query_tile *t, const row_tile *r, float *scores) {
    const sl_queries *q = t->q;
    const V cap = v_set(q->cap), twice = v_set(2 / q->cap), one = v_set(1), two = v_set(2);
    for (size_t j = 0; q->cap > 0 && j < t->count * SL_PAGE_ROWS; j += LANES) {
        const V e = v_exp(v_mul(v_load(scores + j), twice));     // tanh(x) = 1 − 2 / (e^2x + 1)
        v_store(scores + j, v_mul(cap, v_sub(one, v_div(two, v_add(e, one)))));
    }
    for (size_t i = 0; q->slopes && i < t->count; i++) {
        const float slope = q->slopes[(t->first + i) % q->group];
        const int32_t position = q->positions[(t->first + i) / q->group];
        float *s = scores + i * SL_PAGE_ROWS;
        for (size_t j = 0; j < r->count; j++) s[j] -= slope * (float)((int64_t)position - r->positions[j]);
    }
}

// Scores of a tile and the rows of a page whose keys have been taken, before they are bent.
SL_INLINE void score_straight(const sl_kv_rows *kv, query_tile *t, const row_tile *r, workspace *w) {
    const size_t n = kv->key_size, groups = n / SL_SMALL_BLOCK;
    if (!scores_codes(r->page)) {
        score_page(w->keys, t->rows, t->count, n, t->q->scale, w->scores);
        return;
    }
    for (size_t i = 0; i < t->count * groups && !t->coded; i++) {
        code_group(t->rows[i / groups] + i % groups * SL_SMALL_BLOCK, t->q->scale, w->codes + i);
    }
    t->coded = true;
    score_codes(r->page->key_format, w->keys, w->codes, t->count, n, w->scores);
}

SL_INLINE void score(const sl_kv_rows *kv, query_tile *t, const row_tile *r, workspace *w) {
    score_straight(kv, t, r, w);
    if (t->q->cap > 0 || t->q->slopes) bend(t, r, w->scores);
}

// Scores of rows that are not kept become −inf.
SL_INLINE void hide(float *s, const int32_t *keep) {
    const I minus_infinity = i_set((int32_t)0xff800000);
    for (size_t j = 0; j < SL_PAGE_ROWS; j += LANES) {
        const I kept = i_load(keep + j), score = i_and(i_load(s + j), kept);
        i_store(s + j, i_or(score, i_and(i_xor(kept, i_set(-1)), minus_infinity)));
    }
}

SL_INLINE float s_exp(float x) {
    float lanes[LANES];
    v_store(lanes, v_exp(v_set(x)));
    return lanes[0];
}

SL_INLINE bool holds_nan(const float *x, size_t n) {
    bool found = false;
    for (size_t i = 0; i < n; i++) found |= x[i] != x[i];
    return found;
}

// Turns one page's scores of a query row into weights: running maximum, running sums, output rescaled.
// False if no row has a weight.
SL_INLINE bool fold(float *s, size_t n, float *most, float *sums, float *out) {
    V top = v_set(-INFINITY);
    for (size_t j = 0; j < SL_PAGE_ROWS; j += LANES) top = v_max(v_load(s + j), top);
    const float page_most = v_largest(top);
    if (page_most == -INFINITY) {
        if (holds_nan(s, SL_PAGE_ROWS)) sums[0] = NAN;
        return false;
    }
    V sum = v_load(sums);
    if (page_most > *most) {
        if (*most != -INFINITY) {
            const float shrink = s_exp(*most - page_most);
            sum = v_mul(sum, v_set(shrink));
            k_scale(out, shrink, n);
        }
        *most = page_most;
    }
    const V shift = v_set(*most);
    for (size_t j = 0; j < SL_PAGE_ROWS; j += LANES) {
        const V e = v_exp(v_sub(v_load(s + j), shift));
        v_store(s + j, e);
        sum = v_add(sum, e);
    }
    v_store(sums, sum);
    return true;
}

// Adds the rows that one query row sees, run by run.
SL_FN void add_seen(sl_format format, const value_page *v, const float *p, const visibility *seen,
                    size_t query) {
    for (size_t j = seen->begin; j < seen->end;) {
        size_t end = j + 1;
        while (end < seen->end && seen->keep[end]) end++;
        add_values(format, v, p, j, end, query, 1);
        j = end;
        while (j < seen->end && !seen->keep[j]) j++;
    }
}

// Adds one page to the sums of a tile in which some query rows do not see all rows.
SL_FN void attend_partly(const sl_kv_rows *kv, const row_tile *r, const query_tile *t, sl_format format,
                         const value_page *v, workspace *w) {
    const size_t value_size = kv->value_size;
    visibility seen;
    size_t token = SIZE_MAX;
    for (size_t i = 0; i < t->count; i++) {
        if ((t->first + i) / t->q->group != token) {
            token = (t->first + i) / t->q->group;
            look(r, t->q, token, &seen);
        }
        float *s = w->scores + i * SL_PAGE_ROWS;
        hide(s, seen.keep);
        leave(w, kv, t, r, i, s);
        if (fold(s, value_size, w->most + i, w->sums + i * LANES, w->out + i * value_size)) {
            add_seen(format, v, s, &seen, i);
        }
    }
}

SL_FN void attend_wholly(const sl_kv_rows *kv, const row_tile *r, const query_tile *t, sl_format format,
                         const value_page *v, workspace *w) {
    const size_t value_size = kv->value_size;
    bool weighed[SL_QUERY_TILE];
    for (size_t i = 0; i < t->count; i++) {
        leave(w, kv, t, r, i, w->scores + i * SL_PAGE_ROWS);
        weighed[i] = fold(w->scores + i * SL_PAGE_ROWS, value_size, w->most + i, w->sums + i * LANES,
                          w->out + i * value_size);
    }
    for (size_t i = 0; i < t->count; i += SCORE_QUERIES) {
        const size_t count = t->count - i < SCORE_QUERIES ? t->count - i : SCORE_QUERIES;
        bool all = true;
        for (size_t k = i; k < i + count; k++) all &= weighed[k];
        if (all) {
            add_values(format, v, w->scores + i * SL_PAGE_ROWS, 0, SL_PAGE_ROWS, i, count);
            continue;
        }
        for (size_t k = i; k < i + count; k++) {
            if (weighed[k]) add_values(format, v, w->scores + k * SL_PAGE_ROWS, 0, SL_PAGE_ROWS, k, 1);
        }
    }
}

SL_FN void attend_page(const sl_kv_rows *kv, query_tile *t, const row_tile *r, workspace *w) {
    const size_t n = kv->value_size;
    const bool last = r->positions + SL_PAGE_ROWS >= kv->positions + kv->row_count;
    const sl_kv_page *next = r->page + (last ? 0 : 1);
    take_keys(kv, r, next, w);
    score(kv, t, r, w);
    sl_format format = r->page->value_format;
    value_page v = {r->page->values, next->values, r->page->value_stride, n, w->out};
    if (!reads_in_place(format, t->count)) {
        if (v.stride == row_bytes(format, n)) {
            k_dequantize(format, v.rows, w->values, r->count * n);
        } else {
            for (size_t j = 0; j < r->count; j++) k_dequantize(format, v.rows + j * v.stride, w->values + j * n, n);
        }
        v.rows = (const uint8_t *)w->values;
        v.stride = n * sizeof(float);
        format = SL_F32;
    }
    if (r->all_visible) {
        attend_wholly(kv, r, t, format, &v, w);
    } else {
        attend_partly(kv, r, t, format, &v, w);
    }
}

SL_INLINE void begin_block(const query_tile *t, size_t value_size, workspace *w) {
    for (size_t i = 0; i < t->count; i++) w->most[i] = -INFINITY;
    memset(w->sums, 0, t->count * LANES * sizeof(float));
    memset(w->out, 0, t->count * value_size * sizeof(float));
}

// What one block of rows gives a tile, in most, sums and out; false if no query row sees any of it.
SL_FN bool attend_block(const sl_kv_rows *kv, query_tile *t, size_t block, workspace *w) {
    bool seen = false;
    const size_t pages = (kv->row_count + SL_PAGE_ROWS - 1) / SL_PAGE_ROWS;
    const size_t first = block * (SL_BLOCK_ROWS / SL_PAGE_ROWS);
    for (size_t page = first; page < first + SL_BLOCK_ROWS / SL_PAGE_ROWS && page < pages; page++) {
        const row_tile r = row_tile_at(kv, t, page);
        if (r.hidden) {
            for (size_t i = 0; i < t->count; i++) leave(w, kv, t, &r, i, NULL);
            continue;
        }
        if (!seen) begin_block(t, kv->value_size, w);
        seen = true;
        attend_page(kv, t, &r, w);
    }
    return seen;
}

// The same for chosen rows.
SL_FN bool attend_chosen_block(row_stream *s, query_tile *t, size_t block, workspace *w) {
    bool seen = false;
    const size_t begin = block * SL_BLOCK_ROWS, rest = s->count - begin;
    const size_t end = rest < SL_BLOCK_ROWS ? s->count : begin + SL_BLOCK_ROWS;
    sl_kv_page page = s->kv->pages[0];
    page.keys = s->keys;
    page.values = s->values;
    page.value_stride = s->value_bytes;
    for (size_t first = begin; first < end; first += SL_PAGE_ROWS) {
        const size_t count = end - first < SL_PAGE_ROWS ? end - first : SL_PAGE_ROWS;
        for (size_t i = 0; i < count; i++) {
            ask(s, 1);
            const uint32_t number = s->rows[first + i], row = number % SL_PAGE_ROWS;
            const sl_kv_page *from = s->kv->pages + number / SL_PAGE_ROWS;
            copy_row(s->keys + i * s->key_bytes, (const uint8_t *)from->keys + row * s->key_bytes, s->key_bytes);
            copy_row(s->values + i * s->value_bytes, (const uint8_t *)from->values + row * from->value_stride,
                     s->value_bytes);
            if (s->kv->positions) s->positions[i] = s->kv->positions[number];
        }
        const sl_kv_rows kv = {&page, s->positions, count, s->kv->key_size, s->kv->value_size};
        const row_tile r = row_tile_at(&kv, t, 0);
        if (r.hidden) continue;
        if (!seen) begin_block(t, kv.value_size, w);
        seen = true;
        attend_page(&kv, t, &r, w);
    }
    return seen;
}

// Adds what a block gave to what the blocks before it gave.
SL_FN void merge(float most, float sum, const float *block, size_t n, float *total_most, float *total,
                 float *out) {
    if (most == -INFINITY) {
        if (sum != sum) *total = NAN;
        return;
    }
    if (most > *total_most) {
        if (*total_most != -INFINITY) {
            const float shrink = s_exp(*total_most - most);
            *total *= shrink;
            k_scale(out, shrink, n);
        }
        *total_most = most;
    }
    const float factor = s_exp(most - *total_most);
    const V f = v_set(factor);
    *total = s_fma(sum, factor, *total);
    size_t i = 0;
    for (; i + LANES <= n; i += LANES) v_store(out + i, v_fma(v_load(block + i), f, v_load(out + i)));
    for (; i < n; i++) out[i] = s_fma(block[i], factor, out[i]);
}

SL_INLINE void finish(float most, float sum, size_t n, float *out, float *lse) {
    if (sum != 0) k_scale(out, 1 / sum, n);
    if (lse) *lse = sum != 0 ? most + logf(sum) : -INFINITY;
}

SL_FN void k_attend(const sl_kv_rows *kv, const sl_queries *q, float *out, size_t out_stride, float *lse,
                    size_t lse_stride, float *scores, size_t scores_stride, float *scratch) {
    const size_t total = q->token_count * q->group, n = kv->value_size;
    const size_t blocks = (kv->row_count + SL_BLOCK_ROWS - 1) / SL_BLOCK_ROWS;
    workspace w = workspace_at(scratch, kv);
    w.left = scores;
    w.left_stride = scores_stride;
    query_tile t;
    for (size_t first = 0; first < total; first += SL_QUERY_TILE) {
        query_tile_at(&t, q, kv->key_size, first);
        for (size_t i = 0; i < t.count; i++) {
            w.total_most[i] = -INFINITY;
            w.total[i] = 0;
            memset(out + strided_row(&t, i, out_stride, n), 0, n * sizeof(float));
        }
        for (size_t block = 0; block < blocks; block++) {
            if (!attend_block(kv, &t, block, &w)) continue;
            for (size_t i = 0; i < t.count; i++) {
                merge(w.most[i], v_sum(v_load(w.sums + i * LANES)), w.out + i * n, n, w.total_most + i,
                      w.total + i, out + strided_row(&t, i, out_stride, n));
            }
        }
        for (size_t i = 0; i < t.count; i++) {
            finish(w.total_most[i], w.total[i], n, out + strided_row(&t, i, out_stride, n),
                   lse ? lse + strided_row(&t, i, lse_stride, 1) : NULL);
        }
    }
}

// Writes what a block gave a tile, [query row, value_size + 2].
SL_INLINE void put_partials(const query_tile *t, size_t n, bool seen, const workspace *w, float *partials) {
    for (size_t i = 0; i < t->count; i++) {
        float *partial = partials + (t->first + i) * (n + 2);
        if (seen) memcpy(partial, w->out + i * n, n * sizeof(float));
        partial[n] = seen ? w->most[i] : -INFINITY;
        partial[n + 1] = seen ? v_sum(v_load(w->sums + i * LANES)) : 0;
    }
}

SL_FN void k_attend_blocks(const sl_kv_rows *kv, const sl_queries *q, size_t first_block, size_t count,
                           float *partials, float *scores, size_t scores_stride, float *scratch) {
    const size_t total = q->token_count * q->group, n = kv->value_size;
    workspace w = workspace_at(scratch, kv);
    w.left = scores;
    w.left_stride = scores_stride;
    query_tile t;
    for (size_t first = 0; first < total; first += SL_QUERY_TILE) {
        query_tile_at(&t, q, kv->key_size, first);
        for (size_t block = 0; block < count; block++) {
            const bool seen = attend_block(kv, &t, first_block + block, &w);
            put_partials(&t, n, seen, &w, partials + block * total * (n + 2));
        }
    }
}

SL_FN void k_attend_chosen(const sl_kv_rows *kv, const uint32_t *rows, size_t row_count, const sl_queries *q,
                           size_t first_block, size_t count, float *partials, float *scratch) {
    const size_t total = q->token_count * q->group, n = kv->value_size;
    const size_t end = (first_block + count) * SL_BLOCK_ROWS;
    workspace w = workspace_at(scratch, kv);
    row_stream s = {kv, rows, row_count < end ? row_count : end, 0, row_bytes(kv->pages->key_format, kv->key_size),
                    row_bytes(kv->pages->value_format, n), NULL, NULL, NULL};
    s.keys = (uint8_t *)(scratch + sl_attend_scratch(kv->key_size, n));
    s.values = s.keys + SL_PAGE_ROWS * kv->key_size * sizeof(float);
    s.positions = (int32_t *)(void *)(s.values + SL_PAGE_ROWS * n * sizeof(float));
    for (size_t i = 0; i < SL_PAGE_ROWS; i++) s.positions[i] = q->positions[0];
    query_tile t;
    for (size_t first = 0; first < total; first += SL_QUERY_TILE) {
        query_tile_at(&t, q, kv->key_size, first);
        s.asked = first_block * SL_BLOCK_ROWS;
        ask(&s, ASKED_AHEAD);
        for (size_t block = 0; block < count; block++) {
            const bool seen = attend_chosen_block(&s, &t, first_block + block, &w);
            put_partials(&t, n, seen, &w, partials + block * total * (n + 2));
        }
    }
}

SL_FN void k_attend_merge(const float *partials, size_t count, const sl_queries *q, size_t n, float *out,
                          size_t out_stride, float *lse, size_t lse_stride) {
    const size_t total = q->token_count * q->group;
    for (size_t row = 0; row < total; row++) {
        float most = -INFINITY, sum = 0;
        float *target = out + row / q->group * out_stride + row % q->group * n;
        memset(target, 0, n * sizeof(float));
        for (size_t block = 0; block < count; block++) {
            const float *partial = partials + (block * total + row) * (n + 2);
            merge(partial[n], partial[n + 1], partial, n, &most, &sum, target);
        }
        finish(most, sum, n, target, lse ? lse + row / q->group * lse_stride + row % q->group : NULL);
    }
}

// e^(score − lse); a query that sees nothing has scores and lse of −inf.
SL_INLINE V weights_of(V scores, float lse) { return v_exp(v_sub(scores, v_set(lse == -INFINITY ? 0 : lse))); }

// Scores become weights, in place.
SL_FN void k_weigh(float *s, float lse, size_t n) {
    size_t j = 0;
    for (; j + LANES <= n; j += LANES) v_store(s + j, weights_of(v_load(s + j), lse));
    if (j == n) return;
    float last[LANES] = {0};
    memcpy(last, s + j, (n - j) * sizeof(float));
    v_store(last, weights_of(v_load(last), lse));
    memcpy(s + j, last, (n - j) * sizeof(float));
}

// The sums of e^(score − lse) over some query rows for up to LANES rows of the cache, rounded once.
SL_INLINE void sum_weights(const float *scores, size_t stride, const float *lse, size_t count, float *sums,
                           const size_t width) {
    double sum[LANES] = {0};
    for (size_t i = 0; i < count; i++) {
        float e[LANES] = {0};
        memcpy(e, scores + i * stride, width * sizeof(float));
        v_store(e, weights_of(v_load(e), lse[i]));
        for (size_t k = 0; k < LANES; k++) sum[k] += e[k];
    }
    for (size_t k = 0; k < width; k++) sums[k] = (float)sum[k];
}

SL_FN void k_sum_weights(const float *scores, size_t stride, const float *lse, size_t count, float *sums, size_t n) {
    size_t j = 0;
    for (; j + LANES <= n; j += LANES) sum_weights(scores + j, stride, lse, count, sums + j, LANES);
    if (j < n) sum_weights(scores + j, stride, lse, count, sums + j, n - j);
}

enum { WEIGHED_VECTORS = 4 };                   // whose sums stay in registers

// sums[C vectors] += e^(score − lse) over some query rows, in order.
SL_INLINE void add_weights(const int C, const float *scores, size_t stride, const float *lse, size_t lse_stride,
                           size_t count, float *sums) {
    V sum[WEIGHED_VECTORS];
    SL_UNROLL for (int c = 0; c < C; c++) sum[c] = v_load(sums + c * LANES);
    for (size_t i = 0; i < count; i++, scores += stride, lse += lse_stride) {
        SL_UNROLL for (int c = 0; c < C; c++) sum[c] = v_add(sum[c], weights_of(v_load(scores + c * LANES), *lse));
    }
    SL_UNROLL for (int c = 0; c < C; c++) v_store(sums + c * LANES, sum[c]);
}

SL_FN void k_add_weights(const float *scores, size_t stride, const float *lse, size_t lse_stride, size_t count,
                         float *sums, size_t n) {
    const size_t width = WEIGHED_VECTORS * LANES;
    size_t j = 0;
    for (; j + width <= n; j += width) {
        add_weights(WEIGHED_VECTORS, scores + j, stride, lse, lse_stride, count, sums + j);
    }
    for (; j + LANES <= n; j += LANES) add_weights(1, scores + j, stride, lse, lse_stride, count, sums + j);
    for (size_t i = 0; j < n && i < count; i++) {
        float last[LANES] = {0};
        memcpy(last, scores + i * stride + j, (n - j) * sizeof(float));
        k_weigh(last, lse[i * lse_stride], LANES);
        for (size_t k = 0; k < n - j; k++) sums[j + k] += last[k];
    }
}

// The weights of a tile of queries over a page whose keys are loaded: scores become e^(score − lse).
SL_FN void weigh_page(const sl_kv_rows *kv, query_tile *t, const row_tile *r, const float *lse,
                      size_t lse_stride, workspace *w) {
    visibility seen;
    size_t token = SIZE_MAX;
    score(kv, t, r, w);
    for (size_t i = 0; i < t->count; i++) {
        float *s = w->scores + i * SL_PAGE_ROWS;
        if (!r->all_visible) {
            if ((t->first + i) / t->q->group != token) {
                token = (t->first + i) / t->q->group;
                look(r, t->q, token, &seen);
            }
            hide(s, seen.keep);
        }
        k_weigh(s, lse[strided_row(t, i, lse_stride, 1)], SL_PAGE_ROWS);
    }
}

SL_FN void k_attend_weights(const sl_kv_rows *kv, const sl_queries *q, const float *lse, size_t lse_stride,
                            size_t first_row, size_t row_count, float *p, size_t p_stride, float *scratch) {
    const size_t total = q->token_count * q->group;
    workspace w = workspace_at(scratch, kv);
    query_tile t;
    for (size_t row = first_row; row < first_row + row_count; row += SL_PAGE_ROWS) {
        bool loaded = false;
        for (size_t first = 0; first < total; first += SL_QUERY_TILE) {
            query_tile_at(&t, q, kv->key_size, first);
            const row_tile r = row_tile_at(kv, &t, row / SL_PAGE_ROWS);
            const size_t rest = first_row + row_count - row, count = rest < r.count ? rest : r.count;
            if (!r.hidden && !loaded) take_keys(kv, &r, r.page, &w);
            loaded |= !r.hidden;
            if (!r.hidden) weigh_page(kv, &t, &r, lse, lse_stride, &w);
            for (size_t i = 0; i < t.count; i++) {
                float *target = p + (first + i) * p_stride + row;
                if (r.hidden) {
                    memset(target, 0, count * sizeof(float));
                } else {
                    memcpy(target, w.scores + i * SL_PAGE_ROWS, count * sizeof(float));
                }
            }
        }
    }
}

SL_FN void k_attend_column_sums(const sl_kv_rows *kv, const sl_queries *q, const float *lse,
                                size_t lse_stride, const float *weight, size_t first_row, size_t row_count,
                                float *sums, size_t sums_stride, float *scratch) {
    const size_t total = q->token_count * q->group;
    workspace w = workspace_at(scratch, kv);
    query_tile t;
    for (size_t row = first_row; row < first_row + row_count; row += SL_PAGE_ROWS) {
        bool loaded = false;
        for (size_t first = 0; first < total; first += SL_QUERY_TILE) {
            query_tile_at(&t, q, kv->key_size, first);
            const row_tile r = row_tile_at(kv, &t, row / SL_PAGE_ROWS);
            if (r.hidden) continue;
            if (!loaded) take_keys(kv, &r, r.page, &w);
            loaded = true;
            weigh_page(kv, &t, &r, lse, lse_stride, &w);
            const size_t rest = first_row + row_count - row, count = rest < r.count ? rest : r.count;
            for (size_t i = 0; i < t.count; i++) {
                float *s = w.scores + i * SL_PAGE_ROWS;
                if (weight) k_scale(s, weight[first + i], count);
                k_add(sums + (first + i) % q->group * sums_stride + row, s, count);
            }
        }
    }
}

SL_FN void k_key_products(const sl_kv_rows *kv, const float *x, float *products, float *scratch) {
    enum { STEP = 16 };                         // rows, before some of the next page are asked for
    const size_t n = kv->key_size;
    workspace w = workspace_at(scratch, kv);
    for (size_t row = 0; row < kv->row_count; row += SL_PAGE_ROWS) {
        const size_t rest = kv->row_count - row, count = rest < SL_PAGE_ROWS ? rest : SL_PAGE_ROWS;
        const sl_kv_page *page = kv->pages + row / SL_PAGE_ROWS, *next = page + (rest > SL_PAGE_ROWS);
        if (page->keys_by_channel) {
            load_keys(page, next, n, count, w.keys, w.spare);
            score_page(w.keys, &x, 1, n, 1, w.scores);
            memcpy(products + row, w.scores, count * sizeof(float));
            continue;
        }
        const size_t stride = row_bytes(page->key_format, n);
        for (size_t j = 0; j < count; j += STEP) {
            for (size_t at = j * stride; at < (j + STEP) * stride; at += 64) prefetch((const uint8_t *)next->keys + at);
            k_matvec(page->key_format, (const uint8_t *)page->keys + j * stride, count - j < STEP ? count - j : STEP, n,
                     x, products + row + j);
        }
    }
}

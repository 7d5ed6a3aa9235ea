// Product quantisation of keys: nearest centroids, sums over lookup tables, and the choice of the best tokens.
// Expects what elementwise.h expects; its vectors are those of the compiler, which compare lane by lane.

typedef float PV __attribute__((vector_size(LANES * sizeof(float))));
typedef int32_t PI __attribute__((vector_size(LANES * sizeof(int32_t))));

SL_INLINE PV pv_load(const float *p) {
    PV v;
    memcpy(&v, p, sizeof v);
    return v;
}

SL_INLINE PI pi_select(PI mask, PI a, PI b) { return (mask & a) | (~mask & b); }

enum { SL_PQ_CENTROIDS = 8 };           // held in registers at a time

// The nearest of C centroids [C, size] to each of LANES points, transposed to [size, LANES]: `best` and `label`
// change where one of them is nearer.
SL_INLINE void nearest_of(const int C, const float *points, const float *centroids, size_t size, int32_t first,
                          PV *best, PI *label) {
    PV sum[SL_PQ_CENTROIDS];
    for (int c = 0; c < C; c++) sum[c] = (PV){0};
    for (size_t d = 0; d < size; d++) {
        const PV x = pv_load(points + d * LANES);
        SL_UNROLL for (int c = 0; c < C; c++) {
            const PV difference = x - centroids[(size_t)c * size + d];
            sum[c] += difference * difference;
        }
    }
    for (int c = 0; c < C; c++) {
        const PI nearer = sum[c] < *best;
        *best = (PV)pi_select(nearer, (PI)sum[c], (PI)*best);
        *label = pi_select(nearer, (PI){0} + (first + c), *label);
    }
}

SL_FN void k_pq_assign(const float *points, size_t stride, size_t count, size_t size, const float *centroids,
                       size_t clusters, uint16_t *labels, float *distances, float *scratch) {
    for (size_t first = 0; first < count; first += LANES) {
        const size_t taken = count - first < LANES ? count - first : LANES;
        for (size_t lane = 0; lane < LANES; lane++) {
            const float *point = points + (first + (lane < taken ? lane : 0)) * stride;
            for (size_t d = 0; d < size; d++) scratch[d * LANES + lane] = point[d];
        }
        PV best = (PV){0} + INFINITY;
        PI label = {0};
        size_t c = 0;
        for (; c + SL_PQ_CENTROIDS <= clusters; c += SL_PQ_CENTROIDS) {
            nearest_of(SL_PQ_CENTROIDS, scratch, centroids + c * size, size, (int32_t)c, &best, &label);
        }
        for (; c < clusters; c++) nearest_of(1, scratch, centroids + c * size, size, (int32_t)c, &best, &label);
        for (size_t lane = 0; lane < taken; lane++) {
            labels[first + lane] = (uint16_t)label[lane];
            if (distances) distances[first + lane] = best[lane];
        }
    }
}

// sums[n] = Σ tables[j][codes[j][n]] for J sub-spaces, added to what is there unless `fresh`.
#define SL_PQ_SUM(NAME, CODE, J)                                                                             \
    SL_FN void NAME(const void *const *codes, const float *tables, size_t clusters, bool fresh, float *sums, \
                    size_t n) {                                                                              \
        const CODE *code[J];                                                                                 \
        for (int j = 0; j < J; j++) code[j] = codes[j];                                                      \
        for (size_t i = 0; i < n; i++) {                                                                     \
            float sum = fresh ? 0 : sums[i];                                                                 \
            SL_UNROLL for (int j = 0; j < J; j++) sum += tables[(size_t)j * clusters + code[j][i]];          \
            sums[i] = sum;                                                                                   \
        }                                                                                                    \
    }

SL_PQ_SUM(pq_sum_bytes_1, uint8_t, 1)
SL_PQ_SUM(pq_sum_bytes_2, uint8_t, 2)
SL_PQ_SUM(pq_sum_bytes_4, uint8_t, 4)
SL_PQ_SUM(pq_sum_words_1, uint16_t, 1)
SL_PQ_SUM(pq_sum_words_2, uint16_t, 2)
SL_PQ_SUM(pq_sum_words_4, uint16_t, 4)
#undef SL_PQ_SUM

SL_FN void k_pq_sums(const void *const *codes, size_t code_bytes, size_t subspaces, const float *tables,
                     size_t clusters, float *sums, size_t n) {
    for (size_t j = 0; j < subspaces;) {
        const void *const *code = codes + j;
        const float *table = tables + j * clusters;
        const bool fresh = j == 0, bytes = code_bytes == 1;
        if (subspaces - j >= 4) {
            (bytes ? pq_sum_bytes_4 : pq_sum_words_4)(code, table, clusters, fresh, sums, n);
            j += 4;
        } else if (subspaces - j >= 2) {
            (bytes ? pq_sum_bytes_2 : pq_sum_words_2)(code, table, clusters, fresh, sums, n);
            j += 2;
        } else {
            (bytes ? pq_sum_bytes_1 : pq_sum_words_1)(code, table, clusters, fresh, sums, n);
            j += 1;
        }
    }
}

SL_FN void k_pq_add_softmax(float *dots, const float *counts, float scale, float *scores, size_t n) {
    k_scale(dots, scale, n);
    for (size_t i = 0; counts && i < n; i++) dots[i] = counts[i] > 0 ? dots[i] : -INFINITY;
    const float most = largest(dots, n);
    if (most == -INFINITY) return;
    float sum = exp_shifted(dots, n, most);
    if (counts) sum = k_dot(SL_F32, counts, dots, n);
    const float factor = 1 / sum;
    size_t i = 0;
    for (; i + LANES <= n; i += LANES) {
        v_store(scores + i, v_fma(v_set(factor), v_load(dots + i), v_load(scores + i)));
    }
    for (; i < n; i++) scores[i] = s_fma(factor, dots[i], scores[i]);
}

// Orders numbers as integers: larger stays larger, both zeros are one, NaN is the smallest.
SL_INLINE uint32_t pq_order(float x) {
    if (x != x) return 0;
    const uint32_t bits = sl_bits_of_float(x + 0.0f);
    return bits >> 31 ? ~bits : bits | 0x80000000;
}

// The digits of the order are looked at from the top; each pass counts the tokens of the items that agree with
// the digits already known.
SL_FN size_t k_pq_rank(const float *scores, const float *counts, size_t n, size_t wanted, uint8_t *ranks) {
    if (wanted == 0) {
        memset(ranks, 0, n);
        return 0;
    }
    enum { DIGIT = 11 };
    const int shifts[] = {21, 10, 0}, widths[] = {DIGIT, DIGIT, 10};
    uint32_t threshold = 0;
    for (int pass = 0; pass < 3; pass++) {
        uint32_t tokens[1 << DIGIT] = {0};
        const int shift = shifts[pass], known = shift + widths[pass];
        const uint32_t mask = (1u << widths[pass]) - 1;
        for (size_t i = 0; i < n; i++) {
            const uint32_t order = pq_order(scores[i]);
            if (pass > 0 && (order ^ threshold) >> known) continue;
            tokens[order >> shift & mask] += counts ? (uint32_t)counts[i] : 1;
        }
        uint32_t digit = mask;
        while (digit > 0 && tokens[digit] < wanted) wanted -= tokens[digit--];
        threshold |= digit << shift;
    }
    for (size_t i = 0; i < n; i++) {
        const uint32_t order = pq_order(scores[i]);
        ranks[i] = order > threshold ? 2 : order == threshold;
    }
    return wanted;
}

SL_FN size_t k_pq_collect(const uint8_t *ranks, const uint16_t *classes, size_t n, size_t ties, uint32_t first,
                          uint32_t *rows) {
    size_t count = 0;
    for (size_t i = 0; i < n; i++) {
        const uint8_t rank = ranks[classes ? classes[i] : i];
        rows[count] = first + (uint32_t)i;
        size_t taken = rank >> 1;
        if (rank == 1 && ties > 0) {
            taken = 1;
            ties--;
        }
        count += taken;
    }
    return count;
}

SL_INLINE void copy_row(uint8_t *to, const uint8_t *from, size_t bytes) {
    const size_t step = sizeof(V);
    size_t b = 0;
    for (; b + step <= bytes; b += step) v_store(to + b, v_load(from + b));
    memcpy(to + b, from + b, bytes - b);
}

SL_INLINE void fetch_row(const uint8_t *row, size_t bytes) {
    for (size_t b = 0; b < bytes; b += 64) __builtin_prefetch(row + b);
}

SL_FN void k_gather_rows(const sl_kv_page *pages, const uint32_t *rows, size_t n, size_t key_bytes,
                         size_t value_bytes, void *keys, void *values) {
    enum { AHEAD = 16 };
    for (size_t i = 0; i < n + AHEAD; i++) {
        if (i < n) {
            const sl_kv_page *page = pages + rows[i] / SL_PAGE_ROWS;
            const size_t row = rows[i] % SL_PAGE_ROWS;
            fetch_row((const uint8_t *)page->keys + row * key_bytes, key_bytes);
            fetch_row((const uint8_t *)page->values + row * value_bytes, value_bytes);
        }
        if (i < AHEAD) continue;
        const size_t target = i - AHEAD, row = rows[target] % SL_PAGE_ROWS;
        const sl_kv_page *page = pages + rows[target] / SL_PAGE_ROWS;
        copy_row((uint8_t *)keys + target * key_bytes, (const uint8_t *)page->keys + row * key_bytes, key_bytes);
        copy_row((uint8_t *)values + target * value_bytes, (const uint8_t *)page->values + row * value_bytes,
                 value_bytes);
    }
}

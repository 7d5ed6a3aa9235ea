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

// The sums over the first sub-spaces lie at the front; each further one spreads them, the last first.
SL_FN void k_pq_class_sums(const float *tables, size_t subspaces, size_t clusters, float *sums) {
    size_t filled = 1;
    sums[0] = 0;
    for (size_t j = 0; j < subspaces; j++, filled *= clusters) {
        const float *table = tables + j * clusters;
        for (size_t old = filled; old-- > 0;) {
            const float base = sums[old];
            float *target = sums + old * clusters;
            size_t c = 0;
            for (; c + LANES <= clusters; c += LANES) v_store(target + c, v_add(v_set(base), v_load(table + c)));
            for (; c < clusters; c++) target[c] = base + table[c];
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

// The number whose place among all numbers from −∞ up is `order`, counted from that of −∞.
SL_INLINE float pq_number(uint32_t order) {
    order += 0x007fffff;
    return sl_float_of_bits(order >> 31 ? order & 0x7fffffff : ~order);
}

// The place of a number that is not NaN; both zeros have that of +0.
SL_INLINE uint32_t pq_order(float x) {
    const uint32_t bits = sl_bits_of_float(x + 0.0f);
    return (bits >> 31 ? ~bits : bits | 0x80000000) - 0x007fffff;
}

// Tokens of the items above a number, or of all items that are numbers at all: whole numbers below 2²⁴, so that
// their order does not matter.
SL_INLINE size_t tokens_above(const bool all, float bound, const float *scores, const float *counts, size_t n) {
    enum { SUMS = 4 };
    PV sums[SUMS] = {{0}};
    const PV one = (PV){0} + 1;
    size_t i = 0;
    for (; i + SUMS * LANES <= n; i += SUMS * LANES) {
        SL_UNROLL for (int k = 0; k < SUMS; k++) {
            const PV x = pv_load(scores + i + k * LANES), tokens = counts ? pv_load(counts + i + k * LANES) : one;
            sums[k] += (PV)((PI)tokens & (all ? x == x : x > bound));
        }
    }
    sums[0] += sums[1] + (sums[2] + sums[3]);
    float sum = 0;
    for (int lane = 0; lane < LANES; lane++) sum += sums[0][lane];
    for (; i < n; i++) {
        if (all ? scores[i] == scores[i] : scores[i] > bound) sum += counts ? counts[i] : 1;
    }
    return (size_t)sum;
}

// The score at which the tokens wanted are reached is the lowest with fewer above it: halving what it can be
// takes 32 sweeps at most.
SL_FN size_t k_pq_rank(const float *scores, const float *counts, size_t n, size_t wanted, uint8_t *ranks) {
    if (wanted == 0) {
        memset(ranks, 0, n);
        return 0;
    }
    const size_t numbers = tokens_above(true, 0, scores, counts, n);
    if (numbers < wanted) {
        for (size_t i = 0; i < n; i++) ranks[i] = scores[i] == scores[i] ? 2 : 1;
        return wanted - numbers;
    }
    uint32_t low = 0, high = pq_order(INFINITY);
    size_t above = 0;
    while (low < high && above != wanted) {
        const uint32_t middle = low + (high - low) / 2;
        above = tokens_above(false, pq_number(middle), scores, counts, n);
        if (above > wanted) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    const float bound = pq_number(high);
    above = tokens_above(false, bound, scores, counts, n);
    for (size_t i = 0; i < n; i++) {
        ranks[i] = (uint8_t)((scores[i] > bound ? 2 : 0) | (scores[i] == bound ? 1 : 0));
    }
    return wanted - above;
}

enum { SL_PQ_TOKENS = 32 };            // looked at together

// Bit `bit` of SL_PQ_TOKENS bytes, the first byte lowest: each product moves the lowest bits of eight bytes into one.
SL_INLINE uint32_t bits_of_bytes(int bit, const uint8_t *bytes) {
    uint32_t bits = 0;
    for (int i = 0; i < SL_PQ_TOKENS; i += 8) {
        uint64_t eight;
        memcpy(&eight, bytes + i, sizeof eight);
        bits |= (uint32_t)((eight >> bit & 0x0101010101010101) * 0x0102040810204080 >> 56) << i;
    }
    return bits;
}

#ifndef SL_INDEXED_BITS
// Writes first + i for every bit i that is set, ascending; returns how many there are.
SL_INLINE size_t put_numbers(uint32_t bits, uint32_t first, uint32_t *numbers) {
    size_t count = 0;
    for (; bits; bits &= bits - 1) numbers[count++] = first + (uint32_t)__builtin_ctz(bits);
    return count;
}
#endif

// The lowest `count` of the bits that are set.
SL_INLINE uint32_t lowest_bits(uint32_t bits, size_t count) {
    uint32_t taken = 0;
    for (; bits && count; count--) {
        taken |= bits & -bits;
        bits &= bits - 1;
    }
    return taken;
}

typedef struct {
    size_t count, ties;                     // tokens found; tokens of rank 1 still wanted
    uint32_t *rows;
} collection;

// Adds the `whole` ones and the first of the `tied` ones of SL_PQ_TOKENS tokens from `first` on.
SL_INLINE void collect(collection *c, uint32_t first, uint32_t whole, uint32_t tied) {
    if (c->ties > 0) {
        tied = lowest_bits(tied, c->ties);
        c->ties -= (size_t)__builtin_popcount(tied);
        whole |= tied;
    }
    c->count += put_numbers(whole, first, c->rows + c->count);
}

SL_FN size_t k_pq_collect(const uint8_t *ranks, const uint16_t *classes, size_t items, size_t n, size_t ties,
                          uint32_t first, uint32_t *rows) {
    collection c = {0, ties, rows};
    size_t i = 0;
#ifdef SL_INDEXED_BITS
    if (classes && items <= SL_INDEXED_BITS) {
        indexed_bits whole, tied;
        index_bits(ranks, items, 1, &whole);
        index_bits(ranks, items, 0, &tied);
        for (; i + SL_PQ_TOKENS <= n; i += SL_PQ_TOKENS) {
            collect(&c, first + (uint32_t)i, bits_at(&whole, classes + i),
                    c.ties > 0 ? bits_at(&tied, classes + i) : 0);
        }
    }
#else
    (void)items;
#endif
    for (; i + SL_PQ_TOKENS <= n; i += SL_PQ_TOKENS) {
        uint8_t looked_up[SL_PQ_TOKENS];
        for (size_t t = 0; classes && t < SL_PQ_TOKENS; t++) looked_up[t] = ranks[classes[i + t]];
        const uint8_t *found = classes ? looked_up : ranks + i;
        collect(&c, first + (uint32_t)i, bits_of_bytes(1, found), bits_of_bytes(0, found));
    }
    for (; i < n; i++) {
        const uint8_t rank = ranks[classes ? classes[i] : i];
        collect(&c, first + (uint32_t)i, rank == 2, rank == 1);
    }
    return c.count;
}

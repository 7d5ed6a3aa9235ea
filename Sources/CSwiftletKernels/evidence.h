// What evictions ask of every step: the row that leaves, and sums of products of queries.
// Expects what dense.h expects.

// A number that rises with x; the same for both zeros, the smallest for NaN.
SL_INLINE int32_t rank_of(float x) {
    int32_t bits;
    x += 0.0f;
    memcpy(&bits, &x, sizeof bits);
    return x != x ? INT32_MIN : bits ^ (bits >> 31 & INT32_MAX);
}

SL_FN bool k_gather(const float *x, size_t n, const int32_t *places, size_t count, float *y) {
    bool inside = true;
    for (size_t j = 0; j < count; j++) {
        const size_t place = (uint32_t)places[j];
        const bool is_inside = place < n;
        inside &= is_inside;
        y[j] = x[is_inside ? place : 0];
    }
    return inside;
}

SL_FN size_t k_count_below(const int32_t *x, size_t n, int32_t bound) {
    size_t count = 0;
    for (size_t first = 0; first < n;) {            // lanes of 32 bits count no further
        const size_t end = n - first < INT32_MAX ? n : first + INT32_MAX;
        int32_t some = 0;
        for (; first < end; first++) some += x[first] < bound;
        count += (size_t)some;
    }
    return count;
}

// Without positions a row lies where its number says.
SL_INLINE size_t weakest_row(const bool placed, const float *scores, const int32_t *positions, size_t n, int32_t first,
                             int32_t last) {
#define SL_POSITION(J) (placed ? positions[J] : (int32_t)(J))
    int32_t least = INT32_MAX, newest = INT32_MIN;
    for (size_t j = 0; j < n; j++) {
        const bool counts = (SL_POSITION(j) >= first) & (SL_POSITION(j) <= last);
        const int32_t rank = counts ? rank_of(scores[j]) : INT32_MAX;
        least = rank < least ? rank : least;
    }
    bool found = false;
    for (size_t j = 0; j < n; j++) {
        const bool counts = (SL_POSITION(j) >= first) & (SL_POSITION(j) <= last) & (rank_of(scores[j]) == least);
        const int32_t position = counts ? SL_POSITION(j) : INT32_MIN;
        newest = position > newest ? position : newest;
        found |= counts;
    }
    if (!found) return n;
    int32_t row = INT32_MAX;
    for (size_t j = 0; j < n; j++) {
        const bool is_it = (SL_POSITION(j) == newest) & (rank_of(scores[j]) == least);
        const int32_t candidate = is_it ? (int32_t)j : INT32_MAX;
        row = candidate < row ? candidate : row;
    }
    return (size_t)row;
#undef SL_POSITION
}

SL_FN size_t k_weakest(const float *scores, const int32_t *positions, size_t n, int32_t first, int32_t last) {
    return positions ? weakest_row(true, scores, positions, n, first, last)
                     : weakest_row(false, scores, positions, n, first, last);
}

SL_FN size_t k_most_similar(float *products, const float *lengths, const int32_t *positions, size_t n, size_t self,
                            float factor) {
    for (size_t j = 0; j < n; j++) products[j] = lengths[j] > 0 ? products[j] * factor / lengths[j] : 0;
    if (self < n) products[self] = NAN;
    int32_t most = INT32_MIN, oldest = INT32_MAX;
    for (size_t j = 0; j < n; j++) {
        const int32_t rank = rank_of(products[j]);
        most = rank > most ? rank : most;
    }
    if (most == INT32_MIN) return n;
    for (size_t j = 0; j < n; j++) {
        const int32_t position = rank_of(products[j]) == most ? positions[j] : INT32_MAX;
        oldest = position < oldest ? position : oldest;
    }
    int32_t row = INT32_MAX;
    for (size_t j = 0; j < n; j++) {
        const bool is_it = (positions[j] == oldest) & (rank_of(products[j]) == most);
        const int32_t candidate = is_it ? (int32_t)j : INT32_MAX;
        row = candidate < row ? candidate : row;
    }
    return (size_t)row;
}

enum { SUMMED_COLUMNS = 32 };                   // whose sums stay in registers

// The sums of `width` columns from `at` on; a shorter row counts 0 where it ends.
SL_INLINE void sum_columns(const float *const *rows, const size_t *lengths, size_t count, double divisor, size_t at,
                           const size_t width, float *sums) {
    double sum[SUMMED_COLUMNS] = {0};
    for (size_t i = 0; i < count; i++) {
        if (lengths[i] >= at + width) {
            for (size_t k = 0; k < width; k++) sum[k] += rows[i][at + k];
        } else {
            for (size_t k = 0; at + k < lengths[i]; k++) sum[k] += rows[i][at + k];
        }
    }
    for (size_t k = 0; k < width; k++) sums[at + k] = (float)(divisor == 1 ? sum[k] : sum[k] / divisor);
}

SL_FN void k_sum_rows(const float *const *rows, const size_t *lengths, size_t count, double divisor, float *sums,
                      size_t n) {
    size_t at = 0;
    for (; at + SUMMED_COLUMNS <= n; at += SUMMED_COLUMNS) {
        sum_columns(rows, lengths, count, divisor, at, SUMMED_COLUMNS, sums);
    }
    if (at < n) sum_columns(rows, lengths, count, divisor, at, n - at, sums);
}

SL_FN void k_pool_max(const float *x, size_t n, size_t reach, float *maxima) {
    for (size_t i = 0; i < n; i++) maxima[i] = x[i] >= -INFINITY ? x[i] : -INFINITY;
    for (size_t d = 1; d <= reach && d < n; d++) {
        const float *ahead = x + d;
        for (size_t i = 0; i < n - d; i++) maxima[i] = ahead[i] > maxima[i] ? ahead[i] : maxima[i];
        for (size_t i = d; i < n; i++) maxima[i] = x[i - d] > maxima[i] ? x[i - d] : maxima[i];
    }
}

// products[i, j ≥ i] += Σ x[t, i]·x[t, j] over some queries, in order. Products of floats are exact in double.
SL_FN void k_add_products(const float *x, size_t stride, size_t count, size_t n, double *products,
                          double *scratch) {
    enum { TILE = 8 };
    const size_t width = (n + TILE - 1) / TILE * TILE;
    for (size_t first = 0; first < count; first += SL_PRODUCTS_TILE) {
        const size_t rest = count - first, some = rest < SL_PRODUCTS_TILE ? rest : SL_PRODUCTS_TILE;
        for (size_t t = 0; t < some; t++) {
            const float *row = x + (first + t) * stride;
            for (size_t i = 0; i < n; i++) scratch[t * width + i] = row[i];
            for (size_t i = n; i < width; i++) scratch[t * width + i] = 0;
        }
        for (size_t i = 0; i < n; i++) {
            for (size_t j = i / TILE * TILE; j < n; j += TILE) {
                double sum[TILE] = {0};
                const size_t size = n - j < TILE ? n - j : TILE;
                memcpy(sum, products + i * n + j, size * sizeof(double));
                for (size_t t = 0; t < some; t++) {
                    const double a = scratch[t * width + i], *b = scratch + t * width + j;
                    SL_UNROLL for (int k = 0; k < TILE; k++) sum[k] += a * b[k];
                }
                memcpy(products + i * n + j, sum, size * sizeof(double));
            }
        }
    }
}

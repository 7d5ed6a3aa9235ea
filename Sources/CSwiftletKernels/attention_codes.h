// Scores of keys that are stored as codes, in integers.
//
// A query row is rounded once, in groups of 32, to whole multiples of its largest magnitude / 8192, written with
// two digits of base 128 that are at most 64: then two products of a digit and an unsigned byte fit 16 bits, so
// that every way to multiply gives the exact sum. |error of a score| ≤ scale·Σ over groups of (largest |q| / 2¹⁴)
// ·Σ|k| beside roundings of binary32; groups below 2⁻¹⁰⁰ count as 0. A score is one chain over the groups of the
// key, in order, whatever else is computed with it. Expects attention_tiles.h.

// 32 numbers of a query row: x ≈ d·(128·high + low).
typedef struct {
    int8_t high[SL_SMALL_BLOCK], low[SL_SMALL_BLOCK];
    float factor;                               // d times the scale of the scores
    int32_t sum;                                // of all 128·high + low
} coded_query;

enum {
    DIGIT = 128, MOST_CODE = 64 * DIGIT,
    CODE_WORDS = SL_SMALL_BLOCK / 4,            // of 4 codes, per group
};

SL_FN void code_group(const float *q, float scale, coded_query *c) {
    float high[SL_SMALL_BLOCK], low[SL_SMALL_BLOCK];
    V largest = v_set(0), nothing = v_set(0), sum = v_set(0);
    for (size_t i = 0; i < SL_SMALL_BLOCK; i += LANES) {
        const V x = v_load(q + i);
        largest = v_max(largest, v_max(x, v_neg(x)));
        nothing = v_fma(x, v_set(0), nothing);          // NaN if a number is not finite
    }
    const float most = v_largest(largest);
    const bool finite = v_sum(nothing) == 0, coded = finite && most >= 0x1p-100f;
    const V inverse = v_set(coded ? MOST_CODE / most : 0);
    for (size_t i = 0; i < SL_SMALL_BLOCK; i += LANES) {
        const V code = coded ? v_round(v_mul(v_load(q + i), inverse)) : v_set(0);
        const V top = v_round(v_mul(code, v_set(1.0f / DIGIT)));
        v_store(high + i, top);
        v_store(low + i, v_fma(top, v_set(-DIGIT), code));
        sum = v_add(sum, code);                         // exact: below 2²⁴
    }
    for (int i = 0; i < SL_SMALL_BLOCK; i++) {
        c->high[i] = (int8_t)high[i];
        c->low[i] = (int8_t)low[i];
    }
    c->sum = (int32_t)v_sum(sum);
    c->factor = finite ? (coded ? most / MOST_CODE : 0) * scale : NAN;
}

// Whether the keys of a page are scored by their codes.
SL_INLINE bool scores_codes(const sl_kv_page *page) {
    return SCORES_CODES && !page->keys_by_channel
        && (page->key_format == SL_Q8_0 || page->key_format == SL_Q4_0);
}

// What the unsigned codes of a format are too large by.
SL_INLINE int32_t code_offset(const sl_format format) { return format == SL_Q8_0 ? 128 : 8; }

// codes[(group * CODE_WORDS + word) * SL_PAGE_ROWS + row] = 4 codes, unsigned; d[group * SL_PAGE_ROWS + row].
SL_INLINE void load_codes_of(const sl_format format, const uint8_t *rows, const uint8_t *ahead, size_t n,
                             size_t vectors, int32_t *codes, float *d) {
    const size_t bytes = format == SL_Q8_0 ? sizeof(block_q8_0) : sizeof(block_q4_0);
    const size_t stride = n / SL_SMALL_BLOCK * bytes;
    for (size_t v = 0; v < vectors; v++, rows += LANES * stride, codes += LANES, d += LANES) {
        for (size_t g = 0; g < n / SL_SMALL_BLOCK; g++) {
            const uint8_t *block = rows + g * bytes;
            I words[CODE_WORDS];
            look_ahead(&ahead, LANES * (int)bytes);
            v_store(d + g * SL_PAGE_ROWS, v_of_low_half(i_gather(block, stride)));
            i_rows(true, block + sizeof(uint16_t), stride, words);
            if (format == SL_Q8_0) i_rows(true, block + sizeof(uint16_t) + 16, stride, words + 4);
            SL_UNROLL for (int k = 0; k < CODE_WORDS / 2; k++) {
                if (format == SL_Q8_0) {
                    words[k] = i_xor(words[k], i_set((int32_t)0x80808080));
                    words[k + 4] = i_xor(words[k + 4], i_set((int32_t)0x80808080));
                } else {
                    words[k + 4] = high_nibbles(words[k]);
                    words[k] = low_nibbles(words[k]);
                }
            }
            SL_UNROLL for (int k = 0; k < CODE_WORDS; k++) {
                i_store(codes + (g * CODE_WORDS + (size_t)k) * SL_PAGE_ROWS, words[k]);
            }
        }
    }
}

// As load_keys, for keys whose codes are scored; codes: SL_PAGE_ROWS * n / 4 numbers, then d.
SL_FN void load_codes(const sl_kv_page *page, const sl_kv_page *next, size_t n, size_t count, float *keys) {
    const size_t vectors = (count + LANES - 1) / LANES;
    int32_t *codes = (int32_t *)(void *)keys;
    float *d = keys + SL_PAGE_ROWS * n / 4;
    if (page->key_format == SL_Q8_0) {
        load_codes_of(SL_Q8_0, page->keys, next->keys, n, vectors, codes, d);
    } else {
        load_codes_of(SL_Q4_0, page->keys, next->keys, n, vectors, codes, d);
    }
}

// sum + the products of 4 unsigned codes and 4 digits in every lane.
SL_INLINE I add_products(I sum, I codes, I digits) {
#ifdef SL_DOT4
    return SL_DOT4(sum, codes, digits);
#else
    return i_add(sum, i_widen(i_pairs(codes, digits)));
#endif
}

// Scores of R row vectors and T query rows, `groups` of each; d as load_codes leaves it.
SL_INLINE void score_codes_block(const int R, const int T, int32_t offset, const int32_t *codes,
                                 const float *d, const coded_query *queries, size_t groups, float *scores) {
    for (size_t g = 0; g < groups; g++, d += SL_PAGE_ROWS) {
        I high[FEW_SCORE_VECTORS][SCORE_QUERIES], low[FEW_SCORE_VECTORS][SCORE_QUERIES];
        SL_UNROLL for (int t = 0; t < T; t++) {
            const int32_t first = -offset * queries[(size_t)t * groups + g].sum;
            SL_UNROLL for (int r = 0; r < R; r++) {
                high[r][t] = i_set(0);
                low[r][t] = i_set(first);
            }
        }
        for (int k = 0; k < CODE_WORDS; k++, codes += SL_PAGE_ROWS) {
            I words[FEW_SCORE_VECTORS];
            SL_UNROLL for (int r = 0; r < R; r++) words[r] = i_load(codes + r * LANES);
            SL_UNROLL for (int t = 0; t < T; t++) {
                const coded_query *q = queries + (size_t)t * groups + g;
                const I top = i_spread(q->high + 4 * k), rest = i_spread(q->low + 4 * k);
                SL_UNROLL for (int r = 0; r < R; r++) {
                    high[r][t] = add_products(high[r][t], words[r], top);
                    low[r][t] = add_products(low[r][t], words[r], rest);
                }
            }
        }
        SL_UNROLL for (int t = 0; t < T; t++) {
            const V factor = v_set(queries[(size_t)t * groups + g].factor);
            SL_UNROLL for (int r = 0; r < R; r++) {
                float *s = scores + t * SL_PAGE_ROWS + r * LANES;
                const V product = v_of_i(i_add(i_left(high[r][t], 7), low[r][t]));
                const V before = g > 0 ? v_load(s) : v_set(0);
                v_store(s, v_fma(v_mul(product, v_load(d + r * LANES)), factor, before));
            }
        }
    }
}

SL_INLINE void score_codes_rows(const int T, int32_t offset, const int32_t *codes, const float *d,
                                const coded_query *queries, size_t groups, float *scores) {
    const int R = (T <= FEW_QUERIES ? 4 : 2) / (LANES == 16 ? 1 : 2);
    for (size_t j = 0; j < SL_PAGE_ROWS; j += (size_t)(R * LANES)) {
        score_codes_block(R, T, offset, codes + j, d + j, queries, groups, scores + j);
    }
}

// score_page for keys that load_codes has loaded.
SL_FN void score_codes(sl_format format, const float *keys, const coded_query *queries, size_t count, size_t n,
                       float *scores) {
    const int32_t *codes = (const int32_t *)(const void *)keys, offset = code_offset(format);
    const float *d = keys + SL_PAGE_ROWS * n / 4;
    const size_t groups = n / SL_SMALL_BLOCK;
    for (size_t i = 0; i < count; i += SCORE_QUERIES) {
        const coded_query *q = queries + i * groups;
        float *s = scores + i * SL_PAGE_ROWS;
        switch (count - i) {
            case 1: score_codes_rows(1, offset, codes, d, q, groups, s); break;
            case 2: score_codes_rows(2, offset, codes, d, q, groups, s); break;
            case 3: score_codes_rows(3, offset, codes, d, q, groups, s); break;
            case 4: score_codes_rows(4, offset, codes, d, q, groups, s); break;
            case 5: score_codes_rows(5, offset, codes, d, q, groups, s); break;
            default: score_codes_rows(SCORE_QUERIES, offset, codes, d, q, groups, s); break;
        }
    }
}

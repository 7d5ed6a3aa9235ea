// The arithmetic of Swiftlet: one table of functions per instruction set.
//
// Rules: no allocation, no threads, no mutable globals; scratch memory comes from the caller. Matrices are
// row-major, activations are binary32. Every function is compared with the plain Swift `Reference`.
#ifndef SWIFTLET_KERNELS_H
#define SWIFTLET_KERNELS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

// Number formats of stored tensors. Block formats hold `sl_block_elements` numbers in `sl_block_bytes`.
// The layouts of the Q formats are those of GGUF files.
typedef enum sl_format {
    SL_F32, SL_F16, SL_BF16,
    SL_Q8_0, SL_Q4_0, SL_Q4_1, SL_Q5_0, SL_Q5_1,
    SL_Q2_K, SL_Q3_K, SL_Q4_K, SL_Q5_K, SL_Q6_K,
    SL_Q2_1,            // as Q4_1 with 2 bits, lowest first; no format of files, written by quantize_kivi only
    SL_IQ1_S, SL_IQ1_M, SL_IQ2_XXS, SL_IQ2_XS, SL_IQ2_S, SL_IQ3_XXS, SL_IQ3_S, SL_IQ4_NL, SL_IQ4_XS,
    SL_TQ1_0, SL_TQ2_0, SL_MXFP4, SL_NVFP4,
    SL_FORMAT_COUNT
} sl_format;

size_t sl_block_elements(sl_format format);
size_t sl_block_bytes(sl_format format);

// Entry `index` of the codebook of an IQ1, IQ2 or IQ3 format, taken modulo the entries: digits of 2 bits (IQ3: of 3),
// that of the first number lowest; 0 for other formats.
uint16_t sl_codebook_entry(sl_format format, size_t index);

typedef enum sl_isa { SL_ISA_SCALAR, SL_ISA_AVX2, SL_ISA_AVXVNNI, SL_ISA_AVX512, SL_ISA_AVX512VNNI, SL_ISA_NEON, SL_ISA_COUNT } sl_isa;

// Two ways to pair the dimensions that one angle rotates: (i, i + n/2), or (2i, 2i + 1).
typedef enum sl_rope_pairing { SL_ROPE_HALVES, SL_ROPE_ADJACENT } sl_rope_pairing;

// Rows per page of a cache, and per block of rows whose attention is summed up apart.
enum { SL_PAGE_ROWS = 64, SL_BLOCK_ROWS = 256, SL_COLLECT_SLACK = 16 };

// Keys and values of SL_PAGE_ROWS rows, row after row; all of that memory can be read, used or not.
typedef struct sl_kv_page {
    const void *keys, *values;      // rows of key_size and value_size elements
    sl_format key_format, value_format;
    bool keys_by_channel;           // keys are stored transposed: key_size rows of SL_PAGE_ROWS elements
    size_t value_stride;            // bytes from one value to the next; more than one has where values lie in keys
} sl_kv_page;

// The cached rows of one KV head. Page p holds rows [p * SL_PAGE_ROWS, (p + 1) * SL_PAGE_ROWS).
typedef struct sl_kv_rows {
    const sl_kv_page *pages;
    const int32_t *positions;       // [row_count] position of each row; any order
    size_t row_count;
    size_t key_size, value_size;
} sl_kv_rows;

// The query rows that share one KV head: `group` adjacent heads for each of `token_count` tokens.
// Query row r = token * group + head is at data + token * token_stride + head * key_size.
typedef struct sl_queries {
    const float *data;
    size_t token_stride;            // in floats
    size_t token_count, group;
    const int32_t *positions;       // [token_count]
    float scale;                    // multiplies q·k
    int32_t window;                 // 0: none; else row visible iff query position - row position < window
    float cap;                      // 0: none; else scores are cap·tanh(scale·q·k / cap)
    const float *slopes;            // [group], or NULL: less slope · (query position - row position)
} sl_queries;                       // always: row visible iff row position <= query position

// 32 activations, rounded to whole multiples of d: code = nearest(x / d), ties to even.
// d = largest magnitude / 127; 0 below 2^-100, NaN if a number is not finite.
typedef struct sl_q8_block {
    float d;
    float dsum, half_dsum[2];       // d times the sums
    int32_t sum, half_sum[2];       // of all codes, and of the first and last 16
    int32_t unused;
    int8_t codes[32];
} sl_q8_block;

// Guarantees, within one table:
// - dequantize and quantize give the bits of `Reference`, quantize to a K format those of every table; stored
//   numbers may lie at any address;
// - dot, matvec and matmul give the same bits for the same row and token, whatever the rows, tokens and
//   strides of the call, so that work may be cut anywhere; |error| ≤ (n/4 + 20)·2⁻²⁴·Σ|w·x|;
// - attention gives a query row the same bits whatever other query rows are in the call, whatever rows that it
//   does not see follow in the cache, and whether attend does it at once or attend_blocks in parts; another
//   order of rows may round differently;
// - NaN propagates, except from cached rows that are masked.
typedef struct sl_kernels {
    sl_isa isa;
    const char *name;               // what SWIFTLET_ISA calls it

    // dst[n] = binary32 of n stored elements; n is a multiple of the block.
    void (*dequantize)(sl_format format, const void *src, float *dst, size_t n);
    // Stores n numbers, rounding to nearest; false for a format that is only read. The K and IQ4 formats search for
    // scales that make a block's squared error small. A block with a NaN or an infinity reads back as NaN, in MXFP4,
    // which has none, as infinity.
    bool (*quantize)(sl_format format, const float *src, void *dst, size_t n);
    // Stores n numbers as Q4_1 or Q2_1: codes (x − least) / step, to nearest, ties to even, where step is the
    // spread of a block divided by the largest code, computed in binary64; false for another format.
    bool (*quantize_kivi)(sl_format format, const float *src, void *dst, size_t n);
    // Σ w[i]·x[i], n a multiple of the block.
    float (*dot)(sl_format format, const void *w, const float *x, size_t n);
    // y[rows] = W[rows, cols]·x[cols]. Rows are contiguous.
    void (*matvec)(sl_format format, const void *w, size_t rows, size_t cols, const float *x, float *y);
    // y[token, row] = Σ W[row, ·]·x[token, ·]; strides in floats; scratch of sl_matmul_scratch floats.
    void (*matmul)(sl_format format, const void *w, size_t rows, size_t cols, const float *x, size_t x_stride,
                   size_t tokens, float *y, size_t y_stride, float *scratch);

    // y[n / 32] = blocks of x[n], n a multiple of 32; the same bits in every table.
    void (*quantize_q8)(const float *x, size_t n, sl_q8_block *y);
    // matmul with quantised activations, [tokens, cols / 32] blocks, for the Q formats; false for the others.
    // Integers are exact per group of 32 or 16; |error| ≤ (cols/16 + 4)·2⁻²³·Σ|w·x| beside the exact product of
    // weights and codes. scratch: sl_matmul_scratch floats.
    bool (*matmul_q8)(sl_format format, const void *w, size_t rows, size_t cols, const sl_q8_block *x,
                      size_t tokens, float *y, size_t y_stride, void *scratch);

    void (*add)(float *x, const float *y, size_t n);                      // x += y
    void (*scale)(float *x, float a, size_t n);                           // x *= a
    // y = x / sqrt(mean(x²) + eps) · weight; y may be x; weight may be NULL.
    void (*rms_norm)(const float *x, const float *weight, float eps, float *y, size_t n);
    void (*softmax)(float *x, size_t n);                                  // in place; -inf entries become 0
    void (*silu_mul)(const float *gate, const float *up, float *y, size_t n);       // y = silu(gate)·up
    void (*gelu_mul)(const float *gate, const float *up, float *y, size_t n);       // exact (erf) GELU
    void (*gelu_tanh_mul)(const float *gate, const float *up, float *y, size_t n);  // tanh approximation
    // Rotates the first 2·pairs dimensions of `heads` adjacent vectors of head_size, in place.
    // cosine, sine: [pairs] of this token's position.
    void (*rope)(float *x, size_t heads, size_t head_size, size_t pairs, const float *cosine,
                 const float *sine, sl_rope_pairing pairing);

    // Walsh–Hadamard transform of every `block` of x[n], in place, times 1/√block, so that it is its own inverse;
    // block is a power of two that divides n; the same bits in every table.
    void (*hadamard)(float *x, size_t block, size_t n);

    // out[token, head, value_size] = softmax(scores) V over the visible rows, online, never materialised; scores are
    // scale·q·K, capped and sloped as sl_queries says.
    // Query row (token, head) is written at out + token·out_stride + head·value_size. lse (may be NULL)
    // receives ln Σ exp(scale·q·k) at lse + token·lse_stride + head. A query that sees nothing gets 0, -inf.
    // scores (may be NULL) receives scale·q·k, −inf where masked, at query row · scores_stride + row.
    // scratch: sl_attend_scratch(key_size, value_size) floats.
    void (*attend)(const sl_kv_rows *kv, const sl_queries *q, float *out, size_t out_stride, float *lse,
                   size_t lse_stride, float *scores, size_t scores_stride, float *scratch);
    // attend in parts, for several threads: what blocks [first, first + count) of SL_BLOCK_ROWS rows give, at
    // partials [block - first, query row, value_size + 2]; scores are those of all rows of the cache, of which
    // the rows of the blocks are written.
    void (*attend_blocks)(const sl_kv_rows *kv, const sl_queries *q, size_t first, size_t count,
                          float *partials, float *scores, size_t scores_stride, float *scratch);
    // attend_blocks over rows[row_count] of `kv`, whose pages are all in the formats of the first: the same bits as
    // if they lay side by side. Without positions the only token sees every row.
    // scratch: sl_attend_chosen_scratch(key_size, value_size) floats.
    void (*attend_chosen)(const sl_kv_rows *kv, const uint32_t *rows, size_t row_count, const sl_queries *q,
                          size_t first, size_t count, float *partials, float *scratch);
    // What attend would have given, from the partials of all `count` blocks; value_size as in attend_blocks.
    void (*attend_merge)(const float *partials, size_t count, const sl_queries *q, size_t value_size,
                         float *out, size_t out_stride, float *lse, size_t lse_stride);
    // p[query row * p_stride + row] = exp(scale·q·k − lse), 0 where masked, for the rows [first, first + count)
    // of the cache; first is a multiple of SL_PAGE_ROWS. Query rows as in sl_queries.
    void (*attend_weights)(const sl_kv_rows *kv, const sl_queries *q, const float *lse, size_t lse_stride,
                           size_t first, size_t count, float *p, size_t p_stride, float *scratch);
    // sums[head * sums_stride + row] += Σ over tokens, in order, of weight[query row] · p, for the rows of
    // attend_weights; weight NULL means 1; stride 0 adds up the heads, too.
    void (*attend_column_sums)(const sl_kv_rows *kv, const sl_queries *q, const float *lse, size_t lse_stride,
                               const float *weight, size_t first, size_t count, float *sums,
                               size_t sums_stride, float *scratch);
    // products[row] = x·k of every cached row. scratch: as for attend.
    void (*key_products)(const sl_kv_rows *kv, const float *x, float *products, float *scratch);
    // sums[n] += the weights that attend_weights gives, over `count` query rows in order, from the scores that attend
    // left: row i lies at scores + i · stride, its lse at lse + i · lse_stride.
    void (*add_weights)(const float *scores, size_t stride, const float *lse, size_t lse_stride, size_t count,
                        float *sums, size_t n);
    // sums[n] = Σ over `count` query rows of the weights of scores + row · stride with lse[row], in double precision.
    void (*sum_weights)(const float *scores, size_t stride, const float *lse, size_t count, float *sums, size_t n);
    // y[j] = x[places[j]] for n ≥ 1 numbers; false if a place lies outside.
    bool (*gather)(const float *x, size_t n, const int32_t *places, size_t count, float *y);
    // How many of n numbers are smaller than a bound.
    size_t (*count_below)(const int32_t *x, size_t n, int32_t bound);
    // The row with the smallest score among those at positions [first, last], of equals the one at the highest
    // position; n if there is none. NaN counts as the smallest score. Without positions a row's number is its position.
    size_t (*weakest)(const float *scores, const int32_t *positions, size_t n, int32_t first, int32_t last);
    // The vector other than `self` whose product with it, divided by its own length, is largest, 0 for one without
    // length; of equals the one at the lowest position. Products become those quotients, times `factor`; NaN never
    // wins. Returns n if there is none.
    size_t (*most_similar)(float *products, const float *lengths, const int32_t *positions, size_t n, size_t self,
                           float factor);
    // sums[n] = Σ rows[i][n] / divisor over `count` rows in double precision and their order; row i counts 0 from
    // lengths[i] on.
    void (*sum_rows)(const float *const *rows, const size_t *lengths, size_t count, double divisor, float *sums,
                     size_t n);
    // maxima[i] = the largest of x[i − reach … i + reach], without what lies outside; NaN counts as −∞.
    void (*pool_max)(const float *x, size_t n, size_t reach, float *maxima);
    // products[i, j] += Σ x[t, i]·x[t, j] for i ≤ j < n, in double precision and the order of the vectors t, which
    // begin at x + t · stride. What lies below the diagonal is undefined. scratch: sl_products_scratch(n) doubles.
    void (*add_products)(const float *x, size_t stride, size_t count, size_t n, double *products,
                         double *scratch);
    // Product quantisation: keys are cut into sub-spaces, each with its own centroids.
    // labels[n] = the nearest of [clusters, size] centroids to point n at points + n · stride, the lowest of
    // equals; clusters ≤ 65536. distances (may be NULL) receives the squared distances.
    // scratch: sl_pq_scratch(size) floats.
    void (*pq_assign)(const float *points, size_t stride, size_t count, size_t size, const float *centroids,
                      size_t clusters, uint16_t *labels, float *distances, float *scratch);
    // sums[n] = Σ over sub-spaces of tables[subspace, codes[subspace][n]]; codes of 1 or 2 bytes, below clusters.
    void (*pq_sums)(const void *const *codes, size_t code_bytes, size_t subspaces, const float *tables,
                    size_t clusters, float *sums, size_t n);
    // sums[class] = Σ over sub-spaces of tables[subspace, code] for every class of codes, of which that of the first
    // sub-space is the highest digit; the sums of pq_sums.
    void (*pq_class_sums)(const float *tables, size_t subspaces, size_t clusters, float *sums);
    // scores[n] += softmax(scale·dots), where item n stands for counts[n] tokens (NULL: 1); overwrites dots.
    // Items of 0 tokens get nothing.
    void (*pq_add_softmax)(float *dots, const float *counts, float scale, float *scores, size_t n);
    // ranks[n] = 2 if item n is among the first `wanted` tokens, highest score first, with all its tokens; 1 if
    // it has the score at which they end, 0 otherwise. Returns how many tokens of rank 1 are still wanted.
    // wanted ≤ Σ counts < 2²⁴; NaN counts as the smallest score.
    size_t (*pq_rank)(const float *scores, const float *counts, size_t n, size_t wanted, uint8_t *ranks);
    // rows = first + i, ascending, of the tokens whose item has rank 2, and of the first `ties` with rank 1.
    // Token i < n is of item classes[i] < items (NULL: i). Returns their number; may write SL_COLLECT_SLACK numbers
    // past them.
    size_t (*pq_collect)(const uint8_t *ranks, const uint16_t *classes, size_t items, size_t n, size_t ties,
                         uint32_t first, uint32_t *rows);
} sl_kernels;

// The table of one instruction set, or NULL where this machine or build lacks it.
const sl_kernels *sl_kernels_for(sl_isa isa);
// The fastest table that this machine can run.
const sl_kernels *sl_kernels_best(void);

size_t sl_matmul_scratch(size_t cols);
size_t sl_attend_scratch(size_t key_size, size_t value_size);
size_t sl_attend_chosen_scratch(size_t key_size, size_t value_size);
size_t sl_pq_scratch(size_t size);
size_t sl_products_scratch(size_t size);
// Query rows that share one pass over a cache.
size_t sl_query_tile(void);

// Tells the processor that this thread only waits for another one.
static inline void sl_pause(void) {
#if defined(__x86_64__) || defined(__i386__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("yield");
#endif
}

#ifdef __cplusplus
}
#endif
#endif

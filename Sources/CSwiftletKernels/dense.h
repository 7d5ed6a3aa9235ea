// Reading stored numbers, dot products, matrix times vector and matrix times tokens.
//
// One order of summation everywhere: lane j of one vector adds elements j, j + LANES, … in order, the lanes
// are added by v_sum, then the elements past the last whole vector one by one. Hence dot, matvec and matmul
// agree bit for bit, whatever the tiling. Expects: SL_FN, SL_INLINE, LANES, ROWS, TOKENS, the type V and the
// v_… primitives of the instruction set.

// LANES numbers of a plain format, from element i on.
SL_INLINE V load_plain(const sl_format format, const uint8_t *row, size_t i) {
    if (format == SL_F32) return v_load(row + i * sizeof(float));
    if (format == SL_F16) return v_load_f16(row + i * sizeof(uint16_t));
    return v_load_bf16(row + i * sizeof(uint16_t));
}

SL_INLINE float load_plain_one(const sl_format format, const uint8_t *row, size_t i) {
    if (format == SL_F32) return sl_float_of_bits(sl_load_u32(row + i * sizeof(float)));
    if (format == SL_F16) return sl_load_f16(row + i * sizeof(uint16_t));
    return sl_bf16_to_f32(sl_load_u16(row + i * sizeof(uint16_t)));
}

// LANES codes of 2 bits from code i of a block on.
SL_INLINE V load_2bits(const uint8_t *codes, const size_t i) {
    static const int32_t shifts[] = {0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30};
    uint32_t word = 0;
    memcpy(&word, codes + i / 4, LANES / 4);
    return v_of_i(i_and(i_right_each(i_set((int32_t)word), i_load(shifts)), i_set(3)));
}

// LANES numbers of a block with vector path, from element i of the block on; d is the block's scale.
SL_INLINE V load_block(const sl_format format, const uint8_t *block, V d, const size_t i) {
    const uint8_t *codes = block + (format == SL_Q8_0 || format == SL_Q4_0 ? 2 : 4);
    if (format == SL_Q8_0) return v_mul(d, v_load_i8(codes + i));
    if (format == SL_Q2_1) return v_fma(d, load_2bits(codes, i), v_set_f16(block + 2));
    const V code = i < 16 ? v_load_low4(codes + i) : v_load_high4(codes + i - 16);
    if (format == SL_Q4_0) return v_mul(d, code);
    return v_fma(d, v_add(code, v_set(8)), v_set_f16(block + 2));
}

SL_INLINE size_t vector_block_bytes(const sl_format format) {
    switch (format) {
        case SL_Q8_0: return sizeof(block_q8_0);
        case SL_Q4_1: return sizeof(block_q4_1);
        case SL_Q2_1: return sizeof(block_q2_1);
        default: return sizeof(block_q4_0);
    }
}

// Asks for the rows of the next group: rows of a few KiB end before the hardware has noticed their stream.
// Addresses past the matrix do no harm.
SL_INLINE void prefetch(const uint8_t *p) { __builtin_prefetch(p, 0, 3); }

SL_INLINE size_t row_bytes(sl_format format, size_t n) {
    return n / sl_block_elements(format) * sl_block_bytes(format);
}

SL_INLINE void read_plain(const sl_format format, const uint8_t *src, float *dst, size_t n) {
    size_t i = 0;
    for (; i + LANES <= n; i += LANES) v_store(dst + i, load_plain(format, src, i));
    for (; i < n; i++) dst[i] = load_plain_one(format, src, i);
}

SL_INLINE void read_vector_blocks(const sl_format format, const uint8_t *src, float *dst, size_t n) {
    const size_t bytes = vector_block_bytes(format);
    for (size_t i = 0; i < n; i += SL_SMALL_BLOCK, src += bytes) {
        const V d = v_set_f16(src);
        SL_UNROLL for (size_t j = 0; j < SL_SMALL_BLOCK; j += LANES) {
            v_store(dst + i + j, load_block(format, src, d, j));
        }
    }
}

SL_FN void k_dequantize(sl_format format, const void *src, float *dst, size_t n) {
    switch (format) {
        case SL_F32: memcpy(dst, src, n * sizeof(float)); break;
        case SL_F16: read_plain(SL_F16, src, dst, n); break;
        case SL_BF16: read_plain(SL_BF16, src, dst, n); break;
        case SL_Q8_0: read_vector_blocks(SL_Q8_0, src, dst, n); break;
        case SL_Q4_0: read_vector_blocks(SL_Q4_0, src, dst, n); break;
        case SL_Q4_1: read_vector_blocks(SL_Q4_1, src, dst, n); break;
        case SL_Q2_1: read_vector_blocks(SL_Q2_1, src, dst, n); break;
        default: read_blocks(format, src, dst, n); break;
    }
}

SL_FN bool k_quantize(sl_format format, const float *src, void *dst, size_t n) {
    uint8_t *out = dst;
    size_t i = 0;
    switch (format) {
        case SL_F32: memcpy(dst, src, n * sizeof(float)); return true;
        case SL_F16:
            for (; i + LANES <= n; i += LANES) v_store_f16(out + 2 * i, v_load(src + i));
            for (; i < n; i++) {
                const uint16_t h = sl_f32_to_f16(src[i]);
                memcpy(out + 2 * i, &h, sizeof h);
            }
            return true;
        case SL_BF16:
            for (; i < n; i++) {
                const uint16_t h = sl_f32_to_bf16(src[i]);
                memcpy(out + 2 * i, &h, sizeof h);
            }
            return true;
        default: return sl_quantize_blocks(format, src, dst, n) || sl_quantize_looked_up(format, src, dst, n);
    }
}

// y[R] = R rows of a plain format, `stride` bytes apart, times x.
SL_INLINE void rows_plain(const sl_format format, const int R, const uint8_t *w, size_t stride,
                          const float *x, size_t n, float *y) {
    V sum[ROWS];
    for (int r = 0; r < R; r++) sum[r] = v_set(0);
    size_t i = 0;
    for (; i + LANES <= n; i += LANES) {
        const V xi = v_load(x + i);
        if (R > 1 && format != SL_F32) {        // in the order of their addresses
            const uint8_t *next = w + (size_t)R * (stride + i * sizeof(uint16_t));
            for (size_t at = 0; at < (size_t)R * LANES * sizeof(uint16_t); at += 64) prefetch(next + at);
        }
        SL_UNROLL for (int r = 0; r < R; r++) {
            const uint8_t *row = w + (size_t)r * stride;
            sum[r] = v_fma(load_plain(format, row, i), xi, sum[r]);
        }
    }
    for (int r = 0; r < R; r++) {
        const uint8_t *row = w + (size_t)r * stride;
        y[r] = v_sum(sum[r]);
        for (size_t j = i; j < n; j++) y[r] = s_fma(load_plain_one(format, row, j), x[j], y[r]);
    }
}

// y[R] = R rows of q8_0 or q4_0, `stride` bytes apart, times x.
SL_INLINE void rows_vector_blocks(const sl_format format, const int R, const uint8_t *w, size_t stride,
                                  const float *x, size_t n, float *y) {
    const size_t bytes = format == SL_Q8_0 ? sizeof(block_q8_0) : sizeof(block_q4_0);
    V sum[ROWS], d[ROWS];
    for (int r = 0; r < R; r++) sum[r] = v_set(0);
    for (size_t i = 0; i < n; i += SL_SMALL_BLOCK, w += bytes) {
        SL_UNROLL for (int r = 0; r < R; r++) {
            if (R > 1) prefetch(w + (size_t)(R + r) * stride);
            d[r] = v_set_f16(w + (size_t)r * stride);
        }
        SL_UNROLL for (size_t j = 0; j < SL_SMALL_BLOCK; j += LANES) {
            const V xj = v_load(x + i + j);
            SL_UNROLL for (int r = 0; r < R; r++) {
                sum[r] = v_fma(load_block(format, w + (size_t)r * stride, d[r], j), xj, sum[r]);
            }
        }
    }
    for (int r = 0; r < R; r++) y[r] = v_sum(sum[r]);
}

SL_INLINE void rows_of(const sl_format format, const int R, const uint8_t *w, size_t stride, const float *x,
                       size_t n, float *y) {
    if (format < SL_Q8_0) {
        rows_plain(format, R, w, stride, x, n, y);
    } else {
        rows_vector_blocks(format, R, w, stride, x, n, y);
    }
}

SL_INLINE void matvec_of(const sl_format format, const uint8_t *w, size_t rows, size_t cols, const float *x,
                         float *y) {
    const size_t stride = row_bytes(format, cols);
    size_t r = 0;
    for (; r + ROWS <= rows; r += ROWS) rows_of(format, ROWS, w + r * stride, stride, x, cols, y + r);
    for (; r < rows; r++) rows_of(format, 1, w + r * stride, stride, x, cols, y + r);
}

SL_FN void k_matvec(sl_format format, const void *w, size_t rows, size_t cols, const float *x, float *y) {
    switch (format) {
        case SL_F32: matvec_of(SL_F32, w, rows, cols, x, y); break;
        case SL_F16: matvec_of(SL_F16, w, rows, cols, x, y); break;
        case SL_BF16: matvec_of(SL_BF16, w, rows, cols, x, y); break;
        case SL_Q8_0: matvec_of(SL_Q8_0, w, rows, cols, x, y); break;
        case SL_Q4_0: matvec_of(SL_Q4_0, w, rows, cols, x, y); break;
        default: {
            const uint8_t *row = w;
            const size_t stride = row_bytes(format, cols);
            for (size_t r = 0; r < rows; r++) y[r] = dot_blocks(format, row + r * stride, x, cols);
            break;
        }
    }
}

SL_FN float k_dot(sl_format format, const void *w, const float *x, size_t n) {
    float y;
    k_matvec(format, w, 1, n, x, &y);
    return y;
}

// y[t * R + r] = w[r]·x[t] for R rows and T tokens, all held in registers.
SL_INLINE void tile(const int R, const int T, const float *const *w, const float *const *x, size_t n,
                    float *y) {
    V sum[ROWS][TOKENS];
    for (int r = 0; r < R; r++) {
        for (int t = 0; t < T; t++) sum[r][t] = v_set(0);
    }
    size_t i = 0;
    for (; i + LANES <= n; i += LANES) {
        V xi[TOKENS];
        SL_UNROLL for (int t = 0; t < T; t++) xi[t] = v_load(x[t] + i);
        SL_UNROLL for (int r = 0; r < R; r++) {
            const V wi = v_load(w[r] + i);
            SL_UNROLL for (int t = 0; t < T; t++) sum[r][t] = v_fma(wi, xi[t], sum[r][t]);
        }
    }
    for (int t = 0; t < T; t++) {
        for (int r = 0; r < R; r++) {
            float s = v_sum(sum[r][t]);
            for (size_t j = i; j < n; j++) s = s_fma(w[r][j], x[t][j], s);
            y[t * R + r] = s;
        }
    }
}

// y[t * y_stride + r] = w[r]·x[t], for up to ROWS rows and TOKENS tokens.
SL_FN void small_matmul(const float *const *w, size_t rows, const float *const *x, size_t tokens, size_t n,
                        float *y, size_t y_stride) {
    float out[ROWS * TOKENS];
    if (rows == ROWS && tokens == TOKENS) {
        tile(ROWS, TOKENS, w, x, n, out);
        for (size_t t = 0; t < TOKENS; t++) memcpy(y + t * y_stride, out + t * ROWS, ROWS * sizeof(float));
    } else if (rows == ROWS) {
        for (size_t t = 0; t < tokens; t++) {
            tile(ROWS, 1, w, x + t, n, out);
            memcpy(y + t * y_stride, out, ROWS * sizeof(float));
        }
    } else {
        for (size_t t = 0; t < tokens; t++) {
            for (size_t r = 0; r < rows; r++) tile(1, 1, w + r, x + t, n, y + t * y_stride + r);
        }
    }
}

SL_FN void k_matmul(sl_format format, const void *w, size_t rows, size_t cols, const float *x,
                    size_t x_stride, size_t tokens, float *y, size_t y_stride, float *scratch) {
    if (tokens == 1) {
        k_matvec(format, w, rows, cols, x, y);
        return;
    }
    const size_t stride = row_bytes(format, cols);
    for (size_t first = 0; first < rows; first += SL_ROW_TILE) {
        const size_t count = rows - first < SL_ROW_TILE ? rows - first : SL_ROW_TILE;
        const uint8_t *stored = (const uint8_t *)w + first * stride;
        const bool aligned = (uintptr_t)w % _Alignof(float) == 0;
        const float *block = format == SL_F32 && aligned ? (const float *)(const void *)stored : scratch;
        if (block == scratch) k_dequantize(format, stored, scratch, count * cols);
        for (size_t t = 0; t < tokens; t += TOKENS) {
            const size_t t_count = tokens - t < TOKENS ? tokens - t : TOKENS;
            const float *xp[TOKENS], *wp[ROWS];
            for (size_t i = 0; i < t_count; i++) xp[i] = x + (t + i) * x_stride;
            for (size_t r = 0; r < count; r += ROWS) {
                const size_t r_count = count - r < ROWS ? count - r : ROWS;
                for (size_t i = 0; i < r_count; i++) wp[i] = block + (r + i) * cols;
                small_matmul(wp, r_count, xp, t_count, cols, y + t * y_stride + first + r, y_stride);
            }
        }
    }
}

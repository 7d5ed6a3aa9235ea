// Integer primitives in plain C for vectors of four; see avx2.h for what they mean.
// Expects V with four lanes, SL_INLINE and the conversions of formats.h.

typedef int32_t I __attribute__((vector_size(16)));
typedef uint32_t U __attribute__((vector_size(16)));

SL_INLINE I i_set(int32_t a) { return (I){a, a, a, a}; }

SL_INLINE I i_load(const void *p) {
    I v;
    memcpy(&v, p, sizeof v);
    return v;
}

SL_INLINE void i_store(void *p, I v) { memcpy(p, &v, sizeof v); }
SL_INLINE I i_spread(const void *p) { return i_set((int32_t)sl_load_u32(p)); }
SL_INLINE I i_add(I a, I b) { return a + b; }
SL_INLINE I i_sub(I a, I b) { return a - b; }
SL_INLINE I i_and(I a, I b) { return a & b; }
SL_INLINE I i_or(I a, I b) { return a | b; }
SL_INLINE I i_xor(I a, I b) { return a ^ b; }
SL_INLINE I i_left(I a, int n) { return (I)((U)a << (uint32_t)n); }
SL_INLINE I i_right(I a, int n) { return (I)((U)a >> (uint32_t)n); }
SL_INLINE I i_right_signed(I a, int n) { return a >> n; }

SL_INLINE V v_of_i(I a) {
    const float f[] = {(float)a[0], (float)a[1], (float)a[2], (float)a[3]};
    return v_load(f);
}

SL_INLINE V v_of_low_half(I a) {
    const float f[] = {sl_f16_to_f32((uint16_t)a[0]), sl_f16_to_f32((uint16_t)a[1]),
                       sl_f16_to_f32((uint16_t)a[2]), sl_f16_to_f32((uint16_t)a[3])};
    return v_load(f);
}

SL_INLINE I i_gather(const uint8_t *p, size_t stride) {
    return (I){(int32_t)sl_load_u32(p), (int32_t)sl_load_u32(p + stride),
               (int32_t)sl_load_u32(p + 2 * stride), (int32_t)sl_load_u32(p + 3 * stride)};
}

SL_INLINE void i_rows(const uint8_t *p, size_t stride, I *out) {
    for (int k = 0; k < 4; k++) out[k] = i_gather(p + 4 * k, stride);
}

SL_INLINE I i_dot4(I sum, I u, I x) {
    for (int lane = 0; lane < 4; lane++) {
        const uint32_t codes = (uint32_t)u[lane], numbers = (uint32_t)x[lane];
        for (int j = 0; j < 32; j += 8) {
            sum[lane] += (int32_t)(codes >> j & 255) * (int8_t)(numbers >> j & 255);
        }
    }
    return sum;
}

#define SL_DOT4 i_dot4

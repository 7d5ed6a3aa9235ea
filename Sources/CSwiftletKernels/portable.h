// Integer primitives in plain C for vectors of four; see avx2.h for what they mean.
// Expects V with four lanes, SL_INLINE and the conversions of formats.h.

typedef int32_t I __attribute__((vector_size(16)));
typedef uint32_t U __attribute__((vector_size(16)));
typedef uint8_t UB __attribute__((vector_size(16)));
typedef int16_t H __attribute__((vector_size(16)));
typedef uint16_t UH __attribute__((vector_size(16)));

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
SL_INLINE I i_right_each(I a, I n) { return (I)((U)a >> (U)n); }
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

SL_INLINE I i_piece(const uint8_t *p, size_t stride) {
    (void)stride;
    return i_load(p);
}

SL_INLINE void v_rows_f16(const uint8_t *p, size_t stride, V *out) {
    V rows[8];
    for (size_t r = 0; r < 4; r++) {
        rows[r] = v_load_f16(p + r * stride);
        rows[r + 4] = v_load_f16(p + r * stride + 8);
    }
    for (int k = 0; k < 8; k++) {
        const float f[] = {rows[k / 4 * 4][k % 4], rows[k / 4 * 4 + 1][k % 4], rows[k / 4 * 4 + 2][k % 4],
                           rows[k / 4 * 4 + 3][k % 4]};
        out[k] = v_load(f);
    }
}

SL_INLINE I i_low32(I a, I b) { return (I){a[0], b[0], a[1], b[1]}; }
SL_INLINE I i_high32(I a, I b) { return (I){a[2], b[2], a[3], b[3]}; }
SL_INLINE I i_low64(I a, I b) { return (I){a[0], a[1], b[0], b[1]}; }
SL_INLINE I i_high64(I a, I b) { return (I){a[2], a[3], b[2], b[3]}; }
SL_INLINE I i_lookup(const void *table, I bytes) {
    const uint8_t *values = table;
    UB found = (UB)bytes;
    for (int i = 0; i < 16; i++) found[i] = values[found[i] & 15];
    return (I)found;
}

SL_INLINE I i_spread16(const void *p) { return i_load(p); }

SL_INLINE I i_bits_as_16(I words, int k, int half) {
    const uint64_t bits = (uint32_t)words[k] >> 16 * half, every = 0x0101010101010101, bit = 0x8040201008040201;
    const uint64_t bytes[] = {(bits & 255) * every, (bits >> 8 & 255) * every}, tests[] = {bit, bit};
    return (I)((UB)i_and(i_load(bytes), i_load(tests)) != 0) & i_set(0x10101010);
}

// The sums of adjacent numbers of 16 bits.
SL_INLINE I i_pair_sums(H a) { return i_right_signed(i_left((I)a, 16), 16) + i_right_signed((I)a, 16); }

// A code is at most 255 and a number at least -128: products fit 16 bits.
SL_INLINE I i_dot4(I sum, I codes, I x) {
    const H even = (H)((UH)codes & 255) * ((H)((UH)x << 8) >> 8), odd = (H)((UH)codes >> 8) * ((H)x >> 8);
    return sum + i_pair_sums(even) + i_pair_sums(odd);
}

#define SL_DOT4 i_dot4

// Keys become numbers: here an integer product takes longer than that.
enum { SCORES_CODES = 0 };

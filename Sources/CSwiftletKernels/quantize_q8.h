// Rounding activations to blocks of 32 bytes. Expects what dense.h expects and v_round.

// The largest magnitude of a block, as bits; these order like the numbers, infinities and NaN above all.
SL_INLINE uint32_t largest_magnitude(const float *x) {
    uint32_t most = 0;
    for (int i = 0; i < SL_SMALL_BLOCK; i++) {
        const uint32_t bits = sl_bits_of_float(x[i]) & 0x7fffffff;
        most = bits > most ? bits : most;
    }
    return most;
}

SL_FN void k_quantize_q8(const float *x, size_t n, sl_q8_block *y) {
    for (size_t i = 0; i < n; i += SL_SMALL_BLOCK, y++) {
        const uint32_t most = largest_magnitude(x + i);
        const float magnitude = sl_float_of_bits(most);
        const bool usable = most < 0x7f800000 && magnitude >= 0x1p-100f;
        const float inverse = usable ? 127.0f / magnitude : 0;
        y->d = most >= 0x7f800000 ? NAN : usable ? magnitude / 127.0f : 0;
        float rounded[SL_SMALL_BLOCK];
        for (int j = 0; j < SL_SMALL_BLOCK; j += LANES) {
            v_store(rounded + j, v_round(v_mul(v_load(x + i + (size_t)j), v_set(inverse))));
        }
        if (!usable) memset(rounded, 0, sizeof rounded);
        for (int h = 0; h < 2; h++) {
            int32_t sum = 0;
            for (int j = 16 * h; j < 16 * h + 16; j++) {
                const int32_t code = (int32_t)rounded[j];
                y->codes[j] = (int8_t)code;
                sum += code;
            }
            y->half_sum[h] = sum;
            y->half_dsum[h] = y->d * (float)sum;
        }
        y->sum = y->half_sum[0] + y->half_sum[1];
        y->dsum = y->d * (float)y->sum;
    }
}

// Norms, activations and rotations.
// Expects what dense.h expects.

// e^x within 2 ulp for every x, subnormal results included; 0 below −104, infinity above 88.73, NaN for NaN.
//
// x = n·ln 2 + r with |r| ≤ ln 2 / 2; e^r by its Taylor polynomial of degree 7, whose error 5e-9 is below a
// tenth of an ulp; 2^n in two factors, because n itself may be no exponent.
SL_INLINE V v_exp(V x) {
    x = v_max(v_set(-104.0f), v_min(v_set(89.0f), x));
    const V n = v_round(v_mul(x, v_set(0x1.715476p+0f)));
    V r = v_fma(n, v_set(-0x1.62e4p-1f), x);                     // 15 bits of ln 2: n times it is exact
    r = v_fma(n, v_set(-0x1.7f7d1cp-20f), r);
    V p = v_fma(r, v_set(0x1.a01a02p-13f), v_set(0x1.6c16c2p-10f));
    p = v_fma(p, r, v_set(0x1.111112p-7f));
    p = v_fma(p, r, v_set(0x1.555556p-5f));
    p = v_fma(p, r, v_set(0x1.555556p-3f));
    p = v_fma(p, r, v_set(0.5f));
    p = v_add(v_fma(p, v_mul(r, r), r), v_set(1.0f));
    return v_scale2(p, n);
}

// y[i] = f(a[i], b[i]) for a function of vectors; the last, partial vector goes through the stack.
#define SL_MAP2(NAME, EXPRESSION)                                                            \
    SL_FN void NAME(const float *gate, const float *up, float *y, size_t n) {                \
        size_t i = 0;                                                                        \
        for (; i + LANES <= n; i += LANES) {                                                 \
            const V g = v_load(gate + i), u = v_load(up + i);                                \
            v_store(y + i, EXPRESSION);                                                      \
        }                                                                                    \
        if (i == n) return;                                                                  \
        float gates[LANES] = {0}, ups[LANES] = {0}, results[LANES];                          \
        memcpy(gates, gate + i, (n - i) * sizeof(float));                                    \
        memcpy(ups, up + i, (n - i) * sizeof(float));                                        \
        const V g = v_load(gates), u = v_load(ups);                                          \
        v_store(results, EXPRESSION);                                                        \
        memcpy(y + i, results, (n - i) * sizeof(float));                                     \
    }

// x·sigmoid(x)
SL_INLINE V v_silu(V x) { return v_div(x, v_add(v_set(1.0f), v_exp(v_neg(x)))); }

// 0.5·x·(1 + tanh(u)) = x·sigmoid(2u), u = √(2/π)·(x + 0.044715·x³); this form does not cancel for x < 0.
SL_INLINE V v_gelu_tanh(V x) {
    const V cubic = v_fma(v_mul(v_mul(x, x), v_set(0.044715f)), x, x);
    return v_div(x, v_add(v_set(1.0f), v_exp(v_mul(cubic, v_set(-1.5957691216f)))));
}

SL_MAP2(k_silu_mul, v_mul(v_silu(g), u))
SL_MAP2(k_gelu_tanh_mul, v_mul(v_gelu_tanh(g), u))
#undef SL_MAP2

// 0.5·x·(1 + erf(x/√2)) = 0.5·x·erfc(−x/√2), which does not cancel for x < 0.
SL_FN void k_gelu_mul(const float *gate, const float *up, float *y, size_t n) {
    for (size_t i = 0; i < n; i++) y[i] = 0.5f * gate[i] * erfcf(gate[i] * -0.70710678118f) * up[i];
}

SL_FN void k_add(float *x, const float *y, size_t n) {
    size_t i = 0;
    for (; i + LANES <= n; i += LANES) v_store(x + i, v_add(v_load(x + i), v_load(y + i)));
    for (; i < n; i++) x[i] += y[i];
}

SL_FN void k_scale(float *x, float a, size_t n) {
    size_t i = 0;
    for (; i + LANES <= n; i += LANES) v_store(x + i, v_mul(v_load(x + i), v_set(a)));
    for (; i < n; i++) x[i] *= a;
}

SL_FN void k_rms_norm(const float *x, const float *weight, float eps, float *y, size_t n) {
    if (n == 0) return;
    const float mean = k_dot(SL_F32, x, x, n) / (float)n;
    const float factor = 1.0f / sqrtf(mean + eps);
    size_t i = 0;
    for (; i + LANES <= n; i += LANES) {
        const V scaled = v_mul(v_load(x + i), v_set(factor));
        v_store(y + i, weight ? v_mul(scaled, v_load(weight + i)) : scaled);
    }
    for (; i < n; i++) {
        const float scaled = x[i] * factor;
        y[i] = weight ? scaled * weight[i] : scaled;
    }
}

// The largest number, ignoring NaN; −inf if there is none.
SL_FN float largest(const float *x, size_t n) {
    float best = -INFINITY;
    size_t i = 0;
    if (n >= LANES) {
        V most = v_set(-INFINITY);
        for (; i + LANES <= n; i += LANES) most = v_max(v_load(x + i), most);
        float lanes[LANES];
        v_store(lanes, most);
        for (int j = 0; j < LANES; j++) best = lanes[j] > best ? lanes[j] : best;
    }
    for (; i < n; i++) best = x[i] > best ? x[i] : best;
    return best;
}

// x[i] = e^(x[i] − shift) and the sum of the results.
SL_FN float exp_shifted(float *x, size_t n, float shift) {
    V sum = v_set(0);
    size_t i = 0;
    for (; i + LANES <= n; i += LANES) {
        const V e = v_exp(v_sub(v_load(x + i), v_set(shift)));
        v_store(x + i, e);
        sum = v_add(sum, e);
    }
    if (i < n) {
        float last[LANES];
        for (size_t j = 0; j < LANES; j++) last[j] = i + j < n ? x[i + j] : -INFINITY;
        const V e = v_exp(v_sub(v_load(last), v_set(shift)));
        v_store(last, e);
        memcpy(x + i, last, (n - i) * sizeof(float));
        sum = v_add(sum, e);
    }
    return v_sum(sum);
}

SL_FN void k_softmax(float *x, size_t n) {
    const float most = largest(x, n);
    const float sum = exp_shifted(x, n, most == -INFINITY ? 0 : most);
    if (sum != 0) k_scale(x, 1.0f / sum, n);
}

SL_FN void rope_halves(float *x, size_t pairs, const float *cosine, const float *sine) {
    float *a = x, *b = x + pairs;
    size_t i = 0;
    for (; i + LANES <= pairs; i += LANES) {
        const V c = v_load(cosine + i), s = v_load(sine + i), p = v_load(a + i), q = v_load(b + i);
        v_store(a + i, v_sub(v_mul(p, c), v_mul(q, s)));
        v_store(b + i, v_fma(q, c, v_mul(p, s)));
    }
    for (; i < pairs; i++) {
        const float p = a[i], q = b[i];
        a[i] = p * cosine[i] - q * sine[i];
        b[i] = q * cosine[i] + p * sine[i];
    }
}

SL_FN void rope_adjacent(float *x, size_t pairs, const float *cosine, const float *sine) {
    for (size_t i = 0; i < pairs; i++) {
        const float p = x[2 * i], q = x[2 * i + 1];
        x[2 * i] = p * cosine[i] - q * sine[i];
        x[2 * i + 1] = q * cosine[i] + p * sine[i];
    }
}

SL_FN void k_rope(float *x, size_t heads, size_t head_size, size_t pairs, const float *cosine,
                  const float *sine, sl_rope_pairing pairing) {
    for (size_t h = 0; h < heads; h++) {
        if (pairing == SL_ROPE_HALVES) {
            rope_halves(x + h * head_size, pairs, cosine, sine);
        } else {
            rope_adjacent(x + h * head_size, pairs, cosine, sine);
        }
    }
}

// One stage: (a, b) → (a + b, a − b) for all pairs `h` apart.
SL_INLINE void butterflies(float *x, const size_t h, size_t n) {
    for (size_t i = 0; i < n; i += 2 * h) {
        for (size_t j = i; j < i + h; j++) {
            const float a = x[j], b = x[j + h];
            x[j] = a + b;
            x[j + h] = a - b;
        }
    }
}

SL_FN void k_hadamard(float *x, size_t block, size_t n) {
    for (size_t h = 1; h < block; h *= 2) {
        switch (h) {                        // short stages are shuffles if their length is known
            case 1: butterflies(x, 1, n); break;
            case 2: butterflies(x, 2, n); break;
            case 4: butterflies(x, 4, n); break;
            case 8: butterflies(x, 8, n); break;
            default: butterflies(x, h, n); break;
        }
    }
    const float factor = 1 / sqrtf((float)block);
    for (size_t i = 0; i < n; i++) x[i] *= factor;
}

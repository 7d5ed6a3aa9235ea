// Writers of the K formats, compiled once per instruction set; every one gives the same bits.
//
// A super block stores x ≈ d·s·q − dmin·m: codes q of a few bits, integers s and m (m is 0 in q3_K and q6_K) for
// each group of 16 or 32, d and dmin for all 256 numbers. The writer looks for the least Σ w·(stored − x)², where w
// is |x| and the root mean square of the group: large weights meet large activations more often.
// 1. each group by itself, with real s and m: codes to the nearest from a grid of starts, then the s and m that
//    are best for these codes (least squares), and again from the best of them;
// 2. the integers s and m, which may be neighbours of the nearest ones, with codes chosen anew;
// 3. d and dmin that are best for all these integers (least squares), and 2 again.
// Groups are independent, so that lane k of a vector is group k and sums need no order; nothing is fused.
// Expects SL_FN, SL_INLINE and k_quantize; the last include before table.h.

#pragma STDC FP_CONTRACT OFF
#pragma clang diagnostic push
#pragma clang diagnostic ignored "-Wpsabi"          // functions on wide vectors are inlined, so none is passed

enum { GROUPS = 8, PACKS = 2, LONGEST_GROUP = 32 };
typedef float G __attribute__((vector_size(32)));
typedef int32_t GI __attribute__((vector_size(32)));

// What a format can store, and where the search starts.
typedef struct {
    int group;                      // numbers per group
    float low, high;                // codes
    float scale_low, scale_high;    // s
    float minimum_high;             // m; 0 if the format has none
    float first, step;              // codes that the extreme gets beyond the largest code, as a grid
    int steps;
    float least, shrink;            // the part of the group's minimum that the smallest code means, as a grid
    int shrinks;
} super_shape;

// Eight groups: x[i][k] is number i of group k, w[i][k] its weight; Σ w and Σ w·x.
typedef struct { G x[LONGEST_GROUP], w[LONGEST_GROUP], weight, sum; } groups;

typedef struct { G q, qq, qx; } code_sums;              // Σ w·q, Σ w·q² and Σ w·q·x
typedef struct { G scale, base, gain; } line;           // x ≈ scale·q + base lowers Σ w·x² by gain
typedef struct { G scale, minimum, error; } integers;   // s and m of eight groups
typedef struct { float d, dmin; } steps;

SL_INLINE G g_set(float a) { return (G){a, a, a, a, a, a, a, a}; }
SL_INLINE G g_select(GI mask, G a, G b) { return (G)((mask & (GI)a) | (~mask & (GI)b)); }
SL_INLINE G g_max(G a, G b) { return g_select((GI)(a > b), a, b); }
SL_INLINE G g_min(G a, G b) { return g_select((GI)(a < b), a, b); }
SL_INLINE G g_limit(G x, float low, float high) { return g_min(g_max(x, g_set(low)), g_set(high)); }
SL_INLINE G g_magnitude(G x) { return (G)((GI)x & 0x7fffffff); }

// To the nearest integer, ties to even, for |x| < 2²².
SL_INLINE G g_round(G x) { return (x + g_set(0x1.8p23f)) - g_set(0x1.8p23f); }

// a / b, and 0 where b is 0.
SL_INLINE G g_ratio(G a, G b) { return g_select((GI)(b != g_set(0)), a / b, g_set(0)); }

SL_INLINE double g_sum(G v) {
    double sum = 0;
    for (int k = 0; k < GROUPS; k++) sum += v[k];
    return sum;
}

// The lane of largest magnitude.
SL_INLINE float g_extreme(G v) {
    float extreme = 0;
    for (int k = 0; k < GROUPS; k++) extreme = fabsf(v[k]) > fabsf(extreme) ? v[k] : extreme;
    return extreme;
}

SL_INLINE void load_groups(const float *x, float factor, const super_shape *shape, groups *g) {
    const int n = shape->group;
    G squares = g_set(0);
    for (int i = 0; i < n; i++) {
        for (int k = 0; k < GROUPS; k++) g->x[i][k] = x[k * n + i] * factor;
        squares += g->x[i] * g->x[i];
    }
    G mean;
    for (int k = 0; k < GROUPS; k++) mean[k] = sqrtf(squares[k] / (float)n);
    g->sum = g_set(0);
    g->weight = g_set(0);
    for (int i = 0; i < n; i++) {
        g->w[i] = mean + g_magnitude(g->x[i]);
        g->weight += g->w[i];
        g->sum += g->w[i] * g->x[i];
    }
}

// The code nearest to x with a step of 1 / inverse from base up.
SL_INLINE G code_of(G x, G inverse, G base, const super_shape *shape) {
    return g_round(g_limit((x - base) * inverse, shape->low, shape->high));
}

SL_INLINE code_sums sum_codes(const groups *g, G inverse, G base, const super_shape *shape) {
    code_sums sums = {g_set(0), g_set(0), g_set(0)};
    for (int i = 0; i < shape->group; i++) {
        const G q = code_of(g->x[i], inverse, base, shape);
        const G weighted = g->w[i] * q;
        sums.q += weighted;
        sums.qq += weighted * q;
        sums.qx += weighted * g->x[i];
    }
    return sums;
}

// The best line for given codes, through 0 or from a base that is not above 0.
SL_INLINE line best_line(const groups *g, code_sums sums, const super_shape *shape) {
    const G through = g_ratio(sums.qx, sums.qq);
    if (shape->minimum_high == 0) return (line){through, g_set(0), through * sums.qx};
    const G n = g->weight, spread = sums.qq * n - sums.q * sums.q;
    const G slope = g_ratio(sums.qx * n - sums.q * g->sum, spread);
    const G mean = g_ratio(g->sum - slope * sums.q, n);
    const GI isLine = (GI)(spread > g_set(0)) & (GI)(mean <= g_set(0)) & (GI)(slope > g_set(0));
    const G a = g_select(isLine, slope, through), b = g_select(isLine, mean, g_set(0));
    const G gain = a * (2 * sums.qx - a * sums.qq - 2 * b * sums.q) + b * (2 * g->sum - b * n);
    return (line){a, b, gain};
}

SL_INLINE void keep_better(line *best, line other) {
    const GI better = (GI)(other.gain > best->gain);
    best->scale = g_select(better, other.scale, best->scale);
    best->base = g_select(better, other.base, best->base);
    best->gain = g_select(better, other.gain, best->gain);
}

SL_INLINE void try_line(const groups *g, G inverse, G base, const super_shape *shape, line *best) {
    keep_better(best, best_line(g, sum_codes(g, inverse, base, shape), shape));
}

// From the smallest number, or some way above it, up.
SL_INLINE void search_from_minimum(const groups *g, const super_shape *shape, line *best) {
    G low = g_set(0), high = g->x[0];
    for (int i = 0; i < shape->group; i++) {
        low = g_min(low, g->x[i]);
        high = g_max(high, g->x[i]);
    }
    for (int i = 0; i < shape->shrinks; i++) {
        const G base = low * g_set(shape->least + shape->shrink * (float)i);
        for (int k = 0; k < shape->steps; k++) {
            const float codes = shape->high + shape->first + shape->step * (float)k;
            try_line(g, g_ratio(g_set(codes), high - base), base, shape, best);
        }
    }
}

// Around 0, which has a code: the number of largest magnitude gets the lowest code or the highest.
SL_INLINE void search_around_zero(const groups *g, const super_shape *shape, line *best) {
    G extreme = g_set(0);
    for (int i = 0; i < shape->group; i++) {
        extreme = g_select((GI)(g_magnitude(g->x[i]) > g_magnitude(extreme)), g->x[i], extreme);
    }
    for (int k = 0; k < shape->steps; k++) {
        const float beyond = shape->first + shape->step * (float)k;
        try_line(g, g_ratio(g_set(shape->low - beyond), extreme), g_set(0), shape, best);
        try_line(g, g_ratio(g_set(shape->high + beyond), extreme), g_set(0), shape, best);
    }
}

SL_INLINE line fit_groups(const groups *g, const super_shape *shape) {
    line best = {g_set(0), g_set(0), g_set(0)};
    if (shape->minimum_high > 0) {
        search_from_minimum(g, shape, &best);
    } else {
        search_around_zero(g, shape, &best);
    }
    for (int i = 0; i < 2; i++) try_line(g, g_ratio(g_set(1), best.scale), best.base, shape, &best);
    return best;
}

SL_INLINE G squared_error(const groups *g, G scale, G base, const super_shape *shape) {
    const G inverse = g_ratio(g_set(1), scale);
    G error = g_set(0);
    for (int i = 0; i < shape->group; i++) {
        const G off = scale * code_of(g->x[i], inverse, base, shape) + base - g->x[i];
        error += g->w[i] * off * off;
    }
    return error;
}

// The integers near wanted.scale / d and wanted.base / −dmin that leave the least error.
SL_INLINE integers choose_integers(const groups *g, line wanted, steps step, const super_shape *shape) {
    const G d = g_set(step.d), dmin = g_set(step.dmin), inverse = g_ratio(g_set(1), dmin);
    const G nearest = g_round(g_limit(g_ratio(wanted.scale, d), shape->scale_low, shape->scale_high));
    const G minimum = g_round(g_limit(-wanted.base * inverse, 0, shape->minimum_high));
    integers best = {nearest, minimum, g_set(INFINITY)};
    for (int delta = -1; delta <= 1; delta++) {
        const G s = g_limit(nearest + g_set((float)delta), shape->scale_low, shape->scale_high);
        G m = minimum;
        if (shape->minimum_high > 0) {
            const code_sums sums = sum_codes(g, g_ratio(g_set(1), s * d), -m * dmin, shape);
            const G offset = g_ratio(s * d * sums.q - g->sum, g->weight);
            m = g_round(g_limit(offset * inverse, 0, shape->minimum_high));
        }
        const G error = squared_error(g, s * d, -m * dmin, shape);
        const GI better = (GI)(error < best.error);
        best.scale = g_select(better, s, best.scale);
        best.minimum = g_select(better, m, best.minimum);
        best.error = g_select(better, error, best.error);
    }
    return best;
}

// Solves for the d and dmin that are best for given integers and their codes: x ≈ d·a − dmin·m with a = s·q.
SL_INLINE steps best_steps(const groups *g, const integers *chosen, steps step, const super_shape *shape) {
    double aa = 0, am = 0, mm = 0, ax = 0, mx = 0;
    for (int p = 0; p < SL_SUPER_BLOCK / (GROUPS * shape->group); p++) {
        const G s = chosen[p].scale, m = chosen[p].minimum, base = -m * g_set(step.dmin);
        const code_sums sums = sum_codes(g + p, g_ratio(g_set(1), s * g_set(step.d)), base, shape);
        aa += g_sum(s * s * sums.qq);
        am += g_sum(s * m * sums.q);
        mm += g_sum(m * m * g[p].weight);
        ax += g_sum(s * sums.qx);
        mx += g_sum(m * g[p].sum);
    }
    const double spread = aa * mm - am * am;
    if (spread > 1e-6 * aa * mm) {
        return (steps){(float)((ax * mm - mx * am) / spread), (float)((ax * am - mx * aa) / spread)};
    }
    return (steps){aa > 0 ? (float)((ax + step.dmin * am) / aa) : 0, step.dmin};
}

// The binary16 nearest to v·2^exponent, which stays finite, and not 0 unless v is 0; v becomes what it means.
SL_INLINE uint16_t as_half(float *v, int exponent) {
    const uint16_t sign = *v < 0 ? 0x8000 : 0;
    uint16_t magnitude = sl_f32_to_f16(ldexpf(fabsf(*v), exponent));
    if (magnitude > 0x7bff) magnitude = 0x7bff;
    if (magnitude == 0 && *v != 0) magnitude = 1;
    *v = ldexpf(sl_f16_to_f32(sign | magnitude), -exponent);
    return sign | magnitude;
}

SL_INLINE void store_codes(const groups *g, integers chosen, steps step, int first,
                           const super_shape *shape, sl_super_codes *out) {
    const G scale = chosen.scale * g_set(step.d), base = -chosen.minimum * g_set(step.dmin);
    const G inverse = g_ratio(g_set(1), scale);
    for (int i = 0; i < shape->group; i++) {
        const G q = code_of(g->x[i], inverse, base, shape) - g_set(shape->low);
        for (int k = 0; k < GROUPS; k++) out->codes[(first + k) * shape->group + i] = (uint8_t)q[k];
    }
    for (int k = 0; k < GROUPS; k++) {
        out->scales[first + k] = (int8_t)chosen.scale[k];
        out->minima[first + k] = (uint8_t)chosen.minimum[k];
    }
}

// x is finite and not all 0; its largest magnitude is at least 2^(exponent − 1), and below 2^exponent.
SL_FN void encode(const float *x, int exponent, const super_shape *shape, sl_super_codes *out) {
    const int packs = SL_SUPER_BLOCK / (GROUPS * shape->group);
    groups g[PACKS];
    line wanted[PACKS];
    integers chosen[PACKS];
    G scales = g_set(0), bases = g_set(0);
    for (int p = 0; p < packs; p++) {
        load_groups(x + p * GROUPS * shape->group, ldexpf(1, -exponent), shape, g + p);
        wanted[p] = fit_groups(g + p, shape);
        scales = g_select((GI)(g_magnitude(wanted[p].scale) > g_magnitude(scales)), wanted[p].scale, scales);
        bases = g_min(bases, wanted[p].base);
    }
    const bool affine = shape->minimum_high > 0;
    steps step = {g_extreme(scales) / (affine ? shape->scale_high : shape->scale_low),
                  affine ? -g_extreme(bases) / shape->minimum_high : 0};
    double least = INFINITY;
    for (int round = 0; round < 2; round++) {
        const uint16_t d = as_half(&step.d, exponent), dmin = as_half(&step.dmin, exponent);
        double error = 0;
        for (int p = 0; p < packs; p++) {
            chosen[p] = choose_integers(g + p, wanted[p], step, shape);
            error += g_sum(chosen[p].error);
            wanted[p].scale = chosen[p].scale * g_set(step.d);
            wanted[p].base = -chosen[p].minimum * g_set(step.dmin);
        }
        if (!(error < least)) return;
        least = error;
        out->d = d;
        out->dmin = dmin;
        for (int p = 0; p < packs; p++) store_codes(g + p, chosen[p], step, p * GROUPS, shape, out);
        step = best_steps(g, chosen, step, shape);
        if (step.d == 0 || step.dmin < 0 || (affine && step.d < 0)) return;
    }
}

static const super_shape super_shapes[] = {
    {16, 0, 3, 0, 15, 15, -0.6f, 0.15f, 8, 0.2f, 0.2f, 5},                  // q2_K
    {16, -4, 3, -32, 31, 0, -0.8f, 0.2f, 9, 0, 0, 0},                       // q3_K
    {32, 0, 15, 0, 63, 63, -1.2f, 0.12f, 14, 0.85f, 0.075f, 3},             // q4_K
    {32, 0, 31, 0, 63, 63, -1.0f, 0.15f, 12, 0.94f, 0.03f, 3},              // q5_K
    {16, -32, 31, -128, 127, 0, -1.5f, 0.125f, 24, 0, 0, 0},                // q6_K
};

// The codes of one super block. A NaN or an infinity makes every number read back as NaN; a block below a
// millionth of the smallest binary16 is 0.
SL_FN void encode_super_block(sl_format format, const float *x, sl_super_codes *out) {
    float largest = 0;
    bool isFinite = true;
    for (int i = 0; i < SL_SUPER_BLOCK; i++) {
        isFinite &= fabsf(x[i]) <= __FLT_MAX__;
        largest = fabsf(x[i]) > largest ? fabsf(x[i]) : largest;
    }
    memset(out, 0, sizeof *out);
    if (!isFinite) out->d = 0x7e00;
    if (!isFinite || largest < 0x1p-44f) return;
    int exponent;
    frexpf(largest, &exponent);
    encode(x, exponent, &super_shapes[format - SL_Q2_K], out);
}

SL_FN bool k_quantize_any(sl_format format, const float *src, void *dst, size_t n) {
    if (format < SL_Q2_K || format > SL_Q6_K) return k_quantize(format, src, dst, n);
    const size_t bytes = sl_block_bytes(format);
    uint8_t *out = dst;
    for (size_t i = 0; i < n; i += SL_SUPER_BLOCK, out += bytes) {
        sl_super_codes codes;
        encode_super_block(format, src + i, &codes);
        sl_pack_super_block(format, &codes, out);
    }
    return true;
}

#pragma clang diagnostic pop

// Sizes of the formats, and the choice of an instruction set.
#include "codebooks.h"
#include "formats.h"
#include "tiles.h"

size_t sl_block_elements(sl_format format) {
    if (format >= SL_Q2_K && format <= SL_Q6_K) return SL_SUPER_BLOCK;
    if (format == SL_NVFP4) return 2 * SL_SMALL_BLOCK;
    if (format >= SL_IQ1_S && format != SL_IQ4_NL && format != SL_MXFP4) return SL_SUPER_BLOCK;
    return format >= SL_Q8_0 ? SL_SMALL_BLOCK : 1;
}

size_t sl_block_bytes(sl_format format) {
    switch (format) {
        case SL_F32: return sizeof(float);
        case SL_F16:
        case SL_BF16: return sizeof(uint16_t);
        case SL_Q8_0: return sizeof(block_q8_0);
        case SL_Q4_0: return sizeof(block_q4_0);
        case SL_Q4_1: return sizeof(block_q4_1);
        case SL_Q5_0: return sizeof(block_q5_0);
        case SL_Q5_1: return sizeof(block_q5_1);
        case SL_Q2_K: return sizeof(block_q2_K);
        case SL_Q3_K: return sizeof(block_q3_K);
        case SL_Q4_K: return sizeof(block_q4_K);
        case SL_Q5_K: return sizeof(block_q5_K);
        case SL_Q6_K: return sizeof(block_q6_K);
        case SL_Q2_1: return sizeof(block_q2_1);
        case SL_IQ1_S: return sizeof(block_iq1_s);
        case SL_IQ1_M: return sizeof(block_iq1_m);
        case SL_IQ2_XXS: return sizeof(block_iq2_xxs);
        case SL_IQ2_XS: return sizeof(block_iq2_xs);
        case SL_IQ2_S: return sizeof(block_iq2_s);
        case SL_IQ3_XXS: return sizeof(block_iq3_xxs);
        case SL_IQ3_S: return sizeof(block_iq3_s);
        case SL_IQ4_NL: return sizeof(block_iq4_nl);
        case SL_IQ4_XS: return sizeof(block_iq4_xs);
        case SL_TQ1_0: return sizeof(block_tq1_0);
        case SL_TQ2_0: return sizeof(block_tq2_0);
        case SL_MXFP4: return sizeof(block_mxfp4);
        case SL_NVFP4: return sizeof(block_nvfp4);
        case SL_FORMAT_COUNT: return 0;
    }
    return 0;
}

uint16_t sl_codebook_entry(sl_format format, size_t index) {
    switch (format) {
        case SL_IQ1_S:
        case SL_IQ1_M: return sl_codebook_iq1[index % 2048];
        case SL_IQ2_XXS: return sl_codebook_iq2_xxs[index % 256];
        case SL_IQ2_XS: return sl_codebook_iq2_xs[index % 512];
        case SL_IQ2_S: return sl_codebook_iq2_s[index % 1024];
        case SL_IQ3_XXS: return sl_codebook_iq3_xxs[index % 256];
        case SL_IQ3_S: return sl_codebook_iq3_s[index % 512];
        default: return 0;
    }
}

// __builtin_cpu_supports also asks whether the operating system saves the wide registers.
const sl_kernels *sl_kernels_for(sl_isa isa) {
    switch (isa) {
        case SL_ISA_SCALAR: return &sl_table_scalar;
#if defined(__x86_64__)
        case SL_ISA_AVX2: {
            const bool runs = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")
                && __builtin_cpu_supports("f16c");
            return runs ? &sl_table_avx2 : NULL;
        }
        case SL_ISA_AVXVNNI: {
            const bool runs = __builtin_cpu_supports("avxvnni");
            return runs && sl_kernels_for(SL_ISA_AVX2) ? &sl_table_avxvnni : NULL;
        }
        case SL_ISA_AVX512: {
            const bool runs = __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw")
                && __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512dq");
            return runs && sl_kernels_for(SL_ISA_AVX2) ? &sl_table_avx512 : NULL;
        }
        case SL_ISA_AVX512VNNI: {
            const bool runs = __builtin_cpu_supports("avx512vnni");
            return runs && sl_kernels_for(SL_ISA_AVX512) ? &sl_table_avx512vnni : NULL;
        }
#elif defined(__aarch64__)
        case SL_ISA_NEON: return &sl_table_neon;
#endif
        default: return NULL;
    }
}

const sl_kernels *sl_kernels_best(void) {
    const sl_isa order[] = {SL_ISA_AVX512VNNI, SL_ISA_AVX512, SL_ISA_AVXVNNI, SL_ISA_AVX2, SL_ISA_NEON};
    for (size_t i = 0; i < sizeof order / sizeof *order; i++) {
        const sl_kernels *table = sl_kernels_for(order[i]);
        if (table) return table;
    }
    return &sl_table_scalar;
}

// matmul_q8 keeps SL_Q_ROWS rows of at most 48 bytes per group of 32, and 16 stored rows of at most 34 bytes
// per 32.
size_t sl_matmul_scratch(size_t cols) {
    const size_t packed = SL_Q_ROWS * 48 * cols / 32, spare = 16 * 34 * cols / 32;
    const size_t floats = (packed + spare) / sizeof(float) + 1;
    return floats > SL_ROW_TILE * cols ? floats : SL_ROW_TILE * cols;
}

// See workspace_at in attention.h.
size_t sl_attend_scratch(size_t key_size, size_t value_size) {
    const size_t tiles = SL_PAGE_ROWS * (2 * key_size + value_size);
    const size_t codes = SL_QUERY_TILE * (key_size / SL_SMALL_BLOCK) * SL_CODED_QUERY / sizeof(float);
    return tiles + codes + SL_QUERY_TILE * (SL_PAGE_ROWS + value_size + SL_LANES_MOST + 3);
}

// And a page of keys, values and positions.
size_t sl_attend_chosen_scratch(size_t key_size, size_t value_size) {
    return sl_attend_scratch(key_size, value_size) + SL_PAGE_ROWS * (key_size + value_size + 1);
}

// A tile of points, one per lane of the widest vectors.
size_t sl_pq_scratch(size_t size) { return 16 * size; }

size_t sl_products_scratch(size_t size) { return SL_PRODUCTS_TILE * (size + 8); }

size_t sl_query_tile(void) { return SL_QUERY_TILE; }

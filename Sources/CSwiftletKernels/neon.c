// AArch64 with Advanced SIMD, which every such processor has: vectors of four.
#if defined(__aarch64__)
#include <arm_neon.h>

#include "kernels.h"

#define SL_TARGET
#define SL_ISA SL_ISA_NEON
#define SL_NAME "neon"
#define SL_TABLE sl_table_neon

enum { LANES = 4, ROWS = 4, TOKENS = 5, Q_TOKENS = 4 };
typedef float32x4_t V;

SL_INLINE V v_set(float a) { return vdupq_n_f32(a); }
SL_INLINE V v_set_f16(const void *p) {
    return vcvt_f32_f16(vreinterpret_f16_u16(vdup_n_u16(sl_load_u16(p))));
}

SL_INLINE float s_load_f16(const void *p) { return vgetq_lane_f32(v_set_f16(p), 0); }

SL_INLINE V v_load(const void *p) { return vreinterpretq_f32_u8(vld1q_u8(p)); }
SL_INLINE void v_store(void *p, V v) { vst1q_u8(p, vreinterpretq_u8_f32(v)); }
SL_INLINE V v_load_f16(const uint8_t *p) { return vcvt_f32_f16(vreinterpret_f16_u8(vld1_u8(p))); }
SL_INLINE void v_store_f16(void *p, V v) { vst1_u8(p, vreinterpret_u8_f16(vcvt_f16_f32(v))); }

SL_INLINE V v_load_bf16(const uint8_t *p) {
    return vreinterpretq_f32_u32(vshll_n_u16(vreinterpret_u16_u8(vld1_u8(p)), 16));
}

SL_INLINE uint32x4_t load_bytes(const uint8_t *p) {
    const uint8x8_t bytes = vreinterpret_u8_u32(vdup_n_u32(sl_load_u32(p)));
    return vmovl_u16(vget_low_u16(vmovl_u8(bytes)));
}

SL_INLINE V v_load_i8(const uint8_t *p) {
    const int8x8_t bytes = vreinterpret_s8_u32(vdup_n_u32(sl_load_u32(p)));
    return vcvtq_f32_s32(vmovl_s16(vget_low_s16(vmovl_s8(bytes))));
}

SL_INLINE V v_load_low4(const uint8_t *p) {
    const uint32x4_t codes = vandq_u32(load_bytes(p), vdupq_n_u32(15));
    return vcvtq_f32_s32(vsubq_s32(vreinterpretq_s32_u32(codes), vdupq_n_s32(8)));
}

SL_INLINE V v_load_high4(const uint8_t *p) {
    const uint32x4_t codes = vshrq_n_u32(load_bytes(p), 4);
    return vcvtq_f32_s32(vsubq_s32(vreinterpretq_s32_u32(codes), vdupq_n_s32(8)));
}

SL_INLINE V v_add(V a, V b) { return vaddq_f32(a, b); }
SL_INLINE V v_sub(V a, V b) { return vsubq_f32(a, b); }
SL_INLINE V v_mul(V a, V b) { return vmulq_f32(a, b); }
SL_INLINE V v_div(V a, V b) { return vdivq_f32(a, b); }
SL_INLINE V v_neg(V a) { return vnegq_f32(a); }
SL_INLINE V v_fma(V a, V b, V c) { return vfmaq_f32(c, a, b); }
SL_INLINE float s_fma(float a, float b, float c) { return __builtin_fmaf(a, b, c); }
SL_INLINE V v_max(V a, V b) { return vbslq_f32(vcgtq_f32(a, b), a, b); }
SL_INLINE V v_min(V a, V b) { return vbslq_f32(vcltq_f32(a, b), a, b); }
SL_INLINE V v_round(V x) { return vrndnq_f32(x); }

SL_INLINE V v_scale2(V x, V n) {
    const int32x4_t bits = vcvtq_s32_f32(n), half = vshrq_n_s32(bits, 1), bias = vdupq_n_s32(127);
    const V a = vreinterpretq_f32_s32(vshlq_n_s32(vaddq_s32(half, bias), 23));
    const V b = vreinterpretq_f32_s32(vshlq_n_s32(vaddq_s32(vsubq_s32(bits, half), bias), 23));
    return vmulq_f32(vmulq_f32(x, a), b);
}

SL_INLINE float v_sum(V v) {
    const float32x2_t two = vadd_f32(vget_low_f32(v), vget_high_f32(v));
    return vget_lane_f32(two, 0) + vget_lane_f32(two, 1);
}

SL_INLINE float v_largest(V v) { return vmaxvq_f32(v); }

#include "portable.h"

#include "blocks.h"
#include "dense.h"
#include "elementwise.h"
#include "products.h"
#include "unpack.h"
#include "attention_tiles.h"
#include "attention_codes.h"
#include "attention.h"
#include "integer.h"
#include "evidence.h"
#include "pq.h"
#include "quantize_q8.h"
#include "superblocks.h"
#include "table.h"
#endif

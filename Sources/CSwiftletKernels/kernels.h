// Everything that is written once and compiled per instruction set.
//
// The including file defines SL_TARGET (function attributes), SL_ISA, SL_NAME, SL_TABLE, LANES, ROWS × TOKENS
// (the block of results that matmul keeps in registers), Q_TOKENS (tokens of a block of integer products), the
// vector types V and I and these primitives:
//   v_set v_set_f16 v_load v_store v_load_f16 v_store_f16 v_load_bf16 v_load_i8 v_load_low4 v_load_high4
//   v_add v_sub v_mul v_div v_fma v_neg v_max v_min v_round v_scale2 v_sum v_largest and, for one
//   number, s_fma s_load_f16.
// v_max(a, b) and v_min(a, b) are b if a or b is NaN. v_load_low4 and v_load_high4 subtract the 8 of q4_0.
// Integers: i_set i_load i_store i_spread (4 bytes to every lane) i_gather (4 bytes of each row) i_rows (16 bytes
// of each row, transposed) i_lookup i_add i_sub i_and i_or i_xor i_left i_right i_right_signed i_right_each v_of_i v_of_low_half, and
// SL_DOT4(sum, unsigned codes, activations), or for want of it i_pairs i_pairs_signed i_add16 i_widen. Also
// v_rows_f16: 8 numbers of each row, transposed.
#ifndef SWIFTLET_KERNELS_INTERNAL_H
#define SWIFTLET_KERNELS_INTERNAL_H

#include <math.h>

#include "codebooks.h"
#include "formats.h"
#include "tiles.h"

#define SL_FN static SL_TARGET
#define SL_INLINE static inline __attribute__((always_inline)) SL_TARGET
#define SL_UNROLL _Pragma("clang loop unroll(full)")

#endif

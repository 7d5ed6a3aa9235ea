// The table of one instruction set; the last include of its file. Expects SL_TABLE, SL_ISA and SL_NAME.

const sl_kernels SL_TABLE = {
    .isa = SL_ISA,
    .name = SL_NAME,
    .dequantize = k_dequantize,
    .quantize = k_quantize,
    .dot = k_dot,
    .matvec = k_matvec,
    .matmul = k_matmul,
    .quantize_q8 = k_quantize_q8,
    .matmul_q8 = k_matmul_q8,
    .add = k_add,
    .scale = k_scale,
    .rms_norm = k_rms_norm,
    .softmax = k_softmax,
    .silu_mul = k_silu_mul,
    .gelu_mul = k_gelu_mul,
    .gelu_tanh_mul = k_gelu_tanh_mul,
    .rope = k_rope,
    .attend = k_attend,
    .attend_weights = k_attend_weights,
    .attend_column_sums = k_attend_column_sums,
};

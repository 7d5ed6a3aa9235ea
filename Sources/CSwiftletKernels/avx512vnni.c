// x86-64 with AVX-512 and its VNNI: vectors of sixteen, integer dot products in one instruction.
#if defined(__x86_64__)
#define SL_TARGET __attribute__((target("avx512f,avx512bw,avx512vl,avx512dq,avx2,fma,f16c,avx512vnni")))
#define SL_ISA SL_ISA_AVX512VNNI
#define SL_NAME "avx512vnni"
#define SL_TABLE sl_table_avx512vnni
#define SL_DOT4 _mm512_dpbusd_epi32
#include "avx512.h"

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

// x86-64 with AVX2 and AVX-VNNI: vectors of eight, integer dot products in one instruction.
#if defined(__x86_64__)
#define SL_TARGET __attribute__((target("avx2,fma,f16c,avxvnni")))
#define SL_ISA SL_ISA_AVXVNNI
#define SL_NAME "avxvnni"
#define SL_TABLE sl_table_avxvnni
#define SL_DOT4 _mm256_dpbusd_avx_epi32
#include "avx2.h"

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

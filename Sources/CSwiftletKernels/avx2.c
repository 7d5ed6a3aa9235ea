// x86-64 with AVX2, FMA and F16C: vectors of eight.
#if defined(__x86_64__)
#define SL_TARGET __attribute__((target("avx2,fma,f16c")))
#define SL_ISA SL_ISA_AVX2
#define SL_NAME "avx2"
#define SL_TABLE sl_table_avx2
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

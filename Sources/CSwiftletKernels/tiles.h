// How much of a matrix or cache is worked on at a time; the scratch sizes follow from these.
#ifndef SWIFTLET_TILES_H
#define SWIFTLET_TILES_H

enum {
    SL_ROW_TILE = 16,       // weight rows dequantised together by matmul
    SL_Q_ROWS = 32,         // weight rows unpacked together by matmul_q8
    SL_KV_TILE = 64,        // cached rows whose scores are taken together; pages are cut at multiples of it
    SL_QUERY_TILE = 32,     // query rows that share one pass over the cache
};

#endif

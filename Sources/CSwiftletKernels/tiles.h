// How much of a matrix or cache is worked on at a time; the scratch sizes follow from these.
#ifndef SWIFTLET_TILES_H
#define SWIFTLET_TILES_H

enum {
    SL_ROW_TILE = 16,       // weight rows dequantised together by matmul
    SL_Q_ROWS = 32,         // weight rows unpacked together by matmul_q8
    SL_LANES_MOST = 16,     // the longest vector of any instruction set
    SL_PRODUCTS_TILE = 16,  // vectors whose products are added together
    SL_CODED_QUERY = 76,    // bytes of 32 numbers of a query row in codes, see attention_codes.h
    SL_QUERY_TILE = 60,     // query rows that share one pass over the cache
};

#endif

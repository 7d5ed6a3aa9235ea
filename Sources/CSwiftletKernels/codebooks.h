// The codebooks of the IQ1, IQ2 and IQ3 formats, and how their entries become bytes: eight at a time, in one word.
#ifndef SWIFTLET_CODEBOOKS_H
#define SWIFTLET_CODEBOOKS_H

#include <stdint.h>

extern const uint16_t sl_codebook_iq2_xxs[256], sl_codebook_iq2_xs[512], sl_codebook_iq2_s[1024];
extern const uint16_t sl_codebook_iq3_xxs[256], sl_codebook_iq3_s[512], sl_codebook_iq1[2048];

// The same byte eight times.
static inline uint64_t sl_every(uint8_t byte) { return byte * 0x0101010101010101u; }

// Eight digits of 2 bits, one per byte.
static inline uint64_t sl_digits2(uint16_t entry) {
    uint64_t v = entry;
    v = (v | v << 24) & 0x000000ff000000ff;
    v = (v | v << 12) & 0x000f000f000f000f;
    return (v | v << 6) & sl_every(3);
}

// Four digits of 3 bits of each of two entries, one per byte.
static inline uint64_t sl_digits3(uint16_t first, uint16_t second) {
    uint64_t v = first | (uint64_t)second << 32;
    v = (v | v << 10) & 0x003f003f003f003f;
    return (v | v << 5) & sl_every(7);
}

// Bytes below 128, of which those whose bit is set become negative; they must not be 0.
static inline uint64_t sl_with_signs(uint64_t bytes, uint8_t signs) {
    const uint64_t bit = sl_every(signs) & 0x8040201008040201;
    const uint64_t negative = ((bit + sl_every(0x7f)) | bit) >> 7 & sl_every(1);
    return (bytes ^ negative * 0xff) + negative;
}

// Seven signs, and an eighth that makes their number even.
static inline uint8_t sl_even_signs(uint32_t seven) {
    return (uint8_t)(seven | (uint32_t)__builtin_parity(seven) << 7);
}

// 8, 25 or 43.
static inline uint64_t sl_numbers_iq2(uint16_t entry) {
    const uint64_t digits = sl_digits2(entry);
    return sl_every(8) + digits * 17 + (digits >> 1 & sl_every(1));
}

// 4, 12, 20, 28, 36, 44, 52 or 62.
static inline uint64_t sl_numbers_iq3_xxs(uint16_t first, uint16_t second) {
    const uint64_t digits = sl_digits3(first, second);
    return sl_every(4) + digits * 8 + (digits & digits >> 1 & digits >> 2 & sl_every(1)) * 2;
}

// 1, 3, … 15.
static inline uint64_t sl_numbers_iq3_s(uint16_t first, uint16_t second) {
    return sl_digits3(first, second) * 2 + sl_every(1);
}

// Eight times −1, 0 or 1, and one more or less: an eighth of them is what is meant.
static inline uint64_t sl_numbers_iq1(uint16_t entry, int less) {
    const uint64_t above = sl_digits2(entry) * 8 + sl_every(less ? 0x77 : 0x79);
    return above ^ sl_every(0x80);
}

#endif

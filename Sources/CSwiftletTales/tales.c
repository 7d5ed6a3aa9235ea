#include "tales.h"

// `#embed` is C23; Clang offers it in all modes since version 19.
#pragma clang diagnostic ignored "-Wc23-extensions"
static _Alignas(4096) const unsigned char tales[] = {
#embed "tales.gguf"
};

const void *swiftlet_tales_bytes(void) { return tales; }

size_t swiftlet_tales_size(void) { return sizeof tales; }

#include "page.h"

// `#embed` is C23; Clang offers it in all modes since version 19.
#pragma clang diagnostic ignored "-Wc23-extensions"
static const unsigned char page[] = {
#embed "../SwiftletServer/Page/index.html"
};

const void *swiftlet_page_bytes(void) { return page; }

size_t swiftlet_page_size(void) { return sizeof page; }

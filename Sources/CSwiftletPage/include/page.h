// The web page of the server, an HTML file that lies in the executable.
#ifndef SWIFTLET_PAGE_H
#define SWIFTLET_PAGE_H

#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

// The first byte of the UTF-8 text; the bytes stay where they are as long as the process lives.
const void *swiftlet_page_bytes(void);
size_t swiftlet_page_size(void);

#ifdef __cplusplus
}
#endif
#endif

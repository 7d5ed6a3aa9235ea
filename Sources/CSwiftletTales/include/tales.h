// The built-in model, a GGUF file that lies in the executable.
#ifndef SWIFTLET_TALES_H
#define SWIFTLET_TALES_H

#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

// The first byte, aligned to a page of memory; the bytes stay mapped as long as the process lives.
const void *swiftlet_tales_bytes(void);
size_t swiftlet_tales_size(void);

#ifdef __cplusplus
}
#endif
#endif

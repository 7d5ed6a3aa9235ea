// The files of the server's web page, which lie in the executable.
#ifndef SWIFTLET_PAGE_H
#define SWIFTLET_PAGE_H

#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

// One file: its name, and UTF-8 text that stays where it is as long as the process lives.
struct swiftlet_page_file {
    const char *name;
    const void *bytes;
    size_t size;
};

size_t swiftlet_page_file_count(void);

// The file with a number below the count; the first one is the HTML file that names the others.
struct swiftlet_page_file swiftlet_page_file_at(size_t index);

#ifdef __cplusplus
}
#endif
#endif

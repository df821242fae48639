/*
 * file.h - the file store: page-file slots in a file of the system.
 * Implements contract/store.h.
 */
#ifndef MM_STORE_FILE_H
#define MM_STORE_FILE_H

#include "contract/store.h"

enum file_way { FILE_WAY_AUTO, FILE_WAY_URING, FILE_WAY_SYNC };

struct file_config {
    const char *path; /* NULL or "": a file without a name, in $TMPDIR or /var/tmp */
    uint32_t slots, slots_ready, queues;
    uint32_t rings; /* for so many threads that have many requests under way at once */
    enum file_way way;
    bool overwrite; /* the path may exist */
    bool buffered;  /* through the page cache, even where O_DIRECT works */
};

/*
 * 0, or -errno with one line in ret_text that says what was refused, why, and the remedy. On
 * success ret_text holds a note or nothing.
 */
int file_create(const struct file_config *config, struct store *ret_store, char *ret_text,
                size_t text_bytes);

/* The descriptor of the file, for tests that damage it. */
int file_descriptor(const struct store *store);

#endif

/*
 * page_file.h - the file that a page file is: how it is found, refused, preallocated and left.
 */
#ifndef MM_STORE_PAGE_FILE_H
#define MM_STORE_PAGE_FILE_H

#include "base/types.h"

#include <sys/types.h>

struct page_file_config {
    const char *path; /* NULL or "": a file without a name, in $TMPDIR or /var/tmp */
    uint64_t bytes;   /* preallocated */
    bool overwrite;   /* the path may exist */
    bool buffered;    /* never by O_DIRECT */
};

/* What becomes of it at the end. */
enum page_file_end { PAGE_FILE_LEAVE, PAGE_FILE_REMOVE, PAGE_FILE_EMPTY };

struct page_file {
    int fd;
    int folder; /* of the path, kept open: who leaves cleans up where he came in; -1: no name */
    char *name; /* in the folder */
    enum page_file_end end;
    uint64_t bytes; /* that it was asked to have */
    bool buffered;  /* never by O_DIRECT */
    bool direct;    /* by O_DIRECT */
    dev_t device;
    ino_t inode;
};

/*
 * 0, or -errno with one line in ret_text that names the path, the reason and the remedy, and
 * nothing left behind. On success ret_text holds a note or nothing. The file has mode 0600 and is
 * ours alone until it is closed.
 */
int page_file_open(const struct page_file_config *config, struct page_file *ret_file,
                   char *ret_text, size_t text_bytes);
/*
 * The first `bytes` bytes are there and have room on the disk. 0 or -errno, nothing changed. The
 * first bytes that a file has decide whether it is read and written past the page cache.
 */
int page_file_reserve(struct page_file *file, uint64_t bytes);
/* Does the descriptor still mean our file? The program may have closed it and opened its own. */
bool page_file_is_ours(const struct page_file *file);
/*
 * A page file means nothing to the next process: one that we made is removed, one that was
 * overwritten is left empty.
 */
void page_file_close(struct page_file *file);

#endif

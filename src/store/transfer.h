/*
 * transfer.h - a request as bytes of a file and the vectors of memory that they go to or come from.
 */
#ifndef MM_STORE_TRANSFER_H
#define MM_STORE_TRANSFER_H

#include "store/request_list.h"

#include <sys/uio.h>

/* One system call reads or writes so many pages at most, a megabyte; fewer than IOV_MAX. */
#define PIECE_PAGES_MAX 256u

static inline bool request_wants(const struct store_request *request, uint32_t page)
{
    return request->operation == STORE_WRITE || request->pages[page] != NULL;
}

/* The bytes of the request that must move: from the first page wanted to the last. */
static inline void request_bounds(const struct store_request *request, uint64_t *ret_at,
                                  uint64_t *ret_end)
{
    uint32_t first = 0, end = request->count;

    while (end > 0 && !request_wants(request, end - 1))
        end--;
    while (first < end && !request_wants(request, first))
        first++;
    *ret_at = (uint64_t)first << PAGE_SHIFT;
    *ret_end = (uint64_t)end << PAGE_SHIFT;
}

/* It is complete, or broke off at byte `at` with this errno. */
static inline void request_end(struct store_request *request, uint64_t at, int error)
{
    request->result = -error;
    request->pages_done = error == 0 ? request->count : (uint32_t)(at >> PAGE_SHIFT);
}

/*
 * Where bytes at..end-1 go, at most a piece of them; what is not wanted goes to `dummy`, a page for
 * all. Returns how many vectors.
 */
static inline uint32_t vectors_gather(const struct store_request *request, uint64_t at,
                                      uint64_t end, void *dummy, struct iovec *ret_vectors)
{
    uint32_t used = 0;

    for (uint32_t pages = 0; at < end && pages < PIECE_PAGES_MAX; pages++) {
        uint32_t page = (uint32_t)(at >> PAGE_SHIFT);
        size_t offset = at & (MM_PAGE_SIZE - 1);
        char *buffer = request->pages[page];
        char *from = (buffer == NULL ? (char *)dummy : buffer) + offset;
        struct iovec *last = used == 0 ? NULL : &ret_vectors[used - 1];

        if (last != NULL && buffer != NULL && (char *)last->iov_base + last->iov_len == from)
            last->iov_len += MM_PAGE_SIZE - offset;
        else
            ret_vectors[used++] =
                (struct iovec){.iov_base = from, .iov_len = MM_PAGE_SIZE - offset};
        at += MM_PAGE_SIZE - offset;
    }
    return used;
}

#endif

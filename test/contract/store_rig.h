/*
 * store_rig.h - pages that differ, and requests to store them, for the tests of stores.
 */
#ifndef MM_TEST_STORE_RIG_H
#define MM_TEST_STORE_RIG_H

#include "contract/store.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static inline void page_fill(unsigned char *page, unsigned seed)
{
    for (size_t i = 0; i < MM_PAGE_SIZE; i++)
        page[i] = (unsigned char)(seed * 31 + (seed >> 8) + i * 7 + (i >> 8));
    memcpy(page, &seed, sizeof(seed));
}

/* Page i of the run gets the content of seed + i. */
static inline void pages_fill(unsigned char (*pages)[MM_PAGE_SIZE], void **ret_pointers,
                              unsigned count, unsigned seed)
{
    for (unsigned i = 0; i < count; i++) {
        page_fill(pages[i], seed + i);
        ret_pointers[i] = pages[i];
    }
}

static inline bool page_is(const unsigned char *page, unsigned seed)
{
    unsigned char expected[MM_PAGE_SIZE];

    page_fill(expected, seed);
    return memcmp(page, expected, MM_PAGE_SIZE) == 0;
}

/* Submit one request, wait for it, return its result; `ret_pages_done` may be NULL. */
static inline int store_perform(const struct store *store, enum store_operation operation,
                                slot_number slot, uint32_t count, void *const *buffers,
                                uint32_t *ret_pages_done)
{
    struct store_request request = {.operation = operation,
                                    .slot = slot,
                                    .count = count,
                                    .pages = buffers,
                                    .result = 99,
                                    .pages_done = 99};
    struct store_request *one = &request;

    store->ops->submit(store->self, 0, &one, 1);
    one = NULL;
    assert_int_equal(store->ops->reap(store->self, 0, &one, 1, true), 1);
    assert_ptr_equal(one, &request);
    if (request.result == 0)
        assert_int_equal(request.pages_done, count);
    else
        assert_in_range(request.pages_done, 0, count == 0 ? 0 : count - 1);
    if (ret_pages_done != NULL)
        *ret_pages_done = request.pages_done;
    return request.result;
}

/* Request i writes page i to slot i + 1. */
static inline void requests_writing(struct store_request *requests, struct store_request **pointers,
                                    uint32_t count, void *const *buffers)
{
    for (uint32_t i = 0; i < count; i++) {
        requests[i] = (struct store_request){
            .operation = STORE_WRITE, .slot = i + 1, .count = 1, .pages = &buffers[i]};
        pointers[i] = &requests[i];
    }
}

#endif

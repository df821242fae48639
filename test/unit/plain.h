/*
 * plain.h - policies made a second time, for judge_test.c: how many misses each has.
 */
#ifndef MM_TEST_PLAIN_H
#define MM_TEST_PLAIN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct plain {
    size_t count;
    uint64_t *page;
    bool *write;
    size_t *next; /* where the page is touched again; SIZE_MAX: never */
};

/* First touches are misses too. At most 4096 pages. */
uint64_t plain_fifo(const struct plain *plain, size_t frames);
uint64_t plain_lru(const struct plain *plain, size_t frames);
uint64_t plain_clock(const struct plain *plain, size_t frames);
uint64_t plain_segmented_fifo(const struct plain *plain, size_t frames);
uint64_t plain_two_queue(const struct plain *plain, size_t frames);
uint64_t plain_arc(const struct plain *plain, size_t frames);
uint64_t plain_opt(const struct plain *plain, size_t frames);
uint64_t plain_clock2q(const struct plain *plain, size_t frames);
uint64_t plain_generations(const struct plain *plain, size_t frames);

#endif

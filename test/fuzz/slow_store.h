/*
 * slow_store.h - a store whose requests take a while, and of which some fail: those named by number.
 */
#ifndef MM_TEST_FUZZ_SLOW_STORE_H
#define MM_TEST_FUZZ_SLOW_STORE_H

#include "sim/assembly.h"

#define SLOW_STORE_FAILURES 4u

extern const struct assembly_store slow_store;

/* 0: nothing; n: the n-th read fails; 128 + n: the n-th write. After a reset. */
void slow_store_fail(struct store *store, const uint32_t failures[SLOW_STORE_FAILURES]);
/* Nothing fails from here on. */
void slow_store_heal(struct store *store);
/* The failures, to stderr. */
void slow_store_describe(const struct store *store);

#endif

/*
 * hash.h - the checksum of our own format: XXH3 (Yann Collet, xxHash), 64 bits, over any pieces.
 */
#ifndef MM_TRACE_HASH_H
#define MM_TRACE_HASH_H

#include <stddef.h>
#include <stdint.h>

#define HASH_BYTES 8

struct hash;

/* NULL: no memory. */
struct hash *hash_new(void);
void hash_add(struct hash *hash, const void *bytes, size_t count);
uint64_t hash_sum(const struct hash *hash);
void hash_free(struct hash *hash);

#endif

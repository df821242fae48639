/*
 * memory.h - the soft machine's own memory: frames it owns from the start, tables that fill up.
 */
#ifndef MM_MACHINE_SOFT_MEMORY_H
#define MM_MACHINE_SOFT_MEMORY_H

#include "base/types.h"

/* start is NULL where nothing was taken. */
struct soft_memory {
    void *start;
    size_t bytes;
};

/* Zeros, taken from the system as they are touched. 0 or -ENOMEM. */
int soft_memory_reserve(size_t bytes, struct soft_memory *ret_memory);
/* Zeros, all of them taken now. 0 or -ENOMEM. */
int soft_memory_own(size_t bytes, struct soft_memory *ret_memory);
/* Nothing to do where start is NULL. */
void soft_memory_release(struct soft_memory *memory);

#endif

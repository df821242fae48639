/*
 * memory.h - zeroed memory for a store: used as it is touched, and not inherited by a child, which
 * must not have a second copy of the page file or write through ours.
 */
#ifndef MM_STORE_MEMORY_H
#define MM_STORE_MEMORY_H

#include <stddef.h>
#include <sys/mman.h>

/* Whole pages, or NULL. */
static inline void *store_memory_map(size_t bytes)
{
    void *memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

    if (memory == MAP_FAILED)
        return NULL;
    madvise(memory, bytes, MADV_DONTFORK); /* may be refused: a child then inherits a copy */
    return memory;
}

static inline void store_memory_unmap(void *memory, size_t bytes)
{
    if (memory != NULL)
        munmap(memory, bytes);
}

#endif

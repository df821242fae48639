/*
 * memory.c - the soft machine's own memory: frames it owns from the start, tables that fill up.
 *
 * A child process inherits none of it: two engines over one set of frames would be none.
 */
#include "machine/soft/memory.h"

#include <errno.h>
#include <sys/mman.h>

#define HUGE_PAGE_BYTES ((size_t)2 << 20)

#ifndef MADV_POPULATE_WRITE
#define MADV_POPULATE_WRITE 23 /* Linux 5.14 */
#endif

static void *range_map(size_t bytes, int flags)
{
    void *start =
        mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | flags, -1, 0);

    if (start == MAP_FAILED)
        return NULL;
    madvise(start, bytes, MADV_DONTFORK);
    return start;
}

int soft_memory_reserve(size_t bytes, struct soft_memory *ret_memory)
{
    void *start = range_map(bytes, MAP_NORESERVE);

    if (start == NULL)
        return -ENOMEM;
    *ret_memory = (struct soft_memory){start, bytes};
    return 0;
}

/* Huge pages need their alignment: map more, and give back what sticks out. */
static void *range_map_aligned(size_t bytes)
{
    char *start = range_map(bytes + HUGE_PAGE_BYTES, 0);
    size_t before;

    if (start == NULL)
        return NULL;
    before = -(uintptr_t)start & (HUGE_PAGE_BYTES - 1);
    if (before != 0)
        munmap(start, before);
    munmap(start + before + bytes, HUGE_PAGE_BYTES - before);
    return start + before;
}

static bool range_populate(char *start, size_t bytes)
{
    if (madvise(start, bytes, MADV_POPULATE_WRITE) == 0)
        return true;
    if (errno != EINVAL)
        return false;
    for (size_t at = 0; at < bytes; at += MM_PAGE_SIZE)
        *(volatile char *)(start + at) = 0;
    return true;
}

int soft_memory_own(size_t bytes, struct soft_memory *ret_memory)
{
    char *start = bytes >= HUGE_PAGE_BYTES ? range_map_aligned(bytes) : range_map(bytes, 0);

    if (start == NULL)
        return -ENOMEM;
    madvise(start, bytes, MADV_HUGEPAGE); /* fewer misses of the real TLB; may be refused */
    if (!range_populate(start, bytes)) {
        munmap(start, bytes);
        return -ENOMEM;
    }
    *ret_memory = (struct soft_memory){start, bytes};
    return 0;
}

void soft_memory_release(struct soft_memory *memory)
{
    if (memory->start != NULL)
        munmap(memory->start, memory->bytes);
    memory->start = NULL;
}

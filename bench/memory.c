/*
 * memory.c - what several benchmarks do with a manager.
 */
#include "memory.h"

#include "base/random.h"

uint64_t commit_all(mm *manager)
{
    uint64_t address = 0, bytes = mm_options_of(manager)->memory_bytes;
    if (mm_reserve(manager, bytes, &address) != MM_OK ||
        mm_commit(manager, address, bytes, MM_READ_WRITE) != MM_OK) {
        fprintf(stderr, "memman-bench: the memory could not be committed\n");
        exit(3);
    }
    mm_detach(manager); /* an idle user is one more to flush */
    return address;
}

uint32_t *shuffled(uint32_t count, uint64_t seed)
{
    struct random_generator random;
    uint32_t *order = malloc(count * sizeof(order[0]));
    if (order == NULL) {
        exit(3);
    }
    random_seed(&random, seed, 0);
    for (uint32_t i = 0; i < count; i++) {
        uint32_t j = (uint32_t)random_below(&random, i + 1);
        order[i] = order[j];
        order[j] = i;
    }
    return order;
}

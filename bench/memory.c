/*
 * memory.c - what several benchmarks do with a manager.
 */
#include "memory.h"

#include "base/random.h"

void bench_options(enum mm_machine machine, uint64_t memory_bytes, uint64_t frames_bytes,
                   struct mm_options *ret_options)
{
    mm_options_init(ret_options);
    ret_options->machine = machine;
    ret_options->memory_bytes = memory_bytes;
    ret_options->frames_bytes = frames_bytes;
    ret_options->latency = false;
}

mm *make_or_refuse(const struct mm_options *options, struct mm_detail *ret_detail)
{
    mm *manager;
    struct mm_detail detail;
    int error = mm_create(options, &manager, &detail);
    if (error == MM_OK) {
        return manager;
    }
    if (error != MM_ERROR_UNSUPPORTED || ret_detail == NULL) {
        fprintf(stderr, "memman-bench: %s\n", detail.text);
        exit(3);
    }
    *ret_detail = detail;
    return NULL;
}

uint64_t counter_value(const mm *manager, enum counter id)
{
    struct mm_counter counters[COUNTER_COUNT];
    mm_counters(manager, counters, COUNTER_COUNT);
    return counters[id].value;
}

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

/*
 * hello.c - 64 MiB of memory in 4 MiB of frames, with plain loads and stores.
 */
#include <memman.h>

#include <stdint.h>
#include <stdio.h>

int main(void)
{
    struct mm_options options;
    struct mm_detail detail;
    uint64_t address, sum = 0;
    mm *manager;

    mm_options_init(&options);
    options.machine = MM_MACHINE_LINUX;
    options.memory_bytes = 64 << 20;
    options.frames_bytes = 4 << 20;
    if (mm_create(&options, &manager, &detail) != MM_OK) {
        fprintf(stderr, "hello: %s\n", detail.text);
        return 3;
    }
    if (mm_reserve(manager, options.memory_bytes, &address) != MM_OK ||
        mm_commit(manager, address, options.memory_bytes, MM_READ_WRITE) != MM_OK) {
        return 1;
    }
    uint64_t *numbers = (uint64_t *)(uintptr_t)address;
    size_t count = options.memory_bytes / sizeof(numbers[0]);
    for (size_t i = 0; i < count; i++) {
        numbers[i] = i;
    }
    for (size_t i = 0; i < count; i++) {
        sum += numbers[i];
    }
    printf("%zu numbers in %llu frames, sum %s\n", count,
           (unsigned long long)(options.frames_bytes / MM_PAGE_BYTES),
           sum == (uint64_t)count * (count - 1) / 2 ? "right" : "WRONG");
    mm_destroy(manager);
    return sum == (uint64_t)count * (count - 1) / 2 ? 0 : 1;
}

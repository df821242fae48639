/*
 * linux.c - the Linux machine's rows that need no swap and no root: a hard fault beside the
 * kernel's own first touch, unmapping scattered pages, misses served beside raw reads of the same
 * disk, and what four threads serve on the RAM store.
 *
 * Loads are plain loads. A row in which more is better is shown as time per piece of work, so that
 * every ratio is to be small; its bound is the inverse of the design's.
 */
#include "base/random.h"
#include "manager.h"
#include "measure.h"
#include "memory.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define MIB         ((uint64_t)1 << 20)
#define MEMORY      (128 * MIB)
#define PAGES       (MEMORY / MM_PAGE_SIZE)
#define FRAMES      (32 * MIB)
#define READERS_MAX 4u
#define ROUND_NS    400000000ull /* of one repetition of a row */

/* NULL: this system has no Linux machine; said once. */
static mm *make_linux(uint64_t memory, uint64_t frames, const char *store)
{
    static bool said;
    struct mm_options options;
    struct mm_detail detail;
    bench_options(MM_MACHINE_LINUX, memory, frames, &options);
    options.store = store;
    options.threads_max = READERS_MAX + 1;
    mm *manager = make_or_refuse(&options, &detail);
    if (manager == NULL && !said) {
        printf("Linux machine: not run: %s\n", detail.text);
        said = true;
    }
    return manager;
}

static void write_each_page(uint64_t address, uint64_t pages)
{
    for (uint64_t page = 0; page < pages; page++) {
        *(volatile uint64_t *)(uintptr_t)(address + page * MM_PAGE_SIZE) = page;
    }
}

/* More memory than frames, each page written once, and where it is. NULL as make_linux(). */
static mm *make_paging(const char *store, uint64_t *ret_address)
{
    mm *manager = make_linux(MEMORY, FRAMES, store);
    if (manager != NULL) {
        *ret_address = commit_all(manager);
        write_each_page(*ret_address, PAGES);
    }
    return manager;
}

/* ---- readers ---- */

struct reader {
    pthread_t id;
    uint64_t address, pages, seed, reads;
    _Atomic bool *stop;
    int file; /* -1: loads; else reads of the file, one at a time */
};

static void *reader_main(void *argument)
{
    struct reader *reader = argument;
    struct random_generator random;
    void *page = aligned_alloc(MM_PAGE_SIZE, MM_PAGE_SIZE);
    uint64_t reads = 0;
    random_seed(&random, reader->seed, 0);
    while (page != NULL && !atomic_load_explicit(reader->stop, memory_order_relaxed)) {
        uint64_t offset = random_below(&random, reader->pages) * MM_PAGE_SIZE;
        if (reader->file < 0) {
            (void)*(volatile uint64_t *)(uintptr_t)(reader->address + offset);
        } else if (pread(reader->file, page, MM_PAGE_SIZE, (off_t)offset) != MM_PAGE_SIZE) {
            perror("memman-bench: the file that is compared with");
            exit(3);
        }
        reads++;
    }
    free(page);
    reader->reads = reads;
    return NULL;
}

/* What so many readers do for a while, and its time and CPU time. */
struct pace {
    double reads, wall_ns, cpu_ns;
};

static struct pace pace_of(unsigned threads, uint64_t address, uint64_t pages, int file,
                           uint64_t seed)
{
    struct reader readers[READERS_MAX];
    struct pace pace = {0};
    _Atomic bool stop = false;
    struct timespec nap = {.tv_nsec = ROUND_NS};
    uint64_t wall = wall_ns(), cpu = process_cpu_ns();
    for (unsigned i = 0; i < threads; i++) {
        readers[i] = (struct reader){.address = address,
                                     .pages = pages,
                                     .seed = seed * READERS_MAX + i,
                                     .stop = &stop,
                                     .file = file};
        if (pthread_create(&readers[i].id, NULL, reader_main, &readers[i]) != 0) {
            exit(3);
        }
    }
    nanosleep(&nap, NULL);
    atomic_store(&stop, true);
    for (unsigned i = 0; i < threads; i++) {
        pthread_join(readers[i].id, NULL);
        pace.reads += (double)readers[i].reads;
    }
    pace.wall_ns = (double)(wall_ns() - wall);
    pace.cpu_ns = (double)(process_cpu_ns() - cpu);
    return pace;
}

/* ---- a hard fault ---- */

/* CPU time of a page's first touch in plain memory. */
static double first_touch_ns(void)
{
    char *memory = mmap(NULL, MEMORY, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED) {
        perror("memman-bench: no memory for the comparison");
        exit(3);
    }
    madvise(memory, MEMORY, MADV_NOHUGEPAGE);
    uint64_t begin = thread_cpu_ns();
    write_each_page((uintptr_t)memory, PAGES);
    double ns = (double)(thread_cpu_ns() - begin) / PAGES;
    munmap(memory, MEMORY);
    return ns;
}

static void row_hard(unsigned repeats)
{
    const char *name = "Linux: hard fault, all work";
    struct series ours = {0}, theirs = {0};
    uint64_t address;
    mm *manager = row_wanted(name) ? make_paging("ram", &address) : NULL;
    if (manager == NULL) {
        return;
    }
    for (unsigned r = 0; r <= repeats; r++) {
        double before = first_touch_ns();
        uint64_t hard = counter_value(manager, COUNT_FAULT_HARD);
        struct pace pace = pace_of(1, address, PAGES, -1, r);
        hard = counter_value(manager, COUNT_FAULT_HARD) - hard;
        if (r > 0) {
            series_add(&ours, pace.cpu_ns / (double)hard);
            series_add(&theirs, (before + first_touch_ns()) / 2);
        }
    }
    row_print(name, &ours, "ns", &theirs, "first touch", 3.5, 2);
    mm_destroy(manager);
}

/* ---- unmapping ---- */

#define TRIM_PAGES 512u

/* One call for each page, as who does not batch would do it. */
static double madvise_ns(char *memory, const uint32_t *order)
{
    uint64_t begin = thread_cpu_ns();
    for (unsigned i = 0; i < TRIM_PAGES; i++) {
        madvise(memory + order[i] * MM_PAGE_SIZE, MM_PAGE_SIZE, MADV_DONTNEED);
    }
    return (double)(thread_cpu_ns() - begin) / TRIM_PAGES;
}

static double unmap_ns(mm *manager, const uint32_t *order)
{
    const struct machine *machine = &manager->engine->machine;
    page_number pages[TRIM_PAGES];
    for (unsigned i = 0; i < TRIM_PAGES; i++) {
        pages[i] = order[i];
    }
    uint64_t begin = thread_cpu_ns();
    machine->ops->unmap(machine->self, 0, TRIM_PAGES, pages, NULL);
    return (double)(thread_cpu_ns() - begin) / TRIM_PAGES;
}

/* The engine is not told: the pages are only mapped anew when they are touched again. */
static void row_trim(unsigned repeats)
{
    const char *name = "Linux: unmap 512 scattered pages";
    struct series ours = {0}, theirs = {0};
    mm *manager = row_wanted(name) ? make_linux(FRAMES, 2 * FRAMES, "ram") : NULL;
    if (manager == NULL) {
        return;
    }
    const uint32_t count = (uint32_t)(FRAMES / MM_PAGE_SIZE);
    uint64_t address = commit_all(manager);
    char *plain = mmap(NULL, FRAMES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (plain == MAP_FAILED) {
        exit(3);
    }
    madvise(plain, FRAMES, MADV_NOHUGEPAGE);
    for (unsigned r = 0; r <= repeats; r++) {
        uint32_t *order = shuffled(count, r + 1);
        write_each_page(address, count);
        write_each_page((uintptr_t)plain, count);
        double one_by_one = madvise_ns(plain, order), together = unmap_ns(manager, order);
        if (r > 0) {
            series_add(&ours, together);
            series_add(&theirs, one_by_one);
        }
        free(order);
    }
    row_print(name, &ours, "ns a page", &theirs, "madvise of each", 1.0 / 8, 1.0 / 20);
    munmap(plain, FRAMES);
    mm_destroy(manager);
}

/* ---- threads on the RAM store ---- */

static void row_ram_threads(unsigned repeats)
{
    const char *name = "Linux: RAM store, 4 threads";
    struct series ours = {0}, theirs = {0};
    uint64_t address;
    mm *manager = row_wanted(name) ? make_paging("ram", &address) : NULL;
    if (manager == NULL) {
        return;
    }
    for (unsigned r = 0; r <= repeats; r++) {
        struct pace one = pace_of(1, address, PAGES, -1, 3 * r);
        struct pace four = pace_of(READERS_MAX, address, PAGES, -1, 3 * r + 1);
        struct pace again = pace_of(1, address, PAGES, -1, 3 * r + 2);
        if (r > 0) {
            series_add(&ours, four.wall_ns / four.reads);
            series_add(&theirs, (one.wall_ns / one.reads + again.wall_ns / again.reads) / 2);
        }
    }
    row_print(name, &ours, "ns", &theirs, "1 thread", 1 / 1.3, 1 / 1.8);
    mm_destroy(manager);
}

/* ---- misses beside raw reads ---- */

/* An unlinked file in the page file's folder, written from end to end. -1: it cannot be had. */
static int make_file(void)
{
    const char *folder = getenv("TMPDIR");
    char path[4096];
    snprintf(path, sizeof(path), "%s/memman-bench.XXXXXX", folder != NULL ? folder : "/var/tmp");
    int file = mkostemp(path, O_DIRECT | O_CLOEXEC);
    if (file < 0) {
        printf("Linux: file store: not run: %s: %s\n", path, strerror(errno));
        return -1;
    }
    unlink(path);
    const size_t step = MIB;
    char *bytes = aligned_alloc(MM_PAGE_SIZE, step);
    bool good = bytes != NULL;
    for (uint64_t at = 0; good && at < MEMORY; at += step) {
        memset(bytes, (int)(at / step % 251) + 1, step);
        good = pwrite(file, bytes, step, (off_t)at) == (ssize_t)step;
    }
    free(bytes);
    if (!good) {
        printf("Linux: file store: not run: the file in %s cannot be written: %s\n",
               folder != NULL ? folder : "/var/tmp", strerror(errno));
        close(file);
        return -1;
    }
    return file;
}

struct misses {
    mm *manager;
    uint64_t address;
    int file;
    struct series raw_us;    /* one raw read at a time */
    struct series miss_us;   /* time for each miss served, by the number of threads */
    struct series access_us; /* and for each access */
};

static void miss_round(struct misses *misses, unsigned threads, unsigned round)
{
    struct pace before = pace_of(1, 0, PAGES, misses->file, 2 * round);
    uint64_t hard = counter_value(misses->manager, COUNT_FAULT_HARD);
    struct pace pace = pace_of(threads, misses->address, PAGES, -1, round);
    hard = counter_value(misses->manager, COUNT_FAULT_HARD) - hard;
    struct pace after = pace_of(1, 0, PAGES, misses->file, 2 * round + 1);
    if (round > 0) {
        series_add(&misses->raw_us,
                   (before.wall_ns / before.reads + after.wall_ns / after.reads) / 2e3);
        series_add(&misses->miss_us, pace.wall_ns / (double)hard / 1e3);
        series_add(&misses->access_us, pace.wall_ns / pace.reads / 1e3);
    }
}

static void rows_misses(unsigned repeats)
{
    static const char *const names[] = {"Linux: file store, misses, 1 thread",
                                        "Linux: file store, misses, 4 threads"};
    const char *rate = "Linux: file store, uniform, 4 threads";
    struct misses misses = {.file = -1};
    if (!row_wanted(names[0]) && !row_wanted(names[1]) && !row_wanted(rate)) {
        return;
    }
    misses.manager = make_paging("file", &misses.address);
    misses.file = misses.manager != NULL ? make_file() : -1;
    if (misses.file >= 0) {
        for (unsigned i = 0; i < 2; i++) {
            misses.raw_us = misses.miss_us = misses.access_us = (struct series){0};
            for (unsigned r = 0; r <= repeats; r++) {
                miss_round(&misses, i == 0 ? 1 : READERS_MAX, r);
            }
            row_print(names[i], &misses.miss_us, "us a miss", &misses.raw_us, "O_DIRECT read",
                      i == 0 ? 1 / 0.8 : 1 / 2.0, i == 0 ? 1 : 1 / 5.0);
        }
        row_print(rate, &misses.access_us, "us", NULL, "(microseconds)", 1e6 / 20e3, 1e6 / 35e3);
        close(misses.file);
    }
    if (misses.manager != NULL) {
        mm_destroy(misses.manager);
    }
}

void bench_linux(unsigned repeats)
{
    row_hard(repeats);
    row_trim(repeats);
    row_ram_threads(repeats);
    rows_misses(repeats);
}

/*
 * floor.c - memman-bench-floor: the least that any pager pays which takes faults as signals, keeps
 * its frames in a memfd and reads pages one by one. bench/swap.sh runs it beside the others.
 *
 * Two threads touch pages at random, half of the touches write. A missing page is SIGBUS, a read of
 * a file with O_DIRECT, and UFFDIO_COPY; a third thread throws whole stretches away, and nothing is
 * ever written out. So the data is wrong and the rate is a bound: there is no engine in here. Prints
 * the line of JSON that memman-bench-touch prints. Exit: 0 good, 2 usage, 3 the system refuses.
 */
#include "measure.h"

#include "base/random.h"
#include "base/types.h"
#include "numbers.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/userfaultfd.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#define PAGE    4096u
#define STRETCH 512u /* pages that are thrown away together */
#define THREADS 2u

static struct {
    uint64_t pages, frames;
    double seconds;
    int faults, memory, file; /* descriptors */
    char *base;
    _Atomic uint64_t resident, accesses, hard;
    _Atomic bool stop;
} pager;

static __thread void *buffer; /* a page */

static _Noreturn void refuse(const char *what)
{
    fprintf(stderr, "memman-bench-floor: %s: %s\n", what, strerror(errno));
    exit(3);
}

/* ---- faults ---- */

static void on_fault(int signal, siginfo_t *info, void *context)
{
    uintptr_t page = (uintptr_t)info->si_addr & ~(uintptr_t)(PAGE - 1);
    struct uffdio_copy copy = {.dst = page, .src = (uintptr_t)buffer, .len = PAGE};
    int error = errno;
    (void)signal;
    (void)context;
    if (pread(pager.file, buffer, PAGE, (off_t)(page - (uintptr_t)pager.base)) != PAGE) {
        _exit(3);
    }
    if (ioctl(pager.faults, UFFDIO_COPY, &copy) == 0) { /* else the other thread was faster */
        atomic_fetch_add_explicit(&pager.resident, 1, memory_order_relaxed);
        atomic_fetch_add_explicit(&pager.hard, 1, memory_order_relaxed);
    }
    errno = error;
}

static void make_buffer(void)
{
    buffer =
        mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
    if (buffer == MAP_FAILED) {
        refuse("a buffer");
    }
}

/* Stretch by stretch, round and round, so that the frames are never more than there may be. */
static void *trimmer_main(void *argument)
{
    uint64_t at = 0;
    (void)argument;
    while (!atomic_load_explicit(&pager.stop, memory_order_relaxed)) {
        unsigned char there[STRETCH];
        uint64_t count = 0, pages = MIN_OF(STRETCH, pager.pages - at);
        char *stretch = pager.base + at * PAGE;
        if (atomic_load_explicit(&pager.resident, memory_order_relaxed) + STRETCH < pager.frames) {
            usleep(300);
            continue;
        }
        if (mincore(stretch, pages * PAGE, there) != 0) {
            refuse("mincore");
        }
        for (uint64_t i = 0; i < pages; i++) {
            count += there[i] & 1;
        }
        madvise(stretch, pages * PAGE, MADV_DONTNEED);
        madvise(stretch, pages * PAGE, MADV_REMOVE);
        atomic_fetch_sub_explicit(&pager.resident, count, memory_order_relaxed);
        at = at + pages < pager.pages ? at + pages : 0;
    }
    return NULL;
}

static void *toucher_main(void *argument)
{
    struct random_generator random;
    uint64_t accesses = 0;
    random_seed(&random, 1, *(uint32_t *)argument);
    make_buffer();
    while (!atomic_load_explicit(&pager.stop, memory_order_relaxed)) {
        uint64_t page = random_below(&random, pager.pages);
        volatile uint64_t *word = (volatile uint64_t *)(void *)(pager.base + page * PAGE);
        uint64_t value = *word;
        if (random_below(&random, 2) == 0) {
            *word = value + 1;
        }
        accesses++;
    }
    atomic_fetch_add(&pager.accesses, accesses);
    return NULL;
}

/* ---- the beginning ---- */

static void make_memory(void)
{
    struct uffdio_api api = {.api = UFFD_API,
                             .features = UFFD_FEATURE_SIGBUS | UFFD_FEATURE_MISSING_SHMEM};
    struct uffdio_register all = {.mode = UFFDIO_REGISTER_MODE_MISSING};
    struct sigaction action = {.sa_sigaction = on_fault, .sa_flags = SA_SIGINFO};
    size_t bytes = pager.pages * PAGE;
    pager.faults = (int)syscall(SYS_userfaultfd, O_CLOEXEC | UFFD_USER_MODE_ONLY);
    if (pager.faults < 0 || ioctl(pager.faults, UFFDIO_API, &api) != 0) {
        refuse("userfaultfd with signals");
    }
    pager.memory = memfd_create("memman-bench-floor", MFD_CLOEXEC);
    if (pager.memory < 0 || ftruncate(pager.memory, (off_t)bytes) != 0) {
        refuse("a memfd");
    }
    pager.base =
        mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_NORESERVE, pager.memory, 0);
    if (pager.base == MAP_FAILED) {
        refuse("the memory");
    }
    all.range = (struct uffdio_range){(uintptr_t)pager.base, bytes};
    sigfillset(&action.sa_mask);
    if (ioctl(pager.faults, UFFDIO_REGISTER, &all) != 0 || sigaction(SIGBUS, &action, NULL) != 0) {
        refuse("userfaultfd on a memfd");
    }
}

/* As large as the memory, and really there: what was never written is not read from the disk. */
static void make_file(void)
{
    const size_t step = 1u << 20;
    const char *folder = getenv("TMPDIR");
    char path[4096], *bytes = aligned_alloc(PAGE, step);
    snprintf(path, sizeof(path), "%s/memman-bench.XXXXXX", folder != NULL ? folder : "/var/tmp");
    pager.file = mkostemp(path, O_DIRECT | O_CLOEXEC);
    if (pager.file < 0 || bytes == NULL) {
        refuse(path);
    }
    unlink(path);
    memset(bytes, 1, step);
    for (uint64_t at = 0; at < pager.pages * PAGE; at += step) {
        if (pwrite(pager.file, bytes, step, (off_t)at) != (ssize_t)step) {
            refuse(path);
        }
    }
    free(bytes);
}

static void fill_frames(void)
{
    make_buffer();
    for (uint64_t i = 0; i + 2 * STRETCH < pager.frames; i++) {
        (void)*(volatile char *)(pager.base + i * (pager.pages / pager.frames) * PAGE);
    }
    atomic_store(&pager.hard, 0);
}

static void run(void)
{
    pthread_t threads[THREADS + 1];
    uint32_t numbers[THREADS];
    struct timespec pause = {.tv_sec = (time_t)pager.seconds};
    pause.tv_nsec = (long)((pager.seconds - (double)pause.tv_sec) * 1e9);
    uint64_t wall = wall_ns(), cpu = process_cpu_ns();
    for (uint32_t i = 0; i <= THREADS; i++) {
        if (i < THREADS) {
            numbers[i] = i;
        }
        if (pthread_create(&threads[i], NULL, i < THREADS ? toucher_main : trimmer_main,
                           i < THREADS ? &numbers[i] : NULL) != 0) {
            refuse("a thread");
        }
    }
    nanosleep(&pause, NULL);
    atomic_store(&pager.stop, true);
    for (uint32_t i = 0; i <= THREADS; i++) {
        pthread_join(threads[i], NULL);
    }
    printf("{\"on\":\"floor\",\"accesses\":%" PRIu64 ",\"seconds\":%.4f,\"cpu_seconds\":%.4f,"
           "\"hard\":%" PRIu64 "}\n",
           atomic_load(&pager.accesses), (double)(wall_ns() - wall) / 1e9,
           (double)(process_cpu_ns() - cpu) / 1e9, atomic_load(&pager.hard));
}

int main(int count, char **arguments)
{
    uint64_t memory = 512u << 20, frames = 112u << 20;
    pager.seconds = 4;
    for (int i = 1; i < count; i += 2) {
        const char *name = arguments[i], *value = i + 1 < count ? arguments[i + 1] : "";
        if (!(strcmp(name, "--memory") == 0 && size_parse(value, &memory)) &&
            !(strcmp(name, "--frames") == 0 && size_parse(value, &frames)) &&
            !(strcmp(name, "--seconds") == 0 && real_parse(value, &pager.seconds))) {
            fprintf(stderr,
                    "memman-bench-floor: '%s %s': there are --memory SIZE, --frames SIZE and "
                    "--seconds S\n",
                    name, value);
            return 2;
        }
    }
    pager.pages = memory >> 20 << 8;
    pager.frames = frames / PAGE;
    if (pager.frames < 4 * STRETCH || pager.pages < pager.frames) {
        fprintf(stderr, "memman-bench-floor: --frames is from 8M to the memory\n");
        return 2;
    }
    make_memory();
    make_file();
    fill_frames();
    run();
    return 0;
}

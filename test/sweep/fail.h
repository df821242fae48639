/*
 * fail.h - makes the n-th call of something fail: wrappers around what the library calls.
 *
 * The linker turns each call of a function marked "swept" in calls.txt into one of its wrapper here,
 * in the library and in the test. A wrapper finds out which *site* the call is (a function, or one
 * request of ioctl(), one advice of madvise(), one number of syscall()), counts it in the phase the
 * test is in, and either makes the call or fails it as an order says. There may be two orders at
 * once, for failures that only come to light through others. Also counted: what was taken and not
 * given back. Wrappers may run in signal handlers and in any thread; nothing here takes a lock.
 */
#ifndef MM_TEST_SWEEP_FAIL_H
#define MM_TEST_SWEEP_FAIL_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A site and its name; a text that ends the process because of it contains that name. */
#define SITES(X)                                                                                   \
    X(ALIGNED_ALLOC, "aligned_alloc")                                                              \
    X(CALLOC, "calloc")                                                                            \
    X(POSIX_MEMALIGN, "posix_memalign")                                                            \
    X(MMAP, "mmap")                                                                                \
    X(MPROTECT, "mprotect")                                                                        \
    X(MADV_DONTFORK, "madvise(MADV_DONTFORK)")                                                     \
    X(MADV_DONTDUMP, "madvise(MADV_DONTDUMP)")                                                     \
    X(MADV_NOHUGEPAGE, "madvise(MADV_NOHUGEPAGE)")                                                 \
    X(MADV_HUGEPAGE, "madvise(MADV_HUGEPAGE)")                                                     \
    X(MADV_POPULATE, "madvise(MADV_POPULATE_WRITE)")                                               \
    X(MADV_DONTNEED, "madvise(MADV_DONTNEED)")                                                     \
    X(MADV_REMOVE, "madvise(MADV_REMOVE)")                                                         \
    X(MEMFD_CREATE, "memfd_create")                                                                \
    X(EVENTFD, "eventfd")                                                                          \
    X(FTRUNCATE, "ftruncate")                                                                      \
    X(FALLOCATE, "fallocate")                                                                      \
    X(FCNTL_DUP, "fcntl(F_DUPFD_CLOEXEC)")                                                         \
    X(FCNTL_SEAL, "fcntl(F_ADD_SEALS)")                                                            \
    X(FSTAT, "fstat")                                                                              \
    X(GETRLIMIT, "getrlimit")                                                                      \
    X(OPEN, "open")                                                                                \
    X(FOPEN, "fopen")                                                                              \
    X(FGETS, "fgets")                                                                              \
    X(PREADV, "preadv")                                                                            \
    X(PWRITE, "pwrite")                                                                            \
    X(POLL, "poll")                                                                                \
    X(READ, "reading a fault message")                                                             \
    X(WRITE, "stopping the handlers")                                                              \
    X(SIGACTION, "sigaction")                                                                      \
    X(GETRANDOM, "getrandom")                                                                      \
    X(ATFORK, "pthread_atfork")                                                                    \
    X(ATTR_INIT, "pthread_attr_init")                                                              \
    X(THREAD_CREATE, "pthread_create")                                                             \
    X(CPU_CLOCK, "pthread_getcpuclockid")                                                          \
    X(KEY_CREATE, "pthread_key_create")                                                            \
    X(SETSPECIFIC, "pthread_setspecific")                                                          \
    X(UFFD_OPEN, "userfaultfd")                                                                    \
    X(UFFD_API, "UFFDIO_API")                                                                      \
    X(UFFD_REGISTER, "UFFDIO_REGISTER")                                                            \
    X(UFFD_UNREGISTER, "UFFDIO_UNREGISTER")                                                        \
    X(UFFD_COPY, "UFFDIO_COPY")                                                                    \
    X(UFFD_ZEROPAGE, "UFFDIO_ZEROPAGE")                                                            \
    X(UFFD_CONTINUE, "UFFDIO_CONTINUE")                                                            \
    X(UFFD_PROTECT, "UFFDIO_WRITEPROTECT")                                                         \
    X(UFFD_WAKE, "UFFDIO_WAKE")                                                                    \
    X(UFFD_POISON, "UFFDIO_POISON")                                                                \
    X(UFFD_NEW, "USERFAULTFD_IOC_NEW")                                                             \
    X(FUTEX_WAIT, "futex wait")                                                                    \
    X(MEMBARRIER, "membarrier")                                                                    \
    X(PROCESS_MADVISE, "process_madvise")                                                          \
    X(PIDFD_OPEN, "pidfd_open")                                                                    \
    X(PIDFD_GETFD, "pidfd_getfd")                                                                  \
    X(CLOSE_RANGE, "close_range")                                                                  \
    X(SEND_SIGNAL, "rt_tgsigqueueinfo")

enum site {
#define X(id, name) SITE_##id,
    SITES(X)
#undef X
        SITE_COUNT
};

extern const char *const site_names[SITE_COUNT];

/* What the test is doing; calls in PHASE_NONE are neither counted nor failed. */
enum phase { PHASE_NONE, PHASE_CREATE, PHASE_RUN, PHASE_DESTROY, PHASE_COUNT };

/* Instead of failing at once: do the first page of what was asked, then fail. */
#define PARTLY 0x10000

struct order {
    enum site site;
    enum phase phase;
    uint32_t first; /* the call that fails, from 1; 0: no order */
    bool for_ever;  /* and all after it */
    int error;      /* errno, perhaps | PARTLY */
};

typedef _Atomic uint32_t site_counts[PHASE_COUNT][SITE_COUNT];

void fail_phase(enum phase phase);
/* Count into memory that a parent can read. */
void fail_count_into(site_counts *counts);
void fail_order(unsigned which, const struct order *order);
/* How often orders were obeyed. */
uint32_t fail_obeyed(void);
/* From here on everything works. */
void fail_heal(void);
/* The calling thread's calls are the test's own: not counted, not failed. */
void fail_exempt(bool exempt);

/* Taken and not given back by who is not exempt: blocks of the heap, bytes of mmap(). */
int64_t fail_blocks(void);
int64_t fail_mapped_bytes(void);

#endif

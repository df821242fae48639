/*
 * torture.h - what the files of the torture share: the memory under test, and everyone's counts.
 *
 * torture_test.c starts one child process for each fault mode, in a memory cgroup of its own
 * (cgroup.c); ordeal.c is that child: it makes a manager and starts the threads of lockers.c and
 * nemesis.c, watches the budget, and checks everything at the end.
 *
 * Each area of the memory has its own shadow outside of managed memory, which says what must be
 * there. A difference ends the child with one line that names it and what was going on.
 */
#ifndef MM_TORTURE_H
#define MM_TORTURE_H

#include "memman.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdatomic.h>
#include <stdio.h>

#define PAGE        ((uint64_t)MM_PAGE_BYTES)
#define PAGE_WORDS  (MM_PAGE_BYTES / sizeof(uint64_t))
#define HUGE_PAGES  512u /* pages of one huge page */
#define STATUS_SKIP 77   /* userfaultfd is refused */

#define FRAMES         1536u
#define LOCKER_PAGES   6144u
#define DIRECT_PAGES   1024u
#define PROTECT_PAGES  64u
#define COLLAPSE_PAGES 960u
/* Whole huge pages: so is then the page file in memory. The last one lies in the collapse area. */
#define MEMORY_PAGES (LOCKER_PAGES + DIRECT_PAGES + PROTECT_PAGES + COLLAPSE_PAGES)

#define LOCKERS         12u
#define DIRECT_THREADS  2u
#define FORK_THREADS    2u
#define THREADS_MAX     24u
#define NEMESIS_THREADS (FORK_THREADS + DIRECT_THREADS + 3u) /* signals, rights, advice */
/* Threads of this program: lockers, nemeses, main, and the one that samples. */
#define OWN_THREADS (LOCKERS + NEMESIS_THREADS + 2u)
/* Pages in one transfer window, and threads of the manager: workers, fault handlers, guard. */
#define WRITE_BATCH     16u
#define MANAGER_WORKERS 4u
#define FAULT_HANDLERS  3u

enum nemesis {
    NEMESIS_FORK,
    NEMESIS_SIGNALS,
    NEMESIS_DIRECT,
    NEMESIS_ADVICE,
    NEMESIS_RIGHTS,
    NEMESIS_COUNT
};

/* What a page of the lockers holds; written and read with plain loads and stores. */
struct locker_page {
    pthread_mutex_t mutex;
    uint64_t number;          /* of the page, never changes */
    uint64_t counter;         /* equals the shadow; guarded by the mutex */
    int64_t account;          /* the bank's; guarded by the mutexes of the pages concerned */
    _Atomic uint64_t signals; /* signal handlers that came by */
    /* Visit v leaves v here at v % count: each word shows whether an old page came back. */
    uint64_t visits[PAGE_WORDS - 4 - sizeof(pthread_mutex_t) / sizeof(uint64_t)];
};

_Static_assert(sizeof(struct locker_page) == MM_PAGE_BYTES, "one page");

struct counts {
    _Atomic uint64_t visits, transfers, audits, pinned_visits;
    _Atomic uint64_t forks, spawns, signals_sent, signals_handled;
    _Atomic uint64_t direct_reads, direct_writes, pins_refused;
    _Atomic uint64_t collapse_tries, collapses, advices, compactions;
    _Atomic uint64_t rights_changes, violations;
    _Atomic uint64_t samples;
};

struct ordeal {
    mm *manager;
    enum mm_faults faults;
    const char *mode; /* "signal" or "thread" */
    char *base;       /* of the whole memory */
    struct locker_page *locker_pages;
    char *direct_pages, *protect_pages, *collapse_pages;
    uint64_t *counters; /* the lockers' shadow, one for each page; guarded by the page's mutex */
    pthread_t lockers[LOCKERS];
    uint64_t seed;
    bool direct_works; /* a folder with O_DIRECT was found */
    _Atomic bool stop; /* for the nemeses; the lockers go first */
    _Atomic bool stop_lockers;
    _Atomic bool at_work[NEMESIS_COUNT];
    _Atomic uint64_t steps[LOCKERS]; /* of each locker: does it still move? */
    struct counts counts;
};

extern struct ordeal ordeal;

/* End the process with one line: what, where (a page or SIZE_MAX), and the nemeses at work. */
_Noreturn void torture_fail(const char *what, const void *where, uint64_t expected, uint64_t found);

/* How far it had come and who was at work, on standard error. */
void torture_describe(void);

static inline uint64_t draw(uint64_t *random, uint64_t limit)
{
    *random += 0x9e3779b97f4a7c15u;
    uint64_t mixed = (*random ^ *random >> 30) * 0xbf58476d1ce4e5b9u;
    mixed = (mixed ^ mixed >> 27) * 0x94d049bb133111ebu;
    return (mixed ^ mixed >> 31) % limit;
}

static inline void count_one(_Atomic uint64_t *counter)
{
    atomic_fetch_add_explicit(counter, 1, memory_order_relaxed);
}

uint64_t now_ns(void);
void pause_ns(uint64_t ns);

/* ordeal.c: the child's whole life; never returns. Without a budget no limit is set. */
struct budget;
_Noreturn void ordeal_run(enum mm_faults faults, double seconds, uint64_t seed,
                          const struct budget *budget);
/* What a limit must allow: frames, page file, and the overhead that is declared there. */
uint64_t ordeal_declared_bytes(void);

/* lockers.c */
void lockers_prepare(void);
void lockers_start(void);
void lockers_join(void);
/* With nobody else about: every page against its shadow. */
void lockers_check_end(void);

/* nemesis.c */
void nemesis_start(void);
void nemesis_join(void);

/* direct.c: the O_DIRECT nemesis. */
void direct_prepare(void);
void *direct_main(void *number);
void direct_check_end(void);

/* rights.c: signals that a page without rights raises, in the calling thread only. */
void rights_prepare(void);
void *rights_main(void *unused);
/* The signal that a load or store of the word raises, or 0. */
int signal_of_touch(volatile uint64_t *word, bool write, uint64_t value);

/* cgroup.c: a memory cgroup with a limit. NULL, with the reason, where there can be none. */
struct budget *budget_make(uint64_t limit_bytes, char *ret_reason, size_t size);
void budget_join(const struct budget *budget);
/* Usage refused by the limit so far, and kills; the peak so far. */
uint64_t budget_refusals(const struct budget *budget);
uint64_t budget_kills(const struct budget *budget);
uint64_t budget_peak(const struct budget *budget);
uint64_t budget_limit(const struct budget *budget);
/* Remember what the memory is used for, if it never was more; and that, in one line. */
void budget_sample(struct budget *budget);
void budget_describe_peak(const struct budget *budget, char *ret_text, size_t size);
/* Ends whoever is left inside, and the cgroup. */
void budget_remove(struct budget *budget);

#endif

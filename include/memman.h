/*
 * memman.h - memory larger than its frames: the whole public interface of libmemman.
 *
 * A manager owns a number of frames (physical pages) and a page file, and gives out virtual
 * memory that may be larger than both frames. Threads read and write it; pages that do not fit are
 * trimmed, written and read back behind their backs, as the Windows memory manager does it.
 *
 * On the Linux machine an address is a pointer: plain loads and stores page. On the soft machine
 * (a software memory-management unit) an address is a number, used with mm_read, mm_write and
 * mm_pin, which work on both machines.
 *
 * Units: sizes in bytes; a page is MM_PAGE_BYTES. Errors: 0 or a negative enum mm_error, never errno.
 * Thread-safety: any function from any thread, unless its comment says otherwise. Not from signal
 * handlers, except what is called async-signal-safe here, and plain loads and stores of managed memory on the Linux machine.
 */
#ifndef MEMMAN_H
#define MEMMAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define MM_API        __attribute__((visibility("default")))
#define MM_PAGE_BYTES 4096u
#define MM_VERSION    "0.1.0"

/* ---- errors -------------------------------------------------------------------------------- */

#define MM_ERRORS(X)                                                                               \
    X(MM_OK, 0, "success")                                                                         \
    X(MM_ERROR_OPTION, -1, "an option has a value that is not possible")                           \
    X(MM_ERROR_NO_MEMORY, -2, "the system has not enough memory")                                  \
    X(MM_ERROR_UNSUPPORTED, -3, "the system does not allow it")                                    \
    X(MM_ERROR_COMMIT_LIMIT, -4, "the commit limit is reached")                                    \
    X(MM_ERROR_ADDRESS, -5, "the address is not in a region of this manager")                      \
    X(MM_ERROR_NOT_COMMITTED, -6, "the memory is not committed")                                   \
    X(MM_ERROR_ACCESS, -7, "access violation")                                                     \
    X(MM_ERROR_IN_PAGE, -8, "in-page error: the page could not be read back from its store")       \
    X(MM_ERROR_THREADS, -9, "more threads than threads_max use this manager")                      \
    X(MM_ERROR_PIN_LIMIT, -10, "too many pages are pinned")                                        \
    X(MM_ERROR_BUSY, -11, "the memory is pinned or in use")                                        \
    X(MM_ERROR_SPACE, -12, "no room is left in the address space")

enum mm_error {
#define X(name, value, text) name = value,
    MM_ERRORS(X)
#undef X
};

/* The text of an error, static. */
MM_API const char *mm_error_text(int error);

/* One line that says what was refused, why, and the remedy. */
struct mm_detail {
    char text[512];
};

/* ---- a manager ----------------------------------------------------------------------------- */

typedef struct mm mm;

enum mm_machine { MM_MACHINE_AUTO, MM_MACHINE_SOFT, MM_MACHINE_LINUX };
enum mm_faults { MM_FAULTS_SIGNAL, MM_FAULTS_THREAD };
enum mm_slot_search { MM_SLOTS_NEXT_FIT, MM_SLOTS_FIRST_FIT };

/* AUTO: faults where page lists have 8 colours or more and the store is RAM, else workers. */
enum mm_balance { MM_BALANCE_AUTO, MM_BALANCE_WORKERS, MM_BALANCE_FAULTS };

/* AUTO: where a first write costs a fault of the system, pages of which many were written lately. */
enum mm_map_writable { MM_MAP_WRITABLE_AUTO, MM_MAP_WRITABLE_ON, MM_MAP_WRITABLE_OFF };

/*
 * What a hard fault reads besides its page where there is no stream to read ahead of: its neighbours
 * in memory, those that were missed after it the last time, or what lies at the distance of the
 * thread's last misses. AUTO: neighbours and followers, unless prefetch is 0; STREAMS: nothing.
 */
enum mm_prefetch_by {
    MM_PREFETCH_BY_AUTO,
    MM_PREFETCH_BY_STREAMS,
    MM_PREFETCH_BY_NEIGHBOURS,
    MM_PREFETCH_BY_FOLLOWERS,
    MM_PREFETCH_BY_STRIDE,
    MM_PREFETCH_BY_MAJORITY
};

/* AUTO: what outlives the process's control, a file with a path. */
enum mm_encrypt { MM_ENCRYPT_AUTO, MM_ENCRYPT_ON, MM_ENCRYPT_OFF };

#define MM_DEFAULT_SIZE  UINT64_MAX
#define MM_DEFAULT_COUNT UINT32_MAX

/*
 * Fill with mm_options_init() and change what should differ. MM_DEFAULT_SIZE and
 * MM_DEFAULT_COUNT mean: choose; mm_options_of() tells what was chosen.
 */
struct mm_options {
    enum mm_machine machine; /* AUTO: Linux where it works, else soft */
    enum mm_faults faults;   /* how faults arrive on the Linux machine */
    uint64_t memory_bytes;   /* size of the address space */
    uint64_t frames_bytes;   /* default: a quarter of the memory */
    uint64_t pagefile_bytes; /* at first; default: the memory; 0: none */
    /*
     * It grows to so much when the commit charge comes near the limit, and while a commit waits
     * that would be refused otherwise. Default: pagefile_bytes, it stays as it is.
     */
    uint64_t pagefile_max_bytes;
    uint32_t threads_max; /* threads that may use the manager at once */
    /* "aging", "age", "clock", "fifo", "segfifo", "mglru", "clock2q", "2q"; NULL: what suits the
     * machine */
    const char *policy;
    const char *store; /* KIND or KIND:REST, as `memman help` lists them; "ram" */
    uint32_t trimmers; /* worker threads of each kind */
    uint32_t writers;
    uint32_t zeroers;
    uint32_t defragmenters;   /* 0: none; each takes 1 MiB */
    uint32_t fault_handlers;  /* MM_FAULTS_THREAD only */
    uint32_t standby_percent; /* of the frames that trimming keeps available; up to 90 */
    uint32_t trim_batch;      /* pages per unmap */
    uint32_t write_batch;     /* pages per round of the modified writer */
    uint32_t region_ptes;     /* PTEs under one lock, a power of two */
    uint32_t frame_cache;     /* free frames kept per thread; 0: off */
    uint32_t fault_around;    /* pages looked at around a transition fault; 1: off */
    uint32_t prefetch;        /* pages that a worker reads ahead of a stream at once; 0: off */
    enum mm_prefetch_by prefetch_by; /* what a fault reads with its page */
    uint32_t read_cluster;   /* pages that one read may bring where faults are sequential; 1: off */
    uint32_t transfer_batch; /* Linux machine: pages whose content one system call moves */
    uint32_t tlb_entries;    /* soft machine, per thread, a power of two; 0: off */
    uint32_t list_colours; /* of each page list, with a lock each, a power of two; 1: exact order */
    enum mm_balance balance; /* who trims and writes ahead of need */
    bool list_lock_shared;   /* unlink under a shared lock and the neighbours' page locks */
    bool backoff;            /* exponential back-off of spin locks */
    bool dirty_bit;          /* off: every page that is mapped counts as written */
    enum mm_map_writable map_writable; /* pages read in before they are written; compared later */
    bool latency;                      /* time every fault */
    enum mm_slot_search slot_search;
    uint32_t
        slot_reservation; /* slots kept together for neighbouring pages, a power of two; 1: off */
    uint32_t spans;       /* kept of each thread, for mm_spans(); 0: none. Each 24 bytes */
    uint32_t heat;        /* stretches of memory for mm_heat(); 0: none. Each 56 bytes a thread */
    enum mm_encrypt encrypt;     /* the page file, with a key that only this process has */
    bool overwrite;              /* a page file with a path may exist; what is in it is lost */
    uint64_t store_frames_bytes; /* result: of frames_bytes, what the store takes for itself */
};

MM_API void mm_options_init(struct mm_options *options);

/*
 * Make a manager and start its workers. MM_ERROR_OPTION, MM_ERROR_NO_MEMORY or
 * MM_ERROR_UNSUPPORTED, with nothing left behind; `ret_detail` (may be NULL) then says why and
 * what helps. On success it holds an empty text, or a note (the machine that was chosen instead).
 */
MM_API int mm_create(const struct mm_options *options, mm **ret_mm, struct mm_detail *ret_detail);

/*
 * Stop the workers and give everything back; NULL is allowed. No other thread may be in a call or touch the
 * memory any more.
 */
MM_API void mm_destroy(mm *manager);

/* The options with every default resolved. Valid as long as the manager. */
MM_API const struct mm_options *mm_options_of(const mm *manager);

/*
 * Let the calling thread use the manager; undone by mm_detach() or when the thread ends. Optional:
 * the first call of any other function does it, and a thread that only loads and stores on the
 * Linux machine borrows a place for each fault. MM_ERROR_THREADS.
 */
MM_API int mm_attach(mm *manager);
MM_API void mm_detach(mm *manager);

/* ---- address space ------------------------------------------------------------------------- */

enum mm_protection { MM_NO_ACCESS, MM_READ_ONLY, MM_READ_WRITE };

/* Reserve address space, rounded up to pages. Costs no commit. MM_ERROR_SPACE. */
MM_API int mm_reserve(mm *manager, uint64_t bytes, uint64_t *ret_address);
/*
 * Give a whole region back: its base, exactly. MM_ERROR_ADDRESS, MM_ERROR_BUSY (pinned),
 * MM_ERROR_UNSUPPORTED (the system refuses; nothing has changed).
 */
MM_API int mm_release(mm *manager, uint64_t address);
/*
 * Commit pages of one region; new ones read as zeros. All or nothing; pages committed already
 * stay as they are. Waits while the page file grows for it. MM_ERROR_COMMIT_LIMIT (mm_commit_info()
 * says what is left: frames and page
 * file are full, at its maximum or because its store refuses more), MM_ERROR_ADDRESS,
 * MM_ERROR_UNSUPPORTED (the system refuses).
 */
MM_API int mm_commit(mm *manager, uint64_t address, uint64_t bytes, enum mm_protection protection);
/*
 * Throw pages away, contents and commit charge. MM_ERROR_ADDRESS, MM_ERROR_BUSY (pinned),
 * MM_ERROR_UNSUPPORTED (the system refuses; nothing has changed).
 */
MM_API int mm_decommit(mm *manager, uint64_t address, uint64_t bytes);
/*
 * Change the rights to committed pages. MM_ERROR_ADDRESS, MM_ERROR_NOT_COMMITTED, MM_ERROR_BUSY
 * (pinned), MM_ERROR_UNSUPPORTED (the system refuses; nothing has changed). Ranges are rounded outwards to pages, here
 * and in mm_commit() and mm_decommit().
 */
MM_API int mm_protect(mm *manager, uint64_t address, uint64_t bytes, enum mm_protection protection);

/*
 * Commit charge in pages: limit = frames + slots - retired - reserve, frames without those that
 * mm_retire_frames() took, and limit >= charge wherever memory is committed. Slots that cannot be
 * written are retired and lower the limit by themselves: the charge may then be above it, and
 * nothing is committed until enough was decommitted.
 */
struct mm_commit_info {
    uint64_t charge, limit, frames, slots, reserve;
    uint64_t reserve_paged; /* the reserve as soon as there is a page file */
    uint64_t retired;       /* of the slots: never used again */
    uint64_t left;          /* pages that can be committed now: limit - charge, or 0 */
    uint64_t slots_max;     /* of the page file as large as it may grow */
    int growth_error;       /* errno of the last extension that its store refused; 0: none */
};
MM_API void mm_commit_info(const mm *manager, struct mm_commit_info *ret_info);

/*
 * One page file more while everything runs, all of it usable and charged for from the return on.
 * The store must be "joined:..." (of one part will do), and pagefile_max_bytes leave room for it.
 * `store` is a name as in options.store: a file, RAM or a server. MM_ERROR_OPTION,
 * MM_ERROR_UNSUPPORTED, MM_ERROR_NO_MEMORY, with nothing changed; MM_ERROR_COMMIT_LIMIT: it is there,
 * but others have grown to the maximum meanwhile. `ret_detail` (may be NULL) says why.
 */
MM_API int mm_add_pagefile(mm *manager, const char *store, uint64_t bytes,
                           struct mm_detail *ret_detail);

/* ---- access -------------------------------------------------------------------------------- */

/*
 * Copy out of and into managed memory. An aligned 8-byte access is atomic; longer ones are not.
 * MM_ERROR_ACCESS or MM_ERROR_IN_PAGE: bytes before the page concerned were copied. On the Linux
 * machine a page that is there when the copy begins, is paged out in the middle of it and cannot be
 * read back then is told by SIGBUS, as for a load of the program's own; mm_pin() rules that out.
 */
MM_API int mm_read(mm *manager, uint64_t address, void *ret_bytes, size_t count);
MM_API int mm_write(mm *manager, uint64_t address, const void *bytes, size_t count);

/*
 * Keep one page resident and get a pointer to its first byte; with `write` it may be written
 * through it. Pins nest. MM_ERROR_ACCESS, MM_ERROR_IN_PAGE, MM_ERROR_PIN_LIMIT.
 */
MM_API int mm_pin(mm *manager, uint64_t address, bool write, void **ret_page);
MM_API void mm_unpin(mm *manager, uint64_t address);

/*
 * A hint that [address, address + bytes) will be touched soon: a worker reads what of it lies in the
 * page file, as far as there are frames that nobody waits for, and the first touch then needs no
 * read. Never waits, and changes nothing else: a page that cannot be read is silent until it is
 * touched. Where the worker has too much to do the hint is forgotten. Any thread, and from a signal
 * handler. MM_ERROR_ADDRESS.
 */
MM_API int mm_prefetch(mm *manager, uint64_t address, uint64_t bytes);

/*
 * Take frames out of service (the bad-page list), one by one, for as long as the commit charge
 * allows: the budget shrinks while everything runs. MM_ERROR_COMMIT_LIMIT when it had to stop
 * early; *ret_retired (may be NULL) says how many went.
 */
MM_API int mm_retire_frames(mm *manager, uint64_t count, uint64_t *ret_retired);

/* ---- pages that cannot be read ------------------------------------------------------------- */

/*
 * When the store cannot give a page back, whoever touches the page is told, and nobody else: loads
 * and stores on the Linux machine by SIGBUS with the address in si_addr, system calls on it by
 * EFAULT, mm_read(), mm_write() and mm_pin() by MM_ERROR_IN_PAGE. Nothing else has changed: the page
 * stays committed and in its slot, and a later touch reads it again. With MM_FAULTS_THREAD a page
 * that failed goes on failing without being read for 100 ms, or until mm_retry(), or until one of
 * the three calls has read it. mm_decommit() gives the page up.
 */
struct mm_error_info {
    uint64_t number;     /* of the manager's in-page errors, counted from 1 */
    uint64_t address;    /* of the page's first byte */
    uint64_t slot;       /* in the page file, counted from 1 */
    uint64_t when_ns;    /* CLOCK_MONOTONIC */
    int error;           /* the store's, an errno; EBADMSG: these are not the bytes written */
    bool retry_may_help; /* false: the store says that it is the content, not the way to it */
};
/*
 * The last in-page error of a page in [address, address + bytes), or with 0 bytes of any page;
 * false: none, or more than 63 others since. Async-signal-safe: ask a handler's si_addr and 1.
 */
MM_API bool mm_last_error(const mm *manager, uint64_t address, uint64_t bytes,
                          struct mm_error_info *ret_info);
/*
 * The next touch of a page in the range reads it again, at once. Needed with MM_FAULTS_THREAD only,
 * right otherwise too. Async-signal-safe. MM_ERROR_ADDRESS.
 */
MM_API int mm_retry(mm *manager, uint64_t address, uint64_t bytes);

/* ---- observation --------------------------------------------------------------------------- */

/* One counter: JSON group and key, Windows' name where there is one, its value. */
struct mm_counter {
    const char *group, *key, *title;
    uint64_t value;
};
/* All counters, in the order of the table, behind them those of the store (group "store"); returns how many there are (fill at most `count`). */
MM_API size_t mm_counters(const mm *manager, struct mm_counter *ret_counters, size_t count);

/* Frames by state; their sum is the number of frames when nothing moves. */
struct mm_pages {
    uint64_t frames, zeroed, free, standby, modified, active, transition, bad;
    uint64_t standby_by_priority[8];
};
MM_API void mm_pages(const mm *manager, struct mm_pages *ret_pages);

struct mm_latency {
    const char *name; /* a fault, by what it was, or a part: frame_wait, read, unmap */
    uint64_t count, mean_ns, p50_ns, p90_ns, p99_ns, p999_ns, max_ns;
};
MM_API size_t mm_latencies(const mm *manager, struct mm_latency *ret_latencies, size_t count);
/*
 * The durations that mm_latencies() sums up in its entry `index`, counted by size, four classes to
 * a power of two: class c < 8 is exactly c ns, from there on one begins at
 * (4 + c % 4) << (c / 4 - 1) ns. All 0 past the last entry.
 */
#define MM_LATENCY_CLASSES 156
MM_API void mm_latency_classes(const mm *manager, size_t index,
                               uint64_t ret_counts[MM_LATENCY_CLASSES]);

/*
 * Where faults were: the memory in at most options.heat stretches of equal length, and how many
 * there were in each since mm_create(), by kind; behind them where pages were prefetched. Looked up while everything goes on.
 */
struct mm_heat {
    const char *kind;   /* as in mm_latencies(); "prefetched" */
    uint64_t bytes;     /* of a stretch; of the last one as many as are left */
    uint64_t stretches; /* so many there are */
};
/*
 * Kind `index`, false past the last one and without options.heat; fills at most
 * `count` counts.
 */
MM_API bool mm_heat(const mm *manager, size_t index, struct mm_heat *ret_heat, uint64_t *ret_counts,
                    size_t count);

/*
 * Where the time of faults went: a row for each kind of fault and phase of it, the phases of a kind
 * behind each other. One fault in 16 of each thread is timed so, with mm_options.latency or spans.
 */
struct mm_phase {
    const char *fault, *phase; /* the fault is named as in mm_latencies() */
    const char *title;         /* of the phase */
    uint64_t faults, ns;       /* of the kind, that were timed so; of all of them, in the phase */
};
MM_API size_t mm_phases(const mm *manager, struct mm_phase *ret_phases, size_t count);

/* hold_ns is an estimate from one acquisition in 64. */
struct mm_lock_statistics {
    const char *name;
    uint64_t acquired, contended, wait_ns, hold_ns;
};
MM_API size_t mm_locks(const mm *manager, struct mm_lock_statistics *ret_locks, size_t count);
/* What of these is "list", by page list: zeroed, free, modified, bad, standby by priority. */
MM_API size_t mm_list_locks(const mm *manager, struct mm_lock_statistics *ret_locks, size_t count);

/*
 * How the pages lie in the page file, and what that costs. It is looked up while everything goes
 * on, and stops nobody: the first part is counted since mm_create(), the second is of one moment
 * only when nothing moves (mm_freeze()). It walks the slots and the page table, 15 ns a page.
 *
 * A ratio is NaN where there was nothing to divide by. Without a page file all counts are 0.
 */
#define MM_FREE_RUN_SIZES 32
struct mm_fragmentation {
    /* Since the beginning. */
    uint64_t reads, pages_read;     /* I/Os, and the pages that they brought */
    uint64_t writes, pages_written; /* I/Os, and the pages whose write was good */
    uint64_t batches;               /* of the modified writer */
    uint64_t batch_writes_p50, batch_writes_p99, batch_writes_max; /* I/Os of a batch */
    uint64_t pages_moved; /* written by the defragmenter, from slot to slot */
    /* Now, in slots. */
    uint64_t slots, slots_used;                     /* used: without those retired */
    uint64_t free_runs, free_run_max;               /* neighbouring slots that are free */
    uint64_t free_runs_by_size[MM_FREE_RUN_SIZES];  /* [i]: runs of 2^i to 2^(i+1) - 1 slots */
    uint64_t free_slots_by_size[MM_FREE_RUN_SIZES]; /* and the slots in them */
    uint64_t free_for_batch; /* free slots in pieces that take a whole batch (write_batch) */
    /* Now, in pages that have a slot, whether a frame holds them too or not. */
    uint64_t pages;
    uint64_t pages_reserved; /* in the place that is reserved for them */
    uint64_t pairs;          /* such a page, and the next in memory has a slot too */
    uint64_t pairs_in_order; /* and that is the next slot */
    /* Ratios. */
    double pages_per_read, pages_per_write;
    double unusable;            /* share of the free slots that is not free_for_batch */
    double contiguity;          /* pairs_in_order of pairs */
    double write_amplification; /* pages written and moved, for each page written */
};
MM_API void mm_fragmentation(const mm *manager, struct mm_fragmentation *ret_fragmentation);

/*
 * Whose the slots from `first` on are (slots count from 1): the address of the page that took each
 * last, or MM_SLOT_FREE, for retired ones too. Returns how many were looked up: at most `count`, fewer at the end. As
 * mm_fragmentation() of one moment only when nothing moves.
 */
#define MM_SLOT_FREE UINT64_MAX
MM_API size_t mm_slots(const mm *manager, uint64_t first, size_t count, uint64_t *ret_addresses);

/*
 * What a thread did, from when to when: faults, waits, reads, unmaps, rounds of workers that did
 * anything. Each thread keeps its last options.spans; what is inside another lies within it.
 * Nothing may move: frozen only.
 */
struct mm_span {
    const char *name, *group; /* "hard" of "fault", "unmap" of "batch", "trim" of "round" */
    const char *amount_name;  /* "page": the amount is its number; else how many: "pages" */
    uint64_t amount;
    uint64_t begin_ns, end_ns; /* CLOCK_MONOTONIC */
};
struct mm_span_thread {
    const char *name;   /* "user", or of the worker; several have the same */
    uint64_t all, kept; /* so many there were, so many there are */
};
/* Threads are counted from 0; 0 of them if no spans are kept. */
MM_API uint32_t mm_span_threads(const mm *manager);
/* The thread's last spans, at most `count`, in the order in which they ended; returns how many. */
MM_API size_t mm_spans(const mm *manager, uint32_t thread, struct mm_span *ret_spans, size_t count,
                       struct mm_span_thread *ret_thread);

/* CPU time that the manager's own threads have used. */
MM_API uint64_t mm_worker_cpu_ns(const mm *manager);
/* The same by what they do; pages go out by the work of all but "mm-prefetch". */
struct mm_worker {
    const char *name; /* of the thread; several of a kind have the same */
    uint32_t threads;
    uint64_t cpu_ns;
};
MM_API size_t mm_workers(const mm *manager, struct mm_worker *ret_workers, size_t count);

/* ---- audit --------------------------------------------------------------------------------- */

/*
 * Park the workers, so that nothing moves. The caller promises that no thread touches the
 * memory until mm_thaw(), which starts them again. MM_ERROR_UNSUPPORTED: no thread could be
 * started; everything stays frozen, and may be thawed later.
 */
MM_API void mm_freeze(mm *manager);
MM_API int mm_thaw(mm *manager);

typedef void mm_complaint(void *context, const char *text);
struct mm_audit {
    uint64_t checks, violations;
};
/*
 * Check everything against everything: each frame in exactly one state, lists against counts,
 * links, back pointers, slots, commit. Frozen only. Each violation is one call of `complaint`.
 */
MM_API void mm_audit(mm *manager, mm_complaint *complaint, void *context,
                     struct mm_audit *ret_audit);

/* Where a page was found. */
enum mm_page_form {
    MM_FORM_NOT_COMMITTED,
    MM_FORM_DEMAND_ZERO,
    MM_FORM_VALID,
    MM_FORM_TRANSITION,
    MM_FORM_PAGE_FILE,
    MM_FORM_COUNT
};
/* Read one whole page where it is, moving nothing. Frozen only. MM_ERROR_IN_PAGE and so on. */
MM_API int mm_peek(mm *manager, uint64_t address, void *ret_page, enum mm_page_form *ret_form);

/* ---- the tables ---------------------------------------------------------------------------- */

struct mm_state_info {
    const char *name, *meaning, *list;
};
struct mm_move_info {
    const char *from, *to, *why, *meaning, *locks;
};
struct mm_rank_info {
    const char *name, *guards;
    unsigned rank;
};
/* Entry `index` of the table; false past its end. */
MM_API bool mm_state_info(size_t index, struct mm_state_info *ret_info);
MM_API bool mm_move_info(size_t index, struct mm_move_info *ret_info);
MM_API bool mm_rank_info(size_t index, struct mm_rank_info *ret_info);

#ifdef __cplusplus
}
#endif
#endif

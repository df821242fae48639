/*
 * thread.h - what the engine knows of one thread that works in it: the locks it holds, what it
 * counted, its frame cache, its place in the queue for frames.
 *
 * A record belongs to one thread at a time (the caller of the engine sees to that). Fields marked
 * (o) are touched by the owner only, (s) are written by the owner and summed by readers, (w) are
 * guarded by the wait lock, (c) by the cache's lock.
 */
#ifndef MM_ENGINE_THREAD_H
#define MM_ENGINE_THREAD_H

#include "base/histogram.h"
#include "engine/counters.h"
#include "engine/states.h"

#include <stdatomic.h>

/* X(id, name, what it guards): the lock order, outermost first. */
#define LOCK_RANKS(X)                                                                              \
    X(SPACE, "space", "VADs and the commit charge; a sleeping lock")                               \
    X(REGION, "region", "one run of PTEs: valid <-> anything")                                     \
    X(PAGE, "page", "one frame: its state, slot, owner; the transition PTE that names it")         \
    X(LIST, "list", "one page list; shared for unlinks with the neighbours' page locks")           \
    X(CACHE, "frame cache", "one thread's free frames")                                            \
    X(SLOTS, "slots", "one part of the page-file bitmap")                                          \
    X(WAIT, "wait", "the queue of threads that wait for a frame; in-page blocks")

union scratch;

/* A series of misses, each as far from the one before. */
#define STRIDES    4
#define STRIDE_MAX 256 /* pages */
#define STEPS      32  /* remembered, a power of two */
struct stride {
    page_number last, step;
    uint32_t seen; /* in a row */
};

enum lock_rank {
#define X(id, name, guards) RANK_##id,
    LOCK_RANKS(X)
#undef X
        RANK_COUNT
};

/*
 * What locks are counted by: their rank, page lists each by itself. A class is a rank, or one of
 * the lists' behind the ranks.
 */
#define LOCK_LISTS   12 /* LIST_COUNT */
#define LOCK_CLASSES (RANK_COUNT + LOCK_LISTS)

struct lock_counts {
    _Atomic uint64_t acquired, contended, wait_ns, hold_ns; /* (s) */
    uint64_t sample_begin_ns;                               /* (o) 0: not sampled */
};

#define FRAME_CACHE_MAX 64

/* Free frames of one thread; others may take from it when they find nothing else. */
struct frame_cache {
    _Atomic uint32_t lock;
    _Atomic uint32_t count; /* (c) */
    frame_number frames[FRAME_CACHE_MAX];
    frame_number ahead; /* (o) a frame that the next refill will meet; a guess */
};

#define MOVE_RING 128

/* A remembered move, for the report of a failed check. */
struct move_record {
    _Atomic uint64_t sequence;
    _Atomic uint32_t frame, page;
    _Atomic uint32_t why;
};

struct thread {
    CACHE_ALIGNED uint32_t number; /* (o) place in engine.threads */
    bool backoff;                  /* (o) how its locks wait */
    uint32_t held[RANK_COUNT];     /* (o) how many locks of each rank, checked builds */
    enum latency latency;          /* (o) what the fault under way turned out to be */
    uint32_t block;                /* (o) in-page block in reserve, or BLOCK_NONE */
    uint32_t slot_area;            /* (o) where its last search for free slots ended */
    uint32_t colour;               /* (o) of page lists: the one it is at */
    uint32_t colour_step;          /* (o) it serves every so-manieth colour */
    uint32_t strange;              /* (o) its faults in regions of other colours */
    uint32_t turn;                 /* (o) the colour that it looks at beside its own, next time */
    bool owes;                     /* (o) it took frames, and looks after the balance itself */
    uint32_t taken_frames;         /* (o) that pages lost to it (refault.h) */
    uint32_t refault_seen;         /* (o) what the clock showed it last */
    uint32_t trim_hand, trims;     /* (o) the region it trims next, of its colours; its trims */
    uint64_t spans;                /* (o) so many there were (spans.h) */
    uint64_t phase_begin_ns;       /* (o) 0: the fault under way is not timed by phase (phases.h) */
    enum fault_phase phase;        /* (o) that it is at */
    page_number phase_page;        /* (o) its page */
    uint32_t faults;               /* (o) so many there were while somebody wanted to know */
    page_number wants;             /* (o) the page that needs a frame, while it waits for one */
    union scratch *scratch;        /* (o) for a round of trimming or writing */

    /* For guesses at what comes next (guess.c). */
    page_number missed;                 /* (o) last, or PAGE_NONE */
    uint32_t missed_count, missed_hard; /* (o) */
    page_number steps[STEPS];           /* (o) between the last of them */
    struct stride strides[STRIDES];     /* (o) */
    struct stride *stride;              /* (o) that of the last miss */
    uint32_t stride_hand;               /* (o) that gives way next */
    uint32_t guesses_refused;           /* (o) because they rarely pay */
    bool takes_ahead;                   /* (o) frames for pages nobody has asked for */

    bool granted;          /* (w) a frame was promised */
    struct thread *behind; /* (w) next in the queue for frames */
    _Atomic uint32_t wake; /* counts grants; waited on */

    CACHE_ALIGNED struct frame_cache cache;

    CACHE_ALIGNED _Atomic uint64_t counters[COUNTER_COUNT]; /* (s) */
    _Atomic uint64_t moves[WHY_COUNT];                      /* (s) */
    struct lock_counts locks[LOCK_CLASSES];
    struct histogram latencies[LATENCY_COUNT];            /* (s) */
    _Atomic uint64_t phase_faults[FAULT_KINDS];           /* (s) that were timed by phase */
    _Atomic uint64_t phase_ns[FAULT_KINDS][FAULT_PHASES]; /* (s) of these */
    uint64_t phase_spent_ns[FAULT_PHASES];                /* (o) of the fault under way */
    struct histogram batch_writes;      /* (s) I/Os that a batch of the writer took */
    struct move_record ring[MOVE_RING]; /* checked builds */
    uint32_t ring_next;                 /* (o) */
};

/* One writer, who is the caller; others read. */
static inline void add_relaxed(_Atomic uint64_t *value, uint64_t amount)
{
    atomic_store_explicit(value, atomic_load_explicit(value, memory_order_relaxed) + amount,
                          memory_order_relaxed);
}

static inline void count_add(struct thread *self, enum counter counter, uint64_t amount)
{
    add_relaxed(&self->counters[counter], amount);
}

static inline void count_one(struct thread *self, enum counter counter)
{
    count_add(self, counter, 1);
}

#endif

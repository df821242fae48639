/*
 * scenario.h - two or three operations at once on a few pages, in every order that matters.
 *
 * A scenario is a row of a table: how the pages begin, and for each fiber the steps it takes. It
 * runs under random schedules, under PCT (about 3 n k runs: a bug of depth 2 is missed in 5 of 100
 * suites at most), the same again with late stores, and then in every order with at most two preemptions; where orders lead to one
 * state, what follows is run once (world/known.c). Rows for which that would take minutes have one
 * preemption and PCT for bugs of depth 3, and say how likely those are found. After each run the
 * audit must be silent, nobody may wait or hold a lock, and some order of the steps, each taken as
 * one act, must explain everything that was returned and every byte that is left.
 *
 * MM_SCENARIO=name runs one row alone. Every run of a row is the same each time, so that repeats a
 * failure; its line names the run.
 */
#ifndef MM_TEST_SCENARIO_H
#define MM_TEST_SCENARIO_H

#include "base/types.h"
#include "sim/assembly.h"
#include "world/fibers.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

enum {
    SCENARIO_PAGES = 8,
    SCENARIO_FIBERS = 3,
    SCENARIO_STEPS = 5,
    SCENARIO_SEEN = 4,
    SCENARIO_BEGIN = 0, /* the thread that sets up and looks at the end */
    SCENARIO_USERS = 1 + SCENARIO_FIBERS
};

/* How a page begins. Content is version 1, or zeros. */
enum start {
    UNTOUCHED, /* committed, demand-zero */
    RESERVED,  /* not committed */
    ACTIVE,    /* written, in the working set */
    CLEAN,     /* in the working set, with its slot */
    ZEROS,     /* in the working set, only read so far: clean, without a slot */
    MODIFIED,
    STANDBY,
    STANDBY_ZEROS, /* standby without a slot */
    IN_SLOT,       /* no frame */
    READ_ONLY,     /* as CLEAN, protected */
    AHEAD,         /* read ahead, and not used yet */
};

enum act {
    NOTHING, /* the end of the steps */
    READ,
    WRITE, /* the whole page, a version of its own */
    TRIM,  /* this page, if it is in the working set */
    TRIM_ANY,
    WRITE_OUT, /* one round of the modified writer */
    REPURPOSE, /* one standby page, to the free list */
    COMMIT,
    DECOMMIT,
    RELEASE, /* the whole region of all pages */
    PROTECT_READ,
    PROTECT_WRITE,
    PIN_READ, /* and read through the frame */
    PIN_WRITE,
    UNPIN, /* if the pin succeeded */
    RETIRE,
    ZERO_FRAMES, /* one round of the zero thread */
    DEFRAG,      /* one round of the defragmenter */
    ASK_AHEAD,   /* for all pages from this one on */
    READ_AHEAD,  /* the same, and one round of who reads ahead */
    LEAVE,       /* the thread's frame cache goes back */
    STOP         /* engine_stop() */
};

struct step {
    enum act act;
    page_number page;
};

/* What a scenario must have met, or it proves nothing: a counter, or a move of a frame. */
#define SEE(counter)   (1u + COUNT_##counter)
#define SEE_MOVE(move) (1u + COUNTER_COUNT + WHY_##move)
#define SCENARIO_SEES  (1u + COUNTER_COUNT + WHY_COUNT)

struct scenario {
    const char *name;
    /* 0: the pages given in `start`, 4 frames, 8 slots, 2 PTEs in a region, batches of 1. */
    page_number pages;
    frame_number frames;
    slot_number slots;
    uint32_t region_ptes, batch, frame_cache, fault_around, read_cluster, slot_reservation,
        prefetch, guess_by;
    uint32_t colours;               /* of page lists */
    bool balances;                  /* faults trim and write ahead */
    uint32_t workers[WORKER_KINDS]; /* started before the steps, stopped after them */
    bool no_slots, list_lock_plain;
    bool grows; /* the page file begins with slots_first; each commit lets it grow */
    slot_number slots_first;
    uint32_t growths_fail; /* the first of them; a commit may be refused */
    bool scattered; /* the last page is written first, and all are without reservations at first */
    bool alone;     /* and there is a free slot behind each */
    bool unwatched; /* pages are mapped writable, and compared with their slots on the way out */
    bool patient;   /* a shootdown waits a moment for threads to fence themselves */
    uint32_t reads_fail, writes_fail; /* the first of them */
    int write_error;                  /* of those writes, an errno; 0: EIO */
    bool pins_full;                   /* a pin may be refused for want of frames */
    enum start start[SCENARIO_PAGES];
    struct step fibers[SCENARIO_FIBERS][SCENARIO_STEPS];
    uint32_t sees[SCENARIO_SEEN];
    uint32_t preemptions; /* 0: two */
};

/* ---- what a run leaves for the model ---- */

/* Of one step, or of the last look at a page. */
struct outcome {
    int result;       /* of the call */
    uint32_t version; /* READ, PIN_READ: found; WRITE, PIN_WRITE: written */
    uint32_t begin, end;
    uint32_t reads_failed; /* a bit for each page whose read by this step failed */
};

struct history {
    struct outcome steps[SCENARIO_FIBERS][SCENARIO_STEPS];
    struct outcome last[SCENARIO_PAGES]; /* a read of each page at the end */
};

/* Is there an order of the steps that explains the history? */
bool model_explains(const struct scenario *scenario, const struct history *history);

/* ---- the store ---- */

/*
 * Copies half a page when a request comes and half when it is reaped, with points between; fails
 * what it is told to; refuses a slot that is under way already. What was never written, and what a
 * failed request leaves, is poison.
 */
extern const struct assembly_store scenario_store;
/* Such a store that is made or reset begins with so many slots; UINT32_MAX: with all. */
void scenario_store_begin_with(slot_number slots);
/* The next times that it is to grow and does not. */
void scenario_store_refuse(struct store *store, uint32_t growths);
/* The next reads and writes that fail. */
void scenario_store_fail(struct store *store, uint32_t reads, uint32_t writes, int write_error);
/* Told of every read that fails, before the engine is: the queue, and where it was read to. */
void scenario_store_watch(struct store *store, void (*failed)(uint32_t queue, const void *buffer));

/* ---- one run ---- */

/* What a run has led to. */
struct scenario_run {
    struct fibers_result result;
    struct history history;
    uint32_t steps;               /* of the operations; 0: not all of them ended */
    uint64_t seen[SCENARIO_SEES]; /* how often what SEE() and SEE_MOVE() name was met */
};

/* The world of a row, which must stay as long; counts its pages if they are not given. */
void scenario_create(struct scenario *row);
/* Nothing if there is none. */
void scenario_destroy(void);
/* From the beginning of the row to its end, under this schedule. Valid until the next run. */
const struct scenario_run *scenario_run(const struct fibers_config *config);

/* ---- searching ---- */

/* A cmocka group of all rows; the exit status of main(). */
int scenarios_main(const char *group, const struct scenario *scenarios, size_t count);
/* One row as part of another test; how many runs the search made. */
uint64_t scenario_search(const struct scenario *scenario);

/* What the paths of a row have led to: how many different histories, and a hash of all of them. */
struct scenario_ends {
    uint64_t paths, ends, hash;
};
/* Without the random runs; `whole`: what follows a state is searched again whenever it is come to. */
struct scenario_ends scenario_ends(const struct scenario *scenario, bool whole);

#endif

/*
 * fibers.h - the deterministic world: every thread a fiber, one of them running, a schedule drawn
 * from a seed.
 *
 * Implements contract/world.h. The code above is compiled a second time with world/atomics.h in
 * front of it, which puts a point before every atomic access; at a point, a wait, a pause or the
 * end of a thread the strategy says who runs next. Same configuration, same run, to the last byte.
 *
 * One run at a time in a process, and nothing of the run survives it but what its owner allocated.
 * Everything below the line "inside a run" may be called by fibers only.
 */
#ifndef MM_WORLD_FIBERS_H
#define MM_WORLD_FIBERS_H

#include "contract/world.h"

/* Who runs next. */
enum fibers_strategy {
    FIBERS_RANDOM, /* at each point with switch_chance, somebody at random */
    FIBERS_PCT,   /* priorities, and `depth` - 1 points where the runner's falls below all others */
    FIBERS_PATH,  /* by `path`: one run of a preemption-bounded exhaustive search */
    FIBERS_BYTES, /* by the bytes of an input; when they end, nobody is preempted any more */
    FIBERS_TIMING /* virtual CPUs and a table of costs: predicts, does not search */
};

/*
 * One decision of a path: `taken` of `options` possible ones. 0 lets the runner go on where it can.
 */
struct fibers_choice {
    uint16_t taken, options;
};

/* A path of decisions; fibers_path_next() turns it into the next one. */
struct fibers_path {
    struct fibers_choice *choices; /* the caller's; `room` of them */
    uint32_t room, length;
    uint32_t preemptions_max;
    bool once;     /* go on from each state once; what fibers share is said with fibers_touch() */
    bool overflow; /* a run had more decisions than there is room: the search is not complete */
};

struct fibers_config {
    enum fibers_strategy strategy;
    uint64_t seed;
    uint64_t steps_max; /* the run ends as FIBERS_ENDLESS; 0: no bound */
    /* FIBERS_RANDOM: how many of 65,536 points switch. */
    uint32_t switch_chance;
    /* FIBERS_PCT: bug depth (2: one change of priorities), and about how many points a run has. */
    uint32_t depth;
    uint64_t steps_expected;
    /* FIBERS_PATH; under any other strategy the run teaches the search which words are shared. */
    struct fibers_path *path;
    const unsigned char *bytes; /* FIBERS_BYTES */
    size_t byte_count;
    uint32_t cpus; /* FIBERS_TIMING: 1..FIBERS_CPUS_MAX */
    /* Points before relaxed loads and stores too: finds what a missing lock would let through. */
    bool relaxed_points;
    /*
     * Stores that are not sequentially consistent are seen by others some points later, in order:
     * what processors do, and what a fence or a read-modify-write ends.
     */
    bool late_stores;
    /*
     * Timeouts of at least this many ns never end a wait: such ticks are safety nets behind the
     * wake-ups, and without them a lost wake-up is a deadlock. UINT64_MAX: every timeout works.
     */
    uint64_t net_ns;
    /* How many of 65,536 points end a wait for no reason, or let the next timeout come early. */
    uint32_t early_chance;
    /* Called every `look_every` steps with points off; 0: never. To look, never to touch. */
    uint32_t look_every;
    void (*look)(void *context);
    void *context;
};

enum fibers_outcome {
    FIBERS_DONE,     /* the main fiber returned */
    FIBERS_DEADLOCK, /* everybody waits, nobody can be woken */
    FIBERS_ENDLESS,  /* steps_max */
    FIBERS_BROKEN,   /* world_abort(), or fibers_fail() */
    FIBERS_KNOWN     /* FIBERS_PATH: all that can follow has been searched already */
};

#define FIBERS_TEXT     2048
#define FIBERS_MAX      1152 /* fibers alive at once */
#define FIBERS_CPUS_MAX 256

struct fibers_result {
    enum fibers_outcome outcome;
    uint64_t steps, switches,
        preemptions; /* preemptions: switches that the runner did not ask for */
    uint64_t hash;   /* of the schedule: equal for equal runs */
    uint64_t now_ns; /* virtual time at the end */
    uint64_t cpu_ns; /* FIBERS_TIMING: of all fibers together */
    /* FIBERS_TIMING: the cache line whose moves between processors took longest, and how long. */
    uintptr_t costliest_line;
    uint64_t costliest_ns;
    char text[FIBERS_TEXT]; /* what broke, or who waits */
};

typedef void fibers_main(void *argument);

/* Run `main` as the first fiber until it returns or the run ends otherwise. */
void fibers_run(const struct fibers_config *config, fibers_main *main, void *argument,
                struct fibers_result *ret_result);

/*
 * The next path of the search in order; false: every run with at most preemptions_max preemptions
 * has been made, or with `once` led to a state that another has gone on from (FIBERS_KNOWN). Begin
 * with length 0. Points at words that one fiber alone uses are passed over; when a run finds a new word that two use, the search starts again with what it knows now.
 */
bool fibers_path_next(struct fibers_path *path);
/* Forget which words are shared: a new search begins. */
void fibers_path_begin(struct fibers_path *path);

/* ---- inside a run ---- */

/* A point that no atomic access makes. */
void fibers_point(void);
/*
 * FIBERS_PATH: the runner uses what others use too, without a point and without a lock; NULL: bytes.
 * Two orders of such uses are two states.
 */
void fibers_touch(const volatile void *word);
/* Points, waits and time stand still between the two: for looking at what nobody may change. */
void fibers_points_off(void);
void fibers_points_on(void);
bool fibers_inside(void); /* a run is under way, and this is one of its fibers */
uint32_t fibers_self(void);
const char *fibers_name(void);
uint64_t fibers_steps(void);
/* A number below `bound` from the run's seed, apart from those that schedule. */
uint32_t fibers_random(uint32_t bound);
/* From here on the outcome of the run is FIBERS_BROKEN with this text. */
_Noreturn void fibers_fail(const char *format, ...) __attribute__((format(printf, 1, 2)));
/*
 * FIBERS_RANDOM, FIBERS_PCT, FIBERS_BYTES: from here on everybody gets his turn soon, so that who
 * makes no progress has no schedule to blame. Also from look().
 */
void fibers_be_fair(void);
/* FIBERS_TIMING: CPU time of the fiber so far. */
uint64_t fibers_cpu_ns(void);

#endif

/*
 * fibers_internal.h - the run under way, for the files that make the fibers world.
 *
 * fibers.c has the fibers, their waits and the clock; strategy.c says who runs next; timing.c is
 * the strategy that predicts. All of it belongs to the one thread that called fibers_run().
 */
#ifndef MM_WORLD_FIBERS_INTERNAL_H
#define MM_WORLD_FIBERS_INTERNAL_H

#include "base/random.h"
#include "world/fiber_switch.h"
#include "world/fibers.h"

#define NOBODY UINT32_MAX

enum fiber_state { FIBER_UNUSED, FIBER_READY, FIBER_WAITING, FIBER_ENDED };

/* Why somebody must be chosen. */
enum reason {
    REASON_POINT, /* the runner could go on */
    REASON_PAUSE, /* the runner could go on, but waits for somebody */
    REASON_LEAVE  /* the runner waits or has ended */
};

#define LATE_MAX 12 /* stores in a fiber's buffer */

struct late_store {
    volatile void *word;
    uint64_t value;
    unsigned bytes;
};

struct world_thread {
    enum fiber_state state;
    struct fiber_context context;
    world_thread_main *main;
    void *argument;
    char name[16];
    uint32_t ready_at; /* place in run.ready */

    _Atomic uint32_t ended;       /* what a join waits for */
    const _Atomic uint32_t *word; /* waiting */
    uint32_t expected;
    uint64_t until_ns;   /* UINT64_MAX: no timeout */
    uint64_t wait_order; /* who waits longest is woken first */

    uint64_t paused_at; /* run.writes at its last pause: nothing to see for it until that changes */
    bool writes;        /* its last point was before a store: others may see it at the next */
    struct late_store late[LATE_MAX]; /* oldest first; others do not see them yet */
    uint32_t late_count;
    uint64_t priority;      /* FIBERS_PCT */
    uint64_t past;          /* FIBERS_PATH: hash of what it did and saw */
    struct {                /* FIBERS_TIMING */
        uint32_t cpu, next; /* next on that processor, or NOBODY */
        uint64_t ready_ns, cpu_ns;
    } timing;
};

struct run {
    struct fibers_config config;
    struct fibers_result *result;
    struct world_thread fibers[FIBERS_MAX];
    uint32_t fiber_count; /* used so far; ended ones are used again */
    uint32_t ready[FIBERS_MAX], ready_count;
    uint32_t waiting_count;
    uint32_t current;
    bool active;
    uint32_t points_off;
    struct fiber_context outside; /* the caller of fibers_run() */
    struct random_generator schedule, draws;
    uint64_t now_ns, steps, hash;
    uint64_t writes;      /* stores to shared words so far */
    uint64_t wait_orders; /* waits so far */
    uint32_t idle_pauses; /* pauses since the last store */
    uint64_t until_look;
    uint64_t lowest;      /* FIBERS_PCT: the next priority below all others */
    uint64_t changes[16]; /* FIBERS_PCT: at which steps the runner's priority falls */
    uint32_t change_count;
    uint32_t preemptions;      /* FIBERS_PATH: so far */
    uint32_t path_at;          /* FIBERS_PATH: decisions so far */
    uint32_t idle_turn;        /* whose turn it is among those with nothing new to see */
    uint64_t first_timeout_ns; /* no timeout comes before */
    size_t byte_at;            /* FIBERS_BYTES */
    uint32_t bytes_quiet;      /* points until the next byte is asked */
};

extern struct run run;

/* ---- fibers.c ---- */
/* End the waits whose timeout has come by run.now_ns. */
void fibers_expire_timeouts(void);

/* The rest of the run has been searched. */
_Noreturn void fibers_leave_known(void);

/* What a search of paths knows of a word of memory. */
struct fiber_word {
    uintptr_t address;
    uint32_t user;   /* the one fiber seen at it, or one of the two below */
    uint64_t run;    /* of which the rest is; else the word has no past */
    uint64_t stored; /* past of the fiber that stored last */
};
#define WORD_SHARED    UINT32_MAX
#define WORD_OF_NOBODY (UINT32_MAX - 1)

/* ---- known.c ---- */
void known_forget(void); /* a new search begins */
void known_begin(void);  /* a run */
void known_use(const volatile void *word, int touch);
/* The runner has used the word, or, NULL, what has no word of its own. */
static inline void known_touch(const volatile void *word, int touch)
{
    if (UNLIKELY(run.config.strategy == FIBERS_PATH))
        known_use(word, touch);
}
/* The fiber has come to a point, a pause or a wait; or `why` has ended its wait. */
static inline void known_step(struct world_thread *fiber, uint64_t why)
{
    uint64_t state = fiber->past ^ (why + 1) * 0x9e3779b97f4a7c15ull;

    if (UNLIKELY(run.config.strategy == FIBERS_PATH))
        fiber->past = random_mix(&state);
}
/* Has the search been here? From now on it has. */
bool known_state(enum reason reason);

/* ---- strategy.c ---- */
void strategy_begin(void);
void strategy_adopt(struct world_thread *fiber); /* a new fiber */
/* Made when it is asked for first; gone when a new search begins. */
struct fiber_word *strategy_word(const volatile void *address);
/* Does this point count? A word that one fiber alone uses needs none where paths are searched. */
bool strategy_point_counts(const volatile void *word);
/* Somebody of run.ready; the runner itself only where `reason` lets it. */
uint32_t strategy_pick(enum reason reason);
/* Somebody paused and nothing was stored since: it would only look at the same words again. */
static inline bool fiber_idle(const struct world_thread *fiber)
{
    return fiber->paused_at == run.writes;
}

/* ---- timing.c ---- */
void timing_begin(void);
void timing_adopt(struct world_thread *fiber);
void timing_ready(struct world_thread *fiber); /* woken */
void timing_touch(const volatile void *word, int touch);
void timing_work(enum world_work work, uint32_t count);
void timing_pause(uint64_t pause_ns);
uint32_t timing_pick(enum reason reason);
void timing_end(struct fibers_result *result);

#endif

/*
 * sim.h - one simulated world: what is drawn is built, users work in it, everything is checked.
 *
 * sim_run() makes a world, runs it on fibers and takes it apart again. Two phases. Safety: store
 * faults are on, and the users pause several times for a full audit. Then the store heals, and
 * everybody must get on within a bound of steps. At the end every page is read back.
 */
#ifndef MM_SIM_SIM_H
#define MM_SIM_SIM_H

#include "base/random.h"
#include "sim/assembly.h"
#include "sim/faults.h"
#include "sim/oracle.h"
#include "world/fibers.h"

#define SIM_PINS_MAX 2u
#define SIM_KIND     160

/* The legal moves that a world made: a bit for each row of move_table and of pte_move_table. */
struct moves_made {
    uint64_t frames, ptes;
};

/* What a world did, and how it ended. Fixed size: it goes through a pipe. */
struct sim_result {
    uint64_t seed;
    bool failed;
    char kind[SIM_KIND]; /* what broke, without numbers: the same failure has the same kind */
    char text[1024];     /* what broke, where */
    uint64_t steps, switches, hash, operations, checks;
    uint64_t hard_faults, rescues, demand_zero, page_errors, slots_retired;
    uint64_t unchanged;           /* modified pages not written: the slot held them */
    uint64_t extensions, refused; /* of the page file */
    uint64_t slots_moved, slot_moves_aborted, runs_emptied; /* by defragmenters */
    uint64_t prefetched, prefetch_used, prefetch_wasted;    /* pages */
    uint64_t injected[FAULT_CLASSES];
    uint64_t read_back[PTE_FORMS]; /* pages read back at the end, by the form they were found in */
    struct moves_made moves;
};

struct sim;

struct sim_user {
    struct sim *sim;
    uint32_t number;
    struct random_generator random;
    page_number next;    /* sequential */
    uint64_t turns;      /* at an operation; some find nothing to do */
    bool pinning;        /* a pin is under way */
    int64_t pin_room;    /* least number of frames that could still be pinned, since it began */
    uint64_t busy_since; /* step at which the operation under way began; 0: none */
    struct {
        page_number page; /* PAGE_NONE: unused */
        frame_number frame;
        bool write;
    } pins[SIM_PINS_MAX];
    struct world_thread *thread;
    uint64_t buffer[2 * PAGE_WORDS];
};

/* A reserved range; ranges have equal sizes and take each other's places. */
struct sim_range {
    bool reserved, busy;
};

/* Users who pin a page: for sure, and those who may have it already, or still. */
struct sim_pinned {
    uint32_t held, claimed;
};

struct trace;
struct faults;

struct sim {
    const struct sim_options *options;
    struct sim_result *result;
    struct assembly assembly;
    struct assembly_store store; /* how the assembly makes its store */
    struct faults *faults;
    struct oracle oracle;
    struct sim_user users[SIM_THREADS_MAX];
    struct sim_user keeper; /* makes room where slots were retired; while the workers run */
    _Atomic uint32_t keeper_ends;
    struct sim_range *ranges;
    uint32_t range_count;
    page_number range_pages;
    bool reserving;                /* somebody releases or reserves a range */
    uint32_t retired, retired_max; /* frames out of service, or on their way */
    uint32_t retired_surely;
    struct sim_pinned *pinned;          /* by page */
    uint32_t pages_held, pages_claimed; /* pages that count in them */
    uint64_t weights;                   /* of all operations together */
    struct trace *trace;                /* NULL: none */

    /* Users and the main fiber meet between rounds. */
    _Atomic uint32_t round, parked;
    uint32_t rounds; /* the last one is the liveness phase */
    bool healed;
    uint64_t healed_at; /* step */
    uint64_t next_look; /* step of the next look at the invariants */

    struct invariants *invariants;
};

static inline uint64_t sim_value(const struct sim *sim, enum sim_option option)
{
    return sim->options->value[option];
}

/* ---- run.c ---- */
void sim_run(const struct sim_options *options, struct trace *trace, struct sim_result *ret_result);
/* The engine thread that the main fiber works as. */
static inline uint32_t sim_main_thread(const struct sim *sim)
{
    return (uint32_t)sim_value(sim, SIM_THREADS);
}

/* The keeper's. */
static inline uint32_t sim_keeper_thread(const struct sim *sim)
{
    return sim_main_thread(sim) + 1;
}

/* ---- users.c ---- */
/* Commit, and let the page file grow for it; a refusal must be right. */
enum space_result commit_pages(struct sim *sim, uint32_t thread, page_number first,
                               page_number count, enum protection protection);
void user_begin(struct sim *sim, uint32_t number);
void user_main(void *user);
/*
 * The keeper decommits pages while the charge is above the commit limit, as it is where slots were
 * retired from a full page file, and while writes fail and somebody waits for a frame, as where the
 * only free slot is a bad one: else who waits may wait for ever, and be right to.
 */
void keeper_begin(struct sim *sim);
void keeper_main(void *user);

/* ---- invariants.c ---- */
struct invariants;
int invariants_create(struct sim *sim);
void invariants_destroy(struct sim *sim);
/* What holds at any step, of all that nobody has locked right now. Never a point. */
void invariants_look(struct sim *sim);
/* Nothing moves: the engine's audit, and what only this side knows. */
void invariants_audit(struct sim *sim);

#endif

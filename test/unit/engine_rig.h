/*
 * engine_rig.h - an engine on the soft machine over a gated store, for tests of one rule at a time.
 *
 * The gated store holds each request until the gate of its operation is open, fails what it is
 * told to fail, and runs a callback when a request arrives. The callback runs in the middle of a
 * read or a write, with no lock held, so it can take the part of every other thread: with no
 * workers started an interleaving is a plain sequence of calls and always the same.
 *
 * Every engine thread number may be used by hand: users read and write memory, TRIMMER, WRITER and
 * the others are for trim_pages(), write_round() and the like. rig_end() audits.
 */
#ifndef MM_TEST_ENGINE_RIG_H
#define MM_TEST_ENGINE_RIG_H

#include "engine/engine.h"
#include "engine/lists.h"
#include "machine/soft/soft.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

enum {
    RIG_USERS = 16,
    TRIMMER = RIG_USERS,
    TRIMMER_2,
    WRITER,
    WRITER_2,
    OTHER,
    RIG_WORKERS, /* the first of the workers' numbers */
    RIG_THREADS = RIG_WORKERS + 8
};

/* ---- the gated store ------------------------------------------------------------------------ */

#define GATE_LOG      4096u
#define GATE_ALWAYS   UINT32_MAX
#define GATE_ANY_SLOT SLOT_NONE

struct gate_record {
    enum store_operation operation;
    slot_number slot;
    uint32_t count, queue;
};

struct gate_failure {
    enum store_operation operation;
    slot_number slot; /* or GATE_ANY_SLOT */
    uint32_t times;   /* still to fail, or GATE_ALWAYS */
};

/* The store is asked to grow to so many slots; 0 or -errno. */
typedef int gate_growth(void *context, slot_number slots);
typedef void gate_callback(void *context, const struct store_request *request);

struct gate_store {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    /* Guarded by the lock. */
    struct store_request *first[RIG_THREADS], *last[RIG_THREADS];
    bool shut[2];
    struct gate_failure failures[8];
    int error;                        /* of what fails, an errno; 0: EIO */
    struct gate_record log[GATE_LOG]; /* every submitted run */
    uint32_t logged, held[2];         /* held: submitted, not reaped yet */
    _Atomic slot_number slots_ready;
    _Atomic bool growing;
    /* Set while no request is under way. */
    slot_number slots;
    gate_growth *at_growth; /* NULL: it grows as far as it is asked to */
    void *at_growth_context;
    unsigned char *bytes;
    gate_callback *at_submit;
    void *at_submit_context;
};

/* ---- the rig -------------------------------------------------------------------------------- */

/* Zero means the default of rig_begin(). */
struct rig_config {
    page_number pages;       /* all reserved; 64 */
    page_number commit;      /* of them committed read-write, from page 0; all */
    frame_number frames;     /* 16 */
    slot_number slots;       /* 64 */
    slot_number slots_first; /* with `grows`: usable from the start */
    slot_number growth_step;
    uint32_t trim_batch, write_batch, region_ptes, frame_cache, fault_around, read_cluster,
        standby_percent, slot_reservation, defrag_rounds, defrag_batch, spans, heat, prefetch,
        guess_by, list_colours;
    uint32_t workers[WORKER_KINDS];
    enum map_writable map_writable;
    bool grows;
    bool no_commit, no_slots, no_dirty_bit, first_fit, list_lock_plain, balance_in_faults;
    bool blind_machine; /* it cannot tell what was written */
    const struct policy *policy;
};

struct rig {
    struct engine *engine;
    struct soft *soft;
    struct machine machine;
    struct store store;
    struct gate_store gate;
    void *memory;
    bool working;           /* the workers were started */
    uint64_t complaints;    /* of the last audit */
    const char *complaint;  /* the first of them */
    _Atomic uint32_t stuck; /* calls of engine_config.complain */
    char stuck_text[512];   /* of the first of them */
};

void rig_begin(struct rig *rig, const struct rig_config *config);
/* Stops the workers, audits, and ends the rig; violations fail the test. */
void rig_end(struct rig *rig);
/* The same without the audit, for rigs that were damaged on purpose. */
void rig_destroy(struct rig *rig);
void rig_start_workers(struct rig *rig);
void rig_stop_workers(struct rig *rig);
/* Violations that the audit found; nothing is printed. */
uint64_t rig_audit(struct rig *rig);

/*
 * The gate (gate_store.c). rig_begin() makes rig->store of so many slots, of which the first are
 * usable, and rig_destroy() ends it.
 */
void gate_create(struct rig *rig, slot_number slots, slot_number ready);
void gate_destroy(struct rig *rig);
/* Opening wakes what is held. */
void gate_shut(struct rig *rig, enum store_operation operation);
void gate_open(struct rig *rig, enum store_operation operation);
/* Wait until so many requests are held. */
void gate_wait_held(struct rig *rig, enum store_operation operation, uint32_t count);
void gate_fail(struct rig *rig, enum store_operation operation, slot_number slot, uint32_t times);
void gate_heal(struct rig *rig);
/* Runs submitted so far. */
uint32_t gate_count(struct rig *rig, enum store_operation operation);
void gate_call(struct rig *rig, gate_callback *callback, void *context);
unsigned char *gate_bytes(struct rig *rig, slot_number slot);

/* ---- what the engine knows ------------------------------------------------------------------ */

struct thread *rig_thread(struct rig *rig, uint32_t thread);
pte_word rig_pte(struct rig *rig, page_number page);
enum pte_form rig_form(struct rig *rig, page_number page);
/* The frame that a valid or transition PTE names, and its word. */
frame_number rig_frame(struct rig *rig, page_number page);
pfn_word rig_word(struct rig *rig, page_number page);
enum pfn_state rig_state(struct rig *rig, page_number page);
/* The slot with the page's content, in the PTE or in the frame database. */
slot_number rig_slot(struct rig *rig, page_number page);
/* The sum over all threads. */
uint64_t rig_counter(struct rig *rig, enum counter counter);
uint64_t rig_moves(struct rig *rig, enum move_why why);
uint64_t rig_slots_used(struct rig *rig);

/* ---- what users and workers do -------------------------------------------------------------- */

/* Touch the first word of a page; the result of the fault. */
enum fault_result rig_read(struct rig *rig, uint32_t thread, page_number page);
enum fault_result rig_write(struct rig *rig, uint32_t thread, page_number page);
/* Write a page whose every word depends on the seed; seed 0: all zeros. */
void rig_fill(struct rig *rig, uint32_t thread, page_number page, uint64_t seed);
/* One of its words. */
uint64_t rig_word_of(uint64_t seed, size_t index);
/* The page holds what rig_fill() wrote; rig_holds() for use outside the test's own thread. */
void rig_expect(struct rig *rig, uint32_t thread, page_number page, uint64_t seed);
bool rig_holds(struct rig *rig, uint32_t thread, page_number page, uint64_t seed);
bool bytes_hold(const void *bytes, uint64_t seed);

/* Take one page from the working set; with rig_detach() trim_finish() is left to the caller. */
void rig_trim(struct rig *rig, uint32_t thread, page_number page);
void rig_detach(struct rig *rig, uint32_t thread, page_number page, struct trim_batch *batch);
/* Trim, write and repurpose until no frame holds the page. */
void rig_page_out(struct rig *rig, page_number page);
/* Fill a page, and bring it to where it begins: page-file, or active, clean and with its slot. */
void rig_put_in_slot(struct rig *rig, page_number page, uint64_t seed);
void rig_put_clean(struct rig *rig, page_number page, uint64_t seed);

/* What happens in the middle of a write. */
typedef void rig_scene(struct rig *rig);
/* One round of a writer, in the middle of which the act happens. Did it write? */
bool rig_write_with(struct rig *rig, rig_scene *act);
/* Until no page is modified. */
void rig_write_all(struct rig *rig);
/* The page is the only modified one, and nobody is at it. */
void rig_check_modified(struct rig *rig, page_number page);
/* The page comes back from its slot with this content, whatever was in the way; ends the rig. */
void rig_end_with(struct rig *rig, page_number page, uint64_t seed);

/* ---- threads -------------------------------------------------------------------------------- */

/* One access by a thread of its own. */
struct rig_toucher {
    struct rig *rig;
    uint32_t thread;
    page_number page;
    bool write;
    enum fault_result result; /* after rig_touch_end() */
    uint64_t word;            /* what was read */
    _Atomic bool done;
    pthread_t id;
};

void rig_touch_begin(struct rig_toucher *toucher, struct rig *rig, uint32_t thread,
                     page_number page, bool write);
void rig_touch_end(struct rig_toucher *toucher);

/* One pin by a thread of its own. */
struct rig_pinner {
    struct rig *rig;
    uint32_t thread;
    page_number page;
    _Atomic bool pinned;
    pthread_t id;
};

void rig_pin_begin(struct rig_pinner *pinner, struct rig *rig, uint32_t thread, page_number page);
/* For a while it is not through; if it is, the test fails. */
void rig_pin_waits(struct rig_pinner *pinner);
/* It gets through, and is unpinned. */
void rig_pin_end(struct rig_pinner *pinner);

/* Wait until the condition holds; ten seconds are a failure. */
#define RIG_WAIT_UNTIL(condition)                                                                  \
    do {                                                                                           \
        unsigned rounds_ = 0;                                                                      \
        while (!(condition)) {                                                                     \
            if (rounds_++ > 10000)                                                                 \
                fail_msg("never came true: %s", #condition);                                       \
            rig_nap();                                                                             \
        }                                                                                          \
    } while (0)

/* A millisecond. */
void rig_nap(void);

/*
 * `act` must end the process by SIGABRT after printing something that contains `text`. It runs in
 * a child, which has no frames: whoever touches memory there begins a rig there.
 */
typedef void rig_act(void *argument);
void rig_expect_death(rig_act *act, void *argument, const char *text);

#endif

/*
 * engine.h - the memory manager: its parts, its configuration, and what its owner may call.
 *
 * The engine is linear, blocking code that calls only the contracts. It owns no memory: whoever
 * makes it passes one block. Every call names the engine thread (0..threads-1) it runs as; one
 * number is used by one thread at a time.
 */
#ifndef MM_ENGINE_ENGINE_H
#define MM_ENGINE_ENGINE_H

#include "contract/machine.h"
#include "contract/policy.h"
#include "contract/store.h"
#include "engine/defrag.h"
#include "engine/guess.h"
#include "engine/lock.h"
#include "engine/pfn.h"
#include "engine/prefetch.h"
#include "engine/pte.h"
#include "engine/slots.h"

#define STANDBY_PRIORITIES 8
#define PRIORITY_NORMAL    5
#define BATCH_MAX          512 /* pages in one trim or write batch */
#define AROUND_MAX         64  /* pages in one fault-around window */
#define AROUND_NEAR        2   /* windows between two rescues that have to do with each other */
#define READ_RUN_MAX       256 /* pages that one read brings */
#define WRITE_RUN_MAX      256 /* pages that one write takes */
#define REGION_PTES_MAX    512
#define LOOK_MAX           4096 /* pages that are looked at together; of a region at least */
#define LIST_COLOURS_MAX   256
#define ERRORS_MAX         64   /* in-page errors that are remembered */
#define AHEAD_REQUESTS     32   /* ranges that wait to be read ahead */
#define AHEAD_KEPT         1024 /* pages read ahead that are not given out before others */
#define BLOCK_NONE         UINT32_MAX

enum list_id {
    LIST_ZEROED,
    LIST_FREE,
    LIST_MODIFIED,
    LIST_BAD,
    LIST_STANDBY, /* eight of them, by priority */
    LIST_COUNT = LIST_STANDBY + STANDBY_PRIORITIES
};
_Static_assert(LIST_COUNT == (unsigned)LOCK_LISTS, "a class of locks for each list");

/*
 * One colour of a page list. Head and tail are frame-database entries of their own, so no link is
 * special. While a frame is on one, its entry's `block` is the colour.
 */
struct page_list {
    CACHE_ALIGNED lock_word lock; /* shared/exclusive */
    _Atomic uint32_t count;       /* changed under the lock, read by anybody */
    frame_number head, tail;      /* sentinels */
    enum pfn_state state;         /* of every frame on it */
};

/* A run of PTEs under one lock. */
struct pte_region {
    lock_word lock;
    _Atomic uint32_t resident; /* valid PTEs in it; changed under the lock */
    /* The page behind the last run that was read, and how far that one might go; hints, no lock. */
    _Atomic uint32_t read_next, read_window;
    /* Grows with each page that was written after it had been read in, shrinks with each that was not; a hint, no lock. */
    _Atomic uint32_t write_history;
    /* Grows with each page that was read ahead and wasted, shrinks with each used; a hint, no lock. */
    _Atomic uint32_t ahead_wasted;
    /* Guesses that were paid for by those whose page was touched (guess.c); a hint, no lock. */
    _Atomic uint32_t guess_credit;
    /* The page behind the one that was rescued last; 0: none yet. Under the lock. */
    page_number rescued_next;
};

/* Virtual address descriptor: a reserved range. Guarded by the space lock; read by sequence. */
struct vad {
    _Atomic uint32_t first, count;
    _Atomic uint32_t protection; /* of all-zero PTEs; PROTECTION_DECOMMIT: only reserved */
};

/* One read under way (Windows' in-page support block). */
struct inpage {
    CACHE_ALIGNED _Atomic uint32_t done; /* waited on: 0 while the read is under way */
    _Atomic uint32_t references;         /* the reader and every collided waiter */
    int error;                           /* 0 or -errno, of `page`; written before done */
    page_number page;                    /* that was touched */
    uint32_t next;                       /* in the pool; wait lock */
};

/* An in-page error that happened; errors.c says how it is read and written. */
struct page_error {
    _Atomic uint64_t sequence; /* odd: being written; else twice its number, counted from 1 */
    _Atomic uint64_t when_ns;
    _Atomic uint32_t page, slot;
    _Atomic int error; /* -errno */
};

/* The same, read. */
struct error_record {
    uint64_t number, when_ns;
    page_number page;
    slot_number slot;
    int error; /* -errno */
};

/* Some of the colours: every `step`-th, a power of two, from `first` on. */
struct colour_set {
    uint32_t first, step;
};

/* Pages on their way out of the working set, or out of existence. */
struct trim_batch {
    uint32_t count, counted; /* pages, and how many of them are counted as in flight */
    page_number pages[BATCH_MAX];
    frame_number frames[BATCH_MAX];
    uint32_t generations[BATCH_MAX]; /* of the frames; a reference keeps the owner */
};

/* The resident pages of some regions, region by region, as the policy sees them. */
struct candidates {
    uint32_t count;
    page_number pages[LOOK_MAX];
    uint8_t registers[LOOK_MAX];
    bool accessed[LOOK_MAX];
    bool modified[LOOK_MAX];
    bool victim[LOOK_MAX];
};

/* Pages on their way to their slots. */
struct write_batch {
    uint32_t count, requests;
    frame_number frames[BATCH_MAX];
    page_number pages[BATCH_MAX];
    uint32_t generations[BATCH_MAX]; /* of the frames; a reference keeps the owner */
    slot_number slots[BATCH_MAX];
    bool kept[BATCH_MAX];           /* the slot holds what the page was when it was read in */
    bool unchanged[BATCH_MAX];      /* and still is: not to be written */
    page_number wanting[BATCH_MAX]; /* pages without a slot, and what they got */
    slot_number got[BATCH_MAX];
    void *buffers[BATCH_MAX];
    int results[BATCH_MAX];
    struct store_request request[BATCH_MAX], *submitted[BATCH_MAX];
};

/* A page on its way back from its slot, and the neighbours that come along. */
struct read_run {
    page_number first;      /* the page that was touched */
    uint32_t count, window; /* pages read, and how many might have been */
    uint32_t block, mapped, spare;
    bool from_memory;                  /* the last read asked no device */
    frame_number frames[READ_RUN_MAX]; /* FRAME_NONE: a gap, or no longer ours */
    pte_word entries[READ_RUN_MAX];    /* as seen, then as published */
    void *buffers[READ_RUN_MAX];
    struct machine_map maps[READ_RUN_MAX];
    frame_number spares[READ_RUN_MAX]; /* in hand, for neighbours or to be given back */
    struct guesses guesses;
};

/* Pages of one region that are read before anybody has touched them. */
struct ahead_batch {
    page_number first;
    uint32_t count, block, spare, requests;
    frame_number frames[READ_RUN_MAX]; /* by page; FRAME_NONE: it is not read */
    pte_word entries[READ_RUN_MAX];    /* as published */
    void *buffers[READ_RUN_MAX];
    bool failed[READ_RUN_MAX];
    frame_number spares[READ_RUN_MAX]; /* in hand, or to be given back */
    struct store_request request[READ_RUN_MAX], *submitted[READ_RUN_MAX];
};

/* Working storage of one round; too large for the stack of a signal handler. */
union scratch {
    struct {
        struct trim_batch batch;
        struct candidates found;
    } trim;
    struct write_batch write;
    struct read_run read;
    struct defrag_batch defrag;
    struct ahead_batch ahead;
};

/* How a page that is read in for a read is mapped, where the machine finds writes by faults. */
enum map_writable {
    MAP_WATCHED,    /* not writable: the first write faults */
    MAP_WRITABLE,   /* writable; the writer compares it with its slot */
    MAP_BY_HISTORY, /* as pages of its region were used lately */
};

enum worker_kind {
    WORKER_TRIM,
    WORKER_WRITE,
    WORKER_ZERO,
    WORKER_BALANCE,
    WORKER_GROW,
    WORKER_DEFRAG,
    WORKER_PREFETCH,
    WORKER_KINDS
};

/* An event count: how workers of one kind sleep without losing a wake-up. */
struct worker_event {
    CACHE_ALIGNED _Atomic uint32_t sequence;
    _Atomic uint32_t sleepers;
};

struct engine_config {
    page_number pages;
    frame_number frames;
    slot_number slots; /* at most; the store says how many of them are usable from the start */
    uint32_t threads;  /* records, workers included */
    uint32_t vads_max;
    uint32_t workers[WORKER_KINDS];
    uint32_t trim_batch, write_batch, region_ptes, frame_cache, fault_around, read_cluster;
    uint32_t prefetch; /* pages that a stream is read ahead at once; 0: only what is asked for */
    uint32_t guess_by; /* GUESS_..., what is read where there is no stream; 0: nothing */
    uint32_t list_colours;     /* of each page list, a power of two; 0 is 1 */
    uint32_t standby_percent;  /* of the frames that trimming keeps available */
    uint32_t slot_reservation; /* slots in a reserved run, a power of two; up to 1: off */
    slot_number growth_step;   /* slots by which the page file grows at least; 0: as few as do */
    uint32_t defrag_rounds;    /* of the defragmenter that may be under way at once, up to 64 */
    uint32_t defrag_batch;     /* pages that each moves, up to DEFRAG_MAX */
    uint64_t defrag_rest_ns;   /* between two rounds that moved any */
    uint32_t spans;            /* that each thread keeps of itself; 0: none */
    uint32_t heat;             /* stretches of memory whose faults are counted, at most; 0: none */
    /* Who takes frames trims and writes its share itself; workers are for those who wait. */
    bool balance_in_faults;
    bool list_lock_shared, backoff, dirty_bit, latency, slots_next_fit;
    enum map_writable map_writable;
    /* Told in one line who has made no progress; may be NULL. */
    void (*complain)(void *context, const char *text);
    void *complain_context;
};

struct engine {
    struct engine_config config;
    struct machine machine;
    struct store store;
    const struct policy *policy;

    pte *ptes;
    struct pfn *pfns; /* config.frames, then two sentinels for each colour of a list */
    struct pte_region *regions;
    /* By guess_place(): a link to the page that was missed next, and what came of guesses. Hints. */
    _Atomic uint32_t *followers;
    _Atomic uint8_t *guesses;
    uint32_t guess_places;
    /* A hint, by region: the colour of the threads that fault there. All trims read it. */
    _Atomic uint8_t *region_colours;
    struct thread *threads;
    union scratch *scratches; /* one for each thread */
    struct inpage *blocks;
    struct page_list *lists; /* LIST_COUNT of them for each colour */
    struct slot_area *slot_areas;
    uint64_t *slot_bits;
    /* The reverse map: by slot - 1, the page that took it last; the bitmap says whether it still has it. */
    _Atomic uint64_t *slot_owners;
    /* By block of pages: 1 + the run reserved for it, or 0; changed under that run's area lock. */
    _Atomic uint32_t *reservations;
    uint32_t *run_owners; /* by run: 1 + the block, or 0; area lock */
    char *defrag_buffers; /* config.defrag_batch pages for each round that may be under way */
    struct vad *vads;
    struct span *span_rings; /* config.spans for each thread; written by it alone */
    _Atomic uint64_t *heat;  /* by thread, kind and stretch (heat.h); written by the thread alone */
    uint32_t region_count, region_shift, slot_area_count, block_count, heat_shift;
    uint32_t slots_per_area, refault_shift; /* refault.h */
    uint32_t colours;                       /* of page lists, a power of two */
    /* The workers of a kind share the colours: as many shares, no more than there are workers. */
    uint32_t worker_groups[WORKER_KINDS];
    uint32_t run_shift; /* 2 to that power are the slots of a reserved run; 0: no reservations */
    bool track_dirty;   /* the machine can, and the option is on */

    CACHE_ALIGNED lock_word space_lock;
    _Atomic uint32_t space_sequence; /* odd while the VADs change */
    _Atomic uint32_t vad_count;
    _Atomic uint64_t charge;       /* pages; changed under the space lock, read by anybody */
    _Atomic uint64_t commit_limit; /* pages; without regard to retired slots */
    _Atomic uint32_t slots_ready;  /* slots 1..slots_ready are usable; only grows; space lock */
    /* The page file grows, or is about to; taken and given back under the space lock. */
    _Atomic bool growing;
    _Atomic uint32_t growth_sequence; /* of turns that ended; waited on */
    _Atomic uint32_t growth_refused;  /* slots that the store refused, not asked for again... */
    _Atomic uint64_t growth_retry_ns; /* ...before then; space lock, both */
    _Atomic int growth_error;         /* errno of the last refusal, or 0 */
    _Atomic uint32_t slots_retired;
    _Atomic uint32_t slots_aside;

    CACHE_ALIGNED lock_word wait_lock;
    struct thread *wait_head, *wait_tail; /* wait lock */
    uint32_t block_free;                  /* pool of in-page blocks; wait lock */

    /* Every fault reads these; they change when somebody waits, and when frames are pinned. */
    CACHE_ALIGNED _Atomic uint32_t waiters; /* queued */
    _Atomic uint32_t grants;                /* promised and not yet taken */
    _Atomic uint32_t retired;               /* frames out of service, or on their way */
    _Atomic uint32_t pinned;                /* frames with pins */
    _Atomic uint32_t write_error;           /* errno of the last round, if it wrote none */
    _Atomic uint32_t standby_used;          /* a bit for each priority that ever had a page */

    CACHE_ALIGNED _Atomic uint32_t refault_ticks; /* the clock of pages that lost their frames */
    CACHE_ALIGNED _Atomic uint32_t in_flight;     /* frames being trimmed or written */
    CACHE_ALIGNED _Atomic uint32_t trim_hand;     /* region the next trim looks at */
    _Atomic uint32_t reclaim_hand;                /* frame the next slot reclaim looks at */
    _Atomic uint32_t near_unmaps;                 /* unmaps that may hit pages in between */
    /* Low half: rounds of writing that prove that the store works; high half: rounds with errors. */
    _Atomic uint64_t write_outcomes;
    uint64_t move_sequence;                        /* checked builds; by __atomic builtins alone */
    _Atomic uint64_t served;                       /* frames promised so far */
    _Atomic uint64_t watch_served, watch_since_ns; /* the watch in balance.c */

    _Atomic uint64_t error_count;
    struct page_error errors[ERRORS_MAX];
    CACHE_ALIGNED _Atomic uint64_t defrag_sets;         /* buffers in use, a bit for each round */
    _Atomic uint64_t defrag_after_ns;                   /* rest until then */
    _Atomic uint32_t defrag_block, defrag_word;         /* where the next look begins */
    _Atomic uint32_t defrag_open;                       /* first slot of the run being filled */
    _Atomic uint32_t defrag_no_stray, defrag_no_source; /* looks in a row that found nothing */

    /* Ranges to be read ahead: so many pages in the high half, the first in the low one; 0: none. */
    CACHE_ALIGNED _Atomic uint64_t ahead_requests[AHEAD_REQUESTS];
    _Atomic uint32_t ahead_hand;               /* where the next look for one begins */
    CACHE_ALIGNED _Atomic uint32_t guess_vain; /* guesses that were not paid for; a hint */
    _Atomic uint32_t guess_ticks; /* one for each 16 hard faults of a thread: how old guesses are */

    struct worker_event *events; /* WORKER_KINDS of them for each colour of page lists */
    _Atomic bool stopping;
    struct world_thread **worker_threads;
    uint32_t worker_count;
    struct worker_start *worker_starts;
};

/* ---- engine.c: life ---- */
/* Frames that the commit limit keeps back where there is a page file. */
static inline uint64_t engine_reserve(frame_number frames)
{
    return MIN_OF(8, frames);
}
/*
 * Up to here commits are allowed. A retired slot lowers it at once, without a lock, so the charge
 * may be above it by then; it comes back as memory is decommitted.
 */
static inline uint64_t engine_commit_limit(const struct engine *engine)
{
    uint64_t limit = atomic_load_explicit((_Atomic uint64_t *)(uintptr_t)&engine->commit_limit,
                                          memory_order_relaxed);
    uint64_t retired = atomic_load_explicit((_Atomic uint32_t *)(uintptr_t)&engine->slots_retired,
                                            memory_order_seq_cst);
    return limit > retired ? limit - retired : 0;
}
/* What all threads have counted together; exact when nothing moves. */
uint64_t engine_counter(const struct engine *engine, enum counter counter);
size_t engine_bytes(const struct engine_config *config);
/* Where in that memory working storage is, and its bytes: what is in it never matters to a new engine. */
size_t engine_scratches(const struct engine_config *config, size_t *ret_bytes);
/* `memory` is zeroed, cache-line aligned and stays the caller's. */
struct engine *engine_init(void *memory, const struct engine_config *config,
                           const struct machine *machine, const struct store *store,
                           const struct policy *policy);
/* Start or stop all workers. The first worker runs as thread `first_thread`. 0 or -errno. */
int engine_start(struct engine *engine, uint32_t first_thread);
const char *engine_worker_name(enum worker_kind kind);
void engine_stop(struct engine *engine);
/* A thread leaves: its frame cache goes back to the lists. */
void engine_leave(struct engine *engine, uint32_t thread);

/* The slots that are usable now. */
static inline slot_number engine_slots(const struct engine *engine)
{
    return atomic_load_explicit((_Atomic uint32_t *)(uintptr_t)&engine->slots_ready,
                                memory_order_relaxed);
}

/* ---- fault.c ---- */
machine_fault engine_fault;

/* ---- pin.c ---- */
enum pin_result { PIN_DONE, PIN_LIMIT, PIN_ACCESS_VIOLATION, PIN_IN_PAGE_ERROR };
enum pin_result engine_pin(struct engine *engine, uint32_t thread, page_number page, bool write,
                           frame_number *ret_frame);
void engine_unpin(struct engine *engine, uint32_t thread, page_number page);

/* Take one frame out of service for good; false if commit charge or the last frame forbid it. */
bool engine_retire(struct engine *engine, uint32_t thread);

/* ---- space.c ---- */
enum space_result {
    SPACE_DONE,
    SPACE_NO_ROOM,
    SPACE_NO_REGION,
    SPACE_LIMIT,
    SPACE_NOT_COMMITTED,
    SPACE_BUSY,
    SPACE_REFUSED
};
enum space_result space_reserve(struct engine *engine, uint32_t thread, page_number count,
                                page_number *ret_first);
enum space_result space_release(struct engine *engine, uint32_t thread, page_number first);
enum space_result space_commit(struct engine *engine, uint32_t thread, page_number first,
                               page_number count, enum protection protection);
enum space_result space_decommit(struct engine *engine, uint32_t thread, page_number first,
                                 page_number count);
enum space_result space_protect(struct engine *engine, uint32_t thread, page_number first,
                                page_number count, enum protection protection);
/* Pages that such a commit would charge beyond the limit; 0: none, or no region. Space lock held. */
uint64_t space_missing(struct engine *engine, page_number first, page_number count);
/* The protection that an all-zero PTE of the page inherits; PROTECTION_DECOMMIT: none. */
enum protection space_inherited(struct engine *engine, page_number page);

/* ---- growth.c ---- */
/* Pages that the limit keeps back: none without slots, where no page ever leaves its frame. */
uint64_t growth_reserve(const struct engine *engine, slot_number slots);
/* Commit limit and reserve at the start. */
void growth_init(struct engine *engine);
/*
 * A commit of these pages was refused (SPACE_LIMIT): let the page file grow until there is room for
 * it, which may wait for a device. True: try again. False: it cannot grow so far, or its store
 * refuses. No lock held.
 */
bool growth_make_room(struct engine *engine, uint32_t thread, page_number first, page_number count);
/*
 * So many slots more stay below the maximum, and leave the limit at the charge or above it. A hint
 * without the space lock.
 */
bool growth_fits(struct engine *engine, slot_number slots);
/* Grow by exactly so many slots now; false: they do not fit, or the store refuses. No lock held. */
bool growth_add(struct engine *engine, uint32_t thread, slot_number slots);
/* The charge has risen: wake the worker if the page file should grow. */
void growth_call(struct engine *engine);

/* ---- audit.c ---- */
struct audit_complaint {
    const char *what;
    uint32_t frame, page, slot;
    uint64_t expected, found;
};
typedef void audit_complain(void *context, const struct audit_complaint *complaint);
struct audit_result {
    uint64_t checks, violations;
};
/* Nothing may move: the workers are stopped and no thread faults. */
void engine_audit(struct engine *engine, audit_complain *complain, void *context,
                  struct audit_result *ret_result);

/* ---- frames.c ---- */
/*
 * A frame for the caller, on no list, known to nobody else, FREE or ZEROED; `zeroed` says which is
 * better. FRAME_NONE: none can be had now; call frames_wait() with no lock held.
 */
frame_number frames_take(struct engine *engine, struct thread *self, bool zeroed);
/* The frame of the oldest page that was read ahead and lies unused. FRAME_NONE: there is none. */
frame_number frames_take_ahead(struct engine *engine, struct thread *self);
/* Give back a frame that was taken and not used. */
void frames_give_back(struct engine *engine, struct thread *self, frame_number frame);
/*
 * Sleep in order until a frame was promised to the caller, or the page it wants has got one from
 * somebody else. No lock held.
 */
void frames_wait(struct engine *engine, struct thread *self);
/*
 * The pages have a frame now, or are committed no more: whoever waits for a frame for one of them
 * need not any longer. No lock held but the space lock.
 */
void frames_tell(struct engine *engine, struct thread *self, page_number first, page_number count);
/* The caller no longer needs what it was promised. */
void frames_wait_end(struct engine *engine, struct thread *self);
/* Frames became available: promise them to those who wait, in order. */
void frames_grant(struct engine *engine, struct thread *self);
/* Move standby pages to the free list ahead of need; returns how many. */
uint32_t frames_repurpose_ahead(struct engine *engine, struct thread *self, uint32_t count);
/* Nobody waits, and there are several times as many as the caller wants: it may take ahead. */
bool frames_plenty(const struct engine *engine, const struct thread *self, uint32_t wanted);
/* Zeroed + free + standby. */
uint32_t frames_available(const struct engine *engine);
/* As list_count_near(). */
uint32_t frames_available_near(const struct engine *engine, struct colour_set set);
/*
 * A reference to a frame is dropped; frame lock held. The last one queues a frame in transition.
 * Returns the list it must join, its state set accordingly, or LIST_COUNT for none.
 */
enum list_id frame_let_go(struct engine *engine, struct thread *self, frame_number frame,
                          enum move_why clean, enum move_why dirty);
/* Insert frames let go, kept locked, in batches; then unlock and promise. */
struct let_go_batch {
    uint32_t count;
    enum list_id list;
    frame_number frames[32];
};
void let_go_add(struct engine *engine, struct thread *self, struct let_go_batch *batch,
                frame_number frame, enum list_id list);
void let_go_flush(struct engine *engine, struct thread *self, struct let_go_batch *batch);
/* Lock a frame; if that could wait while frames are kept locked in the batch, flush it first. */
void let_go_lock(struct engine *engine, struct thread *self, struct let_go_batch *batch,
                 frame_number frame);

/* ---- fault.c, shared with inpage.c ---- */
/* How one look at a page ended; up to STEP_NEED_FRAME there will be another look. */
enum fault_step {
    STEP_RETRY,      /* something changed: take the fault from the start */
    STEP_YIELD,      /* somebody is in the middle of something short: pause, then again */
    STEP_NEED_FRAME, /* none could be had: wait for one */
    STEP_DONE,
    STEP_ACCESS_VIOLATION,
    STEP_IN_PAGE_ERROR
};

/* ---- inpage.c ---- */
/* Read the page into the frame in hand. */
enum fault_step inpage_read(struct engine *engine, struct thread *self, page_number page,
                            bool write, pte_word seen, frame_number *hand);
/* Wait for the read that is under way; region and frame lock held, both are released. */
enum fault_step inpage_collide(struct engine *engine, struct thread *self, page_number page,
                               frame_number frame);

/* A block for reads that are about to be published; a reference to it is the caller's. */
uint32_t inpage_take(struct engine *engine, struct thread *self);
/* The reads are over: wake who waits. `error` is of `page`; who waits for another looks again. */
void inpage_complete(struct engine *engine, struct thread *self, uint32_t block, page_number page,
                     int error);
/*
 * The read of a page becomes visible: its PTE, which was `seen`, names the frame in hand. Returns the
 * new PTE. Region lock held.
 */
pte_word inpage_publish(struct engine *engine, struct thread *self, page_number page, pte_word seen,
                        frame_number frame, uint32_t block, unsigned priority);
/*
 * What was read is not wanted: the frame is nobody's. The slot goes back to the PTE if that still
 * names the frame, else (decommitted meanwhile) it is given back. Region and frame lock held.
 */
void inpage_abandon(struct engine *engine, struct thread *self, page_number page,
                    frame_number frame, enum move_why why);

/* ---- errors.c ---- */
void errors_record(struct engine *engine, page_number page, slot_number slot, int error);
/*
 * The last error of a page in the range, as far as it is remembered; false: there is none. From any
 * thread, and from a signal handler.
 */
bool errors_last(struct engine *engine, page_number first, page_number count,
                 struct error_record *ret_record);

/* ---- fault.c, shared with inpage.c ---- */
/* The frame is active and its PTE becomes valid; region lock held, frame lock not. */
void fault_map(struct engine *engine, struct thread *self, page_number page, frame_number frame,
               enum protection protection, bool writable, enum policy_birth birth,
               const void *source);
/* Let the machine map pages of one region, its lock held. */
void fault_map_pages(struct engine *engine, struct thread *self, uint32_t count,
                     const struct machine_map *maps);
/* The page is written from now on: slot given back, modified set. Returns the new word. */
pfn_word fault_dirty(struct engine *engine, struct thread *self, frame_number frame, pfn_word word);
/*
 * The page is about to be mapped; frame lock held. Returns the new word: modified if it will be
 * mapped writable. Where a write is only expected it keeps its slot, and the writer compares.
 */
pfn_word fault_before_map(struct engine *engine, struct thread *self, frame_number frame,
                          pfn_word word, bool write);
/* A page that had been read in was written, or went without. */
void fault_learn(struct engine *engine, page_number page, bool written);

/* ---- trim.c, shared with space.c ---- */
/* The frame, referenced and locked, joins the batch; `word` is its word. */
void trim_batch_add(struct engine *engine, struct trim_batch *batch, frame_number frame,
                    pfn_word word);
/* From here on the pages of the batch are frames to come. */
void trim_batch_count(struct engine *engine, struct trim_batch *batch);
/* Frame lock held: it is still the frame that joined. */
static inline void generation_check(struct engine *engine, frame_number frame, uint32_t generation)
{
    MUST_FRAME(engine, frame, pfn_generation(pfn_load(&engine->pfns[frame])) == generation);
}
/* Take one valid page from the working set; region lock held. False: it is pinned. */
bool trim_detach(struct engine *engine, struct thread *self, page_number page,
                 struct trim_batch *batch);
/* Unmap the batch with one flush and let its frames go. No lock held but the space lock. */
void trim_finish(struct engine *engine, struct thread *self, struct trim_batch *batch);

/* ---- trim.c, write.c, zero.c, balance.c, growth.c, prefetch.c: a bounded round; true if it got anywhere ---- */
bool trim_needed(struct engine *engine);
/* As the caller's colours have it, unless somebody waits: each cares for its own share. */
bool trim_due(struct engine *engine, struct thread *self);
bool write_due(struct engine *engine, struct thread *self);
/* Trim up to `wanted` pages in batches, less if others meet the goal meanwhile; how many. */
uint32_t trim_pages(struct engine *engine, struct thread *self, uint32_t wanted);
bool trim_round(struct engine *engine, struct thread *self);
bool write_needed(struct engine *engine);
bool write_round(struct engine *engine, struct thread *self);
/* A write failed: rounds that are under way are no witnesses. Before any slot is judged. */
void write_in_trouble(struct engine *engine);
bool zero_needed(struct engine *engine);
bool zero_round(struct engine *engine, struct thread *self);
bool balance_needed(struct engine *engine);
bool balance_round(struct engine *engine, struct thread *self);
bool growth_needed(struct engine *engine);
bool growth_round(struct engine *engine, struct thread *self);
bool prefetch_needed(struct engine *engine);
bool prefetch_round(struct engine *engine, struct thread *self);
/* A thread that found no frame trims and writes itself before it waits. */
void balance_help(struct engine *engine, struct thread *self);
/*
 * There may be less to be given out than there was. If somebody waits, wake who can change that:
 * a worker that looked before saw no need, and will not look again by itself for long.
 */
void balance_call(struct engine *engine);
/*
 * Frames were taken from the lists: wake trimmers and writers where it is time. A hint, from what
 * the lists of the caller's colour say of all; waiters and the balance worker ask exactly.
 */
void balance_after_take(struct engine *engine, struct thread *self);
/* Where faults do the work of trimmers and writers: what its colours are short of. No lock held. */
void balance_pay(struct engine *engine, struct thread *self);
/* Pages were trimmed. */
void balance_kick_writer(struct engine *engine, const struct thread *self);
/* Wake one sleeping worker of the kind; where there are several, rather one that is near. */
void balance_kick(struct engine *engine, enum worker_kind kind);
void balance_kick_near(struct engine *engine, const struct thread *self, enum worker_kind kind);
/* How many pages the trimmers should take from the working set now. */
uint32_t trim_goal(const struct engine *engine);
/* As trim_needed() and write_needed(), were all colours like these; a batch is their share of one. */
bool trim_wanted(const struct engine *engine, struct colour_set set);
bool write_wanted(const struct engine *engine, struct colour_set set);

/* ---- small helpers ---- */
/*
 * How often a page was written in a round that began when no other was in trouble: who asks before
 * and after learns whether the store works.
 */
static inline uint32_t write_witnesses(const struct engine *engine)
{
    return (uint32_t)atomic_load_explicit((_Atomic uint64_t *)(uintptr_t)&engine->write_outcomes,
                                          memory_order_seq_cst);
}
/* The last round of a writer brought nothing through: what is modified frees no frame now. */
static inline bool write_is_failing(const struct engine *engine)
{
    return atomic_load_explicit((_Atomic uint32_t *)(uintptr_t)&engine->write_error,
                                memory_order_relaxed) != 0;
}
/* Threads in the queue for frames. */
static inline uint32_t waiters_now(const struct engine *engine)
{
    return atomic_load_explicit((_Atomic uint32_t *)(uintptr_t)&engine->waiters,
                                memory_order_seq_cst);
}
/* Frames that are not retired, nor about to be. */
static inline uint32_t frames_in_service(const struct engine *engine)
{
    return engine->config.frames -
           atomic_load_explicit((_Atomic uint32_t *)(uintptr_t)&engine->retired,
                                memory_order_seq_cst);
}
static inline struct pfn *frame_pfn(struct engine *engine, frame_number frame)
{
    return &engine->pfns[frame];
}
static inline struct pte_region *page_region(struct engine *engine, page_number page)
{
    return &engine->regions[page >> engine->region_shift];
}
static inline void region_lock(struct engine *engine, struct thread *self, page_number page)
{
    lock_acquire(self, &page_region(engine, page)->lock, RANK_REGION);
}
static inline void region_unlock(struct engine *engine, struct thread *self, page_number page)
{
    lock_release(self, &page_region(engine, page)->lock, RANK_REGION);
}
static inline void region_count_resident(struct engine *engine, page_number page, int change)
{
    struct pte_region *region = page_region(engine, page);
    PFN_SET_FIELD(region, resident, PFN_FIELD(region, resident) + (uint32_t)change);
}

/* What an invalid PTE of the frame's owner must become when the frame is taken away. */
static inline pte_word frame_original_pte(const struct pfn *pfn, pfn_word word)
{
    return pte_make_software(
        (enum protection)pfn_protection(word),
        atomic_load_explicit((_Atomic uint32_t *)(uintptr_t)&pfn->slot, memory_order_relaxed));
}

/* The slot with the page's content, noted in the PTE or its frame; a hint where anything moves. */
static inline slot_number page_slot(const struct engine *engine, page_number page)
{
    pte_word word = pte_load(&engine->ptes[page]);
    if (pte_form(word) == PTE_PAGE_FILE) {
        return pte_slot(word);
    }
    return pte_names_frame(word) && pte_frame(word) < engine->config.frames
               ? PFN_FIELD(&engine->pfns[pte_frame(word)], slot)
               : SLOT_NONE;
}

static inline enum list_id standby_list(pfn_word word)
{
    return (enum list_id)(LIST_STANDBY + pfn_priority(word));
}

#endif

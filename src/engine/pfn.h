/*
 * pfn.h - the frame database: 32 bytes for each frame (48 are allowed, and what Windows needs).
 *
 * Everything that decides about a frame is in one 64-bit word, stored whole by the holder of the
 * frame's lock; there are no bit-fields that two threads could tear (docs/races.md, R7). The page list
 * links are guarded by the list lock held exclusively, or shared plus this frame's lock.
 *
 *   bits  0..2  state            3 modified         4 write in progress   5 read in progress
 *         6 being given up       7 deleted          8..10 priority       11..15 protection
 *        16..31 pins            32..39 references: I/O and trim batches that hold the frame
 *        40..63 generation: grows with every new owner; a batch compares it before it lets go
 *
 * A frame in transition belongs to whoever references it; the last one to let go decides which
 * list it joins (frame_let_go), as Windows' reference count does.
 */
#ifndef MM_ENGINE_PFN_H
#define MM_ENGINE_PFN_H

#include "base/mutant.h"
#include "base/types.h"
#include "engine/states.h"

#include <stdatomic.h>

typedef uint64_t pfn_word;

struct pfn {
    _Atomic uint64_t word;
    _Atomic uint32_t lock;
    _Atomic uint32_t page;  /* the owner: which PTE names this frame; PAGE_NONE */
    _Atomic uint32_t slot;  /* holds a valid copy of the content; SLOT_NONE during a write */
    _Atomic uint32_t flink; /* next on the list */
    _Atomic uint32_t blink; /* previous on the list */
    _Atomic uint32_t block; /* in-page block while it is being read; colour while on a list */
};

_Static_assert(sizeof(struct pfn) == 32, "two frames to a cache line, none across two");

#define PFN_STATE_MASK       ((pfn_word)7)
#define PFN_MODIFIED_BIT     ((pfn_word)1 << 3)
#define PFN_WRITING          ((pfn_word)1 << 4)
#define PFN_READING          ((pfn_word)1 << 5)
#define PFN_GIVING_UP        ((pfn_word)1 << 6)
#define PFN_DELETED          ((pfn_word)1 << 7)
#define PFN_PRIORITY_SHIFT   8
#define PFN_PROTECTION_SHIFT 11
#define PFN_PIN_SHIFT        16
#define PFN_PIN_ONE          ((pfn_word)1 << PFN_PIN_SHIFT)
#define PFN_REFERENCE_SHIFT  32
#define PFN_REFERENCE_ONE    ((pfn_word)1 << PFN_REFERENCE_SHIFT)
#define PFN_REFERENCES_MAX   0xffu
#define PFN_PINS_MAX         0xffffu
#define PFN_GENERATION_SHIFT 40

static inline enum pfn_state pfn_state(pfn_word word)
{
    return (enum pfn_state)(word & PFN_STATE_MASK);
}
static inline unsigned pfn_priority(pfn_word word)
{
    return (unsigned)(word >> PFN_PRIORITY_SHIFT) & 7;
}
static inline unsigned pfn_protection(pfn_word word)
{
    return (unsigned)(word >> PFN_PROTECTION_SHIFT) & 0x1f;
}
static inline unsigned pfn_pins(pfn_word word)
{
    return (unsigned)(word >> PFN_PIN_SHIFT) & 0xffff;
}
static inline unsigned pfn_references(pfn_word word)
{
    return (unsigned)(word >> PFN_REFERENCE_SHIFT) & 0xff;
}
static inline uint32_t pfn_generation(pfn_word word)
{
    return (uint32_t)(word >> PFN_GENERATION_SHIFT);
}

/* The word of a frame that gets an owner: state and flags cleared, generation one further. */
static inline pfn_word pfn_new_owner(pfn_word word, unsigned protection, unsigned priority)
{
    pfn_word generation = (pfn_word)(pfn_generation(word) + !MUTANT(FRAME_GENERATION_STANDS))
                          << PFN_GENERATION_SHIFT;
    return generation | (word & PFN_STATE_MASK) | (pfn_word)priority << PFN_PRIORITY_SHIFT |
           (pfn_word)protection << PFN_PROTECTION_SHIFT;
}

static inline pfn_word pfn_with_state(pfn_word word, enum pfn_state state)
{
    return (word & ~PFN_STATE_MASK) | (pfn_word)state;
}

static inline pfn_word pfn_load(const struct pfn *pfn)
{
    return atomic_load_explicit((_Atomic uint64_t *)(uintptr_t)&pfn->word, memory_order_acquire);
}

#define PFN_FIELD(pfn, field) atomic_load_explicit(&(pfn)->field, memory_order_relaxed)
#define PFN_SET_FIELD(pfn, field, value)                                                           \
    atomic_store_explicit(&(pfn)->field, (value), memory_order_relaxed)

/* Batches know early which frames come next; each is a miss of the cache. */
#define PREFETCH_AHEAD 6
static inline void pfn_prefetch(const struct pfn *pfn)
{
    __builtin_prefetch(pfn, 1);
}

struct engine;
struct thread;

void frame_lock(struct engine *engine, struct thread *self, frame_number frame);
bool frame_try_lock(struct engine *engine, struct thread *self, frame_number frame);
void frame_unlock(struct engine *engine, struct thread *self, frame_number frame);

/*
 * The one way a frame changes its state: `word` is the new word, whose state must be the one that
 * the move `why` leads to. Frame lock held, or nobody else knows the frame.
 */
void frame_move(struct engine *engine, struct thread *self, frame_number frame, pfn_word word,
                enum move_why why);
/* Change flags or counts, not the state. Frame lock held. */
void frame_update(struct engine *engine, frame_number frame, pfn_word word);

/* A broken promise about one frame: prints it with its last moves. */
_Noreturn void frame_fail(struct engine *engine, frame_number frame, const char *what,
                          const char *file, int line);

#ifdef MM_COVERAGE /* as MUST() */
void frame_must_hold(struct engine *engine, frame_number frame, bool holds, const char *what,
                     const char *file, int line);
#define MUST_FRAME(engine, frame, condition)                                                       \
    frame_must_hold(engine, frame, condition, #condition, __FILE__, __LINE__)
#else
#define MUST_FRAME(engine, frame, condition)                                                       \
    do {                                                                                           \
        if (UNLIKELY(!(condition))) {                                                              \
            frame_fail(engine, frame, #condition, __FILE__, __LINE__);                             \
        }                                                                                          \
    } while (0)
#endif

#endif

/*
 * defrag.h - slots that move: what one round of the defragmenter works on, and its two halves.
 */
#ifndef MM_ENGINE_DEFRAG_H
#define MM_ENGINE_DEFRAG_H

#include "contract/store.h"

struct engine;
struct thread;

#define DEFRAG_MAX     256  /* pages that one round moves */
#define DEFRAG_WORDS   1024 /* words of the slot bitmap that one round looks at */
#define DEFRAG_SOURCES 16   /* runs of slots that one round empties */
#define DEFRAG_TARGETS 64   /* and fills */
#define DEFRAG_REST_NS                                                                             \
    20000000 /* what suits a disk: at most 50 MB a second are read, and written */

/* One page on its way from a slot to another. */
struct slot_move {
    page_number page;
    slot_number from, to;
    uint32_t buffer; /* of the round's, by number */
    int result;      /* 0 or -errno of its read or write */
    bool refused;    /* the write of this page alone failed */
};

/* What one round of the defragmenter moves, and what it saw of the slots. */
struct defrag_batch {
    uint32_t count, requests, sources, targets, space;
    struct slot_move moves[DEFRAG_MAX];
    page_number pages[DEFRAG_MAX];
    slot_number slots[DEFRAG_MAX];
    slot_number source[DEFRAG_SOURCES]; /* first slots of the runs to be emptied */
    slot_number target[DEFRAG_TARGETS]; /* and of those to be filled, which have `space` slots */
    uint32_t first[DEFRAG_MAX];         /* by request: its first move */
    void *pointers[2 * DEFRAG_MAX]; /* to buffers, NULL for what lies between two that are read */
    struct store_request request[DEFRAG_MAX], *submitted[DEFRAG_MAX];
    uint64_t bits[DEFRAG_WORDS];
};

/* ---- defrag.c ---- */
/* As the rounds of the other workers (engine.h). */
bool defrag_needed(struct engine *engine);
bool defrag_round(struct engine *engine, struct thread *self);
/* Slots were given out: wake a defragmenter unless others come first. */
void defrag_call(struct engine *engine);

/* ---- move.c, for defrag.c ---- */
enum move_order { MOVES_BY_PAGE, MOVES_BY_FROM, MOVES_BY_TO };
void moves_sort(struct defrag_batch *batch, enum move_order order);
/*
 * Move what the batch says, to slots that were taken for it, through set `set` of the buffers; what
 * does not move gives its new slot back. Returns how many were moved.
 */
uint32_t moves_make(struct engine *engine, struct thread *self, struct defrag_batch *batch,
                    uint32_t set);

#endif

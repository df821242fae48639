/*
 * pfn.c - the frame database: locking a frame, and the one function that changes its state.
 */
#include "engine/pfn.h"

#include "base/text.h"
#include "engine/engine.h"

void frame_lock(struct engine *engine, struct thread *self, frame_number frame)
{
    lock_acquire(self, &engine->pfns[frame].lock, RANK_PAGE);
}

bool frame_try_lock(struct engine *engine, struct thread *self, frame_number frame)
{
    return lock_try(self, &engine->pfns[frame].lock, RANK_PAGE);
}

void frame_unlock(struct engine *engine, struct thread *self, frame_number frame)
{
    lock_release(self, &engine->pfns[frame].lock, RANK_PAGE);
}

#ifdef MM_CHECKED
static void remember_move(struct engine *engine, struct thread *self, frame_number frame,
                          enum move_why why)
{
    struct move_record *record = &self->ring[self->ring_next++ % MOVE_RING];
    PFN_SET_FIELD(record, frame, frame);
    PFN_SET_FIELD(record, page, PFN_FIELD(&engine->pfns[frame], page));
    PFN_SET_FIELD(record, why, (uint32_t)why);
    /* No point of a simulation: it is no part of what is checked, nor of what anything costs. */
    PFN_SET_FIELD(record, sequence,
                  __atomic_add_fetch(&engine->move_sequence, 1, __ATOMIC_RELAXED));
}
#endif

void frame_move(struct engine *engine, struct thread *self, frame_number frame, pfn_word word,
                enum move_why why)
{
    struct pfn *pfn = frame_pfn(engine, frame);
#ifdef MM_CHECKED
    const struct move_row *row = &move_table[why];
    remember_move(engine, self, frame, why);
    MUST_FRAME(engine, frame, pfn_state(pfn_load(pfn)) == row->from);
    MUST_FRAME(engine, frame, pfn_state(word) == row->to);
#endif
    add_relaxed(&self->moves[why], 1);
    atomic_store_explicit(&pfn->word, word, memory_order_release);
}

void frame_update(struct engine *engine, frame_number frame, pfn_word word)
{
    struct pfn *pfn = frame_pfn(engine, frame);
    MUST_FRAME(engine, frame, pfn_state(pfn_load(pfn)) == pfn_state(word));
    atomic_store_explicit(&pfn->word, word, memory_order_release);
}

/* The newest remembered move of the frame that is older than `before`; NULL if there is none. */
static struct move_record *find_move(const struct engine *engine, frame_number frame,
                                     uint64_t before)
{
    struct move_record *best = NULL;
    for (uint32_t t = 0; t < engine->config.threads; t++) {
        for (uint32_t i = 0; i < MOVE_RING; i++) {
            struct move_record *record = &engine->threads[t].ring[i];
            uint64_t sequence = PFN_FIELD(record, sequence);
            if (sequence != 0 && sequence < before && PFN_FIELD(record, frame) == frame &&
                (best == NULL || sequence > PFN_FIELD(best, sequence))) {
                best = record;
            }
        }
    }
    return best;
}

static void add_moves(struct text *text, const struct engine *engine, frame_number frame)
{
    uint64_t before = UINT64_MAX;
    text_add(text, "; last moves, newest first:");
    for (unsigned i = 0; i < 8; i++) {
        struct move_record *record = find_move(engine, frame, before);
        if (record == NULL) {
            break;
        }
        before = PFN_FIELD(record, sequence);
        text_add(text, " ");
        text_add(text, move_table[PFN_FIELD(record, why)].why);
        text_add(text, "(page ");
        text_add_number(text, PFN_FIELD(record, page));
        text_add(text, ")");
    }
}

_Noreturn void frame_fail(struct engine *engine, frame_number frame, const char *what,
                          const char *file, int line)
{
    struct text text = {0};
    text_add(&text, "memman: broken promise: ");
    text_add(&text, what);
    text_add(&text, " at ");
    text_add(&text, file);
    text_add(&text, ":");
    text_add_number(&text, (uint64_t)line);
    text_add_field(&text, "frame", frame);
    if (frame < engine->config.frames) {
        struct pfn *pfn = frame_pfn(engine, frame);
        pfn_word word = pfn_load(pfn);
        page_number page = PFN_FIELD(pfn, page);
        text_add(&text, " state=");
        text_add(&text, state_name(pfn_state(word)));
        text_add_field(&text, "word", word);
        text_add_field(&text, "page", page);
        text_add_field(&text, "slot", PFN_FIELD(pfn, slot));
        text_add_field(&text, "pte",
                       page < engine->config.pages ? pte_load(&engine->ptes[page]) : 0);
        add_moves(&text, engine, frame);
    }
    world_abort(text.bytes);
}

#ifdef MM_COVERAGE
void frame_must_hold(struct engine *engine, frame_number frame, bool holds, const char *what,
                     const char *file, int line)
{
    if (!holds) {
        frame_fail(engine, frame, what, file, line);
    }
}
#endif

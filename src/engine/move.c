/*
 * move.c - the content of slots to other slots, many at once, while anything may happen to the pages.
 *
 * A slot is marked under the lock of whatever names it, so that nobody frees it (docs/races.md).
 * Content is read and written with no lock held, through buffers of the round's own. Then, under that
 * lock again, the name is changed if it still stands there. Whatever happened to the page meanwhile
 * has taken the name away, and the new slot is given back instead. An error leaves a page where it is.
 */
#include "base/mutant.h"
#include "base/probe.h"
#include "engine/engine.h"

#define GAP_MAX 8 /* slots that a read passes over rather than end */

/* ---- order ---- */

static uint32_t key_of(const struct slot_move *move, enum move_order order)
{
    return order == MOVES_BY_PAGE ? move->page : order == MOVES_BY_FROM ? move->from : move->to;
}

/* Shell's sort. */
void moves_sort(struct defrag_batch *batch, enum move_order order)
{
    struct slot_move *moves = batch->moves;
    for (uint32_t gap = batch->count / 2; gap > 0; gap /= 2) {
        for (uint32_t i = gap; i < batch->count; i++) {
            struct slot_move move = moves[i];
            uint32_t at = i;
            for (; at >= gap && key_of(&moves[at - gap], order) > key_of(&move, order); at -= gap) {
                moves[at] = moves[at - gap];
            }
            moves[at] = move;
        }
    }
}

/* ---- what names a slot ---- */

/*
 * The PTE names the slot, or the frame that it names does; a frame is locked then. Region lock held.
 * A frame that is being read is left alone: its reader needs the slot.
 */
static bool lock_name(struct engine *engine, struct thread *self, const struct slot_move *move,
                      frame_number *ret_frame)
{
    pte *entry = &engine->ptes[move->page];
    pte_word word = pte_load(entry);
    *ret_frame = FRAME_NONE;
    if (pte_form(word) == PTE_PAGE_FILE) {
        return pte_slot(word) == move->from;
    }
    if (pte_form(word) != PTE_VALID && pte_form(word) != PTE_TRANSITION) {
        return false;
    }
    frame_number frame = pte_frame(word);
    struct pfn *pfn = frame_pfn(engine, frame);
    frame_lock(engine, self, frame);
    /* A transition PTE is stable only under the lock of the frame it names (docs/races.md, R2). */
    if (pte_load(entry) == word && PFN_FIELD(pfn, slot) == move->from &&
        (!(pfn_load(pfn) & PFN_READING) || MUTANT(DEFRAG_MOVES_WHAT_IS_READ))) {
        *ret_frame = frame;
        return true;
    }
    frame_unlock(engine, self, frame);
    return false;
}

static void unlock_name(struct engine *engine, struct thread *self, frame_number frame)
{
    if (frame != FRAME_NONE) {
        frame_unlock(engine, self, frame);
    }
}

static bool begin_move(struct engine *engine, struct thread *self, const struct slot_move *move)
{
    frame_number frame;
    bool begun = false;
    region_lock(engine, self, move->page);
    if (lock_name(engine, self, move, &frame)) {
        begun = slots_move_begin(engine, self, move->from);
        unlock_name(engine, self, frame);
    }
    region_unlock(engine, self, move->page);
    return begun;
}

/* Whoever names the slot names the new one from here on; false: nobody does, or the move failed. */
static bool change_name(struct engine *engine, struct thread *self, const struct slot_move *move)
{
    pte *entry = &engine->ptes[move->page];
    frame_number frame = FRAME_NONE;
    region_lock(engine, self, move->page);
    bool named = move->result == 0 &&
                 (MUTANT(DEFRAG_DOES_NOT_COMPARE) || lock_name(engine, self, move, &frame));
    if (named && frame != FRAME_NONE) {
        PFN_SET_FIELD(frame_pfn(engine, frame), slot, move->to);
    } else if (named) {
        pte_word seen = pte_load(entry);
        enum protection protection =
            MUTANT(DEFRAG_FORGETS_PROTECTION) ? PROTECTION_READ_WRITE : pte_protection(seen);
        pte_store(entry, pte_with_stamp(pte_make_software(protection, move->to), pte_stamp(seen)));
    }
    if (named) {
        unlock_name(engine, self, frame);
    }
    region_unlock(engine, self, move->page);
    return named;
}

/* ---- input and output ---- */

static void *buffer_of(struct engine *engine, uint32_t set, uint32_t buffer)
{
    return engine->defrag_buffers +
           ((size_t)set * engine->config.defrag_batch + buffer) * MM_PAGE_SIZE;
}

/* Submit all requests of the batch and wait for them. */
static void run_requests(struct engine *engine, struct thread *self, struct defrag_batch *batch)
{
    lock_check_none_held(self);
    for (uint32_t i = 0; i < batch->requests; i++) {
        batch->submitted[i] = &batch->request[i];
    }
    store_wait_for_all(&engine->store, self->number, batch->submitted, batch->requests);
}

static void begin_request(struct defrag_batch *batch, enum store_operation operation, uint32_t move,
                          slot_number slot, void **pages)
{
    batch->first[batch->requests] = move;
    batch->request[batch->requests++] =
        (struct store_request){.operation = operation, .slot = slot, .count = 1, .pages = pages};
}

/* Sorted by `from`: neighbours, and those with a small gap between, are read with one request. */
static void build_reads(struct engine *engine, struct defrag_batch *batch, uint32_t set)
{
    uint32_t used = 0;
    batch->requests = 0;
    for (uint32_t i = 0; i < batch->count; i++) {
        struct slot_move *move = &batch->moves[i];
        struct store_request *last =
            batch->requests > 0 ? &batch->request[batch->requests - 1] : NULL;
        uint32_t gap = last != NULL ? move->from - (last->slot + last->count) : GAP_MAX + 1;
        move->buffer = i;
        if (gap <= GAP_MAX && used + gap + (batch->count - i) <= 2 * DEFRAG_MAX &&
            last->count + gap < READ_RUN_MAX) {
            for (uint32_t at = 0; at < gap; at++) {
                batch->pointers[used++] = NULL;
            }
            last->count += gap + 1;
        } else {
            begin_request(batch, STORE_READ, i, move->from, &batch->pointers[used]);
        }
        batch->pointers[used++] = buffer_of(engine, set, i);
    }
}

/* If a run fails, each page alone: only the one whose slot is damaged stays where it is. */
static void read_again(struct engine *engine, struct thread *self, struct defrag_batch *batch,
                       uint32_t set, uint32_t from, uint32_t to)
{
    for (uint32_t i = from; i < to; i++) {
        struct slot_move *move = &batch->moves[i];
        move->result = store_read_page(&engine->store, self->number, move->from,
                                       buffer_of(engine, set, move->buffer));
        count_one(self, COUNT_DEFRAG_READS);
        count_add(self, COUNT_IO_ERRORS, move->result != 0);
        if (MUTANT(DEFRAG_BELIEVES_FAILED_READ)) {
            move->result = 0;
        }
    }
}

static void read_moves(struct engine *engine, struct thread *self, struct defrag_batch *batch,
                       uint32_t set)
{
    moves_sort(batch, MOVES_BY_FROM);
    build_reads(engine, batch, set);
    run_requests(engine, self, batch);
    for (uint32_t i = 0; i < batch->requests; i++) {
        uint32_t end = i + 1 < batch->requests ? batch->first[i + 1] : batch->count;
        if (batch->request[i].result != 0) {
            count_one(self, COUNT_IO_ERRORS);
            read_again(engine, self, batch, set, batch->first[i], end);
        }
    }
    count_add(self, COUNT_DEFRAG_READS, batch->requests);
    count_add(self, COUNT_DEFRAG_PAGES_READ, batch->count);
}

/* Sorted by `to`; what could not be read is passed over. */
static void build_writes(struct engine *engine, struct defrag_batch *batch, uint32_t set)
{
    batch->requests = 0;
    for (uint32_t i = 0; i < batch->count; i++) {
        const struct slot_move *move = &batch->moves[i];
        struct store_request *last =
            batch->requests > 0 ? &batch->request[batch->requests - 1] : NULL;
        batch->pointers[i] = buffer_of(engine, set, move->buffer);
        if (move->result != 0) {
            continue;
        }
        if (last != NULL && last->slot + last->count == move->to && i > 0 &&
            batch->moves[i - 1].result == 0 && last->count < WRITE_RUN_MAX) {
            last->count++;
        } else {
            begin_request(batch, STORE_WRITE, i, move->to, &batch->pointers[i]);
        }
    }
}

static void write_moves(struct engine *engine, struct thread *self, struct defrag_batch *batch,
                        uint32_t set)
{
    uint32_t refused = 0;
    moves_sort(batch, MOVES_BY_TO);
    build_writes(engine, batch, set);
    run_requests(engine, self, batch);
    for (uint32_t i = 0; i < batch->requests; i++) {
        const struct store_request *request = &batch->request[i];
        count_add(self, COUNT_DEFRAG_PAGES_WRITTEN, request->result == 0 ? request->count : 0);
        refused += request->result != 0;
        batch->moves[batch->first[i]].refused = request->result != 0 && request->count == 1;
        for (uint32_t at = 0; at < request->count && !MUTANT(DEFRAG_BELIEVES_FAILED_WRITE); at++) {
            batch->moves[batch->first[i] + at].result = request->result;
        }
    }
    count_add(self, COUNT_IO_ERRORS, refused);
    if (refused > 0 && !MUTANT(DEFRAG_HIDES_TROUBLE)) {
        write_in_trouble(engine);
    }
    count_add(self, COUNT_DEFRAG_WRITES, batch->requests);
}

/* ---- from mark to name ---- */

/* Mark what is to be moved; what has changed already is not. */
static void begin_moves(struct engine *engine, struct thread *self, struct defrag_batch *batch)
{
    uint32_t begun = 0;
    for (uint32_t i = 0; i < batch->count; i++) {
        if (begin_move(engine, self, &batch->moves[i])) {
            batch->moves[begun++] = batch->moves[i];
        } else {
            slots_give_back(engine, self, batch->moves[i].to);
            count_one(self, COUNT_DEFRAG_ABORTED);
        }
    }
    batch->count = begun;
}

/* Returns how many were moved. */
static uint32_t finish_moves(struct engine *engine, struct thread *self,
                             const struct defrag_batch *batch)
{
    uint32_t done = 0;
    for (uint32_t i = 0; i < batch->count; i++) {
        const struct slot_move *move = &batch->moves[i];
        bool moved = change_name(engine, self, move);
        slots_move_end(engine, self, move->from, moved);
        if (move->result == 0 && (moved || !MUTANT(DEFRAG_FORGETS_GOOD_WRITE))) {
            slots_write_succeeded(engine, self, move->to);
        }
        if (move->refused) { /* of several nobody knows which it was */
            slots_give_back_failed(engine, self, move->to, move->result);
        } else if (!moved && !MUTANT(DEFRAG_LEAKS_TARGET)) {
            slots_give_back(engine, self, move->to);
        }
        done += moved;
    }
    count_add(self, COUNT_DEFRAGMENTED, done);
    count_add(self, COUNT_DEFRAG_ABORTED, batch->count - done);
    return done;
}

uint32_t moves_make(struct engine *engine, struct thread *self, struct defrag_batch *batch,
                    uint32_t set)
{
    begin_moves(engine, self, batch);
    read_moves(engine, self, batch, set);
    write_moves(engine, self, batch, set);
    uint32_t moved = finish_moves(engine, self, batch);
    PROBE(defragment, self->number, batch->count, moved);
    return moved;
}

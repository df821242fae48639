/*
 * defrag.c - the defragmenter: slots move until neighbours in memory are neighbours in the page file.
 *
 * Two kinds of rounds. While there are strays, pages whose reserved place (slots.c) is free or can be
 * had, they go there, block by block in order of address. When no stray is left that could go home,
 * the emptiest of the runs that are nobody's are emptied into the fullest of them, so that there are
 * runs to be reserved, and room for the search. The one never takes a page from its place, the
 * other only fills the fuller from the emptier: both come to an end when nobody else writes.
 *
 * A move (docs/races.md): the slot is marked under the lock of whatever names it, so that nobody
 * frees it; content is read and written with no lock held, through buffers of the round's own; then,
 * under that lock again, the name is changed if it still stands there. Whatever happened to the page
 * meanwhile has taken the name away, and the new slot is given back instead. Faults, the
 * modified writer and whoever waits for a frame come first.
 */
#include "base/bitmap.h"
#include "base/mutant.h"
#include "engine/engine.h"

#define BLOCKS_LOOKED 128 /* by one round that looks for strays */
#define GAP_MAX       8   /* slots that a read passes over rather than end */
#define PAIRS_SHARE   4   /* a run with more than that part of it in order is not emptied */
#define IDLE_RESTS    8   /* so much longer where there was nothing to do */
#define STRAYS_SHARE  4   /* a block with at least that part of a run in use gets a run */

/* ---- when ---- */

static bool others_first(struct engine *engine)
{
    return (atomic_load_explicit(&engine->waiters, memory_order_seq_cst) > 0 ||
            write_needed(engine)) &&
           !MUTANT(DEFRAG_GIVES_NO_WAY);
}

static bool rests(const struct engine *engine)
{
    return engine->config.defrag_rest_ns > 0 &&
           world_now_ns() <
               atomic_load_explicit((_Atomic uint64_t *)(uintptr_t)&engine->defrag_after_ns,
                                    memory_order_relaxed);
}

/* Looks that see every block, or every slot, once. */
static uint32_t looks_for_strays(const struct engine *engine)
{
    return engine->run_shift == 0 ? 0
                                  : (engine->config.pages >> engine->run_shift) / BLOCKS_LOOKED + 1;
}

static uint32_t looks_for_sources(const struct engine *engine)
{
    return (uint32_t)BITMAP_WORDS(engine->config.slots) / DEFRAG_WORDS + 1;
}

/* The last look at each part found nothing. */
static bool is_idle(struct engine *engine)
{
    return PFN_FIELD(engine, defrag_no_stray) >= looks_for_strays(engine) &&
           PFN_FIELD(engine, defrag_no_source) >= looks_for_sources(engine);
}

bool defrag_needed(struct engine *engine)
{
    return engine->config.slots > 0 && !is_idle(engine) && !others_first(engine) && !rests(engine);
}

void defrag_call(struct engine *engine)
{
    if (engine->config.workers[WORKER_DEFRAG] > 0 && !others_first(engine) && !rests(engine)) {
        balance_kick(engine, WORKER_DEFRAG);
    }
}

/* ---- order ---- */

enum order { BY_PAGE, BY_FROM, BY_TO };

static uint32_t key_of(const struct slot_move *move, enum order order)
{
    return order == BY_PAGE ? move->page : order == BY_FROM ? move->from : move->to;
}

/* Shell's sort. */
static void sort_moves(struct defrag_batch *batch, enum order order)
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

static void add_move(struct defrag_batch *batch, page_number page, slot_number from)
{
    batch->moves[batch->count] = (struct slot_move){.page = page, .from = from};
    batch->pages[batch->count++] = page;
}

/* Pages in order, with the slots found for them: those without one stay where they are. */
static void add_targets(struct defrag_batch *batch)
{
    uint32_t kept = 0;
    for (uint32_t i = 0; i < batch->count; i++) {
        batch->moves[i].to = batch->slots[i];
        if (batch->slots[i] != SLOT_NONE) {
            batch->moves[kept++] = batch->moves[i];
        }
    }
    batch->count = kept;
}

/* ---- strays ---- */

/* Where a page lies that is not in the working set; no lock, a hint. */
static slot_number slot_seen(struct engine *engine, page_number page)
{
    pte_word word = pte_load(&engine->ptes[page]);
    if (pte_form(word) == PTE_PAGE_FILE) {
        return pte_slot(word);
    }
    return pte_form(word) == PTE_TRANSITION ? PFN_FIELD(frame_pfn(engine, pte_frame(word)), slot)
                                            : SLOT_NONE;
}

/* A block is left alone where each page that lies in the page file lies behind the one before. */
static void look_at_block(struct engine *engine, struct defrag_batch *batch, uint32_t block,
                          uint32_t room)
{
    slot_number seen[RESERVATION_MAX];
    page_number first = block << engine->run_shift;
    uint32_t length = 1u << engine->run_shift;
    uint32_t pages = MIN_OF(length, engine->config.pages - first), strays = 0, breaks = 0;
    slot_number home = slots_home(engine, first);
    for (uint32_t i = 0; i < pages; i++) {
        seen[i] = slot_seen(engine, first + i);
        strays += seen[i] != SLOT_NONE && (home == SLOT_NONE || seen[i] != home + i);
        breaks +=
            i > 0 && seen[i] != SLOT_NONE && seen[i - 1] != SLOT_NONE && seen[i] != seen[i - 1] + 1;
    }
    if (breaks == 0 || (home == SLOT_NONE && strays * STRAYS_SHARE < length)) {
        return;
    }
    for (uint32_t i = 0; i < pages && batch->count < room; i++) {
        if (seen[i] != SLOT_NONE && (home == SLOT_NONE || seen[i] != home + i)) {
            add_move(batch, first + i, seen[i]);
        }
    }
}

static void find_strays(struct engine *engine, struct thread *self, struct defrag_batch *batch,
                        uint32_t room)
{
    uint32_t blocks = (uint32_t)(((uint64_t)engine->config.pages + (1u << engine->run_shift) - 1) >>
                                 engine->run_shift);
    uint32_t block =
        atomic_fetch_add_explicit(&engine->defrag_block, BLOCKS_LOOKED, memory_order_relaxed) /
        BLOCKS_LOOKED % looks_for_strays(engine) * BLOCKS_LOOKED;
    uint32_t end = MIN_OF(block + BLOCKS_LOOKED, blocks);
    for (; block < end && batch->count < room; block++) {
        look_at_block(engine, batch, block, room);
    }
    slots_take_home(engine, self, batch->count, batch->pages, batch->slots);
    add_targets(batch);
}

/* ---- runs to be emptied ---- */

/*
 * Part of the bitmap as it was a moment ago. Runs that are reserved look full in it: they serve their
 * blocks, and neither are they emptied nor is anything put into them. So do runs that are done with.
 */
struct window {
    uint64_t *bits;
    uint32_t shift; /* 2 to that power are the slots of a run */
    uint32_t most;  /* eighths of a run in use: to empty one with more is not worth its while */
    slot_number first;
    uint32_t slots;
};

static void look_at_slots(struct engine *engine, struct thread *self, struct defrag_batch *batch,
                          struct window *ret_window)
{
    uint32_t words = (uint32_t)BITMAP_WORDS(engine->config.slots);
    uint32_t word =
        atomic_fetch_add_explicit(&engine->defrag_word, DEFRAG_WORDS, memory_order_relaxed) /
        DEFRAG_WORDS % looks_for_sources(engine) * DEFRAG_WORDS;
    uint32_t count = MIN_OF(DEFRAG_WORDS, words - word);
    slots_look(engine, self, word, count, batch->bits);
    *ret_window = (struct window){
        .bits = batch->bits,
        .shift = engine->run_shift > 0 ? engine->run_shift : (uint32_t)__builtin_ctz(SLOT_CLUSTER),
        .most = engine->run_shift > 0 ? 7 : 4, /* order in memory is worth more than room */
        .first = word * BITMAP_WORD_BITS + 1,
        .slots = MIN_OF(count * BITMAP_WORD_BITS, engine->config.slots - word * BITMAP_WORD_BITS),
    };
}

static uint32_t run_room(const struct window *window, uint32_t bit)
{
    return MIN_OF(1u << window->shift, window->slots - bit);
}

static uint32_t run_used(const struct window *window, uint32_t bit)
{
    uint32_t used = 0, room = run_room(window, bit);
    if (window->shift < 6) {
        uint64_t mask = ((uint64_t)1 << (1u << window->shift)) - 1;
        return (uint32_t)__builtin_popcountll(
            window->bits[bit / BITMAP_WORD_BITS] >> bit % BITMAP_WORD_BITS & mask);
    }
    for (uint32_t at = 0; at < room; at += BITMAP_WORD_BITS) {
        used += (uint32_t)__builtin_popcountll(window->bits[(bit + at) / BITMAP_WORD_BITS]);
    }
    return used;
}

static void run_done(const struct window *window, uint32_t bit)
{
    bitmap_set_run(window->bits, bit, run_room(window, bit));
}

/* The run with the least, or the most, in it of those that have `least` slots in use and room. */
static bool find_run(const struct window *window, uint32_t least, bool fullest, uint32_t *ret_bit)
{
    uint32_t best = fullest ? 0 : UINT32_MAX;
    bool found = false;
    for (uint32_t bit = 0; bit < window->slots; bit += 1u << window->shift) {
        uint32_t used = run_used(window, bit), room = run_room(window, bit);
        bool fits = used >= least && used < room && (fullest || used * 8 <= room * window->most);
        if (fits && (fullest ? used > best : used < best)) {
            best = used;
            *ret_bit = bit;
            found = true;
        }
    }
    return found;
}

/* Pages that follow each other already are not to be torn apart. */
static bool run_is_in_order(struct engine *engine, const struct window *window, uint32_t bit)
{
    uint32_t pairs = 0, used = run_used(window, bit);
    for (uint32_t at = bit; at + 1 < bit + run_room(window, bit); at++) {
        slot_number slot = window->first + at;
        pairs += bitmap_test(window->bits, at) && bitmap_test(window->bits, at + 1) &&
                 slot_owner_page(slots_owner(engine, slot)) + 1 ==
                     slot_owner_page(slots_owner(engine, slot + 1));
    }
    return pairs * PAIRS_SHARE > used && !MUTANT(DEFRAG_TEARS_APART);
}

/* The pages of a run, as far as there is room for them. */
static void add_source(struct engine *engine, struct defrag_batch *batch,
                       const struct window *window, uint32_t bit, uint32_t room)
{
    batch->source[batch->sources++] = window->first + bit;
    for (uint32_t at = bit; at < bit + run_room(window, bit) && batch->count < room; at++) {
        page_number page = slot_owner_page(slots_owner(engine, window->first + at));
        if (bitmap_test(window->bits, at) && page < engine->config.pages) {
            add_move(batch, page, window->first + at);
        }
    }
}

static void add_target(struct defrag_batch *batch, slot_number first, uint32_t space)
{
    batch->target[batch->targets++] = first;
    batch->space += space;
}

/* The run that rounds fill one after the other, if there is room in it; nobody empties it. */
static void add_open_run(struct engine *engine, struct thread *self, struct defrag_batch *batch,
                         const struct window *window)
{
    slot_number open = PFN_FIELD(engine, defrag_open);
    if (open == SLOT_NONE || MUTANT(DEFRAG_HAS_NO_END)) {
        return;
    }
    uint32_t room = MIN_OF(1u << window->shift, engine->config.slots - open + 1);
    uint32_t used = slots_used_within(engine, self, open, room);
    if (used < room) {
        add_target(batch, open, room - used);
    }
    if (open - window->first < window->slots) {
        run_done(window, open - window->first);
    }
}

/*
 * Targets until they have so many free slots: a run with nothing in it, which is open from here on
 * and is written from end to end; else the fullest, if it is fuller than what is emptied into it.
 */
static bool add_targets_for(struct engine *engine, struct defrag_batch *batch,
                            const struct window *window, uint32_t least, uint32_t wanted)
{
    uint32_t bit = 0;
    while (batch->space < wanted && batch->targets < DEFRAG_TARGETS) {
        bool empty = find_run(window, 0, false, &bit) && run_used(window, bit) == 0;
        if (!empty && !find_run(window, least, true, &bit)) {
            break;
        }
        if (empty) {
            PFN_SET_FIELD(engine, defrag_open, window->first + bit);
        }
        add_target(batch, window->first + bit, run_room(window, bit) - run_used(window, bit));
        run_done(window, bit);
    }
    return batch->space >= wanted;
}

/* Half of what is free is in runs with nothing in them: that will do. */
static bool is_tidy(const struct window *window)
{
    uint32_t free = 0, in_empty = 0;
    for (uint32_t bit = 0; bit < window->slots; bit += 1u << window->shift) {
        uint32_t used = run_used(window, bit), room = run_room(window, bit);
        free += room - used;
        in_empty += used == 0 ? room : 0;
    }
    return in_empty * 2 >= free && !MUTANT(DEFRAG_HAS_NO_END);
}

/* The emptiest runs, and what takes what is in them. A run that would not become empty is let be. */
static void choose_runs(struct engine *engine, struct thread *self, struct defrag_batch *batch,
                        const struct window *window, uint32_t room)
{
    uint32_t bit = 0;
    bool fits = !is_tidy(window);
    add_open_run(engine, self, batch, window);
    while (fits && batch->count < room && batch->sources < DEFRAG_SOURCES &&
           find_run(window, 1, false, &bit)) {
        uint32_t used = run_used(window, bit), before = batch->count;
        bool in_order = run_is_in_order(engine, window, bit);
        if (!in_order) {
            add_source(engine, batch, window, bit, room);
        }
        run_done(window, bit);
        fits = in_order || add_targets_for(engine, batch, window, used, batch->count);
        if (!fits) {
            batch->count = before;
            batch->sources--;
        }
    }
}

static void find_sources(struct engine *engine, struct thread *self, struct defrag_batch *batch,
                         uint32_t room)
{
    struct window window;
    uint32_t found = 0;
    look_at_slots(engine, self, batch, &window);
    choose_runs(engine, self, batch, &window, room);
    sort_moves(batch, BY_PAGE);
    for (uint32_t i = 0; i < batch->count; i++) {
        batch->pages[i] = batch->moves[i].page;
        batch->slots[i] = SLOT_NONE;
    }
    for (uint32_t i = 0; i < batch->targets && found < batch->count; i++) {
        found += slots_take_within(
            engine, self, batch->target[i],
            MIN_OF(1u << window.shift, engine->config.slots - batch->target[i] + 1),
            batch->count - found, batch->pages + found, batch->slots + found);
    }
    add_targets(batch);
}

static void count_emptied(struct engine *engine, struct thread *self,
                          const struct defrag_batch *batch)
{
    uint32_t length = engine->run_shift > 0 ? 1u << engine->run_shift : SLOT_CLUSTER;
    for (uint32_t i = 0; i < batch->sources; i++) {
        uint32_t room = MIN_OF(length, engine->config.slots - batch->source[i] + 1);
        count_add(self, COUNT_DEFRAG_EMPTIED,
                  slots_used_within(engine, self, batch->source[i], room) == 0);
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
        enum protection protection = MUTANT(DEFRAG_FORGETS_PROTECTION)
                                         ? PROTECTION_READ_WRITE
                                         : pte_protection(pte_load(entry));
        pte_store(entry, pte_make_software(protection, move->to));
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
    const struct store *store = &engine->store;
    uint32_t done = 0;
    lock_check_none_held(self);
    for (uint32_t i = 0; i < batch->requests; i++) {
        batch->submitted[i] = &batch->request[i];
    }
    if (batch->requests > 0) {
        store->ops->submit(store->self, self->number, batch->submitted, batch->requests);
    }
    while (done < batch->requests) {
        struct store_request *reaped[32];
        done += store->ops->reap(store->self, self->number, reaped, 32, true);
    }
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
    sort_moves(batch, BY_FROM);
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
    sort_moves(batch, BY_TO);
    build_writes(engine, batch, set);
    run_requests(engine, self, batch);
    for (uint32_t i = 0; i < batch->requests; i++) {
        const struct store_request *request = &batch->request[i];
        count_add(self, COUNT_DEFRAG_PAGES_WRITTEN, request->result == 0 ? request->count : 0);
        count_add(self, COUNT_IO_ERRORS, request->result != 0);
        for (uint32_t at = 0; at < request->count && !MUTANT(DEFRAG_BELIEVES_FAILED_WRITE); at++) {
            batch->moves[batch->first[i] + at].result = request->result;
        }
    }
    count_add(self, COUNT_DEFRAG_WRITES, batch->requests);
}

/* ---- the round ---- */

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
        if (!moved && !MUTANT(DEFRAG_LEAKS_TARGET)) {
            slots_give_back(engine, self, move->to);
        }
        done += moved;
    }
    count_add(self, COUNT_DEFRAGMENTED, done);
    count_add(self, COUNT_DEFRAG_ABORTED, batch->count - done);
    return done;
}

/* Half of the slots that are free are left to the writer. */
static uint32_t room_for_moves(const struct engine *engine)
{
    return (uint32_t)MIN_OF(engine->config.defrag_batch, slots_free(engine) / 2);
}

/* One of the sets of buffers; 64: none is left. */
static uint32_t take_set(struct engine *engine)
{
    uint64_t taken = atomic_load_explicit(&engine->defrag_sets, memory_order_relaxed);
    uint32_t set = 0;
    do {
        set = ~taken == 0 ? 64 : (uint32_t)__builtin_ctzll(~taken);
    } while (set < engine->config.defrag_rounds &&
             !atomic_compare_exchange_weak_explicit(&engine->defrag_sets, &taken,
                                                    taken | (uint64_t)1 << set,
                                                    memory_order_acquire, memory_order_relaxed));
    return set < engine->config.defrag_rounds ? set : 64;
}

static void drop_set(struct engine *engine, uint32_t set)
{
    atomic_fetch_and_explicit(&engine->defrag_sets, ~((uint64_t)1 << set), memory_order_release);
}

/* What was moved may be reason to look again at everything. */
static void remember(struct engine *engine, bool idle, bool strays, bool moved)
{
    if (moved) {
        PFN_SET_FIELD(engine, defrag_no_stray, 0);
        PFN_SET_FIELD(engine, defrag_no_source, 0);
    } else if (!idle && strays) {
        PFN_SET_FIELD(engine, defrag_no_stray, PFN_FIELD(engine, defrag_no_stray) + 1);
    } else if (!idle) {
        PFN_SET_FIELD(engine, defrag_no_source, PFN_FIELD(engine, defrag_no_source) + 1);
    }
    if ((moved || idle) && engine->config.defrag_rest_ns > 0) {
        uint64_t rest_ns = engine->config.defrag_rest_ns * (moved ? 1 : IDLE_RESTS);
        atomic_store_explicit(&engine->defrag_after_ns, world_now_ns() + rest_ns,
                              memory_order_relaxed);
    }
}

static uint32_t make_moves(struct engine *engine, struct thread *self, struct defrag_batch *batch,
                           uint32_t set)
{
    begin_moves(engine, self, batch);
    read_moves(engine, self, batch, set);
    write_moves(engine, self, batch, set);
    uint32_t moved = finish_moves(engine, self, batch);
    count_emptied(engine, self, batch);
    balance_call(engine); /* a writer may have found no slot meanwhile */
    return moved;
}

/* Where every look found nothing, one of each kind is made now and then. */
bool defrag_round(struct engine *engine, struct thread *self)
{
    struct defrag_batch *batch = &self->scratch->defrag;
    if (engine->config.slots == 0 || others_first(engine) || rests(engine)) {
        return false;
    }
    uint32_t set = take_set(engine);
    if (set >= engine->config.defrag_rounds) {
        return false;
    }
    bool idle = is_idle(engine);
    bool strays = PFN_FIELD(engine, defrag_no_stray) < looks_for_strays(engine);
    batch->count = batch->sources = batch->targets = batch->space = 0;
    if (strays || (idle && engine->run_shift > 0)) {
        find_strays(engine, self, batch, room_for_moves(engine));
    }
    if (batch->count == 0 && !strays) {
        find_sources(engine, self, batch, room_for_moves(engine));
    }
    bool moved = batch->count > 0 && make_moves(engine, self, batch, set) > 0;
    drop_set(engine, set);
    remember(engine, idle, strays, moved);
    return moved;
}

/*
 * defrag.c - the defragmenter: slots move until neighbours in memory are neighbours in the page file.
 *
 * Two kinds of rounds. While there are strays, pages whose reserved place (slots.c) is free or can be
 * had, they go there, block by block in order of address. When no stray is left that could go home,
 * the emptiest of the runs that are nobody's are emptied: into one with nothing in it, which is filled
 * from end to end by one round after the other, or where there is none into the fullest. So there are
 * runs to be reserved, and room for the search. The one never takes a page from its place; the other
 * stops when half of what is free is in empty runs. Both come to an end when nobody else writes.
 *
 * How one slot is moved: move.c. Faults, the modified writer and whoever waits for a frame come
 * first.
 */
#include "base/bitmap.h"
#include "base/mutant.h"
#include "engine/engine.h"

#define BLOCKS_LOOKED 128 /* by one round that looks for strays */
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

static uint32_t looks_for_sources(slot_number slots)
{
    return (uint32_t)BITMAP_WORDS(slots) / DEFRAG_WORDS + 1;
}

/* The last look at each part found nothing. */
static bool is_idle(struct engine *engine)
{
    return PFN_FIELD(engine, defrag_no_stray) >= looks_for_strays(engine) &&
           PFN_FIELD(engine, defrag_no_source) >= looks_for_sources(engine_slots(engine));
}

bool defrag_needed(struct engine *engine)
{
    return engine_slots(engine) > 0 && !is_idle(engine) && !others_first(engine) && !rests(engine);
}

void defrag_call(struct engine *engine)
{
    if (engine->config.workers[WORKER_DEFRAG] > 0 && !others_first(engine) && !rests(engine)) {
        balance_kick(engine, WORKER_DEFRAG);
    }
}

/* ---- the batch ---- */

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
    slot_number slots = engine_slots(engine); /* there may be more in a moment */
    uint32_t words = (uint32_t)BITMAP_WORDS(slots);
    uint32_t word =
        atomic_fetch_add_explicit(&engine->defrag_word, DEFRAG_WORDS, memory_order_relaxed) /
        DEFRAG_WORDS % looks_for_sources(slots) * DEFRAG_WORDS;
    uint32_t count = MIN_OF(DEFRAG_WORDS, words - word);
    slots_look(engine, self, word, count, batch->bits);
    *ret_window = (struct window){
        .bits = batch->bits,
        .shift = engine->run_shift > 0 ? engine->run_shift : (uint32_t)__builtin_ctz(SLOT_CLUSTER),
        .most = engine->run_shift > 0 ? 7 : 4, /* order in memory is worth more than room */
        .first = word * BITMAP_WORD_BITS + 1,
        .slots = MIN_OF(count * BITMAP_WORD_BITS, slots - word * BITMAP_WORD_BITS),
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
static bool pick_run(const struct window *window, uint32_t least, bool fullest, uint32_t *ret_bit)
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
    uint32_t room = MIN_OF(1u << window->shift, engine_slots(engine) - open + 1);
    uint32_t space = slots_free_within(engine, self, open, room, MUTANT(DEFRAG_FILLS_RESERVED_RUN));
    if (space > 0) {
        add_target(batch, open, space);
    } else { /* full, or reserved meanwhile */
        PFN_SET_FIELD(engine, defrag_open, SLOT_NONE);
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
        bool empty = pick_run(window, 0, false, &bit) && run_used(window, bit) == 0;
        if (!empty && !pick_run(window, least, true, &bit)) {
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
           pick_run(window, 1, false, &bit)) {
        uint32_t used = run_used(window, bit), before = batch->count;
        bool in_order = run_is_in_order(engine, window, bit);
        if (!in_order) {
            add_source(engine, batch, window, bit, room);
        }
        run_done(window, bit);
        if (batch->count == before) { /* in order, or nothing but retired slots */
            batch->sources -= !in_order && !MUTANT(DEFRAG_COUNTS_EMPTY_SOURCES);
            continue;
        }
        fits = add_targets_for(engine, batch, window, used, batch->count);
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
    moves_sort(batch, MOVES_BY_PAGE);
    for (uint32_t i = 0; i < batch->count; i++) {
        batch->pages[i] = batch->moves[i].page;
        batch->slots[i] = SLOT_NONE;
    }
    for (uint32_t i = 0; i < batch->targets && found < batch->count; i++) {
        found += slots_take_within(
            engine, self, batch->target[i],
            MIN_OF(1u << window.shift, engine_slots(engine) - batch->target[i] + 1),
            batch->count - found, batch->pages + found, batch->slots + found);
    }
    add_targets(batch);
}

static void count_emptied(struct engine *engine, struct thread *self,
                          const struct defrag_batch *batch)
{
    uint32_t length = engine->run_shift > 0 ? 1u << engine->run_shift : SLOT_CLUSTER;
    for (uint32_t i = 0; i < batch->sources; i++) {
        uint32_t room = MIN_OF(length, engine_slots(engine) - batch->source[i] + 1);
        count_add(self, COUNT_DEFRAG_EMPTIED,
                  slots_free_within(engine, self, batch->source[i], room, true) == room);
    }
}

/* ---- the round ---- */

/* A round leaves half of the slots that it finds free to others. */
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

/* Returns how many were moved. */
static uint32_t make_moves(struct engine *engine, struct thread *self, struct defrag_batch *batch,
                           uint32_t set)
{
    uint32_t moved = moves_make(engine, self, batch, set);
    count_emptied(engine, self, batch);
    balance_call(engine); /* a writer may have found no slot meanwhile */
    return moved;
}

/* Where every look found nothing, one of each kind is made now and then. */
bool defrag_round(struct engine *engine, struct thread *self)
{
    struct defrag_batch *batch = &self->scratch->defrag;
    if (engine_slots(engine) == 0 || others_first(engine) || rests(engine)) {
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

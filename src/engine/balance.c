/*
 * balance.c - the balance-set manager: wakes whom the state of memory asks for, and watches.
 *
 * Faults kick the trimmers and writers themselves, or do their work (--balance faults); the balance
 * worker is the tick behind them. It
 * keeps a few frames free ahead of need where giving up content costs a system call, and it names
 * whoever has made no progress while somebody waits for a frame.
 */
#include "base/mutant.h"
#include "base/text.h"
#include "engine/engine.h"
#include "engine/lists.h"

#define STUCK_NS 2000000000ull

static struct worker_event *event_of(const struct engine *engine, enum worker_kind kind,
                                     uint32_t group)
{
    return &engine->events[group * WORKER_KINDS + kind];
}

static bool anybody_sleeps(const struct worker_event *event)
{
    return atomic_load_explicit((_Atomic uint32_t *)(uintptr_t)&event->sleepers,
                                memory_order_seq_cst) > 0;
}

static void wake_one(struct worker_event *event)
{
    atomic_fetch_add_explicit(&event->sequence, 1, memory_order_seq_cst);
    if (!MUTANT(WORKER_IS_NOT_WOKEN)) {
        world_wake(&event->sequence, 1);
    }
}

/* Groups in turn, the one given first, until there is one where somebody sleeps. */
static void kick_from(struct engine *engine, enum worker_kind kind, uint32_t first)
{
    uint32_t groups = engine->worker_groups[kind];
    for (uint32_t i = 0; i < groups; i++) {
        struct worker_event *event = event_of(engine, kind, (first + i) & (groups - 1));
        if (anybody_sleeps(event)) {
            wake_one(event);
            return;
        }
    }
}

void balance_kick(struct engine *engine, enum worker_kind kind)
{
    kick_from(engine, kind, 0);
}

void balance_kick_near(struct engine *engine, const struct thread *self, enum worker_kind kind)
{
    kick_from(engine, kind, worker_colours(engine, kind, self).first);
}

typedef bool wanted_function(const struct engine *engine, struct colour_set set);

static void kick_group(struct engine *engine, enum worker_kind kind, struct colour_set set,
                       wanted_function *wanted)
{
    struct worker_event *event = event_of(engine, kind, set.first);
    if (anybody_sleeps(event) && wanted(engine, set)) {
        wake_one(event);
    }
}

static void kick_if_wanted(struct engine *engine, const struct thread *self, enum worker_kind kind,
                           wanted_function *wanted)
{
    kick_group(engine, kind, worker_colours(engine, kind, self), wanted);
}

void balance_after_take(struct engine *engine, struct thread *self)
{
    if (engine->config.balance_in_faults) {
        self->owes = true;
        return;
    }
    kick_if_wanted(engine, self, WORKER_TRIM, trim_wanted);
    kick_if_wanted(engine, self, WORKER_WRITE, write_wanted);
}

void balance_pay(struct engine *engine, struct thread *self)
{
    self->owes = false;
    if (trim_due(engine, self)) {
        trim_round(engine, self);
    }
    if (write_is_failing(engine)) {
        kick_if_wanted(engine, self, WORKER_WRITE, write_wanted); /* it knows how to be patient */
    } else if (write_due(engine, self)) {
        write_round(engine, self);
    }
}

void balance_kick_writer(struct engine *engine, const struct thread *self)
{
    if (!engine->config.balance_in_faults) {
        kick_if_wanted(engine, self, WORKER_WRITE, write_wanted);
    }
}

/* The tick: every worker whose colours ask for it. */
static void kick_all_wanted(struct engine *engine, enum worker_kind kind, wanted_function *wanted)
{
    for (uint32_t group = 0; group < engine->worker_groups[kind]; group++) {
        kick_group(engine, kind, (struct colour_set){group, engine->worker_groups[kind]}, wanted);
    }
}

void balance_call(struct engine *engine)
{
    if (LIKELY(atomic_load_explicit(&engine->waiters, memory_order_seq_cst) == 0)) {
        return;
    }
    if (trim_needed(engine)) {
        balance_kick(engine, WORKER_TRIM);
    }
    if (write_needed(engine)) {
        balance_kick(engine, WORKER_WRITE);
    }
}

void balance_help(struct engine *engine, struct thread *self)
{
    if ((list_count(engine, LIST_MODIFIED) == 0 || engine_slots(engine) == 0 ||
         write_is_failing(engine)) &&
        !MUTANT(HELP_IS_REFUSED)) {
        uint32_t goal = MIN_OF(trim_goal(engine), engine->config.trim_batch);
        uint32_t taken = trim_pages(engine, self, MAX_OF(goal, 1));
        count_add(self, COUNT_TRIM_BY_WAITER, taken > 0);
        count_add(self, COUNT_TRIM_PAGES_BY_WAITER, taken);
    }
    if (frames_available(engine) == 0 && list_count(engine, LIST_MODIFIED) > 0 &&
        engine_slots(engine) > 0 && !MUTANT(HELP_IS_REFUSED)) {
        write_round(engine, self);
    }
}

/* Frames to keep free where a standby page is not free at once. */
static uint32_t ahead_goal(const struct engine *engine)
{
    return engine->machine.ops->release == NULL ? 0 : MIN_OF(engine->config.frames / 64, 256);
}

static uint32_t ahead_missing(const struct engine *engine)
{
    uint32_t goal = ahead_goal(engine);
    uint32_t ready = list_count(engine, LIST_ZEROED) + list_count(engine, LIST_FREE);
    return goal > ready ? MIN_OF(goal - ready, FRAME_CACHE_MAX) : 0;
}

bool balance_needed(struct engine *engine)
{
    return ahead_missing(engine) > 0;
}

static const char *who_is_behind(const struct engine *engine)
{
    if (write_is_failing(engine)) {
        return "; the page file cannot be written";
    }
    return list_count(engine, LIST_MODIFIED) > 0 ? "; the modified writer is behind"
                                                 : "; the trimmer is behind";
}

static void name_stuck(struct engine *engine, uint32_t waiters)
{
    struct text text = {0};
    text_add(&text, "no frame could be given out for 2 s:");
    text_add_field(&text, "waiters", waiters);
    text_add_field(&text, "zeroed", list_count(engine, LIST_ZEROED));
    text_add_field(&text, "free", list_count(engine, LIST_FREE));
    text_add_field(&text, "available", frames_available(engine));
    text_add_field(&text, "modified", list_count(engine, LIST_MODIFIED));
    text_add_field(&text, "in_flight", PFN_FIELD(engine, in_flight));
    text_add_field(&text, "pinned", PFN_FIELD(engine, pinned));
    text_add_field(&text, "slots_free", slots_free(engine));
    text_add_field(&text, "slots_retired", PFN_FIELD(engine, slots_retired));
    text_add_field(&text, "write_error", PFN_FIELD(engine, write_error));
    text_add(&text, who_is_behind(engine));
    engine->config.complain(engine->config.complain_context, text.bytes);
}

/*
 * Only one balance worker watches at a time; which one does not matter. Who waits already at the
 * first look has waited since then, for all we know.
 */
static void watch(struct engine *engine)
{
    uint32_t waiters = PFN_FIELD(engine, waiters);
    uint64_t served = atomic_load_explicit(&engine->served, memory_order_relaxed);
    uint64_t now_ns = world_now_ns();
    if (waiters == 0 || served != PFN_FIELD(engine, watch_served) ||
        PFN_FIELD(engine, watch_since_ns) == 0) {
        PFN_SET_FIELD(engine, watch_served, served);
        PFN_SET_FIELD(engine, watch_since_ns, now_ns);
    } else if (now_ns - PFN_FIELD(engine, watch_since_ns) > STUCK_NS && !MUTANT(WATCH_IS_SILENT)) {
        PFN_SET_FIELD(engine, watch_since_ns, now_ns);
        if (engine->config.complain != NULL) {
            name_stuck(engine, waiters);
        }
    }
}

bool balance_round(struct engine *engine, struct thread *self)
{
    uint32_t missing = ahead_missing(engine);
    thread_next_colour(engine, self); /* else pages of the first always went first */
    bool any = missing > 0 && frames_repurpose_ahead(engine, self, missing) > 0;
    kick_all_wanted(engine, WORKER_TRIM, trim_wanted);
    kick_all_wanted(engine, WORKER_WRITE, write_wanted);
    if (zero_needed(engine)) {
        balance_kick(engine, WORKER_ZERO);
    }
    watch(engine);
    return any;
}

/*
 * strategy.c - who runs next in a run that looks for races.
 *
 * Random: at a point somebody else with a set chance. PCT (Burckhardt and others, ASPLOS 2010):
 * random priorities, the highest runs, and at depth - 1 random points the runner's falls below all
 * others; a bug that needs d orderings is found with a chance of at least 1 / (n k^(d-1)). Path: a
 * preemption-bounded exhaustive search (CHESS: Musuvathi and Qadeer, PLDI 2007), one path a run.
 * Bytes: an input says after how many points whom to prefer, so that a fuzzer searches.
 *
 * A fiber that paused and since whose pause nothing was stored would only see the same again; it is
 * passed over while there is anybody else.
 */
#include "world/fibers_internal.h"

#include "world/atomics.h"

#include <string.h>

/* ---- words that two fibers use ---- */

#define WORDS_MAX (1u << 16)

static struct fiber_word words[WORDS_MAX]; /* by address */
static uint32_t word_count;
static bool learned; /* a word became shared in this search after points at it were passed over */

struct fiber_word *strategy_word(const volatile void *address)
{
    uint64_t state = (uintptr_t)address;
    uint32_t at = (uint32_t)random_mix(&state) % WORDS_MAX;

    while (words[at].address != 0 && words[at].address != (uintptr_t)address)
        at = (at + 1) % WORDS_MAX;
    if (words[at].address == 0) {
        if (word_count + 1 >= WORDS_MAX)
            world_abort("memman: fibers: too many words for a search of paths");
        word_count++;
        words[at] = (struct fiber_word){.address = (uintptr_t)address, .user = WORD_OF_NOBODY};
    }
    return &words[at];
}

static bool alone(void)
{
    return run.ready_count + run.waiting_count == 1;
}

bool strategy_point_counts(const volatile void *word)
{
    uint32_t *user;

    if (run.config.path == NULL)
        return true;
    if (alone())
        return run.config.strategy != FIBERS_PATH;
    if (word == NULL)
        return true;
    user = &strategy_word(word)->user;
    if (*user == WORD_SHARED)
        return true;
    if (*user == WORD_OF_NOBODY || *user == run.current) {
        *user = run.current;
        return run.config.strategy != FIBERS_PATH;
    }
    learned = true;
    *user = WORD_SHARED;
    return true;
}

void fibers_path_begin(struct fibers_path *path)
{
    memset(words, 0, sizeof(words));
    word_count = 0;
    learned = false;
    known_forget();
    path->length = 0;
    path->overflow = false;
}

bool fibers_path_next(struct fibers_path *path)
{
    if (learned) {
        learned = false;
        known_forget();
        path->length = 0;
        return true;
    }
    while (path->length > 0) {
        struct fibers_choice *last = &path->choices[path->length - 1];

        if (last->taken + 1 < last->options) {
            last->taken++;
            return true;
        }
        path->length--;
    }
    return false;
}

/* ---- decisions ---- */

/* The next decision of the path; past its end, and without room, the first option. */
static uint32_t path_choose(uint32_t options, enum reason reason)
{
    struct fibers_path *path = run.config.path;
    struct fibers_choice *choice;

    if (options <= 1)
        return 0;
    if (run.path_at == path->room) {
        path->overflow = true;
        return 0;
    }
    if (run.path_at == path->length && path->once && known_state(reason))
        fibers_leave_known();
    choice = &path->choices[run.path_at++];
    if (run.path_at > path->length) {
        path->length = run.path_at;
        *choice = (struct fibers_choice){0, (uint16_t)options};
    } else if (choice->options != options) {
        fibers_fail("the same path led elsewhere: decision %u has %u options and had %u",
                    run.path_at, options, choice->options);
    }
    return choice->taken;
}

/* The next byte of the input, or 0 when there is none. */
static unsigned byte_next(void)
{
    return run.byte_at < run.config.byte_count ? run.config.bytes[run.byte_at++] : 0;
}

/* ---- candidates ---- */

/*
 * Ready fibers but the runner that have something new to see; if there are none, the one whose turn
 * it is among those that have not.
 */
static uint32_t others(uint32_t *ret_others, bool *ret_idle)
{
    uint32_t count = 0;

    for (uint32_t i = 0; i < run.ready_count; i++) {
        if (run.ready[i] != run.current && !fiber_idle(&run.fibers[run.ready[i]]))
            ret_others[count++] = run.ready[i];
    }
    *ret_idle = count == 0;
    for (uint32_t i = 0; count == 0 && i < run.ready_count; i++) {
        run.idle_turn = (run.idle_turn + 1) % run.ready_count;
        if (run.ready[run.idle_turn] != run.current)
            ret_others[count++] = run.ready[run.idle_turn];
    }
    return count;
}

static uint32_t pick_random(enum reason reason)
{
    uint32_t candidates[FIBERS_MAX], count;
    bool idle;

    if (reason == REASON_POINT && random_below(&run.schedule, 65536) >= run.config.switch_chance)
        return run.current;
    count = others(candidates, &idle);
    if (count == 0 || (idle && reason == REASON_POINT))
        return run.current;
    return candidates[random_below(&run.schedule, count)];
}

#define TURNS_AFTER 20000u
#define TURN_STEPS  1000u

/*
 * A run that has become longer than was expected, and very long: two fibers of high priority may
 * undo each other's work for ever while the one that would help has a low one. From here on all get
 * a turn.
 */
static bool takes_turns(void)
{
    return run.steps > MAX_OF(TURNS_AFTER, run.config.steps_expected) &&
           run.steps % TURN_STEPS == 0;
}

static uint32_t pick_by_priority(enum reason reason)
{
    struct world_thread *runner = &run.fibers[run.current];
    uint32_t candidates[FIBERS_MAX], count, best = NOBODY;
    bool idle;

    for (uint32_t i = 0; i < run.change_count; i++) {
        if (run.changes[i] == run.steps)
            runner->priority = --run.lowest;
    }
    if (reason == REASON_PAUSE || takes_turns())
        runner->priority = --run.lowest;
    count = others(candidates, &idle);
    for (uint32_t i = 0; i < count; i++) {
        if (best == NOBODY || run.fibers[candidates[i]].priority > run.fibers[best].priority)
            best = candidates[i];
    }
    if (best == NOBODY ||
        (reason == REASON_POINT && (idle || runner->priority > run.fibers[best].priority)))
        return run.current;
    return best;
}

static uint32_t pick_by_path(enum reason reason)
{
    uint32_t candidates[FIBERS_MAX], count, taken;
    bool idle;

    if (reason != REASON_POINT) {
        count = others(candidates, &idle);
        return count == 0 ? run.current : candidates[path_choose(count, reason)];
    }
    if (run.preemptions >= run.config.path->preemptions_max)
        return run.current;
    count = others(candidates, &idle);
    if (idle)
        return run.current;
    taken = path_choose(count + 1, reason);
    if (taken == 0)
        return run.current;
    run.preemptions++;
    return candidates[taken - 1];
}

static uint32_t pick_by_bytes(enum reason reason)
{
    uint32_t candidates[FIBERS_MAX], count;
    bool idle;

    if (reason == REASON_POINT && run.bytes_quiet > 0) {
        run.bytes_quiet--;
        return run.current;
    }
    if (reason == REASON_POINT && run.byte_at >= run.config.byte_count)
        return run.current;
    count = others(candidates, &idle);
    if (count == 0 || (idle && reason == REASON_POINT))
        return run.current;
    run.bytes_quiet = byte_next();
    return candidates[byte_next() % count];
}

uint32_t strategy_pick(enum reason reason)
{
    uint32_t next;

    switch (run.config.strategy) {
    case FIBERS_PCT:
        next = pick_by_priority(reason);
        break;
    case FIBERS_PATH:
        next = pick_by_path(reason);
        break;
    case FIBERS_BYTES:
        next = pick_by_bytes(reason);
        break;
    case FIBERS_RANDOM:
    case FIBERS_TIMING:
    default:
        next = pick_random(reason);
        break;
    }
    run.result->preemptions += reason == REASON_POINT && next != run.current;
    return next;
}

/* ---- begin ---- */

void strategy_begin(void)
{
    known_begin();
    run.path_at = 0;
    run.preemptions = 0;
    run.byte_at = 0;
    run.bytes_quiet = 0;
    run.idle_turn = 0;
    run.lowest = (uint64_t)1 << 32;
    run.change_count = 0;
    while (run.config.strategy == FIBERS_PCT && run.change_count + 1 < run.config.depth &&
           run.change_count < ARRAY_COUNT(run.changes))
        run.changes[run.change_count++] =
            1 + random_below(&run.schedule, MAX_OF(run.config.steps_expected, 1u));
}

void strategy_adopt(struct world_thread *fiber)
{
    fiber->priority = random_next(&run.schedule) | (uint64_t)1 << 63;
}

/*
 * known.c - the states a search of paths has been in.
 *
 * Two runs whose fibers have done the same, with every word stored to in the same order and each load
 * behind the same store, are in one state, in whatever order the steps came that have nothing to do
 * with each other; what can follow is the same, and is searched once (happens-before hashing: Musuvathi and Qadeer,
 * MSR-TR-2007-12). A fiber's past is a hash of its steps and of the pasts it has seen in words; the
 * sum of all pasts, and what the scheduler knows beside, is the state.
 *
 * Each use must be seen: every atomic access, wait and wake-up is. What fibers share without, the
 * bytes of pages and of the store, is used behind a point without a word, or said with
 * fibers_touch(); all of that is one word here. Everything else is guarded by locks.
 */
#include "world/fibers_internal.h"

#include "world/atomics.h"

#include <string.h>

/* ---- pasts ---- */

static uint64_t runs;

static uint64_t mix(uint64_t a, uint64_t b)
{
    uint64_t state = a ^ (b * 0x9e3779b97f4a7c15ull + 0x632be59bd9b4e019ull);

    return random_mix(&state);
}

void known_use(const volatile void *address, int touch)
{
    static const char unnamed;
    struct world_thread *fiber = &run.fibers[run.current];
    struct fiber_word *word = strategy_word(address == NULL ? &unnamed : address);

    if (word->run != runs) {
        word->run = runs;
        word->stored = 0;
    }
    fiber->past = mix(mix(fiber->past, word->address), word->stored);
    if (touch != WORLD_LOAD)
        word->stored = fiber->past;
}

/* ---- states ---- */

#define STATES_MAX (1u << 22)

static uint64_t states[STATES_MAX]; /* 0: unused */
static uint32_t state_count;

static uint64_t state_now(enum reason reason)
{
    uint64_t sum = 0;

    for (uint32_t i = 0; i < run.fiber_count; i++) {
        const struct world_thread *fiber = &run.fibers[i];
        uint64_t left_ns = fiber->state == FIBER_WAITING && fiber->until_ns != UINT64_MAX
                               ? fiber->until_ns - run.now_ns
                               : UINT64_MAX;

        sum += mix(mix(mix(fiber->past, i), fiber->state), mix(fiber_idle(fiber), left_ns));
    }
    sum = mix(mix(sum, run.current), reason);
    sum = mix(mix(sum, run.preemptions), mix(run.idle_pauses, run.idle_turn));
    return sum == 0 ? 1 : sum;
}

bool known_state(enum reason reason)
{
    uint64_t state = state_now(reason);
    uint32_t at = (uint32_t)(state % STATES_MAX);

    while (states[at] != 0 && states[at] != state)
        at = (at + 1) % STATES_MAX;
    if (states[at] == state)
        return true;
    if (state_count < STATES_MAX / 4 * 3) { /* what finds no room is searched more than once */
        states[at] = state;
        state_count++;
    }
    return false;
}

void known_forget(void)
{
    if (state_count > 0)
        memset(states, 0, sizeof(states));
    state_count = 0;
}

void known_begin(void)
{
    runs++;
}

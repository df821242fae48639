/*
 * timing.c - virtual processors: what a run would take on a machine with more of them.
 *
 * Each processor has a clock, a fiber it runs and a queue of those that wait for it; one that has
 * nobody takes from the longest queue. The processor that is furthest behind runs next, so that
 * what fibers do to each other happens in the order of time, give or take QUANTUM_NS. Each atomic
 * access costs by where the word's cache line is: held, at another processor (then it moves, one
 * move after the other), or in memory. Copies, pauses, wake-ups and switches cost by the table in
 * costs.h.
 *
 * Left out: lines that fall out of a cache, and plain accesses; the copies stand for those.
 */
#include "world/fibers_internal.h"

#include "world/atomics.h"
#include "world/costs.h"

#include <string.h>

#define QUANTUM_NS   40u
#define LINES_MAX    (1u << 20)
#define LINE_SHIFT   6
#define HOLDER_WORDS (FIBERS_CPUS_MAX / 64)

struct line {
    uintptr_t number;               /* address >> LINE_SHIFT; 0: unused */
    uint64_t free_ns;               /* the move before is complete */
    uint64_t moved_ns;              /* all moves so far, with the waits for each other */
    uint64_t holders[HOLDER_WORDS]; /* a bit for each processor with a copy */
};

static struct line lines[LINES_MAX];
static uint32_t line_count;

static struct cpu {
    uint64_t clock_ns, slice_end_ns;
    uint32_t runs; /* fiber, or NOBODY */
    uint32_t first, last, queued;
} cpus[FIBERS_CPUS_MAX];

static uint64_t horizon_ns; /* until then the running processor may go on */

/* ---- lines ---- */

static struct line *line_of(const volatile void *word)
{
    uintptr_t number = (uintptr_t)word >> LINE_SHIFT;
    uint64_t state = number;
    uint32_t at = (uint32_t)random_mix(&state) % LINES_MAX;

    while (lines[at].number != 0 && lines[at].number != number)
        at = (at + 1) % LINES_MAX;
    if (lines[at].number == 0) {
        if (++line_count == LINES_MAX)
            world_abort("memman: timing: more cache lines than there is room for; use less memory");
        lines[at] = (struct line){.number = number};
    }
    return &lines[at];
}

static bool held_by_other(const struct line *line, uint32_t cpu)
{
    for (uint32_t i = 0; i < HOLDER_WORDS; i++) {
        uint64_t own = cpu / 64 == i ? (uint64_t)1 << (cpu % 64) : 0;

        if (line->holders[i] & ~own)
            return true;
    }
    return false;
}

static bool held_by(const struct line *line, uint32_t cpu)
{
    return (line->holders[cpu / 64] >> (cpu % 64)) & 1;
}

static void hold(struct line *line, uint32_t cpu, bool alone)
{
    for (uint32_t i = 0; alone && i < HOLDER_WORDS; i++)
        line->holders[i] = 0;
    line->holders[cpu / 64] |= (uint64_t)1 << (cpu % 64);
}

/* How long the access takes at `now_ns`; the line is where it has to be afterwards. */
static uint64_t touch_line(struct line *line, uint32_t cpu, int touch, uint64_t now_ns)
{
    bool others = held_by_other(line, cpu), here = held_by(line, cpu);
    uint64_t took_ns = touch == WORLD_UPDATE  ? COST_UPDATE_HIT_NS
                       : touch == WORLD_STORE ? COST_STORE_HIT_NS
                                              : COST_LOAD_HIT_NS;

    if (here && (touch == WORLD_LOAD || !others))
        return took_ns;
    if (others) {
        uint64_t begins_ns = MAX_OF(now_ns, line->free_ns);

        line->free_ns = begins_ns + COST_LINE_MOVES_NS;
        line->moved_ns += line->free_ns - now_ns;
        took_ns += line->free_ns - now_ns;
    } else {
        took_ns += COST_LINE_FETCH_NS;
    }
    hold(line, cpu, touch != WORLD_LOAD);
    return took_ns;
}

/* ---- processors ---- */

static struct cpu *current_cpu(void)
{
    return &cpus[run.fibers[run.current].timing.cpu];
}

static void spend(uint64_t ns)
{
    struct world_thread *fiber = &run.fibers[run.current];
    struct cpu *cpu = current_cpu();

    cpu->clock_ns += ns;
    fiber->timing.cpu_ns += ns;
    fiber->timing.ready_ns = cpu->clock_ns;
}

static void put_on(struct cpu *cpu, uint32_t fiber)
{
    struct world_thread *self = &run.fibers[fiber];

    cpu->runs = fiber;
    cpu->clock_ns = MAX_OF(cpu->clock_ns, self->timing.ready_ns);
    cpu->slice_end_ns = cpu->clock_ns + COST_SLICE_NS;
    self->timing.ready_ns = cpu->clock_ns;
    horizon_ns = MIN_OF(horizon_ns, cpu->clock_ns);
}

static void queue_on(struct cpu *cpu, uint32_t fiber)
{
    run.fibers[fiber].timing.next = NOBODY;
    if (cpu->first == NOBODY)
        cpu->first = fiber;
    else
        run.fibers[cpu->last].timing.next = fiber;
    cpu->last = fiber;
    cpu->queued++;
}

/* Whose first fiber the processor takes: its own, or that of the longest queue; NULL: nobody waits. */
static struct cpu *queue_for(struct cpu *cpu)
{
    struct cpu *longest = cpu;

    for (uint32_t i = 0; cpu->queued == 0 && i < run.config.cpus; i++) {
        if (cpus[i].queued > longest->queued)
            longest = &cpus[i];
    }
    return longest->queued == 0 ? NULL : longest;
}

/* The next fiber that waits for a processor, on one that has none now. */
static void take_queued(struct cpu *cpu)
{
    struct cpu *queue = queue_for(cpu);
    uint32_t fiber;

    cpu->runs = NOBODY;
    if (queue == NULL)
        return;
    fiber = queue->first;
    queue->first = run.fibers[fiber].timing.next;
    queue->queued--;
    run.fibers[fiber].timing.cpu = (uint32_t)(cpu - cpus);
    cpu->clock_ns += COST_SWITCH_NS;
    put_on(cpu, fiber);
}

/* An idle processor, else the one with the shortest queue; its own where that is as good. */
static struct cpu *best_cpu(const struct world_thread *fiber)
{
    struct cpu *best = &cpus[fiber->timing.cpu];

    for (uint32_t i = 0; i < run.config.cpus; i++) {
        uint32_t load = cpus[i].queued + (cpus[i].runs != NOBODY);
        uint32_t best_load = best->queued + (best->runs != NOBODY);

        if (load < best_load)
            best = &cpus[i];
    }
    return best;
}

static void place(struct world_thread *fiber, uint64_t ready_ns)
{
    uint32_t number = (uint32_t)(fiber - run.fibers);
    struct cpu *cpu = best_cpu(fiber);

    fiber->timing.ready_ns = ready_ns;
    fiber->timing.cpu = (uint32_t)(cpu - cpus);
    if (cpu->runs == NOBODY)
        put_on(cpu, number);
    else
        queue_on(cpu, number);
}

/* ---- the strategy ---- */

void timing_begin(void)
{
    if (line_count > 0)
        memset(lines, 0, sizeof(lines));
    line_count = 0;
    for (uint32_t i = 0; i < FIBERS_CPUS_MAX; i++)
        cpus[i] = (struct cpu){.runs = NOBODY, .first = NOBODY, .last = NOBODY};
    horizon_ns = 0;
}

void timing_adopt(struct world_thread *fiber)
{
    place(fiber, run.active ? current_cpu()->clock_ns + COST_WAKE_NS : 0);
}

void timing_ready(struct world_thread *fiber)
{
    uint64_t now_ns = MAX_OF(current_cpu()->clock_ns, run.now_ns);

    place(fiber, (fiber->until_ns < now_ns ? fiber->until_ns : now_ns) + COST_WAKE_NS);
}

void timing_touch(const volatile void *word, int touch)
{
    if (word != NULL)
        spend(touch_line(line_of(word), run.fibers[run.current].timing.cpu, touch,
                         current_cpu()->clock_ns));
}

void timing_work(enum world_work work, uint32_t count)
{
    spend((uint64_t)cost_of_work_ns[work] * count);
}

void timing_pause(uint64_t pause_ns)
{
    spend(pause_ns);
}

/* The processor furthest behind that runs somebody; sets how far it may go. */
static struct cpu *furthest_behind(void)
{
    struct cpu *first = NULL;

    horizon_ns = UINT64_MAX;
    for (uint32_t i = 0; i < run.config.cpus; i++) {
        if (cpus[i].runs == NOBODY)
            continue;
        if (first == NULL || cpus[i].clock_ns < first->clock_ns) {
            horizon_ns = first == NULL ? horizon_ns : MIN_OF(horizon_ns, first->clock_ns);
            first = &cpus[i];
        } else {
            horizon_ns = MIN_OF(horizon_ns, cpus[i].clock_ns);
        }
    }
    return first;
}

uint32_t timing_pick(enum reason reason)
{
    struct cpu *cpu = current_cpu();

    if (cpu->runs == run.current) { /* else the runner has just left, and was replaced already */
        if (reason == REASON_LEAVE) {
            take_queued(cpu);
        } else if (cpu->first != NOBODY &&
                   (reason == REASON_PAUSE || cpu->clock_ns >= cpu->slice_end_ns)) {
            queue_on(cpu, run.current);
            take_queued(cpu);
        } else if (cpu->clock_ns <= horizon_ns + QUANTUM_NS &&
                   cpu->clock_ns < run.first_timeout_ns) {
            return run.current;
        }
    }
    cpu = furthest_behind();
    run.now_ns = MAX_OF(run.now_ns, cpu->clock_ns);
    if (run.now_ns >= run.first_timeout_ns) {
        fibers_expire_timeouts();
        cpu = furthest_behind();
    }
    return cpu->runs;
}

void timing_end(struct fibers_result *result)
{
    for (uint32_t i = 0; i < LINES_MAX; i++) {
        if (lines[i].moved_ns > result->costliest_ns) {
            result->costliest_ns = lines[i].moved_ns;
            result->costliest_line = lines[i].number << LINE_SHIFT;
        }
    }
}

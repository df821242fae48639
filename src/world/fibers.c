/*
 * fibers.c - the world of fibers: threads, waits and time for one operating-system thread.
 *
 * A fiber runs until a point, a pause, a wait or its end, where the strategy names who runs next;
 * the switch goes from fiber to fiber directly. Time is virtual: every step takes a little, and
 * when everybody waits the clock jumps to the next timeout. Nobody ready, nobody to be woken by
 * the clock: a deadlock, and the run says who waits for what.
 */
#include "world/fibers_internal.h"

#include "world/atomics.h"
#include "world/costs.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define IDLE_ROUNDS   16u   /* pauses of everybody ready before the clock jumps */
#define IDLE_HOPELESS 4096u /* and before nobody is believed to get on any more */

struct run run;

/* ---- who is ready ---- */

static struct world_thread *current_fiber(void)
{
    return &run.fibers[run.current];
}

static void make_ready(struct world_thread *fiber)
{
    fiber->state = FIBER_READY;
    fiber->ready_at = run.ready_count;
    run.ready[run.ready_count++] = (uint32_t)(fiber - run.fibers);
}

static void make_unready(struct world_thread *fiber, enum fiber_state state)
{
    uint32_t last = run.ready[--run.ready_count];

    run.ready[fiber->ready_at] = last;
    run.fibers[last].ready_at = fiber->ready_at;
    fiber->state = state;
}

static void end_wait(struct world_thread *fiber)
{
    known_step(fiber,
               run.fibers[run.current].past); /* who woke it; or was there when its time came */
    run.waiting_count--;
    fiber->paused_at = UINT64_MAX;
    make_ready(fiber);
    if (run.config.strategy == FIBERS_TIMING)
        timing_ready(fiber);
}

/* ---- the end of a run ---- */

static _Noreturn void leave_run(enum fibers_outcome outcome)
{
    run.result->outcome = outcome;
    fiber_order_before(&run.outside);
    fiber_switch(&current_fiber()->context, &run.outside);
    abort(); /* nobody comes back */
}

_Noreturn void fibers_leave_known(void)
{
    leave_run(FIBERS_KNOWN);
}

/* Who waits for what, and since when: the text of a deadlock. */
static void describe_fibers(const char *first)
{
    char *text = run.result->text;
    size_t length = (size_t)snprintf(text, FIBERS_TEXT, "%s", first);

    for (uint32_t i = 0; i < run.fiber_count && length < FIBERS_TEXT - 1; i++) {
        const struct world_thread *fiber = &run.fibers[i];

        if (fiber->state == FIBER_WAITING)
            length += (size_t)snprintf(text + length, FIBERS_TEXT - length,
                                       "; %s (%u) waits while a word is %u", fiber->name, i,
                                       fiber->expected);
        else if (fiber->state == FIBER_READY)
            length += (size_t)snprintf(text + length, FIBERS_TEXT - length, "; %s (%u) pauses",
                                       fiber->name, i);
    }
}

_Noreturn void fibers_fail(const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(run.result->text, FIBERS_TEXT, format, arguments);
    va_end(arguments);
    leave_run(FIBERS_BROKEN);
}

_Noreturn void world_abort(const char *text)
{
    if (run.active)
        fibers_fail("%s", text);
    fprintf(stderr, "%s\n", text);
    abort();
}

/* ---- time ---- */

static bool timeout_works(uint64_t timeout_ns)
{
    return timeout_ns != UINT64_MAX && timeout_ns < run.config.net_ns;
}

/* The waiting fiber whose timeout comes first, or NULL. */
static struct world_thread *next_timeout(void)
{
    struct world_thread *first = NULL;

    for (uint32_t i = 0; run.waiting_count > 0 && i < run.fiber_count; i++) {
        struct world_thread *fiber = &run.fibers[i];

        if (fiber->state == FIBER_WAITING && fiber->until_ns != UINT64_MAX &&
            (first == NULL || fiber->until_ns < first->until_ns))
            first = fiber;
    }
    return first;
}

/* Timeouts whose time has come. */
void fibers_expire_timeouts(void)
{
    struct world_thread *first;

    while ((first = next_timeout()) != NULL && first->until_ns <= run.now_ns)
        end_wait(first);
    run.first_timeout_ns = first == NULL ? UINT64_MAX : first->until_ns;
}

/* The clock jumps to the next timeout; false: there is none. */
static bool jump_clock(void)
{
    struct world_thread *first = next_timeout();

    if (first == NULL)
        return false;
    run.now_ns = MAX_OF(run.now_ns, first->until_ns);
    end_wait(first);
    return true;
}

/* A wait may end for no reason, and a timeout come early: somebody was delayed for long. */
static void end_some_wait(void)
{
    uint64_t nth = random_below(&run.schedule, run.waiting_count);

    for (uint32_t i = 0; i < run.fiber_count; i++) {
        if (run.fibers[i].state == FIBER_WAITING && nth-- == 0) {
            end_wait(&run.fibers[i]);
            return;
        }
    }
}

/* ---- late stores ---- */

bool world_late_stores;

static void store_now(const struct late_store *store)
{
    switch (store->bytes) {
    case 8:
        __atomic_store_n((volatile uint64_t *)store->word, store->value, __ATOMIC_RELEASE);
        break;
    case 4:
        __atomic_store_n((volatile uint32_t *)store->word, (uint32_t)store->value,
                         __ATOMIC_RELEASE);
        break;
    case 2:
        __atomic_store_n((volatile uint16_t *)store->word, (uint16_t)store->value,
                         __ATOMIC_RELEASE);
        break;
    default:
        __atomic_store_n((volatile uint8_t *)store->word, (uint8_t)store->value, __ATOMIC_RELEASE);
        break;
    }
}

/* The oldest `count` stores of the fiber are seen by all from now on. */
static void let_out(struct world_thread *fiber, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++)
        store_now(&fiber->late[i]);
    fiber->late_count -= count;
    memmove(fiber->late, fiber->late + count, fiber->late_count * sizeof(fiber->late[0]));
    fiber->writes |= count > 0;
}

static void let_all_out(struct world_thread *fiber)
{
    if (fiber->late_count > 0)
        let_out(fiber, fiber->late_count);
}

void world_store_late(volatile void *word, uint64_t value, unsigned bytes)
{
    struct world_thread *fiber = current_fiber();

    if (!run.active || run.points_off > 0) {
        store_now(&(struct late_store){word, value, bytes});
        return;
    }
    if (fiber->late_count == LATE_MAX)
        let_out(fiber, 1);
    fiber->late[fiber->late_count++] = (struct late_store){word, value, bytes};
}

bool world_load_late(const volatile void *word, uint64_t *ret_value)
{
    const struct world_thread *fiber = current_fiber();

    /* Who looks with points off sees what all see. */
    for (uint32_t i = run.active && run.points_off == 0 ? fiber->late_count : 0; i > 0; i--) {
        if (fiber->late[i - 1].word == word) {
            *ret_value = fiber->late[i - 1].value;
            return true;
        }
    }
    return false;
}

/*
 * A read-modify-write empties the buffer; else a store goes out every few points: by priority, where
 * the one place for the switch is rarely drawn, so rarely that it is still late there.
 */
static void let_some_out(struct world_thread *fiber, int touch)
{
    uint32_t points = run.config.strategy == FIBERS_PCT ? 64 : 8;

    if (touch == WORLD_UPDATE)
        let_all_out(fiber);
    else if (fiber->late_count > 0 && random_below(&run.schedule, points) == 0)
        let_out(fiber, 1);
}

/* ---- scheduling ---- */

static void run_fiber(uint32_t next)
{
    uint32_t before = run.current;

    run.hash = (run.hash ^ next) * 0x100000001b3ull + run.steps;
    if (next == before)
        return;
    run.result->switches++;
    run.current = next;
    fiber_order_before(&run.outside); /* the run may end without us */
    fiber_switch(&run.fibers[before].context, &run.fibers[next].context);
}

/* Everybody who is ready has paused, and nobody has stored since: let time pass. */
static void let_time_pass(void)
{
    run.idle_pauses++;
    if (run.idle_pauses > IDLE_ROUNDS * run.ready_count && jump_clock()) {
        run.idle_pauses = 0;
    } else if (run.idle_pauses > IDLE_HOPELESS * (run.ready_count + 1)) {
        describe_fibers("everybody pauses and nobody gets on");
        leave_run(FIBERS_DEADLOCK);
    }
}

/* Somebody else, or the runner where `reason` lets it, goes on. */
static void reschedule(enum reason reason)
{
    if (run.ready_count == 0 && !jump_clock()) {
        describe_fibers("everybody waits");
        leave_run(FIBERS_DEADLOCK);
    }
    if (run.config.strategy == FIBERS_TIMING) {
        run_fiber(timing_pick(reason));
        return;
    }
    run_fiber(strategy_pick(reason));
}

static void take_step(void)
{
    run.steps++;
    if (run.config.strategy != FIBERS_TIMING) { /* there, processors have clocks of their own */
        run.now_ns += COST_STEP_NS;
        if (run.now_ns >= run.first_timeout_ns)
            fibers_expire_timeouts();
    }
    if (run.config.steps_max != 0 && run.steps >= run.config.steps_max) {
        describe_fibers("the bound of steps is reached");
        leave_run(FIBERS_ENDLESS);
    }
    if (run.until_look != 0 && --run.until_look == 0) {
        run.until_look = run.config.look_every;
        run.points_off++;
        run.config.look(run.config.context);
        run.points_off--;
    }
}

/* A store made since the last point is there to be seen from now on. */
static void publish_writes(struct world_thread *fiber)
{
    if (fiber->writes) {
        fiber->writes = false;
        run.writes++;
        run.idle_pauses = 0;
    }
}

static void step_at(const volatile void *word, int touch)
{
    struct world_thread *fiber = current_fiber();

    publish_writes(fiber);
    fiber->writes = touch != WORLD_LOAD;
    fiber->paused_at = UINT64_MAX;
    known_step(fiber, REASON_POINT);
    if (run.config.strategy == FIBERS_TIMING) {
        take_step();
        timing_touch(word, touch);
        reschedule(REASON_POINT);
        return;
    }
    if (world_late_stores)
        let_some_out(fiber, touch);
    if (!strategy_point_counts(word))
        return;
    take_step();
    if (run.config.early_chance != 0 && run.waiting_count > 0 &&
        random_below(&run.schedule, 65536) < run.config.early_chance)
        end_some_wait();
    reschedule(REASON_POINT);
}

void world_point_at(const volatile void *word, enum world_touch touch, bool relaxed)
{
    if (!run.active || run.points_off > 0)
        return;
    if (relaxed && !run.config.relaxed_points && run.config.strategy != FIBERS_TIMING)
        current_fiber()->writes |= touch != WORLD_LOAD;
    else
        step_at(word, touch);
    known_touch(word, touch); /* the others have had their turn: now the access comes */
}

void fibers_point(void)
{
    world_point_at(NULL, WORLD_LOAD, false);
}

/* Unlike at fibers_point(), nothing is used behind this one. */
void world_fence(void)
{
    if (!run.active)
        return;
    if (run.points_off == 0)
        step_at(NULL, WORLD_LOAD);
    let_all_out(current_fiber());
}

void fibers_touch(const volatile void *word)
{
    if (run.active && run.points_off == 0)
        known_touch(word, WORLD_UPDATE);
}

void fibers_points_off(void)
{
    run.points_off++;
}

void fibers_points_on(void)
{
    run.points_off--;
}

/* ---- contract/world.h ---- */

void world_work(enum world_work work, uint32_t count)
{
    if (!run.active || run.points_off > 0)
        return;
    if (run.config.strategy == FIBERS_TIMING)
        timing_work(work, count);
    else
        run.now_ns += cost_of_work_ns[work] * count;
    fibers_point();
}

uint64_t world_now_ns(void)
{
    if (run.active && run.config.strategy == FIBERS_TIMING)
        return current_fiber()->timing.ready_ns;
    return run.now_ns;
}

void world_pause(unsigned round, bool backoff)
{
    uint64_t pause_ns = COST_PAUSE_NS << (backoff ? MIN_OF(round, 6u) : 0);
    struct world_thread *fiber;

    if (!run.active || run.points_off > 0)
        return;
    fiber = current_fiber();
    let_all_out(fiber);
    publish_writes(fiber);
    take_step();
    fiber->paused_at = run.writes;
    known_step(fiber, REASON_PAUSE);
    if (run.config.strategy == FIBERS_TIMING) {
        timing_pause(pause_ns);
    } else {
        run.now_ns += pause_ns;
        let_time_pass();
    }
    reschedule(REASON_PAUSE);
}

void world_wait(_Atomic uint32_t *word, uint32_t expected, uint64_t timeout_ns)
{
    struct world_thread *fiber;

    if (!run.active || run.points_off > 0)
        return;
    world_fence();
    known_touch(word, WORLD_UPDATE);
    if (WORLD_DO_LOAD(word, memory_order_seq_cst) != expected)
        return;
    fiber = current_fiber();
    known_step(fiber, REASON_LEAVE);
    publish_writes(fiber);
    fiber->word = word;
    fiber->expected = expected;
    fiber->wait_order = run.wait_orders++;
    fiber->until_ns = timeout_works(timeout_ns) ? world_now_ns() + timeout_ns : UINT64_MAX;
    run.first_timeout_ns = MIN_OF(run.first_timeout_ns, fiber->until_ns);
    run.waiting_count++;
    make_unready(fiber, FIBER_WAITING);
    reschedule(REASON_LEAVE);
}

/* Who waits longest for the word, or NULL. */
static struct world_thread *longest_waiter(const _Atomic uint32_t *word)
{
    struct world_thread *longest = NULL;

    for (uint32_t i = 0; i < run.fiber_count; i++) {
        struct world_thread *fiber = &run.fibers[i];

        if (fiber->state == FIBER_WAITING && fiber->word == word &&
            (longest == NULL || fiber->wait_order < longest->wait_order))
            longest = fiber;
    }
    return longest;
}

static void end_waits(const _Atomic uint32_t *word, uint32_t count)
{
    struct world_thread *waiter;

    while (count-- > 0 && run.waiting_count > 0 && (waiter = longest_waiter(word)) != NULL)
        end_wait(waiter);
}

void world_wake(_Atomic uint32_t *word, uint32_t count)
{
    if (!run.active || run.points_off > 0)
        return;
    world_fence();
    known_touch(word, WORLD_UPDATE);
    end_waits(word, count);
}

void world_fence_all(void)
{
    fibers_point();
    for (uint32_t i = 0; run.active && i < run.fiber_count; i++)
        let_all_out(&run.fibers[i]);
    if (run.active && run.config.strategy == FIBERS_TIMING)
        timing_work(WORLD_FENCE, 1);
}

uint64_t world_random(void)
{
    fibers_touch(&run.draws);
    return random_next(&run.draws);
}

/* ---- threads ---- */

static void fiber_main(void *argument)
{
    struct world_thread *self = argument;

    fiber_arrived(&self->context);
    fiber_order_after(self);
    self->main(self->argument);
    fiber_order_before(self);
    if (self == &run.fibers[0])
        leave_run(FIBERS_DONE);
    let_all_out(self);
    known_touch(&self->ended, WORLD_UPDATE);
    WORLD_DO_STORE(&self->ended, 1, memory_order_seq_cst);
    end_waits(&self->ended, UINT32_MAX);
    self->writes = true;
    publish_writes(self);
    make_unready(self, FIBER_ENDED);
    reschedule(REASON_LEAVE);
    abort(); /* nobody comes back */
}

static struct world_thread *unused_fiber(void)
{
    for (uint32_t i = 0; i < run.fiber_count; i++) {
        if (run.fibers[i].state == FIBER_UNUSED)
            return &run.fibers[i];
    }
    return run.fiber_count < FIBERS_MAX ? &run.fibers[run.fiber_count++] : NULL;
}

int world_thread_start(world_thread_main *main, void *argument, const char *name,
                       struct world_thread **ret_thread)
{
    struct world_thread *fiber = unused_fiber();

    if (fiber == NULL)
        return -EAGAIN;
    fiber_hide_begin();
    *fiber = (struct world_thread){.main = main, .argument = argument, .paused_at = UINT64_MAX};
    fiber->past = run.active ? current_fiber()->past : 0;
    snprintf(fiber->name, sizeof(fiber->name), "%s", name);
    fiber_hide_end();
    if (fiber_stack_take(&fiber->context) != 0)
        return -ENOMEM;
    fiber_prepare(&fiber->context, fiber_main, fiber);
    fiber_order_before(fiber);
    make_ready(fiber);
    if (run.config.strategy == FIBERS_TIMING)
        timing_adopt(fiber);
    else
        strategy_adopt(fiber);
    *ret_thread = fiber;
    fibers_point();
    return 0;
}

static void retire_fiber(struct world_thread *fiber)
{
    fiber_forget(&fiber->context);
    fiber_stack_return(&fiber->context);
    fiber->state = FIBER_UNUSED;
}

void world_thread_join(struct world_thread *thread)
{
    fibers_touch(&thread->ended);
    while (thread->state != FIBER_ENDED)
        world_wait(&thread->ended, 0, UINT64_MAX);
    fiber_order_after(thread);
    retire_fiber(thread);
}

/* ---- a run ---- */

static void begin_run(const struct fibers_config *config, struct fibers_result *result)
{
    run.config = *config;
    run.result = result;
    run.fiber_count = run.ready_count = run.waiting_count = 0;
    run.current = 0;
    run.points_off = 0;
    run.now_ns = run.steps = run.hash = 0;
    run.writes = 1;
    run.first_timeout_ns = UINT64_MAX;
    run.wait_orders = 0;
    run.idle_pauses = 0;
    world_late_stores = config->late_stores && config->strategy != FIBERS_TIMING;
    run.until_look = config->look == NULL ? 0 : config->look_every;
    random_seed(&run.schedule, config->seed, 1);
    random_seed(&run.draws, config->seed, 2);
    memset(result, 0, sizeof(*result));
    if (config->strategy == FIBERS_TIMING)
        timing_begin();
    else
        strategy_begin();
}

void fibers_run(const struct fibers_config *config, fibers_main *main, void *argument,
                struct fibers_result *ret_result)
{
    struct world_thread *first;

    fiber_hide_begin();
    begin_run(config, ret_result);
    fiber_hide_end();
    if (world_thread_start(main, argument, "main", &first) != 0) {
        ret_result->outcome = FIBERS_BROKEN;
        snprintf(ret_result->text, FIBERS_TEXT, "no memory for the first fiber's stack");
        return;
    }
    run.active = true;
    fiber_switch(&run.outside, &first->context);
    run.active = false;
    fiber_order_after(&run.outside);
    ret_result->steps = run.steps;
    ret_result->hash = run.hash;
    if (run.config.strategy == FIBERS_TIMING)
        timing_end(ret_result);
    ret_result->now_ns = run.now_ns;
    for (uint32_t i = 0; i < run.fiber_count; i++) {
        ret_result->cpu_ns += run.fibers[i].timing.cpu_ns;
        ret_result->now_ns = MAX_OF(ret_result->now_ns, run.fibers[i].timing.ready_ns);
        if (run.fibers[i].state != FIBER_UNUSED)
            retire_fiber(&run.fibers[i]);
    }
}

bool fibers_inside(void)
{
    return run.active;
}

uint32_t fibers_self(void)
{
    return run.current;
}

const char *fibers_name(void)
{
    return current_fiber()->name;
}

uint64_t fibers_steps(void)
{
    return run.steps;
}

uint32_t fibers_random(uint32_t bound)
{
    return (uint32_t)random_below(&run.draws, bound);
}

#define FAIR_CHANCE 4096u /* of 65,536 */

void fibers_be_fair(void)
{
    if (run.config.strategy == FIBERS_PATH || run.config.strategy == FIBERS_TIMING)
        return;
    run.config.strategy = FIBERS_RANDOM;
    run.config.switch_chance = FAIR_CHANCE;
    run.config.early_chance = 0; /* whoever is woken for nothing is in the others' way */
}

uint64_t fibers_cpu_ns(void)
{
    return current_fiber()->timing.cpu_ns;
}

/*
 * users.c - what a user of a simulated world does: one drawn operation after the other, each
 * judged by the oracle.
 */
#include "base/copy.h"
#include "sim/sim.h"

#define LIVENESS_OPERATIONS 12u
#define STREAM_USERS        100u
#define STREAM_KEEPER       99u

/* ---- what to work on ---- */

static uint32_t draw(struct sim_user *user, uint64_t bound)
{
    return (uint32_t)random_below(&user->random, bound);
}

/* Some of the accesses fall into the user's own part of the memory. */
static page_number part_of(struct sim_user *user, page_number page)
{
    struct sim *sim = user->sim;
    page_number part = sim->oracle.page_count / (page_number)sim_value(sim, SIM_THREADS);
    uint64_t shared = sim_value(sim, SIM_SHARED);

    if (part == 0 || shared == 100 || draw(user, 100) < shared)
        return page;
    return page % part + part * (user->number % (uint32_t)sim_value(sim, SIM_THREADS));
}

/* Two thirds of the choices fall on an eighth of the pages. */
static page_number any_page(struct sim_user *user)
{
    page_number pages = user->sim->oracle.page_count;

    switch (sim_value(user->sim, SIM_WORKLOAD)) {
    case 1:
        return draw(user, draw(user, 3) == 0 ? pages : MAX_OF(pages / 8, 1u));
    case 2:
        user->next = (user->next + 1) % pages;
        return user->next;
    default:
        return draw(user, pages);
    }
}

static page_number draw_page(struct sim_user *user)
{
    return part_of(user, any_page(user));
}

static uint64_t offset_of(page_number page, uint32_t word)
{
    return ((uint64_t)page << PAGE_SHIFT) + word * sizeof(uint64_t);
}

static struct soft *soft_of(struct sim_user *user)
{
    return user->sim->assembly.soft;
}

/* ---- accesses ---- */

static bool op_read(struct sim_user *user)
{
    struct oracle *oracle = &user->sim->oracle;
    page_number page = draw_page(user);
    uint32_t word = draw(user, oracle->threads + 1u);
    struct oracle_access access;
    uint64_t value = 0;
    enum fault_result result;

    word = word == oracle->threads ? FILL_FIRST + draw(user, FILL_WORDS) : word;
    oracle_begin(oracle, page, &access);
    result = soft_read(soft_of(user), user->number, offset_of(page, word), &value, sizeof(value));
    oracle_judge(oracle, &access, false, result);
    if (result == FAULT_RESOLVED)
        oracle_saw(oracle, &access, word, value);
    return true;
}

static bool op_write(struct sim_user *user)
{
    struct oracle *oracle = &user->sim->oracle;
    page_number page = draw_page(user);
    struct oracle_access access;
    uint32_t nth = oracle_write_begin(oracle, &access, page, user->number);
    uint64_t value = oracle_value(page, user->number, 0, nth);

    oracle_write_end(oracle, &access, user->number,
                     soft_write(soft_of(user), user->number, offset_of(page, user->number), &value,
                                sizeof(value)));
    return true;
}

/* The last word of a page and the first of the next, with one call. */
static bool op_across(struct sim_user *user)
{
    struct oracle *oracle = &user->sim->oracle;
    page_number page = draw_page(user);
    struct oracle_access first, second;
    uint64_t values[2];
    enum fault_result result;

    if (page + 1 == oracle->page_count)
        return false;
    oracle_begin(oracle, page, &first);
    oracle_begin(oracle, page + 1, &second);
    result = soft_read(soft_of(user), user->number, offset_of(page, PAGE_WORDS - 1), values,
                       sizeof(values));
    if (result != FAULT_RESOLVED) {
        oracle_judge_either(oracle, &first, &second, result);
        return true;
    }
    oracle_judge(oracle, &first, false, result);
    oracle_judge(oracle, &second, false, result);
    oracle_saw(oracle, &first, PAGE_WORDS - 1, values[0]);
    oracle_saw(oracle, &second, 0, values[1]);
    return true;
}

/* The part of a page that its owner alone writes. */
static bool op_fill(struct sim_user *user)
{
    struct oracle *oracle = &user->sim->oracle;
    page_number page = draw_page(user) / oracle->threads * oracle->threads + user->number;
    struct oracle_access access;
    uint32_t nth;

    if (page >= oracle->page_count)
        return false;
    nth = oracle_write_begin(oracle, &access, page, ORACLE_FILL);
    for (uint32_t i = 0; i < FILL_WORDS; i++)
        user->buffer[i] = oracle_value(page, ORACLE_FILL, i, nth);
    oracle_write_end(oracle, &access, ORACLE_FILL,
                     soft_write(soft_of(user), user->number, offset_of(page, FILL_FIRST),
                                user->buffer, FILL_WORDS * sizeof(uint64_t)));
    return true;
}

static bool op_scan(struct sim_user *user)
{
    struct oracle *oracle = &user->sim->oracle;
    page_number page = draw_page(user);
    struct oracle_access access;
    enum fault_result result;

    oracle_begin(oracle, page, &access);
    result = soft_read(soft_of(user), user->number, offset_of(page, 0), user->buffer, MM_PAGE_SIZE);
    oracle_judge(oracle, &access, false, result);
    if (result == FAULT_RESOLVED)
        oracle_saw_page(oracle, &access, user->buffer);
    return true;
}

/* ---- pins ---- */

/* Some frames must stay unpinned: an eighth of those in service, and at least one. */
static int64_t pins_allowed(const struct sim *sim, uint32_t retired)
{
    uint32_t frames = (uint32_t)sim_value(sim, SIM_FRAMES) - retired;

    return (int64_t)frames - MIN_OF(frames, MAX_OF(frames / 8, 1u));
}

/* Claims or retirements grew: whoever pins meanwhile may have met the limit. */
static void see_pin_room(struct sim *sim)
{
    int64_t room = pins_allowed(sim, sim->retired) - sim->pages_claimed;

    for (uint32_t i = 0; i < sim_value(sim, SIM_THREADS); i++) {
        struct sim_user *user = &sim->users[i];

        if (user->pinning)
            user->pin_room = MIN_OF(user->pin_room, room);
    }
}

static void claim_page(struct sim *sim, page_number page)
{
    sim->pages_claimed += sim->pinned[page].claimed++ == 0;
    see_pin_room(sim);
}

static void disclaim_page(struct sim *sim, page_number page)
{
    sim->pages_claimed -= --sim->pinned[page].claimed == 0;
}

static void hold_page(struct sim *sim, page_number page)
{
    sim->pages_held += sim->pinned[page].held++ == 0;
    if (sim->pages_held > pins_allowed(sim, sim->retired_surely))
        fibers_fail("oracle: more frames are pinned than may be: %u of %u, %u out of service",
                    sim->pages_held, (unsigned)sim_value(sim, SIM_FRAMES), sim->retired_surely);
}

/* A pin, and whether it may be refused. Its page is claimed if it is done. */
static enum pin_result pin_page(struct sim_user *user, page_number page, bool write,
                                frame_number *ret_frame)
{
    struct sim *sim = user->sim;
    enum pin_result result;

    user->pinning = true;
    user->pin_room = INT64_MAX;
    claim_page(sim, page);
    result = engine_pin(sim->assembly.engine, user->number, page, write, ret_frame);
    user->pinning = false;
    if (result == PIN_LIMIT && user->pin_room >= 0)
        fibers_fail("oracle: a pin was refused below the limit: page %u, room for %d more", page,
                    (int)user->pin_room);
    if (result == PIN_DONE)
        hold_page(sim, page);
    else
        disclaim_page(sim, page);
    return result;
}

static void unpin_page(struct sim_user *user, page_number page)
{
    struct sim *sim = user->sim;

    sim->pages_held -= --sim->pinned[page].held == 0;
    engine_unpin(sim->assembly.engine, user->number, page);
    disclaim_page(sim, page);
}

/* Use the frame itself, as a pin promises; then let go. */
static void use_pin(struct sim_user *user, unsigned i)
{
    struct oracle *oracle = &user->sim->oracle;
    page_number page = user->pins[i].page;
    unsigned char *memory = soft_frame(soft_of(user), user->pins[i].frame);
    struct oracle_access access;

    if (user->pins[i].write) {
        uint32_t nth = oracle_write_begin(oracle, &access, page, user->number);

        fibers_point();
        store_word(memory + user->number * sizeof(uint64_t),
                   oracle_value(page, user->number, 0, nth));
        oracle_write_end(oracle, &access, user->number, FAULT_RESOLVED);
        fibers_point();
    }
    oracle_begin(oracle, page, &access);
    copy_shared(user->buffer, memory, MM_PAGE_SIZE);
    oracle_saw_page(oracle, &access, user->buffer);
    unpin_page(user, page);
    user->pins[i].page = PAGE_NONE;
}

static bool op_pin(struct sim_user *user)
{
    static const enum fault_result ends[] = {[PIN_DONE] = FAULT_RESOLVED,
                                             [PIN_ACCESS_VIOLATION] = FAULT_ACCESS_VIOLATION,
                                             [PIN_IN_PAGE_ERROR] = FAULT_IN_PAGE_ERROR};
    unsigned i = draw(user, SIM_PINS_MAX);
    page_number page = draw_page(user);
    bool write = draw(user, 2) == 0;
    struct oracle_access access;
    enum pin_result result;

    if (user->pins[i].page != PAGE_NONE) {
        use_pin(user, i);
        return true;
    }
    oracle_begin(&user->sim->oracle, page, &access);
    result = pin_page(user, page, write, &user->pins[i].frame);
    if (result == PIN_LIMIT)
        return true;
    oracle_judge(&user->sim->oracle, &access, write, ends[result]);
    if (result == PIN_DONE) {
        user->pins[i].page = page;
        user->pins[i].write = write;
    }
    return true;
}

static void let_go_pins(struct sim_user *user)
{
    for (unsigned i = 0; i < SIM_PINS_MAX; i++) {
        if (user->pins[i].page != PAGE_NONE)
            use_pin(user, i);
    }
}

static bool anybody_pins(const struct sim *sim)
{
    return atomic_load_explicit(&sim->assembly.engine->pinned, memory_order_relaxed) != 0;
}

/* ---- runs of pages ---- */

/* A range that nobody changes, for this user alone; NULL: it is busy. */
static struct sim_range *take_range(struct sim_user *user, uint32_t *ret_number)
{
    struct sim *sim = user->sim;

    *ret_number = draw(user, sim->range_count);
    if (sim->ranges[*ret_number].busy)
        return NULL;
    sim->ranges[*ret_number].busy = true;
    return &sim->ranges[*ret_number];
}

static void draw_run(struct sim_user *user, uint32_t range, page_number *ret_first,
                     page_number *ret_count)
{
    page_number pages = user->sim->range_pages;

    *ret_first = draw(user, pages);
    *ret_count =
        1 + draw(user, draw(user, 4) == 0 ? pages - *ret_first : MIN_OF(4u, pages - *ret_first));
    *ret_first += range * pages;
}

static enum protection draw_protection(struct sim_user *user)
{
    uint32_t drawn = draw(user, 8);

    return drawn < 5   ? PROTECTION_READ_WRITE
           : drawn < 7 ? PROTECTION_READ_ONLY
                       : PROTECTION_NO_ACCESS;
}

/* All pages there are have room, with every frame and slot that was or may be retired gone. */
static bool everything_fits(const struct sim *sim)
{
    const struct engine_config *config = &sim->assembly.config.engine;
    uint64_t retired = (uint64_t)sim->retired_max + PFN_FIELD(sim->assembly.engine, slots_retired);

    return config->pages + retired + engine_reserve(config->frames) <=
           (uint64_t)config->frames + config->slots;
}

enum space_result commit_pages(struct sim *sim, uint32_t thread, page_number first,
                               page_number count, enum protection protection)
{
    struct engine *engine = sim->assembly.engine;
    enum space_result result = space_commit(engine, thread, first, count, protection);

    while (result == SPACE_LIMIT && growth_make_room(engine, thread, first, count))
        result = space_commit(engine, thread, first, count, protection);
    if (result == SPACE_LIMIT && everything_fits(sim) && !faults_growth(sim))
        fibers_fail("oracle: a commit was refused that fits: pages %u + %u", first, count);
    return result;
}

static void commit_run(struct sim_user *user, page_number first, page_number count)
{
    struct oracle *oracle = &user->sim->oracle;
    enum protection protection = draw_protection(user);
    enum space_result result;

    oracle_change_begin(oracle, first, count, false);
    result = commit_pages(user->sim, user->number, first, count, protection);
    oracle_commit_end(oracle, first, count, result == SPACE_DONE, oracle_right_of(protection));
    if (result != SPACE_DONE && result != SPACE_LIMIT)
        fibers_fail("oracle: a commit was refused: result %d, pages %u + %u", (int)result, first,
                    count);
}

static bool decommit_run(struct sim_user *user, page_number first, page_number count)
{
    struct sim *sim = user->sim;
    bool pins = anybody_pins(sim);
    enum space_result result;

    oracle_change_begin(&sim->oracle, first, count, true);
    result = space_decommit(sim->assembly.engine, user->number, first, count);
    oracle_change_end(&sim->oracle, first, count, true, result == SPACE_DONE, RIGHT_NONE);
    pins |= anybody_pins(sim) || sim_value(sim, SIM_OP_PIN) != 0;
    if (result != SPACE_DONE && (result != SPACE_BUSY || !pins))
        fibers_fail("oracle: a decommit was refused: result %d, pages %u + %u", (int)result, first,
                    count);
    return result == SPACE_DONE;
}

static bool op_commit(struct sim_user *user)
{
    page_number first, count;
    uint32_t number;
    struct sim_range *range = take_range(user, &number);
    bool decommits = false, commits = false;

    if (range == NULL)
        return false;
    if (range->reserved) {
        draw_run(user, number, &first, &count);
        decommits = draw(user, 4) != 0;
        if (decommits)
            decommit_run(user, first, count);
        commits = draw(user, 8) != 0;
        if (commits)
            commit_run(user, first, count);
    }
    range->busy = false;
    return decommits || commits;
}

static bool op_protect(struct sim_user *user)
{
    struct sim *sim = user->sim;
    enum protection protection = draw_protection(user);
    page_number first, count;
    uint32_t number;
    struct sim_range *range = take_range(user, &number);
    enum space_result result;
    bool reserved;

    if (range == NULL)
        return false;
    reserved = range->reserved;
    if (reserved) {
        draw_run(user, number, &first, &count);
        oracle_change_begin(&sim->oracle, first, count, false);
        result = space_protect(sim->assembly.engine, user->number, first, count, protection);
        if (result == SPACE_NOT_COMMITTED) /* refused as a whole */
            oracle_commit_end(&sim->oracle, first, count, false, 0);
        else
            oracle_change_end(&sim->oracle, first, count, false, result == SPACE_DONE,
                              oracle_right_of(protection));
        if (result != SPACE_DONE && result != SPACE_BUSY && result != SPACE_NOT_COMMITTED)
            fibers_fail("oracle: a protect was refused: result %d, pages %u + %u", (int)result,
                        first, count);
    }
    range->busy = false;
    return reserved;
}

/* Where a range is reserved is first fit: it may be another than the one released. */
static void reserve_range(struct sim_user *user)
{
    struct sim *sim = user->sim;
    page_number first;
    enum space_result result =
        space_reserve(sim->assembly.engine, user->number, sim->range_pages, &first);
    struct sim_range *range;

    if (result == SPACE_NO_ROOM)
        return;
    if (result != SPACE_DONE || first % sim->range_pages != 0)
        fibers_fail("oracle: a reservation went wrong: result %d, first page %u", (int)result,
                    first);
    range = &sim->ranges[first / sim->range_pages];
    if (range->reserved)
        fibers_fail("oracle: pages were reserved twice: from %u on", first);
    range->reserved = range->busy = true;
    commit_run(user, first, sim->range_pages);
    range->busy = false;
}

static void release_range(struct sim_user *user, struct sim_range *range, page_number first)
{
    struct sim *sim = user->sim;
    enum space_result result;

    oracle_change_begin(&sim->oracle, first, sim->range_pages, true);
    result = space_release(sim->assembly.engine, user->number, first);
    if (result != SPACE_DONE && result != SPACE_BUSY)
        fibers_fail("oracle: a release was refused: result %d, page %u", (int)result, first);
    oracle_change_end(&sim->oracle, first, sim->range_pages, true, result == SPACE_DONE,
                      RIGHT_NONE);
    range->reserved = result != SPACE_DONE;
}

/* One at a time: whoever is given a place must hear of it before anybody changes it again. */
static bool op_reserve(struct sim_user *user)
{
    struct sim *sim = user->sim;
    struct sim_range *range;
    uint32_t number;
    bool releases, reserves;

    if (sim->reserving)
        return false;
    range = take_range(user, &number);
    if (range == NULL)
        return false;
    sim->reserving = true;
    releases = range->reserved;
    if (releases)
        release_range(user, range, number * sim->range_pages);
    range->busy = false;
    reserves = draw(user, 8) != 0;
    if (reserves)
        reserve_range(user);
    sim->reserving = false;
    return releases || reserves;
}

/* ---- frames and threads ---- */

static bool op_retire(struct sim_user *user)
{
    if (user->sim->retired >= user->sim->retired_max)
        return false;
    user->sim->retired++;
    see_pin_room(user->sim);
    if (engine_retire(user->sim->assembly.engine, user->number))
        user->sim->retired_surely++;
    else
        user->sim->retired--;
    return true;
}

static bool op_detach(struct sim_user *user)
{
    soft_detach(soft_of(user), user->number);
    engine_leave(user->sim->assembly.engine, user->number);
    fibers_point();
    soft_attach(soft_of(user), user->number);
    return true;
}

/* A hint: nothing of it can be seen, and it never waits. */
static bool op_prefetch(struct sim_user *user)
{
    page_number page = draw_page(user);
    page_number count = 1 + draw(user, user->sim->oracle.page_count - page);

    prefetch_range(user->sim->assembly.engine, page, count);
    return true;
}

/* ---- a user's life ---- */

/* False: there was nothing to do; a turn all the same, but no operation that counts. */
typedef bool operation(struct sim_user *user);
static operation *const operations[] = {op_read,    op_write,  op_across, op_fill,
                                        op_scan,    op_pin,    op_commit, op_protect,
                                        op_reserve, op_retire, op_detach, op_prefetch};

static void do_operation(struct sim_user *user)
{
    uint64_t drawn = random_below(&user->random, MAX_OF(user->sim->weights, 1));
    enum sim_option option = SIM_OP_READ;
    bool done;

    while (option < SIM_OP_PREFETCH && drawn >= sim_value(user->sim, option)) {
        drawn -= sim_value(user->sim, option);
        option++;
    }
    if (user->sim->weights == 0)
        option = SIM_OP_READ;
    user->busy_since = fibers_steps();
    done = operations[option - SIM_OP_READ](user); /* others count meanwhile */
    user->sim->result->operations += done;
    user->busy_since = 0;
    user->turns++;
}

/* Operations and steps of the safety phase are shared out among its rounds. */
static void do_round(struct sim_user *user, uint32_t round)
{
    struct sim *sim = user->sim;
    uint64_t safety = sim->rounds - 1;

    if (round == safety) {
        for (unsigned i = 0; i < LIVENESS_OPERATIONS; i++)
            do_operation(user);
        let_go_pins(user);
        return;
    }
    while (user->turns < sim_value(sim, SIM_OPERATIONS) * (round + 1) / safety &&
           fibers_steps() < sim_value(sim, SIM_STEPS) * (round + 1) / safety)
        do_operation(user);
}

void user_begin(struct sim *sim, uint32_t number)
{
    struct sim_user *user = &sim->users[number];

    *user = (struct sim_user){.sim = sim, .number = number};
    random_seed(&user->random, sim->options->seed, STREAM_USERS + number);
    user->next = number * sim->oracle.page_count / (uint32_t)sim_value(sim, SIM_THREADS);
    for (unsigned i = 0; i < SIM_PINS_MAX; i++)
        user->pins[i].page = PAGE_NONE;
}

/* ---- the keeper ---- */

#define KEEPER_NS    1000000u
#define KEEPER_TRIES 256u /* draws in a row; many fall on what is busy, pinned or not committed */

/* Somebody waits for a frame, and what is modified can go nowhere. */
static bool nothing_moves(struct engine *engine)
{
    return write_is_failing(engine) && PFN_FIELD(engine, waiters) > 0;
}

static void make_room(struct sim_user *keeper)
{
    struct engine *engine = keeper->sim->assembly.engine;
    bool stuck = nothing_moves(engine); /* one page, and then another look */

    for (uint32_t i = 0; i < KEEPER_TRIES; i++) {
        page_number page = draw(keeper, keeper->sim->range_pages);
        uint32_t number;
        struct sim_range *range;

        if (PFN_FIELD(engine, charge) <= engine_commit_limit(engine) && !stuck)
            return;
        range = take_range(keeper, &number);
        if (range == NULL)
            continue;
        page += number * keeper->sim->range_pages;
        if (range->reserved && keeper->sim->oracle.pages[page].rights != RIGHT_NONE)
            stuck &= !decommit_run(keeper, page, 1);
        range->busy = false;
    }
}

void keeper_begin(struct sim *sim)
{
    sim->keeper = (struct sim_user){.sim = sim, .number = sim_keeper_thread(sim)};
    random_seed(&sim->keeper.random, sim->options->seed, STREAM_KEEPER);
}

void keeper_main(void *argument)
{
    struct sim_user *keeper = argument;

    while (atomic_load(&keeper->sim->keeper_ends) == 0) {
        world_wait(&keeper->sim->keeper_ends, 0, KEEPER_NS);
        make_room(keeper);
    }
    engine_leave(keeper->sim->assembly.engine, keeper->number);
}

void user_main(void *argument)
{
    struct sim_user *user = argument;
    struct sim *sim = user->sim;

    soft_attach(sim->assembly.soft, user->number);
    for (uint32_t round = 0; round < sim->rounds; round++) {
        while (atomic_load(&sim->round) < round)
            world_wait(&sim->round, round - 1, UINT64_MAX);
        do_round(user, round);
        atomic_fetch_add(&sim->parked, 1);
        world_wake(&sim->parked, 1);
    }
    soft_detach(sim->assembly.soft, user->number);
    engine_leave(sim->assembly.engine, user->number);
}

/*
 * fuzz_engine.c - an input becomes an engine, a program for two to four users, failures of the
 * store, and a schedule.
 *
 * The first bytes configure, then come the failures, then the program, three bytes an operation;
 * all that is left says who runs when. Everything a user sees is held against page_model.c; at the
 * end the store is healed, every word is read once more, and the audit looks at everything.
 *
 * The parts are made once, as large as they can be, and begin anew for each input.
 */
#include "fuzz.h"
#include "page_model.h"
#include "slow_store.h"

#include "base/types.h"
#include "sim/assembly.h"
#include "world/fibers.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FRAMES_MAX     8u
#define SLOTS_MAX      40u
#define WORKERS_MAX    5u
#define OPERATIONS_MAX 48u
#define STEPS_FAIR     100000u   /* from here on nobody can say that his turn never came */
#define STEPS_MAX      1000000u  /* and then that is enough */
#define TICKS_OFF_NS   10000000u /* only the pause after a fruitless round ends by itself */
#define TLB_KINDS      3u

/* X(id, weight): what a user may do, and how many of all numbers mean it. */
#define OPERATIONS(X)                                                                              \
    X(READ, 10)                                                                                    \
    X(WRITE, 14)                                                                                   \
    X(COMMIT, 4)                                                                                   \
    X(DECOMMIT, 4)                                                                                 \
    X(PROTECT, 4)                                                                                  \
    X(PIN, 3)                                                                                      \
    X(UNPIN, 3)                                                                                    \
    X(RESERVE, 2)                                                                                  \
    X(RELEASE, 2)                                                                                  \
    X(RETIRE, 1)                                                                                   \
    X(TRIM, 6)                                                                                     \
    X(WRITE_OUT, 4)                                                                                \
    X(ZERO, 2)                                                                                     \
    X(HELP, 2)                                                                                     \
    X(REPURPOSE, 2)                                                                                \
    X(LEAVE, 1)

enum operation_kind {
#define X(id, weight) OPERATION_##id,
    OPERATIONS(X)
#undef X
};

static const struct {
    const char *name;
    uint32_t weight;
} operation_table[] = {
#define X(id, weight) {#id, weight},
    OPERATIONS(X)
#undef X
};

struct operation {
    enum operation_kind kind;
    uint32_t user;
    page_number page;
    uint8_t argument;
};

struct user {
    page_number pinned;        /* or PAGE_NONE */
    frame_number pinned_frame; /* where it is */
    bool pinned_for_writing;
    page_number region, region_count; /* one of its own; 0 pages: none */
};

/* The input under way. */
static struct {
    struct engine_config engine;
    const struct policy *policy;
    uint32_t tlb_kind, users, operation_count;
    page_number shared, committed; /* pages that all users have from the start, and stay reserved */
    struct operation operations[OPERATIONS_MAX];
    struct user user[MODEL_USERS];
    uint32_t pins; /* held, or on the way */
} input;

static struct assembly assemblies[TLB_KINDS];
static struct assembly *assembly;

/* ---- from bytes ---- */

struct reader {
    const unsigned char *at, *end;
};

/* The next byte below `bound`; 0 when there is none left. */
static uint32_t take(struct reader *reader, uint32_t bound)
{
    return reader->at < reader->end ? *reader->at++ % bound : 0;
}

static bool take_bit(uint32_t *bits)
{
    bool bit = *bits & 1;

    *bits >>= 1;
    return bit;
}

static enum operation_kind kind_of(uint32_t number)
{
    uint32_t sum = 0, kind = 0;

    for (uint32_t i = 0; i < ARRAY_COUNT(operation_table); i++)
        sum += operation_table[i].weight;
    number %= sum;
    while (number >= operation_table[kind].weight)
        number -= operation_table[kind++].weight;
    return (enum operation_kind)kind;
}

static void take_switches(struct reader *reader)
{
    struct engine_config *engine = &input.engine;
    uint32_t bits = take(reader, 256);

    engine->list_lock_shared = take_bit(&bits);
    engine->backoff = take_bit(&bits);
    engine->dirty_bit = take_bit(&bits);
    engine->slots_next_fit = take_bit(&bits);
    engine->slot_reservation = engine->backoff ? 4 : 1;
    input.policy = take_bit(&bits) ? &policy_fifo : &policy_aging;
    engine->workers[WORKER_TRIM] = 1;
    engine->workers[WORKER_WRITE] = take_bit(&bits) ? 2 : 1;
    engine->workers[WORKER_ZERO] = take_bit(&bits) ? 1 : 0;
    engine->workers[WORKER_BALANCE] = 1;
    engine->guess_by = take_bit(&bits) ? GUESS_NEIGHBOURS | GUESS_FOLLOWERS : 0;
    engine->map_writable = take_bit(&bits) ? MAP_WRITABLE : MAP_WATCHED;
}

static void take_configuration(struct reader *reader)
{
    static const uint32_t standby_percents[] = {25, 10, 50};
    struct engine_config *engine = &input.engine;
    uint64_t limit;

    engine->frames = 1 + take(reader, FRAMES_MAX);
    engine->pages = 2 + take(reader, MODEL_PAGES - 1);
    engine->slots = take(reader, SLOTS_MAX + 1);
    engine->region_ptes = 1u << take(reader, 6);
    engine->trim_batch = 1 + take(reader, 8);
    engine->write_batch = 1 + take(reader, 8);
    engine->frame_cache = take(reader, 4);
    engine->fault_around = MIN_OF(1u << take(reader, 4), engine->region_ptes);
    engine->standby_percent = standby_percents[take(reader, 3)];
    take_switches(reader);
    engine->vads_max = 1 + MODEL_USERS;
    input.tlb_kind = take(reader, TLB_KINDS);
    input.users = 2 + take(reader, MODEL_USERS - 1);
    engine->threads = input.users + 1 + engine->workers[WORKER_TRIM] +
                      engine->workers[WORKER_WRITE] + engine->workers[WORKER_ZERO] +
                      engine->workers[WORKER_BALANCE];
    input.shared = 1 + take(reader, engine->pages);
    limit =
        engine->frames + engine->slots - (engine->slots == 0 ? 0 : engine_reserve(engine->frames));
    input.committed = (page_number)MIN_OF(limit, input.shared);
}

static void take_program(struct reader *reader)
{
    input.operation_count = take(reader, OPERATIONS_MAX + 1);
    for (uint32_t i = 0; i < input.operation_count; i++) {
        struct operation *operation = &input.operations[i];
        uint32_t first = take(reader, 256);

        operation->user = (first & 3) % input.users;
        operation->kind = kind_of(first >> 2);
        operation->page = take(reader, input.engine.pages);
        operation->argument = (uint8_t)take(reader, 256);
    }
}

static void describe(void)
{
    const struct engine_config *engine = &input.engine;

    fprintf(stderr,
            "%u frames, %u pages (%u shared, %u committed), %u slots, regions of %u, trim %u, "
            "write %u, cache %u, around %u, standby %u%%, list lock %s, dirty bit %s, %s, "
            "writers %u, zeroers %u, TLB %u, users %u\n",
            engine->frames, engine->pages, input.shared, input.committed, engine->slots,
            engine->region_ptes, engine->trim_batch, engine->write_batch, engine->frame_cache,
            engine->fault_around, engine->standby_percent,
            engine->list_lock_shared ? "shared" : "exclusive", engine->dirty_bit ? "on" : "off",
            input.policy->name, engine->workers[WORKER_WRITE], engine->workers[WORKER_ZERO],
            input.tlb_kind, input.users);
    for (uint32_t i = 0; i < input.operation_count; i++)
        fprintf(stderr, "  user %u: %s page %u, argument %u\n", input.operations[i].user,
                operation_table[input.operations[i].kind].name, input.operations[i].page,
                input.operations[i].argument);
    slow_store_describe(&assembly->store);
}

/* ---- accesses ---- */

static void read_word(uint32_t thread, page_number page, uint32_t writer)
{
    struct model_access access;
    uint64_t value = 0;
    enum fault_result result;

    model_read_begin(&access, page, writer);
    result = soft_read(assembly->soft, thread, ((uint64_t)page << PAGE_SHIFT) + 8 * writer, &value,
                       sizeof(value));
    model_read_end(&access, result, value);
}

static void write_word(uint32_t user, page_number page)
{
    struct model_access access;
    uint64_t value = model_write_begin(&access, page, user);

    model_write_end(&access,
                    soft_write(assembly->soft, user, ((uint64_t)page << PAGE_SHIFT) + 8 * user,
                               &value, sizeof(value)));
}

/* The page is there: look at all words through its memory, and write the own one. */
static void use_pinned(uint32_t number)
{
    struct user *user = &input.user[number];
    uint64_t *words = soft_frame(assembly->soft, user->pinned_frame);
    struct model_access access;

    for (uint32_t writer = 0; writer < input.users; writer++) {
        model_read_begin(&access, user->pinned, writer);
        model_read_end(&access, FAULT_RESOLVED, words[writer]);
    }
    if (user->pinned_for_writing) {
        words[number] = model_write_begin(&access, user->pinned, number);
        model_write_end(&access, FAULT_RESOLVED);
    }
}

static void unpin_page(uint32_t number)
{
    struct user *user = &input.user[number];

    if (user->pinned == PAGE_NONE)
        return;
    use_pinned(number);
    engine_unpin(assembly->engine, number, user->pinned);
    user->pinned = PAGE_NONE;
    input.pins--;
}

/* A pin is an access to the word of the user that pins: its rights are checked like one. */
static void pin_page(uint32_t number, page_number page, bool write)
{
    struct user *user = &input.user[number];
    uint32_t others = input.pins;
    frame_number frame;
    enum pin_result result;

    if (user->pinned != PAGE_NONE)
        unpin_page(number);
    input.pins++;
    result = engine_pin(assembly->engine, number, page, write, &frame);
    if (result == PIN_DONE) {
        user->pinned = page;
        user->pinned_frame = frame;
        user->pinned_for_writing = write;
        use_pinned(number);
        return;
    }
    input.pins--;
    if (result == PIN_LIMIT && others == 0 && frames_in_service(assembly->engine) > 1)
        fibers_fail("page %u: the limit of pins is reached, and nobody has one", page);
    if ((result == PIN_ACCESS_VIOLATION || result == PIN_IN_PAGE_ERROR) && !write)
        read_word(number, page, number);
}

/* ---- changes ---- */

static page_number count_from(page_number page, uint32_t wanted)
{
    return MIN_OF(wanted, input.engine.pages - page);
}

static void change_pages(const struct operation *operation)
{
    static const enum protection protections[] = {PROTECTION_READ_WRITE, PROTECTION_READ_ONLY,
                                                  PROTECTION_READ_WRITE, PROTECTION_NO_ACCESS};
    page_number first = operation->page, count = count_from(first, 1 + operation->argument % 8);
    enum protection protection = protections[operation->argument / 8 % 4];
    struct engine *engine = assembly->engine;
    struct model_change change;
    enum space_result result;

    if (operation->kind == OPERATION_COMMIT) {
        model_change_begin(&change, MODEL_COMMIT, first, count, protection);
        result = space_commit(engine, operation->user, first, count, protection);
    } else if (operation->kind == OPERATION_PROTECT) {
        model_change_begin(&change, MODEL_PROTECT, first, count, protection);
        result = space_protect(engine, operation->user, first, count, protection);
    } else {
        model_change_begin(&change, MODEL_DELETE, first, count, PROTECTION_DECOMMIT);
        result = space_decommit(engine, operation->user, first, count);
    }
    if (result == SPACE_NO_REGION && first + count <= input.shared)
        fibers_fail("page %u: no region, and it was never released", first);
    model_change_end(&change, result);
}

static void reserve_region(uint32_t number, page_number wanted)
{
    struct user *user = &input.user[number];

    if (user->region_count == 0 &&
        space_reserve(assembly->engine, number, wanted, &user->region) == SPACE_DONE)
        user->region_count = wanted;
}

static void release_region(uint32_t number)
{
    struct user *user = &input.user[number];
    struct model_change change;
    enum space_result result;

    if (user->region_count == 0)
        return;
    model_change_begin(&change, MODEL_DELETE, user->region, user->region_count,
                       PROTECTION_DECOMMIT);
    result = space_release(assembly->engine, number, user->region);
    if (result == SPACE_DONE)
        user->region_count = 0;
    else if (result != SPACE_BUSY)
        fibers_fail("page %u: a region could not be released: %d", user->region, result);
    model_change_end(&change, result);
}

/* ---- users ---- */

static void perform(const struct operation *operation)
{
    struct engine *engine = assembly->engine;
    struct thread *self = &engine->threads[operation->user];
    uint8_t argument = operation->argument;

    switch (operation->kind) {
    case OPERATION_READ:
        read_word(operation->user, operation->page, argument % input.users);
        break;
    case OPERATION_WRITE:
        write_word(operation->user, operation->page);
        break;
    case OPERATION_COMMIT:
    case OPERATION_DECOMMIT:
    case OPERATION_PROTECT:
        change_pages(operation);
        break;
    case OPERATION_PIN:
        pin_page(operation->user, operation->page, argument & 1);
        break;
    case OPERATION_UNPIN:
        unpin_page(operation->user);
        break;
    case OPERATION_RESERVE:
        reserve_region(operation->user, 1 + argument % 8);
        break;
    case OPERATION_RELEASE:
        release_region(operation->user);
        break;
    case OPERATION_RETIRE:
        engine_retire(engine, operation->user);
        break;
    case OPERATION_TRIM:
        trim_pages(engine, self, 1 + argument % 8);
        break;
    case OPERATION_WRITE_OUT:
        write_round(engine, self);
        break;
    case OPERATION_ZERO:
        zero_round(engine, self);
        break;
    case OPERATION_HELP:
        balance_help(engine, self);
        break;
    case OPERATION_REPURPOSE:
        frames_repurpose_ahead(engine, self, 1 + argument % 4);
        break;
    case OPERATION_LEAVE:
        engine_leave(engine, operation->user);
        break;
    }
    lock_check_none_held(self);
}

static void use_memory(void *argument)
{
    uint32_t user = (uint32_t)(uintptr_t)argument;

    soft_attach(assembly->soft, user);
    for (uint32_t i = 0; i < input.operation_count; i++) {
        if (input.operations[i].user == user)
            perform(&input.operations[i]);
    }
    unpin_page(user);
    soft_detach(assembly->soft, user);
    engine_leave(assembly->engine, user);
}

/* ---- a run ---- */

static void begin_memory(void)
{
    struct engine *engine = assembly->engine;
    struct model_change change;
    page_number first;

    if (space_reserve(engine, input.users, input.shared, &first) != SPACE_DONE || first != 0)
        fibers_fail("no region at the beginning");
    if (input.committed > 0) {
        model_change_begin(&change, MODEL_COMMIT, 0, input.committed, PROTECTION_READ_WRITE);
        model_change_end(
            &change, space_commit(engine, input.users, 0, input.committed, PROTECTION_READ_WRITE));
    }
    if (engine_start(engine, input.users + 1) != 0)
        fibers_fail("the workers did not start");
}

static void complain(void *context, const struct audit_complaint *complaint)
{
    (void)context;
    fibers_fail("audit: %s: frame %u, page %u, slot %u: expected %#llx, found %#llx",
                complaint->what, complaint->frame, complaint->page, complaint->slot,
                (unsigned long long)complaint->expected, (unsigned long long)complaint->found);
}

static void check_everything(void)
{
    struct engine *engine = assembly->engine;
    struct audit_result audit;

    soft_attach(assembly->soft, input.users);
    for (page_number page = 0; page < input.engine.pages; page++) {
        for (uint32_t writer = 0; writer < input.users; writer++)
            read_word(input.users, page, writer);
    }
    soft_detach(assembly->soft, input.users);
    engine_leave(engine, input.users);
    engine_stop(engine);
    engine_audit(engine, complain, NULL, &audit);
    if (audit.violations != 0 || audit.checks == 0)
        fibers_fail("audit: %u violations in %u checks", (unsigned)audit.violations,
                    (unsigned)audit.checks);
}

static void run_input(void *argument)
{
    struct world_thread *users[MODEL_USERS];

    (void)argument;
    begin_memory();
    for (uint32_t i = 0; i < input.users; i++)
        world_thread_start(use_memory, (void *)(uintptr_t)i, "user", &users[i]);
    for (uint32_t i = 0; i < input.users; i++)
        world_thread_join(users[i]);
    slow_store_heal(&assembly->store);
    check_everything();
}

/* Two that wait for each other in step may do so for ever where nobody is preempted. */
static void be_fair(void *context)
{
    (void)context;
    fibers_be_fair();
}

/* The parts for this input: made for the largest, and then only as much of them is used. */
static void assemble(void)
{
    static const uint32_t tlb_entries[TLB_KINDS] = {4, 0, 1};
    static size_t largest_bytes[TLB_KINDS];
    size_t bytes;
    struct assembly_config largest = {
        .engine = input.engine, .tlb_entries = tlb_entries[input.tlb_kind], .store = &slow_store};

    assembly = &assemblies[input.tlb_kind];
    if (assembly->memory == NULL) {
        largest.engine.pages = MODEL_PAGES;
        largest.engine.frames = FRAMES_MAX;
        largest.engine.slots = SLOTS_MAX;
        largest.engine.threads = MODEL_USERS + 1 + WORKERS_MAX;
        largest.engine.region_ptes = 1;
        largest.engine.workers[WORKER_ZERO] = 1;
        largest.engine.workers[WORKER_WRITE] = 2;
        if (assembly_create(assembly, &largest) != 0)
            abort();
        largest_bytes[input.tlb_kind] = assembly->memory_bytes;
    }
    assembly->config.engine = input.engine;
    assembly->config.policy = input.policy;
    bytes = engine_bytes(&input.engine);
    if (bytes > assembly->memory_bytes)
        abort();
    assembly->memory_bytes = bytes;
    assembly->engine = NULL; /* laid out in another way: nothing of the last one may stay */
    assembly_reset(assembly);
    assembly->memory_bytes = largest_bytes[input.tlb_kind];
}

int LLVMFuzzerTestOneInput(const unsigned char *bytes, size_t count)
{
    static struct fibers_result result;
    struct fibers_config config = {.strategy = FIBERS_BYTES,
                                   .seed = 1,
                                   .steps_max = STEPS_MAX,
                                   .net_ns = TICKS_OFF_NS,
                                   .look_every = STEPS_FAIR,
                                   .look = be_fair};
    struct reader reader = {bytes, bytes + count};
    uint32_t failures[SLOW_STORE_FAILURES];

    memset(&input, 0, sizeof(input));
    take_configuration(&reader);
    for (uint32_t i = 0; i < SLOW_STORE_FAILURES; i++)
        failures[i] = take(&reader, 256);
    take_program(&reader);
    for (uint32_t i = 0; i < MODEL_USERS; i++)
        input.user[i].pinned = PAGE_NONE;
    assemble();
    slow_store_fail(&assembly->store, failures);
    model_reset();
    config.bytes = reader.at;
    config.byte_count = (size_t)(reader.end - reader.at);
    fibers_run(&config, run_input, NULL, &result);
    if (result.outcome != FIBERS_DONE) {
        fprintf(stderr, "fuzz_engine: %s\n", result.text);
        describe();
        abort();
    }
    return 0;
}

/*
 * fuzz_store.c - an input becomes requests to a checked store over a faulty one, in any order that
 * a caller may give them, held against a model of what each slot must hold.
 *
 * The first bytes say how much goes wrong, then come the requests, three bytes each. A read gives
 * what was last written, or an error that has a reason; the faulty store's account must
 * agree with the errors that were seen, and at the end, healed, with every slot.
 */
#include "fuzz.h"

#include "base/types.h"
#include "store/checked.h"
#include "store/faulty.h"
#include "store/ram.h"
#include "world/fibers.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SLOTS_MAX    16u
#define QUEUES       2u
#define RUN_MAX      4u
#define REQUESTS_MAX 12u
#define STEPS_MAX    300u
#define PAGE_WORDS   (MM_PAGE_SIZE / sizeof(uint64_t))
#define LATENCY_NS   5000u
#define SLOW_NS      20000u

/* X(id, weight): what a caller may do. */
#define STEPS(X)                                                                                   \
    X(WRITE, 6)                                                                                    \
    X(WRITE_CHANGED, 2) /* the source changes while the write is under way */                      \
    X(READ, 6)                                                                                     \
    X(REAP, 4)                                                                                     \
    X(DISCARD, 2)                                                                                  \
    X(FAIL, 2) /* a request to come fails */                                                       \
    X(OUTSIDE, 1)                                                                                  \
    X(HEAL, 1)

enum step_kind {
#define X(id, weight) STEP_##id,
    STEPS(X)
#undef X
};

static const uint32_t step_weights[] = {
#define X(id, weight) weight,
    STEPS(X)
#undef X
};

struct flight {
    struct store_request request;
    bool under_way, changed;
    uint32_t queue;
    uint64_t version; /* of the pages of a write */
    void *pointers[RUN_MAX];
    uint64_t pages[RUN_MAX][PAGE_WORDS];
};

struct slot {
    uint64_t version; /* 0: no content */
    bool doubtful;    /* the source changed: the slot may be worthless */
    bool busy;
};

static struct {
    const unsigned char *at, *end;
    struct store ram, faulty, checked;
    uint32_t slots;
    uint64_t versions, errors; /* so far */
    struct slot slot[SLOTS_MAX + 1];
    struct flight flights[REQUESTS_MAX];
} input;

static uint32_t take(uint32_t bound)
{
    return input.at < input.end ? *input.at++ % bound : 0;
}

static enum step_kind take_kind(void)
{
    uint32_t sum = 0, kind = 0, number;

    for (uint32_t i = 0; i < ARRAY_COUNT(step_weights); i++)
        sum += step_weights[i];
    number = take(256) % sum;
    while (number >= step_weights[kind])
        number -= step_weights[kind++];
    return (enum step_kind)kind;
}

/* ---- pages ---- */

static uint64_t word_of(uint64_t version, slot_number slot, size_t index)
{
    return (version << 32 | slot) * 0x9e3779b97f4a7c15ull + index;
}

static void fill(uint64_t *words, uint64_t version, slot_number slot)
{
    for (size_t i = 0; i < PAGE_WORDS; i++)
        words[i] = word_of(version, slot, i);
}

static bool holds(const uint64_t *words, uint64_t version, slot_number slot)
{
    for (size_t i = 0; i < PAGE_WORDS; i++) {
        if (words[i] != word_of(version, slot, i))
            return false;
    }
    return true;
}

/* ---- results ---- */

static bool reads_suffered(void)
{
    return faulty_count(&input.faulty, FAULTY_STALE) +
               faulty_count(&input.faulty, FAULTY_FLIP_READ) !=
           0;
}

/* The checked store would not vouch for the page: there must be a reason. */
static void check_refused(slot_number number)
{
    const struct slot *slot = &input.slot[number];

    if (slot->version != 0 && !slot->doubtful && !reads_suffered() &&
        faulty_slot_state(&input.faulty, number) == FAULTY_SLOT_INTACT)
        fibers_fail("slot %u holds version %u and could not be read", number,
                    (unsigned)slot->version);
}

static void check_read(const struct flight *flight)
{
    const struct store_request *request = &flight->request;

    if (request->result == -EBADMSG)
        check_refused(request->slot + request->pages_done);
    for (uint32_t i = 0; request->result == 0 && i < request->count; i++) {
        const struct slot *slot = &input.slot[request->slot + i];

        if (slot->version == 0 || !holds(flight->pages[i], slot->version, request->slot + i))
            fibers_fail("slot %u was read, and not version %u", request->slot + i,
                        (unsigned)slot->version);
    }
}

static void settle_write(const struct flight *flight)
{
    const struct store_request *request = &flight->request;

    if (request->result == -EBADMSG)
        fibers_fail("slot %u: a write ended like a read", request->slot);
    for (uint32_t i = 0; i < request->count; i++) {
        input.slot[request->slot + i].version = request->result == 0 ? flight->version : 0;
        input.slot[request->slot + i].doubtful = flight->changed;
    }
}

static void flight_end(struct flight *flight)
{
    const struct store_request *request = &flight->request;

    if (!flight->under_way)
        fibers_fail("a request was reaped twice");
    flight->under_way = false;
    if (!store_has_run(input.slots, request)) {
        if (request->result != -EINVAL)
            fibers_fail("slots %u to %u do not exist: %d", request->slot,
                        request->slot + request->count - 1, request->result);
        return;
    }
    if (request->result == 0 ? request->pages_done != request->count
                             : request->pages_done >= request->count)
        fibers_fail("slot %u: result %d after %u of %u pages", request->slot, request->result,
                    request->pages_done, request->count);
    if (request->result != 0 && request->result != -EBADMSG) {
        input.errors++;
        if (request->result != -EIO && request->result != -ENOSPC)
            fibers_fail("slot %u: a result of %d", request->slot, request->result);
    }
    for (uint32_t i = 0; i < request->count; i++)
        input.slot[request->slot + i].busy = false;
    if (request->operation == STORE_READ)
        check_read(flight);
    else
        settle_write(flight);
}

/* ---- requests ---- */

static uint32_t reap(uint32_t queue, uint32_t count, bool wait)
{
    struct store_request *reaped[REQUESTS_MAX];
    uint32_t found = input.checked.ops->reap(input.checked.self, queue, reaped, count, wait);

    for (uint32_t i = 0; i < found; i++) {
        struct flight *flight = (struct flight *)(void *)reaped[i];

        if (flight->queue != queue)
            fibers_fail("a request came back on another queue");
        flight_end(flight);
    }
    return found;
}

static void drain(void)
{
    for (uint32_t i = 0; i < REQUESTS_MAX; i++) {
        while (input.flights[i].under_way) {
            if (reap(input.flights[i].queue, REQUESTS_MAX, true) == 0)
                fibers_fail("a request is under way and cannot be waited for");
        }
    }
}

static struct flight *flight_new(slot_number slot, uint32_t count)
{
    for (uint32_t i = 0; i < count && slot + i <= input.slots; i++) {
        if (input.slot[slot + i].busy)
            drain();
    }
    for (;; drain()) {
        for (uint32_t i = 0; i < REQUESTS_MAX; i++) {
            if (!input.flights[i].under_way)
                return &input.flights[i];
        }
    }
}

static void submit(enum store_operation operation, slot_number slot, uint32_t count, uint32_t queue,
                   bool change)
{
    struct flight *flight = flight_new(slot, count);
    struct store_request *request = &flight->request;

    flight->under_way = true;
    flight->changed = change;
    flight->queue = queue;
    flight->version = ++input.versions;
    for (uint32_t i = 0; i < count; i++) {
        flight->pointers[i] = flight->pages[i];
        fill(flight->pages[i], flight->version, slot + i);
    }
    *request = (struct store_request){
        .operation = operation, .slot = slot, .count = count, .pages = flight->pointers};
    for (uint32_t i = 0; store_has_run(input.slots, request) && i < count; i++)
        input.slot[slot + i].busy = true;
    input.checked.ops->submit(input.checked.self, queue, &request, 1);
    if (change)
        flight->pages[0][PAGE_WORDS / 2] ^= 1;
}

static void discard(slot_number slot, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        if (input.slot[slot + i].busy)
            drain();
    }
    input.checked.ops->discard(input.checked.self, slot, count);
    for (uint32_t i = 0; i < count; i++)
        input.slot[slot + i].version = 0;
}

static void take_step(void)
{
    enum step_kind kind = take_kind();
    slot_number slot = 1 + take(input.slots);
    uint32_t argument = take(256), queue = argument % QUEUES;
    uint32_t count = MIN_OF(1 + argument / QUEUES % RUN_MAX, input.slots - slot + 1);

    switch (kind) {
    case STEP_WRITE:
    case STEP_WRITE_CHANGED:
        submit(STORE_WRITE, slot, count, queue, kind == STEP_WRITE_CHANGED);
        break;
    case STEP_READ:
        submit(STORE_READ, slot, count, queue, false);
        break;
    case STEP_REAP:
        reap(queue, count, argument & 128);
        break;
    case STEP_DISCARD:
        discard(slot, count);
        break;
    case STEP_FAIL:
        faulty_fail_nth(&input.faulty, argument & 1 ? STORE_READ : STORE_WRITE, argument / 2 % 8,
                        argument & 128);
        break;
    case STEP_OUTSIDE:
        submit(argument & 1 ? STORE_READ : STORE_WRITE, argument & 2 ? 0 : input.slots, RUN_MAX,
               queue, false);
        break;
    case STEP_HEAL:
        faulty_heal(&input.faulty);
        break;
    }
}

/* ---- the whole ---- */

static void check_account(void)
{
    static const enum faulty_class said[] = {FAULTY_READ_ERROR, FAULTY_WRITE_ERROR, FAULTY_FULL,
                                             FAULTY_SHORT, FAULTY_BAD};
    uint64_t errors = 0;

    for (uint32_t i = 0; i < ARRAY_COUNT(said); i++)
        errors += faulty_count(&input.faulty, said[i]);
    if (errors != input.errors)
        fibers_fail("%u errors in the account, and %u were seen", (unsigned)errors,
                    (unsigned)input.errors);
}

static void check_slots(void)
{
    static uint64_t page[PAGE_WORDS];

    for (slot_number number = 1; number <= input.slots; number++) {
        const struct slot *slot = &input.slot[number];
        bool intact = faulty_slot_state(&input.faulty, number) == FAULTY_SLOT_INTACT;
        int result = store_read_page(&input.checked, 0, number, page);

        if (result == 0 ? slot->version == 0 || !holds(page, slot->version, number)
                        : result != -EBADMSG || (slot->version != 0 && intact && !slot->doubtful))
            fibers_fail("slot %u at the end: result %d, version %u", number, result,
                        (unsigned)slot->version);
    }
}

static void run_input(void *argument)
{
    (void)argument;
    for (uint32_t i = 0; i < STEPS_MAX && input.at < input.end; i++)
        take_step();
    drain();
    check_account();
    faulty_heal(&input.faulty);
    check_slots();
}

static void create_stores(void)
{
    uint32_t seed;

    input.slots = 1 + take(SLOTS_MAX);
    seed = take(256);
    if (ram_create(input.slots, QUEUES, &input.ram) != 0 ||
        faulty_create(&input.ram, seed, &input.faulty) != 0 ||
        checked_create(&input.faulty, &input.checked) != 0)
        abort();
    ram_set_latency(&input.ram, take(2) * LATENCY_NS);
    faulty_set_slow(&input.faulty, SLOW_NS);
    for (unsigned class = 0; class < FAULTY_CLASS_COUNT; class ++) {
        uint32_t rate = take(16);

        faulty_set_rate(&input.faulty, (enum faulty_class) class,
                        rate * rate * rate * (FAULTY_MILLION / 3375));
    }
}

int LLVMFuzzerTestOneInput(const unsigned char *bytes, size_t count)
{
    static struct fibers_result result;
    struct fibers_config config = {.strategy = FIBERS_BYTES, .net_ns = UINT64_MAX};

    memset(&input, 0, sizeof(input));
    input.at = bytes;
    input.end = bytes + count;
    create_stores();
    fibers_run(&config, run_input, NULL, &result);
    store_destroy(&input.checked);
    store_destroy(&input.faulty);
    store_destroy(&input.ram);
    if (result.outcome != FIBERS_DONE) {
        fprintf(stderr, "fuzz_store: %s\n", result.text);
        abort();
    }
    return 0;
}
